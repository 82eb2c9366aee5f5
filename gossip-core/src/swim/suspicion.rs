//! One suspicion: who shares it, and when it turns into a death (Lifeguard, section IV.B).
//!
//! A lone accuser may be the faulty one, so a suspicion starts with a long timeout and
//! each independent confirmation shortens it.

use std::time::Duration;

use crate::base::name::NodeName;
use crate::base::time::Time;
use crate::swim::scale::suspicion_total;
use crate::swim::timers::TimerKey;

/// A running suspicion of one member.
#[derive(Debug)]
pub struct Suspicion {
    /// The timer that ends it.
    pub timer: TimerKey,
    start: Time,
    expected: u32,
    min: Duration,
    max: Duration,
    /// Who has accused: first whoever began it, then each confirmation.
    accusers: Vec<NodeName>,
}

/// The terms on which a suspicion begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Terms {
    /// Confirmations wanted; more are not heard.
    pub expected: u32,
    /// Timeout with all confirmations.
    pub min: Duration,
    /// Timeout without any.
    pub max: Duration,
}

impl Terms {
    /// How long the suspicion lasts if nobody confirms it.
    pub fn initial(&self) -> Duration {
        if self.expected == 0 { self.min } else { self.max }
    }
}

impl Suspicion {
    /// A suspicion raised by `from` at `now`, to be ended by `timer`.
    pub fn new(now: Time, terms: Terms, from: NodeName, timer: TimerKey) -> Self {
        let Terms { expected, min, max } = terms;
        Self { timer, start: now, expected, min, max, accusers: vec![from] }
    }

    /// Hears `from` share the suspicion; news gives the time at which it now ends.
    pub fn confirm(&mut self, from: &[u8]) -> Option<Time> {
        if self.confirmations() >= self.expected || self.accusers.iter().any(|name| name.as_bytes() == from) {
            return None;
        }
        self.accusers.push(from.into());
        Some(self.start + suspicion_total(self.confirmations(), self.expected, self.min, self.max))
    }

    /// How many have confirmed it.
    pub fn confirmations(&self) -> u32 {
        self.accusers.len() as u32 - 1
    }

    /// When it ends as things stand.
    pub fn ends(&self) -> Time {
        self.timer.at()
    }

    /// Who has accused: first whoever began it, then each confirmation.
    pub fn accusers(&self) -> &[NodeName] {
        &self.accusers
    }

    /// The accusers of a suspicion that is over.
    pub fn into_accusers(self) -> Vec<NodeName> {
        self.accusers
    }

    /// The terms on which it began.
    pub fn terms(&self) -> Terms {
        Terms { expected: self.expected, min: self.min, max: self.max }
    }

    /// True if it runs out with fewer confirmations than were wanted: this node may be cut off.
    pub fn is_degraded(&self) -> bool {
        self.expected > 0 && self.confirmations() < self.expected
    }
}
