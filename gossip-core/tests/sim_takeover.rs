//! A known name at another address: a node that moved takes its name along at once, a
//! second node of the name is refused as long as the first one answers.
//!
//! That no name ever moves away from a process that has it is checked after every event.

use std::time::Duration;

use gossip_core::pool::config::PoolConfig;
use gossip_core::pool::machine::Received;
use gossip_core::sim::app::News;
use gossip_core::sim::bounds;
use gossip_core::sim::host::HostId;
use gossip_core::sim::link::Quality;
use gossip_core::sim::seed::for_each_seed;
use gossip_core::sim::world::World;
use gossip_core::swim::node::State;
use gossip_core::wire::encode::encode_alive;
use gossip_core::wire::message::Alive;

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);

fn cluster(world: &mut World, count: usize, config: &PoolConfig) -> Vec<HostId> {
    let nodes = world.spawn(count, config);
    world.join_all(&nodes);
    world.run_until_agreed();
    nodes
}

/// How long a move may take: each node asks for itself before it passes the news on.
fn bound(world: &World, nodes: &[HostId]) -> Duration {
    bounds::spread(world.tuning(nodes[0]), nodes.len()) + 10 * SECOND
}

/// Whether all know the host at its present address.
fn all_follow(world: &World, nodes: &[HostId], moved: HostId) -> bool {
    let addr = world.addr(moved);
    nodes.iter().filter(|&&node| world.is_up(node)).all(|&node| {
        world.belief(node, moved).is_some_and(|member| member.addr() == addr && member.state.is_live())
    })
}

fn conflicts(world: &World, nodes: &[HostId], name_of: HostId) -> usize {
    let name = world.name(name_of);
    let of = |&node: &HostId| {
        world.app(node).news_of(&name).iter().filter(|&news| *news == News::Conflict).count()
    };
    nodes.iter().map(of).sum()
}

#[test]
fn a_node_that_moved_takes_its_name_along_before_anybody_missed_it() {
    for_each_seed(3, |world| {
        let nodes = cluster(world, 20, &PoolConfig::lan(1));
        let moved = nodes[11];

        world.restart_elsewhere(moved);
        world.join(moved, nodes[0]);
        let took = world.run_until(bound(world, &nodes), |world| all_follow(world, &nodes, moved));
        world.run_until_agreed();
        world.run_for(2 * MINUTE);

        println!("known at its new address after {took:?}");
        assert!(world.agreed());
        assert_eq!(conflicts(world, &nodes, moved), 0);
        for &node in nodes.iter().filter(|&&node| node != moved) {
            let told = world.app(node).news_of(&world.name(moved));
            assert_eq!(told[..3], [News::Joined, News::Left(State::Dead), News::Joined], "{told:?}");
        }
        let takeovers = world.machine(nodes[0]).stats().swim.takeovers;
        assert_eq!(takeovers, 1);
    });
}

#[test]
fn a_node_that_is_suspected_or_dead_moves_as_well() {
    for seconds in [3, 8, 20, 40] {
        for_each_seed(2, |world| {
            let nodes = cluster(world, 20, &PoolConfig::lan(1));
            let moved = nodes[11];
            world.crash(moved);
            world.run_for(seconds * SECOND);

            world.restart_elsewhere(moved);
            world.join(moved, nodes[0]);
            let took = world.run_until(bound(world, &nodes), |world| all_follow(world, &nodes, moved));
            world.run_until_agreed();

            println!("{seconds} s after the crash: known at its new address after {took:?}");
            assert_eq!(conflicts(world, &nodes, moved), 0);
        });
    }
}

#[test]
fn a_node_may_move_back_and_forth() {
    for_each_seed(2, |world| {
        let nodes = cluster(world, 10, &PoolConfig::lan(1));
        let (moved, home) = (nodes[7], world.addr(nodes[7]));

        for _ in 0..2 {
            world.restart_elsewhere(moved);
            world.join(moved, nodes[0]);
            world.run_until(bound(world, &nodes), |world| all_follow(world, &nodes, moved));
            world.restart_at(moved, home);
            world.join(moved, nodes[0]);
            world.run_until(bound(world, &nodes), |world| all_follow(world, &nodes, moved));
        }
        world.run_until_agreed();
    });
}

#[test]
fn many_move_at_once() {
    for_each_seed(2, |world| {
        let nodes = cluster(world, 30, &PoolConfig::lan(1));
        let (stay, moved) = nodes.split_at(15);

        for &node in moved {
            world.restart_elsewhere(node);
            world.join(node, stay[0]);
        }
        world.run_until(2 * MINUTE, |world| moved.iter().all(|&moved| all_follow(world, &nodes, moved)));

        world.run_until_agreed();
    });
}

#[test]
fn a_second_node_of_a_name_is_refused_and_told_of() {
    for_each_seed(3, |world| {
        let nodes = cluster(world, 10, &PoolConfig::lan(1));
        let first = nodes[4];
        let second = world.spawn_as(first, &PoolConfig::lan(1));

        world.join(second, nodes[0]);
        world.run_for(2 * MINUTE);

        assert!(all_follow(world, &nodes, first));
        assert!(conflicts(world, &[nodes[0]], first) > 0);
        assert!(conflicts(world, &[second], first) > 0, "the second one is told, too");
        let takeovers: u64 = nodes.iter().map(|&node| world.machine(node).stats().swim.takeovers).sum();
        assert_eq!(takeovers, 0);
    });
}

#[test]
fn a_lossy_network_is_no_reason_to_give_a_name_away() {
    for_each_seed(5, |world| {
        let nodes = cluster(world, 10, &PoolConfig::lan(1));
        world.set_quality(Quality::lan().with_loss(0.15));
        let second = world.spawn_as(nodes[4], &PoolConfig::lan(1));

        for _ in 0..10 {
            world.join(second, nodes[0]);
            world.run_for(10 * SECOND);
        }
    });
}

#[test]
fn others_vouch_for_a_node_whose_name_is_claimed_where_it_cannot_be_reached() {
    for_each_seed(3, |world| {
        let nodes = cluster(world, 10, &PoolConfig::lan(1));
        let _there = world.cut(nodes[0], nodes[4]);
        let _back = world.cut(nodes[4], nodes[0]);
        let second = world.spawn_as(nodes[4], &PoolConfig::lan(1));

        world.join(second, nodes[0]);
        world.run_for(MINUTE);

        assert!(conflicts(world, &[nodes[0]], nodes[4]) > 0);
    });
}

#[test]
fn made_up_claims_cause_a_bounded_number_of_pings() {
    for_each_seed(1, |world| {
        let nodes = cluster(world, 120, &PoolConfig::lan(1));
        let names: Vec<_> = nodes[1..].iter().map(|&node| world.name(node)).collect();
        let before = world.machine(nodes[0]).stats().swim;

        for round in 0..50_u32 {
            for name in &names {
                let mut bytes = Vec::new();
                let alive = Alive {
                    incarnation: 1000 + round,
                    node: name.as_bytes().into(),
                    addr: Some([10, 9, 9, 9][..].into()),
                    port: 7946,
                    ..Alive::default()
                };
                encode_alive(&alive, &mut bytes);
                world.command(nodes[0], |machine, now| {
                    let from = ([10, 9, 9, 9], 7946).into();
                    machine.handle_packet(now, Received { from, at: now, bytes: &mut bytes });
                });
            }
            world.run_for(SECOND / 10);
        }

        let after = world.machine(nodes[0]).stats().swim;
        assert!(
            after.inquiries - before.inquiries <= 128,
            "{} inquiries in 5 s",
            after.inquiries - before.inquiries
        );
        assert!(after.inquiries_refused > 0);
        assert_eq!(after.takeovers, 0);
    });
}

#[test]
fn the_reclaim_time_still_lets_a_dead_name_move_unasked() {
    for_each_seed(1, |world| {
        let config = PoolConfig { dead_node_reclaim_time: SECOND, ..PoolConfig::lan(1) };
        let nodes = cluster(world, 10, &config);
        let moved = nodes[7];
        world.crash(moved);
        world.run_until(2 * MINUTE, |world| world.all_see(moved, State::Dead));
        world.run_for(2 * SECOND);

        world.restart_elsewhere(moved);
        world.join(moved, nodes[0]);
        world.run_until(3 * SECOND, |world| all_follow(world, &nodes, moved));
    });
}
