//! Which address to tell others (behaviour document 17; Go: `go-sockaddr`).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use if_addrs::{IfAddr, Interface};
use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use super::error::NetError;
use crate::base::addr::NodeAddr;

/// The address others are told: `addr` and `port` where they are given; otherwise the
/// first of the `bound` addresses, and if that is a wildcard, a private address of this
/// host that the port is bound to. An IPv4 address always takes its 4-byte form, because
/// others compare addresses byte by byte.
pub fn advertise_addr(
    addr: Option<IpAddr>,
    port: Option<u16>,
    bound: &[SocketAddr],
) -> Result<NodeAddr, NetError> {
    let first = *bound.first().ok_or(NetError::BindNothing)?;
    let ip = match addr.map(|ip| ip.to_canonical()) {
        Some(ip) if ip.is_unspecified() => return Err(NetError::AdvertiseWildcard(ip)),
        Some(ip) => ip,
        None if first.ip().is_unspecified() => {
            private_addr(bound).ok_or(NetError::NoAdvertiseAddr { bound: first })?
        }
        None => first.ip().to_canonical(),
    };
    Ok(SocketAddr::new(ip, port.unwrap_or_else(|| first.port())).into())
}

/// An address of an interface that is up.
#[derive(Debug, Clone)]
struct Candidate {
    ip: IpAddr,
    prefix_len: u8,
    has_default_route: bool,
}

fn private_addr(bound: &[SocketAddr]) -> Option<IpAddr> {
    let gateway = default_interface();
    let interfaces = if_addrs::get_if_addrs().unwrap_or_default();
    let candidates = interfaces.iter().filter(|interface| interface.is_oper_up());
    choose(candidates.map(|interface| Candidate::new(interface, gateway.as_deref())), bound)
}

impl Candidate {
    fn new(interface: &Interface, gateway: Option<&str>) -> Self {
        let prefix_len = match &interface.addr {
            IfAddr::V4(addr) => addr.prefixlen,
            IfAddr::V6(addr) => addr.prefixlen,
        };
        let has_default_route = gateway == Some(interface.name.as_str());
        Self { ip: interface.ip(), prefix_len, has_default_route }
    }
}

/// The best of `candidates` that a wildcard among `bound` covers: on the default route's
/// interface first, IPv4 before IPv6, the larger network first, then as the host lists them.
fn choose(candidates: impl Iterator<Item = Candidate>, bound: &[SocketAddr]) -> Option<IpAddr> {
    let covered =
        |ip: IpAddr| bound.iter().any(|addr| addr.ip().is_unspecified() && addr.is_ipv4() == ip.is_ipv4());
    candidates
        .filter(|candidate| covered(candidate.ip) && is_private(candidate.ip))
        .min_by_key(|candidate| (!candidate.has_default_route, candidate.ip.is_ipv6(), candidate.prefix_len))
        .map(|candidate| candidate.ip)
}

/// Whether anybody on the internet may reach this address: it lies in no special-purpose
/// range (RFC 6890).
pub fn is_public(ip: IpAddr) -> bool {
    let is_local = match ip.to_canonical() {
        IpAddr::V4(v4) => {
            v4.is_loopback() || v4.is_link_local() || v4.is_documentation() || v4.is_unspecified()
        }
        IpAddr::V6(v6) => v6.is_loopback() || v6.is_unicast_link_local() || v6.is_unspecified(),
    };
    !is_local && !PRIVATE.iter().any(|net| net.contains(&ip.to_canonical()))
}

/// Inside a special-purpose range of RFC 6890 whose addresses may be forwarded.
fn is_private(ip: IpAddr) -> bool {
    PRIVATE.iter().any(|net| net.contains(&ip)) && !UNROUTED.contains(&ip)
}

const fn v4(ip: [u8; 4], prefix_len: u8) -> IpNet {
    IpNet::V4(Ipv4Net::new_assert(Ipv4Addr::new(ip[0], ip[1], ip[2], ip[3]), prefix_len))
}

const fn v6(first: u16, second: u16, third: u16, prefix_len: u8) -> IpNet {
    IpNet::V6(Ipv6Net::new_assert(Ipv6Addr::new(first, second, third, 0, 0, 0, 0, 0), prefix_len))
}

const PRIVATE: [IpNet; 11] = [
    v4([10, 0, 0, 0], 8),
    v4([100, 64, 0, 0], 10),
    v4([172, 16, 0, 0], 12),
    v4([192, 88, 99, 0], 24),
    v4([192, 168, 0, 0], 16),
    v4([198, 18, 0, 0], 15),
    v6(0x64, 0xFF9B, 0, 96),
    v6(0x100, 0, 0, 64),
    v6(0x2001, 0, 0, 23),
    v6(0x2002, 0, 0, 16),
    v6(0xFC00, 0, 0, 7),
];

/// ORCHID: inside 2001::/23, yet never forwarded.
const UNROUTED: IpNet = v6(0x2001, 0x10, 0, 28);

/// The interface of the default route, where the system tells it (Linux).
fn default_interface() -> Option<String> {
    let read = |path| std::fs::read_to_string(path).unwrap_or_default();
    parse_route(&read("/proc/net/route")).or_else(|| parse_ipv6_route(&read("/proc/net/ipv6_route")))
}

/// Interface, destination, gateway, flags, two counters, metric, mask: the default route
/// with the least metric.
fn parse_route(table: &str) -> Option<String> {
    let default = table.lines().skip(1).filter_map(|line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        match fields[..] {
            [name, "00000000", _, _, _, _, metric, "00000000", ..] => {
                Some((metric.parse::<u32>().ok()?, name))
            }
            _ => None,
        }
    });
    default.min_by_key(|(metric, _)| *metric).map(|(_, name)| name.into())
}

/// Destination, its length, source, its length, gateway, metric, two counters, flags, interface.
fn parse_ipv6_route(table: &str) -> Option<String> {
    const UNREACHABLE: &str = "lo";

    let default = table.lines().filter_map(|line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        match fields[..] {
            [destination, "00", _, _, _, metric, _, _, _, name, ..]
                if name != UNREACHABLE && destination.bytes().all(|digit| digit == b'0') =>
            {
                Some((u32::from_str_radix(metric, 16).ok()?, name))
            }
            _ => None,
        }
    });
    default.min_by_key(|(metric, _)| *metric).map(|(_, name)| name.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::addr::WireIp;

    const ANY: &str = "0.0.0.0:7946";
    const ANY_V6: &str = "[::]:7946";

    fn bound(addrs: &[&str]) -> Vec<SocketAddr> {
        addrs.iter().map(|addr| addr.parse().unwrap()).collect()
    }

    fn candidate(text: &str, has_default_route: bool) -> Candidate {
        let net: IpNet = text.parse().unwrap();
        Candidate { ip: net.addr(), prefix_len: net.prefix_len(), has_default_route }
    }

    #[test]
    fn what_is_given_is_told() {
        let given = advertise_addr(Some("::ffff:1.2.3.4".parse().unwrap()), Some(5), &bound(&[ANY])).unwrap();

        assert_eq!(given, NodeAddr { ip: WireIp::V4([1, 2, 3, 4]), port: 5 });
    }

    #[test]
    fn a_single_bound_address_is_told_with_its_port() {
        let told = advertise_addr(None, None, &bound(&["127.0.0.1:7", ANY])).unwrap();

        assert_eq!(told, NodeAddr { ip: WireIp::V4([127, 0, 0, 1]), port: 7 });
    }

    #[test]
    fn every_form_of_the_wildcard_is_refused() {
        for text in ["0.0.0.0", "::", "::ffff:0.0.0.0"] {
            let wildcard = Some(text.parse().unwrap());
            assert!(matches!(
                advertise_addr(wildcard, None, &bound(&[ANY])),
                Err(NetError::AdvertiseWildcard(_))
            ));
        }
    }

    #[test]
    fn a_private_address_is_chosen_by_route_family_and_size() {
        let both = [ANY, ANY_V6];
        let cases = [
            (
                "default route first",
                vec![("10.0.0.1/8", false), ("192.168.0.1/24", true)],
                &both[..],
                "192.168.0.1",
            ),
            ("v4 before v6", vec![("fd00::1/64", true), ("10.0.0.1/8", true)], &both, "10.0.0.1"),
            ("larger network", vec![("192.168.0.1/24", true), ("172.16.0.1/16", true)], &both, "172.16.0.1"),
            ("first of equals", vec![("10.0.0.1/8", true), ("10.0.0.2/8", true)], &both, "10.0.0.1"),
            ("only what is bound", vec![("10.0.0.1/8", true), ("fd00::1/64", false)], &[ANY_V6], "fd00::1"),
            ("private only", vec![("8.8.8.8/24", true), ("100.64.0.1/10", false)], &both, "100.64.0.1"),
        ];

        for (name, candidates, addrs, chosen) in cases {
            let candidates = candidates.into_iter().map(|(text, gateway)| candidate(text, gateway));
            assert_eq!(choose(candidates, &bound(addrs)), Some(chosen.parse().unwrap()), "{name}");
        }
    }

    #[test]
    fn addresses_that_others_cannot_use_are_not_private() {
        for ip in
            ["127.0.0.1", "169.254.1.1", "8.8.8.8", "192.0.2.1", "::1", "fe80::1", "2001:10::1", "2600::1"]
        {
            assert!(!is_private(ip.parse().unwrap()), "{ip}");
        }
    }

    #[test]
    fn only_what_the_internet_reaches_is_public() {
        for (ip, public) in [
            ("8.8.8.8", true),
            ("::ffff:8.8.8.8", true),
            ("2600::1", true),
            ("10.0.0.1", false),
            ("::ffff:10.0.0.1", false),
            ("100.64.0.1", false),
            ("127.0.0.1", false),
            ("169.254.0.1", false),
            ("192.0.2.1", false),
            ("::1", false),
            ("fe80::1", false),
            ("fd00::1", false),
        ] {
            assert_eq!(is_public(ip.parse().unwrap()), public, "{ip}");
        }
    }

    #[test]
    fn the_default_route_with_the_least_metric_counts() {
        let v4 = "Iface Destination Gateway Flags RefCnt Use Metric Mask MTU Window IRTT\n\
                  eth1 00000000 0102000A 0003 0 0 100 00000000 0 0 0\n\
                  eth0 0002000A 00000000 0001 0 0 0 00FFFFFF 0 0 0\n\
                  wlan0 00000000 0102000A 0003 0 0 50 00000000 0 0 0\n";
        let zero = "0".repeat(32);
        let v6 = format!(
            "{zero} 00 {zero} 00 {zero} ffffffff 00000001 00000000 00200200       lo\n\
             {zero} 00 {zero} 00 fd000000000000000000000000000001 00000400 00000002 00000000 00000003     eth0\n"
        );

        assert_eq!(parse_route(v4).as_deref(), Some("wlan0"));
        assert_eq!(parse_ipv6_route(&v6).as_deref(), Some("eth0"));
        assert_eq!(parse_route(""), None);
        assert_eq!(parse_ipv6_route("nonsense"), None);
    }
}
