//! What happens on hearing that a node is alive, and on saying so ourselves.
//!
//! Rules and their order: behaviour 4.1 and 5 (Go: `aliveNode`, `refute`).

use std::borrow::Cow;

use bytes::Bytes;
use tracing::debug;

use crate::base::addr::{NodeAddr, WireIp};
use crate::base::ids::TaskId;
use crate::base::time::Time;
use crate::swim::effect::Effect;
use crate::swim::node::{Meta, Node, State, Versions};
use crate::swim::roster::Record;
use crate::swim::swim::Swim;
use crate::swim::takeover::Claim;
use crate::wire::message::{Alive, blob_bytes};

/// Metadata longer than this is refused. Go sends at most 512 bytes but takes any
/// length; a longer message could never be gossiped on in a datagram.
const META_ACCEPTED: usize = 4096;

/// The same for names: of nodes, of their accusers, of whom to ping.
pub(crate) const NAME_ACCEPTED: usize = 1024;

impl Swim {
    /// Announces ourselves with a new incarnation: at the start, with new metadata, or
    /// after having left. `waiter` learns when the announcement has been sent often enough.
    pub fn announce(&mut self, now: Time, meta: Option<&[u8]>, waiter: Option<TaskId>) {
        self.has_left = false;
        self.incarnation = self.incarnation.saturating_add(1);
        let (name, addr) = (self.name.clone(), self.addr);
        let alive = Alive {
            incarnation: self.incarnation,
            node: Cow::Borrowed(name.as_bytes()),
            addr: Some(Cow::Borrowed(addr.ip.as_bytes())),
            port: addr.port,
            meta: meta.map(Cow::Borrowed),
            relay: self.tuning.relay,
            versions: Some(Cow::Owned(self.tuning.versions.to_bytes().to_vec())),
        };
        self.accept(now, &alive, addr, waiter);
    }

    /// Whether a heard alive message, if it holds, would make somebody a member or change
    /// a member's facts: what an application that admits members has to judge. Repeats and
    /// refutations of admitted nodes do not count.
    pub fn would_change_facts(&self, now: Time, alive: &Alive<'_>) -> bool {
        if *alive.node == *self.name.as_bytes() || !are_possible(alive) {
            return false;
        }
        let Some(record) = self.roster.get(&alive.node) else {
            return alive.incarnation > 0 && self.has_room();
        };
        let Some(node) = self.described(alive) else { return false };
        match self.claim(now, record, node.addr) {
            Claim::Same => node != *record.node && alive.incarnation > record.incarnation,
            Claim::Takeover => true,
            Claim::Contested | Claim::NotAllowed => false,
        }
    }

    /// The node that an alive message describes, if its facts are possible.
    pub fn described(&self, alive: &Alive<'_>) -> Option<Node> {
        let ip = WireIp::from_bytes(blob_bytes(&alive.addr))?;
        let addr = NodeAddr { ip, port: self.port_or_own(alive.port) };
        let versions = Versions::from_bytes(blob_bytes(&alive.versions)).unwrap_or_default();
        let meta = Meta::from(alive.meta.as_deref());
        Some(Node { name: self.roster.name(&alive.node), addr, meta, versions })
    }

    /// Hears an alive message.
    pub fn hear_alive(&mut self, now: Time, mut alive: Alive<'_>) {
        alive.port = self.port_or_own(alive.port);
        let is_self = *alive.node == *self.name.as_bytes();
        if is_self && self.has_left {
            return;
        }
        let ip = WireIp::from_bytes(blob_bytes(&alive.addr));
        let Some(ip) = ip.filter(|_| are_possible(&alive)) else {
            self.counters.facts_invalid += 1;
            debug!(member = %String::from_utf8_lossy(&alive.node), "impossible facts of a node refused");
            return;
        };
        let addr = NodeAddr { ip, port: alive.port };
        let Some(record) = self.roster.get(&alive.node) else {
            // Incarnation 0 is "nothing heard yet"; a node gives itself 1 at first.
            if !self.allows(ip) {
                self.counters.not_allowed += 1;
                debug!(%addr, "member in no allowed network refused");
            } else if !self.has_room() {
                self.counters.members_overflowed += 1;
                self.alarm_of_overflow(now, addr);
            } else if alive.incarnation > 0 {
                self.accept(now, &alive, addr, None);
            }
            return;
        };
        let (stored, relay) = (record.incarnation, record.relay);
        let takeover = match self.claim(now, record, addr) {
            Claim::Same => false,
            Claim::Takeover => true,
            Claim::Contested => return self.contest(now, &alive),
            Claim::NotAllowed => {
                self.counters.not_allowed += 1;
                debug!(%addr, "member in no allowed network refused");
                return;
            }
        };
        if is_self {
            self.hear_of_ourselves(now, &alive);
        } else if takeover {
            self.depose(now, &alive);
            self.accept(now, &alive, addr, None);
        } else if alive.incarnation > stored {
            self.accept(now, &alive, addr, None);
        } else if alive.incarnation == stored && alive.relay > relay {
            self.learn_relay(&alive);
        }
    }

    /// The same facts again, and that the node understands relayed broadcasts: they came to us
    /// through memberlist first, which does not pass that on.
    fn learn_relay(&mut self, alive: &Alive<'_>) {
        if let Some(record) = self.roster.get_mut(&alive.node) {
            record.relay = alive.relay;
            self.version += 1;
        }
    }

    /// Whether one more node may be known: names cost whoever invents them nothing.
    fn has_room(&self) -> bool {
        self.roster.len() < self.tuning.max_members
    }

    /// Somebody spreads facts about us: true ones are ignored, others refuted.
    fn hear_of_ourselves(&mut self, now: Time, alive: &Alive<'_>) {
        let Some(record) = self.local() else { return };
        let is_true = alive.incarnation == record.incarnation
            && blob_bytes(&alive.meta) == record.node.meta.as_bytes()
            && *blob_bytes(&alive.versions) == record.node.versions.to_bytes();
        if alive.incarnation >= record.incarnation && !is_true {
            self.refute(now, alive.incarnation);
        }
    }

    /// Contradicts whatever is said of us under incarnation `accused`, with a higher one.
    pub(crate) fn refute(&mut self, now: Time, accused: u32) {
        self.counters.refutations += 1;
        self.doubt_ourselves(1);
        debug!(accused, "what others say of this node is refuted");
        self.alarm_of_accusation(now);
        self.outbid(accused);
    }

    /// Says who we are once more, under an incarnation above `heard`.
    pub(crate) fn outbid(&mut self, heard: u32) {
        self.incarnation = self.incarnation.saturating_add(1).max(heard.saturating_add(1));
        let (incarnation, name) = (self.incarnation, self.name.clone());
        let Some(record) = self.roster.get_mut(name.as_bytes()) else { return };
        record.incarnation = incarnation;
        let (node, relay) = (record.node.clone(), record.relay);
        self.version += 1;
        // Under our name, so that it replaces what we said before; Go queues refutations
        // under the address instead (behaviour 19, number 11).
        self.broadcast_alive(&alive_of(&node, incarnation, relay), None);
    }

    /// The message holds: remember it, pass it on, tell the application.
    fn accept(&mut self, now: Time, alive: &Alive<'_>, addr: NodeAddr, waiter: Option<TaskId>) {
        self.drop_suspicion(&alive.node);
        self.broadcast_alive(alive, waiter);
        self.counters.alives += 1;
        self.version += 1;
        let announced = Versions::from_bytes(blob_bytes(&alive.versions));
        let meta = Meta::from(alive.meta.as_deref());
        let (incarnation, relay) = (alive.incarnation, alive.relay);
        let Some(record) = self.roster.get_mut(&alive.node) else {
            let name = alive.node.as_ref().into();
            let node = Node { name, addr, meta, versions: announced.unwrap_or_default() };
            let record = Record { relay, ..Record::alive(node.into(), incarnation, now) };
            self.roster.insert(record, &mut self.rng);
            if self.roster.len() > 1 {
                self.wake_tickers(now);
            }
            return self.tell(Effect::Joined, &alive.node);
        };
        let node = &record.node;
        let versions = announced.unwrap_or(node.versions);
        let new_meta = node.meta != meta;
        if new_meta || node.addr != addr || node.versions != versions {
            record.node = Node { name: node.name.clone(), addr, meta, versions }.into();
        }
        record.incarnation = incarnation;
        record.relay = relay;
        let (was_live, was_suspect) = (record.state.is_live(), record.state == State::Suspect);
        if record.state != State::Alive {
            record.state = State::Alive;
            record.since = now;
        }
        if was_suspect {
            self.refuted_by(now, &alive.node);
        }
        if !was_live {
            self.tell(Effect::Joined, &alive.node);
        } else if new_meta {
            self.tell(Effect::Updated, &alive.node);
        }
    }

    /// Our metadata as announced.
    pub fn meta(&self) -> Bytes {
        self.local().map(|record| Bytes::copy_from_slice(record.node.meta.as_bytes())).unwrap_or_default()
    }
}

/// Whether an alive message could have come from a working node.
fn are_possible(alive: &Alive<'_>) -> bool {
    let versions = match *blob_bytes(&alive.versions) {
        [pmin, pmax, _, ..] => pmin != 0 && pmax != 0 && pmin <= pmax,
        _ => true,
    };
    versions && blob_bytes(&alive.meta).len() <= META_ACCEPTED && alive.node.len() <= NAME_ACCEPTED
}

/// The alive message about a known node.
pub fn alive_of(node: &Node, incarnation: u32, relay: u8) -> Alive<'_> {
    Alive {
        incarnation,
        node: Cow::Borrowed(node.name.as_bytes()),
        addr: Some(Cow::Borrowed(node.addr.ip.as_bytes())),
        port: node.addr.port,
        meta: node.meta.as_blob().map(Cow::Borrowed),
        relay,
        versions: Some(Cow::Owned(node.versions.to_bytes().to_vec())),
    }
}
