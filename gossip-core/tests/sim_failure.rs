//! Finding what failed, and only that.

use std::time::Duration;

use gossip_core::pool::config::PoolConfig;
use gossip_core::sim::bounds;
use gossip_core::sim::fabric::{Carrier, Packet, Verdict};
use gossip_core::sim::host::HostId;
use gossip_core::sim::link::{Bursts, Latency, Quality};
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

#[test]
fn a_network_that_loses_a_twentieth_raises_no_false_alarm() {
    for_each_seed(2, |world| {
        let nodes = cluster(world, 40, &PoolConfig::lan(1));
        world.set_quality(Quality::lan().with_loss(0.05).with_duplication(0.05));
        world.run_for(3 * MINUTE);

        world.crash(nodes[7]);
        let bound = bounds::agreement(world.tuning(nodes[0]), nodes.len());
        world.run_until(bound, |world| world.all_see(nodes[7], State::Dead));

        assert_eq!(world.false_alarms(), 0, "{}", world.report());
    });
}

/// Every refutation misses each observer with chance `e^-6` or so: what a broadcast that
/// is sent eight times by each of forty nodes, and often lost, leaves out. So some
/// suspicions do run out, each on one observer, and are refuted again.
#[test]
fn in_a_network_that_loses_a_fifth_false_alarms_are_few_and_crashes_found() {
    for_each_seed(2, |world| {
        let nodes = cluster(world, 40, &PoolConfig::lan(1));
        world.set_quality(Quality::lan().with_loss(0.2).with_duplication(0.05));
        world.run_for(3 * MINUTE);

        world.crash(nodes[7]);
        let bound = bounds::agreement(world.tuning(nodes[0]), nodes.len());
        world.run_until(bound, |world| world.all_see(nodes[7], State::Dead));

        let report = world.report();
        assert!(report.false_alarms <= report.suspicions / 200, "{report}");
        world.set_quality(Quality::lan());
        world.run_until_agreed();
    });
}

#[test]
fn without_stream_pings_the_accused_refute_in_time() {
    for_each_seed(2, |world| {
        let bursts = Bursts { begin: 0.01, end: 0.2, loss: 0.9 };
        let config = PoolConfig { disable_tcp_pings: true, ..PoolConfig::lan(1) };
        cluster(world, 40, &config);

        world.set_quality(Quality::lan().with_loss(0.1).with_bursts(bursts));
        world.run_for(3 * MINUTE);
        world.set_quality(Quality::lan());

        let report = world.report();
        assert!(report.suspicions > 0, "the network was not bad enough: {report}");
        assert!(report.false_alarms <= report.suspicions / 200, "{report}");
        world.run_until_agreed();
    });
}

#[test]
fn streams_save_nodes_whose_datagrams_are_lost() {
    for_each_seed(2, |world| {
        let nodes = cluster(world, 20, &PoolConfig::lan(1));
        let deaf = nodes[3];

        let _rule = world.rule(move |packet: &Packet<'_>| {
            let lost = packet.carrier == Carrier::Datagram && packet.to == deaf;
            if lost { Verdict::Drop } else { Verdict::Pass }
        });
        world.run_for(MINUTE);

        assert_eq!(world.report().suspicions, 0, "{}", world.report());
    });
}

#[test]
fn a_wide_area_cluster_stays_quiet_and_finds_a_crash() {
    for_each_seed(2, |world| {
        let tail = Latency::Tail { least: Duration::from_millis(80), mean: Duration::from_millis(40) };
        world.set_quality(Quality::wan().with_latency(tail));
        let nodes = cluster(world, 40, &PoolConfig::wan(1));
        world.run_for(5 * MINUTE);
        assert_eq!(world.false_alarms(), 0);

        world.crash(nodes[7]);
        let bound = bounds::detection(world.tuning(nodes[0]), nodes.len());
        world.run_until(bound, |world| world.all_see(nodes[7], State::Dead));

        assert_eq!(world.false_alarms(), 0, "{}", world.report());
    });
}
