//! What an operator is warned of, how often, and what the warning tells to do.

use std::borrow::Cow;
use std::time::Duration;

use bytes::Bytes;
use gossip_core::base::time::Time;
use gossip_core::pool::action::Asks;
use gossip_core::pool::config::PoolConfig;
use gossip_core::pool::exchange::{ExchangeError, ExchangeNews};
use gossip_core::pool::machine::{Machine, Received};
use gossip_core::swim::node::State;
use gossip_core::wire::encode::encode;
use gossip_core::wire::error::Refused;
use gossip_core::wire::keyring::{Key, Keyring};
use gossip_core::wire::message::{Ack, Alive, Message, Suspect};
use gossip_core::wire::nonce::Nonces;
use gossip_core::wire::onion::Wire;
use gossip_core::wire::packet::{self, Scratch};

use crate::capture;
use crate::hosts::{Hosts, addr, joined, names};

const SECOND: Duration = Duration::from_secs(1);

fn receive(machine: &mut Machine, now: Time, datagram: &[u8]) {
    machine.handle_packet(now, Received { from: addr(66), at: now, bytes: &mut datagram.to_vec() });
}

fn hear(machine: &mut Machine, now: Time, message: &Message<'_>) {
    let mut bytes = Vec::new();
    encode(message, &mut bytes);
    receive(machine, now, &bytes);
}

fn alive(name: &str, number: u8) -> Message<'_> {
    Message::Alive(Alive {
        incarnation: 1,
        node: Cow::Borrowed(name.as_bytes()),
        addr: Some(Cow::Owned(vec![10, 0, 0, number])),
        port: 7946,
        meta: None,
        relay: 0,
        versions: Some(Cow::Borrowed(&[1, 5, 2, 0, 0, 0])),
    })
}

/// Lets the node at 10.0.0.9 claim a name, while whoever is asked answers to it.
fn claim(machine: &mut Machine, now: Time, name: &str) {
    machine.handle_timeout(now);
    hear(machine, now, &alive(name, 9));
    let (mut bytes, mut pings) = (Vec::new(), Vec::new());
    while machine.poll_transmit(now, &mut bytes).is_some() {
        let behind_prefix = &mut bytes[2..];
        packet::open(&Wire::plain(), &mut Scratch::default(), behind_prefix, &mut |message| {
            if let Ok(Message::Ping(ping)) = message {
                pings.push(ping.seq);
            }
        })
        .unwrap();
        bytes.clear();
    }
    for seq in pings {
        hear(machine, now, &Message::Ack(Ack { seq, payload: None }));
    }
    while machine.poll_action().is_some() {}
}

fn keyring(byte: u8) -> Keyring {
    let key = Key::new(&[byte; 16]).unwrap();
    Keyring::new([key.clone()], Some(key)).unwrap()
}

fn encrypted() -> PoolConfig {
    PoolConfig { keyring: keyring(7), ..PoolConfig::lan(1) }
}

/// The datagram of someone with another configuration.
fn sealed(wire: &Wire) -> Vec<u8> {
    let (mut plain, mut sealed) = (Vec::new(), Vec::new());
    encode(&alive("stranger", 66), &mut plain);
    packet::close(wire, &mut Scratch::default(), &mut Nonces::seeded(2), &plain, false, &mut sealed);
    sealed
}

/// The only warning since the last, which must contain each of `parts`.
#[track_caller]
fn assert_warned(parts: &[&str]) {
    let lines = capture::take("WARN");
    assert!(lines.len() == 1, "{lines:#?}");
    for part in parts {
        assert!(lines[0].contains(part), "no {part:?} in {}", lines[0]);
    }
    assert!(lines[0].contains("hint=\""), "what to do? {}", lines[0]);
}

#[test]
fn a_claim_to_ones_own_name_is_told_with_both_addresses_and_once_a_minute() {
    let mut hosts = Hosts::new(&[PoolConfig::lan(1)]);
    let (start, machine) = (hosts.now, &mut hosts.list[0].machine);
    capture::begin();

    let mut claim = |after: Duration| claim(machine, start + after, "n0");
    claim(Duration::ZERO);
    assert_warned(&["own name is claimed by another node", "10.0.0.0:7946", "10.0.0.9:7946", "suppressed=0"]);
    claim(SECOND * 10);
    claim(SECOND * 50);
    assert_eq!(capture::take("WARN"), Vec::<String>::new());
    claim(SECOND * 60);

    assert_warned(&["own name is claimed", "suppressed=2"]);
}

#[test]
fn two_others_of_one_name_are_another_warning() {
    let mut hosts = joined(2, &PoolConfig::lan(1));
    capture::begin();

    let (now, machine) = (hosts.now, &mut hosts.list[0].machine);
    claim(machine, now, "n1");

    assert_warned(&["two nodes claim one name", "name=n1", "10.0.0.9:7946"]);
}

#[test]
fn datagrams_that_are_refused_are_told_with_peer_reason_and_remedy() {
    let plain = sealed(&Wire::plain());
    let foreign_key = sealed(&Wire { keyring: keyring(8), ..Wire::plain() });
    let foreign_label = sealed(&Wire { label: "dc2".into(), ..Wire::plain() });
    let labelled = PoolConfig { label: "dc1".into(), ..PoolConfig::lan(1) };
    let cases = [
        ("another key", encrypted(), &foreign_key, "reason=\"no_key\"", "another key or label"),
        ("clear text", encrypted(), &plain, "reason=\"encryption_version\"", "sends clear text"),
        (
            "another label",
            labelled,
            &foreign_label,
            "reason=\"label_mismatch\"",
            "belongs to another cluster",
        ),
        ("no keys here", PoolConfig::lan(1), &foreign_key, "reason=\"", "this pool has no keys"),
    ];

    for (name, config, datagram, reason, remedy) in cases {
        let mut hosts = Hosts::new(&[config]);
        capture::begin();
        let (now, machine) = (hosts.now, &mut hosts.list[0].machine);
        receive(machine, now, datagram);
        receive(machine, now + SECOND, datagram);

        eprintln!("{name}");
        assert_warned(&["datagrams are refused", "from=10.0.0.66:7946", reason, remedy]);
    }
}

#[test]
fn each_reason_of_a_refusal_has_its_own_minute() {
    let mut hosts = Hosts::new(&[PoolConfig { label: "dc1".into(), ..encrypted() }]);
    let labelled = sealed(&Wire { label: "dc1".into(), keyring: keyring(8), ..Wire::plain() });
    let plain = sealed(&Wire::plain());
    capture::begin();

    let (now, machine) = (hosts.now, &mut hosts.list[0].machine);
    for _ in 0..5 {
        receive(machine, now, &labelled);
        receive(machine, now, &plain);
    }

    let warnings = capture::take("WARN");
    assert_eq!(warnings.len(), 2, "{warnings:#?}");
    assert_eq!(machine.stats().refused_for("no_key"), 5);
    assert_eq!(machine.stats().refused_for("label_mismatch"), 5);
}

#[test]
fn streams_that_are_refused_are_told_but_not_those_that_merely_end() {
    let mut hosts = Hosts::new(&[encrypted()]);
    let (now, machine) = (hosts.now, &mut hosts.list[0].machine);
    let mut fail = |why| {
        let id = machine.accept(now, addr(66)).unwrap();
        machine.handle_exchange(now, id, ExchangeNews::Failed(ExchangeError::Refused(why)));
    };
    capture::begin();

    fail(Refused::EndOfStream);
    assert_eq!(capture::take("WARN"), Vec::<String>::new());
    fail(Refused::NotEncrypted);

    assert_warned(&["streams are refused", "peer=10.0.0.66:7946", "verify_incoming"]);
}

#[test]
fn a_source_outside_the_allowed_networks_is_told() {
    let config = PoolConfig { cidrs_allowed: vec!["10.0.0.0/27".parse().unwrap()], ..PoolConfig::lan(1) };
    let mut hosts = Hosts::new(&[config]);
    capture::begin();

    let now = hosts.now;
    receive(&mut hosts.list[0].machine, now, b"");

    assert_warned(&["a source lies in no allowed network", "10.0.0.66:7946", "cidrs_allowed"]);
}

#[test]
fn a_member_that_only_streams_reach_is_told_with_its_address() {
    let mut hosts = joined(3, &PoolConfig::local(1));
    hosts.list[2].is_deaf = true;
    capture::begin();

    hosts.run_for(SECOND * 4);

    let lines = capture::take("WARN");
    let told = |line: &&String| {
        ["over tcp but not over udp", "member=n2", "addr=10.0.0.2:7946", "blocked"]
            .iter()
            .all(|part| line.contains(part))
    };
    assert!(lines.iter().any(|line| told(&line)), "{lines:#?}");
    assert_eq!(names(&hosts, 0, State::Alive).len(), 3, "nobody is suspected");
}

#[test]
fn a_node_that_nobody_answers_is_told_that_it_looks_isolated() {
    let mut hosts = joined(5, &PoolConfig::local(1));
    hosts.list.truncate(1);
    capture::begin();

    hosts.run_for(SECOND * 15);

    let lines = capture::take("WARN no member answers any more");
    assert!(!lines.is_empty() && lines[0].contains("isolated"), "{lines:#?}");
}

#[test]
fn one_dead_member_is_no_reason_to_feel_isolated() {
    let mut hosts = joined(5, &PoolConfig::local(1));
    hosts.list.truncate(4);
    capture::begin();

    hosts.run_for(SECOND * 60);

    let mut lines = capture::take("");
    lines.retain(|line| !line.starts_with("TRACE"));
    assert!(lines.iter().any(|line| line.contains("probe failed")), "{lines:#?}");
    assert!(!lines.iter().any(|line| line.contains("no member answers")), "{lines:#?}");
    assert_eq!(names(&hosts, 0, State::Alive).len(), 4);
}

#[test]
fn a_node_that_must_refute_often_is_told_that_it_is_slow() {
    let mut hosts = joined(2, &PoolConfig::lan(1));
    let now = hosts.now;
    let accuse = |machine: &mut Machine, now, incarnation| {
        let (node, from) = (b"n0".as_slice(), b"n1".as_slice());
        hear(machine, now, &Message::Suspect(Suspect { incarnation, node: node.into(), from: from.into() }));
    };
    let machine = &mut hosts.list[0].machine;
    capture::begin();

    for count in 0..3 {
        assert_eq!(capture::take("WARN"), Vec::<String>::new(), "after {count}");
        accuse(machine, now + SECOND * count, 100 * (count + 1));
    }

    assert_warned(&["others keep taking this node for dead", "refuted=3", "probe_timeout"]);
}

#[test]
fn a_health_score_of_half_its_bound_is_told() {
    let mut hosts = joined(2, &PoolConfig::lan(1));
    let (now, machine) = (hosts.now, &mut hosts.list[0].machine);
    capture::begin();

    for count in 0..4 {
        let (node, from) = (b"n0".as_slice(), b"n1".as_slice());
        let suspect = Suspect { incarnation: 100 * (count + 1), node: node.into(), from: from.into() };
        hear(machine, now + SECOND * 61 * count, &Message::Suspect(suspect));
    }

    assert_eq!(machine.health(), 4);
    assert_warned(&["health score is high", "score=4", "max=7"]);
}

#[test]
fn a_node_beyond_the_limit_is_told() {
    let mut hosts = Hosts::new(&[PoolConfig { max_members: 2, ..PoolConfig::lan(1) }]);
    let (now, machine) = (hosts.now, &mut hosts.list[0].machine);
    capture::begin();

    hear(machine, now, &alive("one", 1));
    assert_eq!(capture::take("WARN"), Vec::<String>::new());
    (2..5).for_each(|number| hear(machine, now, &alive("another", number)));

    assert_warned(&["others are not believed in", "limit=2", "10.0.0.2", "max_members"]);
}

#[test]
fn a_delegate_that_does_not_answer_is_told_with_the_question() {
    let mut hosts = Hosts::new(&[PoolConfig::local(1), PoolConfig::local(1)]);
    hosts.replace(1, Asks { local_state: true, ..Asks::default() });
    hosts.list[1].machine.set_local_state(Bytes::from_static(b"published")).unwrap();
    capture::begin();

    hosts.join(1, 0);
    hosts.run_for(SECOND * 3);

    assert_warned(&["did not answer in time", "question=\"local_state\"", "query_timeout", "waited=500ms"]);
}

#[test]
fn the_life_of_a_pool_is_told_and_no_key_ever() {
    let mut hosts = Hosts::new(&[PoolConfig::local(1), PoolConfig::local(1)]);
    capture::begin();

    hosts.join(1, 0);
    hosts.run_for(SECOND);
    let now = hosts.now;
    let machine = &mut hosts.list[1].machine;
    machine.add_key(Key::new(b"0123456789abcdef").unwrap()).unwrap();
    machine.leave(now, None).unwrap();
    let told = capture::take("INFO");
    hosts.run_for(SECOND * 5);

    let messages = ["joining", "join ended", "keyring changed", "leaving"];
    assert_eq!(told.len(), messages.len(), "{told:#?}");
    for (line, message) in told.iter().zip(messages) {
        assert!(line.contains(message), "{line}");
    }
    assert!(told[1].contains("reached=1"), "{}", told[1]);
    assert!(
        told.iter().all(|line| !line.contains("0123456789abcdef") && !line.contains("30313233")),
        "{told:?}"
    );
}

#[test]
fn members_that_come_and_go_are_told_one_by_one() {
    capture::begin();
    let mut hosts = joined(3, &PoolConfig::local(1));
    let told = capture::take("DEBUG member joined");
    // Itself, and the two others, for each of three.
    assert_eq!(told.len(), 9, "{told:#?}");

    hosts.list[2].is_down = true;
    hosts.run_for(SECOND * 30);

    let lines = capture::take("DEBUG");
    for part in ["member suspected", "probe failed", "suspicion ran out", "member gone member=n2"] {
        assert!(lines.iter().any(|line| line.contains(part)), "no {part}: {lines:#?}");
    }
}
