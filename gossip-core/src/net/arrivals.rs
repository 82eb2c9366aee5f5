//! The datagrams that wait for one pool: bounded, in order, taken by the pool's own task.
//!
//! Putting one in wakes nobody. It gives the waker of the task, if that waits, to whoever put it in,
//! who wakes the task once everything that has come is in its place: a task that is woken for the
//! first of many datagrams takes that one, waits again, and costs more than they all.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};

use parking_lot::Mutex;
use tokio::task::coop;

use super::owners::Datagram;
use super::queue::Refused;

/// Datagrams that are taken under one lock.
const HANDFUL: usize = 64;

/// Room for so many is kept when none waits.
const KEPT: usize = 4 * HANDFUL;

/// A queue of at most `limit` datagrams, at least one, and its two ends. Those of a handful that has
/// been taken do not count.
pub(super) fn arrivals(limit: usize) -> (Putter, Arrivals) {
    let shared = Arc::new(Shared { state: Mutex::default(), limit: limit.max(1) });
    (Putter(Arc::clone(&shared)), Arrivals { shared, in_hand: VecDeque::new() })
}

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    limit: usize,
}

#[derive(Debug, Default)]
struct State {
    waiting: VecDeque<Datagram>,
    /// Of the task that waits.
    waker: Option<Waker>,
    /// One of the ends is gone.
    closed: bool,
}

/// The end at which datagrams are put in; when it is dropped, the other hears of it.
#[derive(Debug)]
pub(super) struct Putter(Arc<Shared>);

impl Putter {
    /// Puts a datagram behind the others. The waker, if there is one, is to be woken soon: nobody
    /// else will.
    pub(super) fn put(&self, datagram: Datagram) -> Result<Option<Waker>, Refused> {
        let mut state = self.0.state.lock();
        if state.closed {
            return Err(Refused::Closed);
        }
        if state.waiting.len() >= self.0.limit {
            return Err(Refused::Full);
        }
        state.waiting.push_back(datagram);
        Ok(state.waker.take())
    }
}

impl Drop for Putter {
    fn drop(&mut self) {
        let waker = {
            let mut state = self.0.state.lock();
            state.closed = true;
            state.waker.take()
        };
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

/// The datagrams of one pool.
#[derive(Debug)]
pub struct Arrivals {
    shared: Arc<Shared>,
    /// Those of the last handful that have not been asked for yet.
    in_hand: VecDeque<Datagram>,
}

impl Arrivals {
    /// The oldest datagram, once there is one; `None` once the pool is removed or the port is
    /// closed and all have been taken. Nothing is lost if it is dropped before.
    pub async fn recv(&mut self) -> Option<Datagram> {
        poll_fn(|cx| self.poll_recv(cx)).await
    }

    /// The oldest datagram, if there is one.
    pub fn try_recv(&mut self) -> Option<Datagram> {
        if self.in_hand.is_empty() {
            take_handful(&mut self.shared.state.lock().waiting, &mut self.in_hand);
        }
        self.in_hand.pop_front()
    }

    /// How many wait.
    pub fn len(&self) -> usize {
        self.in_hand.len() + self.shared.state.lock().waiting.len()
    }

    /// Whether none waits.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn poll_recv(&mut self, cx: &mut Context<'_>) -> Poll<Option<Datagram>> {
        // Like a channel of the runtime: a task that always finds something lets others run, too.
        let budget = ready!(coop::poll_proceed(cx));
        if self.in_hand.is_empty() {
            let mut state = self.shared.state.lock();
            if state.waiting.is_empty() && !state.closed {
                if !state.waker.as_ref().is_some_and(|waker| waker.will_wake(cx.waker())) {
                    state.waker = Some(cx.waker().clone());
                }
                return Poll::Pending;
            }
            take_handful(&mut state.waiting, &mut self.in_hand);
        }
        budget.made_progress();
        Poll::Ready(self.in_hand.pop_front())
    }
}

impl Drop for Arrivals {
    fn drop(&mut self) {
        let waiting = {
            let mut state = self.shared.state.lock();
            state.closed = true;
            std::mem::take(&mut state.waiting)
        };
        drop(waiting);
    }
}

fn take_handful(waiting: &mut VecDeque<Datagram>, in_hand: &mut VecDeque<Datagram>) {
    in_hand.extend(waiting.drain(..waiting.len().min(HANDFUL)));
    if waiting.is_empty() {
        // The room that a flood took.
        waiting.shrink_to(KEPT);
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
    use std::task::Wake;

    use super::*;
    use crate::base::time::Time;
    use crate::net::buffers::Buffers;

    /// Counts how often it is woken.
    #[derive(Debug, Default)]
    struct Count(AtomicUsize);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, SeqCst);
        }
    }

    /// A count of how often a waker wakes, and the waker.
    fn counted() -> (Arc<Count>, Waker) {
        let count = Arc::new(Count::default());
        (Arc::clone(&count), Waker::from(count))
    }

    fn datagram(number: u8) -> Datagram {
        let bytes = Buffers::new().open_account().copy(&[number], Time::ZERO).unwrap();
        Datagram { from: ([127, 0, 0, 1], 1).into(), received: Time::ZERO, bytes }
    }

    fn number(datagram: Option<Datagram>) -> Option<u8> {
        datagram.map(|datagram| datagram.bytes[0])
    }

    #[test]
    fn they_come_in_order_and_beyond_the_limit_not_at_all() {
        let (putter, mut arrivals) = arrivals(200);

        let put: Vec<_> = (0..=200).map(|number| putter.put(datagram(number)).map(drop)).collect();

        assert!(put[..200].iter().all(Result::is_ok));
        assert_eq!(put[200], Err(Refused::Full));
        assert_eq!(arrivals.len(), 200);
        for expected in 0..200 {
            assert_eq!(number(arrivals.try_recv()), Some(expected));
        }
        assert!(arrivals.is_empty() && arrivals.try_recv().is_none());
        assert!(arrivals.shared.state.lock().waiting.capacity() <= KEPT, "the room goes back");
    }

    #[test]
    fn the_first_of_many_brings_the_waker_and_wakes_nobody() {
        let (putter, mut arrivals) = arrivals(8);
        let (count, waker) = counted();
        let mut cx = Context::from_waker(&waker);
        assert!(arrivals.poll_recv(&mut cx).is_pending());

        let wakers: Vec<_> = (0..3).filter_map(|number| putter.put(datagram(number)).unwrap()).collect();

        assert_eq!((wakers.len(), count.0.load(SeqCst)), (1, 0));
        wakers.into_iter().for_each(Waker::wake);
        assert_eq!(count.0.load(SeqCst), 1);
        for expected in 0..3 {
            assert_eq!(arrivals.poll_recv(&mut cx).map(number), Poll::Ready(Some(expected)));
        }
        assert!(arrivals.poll_recv(&mut cx).is_pending());
        assert!(putter.put(datagram(3)).unwrap().is_some(), "it waits again");
    }

    #[test]
    fn the_end_of_those_who_put_is_heard_behind_what_waits() {
        let (putter, mut arrivals) = arrivals(8);
        let (count, waker) = counted();
        let mut cx = Context::from_waker(&waker);
        assert!(pin!(arrivals.recv()).poll(&mut cx).is_pending());
        drop(putter.put(datagram(1)).unwrap());
        assert!(number(arrivals.try_recv()).is_some());
        assert!(pin!(arrivals.recv()).poll(&mut cx).is_pending());
        drop(putter);

        assert_eq!(count.0.load(SeqCst), 1);
        assert!(matches!(pin!(arrivals.recv()).poll(&mut cx), Poll::Ready(None)));
    }

    #[test]
    fn nothing_is_put_where_nobody_takes_and_what_waits_gives_its_buffer_back() {
        let buffers = Buffers::new();
        let account = buffers.open_account();
        let (putter, mut arrivals) = arrivals(8);
        for _ in 0..3 {
            let bytes = account.copy(b"bytes", Time::ZERO).unwrap();
            let datagram = Datagram { from: ([127, 0, 0, 1], 1).into(), received: Time::ZERO, bytes };
            putter.put(datagram).unwrap();
        }
        drop(arrivals.try_recv());

        drop(arrivals);

        assert_eq!(buffers.held(), 0);
        assert_eq!(putter.put(datagram(1)).map(drop), Err(Refused::Closed));
    }
}
