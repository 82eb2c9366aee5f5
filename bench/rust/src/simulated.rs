//! Pools of sizes that don't fit this machine, in the simulator: what the machines of their
//! nodes compute and send while nothing happens.

use std::time::Duration;

use gossip_core::pool::config::PoolConfig;
use gossip_core::sim::host::HostId;
use gossip_core::sim::link::Quality;
use gossip_core::sim::world::World;

use crate::measure::{Since, tell};

/// `count` nodes for `span` of virtual time, LAN preset.
pub(crate) fn run(count: usize, span: Duration) {
    let mut world = World::new(1);
    world.set_quality(Quality::lan());
    let nodes = world.spawn(count, &PoolConfig::lan(1));
    world.acquaint(&nodes);
    // Past the first push/pulls: they come within the interval of a small pool.
    world.run_for(PoolConfig::lan(1).push_pull_interval);
    let before = sent(&world, &nodes);
    let begun = Since::now();
    world.run_for(span);
    let cpu = begun.cpu();
    let after = sent(&world, &nodes);
    let each = |total: f64| total / count as f64 / span.as_secs_f64();
    tell(
        "simulated",
        &[
            ("cpu_ms", each(cpu * 1e3)),
            ("packets", each((after.packets - before.packets) as f64)),
            ("datagram_bytes", each((after.datagram_bytes - before.datagram_bytes) as f64)),
            ("stream_bytes", each((after.stream_bytes - before.stream_bytes) as f64)),
        ],
    );
}

struct Sent {
    packets: u64,
    datagram_bytes: u64,
    stream_bytes: u64,
}

fn sent(world: &World, nodes: &[HostId]) -> Sent {
    let mut sent = Sent { packets: 0, datagram_bytes: 0, stream_bytes: 0 };
    for &node in nodes {
        let stats = world.machine(node).stats();
        sent.packets += stats.packets_sent;
        sent.datagram_bytes += stats.bytes_sent;
        sent.stream_bytes += stats.stream_bytes_sent;
    }
    sent
}
