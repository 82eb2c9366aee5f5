//! The events of a pool as a queue to pull from, instead of callbacks.
//!
//! For programs with a loop of their own, and for languages in which a foreign thread
//! must not call: an [`Events`] is a delegate that queues what it is told.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use parking_lot::{Condvar, Mutex};
use thiserror::Error;

use crate::base::time::Time;
use crate::net::queue::QueueStats;
use crate::pool::action::{Notice, UserMessage};
use crate::runtime::backlog::{Backlog, Depth};
use crate::runtime::clock::Clock;
use crate::runtime::delegate::Delegate;
use crate::swim::node::{Member, Node};

/// Something that happened in a pool.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Event {
    /// A node joined, or came back.
    Joined(Member),
    /// A node is gone: its state says whether it died or left.
    Left(Member),
    /// A node changed its metadata.
    Updated(Member),
    /// Another node claims the name of a known one, and was refused.
    Conflict {
        /// The node that keeps the name.
        existing: Member,
        /// The claimant.
        other: Node,
    },
    /// A user message arrived.
    Message(UserMessage),
    /// The application state of another node arrived by push/pull.
    RemoteState {
        /// The state, as the other application wrote it.
        state: Bytes,
        /// Whether the exchange was part of a join.
        join: bool,
    },
    /// A probe was answered directly.
    Pinged {
        /// Who answered.
        member: Member,
        /// From sending the ping to receiving the ack.
        rtt: Duration,
        /// Bytes of the answering application.
        payload: Bytes,
    },
    /// The queue was full: so many events were dropped since this was last told. Changes
    /// of membership are never among them.
    Overflow {
        /// How many.
        dropped: u64,
    },
}

/// Why no event was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum TakeError {
    /// Nothing happened in time.
    #[error("no event in time")]
    Timeout,
    /// The pool has ended, or the queue was closed; everything that waited has been taken.
    #[error("event queue is closed")]
    Closed,
}

/// A bounded queue of the events of one pool: register it as the pool's delegate, and
/// take from any number of threads.
///
/// When more than the capacity waits, messages, states, conflicts and pings are dropped,
/// counted and told by one [`Event::Overflow`]. Changes of membership are never lost:
/// those of one member collapse into its latest. It closes with the pool.
pub struct Events {
    state: Mutex<State>,
    ready: Condvar,
    clock: Clock,
}

struct State {
    backlog: Backlog,
    closed: bool,
    waker: Option<Arc<dyn Fn() + Send + Sync>>,
}

impl Events {
    /// A queue of `capacity` events, at least one.
    pub fn new(capacity: usize) -> Arc<Self> {
        let state = State { backlog: Backlog::new(capacity.max(1)), closed: false, waker: None };
        Arc::new(Self { state: Mutex::new(state), ready: Condvar::new(), clock: Clock::start() })
    }

    /// Takes what waits, oldest first, at most `max` and never none; waits up to
    /// `timeout` for the first event, or for ever. Zero only looks.
    pub fn take(&self, max: usize, timeout: Option<Duration>) -> Result<Vec<Event>, TakeError> {
        let deadline = timeout.map_or(Time::FAR, |timeout| self.clock.now() + timeout);
        let mut state = self.state.lock();
        loop {
            let events = state.take(max.max(1));
            if !events.is_empty() {
                return Ok(events);
            }
            if state.closed {
                return Err(TakeError::Closed);
            }
            let left = self.clock.until(deadline);
            if left.is_zero() {
                return Err(TakeError::Timeout);
            }
            self.ready.wait_for(&mut state, left);
        }
    }

    /// What has passed through, and what waits.
    pub fn stats(&self) -> QueueStats {
        let Depth { waiting, accepted, dropped, .. } = self.state.lock().backlog.depth();
        QueueStats { accepted, dropped, pending: waiting }
    }

    /// Closes the queue and wakes whoever waits: nothing is added any more, what waits
    /// can still be taken.
    pub fn close(&self) {
        self.change(|state| state.closed = true);
    }

    /// Sets a function to be called after something was queued and after the queue was
    /// closed, for event loops that wait on something else. It runs with no lock held, on
    /// a callback thread or that of `close`, and should only wake: write to a pipe or an
    /// eventfd. It is called at once if something waits already.
    pub fn set_waker(&self, waker: impl Fn() + Send + Sync + 'static) {
        let waker = Arc::new(waker);
        let waits = {
            let mut state = self.state.lock();
            state.waker = Some(Arc::clone(&waker) as Arc<dyn Fn() + Send + Sync>);
            state.closed || !state.is_empty()
        };
        if waits {
            waker();
        }
    }

    fn push(&self, notice: Notice) {
        self.change(|state| {
            if state.closed {
                state.backlog.count_drop();
            } else {
                state.backlog.push(notice);
            }
        });
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        let waker = {
            let mut state = self.state.lock();
            change(&mut state);
            state.waker.clone()
        };
        self.ready.notify_all();
        if let Some(waker) = waker {
            waker();
        }
    }
}

impl State {
    fn take(&mut self, max: usize) -> Vec<Event> {
        let mut events = Vec::new();
        let dropped = self.backlog.take_dropped();
        if dropped > 0 {
            events.push(Event::Overflow { dropped });
        }
        while events.len() < max
            && let Some(notice) = self.backlog.pop()
        {
            events.push(notice.into());
        }
        events
    }

    fn is_empty(&self) -> bool {
        self.backlog.is_empty() && self.backlog.dropped() == 0
    }
}

impl From<Notice> for Event {
    fn from(notice: Notice) -> Self {
        match notice {
            Notice::Joined(member) => Self::Joined(member),
            Notice::Left(member) => Self::Left(member),
            Notice::Updated(member) => Self::Updated(member),
            Notice::Conflict { existing, other } => Self::Conflict { existing, other },
            Notice::Message(message) => Self::Message(message),
            Notice::RemoteState { join, state } => Self::RemoteState { state, join },
            Notice::Pinged { member, rtt, payload } => Self::Pinged { member, rtt, payload },
        }
    }
}

impl Delegate for Events {
    fn notify_join(&self, member: &Member) {
        self.push(Notice::Joined(member.clone()));
    }

    fn notify_leave(&self, member: &Member) {
        self.push(Notice::Left(member.clone()));
    }

    fn notify_update(&self, member: &Member) {
        self.push(Notice::Updated(member.clone()));
    }

    fn notify_conflict(&self, existing: &Member, other: &Node) {
        self.push(Notice::Conflict { existing: existing.clone(), other: other.clone() });
    }

    fn notify_msg(&self, message: &UserMessage) {
        self.push(Notice::Message(message.clone()));
    }

    fn merge_remote_state(&self, state: &[u8], join: bool) {
        self.push(Notice::RemoteState { join, state: Bytes::copy_from_slice(state) });
    }

    fn notify_ping_complete(&self, member: &Member, rtt: Duration, payload: &[u8]) {
        let payload = Bytes::copy_from_slice(payload);
        self.push(Notice::Pinged { member: member.clone(), rtt, payload });
    }

    fn queue(&self) -> Option<QueueStats> {
        Some(self.stats())
    }

    fn notify_shutdown(&self) {
        self.close();
    }
}

impl fmt::Debug for Events {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.state.lock();
        f.debug_struct("Events").field("closed", &state.closed).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
    use std::thread;

    use super::*;

    fn message(text: &'static str) -> UserMessage {
        UserMessage { bytes: text.into(), from: ([127, 0, 0, 1], 1).into(), reliable: true }
    }

    fn texts(events: &[Event]) -> Vec<String> {
        events
            .iter()
            .map(|event| match event {
                Event::Message(message) => String::from_utf8_lossy(&message.bytes).into_owned(),
                Event::Overflow { dropped } => format!("{dropped} dropped"),
                other => format!("{other:?}"),
            })
            .collect()
    }

    #[test]
    fn events_are_taken_in_order_and_in_portions() {
        let events = Events::new(8);
        for text in ["a", "b", "c"] {
            events.notify_msg(&message(text));
        }

        assert_eq!(texts(&events.take(2, Some(Duration::ZERO)).unwrap()), ["a", "b"]);
        assert_eq!(texts(&events.take(2, None).unwrap()), ["c"]);
        assert_eq!(events.take(2, Some(Duration::ZERO)).unwrap_err(), TakeError::Timeout);
    }

    #[test]
    fn what_was_dropped_is_told_once() {
        let events = Events::new(1);
        for text in ["a", "b", "c"] {
            events.notify_msg(&message(text));
        }

        assert_eq!(events.stats(), QueueStats { accepted: 1, dropped: 2, pending: 1 });
        assert_eq!(texts(&events.take(8, None).unwrap()), ["2 dropped", "a"]);
        assert_eq!(events.stats(), QueueStats { accepted: 1, dropped: 2, pending: 0 });
        assert_eq!(events.take(8, Some(Duration::ZERO)).unwrap_err(), TakeError::Timeout);
    }

    #[test]
    fn closing_wakes_a_waiting_thread_once_everything_is_taken() {
        let events = Events::new(8);
        let waiting = {
            let events = Arc::clone(&events);
            thread::spawn(move || {
                let mut taken = Vec::new();
                loop {
                    match events.take(1, None) {
                        Ok(more) => taken.extend(more),
                        Err(error) => return (taken, error),
                    }
                }
            })
        };

        events.notify_msg(&message("a"));
        events.close();
        events.notify_msg(&message("too late"));

        let (taken, error) = waiting.join().unwrap();
        assert_eq!(texts(&taken), ["a"]);
        assert_eq!(events.stats().dropped, 1);
        assert_eq!(error, TakeError::Closed);
    }

    #[test]
    fn the_waker_hears_of_everything_even_of_what_came_before_it() {
        let (events, calls) = (Events::new(8), Arc::new(AtomicUsize::new(0)));
        events.notify_msg(&message("a"));

        let counter = Arc::clone(&calls);
        events.set_waker(move || {
            counter.fetch_add(1, SeqCst);
        });
        assert_eq!(calls.load(SeqCst), 1);
        events.notify_msg(&message("b"));
        events.close();

        assert_eq!(calls.load(SeqCst), 3);
    }
}
