//! What a machine does with [`rumours`](super::rumours): hears them, passes them on, tells what it
//! has and asks for what it lacks. How its own set out is in [`broadcasting`](super::broadcasting).

use std::net::SocketAddr;

use bytes::Bytes;
use tracing::debug;

use crate::base::addr::Target;
use crate::base::time::Time;
use crate::pool::action::{Notice, Origin, UserMessage};
use crate::pool::config::BroadcastMode;
use crate::pool::machine::Machine;
use crate::pool::outbound::Packer;
use crate::pool::rumours::circle::Share;
use crate::pool::rumours::envelope::{
    Arc, Body, ENTRY_OVERHEAD, Entry, Envelope, Id, MARK, RELAY_VERSION, Section,
};
use crate::pool::rumours::heard::Hearing;
use crate::pool::rumours::kept::Keeping;
use crate::pool::rumours::outbox::Letter;
use crate::pool::rumours::state::MEMORY;
use crate::swim::effect::Body as ParcelBody;
use crate::swim::scale::push_pull_period;
use crate::swim::versions::understands;
use crate::wire::limits::COMPOUND_PART_OVERHEAD;
use crate::wire::message::MessageType;
use crate::wire::push_pull::RemoteState;

/// Entries of a digest or request in a datagram that are looked at; ours hold fewer.
const ENTRIES_MAX: usize = 128;

/// Bytes of rumours that answer one request.
const ANSWER_MAX: usize = 32 << 10;

/// How a rumour came.
#[derive(Debug, Clone, Copy)]
struct Way {
    from: SocketAddr,
    at: Time,
    /// In a push/pull.
    in_state: bool,
    arc: Arc,
}

impl Machine {
    pub(super) fn keep(&mut self, now: Time, id: Id, name: &[u8], body: Bytes) -> Keeping {
        let period = push_pull_period(self.config.push_pull_interval, self.swim.roster.len());
        self.rumours.expire(now, period);
        let tellings = self.swim.transmissions();
        self.rumours.kept.keep(now, id, name, body, tellings)
    }

    pub(super) fn pass_on(&mut self, shares: Vec<Share>, body: &Bytes) {
        for Share { to, arc } in shares {
            self.post_letter(to.addr.socket_addr(), understands(&to, 5), Letter::Rumour(arc, body.clone()));
        }
    }

    fn post_letter(&mut self, to: SocketAddr, crc: bool, letter: Letter) {
        let is_rumour = matches!(letter, Letter::Rumour(..));
        if !self.rumours.outbox.put(to, crc, letter) {
            self.tally.relay_dropped += 1;
        } else if is_rumour {
            self.tally.relay_sent += 1;
        }
    }

    /// Takes in a user message in a datagram: the application's, or ours.
    pub(super) fn hear_message(&mut self, now: Time, at: Time, from: SocketAddr, payload: &[u8]) {
        self.rumours.circle.refresh(&self.swim);
        let known = self.rumours.circle.at(from);
        // Who is known not to understand did not mean it.
        let is_deaf = known.is_some_and(|(_, understands)| !understands);
        if is_deaf || self.config.broadcast_mode == BroadcastMode::Plain || !Envelope::is_marked(payload) {
            return self.hear_user(UserMessage {
                pool: self.config.id,
                bytes: Bytes::copy_from_slice(payload),
                from,
                sender: known.map(|(node, _)| node.name.clone()),
                reliable: false,
                encrypted: false,
                at,
                origin: None,
            });
        }
        match Envelope::decode(payload) {
            Some(Envelope::Rumour(arc, body)) => {
                self.hear_rumour(now, Way { from, at, in_state: false, arc }, body);
            }
            Some(Envelope::Digest(entries)) if known.is_some() => {
                self.hear_digest(now, from, entries.get(..ENTRIES_MAX).unwrap_or(&entries));
            }
            Some(Envelope::Request(entries)) if known.is_some() => {
                self.hear_request(from, entries.get(..ENTRIES_MAX).unwrap_or(&entries));
            }
            // From somebody who is not known, or not any more: there is nobody to ask or answer.
            Some(Envelope::Digest(_) | Envelope::Request(_)) => {}
            None => self.rumour_invalid(from),
        }
    }

    fn rumour_invalid(&mut self, from: SocketAddr) {
        self.tally.relay_invalid += 1;
        debug!(%from, "envelope of a relayed broadcast makes no sense");
    }

    fn hear_rumour(&mut self, now: Time, way: Way, bytes: &[u8]) {
        let Some(body) = Body::decode(bytes) else { return self.rumour_invalid(way.from) };
        self.tally.relay_received += 1;
        let id = body.id;
        let hearing =
            if self.rumours.is_own(id) { Hearing::Repeat } else { self.rumours.heard.hear(now, MEMORY, id) };
        match hearing {
            Hearing::News => {}
            Hearing::Repeat => {
                self.tally.relay_duplicates += 1;
                // It may have come by repair before, and others still wait behind us.
                return self.look_after(way.arc, id, body.origin);
            }
            Hearing::NoRoom => {
                self.tally.relay_dropped += 1;
                return;
            }
        }
        let was_asked_for = self.rumours.wanted.settle(id);
        self.tally.relay_repaired += u64::from(was_asked_for || way.in_state);
        let kept = Bytes::copy_from_slice(bytes);
        if self.keep(now, id, body.name, kept.clone()) == Keeping::Superseded {
            self.tally.relay_superseded += 1;
            return;
        }
        self.look_after(way.arc, id, body.origin);
        let sender = self.rumours.circle.at(way.from).map(|(node, _)| node.name.clone());
        let origin = Origin {
            node: self.swim.roster.name(body.origin),
            instance: id.instance,
            sequence: id.sequence,
            name: Bytes::copy_from_slice(body.name),
        };
        let message = UserMessage {
            pool: self.config.id,
            bytes: kept.slice(kept.len() - body.payload.len()..),
            from: way.from,
            sender,
            reliable: false,
            encrypted: way.in_state && self.wire.encrypts(),
            at: way.at,
            origin: Some(origin),
        };
        self.hear_user(message);
    }

    /// Passes a rumour on along an arc, once.
    fn look_after(&mut self, arc: Arc, id: Id, origin: &[u8]) {
        if arc.is_empty() || !self.rumours.kept.pass_on(id) {
            return;
        }
        let Some(body) = self.rumours.kept.body(id).cloned() else { return };
        self.rumours.circle.refresh(&self.swim);
        let shares = self.rumours.circle.share_arc(arc, origin);
        self.pass_on(shares, &body);
    }

    /// Somebody tells what it has: what we lack we want.
    fn hear_digest(&mut self, now: Time, from: SocketAddr, entries: &[Entry]) {
        if self.rumours.uninformed.is_some_and(|end| now < end) {
            self.rumours.begin_after(now, entries);
        }
        let due = now + self.rumours.grace();
        for id in entries.iter().flat_map(Entry::ids) {
            if !self.rumours.has(id) {
                self.rumours.wanted.want(id, from, due);
            }
        }
        self.schedule_rumours();
    }

    /// Somebody lacks what we have.
    fn hear_request(&mut self, from: SocketAddr, entries: &[Entry]) {
        let Some((node, _)) = self.rumours.circle.at(from) else { return };
        let crc = understands(node, 5);
        let mut left = ANSWER_MAX;
        for id in entries.iter().flat_map(Entry::ids) {
            let Some(body) = self.rumours.kept.body(id).cloned() else { continue };
            let Some(rest) = left.checked_sub(body.len()) else { return };
            left = rest;
            self.post_letter(from, crc, Letter::Rumour(Arc::NONE, body));
        }
    }

    /// Asks the member at `to` for rumours, as many as a datagram takes.
    pub(super) fn request(&mut self, to: SocketAddr, ids: Vec<Id>) {
        let Some((node, _)) = self.rumours.circle.at(to) else { return };
        let crc = understands(node, 5);
        let mut left = self.message_limit().saturating_sub(MARK.len() + 1);
        let mut request = Vec::new();
        Envelope::begin_request(&mut request);
        for entry in Entry::collect(ids.into_iter()).iter().take(ENTRIES_MAX) {
            let Some(rest) = left.checked_sub(entry.len()) else { break };
            left = rest;
            entry.encode(&mut request);
        }
        self.post_letter(to, crc, Letter::Envelope(request.into()));
    }

    /// Adds what we have to a datagram for `to`, in at most a quarter of it: to gossip what is
    /// new, to a ping all of it in turn.
    pub(super) fn add_digest(&mut self, now: Time, packer: &mut Packer, to: SocketAddr, body: &ParcelBody) {
        let kept = &self.rumours.kept;
        let tells = match body {
            ParcelBody::Gossip => kept.has_news(),
            ParcelBody::Ping { .. } => !kept.is_empty(),
            _ => false,
        };
        if !tells || !self.understands_relays(to) {
            return;
        }
        let period = push_pull_period(self.config.push_pull_interval, self.swim.roster.len());
        self.rumours.expire(now, period);
        let framing = COMPOUND_PART_OVERHEAD + 1 + MARK.len() + 1;
        let room = (self.packet_room() / 4).saturating_sub(framing).min(ENTRIES_MAX * ENTRY_OVERHEAD);
        let kept = &mut self.rumours.kept;
        let entries = match body {
            ParcelBody::Gossip => kept.tell_news(room),
            _ => kept.tell_all(room),
        };
        if !entries.is_empty() {
            packer.add(|out| {
                out.push(MessageType::User as u8);
                Envelope::begin_digest(out);
                entries.iter().for_each(|entry| entry.encode(out));
            });
        }
    }

    /// Whether a live member that understands relayed broadcasts is at an address.
    fn understands_relays(&mut self, addr: SocketAddr) -> bool {
        self.rumours.circle.refresh(&self.swim);
        self.rumours.circle.at(addr).is_some_and(|(_, understands)| understands)
    }

    /// What a push/pull that we begin says of rumours.
    pub(super) fn section_for(&mut self, to: &Target, join: bool) -> Bytes {
        let record = to.name.as_ref().and_then(|name| self.swim.roster.get(name.as_bytes()));
        let understands = record.is_some_and(|record| record.relay > 0);
        if join || !understands || self.config.broadcast_mode == BroadcastMode::Plain {
            return Bytes::new();
        }
        self.rumours.section(&self.swim.name, None)
    }

    /// What our answer to a push/pull says of rumours. Only nodes of ours pass on who
    /// understands relayed broadcasts, so whoever says that of anybody is one.
    pub(super) fn section_answering(&mut self, theirs: &RemoteState) -> Bytes {
        let understands = !theirs.relay.is_empty()
            || theirs.join && theirs.nodes().any(|record| record.relay >= RELAY_VERSION);
        if !understands || self.config.broadcast_mode == BroadcastMode::Plain {
            return Bytes::new();
        }
        let section = Section::decode(&theirs.relay);
        self.rumours.section(&self.swim.name, section.as_ref().map(|section| &*section.entries))
    }

    /// What a push/pull said of rumours, once its members are known. To whoever joins, what is
    /// kept then was said before its time.
    pub(super) fn hear_section(&mut self, now: Time, bytes: &[u8], joined: bool) {
        let is_newcomer = joined && std::mem::take(&mut self.rumours.is_newcomer);
        if self.config.broadcast_mode == BroadcastMode::Plain {
            return;
        }
        if bytes.is_empty() {
            if is_newcomer {
                self.rumours.begin_uninformed(now);
            }
            return;
        }
        let Some(section) = Section::decode(bytes) else {
            self.tally.relay_invalid += 1;
            return;
        };
        let Some(record) = self.swim.roster.get(section.name.as_bytes()) else { return };
        let from = record.node.addr.socket_addr();
        if self.rumours.uninformed.take().is_some_and(|end| now < end) || is_newcomer {
            self.rumours.is_newcomer = false;
            self.rumours.begin_after(now, &section.entries);
        }
        self.rumours.circle.refresh(&self.swim);
        let way = Way { from, at: now, in_state: true, arc: Arc::NONE };
        section.bodies.iter().for_each(|body| self.hear_rumour(now, way, body));
        self.hear_digest(now, from, &section.entries);
    }

    /// A message for the application.
    pub(super) fn hear_user(&mut self, message: UserMessage) {
        self.tally.messages_received += 1;
        self.settle();
        self.notify(Notice::Message(message));
    }
}
