//! What a machine believes, answers and sends, seen datagram by datagram: the test plays
//! all the others.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use gossip_core::base::time::Time;
use gossip_core::pool::action::{Action, Asks};
use gossip_core::pool::config::PoolConfig;
use gossip_core::pool::machine::{Identity, Machine, Received};
use gossip_core::swim::node::State;
use gossip_core::wire::encode::encode;
use gossip_core::wire::message::{Ack, Alive, Dead, IndirectPing, Message, Nack, Ping, Source, Suspect};
use gossip_core::wire::nonce::Nonces;
use gossip_core::wire::onion::Wire;
use gossip_core::wire::packet::{self, Scratch};

use crate::hosts::addr;

/// A datagram that the machine has sent: to whom, its first byte, its messages.
struct Sent {
    to: SocketAddr,
    first: u8,
    pings: Vec<(u32, String)>,
    acks: Vec<u32>,
    indirect: Vec<u32>,
    messages: Vec<Vec<u8>>,
}

/// One machine, n0, and its time.
struct Lone {
    machine: Machine,
    now: Time,
}

impl Lone {
    fn new(config: PoolConfig) -> Self {
        Self::seeded(config, 1)
    }

    fn seeded(config: PoolConfig, seed: u64) -> Self {
        let now = Time::ZERO + Duration::from_secs(1000);
        let identity = Identity { name: "n0".into(), addr: addr(0).into() };
        let pool = config.check().unwrap();
        let machine = Machine::new(pool, identity, Asks::default(), seed, Nonces::seeded(1), now).unwrap();
        Self { machine, now }
    }

    /// A machine that has heard of `count` others, n1 and so on.
    fn among(count: usize, config: PoolConfig) -> Self {
        let mut lone = Self::new(config);
        (1..=count).for_each(|number| lone.hear_of(number, 1));
        lone.sent();
        lone
    }

    fn hear_from(&mut self, from: SocketAddr, message: &Message<'_>) {
        let mut bytes = Vec::new();
        encode(message, &mut bytes);
        let (at, bytes) = (self.now, &mut bytes[..]);
        self.machine.handle_packet(self.now, Received { from, at, bytes });
    }

    /// Node `number` says that it is there.
    fn hear_of(&mut self, number: usize, incarnation: u32) {
        let name = format!("n{number}");
        let octets = [10, 0, (number >> 8) as u8, number as u8];
        let alive = Alive {
            incarnation,
            node: name.as_bytes().into(),
            addr: Some(octets.as_slice().into()),
            port: 7946,
            meta: None,
            relay: 0,
            versions: Some([1, 5, 2, 0, 0, 0].as_slice().into()),
        };
        self.hear_from(addr(1), &Message::Alive(alive));
    }

    /// Everything that it wants to send now.
    fn sent(&mut self) -> Vec<Sent> {
        let mut all = Vec::new();
        let mut bytes = Vec::new();
        while let Some(to) = self.machine.poll_transmit(self.now, &mut bytes) {
            all.push(read(to, &mut bytes[2..]));
            bytes.clear();
        }
        while self.machine.poll_action().is_some() {}
        all
    }

    /// Lets the next thing that is due happen, and gives what is sent then.
    fn step(&mut self) -> Vec<Sent> {
        self.now = self.machine.poll_timeout().unwrap();
        self.machine.handle_timeout(self.now);
        self.sent()
    }

    /// Lets time pass until a datagram is sent that `is_it`.
    fn until(&mut self, is_it: impl Fn(&Sent) -> bool) -> Vec<Sent> {
        for _ in 0..10_000 {
            let sent = self.step();
            if sent.iter().any(&is_it) {
                return sent.into_iter().filter(&is_it).collect();
            }
        }
        panic!("never sent");
    }
}

fn read(to: SocketAddr, bytes: &mut [u8]) -> Sent {
    let first = bytes[0];
    let mut sent = Sent { to, first, pings: vec![], acks: vec![], indirect: vec![], messages: vec![] };
    let wire = Wire { compression: true, ..Wire::plain() };
    packet::open(&wire, &mut Scratch::default(), bytes, &mut |message| match message.unwrap() {
        Message::Ping(ping) => sent.pings.push((ping.seq, String::from_utf8_lossy(&ping.node).into())),
        Message::Ack(ack) => sent.acks.push(ack.seq),
        Message::IndirectPing(ping) => sent.indirect.push(ping.seq),
        Message::User(bytes) => sent.messages.push(bytes.to_vec()),
        _ => {}
    })
    .unwrap();
    sent
}

/// Neither gossip nor push/pulls, which only get in the way.
fn probing() -> PoolConfig {
    PoolConfig { gossip_interval: Duration::ZERO, push_pull_interval: Duration::ZERO, ..PoolConfig::lan(1) }
}

fn source(ip: &[u8], name: &'static str) -> Source<'static> {
    Source { addr: Some(ip.to_vec().into()), port: 9999, node: name.as_bytes().into() }
}

#[test]
fn nothing_is_heard_from_an_address_outside_of_the_allowed_networks() {
    let cidrs_allowed = vec!["10.0.0.0/24".parse().unwrap()];
    let mut lone = Lone::among(2, PoolConfig { cidrs_allowed, ..PoolConfig::lan(1) });
    let stranger = SocketAddr::from(([10, 0, 1, 1], 7946));
    let (node, from) = (b"n1".as_slice(), b"n2".as_slice());
    let messages = [
        Message::Suspect(Suspect { incarnation: 9, node: node.into(), from: from.into() }),
        Message::Dead(Dead { incarnation: 9, node: node.into(), from: from.into() }),
        Message::Ping(Ping { seq: 7, node: b"n0".as_slice().into(), ..Ping::default() }),
        Message::User(b"hello"),
    ];

    for message in &messages {
        lone.hear_from(stranger, message);
    }

    assert!(lone.sent().is_empty(), "no answer either");
    assert!(lone.machine.members().all(|member| member.state == State::Alive));
    assert!(lone.machine.accept(lone.now, stranger).is_none(), "nor are its connections taken");
    let stats = lone.machine.stats();
    assert_eq!((stats.sources_refused, stats.messages_received), (5, 0));
    assert!(lone.machine.accept(lone.now, addr(1)).is_some());
}

#[test]
fn a_member_outside_of_the_allowed_networks_is_not_believed_in() {
    let cidrs_allowed = vec!["10.0.0.0/24".parse().unwrap()];
    let mut lone = Lone::among(2, PoolConfig { cidrs_allowed, ..PoolConfig::lan(1) });

    lone.hear_of(0x1_01, 1);

    assert_eq!(lone.machine.members().count(), 3);
    assert_eq!(lone.machine.stats().swim.not_allowed, 1);
}

#[test]
fn invented_names_fill_the_table_to_its_limit_and_no_further() {
    let limited = PoolConfig { max_members: 50, ..probing() };
    let mut lone = Lone::among(30, limited);

    (1..=1000).for_each(|number| lone.hear_of(number, 1));
    assert_eq!(lone.machine.members().count(), 50);
    assert_eq!(lone.machine.stats().overflows, 951);

    // Whoever is known is still heard, and the forgotten make room.
    lone.hear_of(30, 2);
    assert_eq!(lone.machine.member(b"n30").unwrap().incarnation, 2);
    let (node, from) = (b"n30".as_slice(), b"n30".as_slice());
    lone.hear_from(addr(30), &Message::Dead(Dead { incarnation: 2, node: node.into(), from: from.into() }));
    lone.machine.handle_timeout(lone.now + Duration::from_secs(31));
    while lone.machine.member(b"n30").is_some() {
        lone.step();
    }
    lone.hear_of(1000, 1);
    assert!(lone.machine.member(b"n1000").is_some());
}

#[test]
fn a_ping_is_not_answered_to_an_address_that_only_the_ping_names() {
    let mut lone = Lone::among(2, probing());
    let victim = [192, 0, 2, 1];
    let ping = |seq, source| Message::Ping(Ping { seq, node: b"n0".as_slice().into(), source });

    lone.hear_from(addr(9), &ping(1, source(&victim, "n1")));
    lone.hear_from(addr(9), &ping(2, source(&[10, 0, 0, 9], "")));
    let [first, second] = &lone.sent()[..] else { panic!("two answers") };

    assert_eq!((first.to, &first.acks[..]), (addr(9), &[1][..]), "the sender itself");
    let other_port = SocketAddr::from(([10, 0, 0, 9], 9999));
    assert_eq!((second.to, &second.acks[..]), (other_port, &[2][..]), "another port of the sender");
}

#[test]
fn a_ping_is_answered_by_the_family_that_it_came_by() {
    let mut lone = Lone::among(2, probing());
    // n1 tells its IPv4 address, and reaches us from its IPv6 one.
    let named =
        Source { addr: Some([10, 0, 0, 1].as_slice().into()), port: 7946, node: b"n1".as_slice().into() };
    let ping = |seq| Message::Ping(Ping { seq, node: b"n0".as_slice().into(), source: named.clone() });
    let by_ipv6: SocketAddr = "[fd00::1]:7946".parse().unwrap();

    lone.hear_from(by_ipv6, &ping(1));
    lone.hear_from(addr(9), &ping(2));
    let [first, second] = &lone.sent()[..] else { panic!("two answers") };

    assert_eq!((first.to, &first.acks[..]), (by_ipv6, &[1][..]));
    assert_eq!((second.to, &second.acks[..]), (addr(1), &[2][..]), "a member is answered where it lives");
}

#[test]
fn a_ping_for_another_is_not_reported_to_an_address_that_only_the_request_names() {
    let mut lone = Lone::among(2, probing());
    let request = IndirectPing {
        seq: 5,
        target: Some([10, 0, 0, 2].as_slice().into()),
        port: 7946,
        node: b"n2".as_slice().into(),
        nack: true,
        source: source(&[192, 0, 2, 1], "n1"),
    };

    lone.hear_from(addr(9), &Message::IndirectPing(request));
    let relayed = lone.sent();
    let (seq, _) = relayed[0].pings[0];
    lone.hear_from(addr(2), &Message::Ack(Ack { seq, payload: None }));

    let [answer] = &lone.sent()[..] else { panic!("one answer") };
    assert_eq!((relayed[0].to, answer.to, &answer.acks[..]), (addr(2), addr(9), &[5][..]));
}

#[test]
fn answers_that_nobody_waits_for_are_counted_and_change_nothing() {
    let mut lone = Lone::among(3, probing());
    let ping = lone.until(|sent| !sent.pings.is_empty());
    let (seq, _) = ping[0].pings[0];

    lone.hear_from(addr(9), &Message::Ack(Ack { seq: seq.wrapping_add(1), payload: None }));
    lone.hear_from(addr(9), &Message::Nack(Nack { seq: seq.wrapping_sub(1) }));
    assert_eq!(lone.machine.stats().swim.acks_unmatched, 2);

    // The probe still runs: without an answer others are asked.
    lone.until(|sent| sent.indirect == [seq]);
}

#[test]
fn numbers_of_pings_are_not_to_be_guessed() {
    let mut lone = Lone::among(3, probing());

    let mut seqs: Vec<u32> = Vec::new();
    while seqs.len() < 20 {
        let ping = lone.until(|sent| !sent.pings.is_empty());
        let (seq, name) = &ping[0].pings[0];
        seqs.push(*seq);
        let number: usize = name[1..].parse().unwrap();
        lone.hear_from(addr(number), &Message::Ack(Ack { seq: *seq, payload: None }));
    }

    let close = seqs.windows(2).filter(|pair| pair[0].abs_diff(pair[1]) < 1000).count();
    assert_eq!(close, 0, "{seqs:?}");
}

#[test]
fn a_helper_that_says_no_twice_is_heard_once() {
    let health_after = |nacks: &[usize]| {
        let mut lone = Lone::among(4, probing());
        let asked = lone.until(|sent| !sent.indirect.is_empty());
        assert_eq!(asked.len(), 3);
        let seq = asked[0].indirect[0];
        for helper in nacks {
            lone.hear_from(asked[*helper].to, &Message::Nack(Nack { seq }));
        }
        while lone.machine.stats().swim.probes_failed == 0 {
            lone.step();
        }
        lone.machine.health()
    };

    assert_eq!(health_after(&[0, 1, 2]), 0, "everyone says no: it is not our fault");
    assert_eq!(health_after(&[0, 1]), 1);
    assert_eq!(health_after(&[0, 0, 0, 0]), 2, "two helpers say nothing, however often one speaks");
}

#[test]
fn pings_carry_a_checksum_for_whoever_understands_it() {
    const CHECKSUM: u8 = 12;
    let mut lone = Lone::among(1, probing());

    let ping = lone.until(|sent| !sent.pings.is_empty());

    assert_eq!((ping[0].to, ping[0].first), (addr(1), CHECKSUM));
}

#[test]
fn every_tick_probes_somebody_while_there_is_somebody_to_probe() {
    let mut lone = Lone::among(40, probing());
    for number in 2..=40 {
        let name = format!("n{number}");
        let (node, from) = (name.as_bytes().into(), name.as_bytes().into());
        lone.hear_from(addr(number), &Message::Dead(Dead { incarnation: 1, node, from }));
    }
    lone.sent();

    let start = lone.now;
    for tick in 1..=100_u64 {
        let ping = lone.until(|sent| !sent.pings.is_empty());
        let (seq, name) = &ping[0].pings[0];
        assert_eq!(name, "n1");
        assert_eq!(lone.now.since(start).as_secs_f64().ceil() as u64, tick, "a tick was wasted");
        lone.hear_from(addr(1), &Message::Ack(Ack { seq: *seq, payload: None }));
    }
}

#[test]
fn nodes_that_start_together_do_not_stay_in_step() {
    let first_ping = |seed| {
        let mut lone = Lone::seeded(probing(), seed);
        lone.hear_of(1, 1);
        lone.until(|sent| !sent.pings.is_empty());
        lone.now
    };

    let mut starts: Vec<_> = (1..=20).map(first_ping).collect();
    starts.sort_unstable();
    starts.dedup();

    assert_eq!(starts.len(), 20);
}

#[test]
fn news_of_the_pool_does_not_starve_what_the_application_broadcasts() {
    let config = PoolConfig { push_pull_interval: Duration::ZERO, ..PoolConfig::lan(1) };
    let mut lone = Lone::among(1000, PoolConfig { broadcast_queue_depth: 10, ..config });
    // Too long to fill a gap that the news leaves.
    lone.machine.broadcast(lone.now, &[7; 500]).unwrap();

    let mut gossip = Vec::new();
    while gossip.len() < 8 {
        gossip.extend(lone.step().into_iter().filter(|sent| sent.pings.is_empty()));
    }

    assert!(lone.machine.stats().broadcasts_queued > 900, "the news of the pool still waits");
    assert!(gossip.iter().any(|sent| sent.messages == [[7; 500]]));
}

#[test]
fn a_lone_machine_keeps_no_broadcast_and_is_never_full() {
    let mut lone = Lone::new(PoolConfig { broadcast_queue_depth: 2, ..PoolConfig::lan(1) });

    for _ in 0..100 {
        lone.machine.broadcast(lone.now, b"to nobody").unwrap();
    }

    assert_eq!(lone.machine.stats().broadcasts_queued, 1, "only its own announcement waits");
}

#[test]
fn an_ended_command_and_a_refuted_suspicion_leave_no_timer() {
    let off = Duration::ZERO;
    let (probe_interval, gossip_interval, push_pull_interval) = (off, off, off);
    let quiet = PoolConfig {
        probe_interval,
        gossip_interval,
        push_pull_interval,
        queue_check_interval: off,
        ..PoolConfig::lan(1)
    };
    let mut lone = Lone::among(3, quiet);
    assert_eq!(lone.machine.poll_timeout(), None);
    let (node, from) = (b"n1".as_slice(), b"n2".as_slice());

    lone.hear_from(
        addr(2),
        &Message::Suspect(Suspect { incarnation: 1, node: node.into(), from: from.into() }),
    );
    assert!(lone.machine.poll_timeout().is_some());
    lone.hear_of(1, 2);
    assert_eq!(lone.machine.poll_timeout(), None);

    let ping = lone.machine.ping(lone.now, addr(1).into(), None).unwrap();
    let seq = lone.sent()[0].pings[0].0;
    lone.hear_from(addr(1), &Message::Ack(Ack { seq, payload: Some(Bytes::new().to_vec().into()) }));
    let done = std::iter::from_fn(|| lone.machine.poll_action());
    let mut done = done.filter(|action| matches!(action, Action::Done { id, .. } if *id == ping));
    assert!(done.next().is_some());
    drop(done);
    assert_eq!(lone.machine.poll_timeout(), None);
}

/// What n1 says of itself, and whether it understands relayed broadcasts.
fn alive_with(incarnation: u32, relay: u8) -> Message<'static> {
    Message::Alive(Alive {
        incarnation,
        node: b"n1".as_slice().into(),
        addr: Some([10, 0, 0, 1].as_slice().into()),
        port: 7946,
        meta: None,
        relay,
        versions: Some([1, 5, 2, 0, 0, 0].as_slice().into()),
    })
}

#[test]
fn that_a_member_understands_relays_is_learnt_late_and_forgotten_with_its_next_life() {
    let mut lone = Lone::new(PoolConfig::lan(1));
    let mut deaf_after = |incarnation, relay| {
        lone.hear_from(addr(2), &alive_with(incarnation, relay));
        lone.machine.stats().relay_deaf
    };

    assert_eq!(deaf_after(1, 0), 1, "memberlist does not pass on what it does not know");
    assert_eq!(deaf_after(1, 1), 0, "the same facts from one of ours");
    assert_eq!(deaf_after(1, 0), 0, "and again by way of memberlist");
    assert_eq!(deaf_after(2, 0), 1, "newer facts count alone");
    assert_eq!(deaf_after(3, 2), 0, "a later version understands ours");
}

#[test]
fn a_user_message_is_taken_for_an_envelope_only_from_who_understands_them() {
    let mut lone = Lone::among(1, PoolConfig::lan(1));
    let rumour = b"\xf7rly\x01\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x07\0\0\0\0\0\0\0\x01\x02n1\0hi";

    let told = |lone: &mut Lone| -> Vec<_> {
        lone.hear_from(addr(1), &Message::User(rumour));
        let actions = std::iter::from_fn(|| lone.machine.poll_action());
        let messages = actions.filter_map(|action| match action {
            Action::Tell(gossip_core::Notice::Message(message)) => Some(message),
            _ => None,
        });
        messages.map(|message| (message.bytes, message.origin.map(|origin| origin.sequence))).collect()
    };

    assert_eq!(told(&mut lone), [(Bytes::from_static(rumour), None)], "memberlist meant what it said");
    lone.hear_from(addr(1), &alive_with(1, 1));
    assert_eq!(told(&mut lone), [(Bytes::from_static(b"hi"), Some(1))]);
    assert_eq!(told(&mut lone), [], "once");
    let stats = lone.machine.stats();
    assert_eq!((stats.relay_received, stats.relay_duplicates), (2, 1));
}

#[test]
fn envelopes_that_make_no_sense_are_counted_and_change_nothing() {
    let mut lone = Lone::among(1, PoolConfig::lan(1));
    lone.hear_from(addr(1), &alive_with(1, 1));
    lone.sent();

    for envelope in [
        &b"\xf7rly"[..],
        b"\xf7rly\x01\0",
        b"\xf7rly\x02\0\0",
        b"\xf7rly\x07",
        b"\xf7rly\x01\0\0\0\0\0\0\0\0",
    ] {
        lone.hear_from(addr(1), &Message::User(envelope));
    }

    assert_eq!(lone.machine.stats().relay_invalid, 5);
    assert!(lone.sent().is_empty());
    let refused = lone.machine.send(&addr(1).into(), b"\xf7rly to you");
    assert_eq!(refused, Err(gossip_core::CommandError::ReservedMark));
}
