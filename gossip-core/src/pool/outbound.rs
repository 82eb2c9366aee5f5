//! From parcels to datagrams: the main message, the freshest broadcasts that fit beside
//! it, and the layers around them, written into the host's buffer.

use std::borrow::Cow;
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;

use crate::base::time::Time;
use crate::pool::machine::Machine;
use crate::swim::alive::alive_of;
use crate::swim::broadcast::Room;
use crate::swim::effect::{Body, Parcel};
use crate::swim::node::{Meta, Node};
use crate::wire::encode::{
    encode_ack, encode_alive, encode_indirect_ping, encode_nack, encode_ping, encode_suspect,
};
use crate::wire::limits::{
    CHECKSUM_OVERHEAD, COMPOUND_OVERHEAD, COMPOUND_PART_OVERHEAD, COMPOUND_PARTS_SAFE, META_MAX,
};
use crate::wire::message::{Ack, IndirectPing, MessageType, Nack, Ping, Suspect};
use crate::wire::onion::Wire;
use crate::wire::packet;

/// Bytes before a blob of up to 65535 bytes (wire document 2.1).
const BLOB_HEADER: usize = 3;

/// Buffers in which a datagram's messages are put together; reused.
#[derive(Debug, Default)]
pub(super) struct Packer {
    /// The messages one after the other.
    messages: Vec<u8>,
    /// Where each ends.
    ends: Vec<usize>,
    /// The message or compound, before the layers.
    plain: Vec<u8>,
    /// How many datagrams were packed; every fourth serves the application first.
    packed: u64,
}

impl Packer {
    fn clear(&mut self) {
        self.messages.clear();
        self.ends.clear();
        self.plain.clear();
    }

    /// Appends a message that `write` writes.
    pub(super) fn add(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        write(&mut self.messages);
        self.ends.push(self.messages.len());
    }

    /// One message as it stands, several as a compound (wire document 5). At most
    /// `COMPOUND_PARTS_SAFE` messages were added, each shorter than a datagram.
    fn finish(&mut self) -> &[u8] {
        if self.ends.len() == 1 {
            return &self.messages;
        }
        self.plain.push(MessageType::Compound as u8);
        self.plain.push(self.ends.len() as u8);
        let mut start = 0;
        for &end in &self.ends {
            self.plain.extend_from_slice(&((end - start) as u16).to_be_bytes());
            start = end;
        }
        self.plain.extend_from_slice(&self.messages);
        &self.plain
    }
}

impl Machine {
    /// Appends the next datagram, prefix included, to `out` and says where it goes.
    pub fn poll_transmit(&mut self, now: Time, out: &mut Vec<u8>) -> Option<SocketAddr> {
        let now = self.at(now);
        while let Some(parcel) = self.swim.poll_parcel() {
            let to = parcel.to;
            if self.pack(now, parcel, out) {
                return Some(to);
            }
        }
        self.pack_letters(out)
    }

    /// Writes a datagram about rumours, and says where it goes.
    fn pack_letters(&mut self, out: &mut Vec<u8>) -> Option<SocketAddr> {
        let limit = self.packet_room().saturating_sub(COMPOUND_OVERHEAD);
        let room = Room { overhead: COMPOUND_PART_OVERHEAD, limit, parts: COMPOUND_PARTS_SAFE };
        let (to, crc, letters) = self.rumours.outbox.take(room)?;
        let mut packer = std::mem::take(&mut self.packer);
        packer.clear();
        letters.iter().for_each(|letter| packer.add(|out| letter.write(out)));
        self.close(to, crc, false, &mut packer, out);
        self.packer = packer;
        Some(to)
    }

    /// Writes the datagram of a parcel; false if there is nothing to say.
    fn pack(&mut self, now: Time, parcel: Parcel, out: &mut Vec<u8>) -> bool {
        let mut packer = std::mem::take(&mut self.packer);
        packer.clear();
        let rides = self.write_body(&parcel.body, &mut packer);
        if rides {
            self.add_digest(now, &mut packer, parcel.to, &parcel.body);
            self.add_broadcasts(&mut packer, matches!(parcel.body, Body::Gossip));
        }
        let says_something = !packer.ends.is_empty();
        if says_something {
            let uncompressed = matches!(parcel.body, Body::Check { full: true, .. });
            self.close(parcel.to, parcel.crc, uncompressed, &mut packer, out);
        }
        self.packer = packer;
        says_something
    }

    /// Puts the layers around what was packed; compression can be left out of them.
    fn close(
        &mut self,
        to: SocketAddr,
        crc: bool,
        uncompressed: bool,
        packer: &mut Packer,
        out: &mut Vec<u8>,
    ) {
        packer.packed += 1;
        let start = out.len();
        let mut scratch = self.scratch.take().unwrap_or_default();
        let mut wire = Arc::clone(self.wire_to(to));
        if uncompressed && wire.compression {
            wire = Arc::new(Wire { compression: false, ..Wire::clone(&wire) });
        }
        packet::close(&wire, &mut scratch, &mut self.nonces, packer.finish(), crc, out);
        self.scratch = Some(scratch);
        self.tally.packets_sent += 1;
        self.tally.bytes_sent += (out.len() - start) as u64;
    }

    /// Writes what a parcel says itself; true if broadcasts may ride along.
    fn write_body(&self, body: &Body, packer: &mut Packer) -> bool {
        let source = self.swim.source();
        match body {
            Body::Gossip => {}
            Body::Ping { seq, node } => {
                let ping = Ping { seq: *seq, node: Cow::Borrowed(node.as_bytes()), source };
                packer.add(|out| encode_ping(&ping, out));
            }
            Body::Check { seq, node, full } => {
                let ping = Ping { seq: *seq, node: Cow::Borrowed(node.as_bytes()), source };
                let room = self.packet_room();
                packer.add(|out| {
                    encode_ping(&ping, out);
                    // Behind the record, where every release ignores it (wire document 2).
                    if *full && out.len() < room {
                        out.resize(room, 0);
                    }
                });
                return false;
            }
            Body::PingSuspect { seq, node, incarnation } => {
                let node = Cow::Borrowed(node.as_bytes());
                let from = source.node.clone();
                let suspect = Suspect { incarnation: *incarnation, node: node.clone(), from };
                packer.add(|out| encode_ping(&Ping { seq: *seq, node, source }, out));
                packer.add(|out| encode_suspect(&suspect, out));
                return false;
            }
            Body::IndirectPing { seq, node, nack } => {
                let ping = IndirectPing {
                    seq: *seq,
                    target: Some(Cow::Borrowed(node.addr.ip.as_bytes())),
                    port: node.addr.port,
                    node: Cow::Borrowed(node.name.as_bytes()),
                    nack: *nack,
                    source,
                };
                packer.add(|out| encode_indirect_ping(&ping, out));
            }
            Body::Ack { seq, payload } => {
                let payload = payload.as_deref().map(Cow::Borrowed);
                packer.add(|out| encode_ack(&Ack { seq: *seq, payload }, out));
            }
            Body::Nack { seq } => packer.add(|out| encode_nack(&Nack { seq: *seq }, out)),
            Body::User(payload) => {
                packer.add(|out| {
                    out.push(MessageType::User as u8);
                    out.extend_from_slice(payload);
                });
                return false;
            }
        }
        true
    }

    /// Fills the room that is left with broadcasts: the rules' own first, and every fourth
    /// time the application's, so that neither can starve the other.
    ///
    /// The application's go by gossip alone, as long as there is gossip: each round brings
    /// them to different members, while acks would bring them to the same one again.
    fn add_broadcasts(&mut self, packer: &mut Packer, by_gossip: bool) {
        let most = self.packet_room().saturating_sub(COMPOUND_OVERHEAD + COMPOUND_PART_OVERHEAD);
        self.swim.counters.broadcasts_too_long += self.swim.broadcasts.drop_longer(most);
        let own = packer.messages.len() + packer.ends.len() * COMPOUND_PART_OVERHEAD;
        let mut room = Room {
            overhead: COMPOUND_PART_OVERHEAD,
            limit: self.packet_room().saturating_sub(COMPOUND_OVERHEAD + own),
            parts: COMPOUND_PARTS_SAFE - packer.ends.len(),
        };
        let user_first = packer.packed % 4 == 3;
        for user in [user_first, !user_first] {
            let before = packer.ends.len();
            let add = |message: &Bytes| packer.add(|out| out.extend_from_slice(message));
            let used = if !user {
                self.swim.take_broadcasts(room, add)
            } else if by_gossip || self.config.gossip_interval.is_zero() {
                let transmissions = self.user_transmissions();
                self.broadcasts.take(room, transmissions, add)
            } else {
                0
            };
            room.limit = room.limit.saturating_sub(used);
            room.parts -= packer.ends.len() - before;
        }
    }

    /// How often a broadcast of the application is sent: as often as the rules' own, and
    /// in a pool that one round of gossip reaches at least once to everybody.
    fn user_transmissions(&self) -> u32 {
        let peers = self.swim.roster.len().saturating_sub(1);
        let round = peers.min(self.config.gossip_nodes);
        self.swim.transmissions().max(u32::try_from(round).unwrap_or(u32::MAX))
    }

    /// Bytes that messages may take in a datagram, all layers counted at their largest.
    pub(super) fn packet_room(&self) -> usize {
        let layers = self.wire.label_overhead() + self.wire.encrypt_overhead() + CHECKSUM_OVERHEAD;
        self.config.udp_buffer_size.saturating_sub(layers)
    }

    /// The longest broadcast that fits a datagram, relayed or not; one with a name has that much less.
    pub fn broadcast_limit(&self) -> usize {
        let framing = COMPOUND_OVERHEAD + COMPOUND_PART_OVERHEAD + 1;
        self.packet_room().saturating_sub(framing + self.relay_overhead())
    }

    /// The longest metadata: 512 bytes, or what lets our own announcement fit a datagram.
    /// A longer one would wait for ever in the queue of what is gossiped.
    pub fn meta_limit(&self) -> usize {
        let Some(record) = self.swim.local() else { return META_MAX };
        let bare = Node { meta: Meta::default(), ..Node::clone(&record.node) };
        let mut announcement = Vec::new();
        encode_alive(&alive_of(&bare, u32::MAX, record.relay), &mut announcement);
        let taken = COMPOUND_OVERHEAD + COMPOUND_PART_OVERHEAD + announcement.len() + BLOB_HEADER;
        self.packet_room().saturating_sub(taken).min(META_MAX)
    }

    /// The longest message that fits a datagram of its own.
    pub fn message_limit(&self) -> usize {
        self.packet_room().saturating_sub(1)
    }
}
