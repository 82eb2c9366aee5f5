//! The only place that reads the clock.
//!
//! Everything else is told the time; a node counts it from its own start.

use std::time::{Duration, Instant, SystemTime};

use crate::base::time::Time;

/// A node's clock: monotonic, counted from when it was made.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Clock {
    epoch: Instant,
    /// What the clock on the wall showed then.
    wall: SystemTime,
}

impl Clock {
    /// A clock that shows zero.
    #[allow(clippy::disallowed_methods)]
    pub(crate) fn start() -> Self {
        Self { epoch: Instant::now(), wall: SystemTime::now() }
    }

    /// The time on the wall, for people.
    #[allow(clippy::disallowed_methods)]
    pub(crate) fn wall() -> SystemTime {
        SystemTime::now()
    }

    /// The time now.
    pub(crate) fn now(self) -> Time {
        Time::ZERO + self.epoch.elapsed()
    }

    /// The time of day at `time`, as if the clock on the wall had not been set since the start.
    pub(crate) fn wall_at(self, time: Time) -> SystemTime {
        self.wall.checked_add(time.since(Time::ZERO)).unwrap_or(self.wall)
    }

    /// How long it is until `time`; zero if it has passed.
    pub(crate) fn until(self, time: Time) -> Duration {
        time.since(self.now())
    }

    /// The moment at which a timer set for `time` goes off.
    pub(crate) fn moment(self, time: Time) -> tokio::time::Instant {
        let ahead = time.since(Time::ZERO).min(FAR_AHEAD);
        (self.epoch + ahead).into()
    }
}

/// Timers further ahead are as good as never, and stay clear of what an `Instant` can hold.
const FAR_AHEAD: Duration = Duration::from_secs(30 * 365 * 24 * 3600);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_farthest_time_has_a_moment() {
        let clock = Clock::start();

        assert!(clock.moment(Time::FAR) > clock.moment(clock.now() + Duration::from_secs(3600)));
    }

    #[test]
    fn nothing_is_left_of_a_time_that_has_passed() {
        let clock = Clock::start();

        assert_eq!(clock.until(Time::ZERO), Duration::ZERO);
        assert!(clock.until(clock.now() + Duration::from_secs(60)) > Duration::from_secs(50));
    }
}
