//! Which addresses a node binds, tells others, takes for its own, and sends from.

use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::time::Duration;

use gossip_core::base::addr::Target;
use gossip_core::pool::config::PoolConfig;
use gossip_core::pool::error::CommandError;
use gossip_core::runtime::config::{Config, KEYS};
use gossip_core::runtime::error::Error;
use gossip_core::runtime::gossip::Gossip;
use gossip_core::{Asks, Event, Events, Notice};

use super::support::*;

#[test]
fn the_told_address_and_the_bound_one_are_kept_apart_and_the_port_is_the_real_one() {
    let told = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 7));
    let gossip = Gossip::new(Config { advertise_addr: Some(told), ..loopback("a") }).unwrap();
    let pool = gossip.register_pool(quick(1), None).unwrap();
    gossip.start().unwrap();

    let bound = gossip.local_addr();
    assert_eq!(bound.ip(), Ipv4Addr::LOCALHOST);
    assert_ne!(bound.port(), 0);
    assert_eq!(gossip.advertise_addr(), SocketAddr::new(told, bound.port()));
    assert_eq!(pool.local_node().unwrap().addr(), gossip.advertise_addr());
}

/// Two nodes bound to the same port of two loopback addresses.
fn neighbours(advertise_port: u16) -> [Gossip; 2] {
    let bound = |ip: [u8; 4], port| {
        Gossip::new(Config {
            bind_addr: vec![ip.into()],
            bind_port: port,
            advertise_port,
            ..loopback(&format!("on {}", ip[3]))
        })
    };
    // Another program may have the first one's port on the other address.
    for _ in 0..20 {
        let first = bound([127, 0, 3, 1], 0).unwrap();
        if let Ok(second) = bound([127, 0, 3, 2], first.local_addr().port()) {
            return [first, second];
        }
    }
    panic!("no port is free on both addresses");
}

#[test]
fn a_seed_without_a_port_is_looked_for_on_the_bound_port() {
    let [a, b] = neighbours(9);
    let [_, pool] = [&a, &b].map(|gossip| {
        let pool = gossip.register_pool(quick(1), None).unwrap();
        gossip.start().unwrap();
        pool
    });

    let joined = pool.join(&["127.0.3.1"], PATIENCE).unwrap();

    assert_eq!(joined.reached, [a.local_addr()]);
    assert_eq!(b.advertise_addr().port(), 9);
}

#[test]
fn one_node_serves_both_families_on_one_port() {
    if TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).is_err() {
        assert!(std::env::var_os("CI").is_none(), "no IPv6 here");
        eprintln!("skipped: no IPv6 here");
        return;
    }
    let both = vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()];
    let a = Gossip::new(Config { bind_addr: both, ..loopback("a") }).unwrap();
    let pool_a = a.register_pool(quick(1), None).unwrap();
    let (native, packets) = (a.listen_tcp().unwrap(), a.packets().unwrap());
    a.start().unwrap();
    let [v4, v6] = a.local_addrs() else { panic!("{:?}", a.local_addrs()) };
    assert_eq!((v4.is_ipv4(), v6.is_ipv6(), v4.port()), (true, true, v6.port()));

    for (addr, name) in [(v4, "four"), (v6, "six")] {
        let other = Gossip::new(Config { bind_addr: vec![addr.ip()], ..loopback(name) }).unwrap();
        let pool = other.register_pool(quick(1), None).unwrap();
        other.start().unwrap();
        // The text form that is printed is the one that is read.
        let joined = pool.join(&[addr.to_string()], PATIENCE).unwrap();
        assert_eq!(joined.reached, [*addr]);
        eventually("it is a member", || pool_a.members().find(name.as_bytes()).is_some());
        assert_eq!(member(&pool_a, name).addr(), other.local_addr());
        pool.ping(*addr, PATIENCE).unwrap();

        let mut client = TcpStream::connect(addr).unwrap();
        client.write_all(b"GET").unwrap();
        let (server, peer) = native.accept(Some(PATIENCE)).unwrap();
        assert_eq!((server.local_addr().unwrap(), peer), (*addr, client.local_addr().unwrap()));

        let udp = UdpSocket::bind((addr.ip(), 0)).unwrap();
        udp.set_read_timeout(Some(PATIENCE)).unwrap();
        udp.send_to(b"hello", addr).unwrap();
        let question = packets.recv(Some(PATIENCE)).unwrap();
        packets.send_to(b"answer", question.from).unwrap();
        assert_eq!(udp.recv_from(&mut [0; 16]).unwrap(), (6, *addr));
    }
}

#[test]
fn a_second_address_that_cannot_be_bound_lets_go_of_the_first() {
    let holder = TcpListener::bind("127.0.2.9:0").unwrap();
    let taken = holder.local_addr().unwrap();
    let both = vec![[127, 0, 2, 10].into(), taken.ip()];

    let error =
        Gossip::new(Config { bind_addr: both, bind_port: taken.port(), ..loopback("a") }).unwrap_err();

    assert!(error.to_string().contains(&taken.to_string()), "{error}");
    let first = SocketAddr::from(([127, 0, 2, 10], taken.port()));
    TcpListener::bind(first).expect("tcp is released");
    UdpSocket::bind(first).expect("udp is released");
}

#[test]
fn a_host_name_is_no_bind_address_and_binds_nothing() {
    let mut config = Config::default();

    for text in ["localhost", "example.com", "*", "1.2.3", "1.2.3.4:5", "[::1"] {
        let error = gossip_core::base::keys::set(KEYS, &mut config, "bind_addr", text).unwrap_err();
        assert_eq!(error.first().field, "bind_addr");
    }

    assert_eq!(config, Config::default());
}

#[test]
fn messages_and_pings_go_to_members_to_addresses_and_to_names_at_addresses() {
    let (a, _, told_a) = started("a");
    let (_b, pool_b, _) = started("b");
    join(&pool_b, &a);
    let addr = a.local_addr();
    let named = |name: &str| Target { name: Some(name.into()), addr };

    pool_b.send_best_effort(addr, b"to an address").unwrap();
    pool_b.send_best_effort(named("a"), b"to a name").unwrap();
    pool_b.send_reliable(addr, b"to an address", PATIENCE).unwrap();
    pool_b.send_reliable(named("a"), b"to a name", PATIENCE).unwrap();
    for way in ["datagram", "stream"] {
        told_a.expect(&format!("{way} to an address"));
        told_a.expect(&format!("{way} to a name"));
    }

    pool_b.ping(addr, PATIENCE).unwrap();
    pool_b.ping(named("a"), PATIENCE).unwrap();
    let wrong = pool_b.ping(named("somebody else"), Duration::from_millis(50)).unwrap_err();
    assert_eq!(wrong.to_string(), "no response from somebody else");
    a.shutdown(PATIENCE).unwrap();
    let silent = pool_b.ping(addr, Duration::from_millis(50)).unwrap_err();
    assert_eq!(silent.to_string(), format!("no response from {addr}"));
}

#[test]
fn where_names_are_required_a_bare_address_is_refused_and_a_name_in_front_is_enough() {
    let strict = || PoolConfig { require_node_names: true, ..quick(1) };
    let (a, _, told_a) = started_with("a", strict());
    let (_b, pool_b, _) = started_with("b", strict());
    let addr = a.local_addr();
    let refused =
        |error: Error| assert!(matches!(error, Error::Command(CommandError::NameRequired)), "{error:?}");

    refused(pool_b.join(&[addr.to_string()], PATIENCE).unwrap_err());
    refused(pool_b.send_to_address(addr, b"x").unwrap_err());
    refused(pool_b.send_reliable(addr, b"x", PATIENCE).unwrap_err());
    refused(pool_b.ping(addr, PATIENCE).unwrap_err());
    assert_eq!(names(&pool_b), ["b"]);

    pool_b.join(&[format!("a/{addr}")], PATIENCE).unwrap();
    pool_b.send_best_effort(&member(&pool_b, "a"), b"by name").unwrap();
    told_a.expect("datagram by name");
}

#[test]
fn a_message_says_who_sent_it_and_how() {
    let (a, events) = (node("a"), Events::new(64));
    a.register_pool(quick(1), Some(events.delegate(0, Asks::default()))).unwrap();
    a.start().unwrap();
    let (b, pool_b, _) = started("b");
    join(&pool_b, &a);
    let next = || loop {
        for event in events.take(1, Some(PATIENCE)).unwrap() {
            if let Event::Told { notice: Notice::Message(message), .. } = event {
                return message;
            }
        }
    };

    pool_b.send_best_effort(&member(&pool_b, "a"), b"datagram").unwrap();
    let message = next();
    assert_eq!(
        (&message.bytes[..], message.from, message.reliable),
        (&b"datagram"[..], b.local_addr(), false)
    );

    pool_b.send_reliable(&member(&pool_b, "a"), b"stream", PATIENCE).unwrap();
    let message = next();
    assert_eq!(
        (&message.bytes[..], message.from.ip(), message.reliable),
        (&b"stream"[..], b.local_addr().ip(), true)
    );
}

#[test]
fn messages_to_one_member_arrive_in_the_order_in_which_they_were_sent() {
    let (a, _, told_a) = started("a");
    let (_b, pool_b, _) = started("b");
    join(&pool_b, &a);
    let to = member(&pool_b, "a");

    for number in 0..200 {
        pool_b.send_best_effort(&to, format!("{number}").as_bytes()).unwrap();
    }
    told_a.expect("datagram 199");

    let told: Vec<_> = told_a.lines().into_iter().filter(|line| line.starts_with("datagram")).collect();
    assert_eq!(told, (0..200).map(|number| format!("datagram {number}")).collect::<Vec<_>>());
}

#[test]
fn a_muxed_connection_may_be_closed_by_halves_like_any_other() {
    let (gossip, _, _) = started("a");
    let listener = gossip.listen(0x0102).unwrap();
    let mut client = TcpStream::connect(gossip.local_addr()).unwrap();
    client.write_all(b"\x01\x02question").unwrap();
    client.shutdown(std::net::Shutdown::Write).unwrap();

    let (mut server, _) = listener.accept(Some(PATIENCE)).unwrap();
    let mut question = String::new();
    server.read_to_string(&mut question).unwrap();
    server.write_all(b"answer").unwrap();
    drop(server);

    client.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut answer = String::new();
    client.read_to_string(&mut answer).unwrap();
    assert_eq!((question.as_str(), answer.as_str()), ("question", "answer"));
}

#[test]
fn the_receive_buffer_that_was_granted_can_be_read() {
    let small = Gossip::new(Config { udp_recv_buffer: 32 << 10, ..loopback("a") }).unwrap();
    let large = Gossip::new(Config { udp_recv_buffer: 128 << 10, ..loopback("b") }).unwrap();

    assert_eq!(small.udp_recv_buffer(), 32 << 10);
    assert!(large.udp_recv_buffer() > small.udp_recv_buffer());
}

#[test]
fn a_pool_may_know_the_node_by_a_name_of_its_own() {
    let (a, pool_a, told_a) = started("a");
    let (b, told_b) = (node("b"), Recorder::new());
    let named = PoolConfig { name: "alias".into(), ..quick(1) };
    let pool_b = b.register_pool(named, Some(told_b.clone())).unwrap();
    let plain = b.register_pool(quick(2), None).unwrap();
    b.start().unwrap();

    join(&pool_b, &a);

    assert_eq!(names(&pool_a), ["a", "alias"]);
    assert_eq!((names(&pool_b), names(&plain)), (vec!["a".to_owned(), "alias".into()], vec!["b".to_owned()]));
    assert_eq!(b.node_name().to_string(), "b");
    // Pings and streams for that name are for us.
    pool_a.ping(&member(&pool_a, "alias"), PATIENCE).unwrap();
    pool_b.leave(PATIENCE).unwrap();
    told_a.expect("left alias");
    let long = PoolConfig { name: "x".repeat(256), ..quick(3) };
    let error = b.register_pool(long, None).unwrap_err().to_string();
    assert!(error.starts_with("name is 256 bytes long"), "{error}");
}
