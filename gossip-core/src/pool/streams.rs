//! What the machine does with streams: it opens and answers exchanges, judges and merges
//! the states they bring, and counts those under way.
//!
//! Behaviour 11 (Go: `pushPullNode`, `sendLocalState`, `mergeRemoteState`).

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tracing::debug;

use crate::base::addr::Target;
use crate::base::ids::{ExchangeId, TaskId};
use crate::base::limit::warn_limited;
use crate::base::name::NodeName;
use crate::base::time::Time;
use crate::pool::action::{Action, Notice, Question};
use crate::pool::asks::Ask;
use crate::pool::exchange::{ExchangeError, ExchangeNews, Opening};
use crate::pool::inbound::remedy;
use crate::pool::machine::{Machine, Timer};
use crate::pool::own_state::{Known, OwnState};
use crate::pool::sending::Errand;
use crate::swim::node::{Node, State, Versions};
use crate::wire::error::Refused;
use crate::wire::limits::INBOUND_PUSH_PULLS;
use crate::wire::onion::Wire;
use crate::wire::push_pull::RemoteState;

/// Records merged at a time; a large state must not hold up an ack.
const SLICE: usize = 256;

/// Pause between two slices.
const SLICE_PAUSE: Duration = Duration::from_millis(1);

/// An exchange under way, and what it is for.
#[derive(Debug)]
pub(super) enum Talk {
    Inbound {
        from: SocketAddr,
        is_push_pull: bool,
        /// Since when it waits for the application to take a message, or rests since one was taken.
        waits: Option<Time>,
        /// How often the layers had changed when it was accepted.
        layers: u64,
    },
    Periodic {
        begun: Time,
    },
    Join {
        task: TaskId,
        addr: SocketAddr,
        begun: Time,
    },
    StreamPing {
        seq: u32,
    },
    Exam,
    User(Box<Errand>),
    /// One of ours, kept for the next message.
    Resting,
    /// A member is asked to take a step of a migration, in these layers.
    Step {
        name: NodeName,
        wire: Arc<Wire>,
    },
}

/// A remote state that is being merged.
#[derive(Debug)]
pub(super) struct Merge {
    state: RemoteState,
    next: usize,
    /// The join that brought it, and the address.
    join: Option<(TaskId, SocketAddr)>,
    /// It has changed what is known.
    was_news: bool,
}

impl Machine {
    /// Registers an accepted stream; run an inbound `Exchange` under the id and report its
    /// news. `None`: the source is not allowed, close the stream.
    pub fn accept(&mut self, now: Time, from: SocketAddr) -> Option<ExchangeId> {
        let now = self.at(now);
        self.tally.streams_accepted += 1;
        if !self.swim.allows(from.ip().into()) {
            self.refuse_source(now, from);
            return None;
        }
        self.accepted.note(now, from.ip());
        let (id, layers) = (ExchangeId(self.next_id()), self.layers_changed);
        self.exchanges.insert(id, Talk::Inbound { from, is_push_pull: false, waits: None, layers });
        Some(id)
    }

    /// Takes in the news of an exchange.
    pub fn handle_exchange(&mut self, now: Time, id: ExchangeId, news: ExchangeNews) {
        let now = self.at(now);
        match news {
            ExchangeNews::PushPullBegun => self.push_pull_begun(now, id),
            ExchangeNews::RemoteState(state) => self.remote_state(now, id, state),
            ExchangeNews::User { payload, encrypted, ticket } => {
                self.hear_on_stream(now, id, payload, encrypted, ticket);
            }
            ExchangeNews::StepAsked { request, encrypted, ticket } => {
                self.hear_step(now, id, &request, encrypted, ticket.from);
            }
            ExchangeNews::StepAnswered(answer) => self.hear_step_answer(now, id, &answer),
            ExchangeNews::Connected => self.exam_connected(now, id),
            ExchangeNews::Verdict(verdict) => self.hear_verdict(id, verdict),
            ExchangeNews::Acked => {
                if let Some(&Talk::StreamPing { seq }) = self.exchanges.get(&id) {
                    self.swim.stream_ping_answered(now, seq);
                }
            }
            ExchangeNews::Finished => self.exchange_ended(now, id, None),
            ExchangeNews::Failed(error) => self.exchange_ended(now, id, Some(error)),
        }
    }

    /// Counts a peer's push/pull, or refuses it when too many are under way.
    fn push_pull_begun(&mut self, now: Time, id: ExchangeId) {
        let running =
            self.exchanges.values().filter(|talk| matches!(talk, Talk::Inbound { is_push_pull: true, .. }));
        // A received state is held until it is merged, also when its exchange is long over.
        let held =
            self.merges.len() + self.open_asks.values().filter(|open| self.outlives(&open.ask)).count();
        if running.count() + held >= INBOUND_PUSH_PULLS {
            self.tally.push_pulls_refused += 1;
            warn_limited!(
                self.limiter, now, "too many push/pulls at a time, some are refused",
                hint: "many nodes join at once, or the delegate answers too slowly", limit = INBOUND_PUSH_PULLS
            );
            self.exchanges.remove(&id);
            self.actions.push_back(Action::Drop { id });
        } else if let Some(Talk::Inbound { is_push_pull, waits, .. }) = self.exchanges.get_mut(&id) {
            (*is_push_pull, *waits) = (true, None);
        }
    }

    /// Whether a question holds a state that no exchange under way accounts for.
    fn outlives(&self, ask: &Ask) -> bool {
        match ask {
            Ask::Merge { .. } => true,
            Ask::Answer { id, .. } => !self.exchanges.contains_key(id),
            Ask::Opening { .. } | Ask::Alive(_) | Ask::StreamPing { .. } => false,
        }
    }

    fn remote_state(&mut self, now: Time, id: ExchangeId, state: RemoteState) {
        match self.exchanges.get(&id) {
            // The answer is our state as it was before the remote one is merged.
            Some(Talk::Inbound { .. }) if self.asks.local_state => {
                let join = state.join;
                self.ask(now, Ask::Answer { id, state }, Question::LocalState { join });
            }
            Some(Talk::Inbound { .. }) => {
                let own = self.state_with(self.local_state.clone());
                self.answer(now, id, own, state);
            }
            Some(&Talk::Join { task, addr, .. }) => self.judge_merge(now, state, Some((task, addr))),
            Some(Talk::Periodic { .. }) => self.judge_merge(now, state, None),
            Some(
                Talk::StreamPing { .. } | Talk::User(_) | Talk::Resting | Talk::Exam | Talk::Step { .. },
            )
            | None => {}
        }
    }

    /// Answers a push/pull with `own`, then merges what it brought.
    pub(super) fn answer(&mut self, now: Time, id: ExchangeId, own: OwnState, remote: RemoteState) {
        let own = OwnState { relay: self.section_answering(&remote), ..own };
        self.actions.push_back(Action::Answer { id, state: own });
        self.judge_merge(now, remote, None);
    }

    /// Whether a remote state may be merged: versions first, then the application if it is a join.
    fn judge_merge(&mut self, now: Time, state: RemoteState, join: Option<(TaskId, SocketAddr)>) {
        let kinds = state.kinds().iter().filter_map(|(state, versions)| {
            Some((State::from_wire(*state)?, Versions::from_bytes(versions).unwrap_or_default()))
        });
        if !self.swim.is_compatible(kinds) {
            self.tally.merges_incompatible += 1;
            return self.merge_refused(now, join, "protocol versions have nothing in common");
        }
        if state.join && self.asks.admit_merge {
            let members = state.nodes().filter_map(|record| self.described_member(&record)).collect();
            let question = Question::AdmitMerge(members);
            self.ask(now, Ask::Merge { state, join }, question);
            return;
        }
        self.begin_merge(now, state, join);
    }

    /// A state that is not merged, and counted so, ends the join that brought it.
    pub(super) fn merge_refused(&mut self, now: Time, join: Option<(TaskId, SocketAddr)>, why: &'static str) {
        warn_limited!(
            self.limiter, now, reason: why, "a remote state was not merged",
            hint: "the delegate refused it, or nodes of incompatible versions are in the pool: update the oldest", why
        );
        if let Some((task, addr)) = join {
            self.join_settled(now, task, addr, Err(ExchangeError::Reset(why.into())));
        }
    }

    pub(super) fn begin_merge(&mut self, now: Time, state: RemoteState, join: Option<(TaskId, SocketAddr)>) {
        self.merges.push_back(Merge { state, next: 0, join, was_news: false });
        if self.merges.len() == 1 {
            self.merge_slice(now);
        }
    }

    /// Merges some records of the state in front.
    pub(super) fn merge_slice(&mut self, now: Time) {
        let Some(mut merge) = self.merges.pop_front() else { return };
        let end = (merge.next + SLICE).min(merge.state.len());
        let before = self.swim.version;
        for index in merge.next..end {
            if let Some(record) = merge.state.node(index) {
                self.hear_record(now, &record);
            }
        }
        merge.next = end;
        merge.was_news |= self.swim.version != before;
        if end < merge.state.len() {
            self.merges.push_front(merge);
        } else {
            self.merged(now, merge);
        }
        if !self.merges.is_empty() {
            self.timers.set(now + SLICE_PAUSE, Timer::MergeSlice);
        }
    }

    fn merged(&mut self, now: Time, merge: Merge) {
        self.tally.push_pulls += 1;
        let by_join = merge.join.is_some() || merge.state.join;
        self.swim.state_merged(now, by_join, merge.was_news);
        let RemoteState { join, user_state, relay, .. } = merge.state;
        self.hear_section(now, &relay, merge.join.is_some());
        self.settle();
        if !user_state.is_empty() {
            self.notify(Notice::RemoteState { join, state: user_state });
        }
        if let Some((task, addr)) = merge.join {
            self.join_settled(now, task, addr, Ok(()));
        }
    }

    /// An exchange is over; `error` if it did not do its work.
    fn exchange_ended(&mut self, now: Time, id: ExchangeId, error: Option<ExchangeError>) {
        let Some(talk) = self.exchanges.remove(&id) else { return };
        if let Some(error) = &error {
            self.stream_failed(now, &talk, error);
        }
        if let Talk::Periodic { begun } | Talk::Join { begun, .. } = talk {
            self.tally.push_pull_duration.time(now.since(begun));
        }
        match (talk, error) {
            (Talk::Periodic { .. }, _) => self.swim.push_pull_ended(),
            (Talk::Join { task, addr, .. }, Some(error)) => self.join_failed(now, task, addr, error),
            (Talk::Exam, error) => self.exam_talked(now, id, error),
            (Talk::StreamPing { seq }, Some(error)) => {
                self.swim.stream_ping_failed(seq, || error.to_string())
            }
            (Talk::User(errand), error) => self.errand_ended(*errand, error),
            (Talk::Resting, _) => self.rest_ended(id),
            (Talk::Step { name, .. }, error) => self.step_talked(now, id, &name, error),
            (Talk::Inbound { .. } | Talk::StreamPing { .. } | Talk::Join { .. }, _) => {}
        }
    }

    fn stream_failed(&mut self, now: Time, talk: &Talk, error: &ExchangeError) {
        self.tally.streams_failed += 1;
        if let Some(count) = self.tally.streams_failed_by.get_mut(error.index()) {
            *count += 1;
        }
        debug!(?talk, %error, "stream failed");
        let ExchangeError::Refused(why) = *error else { return };
        self.tally.refused.count(why);
        // Port scans and the like end early; that is no misconfiguration.
        if let (Talk::Inbound { from: peer, .. } | Talk::Join { addr: peer, .. }, false) =
            (talk, why == Refused::EndOfStream)
        {
            warn_limited!(
                self.limiter, now, reason: why.reason(), "streams are refused",
                hint: remedy(why), %peer, reason = why.reason(), %why
            );
        }
    }

    /// The rules want a push/pull with `node`.
    pub(super) fn periodic_push_pull(&mut self, now: Time, node: &Node) {
        let to = Target { name: Some(node.name.clone()), addr: node.addr.socket_addr() };
        self.push_pull(now, Talk::Periodic { begun: now }, to, false);
    }

    /// Exchanges states with `to`, our own asked of the application if it wants that.
    pub(super) fn push_pull(&mut self, now: Time, talk: Talk, to: Target, join: bool) {
        let id = ExchangeId(self.next_id());
        self.exchanges.insert(id, talk);
        if self.asks.local_state {
            let question = Question::LocalState { join };
            self.ask(now, Ask::Opening { id, to, join }, question);
        } else {
            self.open_push_pull(now, id, to, join, self.local_state.clone());
        }
    }

    pub(super) fn open_push_pull(
        &mut self,
        now: Time,
        id: ExchangeId,
        to: Target,
        join: bool,
        user_state: Bytes,
    ) {
        let relay = self.section_for(&to, join);
        let state = OwnState { relay, ..self.state_with(user_state) };
        let deadline = now + self.config.tcp_timeout;
        self.actions.push_back(Action::Open { id, to, opening: Opening::PushPull { join, state }, deadline });
    }

    /// Pings `node` over a stream for probe `seq`.
    pub(super) fn open_stream_ping(&mut self, seq: u32, node: &Arc<Node>, deadline: Time) {
        let id = ExchangeId(self.next_id());
        self.exchanges.insert(id, Talk::StreamPing { seq });
        let to = Target { name: Some(node.name.clone()), addr: node.addr.socket_addr() };
        let opening = Opening::Ping { seq, node: node.name.clone() };
        self.actions.push_back(Action::Open { id, to, opening, deadline });
    }

    /// What we tell of everybody, with the application's state.
    pub(super) fn state_with(&self, user_state: Bytes) -> OwnState {
        OwnState {
            known: self.swim.roster.iter().map(Known::from).collect(),
            user_state,
            relay: Bytes::new(),
        }
    }
}
