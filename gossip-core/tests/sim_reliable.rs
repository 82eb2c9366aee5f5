//! Reliable messages between nodes of ours: acknowledged, over connections that are used again,
//! delivered once whatever becomes of those.

use std::cell::Cell;
use std::time::Duration;

use gossip_core::base::ids::TaskId;
use gossip_core::pool::action::{Delivery, Outcome};
use gossip_core::pool::config::{BroadcastMode, PoolConfig};
use gossip_core::pool::exchange::{ExchangeError, Refusal};
use gossip_core::pool::stats::Stats;
use gossip_core::sim::app::Script;
use gossip_core::sim::host::HostId;
use gossip_core::sim::link::Quality;
use gossip_core::sim::seed::for_each_seed;
use gossip_core::sim::world::World;
use gossip_core::wire::keyring::Key;

const SECOND: Duration = Duration::from_secs(1);

/// A sender and a receiver with this script, who know each other.
fn two(world: &mut World, script: &Script) -> (HostId, HostId) {
    let config = quiet();
    let nodes = [world.spawn(1, &config)[0], world.spawn_with(1, &config, script)[0]];
    world.acquaint(&nodes);
    world.run_for(SECOND);
    (nodes[0], nodes[1])
}

/// No other streams than those of messages.
fn quiet() -> PoolConfig {
    PoolConfig { push_pull_interval: Duration::ZERO, disable_tcp_pings: true, ..PoolConfig::lan(1) }
}

fn stats(world: &World, node: HostId) -> Stats {
    world.machine(node).stats()
}

/// Runs until a message has its outcome.
fn outcome(world: &mut World, from: HostId, task: TaskId) -> Result<Delivery, ExchangeError> {
    world.run_until(SECOND * 60, |world| world.outcome(from, task).is_some());
    match world.outcome(from, task) {
        Some(Outcome::Sent(delivery)) => Ok(*delivery),
        Some(Outcome::Failed(error)) => Err(error.clone()),
        other => panic!("{other:?}"),
    }
}

fn deliveries(world: &World, node: HostId, message: &[u8]) -> usize {
    world.app(node).messages().iter().filter(|got| got.bytes == message).count()
}

#[test]
fn messages_are_acknowledged_over_one_connection_and_say_whose_they_are() {
    for_each_seed(2, |world| {
        let (from, to) = two(world, &Script::default());
        let before = world.traffic(from).streams;

        for number in 0..20 {
            let sent = world.send_reliable(from, to, format!("{number}"));
            assert_eq!(outcome(world, from, sent), Ok(Delivery::Acknowledged));
            assert_eq!(deliveries(world, to, format!("{number}").as_bytes()), 1);
        }

        assert_eq!(world.traffic(from).streams - before, 1);
        let (sent, taken) = (stats(world, from), stats(world, to));
        assert_eq!((sent.sends_acknowledged, sent.sends_reused, sent.streams_resting), (20, 19, 1));
        assert_eq!((taken.messages_taken, taken.messages_open), (20, 0));
        let name = world.name(from);
        assert!(
            world.app(to).messages().iter().all(|got| got.reliable && got.sender.as_ref() == Some(&name))
        );
        world.run_for(SECOND * 30);
        assert_eq!(stats(world, from).streams_resting, 0);
        assert_eq!(stats(world, to).exchanges_inbound, 0);
    });
}

#[test]
fn acknowledgements_need_no_announcement() {
    for_each_seed(1, |world| {
        let config = PoolConfig { broadcast_mode: BroadcastMode::Plain, ..quiet() };
        // They do not even know each other.
        let nodes = world.spawn(2, &config);

        let sent = world.send_reliable(nodes[0], nodes[1], "hello");

        assert_eq!(outcome(world, nodes[0], sent), Ok(Delivery::Acknowledged));
        assert_eq!(world.app(nodes[1]).messages()[0].sender, None, "a name that no member has");
    });
}

#[test]
fn a_receiver_that_takes_nothing_is_heard_of_and_delivers_nothing_later() {
    for_each_seed(1, |world| {
        let script = Script { takes_none: Some(Refusal::QueueFull), ..Script::default() };
        let (from, to) = two(world, &script);

        for _ in 0..3 {
            let sent = world.send_reliable(from, to, "hello");
            assert_eq!(outcome(world, from, sent), Err(ExchangeError::NotTaken(Refusal::QueueFull)));
        }

        world.run_for(SECOND * 30);
        assert!(world.app(to).messages().is_empty());
        assert_eq!(stats(world, from).sends_not_taken, 3);
        assert_eq!(stats(world, to).messages_not_taken, 3);
    });
}

#[test]
fn a_receiver_that_takes_too_long_lets_the_deadline_pass() {
    for_each_seed(1, |world| {
        let script = Script { takes_for: SECOND * 20, ..Script::default() };
        let (from, to) = two(world, &script);

        let sent = world.send_reliable(from, to, "hello");

        assert_eq!(outcome(world, from, sent), Err(ExchangeError::Timeout));
        world.run_for(SECOND * 30);
        assert_eq!(deliveries(world, to, b"hello"), 1);
        assert_eq!(stats(world, to).messages_open, 0);
    });
}

/// The receiver closes the connection at every moment of a message's way: while it rests, while
/// the message or its acknowledgement is under way, while the application has it.
#[test]
fn a_connection_that_had_rested_may_break_at_any_moment() {
    let (retried, repeated) = (Cell::new(0), Cell::new(0));
    for moment in 0..60 {
        for_each_seed(1, |world| {
            let script = Script { takes_for: Duration::from_millis(2), ..Script::default() };
            let (from, to) = two(world, &script);
            let first = world.send_reliable(from, to, "first");
            assert_eq!(outcome(world, from, first), Ok(Delivery::Acknowledged));

            let second = world.send_reliable(from, to, "second");
            world.run_for(Duration::from_micros(100 * moment));
            let closed = world.command(to, |machine, _| machine.make_room());

            assert_eq!(outcome(world, from, second), Ok(Delivery::Acknowledged), "closed after {moment}");
            assert_eq!(deliveries(world, to, b"second"), 1, "closed after {moment}");
            assert!(closed || stats(world, to).streams_crowded_out == 0);
            assert_eq!(stats(world, from).sends_acknowledged, 2);
            retried.set(retried.get() + stats(world, from).sends_retried);
            repeated.set(repeated.get() + stats(world, to).messages_repeated);
        });
    }
    assert!(retried.get() > repeated.get() && repeated.get() > 0, "{retried:?} {repeated:?}");
}

#[test]
fn a_first_connection_that_breaks_is_told_and_not_tried_again() {
    for_each_seed(1, |world| {
        let script = Script { takes_for: SECOND, ..Script::default() };
        let (from, to) = two(world, &script);

        let sent = world.send_reliable(from, to, "hello");
        world.run_for(SECOND / 2);
        assert!(world.command(to, |machine, _| machine.make_room()));

        let error = outcome(world, from, sent).unwrap_err();
        assert!(matches!(error, ExchangeError::Closed | ExchangeError::Reset(_)), "{error}");
        assert_eq!(deliveries(world, to, b"hello"), 1);
    });
}

#[test]
fn messages_arrive_over_links_that_lose_a_tenth() {
    for_each_seed(2, |world| {
        let (from, to) = two(world, &Script::default());
        world.set_quality(Quality::lan().with_loss(0.1));

        for number in 0..30 {
            let message = format!("{number}").repeat(1000);
            let sent = world.send_reliable(from, to, message.clone());
            assert_eq!(outcome(world, from, sent), Ok(Delivery::Acknowledged));
            assert_eq!(deliveries(world, to, message.as_bytes()), 1);
        }
    });
}

#[test]
fn resting_connections_close_with_the_keys_and_with_the_member() {
    for_each_seed(1, |world| {
        let (from, to) = two(world, &Script::default());
        let rests = |world: &World| stats(world, from).streams_resting;
        let send = |world: &mut World| {
            let sent = world.send_reliable(from, to, "hello");
            assert_eq!(outcome(world, from, sent), Ok(Delivery::Acknowledged));
            assert_eq!(rests(world), 1);
        };

        send(world);
        world.command(from, |machine, _| machine.add_key(Key::new(&[7; 16]).unwrap())).unwrap();
        world.command(to, |machine, _| machine.add_key(Key::new(&[7; 16]).unwrap())).unwrap();
        assert_eq!(rests(world), 0);
        world.run_for(SECOND);
        assert_eq!(stats(world, to).exchanges_inbound, 0);

        send(world);
        assert!(world.app(to).messages().last().unwrap().encrypted);
        world.leave(to);
        world.run_until(SECOND * 9, |world| rests(world) == 0);
    });
}

/// Keys are changed while a message is under way: it arrives, and its connection is not used again.
#[test]
fn what_began_under_other_keys_does_not_rest() {
    for_each_seed(1, |world| {
        let script = Script { takes_for: SECOND, ..Script::default() };
        let (from, to) = two(world, &script);
        let sent = world.send_reliable(from, to, "old");
        world.run_for(SECOND / 2);
        assert_eq!(stats(world, to).messages_open, 1);

        let key = Key::new(&[7; 16]).unwrap();
        for node in [from, to] {
            world.command(node, |machine, _| machine.add_key(key.clone())).unwrap();
        }

        assert_eq!(outcome(world, from, sent), Ok(Delivery::Acknowledged));
        assert_eq!(stats(world, from).streams_resting, 0);
        world.run_for(SECOND / 2);
        assert_eq!(stats(world, to).exchanges_inbound, 0);
        let sent = world.send_reliable(from, to, "new");
        assert_eq!(outcome(world, from, sent), Ok(Delivery::Acknowledged));
        assert_eq!(stats(world, from).sends_reused, 0);
        let encrypted = |message: &[u8]| {
            world.app(to).messages().iter().find(|got| got.bytes == message).map(|got| got.encrypted)
        };
        assert_eq!((encrypted(b"old"), encrypted(b"new")), (Some(false), Some(true)));
    });
}

/// The same when the receiver alone has changed: it closes behind its acknowledgement.
#[test]
fn a_receiver_closes_what_began_under_other_keys() {
    for_each_seed(1, |world| {
        let script = Script { takes_for: SECOND, ..Script::default() };
        let (from, to) = two(world, &script);
        let sent = world.send_reliable(from, to, "old");
        world.run_for(SECOND / 2);

        world.command(to, |machine, _| machine.add_key(Key::new(&[7; 16]).unwrap())).unwrap();

        assert_eq!(outcome(world, from, sent), Ok(Delivery::Acknowledged));
        world.run_for(SECOND / 2);
        assert_eq!(stats(world, to).exchanges_inbound, 0);
        assert_eq!(stats(world, from).streams_resting, 0);
    });
}
