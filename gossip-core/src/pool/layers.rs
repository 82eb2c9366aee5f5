//! What surrounds a pool's messages, changed while it runs: keys, encryption, label.
//!
//! A cluster moves from plain to encrypted, or from one label to another, without a gap if
//! each node first accepts both, then speaks the new way, then requires it (Go:
//! `GossipVerifyIncoming`, `GossipVerifyOutgoing`; Go has no such steps for labels).
//!
//! # While the next label is accepted
//!
//! A node that knows but one label drops what comes under the other. So a pool that
//! accepts the next label remembers who spoke under it last, and speaks to them as they
//! do. It stands between both halves of the cluster: they hear of each other through it,
//! and their indirect probes of each other go by way of it. Once a pool speaks the next
//! label, it does so to everybody: two nodes that were each polite to the other would stay
//! with the former label for ever.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use tracing::info;

use crate::mux::prefix::Framing;
use crate::pool::commands::fits;
use crate::pool::config::PoolConfig;
use crate::pool::error::CommandError;
use crate::pool::machine::Machine;
use crate::wire::budget::Budget;
use crate::wire::keyring::{Key, Keyring};
use crate::wire::label::Under;
use crate::wire::onion::Wire;

/// Addresses remembered for the label they speak under; of further ones nothing is remembered.
const SPEAKERS_MAX: usize = 65_536;

/// The labels of a pool; empty ones stand for none on the wire.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Labels {
    /// Under which it speaks.
    pub own: Bytes,
    /// Which it accepts, too, and speaks to those who speak it.
    pub next: Option<Bytes>,
    /// Which it still accepts.
    pub former: Option<Bytes>,
}

/// Who speaks under the next label, while it is accepted.
#[derive(Debug, Default)]
pub(super) struct Speakers {
    /// The onion for them; none while no next label is accepted.
    next: Option<Arc<Wire>>,
    /// Whoever spoke under it last.
    known: BTreeSet<SocketAddr>,
}

impl Speakers {
    fn heard(&mut self, from: SocketAddr, under: Under) {
        match under {
            Under::Own => drop(self.known.remove(&from)),
            Under::Other if self.next.is_some() && self.known.len() < SPEAKERS_MAX => {
                self.known.insert(from);
            }
            Under::Other => {}
        }
    }
}

impl PoolConfig {
    /// The labels with which the pool begins.
    pub(crate) fn labels(&self) -> Labels {
        let own = match &self.framing {
            Framing::Prefix => self.label.clone(),
            Framing::Label(label) => label.clone(),
            Framing::Bare => Bytes::new(),
        };
        Labels { own, next: self.next_label.clone(), former: self.former_label.clone() }
    }

    /// The same pool under these labels.
    #[cfg(feature = "net")]
    pub(crate) fn with_labels(&self, labels: &Labels) -> Self {
        let Labels { own, next, former } = labels.clone();
        let (framing, label) = match &self.framing {
            Framing::Prefix => (Framing::Prefix, own),
            Framing::Bare | Framing::Label(_) => (Framing::of_label(own), Bytes::new()),
        };
        Self { framing, label, next_label: next, former_label: former, ..self.clone() }
    }

    /// The layers with which the pool begins.
    pub(super) fn wire(&self) -> Wire {
        let Labels { own, next, former } = self.labels();
        Wire {
            prefix: (self.framing == Framing::Prefix).then(|| self.id.prefix()),
            label: own,
            other_label: next.or(former),
            skip_inbound_label_check: self.skip_inbound_label_check,
            keyring: self.keyring.clone(),
            verify_incoming: self.gossip_verify_incoming,
            verify_outgoing: self.gossip_verify_outgoing,
            compression: self.enable_compression,
            encryption_version: if self.protocol_version == 1 { 0 } else { 1 },
            budget: Budget::default(),
        }
    }
}

impl Machine {
    /// The onion in which to speak to `peer` in an exchange that begins now.
    pub fn wire_to(&self, peer: SocketAddr) -> &Arc<Wire> {
        match &self.speakers.next {
            Some(next) if self.speakers.known.contains(&peer) => next,
            _ => &self.wire,
        }
    }

    /// Something of `from` was accepted under one of the labels.
    pub(super) fn heard_under(&mut self, from: SocketAddr, under: Under) {
        self.speakers.heard(from, under);
    }

    /// Whether `peer`, which closed in silence when asked under our own label, is worth
    /// another try under the next one, which it gets from now on. One that closed under the
    /// next label gets our own again: perhaps it closed for another reason.
    pub(super) fn try_next_label(&mut self, peer: SocketAddr) -> bool {
        !self.speakers.known.remove(&peer)
            && self.speakers.next.is_some()
            && self.speakers.known.len() < SPEAKERS_MAX
            && self.speakers.known.insert(peer)
    }

    /// Installs a key; the first one becomes primary and turns encryption on.
    pub fn add_key(&mut self, key: Key) -> Result<(), CommandError> {
        self.change_keys("key added", |keyring| {
            keyring.add(key);
            Ok(())
        })
    }

    /// Makes an installed key the one that encrypts.
    pub fn use_key(&mut self, key: &Key) -> Result<(), CommandError> {
        self.change_keys("primary key changed", |keyring| keyring.use_key(key).map_err(Into::into))
    }

    /// Removes a key that is not primary.
    pub fn remove_key(&mut self, key: &Key) -> Result<(), CommandError> {
        self.change_keys("key removed", |keyring| keyring.remove(key).map_err(Into::into))
    }

    fn change_keys(
        &mut self,
        what: &'static str,
        change: impl FnOnce(&mut Keyring) -> Result<(), CommandError>,
    ) -> Result<(), CommandError> {
        self.change_wire(|wire| change(&mut wire.keyring))?;
        // How many there are, and nothing about any of them.
        info!(what, keys = self.wire.keyring.keys().len(), "keyring changed");
        Ok(())
    }

    /// With keys: whether clear text is refused, and whether what goes out is encrypted.
    pub fn set_gossip_verify(&mut self, incoming: bool, outgoing: bool) -> Result<(), CommandError> {
        self.change_wire(|wire| {
            wire.verify_incoming = incoming;
            wire.verify_outgoing = outgoing;
            Ok(())
        })?;
        info!(incoming, outgoing, "verification of encryption changed");
        Ok(())
    }

    /// Speaks and accepts as the labels say; those that are not there are not accepted.
    pub fn set_labels(&mut self, labels: Labels) -> Result<(), CommandError> {
        let Labels { own, next, former } = labels;
        let accepts_next = next.is_some();
        self.change_wire(|wire| {
            wire.label = own;
            wire.other_label = next.or(former);
            Ok(())
        })?;
        self.speakers = Speakers::default();
        self.meet_next_label(accepts_next);
        let (label, other) = (self.wire.label.escape_ascii(), &self.wire.other_label);
        info!(%label, also = other.as_ref().map(|other| tracing::field::display(other.escape_ascii())), "label changed");
        Ok(())
    }

    /// Takes the memory for large messages from `budget`, which the pools of a node share.
    pub fn set_budget(&mut self, budget: Budget) {
        self.wire = Arc::new(Wire { budget, ..Wire::clone(&self.wire) });
        self.meet_next_label(self.speakers.next.is_some());
    }

    /// Begins or ends to speak to others under the next label.
    pub(super) fn meet_next_label(&mut self, accepts_next: bool) {
        self.speakers.next = self.wire.turned().filter(|_| accepts_next).map(Arc::new);
    }

    /// Changes the layers; refuses if the own announcement no longer fitted a datagram.
    pub(super) fn change_wire(
        &mut self,
        change: impl FnOnce(&mut Wire) -> Result<(), CommandError>,
    ) -> Result<(), CommandError> {
        let mut wire = Wire::clone(&self.wire);
        change(&mut wire)?;
        let before = std::mem::replace(&mut self.wire, Arc::new(wire));
        let fit = fits("metadata", self.swim.meta().len(), self.meta_limit());
        if fit.is_err() {
            self.wire = before;
            return fit;
        }
        self.meet_next_label(self.speakers.next.is_some());
        // What rests speaks and accepts as before; what is under way does until its message is settled.
        self.layers_changed += 1;
        self.obeying.changed = self.last_id;
        self.close_resting(None);
        self.close_resting_inbound();
        Ok(())
    }
}
