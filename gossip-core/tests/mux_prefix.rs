//! Listeners by prefix: several native protocols on a shared port, told apart by what
//! their connections begin with.

mod mux_support;

use std::io::Write;
use std::net::Shutdown;
use std::thread;

use gossip_core::mux::listener::ListenerName;
use gossip_core::net::error::WaitError;
use gossip_core::net::listener::ListenOptions;
use gossip_core::net::queue::QueueStats;
use mux_support::{Host, NEVER, PATIENCE, SOON, accept, is_closed, muxed, prefix, rest, take, until};

#[test]
fn each_protocol_gets_its_connections_with_all_their_bytes() {
    let host = Host::patient();
    let mut pool = host.pool(3);
    let muxed = host.listen(0x0102);
    let [tls, http2, ssh] =
        [&b"\x16\x03"[..], b"PRI * HTTP/2.0", b"SSH-"].map(|bytes| host.listen_prefix(bytes));
    let native = host.native();

    let _clients = [
        host.connect(b"\x16\x03\x01\x02\x00\x01"),
        host.connect(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
        host.connect(b"SSH-2.0-x\r\n"),
        host.connect(b"POST / HTTP/1.1"),
        host.connect(b"\x01\x02request"),
        host.connect(b"\xFE\x03pushpull"),
    ];

    assert_eq!(&take(&accept(&tls)), b"\x16\x03\x01\x02\x00\x01");
    assert_eq!(&take(&accept(&http2)), b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
    assert_eq!(&take(&accept(&ssh)), b"SSH-2.0-x\r\n");
    assert_eq!(&take(&accept(&native)), b"POST / HTTP/1.1");
    assert_eq!(&take(&accept(&muxed)), b"request");
    assert_eq!(&take(&host.stream(&mut pool)), b"pushpull");
}

#[test]
fn what_no_owner_begins_with_is_native_at_once() {
    let host = Host::patient();
    let _owners =
        [host.listen_prefix(b"PRI * HTTP/2.0"), host.listen_prefix(b"\x16\x03"), host.listen(0x0102)];
    let native = host.native();

    for first in [&b"G"[..], b"PU", b"PRI * HTTP/1", b"\x16\x02", b"\x01\x03", b"\x00"] {
        let client = host.connect(first);
        let server = accept(&native);
        client.shutdown(Shutdown::Write).unwrap();
        assert_eq!(rest(&server), first);
    }
}

#[test]
fn a_prefix_that_comes_byte_by_byte_finds_its_listener() {
    let host = Host::patient();
    let http2 = host.listen_prefix(b"PRI * HTTP/2.0");
    let _shorter = host.listen_prefix(b"PRI");
    let mut client = host.connect(b"");

    for byte in b"PRI * HTTP/2.0\r\n" {
        client.write_all(&[*byte]).unwrap();
        thread::yield_now();
    }

    assert_eq!(&take(&accept(&http2)), b"PRI * HTTP/2.0\r\n");
}

#[test]
fn bytes_that_may_become_a_longer_prefix_are_awaited() {
    let host = Host::patient();
    let (shorter, longer) = (host.listen_prefix(b"PRI"), host.listen_prefix(b"PRI * HTTP/2.0"));
    let native = host.native();
    let [mut one, mut other] = [host.connect(b"PRI * H"), host.connect(b"PRI")];
    // By then both have long been looked at.
    for _ in 0..3 {
        let _client = host.connect(b"GET");
        accept(&native);
    }
    assert_eq!((shorter.stats().accepted, longer.stats().accepted), (0, 0));

    one.write_all(b"TTP/2.0").unwrap();
    other.write_all(b"NT").unwrap();

    assert_eq!(&take(&accept(&longer)), b"PRI * HTTP/2.0");
    assert_eq!(&take(&accept(&shorter)), b"PRINT");
}

#[test]
fn when_nothing_more_comes_the_longest_complete_prefix_counts() {
    let in_time = Host::start_with(|config| config.sniff_timeout = SOON);
    let ended = Host::patient();

    for host in [&in_time, &ended] {
        let listeners = [&b"P"[..], b"PRI", b"PRI * HTTP/2.0"].map(|bytes| host.listen_prefix(bytes));
        let native = host.native();
        let _tls = host.listen_prefix(b"\x16\x03");
        let cases = [(&b"PRI * H"[..], &listeners[1]), (b"PR", &listeners[0]), (b"\x16", &native)];
        for (first, listener) in cases {
            let client = host.connect(first);
            if std::ptr::eq(host, &ended) {
                client.shutdown(Shutdown::Write).unwrap();
            }
            let server = accept(listener);
            client.shutdown(Shutdown::Write).unwrap();
            assert_eq!(rest(&server), first);
        }
        assert_eq!(listeners[2].stats().accepted, 0);
    }
}

#[test]
fn listeners_may_come_and_go_while_connections_are_looked_at() {
    let host = Host::patient();
    let native = host.native();
    let first = host.listen_prefix(b"SSH-");
    let mut waiting = host.connect(b"SS");
    until("it is looked at", || host.port.stats().connections_accepted == 1);
    let acceptor = first.clone();
    let acceptor = thread::spawn(move || acceptor.accept(None).map(drop));

    first.close();
    waiting.write_all(b"H-2.0").unwrap();

    assert_eq!(acceptor.join().unwrap(), Err(WaitError::Closed));
    assert_eq!(&take(&accept(&native)), b"SSH-2.0");
    let again = host.listen_prefix(b"SSH-");
    drop(first);
    let mut client = host.connect(b"SSH");
    native.close();
    client.write_all(b"-2.0").unwrap();
    assert_eq!(&take(&accept(&again)), b"SSH-2.0");
    assert!(is_closed(&host.connect(b"GET")), "nobody takes it");
}

#[test]
fn each_listener_has_its_own_backlog_and_numbers() {
    let host = Host::start_with(|config| {
        config.sniff_timeout = NEVER;
        config.listener_backlog = 3;
    });
    let options = ListenOptions { backlog: Some(1) };
    let _ssh = host.port.listen(prefix(b"SSH-"), options).unwrap();
    let _muxed = host.listen(0x0102);
    let native = host.native();
    assert_eq!(host.port.packet_stats(), None);
    let packets = host.port.packets().unwrap();

    let _clients: Vec<_> = [&b"SSH-"[..], b"\x01\x02", b"GET"]
        .iter()
        .flat_map(|first| (0..5).map(|_| host.connect(first)))
        .collect();
    host.udp().send(b"hello").unwrap();
    until("all have come", || {
        let stats = host.port.listener_stats();
        stats.iter().map(|(_, stats)| stats.accepted + stats.dropped).sum::<u64>() == 15
            && packets.stats().accepted == 1
    });
    accept(&native);

    let stats = |accepted, dropped, pending, limit| QueueStats { accepted, dropped, pending, limit };
    let expected = [
        (ListenerName::Native, stats(3, 2, 2, 3)),
        (muxed(0x0102), stats(3, 2, 3, 3)),
        (prefix(b"SSH-"), stats(1, 4, 1, 1)),
    ];
    assert_eq!(host.port.listener_stats(), expected);
    assert_eq!(host.port.stats().connections_listener_full, 8);
    assert_eq!(native.stats().rows(), [("accepted", 3), ("dropped", 2), ("pending", 2), ("limit", 3)]);
    assert_eq!(host.port.packet_stats(), Some(stats(1, 0, 1, 4096)));
    drop(packets);
    assert_eq!(host.port.packet_stats(), None);
    assert_eq!((native.local_addr(), native.local_addrs()), (host.addr(), host.port.local_addrs()));
    assert!(native.accept(Some(PATIENCE)).is_ok());
}

#[test]
fn the_backlog_of_a_listener_can_be_changed_while_it_listens() {
    let host = Host::start_with(|config| {
        config.sniff_timeout = NEVER;
        config.listener_backlog = 1;
    });
    let native = host.native();
    let _first = host.connect(b"GET");
    until("it waits", || native.stats().pending == 1);
    assert!(is_closed(&host.connect(b"GET")), "there is room for one");

    native.set_backlog(2).unwrap();

    let _second = host.connect(b"GET");
    until("both wait", || native.stats().pending == 2);
    assert_eq!(native.stats().limit, 2);
    for impossible in [0, 65_537] {
        let text = format!("backlog is {impossible}, must be from 1 to 65536");
        assert_eq!(native.set_backlog(impossible).unwrap_err().to_string(), text);
    }
}
