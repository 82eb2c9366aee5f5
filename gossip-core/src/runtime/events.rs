//! What pools tell and ask as a queue to pull from, instead of callbacks.
//!
//! For programs with a loop of their own, and for languages in which a foreign thread
//! must not call: an [`Events`] hands out delegates that queue what they are told.

use std::fmt;
use std::io;
use std::os::fd::BorrowedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use crate::base::ids::PoolId;
use crate::net::error::WaitError;
use crate::net::handover::{Handover, Ready};
use crate::net::queue::QueueStats;
use crate::pool::action::{Asks, Notice, Question, UserMessage};
use crate::pool::exchange::{Refusal, Verdict};
use crate::runtime::answer::Answer;
use crate::runtime::backlog::{Backlog, Depth, Entry, Keep, Subject};
use crate::runtime::delegate::Delegate;
use crate::swim::node::Member;

/// Something that a pool told or asked.
#[derive(Debug)]
#[non_exhaustive]
pub enum Event {
    /// Something happened in a pool. After [`Notice::Ended`] nothing comes from it.
    Told {
        /// Where.
        source: Source,
        /// What.
        notice: Notice,
    },
    /// A pool asks something. It goes on without you after [`Answer::time_left`].
    Asked {
        /// Which pool.
        source: Source,
        /// What it asks.
        question: Question,
        /// For the answer; dropped, it gives the default.
        answer: Answer,
    },
    /// The queue was full: so many events were dropped since this was last told. Changes of
    /// membership and the ends of pools are never among them.
    Overflow {
        /// How many.
        dropped: u64,
    },
}

/// Where an event comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Source {
    /// What was given to [`Events::delegate`].
    pub tag: u64,
    /// The pool on its node.
    pub pool: PoolId,
    /// Unique among the delegates of the process: two may have the same tag.
    delegate: u64,
}

/// A bounded queue of the events of any number of pools, on any number of nodes. Register
/// what [`delegate`](Self::delegate) gives, and take from any number of threads.
///
/// When it is full, messages, states, conflicts, pings and questions are dropped, counted
/// and told by one [`Event::Overflow`]. Changes of membership are never lost: those of one
/// member in one pool collapse into its latest. It stays open, whichever pools end, until
/// it is [closed](Self::close).
pub struct Events {
    state: Handover<State>,
}

struct State {
    backlog: Backlog<Event>,
    closed: bool,
    waker: Option<Arc<dyn Fn() + Send + Sync>>,
}

/// The delegate that feeds a queue.
struct Feed {
    events: Arc<Events>,
    asks: Asks,
    tag: u64,
    number: u64,
}

/// Numbers the delegates of this process.
static FEEDS: AtomicU64 = AtomicU64::new(0);

/// Bytes of messages, states and questions that may wait unless others are wished.
const BYTES_MAX: usize = 64 << 20;

impl Events {
    /// A queue of `capacity` events, at least one, with no more than 64 MiB of messages and
    /// states. Changes of members are never dropped and take no room from the others: of those,
    /// as many wait, and one more for each member.
    pub fn new(capacity: usize) -> Arc<Self> {
        Self::bounded(capacity, BYTES_MAX)
    }

    /// A queue of `capacity` events, at least one, with no more than `bytes` bytes of
    /// messages, states and questions.
    pub fn bounded(capacity: usize, bytes: usize) -> Arc<Self> {
        let backlog = Backlog::new(capacity.max(1), bytes);
        Arc::new(Self { state: Handover::new(State { backlog, closed: false, waker: None }) })
    }

    /// A delegate for one or more pools of one node, which queues what they tell and those
    /// questions that `asks` names; the others have their default. The `tag` comes back
    /// with each event, to tell nodes apart.
    pub fn delegate(self: &Arc<Self>, tag: u64, asks: Asks) -> Arc<dyn Delegate> {
        Arc::new(Feed { events: Arc::clone(self), asks, tag, number: FEEDS.fetch_add(1, Relaxed) })
    }

    /// Takes what waits, oldest first, at most `max` and never none; waits up to
    /// `timeout` for the first event, or for ever. Zero only looks.
    pub fn take(&self, max: usize, timeout: Option<Duration>) -> Result<Vec<Event>, WaitError> {
        self.state.take(timeout, |state| {
            let mut events = Vec::new();
            while events.len() < max.max(1)
                && let Some(event) = state.backlog.pop()
            {
                events.push(event);
            }
            match (events.is_empty(), state.closed) {
                (false, _) => Ok(events),
                (true, true) => Err(WaitError::Closed),
                (true, false) => Err(WaitError::Timeout),
            }
        })
    }

    /// What has passed through, and what waits.
    pub fn stats(&self) -> QueueStats {
        let (Depth { waiting, accepted, dropped, .. }, limit) =
            self.state.look(|state| (state.backlog.depth(), state.backlog.capacity()));
        QueueStats { accepted, dropped, pending: waiting, limit }
    }

    /// Closes the queue and wakes whoever waits: nothing is added any more, what waits
    /// can still be taken. Questions that would be added have their default at once.
    pub fn close(&self) {
        let waker = self.state.end(|state| {
            state.closed = true;
            state.waker.clone()
        });
        waker.into_iter().for_each(|waker| waker());
    }

    /// Whether it has been closed.
    pub fn is_closed(&self) -> bool {
        self.state.look(|state| state.closed)
    }

    /// A descriptor that is readable exactly while [`take`](Self::take) would not wait, also
    /// once the queue is closed; for `poll` and every event loop. It is made by the first
    /// call and stays the same and valid as long as the queue exists. Only watch it: do not
    /// read, write or close it. An event that a thread takes which blocks in `take` does not
    /// show.
    pub fn readiness(&self) -> io::Result<BorrowedFd<'_>> {
        self.state.readiness()
    }

    /// Sets a function to be called after something was queued and after the queue was
    /// closed, for event loops that wait on something else. It runs with no lock held, on
    /// a callback thread or that of `close`, and should only wake: write to a pipe or post
    /// to a loop. It is called at once if something waits already.
    pub fn set_waker(&self, waker: impl Fn() + Send + Sync + 'static) {
        let waker: Arc<dyn Fn() + Send + Sync> = Arc::new(waker);
        let (waits, replaced) = self.state.put(|state| {
            let replaced = state.waker.replace(Arc::clone(&waker));
            (state.is_ready(), replaced)
        });
        drop(replaced);
        if waits {
            waker();
        }
    }

    /// What `change` returns; nothing if the queue is closed.
    fn push<T>(&self, change: impl FnOnce(&mut Backlog<Event>) -> T) -> Option<T> {
        let (pushed, waker) = self.state.put(|state| {
            if state.closed {
                state.backlog.count_refused();
                return (None, None);
            }
            (Some(change(&mut state.backlog)), state.waker.clone())
        });
        waker.into_iter().for_each(|waker| waker());
        pushed
    }
}

impl Feed {
    fn source(&self, pool: PoolId) -> Source {
        Source { tag: self.tag, pool, delegate: self.number }
    }
}

impl Delegate for Feed {
    fn asks(&self) -> Asks {
        self.asks
    }

    fn queue(&self) -> Option<QueueStats> {
        Some(self.events.stats())
    }

    fn tell(&self, pool: PoolId, notice: Notice) {
        let source = self.source(pool);
        self.events.push(|backlog| match notice {
            Notice::Overflow { dropped } => backlog.tell_dropped(dropped),
            notice => {
                backlog.push(Event::Told { source, notice });
            }
        });
    }

    fn take(&self, pool: PoolId, message: UserMessage) -> Verdict {
        let event = Event::Told { source: self.source(pool), notice: Notice::Message(message) };
        match self.events.push(|backlog| backlog.push(event)) {
            Some(true) => Ok(()),
            Some(false) => Err(Refusal::QueueFull),
            None => Err(Refusal::Unheard),
        }
    }

    fn ask(&self, pool: PoolId, question: Question, answer: Answer) {
        let source = self.source(pool);
        self.events.push(|backlog| {
            backlog.push(Event::Asked { source, question, answer });
        });
    }
}

impl Ready for State {
    fn is_ready(&self) -> bool {
        self.closed || !self.backlog.is_empty()
    }
}

impl Entry for Event {
    type Subject = (Source, Subject);

    fn keep(&self) -> Keep<Self::Subject> {
        match self {
            Self::Told { source, notice } => match notice.keep() {
                Keep::Latest(subject) => Keep::Latest((*source, subject)),
                Keep::IfRoom => Keep::IfRoom,
                Keep::Always => Keep::Always,
            },
            Self::Asked { .. } => Keep::IfRoom,
            Self::Overflow { .. } => Keep::Always,
        }
    }

    fn weight(&self) -> usize {
        match self {
            Self::Told { notice, .. } => notice.weight(),
            Self::Asked { question: Question::AdmitMerge(members), .. } => members.iter().map(size).sum(),
            Self::Asked { question: Question::AdmitAlive(member), .. } => size(member),
            Self::Asked { .. } | Self::Overflow { .. } => 0,
        }
    }

    fn overflow(dropped: u64) -> Self {
        Self::Overflow { dropped }
    }

    fn collapse(&self, later: Self) -> Self {
        match (self, later) {
            (Self::Told { notice: earlier, .. }, Self::Told { source, notice: later }) => {
                Self::Told { source, notice: earlier.collapse(later) }
            }
            (_, later) => later,
        }
    }
}

/// Bytes that a member takes, about.
fn size(member: &Member) -> usize {
    size_of::<Member>() + member.name().as_bytes().len() + member.meta().len()
}

impl fmt::Debug for Events {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Events").field("closed", &self.is_closed()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;
    use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
    use std::thread;

    use super::*;
    use crate::base::addr::NodeAddr;
    use crate::pool::action::UserMessage;
    use crate::swim::node::{Meta, Node, State as MemberState, Versions};

    const POOL: PoolId = PoolId(1);

    fn addr() -> SocketAddr {
        ([127, 0, 0, 1], 7946).into()
    }

    fn message(text: &'static str) -> Notice {
        Notice::Message(UserMessage {
            pool: POOL,
            bytes: text.into(),
            from: addr(),
            sender: None,
            reliable: true,
            encrypted: false,
            at: crate::base::time::Time::ZERO,
            origin: None,
        })
    }

    fn member(name: &str, incarnation: u32) -> Member {
        let node = Node {
            name: name.into(),
            addr: NodeAddr::from(addr()),
            meta: Meta::default(),
            versions: Versions::default(),
        };
        Member { node: Arc::new(node), state: MemberState::Alive, incarnation }
    }

    /// A queue and a delegate that feeds it.
    fn queue(capacity: usize) -> (Arc<Events>, Arc<dyn Delegate>) {
        let events = Events::new(capacity);
        let delegate = events.delegate(7, Asks::default());
        (events, delegate)
    }

    fn texts(events: &[Event]) -> Vec<String> {
        events
            .iter()
            .map(|event| match event {
                Event::Told { notice: Notice::Message(message), .. } => {
                    String::from_utf8_lossy(&message.bytes).into_owned()
                }
                Event::Told { notice: Notice::Joined(member), source } => {
                    format!("{}.{} joined {}", source.tag, source.pool, member.incarnation)
                }
                Event::Told { notice: Notice::Left(member), source } => {
                    format!("{}.{} left {}", source.tag, source.pool, member.incarnation)
                }
                Event::Told { notice: Notice::Ended, source } => {
                    format!("{}.{} ended", source.tag, source.pool)
                }
                Event::Overflow { dropped } => format!("{dropped} dropped"),
                other => format!("{other:?}"),
            })
            .collect()
    }

    #[test]
    fn events_are_taken_in_order_and_in_portions() {
        let (events, delegate) = queue(8);
        for text in ["a", "b", "c"] {
            delegate.tell(POOL, message(text));
        }

        assert_eq!(texts(&events.take(2, Some(Duration::ZERO)).unwrap()), ["a", "b"]);
        assert_eq!(texts(&events.take(2, None).unwrap()), ["c"]);
        assert_eq!(events.take(2, Some(Duration::ZERO)).unwrap_err(), WaitError::Timeout);
    }

    #[test]
    fn what_was_dropped_is_told_once() {
        let (events, delegate) = queue(1);
        for text in ["a", "b", "c"] {
            delegate.tell(POOL, message(text));
        }

        assert_eq!(events.stats(), QueueStats { accepted: 1, dropped: 2, pending: 1, limit: 1 });
        assert_eq!(texts(&events.take(8, None).unwrap()), ["2 dropped", "a"]);
        assert_eq!(events.stats(), QueueStats { accepted: 1, dropped: 2, pending: 0, limit: 1 });
        assert_eq!(events.take(8, Some(Duration::ZERO)).unwrap_err(), WaitError::Timeout);
    }

    #[test]
    fn closing_wakes_a_waiting_thread_once_everything_is_taken() {
        let (events, delegate) = queue(8);
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

        delegate.tell(POOL, message("a"));
        events.close();
        delegate.tell(POOL, message("too late"));

        let (taken, error) = waiting.join().unwrap();
        assert_eq!(texts(&taken), ["a"]);
        assert_eq!(events.stats().dropped, 1);
        assert_eq!(error, WaitError::Closed);
    }

    #[test]
    fn the_waker_hears_of_everything_even_of_what_came_before_it() {
        let ((events, delegate), calls) = (queue(8), Arc::new(AtomicUsize::new(0)));
        delegate.tell(POOL, message("a"));

        let counter = Arc::clone(&calls);
        events.set_waker(move || {
            counter.fetch_add(1, SeqCst);
        });
        assert_eq!(calls.load(SeqCst), 1);
        delegate.tell(POOL, message("b"));
        events.close();

        assert_eq!(calls.load(SeqCst), 3);
    }

    #[test]
    fn changes_collapse_for_each_member_and_pool_and_node() {
        let (events, first) = queue(1);
        // Of the same tag, as of a program that does not care.
        let second = events.delegate(7, Asks::default());

        for round in 1..100 {
            for (delegate, pool) in [(&first, 1), (&first, 2), (&second, 1)] {
                delegate.tell(PoolId(pool), Notice::Joined(member("a", round)));
                if pool == 2 {
                    delegate.tell(PoolId(pool), Notice::Left(member("a", round)));
                }
            }
        }

        let taken = texts(&events.take(8, None).unwrap());
        assert_eq!(taken, ["7.1 joined 99", "7.2 left 99", "7.1 joined 99"]);
    }

    #[test]
    fn the_end_of_a_pool_is_told_even_by_a_full_queue_that_stays_open() {
        let (events, delegate) = queue(1);
        delegate.tell(POOL, message("a"));
        delegate.tell(POOL, Notice::Ended);

        delegate.tell(PoolId(2), message("b"));

        assert_eq!(texts(&events.take(8, None).unwrap()), ["1 dropped", "a", "7.1 ended"]);
        delegate.tell(PoolId(2), message("c"));
        assert_eq!(texts(&events.take(8, None).unwrap()), ["c"]);
    }

    #[test]
    fn what_was_dropped_before_the_queue_is_told_with_the_rest() {
        let (events, delegate) = queue(1);

        delegate.tell(POOL, Notice::Overflow { dropped: 5 });
        delegate.tell(POOL, message("a"));
        delegate.tell(POOL, message("b"));

        assert_eq!(texts(&events.take(8, None).unwrap()), ["6 dropped", "a"]);
    }

    #[test]
    fn bytes_are_bounded_besides_the_number() {
        let events = Events::bounded(100, 5);
        let delegate = events.delegate(0, Asks::default());

        for text in ["four", "two", "x"] {
            delegate.tell(POOL, message(text));
        }

        assert_eq!(texts(&events.take(8, None).unwrap()), ["1 dropped", "four", "x"]);
    }

    #[test]
    fn the_descriptor_is_readable_while_something_waits_be_it_only_an_overflow() {
        use rustix::event::{PollFd, PollFlags, Timespec, poll};
        let (events, delegate) = queue(1);
        let readable = || {
            let fd = events.readiness().unwrap();
            let now = Timespec { tv_sec: 0, tv_nsec: 0 };
            poll(&mut [PollFd::new(&fd, PollFlags::IN)], Some(&now)).unwrap() == 1
        };

        assert!(!readable());
        delegate.tell(POOL, message("a"));
        delegate.tell(POOL, message("b"));
        for expected in ["1 dropped", "a"] {
            assert!(readable());
            assert_eq!(texts(&events.take(1, Some(Duration::ZERO)).unwrap()), [expected]);
        }
        assert!(!readable());
        events.close();
        assert_eq!(events.take(1, None).unwrap_err(), WaitError::Closed);
        assert!(readable());
    }
}
