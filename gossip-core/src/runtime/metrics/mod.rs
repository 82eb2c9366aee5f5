//! The metrics as text for Prometheus, made of one table.
//!
//! [`table`] says of each metric its name, its type, what it means and
//! where its values come from; `text` goes through it once, so that each metric is
//! described once and its lines stand together. memberlist's own metrics have the names that
//! its Prometheus sink gives them in Go, so that dashboards made for it work; all others are
//! named as Prometheus wants it. `docs/metrics.md` is made of the same table.

mod lines;
mod port_table;
pub mod table;

use lines::Lines;
use table::Read;

use crate::net::port::{Port, PortQueues};
use crate::net::stats::PortStats;
use crate::runtime::pool::Pool;
use crate::runtime::stats::PoolStats;

/// What the metrics of a port are read from.
pub(crate) struct PortReport {
    pub(crate) stats: PortStats,
    pub(crate) queues: PortQueues,
}

/// The metrics of `port`, if it is given, and of `pools`.
pub(crate) fn text(port: Option<&Port>, pools: &[Pool]) -> String {
    let port = port.map(|port| PortReport { stats: port.stats(), queues: port.queues() });
    let pools: Vec<_> = reports(pools);
    let mut lines = Lines::default();
    for metric in table::all() {
        lines.begin(metric);
        match metric.read {
            Read::Port(read) => port.iter().for_each(|port| {
                lines.set_common("");
                read(port, &mut lines);
            }),
            Read::Pool(read) => pools.iter().for_each(|(labels, pool)| {
                lines.set_common(labels);
                read(pool, &mut lines);
            }),
        }
    }
    lines.finish()
}

/// The counters of each pool, with the labels that its lines have in common. All drivers are
/// asked before the first is waited for.
fn reports(pools: &[Pool]) -> Vec<(String, PoolStats)> {
    let asked: Vec<_> = pools.iter().map(|pool| (pool, pool.ask_driven())).collect();
    let report = |(pool, answer): (&Pool, Option<crossbeam_channel::Receiver<_>>)| {
        // A driver that is not there has left behind what it had counted.
        let driven = answer.and_then(|answer| answer.recv().ok()).unwrap_or_else(|| pool.0.remembered());
        (lines::common(pool.config()), PoolStats::of(&pool.0, driven))
    };
    asked.into_iter().map(report).collect()
}
