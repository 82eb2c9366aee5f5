//! What happens on hearing that a node is suspected or dead, and when a suspicion runs out.
//!
//! Rules and their order: behaviour 4.2, 4.3 and 6 (Go: `suspectNode`, `deadNode`).

use std::borrow::Cow;
use std::time::Duration;

use tracing::debug;

use crate::base::ids::TaskId;
use crate::base::name::NodeName;
use crate::base::time::Time;
use crate::swim::alive::NAME_ACCEPTED;
use crate::swim::effect::Effect;
use crate::swim::node::State;
use crate::swim::scale::suspicion_timeout;
use crate::swim::suspicion::{Suspicion, Terms};
use crate::swim::swim::{Swim, Timer};
use crate::wire::message::{Dead, Suspect};

/// Stands in for the probe interval of a node that does not probe: that of the LAN preset.
const IDLE_INTERVAL: Duration = Duration::from_secs(1);

impl Swim {
    /// Hears that a node is suspected.
    pub fn hear_suspect(&mut self, now: Time, suspect: &Suspect<'_>) {
        if suspect.from.len() > NAME_ACCEPTED {
            self.counters.facts_invalid += 1;
            return;
        }
        let Some(record) = self.roster.get_mut(&suspect.node) else { return };
        if suspect.incarnation < record.incarnation {
            return;
        }
        if let Some(suspicion) = record.case.as_mut().and_then(|case| case.suspicion.as_mut()) {
            let Some(ends) = suspicion.confirm(&suspect.from) else { return };
            let name = record.node.name.clone();
            self.timers.cancel(suspicion.timer);
            // A confirmation may leave no time at all; it then ends with the next timeout.
            suspicion.timer = self.timers.set(ends.max(now), Timer::SuspicionEnd(name));
            return self.broadcast_suspect(suspect);
        }
        if record.state != State::Alive {
            return;
        }
        if record.node.name == self.name {
            self.refuted_to(now, &suspect.from);
            return self.refute(now, suspect.incarnation);
        }
        self.begin_suspicion(now, suspect);
    }

    fn begin_suspicion(&mut self, now: Time, suspect: &Suspect<'_>) {
        self.broadcast_suspect(suspect);
        self.counters.suspicions += 1;
        self.version += 1;
        let terms = self.suspicion_terms();
        let from = self.roster.name(&suspect.from);
        let Some(record) = self.roster.get_mut(&suspect.node) else { return };
        debug!(
            member = %record.node.name, addr = %record.node.addr, by = %from, confirmations = terms.expected,
            "member suspected"
        );
        record.incarnation = suspect.incarnation;
        record.state = State::Suspect;
        record.since = now;
        let end = Timer::SuspicionEnd(record.node.name.clone());
        let timer = self.timers.set(now + terms.initial(), end);
        record.case_mut().suspicion = Some(Suspicion::new(now, terms, from, timer));
    }

    /// The terms of a suspicion that begins now. In a pool too small to have that many
    /// others, no confirmations are waited for.
    fn suspicion_terms(&self) -> Terms {
        let members = self.roster.len();
        let wanted = self.tuning.suspicion_mult.saturating_sub(2);
        let others = members.saturating_sub(2);
        let expected = if others < wanted as usize { 0 } else { wanted };
        // Without probes of our own a suspect still gets time: Go gives it none.
        let interval =
            if self.tuning.probe_interval.is_zero() { IDLE_INTERVAL } else { self.tuning.probe_interval };
        let min = suspicion_timeout(self.tuning.suspicion_mult, members, interval);
        Terms { expected, min, max: min.saturating_mul(self.tuning.suspicion_max_timeout_mult) }
    }

    /// A suspicion has run out unrefuted: the node is dead.
    pub(crate) fn suspicion_end(&mut self, now: Time, name: &NodeName) {
        let Some(record) = self.roster.get(name.as_bytes()) else { return };
        let Some(suspicion) = record.suspicion().filter(|_| record.state == State::Suspect) else {
            return;
        };
        if suspicion.is_degraded() {
            self.counters.timeouts_degraded += 1;
        }
        debug!(member = %name, "suspicion ran out unrefuted");
        let own = self.name.clone();
        let dead = Dead {
            incarnation: record.incarnation,
            node: Cow::Borrowed(name.as_bytes()),
            from: Cow::Borrowed(own.as_bytes()),
        };
        self.hear_dead(now, &dead);
    }

    /// Hears that a node is dead, or has left.
    pub fn hear_dead(&mut self, now: Time, dead: &Dead<'_>) {
        if dead.from.len() > NAME_ACCEPTED {
            self.counters.facts_invalid += 1;
            return;
        }
        let Some(record) = self.roster.get(&dead.node) else { return };
        if dead.incarnation < record.incarnation {
            return;
        }
        self.drop_suspicion(&dead.node);
        let is_self = *dead.node == *self.name.as_bytes();
        let is_live = self.roster.get(&dead.node).is_some_and(|record| record.state.is_live());
        if !is_live {
            return;
        }
        if is_self && !self.has_left {
            self.refuted_to(now, &dead.from);
            return self.refute(now, dead.incarnation);
        }
        self.decline(now, dead, None);
    }

    /// Says goodbye. `waiter` learns when it has been sent often enough.
    pub fn leave(&mut self, now: Time, waiter: Option<TaskId>) {
        self.has_left = true;
        let Some(incarnation) = self.local().map(|record| record.incarnation) else { return };
        let name = self.name.clone();
        let goodbye =
            Dead { incarnation, node: Cow::Borrowed(name.as_bytes()), from: Cow::Borrowed(name.as_bytes()) };
        self.decline(now, &goodbye, waiter);
    }

    fn decline(&mut self, now: Time, dead: &Dead<'_>, waiter: Option<TaskId>) {
        self.broadcast_dead(dead, waiter);
        self.counters.deaths += 1;
        self.version += 1;
        let from = self.roster.name(&dead.from);
        let Some(record) = self.roster.get_mut(&dead.node) else { return };
        record.incarnation = dead.incarnation;
        record.state = if dead.node == dead.from { State::Left } else { State::Dead };
        if record.state == State::Dead {
            record.case_mut().buried_by = Some(from);
        }
        record.since = now;
        self.tell(Effect::Left, &dead.node);
    }
}
