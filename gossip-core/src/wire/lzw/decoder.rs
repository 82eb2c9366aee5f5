//! The decoder.
//!
//! A string of the dictionary is that of one code and the first byte of the next. These stand side
//! by side in what was unfolded so far, so a string is a place there and a length: nothing is walked
//! backwards, and to clear the dictionary is to forget the strings that were added. With the 256
//! literals in front of the output they are strings like all others, and hardly a branch is left that
//! depends on the message.
//!
//! It takes what Go's `compress/lzw` takes, and no more.

use super::{END, FIRST, NARROWEST, STRINGS_MAX, WIDEST};
use crate::wire::error::Refused;

/// Bytes in front of the message, each once.
const LITERALS: usize = 256;

/// Bytes that are copied at once: most strings are shorter, and a copy of known length is two
/// instructions. What it writes too much is overwritten by what follows.
const CHUNK: usize = 32;

/// The least by which the output grows.
const SMALLEST_STEP: usize = 1024;

/// A string in the output; the codes that stand for none have an empty one.
#[derive(Debug, Clone, Copy, Default)]
struct Place {
    start: u32,
    len: u32,
}

/// A decoder, which is reused for the sake of its dictionary.
#[derive(Debug, Default)]
pub(in crate::wire) struct Decoder(Option<Box<Strings>>);

/// The string of each code.
type Strings = [Place; STRINGS_MAX];

impl Decoder {
    /// Replaces `out` by what `lzw` unfolds to, at most `limit` bytes; after an error it holds
    /// anything. What follows the end code is ignored.
    pub(in crate::wire) fn decode(
        &mut self,
        lzw: &[u8],
        limit: usize,
        out: &mut Vec<u8>,
    ) -> Result<(), Refused> {
        let strings = self.0.get_or_insert_with(|| Box::new(literals()));
        let written = unfold(strings, lzw, limit, out)?;
        out.copy_within(LITERALS..written, 0);
        out.truncate(written - LITERALS);
        Ok(())
    }
}

/// The dictionary of a message that begins.
fn literals() -> Strings {
    std::array::from_fn(|code| Place { start: code as u32, len: u32::from(code < LITERALS) })
}

/// Writes the literals and the message to `out`; how many bytes that is.
fn unfold(strings: &mut Strings, lzw: &[u8], limit: usize, out: &mut Vec<u8>) -> Result<usize, Refused> {
    // Places are numbers of 32 bits.
    let last = limit.min(u32::MAX as usize / 2) + LITERALS;
    let mut codes = Codes { rest: lzw, bits: 0, held: 0 };
    let mut width = NARROWEST;
    // Codes that stand for something.
    let mut count = FIRST;
    let mut written = LITERALS;
    // The string of the code before, to which the next code adds a byte; of no code it is empty.
    let mut before = Place::default();
    out.clear();
    out.extend(0..=u8::MAX);
    loop {
        let code = codes.next(width).ok_or(Refused::CompressionTruncated)?;
        if before.len > 0
            && let Some(place) = strings.get_mut(count)
        {
            *place = Place { len: before.len + 1, ..before };
            count += 1;
        }
        let string = strings.get(code).copied().filter(|_| code < count).ok_or(Refused::CompressionCode)?;
        if string.len == 0 {
            if code == END {
                return Ok(written);
            }
            (width, count, before) = (NARROWEST, FIRST, Place::default());
            continue;
        }
        let end = written + string.len as usize;
        if end + CHUNK > out.len() {
            if end > last {
                return Err(Refused::DecompressedTooLarge(limit));
            }
            grow(out, end, lzw.len(), last);
        }
        repeat(out, string, written);
        before = Place { start: written as u32, len: string.len };
        written = end;
        if count == 1 << width {
            // A full dictionary stays as it is until it is cleared.
            match width {
                WIDEST => before = Place::default(),
                _ => width += 1,
            }
        }
    }
}

/// Makes room for `end` bytes and a chunk beyond; what was unfolded stays.
fn grow(out: &mut Vec<u8>, end: usize, lzw: usize, last: usize) {
    let step = out.len().max(2 * lzw).max(SMALLEST_STEP);
    let len = (end + step).min(last) + CHUNK;
    out.reserve_exact(len - out.len());
    out.resize(len, 0);
}

/// Writes a string that stands before `to`, or ends with the first byte that is written there.
#[inline]
fn repeat(out: &mut [u8], Place { start, len }: Place, to: usize) {
    let (start, len) = (start as usize, len as usize);
    if len <= CHUNK {
        let Some(chunk) = out.get(start..).and_then(|from| from.first_chunk::<CHUNK>().copied()) else {
            return;
        };
        if let Some(place) = out.get_mut(to..).and_then(|place| place.first_chunk_mut()) {
            *place = chunk;
        }
    } else if start + len <= out.len() && to + len <= out.len() {
        out.copy_within(start..start + len, to);
    }
    if start + len > to
        && let Some(first) = out.get(to).copied()
        && let Some(place) = out.get_mut(to + len - 1)
    {
        *place = first;
    }
}

/// Codes of changing width out of bytes.
struct Codes<'a> {
    rest: &'a [u8],
    /// Bits taken from the bytes and not yet from here, the next one lowest.
    bits: u64,
    held: u32,
}

impl Codes<'_> {
    #[inline]
    fn next(&mut self, width: u32) -> Option<usize> {
        if self.held < width {
            self.refill();
            if self.held < width {
                return None;
            }
        }
        let code = self.bits & ((1 << width) - 1);
        self.bits >>= width;
        self.held -= width;
        Some(code as usize)
    }

    /// Takes as many whole bytes as there is room for.
    #[inline]
    fn refill(&mut self) {
        let room = (u64::BITS - 1 - self.held) / 8;
        if let (Some(eight), Some(rest)) = (self.rest.first_chunk(), self.rest.get(room as usize..)) {
            // Bits of bytes that are not taken yet come again, and are the same.
            self.bits |= u64::from_le_bytes(*eight) << self.held;
            self.held += 8 * room;
            self.rest = rest;
            return;
        }
        self.refill_slowly();
    }

    #[cold]
    fn refill_slowly(&mut self) {
        while self.held < u64::BITS - 8
            && let Some((byte, rest)) = self.rest.split_first()
        {
            self.bits |= u64::from(*byte) << self.held;
            self.held += 8;
            self.rest = rest;
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use weezl::{BitOrder, decode, encode};

    use super::*;
    use crate::base::rng::Rng;

    fn decoded(lzw: &[u8], limit: usize) -> Result<Vec<u8>, Refused> {
        let mut out = Vec::new();
        Decoder::default().decode(lzw, limit, &mut out).map(|()| out)
    }

    /// Codes packed as the decoder reads them.
    fn packed(codes: &[(u32, u32)]) -> Vec<u8> {
        let mut bits = Vec::new();
        for &(code, width) in codes {
            bits.extend((0..width).map(|bit| code >> bit & 1 == 1));
        }
        bits.chunks(8).map(|byte| byte.iter().rev().fold(0, |sum, bit| sum << 1 | u8::from(*bit))).collect()
    }

    /// Messages that repeat themselves more or less.
    pub(in crate::wire::lzw) fn messages() -> impl Iterator<Item = Vec<u8>> {
        (0..400u64).map(|seed| {
            let mut rng = Rng::from_seed(seed);
            let (len, letters) = (1 << (seed % 17), 1 + rng.below(1 << (1 + seed % 8)));
            (0..len).map(|_| rng.below(letters) as u8).collect()
        })
    }

    #[test]
    fn it_unfolds_what_another_encoder_made_of_any_message() {
        for message in messages() {
            let lzw = encode::Encoder::new(BitOrder::Lsb, 8).encode(&message).unwrap();

            assert_eq!(decoded(&lzw, message.len()), Ok(message));
        }
    }

    #[test]
    fn it_takes_and_refuses_what_another_decoder_does() {
        for (seed, message) in messages().enumerate() {
            let mut rng = Rng::from_seed(seed as u64);
            let mut lzw = encode::Encoder::new(BitOrder::Lsb, 8).encode(&message).unwrap();
            for _ in 0..1 + rng.below(3) {
                let at = rng.below(lzw.len());
                lzw[at] ^= 1 << rng.below(8);
            }

            let theirs = decode::Decoder::new(BitOrder::Lsb, 8).decode(&lzw).ok();

            assert_eq!(decoded(&lzw, 1 << 24).ok(), theirs, "seed {seed}");
        }
    }

    #[test]
    fn a_code_may_name_the_entry_that_it_completes() {
        let lzw = packed(&[(256, 9), (97, 9), (258, 9), (259, 9), (257, 9)]);

        assert_eq!(decoded(&lzw, 6).unwrap(), b"aaaaaa");
    }

    #[test]
    fn a_code_beyond_the_dictionary_is_refused() {
        for codes in
            [&[(258, 9)][..], &[(256, 9), (258, 9)], &[(97, 9), (259, 9)], &[(97, 9), (256, 9), (258, 9)]]
        {
            assert_eq!(decoded(&packed(codes), 100), Err(Refused::CompressionCode), "{codes:?}");
        }
    }

    /// As Go: without a clear code the dictionary is full at 4096 codes, and stays in use.
    #[test]
    fn a_full_dictionary_stays_in_use() {
        let mut codes: Vec<(u32, u32)> = Vec::new();
        for count in 0..6000u32 {
            let width = match 258 + count.saturating_sub(1) {
                ..512 => 9,
                512..1024 => 10,
                1024..2048 => 11,
                _ => 12,
            };
            codes.push((97 + count % 2, width));
        }
        codes.extend([(258, 12), (4095, 12), (257, 12)]);

        let message = decoded(&packed(&codes), 10_000).unwrap();

        assert!(message.starts_with(b"abab"));
        assert_eq!(&message[6000..], b"abba");
    }
}
