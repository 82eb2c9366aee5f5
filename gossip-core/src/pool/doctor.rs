//! The doctor: finds out which direction of which protocol to a peer does not work.
//!
//! ```text
//!  0         step       2 step                     until all is answered, or the time is up
//!  |-- small, full --|-- small, full --|-- small, full ------------|-> diagnosis
//!  |-- up to 3 members are asked to ping it ------------------------|
//!  |-- stream ping, again for anyone, again without the label ------|
//! ```
//!
//! A *small* ping is the peer's by name, a *full* one is for anyone and as long as the largest
//! datagram that this pool sends: a peer ignores what stands behind the record (wire document 2).
//! Nothing here touches the membership: no suspicion comes of it, here or there, and a peer
//! sees no more than pings. An ack may bring gossip along, and a helper's ping may, too: that
//! would make one cluster of two. So members alone are asked about, and of a stranger that is
//! examined only acks are heard (`Stranger`). What it costs is bounded: six pings, three
//! requests, three connections. What the facts mean is said in `judge`.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use crate::base::addr::{NodeAddr, Target};
use crate::base::ids::{ExchangeId, TaskId};
use crate::base::time::Time;
use crate::pool::action::{Action, Outcome};
use crate::pool::commands::TaskKind;
use crate::pool::error::CommandError;
use crate::pool::exchange::{Broken, ExchangeError, Opening};
use crate::pool::machine::{Machine, Timer};
use crate::pool::streams::Talk;
use crate::swim::effect::Body;
use crate::swim::explanation::PathState;
use crate::swim::node::{Member, Meta, Node, State, Versions};
use crate::swim::timers::TimerKey;
use crate::swim::versions::understands;
use crate::wire::error::Refused;
use crate::wire::onion::Wire;

/// Pings of each size.
const ROUNDS: u32 = 3;

/// The longest time between two rounds.
const STEP: Duration = Duration::from_millis(250);

/// How long after an examination gossip of a stranger is not heard.
const AFTERWARDS: Duration = Duration::from_secs(10);

/// Members asked to ping the peer.
const HELPERS: usize = 3;

/// An address of no member that is, or was lately, examined.
#[derive(Debug)]
pub(super) struct Stranger {
    addr: SocketAddr,
    /// Until when a late ack is still expected.
    until: Time,
}

/// An examination under way.
#[derive(Debug)]
pub(super) struct Exam {
    task: TaskId,
    target: Target,
    /// The peer as helpers are told of it, and as we know it.
    node: Arc<Node>,
    member: Option<Member>,
    begun: Time,
    /// Until when answers to datagrams are waited for, and until when to anything.
    udp_ends: Time,
    ends: Time,
    step: Duration,
    rounds: u32,
    timer: TimerKey,
    pub(super) facts: Facts,
}

/// What an examination has shown.
#[derive(Debug, Default)]
pub(super) struct Facts {
    pub(super) pings: Vec<Pinged>,
    /// Bytes of a full datagram.
    pub(super) full_size: usize,
    /// Whether its address lies in an allowed network.
    pub(super) is_allowed: bool,
    pub(super) helpers: Vec<Helper>,
    pub(super) tries: Vec<Try>,
    /// A datagram came from its address meanwhile.
    pub(super) heard_now: bool,
    /// One that could not be read.
    pub(super) refused: Option<Refused>,
    /// What the system said when it refused to send.
    pub(super) unsent: Option<Broken>,
    /// Since the last datagram and the last connection from there, before or meanwhile.
    pub(super) heard: Option<Duration>,
    pub(super) accepted: Option<Duration>,
    /// What its probes have shown.
    pub(super) path: Option<PathState>,
    pub(super) versions: Option<(Versions, Versions)>,
}

#[derive(Debug)]
pub(super) struct Pinged {
    seq: u32,
    sent: Time,
    pub(super) full: bool,
    pub(super) rtt: Option<Duration>,
}

#[derive(Debug)]
pub(super) struct Helper {
    seq: u32,
    pub(super) node: Arc<Node>,
    /// `true`: it got an answer from the peer. `None`: it has said nothing.
    pub(super) answered: Option<bool>,
}

/// One conversation with the peer.
#[derive(Debug)]
pub(super) struct Try {
    id: ExchangeId,
    pub(super) ask: Ask,
    wire: Arc<Wire>,
    begun: Time,
    pub(super) connected: Option<Duration>,
    pub(super) end: Option<(Duration, Result<(), ExchangeError>)>,
}

/// In which way a conversation differs from an ordinary stream ping.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ask {
    Ordinary,
    Anyone,
    Unlabelled,
}

impl Machine {
    /// Examines the way to `to`, for `timeout` at most. Ends with [`Outcome::Examined`]. One at a
    /// time: another one is refused with [`CommandError::DoctorBusy`].
    pub fn doctor(&mut self, now: Time, to: Target, timeout: Duration) -> Result<TaskId, CommandError> {
        let now = self.at(now);
        if self.exam.is_some() {
            return Err(CommandError::DoctorBusy);
        }
        if self.config.require_node_names && to.name.is_none() {
            return Err(CommandError::NameRequired);
        }
        let known = match &to.name {
            Some(name) => self.swim.roster.get(name.as_bytes()),
            None => self.swim.roster.iter().find(|record| record.node.addr.socket_addr() == to.addr),
        };
        let member = known.map(|record| record.member());
        let node = member.as_ref().filter(|member| member.addr() == to.addr);
        let is_known = node.is_some();
        let node = node.map_or_else(|| Arc::new(stranger(&to)), |member| Arc::clone(&member.node));
        let task = self.begin(now, TaskKind::Doctor, None);
        let probe_timeout = self.config.probe_timeout;
        let step = (probe_timeout / 2).min(timeout / 8).min(STEP);
        let udp_ends = now + timeout.min(probe_timeout.saturating_mul(4).max(timeout / 4));
        let ends = now + timeout.min(self.config.tcp_timeout.max(udp_ends.since(now)));
        let timer = self.timers.set(now, Timer::Exam);
        let is_allowed = self.swim.allows(to.addr.ip().into());
        let facts = Facts { full_size: self.config.udp_buffer_size, is_allowed, ..Facts::default() };
        let begun = now;
        let rounds = 0;
        let exam = Exam { task, target: to, node, member, begun, udp_ends, ends, step, rounds, timer, facts };
        self.stranger =
            (!is_known).then(|| Stranger { addr: exam.target.addr, until: exam.ends + AFTERWARDS });
        self.exam = Some(Box::new(exam));
        if is_known {
            self.ask_helpers();
        }
        self.try_stream(now, Ask::Ordinary);
        self.exam_tick(now);
        Ok(task)
    }

    /// Asks a few members to ping the peer.
    fn ask_helpers(&mut self) {
        let Some(exam) = &mut self.exam else { return };
        let (own, node) = (&self.swim.name, &exam.node);
        let eligible = |record: &crate::swim::roster::Record| {
            record.state == State::Alive
                && understands(&record.node, 4)
                && record.node.name != *own
                && record.node.name != node.name
                && record.node.addr != node.addr
        };
        let chosen = self.swim.roster.pick(HELPERS, &mut self.swim.rng, eligible);
        let chosen: Vec<_> = chosen.iter().map(|record| Arc::clone(&record.node)).collect();
        let node = Arc::clone(&exam.node);
        for helper in chosen {
            let seq = self.swim.fresh_seq();
            let body = Body::IndirectPing { seq, node: Arc::clone(&node), nack: true };
            self.swim.post(helper.addr.socket_addr(), understands(&helper, 5), body);
            if let Some(exam) = &mut self.exam {
                exam.facts.helpers.push(Helper { seq, node: helper, answered: None });
            }
        }
    }

    /// Begins a conversation with the peer.
    fn try_stream(&mut self, now: Time, ask: Ask) {
        let id = ExchangeId(self.next_id());
        let Some(exam) = &mut self.exam else { return };
        let to = exam.target.clone();
        let ends = exam.ends;
        let seq = self.swim.fresh_seq();
        let mut wire = Arc::clone(self.wire_to(to.addr));
        if ask == Ask::Unlabelled {
            wire = Arc::new(Wire { label: Bytes::new(), other_label: None, ..Wire::clone(&wire) });
        }
        let node = to.name.clone().filter(|_| ask == Ask::Ordinary).unwrap_or_else(|| "".into());
        self.exchanges.insert(id, Talk::Exam);
        self.actions.push_back(Action::Open { id, to, opening: Opening::Ping { seq, node }, deadline: ends });
        if let Some(exam) = &mut self.exam {
            exam.facts.tries.push(Try { id, ask, wire, begun: now, connected: None, end: None });
        }
    }

    /// Sends the pings of the next round, or ends the examination if its time is up.
    pub(super) fn exam_tick(&mut self, now: Time) {
        let Some(exam) = &mut self.exam else { return };
        self.timers.cancel(exam.timer);
        if exam.rounds < ROUNDS && now < exam.udp_ends {
            exam.rounds += 1;
            let (to, crc) = (exam.target.addr, understands(&exam.node, 5));
            for full in [false, true] {
                let seq = self.swim.fresh_seq();
                let node = exam.target.name.clone().filter(|_| !full).unwrap_or_else(|| "".into());
                self.swim.post(to, crc, Body::Check { seq, node, full });
                exam.facts.pings.push(Pinged { seq, sent: now, full, rtt: None });
            }
        }
        if exam.is_over(now) {
            return self.end_exam(now);
        }
        let next = match exam.rounds < ROUNDS {
            true => (now + exam.step).min(exam.udp_ends),
            false if now < exam.udp_ends => exam.udp_ends,
            false => exam.ends,
        };
        // A step of no time at all would come due for ever.
        exam.timer = self.timers.set(next.max(now + Duration::from_nanos(1)), Timer::Exam);
    }

    /// Something was answered: perhaps it was the last.
    fn exam_on(&mut self, now: Time) {
        if self.exam.as_ref().is_some_and(|exam| exam.is_over(now)) {
            self.end_exam(now);
        }
    }

    /// An ack; false if it is none of the doctor's.
    pub(super) fn doctor_hears_ack(&mut self, now: Time, received: Time, seq: u32) -> bool {
        let Some(exam) = &mut self.exam else { return false };
        let facts = &mut exam.facts;
        if let Some(ping) = facts.pings.iter_mut().find(|ping| ping.seq == seq) {
            ping.rtt.get_or_insert_with(|| received.since(ping.sent));
        } else if let Some(helper) = facts.helpers.iter_mut().find(|helper| helper.seq == seq) {
            helper.answered = Some(true);
        } else {
            return false;
        }
        self.exam_on(now);
        true
    }

    /// A nack; false if it is none of the doctor's.
    pub(super) fn doctor_hears_nack(&mut self, now: Time, seq: u32) -> bool {
        let helper = self
            .exam
            .as_mut()
            .and_then(|exam| exam.facts.helpers.iter_mut().find(|helper| helper.seq == seq));
        let Some(helper) = helper else { return false };
        helper.answered.get_or_insert(false);
        self.exam_on(now);
        true
    }

    /// A datagram came from `from`, and was refused if so it says.
    pub(super) fn doctor_hears(&mut self, from: SocketAddr, refused: Option<Refused>) {
        if let Some(exam) = self.exam.as_mut().filter(|exam| exam.target.addr == from) {
            exam.facts.heard_now = true;
            exam.facts.refused = exam.facts.refused.or(refused);
        }
    }

    /// Whether `from` is a stranger that was asked something: its gossip is not for us.
    pub(super) fn is_examined_stranger(&self, now: Time, from: SocketAddr) -> bool {
        self.stranger.as_ref().is_some_and(|stranger| stranger.addr == from && now < stranger.until)
    }

    /// The host could not send a datagram to `to`. `why` is asked for only if that is of
    /// interest.
    pub fn handle_unsent(&mut self, to: SocketAddr, why: impl FnOnce() -> Broken) {
        if let Some(exam) = self.exam.as_mut().filter(|exam| exam.target.addr == to) {
            exam.facts.unsent.get_or_insert_with(why);
        }
    }

    /// The onion in which to speak in the exchange `id` with `peer`, which begins now.
    pub fn wire_of(&self, id: ExchangeId, peer: SocketAddr) -> &Arc<Wire> {
        if let Some(wire) = self.wire_of_step(id) {
            return wire;
        }
        let tries = self.exam.iter().flat_map(|exam| &exam.facts.tries);
        tries.into_iter().find(|tried| tried.id == id).map_or_else(|| self.wire_to(peer), |tried| &tried.wire)
    }

    /// A connection of the doctor's stands.
    pub(super) fn exam_connected(&mut self, now: Time, id: ExchangeId) {
        let tries = self.exam.iter_mut().flat_map(|exam| &mut exam.facts.tries);
        if let Some(tried) = tries.into_iter().find(|tried| tried.id == id) {
            tried.connected = Some(now.since(tried.begun));
        }
    }

    /// A conversation of the doctor's has ended.
    pub(super) fn exam_talked(&mut self, now: Time, id: ExchangeId, error: Option<ExchangeError>) {
        let has_label = !self.wire.label.is_empty();
        let Some(exam) = &mut self.exam else { return };
        let is_named = exam.target.name.is_some();
        let Some(tried) = exam.facts.tries.iter_mut().find(|tried| tried.id == id) else { return };
        let silent = matches!(error, Some(ExchangeError::Closed | ExchangeError::Reset(_)));
        let next = match tried.ask {
            Ask::Ordinary if is_named => Some(Ask::Anyone),
            Ask::Ordinary | Ask::Anyone if has_label => Some(Ask::Unlabelled),
            _ => None,
        };
        tried.end = Some((now.since(tried.begun), error.map_or(Ok(()), Err)));
        match next.filter(|_| silent) {
            Some(ask) => self.try_stream(now, ask),
            None => self.exam_on(now),
        }
    }

    /// Nobody waits any more for the examination that is `task`.
    pub(super) fn abandon_exam(&mut self, task: TaskId) {
        if self.exam.as_ref().is_some_and(|exam| exam.task == task) {
            self.stop_exam();
        }
    }

    /// Ends what goes on.
    fn stop_exam(&mut self) -> Option<Box<Exam>> {
        let exam = self.exam.take()?;
        self.timers.cancel(exam.timer);
        for tried in exam.facts.tries.iter().filter(|tried| tried.end.is_none()) {
            self.exchanges.remove(&tried.id);
            self.actions.push_back(Action::Drop { id: tried.id });
        }
        Some(exam)
    }

    fn end_exam(&mut self, now: Time) {
        let Some(exam) = self.stop_exam() else { return };
        let Exam { task, target, member, begun, mut facts, .. } = *exam;
        if let Some(known) =
            member.as_ref().and_then(|member| self.swim.explain(now, member.name().as_bytes()))
        {
            facts.heard = known.heard;
            facts.path = Some(known.path);
            facts.versions = Some((self.swim.tuning.versions, known.member.node.versions));
        }
        if facts.heard_now {
            facts.heard = Some(Duration::ZERO);
        }
        facts.accepted = self.accepted.since(now, target.addr.ip());
        let diagnosis = facts.judge(target, member, now.since(begun));
        self.finish(task, Outcome::Examined(Box::new(diagnosis)));
    }
}

impl Exam {
    fn is_over(&self, now: Time) -> bool {
        let facts = &self.facts;
        let talked = facts.tries.iter().all(|tried| tried.end.is_some());
        let answered = self.rounds == ROUNDS
            && facts.pings.iter().all(|ping| ping.rtt.is_some())
            && facts.helpers.iter().all(|helper| helper.answered.is_some());
        now >= self.ends || talked && (answered || now >= self.udp_ends)
    }
}

/// Whoever is at an address of which nothing is known.
fn stranger(to: &Target) -> Node {
    let name = to.name.clone().unwrap_or_else(|| "".into());
    Node { name, addr: NodeAddr::from(to.addr), meta: Meta::default(), versions: Versions::default() }
}
