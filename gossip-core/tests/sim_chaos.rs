//! Everything at once, from the seed; then quiet, and all must be well again.

use std::time::Duration;

use gossip_core::pool::config::PoolConfig;
use gossip_core::sim::app::{Habit, Script};
use gossip_core::sim::host::HostId;
use gossip_core::sim::link::{Bursts, Quality};
use gossip_core::sim::seed::for_each_seed;
use gossip_core::sim::world::World;
use gossip_core::wire::keyring::{Key, Keyring};

/// Two minutes of faults.
const FAULTS: u64 = 120_000;

fn chaos(world: &mut World, nodes: &[HostId]) {
    world.join_all(nodes);
    world.run_until_agreed();
    for _ in 0..60 {
        let begin = Duration::from_millis(world.rng().below(FAULTS as usize) as u64);
        let length = Duration::from_millis(200 + world.rng().below(20_000) as u64);
        plan_fault(world, nodes, begin, begin + length);
    }
    world.run_for(Duration::from_millis(FAULTS + 25_000));

    world.set_quality(Quality::lan());
    for &node in nodes {
        if !world.is_up(node) {
            world.restart(node);
        }
        world.resume(node);
    }
    // Sides that have forgotten each other, and those that came back, need a word.
    for &node in &nodes[1..] {
        world.join(node, nodes[0]);
    }
    world.run_until_agreed();
}

/// One fault from `begin` to `end`, of a kind and at a place that the seed chooses.
fn plan_fault(world: &mut World, nodes: &[HostId], begin: Duration, end: Duration) {
    let (one, other) = (pick(world, nodes), pick(world, nodes));
    match world.rng().below(8) {
        0 => {
            world.after(begin, move |world| crash_if_up(world, one));
            world.after(end, move |world| world.restart(one));
        }
        1 => {
            world.after(begin, move |world| world.pause(one));
            world.after(end, move |world| world.resume(one));
        }
        2 => {
            let side = 1 + world.rng().below(nodes.len() - 1);
            let mut all = nodes.to_vec();
            world.rng().shuffle(&mut all);
            world.after(begin, move |world| {
                let cut = world.partition(&[&all[..side], &all[side..]]);
                world.after(end - begin, move |_| drop(cut));
            });
        }
        3 => world.after(begin, move |world| {
            let cut = world.cut(one, other);
            world.after(end - begin, move |_| drop(cut));
        }),
        4 => world.after(begin, move |world| {
            let lost = world.isolate(one);
            world.after(end - begin, move |_| drop(lost));
        }),
        5 => {
            let bursts = Bursts { begin: 0.02, end: 0.2, loss: 0.9 };
            let bad = Quality::wan().with_loss(0.1).with_bursts(bursts).with_duplication(0.1);
            world.after(begin, move |world| world.set_quality(bad));
            world.after(end, |world| world.set_quality(Quality::lan()));
        }
        6 => world.after(begin, move |world| {
            if world.is_up(one) {
                let meta = format!("{:?}", world.now());
                _ = world.command(one, |machine, _| machine.set_local_state(meta.clone().into()));
                _ = world.broadcast(one, meta.as_bytes());
                if !world.machine(one).has_left() {
                    world.update(one, meta);
                }
            }
        }),
        _ => {
            world.after(begin, move |world| {
                if world.is_up(one) {
                    world.leave(one);
                }
            });
            world.after(end, move |world| {
                if world.is_up(one) {
                    world.join(one, other);
                }
            });
        }
    }
}

fn crash_if_up(world: &mut World, node: HostId) {
    if world.is_up(node) {
        world.crash(node);
    }
}

fn pick(world: &mut World, nodes: &[HostId]) -> HostId {
    nodes[world.rng().below(nodes.len())]
}

#[test]
fn after_any_faults_all_views_agree_again() {
    for_each_seed(10, |world| {
        let nodes = world.spawn(60, &PoolConfig::lan(1));

        chaos(world, &nodes);
    });
}

#[test]
fn encryption_and_slow_applications_change_nothing() {
    for_each_seed(6, |world| {
        let key = Key::new(&[7; 32]).unwrap();
        let config = PoolConfig {
            keyring: Keyring::new([], Some(key)).unwrap(),
            label: b"chaos".as_slice().into(),
            ..PoolConfig::lan(1)
        };
        let slow = Some(Habit::Grants { least: Duration::ZERO, most: Duration::from_millis(1500) });
        let quick = Some(Habit::Grants { least: Duration::ZERO, most: Duration::from_millis(300) });
        let script = Script {
            local_state: slow,
            admit_alive: quick,
            admit_merge: quick,
            allow_stream_ping: slow,
            ..Script::default()
        };
        let nodes = world.spawn_with(40, &config, &script);

        chaos(world, &nodes);
    });
}

#[test]
fn small_clusters_survive_chaos_too() {
    for size in [2, 3, 5] {
        for_each_seed(5, |world| {
            let nodes = world.spawn(size, &PoolConfig::local(1));

            chaos(world, &nodes);
        });
    }
}
