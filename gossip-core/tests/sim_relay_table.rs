//! How well relayed broadcasts do, measured: the table of `docs/broadcast.md`.
//!
//! ```text
//! make relay-table
//! ```
//!
//! `GOSSIP_RELAY_NODES` gives the sizes and `GOSSIP_RELAY_LOSS` the shares lost, separated by commas.

use std::time::Duration;

use gossip_core::pool::config::PoolConfig;
use gossip_core::sim::host::HostId;
use gossip_core::sim::link::Quality;
use gossip_core::sim::world::World;

const SECOND: Duration = Duration::from_secs(1);
const MESSAGES: usize = 10;
/// How long stragglers are waited for.
const PATIENCE: Duration = Duration::from_secs(60);

/// What a run came to.
#[derive(Debug)]
struct Measured {
    /// Share of the members that got each message.
    delivered: f64,
    /// Copies of a message that a member got, on average.
    copies: f64,
    /// Share of the deliveries that were repairs.
    repaired: f64,
    /// Datagram bytes more than an idle pool sends, for each member and message.
    bytes: f64,
    /// From the broadcast until half, 99 in 100 and all of the members had it; the worst message.
    half: Duration,
    most: Duration,
    last: Duration,
}

fn bytes_sent(world: &World, nodes: &[HostId]) -> u64 {
    nodes.iter().map(|&node| world.machine(node).stats().bytes_sent).sum()
}

fn measure(members: usize, loss: f64, seed: u64) -> Measured {
    let mut world = World::new(seed);
    let config =
        PoolConfig { enable_compression: false, push_pull_interval: Duration::ZERO, ..PoolConfig::lan(1) };
    world.set_quality(Quality::lan());
    let nodes = world.spawn(members, &config);
    world.acquaint(&nodes);
    world.set_quality(Quality::lan().with_loss(loss));
    world.run_for(2 * SECOND);
    let idle_begun = bytes_sent(&world, &nodes);
    world.run_for(5 * SECOND);
    let idle = (bytes_sent(&world, &nodes) - idle_begun) as f64 / 5.0;

    let begun_bytes = bytes_sent(&world, &nodes);
    let start = world.now();
    let mut begun = Vec::new();
    for number in 0..MESSAGES {
        let origin = nodes[world.rng().below(members)];
        let text = format!("{number:03} {}", "x".repeat(96));
        begun.push((text.clone(), world.now()));
        world.broadcast(origin, text.as_bytes()).unwrap();
        world.run_for(SECOND / 2);
    }
    let expected = (members - 1) * MESSAGES;
    let got = |world: &World| nodes.iter().map(|&node| world.app(node).messages().len()).sum::<usize>();
    let end = world.now() + PATIENCE;
    while got(&world) < expected && world.now() < end {
        world.run_for(SECOND);
    }
    world.run_for(5 * SECOND);

    let passed = world.now().since(start).as_secs_f64();
    let extra = (bytes_sent(&world, &nodes) - begun_bytes) as f64 - idle * passed;
    let mut measured = Measured {
        delivered: got(&world) as f64 / expected as f64,
        copies: 0.0,
        repaired: 0.0,
        bytes: extra / expected as f64,
        half: Duration::ZERO,
        most: Duration::ZERO,
        last: Duration::ZERO,
    };
    for &node in &nodes {
        let stats = world.machine(node).stats();
        measured.copies += stats.relay_received as f64 / expected as f64;
        measured.repaired += stats.relay_repaired as f64 / expected as f64;
    }
    for (text, at) in begun {
        let heard = nodes.iter().flat_map(|&node| world.app(node).messages());
        let mut times: Vec<_> = heard
            .filter(|message| message.bytes == text.as_bytes())
            .map(|message| message.at.since(at))
            .collect();
        times.sort();
        let nth = |share: f64| {
            times.get(((times.len() as f64 * share) as usize).min(times.len().saturating_sub(1)))
        };
        let worst = |known: Duration, share| nth(share).map_or(known, |time| known.max(*time));
        measured.half = worst(measured.half, 0.5);
        measured.most = worst(measured.most, 0.99);
        measured.last = worst(measured.last, 1.0);
    }
    measured
}

#[test]
#[ignore = "a campaign: make relay-table"]
fn table() {
    let given = |name, default: &str| std::env::var(name).unwrap_or_else(|_| default.to_owned());
    let sizes = given("GOSSIP_RELAY_NODES", "3,30,300,3000");
    let losses = given("GOSSIP_RELAY_LOSS", "0,0.05,0.2");
    println!("| members | loss | delivered | copies | repaired | bytes | half | 99 % | all |");
    println!("| ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |");
    for members in sizes.split(',').map(|size| size.parse().expect("sizes separated by commas")) {
        for loss in losses.split(',').map(|loss| loss.parse().expect("shares separated by commas")) {
            let it = measure(members, loss, 1);
            // What lost datagrams do to the membership outweighs what broadcasts cost.
            let bytes = if loss <= 0.05 { format!("{:.0}", it.bytes) } else { "–".to_owned() };
            let millis = |time: Duration| time.as_secs_f64() * 1000.0;
            println!(
                "| {members} | {:.0} % | {:.4} % | {:.3} | {:.1} % | {bytes} | {:.1} ms | {:.1} ms | {:.0} ms |",
                loss * 100.0,
                it.delivered * 100.0,
                it.copies,
                it.repaired * 100.0,
                millis(it.half),
                millis(it.most),
                millis(it.last)
            );
            if loss <= 0.05 {
                assert!(it.delivered == 1.0, "{members} members, {loss}: {it:?}");
            }
        }
    }
}
