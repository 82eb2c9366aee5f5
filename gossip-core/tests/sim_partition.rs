//! A network that falls into parts, and grows together again.

use std::time::Duration;

use gossip_core::pool::config::PoolConfig;
use gossip_core::sim::bounds;
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

/// Whether nobody on one side holds anybody of the other live.
fn is_split(world: &World, left: &[HostId], right: &[HostId]) -> bool {
    let gone = |observer, subject| !world.state(observer, subject).is_some_and(State::is_live);
    left.iter().all(|&one| right.iter().all(|&other| gone(one, other) && gone(other, one)))
}

#[test]
fn a_short_cut_leaves_nothing_behind() {
    for_each_seed(3, |world| {
        let nodes = cluster(world, 40);
        let (left, right) = nodes.split_at(20);

        let cut = world.partition(&[left, right]);
        world.run_for(4 * SECOND);
        drop(cut);
        world.run_until_agreed();

        assert!(world.report().suspicions > 0, "nobody noticed: {}", world.report());
    });
}

#[test]
fn both_sides_declare_each_other_and_one_join_makes_them_one() {
    for_each_seed(3, |world| {
        let nodes = cluster(world, 40);
        let (left, right) = nodes.split_at(15);

        let cut = world.partition(&[left, right]);
        let bound = bounds::agreement(world.tuning(nodes[0]), nodes.len());
        world.run_until(bound, |world| is_split(world, left, right));
        drop(cut);
        world.join(left[3], right[4]);

        world.run_until_agreed();
    });
}

#[test]
fn a_split_heals_by_itself_while_the_dead_are_remembered() {
    for_each_seed(3, |world| {
        let nodes = cluster(world, 30);
        let (left, right) = nodes.split_at(10);

        let cut = world.partition(&[left, right]);
        let someone = |world: &World| world.all_see(right[0], State::Dead) || world.false_alarms() > 30;
        world.run_until(60 * SECOND, someone);
        drop(cut);

        world.run_until_agreed();
        assert!(world.false_alarms() > 0);
    });
}

#[test]
fn sides_that_have_forgotten_each_other_meet_as_strangers() {
    for_each_seed(2, |world| {
        let nodes = cluster(world, 24);
        let (left, right) = nodes.split_at(12);

        let cut = world.partition(&[left, right]);
        let forgot = |world: &World, one: &[HostId], other: &[HostId]| {
            one.iter().all(|&one| other.iter().all(|&other| world.state(one, other).is_none()))
        };
        world.run_until(300 * SECOND, |world| forgot(world, left, right) && forgot(world, right, left));
        drop(cut);
        world.join(right[0], left[0]);

        world.run_until_agreed();
    });
}

#[test]
fn others_vouch_for_a_node_that_one_cannot_reach() {
    for_each_seed(2, |world| {
        let nodes = cluster(world, 20);

        let _cut = world.cut(nodes[3], nodes[4]);
        world.run_for(180 * SECOND);

        assert_eq!(world.report().suspicions, 0, "{}", world.report());
        assert!(world.agreed());
    });
}

#[test]
fn a_lost_node_is_declared_and_may_come_back() {
    for_each_seed(2, |world| {
        let nodes = cluster(world, 20);

        let lost = world.isolate(nodes[5]);
        let bound = bounds::agreement(world.tuning(nodes[0]), nodes.len());
        world.run_until(bound, |world| {
            let alone = nodes.iter().all(|&node| node == nodes[5] || !sees(world, nodes[5], node));
            alone && nodes.iter().all(|&node| node == nodes[5] || !sees(world, node, nodes[5]))
        });
        drop(lost);
        world.join(nodes[5], nodes[0]);

        world.run_until_agreed();
    });
}

fn sees(world: &World, observer: HostId, subject: HostId) -> bool {
    world.state(observer, subject).is_some_and(State::is_live)
}
