//! The decoder.
//!
//! A string of the dictionary is that of one code and the first byte of the next. These stand side
//! by side in what was unfolded so far, so a string is a place there and a length: nothing is walked
//! backwards, and to clear the dictionary is to forget the strings that were added. Every code adds a
//! string that begins where its own does, so the next place tells the length, and the dictionary is
//! a list of places. With the 256 literals in front of the output they are strings like all others.
//!
//! Nearly all codes are plain: of short strings that stand there already, with room behind. A tight
//! loop for each width takes them, and leaves any other to a careful step.
//!
//! It takes what Go's `compress/lzw` takes, and no more.

use super::{CLEAR, END, FIRST, NARROWEST, STRINGS_MAX, WIDEST};
use crate::wire::error::Refused;

/// Bytes in front of the message, each once.
const LITERALS: usize = 256;

/// Bytes that are copied at once: most strings are shorter, and a copy of known length is two
/// instructions. What it writes too much is overwritten by what follows.
const CHUNK: usize = 16;

/// The least by which the output grows.
const SMALLEST_STEP: usize = 1024;

/// A decoder, which is reused for the sake of its dictionary.
#[derive(Debug, Default)]
pub(in crate::wire) struct Decoder {
    /// Where in the output the string of each code begins. It ends with the first byte of the next
    /// one, and a literal before that.
    starts: Vec<u32>,
}

impl Decoder {
    /// Replaces `out` by what `lzw` unfolds to, at most `limit` bytes; after an error it holds
    /// anything. What follows the end code is ignored.
    pub(in crate::wire) fn decode(
        &mut self,
        lzw: &[u8],
        limit: usize,
        out: &mut Vec<u8>,
    ) -> Result<(), Refused> {
        self.make_room(lzw.len());
        // Places are numbers of 32 bits.
        let last = limit.min(u32::MAX as usize / 2) + LITERALS;
        // As much as it held may come again; what that was does not matter.
        out.resize((LITERALS + out.len()).min(last) + CHUNK, 0);
        for (place, literal) in out.iter_mut().zip(0..LITERALS) {
            *place = literal as u8;
        }
        let mut unfolding = Unfolding::new(lzw, &mut self.starts, out);
        let written = unfolding.run(last).map(|()| unfolding.written as usize)?;
        if written > last {
            return Err(Refused::DecompressedTooLarge(limit));
        }
        out.copy_within(LITERALS..written, 0);
        out.truncate(written - LITERALS);
        Ok(())
    }

    /// Makes room for the strings that so many bytes of codes can add, and for the end of the last.
    fn make_room(&mut self, bytes: usize) {
        let wanted = (FIRST + 8 * bytes / NARROWEST as usize + 1).min(STRINGS_MAX) + 1;
        let known = self.starts.len();
        if known < wanted {
            self.starts.reserve_exact(wanted - known);
            // A literal is where its number says; what was added is written before it is read.
            self.starts.extend(known as u32..wanted as u32);
            // So `CLEAR` has no end and `END` no beginning, and both are too long to be plain.
            if let Some(place) = self.starts.get_mut(END) {
                *place = u32::MAX;
            }
        }
    }
}

/// A message on its way.
struct Unfolding<'a> {
    codes: Codes<'a>,
    width: u32,
    starts: &'a mut [u32],
    /// The code of the string that begins where the next code's will; those before it are known.
    next: u32,
    /// The literals, the message and room, a chunk at the least.
    out: &'a mut Vec<u8>,
    written: u32,
}

impl<'a> Unfolding<'a> {
    fn new(lzw: &'a [u8], starts: &'a mut [u32], out: &'a mut Vec<u8>) -> Self {
        let codes = Codes { bytes: lzw, at: 0 };
        let mut this =
            Self { codes, width: NARROWEST, starts, next: FIRST as u32, out, written: LITERALS as u32 };
        this.clear();
        this
    }

    /// Writes the message. It may be longer than `last` allows, by less than a chunk.
    fn run(&mut self, last: usize) -> Result<(), Refused> {
        loop {
            match self.width {
                NARROWEST => self.hurry::<NARROWEST>(),
                10 => self.hurry::<10>(),
                11 => self.hurry::<11>(),
                _ => self.hurry::<WIDEST>(),
            }
            if self.step(last)? {
                return Ok(());
            }
        }
    }

    /// Takes plain codes of this width, as long as they come.
    ///
    /// Every comparison costs in this loop, so there is one for each slice that it looks into.
    fn hurry<const WIDTH: u32>(&mut self) {
        // One more, and the codes are wider.
        let used = self.starts.len().min((1 << WIDTH) + 1);
        let Some(starts) = self.starts.get_mut(..used) else { return };
        let out = self.out.as_mut_slice();
        let Codes { bytes, mut at } = self.codes;
        let (mut next, mut written) = (self.next, self.written);
        // The string before `next` is not plain, as it ends with a byte that is not yet written.
        while let Some([plain @ .., _, place]) = starts.get_mut(..next as usize + 2)
            && let Some(four) = bytes.get(at / 8..at / 8 + 4).and_then(|four| four.first_chunk())
            && let code = (u32::from_le_bytes(*four) >> (at % 8)) as usize & ((1 << WIDTH) - 1)
            && let Some(&[start, stop]) = plain.get(code..code + 2).and_then(|two| two.first_chunk())
            && let len = len(code, start, stop)
            && len <= CHUNK as u32
            && let (from, to) = (start as usize, written as usize)
            && let Some(&chunk) = out.get(from..from + CHUNK).and_then(|from| from.first_chunk::<CHUNK>())
            && let Some(string) = out.get_mut(to..to + CHUNK).and_then(|to| to.first_chunk_mut())
        {
            *string = chunk;
            written += len;
            *place = written;
            at += WIDTH as usize;
            next += 1;
        }
        (self.codes.at, self.next, self.written) = (at, next, written);
    }

    /// Takes a code of any kind; true if it ends the message.
    fn step(&mut self, last: usize) -> Result<bool, Refused> {
        let code = self.codes.next(self.width).ok_or(Refused::CompressionTruncated)?;
        let next = self.next as usize;
        let two = self.starts.get(code..).and_then(|from| from.first_chunk()).filter(|_| code < next);
        let &[start, stop] = two.ok_or(Refused::CompressionCode)?;
        match code {
            CLEAR => self.clear(),
            END => return Ok(true),
            _ => {
                self.write(start, len(code, start, stop), last)?;
                self.add();
            }
        }
        Ok(false)
    }

    /// Forgets the strings that were added.
    fn clear(&mut self) {
        (self.width, self.next) = (NARROWEST, FIRST as u32);
        self.begin();
    }

    /// Notes where the next string begins.
    fn begin(&mut self) {
        if let Some(place) = self.starts.get_mut(self.next as usize) {
            *place = self.written;
        }
    }

    /// The string before the next one has all its bytes. A full dictionary stays as it is until it is
    /// cleared.
    fn add(&mut self) {
        if self.next == 1 << self.width {
            if self.width == WIDEST {
                return;
            }
            self.width += 1;
        }
        self.next += 1;
        self.begin();
    }

    /// Writes a string, which may end with the first byte that is written.
    fn write(&mut self, start: u32, len: u32, last: usize) -> Result<(), Refused> {
        let (start, len, to) = (start as usize, len as usize, self.written as usize);
        let end = to + len;
        if end > last {
            return Err(Refused::DecompressedTooLarge(last - LITERALS));
        }
        if end + CHUNK > self.out.len() {
            self.grow(end, last);
        }
        if start + len <= self.out.len() {
            self.out.copy_within(start..start + len, to);
        }
        if start + len > to
            && let Some([first, .., last]) = self.out.get_mut(to..end)
        {
            *last = *first;
        }
        self.written = end as u32;
        Ok(())
    }

    /// Makes room for `end` bytes and a chunk beyond; what was unfolded stays.
    fn grow(&mut self, end: usize, last: usize) {
        let step = self.out.len().max(2 * self.codes.bytes.len()).max(SMALLEST_STEP);
        let len = (end + step).min(last) + CHUNK;
        self.out.reserve_exact(len - self.out.len());
        self.out.resize(len, 0);
    }
}

/// How long the string of a code is.
#[inline]
fn len(code: usize, start: u32, stop: u32) -> u32 {
    stop.wrapping_sub(start).wrapping_add(u32::from(code >= FIRST))
}

/// Codes of changing width out of bytes.
#[derive(Clone, Copy)]
struct Codes<'a> {
    bytes: &'a [u8],
    /// Bits that were taken, of each byte the lowest first.
    at: usize,
}

impl Codes<'_> {
    fn next(&mut self, width: u32) -> Option<usize> {
        let rest = self.bytes.get(self.at / 8..)?;
        let bits = match rest.first_chunk() {
            Some(four) => u32::from_le_bytes(*four),
            None => rest.iter().rev().fold(0, |bits, byte| bits << 8 | u32::from(*byte)),
        };
        let code = bits >> (self.at % 8) & ((1 << width) - 1);
        self.at += width as usize;
        (self.at <= 8 * self.bytes.len()).then_some(code as usize)
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
        let (mut decoder, mut out) = (Decoder::default(), Vec::new());
        for message in messages() {
            let (lzw, len) =
                (encode::Encoder::new(BitOrder::Lsb, 8).encode(&message).unwrap(), message.len());

            assert_eq!(decoder.decode(&lzw, len - 1, &mut out), Err(Refused::DecompressedTooLarge(len - 1)));
            assert_eq!(decoder.decode(&lzw, len, &mut out), Ok(()));
            assert_eq!(out, message);
        }
    }

    #[test]
    fn a_short_message_needs_a_small_dictionary() {
        let mut decoder = Decoder::default();

        decoder.decode(&packed(&[(256, 9), (97, 9), (257, 9)]), 1, &mut Vec::new()).unwrap();

        assert!(decoder.starts.capacity() < 300, "{}", decoder.starts.capacity());
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
