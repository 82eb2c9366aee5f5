//! Joining, leaving, coming back; what members tell each other.

use std::time::Duration;

use gossip_core::mux::prefix::Framing;
use gossip_core::pool::action::Outcome;
use gossip_core::pool::config::{BroadcastMode, PoolConfig};
use gossip_core::pool::exchange::ExchangeError;
use gossip_core::sim::app::News;
use gossip_core::sim::host::HostId;
use gossip_core::sim::seed::for_each_seed;
use gossip_core::sim::world::World;
use gossip_core::swim::node::State;
use gossip_core::wire::keyring::{Key, Keyring};

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);

fn cluster(world: &mut World, count: usize, config: &PoolConfig) -> Vec<HostId> {
    let nodes = world.spawn(count, config);
    world.join_all(&nodes);
    world.run_until_agreed();
    nodes
}

fn keyring(byte: u8, length: usize) -> Keyring {
    let key = Key::new(&vec![byte; length]).unwrap();
    Keyring::new([], Some(key)).unwrap()
}

#[test]
fn two_hundred_nodes_join_through_one() {
    for_each_seed(1, |world| {
        let nodes = world.spawn(200, &PoolConfig::lan(1));
        let tasks: Vec<_> = nodes[1..].iter().map(|&node| (node, world.join(node, nodes[0]))).collect();

        world.run_until(MINUTE, |world| world.agreed());

        for (node, task) in tasks {
            let Some(Outcome::Join(report)) = world.outcome(node, task) else {
                panic!("{node:?} did not join")
            };
            assert_eq!((report.reached.len(), report.failed.len()), (1, 0), "{report:?}");
        }
    });
}

/// Gossip alone leaves somebody out now and then; the periodic push/pulls, which mend that, are
/// half a minute away.
#[test]
fn those_who_join_at_once_know_each_other_soon() {
    for_each_seed(40, |world| {
        let nodes = world.spawn(50, &PoolConfig::lan(1));
        for &node in &nodes[1..] {
            world.join(node, nodes[0]);
        }

        world.run_until(2 * SECOND, |world| world.agreed());
    });
}

#[test]
fn a_newcomer_among_those_who_rest_exchanges_states_a_few_times() {
    for_each_seed(2, |world| {
        let nodes = cluster(world, 10, &PoolConfig::lan(1));
        world.run_for(5 * SECOND);
        let newcomer = world.spawn(1, &PoolConfig::lan(1))[0];

        world.join(newcomer, nodes[0]);
        world.run_for(5 * SECOND);

        let done = world.machine(newcomer).stats().push_pulls;
        // The join's, and two that brought nothing new; others may exchange theirs with it.
        assert!((3..=6).contains(&done), "{done}");
    });
}

#[test]
fn a_pool_of_one_waits_for_nothing_and_probes_as_soon_as_there_is_somebody() {
    for_each_seed(3, |world| {
        let config = PoolConfig { queue_check_interval: Duration::ZERO, ..PoolConfig::lan(1) };
        let alone = world.spawn(1, &config)[0];
        world.run_for(MINUTE);
        assert_eq!(world.machine(alone).poll_timeout(), None);

        let other = world.spawn(1, &config)[0];
        world.join(other, alone);
        world.run_for(4 * SECOND);

        let exchanged = |world: &World| [alone, other].map(|node| world.machine(node).stats().push_pulls);
        for node in [alone, other] {
            let probes = world.machine(node).stats().swim.probes;
            assert!((3..=4).contains(&probes), "{probes} in four seconds");
        }
        // Those of the join are over by now; each node begins one in half a minute, in which both count.
        world.run_for(6 * SECOND);
        let before = exchanged(world);
        world.run_for(MINUTE);
        assert_eq!(exchanged(world), before.map(|count| count + 4));
    });
}

#[test]
fn news_crosses_a_pool_at_rest_without_waiting_for_rounds() {
    for_each_seed(5, |world| {
        let config = PoolConfig { broadcast_mode: BroadcastMode::Plain, ..PoolConfig::lan(1) };
        let nodes = cluster(world, 30, &config);
        world.run_for(30 * SECOND);

        world.broadcast(nodes[0], b"news").unwrap();
        // Three are told at once, and pass nothing on: the message is the application's.
        world.run_until(config.gossip_interval / 2, |world| {
            nodes.iter().filter(|node| world.app(**node).got(b"news")).count() == 3
        });
    });
}

#[test]
fn news_of_members_is_passed_on_at_once() {
    for_each_seed(5, |world| {
        let nodes = cluster(world, 30, &PoolConfig::lan(1));
        world.run_for(30 * SECOND);

        world.update(nodes[0], &b"news"[..]);

        let knows = |world: &World, node| {
            world.machine(node).member(world.name(nodes[0]).as_bytes()).is_some_and(|it| it.meta() == b"news")
        };
        // Without a wait at each hop; the rest hears of it in the rounds that follow.
        world.run_until(PoolConfig::lan(1).gossip_interval / 2, |world| {
            nodes.iter().filter(|node| knows(world, **node)).count() > 20
        });
    });
}

#[test]
fn a_join_says_who_was_reached_and_who_was_not() {
    for_each_seed(2, |world| {
        let nodes = cluster(world, 6, &PoolConfig::lan(1));
        let (crashed, lost) = (nodes[1], nodes[2]);
        world.crash(crashed);
        let _lost = world.isolate(lost);
        let newcomer = world.spawn(1, &PoolConfig::lan(1))[0];

        let seeds = [crashed, nodes[3], lost, nodes[4]].map(|node| world.target(node)).to_vec();
        let task = world.task(newcomer, |machine, now| machine.join(now, seeds, None));
        world.run_for(30 * SECOND);

        let Some(Outcome::Join(report)) = world.outcome(newcomer, task) else { panic!("no outcome") };
        let mut reached = report.reached.clone();
        reached.sort();
        assert_eq!(reached, [world.addr(nodes[3]), world.addr(nodes[4])]);
        assert!(
            matches!(&report.failed[..], [(first, ExchangeError::Connect(_)), (second, ExchangeError::ConnectTimeout)]
            if *first == world.addr(crashed) && *second == world.addr(lost))
        );
    });
}

#[test]
fn a_state_larger_than_a_slice_is_heard_whole() {
    for_each_seed(1, |world| {
        let nodes = cluster(world, 300, &PoolConfig::lan(1));
        let latecomer = world.spawn(1, &PoolConfig::lan(1))[0];

        world.join(latecomer, nodes[42]);
        world.run_until(10 * SECOND, |world| world.machine(latecomer).stats().members[0] == 301);
    });
}

#[test]
fn every_dress_of_the_wire_carries_a_cluster() {
    let plain = PoolConfig { enable_compression: false, ..PoolConfig::lan(1) };
    let label = || b"production".as_slice().into();
    let dresses = [
        ("neither compressed nor encrypted", plain.clone()),
        ("encrypted", PoolConfig { keyring: keyring(1, 16), ..plain.clone() }),
        ("compressed and encrypted", PoolConfig { keyring: keyring(2, 32), ..PoolConfig::lan(1) }),
        ("old encryption", PoolConfig { keyring: keyring(3, 24), protocol_version: 1, ..PoolConfig::lan(1) }),
        ("labelled", PoolConfig { label: label(), ..plain.clone() }),
        ("all of it", PoolConfig { label: label(), keyring: keyring(4, 16), ..PoolConfig::lan(1) }),
        ("label pool", PoolConfig { framing: Framing::Label(label()), ..PoolConfig::lan(1) }),
        ("bare pool", PoolConfig { framing: Framing::Bare, ..PoolConfig::lan(1) }),
    ];
    for (name, config) in dresses {
        for_each_seed(1, |world| {
            println!("{name}");
            let nodes = cluster(world, 20, &config);
            world.crash(nodes[3]);
            world.run_until(MINUTE, |world| world.all_see(nodes[3], State::Dead));
            assert_eq!(world.false_alarms(), 0);
            let refused: u64 = nodes
                .iter()
                .filter(|&&node| world.is_up(node))
                .map(|&node| world.machine(node).stats().refused.total())
                .sum();
            assert_eq!(refused, 0);
        });
    }
}

#[test]
fn strangers_by_label_or_key_never_meet() {
    let home = PoolConfig { label: b"home".as_slice().into(), keyring: keyring(1, 16), ..PoolConfig::lan(1) };
    let strangers = [
        PoolConfig { label: b"away".as_slice().into(), ..home.clone() },
        PoolConfig { keyring: keyring(2, 16), ..home.clone() },
        PoolConfig { keyring: Keyring::default(), ..home.clone() },
        PoolConfig { id: gossip_core::base::ids::PoolId(2), ..home.clone() },
    ];
    for stranger in strangers {
        for_each_seed(1, |world| {
            let nodes = cluster(world, 5, &home);
            let stranger = world.spawn(1, &stranger)[0];

            let task = world.join(stranger, nodes[0]);
            world.run_for(MINUTE);

            let Some(Outcome::Join(report)) = world.outcome(stranger, task) else { panic!("no outcome") };
            assert_eq!((report.reached.len(), report.failed.len()), (0, 1), "{report:?}");
            assert!(nodes.iter().all(|&node| world.state(node, stranger).is_none()));
            assert!(nodes.iter().all(|&node| world.state(stranger, node).is_none()));
        });
    }
}

#[test]
fn keys_are_changed_under_way_without_losing_anybody() {
    for_each_seed(1, |world| {
        let (old, new) = (Key::new(&[1; 16]).unwrap(), Key::new(&[2; 32]).unwrap());
        let config = PoolConfig { keyring: keyring(1, 16), ..PoolConfig::lan(1) };
        let nodes = cluster(world, 15, &config);

        for &node in &nodes {
            world.command(node, |machine, _| machine.add_key(new.clone()).unwrap());
            world.run_for(SECOND);
        }
        for &node in &nodes {
            world.command(node, |machine, _| machine.use_key(&new)).unwrap();
            world.run_for(SECOND);
        }
        for &node in &nodes {
            world.command(node, |machine, _| machine.remove_key(&old)).unwrap();
            world.run_for(SECOND);
        }
        world.run_for(MINUTE);

        assert_eq!(world.report().suspicions, 0, "{}", world.report());
        assert!(world.agreed());
    });
}

#[test]
fn who_leaves_is_left_not_dead() {
    for_each_seed(2, |world| {
        let nodes = cluster(world, 40, &PoolConfig::lan(1));
        let leaver = nodes[11];

        let task = world.leave(leaver);
        // Each node says it eight times to somebody: about one time in 75 one of 40 hears it by a push/pull only.
        world.run_until(MINUTE, |world| world.all_see(leaver, State::Left));
        world.run_until(10 * SECOND, |world| matches!(world.outcome(leaver, task), Some(Outcome::Left)));
        world.crash(leaver);
        world.run_until(3 * MINUTE, |world| world.all_forgot(leaver));

        for &node in nodes.iter().filter(|&&node| node != leaver) {
            let told = world.app(node).news_of(&world.name(leaver));
            assert_eq!(told, [News::Joined, News::Left(State::Left)]);
        }
        assert_eq!(world.report().suspicions, 0);
    });
}

#[test]
fn who_left_may_come_back() {
    for_each_seed(2, |world| {
        let nodes = cluster(world, 20, &PoolConfig::lan(1));
        let leaver = nodes[11];
        world.leave(leaver);
        world.run_until(10 * SECOND, |world| world.all_see(leaver, State::Left));

        world.join(leaver, nodes[0]);
        world.run_until_agreed();

        let told = world.app(nodes[5]).news_of(&world.name(leaver));
        assert_eq!(told, [News::Joined, News::Left(State::Left), News::Joined]);
    });
}

#[test]
fn all_leaving_at_once_is_left_by_all() {
    for_each_seed(2, |world| {
        let nodes = cluster(world, 20, &PoolConfig::lan(1));

        let tasks: Vec<_> = nodes.iter().map(|&node| (node, world.leave(node))).collect();

        world.run_until(30 * SECOND, |world| {
            tasks.iter().all(|&(node, task)| matches!(world.outcome(node, task), Some(Outcome::Left)))
        });
    });
}

#[test]
fn new_metadata_reaches_all() {
    for_each_seed(2, |world| {
        let nodes = cluster(world, 100, &PoolConfig::lan(1));

        let task = world.update(nodes[3], "role=storage");
        let spread = gossip_core::sim::bounds::spread(world.tuning(nodes[0]), nodes.len());
        world.run_until(spread, |world| world.agreed());
        world.run_until(10 * SECOND, |world| matches!(world.outcome(nodes[3], task), Some(Outcome::Updated)));

        for &node in &nodes {
            assert_eq!(world.belief(node, nodes[3]).unwrap().meta(), b"role=storage");
            let told = world.app(node).news_of(&world.name(nodes[3]));
            assert_eq!(told, [News::Joined, News::Updated(b"role=storage".as_slice().into())]);
        }
    });
}

#[test]
fn a_restarted_node_takes_its_place_again() {
    for_each_seed(3, |world| {
        let nodes = cluster(world, 30, &PoolConfig::lan(1));
        let restarted = nodes[11];
        let before = world.belief(nodes[0], restarted).unwrap().incarnation;

        world.restart(restarted);
        world.join(restarted, nodes[0]);
        world.run_until_agreed();

        assert!(world.belief(nodes[0], restarted).unwrap().incarnation >= before);
        assert_eq!(world.false_alarms(), 0);
    });
}

#[test]
fn a_node_restarted_with_other_metadata_is_believed() {
    for_each_seed(3, |world| {
        let nodes = cluster(world, 30, &PoolConfig::lan(1));
        let restarted = nodes[11];

        world.restart(restarted);
        world.update(restarted, "second life");
        world.join(restarted, nodes[0]);
        world.run_until_agreed();

        assert_eq!(world.belief(nodes[20], restarted).unwrap().meta(), b"second life");
    });
}

#[test]
fn a_node_declared_dead_takes_its_place_again() {
    for_each_seed(2, |world| {
        let nodes = cluster(world, 30, &PoolConfig::lan(1));
        let restarted = nodes[11];
        world.crash(restarted);
        world.run_until(2 * MINUTE, |world| world.all_see(restarted, State::Dead));

        world.restart(restarted);
        world.join(restarted, nodes[0]);
        world.run_until_agreed();
    });
}

#[test]
fn a_name_that_left_may_move_to_another_address() {
    for_each_seed(2, |world| {
        let nodes = cluster(world, 20, &PoolConfig::lan(1));
        let moving = nodes[11];
        world.leave(moving);
        world.run_until(10 * SECOND, |world| world.all_see(moving, State::Left));
        world.run_for(5 * SECOND);

        world.restart_elsewhere(moving);
        world.join(moving, nodes[0]);
        world.run_until_agreed();
    });
}

#[test]
fn broadcasts_reach_all_of_a_small_cluster() {
    for_each_seed(3, |world| {
        let nodes = cluster(world, 4, &PoolConfig::lan(1));

        for number in 0..20 {
            world.broadcast(nodes[1], format!("news {number}").as_bytes()).unwrap();
        }
        world.run_for(5 * SECOND);

        for &node in nodes.iter().filter(|&&node| node != nodes[1]) {
            for number in 0..20 {
                let message = format!("news {number}");
                assert!(world.app(node).got(message.as_bytes()), "{node:?} missed {message}");
            }
        }
    });
}

#[test]
fn the_broadcast_queue_is_bounded_and_drains() {
    for_each_seed(1, |world| {
        let broadcast_mode = BroadcastMode::Plain;
        let config = PoolConfig { broadcast_queue_depth: 50, broadcast_mode, ..PoolConfig::lan(1) };
        let nodes = cluster(world, 4, &config);

        let taken = (0..100).filter(|_| world.broadcast(nodes[0], &[7; 500]).is_ok()).count();
        world.run_until(MINUTE, |world| world.machine(nodes[0]).stats().broadcasts_queued == 0);

        assert_eq!(taken, 50);
        assert!(world.broadcast(nodes[0], b"room again").is_ok());
    });
}

#[test]
fn reliable_messages_arrive_or_say_why_not() {
    for_each_seed(2, |world| {
        let nodes = cluster(world, 4, &PoolConfig { keyring: keyring(1, 16), ..PoolConfig::lan(1) });
        world.set_quality(gossip_core::sim::link::Quality::lan().with_loss(0.1));
        let long: Vec<u8> = (0..300_000_u32).map(|n| n as u8).collect();

        let sent = world.send_reliable(nodes[0], nodes[1], long.clone());
        world.crash(nodes[3]);
        let refused = world.send_reliable(nodes[0], nodes[3], "anybody there?");
        let lost = world.isolate(nodes[2]);
        let silent = world.send_reliable(nodes[0], nodes[2], "anybody there?");
        world.run_for(MINUTE);
        drop(lost);

        assert!(matches!(world.outcome(nodes[0], sent), Some(Outcome::Sent(_))));
        let failed = |task| match world.outcome(nodes[0], task) {
            Some(Outcome::Failed(error)) => error.clone(),
            other => panic!("{other:?}"),
        };
        assert!(matches!(failed(refused), ExchangeError::Connect(_)));
        assert_eq!(failed(silent), ExchangeError::ConnectTimeout);
        assert!(world.app(nodes[1]).got(&long));
    });
}

#[test]
fn datagrams_and_pings_reach_whom_they_are_for() {
    for_each_seed(2, |world| {
        let nodes = cluster(world, 5, &PoolConfig::lan(1));

        world.send(nodes[0], nodes[1], b"hello").unwrap();
        let ping = world.ping(nodes[2], nodes[3]);
        world.crash(nodes[4]);
        let vain = world.ping(nodes[2], nodes[4]);
        world.run_for(SECOND);

        assert!(world.app(nodes[1]).got(b"hello"));
        assert!(matches!(world.outcome(nodes[2], ping), Some(Outcome::Pinged(rtt)) if *rtt < SECOND / 100));
        assert!(matches!(world.outcome(nodes[2], vain), Some(Outcome::TimedOut)));
    });
}
