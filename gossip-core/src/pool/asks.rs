//! Questions to the application: what waits for them, their answers, their defaults.
//!
//! The protocol never waits. What a question concerns is set aside; an answer that comes
//! in time is applied by the ordinary rules as of then, which to the protocol is only a
//! little more delay of the network. After the deadline the default is taken.

use std::net::SocketAddr;
use std::sync::Arc;

use tracing::debug;

use crate::base::addr::Target;
use crate::base::ids::{AskId, ExchangeId, TaskId};
use crate::base::limit::warn_limited;
use crate::base::time::Time;
use crate::pool::action::{Action, Question, Reply};
use crate::pool::machine::{Machine, Timer};
use crate::swim::merge::alive_from;
use crate::swim::node::{Member, Node, State};
use crate::swim::timers::TimerKey;
use crate::wire::limits::USER_STATE_MAX;
use crate::wire::message::{Alive, NodeRecord, blob_bytes};
use crate::wire::push_pull::RemoteState;

/// Alive messages that may wait for verdicts at a time.
const PARKED_MAX: usize = 4096;

/// What waits for an answer.
#[derive(Debug)]
pub(super) enum Ask {
    /// An outbound push/pull, for our state.
    Opening { id: ExchangeId, to: Target, join: bool },
    /// An inbound push/pull, for our state.
    Answer { id: ExchangeId, state: RemoteState },
    /// A state received in a join, for leave to be merged.
    Merge { state: RemoteState, join: Option<(TaskId, SocketAddr)> },
    /// An alive message, for leave to be believed.
    Alive(Box<Alive<'static>>),
    /// A stream ping, for leave to be sent.
    StreamPing { seq: u32, node: Arc<Node>, deadline: Time },
}

impl Ask {
    /// The method of the delegate that answers.
    fn name(&self) -> &'static str {
        match self {
            Self::Opening { .. } | Self::Answer { .. } => "local_state",
            Self::Merge { .. } => "notify_merge",
            Self::Alive(_) => "notify_alive",
            Self::StreamPing { .. } => "allow_tcp_ping",
        }
    }
}

/// A question that is not settled.
#[derive(Debug)]
pub(super) struct OpenAsk {
    pub(super) ask: Ask,
    timer: TimerKey,
}

impl Machine {
    /// Takes in the application's answer; one that comes too late changes nothing.
    pub fn handle_reply(&mut self, now: Time, ask: AskId, reply: Reply) {
        let now = self.at(now);
        match self.take_ask(ask) {
            Some(ask) => self.resume(now, ask, Some(reply)),
            None => self.tally.replies_late += 1,
        }
    }

    /// Settles a question before its deadline.
    fn take_ask(&mut self, id: AskId) -> Option<Ask> {
        let OpenAsk { ask, timer } = self.open_asks.remove(&id)?;
        self.timers.cancel(timer);
        Some(ask)
    }

    pub(super) fn ask(&mut self, now: Time, ask: Ask, question: Question) -> AskId {
        let id = AskId(self.next_id());
        let mut deadline = now + self.config.query_timeout;
        if let Ask::StreamPing { deadline: round, .. } = &ask {
            // Half of what is left of the round stays for the ping itself.
            deadline = deadline.min(now + round.since(now) / 2);
        }
        let timer = self.timers.set(deadline, Timer::AskEnd(id));
        self.open_asks.insert(id, OpenAsk { ask, timer });
        self.actions.push_back(Action::Ask { id, question, deadline });
        id
    }

    pub(super) fn ask_expired(&mut self, now: Time, id: AskId) {
        if let Some(OpenAsk { ask, .. }) = self.open_asks.remove(&id) {
            self.tally.asks_expired += 1;
            let (question, waited) = (ask.name(), self.config.query_timeout);
            debug!(question, "question answered by default");
            warn_limited!(
                self.limiter, now, reason: question, "the delegate did not answer in time, the default was taken",
                hint: "answer faster, or raise query_timeout", question, ?waited
            );
            self.resume(now, ask, None);
        }
    }

    /// Goes on with what waited; without a reply, by default.
    fn resume(&mut self, now: Time, ask: Ask, reply: Option<Reply>) {
        let admitted = matches!(reply, Some(Reply::Admit));
        match ask {
            Ask::Opening { id, to, join } => {
                let state = self.state_from(reply);
                self.open_push_pull(now, id, to, join, state);
            }
            // Go, too, merges only what it could answer.
            Ask::Answer { id, .. } if !self.exchanges.contains_key(&id) => self.tally.merges_abandoned += 1,
            Ask::Answer { id, state } => {
                let own = self.state_from(reply);
                let own = self.state_with(own);
                self.answer(now, id, own, state);
            }
            Ask::Merge { state, join } if admitted => self.begin_merge(now, state, join),
            Ask::Merge { join, .. } => {
                self.tally.merges_refused += 1;
                self.merge_refused(now, join, "merge was refused by the application");
            }
            Ask::Alive(alive) => {
                self.parked.remove(&*alive.node);
                if admitted {
                    self.swim.hear_alive(now, *alive);
                }
            }
            Ask::StreamPing { seq, node, deadline } => {
                if matches!(reply, None | Some(Reply::Admit)) && deadline > now {
                    self.open_stream_ping(seq, &node, deadline);
                } else {
                    self.swim.stream_ping_forgone(seq);
                }
            }
        }
    }

    /// The state to give: the application's answer, or the published one for want of an
    /// answer that others would take.
    fn state_from(&self, reply: Option<Reply>) -> bytes::Bytes {
        match reply {
            Some(Reply::State(state)) if state.len() <= USER_STATE_MAX => state,
            _ => self.local_state.clone(),
        }
    }

    /// Hears an alive message, once the application admits what is new in it.
    pub(super) fn hear_alive(&mut self, now: Time, alive: Alive<'_>) {
        if !self.asks.admit_alive || !self.swim.would_change_facts(now, &alive) {
            return self.swim.hear_alive(now, alive);
        }
        let complete = blob_bytes(&alive.versions).len() >= 6;
        let Some(node) = self.swim.described(&alive).filter(|_| complete) else {
            self.swim.counters.facts_invalid += 1;
            return;
        };
        if let Some(asked) = self.parked.get(&*alive.node) {
            let asked = *asked;
            if let Some(OpenAsk { ask: Ask::Alive(parked), .. }) = self.open_asks.get_mut(&asked) {
                if parked.incarnation >= alive.incarnation {
                    return;
                }
                let same = Alive { incarnation: parked.incarnation, ..alive.clone() } == **parked;
                if same {
                    parked.incarnation = alive.incarnation;
                    return;
                }
            }
            // Newer facts: the answer about the older ones no longer counts.
            self.take_ask(asked);
        } else if self.parked.len() >= PARKED_MAX {
            self.tally.verdicts_overflowed += 1;
            warn_limited!(
                self.limiter, now, "too many nodes wait to be admitted, some are not heard",
                hint: "answer notify_alive faster", waiting = PARKED_MAX
            );
            return;
        }
        let incarnation = alive.incarnation;
        let member = Member { node: node.into(), state: State::Alive, incarnation };
        let name = member.name().clone();
        let ask = Ask::Alive(Box::new(alive.into_owned()));
        let id = self.ask(now, ask, Question::AdmitAlive(member));
        self.parked.insert(name, id);
    }

    /// Hears one record of a remote state.
    pub(super) fn hear_record(&mut self, now: Time, record: &NodeRecord<'_>) {
        if State::from_wire(record.state) == Some(State::Alive) {
            self.hear_alive(now, alive_from(record));
        } else {
            self.swim.hear_record(now, record);
        }
    }

    /// The member that a record describes, if its facts are possible.
    pub(super) fn described_member(&self, record: &NodeRecord<'_>) -> Option<Member> {
        let state = State::from_wire(record.state)?;
        let node = self.swim.described(&alive_from(record))?;
        Some(Member { node: node.into(), state, incarnation: record.incarnation })
    }

    /// The rules want a stream ping: at once, or when the application allows it.
    pub(super) fn ask_stream_ping(&mut self, now: Time, seq: u32, node: Arc<Node>, deadline: Time) {
        if self.tcp_pings_off.contains(&node.name) {
            self.swim.stream_ping_forgone(seq);
            return;
        }
        if self.asks.allow_stream_ping {
            let question = Question::AllowStreamPing(node.name.clone());
            self.ask(now, Ask::StreamPing { seq, node, deadline }, question);
        } else {
            self.open_stream_ping(seq, &node, deadline);
        }
    }
}
