//! Datagrams on a shared port: who gets them, and who can't be stalled.

mod mux_support;

use std::io::ErrorKind;
use std::net::{SocketAddr, UdpSocket};
use std::thread;
use std::time::Duration;

use bytes::Bytes;
use gossip_core::base::ids::PoolId;
use gossip_core::mux::prefix::Framing;
use gossip_core::net::error::{NetError, WaitError};
use gossip_core::net::packets::Packets;
use gossip_core::net::port::PortConfig;
use mux_support::{Host, PATIENCE, until};

/// The bytes of the next datagram.
fn next(packets: &Packets) -> Vec<u8> {
    packets.recv(Some(PATIENCE)).expect("a datagram in time").bytes.to_vec()
}

#[test]
fn each_owner_gets_its_datagrams_without_the_bytes_that_only_named_it() {
    let host = Host::start();
    let mut prefixed = host.pool(3);
    let mut labelled = host.port.add_pool(PoolId(4), Framing::Label(Bytes::from_static(b"dc1"))).unwrap();
    let mut bare = host.port.add_pool(PoolId(5), Framing::Bare).unwrap();
    let packets = host.port.packets().unwrap();
    let _ids_mean_nothing_here = host.listen(0x0102);
    let client = host.udp();

    for datagram in [&b"\xFE\x03ping"[..], b"\xF4\x03dc1ping", b"\x00\x82ping", b"\x01\x02hello"] {
        client.send(datagram).unwrap();
    }

    let mut datagram = host.datagram(&mut prefixed);
    assert_eq!(datagram.bytes_mut(), b"ping");
    assert_eq!(datagram.from, client.local_addr().unwrap());
    assert_eq!(*host.datagram(&mut labelled).bytes, *b"\xF4\x03dc1ping");
    assert_eq!(*host.datagram(&mut bare).bytes, *b"\x00\x82ping");
    assert_eq!(next(&packets), b"\x01\x02hello");
    assert_eq!(host.port.pool_stats(PoolId(3)).unwrap().bytes_received, 4);
}

#[test]
fn the_shortest_datagrams_reach_the_receiver() {
    let host = Host::start();
    let _bare = host.port.add_pool(PoolId(5), Framing::Bare).unwrap();
    let packets = host.port.packets().unwrap();

    for datagram in [&b""[..], b"\xFE", b"\x00"] {
        host.udp().send(datagram).unwrap();
        assert_eq!(next(&packets), datagram);
    }
}

#[test]
fn protocols_known_by_fixed_fields_reach_the_receiver_beside_a_bare_pool() {
    let host = Host::start();
    let mut bare = host.port.add_pool(PoolId(5), Framing::Bare).unwrap();
    let packets = host.port.packets().unwrap();
    // Each begins as a packet of memberlist may.
    let mut stun_request = [0; 36];
    stun_request[..8].copy_from_slice(&[0, 1, 0, 16, 0x21, 0x12, 0xA4, 0x42]);
    let mut stun_response = stun_request;
    stun_response[0] = 1;
    let mut quic = [0xAA; 1200];
    quic[..6].copy_from_slice(&[0xF4, 0x6B, 0x33, 0x43, 0xCF, 8]);
    let mut wireguard = [0x55; 148];
    wireguard[..4].copy_from_slice(&[1, 0, 0, 0]);
    let client = host.udp();

    for datagram in [&stun_request[..], &stun_response, &quic, &wireguard] {
        client.send(datagram).unwrap();
        assert_eq!(next(&packets), datagram);
    }

    stun_request[4] = 0;
    client.send(&stun_request).unwrap();
    assert_eq!(
        *host.datagram(&mut bare).bytes,
        stun_request,
        "without its cookie it may be encrypted gossip"
    );
    assert_eq!(packets.stats().accepted, 4);
    assert_eq!((packets.local_addr(), packets.local_addrs()), (host.addr(), host.port.local_addrs()));
}

#[test]
fn datagrams_are_stamped_in_the_order_in_which_they_are_read() {
    let host = Host::start();
    let packets = host.port.packets().unwrap();
    let client = host.udp();

    client.send(b"one").unwrap();
    client.send(b"two").unwrap();

    let [first, second] = [(); 2].map(|()| packets.recv(Some(PATIENCE)).unwrap());
    assert!(first.received < second.received);
}

#[test]
fn a_full_inbox_drops_and_counts_while_others_go_on() {
    let host = Host::start_with(|config| config.pool_inbox = 4);
    let _stalled = host.pool(1);
    let mut pool = host.pool(2);
    let packets = host.port.packets().unwrap();
    let client = host.udp();

    for _ in 0..10 {
        client.send(b"\xFE\x01ping").unwrap();
    }
    client.send(b"\xFE\x02ping").unwrap();
    client.send(b"hello").unwrap();

    assert_eq!(*host.datagram(&mut pool).bytes, *b"ping");
    assert_eq!(next(&packets), b"hello");
    assert_eq!(host.port.stats().packets_pool_full, 6);
    let stalled = host.port.pool_stats(PoolId(1)).unwrap();
    assert_eq!((stalled.packets_received, stalled.packets_dropped), (4, 6));
}

#[test]
fn a_full_receiver_drops_and_counts_while_pools_go_on() {
    let host = Host::start_with(|config| config.packet_queue = 4);
    let packets = host.port.packets().unwrap();
    let mut pool = host.pool(2);
    let client = host.udp();

    for _ in 0..10 {
        client.send(b"hello").unwrap();
    }
    client.send(b"\xFE\x02ping").unwrap();

    assert_eq!(*host.datagram(&mut pool).bytes, *b"ping");
    // What comes for the application together is handed over together, after what is the pools'.
    until("six are dropped", || host.port.stats().packets_receiver_full == 6);
    assert_eq!((packets.stats().pending, packets.stats().dropped), (4, 6));
}

#[test]
fn the_largest_datagrams_for_a_stalled_owner_leave_buffers_for_the_rest() {
    let host = Host::start();
    let stalled = host.port.packets().unwrap();
    let mut pool = host.pool(2);
    let client = host.udp();
    let large = vec![b'x'; 65_507];

    // 32 slots each, 8192 in all: more than could be held at once.
    for sent in 1..=300 {
        client.send(&large).unwrap();
        until("it is read", || host.port.stats().packets_received == sent);
    }
    client.send(b"\xFE\x02ping").unwrap();

    assert_eq!(*host.datagram(&mut pool).bytes, *b"ping");
    assert!(host.port.stats().packets_no_buffer > 100);
    assert_eq!(stalled.stats().dropped, host.port.stats().packets_no_buffer, "the owner can know");
    assert_eq!(next(&stalled), large);
}

#[test]
fn strays_are_dropped_and_counted() {
    let host = Host::start();
    let client = host.udp();

    client.send(b"\xFE\x07ping").unwrap();
    client.send(b"hello").unwrap();

    until("the strays are counted", || {
        let stats = host.port.stats();
        (stats.packets_unknown_pool, stats.packets_no_receiver) == (1, 1)
    });
}

#[test]
fn garbage_of_every_length_is_accounted_for() {
    let host = Host::start();
    let mut pool = host.pool(1);
    let mut bare = host.port.add_pool(PoolId(5), Framing::Bare).unwrap();
    let packets = host.port.packets().unwrap();
    let client = host.udp();
    let mut random = fastrand::Rng::with_seed(7);
    let (mut to_pools, mut to_application) = (0, 0);

    for (count, len) in (0..=2100).chain([9000, 65_000, 65_507]).enumerate() {
        let mut datagram: Vec<u8> = std::iter::repeat_with(|| random.u8(..)).take(len).collect();
        if let [first, second, ..] = &mut datagram[..] {
            *first = *random.choice([0xFE, 0xF4, *first % 16, *first].iter()).unwrap();
            *second = *random.choice([1, 0x82, *second].iter()).unwrap();
        }
        client.send(&datagram).unwrap();
        until("it is read", || host.port.stats().packets_received == count as u64 + 1);
        while pool.packets.try_recv().or_else(|| bare.packets.try_recv()).is_some() {
            to_pools += 1;
        }
        while packets.recv(Some(Duration::ZERO)).is_ok() {
            to_application += 1;
        }
    }
    until("all have come", || to_application == packets.stats().accepted);

    let stats = host.port.stats();
    assert!(to_pools > 100 && to_application > 100 && stats.packets_unknown_pool > 100);
    assert_eq!(to_pools + to_application + stats.packets_unknown_pool, stats.packets_received);
}

#[test]
fn the_application_sends_from_the_shared_port() {
    let host = Host::start();
    let packets = host.port.packets().unwrap();
    let client = host.udp();
    client.send(b"question").unwrap();
    let question = packets.recv(Some(PATIENCE)).unwrap();

    packets.send_to(b"answer", question.from).unwrap();

    let mut answer = [0; 100];
    let (len, from) = client.recv_from(&mut answer).unwrap();
    assert_eq!((&answer[..len], from), (&b"answer"[..], host.addr()));
    assert_eq!((host.port.stats().packets_sent, host.port.stats().bytes_sent), (1, 6));
}

#[test]
fn what_a_receiver_would_misread_or_udp_can_not_carry_is_refused() {
    let host = Host::start();
    let packets = host.port.packets().unwrap();
    let to = host.udp().local_addr().unwrap();

    assert!(matches!(packets.send_to(b"\xFE", to), Err(NetError::ReservedByte)));
    let refused = packets.send_to(&[0; 65_508], to).unwrap_err();
    assert_eq!(refused.to_string(), "datagram is 65508 bytes, at most 65507 fit");
    let refused = packets.send_to(b"x", "[::1]:9".parse().unwrap()).unwrap_err();
    assert_eq!(refused.to_string(), "send to [::1]:9: no bind address of its family");
    assert_eq!(host.port.stats().send_no_socket, 1);
    packets.send_to(&vec![0; 65_507], to).unwrap();
}

#[test]
fn datagrams_leave_from_the_socket_of_their_family() {
    let both = ["127.0.0.1:0".parse().unwrap(), "[::1]:0".parse().unwrap()];
    let host = Host::start_with(|config: &mut PortConfig| config.bind = both.to_vec());
    let sender = host.port.sender();

    for (at, local) in host.port.local_addrs().iter().enumerate() {
        let receiver = UdpSocket::bind(SocketAddr::new(local.ip(), 0)).unwrap();
        receiver.set_read_timeout(Some(PATIENCE)).unwrap();
        sender.try_send_to(b"x", receiver.local_addr().unwrap()).unwrap();
        assert_eq!(receiver.recv_from(&mut [0; 9]).unwrap(), (1, host.port.local_addrs()[at]));
    }
    let v4 = UdpSocket::bind("127.0.0.1:0").unwrap();
    let mapped = SocketAddr::new("::ffff:127.0.0.1".parse().unwrap(), v4.local_addr().unwrap().port());
    sender.try_send_to(b"x", mapped).unwrap();
    assert_eq!(v4.recv_from(&mut [0; 9]).unwrap().1, host.port.local_addrs()[0]);
}

#[test]
fn what_came_before_the_start_is_delivered_after_it() {
    let host = Host::bind_with(|_| {});
    let packets = host.port.packets().unwrap();
    host.udp().send(b"early").unwrap();
    packets.send_to(b"sending works already", host.udp().local_addr().unwrap()).unwrap();

    host.go();

    assert_eq!(next(&packets), b"early");
}

#[test]
fn after_more_than_a_turn_brings_each_datagram_is_still_heard() {
    const MANY: usize = 500;
    let host = Host::bind_with(|_| {});
    let packets = host.port.packets().unwrap();
    let mut pool = host.pool(1);
    let client = host.udp();
    for _ in 0..MANY {
        client.send(b"\xFE\x01first").unwrap();
        client.send(b"first").unwrap();
    }
    host.go();

    for _ in 0..MANY {
        assert_eq!(*host.datagram(&mut pool).bytes, *b"first");
        assert_eq!(next(&packets), b"first");
    }
    for _ in 0..3 {
        client.send(b"\xFE\x01then").unwrap();
        assert_eq!(*host.datagram(&mut pool).bytes, *b"then");
        client.send(b"then").unwrap();
        assert_eq!(next(&packets), b"then");
    }
}

#[test]
fn closing_the_receiver_wakes_who_waits_and_lets_another_register() {
    let host = Host::start();
    let packets = host.port.packets().unwrap();
    assert!(host.port.packets().is_err(), "a port has one");
    let waiting = packets.clone();
    let waiter = thread::spawn(move || waiting.recv(None).map(drop));

    packets.close();

    assert_eq!(waiter.join().unwrap(), Err(WaitError::Closed));
    assert!(matches!(packets.send_to(b"x", host.addr()), Err(NetError::Closed)));
    let again = host.port.packets().unwrap();
    host.udp().send(b"again").unwrap();
    assert_eq!(next(&again), b"again");
}

#[test]
fn a_removed_pool_gets_no_more_and_its_id_is_free() {
    let host = Host::start();
    let mut old = host.pool(1);
    host.port.remove_pool(PoolId(1));
    host.udp().send(b"\xFE\x01late").unwrap();
    until("it is a stray", || host.port.stats().packets_unknown_pool == 1);

    assert!(host.runtime.block_on(old.packets.recv()).is_none() && old.streams.blocking_recv().is_none());
    let mut new = host.pool(1);
    host.udp().send(b"\xFE\x01ping").unwrap();
    assert_eq!(*host.datagram(&mut new).bytes, *b"ping");
}

#[test]
fn an_empty_receiver_gives_up_in_time() {
    let host = Host::start();
    let packets = host.port.packets().unwrap();

    assert_eq!(packets.recv(Some(Duration::ZERO)).map(drop), Err(WaitError::Timeout));
    let client = host.udp();
    client.set_read_timeout(Some(Duration::from_millis(1))).unwrap();
    let kind = client.recv(&mut [0; 1]).unwrap_err().kind();
    assert!(matches!(kind, ErrorKind::WouldBlock | ErrorKind::TimedOut), "nothing was sent either");
}
