//! Lifeguard's three ideas, each where it matters: a node that may itself be at fault is
//! slow to accuse, the accused get to know at once, a missing "no" is a sign too.

use std::time::Duration;

use gossip_core::pool::config::PoolConfig;
use gossip_core::sim::app::News;
use gossip_core::sim::bounds;
use gossip_core::sim::host::HostId;
use gossip_core::sim::seed::for_each_seed;
use gossip_core::sim::world::World;
use gossip_core::swim::node::State;

const SECOND: Duration = Duration::from_secs(1);

fn cluster(world: &mut World, count: usize, config: &PoolConfig) -> Vec<HostId> {
    let nodes = world.spawn(count, config);
    world.join_all(&nodes);
    world.run_until_agreed();
    nodes
}

#[test]
fn a_lonely_accuser_doubts_itself_and_waits() {
    for_each_seed(3, |world| {
        let nodes = cluster(world, 40, &PoolConfig::lan(1));
        let lonely = nodes[5];
        let (least, most) = bounds::suspicion(world.tuning(lonely), nodes.len());
        let probes = world.machine(lonely).stats().swim.probes;

        let lost = world.isolate(lonely);
        world.run_for(least + 14 * SECOND);

        assert!(least + 14 * SECOND < most);
        assert!(world.machine(lonely).stats().members[State::Suspect as usize] > 0, "it accused nobody");
        let declared = |event: &&gossip_core::sim::app::Event| matches!(event.news, News::Left(_));
        assert_eq!(world.app(lonely).events().iter().filter(declared).count(), 0, "it declared others dead");
        assert!(world.machine(lonely).health() >= 3);
        let probes = world.machine(lonely).stats().swim.probes - probes;
        assert!(probes <= 12, "it went on probing in haste: {probes} times");

        drop(lost);
        world.join(lonely, nodes[0]);
        world.run_until_agreed();
        world.run_until(60 * SECOND, |world| world.machine(lonely).health() == 0);
    });
}

#[test]
fn helpers_that_say_no_keep_an_accuser_from_doubting_itself() {
    for_each_seed(3, |world| {
        // A nack takes two probe timeouts; with the preset it comes just after the round.
        let config = PoolConfig { probe_timeout: SECOND / 5, ..PoolConfig::lan(1) };
        let nodes = cluster(world, 20, &config);
        let crashed = nodes[7];

        world.crash(crashed);
        let others: Vec<_> = nodes.iter().copied().filter(|&node| node != crashed).collect();
        world.run_until(60 * SECOND, |world| {
            assert!(others.iter().all(|&node| world.machine(node).health() == 0));
            world.all_see(crashed, State::Dead)
        });
    });
}

#[test]
fn helpers_that_say_nothing_make_an_accuser_doubt_itself() {
    for_each_seed(3, |world| {
        let config = PoolConfig { probe_timeout: SECOND / 5, ..PoolConfig::lan(1) };
        let nodes = cluster(world, 20, &config);
        let deaf = nodes[7];

        let _cuts: Vec<_> = nodes.iter().map(|&node| world.cut(node, deaf)).collect();
        world.run_for(5 * SECOND);

        assert!(world.machine(deaf).health() >= 3);
    });
}

#[test]
fn a_suspect_learns_of_it_from_whoever_probes_it() {
    for_each_seed(3, |world| {
        // Suspicions last 60 s, and nothing but probes tells of them after the first second.
        let config =
            PoolConfig { suspicion_mult: 60, push_pull_interval: Duration::ZERO, ..PoolConfig::lan(1) };
        let nodes = world.spawn(10, &config);
        world.join_all(&nodes);
        world.run_for(5 * SECOND);
        // Without push/pull a broadcast that missed somebody is not made good.
        world.join_all(&nodes);
        world.run_for(5 * SECOND);
        assert!(world.agreed());

        let lost = world.isolate(nodes[5]);
        world.run_until(20 * SECOND, |world| world.state(nodes[0], nodes[5]) == Some(State::Suspect));
        world.run_for(4 * SECOND);

        drop(lost);
        world.run_for(65 * SECOND);

        // A refutation may miss one; left to themselves, all nine would declare it.
        let declared = nodes.iter().filter(|&&node| world.app(node).news_of(&world.name(nodes[5])).len() > 1);
        assert!(declared.count() <= 2, "{}", world.report());
    });
}
