//! How fast a node begins rumours: a burst at once, then so much in each period. A node that
//! broadcasts in a loop would otherwise fill everybody's buffers, and what is lost there would
//! have to be repaired.

use std::time::Duration;

use crate::base::time::Time;

/// Bytes that may be begun in each period.
const PERIOD_BYTES: usize = 64 << 10;

/// A budget of bytes, filled up in each period.
#[derive(Debug)]
pub struct Pace {
    period: Duration,
    left: usize,
    filled: Time,
}

impl Pace {
    /// A full budget.
    pub fn new(period: Duration, now: Time) -> Self {
        Self { period, left: PERIOD_BYTES, filled: now }
    }

    /// Spends `bytes`, or as much as is left; false if nothing is.
    pub fn spend(&mut self, now: Time, bytes: usize) -> bool {
        if now.since(self.filled) >= self.period {
            self.left = PERIOD_BYTES;
            self.filled = now;
        }
        let may = self.left > 0;
        self.left = self.left.saturating_sub(bytes);
        may
    }

    /// When there is more to spend.
    pub fn next(&self) -> Time {
        self.filled + self.period
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_goes_at_once_and_the_rest_in_later_periods() {
        let period = Duration::from_millis(200);
        let mut pace = Pace::new(period, Time::ZERO);
        let mut spend = |now| (0..1000).filter(|_| pace.spend(now, 1024)).count();

        assert_eq!(spend(Time::ZERO), 64);
        assert_eq!(spend(Time::ZERO + period / 2), 0);
        assert_eq!(spend(Time::ZERO + period), 64);
        assert_eq!(pace.next(), Time::ZERO + period * 2);
    }
}
