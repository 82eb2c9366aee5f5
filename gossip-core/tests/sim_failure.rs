//! Finding what failed, and only that.

use std::time::Duration;

use gossip_core::pool::config::PoolConfig;
use gossip_core::sim::bounds;
use gossip_core::sim::host::HostId;
use gossip_core::sim::seed::for_each_seed;
use gossip_core::sim::world::World;
use gossip_core::swim::node::State;

const MINUTE: Duration = Duration::from_secs(60);

fn cluster(world: &mut World, count: usize, config: &PoolConfig) -> Vec<HostId> {
    let nodes = world.spawn(count, config);
    world.join_all(&nodes);
    world.run_until_agreed();
    nodes
}

#[test]
fn a_crashed_node_is_found_by_all() {
    for_each_seed(2, |world| {
        let nodes = cluster(world, 200, &PoolConfig::lan(1));

        world.crash(nodes[7]);
        let bound = bounds::detection(world.tuning(nodes[0]), nodes.len());
        world.run_until(bound, |world| world.all_see(nodes[7], State::Dead));

        let report = world.report();
        let (least, _) = bounds::suspicion(world.tuning(nodes[0]), nodes.len());
        let median = report.detections[0].median().unwrap();
        assert!(median >= least, "the suspicion ran out early: {report}");
        assert!(median <= least + Duration::from_secs(10), "too few confirmed the suspicion: {report}");
        assert_eq!(report.false_alarms, 0, "{report}");
    });
}

#[test]
fn many_nodes_crashing_at_once_are_all_found() {
    for_each_seed(2, |world| {
        let nodes = cluster(world, 60, &PoolConfig::lan(1));

        for &node in &nodes[40..] {
            world.crash(node);
        }
        // A third of the relays is gone as well, and a doubting node probes more slowly.
        let bound = bounds::agreement(world.tuning(nodes[0]), nodes.len());
        world.run_until(bound, |world| nodes[40..].iter().all(|&node| world.all_see(node, State::Dead)));

        assert_eq!(world.false_alarms(), 0);
        assert!(world.converged());
    });
}

#[test]
fn the_last_of_two_finds_the_other_gone() {
    for_each_seed(4, |world| {
        let nodes = cluster(world, 2, &PoolConfig::lan(1));

        world.crash(nodes[1]);
        let bound = bounds::detection(world.tuning(nodes[0]), 2);

        world.run_until(bound, |world| world.state(nodes[0], nodes[1]) == Some(State::Dead));
    });
}

#[test]
fn the_dead_are_forgotten_in_the_end() {
    for_each_seed(2, |world| {
        let nodes = cluster(world, 20, &PoolConfig::lan(1));

        world.crash(nodes[7]);
        world.run_until(2 * MINUTE, |world| world.all_see(nodes[7], State::Dead));
        let found = world.now();
        world.run_until(5 * MINUTE, |world| world.all_forgot(nodes[7]));

        assert!(world.now().since(found) + Duration::from_secs(1) > Duration::from_secs(30));
    });
}

#[test]
fn a_quiet_cluster_of_200_stays_quiet() {
    for_each_seed(1, |world| {
        let nodes = cluster(world, 200, &PoolConfig::lan(1));

        world.run_for(5 * MINUTE);

        let report = world.report();
        assert_eq!((report.suspicions, report.false_alarms), (0, 0), "{report}");
        assert!(world.agreed());
        assert!(nodes.iter().all(|&node| world.machine(node).health() == 0));
        assert!(report.bytes_per_node_second() < 500.0, "{report}");
    });
}
