//! How long the protocol may take, from its numbers alone.
//!
//! The formulas are written here once more (behaviour 6, 10, 11), so that a mistake in
//! the rules does not hide in the expectation.

use std::time::Duration;

use crate::swim::tuning::Tuning;

/// The shortest and the longest time a suspect has to refute, in a cluster of `nodes`.
pub fn suspicion(tuning: &Tuning, nodes: usize) -> (Duration, Duration) {
    let scale = (nodes.max(1) as f64).log10().max(1.0);
    let least = tuning.probe_interval.mul_f64(f64::from(tuning.suspicion_mult) * scale);
    (least, least * tuning.suspicion_max_timeout_mult)
}

/// The time in which a broadcast reaches everybody who can be reached: `2 log2(n)`
/// rounds are what rumours need, with room for the queue it waits in.
pub fn spread(tuning: &Tuning, nodes: usize) -> Duration {
    tuning.gossip_interval * (8 + 2 * log2(nodes))
}

/// The time in which everybody finds that a node has crashed, in an otherwise healthy
/// network: somebody probes it, the suspicion runs out at the latest after its longest
/// time, and the word spreads.
///
/// Each of the others picks it with chance `1/n` in each interval, so that all miss it
/// `k` times in a row with chance `e^-k`; 14 misses are one in a million.
pub fn detection(tuning: &Tuning, nodes: usize) -> Duration {
    tuning.probe_interval * 15 + suspicion(tuning, nodes).1 + spread(tuning, nodes)
}

/// The time in which all views agree once faults have ended: the slowest node, doubting
/// itself as much as it may, finds what is still wrong, suspicions run out or are
/// refuted, and each node has exchanged its state with a few others.
pub fn agreement(tuning: &Tuning, nodes: usize) -> Duration {
    let probing = tuning.probe_interval * 15 * tuning.awareness_max;
    let exchanging = tuning.push_pull_interval * 4 * push_pull_scale(nodes);
    probing + suspicion(tuning, nodes).1 + exchanging + spread(tuning, nodes) + tuning.stream_timeout
}

fn push_pull_scale(nodes: usize) -> u32 {
    if nodes <= 32 { 1 } else { log2(nodes) - 4 }
}

/// The logarithm to base 2, rounded up.
fn log2(nodes: usize) -> u32 {
    nodes.max(1).next_power_of_two().ilog2()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pool::config::PoolConfig;

    #[test]
    fn the_formulas_give_memberlists_numbers() {
        let checked = PoolConfig::lan(0).check().unwrap();

        let (least, most) = suspicion(checked.tuning(), 100);

        assert_eq!((least, most), (Duration::from_secs(8), Duration::from_secs(48)));
        assert_eq!([32, 33, 64, 65, 128].map(push_pull_scale), [1, 2, 2, 3, 3]);
    }
}
