//! Push/pulls that are not merged, or not yet: recorded ones that Go refuses, and too many at a time.

use std::sync::Arc;

use gossip_core::base::time::Time;
use gossip_core::pool::action::Asks;
use gossip_core::pool::config::PoolConfig;
use gossip_core::pool::exchange::ExchangeNews;
use gossip_core::swim::node::State;
use gossip_core::wire::limits::INBOUND_PUSH_PULLS;
use gossip_core::wire::onion::Wire;
use gossip_core::wire::push_pull::begin_state;
use gossip_core::wire::stream::{Frame, FrameReader};
use serde_json::Value;

use crate::hosts::{Hosts, addr, names};

/// The bytes of a recorded connection.
fn recorded(id: &str) -> Vec<u8> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/vectors/ingest.json");
    let file: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let vectors = file["vectors"].as_array().unwrap();
    let vector = vectors.iter().find(|vector| vector["id"] == id).unwrap();
    let hex = vector["wire"].as_str().unwrap();
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
}

/// A host that was sent the state of a recorded push/pull.
fn after(id: &str) -> Hosts {
    let mut hosts = Hosts::new(&[PoolConfig::lan(1)]);
    let mut reader = FrameReader::request(Arc::new(Wire::plain()));
    let Ok(Some(Frame::PushPull(state))) = reader.push(&recorded(id)) else { panic!("{id} is a push/pull") };
    assert!(!state.is_empty());
    let (now, machine) = (hosts.now, &mut hosts.list[0].machine);
    let exchange = machine.accept(now, addr(9)).unwrap();
    machine.handle_exchange(now, exchange, ExchangeNews::PushPullBegun);
    machine.handle_exchange(now, exchange, ExchangeNews::RemoteState(state));
    machine.handle_timeout(Time::ZERO);
    hosts
}

#[test]
fn a_state_that_speaks_an_unknown_version_is_not_merged() {
    let hosts = after("ingest-stream/pushpull-bad-version");

    assert_eq!(names(&hosts, 0, State::Alive), ["n0"]);
    assert_eq!(hosts.list[0].machine.stats().merges_incompatible, 1);
}

#[test]
fn a_node_without_versions_blocks_no_merge() {
    // Go refuses this one, and with it every push/pull of a pool that has such a node (behaviour 19, number 20).
    let hosts = after("ingest-stream/pushpull-no-vsn");

    assert_eq!(hosts.list[0].machine.stats().merges_incompatible, 0);
    assert_eq!(names(&hosts, 0, State::Alive).len(), 2);
}

#[test]
fn states_that_wait_for_a_verdict_count_as_push_pulls_in_progress() {
    let mut hosts = Hosts::new(&[PoolConfig::lan(1)]);
    hosts.replace(0, Asks { admit_merge: true, ..Asks::default() });
    let (now, machine) = (hosts.now, &mut hosts.list[0].machine);
    let mut reader = FrameReader::request(Arc::new(Wire::plain()));
    let mut join = Vec::new();
    begin_state(true, 0, 0, b"", &mut join);
    let Ok(Some(Frame::PushPull(state))) = reader.push(&join) else { panic!("a push/pull") };

    for _ in 0..=INBOUND_PUSH_PULLS {
        let exchange = machine.accept(now, addr(9)).unwrap();
        machine.handle_exchange(now, exchange, ExchangeNews::PushPullBegun);
        machine.handle_exchange(now, exchange, ExchangeNews::RemoteState(state.clone()));
        machine.handle_exchange(now, exchange, ExchangeNews::Finished);
    }

    assert_eq!(machine.stats().push_pulls_refused, 1);
}
