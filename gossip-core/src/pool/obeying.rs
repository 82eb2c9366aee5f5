//! A node takes the steps of a migration, asked by another or by itself.
//!
//! Whoever asks must hold a key of the pool (see `remote_migration`) and have the token that this node
//! gave last. Steps are taken in their order; one that is taken already is no error.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tracing::{debug, info};

use crate::base::ids::ExchangeId;
use crate::base::limit::warn_limited;
use crate::base::name::NodeName;
use crate::base::time::Time;
use crate::pool::action::{Action, Notice};
use crate::pool::error::CommandError;
use crate::pool::layers::Labels;
use crate::pool::machine::Machine;
use crate::pool::migration::{Migrated, Migration, MigrationKind, RemoteMigration, Step, StepRefusal};
use crate::pool::streams::Talk;
use crate::wire::keyring::Key;
use crate::wire::limits::LABEL_MAX;
use crate::wire::step::{StepAnswer, StepRequest, Token, Took, crowd};

/// How long after a step no other migration is obeyed.
const LEASE: Duration = Duration::from_secs(60);

/// What a node remembers of the migrations that it takes part in.
#[derive(Debug, Default)]
pub(super) struct Obeying {
    /// What the next request must carry.
    token: Option<Token>,
    /// The migration under way, and when its latest step was.
    lease: Option<(Migration, Time)>,
    /// Exchanges up to this one began before the layers changed.
    pub(super) changed: u64,
    /// A change of labels that the host has not answered yet.
    relabelling: Option<Relabelling>,
}

#[derive(Debug)]
struct Relabelling {
    to: Migration,
    migrated: Migrated,
    /// Who asked for it, if not this node itself.
    asked: Option<ExchangeId>,
}

impl Machine {
    /// A peer asks this node to take a step.
    pub(super) fn hear_step(
        &mut self,
        now: Time,
        id: ExchangeId,
        request: &StepRequest,
        encrypted: bool,
        by: NodeName,
    ) {
        let Some(Talk::Inbound { waits, .. }) = self.exchanges.get_mut(&id) else { return };
        // It is at work, also if it had rested: the change that it asks for leaves it alone.
        *waits = None;
        let (to, token) = match self.read_step(request, encrypted) {
            Ok(read) => read,
            Err(refusal) => return self.answer_step(now, id, None, Err(refusal)),
        };
        if self.is_migrating_elsewhere(now, &to) {
            return self.answer_step(now, id, Some(&to), Err(StepRefusal::Busy));
        }
        if self.obeying.token != Some(token) {
            return self.answer_step(now, id, Some(&to), Ok(Took::Told));
        }
        self.obeying.token = None;
        match self.take_step(now, &to, request.step, by, Some(id)) {
            Ok(true) => {
                let took = if self.drains() { Took::Draining } else { Took::Done };
                self.answer_step(now, id, Some(&to), Ok(took));
            }
            Ok(false) => {}
            Err(refusal) => self.answer_step(now, id, Some(&to), Err(refusal)),
        }
    }

    /// Where a request leads, and its token; or why it is not obeyed.
    fn read_step(&self, request: &StepRequest, encrypted: bool) -> Result<(Migration, Token), StepRefusal> {
        let allowed = self.config.remote_migration;
        if allowed == RemoteMigration::Never {
            return Err(StepRefusal::Forbidden);
        }
        let installed = self.wire.keyring.keys();
        match request.kind {
            MigrationKind::Key if !encrypted => Err(StepRefusal::Clear),
            MigrationKind::Key => {
                let sent = Key::new(&request.body).ok();
                let keys: Vec<_> = installed.iter().cloned().chain(sent).collect();
                let (token, key) = request.open(&keys).ok_or(StepRefusal::NoKey)?;
                Ok((Migration::Key(key.clone()), token))
            }
            // Encrypted or not: the token shows that the sender holds the key.
            MigrationKind::Encryption => {
                let (token, key) = request.open(installed).ok_or(StepRefusal::NoKey)?;
                Ok((Migration::Encryption(key.clone()), token))
            }
            MigrationKind::Label if !encrypted && allowed != RemoteMigration::Always => {
                Err(StepRefusal::Clear)
            }
            MigrationKind::Label => {
                let token = request.token.as_slice().try_into().map_err(|_| StepRefusal::Impossible)?;
                if request.body.len() > LABEL_MAX {
                    return Err(StepRefusal::Impossible);
                }
                Ok((Migration::Label(Bytes::copy_from_slice(&request.body)), token))
            }
        }
    }

    fn answer_step(
        &mut self,
        now: Time,
        id: ExchangeId,
        to: Option<&Migration>,
        result: Result<Took, StepRefusal>,
    ) {
        // The others tell who asks what he is to do before.
        if let Err(refusal @ (StepRefusal::Forbidden | StepRefusal::Clear | StepRefusal::Impossible)) = result
        {
            self.tally.steps_refused += 1;
            warn_limited!(
                self.limiter, now, reason: refusal.name(), "a migration asks for a step that is not taken",
                hint: "the node that sees to the migration names this one; see remote_migration", %refusal
            );
        }
        let nonces = &mut self.nonces;
        let token = *self.obeying.token.get_or_insert_with(|| nonces.next());
        let reached = to.and_then(|to| self.reached(to));
        let answer = StepAnswer { token, reached, result, crowd: self.live_crowd() };
        self.actions.push_back(Action::Reply { id, answer: answer.encode().into() });
    }

    /// What stands for the live members that this node knows.
    pub(super) fn live_crowd(&self) -> u64 {
        let live = self.swim.roster.iter().filter(|record| record.state.is_live());
        crowd(live.map(|record| record.node.name.as_bytes()))
    }

    /// Whether the host is about to change the labels.
    pub(super) fn is_relabelling(&self) -> bool {
        self.obeying.relabelling.is_some()
    }

    /// Whether a migration to somewhere else has lately taken a step here.
    pub(super) fn is_migrating_elsewhere(&self, now: Time, to: &Migration) -> bool {
        let Obeying { lease, relabelling, .. } = &self.obeying;
        relabelling.as_ref().is_some_and(|under_way| under_way.to != *to)
            || lease.as_ref().is_some_and(|(other, at)| other != to && now.since(*at) < LEASE)
    }

    /// Others have to wait until this migration has come to its end, or has not for a while.
    fn keep_lease(&mut self, now: Time, to: &Migration, step: Step) {
        self.obeying.lease = Some((to.clone(), now)).filter(|_| step < Step::Require);
    }

    /// The latest step of a migration that this node has taken.
    pub(super) fn reached(&self, to: &Migration) -> Option<Step> {
        let wire = &self.wire;
        let (accepts, speaks, requires) = match to {
            Migration::Key(key) => {
                let keys = wire.keyring.keys();
                (keys.contains(key), keys.first() == Some(key), keys.len() == 1)
            }
            Migration::Encryption(key) => {
                let keys = wire.keyring.keys();
                let speaks = keys.first() == Some(key) && wire.verify_outgoing;
                (keys.contains(key), speaks, wire.verify_incoming)
            }
            Migration::Label(label) => {
                let speaks = wire.label == *label;
                (speaks || wire.other_label.as_ref() == Some(label), speaks, wire.other_label.is_none())
            }
        };
        match (accepts, speaks, requires) {
            (false, ..) => None,
            (true, false, _) => Some(Step::Accept),
            (true, true, false) => Some(Step::Speak),
            (true, true, true) => Some(Step::Require),
        }
    }

    /// Whether something that this node began before its layers changed is under way: it speaks as
    /// before, and does not understand what is new.
    pub(super) fn drains(&self) -> bool {
        let before = self.exchanges.range(..=ExchangeId(self.obeying.changed));
        before
            .into_iter()
            .any(|(_, talk)| !matches!(talk, Talk::Inbound { .. } | Talk::Resting | Talk::Step { .. }))
    }

    /// Takes a step, unless it is taken already. False: it is being taken, by the host.
    pub(super) fn take_step(
        &mut self,
        now: Time,
        to: &Migration,
        step: Step,
        by: NodeName,
        asked: Option<ExchangeId>,
    ) -> Result<bool, StepRefusal> {
        let reached = self.reached(to);
        if reached < Some(step) {
            if Step::after(reached) != Some(step) {
                return Err(StepRefusal::Order);
            }
            let migrated = Migrated { kind: to.kind(), step, by };
            if let Migration::Label(label) = to {
                return self.relabel(label.clone(), migrated, asked).map(|()| false);
            }
            self.rekey(to, step).map_err(|error| {
                debug!(%error, "a step of a migration is impossible");
                StepRefusal::Impossible
            })?;
            self.step_taken(migrated);
        }
        self.keep_lease(now, to, step);
        Ok(true)
    }

    fn step_taken(&mut self, migrated: Migrated) {
        self.tally.steps_taken += 1;
        let Migrated { kind, step, by } = &migrated;
        info!(kind = kind.name(), step = step.name(), %by, "step of a migration taken");
        self.settle();
        self.notify(Notice::Migrated(migrated));
    }

    fn rekey(&mut self, to: &Migration, step: Step) -> Result<(), CommandError> {
        let Some(key) = to.key().cloned() else { return Ok(()) };
        let encrypts = matches!(to, Migration::Encryption(_));
        self.change_wire(|wire| {
            match step {
                Step::Accept => {
                    if encrypts && wire.keyring.is_empty() {
                        (wire.verify_incoming, wire.verify_outgoing) = (false, false);
                    }
                    wire.keyring.add(key);
                }
                Step::Speak => {
                    wire.keyring.use_key(&key)?;
                    wire.verify_outgoing |= encrypts;
                }
                Step::Require if encrypts => wire.verify_incoming = true,
                Step::Require => wire.keyring.keep(&key),
            }
            Ok(())
        })
    }

    /// Begins a change of labels: the host must know of it before others do.
    fn relabel(
        &mut self,
        label: Bytes,
        migrated: Migrated,
        asked: Option<ExchangeId>,
    ) -> Result<(), StepRefusal> {
        if self.obeying.relabelling.is_some() {
            return Err(StepRefusal::Busy);
        }
        let own = self.wire.label.clone();
        let labels = match migrated.step {
            Step::Accept => Labels { own, next: Some(label.clone()), former: None },
            Step::Speak => Labels { own: label.clone(), next: None, former: Some(own) },
            Step::Require => Labels { own: label.clone(), ..Labels::default() },
        };
        self.obeying.relabelling = Some(Relabelling { to: Migration::Label(label), migrated, asked });
        self.actions.push_back(Action::Relabel { labels });
        Ok(())
    }

    /// Whether the host has changed the labels as an [`Action::Relabel`] said.
    pub fn handle_relabelled(&mut self, now: Time, changed: bool) {
        let now = self.at(now);
        let Some(Relabelling { to, migrated, asked }) = self.obeying.relabelling.take() else { return };
        if changed {
            self.keep_lease(now, &to, migrated.step);
            self.step_taken(migrated);
        }
        match asked {
            Some(id) => {
                let took = if self.drains() { Took::Draining } else { Took::Done };
                let result = changed.then_some(took).ok_or(StepRefusal::Impossible);
                self.answer_step(now, id, Some(&to), result);
            }
            None => self.relabelled_here(now, changed),
        }
    }

    /// The onion of an exchange that asks for a step.
    pub(super) fn wire_of_step(&self, id: ExchangeId) -> Option<&Arc<crate::wire::onion::Wire>> {
        match self.exchanges.get(&id) {
            Some(Talk::Step { wire, .. }) => Some(wire),
            _ => None,
        }
    }
}
