//! A live cluster moves to encryption and to a label, step by step, and loses nobody.

use std::time::Duration;

use bytes::Bytes;
use gossip_core::pool::action::Outcome;
use gossip_core::pool::config::PoolConfig;
use gossip_core::pool::error::CommandError;
use gossip_core::pool::layers::Labels;
use gossip_core::pool::machine::Machine;
use gossip_core::sim::host::HostId;
use gossip_core::sim::seed::for_each_seed;
use gossip_core::sim::world::World;
use gossip_core::wire::keyring::{Key, Keyring};

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);

fn cluster(world: &mut World, count: usize, config: &PoolConfig) -> Vec<HostId> {
    let nodes = world.spawn(count, config);
    world.join_all(&nodes);
    world.run_until_agreed();
    nodes
}

/// One step of the migration, on one node after the other.
fn step(
    world: &mut World,
    nodes: &[HostId],
    change: impl Fn(&mut Machine) -> Result<(), CommandError> + Clone,
) {
    for &node in nodes {
        world.command(node, |machine, _| change(machine)).unwrap();
        world.run_for(SECOND);
    }
}

/// The pool's labels: the own one, the next, the former.
fn labels(
    own: &'static str,
    next: Option<&'static str>,
    former: Option<&'static str>,
) -> impl Fn(&mut Machine) -> Result<(), CommandError> + Clone {
    let labels = Labels { own: own.into(), next: next.map(Bytes::from), former: former.map(Bytes::from) };
    move |machine| machine.set_labels(labels.clone())
}

fn refused(world: &World, nodes: &[HostId]) -> u64 {
    nodes.iter().map(|&node| world.machine(node).stats().refused.total()).sum()
}

fn failed_probes(world: &World, nodes: &[HostId]) -> u64 {
    nodes.iter().map(|&node| world.machine(node).stats().swim.probes_failed).sum()
}

#[test]
fn a_cluster_moves_from_no_label_to_one_and_on_to_another() {
    let encrypted = Keyring::new([], Some(Key::new(&[1; 16]).unwrap())).unwrap();
    for keyring in [Keyring::default(), encrypted] {
        for_each_seed(2, |world| {
            let nodes = cluster(world, 15, &PoolConfig { keyring: keyring.clone(), ..PoolConfig::lan(1) });

            step(world, &nodes, labels("", Some("x"), None));
            step(world, &nodes, labels("x", None, Some("")));
            step(world, &nodes, labels("x", None, None));
            step(world, &nodes, labels("x", Some("why"), None));
            step(world, &nodes, labels("why", None, Some("x")));
            step(world, &nodes, labels("why", None, None));
            world.run_for(MINUTE);

            assert!(world.agreed());
            assert_eq!((world.report().suspicions, world.false_alarms()), (0, 0), "{}", world.report());
            assert_eq!((failed_probes(world, &nodes), refused(world, &nodes)), (0, 0));
            let strange = world.spawn(1, &PoolConfig { keyring: keyring.clone(), ..PoolConfig::lan(1) })[0];
            let task = world.join(strange, nodes[0]);
            world.run_for(MINUTE);
            let Some(Outcome::Join(report)) = world.outcome(strange, task) else { panic!("no outcome") };
            assert!(report.reached.is_empty(), "the old way in is closed");
        });
    }
}

#[test]
fn nodes_that_know_one_label_are_carried_over_by_those_that_know_two() {
    for_each_seed(3, |world| {
        let nodes = cluster(world, 12, &PoolConfig::lan(1));
        // As stock memberlist does when it is restarted with a label.
        let (stock, ours) = nodes.split_at(4);

        step(world, ours, labels("", Some("x"), None));
        for &node in stock {
            world.command(node, |machine, _| labels("x", None, None)(machine)).unwrap();
            world.run_for(MINUTE);
            assert!(world.converged(), "{}", world.report());
        }
        step(world, ours, labels("x", None, Some("")));
        step(world, ours, labels("x", None, None));
        world.run_for(MINUTE);

        assert_eq!(world.false_alarms(), 0, "{}", world.report());
        assert!(world.agreed());
    });
}

#[test]
fn a_node_enters_through_seeds_of_either_label() {
    for_each_seed(2, |world| {
        let nodes = world.spawn(3, &PoolConfig::lan(1));
        world.command(nodes[1], |machine, _| labels("x", None, None)(machine)).unwrap();
        world.command(nodes[2], |machine, _| labels("", Some("x"), None)(machine)).unwrap();

        let tasks = [world.join(nodes[2], nodes[0]), world.join(nodes[2], nodes[1])];
        world.run_for(10 * SECOND);

        for task in tasks {
            let Some(Outcome::Join(report)) = world.outcome(nodes[2], task) else { panic!("no outcome") };
            assert_eq!((report.reached.len(), report.failed.len()), (1, 0), "{report:?}");
        }
        world.run_for(MINUTE);
        assert_eq!(world.false_alarms(), 0, "{}", world.report());
        assert!(world.converged());
    });
}

#[test]
fn a_cluster_moves_from_plain_to_encrypted_and_back() {
    for_each_seed(2, |world| {
        let nodes = cluster(world, 15, &PoolConfig::lan(1));

        step(world, &nodes, |machine| {
            machine.set_gossip_verify(false, false)?;
            machine.add_key(Key::new(&[1; 32]).unwrap())
        });
        step(world, &nodes, |machine| machine.set_gossip_verify(false, true));
        step(world, &nodes, |machine| machine.set_gossip_verify(true, true));
        assert_eq!((failed_probes(world, &nodes), refused(world, &nodes)), (0, 0));
        step(world, &nodes, |machine| machine.set_gossip_verify(false, true));
        step(world, &nodes, |machine| machine.set_gossip_verify(false, false));
        world.run_for(MINUTE);

        assert_eq!((world.report().suspicions, world.false_alarms()), (0, 0), "{}", world.report());
        assert!(world.agreed());
    });
}

#[test]
fn a_change_that_leaves_no_room_for_the_own_announcement_is_refused() {
    for_each_seed(1, |world| {
        let tight = PoolConfig { udp_buffer_size: 700, meta: vec![7; 512].into(), ..PoolConfig::lan(1) };
        let node = world.spawn(1, &tight)[0];

        let too_long = Labels { own: vec![b'x'; 255].into(), ..Labels::default() };
        let error = world.command(node, |machine, _| machine.set_labels(too_long)).unwrap_err();
        assert!(matches!(error, CommandError::TooLarge { what: "metadata", size: 512, .. }), "{error}");

        assert!(world.machine(node).wire().label.is_empty(), "nothing has changed");
        world.command(node, |machine, _| labels("short", None, None)(machine)).unwrap();
    });
}
