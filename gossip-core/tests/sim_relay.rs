//! Relayed broadcasts: every live member gets each message, once, whatever gets lost.
//!
//! That none comes twice is checked in every scenario (`sim::checks`), and so is that what is
//! remembered stays bounded. The campaign is `sim_relay_table.rs`.

use std::time::Duration;

use gossip_core::pool::config::{BroadcastMode, PoolConfig};
use gossip_core::pool::stats::Stats;
use gossip_core::sim::fabric::{Carrier, Packet, Verdict};
use gossip_core::sim::host::HostId;
use gossip_core::sim::link::{Latency, Quality};
use gossip_core::sim::seed::for_each_seed;
use gossip_core::sim::world::World;

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);

/// A pool of so many that know each other, over links that lose this share.
fn pool(world: &mut World, members: usize, loss: f64, config: &PoolConfig) -> Vec<HostId> {
    let nodes = world.spawn(members, config);
    world.acquaint(&nodes);
    world.set_quality(Quality::lan().with_loss(loss));
    world.run_for(SECOND);
    nodes
}

fn stats(world: &World, node: HostId) -> Stats {
    world.machine(node).stats()
}

fn sum(world: &World, nodes: &[HostId], count: fn(&Stats) -> u64) -> u64 {
    nodes.iter().map(|&node| count(&stats(world, node))).sum()
}

/// Whether all but the sender got the message.
fn all_got(world: &World, nodes: &[HostId], from: HostId, message: &[u8]) -> bool {
    nodes.iter().all(|&node| node == from || world.app(node).got(message))
}

/// Some members broadcast; returns how long it took until everybody had everything.
fn everybody_broadcasts(world: &mut World, nodes: &[HostId], limit: Duration) -> Duration {
    let senders: Vec<_> = nodes.iter().copied().step_by(nodes.len().div_ceil(5)).collect();
    for &from in &senders {
        for number in 0..5 {
            world.broadcast(from, format!("{number} of {}", from.index()).as_bytes()).unwrap();
        }
    }
    let (nodes, expected) = (nodes.to_vec(), senders.len() * 5);
    world.run_until(limit, |world| {
        nodes.iter().all(|&node| {
            let own = if senders.contains(&node) { 5 } else { 0 };
            world.app(node).messages().len() == expected - own
        })
    })
}

#[test]
fn without_loss_every_member_gets_one_copy_of_each_broadcast_at_once() {
    for_each_seed(2, |world| {
        for members in [2, 3, 9, 30, 100] {
            let nodes = pool(world, members, 0.0, &PoolConfig::lan(1));

            let took = everybody_broadcasts(world, &nodes, 2 * SECOND);

            assert!(took <= SECOND / 10, "{members} members took {took:?}");
            world.run_for(5 * SECOND);
            assert_eq!(sum(world, &nodes, |stats| stats.relay_duplicates), 0, "{members} members");
            assert_eq!(sum(world, &nodes, |stats| stats.relay_repaired), 0, "{members} members");
            nodes.into_iter().for_each(|node| world.crash(node));
            world.run_for(MINUTE);
        }
    });
}

#[test]
fn at_five_percent_loss_everything_arrives() {
    for_each_seed(3, |world| {
        let nodes = pool(world, 30, 0.05, &PoolConfig::lan(1));

        everybody_broadcasts(world, &nodes, 30 * SECOND);

        assert!(sum(world, &nodes, |stats| stats.relay_repaired) > 0, "something was lost, and repaired");
    });
}

#[test]
fn at_twenty_percent_loss_everything_arrives_a_little_later() {
    for_each_seed(3, |world| {
        let nodes = pool(world, 20, 0.2, &PoolConfig::lan(1));

        everybody_broadcasts(world, &nodes, MINUTE);
    });
}

#[test]
fn a_message_tells_whose_it_is_and_who_passed_it_on() {
    for_each_seed(1, |world| {
        let nodes = pool(world, 20, 0.0, &PoolConfig::lan(1));
        let before = world.now();
        world.broadcast(nodes[7], b"first").unwrap();
        world.broadcast_named(nodes[7], b"cfg", b"second").unwrap();
        world.run_for(SECOND);

        for &node in nodes.iter().filter(|&&node| node != nodes[7]) {
            let mut messages: Vec<_> = world.app(node).messages().iter().collect();
            messages.sort_by_key(|message| message.origin.as_ref().unwrap().sequence);
            let [first, second] = messages[..] else { panic!("not two messages") };
            let (one, two) = (first.origin.as_ref().unwrap(), second.origin.as_ref().unwrap());
            assert_eq!((&*one.node.to_string(), one.sequence, two.sequence), ("n007", 1, 2));
            assert_eq!((one.instance, &*one.name, &*two.name), (two.instance, &b""[..], &b"cfg"[..]));
            let sender = nodes.iter().find(|&&other| world.addr(other) == first.from).unwrap();
            assert_eq!(first.sender, Some(world.name(*sender)));
            assert!(!first.reliable && !first.encrypted && first.at > before && first.at < world.now());
        }
    });
}

#[test]
fn what_datagrams_cannot_repair_push_pull_does() {
    for_each_seed(2, |world| {
        let config = PoolConfig { push_pull_interval: 5 * SECOND, ..PoolConfig::lan(1) };
        let nodes = pool(world, 5, 0.0, &config);
        let deaf = nodes[3];
        // Streams keep it alive, and are all that is left to it.
        let guard = world.rule(move |packet: &Packet<'_>| {
            let lost = packet.carrier == Carrier::Datagram && (packet.to == deaf || packet.from == deaf);
            if lost { Verdict::Drop } else { Verdict::Pass }
        });

        world.broadcast(nodes[0], b"by stream").unwrap();
        world.run_until(MINUTE, |world| world.app(deaf).got(b"by stream"));

        let message = &world.app(deaf).messages()[0];
        assert!(!message.reliable && message.sender.is_some());
        assert_eq!(message.origin.as_ref().unwrap().node, world.name(nodes[0]));
        assert_eq!(stats(world, deaf).relay_repaired, 1);
        drop(guard);
    });
}

#[test]
fn whoever_was_cut_off_for_a_moment_misses_nothing() {
    for_each_seed(2, |world| {
        let nodes = pool(world, 10, 0.0, &PoolConfig::lan(1));
        let guard = world.isolate(nodes[4]);
        for number in 0..300 {
            world.broadcast(nodes[number % 3], format!("news {number}").as_bytes()).unwrap();
        }
        world.run_for(2 * SECOND);
        assert!(world.app(nodes[4]).messages().is_empty());

        drop(guard);

        let node = nodes[4];
        world.run_until(20 * SECOND, |world| world.app(node).messages().len() == 300);
    });
}

#[test]
fn of_one_name_only_the_latest_reaches_a_member_that_was_away() {
    for_each_seed(2, |world| {
        let nodes = pool(world, 6, 0.0, &PoolConfig::lan(1));
        let away = nodes[5];
        let guard = world.isolate(away);
        for number in 1..=4 {
            world.broadcast_named(nodes[0], b"cfg", format!("cfg {number}").as_bytes()).unwrap();
            world.broadcast_named(nodes[1], b"cfg", format!("other cfg {number}").as_bytes()).unwrap();
            world.run_for(SECOND / 4);
        }
        drop(guard);
        world.run_until(20 * SECOND, |world| world.app(away).messages().len() >= 2);
        world.run_for(20 * SECOND);

        let mut got: Vec<_> =
            world.app(away).messages().iter().map(|message| message.bytes.clone()).collect();
        got.sort();
        assert_eq!(got, ["cfg 4", "other cfg 4"], "and nothing of an older one");
        assert_eq!(world.app(nodes[2]).messages().len(), 8, "who was there got all of them");
    });
}

#[test]
fn whoever_joins_gets_nothing_from_before_its_time_and_all_from_then_on() {
    for_each_seed(2, |world| {
        let nodes = pool(world, 5, 0.0, &PoolConfig::lan(1));
        for number in 0..20 {
            world.broadcast(nodes[number % 5], b"before").unwrap();
        }
        world.run_for(3 * SECOND);
        let late = world.spawn(1, &PoolConfig::lan(1))[0];
        world.join(late, nodes[2]);
        world.run_until_agreed();
        world.run_for(5 * SECOND);
        assert!(!world.app(late).got(b"before"));

        let all: Vec<_> = nodes.iter().copied().chain([late]).collect();
        world.broadcast(nodes[0], b"after").unwrap();
        world.broadcast(late, b"hello").unwrap();

        world.run_until(5 * SECOND, |world| {
            all_got(world, &all, nodes[0], b"after") && all_got(world, &all, late, b"hello")
        });
    });
}

#[test]
fn whoever_joins_through_a_node_that_relays_nothing_gets_nothing_from_before_its_time_either() {
    for_each_seed(4, |world| {
        let nodes = pool(world, 4, 0.0, &PoolConfig::lan(1));
        for from in &nodes {
            world.broadcast(*from, b"before").unwrap();
        }
        world.run_for(SECOND);
        let plain = PoolConfig { broadcast_mode: BroadcastMode::Plain, ..PoolConfig::lan(1) };
        let deaf = world.spawn(1, &plain)[0];
        world.join(deaf, nodes[0]);
        world.run_until_agreed();
        let late = world.spawn(1, &PoolConfig::lan(1))[0];
        world.join(late, deaf);
        world.run_until_agreed();
        world.leave(deaf);

        // Long enough for digests on pings, and for push/pulls.
        world.run_for(50 * SECOND);

        assert!(!world.app(late).got(b"before"));
        let all: Vec<_> = nodes.iter().copied().chain([late]).collect();
        world.broadcast(nodes[0], b"after").unwrap();
        world.run_until(5 * SECOND, |world| all_got(world, &all, nodes[0], b"after"));
    });
}

#[test]
fn whoever_is_spoken_to_while_it_joins_gets_nothing_from_before_its_time_either() {
    for_each_seed(8, |world| {
        // Somebody exchanges states with the newcomer before the answer is there.
        let config = PoolConfig { push_pull_interval: SECOND, ..PoolConfig::lan(1) };
        let nodes = pool(world, 4, 0.0, &config);
        for from in &nodes {
            world.broadcast(*from, b"before").unwrap();
        }
        world.run_for(SECOND);
        let plain = PoolConfig { broadcast_mode: BroadcastMode::Plain, ..config.clone() };
        let deaf = world.spawn(1, &plain)[0];
        world.join(deaf, nodes[0]);
        world.run_until_agreed();
        let late = world.spawn(1, &config)[0];
        let slow = Latency::Fixed(3 * SECOND);
        world.set_quality_between(deaf, late, Quality::lan().with_latency(slow));
        world.join(late, deaf);

        world.run_for(50 * SECOND);

        assert!(!world.app(late).got(b"before"));
    });
}

#[test]
fn after_a_restart_an_origin_begins_anew() {
    for_each_seed(2, |world| {
        let nodes = pool(world, 4, 0.0, &PoolConfig::lan(1));
        world.broadcast(nodes[0], b"first life").unwrap();
        world.run_for(SECOND);
        world.crash(nodes[0]);
        world.run_for(SECOND / 2);
        world.restart(nodes[0]);
        world.join(nodes[0], nodes[1]);
        world.run_until_agreed();

        world.broadcast(nodes[0], b"second life").unwrap();
        world.run_until(5 * SECOND, |world| all_got(world, &nodes, nodes[0], b"second life"));

        let origins: Vec<_> =
            world.app(nodes[2]).messages().iter().map(|message| message.origin.clone().unwrap()).collect();
        assert_eq!(origins.iter().map(|origin| origin.sequence).collect::<Vec<_>>(), [1, 1]);
        assert_ne!(origins[0].instance, origins[1].instance);
        assert!(world.app(nodes[0]).messages().is_empty(), "nothing of its own comes back");
    });
}

#[test]
fn a_member_that_does_not_understand_makes_the_pool_plain_until_it_is_gone() {
    for_each_seed(2, |world| {
        let nodes = pool(world, 3, 0.0, &PoolConfig::lan(1));
        let plain = PoolConfig { broadcast_mode: BroadcastMode::Plain, ..PoolConfig::lan(1) };
        let deaf = world.spawn(1, &plain)[0];
        world.join(deaf, nodes[0]);
        world.run_until_agreed();
        let all: Vec<_> = nodes.iter().copied().chain([deaf]).collect();

        world.broadcast(nodes[1], b"to all").unwrap();
        world.broadcast(deaf, b"from it").unwrap();
        world.run_until(5 * SECOND, |world| {
            all_got(world, &all, nodes[1], b"to all") && all_got(world, &all, deaf, b"from it")
        });

        assert_eq!(stats(world, nodes[0]).relay_deaf, 1);
        assert_eq!(sum(world, &all, |stats| stats.relay_sent), 0);
        assert!(world.app(deaf).messages().iter().all(|message| message.bytes == b"to all"[..]));
        world.leave(deaf);
        world.run_for(5 * SECOND);
        world.broadcast(nodes[1], b"relayed").unwrap();
        world.run_for(SECOND);
        assert!(all_got(world, &nodes, nodes[1], b"relayed"));
        assert_eq!((stats(world, nodes[0]).relay_deaf, sum(world, &nodes, |stats| stats.relay_sent)), (0, 2));
    });
}

#[test]
fn a_flood_of_broadcasts_is_paced_and_all_of_it_arrives() {
    for_each_seed(1, |world| {
        let nodes = pool(world, 5, 0.01, &PoolConfig::lan(1));
        let taken = (0..2000).filter(|_| world.broadcast(nodes[0], &[7; 1000]).is_ok()).count();
        assert!((1024..1100).contains(&taken), "{taken}: a queue, and what went at once");

        let node = nodes[3];
        world.run_until(MINUTE, |world| world.app(node).messages().len() == taken);

        let all = nodes[1..].to_vec();
        world.run_until(MINUTE, |world| all.iter().all(|&node| world.app(node).messages().len() == taken));
    });
}

#[test]
fn members_that_have_just_crashed_hold_nothing_up() {
    for_each_seed(3, |world| {
        let nodes = pool(world, 40, 0.0, &PoolConfig::lan(1));
        let (crashed, living) = nodes.split_at(8);
        crashed.iter().for_each(|&node| world.crash(node));
        let living = living.to_vec();

        world.broadcast(living[0], b"in spite of it").unwrap();

        world.run_until(3 * SECOND, |world| all_got(world, &living, living[0], b"in spite of it"));
    });
}

#[test]
fn in_the_mode_relay_those_who_do_not_understand_get_nothing() {
    for_each_seed(1, |world| {
        let relay = PoolConfig { broadcast_mode: BroadcastMode::Relay, ..PoolConfig::lan(1) };
        let nodes = pool(world, 3, 0.0, &relay);
        let plain = PoolConfig { broadcast_mode: BroadcastMode::Plain, ..PoolConfig::lan(1) };
        let deaf = world.spawn(1, &plain)[0];
        world.join(deaf, nodes[0]);
        world.run_until_agreed();

        world.broadcast(nodes[1], b"to those who understand").unwrap();
        world.run_until(5 * SECOND, |world| all_got(world, &nodes, nodes[1], b"to those who understand"));
        world.run_for(10 * SECOND);

        assert!(world.app(deaf).messages().is_empty());
    });
}
