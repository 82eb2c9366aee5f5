//! What strangers and faulty peers cannot make a machine hold or send.

use std::time::Duration;

use bytes::Bytes;
use gossip_core::base::time::Time;
use gossip_core::pool::action::{Action, Asks, Reply};
use gossip_core::pool::config::PoolConfig;
use gossip_core::pool::machine::{Machine, Received};
use gossip_core::swim::node::State;
use gossip_core::wire::encode::encode;
use gossip_core::wire::message::{Alive, Dead, IndirectPing, Message, Suspect};

use crate::hosts::{Hosts, addr, joined, names};

/// Longer than any name may be, and than a datagram that is sent.
const LONG: [u8; 5000] = [b'x'; 5000];

fn hear(machine: &mut Machine, now: Time, message: &Message<'_>) {
    let mut bytes = Vec::new();
    encode(message, &mut bytes);
    machine.handle_packet(now, Received { from: addr(9), at: now, bytes: &mut bytes });
}

#[test]
fn an_accuser_without_a_possible_name_is_not_heard() {
    let mut hosts = joined(2, &PoolConfig::lan(1));
    let (now, machine) = (hosts.now, &mut hosts.list[0].machine);
    let (node, from) = (b"n1".as_slice(), LONG.as_slice());

    hear(machine, now, &Message::Suspect(Suspect { incarnation: 9, node: node.into(), from: from.into() }));
    hear(machine, now, &Message::Dead(Dead { incarnation: 9, node: node.into(), from: from.into() }));

    assert_eq!(machine.stats().swim.facts_invalid, 2);
    assert_eq!(names(&hosts, 0, State::Alive), ["n0", "n1"]);
}

#[test]
fn a_ping_for_a_node_without_a_possible_name_is_not_relayed() {
    let mut hosts = Hosts::new(&[PoolConfig::lan(1)]);
    let (now, machine) = (hosts.now, &mut hosts.list[0].machine);
    let target = Some([10, 0, 0, 77].as_slice().into());
    let ping =
        IndirectPing { seq: 1, target, port: 7946, node: LONG.as_slice().into(), ..Default::default() };

    hear(machine, now, &Message::IndirectPing(ping));

    assert_eq!(machine.poll_transmit(now, &mut Vec::new()), None);
    assert_eq!(machine.stats().swim.facts_invalid, 1);
}

#[test]
fn impossible_facts_are_not_put_to_the_application() {
    let mut hosts = Hosts::new(&[PoolConfig::lan(1)]);
    hosts.replace(0, Asks { admit_alive: true, ..Asks::default() });
    let (now, machine) = (hosts.now, &mut hosts.list[0].machine);
    let possible = Alive {
        incarnation: 1,
        node: b"n1".as_slice().into(),
        addr: Some([10, 0, 0, 1].as_slice().into()),
        port: 7946,
        meta: None,
        relay: 0,
        versions: Some([1, 5, 2, 0, 0, 0].as_slice().into()),
    };

    hear(machine, now, &Message::Alive(Alive { meta: Some(LONG.as_slice().into()), ..possible.clone() }));
    hear(machine, now, &Message::Alive(Alive { node: LONG.as_slice().into(), ..possible.clone() }));
    let versions = Some([0, 5, 2, 0, 0, 0].as_slice().into());
    hear(machine, now, &Message::Alive(Alive { versions, ..possible.clone() }));
    assert_eq!(machine.stats().swim.facts_invalid, 3);
    assert_eq!(questions(machine), 0);

    hear(machine, now, &Message::Alive(possible));
    assert_eq!(questions(machine), 1);
}

#[test]
fn news_that_fits_no_datagram_is_dropped_and_counted() {
    let mut hosts = joined(2, &PoolConfig::lan(1));
    let (now, machine) = (hosts.now, &mut hosts.list[0].machine);
    let (node, addr) = ([b'x'; 1000].as_slice(), Some([10, 0, 0, 9].as_slice().into()));
    let alive = Alive { incarnation: 1, node: node.into(), addr, port: 7946, ..Alive::default() };
    hear(machine, now, &Message::Alive(alive));
    hear(machine, now, &Message::Dead(Dead { incarnation: 1, node: node.into(), from: node.into() }));
    assert_eq!(machine.stats().broadcasts_queued, 1);

    hosts.run_for(Duration::from_secs(5));

    let stats = hosts.list[0].machine.stats();
    assert_eq!((stats.broadcasts_queued, stats.swim.broadcasts_too_long), (0, 1));
}

/// A host that has nothing to do of its own accord.
fn idle(asks: Asks) -> Hosts {
    let off = Duration::ZERO;
    let (probe_interval, gossip_interval, push_pull_interval) = (off, off, off);
    let config = PoolConfig {
        probe_interval,
        gossip_interval,
        push_pull_interval,
        queue_check_interval: off,
        ..PoolConfig::lan(1)
    };
    let mut hosts = Hosts::new(&[config]);
    hosts.replace(0, asks);
    hosts
}

#[test]
fn an_answered_question_leaves_no_timer_behind() {
    let mut hosts = idle(Asks { local_state: true, ..Asks::default() });
    let (now, machine) = (hosts.now, &mut hosts.list[0].machine);
    machine.join(now, vec![addr(1).into()], None).unwrap();
    let asked = std::iter::from_fn(|| machine.poll_action()).find_map(|action| match action {
        Action::Ask { id, deadline, .. } => Some((id, deadline)),
        _ => None,
    });
    let (id, deadline) = asked.unwrap();
    assert_eq!(machine.poll_timeout(), Some(deadline));

    machine.handle_reply(now, id, Reply::State(Bytes::new()));

    assert_eq!(machine.poll_timeout(), None);
}

fn questions(machine: &mut Machine) -> usize {
    std::iter::from_fn(|| machine.poll_action()).filter(|action| matches!(action, Action::Ask { .. })).count()
}
