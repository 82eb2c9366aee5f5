//! What membership costs in memory: a packet that changes nothing allocates nothing, and
//! a known member stays within its budget.
//!
//! One test only: the counters belong to the whole process.

mod counting;

use std::borrow::Cow;
use std::net::SocketAddr;
use std::time::Duration;

use gossip_core::base::time::Time;
use gossip_core::pool::action::Asks;
use gossip_core::pool::config::PoolConfig;
use gossip_core::pool::machine::{Identity, Machine, Received};
use gossip_core::wire::encode::encode;
use gossip_core::wire::message::{Ack, Alive, Dead, Message, Ping, Source, Suspect};
use gossip_core::wire::nonce::Nonces;
use gossip_core::wire::onion::Wire;
use gossip_core::wire::packet::{self, Scratch};
use gossip_core::wire::{compound, keyring::Key, keyring::Keyring};

use counting::{allocated, held};

const MEMBERS: usize = 2000;
const VERSIONS: [u8; 6] = [1, 5, 2, 0, 0, 0];

fn addr(number: usize) -> SocketAddr {
    SocketAddr::from(([10, 1, (number >> 8) as u8, number as u8], 7946))
}

fn machine(config: PoolConfig) -> Machine {
    let identity = Identity { name: "self".into(), addr: SocketAddr::from(([10, 0, 0, 1], 7946)).into() };
    Machine::new(config.check().unwrap(), identity, Asks::default(), 1, Nonces::seeded(1), Time::ZERO)
        .unwrap()
}

/// The messages about member `number` that a node hears again and again.
fn alive(number: usize) -> Vec<u8> {
    let name = format!("node-{number:04}.example");
    let SocketAddr::V4(v4) = addr(number) else { unreachable!() };
    let alive = Alive {
        incarnation: 1,
        node: Cow::Borrowed(name.as_bytes()),
        addr: Some(Cow::Owned(v4.ip().octets().to_vec())),
        port: 7946,
        meta: None,
        relay: 0,
        versions: Some(Cow::Borrowed(&VERSIONS)),
    };
    encoded(&Message::Alive(alive))
}

fn encoded(message: &Message<'_>) -> Vec<u8> {
    let mut out = Vec::new();
    encode(message, &mut out);
    out
}

fn drain(machine: &mut Machine, now: Time, out: &mut Vec<u8>) -> usize {
    let mut sent = 0;
    loop {
        out.clear();
        let transmitted = machine.poll_transmit(now, out).is_some();
        sent += usize::from(transmitted);
        if !transmitted && machine.poll_action().is_none() {
            return sent;
        }
    }
}

#[test]
fn members_are_small_and_idle_packets_free() {
    a_known_member_costs_at_most_256_bytes();
    a_packet_that_changes_nothing_allocates_nothing();
}

fn a_known_member_costs_at_most_256_bytes() {
    // Nobody is there to answer: without probes everybody stays a healthy member.
    let quiet = PoolConfig {
        probe_interval: Duration::ZERO,
        push_pull_interval: Duration::ZERO,
        ..PoolConfig::lan(1)
    };
    let mut machine = machine(quiet);
    let (mut out, now) = (Vec::new(), Time::ZERO + Duration::from_secs(1));
    let before = held();

    for number in 0..MEMBERS {
        let mut bytes = alive(number);
        machine.handle_packet(now, Received { from: addr(number), at: now, bytes: &mut bytes });
        drain(&mut machine, now, &mut out);
    }
    assert_eq!(machine.members().count(), MEMBERS + 1);
    // What is known remains; what waits to be told to others goes out.
    let mut at = now;
    while machine.stats().broadcasts_queued > 0 {
        at += Duration::from_millis(100);
        machine.handle_timeout(at);
        drain(&mut machine, at, &mut out);
        assert!(at < now + Duration::from_secs(600), "broadcasts never end");
    }

    let each = (held() - before) / MEMBERS;
    eprintln!("a known member costs {each} bytes");
    assert!(each <= 256, "a known member costs {each} bytes");
}

fn a_packet_that_changes_nothing_allocates_nothing() {
    let key = Key::new(&[7; 16]).unwrap();
    let keyring = Keyring::new([key.clone()], Some(key)).unwrap();
    let config = PoolConfig { keyring: keyring.clone(), label: "dc1".into(), ..PoolConfig::lan(1) };
    let mut machine = machine(config);
    let wire = Wire { keyring, label: "dc1".into(), compression: true, ..Wire::plain() };
    let (mut out, now) = (Vec::new(), Time::ZERO + Duration::from_secs(1));
    let (mut scratch, mut nonces) = (Scratch::default(), Nonces::seeded(2));
    let mut seal = |parts: &[Vec<u8>]| {
        let (mut plain, mut sealed) = (Vec::new(), Vec::new());
        compound::write(parts, &mut plain);
        packet::close(&wire, &mut scratch, &mut nonces, &plain, true, &mut sealed);
        sealed
    };
    let known = b"node-0001.example".as_slice();
    let source = Source { addr: Some(Cow::Borrowed(&[10, 1, 0, 1])), port: 7946, node: Cow::Borrowed(known) };
    let idle = [
        encoded(&Message::Ping(Ping { seq: 7, node: Cow::Borrowed(b"self"), source })),
        encoded(&Message::Ack(Ack { seq: 99, payload: None })),
        encoded(&Message::Suspect(Suspect {
            incarnation: 0,
            node: Cow::Borrowed(known),
            from: Cow::Borrowed(b"x"),
        })),
        encoded(&Message::Dead(Dead {
            incarnation: 0,
            node: Cow::Borrowed(known),
            from: Cow::Borrowed(b"x"),
        })),
        alive(1),
    ];
    let (learn, idle) = (seal(&[alive(1)]), seal(&idle));
    let mut deliver = |machine: &mut Machine, datagram: &[u8], buffer: &mut Vec<u8>| {
        buffer.clear();
        buffer.extend_from_slice(datagram);
        machine.handle_packet(now, Received { from: addr(1), at: now, bytes: buffer });
        drain(machine, now, &mut out)
    };
    let mut buffer = Vec::with_capacity(2048);
    deliver(&mut machine, &learn, &mut buffer);
    // The announcements ride on the first acks; then there is nothing left to say, and the
    // nonces' blocks have grown to their full size.
    (0..700).for_each(|_| assert_eq!(deliver(&mut machine, &idle, &mut buffer), 1, "the ack"));
    assert_eq!(machine.stats().broadcasts_queued, 0);

    let (_, count) = allocated(|| {
        for _ in 0..1000 {
            deliver(&mut machine, &idle, &mut buffer);
        }
    });

    assert_eq!(count, 0, "allocations for 1000 packets");
}
