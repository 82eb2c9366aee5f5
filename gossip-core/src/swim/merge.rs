//! Applying another node's whole state, one record at a time.
//!
//! Behaviour 11.3 (Go: `mergeState`). A record of a dead node only raises a suspicion,
//! so that the node can still refute.

use std::borrow::Cow;

use crate::base::time::Time;
use crate::swim::node::{State, Versions};
use crate::swim::swim::Swim;
use crate::swim::versions::Overlap;
use crate::wire::message::{Alive, Dead, NodeRecord, Suspect};

impl Swim {
    /// Hears one record of another node's state.
    pub fn hear_record(&mut self, now: Time, record: &NodeRecord<'_>) {
        let (incarnation, node) = (record.incarnation, Cow::Borrowed(&*record.name));
        match State::from_wire(record.state) {
            Some(State::Alive) => self.hear_alive(now, alive_from(record)),
            Some(State::Left) => {
                self.hear_dead(now, &Dead { incarnation, from: node.clone(), node });
            }
            Some(State::Suspect | State::Dead) => {
                let own = self.name.clone();
                let from = Cow::Borrowed(own.as_bytes());
                self.hear_suspect(now, &Suspect { incarnation, node, from });
            }
            None => self.counters.facts_invalid += 1,
        }
    }

    /// Whether the pool would still have a common protocol after merging with nodes of
    /// these states and versions.
    pub fn is_compatible(&self, remote: impl Iterator<Item = (State, Versions)>) -> bool {
        let mut overlap = Overlap::default();
        let own = self.roster.iter().map(|record| (record.state, record.node.versions));
        own.chain(remote).for_each(|(state, versions)| overlap.take(state, versions));
        overlap.is_common()
    }
}

/// The alive message that a record amounts to.
pub fn alive_from<'r>(record: &'r NodeRecord<'_>) -> Alive<'r> {
    Alive {
        incarnation: record.incarnation,
        node: Cow::Borrowed(&record.name),
        addr: record.addr.as_deref().map(Cow::Borrowed),
        port: record.port,
        meta: record.meta.as_deref().map(Cow::Borrowed),
        relay: record.relay,
        versions: record.versions.as_deref().map(Cow::Borrowed),
    }
}
