//! How far a migration has come, by member, and what follows: what [`migrating`](super::migrating)
//! acts on.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use tracing::debug;

use crate::base::ids::{ExchangeId, TaskId};
use crate::base::name::NodeName;
use crate::base::time::Time;
use crate::pool::machine::Machine;
use crate::pool::migration::{
    Migration, MigrationKind, MigrationOptions, MigrationReport, Missing, Step, StepRefusal, Trouble,
};
use crate::swim::node::State;
use crate::swim::timers::TimerKey;
use crate::wire::step::{StepAnswer, Token, Took};

/// Until a member that did not answer, or is not ready, is asked again.
pub(super) const AGAIN: Duration = Duration::from_millis(500);

/// A migration that this node sees to.
#[derive(Debug)]
pub(super) struct Migrating {
    pub(super) task: TaskId,
    pub(super) to: Migration,
    pub(super) options: MigrationOptions,
    pub(super) stage: Stage,
    /// The latest step that everybody has taken and been checked for.
    pub(super) reached: Option<Step>,
    pub(super) peers: BTreeMap<NodeName, Peer>,
    pub(super) lost: BTreeSet<NodeName>,
    /// Version of the table of members that `peers` and `lost` were read from.
    pub(super) met: Option<u64>,
    /// What stands for the live members.
    pub(super) crowd: u64,
    /// Why this node itself cannot take the step.
    pub(super) own_trouble: Option<Trouble>,
    /// Who has been told to have taken the step.
    pub(super) told: BTreeSet<(Step, NodeName)>,
    pub(super) timer: TimerKey,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    Survey,
    Ask(Step),
    Settle(Step, Time),
    Check(Step),
}

/// Another member.
#[derive(Debug, Default)]
pub(super) struct Peer {
    /// It has done what this stage is for.
    pub(super) done: bool,
    /// Somebody sees to it by hand.
    pub(super) passed: bool,
    pub(super) reached: Option<Step>,
    pub(super) draining: bool,
    pub(super) token: Option<Token>,
    pub(super) trouble: Option<Trouble>,
    pub(super) talk: Option<ExchangeId>,
    /// When it may be asked again, and how often it has been in vain.
    pub(super) again: Time,
    pub(super) failed: usize,
    /// The exchange under way has been answered.
    pub(super) answered: bool,
}

impl Migrating {
    /// Takes note of who is a member.
    pub(super) fn meet(&mut self, machine: &Machine) {
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
    pub(super) fn floor(&self, machine: &Machine) -> Option<Step> {
        let own = machine.reached(&self.to);
        let peers = self.peers.values().filter(|peer| !peer.passed).map(|peer| peer.reached);
        peers.chain([own]).min().flatten()
    }

    pub(super) fn others_are_done(&self) -> bool {
        let lost = !self.lost.is_empty() && !self.options.without_lost;
        !lost && self.peers.values().all(|peer| peer.done || peer.passed)
    }

    pub(super) fn open_talks(&self) -> usize {
        self.peers.values().filter(|peer| peer.talk.is_some()).count()
    }

    /// The stage that follows, if this one is complete.
    pub(super) fn next_stage(&mut self, machine: &Machine, now: Time) -> Option<Stage> {
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

    pub(super) fn enter(&mut self, stage: Stage) {
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

    pub(super) fn is_over(&self, machine: &Machine) -> bool {
        let step = self.options.until;
        let is_last = self.stage == Stage::Ask(step) && self.reached == Some(step);
        is_last && self.others_are_done() && machine.reached(&self.to) >= Some(step)
    }

    /// Whether somebody is in the way for good, and nobody has still to answer.
    pub(super) fn must_stop(&self) -> bool {
        let is_final = |peer: &Peer| !peer.passed && peer.trouble.as_ref().is_some_and(Trouble::is_final);
        let lost = !self.lost.is_empty() && !self.options.without_lost;
        // News that is still under way would only fill the report.
        let settles = self.peers.values().any(|peer| peer.trouble == Some(Trouble::Disagrees));
        let stands = self.open_talks() == 0 && !settles;
        stands && (lost || self.own_trouble.is_some() || self.peers.values().any(is_final))
    }

    pub(super) fn report(&self, machine: &Machine) -> MigrationReport {
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
    pub(super) fn next_step(&self, stage: Stage) -> Step {
        let goal = match stage {
            Stage::Survey => Step::Accept,
            Stage::Ask(step) | Stage::Check(step) | Stage::Settle(step, _) => step,
        };
        match self.reached {
            Some(reached) if self.draining => reached.min(goal),
            reached => Step::after(reached).map_or(goal, |next| next.min(goal)),
        }
    }

    pub(super) fn hear(&mut self, now: Time, stage: Stage, kind: MigrationKind, answer: StepAnswer) {
        let knew_token = self.token.replace(answer.token).is_some();
        self.failed = 0;
        self.trouble = None;
        self.again = now;
        self.draining = answer.result == Ok(Took::Draining);
        match answer.result {
            // It does not hold the key because nobody has sent it yet, or not since it was restarted.
            Err(StepRefusal::NoKey)
                if kind == MigrationKind::Key
                    && (!knew_token || stage == Stage::Survey || self.reached.is_some()) =>
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

pub(super) fn peer_is_manual(peer: &Peer) -> bool {
    matches!(peer.trouble, Some(Trouble::Manual | Trouble::Refused(StepRefusal::Forbidden)))
}

/// The step that must have been taken before.
pub(super) fn before(step: Step) -> Option<Step> {
    match step {
        Step::Accept => None,
        Step::Speak => Some(Step::Accept),
        Step::Require => Some(Step::Speak),
    }
}
