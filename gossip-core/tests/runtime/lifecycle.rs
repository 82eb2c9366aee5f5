//! Nodes and pools from first to last: what may be called when, and by how many at once.

use std::io::Write;
use std::net::{TcpStream, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::thread;
use std::time::Duration;

use gossip_core::base::ids::PoolId;
use gossip_core::pool::config::PoolConfig;
use gossip_core::runtime::config::Config;
use gossip_core::runtime::error::Error;
use gossip_core::wire::keyring::Key;

use super::support::*;

#[test]
fn the_default_and_every_preset_are_complete_and_need_no_delegate() {
    let gossip = node("a");
    let configs =
        [PoolConfig::default(), PoolConfig::lan(1), PoolConfig::wan(2), PoolConfig::local(3)].map(Some);

    let pools = configs.map(|config| gossip.register_pool(config.unwrap(), None).unwrap());
    gossip.start().unwrap();

    for pool in &pools {
        assert_eq!(names(pool), ["a"]);
        assert!(pool.local_node().unwrap().meta().is_empty());
    }
}

#[test]
fn before_the_start_every_call_that_needs_it_says_so() {
    let gossip = node("a");
    let pool = gossip.register_pool(quick(1), None).unwrap();
    let (nobody, key) = (gossip.local_addr(), Key::new(&[1; 16]).unwrap());

    let refused = [
        pool.join(&["127.0.0.1:1"], PATIENCE).err(),
        pool.leave(PATIENCE).err(),
        pool.local_node().err(),
        pool.update_node(b"", PATIENCE).err(),
        pool.broadcast(b"", PATIENCE).err(),
        pool.send_best_effort(nobody, b"").err(),
        pool.send_to_address(nobody, b"").err(),
        pool.send_reliable(nobody, b"", PATIENCE).err(),
        pool.ping(nobody, PATIENCE).err(),
        pool.keys().err(),
        pool.add_key(key.clone()).err(),
        pool.use_key(&key).err(),
        pool.remove_key(&key).err(),
        pool.stats().err(),
    ];

    for (number, error) in refused.iter().enumerate() {
        assert!(matches!(error, Some(Error::NotStarted)), "call {number}: {error:?}");
    }
    assert_eq!((pool.num_members(), pool.health_score(), pool.protocol_version()), (0, 0, 2));
}

#[test]
fn what_came_for_several_pools_before_the_start_reaches_each_of_them() {
    let (gossip, told) = (node("a"), [1, 2, 3].map(|_| Recorder::new()));
    for (id, told) in (1..).zip(&told) {
        gossip.register_pool(quick(id), Some(told.clone())).unwrap();
    }
    let early = UdpSocket::bind("127.0.0.1:0").unwrap();
    for id in [3, 2, 1] {
        early.send_to(&user_message(id, "early"), gossip.local_addr()).unwrap();
    }

    gossip.start().unwrap();

    told.iter().for_each(|told| told.expect("datagram early"));
}

#[test]
fn pools_and_listeners_may_come_and_go_from_many_threads_while_traffic_flows() {
    let (a, pool_a, told_a) = started("a");
    let (b, pool_b, _) = started("b");
    join(&pool_b, &a);
    let over = AtomicBool::new(false);

    thread::scope(|scope| {
        scope.spawn(|| {
            let flood = UdpSocket::bind("127.0.0.1:0").unwrap();
            while !over.load(SeqCst) {
                for id in 10..18 {
                    let _ = flood.send_to(&user_message(id, "flood"), a.local_addr());
                }
                thread::sleep(Duration::from_millis(1));
            }
        });
        let users: Vec<_> = (10..18u8)
            .map(|id| {
                let (a, b) = (&a, &b);
                scope.spawn(move || {
                    for _ in 0..5 {
                        let (here, there) = (quick(id), quick(id));
                        let here = a.register_pool(here, None).unwrap();
                        let there = b.register_pool(there, None).unwrap();
                        let listener = a.listen(u16::from(id)).unwrap();
                        join(&there, a);
                        assert!(a.pools().iter().any(|pool| pool.id() == PoolId(id)));
                        listener.close();
                        here.shutdown(PATIENCE).unwrap();
                        there.shutdown(PATIENCE).unwrap();
                    }
                })
            })
            .collect();
        let results: Vec<_> = users.into_iter().map(thread::ScopedJoinHandle::join).collect();
        over.store(true, SeqCst);
        results.into_iter().for_each(|result| result.unwrap());
    });

    assert_eq!((a.pools().len(), b.pools().len()), (1, 1));
    pool_b.ping(&member(&pool_b, "a"), PATIENCE).unwrap();
    assert_eq!((names(&pool_a).len(), told_a.count("dead b")), (2, 0));
}

#[test]
fn pools_are_listed_in_the_order_of_their_ids() {
    let gossip = node("a");

    for id in [200, 3, 255, 0, 17] {
        gossip.register_pool(quick(id), None).unwrap();
    }

    assert_eq!(gossip.pools().iter().map(|pool| pool.id().0).collect::<Vec<_>>(), [0, 3, 17, 200, 255]);
    assert!(gossip.pool(PoolId(4)).is_none());
}

#[test]
fn a_node_has_one_native_listener_and_one_packet_receiver_at_a_time() {
    let gossip = node("a");
    let (native, packets) = (gossip.listen_tcp().unwrap(), gossip.packets().unwrap());

    assert!(matches!(gossip.listen_tcp(), Err(Error::Net(_))));
    assert!(matches!(gossip.packets(), Err(Error::Net(_))));
    native.close();
    packets.close();

    gossip.listen_tcp().unwrap();
    gossip.packets().unwrap();
}

#[test]
fn datagrams_that_nobody_wants_are_counted_and_stop_nobody() {
    let (a, pool_a, told_a) = started("a");
    let (_b, pool_b, _) = started("b");
    join(&pool_b, &a);
    let stranger = UdpSocket::bind("127.0.0.1:0").unwrap();
    let strays: [&[u8]; 6] = [b"", b"\0", b"\xFE", b"\xFE\x63", b"\xFE\x01", b"hello"];

    for stray in strays {
        stranger.send_to(stray, a.local_addr()).unwrap();
    }

    eventually("each is counted", || {
        let port = a.stats();
        let refused = pool_a.stats().unwrap().machine.refused_for("empty");
        (port.packets_no_receiver, port.packets_unknown_pool, refused) == (4, 1, 1)
    });
    pool_b.ping(&member(&pool_b, "a"), PATIENCE).unwrap();
    pool_b.broadcast(b"all well", PATIENCE).unwrap();
    told_a.expect("datagram all well");
}

#[test]
fn a_request_of_two_bytes_is_there_without_a_third() {
    let (gossip, _, _) = started("a");
    let native = gossip.listen_tcp().unwrap();
    let mut client = TcpStream::connect(gossip.local_addr()).unwrap();

    client.write_all(b"hi").unwrap();
    let (mut server, _) = native.accept(Some(PATIENCE)).unwrap();
    server.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut request = [0; 2];
    std::io::Read::read_exact(&mut server, &mut request).unwrap();

    assert_eq!(&request, b"hi");
}

#[test]
fn a_pool_takes_a_bounded_number_of_connections_and_more_when_they_have_ended() {
    const HELD: usize = 400;
    // All from one source, and none says more than whom it wants.
    let config = Config { max_sniffing_per_source: 1024, ..loopback("a") };
    let a = gossip_core::Gossip::new(config).unwrap();
    let pool_a = a.register_pool(PoolConfig { tcp_timeout: PATIENCE, ..quick(1) }, None).unwrap();
    a.start().unwrap();
    let mut held = Vec::new();

    for _ in 0..HELD {
        let mut stream = TcpStream::connect(a.local_addr()).unwrap();
        stream.write_all(&PoolId(1).prefix()).unwrap();
        held.push(stream);
    }
    eventually("those beyond the limit are refused", || pool_a.stats().unwrap().streams_refused > 0);
    drop(held);

    let (_b, pool_b, _) = started("b");
    eventually("there is room again", || pool_b.join(&[a.local_addr().to_string()], PATIENCE).is_ok());
}

/// A user message for pool `id` as it travels.
fn user_message(id: u8, text: &str) -> Vec<u8> {
    [&PoolId(id).prefix()[..], b"\x08", text.as_bytes()].concat()
}
