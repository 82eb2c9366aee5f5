//! A node sees to it that every member takes the steps of a migration.
//!
//! ```text
//!  survey    who understands such requests, and how far is everyone?   nothing changes
//!  ask       for each step: everyone takes it                          <--+
//!  settle    datagrams that were sent before have time to arrive          |
//!  check     everyone is asked once more: nobody was restarted as before  +-- the next step
//! ```
//!
//! In the survey and in each check everybody must know the same members, so that nobody is
//! overlooked whom only others have heard of.
//!
//! The law: nobody is asked for a step while any live member is known not to have taken the one before. A
//! member that appears meanwhile is brought up to the others first. Members of which this can't
//! be told stop the migration, in a state in which everybody understands everybody.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tracing::{debug, info};
use zeroize::Zeroizing;

use crate::base::addr::Target;
use crate::base::ids::{ExchangeId, TaskId};
use crate::base::name::NodeName;
use crate::base::time::Time;
use crate::pool::action::{Action, Outcome};
use crate::pool::commands::{TaskKind, fits};
use crate::pool::error::CommandError;
use crate::pool::exchange::{ExchangeError, Opening};
use crate::pool::machine::{Machine, Timer};
use crate::pool::migration::{
    Migration, MigrationKind, MigrationOptions, MigrationProgress, MigrationReport, Missing, Step,
    StepRefusal, Trouble,
};
use crate::pool::streams::Talk;
use crate::swim::node::State;
use crate::swim::timers::TimerKey;
use crate::wire::limits::LABEL_MAX;
use crate::wire::message::Ticket;
use crate::wire::onion::Wire;
use crate::wire::step::{StepAnswer, StepRequest, Token, Took, seal_token};

/// Members asked at a time.
const PARALLEL: usize = 16;

/// Until a member that did not answer, or is not ready, is asked again.
const AGAIN: Duration = Duration::from_millis(500);

/// How often members that appeared, and those to be asked again, are looked at.
const TICK: Duration = Duration::from_millis(100);

/// A migration that this node sees to.
#[derive(Debug)]
pub(super) struct Migrating {
    task: TaskId,
    to: Migration,
    options: MigrationOptions,
    stage: Stage,
    /// The latest step that everybody has taken and been checked for.
    reached: Option<Step>,
    peers: BTreeMap<NodeName, Peer>,
    lost: BTreeSet<NodeName>,
    /// Version of the table of members that `peers` and `lost` were read from.
    met: Option<u64>,
    /// What stands for the live members.
    crowd: u64,
    /// Why this node itself cannot take the step.
    own_trouble: Option<Trouble>,
    timer: TimerKey,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Survey,
    Ask(Step),
    Settle(Step, Time),
    Check(Step),
}

/// Another member.
#[derive(Debug, Default)]
struct Peer {
    /// It has done what this stage is for.
    done: bool,
    /// Somebody sees to it by hand.
    passed: bool,
    reached: Option<Step>,
    draining: bool,
    token: Option<Token>,
    trouble: Option<Trouble>,
    talk: Option<ExchangeId>,
    /// When it may be asked again, and how often it has been in vain.
    again: Time,
    failed: usize,
    /// The exchange under way has been answered.
    answered: bool,
}

impl Machine {
    /// Moves the whole pool, step by step; see [`migration`](super::migration). Ends with
    /// [`Outcome::Migrated`], which says how far it came, also when the time is up.
    pub fn migrate(
        &mut self,
        now: Time,
        to: Migration,
        options: MigrationOptions,
        timeout: Option<Duration>,
    ) -> Result<TaskId, CommandError> {
        let now = self.at(now);
        self.check_migration(now, &to)?;
        let task = self.begin(now, TaskKind::Migration, timeout);
        info!(kind = to.kind().name(), until = options.until.name(), "migration begins");
        let timer = self.timers.set(now + TICK, Timer::Migration);
        self.migrating = Some(Box::new(Migrating {
            task,
            to,
            options,
            stage: Stage::Survey,
            reached: None,
            peers: BTreeMap::new(),
            lost: BTreeSet::new(),
            met: None,
            crowd: 0,
            own_trouble: None,
            timer,
        }));
        self.migrate_on(now);
        Ok(task)
    }

    fn check_migration(&self, now: Time, to: &Migration) -> Result<(), CommandError> {
        if self.swim.has_left {
            return Err(CommandError::HasLeft);
        }
        if self.migrating.is_some() || self.is_migrating_elsewhere(now, to) {
            return Err(CommandError::MigrationBusy);
        }
        let encrypts = self.wire.encrypts();
        match to {
            Migration::Key(_) if !encrypts => Err(CommandError::NotEncrypted),
            Migration::Encryption(key) if encrypts && self.wire.keyring.primary() != Some(key) => {
                Err(CommandError::AlreadyEncrypted)
            }
            Migration::Label(label) => fits("label", label.len(), LABEL_MAX),
            Migration::Key(_) | Migration::Encryption(_) => Ok(()),
        }
    }

    /// Time for those that appeared and those to be asked again.
    pub(super) fn migration_tick(&mut self, now: Time) {
        if let Some(migrating) = &mut self.migrating {
            migrating.timer = self.timers.set(now + TICK, Timer::Migration);
        }
        self.migrate_on(now);
    }

    /// Does all that can be done now.
    fn migrate_on(&mut self, now: Time) {
        loop {
            let Some(mut migrating) = self.migrating.take() else { return };
            migrating.meet(self);
            self.take_own_step(now, &mut migrating);
            let next = migrating.next_stage(self, now);
            if let Some(stage) = next {
                migrating.enter(stage);
                self.migrating = Some(migrating);
                continue;
            }
            let is_over = migrating.is_over(self);
            if !is_over {
                self.ask_peers(now, &mut migrating);
            }
            let stops = is_over || migrating.must_stop();
            let task = migrating.task;
            self.migrating = Some(migrating);
            if stops {
                let outcome = self.migration_outcome();
                self.finish(task, outcome);
            }
            return;
        }
    }

    /// This node accepts and speaks first, and is the last to require.
    fn take_own_step(&mut self, now: Time, migrating: &mut Migrating) {
        let Stage::Ask(step) = migrating.stage else { return };
        if self.reached(&migrating.to) >= Some(step) || migrating.own_trouble.is_some() {
            return;
        }
        if step == Step::Require && !migrating.others_are_done() {
            return;
        }
        let Some(next) = Step::after(self.reached(&migrating.to)) else { return };
        let by = self.swim.name.clone();
        match self.take_step(now, &migrating.to, next, by, None) {
            Ok(_) | Err(StepRefusal::Busy) => {}
            Err(refusal) => migrating.own_trouble = Some(Trouble::Refused(refusal)),
        }
        if self.reached(&migrating.to) >= Some(step) {
            self.tell_progress(migrating, step, self.swim.name.clone(), None);
        }
    }

    /// The host has changed the labels of this node, or could not.
    pub(super) fn relabelled_here(&mut self, now: Time, changed: bool) {
        if let Some(mut migrating) = self.migrating.take() {
            if !changed {
                migrating.own_trouble = Some(Trouble::Refused(StepRefusal::Impossible));
            } else if let Stage::Ask(step) = migrating.stage {
                self.tell_progress(&migrating, step, self.swim.name.clone(), None);
            }
            self.migrating = Some(migrating);
            self.migrate_on(now);
        }
    }

    /// Asks those that can be asked now, as many as may be at a time.
    fn ask_peers(&mut self, now: Time, migrating: &mut Migrating) {
        let mut room = PARALLEL.saturating_sub(migrating.open_talks());
        let floor = migrating.floor(self);
        let Migrating { peers, to, stage, .. } = migrating;
        for (name, peer) in peers.iter_mut() {
            if room == 0 {
                return;
            }
            let step = peer.next_step(*stage);
            let is_allowed = before(step) <= floor;
            if peer.done || peer.passed || peer.talk.is_some() || peer.again > now || !is_allowed {
                continue;
            }
            let Some(record) = self.swim.roster.get(name.as_bytes()) else { continue };
            let target = Target { name: Some(name.clone()), addr: record.node.addr.socket_addr() };
            // In the survey nobody is to do anything: a token of nobody's.
            let token = peer.token.filter(|_| *stage != Stage::Survey);
            // One that speaks the new has hardly been restarted with the old.
            let patience = if peer.reached >= Some(Step::Speak) { 3 } else { 0 };
            let id = self.ask_step(now, target, to, step, token, peer.failed.saturating_sub(patience));
            (peer.talk, peer.answered) = (Some(id), false);
            room -= 1;
        }
    }

    fn ask_step(
        &mut self,
        now: Time,
        to: Target,
        migration: &Migration,
        step: Step,
        token: Option<Token>,
        failed: usize,
    ) -> ExchangeId {
        let id = ExchangeId(self.next_id());
        let kind = migration.kind();
        let wire = self.way_to(&to, kind, failed);
        let known = token.is_some();
        let token = token.unwrap_or_default();
        let nonce = self.nonces.next();
        let (token, body) = match migration {
            Migration::Key(key) => {
                // Sent to those that have shown to be of ours, never in clear.
                let sent = known && step == Step::Accept && wire.encrypts();
                let body = if sent { key.as_bytes().to_vec() } else { Vec::new() };
                (seal_token(key, nonce, kind, step, token), body)
            }
            Migration::Encryption(key) => (seal_token(key, nonce, kind, step, token), Vec::new()),
            Migration::Label(label) => (token.to_vec(), label.to_vec()),
        };
        let request = StepRequest { kind, step, token, body: Zeroizing::new(body) };
        self.sent += 1;
        let (instance, from) = (self.rumours.instance(), self.swim.name.clone());
        let ticket = Ticket { instance, sequence: self.sent, from };
        if let Some(name) = to.name.clone() {
            self.exchanges.insert(id, Talk::Step { name, wire });
        }
        let deadline = now + self.config.tcp_timeout;
        self.actions.push_back(Action::Open { id, to, opening: Opening::Step { request, ticket }, deadline });
        id
    }

    /// In which layers to speak to a member: our own or, if that was in vain, as one may have to be
    /// spoken to that has come with the old ones.
    fn way_to(&self, to: &Target, kind: MigrationKind, failed: usize) -> Arc<Wire> {
        let own = self.wire_to(to.addr);
        let mut wire = Wire::clone(own);
        match kind {
            MigrationKind::Key => {
                let keys = wire.keyring.keys();
                let key = keys.get(failed % keys.len().max(1)).cloned();
                if let Some(key) = key {
                    // It is one of the ring.
                    let _ = wire.keyring.use_key(&key);
                }
            }
            MigrationKind::Encryption if failed % 2 == 1 && !wire.verify_incoming => {
                wire.verify_outgoing = !wire.verify_outgoing;
            }
            MigrationKind::Label if failed % 2 == 1 => wire = wire.turned().unwrap_or(wire),
            MigrationKind::Encryption | MigrationKind::Label => {}
        }
        if failed == 0 { Arc::clone(own) } else { Arc::new(wire) }
    }

    /// A member says what became of the step.
    pub(super) fn hear_step_answer(&mut self, now: Time, id: ExchangeId, answer: &Bytes) {
        let Some(Talk::Step { name, .. }) = self.exchanges.get(&id) else { return };
        let name = name.clone();
        let Some(mut migrating) = self.migrating.take() else { return };
        migrating.meet(self);
        let (stage, kind, crowd) = (migrating.stage, migrating.to.kind(), migrating.crowd);
        let mut disagrees = false;
        if let Some(peer) = migrating.peers.get_mut(&name).filter(|peer| peer.talk == Some(id)) {
            peer.answered = true;
            match StepAnswer::decode(answer) {
                Some(answer) => {
                    peer.hear(now, stage, kind, answer);
                    let is_sure = matches!(stage, Stage::Survey | Stage::Check(_));
                    disagrees = is_sure && peer.done && answer.crowd != crowd;
                    if disagrees {
                        (peer.done, peer.trouble) = (false, Some(Trouble::Disagrees));
                        peer.again = now + AGAIN / 4;
                    }
                }
                None => peer.trouble = Some(Trouble::Manual),
            }
        }
        self.migrating = Some(migrating);
        if disagrees {
            self.compare_with(now, &name);
        }
    }

    /// Tells a member whom we know and hears whom it knows, rather than wait for the news to get around.
    fn compare_with(&mut self, now: Time, name: &NodeName) {
        let Some(record) = self.swim.roster.get(name.as_bytes()) else { return };
        if !std::mem::replace(&mut self.swim.push_pull_running, true) {
            let node = Arc::clone(&record.node);
            self.periodic_push_pull(now, &node);
        }
    }

    /// The conversation with a member about a step is over.
    pub(super) fn step_talked(
        &mut self,
        now: Time,
        id: ExchangeId,
        name: &NodeName,
        error: Option<ExchangeError>,
    ) {
        let Some(mut migrating) = self.migrating.take() else { return };
        let is_ours = self.swim.roster.get(name.as_bytes()).is_some_and(|record| record.relay > 0);
        if let Some(peer) = migrating.peers.get_mut(name).filter(|peer| peer.talk == Some(id)) {
            peer.talk = None;
            if !peer.answered {
                peer.failed += 1;
                peer.again = now + AGAIN;
                let is_ours = is_ours || peer.token.is_some();
                debug!(%name, ?error, "no answer about a step");
                peer.trouble = Some(match error {
                    None if !is_ours => Trouble::Manual,
                    error => Trouble::Unanswered(error.unwrap_or(ExchangeError::Closed)),
                });
            }
            if migrating.options.by_hand && peer_is_manual(peer) {
                peer.passed = true;
            }
            let (done, trouble) = (peer.done, peer.trouble.clone());
            if let (Stage::Ask(step), true) = (migrating.stage, done || trouble.is_some()) {
                self.tell_progress(&migrating, step, name.clone(), trouble);
            }
        }
        self.migrating = Some(migrating);
        self.migrate_on(now);
    }

    fn tell_progress(
        &mut self,
        migrating: &Migrating,
        step: Step,
        member: NodeName,
        trouble: Option<Trouble>,
    ) {
        let own = usize::from(self.reached(&migrating.to) >= Some(step));
        let done = own + migrating.peers.values().filter(|peer| peer.done && !peer.passed).count();
        let total = 1 + migrating.peers.values().filter(|peer| !peer.passed).count();
        let progress = MigrationProgress { step, member, trouble, done, total };
        self.actions.push_back(Action::Progress { id: migrating.task, progress });
    }

    /// How far the migration has come.
    pub(super) fn migration_outcome(&mut self) -> Outcome {
        let Some(migrating) = &self.migrating else { return Outcome::Cancelled };
        let report = migrating.report(self);
        info!(%report, "migration ended");
        Outcome::Migrated(Box::new(report))
    }

    /// A migration is no more under way.
    pub(super) fn migration_ended(&mut self) {
        let Some(migrating) = self.migrating.take() else { return };
        self.timers.cancel(migrating.timer);
        for id in migrating.peers.into_values().filter_map(|peer| peer.talk) {
            if self.exchanges.remove(&id).is_some() {
                self.actions.push_back(Action::Drop { id });
            }
        }
    }
}

impl Migrating {
    /// Takes note of who is a member.
    fn meet(&mut self, machine: &Machine) {
        if self.met == Some(machine.swim.version) {
            return;
        }
        self.met = Some(machine.swim.version);
        self.crowd = machine.live_crowd();
        let (mut live, mut lost) = (BTreeSet::new(), machine.rejoin.lost_names());
        for record in machine.swim.roster.iter().filter(|record| record.node.name != machine.swim.name) {
            let name = record.node.name.clone();
            match record.state {
                State::Alive | State::Suspect => drop(live.insert(name)),
                State::Dead => drop(lost.insert(name)),
                State::Left => drop(lost.remove(&name)),
            }
        }
        self.lost = lost.difference(&live).cloned().collect();
        self.peers.retain(|name, _| live.contains(name));
        for name in live {
            self.peers.entry(name).or_default();
        }
    }

    /// The lowest step among all whom we know of.
    fn floor(&self, machine: &Machine) -> Option<Step> {
        let own = machine.reached(&self.to);
        let peers = self.peers.values().filter(|peer| !peer.passed).map(|peer| peer.reached);
        peers.chain([own]).min().flatten()
    }

    fn others_are_done(&self) -> bool {
        let lost = !self.lost.is_empty() && !self.options.without_lost;
        !lost && self.peers.values().all(|peer| peer.done || peer.passed)
    }

    fn open_talks(&self) -> usize {
        self.peers.values().filter(|peer| peer.talk.is_some()).count()
    }

    /// The stage that follows, if this one is complete.
    fn next_stage(&mut self, machine: &Machine, now: Time) -> Option<Stage> {
        if !self.others_are_done() {
            return None;
        }
        let settled = !machine.drains() && !machine.is_relabelling();
        let own_is_done = |step| machine.reached(&self.to) >= Some(step) && settled;
        match self.stage {
            Stage::Survey => Some(Stage::Ask(Step::Accept)),
            Stage::Ask(step) if own_is_done(step) => {
                if step == self.options.until {
                    self.reached = Some(step);
                    return None;
                }
                // As long as a ping is waited for: what is under way longer counts as lost.
                let wait = if step == Step::Speak { machine.config.probe_timeout } else { Duration::ZERO };
                Some(Stage::Settle(step, now + wait))
            }
            Stage::Settle(step, until) if now >= until => Some(Stage::Check(step)),
            Stage::Check(step) if own_is_done(step) => {
                self.reached = Some(step);
                Step::after(Some(step)).map(Stage::Ask)
            }
            Stage::Ask(_) | Stage::Settle(..) | Stage::Check(_) => None,
        }
    }

    fn enter(&mut self, stage: Stage) {
        debug!(?stage, "migration goes on");
        self.stage = stage;
        if let Stage::Settle(..) = stage {
            return;
        }
        for peer in self.peers.values_mut() {
            (peer.done, peer.again) = (false, Time::ZERO);
            peer.trouble = None;
        }
    }

    fn is_over(&self, machine: &Machine) -> bool {
        let step = self.options.until;
        let is_last = self.stage == Stage::Ask(step) && self.reached == Some(step);
        is_last && self.others_are_done() && machine.reached(&self.to) >= Some(step)
    }

    /// Whether somebody is in the way for good, and nobody has still to answer.
    fn must_stop(&self) -> bool {
        let is_final = |peer: &Peer| !peer.passed && peer.trouble.as_ref().is_some_and(Trouble::is_final);
        let lost = !self.lost.is_empty() && !self.options.without_lost;
        // News that is still under way would only fill the report.
        let settles = self.peers.values().any(|peer| peer.trouble == Some(Trouble::Disagrees));
        let stands = self.open_talks() == 0 && !settles;
        stands && (lost || self.own_trouble.is_some() || self.peers.values().any(is_final))
    }

    fn report(&self, machine: &Machine) -> MigrationReport {
        let until = self.options.until;
        let is_complete = self.is_over(machine);
        let mut report = MigrationReport {
            kind: self.to.kind(),
            reached: if is_complete { Some(until) } else { self.reached.filter(|step| *step < until) },
            until,
            members: Vec::new(),
            by_hand: Vec::new(),
            lost: Vec::new(),
            missing: Vec::new(),
        };
        let miss = |member: &NodeName, trouble| Missing { member: member.clone(), trouble };
        for (name, peer) in &self.peers {
            match &peer.trouble {
                _ if peer.passed => report.by_hand.push(name.clone()),
                None if is_complete || peer.done => report.members.push(name.clone()),
                trouble => {
                    report.missing.push(miss(name, trouble.clone().unwrap_or(Trouble::Waiting)));
                }
            }
        }
        if self.options.without_lost {
            report.lost.extend(self.lost.iter().cloned());
        } else {
            report.missing.extend(self.lost.iter().map(|name| miss(name, Trouble::Lost)));
        }
        let own = &machine.swim.name;
        let trouble = self.own_trouble.clone();
        // If everybody else is done, this node drains or waits for its host.
        let waits = (!is_complete && report.missing.is_empty()).then_some(Trouble::Draining);
        match trouble.or(waits) {
            Some(trouble) => report.missing.push(miss(own, trouble)),
            None => report.members.push(own.clone()),
        }
        report
    }
}

impl Peer {
    /// What to ask it for: as far as the others are, step by step.
    fn next_step(&self, stage: Stage) -> Step {
        let goal = match stage {
            Stage::Survey => Step::Accept,
            Stage::Ask(step) | Stage::Check(step) | Stage::Settle(step, _) => step,
        };
        match self.reached {
            Some(reached) if self.draining => reached.min(goal),
            reached => Step::after(reached).map_or(goal, |next| next.min(goal)),
        }
    }

    fn hear(&mut self, now: Time, stage: Stage, kind: MigrationKind, answer: StepAnswer) {
        let knew_token = self.token.replace(answer.token).is_some();
        self.failed = 0;
        self.trouble = None;
        self.again = now;
        self.draining = answer.result == Ok(Took::Draining);
        match answer.result {
            // It does not hold the key because nobody has sent it yet.
            Err(StepRefusal::NoKey)
                if kind == MigrationKind::Key && (!knew_token || stage == Stage::Survey) =>
            {
                self.reached = None;
                self.done = stage == Stage::Survey;
            }
            Err(refusal) => {
                self.trouble = Some(Trouble::Refused(refusal));
                self.again = now + AGAIN;
            }
            Ok(took) => {
                self.reached = answer.reached;
                self.done = match stage {
                    Stage::Survey => true,
                    Stage::Ask(step) | Stage::Check(step) | Stage::Settle(step, _) => {
                        took == Took::Done && answer.reached >= Some(step)
                    }
                };
                if took == Took::Draining {
                    self.trouble = Some(Trouble::Draining);
                }
                if took == Took::Draining || took == Took::Told && knew_token {
                    self.again = now + AGAIN / 4;
                }
            }
        }
    }
}

fn peer_is_manual(peer: &Peer) -> bool {
    matches!(peer.trouble, Some(Trouble::Manual | Trouble::Refused(StepRefusal::Forbidden)))
}

/// The step that must have been taken before.
fn before(step: Step) -> Option<Step> {
    match step {
        Step::Accept => None,
        Step::Speak => Some(Step::Accept),
        Step::Require => Some(Step::Speak),
    }
}
