//! A node's own log: a sink of the application instead of the program's subscriber.
//!
//! ```text
//!   any task or call --tracing--> Collector --> queue, bounded --> thread "gossip-log" --> sink
//! ```
//!
//! Whoever logs never waits: what finds the queue full is counted, and told before the
//! next record. The thread exists from the first sink to the end of the node. It holds no
//! lock while the sink runs.

use std::cell::Cell;
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU8, Ordering::Relaxed};
use std::sync::{Arc, Condvar, LazyLock, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use tracing::level_filters::LevelFilter;
use tracing::subscriber::Interest;
use tracing::{Dispatch, Event, Metadata, Subscriber, callsite, span};

use crate::base::lock::lock;
use crate::base::name::NodeName;
use crate::base::time::Time;
use crate::net::scope::{Scope, current_pool};
use crate::runtime::clock::Clock;
use crate::runtime::counters::Counter;
use crate::runtime::error::Error;
pub use crate::runtime::record::{LogLevel, Record};
use crate::runtime::tally::Tally;

/// Records that wait for the sink.
const WAITING_MAX: usize = 1024;

/// What waits when the node ends is still told to the sink, for at most this long.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// Whose records are a sink's: those of this crate. Others log to the program's subscriber.
const CRATE: &str = env!("CARGO_CRATE_NAME");

thread_local! {
    /// The number of the node whose sink this thread is in.
    static SINK: Cell<Option<u64>> = const { Cell::new(None) };
}

/// The number of the node whose sink the calling thread is in.
pub(crate) fn current_sink() -> Option<u64> {
    SINK.get()
}

/// What became of the records of a node while it had a sink.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct LogStats {
    /// Records that were given to a sink.
    pub delivered: u64,
    /// Records dropped: the sink was too slow, or it was taken away, or its level lowered,
    /// while they waited.
    pub dropped: u64,
    /// Calls of a sink that panicked.
    pub panics: u64,
}

/// The log of a node.
pub(crate) struct Log {
    /// What happens to the node as a whole is logged in here.
    pub(crate) scope: Scope,
    outlet: Arc<Outlet>,
    /// The collector while there is a sink. Held by whoever changes that.
    collector: Mutex<Option<Dispatch>>,
    tally: Arc<Tally>,
}

/// What a node's records are given to, one at a time, by a thread of that node.
pub type LogSink = Arc<dyn Fn(&Record) + Send + Sync>;

/// The way from those who log to the sink.
struct Outlet {
    node: u64,
    /// A `LogLevel`.
    level: AtomicU8,
    state: Mutex<State>,
    changed: Condvar,
    delivered: Counter,
    dropped: Counter,
    panics: Counter,
}

struct State {
    waiting: VecDeque<Record>,
    /// Dropped since it was told last.
    untold: u64,
    sink: Option<LogSink>,
    has_thread: bool,
    end: End,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    NotYet,
    /// As soon as nothing waits any more.
    Drained,
    Now,
}

impl Log {
    pub(crate) fn new(node: u64, name: &NodeName) -> Self {
        let state =
            State { waiting: VecDeque::new(), untold: 0, sink: None, has_thread: false, end: End::NotYet };
        let outlet = Outlet {
            node,
            level: AtomicU8::new(LogLevel::Off as u8),
            state: Mutex::new(state),
            changed: Condvar::new(),
            delivered: Counter::default(),
            dropped: Counter::default(),
            panics: Counter::default(),
        };
        Self {
            scope: Scope::of_node(name),
            outlet: Arc::new(outlet),
            collector: Mutex::new(None),
            tally: Arc::default(),
        }
    }

    /// Logs to `sink` from now on; without one, to the program's subscriber.
    pub(crate) fn set(&self, level: LogLevel, sink: Option<LogSink>) -> Result<(), Error> {
        let mut collector = lock(&self.collector);
        let level = if sink.is_some() { level } else { LogLevel::Off };
        let old = match self.put(level, sink) {
            Ok(old) => old,
            Err((error, refused)) => {
                drop(collector);
                drop(refused);
                return Err(error);
            }
        };
        if self.has_sink() {
            let known = collector.is_some();
            let dispatch = collector.get_or_insert_with(|| collect_into(&self.outlet));
            self.scope.set_sink(Some(dispatch.clone()));
            if known {
                callsite::rebuild_interest_cache();
            }
        } else {
            self.forget(collector.take());
        }
        drop(collector);
        // The application's code runs when it is let go.
        drop(old);
        Ok(())
    }

    /// Ends the log; false if the sink is still being called at `deadline`. Afterwards it
    /// is called no more, and has been let go.
    pub(crate) fn close(&self, clock: Clock, deadline: Time) -> bool {
        // From now on no sink is taken, so no collector comes back.
        self.outlet.end(End::Drained);
        self.forget(lock(&self.collector).take());
        if self.tally.wait(clock, deadline.min(clock.now() + LAST_WORDS)) {
            return true;
        }
        self.outlet.end(End::Now);
        self.tally.wait(clock, deadline)
    }

    pub(crate) fn is_open(&self) -> bool {
        lock(&self.outlet.state).end == End::NotYet
    }

    pub(crate) fn stats(&self) -> LogStats {
        let Outlet { delivered, dropped, panics, .. } = &*self.outlet;
        LogStats { delivered: delivered.get(), dropped: dropped.get(), panics: panics.get() }
    }

    fn has_sink(&self) -> bool {
        lock(&self.outlet.state).sink.is_some()
    }

    /// Replaces the sink, and gives back the old one; refuses one that comes too late.
    fn put(
        &self,
        level: LogLevel,
        sink: Option<LogSink>,
    ) -> Result<Option<LogSink>, (Error, Option<LogSink>)> {
        let mut state = lock(&self.outlet.state);
        if sink.is_some() && state.end != End::NotYet {
            return Err((Error::Closed, sink));
        }
        if sink.is_some() && !state.has_thread {
            let (outlet, running) = (Arc::clone(&self.outlet), self.tally.enter());
            let run = move || {
                outlet.run();
                drop(running);
            };
            if let Err(error) = thread::Builder::new().name("gossip-log".to_owned()).spawn(run) {
                return Err((Error::System(error), sink));
            }
            state.has_thread = true;
        }
        if sink.is_none() {
            state.untold = 0;
        }
        // What waited and is wanted by nobody any more, as by the level, is dropped.
        self.outlet.level.store(level as u8, Relaxed);
        let waited = state.waiting.len();
        state.waiting.retain(|record| self.outlet.admits(record.level));
        self.outlet.dropped.add((waited - state.waiting.len()) as u64);
        Ok(std::mem::replace(&mut state.sink, sink))
    }

    /// Without a collector nothing is asked any more whether it is to be logged.
    fn forget(&self, collector: Option<Dispatch>) {
        let Some(collector) = collector else { return };
        self.scope.set_sink(None);
        self.outlet.level.store(LogLevel::Off as u8, Relaxed);
        drop(collector);
        callsite::rebuild_interest_cache();
    }
}

impl Outlet {
    /// Tells the sink what waits, until the end.
    fn run(&self) {
        while let Some((record, sink)) = self.next() {
            let sunk = self.marked(move || {
                sink(&record);
                drop(sink);
            });
            match sunk {
                Ok(()) => self.delivered.raise(),
                Err(()) => self.panics.raise(),
            }
        }
        let sink = lock(&self.state).sink.take();
        if self.marked(move || drop(sink)).is_err() {
            self.panics.raise();
        }
    }

    /// Waits for the next record, and for whom it is.
    fn next(&self) -> Option<(Record, LogSink)> {
        let mut state = lock(&self.state);
        loop {
            if state.end == End::Now {
                self.dropped.add(state.waiting.drain(..).count() as u64);
                return None;
            }
            if let Some(sink) = &state.sink {
                let sink = Arc::clone(sink);
                if state.untold > 0 {
                    return Some((missing(std::mem::take(&mut state.untold)), sink));
                }
                if let Some(record) = state.waiting.pop_front() {
                    return Some((record, sink));
                }
            }
            if state.end == End::Drained {
                return None;
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Calls code of the application, of which a panic is no business of ours.
    fn marked(&self, action: impl FnOnce()) -> Result<(), ()> {
        SINK.set(Some(self.node));
        let result = catch_unwind(AssertUnwindSafe(action));
        SINK.set(None);
        result.map_err(drop)
    }

    fn push(&self, record: Record) {
        let mut state = lock(&self.state);
        // The level may have changed since it was asked for.
        if state.sink.is_none() || state.end != End::NotYet || !self.admits(record.level) {
            return;
        }
        if state.waiting.len() >= WAITING_MAX {
            state.untold += 1;
            self.dropped.raise();
            return;
        }
        state.waiting.push_back(record);
        self.changed.notify_one();
    }

    fn end(&self, end: End) {
        lock(&self.state).end = end;
        self.changed.notify_one();
    }

    fn wants(&self, metadata: &Metadata<'_>) -> bool {
        let is_ours = metadata.target().strip_prefix(CRATE).is_some_and(|rest| {
            // Not a crate whose name merely begins like ours.
            rest.is_empty() || rest.starts_with("::")
        });
        is_ours && !metadata.is_span() && self.admits(LogLevel::from(*metadata.level()))
    }

    fn admits(&self, level: LogLevel) -> bool {
        level as u8 <= self.level.load(Relaxed)
    }
}

/// That records are missing, as a record.
fn missing(count: u64) -> Record {
    Record {
        level: LogLevel::Warn,
        target: module_path!(),
        message: "records dropped".to_owned(),
        fields: format!("count={count} hint=\"make the sink faster or lower the level\""),
        pool: None,
        time: Clock::wall(),
    }
}

/// The subscriber of a node's threads while it has a sink. Spans carry only what a sink
/// knows already, so there are none.
struct Collector(Arc<Outlet>);

impl Subscriber for Collector {
    fn register_callsite(&self, metadata: &'static Metadata<'static>) -> Interest {
        if self.0.wants(metadata) { Interest::always() } else { Interest::never() }
    }

    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        self.0.wants(metadata)
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        let level = self.0.level.load(Relaxed);
        Some(match LogLevel::ALL.get(usize::from(level)) {
            Some(LogLevel::Error) => LevelFilter::ERROR,
            Some(LogLevel::Warn) => LevelFilter::WARN,
            Some(LogLevel::Info) => LevelFilter::INFO,
            Some(LogLevel::Debug) => LevelFilter::DEBUG,
            Some(LogLevel::Trace) => LevelFilter::TRACE,
            Some(LogLevel::Off) | None => LevelFilter::OFF,
        })
    }

    fn event(&self, event: &Event<'_>) {
        // What a sink causes in its own thread would come back to it for ever.
        if self.0.wants(event.metadata()) && current_sink() != Some(self.0.node) {
            self.0.push(Record::of(event, current_pool(), Clock::wall()));
        }
    }

    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}
    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}
    fn enter(&self, _: &span::Id) {}
    fn exit(&self, _: &span::Id) {}
}

/// A subscriber of no thread at all.
///
/// While there is but one subscriber, `tracing` asks only that of the calling thread
/// whether anybody wants an event, and remembers the answer. A node without a sink, or the
/// application, would so silence the one node that has one. This is the second.
struct Bystander;

impl Subscriber for Bystander {
    // Neither vote changes the outcome of the others'.
    fn register_callsite(&self, _: &'static Metadata<'static>) -> Interest {
        Interest::always()
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(LevelFilter::OFF)
    }

    fn enabled(&self, _: &Metadata<'_>) -> bool {
        false
    }

    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}
    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}
    fn event(&self, _: &Event<'_>) {}
    fn enter(&self, _: &span::Id) {}
    fn exit(&self, _: &span::Id) {}
}

fn collect_into(outlet: &Arc<Outlet>) -> Dispatch {
    static BYSTANDER: LazyLock<Dispatch> = LazyLock::new(|| Dispatch::new(Bystander));

    LazyLock::force(&BYSTANDER);
    Dispatch::new(Collector(Arc::clone(outlet)))
}
