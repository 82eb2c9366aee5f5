//! From a datagram to the rules: layers off, each message to whoever it is for.

use std::net::SocketAddr;

use bytes::Bytes;

use crate::base::time::Time;
use crate::pool::action::{Notice, UserMessage};
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
        if !self.swim.allows(from.ip().into()) {
            self.tally.sources_refused += 1;
            return;
        }
        let wire = self.wire.clone();
        let mut scratch = self.scratch.take().unwrap_or_default();
        let opened = packet::open(&wire, &mut scratch, bytes, &mut |message| match message {
            Ok(message) => self.hear(now, at, from, message),
            Err(why) => self.refuse(from, why),
        });
        self.scratch = Some(scratch);
        if let Err(why) = opened {
            self.refuse(from, why);
        }
    }

    /// Counts something from `from` that was refused.
    pub(super) fn refuse(&mut self, from: SocketAddr, why: Refused) {
        self.tally.refuse(why);
        tracing::debug!(%from, reason = why.reason(), %why, "refused");
    }

    fn hear(&mut self, now: Time, received: Time, from: SocketAddr, message: Message<'_>) {
        match message {
            Message::Ping(ping) => {
                let payload = self.ack_payload.clone();
                self.swim.hear_ping(from, &ping, payload);
            }
            Message::IndirectPing(ping) => self.swim.hear_indirect_ping(now, from, &ping),
            Message::Ack(ack) => self.swim.hear_ack(now, received, &ack),
            Message::Nack(nack) => self.swim.hear_nack(from, nack),
            Message::Suspect(suspect) => self.swim.hear_suspect(now, &suspect),
            Message::Alive(alive) => self.hear_alive(now, alive),
            Message::Dead(dead) => self.swim.hear_dead(now, &dead),
            Message::User(payload) => self.hear_user(from, Bytes::copy_from_slice(payload), false),
        }
    }

    /// A message of another application.
    pub(super) fn hear_user(&mut self, from: SocketAddr, bytes: Bytes, reliable: bool) {
        self.tally.messages_received += 1;
        self.settle();
        self.notify(Notice::Message(UserMessage { pool: self.config.id, bytes, from, reliable }));
    }
}
