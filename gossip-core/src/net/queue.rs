//! The hand-over to threads that are not ours: bounded, closable, never waiting to put.

use std::collections::VecDeque;
use std::io;
use std::mem;
use std::os::fd::BorrowedFd;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use super::error::WaitError;
use super::handover::{Handover, Ready};

/// A queue between the runtime, which offers, and the application, which takes.
#[derive(Debug)]
pub(super) struct Queue<T> {
    state: Handover<State<T>>,
    limit: AtomicUsize,
    offered: AtomicU64,
    dropped: AtomicU64,
}

#[derive(Debug)]
struct State<T> {
    items: VecDeque<T>,
    closed: bool,
}

/// Why an item was not taken in; it is dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refused {
    Full,
    Closed,
}

impl<T> Queue<T> {
    /// A queue of at most `limit` items, at least one.
    pub(super) fn new(limit: usize) -> Self {
        Self {
            state: Handover::new(State { items: VecDeque::new(), closed: false }),
            limit: AtomicUsize::new(limit.max(1)),
            offered: AtomicU64::new(0),
            dropped: AtomicU64::new(0),
        }
    }

    /// Lets `limit` items wait from now on, at least one. Those that wait already stay.
    pub(super) fn set_limit(&self, limit: usize) {
        self.limit.store(limit.max(1), Relaxed);
    }

    /// Puts an item in, if there is room.
    pub(super) fn offer(&self, item: T) -> Result<(), Refused> {
        // The item of a refused offer is dropped after the lock is released.
        let mut item = Some(item);
        let offered = self.state.put(|state| {
            if state.closed {
                return Err(Refused::Closed);
            }
            if state.items.len() >= self.limit.load(Relaxed) {
                return Err(Refused::Full);
            }
            state.items.extend(item.take());
            Ok(())
        });
        match offered {
            Ok(()) => self.offered.fetch_add(1, Relaxed),
            Err(Refused::Full) => self.dropped.fetch_add(1, Relaxed),
            Err(Refused::Closed) => 0,
        };
        offered
    }

    /// Puts in as many items as there is room for, the first ones, and leaves the others in `items`.
    pub(super) fn offer_all(&self, items: &mut Vec<T>) -> Result<(), Refused> {
        let offered = self.state.put(|state| {
            if state.closed {
                return Err(Refused::Closed);
            }
            let room = self.limit.load(Relaxed).saturating_sub(state.items.len());
            let taken = room.min(items.len());
            state.items.extend(items.drain(..taken));
            Ok(taken)
        });
        self.offered.fetch_add(offered? as u64, Relaxed);
        self.dropped.fetch_add(items.len() as u64, Relaxed);
        if items.is_empty() { Ok(()) } else { Err(Refused::Full) }
    }

    /// Counts an item that could not even be offered, for lack of memory.
    pub(super) fn count_drop(&self) {
        self.dropped.fetch_add(1, Relaxed);
    }

    /// Takes the oldest item, waiting for one as long as `timeout` says; `None` is for ever.
    pub(super) fn take(&self, timeout: Option<Duration>) -> Result<T, WaitError> {
        self.state.take(timeout, |state| match state.items.pop_front() {
            Some(item) => Ok(item),
            None if state.closed => Err(WaitError::Closed),
            None => Err(WaitError::Timeout),
        })
    }

    /// The same for an item that suits the caller; of another, which stays the oldest, it
    /// tells why it does not.
    pub(super) fn take_if<E>(
        &self,
        timeout: Option<Duration>,
        suits: impl FnOnce(&T) -> Result<(), E>,
    ) -> Result<Result<T, E>, WaitError> {
        self.state.take(timeout, |state| {
            let Some(oldest) = state.items.front() else {
                return Err(if state.closed { WaitError::Closed } else { WaitError::Timeout });
            };
            match suits(oldest) {
                Ok(()) => state.items.pop_front().map(Ok).ok_or(WaitError::Timeout),
                Err(why) => Ok(Err(why)),
            }
        })
    }

    /// A descriptor that is readable while there is something to take, and once closed.
    pub(super) fn readiness(&self) -> io::Result<BorrowedFd<'_>> {
        self.state.readiness()
    }

    /// The same as a socket.
    pub(super) fn readiness_socket(&self) -> io::Result<BorrowedFd<'_>> {
        self.state.readiness_socket()
    }

    /// Wakes everyone who waits, and drops what is queued.
    pub(super) fn close(&self) {
        let dropped = self.state.end(|state| {
            state.closed = true;
            mem::take(&mut state.items)
        });
        self.dropped.fetch_add(dropped.len() as u64, Relaxed);
        drop(dropped);
    }

    pub(super) fn is_closed(&self) -> bool {
        self.state.look(|state| state.closed)
    }

    pub(super) fn stats(&self) -> QueueStats {
        QueueStats {
            accepted: self.offered.load(Relaxed),
            dropped: self.dropped.load(Relaxed),
            pending: self.state.look(|state| state.items.len()),
            limit: self.limit.load(Relaxed),
        }
    }
}

impl<T> Ready for State<T> {
    fn is_ready(&self) -> bool {
        self.closed || !self.items.is_empty()
    }
}

/// What has passed through the queue of a listener or packet receiver.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct QueueStats {
    /// How many were queued for the application.
    pub accepted: u64,
    /// How many were dropped because the queue was full, held all the memory it may, or was
    /// closed before they were taken.
    pub dropped: u64,
    /// How many wait to be taken now.
    pub pending: usize,
    /// How many may wait.
    pub limit: usize,
}

impl QueueStats {
    /// Every number with its name.
    pub fn rows(&self) -> Vec<(&'static str, u64)> {
        vec![
            ("accepted", self.accepted),
            ("dropped", self.dropped),
            ("pending", self.pending as u64),
            ("limit", self.limit as u64),
        ]
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::thread;

    use super::*;

    #[test]
    fn a_full_queue_drops_the_newest_and_counts_it() {
        let queue = Queue::new(2);

        assert_eq!([1, 2, 3].map(|n| queue.offer(n)), [Ok(()), Ok(()), Err(Refused::Full)]);

        assert_eq!(queue.stats(), QueueStats { accepted: 2, dropped: 1, pending: 2, limit: 2 });
        assert_eq!(queue.take(None), Ok(1));
    }

    #[test]
    fn of_many_items_those_that_fit_are_taken_in_and_as_many_threads_woken() {
        let queue = Arc::new(Queue::new(3));
        let waiting = [(); 2].map(|()| {
            let queue = Arc::clone(&queue);
            thread::spawn(move || queue.take(None))
        });
        let mut items = vec![1, 2];
        queue.offer_all(&mut items).unwrap();
        let mut taken = waiting.map(|waiting| waiting.join().unwrap().unwrap());
        taken.sort_unstable();
        assert_eq!(taken, [1, 2]);

        items.extend(3..8);
        assert_eq!(queue.offer_all(&mut items), Err(Refused::Full));

        assert_eq!(items, [6, 7]);
        assert_eq!(queue.stats(), QueueStats { accepted: 5, dropped: 2, pending: 3, limit: 3 });
        queue.close();
        assert_eq!(queue.offer_all(&mut items), Err(Refused::Closed));
        assert_eq!(items, [6, 7]);
    }

    #[test]
    fn closing_wakes_who_waits_and_drops_what_waits() {
        let queue = Arc::new(Queue::<Arc<()>>::new(2));
        let item = Arc::new(());
        let waiting = Arc::clone(&queue);
        let waiter = thread::spawn(move || waiting.take(None).map(drop).and_then(|()| waiting.take(None)));
        queue.offer(Arc::clone(&item)).unwrap();
        while Arc::strong_count(&item) > 1 {
            thread::yield_now();
        }

        queue.close();

        assert_eq!(waiter.join().unwrap(), Err(WaitError::Closed));
        assert_eq!(queue.offer(Arc::clone(&item)), Err(Refused::Closed));
        assert_eq!(queue.take(Some(Duration::ZERO)), Err(WaitError::Closed));
    }

    #[test]
    fn what_waits_in_a_queue_that_is_closed_counts_as_dropped() {
        let queue = Queue::new(2);
        queue.offer(1).unwrap();

        queue.close();

        assert_eq!(queue.stats(), QueueStats { accepted: 1, dropped: 1, pending: 0, limit: 2 });
    }

    #[test]
    fn an_item_that_does_not_suit_stays() {
        let queue = Queue::new(2);
        queue.offer(1).unwrap();

        assert_eq!(queue.take_if(None, |_| Err("too long")), Ok(Err("too long")));

        assert_eq!(queue.stats().pending, 1);
        assert_eq!(queue.take_if(None, |_| Ok::<_, ()>(())), Ok(Ok(1)));
        assert_eq!(queue.take_if(Some(Duration::ZERO), |_| Ok::<_, ()>(())), Err(WaitError::Timeout));
    }

    #[test]
    fn an_item_that_does_not_suit_the_one_who_was_woken_is_for_the_others() {
        let queue = Arc::new(Queue::new(2));
        let wait = |suits: fn(&i32) -> Result<(), ()>| {
            let queue = Arc::clone(&queue);
            thread::spawn(move || queue.take_if(None, suits))
        };
        let picky: Vec<_> = (0..8).map(|_| wait(|_| Err(()))).collect();
        let content = wait(|_| Ok(()));

        queue.offer(1).unwrap();

        assert_eq!(content.join().unwrap(), Ok(Ok(1)));
        // Each of these comes once it has seen an item, of which there may be too few.
        while picky.iter().any(|picky| !picky.is_finished()) {
            let _ = queue.offer(2);
            thread::yield_now();
        }
    }

    #[test]
    fn another_limit_counts_at_once_and_takes_nothing_away() {
        let queue = Queue::new(1);
        queue.set_limit(3);
        assert_eq!([1, 2, 3].map(|n| queue.offer(n)), [Ok(()); 3]);

        queue.set_limit(2);

        assert_eq!(queue.stats(), QueueStats { accepted: 3, dropped: 0, pending: 3, limit: 2 });
        queue.take(None).unwrap();
        assert_eq!(queue.offer(4), Err(Refused::Full));
    }

    #[test]
    fn an_empty_queue_times_out() {
        assert_eq!(Queue::<()>::new(1).take(Some(Duration::from_millis(1))), Err(WaitError::Timeout));
    }
}
