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
        self.write(message, Codes { out, room, bits: 0, held: 0, width: NARROWEST }).is_some()
    }

    /// Writes the stream, as far as there is room.
    fn write(&mut self, message: &[u8], mut codes: Codes<'_>) -> Option<()> {
        let strings = message.len().min(TABLE_MAX);
        let size = (strings + strings / 4).next_power_of_two().clamp(TABLE_MIN, TABLE_MAX);
        self.table.clear();
        self.table.resize(size, 0);
        self.likely.clear();
        self.likely.resize(STRINGS_MAX.min(FIRST + strings), 0);
        let (table, likely) = (self.table.as_mut_slice(), self.likely.as_mut_slice());
        codes.put(CLEAR as u32)?;
        let mut next = FIRST as u32;
        if let Some((first, rest)) = message.split_first() {
            let mut code = u32::from(*first);
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
                *entry = pair << 12 | next;
                *last = followed(*byte, next);
                codes.put(code)?;
                if codes.widen(&mut next)? {
                    table.fill(0);
                    likely.fill(0);
                }
                code = u32::from(*byte);
            }
            codes.put(code)?;
            codes.widen(&mut next)?;
        }
        codes.put(END as u32)?;
        codes.finish()
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
struct Codes<'a> {
    out: &'a mut Vec<u8>,
    /// Bytes that may still be written.
    room: usize,
    /// Bits of codes that are no whole bytes yet, the first one lowest.
    bits: u64,
    held: u32,
    width: u32,
}

impl Codes<'_> {
    #[inline]
    fn put(&mut self, code: u32) -> Option<()> {
        self.bits |= u64::from(code) << self.held;
        self.held += self.width;
        if self.held >= u32::BITS {
            self.write(4)?;
        }
        Some(())
    }

    /// Notes that a code was put, by which the decoder too will add a string. The dictionary is
    /// cleared before it is full, as Go does it: whether that has happened.
    #[inline]
    fn widen(&mut self, next: &mut u32) -> Option<bool> {
        if *next == 1 << self.width {
            self.width += 1;
        }
        if *next < STRINGS_MAX as u32 - 1 {
            *next += 1;
            return Some(false);
        }
        self.put(CLEAR as u32)?;
        (self.width, *next) = (NARROWEST, FIRST as u32);
        Some(true)
    }

    fn finish(mut self) -> Option<()> {
        self.write(self.held.div_ceil(8) as usize)
    }

    /// Writes whole bytes, at most four.
    #[inline]
    fn write(&mut self, count: usize) -> Option<()> {
        let bytes = self.bits.to_le_bytes();
        self.room = self.room.checked_sub(count)?;
        self.out.extend_from_slice(bytes.get(..count)?);
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
