//! A cluster in which nothing happens.

use std::thread;
use std::time::Duration;

use super::Cluster;
use crate::measure::{Since, held, resident, tell};

/// What `count` nodes cost in `span`.
pub(crate) fn run(count: usize, span: Duration) {
    let (before, held_before) = (resident(), held());
    let cluster = Cluster::settled(count, |_| None);
    let sent = || -> (u64, u64) {
        let all = cluster.pools.iter().map(|pool| pool.stats().expect("it runs").machine);
        all.fold((0, 0), |(packets, bytes), stats| {
            let streams = stats.stream_bytes_sent + stats.stream_bytes_received;
            (packets + stats.packets_sent, bytes + stats.bytes_sent + streams)
        })
    };
    let packets = sent();
    let begun = Since::now();
    thread::sleep(span);
    let (wall, cpu) = (begun.wall(), begun.cpu());
    let sent = sent();
    let each = |total: f64| total / count as f64;
    tell(
        "steady",
        &[
            ("cpu_ms", each(cpu / wall * 1e3)),
            ("memory", each(resident() - before)),
            ("held", each((held() - held_before) as f64)),
            ("packets", each((sent.0 - packets.0) as f64 / wall)),
            ("bytes", each((sent.1 - packets.1) as f64 / wall)),
        ],
    );
    cluster.end();
}
