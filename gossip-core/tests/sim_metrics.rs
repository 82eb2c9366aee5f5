//! What a machine measures, against a network that is known to the nanosecond.

use std::time::Duration;

use gossip_core::BroadcastMode;
use gossip_core::pool::config::PoolConfig;
use gossip_core::pool::stats::Stats;
use gossip_core::sim::host::HostId;
use gossip_core::sim::link::{Latency, Quality};
use gossip_core::sim::seed::for_each_seed;
use gossip_core::sim::world::World;
use gossip_core::wire::keyring::{Key, Keyring};

const SECOND: Duration = Duration::from_secs(1);
const ONE_WAY: Duration = Duration::from_millis(3);

/// Two that know each other over links that take exactly `ONE_WAY`.
fn two(world: &mut World, config: &PoolConfig) -> [HostId; 2] {
    world.set_quality(Quality::lan().with_latency(Latency::Fixed(ONE_WAY)));
    let nodes = world.spawn(2, config);
    world.join_all(&nodes);
    world.run_until_agreed();
    [nodes[0], nodes[1]]
}

fn stats(world: &World, node: HostId) -> Stats {
    world.machine(node).stats()
}

#[test]
fn a_probe_lasts_as_long_as_the_way_there_and_back() {
    for_each_seed(3, |world| {
        let nodes = two(world, &PoolConfig::lan(1));

        world.run_for(20 * SECOND);

        for node in nodes {
            let swim = stats(world, node).swim;
            let count = swim.probe_duration.count();
            assert!(count >= 18 && swim.probes - count <= 1, "all but a running one are measured: {swim:?}");
            assert_eq!(swim.probe_duration.total(), 2 * ONE_WAY * u32::try_from(count).unwrap());
        }
    });
}

#[test]
fn a_probe_without_an_answer_lasts_the_whole_round() {
    for_each_seed(3, |world| {
        let [node, other] = two(world, &PoolConfig::lan(1));
        world.run_for(5 * SECOND);

        world.crash(other);
        world.run_until(10 * SECOND, |world| stats(world, node).swim.probes_failed == 1);

        let durations = stats(world, node).swim.probe_duration;
        let answered = u32::try_from(durations.count() - 1).unwrap();
        let silent = durations.total() - 2 * ONE_WAY * answered;
        let round = PoolConfig::lan(1).probe_interval;
        // Timers of simulated hosts fire a little late, as real ones do.
        assert!(silent >= round && silent < round + Duration::from_millis(10), "{silent:?}");
    });
}

#[test]
fn a_push_pull_lasts_as_long_as_connecting_asking_and_answering() {
    for_each_seed(3, |world| {
        let [first, second] = two(world, &PoolConfig::lan(1));

        let begun = stats(world, second).push_pull_duration;

        assert_eq!((begun.count(), begun.total()), (1, 4 * ONE_WAY), "of the one that joined");
        assert_eq!(stats(world, first).push_pull_duration.count(), 0);
        world.run_for(60 * SECOND);
        let periodic = stats(world, first).push_pull_duration;
        assert!(periodic.count() >= 1);
        assert_eq!(periodic.total(), 4 * ONE_WAY * u32::try_from(periodic.count()).unwrap());
    });
}

#[test]
fn bytes_and_sizes_of_states_are_the_same_at_both_ends() {
    let key = Key::new(&[1; 16]).unwrap();
    let encrypted = Keyring::new([key.clone()], Some(key)).unwrap();
    for (keyring, compression) in [(Keyring::default(), false), (Keyring::default(), true), (encrypted, true)]
    {
        for_each_seed(2, |world| {
            let config = PoolConfig {
                keyring: keyring.clone(),
                enable_compression: compression,
                label: "dc1".into(),
                push_pull_interval: Duration::ZERO,
                ..PoolConfig::lan(1)
            };
            let [asked, asking] = two(world, &config).map(|node| stats(world, node));

            assert_eq!((asking.streams_connected, asked.streams_accepted), (1, 1));
            assert_eq!(asking.stream_bytes_sent, asked.stream_bytes_received + 2, "the pool's prefix");
            assert_eq!(asking.stream_bytes_received, asked.stream_bytes_sent);
            let front = 3 + 2 + if keyring.is_empty() { 0 } else { 5 };
            assert_eq!(
                asking.local_state_bytes,
                asked.stream_bytes_received - front,
                "behind label and head"
            );
            for (sent, received) in [(&asking, &asked), (&asked, &asking)] {
                assert_eq!(received.remote_state_size.count(), 1);
                assert_eq!(received.remote_state_size.total(), sent.local_state_bytes);
            }
        });
    }
}

#[test]
fn the_queue_of_news_is_sampled_in_its_interval_or_never() {
    for_each_seed(2, |world| {
        let sampled = PoolConfig { queue_check_interval: SECOND, ..PoolConfig::lan(1) };
        let never = PoolConfig { queue_check_interval: Duration::ZERO, ..PoolConfig::lan(1) };
        let [one, other] = [world.spawn(1, &sampled)[0], world.spawn(1, &never)[0]];

        world.run_for(10 * SECOND + SECOND / 2);
        // They are at rest: the samples are taken when something happens or somebody looks.
        for node in [one, other] {
            world.command(node, |machine, now| machine.note_time(now));
        }

        let samples = stats(world, one).broadcast_queue;
        // It has announced itself, and nobody is there to take the news.
        assert_eq!((samples.count(), samples.sum()), (10, 10.0));
        assert_eq!(stats(world, other).broadcast_queue.count(), 0);
    });
}

#[test]
fn rounds_of_gossip_are_counted_and_there_are_none_without_something_to_tell() {
    for_each_seed(2, |world| {
        let config = PoolConfig { broadcast_mode: BroadcastMode::Plain, ..PoolConfig::lan(1) };
        let [node, _] = two(world, &config);
        let rounds = |world: &World| stats(world, node).swim.gossip_rounds;
        world.run_for(10 * SECOND);
        let before = rounds(world);

        world.run_for(10 * SECOND);
        assert_eq!(rounds(world), before);

        world.broadcast(node, b"news").unwrap();
        world.run_for(10 * SECOND);
        // To the only other member, as often as a broadcast is sent in a pool of two.
        assert_eq!(rounds(world) - before, 4);
    });
}

#[test]
fn a_broadcast_that_nobody_can_hear_is_counted() {
    for_each_seed(1, |world| {
        let alone = world.spawn(1, &PoolConfig::lan(1))[0];

        world.broadcast(alone, b"anybody?").unwrap();

        assert_eq!(stats(world, alone).broadcasts_unheard, 1);
    });
}
