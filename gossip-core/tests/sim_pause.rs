//! Processes that stand still for a while: what Lifeguard is for.

use std::time::Duration;

use gossip_core::pool::config::PoolConfig;
use gossip_core::sim::app::News;
use gossip_core::sim::host::HostId;
use gossip_core::sim::seed::for_each_seed;
use gossip_core::sim::world::World;
use gossip_core::swim::node::State;

const SECOND: Duration = Duration::from_secs(1);

fn cluster(world: &mut World, count: usize) -> Vec<HostId> {
    let nodes = world.spawn(count, &PoolConfig::lan(1));
    world.join_all(&nodes);
    world.run_until_agreed();
    nodes
}

/// No observer was ever told anything of a subject but that it joined.
fn assert_undisturbed(world: &World, observers: &[HostId], subjects: &[HostId]) {
    for &observer in observers {
        for &subject in subjects {
            let told = world.app(observer).news_of(&world.name(subject));
            assert_eq!(told, [News::Joined], "{} of {}", world.name(observer), world.name(subject));
        }
    }
}

#[test]
fn a_paused_node_accuses_nobody_when_it_goes_on() {
    for_each_seed(3, |world| {
        let nodes = cluster(world, 100);
        let paused = nodes[9];

        world.pause(paused);
        world.run_for(8 * SECOND);
        world.resume(paused);
        world.run_until_agreed();

        let stats = world.machine(paused).stats();
        assert_eq!((stats.swim.suspicions, stats.swim.deaths), (0, 0), "{stats:?}");
        assert!(stats.swim.refutations > 0, "nobody missed it");
        assert_eq!(world.false_alarms(), 0);
    });
}

#[test]
fn a_node_paused_beyond_its_death_refutes_and_comes_back() {
    for_each_seed(3, |world| {
        let nodes = cluster(world, 50);
        let paused = nodes[9];

        world.pause(paused);
        world.run_until(60 * SECOND, |world| {
            nodes.iter().all(|&node| node == paused || world.state(node, paused) == Some(State::Dead))
        });
        world.resume(paused);
        world.run_until_agreed();

        assert!(world.machine(paused).stats().swim.refutations > 0);
        let others: Vec<_> = nodes.iter().copied().filter(|&node| node != paused).collect();
        assert_undisturbed(world, &nodes, &others);
    });
}

#[test]
fn a_node_that_keeps_stalling_doubts_itself_and_harms_nobody() {
    for_each_seed(2, |world| {
        let nodes = cluster(world, 40);
        let stalling = nodes[9];

        for _ in 0..10 {
            world.pause(stalling);
            world.run_for(3 * SECOND);
            world.resume(stalling);
            world.run_for(SECOND);
        }
        world.run_until_agreed();

        let healthy: Vec<_> = nodes.iter().copied().filter(|&node| node != stalling).collect();
        assert_undisturbed(world, &nodes, &healthy);
    });
}

#[test]
fn a_tenth_of_the_nodes_stalling_by_turns_kills_no_healthy_one() {
    for_each_seed(2, |world| {
        let nodes = cluster(world, 60);

        for round in 0..20 {
            for &node in &nodes[..6] {
                let turn = Duration::from_millis(500 * (round + node.index() as u64));
                world.after(turn, move |world| world.pause(node));
                let pause = Duration::from_millis(1000 + world.rng().below(5000) as u64);
                world.after(turn + pause, move |world| world.resume(node));
            }
        }
        world.run_for(40 * SECOND);

        assert_undisturbed(world, &nodes[6..], &nodes[6..]);
        world.run_until_agreed();
    });
}

#[test]
fn a_pause_shorter_than_a_probe_is_not_noticed() {
    for_each_seed(2, |world| {
        let nodes = cluster(world, 30);

        for &node in &nodes[..5] {
            world.pause(node);
            world.run_for(SECOND / 3);
            world.resume(node);
        }
        world.run_for(10 * SECOND);

        assert_eq!(world.report().suspicions, 0, "{}", world.report());
        assert!(world.agreed());
    });
}
