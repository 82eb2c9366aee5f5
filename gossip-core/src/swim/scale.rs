//! The logarithmic formulas: how timeouts, transmissions and periods grow with the pool.
//!
//! All of them reproduce Go's arithmetic exactly, because a cluster works best when its
//! members agree on them; `math.json` of the golden vectors holds Go's results.

use std::time::Duration;

/// Up to this many members push/pull runs at its base period. Go: `pushPullScaleThreshold`.
const PUSH_PULL_THRESHOLD: usize = 32;

/// The shortest suspicion timeout among `members`: `mult · max(1, log10 N) · probe_interval`,
/// the logarithm cut to thousandths. Go: `suspicionTimeout`.
pub fn suspicion_timeout(mult: u32, members: usize, probe_interval: Duration) -> Duration {
    let scale = (members.max(1) as f64).log10().max(1.0);
    let thousandths = (scale * 1000.0) as u128;
    nanos(u128::from(mult) * thousandths * probe_interval.as_nanos() / 1000)
}

/// How long after its start a suspicion with `confirmations` of `expected` ends. Go: `remainingSuspicionTime`.
///
/// `max − (ln(n+1) / ln(k+1)) · (max − min)` in seconds, cut to whole milliseconds, at least `min`.
pub fn suspicion_total(confirmations: u32, expected: u32, min: Duration, max: Duration) -> Duration {
    let share = f64::from(confirmations + 1).ln() / f64::from(expected + 1).ln();
    let raw = max.as_secs_f64() - share * (max.as_secs_f64() - min.as_secs_f64());
    let millis = (1000.0 * raw).floor().max(0.0);
    Duration::from_millis(millis as u64).max(min)
}

/// How often a broadcast is sent among `members`: `mult · ceil(log10(N + 1))`. Go: `retransmitLimit`.
pub fn retransmit_limit(mult: u32, members: usize) -> u32 {
    let scale = ((members + 1) as f64).log10().ceil();
    mult.saturating_mul(scale as u32)
}

/// The period of push/pull among `members`. Go: `pushPullScale`.
pub fn push_pull_period(interval: Duration, members: usize) -> Duration {
    if members <= PUSH_PULL_THRESHOLD {
        return interval;
    }
    let steps = ((members as f64).log2() - (PUSH_PULL_THRESHOLD as f64).log2()).ceil() + 1.0;
    interval.saturating_mul(steps as u32)
}

fn nanos(nanos: u128) -> Duration {
    Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::swim::vectors::load;
    use serde_json::Value;

    fn number(value: &Value, key: &str) -> u64 {
        value[key].as_u64().unwrap_or_else(|| panic!("{key} in {value}"))
    }

    fn span(value: &Value, key: &str) -> Duration {
        Duration::from_nanos(number(value, key))
    }

    /// Runs `check` on every vector of `kind`; it must be there `count` times.
    fn each(kind: &str, count: usize, check: impl Fn(&Value) -> i128) {
        let vectors = load("math");
        let chosen: Vec<_> = vectors.iter().filter(|vector| vector["type"] == kind).collect();
        assert_eq!(chosen.len(), count);
        for vector in chosen {
            let want = i128::from(vector["expect"]["result"].as_i64().unwrap());
            assert_eq!(check(&vector["params"]), want, "{}", vector["id"]);
        }
    }

    #[test]
    fn suspicion_timeouts_are_those_of_go() {
        each("suspicionTimeout_ns", 126, |p| {
            let members = number(p, "n") as usize;
            suspicion_timeout(number(p, "mult") as u32, members, span(p, "interval_ns")).as_nanos() as i128
        });
    }

    #[test]
    fn remaining_suspicion_is_that_of_go() {
        each("remainingSuspicion_ns", 108, |p| {
            let (n, k) = (number(p, "n") as u32, number(p, "k") as u32);
            let total = suspicion_total(n, k, span(p, "min_ns"), span(p, "max_ns"));
            total.as_nanos() as i128 - i128::from(number(p, "elapsed_ns"))
        });
    }

    #[test]
    fn retransmit_limits_are_those_of_go() {
        each("retransmitLimit", 52, |p| {
            i128::from(retransmit_limit(number(p, "mult") as u32, number(p, "n") as usize))
        });
    }

    #[test]
    fn push_pull_periods_are_those_of_go() {
        each("pushPullScale_ns", 14, |p| {
            push_pull_period(span(p, "interval_ns"), number(p, "n") as usize).as_nanos() as i128
        });
    }
}
