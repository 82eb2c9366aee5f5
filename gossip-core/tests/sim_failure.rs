//! Finding what failed, and only that.

use std::time::Duration;

use gossip_core::pool::config::PoolConfig;
use gossip_core::sim::bounds;
use gossip_core::sim::link::{Bursts, Quality};
use gossip_core::sim::seed::for_each_seed;
use gossip_core::swim::node::State;

const MINUTE: Duration = Duration::from_secs(60);

#[test]
fn a_crashed_node_is_found_by_all() {
    for_each_seed(2, |world| {
        let nodes = world.spawn(200, &PoolConfig::lan(1));
        world.join_all(&nodes);
        world.run_until(MINUTE, |world| world.agreed());

        world.crash(nodes[7]);
        let bound = bounds::detection(world.tuning(nodes[0]), nodes.len());
        world.run_until(bound, |world| world.all_see(nodes[7], State::Dead));

        let report = world.report();
        println!("{report}");
        let (least, _) = bounds::suspicion(world.tuning(nodes[0]), nodes.len());
        let median = report.detections[0].median().unwrap();
        assert!(median >= least, "suspicion ran out early: {report}");
        assert!(median <= least + Duration::from_secs(8), "too few confirmed: {report}");
        assert_eq!(report.false_alarms, 0, "{report}");
    });
}

#[test]
fn a_quiet_cluster_of_200_stays_quiet() {
    for_each_seed(1, |world| {
        let nodes = world.spawn(200, &PoolConfig::lan(1));
        world.join_all(&nodes);
        world.run_until(MINUTE, |world| world.agreed());

        world.run_for(5 * MINUTE);

        let report = world.report();
        println!("{report}");
        assert_eq!((report.suspicions, report.false_alarms), (0, 0), "{report}");
        assert!(world.agreed());
        assert!(nodes.iter().all(|&node| world.machine(node).health() == 0));
    });
}
