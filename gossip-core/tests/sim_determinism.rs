//! A run is a function of its seed.

use std::time::Duration;

use gossip_core::pool::config::PoolConfig;
use gossip_core::sim::link::Quality;
use gossip_core::sim::report::Report;
use gossip_core::sim::seed::seeds;
use gossip_core::sim::world::World;

/// A run in which most things happen that can.
fn eventful(seed: u64) -> Report {
    let mut world = World::new(seed);
    world.set_quality(Quality::wan().with_loss(0.05).with_duplication(0.05));
    let nodes = world.spawn(30, &PoolConfig::lan(1));
    world.join_all(&nodes);
    world.run_for(Duration::from_secs(5));
    world.crash(nodes[3]);
    world.pause(nodes[4]);
    world.leave(nodes[5]);
    world.update(nodes[6], "meta");
    let cut = world.partition(&[&nodes[..10], &nodes[10..]]);
    world.run_for(Duration::from_secs(20));
    drop(cut);
    world.resume(nodes[4]);
    world.restart(nodes[3]);
    world.join(nodes[3], nodes[0]);
    world.run_for(Duration::from_secs(60));
    world.report()
}

#[test]
fn one_seed_gives_one_run() {
    for seed in seeds(3) {
        assert_eq!(eventful(seed), eventful(seed));
    }
}

#[test]
fn another_seed_gives_another_run() {
    assert_ne!(eventful(1).fingerprint, eventful(2).fingerprint);
}

#[test]
fn looking_changes_nothing() {
    let run = |looks: bool| {
        let mut world = World::new(7);
        let nodes = world.spawn(20, &PoolConfig::lan(1));
        world.join_all(&nodes);
        for _ in 0..100 {
            world.run_for(Duration::from_millis(100));
            if looks {
                _ = (world.agreed(), world.converged(), world.report());
            }
        }
        world.report()
    };

    assert_eq!(run(true), run(false));
}
