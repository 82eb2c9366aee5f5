//! The compressed message: `09`, a record of algorithm and bytes. The algorithm is LZW
//! as in GIF: least significant bit first, literals of 8 bits.
//!
//! Coders are large and reused.

use super::error::Refused;
use super::limits::DECOMPRESSED_MAX;
use super::lzw::{self, Decoder, Encoder};
use super::message::{Blob, MessageType, blob_bytes};
use super::msgpack::read::Reader;
use super::msgpack::write::Writer;

/// The record of a compressed message.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Envelope<'a> {
    /// 0 is LZW; there is no other.
    pub algo: u8,
    /// What the algorithm made.
    pub buf: Blob<'a>,
}

impl<'a> Envelope<'a> {
    /// Appends the compressed message, its type byte first.
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.push(MessageType::Compress as u8);
        Writer::record(out, 2).unsigned("Algo", self.algo.into()).blob("Buf", &self.buf);
    }

    /// Reads the record, which follows the type byte.
    pub fn decode(record: &'a [u8]) -> Result<Self, Refused> {
        let mut envelope = Self::default();
        Reader::new(record).record(&["Algo", "Buf"], |key, value| {
            match key {
                b"Algo" => envelope.algo = value.unsigned()?,
                b"Buf" => envelope.buf = value.blob()?,
                _ => value.skip()?,
            }
            Ok(())
        })?;
        Ok(envelope)
    }
}

/// An LZW encoder and decoder, with the buffer between them and their envelope.
#[derive(Default)]
pub struct Coder {
    encoder: Encoder,
    decoder: Decoder,
    lzw: Vec<u8>,
}

impl Coder {
    /// Replaces `out` by `message` compressed, if that is shorter than `message`; false if it is not.
    pub fn shrink(&mut self, message: &[u8], out: &mut Vec<u8>) -> bool {
        out.clear();
        message.len() >= SHRINKABLE_MIN
            && self.wrap(message, message.len() - ENVELOPE_MIN, out)
            && out.len() < message.len()
    }

    /// Appends `message` compressed, however long it gets.
    pub fn pack(&mut self, message: &[u8], out: &mut Vec<u8>) {
        self.pack_pieces(|put| put(message), out);
    }

    /// The same of a message that `write` puts in pieces, and that nobody holds as a whole.
    pub fn pack_pieces(&mut self, write: impl FnOnce(&mut dyn FnMut(&[u8])), out: &mut Vec<u8>) {
        let Self { encoder, lzw, .. } = self;
        lzw.clear();
        encoder.begin(usize::MAX);
        let mut fits = Some(());
        write(&mut |piece| fits = fits.and_then(|()| encoder.put(piece, lzw)));
        let fits = fits.and_then(|()| encoder.end(lzw));
        debug_assert!(fits.is_some(), "there is room for everything");
        out.reserve(lzw.len() + AROUND);
        Envelope { algo: 0, buf: Some(self.lzw.as_slice().into()) }.encode(out);
    }

    /// Replaces `out` by the message that `record`, which follows the type byte, unfolds to; at most `limit` bytes.
    pub fn unpack(&mut self, record: &[u8], limit: usize, out: &mut Vec<u8>) -> Result<(), Refused> {
        let envelope = Envelope::decode(record)?;
        if envelope.algo != 0 {
            return Err(Refused::CompressionAlgorithm(envelope.algo));
        }
        self.decompress(blob_bytes(&envelope.buf), limit, out)
    }

    /// Replaces `out` by the LZW stream of `message`; false if that takes more than `room` bytes.
    pub fn compress(&mut self, message: &[u8], room: usize, out: &mut Vec<u8>) -> bool {
        self.encoder.encode(message, room, out)
    }

    /// Replaces `out` by what an LZW stream unfolds to, at most `limit` bytes. What follows the end code is ignored.
    pub fn decompress(&mut self, lzw: &[u8], limit: usize, out: &mut Vec<u8>) -> Result<(), Refused> {
        self.decoder.decode(lzw, limit, out)
    }

    /// Appends the envelope of `message`, if its LZW stream needs at most `room` bytes.
    fn wrap(&mut self, message: &[u8], room: usize, out: &mut Vec<u8>) -> bool {
        let fits = self.encoder.encode(message, room, &mut self.lzw);
        if fits {
            Envelope { algo: 0, buf: Some(self.lzw.as_slice().into()) }.encode(out);
        }
        fits
    }
}

/// What a longer record unpacks to is not counted as work: it is much in any case.
pub(super) const MEASURED_MAX: usize = 64 * 1024;

/// The work in a compressed message, in bytes that are read and decoded in the same time; its record follows
/// the type byte. Ten kilobytes may become forty megabytes, of which sixteen bytes are copied in the time of one.
pub(super) fn work(record: &[u8]) -> usize {
    let unpacked = if record.len() < MEASURED_MAX { unpacked_len(record) } else { 0 };
    record.len().max(unpacked.min(DECOMPRESSED_MAX) / 16)
}

/// The same of `len` bytes that may be compressed under their encryption. Who sends them has a key, so it is
/// enough that the worst does not go unnoticed.
pub(super) fn work_at_most(len: usize) -> usize {
    len.max(unpacked_max(len).min(DECOMPRESSED_MAX) / 256)
}

/// How many bytes a compressed message unpacks to, as far as it is valid; its record follows the type byte.
pub(super) fn unpacked_len(record: &[u8]) -> usize {
    Envelope::decode(record).map_or(0, |envelope| lzw::unfolded_len(blob_bytes(&envelope.buf)))
}

/// The most bytes that a compressed message of `len` bytes unpacks to.
fn unpacked_max(len: usize) -> usize {
    lzw::unfolded_max(len)
}

/// Bytes around any LZW stream: the envelope, and what encryption adds behind it.
const AROUND: usize = 64;

/// Bytes around a short LZW stream: type, map, both keys, algorithm, length.
const ENVELOPE_MIN: usize = 13;

/// A shorter message never shrinks: 24 equal bytes take 9 codes of 9 bits, which is 11
/// bytes in an envelope of 13.
const SHRINKABLE_MIN: usize = 25;

#[cfg(test)]
mod tests {
    use super::*;

    fn round_trip(message: &[u8]) -> Vec<u8> {
        let (mut coder, mut packed, mut back) = (Coder::default(), Vec::new(), Vec::new());
        coder.pack(message, &mut packed);
        coder.unpack(&packed[1..], message.len(), &mut back).unwrap();
        back
    }

    #[test]
    fn packed_messages_unpack_to_themselves() {
        let noise: Vec<u8> = (0..200_000u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 23) as u8).collect();

        for message in [&b""[..], b"a", &[7; 100_000], &noise] {
            assert_eq!(round_trip(message), message);
        }
    }

    #[test]
    fn the_shortest_message_that_shrinks_has_25_equal_bytes() {
        let (mut coder, mut out) = (Coder::default(), Vec::new());

        let wrapped = coder.wrap(&[7; SHRINKABLE_MIN - 1], 100, &mut out);

        assert!(wrapped && out.len() == SHRINKABLE_MIN - 1);
        assert!(coder.shrink(&[7; SHRINKABLE_MIN], &mut out));
    }

    #[test]
    fn what_does_not_shrink_is_left_alone() {
        let ramp: Vec<u8> = (0..=255).collect();

        assert!(!Coder::default().shrink(&ramp, &mut Vec::new()));
    }

    #[test]
    fn output_beyond_the_limit_is_refused_at_the_limit() {
        let (mut coder, mut packed, mut out) = (Coder::default(), Vec::new(), Vec::new());
        coder.pack(&vec![0; 5_000_000], &mut packed);

        assert_eq!(coder.unpack(&packed[1..], 10_000, &mut out), Err(Refused::DecompressedTooLarge(10_000)));

        assert!(out.capacity() < 100_000, "{}", out.capacity());
        assert_eq!(coder.unpack(&packed[1..], 5_000_000, &mut out), Ok(()));
    }

    /// What unpacks to the most: equal bytes, of which each code takes one more than the last.
    #[test]
    fn nothing_unpacks_to_more_than_its_length_allows() {
        let (mut coder, mut packed) = (Coder::default(), Vec::new());
        for size in [0, 1, 1000, 30_000, 1_000_000, 8_000_000, 40_000_000] {
            packed.clear();
            coder.pack(&vec![0; size], &mut packed);

            assert!(unpacked_max(packed.len()) >= size, "{size} in {}", packed.len());
            assert!(size < 30_000 || unpacked_max(packed.len()) < 4 * size, "{size} in {}", packed.len());
        }
    }

    #[test]
    fn every_cut_of_a_stream_is_noticed() {
        let (mut coder, mut lzw, mut out) = (Coder::default(), Vec::new(), Vec::new());
        assert!(coder.compress(b"TOBEORNOTTOBEORTOBEORNOT", 100, &mut lzw));

        for cut in 0..lzw.len() - 1 {
            assert_eq!(
                coder.decompress(&lzw[..cut], 100, &mut out),
                Err(Refused::CompressionTruncated),
                "{cut}"
            );
        }
        assert_eq!(coder.decompress(&lzw, 100, &mut out), Ok(()));
    }

    #[test]
    fn clear_codes_without_end_are_walked_over() {
        // 256 in 9 bits, again and again.
        let clears: Vec<u8> = (0..9_000)
            .map(|bit| u8::from(bit % 9 == 8))
            .collect::<Vec<_>>()
            .chunks(8)
            .map(|bits| bits.iter().rev().fold(0, |byte, bit| byte << 1 | bit))
            .collect();

        let result = Coder::default().decompress(&clears, 100, &mut Vec::new());

        assert_eq!(result, Err(Refused::CompressionTruncated));
    }
}
