//! Counts what still runs for a pool, for those who wait for its end.

use std::sync::{Arc, Condvar, Mutex};

use crate::base::lock::{lock, wait_while};
use crate::base::time::Time;
use crate::runtime::clock::Clock;

/// How many things run: a driver, and the lanes that are in a callback.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    running: Mutex<usize>,
    none: Condvar,
}

/// Something that runs, until this is dropped.
#[derive(Debug)]
pub(crate) struct Running(Arc<Tally>);

impl Tally {
    /// Counts one more until the guard is dropped.
    pub(crate) fn enter(self: &Arc<Self>) -> Running {
        *lock(&self.running) += 1;
        Running(Arc::clone(self))
    }

    /// Waits until nothing runs; false if `deadline` comes first.
    pub(crate) fn wait(&self, clock: Clock, deadline: Time) -> bool {
        let running = lock(&self.running);
        *wait_while(&self.none, running, Some(clock.until(deadline)), |running| *running > 0) == 0
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let mut running = lock(&self.0.running);
        *running -= 1;
        if *running == 0 {
            self.0.none.notify_all();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::thread;
    use std::time::Duration;

    use super::*;

    #[test]
    fn waiting_ends_with_the_last_that_runs() {
        let (clock, tally) = (Clock::start(), Arc::new(Tally::default()));
        let (first, second) = (tally.enter(), tally.enter());

        drop(first);
        assert!(!tally.wait(clock, clock.now()), "one still runs");
        let other = thread::spawn(move || drop(second));

        assert!(tally.wait(clock, clock.now() + Duration::from_secs(10)));
        other.join().unwrap();
    }
}
