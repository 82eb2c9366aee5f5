//! Nodes over sockets that somebody else has bound, as a service manager does.

#[path = "runtime/support.rs"]
#[allow(dead_code, reason = "this binary uses a part")]
mod support;

use std::io::Write;
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream, UdpSocket};

use gossip_core::net::inherited::Sockets;
use gossip_core::runtime::config::Config;
use gossip_core::runtime::gossip::Gossip;
use socket2::{Domain, Socket, Type};
use support::{PATIENCE, Recorder, eventually, join, loopback, member, names, quick, started};

/// A TCP and a UDP socket on one free port.
fn pair(ip: &str) -> (TcpListener, UdpSocket) {
    let ip: IpAddr = ip.parse().unwrap();
    // Another test may have the UDP socket of that number.
    (0..100)
        .find_map(|_| {
            let tcp = TcpListener::bind((ip, 0)).unwrap();
            let udp = UdpSocket::bind(tcp.local_addr().unwrap()).ok()?;
            Some((tcp, udp))
        })
        .expect("a port that is free in both protocols")
}

fn sockets(pairs: impl IntoIterator<Item = (TcpListener, UdpSocket)>) -> Sockets {
    let (tcp, udp) = pairs.into_iter().unzip();
    Sockets { tcp, udp }
}

#[test]
fn a_node_over_inherited_sockets_gossips_and_serves() {
    let (tcp, udp) = pair("127.0.0.1");
    let addr = tcp.local_addr().unwrap();
    // It has waited since before the program began.
    let mut early = TcpStream::connect(addr).unwrap();
    early.write_all(b"GET").unwrap();
    let elsewhere = Config { bind_addr: vec![], bind_port: 1, ..loopback("a") };

    let a = Gossip::with_sockets(elsewhere, sockets([(tcp, udp)])).unwrap();
    let told = Recorder::new();
    let pool_a = a.register_pool(quick(1), Some(told.clone())).unwrap();
    let native = a.listen_tcp().unwrap();
    a.start().unwrap();
    let (_b, pool_b, told_b) = started("b");
    join(&pool_b, &a);

    assert_eq!((a.local_addrs(), a.advertise_addr()), (&[addr][..], addr));
    assert_eq!((a.config().bind_addr.as_slice(), a.config().bind_port), (&[addr.ip()][..], addr.port()));
    assert_eq!(member(&pool_b, "a").addr(), addr);
    pool_b.broadcast(b"from b", PATIENCE).unwrap();
    told.expect("datagram from b");
    pool_a.broadcast(b"from a", PATIENCE).unwrap();
    told_b.expect("datagram from a");
    pool_b.ping(&member(&pool_b, "a"), PATIENCE).unwrap();
    let (_server, peer) = native.accept(Some(PATIENCE)).unwrap();
    assert_eq!(peer, early.local_addr().unwrap());
}

#[test]
fn inherited_sockets_are_closed_at_the_end_and_on_an_error() {
    let (tcp, udp) = pair("127.0.4.1");
    let addr = tcp.local_addr().unwrap();
    let gossip = Gossip::with_sockets(loopback("a"), sockets([(tcp, udp)])).unwrap();
    gossip.register_pool(quick(1), None).unwrap();
    gossip.start().unwrap();
    assert!(TcpListener::bind(addr).is_err() && UdpSocket::bind(addr).is_err());

    gossip.shutdown(PATIENCE).unwrap();

    // Nobody else binds here.
    let (tcp, udp) = (TcpListener::bind(addr).unwrap(), UdpSocket::bind(addr).unwrap());
    let cannot_work = Config { threads: 0, ..loopback("a") };
    Gossip::with_sockets(cannot_work, sockets([(tcp, udp)])).unwrap_err();
    let (tcp, _udp) = (TcpListener::bind(addr).unwrap(), UdpSocket::bind(addr).unwrap());
    Gossip::with_sockets(loopback("a"), Sockets { tcp: vec![tcp], udp: vec![] }).unwrap_err();
    TcpListener::bind(addr).unwrap();
}

#[test]
fn inherited_sockets_become_what_ours_are() {
    let addr: SocketAddr = "127.0.4.2:0".parse().unwrap();
    let raw = |addr: SocketAddr, kind| {
        let socket = Socket::new(Domain::IPV4, kind, None).unwrap();
        #[cfg(unix)]
        socket.set_cloexec(false).unwrap();
        socket.bind(&addr.into()).unwrap();
        socket
    };
    // Bound, blocking, inheritable, and not listening.
    let tcp = raw(addr, Type::STREAM);
    let udp = raw(tcp.local_addr().unwrap().as_socket().unwrap(), Type::DGRAM);
    #[cfg(target_os = "linux")]
    let descriptors = [&tcp, &udp].map(std::os::fd::AsRawFd::as_raw_fd);
    let sockets = Sockets { tcp: vec![tcp.into()], udp: vec![udp.into()] };

    let gossip = Gossip::with_sockets(loopback("a"), sockets).unwrap();

    #[cfg(target_os = "linux")]
    for descriptor in descriptors {
        const NON_BLOCKING: u32 = 0o4000;
        const CLOSE_ON_EXEC: u32 = 0o2_000_000;
        let text = std::fs::read_to_string(format!("/proc/self/fdinfo/{descriptor}")).unwrap();
        let flags = text.lines().find_map(|line| line.strip_prefix("flags:")).unwrap().trim();
        let flags = u32::from_str_radix(flags, 8).unwrap();
        assert_eq!(flags & (NON_BLOCKING | CLOSE_ON_EXEC), NON_BLOCKING | CLOSE_ON_EXEC, "{flags:o}");
    }
    let native = gossip.listen_tcp().unwrap();
    gossip.start().unwrap();
    let mut client = TcpStream::connect(gossip.local_addr()).unwrap();
    client.write_all(b"GET").unwrap();
    native.accept(Some(PATIENCE)).unwrap();
}

#[test]
fn an_ipv6_wildcard_that_takes_ipv4_too_is_both_wildcards() {
    let dual = |addr: SocketAddr, kind| {
        let socket = Socket::new(Domain::IPV6, kind, None).unwrap();
        socket.set_only_v6(false).unwrap();
        socket.bind(&addr.into()).map(|()| socket)
    };
    // Another test may have the UDP socket of that number.
    let (tcp, udp) = (0..100)
        .find_map(|_| {
            let tcp = dual("[::]:0".parse().unwrap(), Type::STREAM).unwrap();
            let udp = dual(tcp.local_addr().unwrap().as_socket().unwrap(), Type::DGRAM).ok()?;
            Some((tcp, udp))
        })
        .expect("a port that is free in both protocols");
    let config = Config { advertise_addr: Some([127, 0, 0, 1].into()), ..loopback("both") };
    let sockets = Sockets { tcp: vec![tcp.into()], udp: vec![udp.into()] };
    let both = Gossip::with_sockets(config, sockets).unwrap();
    let pool = both.register_pool(quick(1), None).unwrap();
    both.start().unwrap();
    let port = both.local_addr().port();
    let nodes = ["127.0.0.1", "::1"].map(|ip| {
        let gossip = Gossip::new(Config { bind_addr: vec![ip.parse().unwrap()], ..loopback(ip) }).unwrap();
        let told = Recorder::new();
        let pool = gossip.register_pool(quick(1), Some(told.clone())).unwrap();
        gossip.start().unwrap();
        pool.join(&[SocketAddr::new(ip.parse().unwrap(), port).to_string()], PATIENCE).unwrap();
        (gossip, told)
    });

    let expected = ["[::]", "0.0.0.0"].map(|host| format!("{host}:{port}").parse().unwrap());
    assert_eq!(both.local_addrs(), expected);
    eventually("everyone is known", || names(&pool) == ["127.0.0.1", "::1", "both"]);
    let packets = both.packets().unwrap();
    for (gossip, told) in &nodes {
        let other = member(&pool, &gossip.node_name().to_string());
        assert_eq!(other.addr(), gossip.local_addr());
        pool.send_best_effort(&other, b"hello").unwrap();
        told.expect("datagram hello");
        let theirs = gossip.packets().unwrap();
        theirs.send_to(b"question", SocketAddr::new(gossip.local_addr().ip(), port)).unwrap();
        assert_eq!(packets.recv(Some(PATIENCE)).unwrap().from, gossip.local_addr(), "never a mapped address");
    }
    let native = both.listen_tcp().unwrap();
    let mut client = TcpStream::connect(("127.0.0.1", port)).unwrap();
    client.write_all(b"GET").unwrap();
    assert_eq!(native.accept(Some(PATIENCE)).unwrap().1, client.local_addr().unwrap());
}

#[test]
fn sockets_that_make_no_port_are_refused_by_what_is_wrong() {
    let [(tcp, udp), (other_tcp, other_udp)] = [pair("127.0.4.3"), pair("127.0.4.3")];
    let addr = tcp.local_addr().unwrap();
    let (port, other_port) = (addr.port(), other_tcp.local_addr().unwrap().port());
    let beside: SocketAddr = ([127, 0, 4, 4], port).into();
    let (tcp_beside, udp_beside) = (TcpListener::bind(beside).unwrap(), UdpSocket::bind(beside).unwrap());
    let new = |domain, kind| Socket::new(domain, kind, None).unwrap();
    let connected = UdpSocket::bind("127.0.4.5:0").unwrap();
    connected.connect(addr).unwrap();
    let connected_addr = connected.local_addr().unwrap();
    let mapped = new(Domain::IPV6, Type::STREAM);
    mapped.set_only_v6(false).unwrap();
    mapped.bind(&"[::ffff:127.0.4.6]:0".parse::<SocketAddr>().unwrap().into()).unwrap();
    let mapped_port = mapped.local_addr().unwrap().as_socket().unwrap().port();
    let datagrams = Socket::from(udp.try_clone().unwrap());
    let (t, u) = (|tcp: &TcpListener| tcp.try_clone().unwrap(), |udp: &UdpSocket| udp.try_clone().unwrap());
    const BOTH: &str = "each address needs a tcp and a udp socket";
    let cases = [
        (vec![], vec![], format!("no sockets to inherit; {BOTH}")),
        (vec![t(&tcp)], vec![], format!("inherited sockets lack udp {addr}; {BOTH}")),
        (vec![], vec![u(&udp)], format!("inherited sockets lack tcp {addr}; {BOTH}")),
        (vec![t(&tcp), tcp_beside], vec![u(&udp)], format!("inherited sockets lack udp {beside}; {BOTH}")),
        (vec![t(&tcp)], vec![u(&udp), udp_beside], format!("inherited sockets lack tcp {beside}; {BOTH}")),
        (
            vec![t(&tcp), other_tcp],
            vec![u(&udp), other_udp],
            format!("bind addresses name ports {port} and {other_port}, all share one port"),
        ),
        (vec![t(&tcp), t(&tcp)], vec![u(&udp)], format!("inherited tcp socket {addr} is given twice")),
        (
            vec![new(Domain::IPV4, Type::STREAM).into()],
            vec![u(&udp)],
            "inherited tcp socket 0.0.0.0:0 is not bound to a port".into(),
        ),
        (
            vec![datagrams.into()],
            vec![u(&udp)],
            format!("inherited tcp socket {addr} is a socket of another type"),
        ),
        (vec![t(&tcp)], vec![connected], format!("inherited udp socket {connected_addr} is connected")),
        (
            vec![mapped.into()],
            vec![],
            format!(
                "inherited tcp socket [::ffff:127.0.4.6]:{mapped_port} is IPv4 behind IPv6; bind the IPv4 address itself"
            ),
        ),
        (
            vec![new(Domain::UNIX, Type::STREAM).into()],
            vec![],
            "inherited tcp socket: it is no internet socket".into(),
        ),
    ];

    for (tcp, udp, text) in cases {
        let error = Gossip::with_sockets(loopback("a"), Sockets { tcp, udp }).unwrap_err();
        assert_eq!(error.to_string(), text);
    }
    Gossip::with_sockets(loopback("a"), sockets([(tcp, udp)])).unwrap();
}
