//! Rumours, digests and requests as bytes: user messages that begin with [`MARK`].
//!
//! ```text
//! mark 4   kind 1
//!          1 rumour   arc from 4 · to 4   instance 8   sequence 8   length 1 · origin   length 1 · name   payload
//!          2 digest   any number of: instance 8   first sequence 8   length 1 · bitmap
//!          3 request  the same
//! ```
//!
//! Numbers are big-endian. Bit 0 of a bitmap's first byte stands for the first sequence number.

use bytes::Bytes;

use crate::base::name::NodeName;

/// The version of relayed broadcasts that this node understands, as it announces it.
pub const RELAY_VERSION: u8 = 1;

/// What a user message begins with that is none of the application.
pub const MARK: [u8; 4] = [0xf7, b'r', b'l', b'y'];

/// Bytes of a rumour besides origin, name and payload.
pub const RUMOUR_OVERHEAD: usize = RUMOUR_HEAD + BODY_OVERHEAD;

/// Those of them in front of the body.
pub const RUMOUR_HEAD: usize = MARK.len() + 1 + ARC_LEN;

/// Bytes of an entry of a digest or request besides its bitmap.
pub const ENTRY_OVERHEAD: usize = 8 + 8 + 1;

/// Longest bitmap: 256 sequence numbers.
pub const BITMAP_MAX: usize = 32;

/// Longest origin and longest name.
pub const TEXT_MAX: usize = 255;

const ARC_LEN: usize = 8;
const BODY_OVERHEAD: usize = 8 + 8 + 1 + 1;

/// What a user message of ours says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Envelope<'a> {
    /// A broadcast, and the arc that the receiver is to look after; the body is for [`Body::decode`].
    Rumour(Arc, &'a [u8]),
    /// What the sender has.
    Digest(Vec<Entry>),
    /// What the sender would like to have.
    Request(Vec<Entry>),
}

impl<'a> Envelope<'a> {
    /// Whether a user message is one of ours.
    pub fn is_marked(message: &[u8]) -> bool {
        message.starts_with(&MARK)
    }

    /// Reads a marked message; `None` if it makes no sense.
    pub fn decode(message: &'a [u8]) -> Option<Self> {
        let (&kind, rest) = message.strip_prefix(&MARK)?.split_first()?;
        match kind {
            1 => {
                let (arc, body) = Arc::decode(rest)?;
                Some(Self::Rumour(arc, body))
            }
            2 => entries(rest).map(Self::Digest),
            3 => entries(rest).map(Self::Request),
            _ => None,
        }
    }

    /// Appends what comes before the body of a rumour.
    pub fn begin_rumour(arc: Arc, out: &mut Vec<u8>) {
        out.extend_from_slice(&MARK);
        out.push(1);
        arc.encode(out);
    }

    /// Appends what comes before the entries of a digest.
    pub fn begin_digest(out: &mut Vec<u8>) {
        out.extend_from_slice(&MARK);
        out.push(2);
    }

    /// Appends what comes before the entries of a request.
    pub fn begin_request(out: &mut Vec<u8>) {
        out.extend_from_slice(&MARK);
        out.push(3);
    }
}

/// A part of the circle: from a place, which belongs to it, to another, which does not. With
/// both equal it is empty.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Arc {
    /// Where it begins.
    pub from: u32,
    /// Where it ends.
    pub to: u32,
}

impl Arc {
    /// Nobody is to be looked after.
    pub const NONE: Self = Self { from: 0, to: 0 };

    /// Whether it holds no place.
    pub const fn is_empty(self) -> bool {
        self.from == self.to
    }

    fn encode(self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.from.to_be_bytes());
        out.extend_from_slice(&self.to.to_be_bytes());
    }

    fn decode(bytes: &[u8]) -> Option<(Self, &[u8])> {
        let (from, rest) = bytes.split_first_chunk()?;
        let (to, rest) = rest.split_first_chunk()?;
        Some((Self { from: u32::from_be_bytes(*from), to: u32::from_be_bytes(*to) }, rest))
    }
}

/// Names a rumour in the whole pool.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Id {
    /// The random number of its origin's start.
    pub instance: u64,
    /// Counts the origin's broadcasts, from 1.
    pub sequence: u64,
}

/// What a rumour says, the same wherever it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Body<'a> {
    /// Its name in the pool.
    pub id: Id,
    /// The member that broadcast it.
    pub origin: &'a [u8],
    /// Under what it replaces older ones of its origin; empty for nothing.
    pub name: &'a [u8],
    /// The application's bytes.
    pub payload: &'a [u8],
}

impl<'a> Body<'a> {
    /// Reads a body; `None` if it is none.
    pub fn decode(bytes: &'a [u8]) -> Option<Self> {
        let (instance, rest) = bytes.split_first_chunk()?;
        let (sequence, rest) = rest.split_first_chunk()?;
        let id = Id { instance: u64::from_be_bytes(*instance), sequence: u64::from_be_bytes(*sequence) };
        let (origin, rest) = text(rest)?;
        let (name, payload) = text(rest)?;
        let is_possible = id.sequence > 0 && !origin.is_empty();
        is_possible.then_some(Self { id, origin, name, payload })
    }

    /// The bytes. Origin and name are at most [`TEXT_MAX`] long; what is longer is cut.
    pub fn encode(&self) -> Bytes {
        let len = BODY_OVERHEAD + self.origin.len() + self.name.len() + self.payload.len();
        let mut out = Vec::with_capacity(len);
        out.extend_from_slice(&self.id.instance.to_be_bytes());
        out.extend_from_slice(&self.id.sequence.to_be_bytes());
        for text in [self.origin, self.name] {
            let text = text.get(..TEXT_MAX).unwrap_or(text);
            out.push(text.len() as u8);
            out.extend_from_slice(text);
        }
        out.extend_from_slice(self.payload);
        out.into()
    }
}

/// Some rumours of one origin: those whose bits are set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The origin's random number.
    pub instance: u64,
    /// The sequence number of the first bit.
    pub first: u64,
    /// The bits, at most [`BITMAP_MAX`] bytes.
    pub bitmap: Vec<u8>,
}

impl Entry {
    /// The entries that hold these rumours; the ids ascend.
    pub fn collect(ids: impl Iterator<Item = Id>) -> Vec<Self> {
        let mut entries: Vec<Self> = Vec::new();
        for id in ids {
            let offset = |entry: &Self| {
                let offset = id.sequence.checked_sub(entry.first)?;
                (entry.instance == id.instance && offset < 8 * BITMAP_MAX as u64).then_some(offset as usize)
            };
            match entries.last_mut().and_then(|entry| Some((offset(entry)?, entry))) {
                Some((offset, entry)) => entry.set(offset),
                None => {
                    entries.push(Self { instance: id.instance, first: id.sequence, bitmap: vec![1] });
                }
            }
        }
        entries
    }

    /// The rumours it holds, ascending.
    pub fn ids(&self) -> impl Iterator<Item = Id> + '_ {
        let bits = self.bitmap.iter().enumerate().flat_map(|(place, byte)| {
            (0..8).filter(move |bit| byte & (1 << bit) != 0).map(move |bit| place * 8 + bit)
        });
        bits.filter_map(|offset| {
            let sequence = self.first.checked_add(offset as u64)?;
            Some(Id { instance: self.instance, sequence })
        })
    }

    /// Bytes that it takes.
    pub fn len(&self) -> usize {
        ENTRY_OVERHEAD + self.bitmap.len()
    }

    /// True if it holds nothing.
    pub fn is_empty(&self) -> bool {
        self.bitmap.iter().all(|byte| *byte == 0)
    }

    /// Appends it.
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.instance.to_be_bytes());
        out.extend_from_slice(&self.first.to_be_bytes());
        out.push(self.bitmap.len() as u8);
        out.extend_from_slice(&self.bitmap);
    }

    fn set(&mut self, offset: usize) {
        let place = offset / 8;
        if self.bitmap.len() <= place {
            self.bitmap.resize(place + 1, 0);
        }
        if let Some(byte) = self.bitmap.get_mut(place) {
            *byte |= 1 << (offset % 8);
        }
    }
}

/// Entries until the end of the bytes.
fn entries(mut bytes: &[u8]) -> Option<Vec<Entry>> {
    let mut entries = Vec::new();
    while !bytes.is_empty() {
        let (instance, rest) = bytes.split_first_chunk()?;
        let (first, rest) = rest.split_first_chunk()?;
        let (bitmap, rest) = text(rest)?;
        if bitmap.is_empty() || bitmap.len() > BITMAP_MAX {
            return None;
        }
        let (instance, first) = (u64::from_be_bytes(*instance), u64::from_be_bytes(*first));
        entries.push(Entry { instance, first, bitmap: bitmap.to_vec() });
        bytes = rest;
    }
    Some(entries)
}

/// Bytes behind their length, and what follows them.
fn text(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (&len, rest) = bytes.split_first()?;
    rest.split_at_checked(len.into())
}

/// What nodes of ours tell each other about rumours in a push/pull.
///
/// ```text
/// length 1 · own name   length 4 · entries of a digest   any number of: length 4 · body
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Section {
    /// Who says so.
    pub name: NodeName,
    /// What it has.
    pub entries: Vec<Entry>,
    /// Bodies of rumours that the other lacked.
    pub bodies: Vec<Bytes>,
}

impl Section {
    /// Reads a section; `None` if it makes no sense.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let (name, rest) = text(bytes)?;
        let (digest, mut rest) = long(rest)?;
        let mut bodies = Vec::new();
        while !rest.is_empty() {
            let (body, after) = long(rest)?;
            bodies.push(Bytes::copy_from_slice(body));
            rest = after;
        }
        Some(Self { name: name.into(), entries: entries(digest)?, bodies })
    }

    /// The bytes.
    pub fn encode(&self) -> Bytes {
        let mut out = Vec::new();
        let name = self.name.as_bytes();
        let name = name.get(..TEXT_MAX).unwrap_or(name);
        out.push(name.len() as u8);
        out.extend_from_slice(name);
        let digest: usize = self.entries.iter().map(Entry::len).sum();
        out.extend_from_slice(&(digest as u32).to_be_bytes());
        self.entries.iter().for_each(|entry| entry.encode(&mut out));
        for body in &self.bodies {
            out.extend_from_slice(&(body.len() as u32).to_be_bytes());
            out.extend_from_slice(body);
        }
        out.into()
    }
}

/// Bytes behind their length of four bytes, and what follows them.
fn long(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (len, rest) = bytes.split_first_chunk()?;
    rest.split_at_checked(usize::try_from(u32::from_be_bytes(*len)).ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: Id = Id { instance: 0x0102_0304_0506_0708, sequence: 9 };

    #[test]
    fn a_rumour_is_written_as_documented() {
        let mut out = Vec::new();
        Envelope::begin_rumour(Arc { from: 0xa000_0000, to: 0xb000_0000 }, &mut out);
        let body = Body { id: ID, origin: b"n1", name: b"k", payload: b"hi" };
        out.extend_from_slice(&body.encode());

        let golden =
            b"\xf7rly\x01\xa0\0\0\0\xb0\0\0\0\x01\x02\x03\x04\x05\x06\x07\x08\0\0\0\0\0\0\0\x09\x02n1\x01khi";
        assert_eq!(out, golden);
        assert_eq!(out.len(), RUMOUR_OVERHEAD + 2 + 1 + 2);
        let Some(Envelope::Rumour(arc, bytes)) = Envelope::decode(&out) else { panic!("no rumour") };
        assert_eq!((arc.from, Body::decode(bytes)), (0xa000_0000, Some(body)));
    }

    #[test]
    fn a_digest_is_written_as_documented() {
        let ids = [9, 10, 18].map(|sequence| Id { sequence, ..ID });
        let mut out = Vec::new();
        Envelope::begin_digest(&mut out);
        Entry::collect(ids.into_iter()).iter().for_each(|entry| entry.encode(&mut out));

        assert_eq!(out, b"\xf7rly\x02\x01\x02\x03\x04\x05\x06\x07\x08\0\0\0\0\0\0\0\x09\x02\x03\x02");
        let Some(Envelope::Digest(entries)) = Envelope::decode(&out) else { panic!("no digest") };
        assert_eq!(entries.iter().flat_map(Entry::ids).collect::<Vec<_>>(), ids);
    }

    #[test]
    fn distant_numbers_and_other_instances_get_entries_of_their_own() {
        let ids =
            [(1, 1), (1, 256), (1, 257), (2, 258)].map(|(instance, sequence)| Id { instance, sequence });

        let entries = Entry::collect(ids.into_iter());

        assert_eq!(entries.iter().map(|entry| entry.bitmap.len()).collect::<Vec<_>>(), [32, 1, 1]);
        assert_eq!(entries.iter().flat_map(Entry::ids).collect::<Vec<_>>(), ids);
    }

    #[test]
    fn what_is_cut_off_or_impossible_is_no_envelope() {
        let mut digest = Vec::new();
        Envelope::begin_digest(&mut digest);
        Entry { instance: 1, first: 1, bitmap: vec![1; 33] }.encode(&mut digest);
        let rumour = Body { id: ID, origin: b"n1", name: b"", payload: b"" }.encode();

        assert_eq!(Envelope::decode(&digest), None, "a bitmap that is too long");
        assert_eq!(Envelope::decode(b"\xf7rly"), None);
        assert_eq!(Envelope::decode(b"\xf7rly\x09"), None, "a kind of a later version");
        assert!((0..rumour.len()).all(|len| Body::decode(&rumour[..len]).is_none()));
        assert_eq!(
            Body::decode(
                &Body { id: Id { sequence: 0, ..ID }, origin: b"n1", name: b"", payload: b"" }.encode()
            ),
            None
        );
    }

    #[test]
    fn a_section_is_read_as_it_was_written() {
        let entries = Entry::collect([ID].into_iter());
        let section = Section { name: "n1".into(), entries, bodies: vec![Bytes::from_static(b"body")] };

        let bytes = section.encode();

        assert_eq!(Section::decode(&bytes), Some(section));
        assert_eq!(Section::decode(&bytes[..bytes.len() - 1]), None);
        assert_eq!(Section::decode(b""), None);
    }

    #[test]
    fn an_entry_at_the_end_of_all_numbers_stays_within_them() {
        let entry = Entry { instance: 1, first: u64::MAX, bitmap: vec![0xff] };

        assert_eq!(entry.ids().count(), 1);
    }
}
