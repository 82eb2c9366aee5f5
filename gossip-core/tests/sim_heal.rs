//! Seeds that stand, members that are lost and found again: clusters become one without
//! anybody joining.

use std::time::Duration;

use gossip_core::pool::config::PoolConfig;
use gossip_core::sim::app::{Company, News};
use gossip_core::sim::fabric::{Packet, Verdict};
use gossip_core::sim::host::HostId;
use gossip_core::sim::seed::for_each_seed;
use gossip_core::sim::world::World;
use gossip_core::swim::node::State;

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);

/// Seeds at the addresses of the first hosts of a world.
fn seeds(count: usize) -> Vec<String> {
    (1..=count).map(|number| format!("10.0.0.{number}:7946")).collect()
}

fn seeded(count: usize) -> PoolConfig {
    PoolConfig { seeds: seeds(count), ..PoolConfig::lan(1) }
}

fn cluster(world: &mut World, count: usize, config: &PoolConfig) -> Vec<HostId> {
    let nodes = world.spawn(count, config);
    world.join_all(&nodes);
    world.run_until_agreed();
    nodes
}

fn sees(world: &World, observer: HostId, subject: HostId) -> bool {
    world.state(observer, subject).is_some_and(State::is_live)
}

/// Whether nobody on one side knows anybody of the other any more, not even as dead.
fn are_strangers(world: &World, left: &[HostId], right: &[HostId]) -> bool {
    let forgot = |one, other| world.state(one, other).is_none();
    left.iter().all(|&one| right.iter().all(|&other| forgot(one, other) && forgot(other, one)))
}

/// Exchanges begun without anybody asking, and addresses asked for a lost member, by all nodes.
fn attempts(world: &World, nodes: &[HostId]) -> u64 {
    let of = |&node: &HostId| {
        let stats = world.machine(node).stats();
        stats.rejoins + stats.swim.inquiries
    };
    nodes.iter().map(of).sum()
}

/// Cuts a cluster in two for ten minutes; it is one again within a minute of the end.
fn heals_after_ten_minutes(left: usize, right: usize, config: &PoolConfig) {
    for_each_seed(3, |world| {
        let nodes = cluster(world, left + right, config);
        let (left, right) = nodes.split_at(left);

        let cut = world.partition(&[left, right]);
        world.run_for(10 * MINUTE);
        assert!(are_strangers(world, left, right));
        let before = attempts(world, &nodes);
        world.run_for(10 * MINUTE);
        let a_minute = (attempts(world, &nodes) - before) as f64 / 10.0 / nodes.len() as f64;
        drop(cut);
        let took = world.run_until(MINUTE, |world| world.converged());
        world.run_until_agreed();

        println!(
            "{}|{}: one after {took:?}, {a_minute:.1} attempts a minute and node",
            left.len(),
            right.len()
        );
        let bound = if left.len() == 1 { 12.0 } else { 9.0 };
        assert!(a_minute < bound, "{a_minute} attempts a minute and node");
        world.run_for(15 * SECOND);
        // Nobody is remembered, nobody can be told to have come back.
        let remembers = !config.reconnect_timeout.is_zero();
        for (side, others) in [(left, right.len()), (right, left.len())].into_iter().filter(|_| remembers) {
            for &node in side {
                let told = world.app(node).company();
                assert!(
                    told.iter().map(|(_, company)| returned(company)).sum::<usize>() >= others,
                    "{told:?}"
                );
                assert!(matches!(told.last(), Some((_, Company::Healed { missing: 0, .. }))), "{told:?}");
            }
        }
    });
}

#[test]
fn a_cluster_of_three_heals_without_seeds() {
    heals_after_ten_minutes(1, 2, &PoolConfig::lan(1));
}

#[test]
fn a_cluster_of_four_cut_in_the_middle_heals_without_seeds() {
    heals_after_ten_minutes(2, 2, &PoolConfig::lan(1));
}

#[test]
fn a_cluster_of_ten_heals_without_seeds() {
    heals_after_ten_minutes(3, 7, &PoolConfig::lan(1));
}

#[test]
fn a_cluster_of_fifty_heals_without_seeds() {
    heals_after_ten_minutes(25, 25, &PoolConfig::lan(1));
}

#[test]
fn a_few_of_fifty_come_back_without_seeds() {
    heals_after_ten_minutes(3, 47, &PoolConfig::lan(1));
}

#[test]
fn clusters_with_seeds_heal() {
    heals_after_ten_minutes(1, 2, &seeded(2));
    heals_after_ten_minutes(5, 5, &seeded(3));
}

/// The lost may be forgotten at once: then the seeds alone bring the two sides together.
#[test]
fn seeds_alone_heal_a_cluster() {
    let config = PoolConfig { reconnect_timeout: Duration::ZERO, ..seeded(2) };
    heals_after_ten_minutes(10, 10, &config);
}

#[test]
fn cuts_of_any_length_heal() {
    for seconds in [5, 15, 30, 45, 60, 120] {
        for_each_seed(2, |world| {
            let nodes = cluster(world, 12, &PoolConfig::lan(1));
            let (left, right) = nodes.split_at(4);

            let cut = world.partition(&[left, right]);
            world.run_for(seconds * SECOND);
            drop(cut);
            let took = world.run_until(2 * MINUTE, |world| world.agreed());

            println!("a cut of {seconds} s: agreed after {took:?}");
        });
    }
}

#[test]
fn a_cut_in_one_direction_heals() {
    for_each_seed(3, |world| {
        let nodes = cluster(world, 10, &PoolConfig::lan(1));
        let (left, right) = (nodes[..4].to_vec(), nodes[4..].to_vec());

        let cut = world.rule(move |packet: &Packet<'_>| {
            if left.contains(&packet.from) && right.contains(&packet.to) {
                Verdict::Drop
            } else {
                Verdict::Pass
            }
        });
        world.run_for(10 * MINUTE);
        drop(cut);
        world.run_until(MINUTE, |world| world.converged());

        world.run_until_agreed();
    });
}

#[test]
fn nodes_that_all_lost_each_other_find_together() {
    for_each_seed(3, |world| {
        let nodes = cluster(world, 10, &PoolConfig::lan(1));
        let alone: Vec<_> = nodes.iter().map(std::slice::from_ref).collect();

        let cut = world.partition(&alone);
        world.run_for(10 * MINUTE);
        for &node in &nodes {
            let told: Vec<_> = world.app(node).company().iter().map(|(_, company)| *company).collect();
            assert_eq!(told, [Company::Isolated]);
        }
        drop(cut);
        world.run_until(MINUTE, |world| world.converged());
        world.run_until_agreed();
        world.run_for(15 * SECOND);

        for &node in &nodes {
            let told: Vec<_> = world.app(node).company().iter().map(|(_, company)| *company).collect();
            let returned: usize = told.iter().map(returned).sum();
            assert_eq!((told[0], returned), (Company::Isolated, 9), "{told:?}");
            assert!(matches!(told.last(), Some(Company::Healed { missing: 0, .. })), "{told:?}");
        }
    });
}

fn returned(company: &Company) -> usize {
    match *company {
        Company::Healed { returned, .. } => returned,
        Company::Isolated => 0,
    }
}

#[test]
fn a_cluster_forms_by_its_seeds_alone() {
    for_each_seed(3, |world| {
        let nodes = world.spawn(20, &seeded(3));

        world.run_until(20 * SECOND, |world| world.agreed());
        world.run_for(15 * SECOND);

        for &node in &nodes {
            let healed = |(_, company): &(_, Company)| matches!(company, Company::Healed { returned: 0, .. });
            assert!(
                !world.app(node).company().iter().any(|told| !healed(told)),
                "{:?}",
                world.app(node).company()
            );
        }
    });
}

#[test]
fn whoever_starts_before_its_seeds_is_isolated_until_they_are_there() {
    for_each_seed(3, |world| {
        let seed = world.spawn(1, &PoolConfig::lan(1))[0];
        world.crash(seed);
        let early = world.spawn(3, &seeded(1));
        world.run_for(5 * MINUTE);
        assert!(early.iter().all(|&node| world.app(node).company().len() == 1));

        world.restart(seed);
        world.run_until(MINUTE, |world| world.agreed());
        world.run_for(15 * SECOND);

        for &node in &early {
            let told: Vec<_> = world.app(node).company().iter().map(|(_, company)| *company).collect();
            assert_eq!(told, [Company::Isolated, Company::Healed { returned: 0, missing: 0 }]);
        }
    });
}

#[test]
fn names_of_seeds_are_looked_up_again() {
    for_each_seed(3, |world| {
        let config = PoolConfig { seeds: vec!["seed.test".to_owned()], ..PoolConfig::lan(1) };
        let nodes = world.spawn(4, &config);
        world.run_for(2 * MINUTE);
        assert_eq!(world.machine(nodes[1]).stats().seeds_unresolved, 1);

        world.set_dns("seed.test", &[nodes[0]]);
        world.run_until(MINUTE, |world| world.agreed());

        // All but the seed are new, and so is its address.
        nodes.iter().for_each(|&node| world.crash(node));
        world.restart_elsewhere(nodes[0]);
        world.set_dns("seed.test", &[nodes[0]]);
        nodes[1..].iter().for_each(|&node| world.restart(node));
        world.run_until(MINUTE, |world| world.agreed());
    });
}

/// A seed that moved is found by its name, and takes its name along.
#[test]
fn a_seed_that_comes_back_elsewhere_is_found_by_its_name() {
    for_each_seed(3, |world| {
        let config = PoolConfig { seeds: vec!["seed.test".to_owned()], ..PoolConfig::lan(1) };
        let nodes = world.spawn(6, &config);
        world.set_dns("seed.test", &[nodes[0]]);
        world.run_until(MINUTE, |world| world.agreed());

        world.crash(nodes[0]);
        world.run_for(10 * MINUTE);
        world.restart_elsewhere(nodes[0]);
        world.set_dns("seed.test", &[nodes[0]]);
        let took = world.run_until(MINUTE, |world| world.agreed());

        println!("found after {took:?}");
    });
}

#[test]
fn a_whole_cluster_rejoins_nobody() {
    for_each_seed(2, |world| {
        let nodes = world.spawn(20, &seeded(3));
        world.run_until(MINUTE, |world| world.agreed());
        world.run_for(15 * SECOND);

        let before = attempts(world, &nodes);
        world.run_for(60 * MINUTE);

        assert_eq!(attempts(world, &nodes) - before, 0);
        assert_eq!(world.report().suspicions, 0);
    });
}

/// The work is shared: what all nodes together try does not grow with their number.
#[test]
fn a_seed_that_never_answers_costs_a_large_cluster_no_more_than_a_small_one() {
    for count in [5, 50] {
        for_each_seed(1, |world| {
            let nobody = "10.9.9.9:7946".to_owned();
            let config = PoolConfig { seeds: [seeds(2), vec![nobody]].concat(), ..PoolConfig::lan(1) };
            let nodes = world.spawn(count, &config);
            world.run_until(MINUTE, |world| world.agreed());
            world.run_for(MINUTE);

            let before = attempts(world, &nodes);
            world.run_for(60 * MINUTE);
            let a_minute = (attempts(world, &nodes) - before) as f64 / 60.0;

            println!("{count} nodes: {a_minute:.1} attempts a minute");
            assert!((1.0..12.0).contains(&a_minute), "{a_minute}");
        });
    }
}

#[test]
fn who_left_is_not_looked_for() {
    for_each_seed(2, |world| {
        let nodes = cluster(world, 4, &PoolConfig::lan(1));

        for &node in &nodes[1..] {
            world.leave(node);
            world.run_for(10 * SECOND);
            world.crash(node);
        }
        world.run_for(10 * MINUTE);

        let stats = world.machine(nodes[0]).stats();
        assert_eq!((stats.swim.inquiries, stats.rejoins, stats.members_lost), (0, 0, 0));
        assert_eq!(world.app(nodes[0]).company(), []);
    });
}

#[test]
fn a_node_that_has_left_looks_for_nobody_until_it_joins_again() {
    for_each_seed(2, |world| {
        let nodes = cluster(world, 4, &seeded(2));
        world.leave(nodes[3]);
        world.run_for(10 * MINUTE);
        assert!(nodes[..3].iter().all(|&node| !sees(world, node, nodes[3])));

        world.join(nodes[3], nodes[1]);
        world.run_until_agreed();
    });
}

#[test]
fn the_lost_are_forgotten_in_the_end() {
    for_each_seed(1, |world| {
        let config = PoolConfig { reconnect_timeout: 10 * MINUTE, ..PoolConfig::lan(1) };
        let nodes = cluster(world, 3, &config);
        world.crash(nodes[2]);
        world.run_for(5 * MINUTE);
        assert_eq!(world.machine(nodes[0]).stats().members_lost, 1);

        world.run_for(10 * MINUTE);
        let before = world.machine(nodes[0]).stats();
        world.run_for(10 * MINUTE);

        let after = world.machine(nodes[0]).stats();
        assert_eq!((after.members_lost, after.swim.inquiries), (0, before.swim.inquiries));
    });
}

/// Whoever was given the address of a lost member is somebody else, perhaps of another cluster.
#[test]
fn two_clusters_do_not_become_one_by_an_address_that_changed_hands() {
    for_each_seed(3, |world| {
        // A periodic push/pull with who has just crashed would join the clusters, as with memberlist: it names nobody.
        let config = PoolConfig { push_pull_interval: Duration::ZERO, ..PoolConfig::lan(1) };
        let ours = cluster(world, 4, &config);
        let theirs = world.spawn(4, &config);
        world.join_all(&theirs);
        world.run_for(20 * SECOND);

        let addr = world.addr(ours[3]);
        world.crash(ours[3]);
        world.restart_at(theirs[3], addr);
        world.join(theirs[3], theirs[0]);
        world.run_for(60 * MINUTE);

        assert!(ours[..3].iter().any(|&one| world.machine(one).stats().swim.inquiries > 0));
        assert!(ours[..3].iter().all(|&one| theirs.iter().all(|&other| world.state(one, other).is_none())));
        assert!(world.app(ours[0]).news_of(&world.name(theirs[3])).is_empty());
        assert!(!world.app(ours[0]).news_of(&world.name(ours[3])).contains(&News::Conflict));
    });
}

#[test]
fn lossy_networks_heal_too() {
    for_each_seed(3, |world| {
        world.set_quality(gossip_core::sim::link::Quality::lan().with_loss(0.1));
        let nodes = world.spawn(12, &seeded(2));
        world.run_until(2 * MINUTE, |world| world.converged());

        let cut = world.partition(&[&nodes[..6], &nodes[6..]]);
        world.run_for(10 * MINUTE);
        drop(cut);
        world.run_until(2 * MINUTE, |world| world.converged());
    });
}
