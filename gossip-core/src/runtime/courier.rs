//! Carries notices and questions to the application, in order and off the network path.
//!
//! ```text
//!   driver --tell--> lane "tell": backlog --> delegate.tell          one at a time
//!          --deliver-------> the same   --> delegate.take --> verdict --> driver, as an input
//!          --ask---> lane "ask": questions --> delegate.ask --> Answer --> driver, as an input
//! ```
//!
//! A lane runs on a blocking thread of the node's runtime while it has something to do;
//! a callback that never returns holds up its own lane and nothing else. No lock is held
//! during a callback.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::mpsc::UnboundedSender;

use crate::base::ids::{AskId, ExchangeId, PoolId};
use crate::base::limit::{Limiter, warn_limited};
use crate::base::time::Time;
use crate::net::queue::QueueStats;
use crate::net::scope::Scope;
use crate::pool::action::{Notice, Question, UserMessage};
use crate::pool::exchange::{Refusal, Verdict};
use crate::runtime::answer::Answer;
use crate::runtime::backlog::{Backlog, Depth, Entry, Keep};
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

/// Bytes of messages and states that may wait, besides the bound on their number.
pub(crate) const BYTES_MAX: usize = 64 << 20;

/// Where a callback belongs: the number of its node, and its pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    /// Unique among the nodes of the process.
    pub(crate) node: u64,
    pub(crate) pool: PoolId,
}

thread_local! {
    /// The callbacks that this thread is in: the last words of a pool that never ran are
    /// said by the thread that ends it, which may be in a callback itself.
    static CALLBACKS: RefCell<Vec<Place>> = const { RefCell::new(Vec::new()) };
}

/// The callbacks that the calling thread is in, the innermost last.
pub(crate) fn current_callbacks() -> Vec<Place> {
    on_callbacks(|places| places.clone()).unwrap_or_default()
}

/// Whether the calling thread is in a callback.
pub(crate) fn in_callback() -> bool {
    on_callbacks(|places| !places.is_empty()).unwrap_or_default()
}

/// `None` in a thread that is going down, which may drop handles even then.
fn on_callbacks<T>(access: impl FnOnce(&mut Vec<Place>) -> T) -> Option<T> {
    CALLBACKS.try_with(|places| access(&mut places.borrow_mut())).ok()
}

/// The courier of one pool.
pub(crate) struct Courier {
    /// Let go when the pool ends.
    delegate: Mutex<Option<Arc<dyn Delegate>>>,
    /// How its queue was left.
    last_queue: Mutex<Option<QueueStats>>,
    /// Around what is logged here, and not around callbacks: they have a log of their own.
    scope: Scope,
    tell: Lane<Backlog<Told>>,
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

/// Something to be told.
struct Told {
    notice: Notice,
    /// The exchange whose peer waits to hear whether the message was taken.
    verdict: Option<ExchangeId>,
}

impl From<Notice> for Told {
    fn from(notice: Notice) -> Self {
        Self { notice, verdict: None }
    }
}

/// A question and the right to answer it.
struct Asked {
    question: Question,
    answer: Answer,
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
        let tell = Lane::new(Backlog::new(depth, BYTES_MAX));
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

    /// Puts down what the application is to be told; [`Courier::go`] with what this returns,
    /// once everything is put down, tells it.
    pub(crate) fn tell(&self, notice: Notice) -> Then {
        if self.delegate.lock().is_some() { self.put(notice.into()).1 } else { Then::Leave }
    }

    /// The same for a message whose sender waits to hear whether it was taken: the verdict comes
    /// as an input.
    pub(crate) fn deliver(&self, id: ExchangeId, message: UserMessage) -> Then {
        if self.delegate.lock().is_none() {
            self.judge(id, Err(Refusal::Unheard));
            return Then::Leave;
        }
        let (kept, then) = self.put(Told { notice: Notice::Message(message), verdict: Some(id) });
        if !kept {
            self.judge(id, Err(Refusal::QueueFull));
        }
        then
    }

    /// Tells the application what was put down. A thread that sets off with the first of many
    /// things ends before the second, and costs more than all of them. Called inside the runtime.
    pub(crate) fn go(self: &Arc<Self>, then: Then) {
        self.follow(then, Self::run_tell);
    }

    fn judge(&self, id: ExchangeId, verdict: Verdict) {
        let _ = self.inputs.send(Input::Verdict(id, verdict));
    }

    /// Whether there was room, and what is to be done then.
    fn put(&self, told: Told) -> (bool, Then) {
        let mut kept = true;
        let then = self.tell.put(|backlog| kept = backlog.push(told));
        if !kept {
            self.counters.messages_dropped.raise();
            warn_limited!(
                self.limiter.lock(), self.clock.now(), "delegate queue full, messages are dropped",
                hint: "make the handler faster or raise message_queue_depth"
            );
        }
        (kept, then)
    }

    /// Asks the application; the answer comes as an input. Called inside the runtime.
    pub(crate) fn ask(self: &Arc<Self>, id: AskId, question: Question, deadline: Time) {
        let (inputs, counters) = (self.inputs.clone(), Arc::clone(&self.counters));
        let answer = Answer::new(id, &question, deadline, self.clock, inputs, counters, self.scope.clone());
        let then = self.ask.put(|asked| {
            // Behind a callback that does not return these would pile up. What is not
            // asked is answered by default.
            while asked.front().is_some_and(|first| first.answer.is_late()) {
                asked.pop_front();
            }
            if asked.len() < QUESTIONS_MAX {
                asked.push_back(Asked { question, answer });
            }
        });
        self.follow(then, Self::run_ask);
    }

    /// What waits to be told, and how many questions wait.
    pub(crate) fn depth(&self) -> (Depth, usize) {
        (self.tell.look(Backlog::depth), self.ask.look(VecDeque::len))
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
        if self.ask.close(VecDeque::clear) == Then::Run {
            // Nothing is left to run: this makes the lane idle again.
            self.ask.next();
        }
        self.tell.close(|backlog| {
            let dropped = backlog.clear();
            self.counters.notices_abandoned.add(dropped as u64);
            backlog.push(Notice::Ended.into());
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
        while let Some(Told { notice, verdict }) = self.tell.next() {
            let last = matches!(notice, Notice::Ended);
            match (notice, verdict) {
                (Notice::Message(message), Some(id)) => {
                    let take = |delegate: &dyn Delegate| delegate.take(self.place.pool, message);
                    let verdict = self.call(&self.telling, take).unwrap_or(Err(Refusal::Failed));
                    self.judge(id, verdict);
                }
                (notice, _) => {
                    self.call(&self.telling, |delegate| delegate.tell(self.place.pool, notice));
                }
            }
            if last {
                self.let_go();
            }
        }
    }

    fn run_ask(&self) {
        while let Some(Asked { question, answer }) = self.ask.next() {
            if !answer.is_late() {
                self.call(&self.asking, |delegate| delegate.ask(self.place.pool, question, answer));
            }
        }
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
        on_callbacks(|places| places.push(self.place));
        let result = catch_unwind(AssertUnwindSafe(callback));
        on_callbacks(Vec::pop);
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

impl Entry for Told {
    type Subject = <Notice as Entry>::Subject;

    fn keep(&self) -> Keep<Self::Subject> {
        self.notice.keep()
    }

    fn weight(&self) -> usize {
        self.notice.weight()
    }

    fn overflow(dropped: u64) -> Self {
        Notice::overflow(dropped).into()
    }

    fn collapse(&self, later: Self) -> Self {
        self.notice.collapse(later.notice).into()
    }
}

impl Queue for Backlog<Told> {
    type Item = Told;

    fn take(&mut self) -> Option<Told> {
        self.pop()
    }
}

impl Queue for VecDeque<Asked> {
    type Item = Asked;

    fn take(&mut self) -> Option<Asked> {
        self.pop_front()
    }
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
