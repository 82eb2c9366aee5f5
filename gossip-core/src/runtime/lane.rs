//! A serial lane: things done one after the other, by a thread that exists only while
//! there is something to do.
//!
//! ```text
//!   push to an idle lane    --> the caller starts a run
//!   push to a running lane  --> queued; the run finds it
//!   run: take, do, take, do ... nothing left --> idle
//! ```
//!
//! Whether the lane runs and what is queued change under one lock, so nothing is left
//! behind by a run that was just ending, and two runs never overlap.

use parking_lot::Mutex;

/// What a lane queues.
pub(crate) trait Queue {
    /// What is done one at a time.
    type Item;

    /// Takes the next, if there is one.
    fn take(&mut self) -> Option<Self::Item>;
}

/// A lane over the queue `Q`.
#[derive(Debug)]
pub(crate) struct Lane<Q> {
    state: Mutex<State<Q>>,
}

#[derive(Debug)]
struct State<Q> {
    queue: Q,
    running: bool,
    open: bool,
}

/// What to do after something was put into a lane.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub(crate) enum Then {
    /// Nothing: a run is under way, or the lane is closed.
    Leave,
    /// Start a run: call [`Lane::next`] until it gives nothing.
    Run,
}

impl Then {
    /// What to do after two things were put into one lane.
    pub(crate) fn or(self, other: Self) -> Self {
        if self == Self::Run { self } else { other }
    }
}

impl<Q: Queue> Lane<Q> {
    pub(crate) fn new(queue: Q) -> Self {
        Self { state: Mutex::new(State { queue, running: false, open: true }) }
    }

    /// Changes the queue; a closed lane stays as it is.
    pub(crate) fn put(&self, change: impl FnOnce(&mut Q)) -> Then {
        let mut state = self.state.lock();
        if !state.open {
            return Then::Leave;
        }
        change(&mut state.queue);
        state.begin()
    }

    /// Looks at the queue.
    pub(crate) fn look<T>(&self, look: impl FnOnce(&Q) -> T) -> T {
        look(&self.state.lock().queue)
    }

    /// Changes the queue for the last time: whatever is put later is ignored.
    pub(crate) fn close(&self, change: impl FnOnce(&mut Q)) -> Then {
        let mut state = self.state.lock();
        if !state.open {
            return Then::Leave;
        }
        state.open = false;
        change(&mut state.queue);
        state.begin()
    }

    /// The next thing of a run. Without one the run is over and the lane idle.
    pub(crate) fn next(&self) -> Option<Q::Item> {
        let mut state = self.state.lock();
        let item = state.queue.take();
        state.running = item.is_some();
        item
    }
}

impl<Q> State<Q> {
    fn begin(&mut self) -> Then {
        if std::mem::replace(&mut self.running, true) { Then::Leave } else { Then::Run }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;
    use std::sync::Arc;
    use std::thread;

    use super::*;

    impl Queue for VecDeque<u32> {
        type Item = u32;
        fn take(&mut self) -> Option<u32> {
            self.pop_front()
        }
    }

    #[test]
    fn only_a_push_to_an_idle_lane_starts_a_run() {
        let lane = Lane::new(VecDeque::new());

        assert_eq!(lane.put(|queue| queue.push_back(1)), Then::Run);
        assert_eq!(lane.put(|queue| queue.push_back(2)), Then::Leave);
        assert_eq!((lane.next(), lane.next(), lane.next()), (Some(1), Some(2), None));
        assert_eq!(lane.put(|queue| queue.push_back(3)), Then::Run);
    }

    #[test]
    fn a_closed_lane_takes_nothing_but_its_last_words() {
        let lane = Lane::new(VecDeque::from([1]));

        assert_eq!(lane.close(|queue| *queue = VecDeque::from([9])), Then::Run);
        assert_eq!(lane.put(|queue| queue.push_back(2)), Then::Leave);

        assert_eq!((lane.next(), lane.next()), (Some(9), None));
    }

    #[test]
    fn nothing_is_left_behind_and_the_order_is_kept_when_pushes_race_with_runs() {
        const COUNT: u32 = 20_000;
        let lane = Arc::new(Lane::new(VecDeque::new()));
        let seen = Arc::new(Mutex::new(Vec::new()));

        let mut runs = Vec::new();
        for number in 0..COUNT {
            if lane.put(|queue| queue.push_back(number)) == Then::Run {
                let (lane, seen) = (Arc::clone(&lane), Arc::clone(&seen));
                runs.push(thread::spawn(move || {
                    while let Some(number) = lane.next() {
                        seen.lock().push(number);
                    }
                }));
            }
        }
        runs.into_iter().for_each(|run| run.join().unwrap());

        assert!(seen.lock().iter().copied().eq(0..COUNT));
    }
}
