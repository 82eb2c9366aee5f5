//! The encoder.
//!
//! The dictionary is a table of hashes with open addressing: under each string's code and the byte
//! behind it the code of both together. It is not half full when it is cleared; a short message that
//! nothing repeats in fills four fifths of a smaller one.
//!
//! Each step needs the code that the one before has found, so what it takes to find one is what the
//! whole takes. Behind a string comes mostly what came there before: that is looked at first, in a list
//! with the string's own code for its index. A state of many members takes two thirds of the time so,
//! and what never repeats itself an eighth more.

use super::{CLEAR, END, FIRST, NARROWEST, STRINGS_MAX};

/// The most entries of the table, a power of two. A short message does with fewer, as each of its bytes
/// adds a string at the most.
const TABLE_MAX: usize = 2 * STRINGS_MAX;
const TABLE_MIN: usize = 64;

/// The bits of an entry that are a code.
const CODE: u32 = STRINGS_MAX as u32 - 1;

/// An odd number near 2³² divided by the golden ratio, which spreads neighbours (Knuth, volume 3, 6.4).
const SPREAD: u32 = 0x9E37_79B1;

/// An encoder, which is reused for the sake of its dictionary.
#[derive(Debug, Default)]
pub(in crate::wire) struct Encoder {
    /// Code, byte and the code of both, in 12, 8 and 12 bits; 0 is no entry.
    table: Vec<u32>,
    /// For each code what came last behind its string, as [`followed`] has it; 0 is nothing yet.
    likely: Vec<u32>,
    /// Bytes put in so far, each of which may have added a string.
    taken: usize,
    /// The string that has come and whose code is not written yet.
    code: Option<u32>,
    codes: Codes,
}

/// A byte behind a string, and the code of both.
fn followed(byte: u8, code: u32) -> u32 {
    (u32::from(byte) + 1) << 12 | code
}

impl Encoder {
    /// Replaces `out` by the stream of `message`; false if that takes more than `room` bytes.
    pub(in crate::wire) fn encode(&mut self, message: &[u8], room: usize, out: &mut Vec<u8>) -> bool {
        out.clear();
        out.reserve(room.min(message.len() / 2));
        self.begin(room);
        self.put(message, out).and_then(|()| self.end(out)).is_some()
    }

    /// Begins a stream of at most `room` bytes, whose message is [put](Self::put) in pieces.
    pub(in crate::wire) fn begin(&mut self, room: usize) {
        self.table.clear();
        self.likely.clear();
        (self.taken, self.code, self.codes) = (0, None, Codes { room, ..Codes::default() });
    }

    /// Appends what the next bytes of the message become, as far as it is certain; `None` without room for it.
    pub(in crate::wire) fn put(&mut self, message: &[u8], out: &mut Vec<u8>) -> Option<()> {
        self.make_place(message.len());
        let (table, likely) = (self.table.as_mut_slice(), self.likely.as_mut_slice());
        // A copy, which the compiler can keep in registers.
        let mut codes = self.codes;
        let mut rest = message.iter();
        let mut code = match self.code {
            Some(code) => code,
            None => {
                let Some(first) = rest.next() else { return Some(()) };
                codes.put(CLEAR as u32, out)?;
                u32::from(*first)
            }
        };
        for byte in rest {
            let last = likely.get_mut(code as usize)?;
            if *last >> 12 == u32::from(*byte) + 1 {
                code = *last & CODE;
                continue;
            }
            let pair = code << 8 | u32::from(*byte);
            let entry = find(table, pair)?;
            if *entry != 0 {
                code = *entry & CODE;
                *last = followed(*byte, code);
                continue;
            }
            *entry = pair << 12 | codes.next;
            *last = followed(*byte, codes.next);
            codes.put(code, out)?;
            if codes.widen(out)? {
                table.fill(0);
                likely.fill(0);
            }
            code = u32::from(*byte);
        }
        (self.code, self.codes) = (Some(code), codes);
        Some(())
    }

    /// Appends the end of the stream; `None` without room for it.
    pub(in crate::wire) fn end(&mut self, out: &mut Vec<u8>) -> Option<()> {
        match self.code.take() {
            Some(code) => {
                self.codes.put(code, out)?;
                self.codes.widen(out)?;
            }
            None => self.codes.put(CLEAR as u32, out)?,
        }
        self.codes.put(END as u32, out)?;
        self.codes.finish(out)
    }

    /// Makes the dictionary large enough for `more` bytes.
    fn make_place(&mut self, more: usize) {
        self.taken = self.taken.saturating_add(more).min(TABLE_MAX);
        self.likely.resize(STRINGS_MAX.min(FIRST + self.taken), 0);
        let size = (self.taken + self.taken / 4).next_power_of_two().clamp(TABLE_MIN, TABLE_MAX);
        if size > self.table.len() {
            let so_far: Vec<u32> = self.table.drain(..).filter(|entry| *entry != 0).collect();
            self.table.resize(size, 0);
            for entry in so_far {
                if let Some(place) = find(&mut self.table, entry >> 12) {
                    *place = entry;
                }
            }
        }
    }
}

/// The entry of a code and the byte behind it, or the free one where it belongs.
#[inline]
fn find(table: &mut [u32], pair: u32) -> Option<&mut u32> {
    let last = table.len() - 1;
    let mut index = (pair.wrapping_mul(SPREAD) >> (last as u32).leading_zeros()) as usize & last;
    while table.get(index).is_some_and(|entry| *entry != 0 && *entry >> 12 != pair) {
        index = (index + 1) & last;
    }
    table.get_mut(index)
}

/// Codes of changing width into bytes.
#[derive(Debug, Clone, Copy)]
struct Codes {
    /// Bits of codes that are no whole bytes yet, the first one lowest.
    bits: u64,
    held: u32,
    width: u32,
    /// The code of the string that is added next.
    next: u32,
    /// Bytes that may still be written.
    room: usize,
}

impl Default for Codes {
    fn default() -> Self {
        Self { bits: 0, held: 0, width: NARROWEST, next: FIRST as u32, room: 0 }
    }
}

impl Codes {
    #[inline]
    fn put(&mut self, code: u32, out: &mut Vec<u8>) -> Option<()> {
        self.bits |= u64::from(code) << self.held;
        self.held += self.width;
        if self.held >= u32::BITS {
            self.write(4, out)?;
        }
        Some(())
    }

    /// Notes that a code was put, by which the decoder too will add a string. The dictionary is
    /// cleared before it is full, as Go does it: whether that has happened.
    #[inline]
    fn widen(&mut self, out: &mut Vec<u8>) -> Option<bool> {
        if self.next == 1 << self.width {
            self.width += 1;
        }
        if self.next < STRINGS_MAX as u32 - 1 {
            self.next += 1;
            return Some(false);
        }
        self.put(CLEAR as u32, out)?;
        (self.width, self.next) = (NARROWEST, FIRST as u32);
        Some(true)
    }

    fn finish(&mut self, out: &mut Vec<u8>) -> Option<()> {
        self.write(self.held.div_ceil(8) as usize, out)
    }

    /// Writes whole bytes, at most four.
    #[inline]
    fn write(&mut self, count: usize, out: &mut Vec<u8>) -> Option<()> {
        let bytes = self.bits.to_le_bytes();
        self.room = self.room.checked_sub(count)?;
        out.extend_from_slice(bytes.get(..count)?);
        self.bits = self.bits.checked_shr(8 * count as u32).unwrap_or(0);
        self.held = self.held.saturating_sub(8 * count as u32);
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use weezl::{BitOrder, decode};

    use super::*;
    use crate::wire::lzw::decoder::tests::messages;

    fn encoded(message: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        assert!(Encoder::default().encode(message, usize::MAX, &mut out));
        out
    }

    #[test]
    fn another_decoder_unfolds_what_it_made_of_any_message() {
        let (mut encoder, mut lzw) = (Encoder::default(), Vec::new());
        for message in messages() {
            assert!(encoder.encode(&message, usize::MAX, &mut lzw));

            assert_eq!(decode::Decoder::new(BitOrder::Lsb, 8).decode(&lzw).unwrap(), message);
        }
    }

    /// `lzw.NewWriter(&out, lzw.LSB, 8)` of Go 1.26; `tests/wire_vectors` has longer ones.
    #[test]
    fn it_writes_the_bytes_that_go_writes() {
        let lzw = encoded(b"TOBEORNOTTOBEORTOBEORNOT");

        let go = [
            0x00, 0xa9, 0x3c, 0x11, 0x52, 0xe4, 0x89, 0x14, 0x27, 0x4f, 0xa8, 0x08, 0x24, 0x68, 0x70, 0x61,
            0xc1, 0x83, 0x09, 0x03, 0x02,
        ];
        assert_eq!(lzw, go);
        assert_eq!(encoded(b""), [0x00, 0x03, 0x02]);
    }

    #[test]
    fn pieces_become_what_the_whole_becomes() {
        let (mut encoder, mut lzw) = (Encoder::default(), Vec::new());
        for message in messages() {
            for size in [1, 7, 1000] {
                lzw.clear();
                encoder.begin(usize::MAX);
                message.chunks(size).for_each(|piece| encoder.put(piece, &mut lzw).unwrap());
                encoder.end(&mut lzw).unwrap();

                assert_eq!(lzw, encoded(&message), "{} bytes, {size} at a time", message.len());
            }
        }
    }

    #[test]
    fn what_does_not_fit_is_not_written() {
        let lzw = encoded(b"TOBEORNOTTOBEORTOBEORNOT");
        let mut out = Vec::new();

        assert!(Encoder::default().encode(b"TOBEORNOTTOBEORTOBEORNOT", lzw.len(), &mut out));
        for room in 0..lzw.len() {
            assert!(!Encoder::default().encode(b"TOBEORNOTTOBEORTOBEORNOT", room, &mut out));
            assert!(out.len() <= room);
        }
    }
}
