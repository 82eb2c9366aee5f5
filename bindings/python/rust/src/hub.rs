//! What one pool tells and asks, given on to everyone in Python who wants it.
//!
//! A pool has one delegate in the core: its hub. Queues of Python's, each with what it
//! wants, may be put behind the hub at any time. The hub remembers who is a member, and whether
//! the node is isolated, as far as it has told, so that a queue that comes late begins with
//! exactly that.

use std::collections::BTreeMap;
use std::sync::Arc;

use gossip_core::base::ids::PoolId;
use gossip_core::base::name::NodeName;
use gossip_core::net::queue::QueueStats;
use gossip_core::pool::action::{Asks, Notice, Question, UserMessage};
use gossip_core::pool::exchange::{Refusal, Verdict};
use gossip_core::runtime::answer::Answer;
use gossip_core::runtime::delegate::Delegate;
use gossip_core::runtime::events::Events;
use gossip_core::swim::node::Member;
use parking_lot::Mutex;

use crate::kinds::Kinds;

/// The delegate of a pool of Python's.
pub(crate) struct Hub {
    pool: PoolId,
    state: Mutex<State>,
    /// Takes the questions that the application answers itself.
    questions: Option<Arc<dyn Delegate>>,
    asks: Asks,
    /// The queue of the application's delegate, for the metrics.
    delegate: Option<Arc<Events>>,
}

#[derive(Default)]
struct State {
    members: BTreeMap<NodeName, Member>,
    isolated: bool,
    outlets: Vec<Outlet>,
    ended: bool,
}

/// A queue and what it wants.
struct Outlet {
    events: Arc<Events>,
    feed: Arc<dyn Delegate>,
    kinds: Kinds,
    /// The queue closes with the pool.
    is_own: bool,
}

impl Hub {
    /// The hub of the pool `id`. `delegate` is the queue of the application's delegate, and
    /// what that wants to be told; `questions` another one, and what it wants to be asked.
    pub(crate) fn new(
        pool: PoolId,
        delegate: Option<(&Arc<Events>, Kinds)>,
        questions: Option<(&Arc<Events>, Asks)>,
    ) -> Self {
        let hub = Self {
            pool,
            state: Mutex::default(),
            questions: questions.map(|(queue, asks)| queue.delegate(0, asks)),
            asks: questions.map(|(_, asks)| asks).unwrap_or_default(),
            delegate: delegate.map(|(events, _)| Arc::clone(events)),
        };
        if let Some((events, kinds)) = delegate {
            hub.feed(events, kinds, true, false);
        }
        hub
    }

    /// Puts a queue behind the hub. With `snapshot` it begins with how things stand; if it is the
    /// pool's own it closes with the pool.
    pub(crate) fn feed(&self, events: &Arc<Events>, kinds: Kinds, is_own: bool, snapshot: bool) {
        let feed = events.delegate(0, Asks::default());
        let mut state = self.state.lock();
        if state.ended {
            if is_own {
                events.close();
            }
            return;
        }
        if snapshot && kinds.has_joined() {
            for member in state.members.values() {
                feed.tell(self.pool, Notice::Joined(member.clone()));
            }
        }
        if snapshot && state.isolated && kinds.want(&Notice::Isolated) {
            feed.tell(self.pool, Notice::Isolated);
        }
        state.outlets.push(Outlet { events: Arc::clone(events), feed, kinds, is_own });
    }
}

impl State {
    fn note(&mut self, notice: &Notice) {
        match notice {
            Notice::Joined(member) | Notice::Updated(member) => {
                self.members.insert(member.name().clone(), member.clone());
            }
            Notice::Left(member) => {
                self.members.remove(member.name());
            }
            Notice::Isolated => self.isolated = true,
            Notice::Healed { .. } => self.isolated = false,
            Notice::Ended => self.ended = true,
            _ => {}
        }
    }
}

impl Delegate for Hub {
    fn asks(&self) -> Asks {
        self.asks
    }

    fn tell(&self, pool: PoolId, notice: Notice) {
        // Queues never wait, so the lock is held shortly; and nothing is told out of order.
        let mut state = self.state.lock();
        state.note(&notice);
        // Those that Python has let go are closed.
        state.outlets.retain(|outlet| !outlet.events.is_closed());
        for outlet in &state.outlets {
            if outlet.kinds.want(&notice) {
                outlet.feed.tell(pool, notice.clone());
            }
        }
        if state.ended {
            for outlet in state.outlets.drain(..).filter(|outlet| outlet.is_own) {
                outlet.events.close();
            }
        }
    }

    /// Taken is what one of the queues holds.
    fn take(&self, pool: PoolId, message: UserMessage) -> Verdict {
        let notice = Notice::Message(message.clone());
        let mut verdict = Err(Refusal::Unheard);
        let mut state = self.state.lock();
        state.outlets.retain(|outlet| !outlet.events.is_closed());
        for outlet in state.outlets.iter().filter(|outlet| outlet.kinds.want(&notice)) {
            let one = outlet.feed.take(pool, message.clone());
            if verdict.is_err() {
                verdict = one;
            }
        }
        verdict
    }

    fn ask(&self, pool: PoolId, question: Question, answer: Answer) {
        // Without a queue the answer is dropped, which gives the default.
        if let Some(questions) = &self.questions {
            questions.ask(pool, question, answer);
        }
    }

    fn queue(&self) -> Option<QueueStats> {
        self.delegate.as_ref().map(|events| events.stats())
    }
}

/// The questions among the hooks with these names.
pub(crate) fn asks(hooks: &[String]) -> Asks {
    let has = |name: &str| hooks.iter().any(|hook| hook == name);
    Asks {
        local_state: has("local_state"),
        admit_alive: has("notify_alive"),
        admit_merge: has("notify_merge"),
        allow_stream_ping: has("allow_tcp_ping"),
    }
}
