//! A state that threads of the application wait for: by blocking, or with a descriptor.
//!
//! Everything is under one lock, the bell included: a state and what its descriptor says
//! change as one, so no wake-up is lost and none is false. The descriptor exists only once
//! it is asked for; until then it costs nothing. It says nothing either while a thread blocks,
//! which takes what comes: that saves the two calls of the system that ring and silence it.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::{Condvar, Mutex, OnceLock};
use std::time::Duration;

use super::bell::Bell;
use crate::base::lock::{lock, wait_while};

/// A state behind a lock, and the means to wait for it.
#[derive(Debug)]
pub(crate) struct Handover<S> {
    held: Mutex<Held<S>>,
    ready: Condvar,
    bell: OnceLock<Bell>,
}

/// What is under the lock.
#[derive(Debug)]
struct Held<S> {
    state: S,
    /// Threads that wait. While there are none nobody is woken, which would be a call of the system.
    blocked: usize,
}

/// A state that may have something to take.
pub(crate) trait Ready {
    /// Whether taking would bring something at once, be it that there is nothing any more.
    fn is_ready(&self) -> bool;
}

impl<S: Ready> Handover<S> {
    pub(crate) fn new(state: S) -> Self {
        let held = Mutex::new(Held { state, blocked: 0 });
        Self { held, ready: Condvar::new(), bell: OnceLock::new() }
    }

    /// Puts something into the state, and wakes one thread that waits; if there is more than it
    /// takes, it wakes the next.
    pub(crate) fn put<T>(&self, put: impl FnOnce(&mut S) -> T) -> T {
        let (done, somebody_blocks) = self.change(put);
        if somebody_blocks {
            self.ready.notify_one();
        }
        done
    }

    /// Ends what the threads wait for, and wakes them all.
    pub(crate) fn end<T>(&self, end: impl FnOnce(&mut S) -> T) -> T {
        let (done, _) = self.change(end);
        self.ready.notify_all();
        done
    }

    /// Takes from the state once it is ready, or when `timeout` has passed; `None` waits
    /// for ever.
    pub(crate) fn take<T>(&self, timeout: Option<Duration>, take: impl FnOnce(&mut S) -> T) -> T {
        let mut held = lock(&self.held);
        if timeout != Some(Duration::ZERO) && !held.state.is_ready() {
            held.blocked += 1;
            held = wait_while(&self.ready, held, timeout, |held| !held.state.is_ready());
            held.blocked -= 1;
        }
        let taken = take(&mut held.state);
        self.ring(&held);
        let wakes = held.blocked > 0 && held.state.is_ready();
        drop(held);
        if wakes {
            self.ready.notify_one();
        }
        taken
    }

    /// Looks at the state.
    pub(crate) fn look<T>(&self, look: impl FnOnce(&S) -> T) -> T {
        look(&lock(&self.held).state)
    }

    /// A descriptor that is readable exactly while the state is ready and no thread blocks that
    /// is about to take from it.
    pub(crate) fn readiness(&self) -> io::Result<BorrowedFd<'_>> {
        self.readiness_of(Bell::new)
    }

    /// The same, of a kind that is a socket, unless the other was asked for before.
    pub(crate) fn readiness_socket(&self) -> io::Result<BorrowedFd<'_>> {
        self.readiness_of(Bell::portable)
    }

    fn readiness_of(&self, make: impl FnOnce() -> io::Result<Bell>) -> io::Result<BorrowedFd<'_>> {
        if let Some(bell) = self.bell.get() {
            return Ok(bell.as_fd());
        }
        // Under the lock there is one that makes it, and no change that it misses.
        let held = lock(&self.held);
        let bell = match self.bell.get() {
            Some(bell) => bell,
            None => {
                let bell = make()?;
                self.bell.get_or_init(|| bell)
            }
        };
        self.ring(&held);
        Ok(bell.as_fd())
    }

    /// Changes the state; whether threads block.
    fn change<T>(&self, change: impl FnOnce(&mut S) -> T) -> (T, bool) {
        let mut held = lock(&self.held);
        let done = change(&mut held.state);
        self.ring(&held);
        (done, held.blocked > 0)
    }

    /// Lets the bell say what is held, which is still locked. Who blocks gives way to the bell
    /// when it has taken what it wants.
    fn ring(&self, held: &Held<S>) {
        if let Some(bell) = self.bell.get() {
            bell.set(held.blocked == 0 && held.state.is_ready());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;
    use std::sync::Arc;
    use std::thread;

    use rustix::event::{PollFd, PollFlags, Timespec, poll};

    use super::*;

    /// Numbers, and the end of them.
    #[derive(Debug, Default)]
    struct Numbers {
        waiting: VecDeque<u32>,
        ended: bool,
    }

    impl Ready for Numbers {
        fn is_ready(&self) -> bool {
            self.ended || !self.waiting.is_empty()
        }
    }

    const LONG: Timespec = Timespec { tv_sec: 30, tv_nsec: 0 };
    const NOW: Timespec = Timespec { tv_sec: 0, tv_nsec: 0 };

    fn is_readable(fd: BorrowedFd<'_>, within: Timespec) -> bool {
        poll(&mut [PollFd::new(&fd, PollFlags::IN)], Some(&within)).unwrap() == 1
    }

    /// A kind of bell.
    struct Kind {
        name: &'static str,
        make: fn() -> io::Result<Bell>,
    }

    const KINDS: [Kind; 2] =
        [Kind { name: "of this system", make: Bell::new }, Kind { name: "portable", make: Bell::portable }];

    #[test]
    fn a_descriptor_is_readable_exactly_while_something_waits_and_after_the_end() {
        for Kind { name, make } in KINDS {
            let handover = Handover::new(Numbers::default());
            handover.put(|numbers| numbers.waiting.push_back(1));
            let fd = handover.readiness_of(make).unwrap();

            assert!(is_readable(fd, NOW), "{name}: what came before the descriptor");
            handover.put(|numbers| numbers.waiting.push_back(2));
            for _ in 0..2 {
                assert!(is_readable(fd, NOW), "{name}");
                handover.take(None, |numbers| numbers.waiting.pop_front());
            }
            assert!(!is_readable(fd, NOW), "{name}: empty");
            handover.end(|numbers| numbers.ended = true);
            handover.take(None, |numbers| assert!(numbers.waiting.pop_front().is_none()));
            assert!(is_readable(fd, NOW), "{name}: ended");
        }
    }

    #[test]
    fn no_wake_up_is_lost_when_producers_race_with_a_consumer_that_takes_one_item_for_each() {
        const PRODUCERS: u32 = 4;
        const EACH: u32 = 25_000;
        for Kind { name, make } in KINDS {
            let handover = Arc::new(Handover::new(Numbers::default()));
            let fd = handover.readiness_of(make).unwrap();
            let producers: Vec<_> = (0..PRODUCERS)
                .map(|_| {
                    let handover = Arc::clone(&handover);
                    thread::spawn(move || {
                        for number in 0..EACH {
                            // The race is at the edge between nothing and something.
                            while handover.look(|numbers| numbers.waiting.len() > 1) {
                                thread::yield_now();
                            }
                            handover.put(|numbers| numbers.waiting.push_back(number));
                        }
                    })
                })
                .collect();

            for taken in 0..PRODUCERS * EACH {
                assert!(is_readable(fd, LONG), "{name}: no wake-up after {taken} items");
                let item = handover.take(Some(Duration::ZERO), |numbers| numbers.waiting.pop_front());
                assert!(item.is_some(), "{name}: a false wake-up after {taken} items");
            }

            assert!(!is_readable(fd, NOW), "{name}: everything is taken");
            producers.into_iter().for_each(|producer| producer.join().unwrap());
        }
    }

    #[test]
    fn threads_that_block_share_what_is_put_one_by_one() {
        const THREADS: u32 = 4;
        const EACH: u32 = 5000;
        let handover = Handover::new(Numbers::default());

        let mut taken = thread::scope(|scope| {
            let takers: Vec<_> = (0..THREADS)
                .map(|_| {
                    let take = || handover.take(None, |numbers| numbers.waiting.pop_front().unwrap());
                    scope.spawn(move || (0..EACH).map(|_| take()).collect::<Vec<_>>())
                })
                .collect();
            for number in 0..THREADS * EACH {
                // The race is at the edge between nothing and something.
                while number % 7 == 0 && handover.look(|numbers| !numbers.waiting.is_empty()) {
                    thread::yield_now();
                }
                handover.put(|numbers| numbers.waiting.push_back(number));
            }
            takers.into_iter().flat_map(|taker| taker.join().unwrap()).collect::<Vec<_>>()
        });

        taken.sort_unstable();
        assert!(taken.into_iter().eq(0..THREADS * EACH));
    }

    #[test]
    fn threads_that_poll_and_threads_that_block_share_everything() {
        const EACH: u32 = 10_000;
        for Kind { name, make } in KINDS {
            let handover = Handover::new(Numbers::default());
            let fd = handover.readiness_of(make).unwrap();

            let mut taken = thread::scope(|scope| {
                let blocks = || {
                    let next = || handover.take(None, |numbers| numbers.waiting.pop_front());
                    std::iter::from_fn(next).collect::<Vec<_>>()
                };
                let polls = || {
                    let mut taken = Vec::new();
                    loop {
                        assert!(is_readable(fd, LONG), "{name}: no wake-up after {} items", taken.len());
                        let item = handover.take(Some(Duration::ZERO), |numbers| numbers.waiting.pop_front());
                        match item {
                            Some(item) => taken.push(item),
                            None if handover.look(|numbers| numbers.ended) => return taken,
                            // Somebody else was quicker.
                            None => {}
                        }
                    }
                };
                let takers =
                    [scope.spawn(blocks), scope.spawn(blocks), scope.spawn(polls), scope.spawn(polls)];
                for number in 0..4 * EACH {
                    // The race is at the edge between nothing and something.
                    while handover.look(|numbers| numbers.waiting.len() > 1) {
                        thread::yield_now();
                    }
                    handover.put(|numbers| numbers.waiting.push_back(number));
                }
                handover.end(|numbers| numbers.ended = true);
                takers.into_iter().flat_map(|taker| taker.join().unwrap()).collect::<Vec<_>>()
            });

            taken.sort_unstable();
            assert!(taken.into_iter().eq(0..4 * EACH), "{name}");
        }
    }

    #[test]
    fn the_bell_is_for_what_threads_that_block_leave() {
        for Kind { name, make } in KINDS {
            let handover = Handover::new(Numbers::default());
            let fd = handover.readiness_of(make).unwrap();

            thread::scope(|scope| {
                let blocked = scope.spawn(|| handover.take(None, |numbers| numbers.waiting.pop_front()));
                while lock(&handover.held).blocked == 0 {
                    thread::yield_now();
                }
                let mut held = lock(&handover.held);
                held.state.waiting.extend([1, 2]);
                handover.ring(&held);
                assert!(!is_readable(fd, NOW), "{name}: the thread has its turn");
                handover.ready.notify_one();
                drop(held);
                assert_eq!(blocked.join().unwrap(), Some(1), "{name}");
            });

            assert!(is_readable(fd, NOW), "{name}: it has left one");
        }
    }

    #[test]
    fn threads_that_poll_and_threads_that_block_are_all_woken_by_the_end() {
        for Kind { name, make } in KINDS {
            let handover = Handover::new(Numbers::default());
            let fd = handover.readiness_of(make).unwrap();

            thread::scope(|scope| {
                for _ in 0..4 {
                    scope.spawn(|| {
                        assert!(is_readable(fd, LONG), "{name}");
                        handover.take(Some(Duration::ZERO), |numbers| assert!(numbers.ended));
                    });
                    scope.spawn(|| handover.take(None, |numbers| assert!(numbers.ended)));
                }
                handover.end(|numbers| numbers.ended = true);
            });
        }
    }

    #[test]
    fn a_descriptor_is_made_once() {
        let handover = Handover::new(Numbers::default());

        let descriptors = thread::scope(|scope| {
            let asking: Vec<_> = (0..4)
                .map(|_| scope.spawn(|| std::os::fd::AsRawFd::as_raw_fd(&handover.readiness().unwrap())))
                .collect();
            asking.into_iter().map(|asking| asking.join().unwrap()).collect::<Vec<_>>()
        });

        assert!(descriptors.iter().all(|fd| *fd == descriptors[0]), "{descriptors:?}");
    }
}
