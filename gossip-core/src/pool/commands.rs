//! What the application can ask of a pool. Commands return at once; those that take time
//! give a `TaskId`, and end with exactly one `Action::Done` of that id.

use std::collections::{BTreeSet, VecDeque};
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use tracing::{debug, info};

use crate::base::addr::Target;
use crate::base::ids::TaskId;
use crate::base::name::NodeName;
use crate::base::time::Time;
use crate::pool::action::{Action, JoinReport, Outcome};
use crate::pool::error::CommandError;
use crate::pool::exchange::ExchangeError;
use crate::pool::machine::{Machine, Timer};
use crate::pool::streams::Talk;
use crate::swim::effect::Body;
use crate::swim::explanation::Explanation;
use crate::swim::timers::TimerKey;
use crate::swim::versions::understands;
use crate::wire::limits::USER_STATE_MAX;

/// Addresses of one join that are talked to at a time.
const JOIN_PARALLEL: usize = 8;

/// Longest ack payload: it rides on every ack, beside broadcasts.
const ACK_PAYLOAD_MAX: usize = 512;

/// A command under way.
#[derive(Debug)]
pub(super) struct Task {
    kind: TaskKind,
    timer: Option<TimerKey>,
}

#[derive(Debug)]
pub(super) enum TaskKind {
    Join {
        waiting: VecDeque<Target>,
        running: Vec<Target>,
        report: JoinReport,
        /// The machine's own doing: the application is not told of its end.
        standing: bool,
    },
    Leave,
    Update,
    Ping,
    Doctor,
    Send,
    Migration,
}

impl Machine {
    /// Exchanges states with every one of `seeds`, several at a time. A pool that was left
    /// is entered again, with a new incarnation. Ends with [`Outcome::Join`]; when the time
    /// is up, addresses still open are reported as timed out.
    pub fn join(
        &mut self,
        now: Time,
        seeds: Vec<Target>,
        timeout: Option<Duration>,
    ) -> Result<TaskId, CommandError> {
        let now = self.at(now);
        if self.config.require_node_names && seeds.iter().any(|seed| seed.name.is_none()) {
            return Err(CommandError::NameRequired);
        }
        if self.swim.has_left {
            self.cancel(|kind| matches!(kind, TaskKind::Leave));
            let meta = self.swim.meta();
            self.swim.announce(now, (!meta.is_empty()).then_some(&*meta), None);
        }
        info!(seeds = seeds.len(), "joining");
        Ok(self.begin_join(now, seeds, timeout, false))
    }

    /// Joins `targets` of the machine's own accord; ends with `rejoined`.
    pub(super) fn begin_rejoin(&mut self, now: Time, targets: Vec<Target>) {
        debug!(seeds = targets.len(), "joining again");
        let timeout = self.config.tcp_timeout.saturating_mul(3);
        self.begin_join(now, targets, Some(timeout), true);
    }

    fn begin_join(
        &mut self,
        now: Time,
        targets: Vec<Target>,
        timeout: Option<Duration>,
        standing: bool,
    ) -> TaskId {
        self.rumours.join_begins(now);
        let (waiting, running, report) = (targets.into(), Vec::new(), JoinReport::default());
        let id = self.begin(now, TaskKind::Join { waiting, running, report, standing }, timeout);
        self.join_on(now, id);
        id
    }

    /// Talks to the next addresses of a join, or ends it.
    fn join_on(&mut self, now: Time, id: TaskId) {
        loop {
            let Some(Task { kind: TaskKind::Join { waiting, running, report, .. }, .. }) =
                self.tasks.get_mut(&id)
            else {
                return;
            };
            if running.len() >= JOIN_PARALLEL {
                return;
            }
            let Some(target) = waiting.pop_front() else {
                if running.is_empty() {
                    let report = std::mem::take(report);
                    self.finish(id, Outcome::Join(report));
                }
                return;
            };
            running.push(target.clone());
            let talk = Talk::Join { task: id, addr: target.addr, begun: now };
            self.push_pull(now, talk, target, true);
        }
    }

    /// One address of a join is done with.
    pub(super) fn join_settled(
        &mut self,
        now: Time,
        id: TaskId,
        addr: SocketAddr,
        result: Result<(), ExchangeError>,
    ) {
        let Some(Task { kind: TaskKind::Join { running, report, .. }, .. }) = self.tasks.get_mut(&id) else {
            return;
        };
        let Some(place) = running.iter().position(|running| running.addr == addr) else { return };
        running.swap_remove(place);
        match result {
            Ok(()) => report.reached.push(addr),
            Err(error) => {
                debug!(%addr, %error, "seed not joined");
                report.failed.push((addr, error));
            }
        }
        self.join_on(now, id);
    }

    /// The conversation with one address of a join failed: it is done with, unless it is worth
    /// another try under the next label.
    pub(super) fn join_failed(&mut self, now: Time, id: TaskId, addr: SocketAddr, error: ExchangeError) {
        let silent = matches!(error, ExchangeError::Closed | ExchangeError::Reset(_));
        if !silent || !self.try_next_label(addr) {
            return self.join_settled(now, id, addr, Err(error));
        }
        debug!(%addr, %error, "seed closed in silence; trying the next label");
        if let Some(Task { kind: TaskKind::Join { running, waiting, .. }, .. }) = self.tasks.get_mut(&id)
            && let Some(place) = running.iter().position(|running| running.addr == addr)
        {
            waiting.push_front(running.swap_remove(place));
        }
        self.join_on(now, id);
    }

    /// Says goodbye. Ends when the goodbye has been sent often enough; the node goes on
    /// answering. Joins and updates under way are cancelled. Leaving twice is no error.
    pub fn leave(&mut self, now: Time, timeout: Option<Duration>) -> Result<TaskId, CommandError> {
        let now = self.at(now);
        self.cancel(|kind| matches!(kind, TaskKind::Join { .. } | TaskKind::Update | TaskKind::Migration));
        let id = self.begin(now, TaskKind::Leave, timeout);
        let again = self.swim.has_left;
        if !again {
            info!("leaving");
            self.swim.leave(now, Some(id));
        }
        if again || !self.swim.has_peers() {
            self.finish(id, Outcome::Left);
        }
        Ok(id)
    }

    /// Announces new metadata, at most [`meta_limit`](Self::meta_limit) bytes. Ends when that has been sent often enough.
    pub fn update(
        &mut self,
        now: Time,
        meta: Bytes,
        timeout: Option<Duration>,
    ) -> Result<TaskId, CommandError> {
        let now = self.at(now);
        fits("metadata", meta.len(), self.meta_limit())?;
        if self.swim.has_left {
            return Err(CommandError::HasLeft);
        }
        let id = self.begin(now, TaskKind::Update, timeout);
        debug!(meta = meta.len(), "announcing new metadata");
        self.swim.announce(now, Some(&meta), Some(id));
        if !self.swim.has_peers() {
            self.finish(id, Outcome::Updated);
        }
        Ok(id)
    }

    /// Sends one user datagram. At most [`message_limit`](Self::message_limit) bytes.
    pub fn send(&mut self, to: &Target, message: &[u8]) -> Result<(), CommandError> {
        fits("message", message.len(), self.message_limit())?;
        self.check_mark(message)?;
        if self.config.require_node_names && to.name.is_none() {
            return Err(CommandError::NameRequired);
        }
        let record = to.name.as_ref().and_then(|name| self.swim.roster.get(name.as_bytes()));
        let crc = record.is_some_and(|record| understands(&record.node, 5));
        self.swim.post(to.addr, crc, Body::User(Bytes::copy_from_slice(message)));
        Ok(())
    }

    /// Pings `to` once, directly. Without a timeout it waits for `probe_timeout`.
    pub fn ping(&mut self, now: Time, to: Target, timeout: Option<Duration>) -> Result<TaskId, CommandError> {
        let now = self.at(now);
        if self.config.require_node_names && to.name.is_none() {
            return Err(CommandError::NameRequired);
        }
        let task = self.begin(now, TaskKind::Ping, None);
        let name = to.name.unwrap_or_else(|| "".into());
        let timeout = timeout.unwrap_or(self.config.probe_timeout);
        self.swim.ping(now, task, to.addr, name, timeout);
        Ok(task)
    }

    /// Publishes the state given to others in push/pulls, at most 20 MiB.
    pub fn set_local_state(&mut self, state: Bytes) -> Result<(), CommandError> {
        fits("local state", state.len(), USER_STATE_MAX)?;
        self.local_state = state;
        Ok(())
    }

    /// Publishes the bytes that ride on each ack of a ping, at most 512.
    pub fn set_ack_payload(&mut self, payload: Bytes) -> Result<(), CommandError> {
        fits("ack payload", payload.len(), ACK_PAYLOAD_MAX)?;
        self.ack_payload = Some(payload);
        Ok(())
    }

    /// Never pings these nodes over TCP, in place of those named before; a silent one is then
    /// judged by datagrams alone.
    pub fn disable_tcp_pings_for(&mut self, names: BTreeSet<NodeName>) {
        self.tcp_pings_off = names;
    }

    /// Why the member of that name is in its state.
    pub fn explain(&self, now: Time, name: &NodeName) -> Result<Explanation, CommandError> {
        let explanation = self.swim.explain(now, name.as_bytes());
        explanation.ok_or_else(|| CommandError::UnknownMember(name.clone()))
    }

    pub(super) fn begin(&mut self, now: Time, kind: TaskKind, timeout: Option<Duration>) -> TaskId {
        let id = TaskId(self.next_id());
        let timer = timeout.map(|timeout| self.timers.set(now + timeout, Timer::TaskEnd(id)));
        self.tasks.insert(id, Task { kind, timer });
        id
    }

    /// Ends the commands of a kind that another one overtakes.
    fn cancel(&mut self, overtaken: fn(&TaskKind) -> bool) {
        let tasks = self.tasks.iter().filter(|(_, task)| overtaken(&task.kind)).map(|(id, _)| *id);
        tasks.collect::<Vec<_>>().into_iter().for_each(|id| self.finish(id, Outcome::Cancelled));
    }

    /// Ends a command that nobody waits for any more, with [`Outcome::Cancelled`], and the
    /// conversations that it began. What it has told others already is told.
    pub fn abandon(&mut self, id: TaskId) {
        let of_task = |talk: &Talk| match talk {
            Talk::Join { task, .. } => *task == id,
            Talk::User(errand) => errand.task == id,
            _ => false,
        };
        let talks = self.exchanges.iter().filter(|(_, talk)| of_task(talk)).map(|(exchange, _)| *exchange);
        for exchange in talks.collect::<Vec<_>>() {
            self.exchanges.remove(&exchange);
            self.actions.push_back(Action::Drop { id: exchange });
        }
        self.abandon_exam(id);
        self.finish(id, Outcome::Cancelled);
    }

    /// Ends a command; one that has ended already is left alone.
    pub(super) fn finish(&mut self, id: TaskId, outcome: Outcome) {
        let Some(task) = self.tasks.remove(&id) else { return };
        if let Some(timer) = task.timer {
            self.timers.cancel(timer);
        }
        if let TaskKind::Migration = task.kind {
            self.migration_ended();
        }
        if matches!(&outcome, Outcome::Join(report) if report.reached.is_empty()) {
            self.rumours.join_failed();
        }
        if matches!(task.kind, TaskKind::Join { standing: true, .. }) {
            return self.rejoined(self.latest, outcome);
        }
        match (&task.kind, &outcome) {
            (TaskKind::Join { .. }, Outcome::Join(report)) => {
                let (reached, failed) = (report.reached.len(), report.failed.len());
                info!(reached, failed, members = self.swim.roster.len(), "join ended");
            }
            (TaskKind::Leave, Outcome::Left) => info!("left"),
            (TaskKind::Leave, outcome) => info!(?outcome, "leave ended early"),
            _ => {}
        }
        self.actions.push_back(Action::Done { id, outcome });
    }

    pub(super) fn task_expired(&mut self, id: TaskId) {
        let Some(task) = self.tasks.get_mut(&id) else { return };
        task.timer = None;
        if let TaskKind::Migration = task.kind {
            let outcome = self.migration_outcome();
            return self.finish(id, outcome);
        }
        let outcome = match &mut task.kind {
            TaskKind::Join { waiting, running, report, .. } => {
                let open = running.drain(..).chain(waiting.drain(..)).map(|target| target.addr);
                report.failed.extend(open.map(|addr| (addr, ExchangeError::Timeout)));
                Outcome::Join(std::mem::take(report))
            }
            TaskKind::Leave
            | TaskKind::Update
            | TaskKind::Ping
            | TaskKind::Send
            | TaskKind::Doctor
            | TaskKind::Migration => Outcome::TimedOut,
        };
        self.finish(id, outcome);
    }

    /// A member has gone: if it was the last, nobody is there to hear what is announced.
    pub(super) fn announcements_unheard(&mut self) {
        let announces = |task: &Task| matches!(task.kind, TaskKind::Leave | TaskKind::Update);
        if !self.tasks.values().any(announces) || self.swim.has_peers() {
            return;
        }
        let waiting = self.tasks.iter().filter(|(_, task)| announces(task)).map(|(id, _)| *id);
        waiting.collect::<Vec<_>>().into_iter().for_each(|id| self.announcement_finished(id));
    }

    /// What `task` announced has been sent often enough, or was replaced.
    pub(super) fn announcement_finished(&mut self, id: TaskId) {
        let outcome = match self.tasks.get(&id).map(|task| &task.kind) {
            Some(TaskKind::Leave) => Outcome::Left,
            Some(TaskKind::Update) => Outcome::Updated,
            _ => return,
        };
        self.finish(id, outcome);
    }
}

pub(super) fn fits(what: &'static str, size: usize, limit: usize) -> Result<(), CommandError> {
    if size > limit { Err(CommandError::TooLarge { what, size, limit }) } else { Ok(()) }
}
