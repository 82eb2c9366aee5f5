//! What an operator is told, and that each warning says what to do.

use std::net::{TcpStream, UdpSocket};
use std::sync::Arc;

use gossip_core::wire::keyring::Key;
use gossip_core::{Asks, Config, Delegate, LogLevel, Member, PoolConfig, PoolId};

use super::support::*;

#[test]
fn a_public_address_without_encryption_is_told_at_the_start() {
    let public = Some([198, 51, 100, 7].into());
    let cases = [
        (Some([8, 8, 8, 8].into()), quick(1), 1),
        (Some([8, 8, 8, 8].into()), PoolConfig { keyring: keyring(), ..quick(1) }, 0),
        (public, quick(1), 0),
        (None, quick(1), 0),
    ];

    for (advertise_addr, config, warnings) in cases {
        let (gossip, kept) = logging(Config { advertise_addr, ..loopback("a") }, LogLevel::Warn);
        gossip.register_pool(config, None).unwrap();
        gossip.start().unwrap();
        gossip.shutdown(PATIENCE).unwrap();
        assert_eq!(kept.find("public address without encryption").len(), warnings, "{advertise_addr:?}");
    }
}

fn keyring() -> gossip_core::Keyring {
    let key = Key::new(&[7; 16]).unwrap();
    gossip_core::Keyring::new([key.clone()], Some(key)).unwrap()
}

#[test]
fn a_receive_buffer_smaller_than_asked_is_told_with_the_setting_to_change() {
    let (gossip, kept) = logging(Config { udp_recv_buffer: 1 << 30, ..loopback("a") }, LogLevel::Warn);

    gossip.start().unwrap();

    let warning = kept.expect_warning("udp receive buffer is smaller than asked");
    assert!(warning.fields.contains("asked=1073741824") && warning.fields.contains("rmem_max"), "{warning}");
}

#[test]
fn messages_that_a_slow_delegate_misses_are_told_with_pool_and_setting() {
    let (gossip, kept) = logging(loopback("a"), LogLevel::Warn);
    let (release, delegate) = Stuck::until_released();
    let config = PoolConfig { message_queue_depth: 1, ..quick(3) };
    let pool = gossip.register_pool(config, Some(delegate)).unwrap();
    gossip.start().unwrap();

    let own = gossip.local_addr();
    eventually("messages are dropped", || {
        pool.send_to_address(own, b"x").unwrap();
        pool.stats().unwrap().messages_dropped > 3
    });

    let warning = kept.expect_warning("delegate queue full");
    assert_eq!(warning.pool, Some(PoolId(3)));
    assert!(warning.fields.contains("message_queue_depth"), "{warning}");
    drop(release);
    gossip.shutdown(PATIENCE).unwrap();
    assert_eq!(kept.find("delegate queue full").len(), 1, "once a minute");
}

#[test]
fn a_panic_of_a_callback_is_told() {
    struct Panicking;
    impl Delegate for Panicking {
        fn notify_join(&self, _: &Member) {
            panic!("on purpose");
        }
    }
    let (gossip, kept) = logging(loopback("a"), LogLevel::Warn);
    gossip.register_pool(quick(3), Some(Arc::new(Panicking))).unwrap();

    gossip.start().unwrap();

    assert_eq!(kept.expect_warning("callback panicked").pool, Some(PoolId(3)));
}

#[test]
fn the_reason_of_a_refusal_by_the_application_is_told() {
    struct Strict;
    impl Delegate for Strict {
        fn asks(&self) -> Asks {
            Asks { admit_alive: true, ..Asks::default() }
        }
        fn notify_alive(&self, _: &Member) -> Result<(), String> {
            Err("not you".to_owned())
        }
    }
    let (gossip, kept) = logging(loopback("a"), LogLevel::Debug);
    gossip.register_pool(quick(1), Some(Arc::new(Strict))).unwrap();
    gossip.start().unwrap();
    let (_b, pool, _) = started("b", LogLevel::Off);

    pool.join(&[gossip.local_addr().to_string()], PATIENCE).unwrap();

    let record = kept.expect("the application refused");
    assert_eq!(record.pool, Some(PoolId(1)));
    assert!(record.fields.contains("reason=\"not you\""), "{record}");
}

#[test]
fn datagrams_that_find_the_inbox_full_are_told_with_pool_and_setting() {
    let (gossip, kept) = logging(loopback("a"), LogLevel::Warn);
    let pool = gossip.register_pool(PoolConfig { handoff_queue_depth: 1, ..quick(3) }, None).unwrap();
    gossip.start().unwrap();
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();

    eventually("datagrams are dropped", || {
        for _ in 0..500 {
            socket.send_to(&[0xFE, 3, 8, 0], gossip.local_addr()).unwrap();
        }
        pool.stats().unwrap().inbox_dropped > 1
    });

    let warning = kept.expect_warning("inbox full");
    assert_eq!(warning.pool, Some(PoolId(3)));
    assert!(warning.fields.contains("handoff_queue_depth"), "{warning}");
}

#[test]
fn datagrams_that_cannot_be_sent_are_told_with_the_reason() {
    let (_gossip, pool, kept) = started("a", LogLevel::Warn);

    pool.send_to_address("[2001:db8::1]:7946".parse().unwrap(), b"x").unwrap();

    let warning = kept.expect_warning("datagrams cannot be sent");
    assert!(warning.fields.contains("2001:db8::1") && warning.fields.contains("bind_addr"), "{warning}");
}

#[test]
fn a_full_listener_and_a_full_packet_receiver_are_told() {
    let config = Config { listener_backlog: 1, packet_queue: 1, ..loopback("a") };
    let (gossip, kept) = logging(config, LogLevel::Warn);
    let (listener, packets) = (gossip.listen(0x1234).unwrap(), gossip.packets().unwrap());
    gossip.start().unwrap();
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();

    let mut open = Vec::new();
    eventually("connections are closed and datagrams dropped", || {
        let mut stream = TcpStream::connect(gossip.local_addr()).unwrap();
        std::io::Write::write_all(&mut stream, &[0x12, 0x34]).unwrap();
        open.push(stream);
        socket.send_to(b"for the application", gossip.local_addr()).unwrap();
        let stats = gossip.stats();
        stats.connections_listener_full > 0 && stats.packets_receiver_full > 0
    });

    let warning = kept.expect_warning("listener backlog full");
    assert!(warning.fields.contains("listener_backlog"), "{warning}");
    let warning = kept.expect_warning("packet receiver full");
    assert!(warning.fields.contains("packet_queue"), "{warning}");
    drop((listener, packets));
}

#[test]
fn connections_that_say_nothing_are_told_when_they_are_too_many() {
    let config = Config { max_sniffing_per_source: 1, sniff_timeout: PATIENCE, ..loopback("a") };
    let (gossip, kept) = logging(config, LogLevel::Warn);
    gossip.start().unwrap();

    let _silent: Vec<_> = (0..3).map(|_| TcpStream::connect(gossip.local_addr()).unwrap()).collect();

    let warning = kept.expect_warning("too many silent connections from one address");
    assert!(warning.fields.contains("max_sniffing_per_source"), "{warning}");
}

#[test]
fn a_name_that_is_taken_is_told_by_both() {
    let (first, _pool, kept) = started("same", LogLevel::Warn);
    let (_second, pool, second_kept) = started("same", LogLevel::Warn);

    pool.join(&[first.local_addr().to_string()], PATIENCE).unwrap();

    for kept in [kept, second_kept] {
        let warning = kept.expect_warning("own name is claimed by another node");
        assert_eq!(warning.pool, Some(PoolId(1)));
    }
}
