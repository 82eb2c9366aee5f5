//! How a newcomer comes to know everybody soon, and everybody the newcomer.
//!
//! The state that a join brings is that of one node at one moment. Where many nodes start at once
//! it lacks most of them, and gossip alone does not mend that: what is told is told a number of
//! times that grows with the pool, and the pool is small then for those who tell. With memberlist
//! one storm of fifty joins in six therefore takes until the first periodic push/pulls, half a minute
//! later. Here whoever has joined, or was joined and learned something, soon exchanges states with
//! somebody else, and again, after pauses that grow by half, as long as these bring news. In a pool at rest
//! that is two exchanges more for both.

use std::time::Duration;

use crate::base::time::Time;
use crate::swim::swim::{Swim, Timer};

/// The shortest pause before the first exchange.
const SHORTEST: Duration = Duration::from_millis(10);

/// One partner who knows no more may lack the same as we do.
const IDLE_MAX: u32 = 2;

/// A node that has joined, and may not know everybody yet.
#[derive(Debug)]
pub(crate) struct CatchUp {
    /// Between the last exchange and the next.
    pause: Duration,
    /// Exchanges in a row that brought nothing new.
    idle: u32,
}

impl Swim {
    /// Another node's state has been merged, by a join of either or otherwise; whether it was news.
    pub fn state_merged(&mut self, now: Time, by_join: bool, was_news: bool) {
        if let Some(catch_up) = &mut self.catch_up {
            if was_news {
                catch_up.idle = 0;
            }
        } else if by_join && was_news && !self.tuning.push_pull_interval.is_zero() {
            let pause = (self.tuning.gossip_interval / 3).max(SHORTEST);
            self.catch_up = Some(CatchUp { pause, idle: 0 });
            // Those who joined together do not ask together.
            let first = pause / 2 + self.rng.up_to(pause / 2);
            self.timers.set(now + first, Timer::CatchUp);
        }
    }

    /// Exchanges states once more, unless the last exchanges brought nothing new.
    pub(crate) fn catch_up(&mut self, now: Time) {
        let period = self.tuning.push_pull_interval;
        let Some(CatchUp { pause, idle }) = self.catch_up.take().filter(|last| last.pause < period) else {
            return;
        };
        if idle < IDLE_MAX {
            self.catch_up = Some(CatchUp { pause: pause + pause / 2, idle: idle + 1 });
            self.timers.set(now + pause, Timer::CatchUp);
            self.push_pull_tick();
        }
    }
}
