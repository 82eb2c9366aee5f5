//! Timers as data: an ordered map from time to what is due, with exact removal.

use std::collections::BTreeMap;

use crate::base::time::Time;

/// Names a timer that is set; never reused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct TimerKey(Time, u64);

impl TimerKey {
    /// When the timer is due.
    pub fn at(self) -> Time {
        self.0
    }
}

/// What is due when. Timers of the same time are due in the order in which they were set.
#[derive(Debug)]
pub struct Timers<T> {
    due: BTreeMap<TimerKey, T>,
    set: u64,
}

impl<T> Default for Timers<T> {
    fn default() -> Self {
        Self { due: BTreeMap::new(), set: 0 }
    }
}

impl<T> Timers<T> {
    /// `timer` becomes due at `at`.
    pub fn set(&mut self, at: Time, timer: T) -> TimerKey {
        self.set += 1;
        let key = TimerKey(at, self.set);
        self.due.insert(key, timer);
        key
    }

    /// Takes back a timer that has not become due.
    pub fn cancel(&mut self, key: TimerKey) -> Option<T> {
        self.due.remove(&key)
    }

    /// When the first timer is due.
    pub fn first(&self) -> Option<Time> {
        self.due.first_key_value().map(|(key, _)| key.0)
    }

    /// Takes the first timer that is due at `now`, with the time for which it was set.
    pub fn pop_due(&mut self, now: Time) -> Option<(Time, T)> {
        if self.first()? > now {
            return None;
        }
        self.due.pop_first().map(|(key, timer)| (key.0, timer))
    }

    /// How many are set.
    pub fn len(&self) -> usize {
        self.due.len()
    }

    /// True when nothing is due, ever.
    pub fn is_empty(&self) -> bool {
        self.due.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timers_come_due_in_order_and_only_once() {
        let mut timers = Timers::default();
        timers.set(Time::from_nanos(20), 'c');
        timers.set(Time::from_nanos(10), 'a');
        timers.set(Time::from_nanos(10), 'b');

        let due =
            std::iter::from_fn(|| timers.pop_due(Time::from_nanos(15))).map(|due| due.1).collect::<String>();

        assert_eq!(due, "ab");
        assert_eq!(timers.first(), Some(Time::from_nanos(20)));
    }

    #[test]
    fn a_cancelled_timer_never_comes_due() {
        let mut timers = Timers::default();
        let key = timers.set(Time::from_nanos(10), 'a');

        assert_eq!(timers.cancel(key), Some('a'));
        assert_eq!(timers.cancel(key), None);
        assert!(timers.pop_due(Time::FAR).is_none());
    }
}
