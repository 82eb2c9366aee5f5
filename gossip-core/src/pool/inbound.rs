//! From a datagram to the rules: layers off, each message to whoever it is for.

use std::net::SocketAddr;

use tracing::{debug, trace};

use crate::base::limit::warn_limited;
use crate::base::time::Time;
use crate::pool::action::{Action, Notice};
use crate::pool::machine::{Machine, Received};
use crate::wire::error::Refused;
use crate::wire::message::Message;
use crate::wire::packet;

impl Machine {
    /// Takes in a datagram. Whatever is wrong with it changes nothing but a counter.
    pub fn handle_packet(&mut self, now: Time, packet: Received<'_>) {
        let now = self.at(now);
        let Received { from, at, bytes } = packet;
        self.tally.packets_received += 1;
        self.tally.bytes_received += bytes.len() as u64;
        trace!(%from, bytes = bytes.len(), "datagram received");
        if !self.swim.allows(from.ip().into()) {
            return self.refuse_source(now, from);
        }
        let (wire, before) = (self.wire.clone(), self.actions.len());
        let mut scratch = self.scratch.take().unwrap_or_default();
        let opened = packet::open(&wire, &mut scratch, bytes, &mut |message| match message {
            Ok(message) => self.hear(now, at, from, message),
            Err(why) => self.refuse(now, from, why),
        });
        self.tell_encryption(before, scratch.was_encrypted());
        self.scratch = Some(scratch);
        self.doctor_hears(from, opened.as_ref().err().copied());
        match opened {
            Ok(under) => self.heard_under(from, under),
            Err(why) => self.refuse(now, from, why),
        }
    }

    /// Counts a datagram, or a part of one, from `from` that was refused.
    fn refuse(&mut self, now: Time, from: SocketAddr, why: Refused) {
        self.tally.refused.count(why);
        debug!(%from, reason = why.reason(), %why, "datagram refused");
        warn_limited!(
            self.limiter, now, reason: why.reason(), "datagrams are refused",
            hint: remedy(why), %from, reason = why.reason(), %why
        );
    }

    /// Counts something from an address that is not allowed.
    pub(super) fn refuse_source(&mut self, now: Time, from: SocketAddr) {
        self.tally.sources_refused += 1;
        debug!(%from, "source in no allowed network refused");
        warn_limited!(
            self.limiter, now, "a source lies in no allowed network",
            hint: "add its network to cidrs_allowed, or keep it off this port", %from
        );
    }

    fn hear(&mut self, now: Time, received: Time, from: SocketAddr, message: Message<'_>) {
        match message {
            Message::Ping(ping) => {
                let payload = self.ack_payload.clone();
                self.swim.hear_ping(now, from, &ping, payload);
            }
            Message::IndirectPing(ping) => self.swim.hear_indirect_ping(now, from, &ping),
            Message::Ack(ack) if self.doctor_hears_ack(now, received, ack.seq) => {}
            Message::Nack(nack) if self.doctor_hears_nack(now, nack.seq) => {}
            Message::Ack(ack) => self.swim.hear_ack(now, received, from, &ack),
            Message::Nack(nack) => self.swim.hear_nack(now, from, nack),
            Message::Suspect(_) | Message::Alive(_) | Message::Dead(_)
                if self.is_examined_stranger(now, from) => {}
            Message::Suspect(suspect) => self.swim.hear_suspect(now, &suspect),
            Message::Alive(alive) => self.hear_alive(now, alive),
            Message::Dead(dead) => self.swim.hear_dead(now, &dead),
            Message::User(payload) => self.hear_message(now, received, from, payload),
        }
    }

    /// Notes of the user messages that the latest datagram brought, the actions from `first` on,
    /// whether it was encrypted.
    fn tell_encryption(&mut self, first: usize, was_encrypted: bool) {
        for action in self.actions.range_mut(first..) {
            if let Action::Tell(Notice::Message(message)) = action {
                message.encrypted = was_encrypted;
            }
        }
    }
}

/// What an operator can do so that a peer is no longer refused.
pub(super) fn remedy(why: Refused) -> &'static str {
    match why {
        Refused::LabelMismatch | Refused::LabelDouble | Refused::LabelEmpty | Refused::LabelTruncated => {
            "the peer belongs to another cluster, or its label setting differs from this pool's"
        }
        Refused::NotEncrypted => {
            "the peer sends clear text; give it the keys, or clear verify_incoming while the cluster moves to encryption"
        }
        Refused::Encrypted => "the peer encrypts; give this pool the cluster's keys",
        Refused::NoKey
        | Refused::EncryptionVersion(_)
        | Refused::EncryptedTooShort(_)
        | Refused::EncryptedEmpty
        | Refused::Padding => {
            "the peer sends clear text, or has another key or label; give it the keys, or clear verify_incoming \
             while the cluster moves to encryption"
        }
        Refused::TooMuchHeld => {
            "large states come faster than they are merged, as while a delegate hesitates to admit them; or somebody \
             attacks: encrypt, or allow only your networks"
        }
        _ => {
            "the peer is no node of this pool, or it encrypts and this pool has no keys; compare their configurations"
        }
    }
}
