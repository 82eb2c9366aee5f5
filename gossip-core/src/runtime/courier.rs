//! Carries notices and questions to the application, in order and off the network path.
//!
//! ```text
//!   driver --tell--> lane "tell": backlog --> delegate.notify_*       one at a time
//!          --ask---> lane "ask": questions --> delegate's answer --> driver, as an input
//! ```
//!
//! A lane runs on a blocking thread of the node's runtime while it has something to do;
//! a callback that never returns holds up its own lane and nothing else. No lock is held
//! during a callback.

use std::cell::Cell;
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::sync::mpsc::UnboundedSender;
use tracing::debug;

use crate::base::ids::{AskId, PoolId};
use crate::base::limit::{Limiter, warn_limited};
use crate::base::time::Time;
use crate::net::queue::QueueStats;
use crate::net::scope::Scope;
use crate::pool::action::{Notice, Question, Reply};
use crate::runtime::backlog::{Backlog, Depth};
use crate::runtime::clock::Clock;
use crate::runtime::counters::Counters;
use crate::runtime::delegate::Delegate;
use crate::runtime::input::Input;
use crate::runtime::lane::{Lane, Queue, Then};
use crate::runtime::tally::{Running, Tally};

/// Questions that wait behind one which the application does not answer; for more, the
/// default is taken. As many as the machine has open at a time.
pub(crate) const QUESTIONS_MAX: usize = 4096;

/// A callback that runs for longer is worth a warning.
const LONG: Duration = Duration::from_secs(10);

/// Where a callback belongs: the number of its node, and its pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    /// Unique among the nodes of the process.
    pub(crate) node: u64,
    pub(crate) pool: PoolId,
}

thread_local! {
    /// The callback that this thread is in.
    static CALLBACK: Cell<Option<Place>> = const { Cell::new(None) };
}

/// The callback that the calling thread is in.
pub(crate) fn current_callback() -> Option<Place> {
    CALLBACK.get()
}

/// The courier of one pool.
pub(crate) struct Courier {
    /// Let go when the pool ends.
    delegate: Mutex<Option<Arc<dyn Delegate>>>,
    /// How its queue was left.
    last_queue: Mutex<Option<QueueStats>>,
    /// Around what is logged here, and not around callbacks: they have a log of their own.
    scope: Scope,
    tell: Lane<Telling>,
    ask: Lane<VecDeque<Asked>>,
    /// Since when the callback of each lane runs.
    telling: Since,
    asking: Since,
    limiter: Mutex<Limiter>,
    place: Place,
    clock: Clock,
    inputs: UnboundedSender<Input>,
    pub(crate) counters: Arc<Counters>,
    tally: Arc<Tally>,
}

/// Since when something runs; the nanoseconds of a `Time`, or none.
#[derive(Debug)]
struct Since(AtomicU64);

impl Since {
    const NONE: u64 = u64::MAX;

    fn new() -> Self {
        Self(AtomicU64::new(Self::NONE))
    }

    fn begin(&self, now: Time) {
        self.0.store(now.as_nanos(), Relaxed);
    }

    fn end(&self) {
        self.0.store(Self::NONE, Relaxed);
    }

    /// How long it has been running at `now`, if it is.
    fn running(&self, now: Time) -> Option<Duration> {
        let begun = self.0.load(Relaxed);
        (begun != Self::NONE).then(|| now.since(Time::from_nanos(begun)))
    }
}

/// What the lane "tell" has before it.
struct Telling {
    backlog: Backlog,
    /// The pool has ended; told last.
    farewell: bool,
}

/// One thing to tell.
enum Told {
    Notice(Notice),
    Farewell,
}

/// A question and how long its answer is of use.
struct Asked {
    id: AskId,
    question: Question,
    deadline: Time,
}

impl Courier {
    pub(crate) fn new(
        delegate: Option<Arc<dyn Delegate>>,
        scope: Scope,
        depth: usize,
        place: Place,
        clock: Clock,
        inputs: UnboundedSender<Input>,
        tally: Arc<Tally>,
    ) -> Arc<Self> {
        let tell = Lane::new(Telling { backlog: Backlog::new(depth), farewell: false });
        let ask = Lane::new(VecDeque::new());
        Arc::new(Self {
            delegate: Mutex::new(delegate),
            last_queue: Mutex::default(),
            scope,
            tell,
            ask,
            telling: Since::new(),
            asking: Since::new(),
            limiter: Mutex::default(),
            place,
            clock,
            inputs,
            counters: Arc::default(),
            tally,
        })
    }

    /// Tells the application, when its turn comes. Called inside the runtime.
    pub(crate) fn tell(self: &Arc<Self>, notice: Notice) {
        if self.delegate.lock().is_none() {
            return;
        }
        let mut kept = true;
        let then = self.tell.put(|telling| kept = telling.backlog.push(notice));
        if !kept {
            self.counters.messages_dropped.raise();
            warn_limited!(
                self.limiter.lock(), self.clock.now(), "delegate queue full, messages are dropped",
                hint: "make the handler faster or raise message_queue_depth"
            );
        }
        self.follow(then, Self::run_tell);
    }

    /// Asks the application; the answer comes as an input. Called inside the runtime.
    pub(crate) fn ask(self: &Arc<Self>, id: AskId, question: Question, deadline: Time) {
        let now = self.clock.now();
        let mut defaulted = 0;
        let then = self.ask.put(|asked| {
            // Behind a callback that does not return these would pile up.
            while asked.front().is_some_and(|first| first.deadline <= now) {
                asked.pop_front();
                defaulted += 1;
            }
            if asked.len() < QUESTIONS_MAX {
                asked.push_back(Asked { id, question, deadline });
            } else {
                defaulted += 1;
            }
        });
        self.counters.questions_defaulted.add(defaulted);
        self.follow(then, Self::run_ask);
    }

    /// What waits to be told, and how many questions wait.
    pub(crate) fn depth(&self) -> (Depth, usize) {
        (self.tell.look(|telling| telling.backlog.depth()), self.ask.look(VecDeque::len))
    }

    /// The depth of the delegate's own queue, if it has one.
    pub(crate) fn delegate_queue(&self) -> Option<QueueStats> {
        match self.delegate.lock().clone() {
            Some(delegate) => delegate.queue(),
            None => *self.last_queue.lock(),
        }
    }

    /// Warns of callbacks that do not return. Called now and then, inside the runtime.
    pub(crate) fn watch(&self, now: Time) {
        for (lane, since) in [("notifications", &self.telling), ("questions", &self.asking)] {
            if let Some(running) = since.running(now).filter(|running| *running >= LONG) {
                warn_limited!(
                    self.limiter.lock(), now, "callback does not return",
                    hint: "what follows waits for it: let it hand long work to a thread of its own",
                    lane, ?running
                );
            }
        }
    }

    /// Ends both lanes: what waits is dropped, a callback that runs is the last but one,
    /// the farewell is the last. Called inside the runtime.
    pub(crate) fn close(self: &Arc<Self>) {
        let then = self.close_lanes();
        if self.delegate.lock().is_some() {
            self.follow(then, Self::run_tell);
        }
    }

    /// The same for a pool that never ran: the farewell is said by the calling thread.
    pub(crate) fn close_here(&self) {
        if self.close_lanes() == Then::Run {
            self.run_tell();
        }
    }

    fn close_lanes(&self) -> Then {
        let mut unasked = 0;
        let then = self.ask.close(|asked| {
            unasked = asked.len();
            asked.clear();
        });
        self.counters.questions_defaulted.add(unasked as u64);
        if then == Then::Run {
            // Nothing is left to run: this makes the lane idle again.
            self.ask.next();
        }
        self.tell.close(|telling| {
            let dropped = telling.backlog.clear();
            self.counters.notices_abandoned.add(dropped as u64);
            telling.farewell = true;
        })
    }

    fn follow(self: &Arc<Self>, then: Then, run: fn(&Self)) {
        if then == Then::Run {
            let (courier, running) = (Arc::clone(self), self.tally.enter());
            tokio::task::spawn_blocking(move || courier.occupy(running, run));
        }
    }

    /// A run of a lane; counted as running until it lets go of the courier.
    fn occupy(self: Arc<Self>, running: Running, run: fn(&Self)) {
        run(&self);
        drop(self);
        drop(running);
    }

    fn run_tell(&self) {
        while let Some(told) = self.tell.next() {
            match told {
                Told::Notice(notice) => {
                    self.call(&self.telling, |delegate| tell(delegate, notice));
                }
                Told::Farewell => {
                    self.call(&self.telling, |delegate| delegate.notify_shutdown());
                    self.let_go();
                }
            }
        }
    }

    fn run_ask(&self) {
        while let Some(asked) = self.ask.next() {
            let reply = if self.clock.now() < asked.deadline {
                let answer = self.call(&self.asking, |delegate| answer(delegate, asked.question));
                answer.map(|answer| self.reply(answer))
            } else {
                None
            };
            // Without a reply the machine takes the default at the deadline.
            if let Some(reply) = reply
                && self.clock.now() < asked.deadline
            {
                let _ = self.inputs.send(Input::Reply(asked.id, reply));
            } else {
                self.counters.questions_defaulted.raise();
            }
        }
    }

    /// The reply that an answer means.
    fn reply(&self, answer: Result<Reply, String>) -> Reply {
        answer.unwrap_or_else(|reason| {
            self.scope.enter(|| debug!(reason, "the application refused"));
            Reply::Refuse
        })
    }

    /// Calls the application; nothing comes of a panic but a count.
    fn call<T>(&self, since: &Since, callback: impl FnOnce(&dyn Delegate) -> T) -> Option<T> {
        let delegate = self.delegate.lock().clone()?;
        since.begin(self.clock.now());
        let result = self.marked(move || callback(&*delegate));
        since.end();
        result
    }

    /// Drops our hold on the delegate. What it does then is a callback, too.
    fn let_go(&self) {
        self.marked(|| {
            let last = self.delegate_queue();
            *self.last_queue.lock() = last;
        });
        let delegate = self.delegate.lock().take();
        self.marked(move || drop(delegate));
    }

    fn marked<T>(&self, callback: impl FnOnce() -> T) -> Option<T> {
        let outer = CALLBACK.replace(Some(self.place));
        let result = catch_unwind(AssertUnwindSafe(callback));
        CALLBACK.set(outer);
        if result.is_err() {
            self.counters.callback_panics.raise();
            self.scope.enter(|| {
                warn_limited!(
                    self.limiter.lock(), self.clock.now(), "callback panicked",
                    hint: "mend the delegate; the default was taken, and what it was told is lost to it"
                );
            });
        }
        result.ok()
    }
}

impl Queue for Telling {
    type Item = Told;

    fn take(&mut self) -> Option<Told> {
        match self.backlog.pop() {
            Some(notice) => Some(Told::Notice(notice)),
            None => std::mem::take(&mut self.farewell).then_some(Told::Farewell),
        }
    }
}

impl Queue for VecDeque<Asked> {
    type Item = Asked;

    fn take(&mut self) -> Option<Asked> {
        self.pop_front()
    }
}

fn tell(delegate: &dyn Delegate, notice: Notice) {
    match notice {
        Notice::Joined(member) => delegate.notify_join(&member),
        Notice::Left(member) => delegate.notify_leave(&member),
        Notice::Updated(member) => delegate.notify_update(&member),
        Notice::Conflict { existing, other } => delegate.notify_conflict(&existing, &other),
        Notice::Message(message) => delegate.notify_msg(&message),
        Notice::RemoteState { join, state } => delegate.merge_remote_state(&state, join),
        Notice::Pinged { member, rtt, payload } => delegate.notify_ping_complete(&member, rtt, &payload),
    }
}

/// The answer of the application; an error is the reason of a refusal.
fn answer(delegate: &dyn Delegate, question: Question) -> Result<Reply, String> {
    match question {
        // A refusal leaves the published state.
        Question::LocalState { join } => {
            let state = delegate.local_state(join);
            return Ok(state.map_or(Reply::Refuse, |state| Reply::State(Bytes::from(state))));
        }
        Question::AdmitAlive(member) => delegate.notify_alive(&member),
        Question::AdmitMerge(members) => delegate.notify_merge(&members),
        Question::AllowStreamPing(name) => {
            delegate.allow_tcp_ping(name.as_bytes()).then_some(()).ok_or_else(|| "no tcp ping".to_owned())
        }
    }
    .map(|()| Reply::Admit)
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, channel};
    use std::time::Duration;

    use tokio::sync::mpsc::unbounded_channel;

    use super::*;
    use crate::runtime::log::{Log, LogLevel, Record};

    /// Answers nothing until the other end is dropped.
    struct Stuck(Mutex<Receiver<()>>);

    impl Delegate for Stuck {
        fn local_state(&self, _: bool) -> Option<Vec<u8>> {
            let _ = self.0.lock().recv();
            None
        }
    }

    #[tokio::test]
    async fn questions_do_not_pile_up_behind_one_that_is_never_answered() {
        let (release, stuck) = channel();
        let (inputs, _replies) = unbounded_channel();
        let tally = Arc::<Tally>::default();
        let clock = Clock::start();
        let courier = Courier::new(
            Some(Arc::new(Stuck(Mutex::new(stuck)))),
            Scope::default(),
            1,
            Place { node: 0, pool: PoolId(1) },
            clock,
            inputs,
            Arc::clone(&tally),
        );
        let soon = clock.now() + Duration::from_secs(600);

        for id in 0..3 * QUESTIONS_MAX as u64 {
            courier.ask(AskId(id), Question::LocalState { join: false }, soon);
        }

        // One is with the application or about to be.
        assert!(courier.counters.questions_defaulted.get() >= 2 * QUESTIONS_MAX as u64 - 1);
        drop(release);
        assert!(tally.wait(clock, soon));
    }

    #[tokio::test]
    async fn a_callback_that_does_not_return_is_told_while_it_runs_and_not_after() {
        let kept = Arc::new(Mutex::new(Vec::new()));
        let keep = Arc::clone(&kept);
        let log = Log::new(0, &"a".into());
        log.set(LogLevel::Warn, Some(Arc::new(move |record: &Record| keep.lock().push(record.to_string()))))
            .unwrap();
        let (release, stuck) = channel();
        let (inputs, _replies) = unbounded_channel();
        let tally = Arc::<Tally>::default();
        let clock = Clock::start();
        let courier = Courier::new(
            Some(Arc::new(Stuck(Mutex::new(stuck)))),
            log.scope.of_pool(&"a".into(), PoolId(1)),
            1,
            Place { node: 0, pool: PoolId(1) },
            clock,
            inputs,
            Arc::clone(&tally),
        );
        let soon = clock.now() + Duration::from_secs(600);
        courier.ask(AskId(1), Question::LocalState { join: false }, soon);
        while courier.asking.running(clock.now()).is_none() {
            tokio::task::yield_now().await;
        }

        let watch = |now| courier.scope.enter(|| courier.watch(now));
        watch(clock.now());
        watch(clock.now() + LONG);
        watch(clock.now() + LONG);
        drop(release);
        assert!(tally.wait(clock, soon));
        watch(clock.now() + LONG * 20);
        assert!(log.close(clock, soon));

        let kept = kept.lock();
        assert_eq!(kept.len(), 1, "{kept:#?}");
        let parts = ["callback does not return", "pool=1", "lane=questions", "hint="];
        assert!(parts.iter().all(|part| kept[0].contains(part)), "{}", kept[0]);
    }
}
