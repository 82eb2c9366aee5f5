//! How a newcomer comes to know everybody soon, and everybody the newcomer.
//!
//! The state that a join brings is that of one node at one moment. Where many nodes start at once
//! it lacks most of them, and gossip alone does not mend that: what is told is told a number of
//! times that grows with the pool, and the pool is small then for those who tell. With memberlist
//! one storm of fifty joins in six therefore takes until the first periodic push/pulls, half a minute
//! later. Here whoever has joined, or was joined and learned something, soon exchanges states with
//! somebody else, and again, after pauses that double, as long as these bring news. In a pool at rest
//! that is one exchange more for both.

use std::time::Duration;

use crate::base::time::Time;
use crate::swim::swim::{Swim, Timer};

/// The shortest pause before the first exchange.
const SHORTEST: Duration = Duration::from_millis(10);

/// A node that has joined, and may not know everybody yet.
#[derive(Debug)]
pub(crate) struct CatchUp {
    /// Between the last exchange and the next.
    pause: Duration,
    /// A state merged meanwhile changed something.
    has_news: bool,
}

impl Swim {
    /// Another node's state has been merged, by a join of either or otherwise; whether it was news.
    pub fn state_merged(&mut self, now: Time, by_join: bool, was_news: bool) {
        if let Some(catch_up) = &mut self.catch_up {
            catch_up.has_news |= was_news;
        } else if by_join && was_news && !self.tuning.push_pull_interval.is_zero() {
            let pause = self.tuning.gossip_interval.max(SHORTEST);
            self.catch_up = Some(CatchUp { pause, has_news: true });
            // Those who joined together do not ask together.
            let first = pause / 2 + self.rng.up_to(pause / 2);
            self.timers.set(now + first, Timer::CatchUp);
        }
    }

    /// Exchanges states once more, unless the last exchange brought nothing new.
    pub(crate) fn catch_up(&mut self, now: Time) {
        let period = self.tuning.push_pull_interval;
        let Some(CatchUp { pause, has_news: true }) = self.catch_up.take_if(|last| last.pause < period)
        else {
            self.catch_up = None;
            return;
        };
        self.catch_up = Some(CatchUp { pause: pause * 2, has_news: false });
        self.timers.set(now + pause, Timer::CatchUp);
        self.push_pull_tick();
    }
}
