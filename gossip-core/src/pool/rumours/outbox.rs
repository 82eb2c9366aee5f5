//! What is to be sent about rumours, by receiver, so that one datagram takes as much as fits.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;

use bytes::Bytes;

use crate::pool::rumours::envelope::{Arc, Envelope, RUMOUR_HEAD};
use crate::swim::broadcast::Room;
use crate::wire::message::MessageType;

/// Bytes that wait, with `LETTER_COST` for each letter. What does not fit is not sent, and
/// repaired later.
pub const BYTES_MAX: usize = 1 << 20;

/// What a letter costs besides its bytes, roughly.
const LETTER_COST: usize = 64;

/// Letters that wait to be packed.
#[derive(Debug, Default)]
pub struct Outbox {
    receivers: BTreeMap<SocketAddr, Receiver>,
    bytes: usize,
}

#[derive(Debug)]
struct Receiver {
    crc: bool,
    letters: VecDeque<Letter>,
}

/// Something for one receiver.
#[derive(Debug, Clone)]
pub enum Letter {
    /// A rumour, by its body, and the arc to be looked after.
    Rumour(Arc, Bytes),
    /// A whole envelope.
    Envelope(Bytes),
}

impl Letter {
    /// Appends the user message.
    pub fn write(&self, out: &mut Vec<u8>) {
        out.push(MessageType::User as u8);
        match self {
            Self::Rumour(arc, body) => {
                Envelope::begin_rumour(*arc, out);
                out.extend_from_slice(body);
            }
            Self::Envelope(envelope) => out.extend_from_slice(envelope),
        }
    }

    /// Bytes that `write` appends.
    fn len(&self) -> usize {
        match self {
            Self::Rumour(_, body) => 1 + RUMOUR_HEAD + body.len(),
            Self::Envelope(envelope) => 1 + envelope.len(),
        }
    }

    fn cost(&self) -> usize {
        self.len() + LETTER_COST
    }
}

impl Outbox {
    /// Puts a letter in; false if there is no room. `crc`: the receiver checks checksums.
    pub fn put(&mut self, to: SocketAddr, crc: bool, letter: Letter) -> bool {
        let bytes = self.bytes + letter.cost();
        if bytes > BYTES_MAX {
            return false;
        }
        self.bytes = bytes;
        let receiver = self.receivers.entry(to).or_insert_with(|| Receiver { crc, letters: VecDeque::new() });
        receiver.letters.push_back(letter);
        true
    }

    /// Letters for one receiver that fit a datagram, or one that does not.
    pub fn take(&mut self, room: Room) -> Option<(SocketAddr, bool, Vec<Letter>)> {
        let (to, mut receiver) = self.receivers.pop_first()?;
        let (mut left, mut taken) = (room.limit, Vec::new());
        while let Some(letter) = receiver.letters.front() {
            let len = room.overhead + letter.len();
            if !taken.is_empty() && (len > left || taken.len() == room.parts) {
                break;
            }
            left = left.saturating_sub(len);
            self.bytes -= letter.cost();
            taken.extend(receiver.letters.pop_front());
        }
        let crc = receiver.crc;
        if !receiver.letters.is_empty() {
            self.receivers.insert(to, receiver);
        }
        Some((to, crc, taken))
    }

    /// Bytes that wait: at most [`BYTES_MAX`].
    pub fn bytes(&self) -> usize {
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addr(port: u16) -> SocketAddr {
        SocketAddr::from(([10, 0, 0, 1], port))
    }

    fn letter(len: usize) -> Letter {
        Letter::Envelope(vec![0; len - 1].into())
    }

    fn take(outbox: &mut Outbox) -> Option<(u16, Vec<usize>)> {
        let (to, _, letters) = outbox.take(Room { overhead: 2, limit: 100, parts: 3 })?;
        Some((to.port(), letters.iter().map(Letter::len).collect()))
    }

    #[test]
    fn a_datagram_takes_what_fits_for_one_receiver() {
        let mut outbox = Outbox::default();
        for (to, len) in [(1, 40), (2, 10), (1, 50), (1, 20), (2, 10), (2, 10), (2, 10), (3, 500)] {
            assert!(outbox.put(addr(to), true, letter(len)));
        }

        let taken: Vec<_> = std::iter::from_fn(|| take(&mut outbox)).collect();

        let expected = [(1, vec![40, 50]), (1, vec![20]), (2, vec![10; 3]), (2, vec![10]), (3, vec![500])];
        assert_eq!(taken, expected);
        assert_eq!(outbox.bytes(), 0);
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let mut outbox = Outbox::default();

        let taken = (0..2000).filter(|_| outbox.put(addr(1), true, letter(1000))).count();

        assert_eq!(taken, BYTES_MAX / (1000 + LETTER_COST));
        assert!(outbox.bytes() <= BYTES_MAX);
    }

    #[test]
    fn letters_are_as_long_as_they_say() {
        for letter in [letter(10), Letter::Rumour(Arc::NONE, Bytes::from_static(&[0; 30]))] {
            let mut out = Vec::new();
            letter.write(&mut out);

            assert_eq!(out.len(), letter.len(), "{letter:?}");
        }
    }
}
