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
    Migration, MigrationKind, MigrationOptions, MigrationProgress, Step, StepRefusal, Trouble,
};
use crate::pool::migration_stage::{AGAIN, Migrating, Stage, before, peer_is_manual};
use crate::pool::streams::Talk;
use crate::wire::limits::LABEL_MAX;
use crate::wire::message::Ticket;
use crate::wire::onion::Wire;
use crate::wire::step::{StepAnswer, StepRequest, Token, seal_token};

/// Members asked at a time.
const PARALLEL: usize = 16;

/// How often members that appeared, and those to be asked again, are looked at.
const TICK: Duration = Duration::from_millis(100);

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
            told: BTreeSet::new(),
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
        let may = migrating.own_trouble.is_none() && (step != Step::Require || migrating.others_are_done());
        let reached = self.reached(&migrating.to);
        if may
            && reached < Some(step)
            && let Some(next) = Step::after(reached)
        {
            let by = self.swim.name.clone();
            match self.take_step(now, &migrating.to, next, by, None) {
                Ok(_) | Err(StepRefusal::Busy) => {}
                Err(refusal) => migrating.own_trouble = Some(Trouble::Refused(refusal)),
            }
        }
        // Perhaps it was there before, or the host had to change the labels first.
        let name = self.swim.name.clone();
        if self.reached(&migrating.to) >= Some(step) && !migrating.told.contains(&(step, name.clone())) {
            self.tell_progress(migrating, step, name, None);
        }
    }

    /// The host has changed the labels of this node, or could not.
    pub(super) fn relabelled_here(&mut self, now: Time, changed: bool) {
        if let Some(mut migrating) = self.migrating.take() {
            if !changed {
                migrating.own_trouble = Some(Trouble::Refused(StepRefusal::Impossible));
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
        let (mut disagrees, mut is_done) = (false, false);
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
            is_done = peer.done;
        }
        if let (Stage::Ask(step), true) = (stage, is_done) {
            self.tell_progress(&mut migrating, step, name.clone(), None);
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
            let trouble = peer.trouble.clone();
            if let (Stage::Ask(step), true) = (migrating.stage, trouble.is_some()) {
                self.tell_progress(&mut migrating, step, name.clone(), trouble);
            }
        }
        self.migrating = Some(migrating);
        self.migrate_on(now);
    }

    fn tell_progress(
        &mut self,
        migrating: &mut Migrating,
        step: Step,
        member: NodeName,
        trouble: Option<Trouble>,
    ) {
        if trouble.is_none() {
            migrating.told.insert((step, member.clone()));
        }
        // As many as have been told, so that they are counted one by one.
        let done = migrating.told.iter().filter(|(told, _)| *told == step).count();
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
