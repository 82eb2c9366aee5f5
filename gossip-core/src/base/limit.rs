//! How often the same warning is written: a log that repeats itself hides what matters.
//!
//! Sans I/O like everything here: the time is an argument.

use std::time::Duration;

use crate::base::time::Time;

/// Lets each reason pass at most once in [`Limiter::PERIOD`], and counts what it holds back.
///
/// Reasons are few and constant, so a list is the fastest table; it grows with the first
/// occurrence of each and never again.
#[derive(Debug, Default)]
pub struct Limiter {
    passed: Vec<Passed>,
}

#[derive(Debug)]
struct Passed {
    reason: &'static str,
    at: Time,
    suppressed: u64,
}

impl Limiter {
    /// Between two that pass for the same reason.
    pub const PERIOD: Duration = Duration::from_secs(60);

    /// Whether something may be said at `now` for this reason; how often it was not since
    /// the last time.
    pub fn pass(&mut self, now: Time, reason: &'static str) -> Option<u64> {
        let Some(passed) = self.passed.iter_mut().find(|passed| passed.reason == reason) else {
            self.passed.push(Passed { reason, at: now, suppressed: 0 });
            return Some(0);
        };
        if now.since(passed.at) < Self::PERIOD {
            passed.suppressed += 1;
            return None;
        }
        passed.at = now;
        Some(std::mem::take(&mut passed.suppressed))
    }
}

/// A warning at most once a minute for each `reason` (without one, for each message), with the
/// number `suppressed` since and a `hint`: what the operator should do. Nothing is counted while nobody listens, so whoever
/// begins to listen hears of the next occurrence.
macro_rules! warn_limited {
    ($limiter:expr, $now:expr, $message:literal, hint: $hint:expr $(, $($fields:tt)+)?) => {
        $crate::base::limit::warn_limited!(
            $limiter, $now, reason: $message, $message, hint: $hint $(, $($fields)+)?
        )
    };
    (
        $limiter:expr, $now:expr, reason: $reason:expr, $message:literal,
        hint: $hint:expr $(, $($fields:tt)+)?
    ) => {
        if tracing::enabled!(tracing::Level::WARN) {
            // A limiter may be behind a lock, which ends here.
            let passed = $limiter.pass($now, $reason);
            if let Some(suppressed) = passed {
                tracing::warn!($($($fields)+,)? suppressed, hint = $hint, $message);
            }
        }
    };
}
pub(crate) use warn_limited;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_reason_passes_once_a_minute_and_tells_what_was_held_back() {
        let (mut limiter, start) = (Limiter::default(), Time::ZERO);
        let at = |seconds| start + Duration::from_secs(seconds);

        assert_eq!(limiter.pass(at(0), "full"), Some(0));
        assert_eq!(limiter.pass(at(1), "full"), None);
        assert_eq!(limiter.pass(at(59), "full"), None);
        assert_eq!(limiter.pass(at(59), "slow"), Some(0), "another reason has its own minute");

        assert_eq!(limiter.pass(at(60), "full"), Some(2));
        assert_eq!(limiter.pass(at(61), "full"), None);
        assert_eq!(limiter.pass(at(500), "full"), Some(1));
        assert_eq!(limiter.pass(at(600), "full"), Some(0));
    }

    #[test]
    fn a_time_that_runs_backwards_lets_nothing_pass() {
        let (mut limiter, late) = (Limiter::default(), Time::ZERO + Duration::from_secs(100));

        limiter.pass(late, "full");

        assert_eq!(limiter.pass(Time::ZERO, "full"), None);
    }
}
