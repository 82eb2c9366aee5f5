//! Which addresses a node listens on, and which it tells: several, both families at once,
//! a free port, one given explicitly, IPv4 behind IPv6.

#[path = "runtime/support.rs"]
#[allow(dead_code, reason = "this binary uses a part")]
mod support;

use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream, UdpSocket};
use std::time::Duration;

use gossip_core::base::keys;
use gossip_core::runtime::config::{Config, KEYS};
use gossip_core::runtime::gossip::Gossip;
use gossip_core::runtime::pool::Pool;
use support::{PATIENCE, Recorder, eventually, join, loopback, member, names, quick};

const SOON: Duration = Duration::from_millis(200);

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

/// A started node on these addresses, one free port for all, with a quick pool.
fn on(
    name: &str,
    addrs: &[&str],
    edit: impl FnOnce(&mut Config),
) -> (Gossip, Pool, std::sync::Arc<Recorder>) {
    let mut config = Config { bind_addr: addrs.iter().map(|addr| ip(addr)).collect(), ..loopback(name) };
    edit(&mut config);
    let (gossip, told) = (Gossip::new(config).unwrap(), Recorder::new());
    let pool = gossip.register_pool(quick(1), Some(told.clone())).unwrap();
    gossip.start().unwrap();
    (gossip, pool, told)
}

/// A connection and a datagram to `to` reach the application of `gossip`, and its answer comes back.
fn expect_served(gossip: &Gossip, to: SocketAddr) {
    let (native, packets) = (gossip.listen_tcp().unwrap(), gossip.packets().unwrap());
    let mut client = TcpStream::connect(to).unwrap();
    client.write_all(b"GET").unwrap();
    let (mut server, peer) = native.accept(Some(PATIENCE)).unwrap();
    assert_eq!(peer, client.local_addr().unwrap());
    server.write_all(b"200").unwrap();
    let mut answer = [0; 3];
    client.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"200");

    let udp = UdpSocket::bind(SocketAddr::new(client.local_addr().unwrap().ip(), 0)).unwrap();
    udp.set_read_timeout(Some(PATIENCE)).unwrap();
    udp.send_to(b"question", to).unwrap();
    let question = packets.recv(Some(PATIENCE)).unwrap();
    assert_eq!(question.from, udp.local_addr().unwrap());
    packets.send_to(b"answer", question.from).unwrap();
    assert_eq!(udp.recv(&mut [0; 9]).unwrap(), 6);
}

/// `both` speaks both families and is joined by a node of each.
fn expect_both_families_are_gossiped_with(both: &Gossip) {
    let pool = both.pools().remove(0);
    let (v4, pool_v4, told_v4) = on("v4", &["127.0.0.1"], |_| {});
    let (v6, pool_v6, told_v6) = on("v6", &["::1"], |_| {});
    let port = both.local_addr().port();

    pool_v4.join(&[format!("127.0.0.1:{port}")], PATIENCE).unwrap();
    pool_v6.join(&[format!("[::1]:{port}")], PATIENCE).unwrap();

    for pool in [&pool, &pool_v4, &pool_v6] {
        eventually("everyone knows everyone", || names(pool) == ["both", "v4", "v6"]);
    }
    pool.broadcast(b"to all", PATIENCE).unwrap();
    told_v4.expect("datagram to all");
    told_v6.expect("datagram to all");
    for (name, gossip) in [("v4", &v4), ("v6", &v6)] {
        let other = member(&pool, name);
        assert_eq!(other.addr(), gossip.local_addr());
        pool.send_best_effort(&other, b"to one").unwrap();
        eventually("it answers by its own family", || pool.ping(&other, SOON).is_ok());
    }
    told_v4.expect("datagram to one");
    told_v6.expect("datagram to one");
    // A node tells one address. Whoever has no socket of that family can't probe it, and
    // yet hears from it and answers it: nobody is taken for dead.
    let probes = |pool: &Pool| pool.stats().unwrap().machine.swim.probes;
    let before = [&pool, &pool_v4, &pool_v6].map(probes);
    eventually("everyone has probed everyone", || {
        [&pool, &pool_v4, &pool_v6].iter().zip(before).all(|(pool, before)| probes(pool) >= before + 4)
    });
    for pool in [&pool, &pool_v4, &pool_v6] {
        assert_eq!(pool.num_members(), 3, "{:?}", pool.stats());
        assert_eq!(pool.stats().unwrap().machine.swim.deaths, 0);
    }
    for host in ["127.0.0.1", "::1"] {
        expect_served(both, SocketAddr::new(ip(host), port));
    }
}

#[test]
fn a_node_on_addresses_of_both_families_gossips_with_nodes_of_either() {
    let (both, ..) = on("both", &["127.0.0.1", "::1"], |_| {});

    expect_both_families_are_gossiped_with(&both);
}

#[test]
fn a_node_on_both_wildcards_gossips_with_nodes_of_either_family() {
    let (both, ..) = on("both", &["0.0.0.0", "::"], |config| config.advertise_addr = Some(ip("127.0.0.1")));

    expect_both_families_are_gossiped_with(&both);
}

#[test]
fn several_addresses_share_one_free_port_which_everyone_is_told() {
    let addrs = ["127.0.0.1", "127.0.3.1", "::1"];
    let (a, pool_a, _) = on("a", &addrs, |_| {});
    let (_b, pool_b, _) = on("b", &["127.0.0.1"], |_| {});

    join(&pool_b, &a);

    let port = a.local_addr().port();
    let expected = addrs.map(|addr| SocketAddr::new(ip(addr), port));
    assert_ne!(port, 0);
    assert_eq!(a.local_addrs(), expected);
    assert_eq!([a.local_addr(), a.advertise_addr()], [expected[0]; 2]);
    assert_eq!(pool_a.local_node().unwrap().addr(), expected[0]);
    assert_eq!(member(&pool_b, "a").addr(), expected[0]);
    assert_eq!(a.listen(1).unwrap().local_addrs(), expected);
    assert_eq!(a.packets().unwrap().local_addrs(), expected);
    for to in expected {
        expect_served(&a, to);
    }
}

#[test]
fn an_address_given_explicitly_is_what_others_see_and_reach() {
    let (a, _, told) = on("a", &["127.0.0.1", "127.0.3.2"], |config| {
        config.advertise_addr = Some(ip("127.0.3.2"));
    });
    let (_b, pool_b, _) = on("b", &["127.0.0.1"], |_| {});

    join(&pool_b, &a);

    let expected = SocketAddr::new(ip("127.0.3.2"), a.local_addr().port());
    assert_eq!(a.advertise_addr(), expected);
    let seen = member(&pool_b, "a");
    assert_eq!(seen.addr(), expected);
    pool_b.ping(&seen, PATIENCE).unwrap();
    pool_b.send_best_effort(&seen, b"there").unwrap();
    told.expect("datagram there");
}

#[test]
fn a_port_given_explicitly_is_what_others_see() {
    let (a, pool_a, _) = on("a", &["127.0.0.1"], |config| config.advertise_port = 4242);
    let (_b, pool_b, _) = on("b", &["127.0.0.1"], |_| {});

    join(&pool_b, &a);

    let expected = "127.0.0.1:4242".parse().unwrap();
    assert_eq!(a.advertise_addr(), expected);
    assert_ne!(a.local_addr(), expected);
    assert_eq!(pool_a.local_node().unwrap().addr(), expected);
    assert_eq!(member(&pool_b, "a").addr(), expected);
}

#[test]
fn an_ipv4_address_behind_ipv6_is_the_ipv4_address_everywhere() {
    let mapped = ip("::ffff:127.0.0.1");
    let (a, pool_a, told) = on("a", &["::ffff:127.0.0.1"], |config| config.advertise_addr = Some(mapped));
    let (b, pool_b, _) = on("b", &["127.0.0.1"], |_| {});
    let port = a.local_addr().port();

    pool_b.join(&[format!("[::ffff:127.0.0.1]:{port}")], PATIENCE).unwrap();

    let expected = SocketAddr::new(ip("127.0.0.1"), port);
    assert_eq!(a.local_addrs(), [expected]);
    assert_eq!(a.advertise_addr(), expected);
    assert_eq!(member(&pool_b, "a").addr(), expected);
    eventually("both know each other", || names(&pool_a) == ["a", "b"]);
    assert_eq!(member(&pool_a, "b").addr(), b.local_addr());
    pool_b.send_to_address(SocketAddr::new(mapped, port), b"mapped").unwrap();
    told.expect("datagram mapped");
}

#[test]
fn behind_a_wildcard_an_address_of_this_host_is_told_or_the_error_says_what_to_set() {
    let mut config = loopback("a");
    keys::set(KEYS, &mut config, "bind_addr", "0.0.0.0, ::").unwrap();

    match Gossip::new(config) {
        Ok(gossip) => {
            let told = gossip.advertise_addr();
            assert!(!told.ip().is_unspecified() && !told.ip().is_loopback(), "{told}");
            assert_eq!(told.port(), gossip.local_addr().port());
        }
        Err(error) => assert!(error.to_string().ends_with("; set advertise_addr"), "{error}"),
    }
}
