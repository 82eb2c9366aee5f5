//! The configuration of a node: its name, its port, its limits.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use crate::base::config_error::{ConfigError, Problems};
use crate::base::keys::{self, Key, Kind, Range, parse_list, row, write_list};

/// Everything that can be chosen about a node. The names are memberlist's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// The node's name in all its pools, unique in each; a pool may have its own. Empty:
    /// the host's name.
    pub name: String,
    /// Addresses to listen on, all with the same port. `::` is every IPv6 interface and not
    /// IPv4 too; together with `0.0.0.0` it is every interface. Default: all IPv4 interfaces.
    pub bind_addr: Vec<IpAddr>,
    /// TCP and UDP port; 0 takes a free one, the same number for both. Default 7946.
    pub bind_port: u16,
    /// The address told to others; `None` chooses: the bound one, or behind a wildcard
    /// this host's private address. A node tells one address only, for all its pools: peers
    /// that have no address of that family can't send datagrams to it.
    pub advertise_addr: Option<IpAddr>,
    /// The port told to others; 0 means the bound one.
    pub advertise_port: u16,
    /// Threads for the network, 1 to 64. Default 2.
    pub threads: usize,
    /// A connection that says nothing for this long goes to the native listener, so that
    /// protocols in which the server speaks first work. Default 3 s.
    pub sniff_timeout: Duration,
    /// Connections that have not yet said whom they want; more are closed and counted.
    pub max_sniffing: usize,
    /// The same for one source address.
    pub max_sniffing_per_source: usize,
    /// Connections that wait for an accept of each listener; more are closed and counted. A
    /// listener may have its own: [`ListenOptions`](crate::net::listener::ListenOptions).
    pub listener_backlog: usize,
    /// Datagrams that wait for the packet receiver; more are dropped and counted.
    pub packet_queue: usize,
    /// Receive buffer asked of the system for each UDP socket; halved until it is granted.
    pub udp_recv_buffer: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            name: String::new(),
            bind_addr: vec![Ipv4Addr::UNSPECIFIED.into()],
            bind_port: 7946,
            advertise_addr: None,
            advertise_port: 0,
            threads: 2,
            sniff_timeout: Duration::from_secs(3),
            max_sniffing: 1024,
            max_sniffing_per_source: 64,
            listener_backlog: 128,
            packet_queue: 4096,
            udp_recv_buffer: 2 << 20,
        }
    }
}

impl Config {
    /// Checks every value; the error lists everything that cannot work, each with its
    /// value and the rule.
    pub fn check(&self) -> Result<(), ConfigError> {
        let mut problems = Problems::default();
        keys::check(KEYS, self, &mut problems);
        problems.into_result()
    }
}

fn parse_ip(text: &str) -> Result<IpAddr, String> {
    text.parse().map_err(|_| "must be an IP address such as 192.0.2.1 or 2001:db8::1".to_owned())
}

/// Every key of [`Config`], in the order of the manual.
pub const KEYS: &[Key<Config>] = &[
    Key {
        name: "name",
        kind: Kind::Text,
        unit: "bytes",
        range: Range::Words("at most 255 bytes"),
        about: "the node's name, unique in each pool; empty takes the host's name",
        get: |config| config.name.clone(),
        set: |config, text| {
            text.clone_into(&mut config.name);
            Ok(())
        },
        check: |config| match config.name.len() {
            0..=255 => Ok(()),
            _ => Err("must be at most 255 bytes".to_owned()),
        },
    },
    Key {
        name: "bind_addr",
        kind: Kind::List,
        unit: "",
        range: Range::Words("IP addresses, separated by commas"),
        about: "addresses to listen on, all with the same port",
        get: |config| write_list(&config.bind_addr),
        set: |config, text| {
            config.bind_addr = parse_list(text, parse_ip)?;
            Ok(())
        },
        check: |config| match config.bind_addr.is_empty() {
            true => Err("must name at least one address".to_owned()),
            false => Ok(()),
        },
    },
    row!(count bind_port, 0, 65535, "", "TCP and UDP port; 0 takes a free one"),
    Key {
        name: "advertise_addr",
        kind: Kind::Text,
        unit: "",
        range: Range::Words("an IP address, or empty"),
        about: "the address told to others; empty chooses the bound one, or a private one of this host",
        get: |config| config.advertise_addr.map(|ip| ip.to_string()).unwrap_or_default(),
        set: |config, text| {
            config.advertise_addr = if text.is_empty() { None } else { Some(parse_ip(text)?) };
            Ok(())
        },
        check: |config| match config.advertise_addr.is_some_and(|ip| ip.to_canonical().is_unspecified()) {
            true => Err("must be an address that others can reach".to_owned()),
            false => Ok(()),
        },
    },
    row!(count advertise_port, 0, 65535, "", "the port told to others; 0 means the bound one"),
    row!(count threads, 1, 64, "threads", "threads for the network"),
    row!(duration sniff_timeout, 1 h, "after this long without a byte a connection goes to the native listener"),
    row!(count max_sniffing, 1, 1048576, "connections", "connections that have not yet said whom they want"),
    row!(count max_sniffing_per_source, 1, 1048576, "connections", "the same for one source address"),
    row!(count listener_backlog, 1, 65536, "connections", "connections that wait for an accept of each listener"),
    row!(count packet_queue, 1, 1048576, "datagrams", "datagrams that wait for the packet receiver"),
    row!(count udp_recv_buffer, 4096, 1073741824, "bytes", "receive buffer asked of the system for each UDP socket"),
];
