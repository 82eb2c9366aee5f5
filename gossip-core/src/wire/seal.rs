//! The encrypted payload: version, nonce, ciphertext, tag; in place in both directions.
//!
//! Version 0 pads the message to a multiple of 16, version 1 does not. Both are always
//! read; which one is written depends on our own protocol version alone.

use std::ops::Range;

use super::cipher::TAG_LEN;
use super::error::Refused;
use super::keyring::{Key, Keyring};
use super::nonce::NONCE_LEN;

/// The version byte and the nonce.
const HEAD_LEN: usize = 1 + NONCE_LEN;

/// What version 0 pads to.
const BLOCK_LEN: usize = 16;

/// Most bytes that encryption adds to a message, which is also the least an encrypted payload may have.
/// Go: `encryptOverhead`.
pub const fn overhead(version: u8) -> usize {
    match version {
        0 => HEAD_LEN + BLOCK_LEN + TAG_LEN,
        _ => HEAD_LEN + TAG_LEN,
    }
}

/// The size of an encrypted message of `len` bytes. Go: `encryptedLength`.
pub const fn sealed_len(version: u8, len: usize) -> usize {
    HEAD_LEN + len + padding(version, len) + TAG_LEN
}

/// A payload under construction: its head is written, the message is to be appended next.
pub struct Sealing<'k> {
    key: &'k Key,
    version: u8,
    nonce: [u8; NONCE_LEN],
    /// Where the message begins in the buffer.
    start: usize,
}

impl<'k> Sealing<'k> {
    /// Appends the head of a payload. Every version but 0 is 1.
    pub fn begin(key: &'k Key, version: u8, nonce: [u8; NONCE_LEN], out: &mut Vec<u8>) -> Self {
        let version = u8::from(version != 0);
        out.push(version);
        out.extend_from_slice(&nonce);
        Self { key, version, nonce, start: out.len() }
    }

    /// Encrypts what was appended since, and appends the tag.
    ///
    /// A message beyond the cipher's 64 GiB is removed from the buffer rather than left in clear.
    pub fn finish(self, aad: &[u8], out: &mut Vec<u8>) {
        let padding = padding(self.version, out.len().saturating_sub(self.start));
        out.resize(out.len() + padding, padding as u8);
        let message = out.get_mut(self.start..).unwrap_or_default();
        match self.key.cipher().seal(self.nonce, aad, message) {
            Some(tag) => out.extend_from_slice(&tag),
            None => out.truncate(self.start),
        }
    }
}

/// Decrypts a payload in place, trying every key in the order of the ring, and says where the message
/// now stands in it. A refused payload is unchanged, unless the refusal is [`Refused::Padding`]; it may be
/// kept in `spare` meanwhile, which then becomes as long.
pub fn open(
    ring: &Keyring,
    aad: &[u8],
    payload: &mut [u8],
    spare: &mut Vec<u8>,
) -> Result<Range<usize>, Refused> {
    let len = payload.len();
    let version = *payload.first().ok_or(Refused::EncryptedEmpty)?;
    if version > 1 {
        return Err(Refused::EncryptionVersion(version));
    }
    if len < overhead(version) {
        return Err(Refused::EncryptedTooShort(len));
    }
    let (nonce, message, tag) = split(payload).ok_or(Refused::EncryptedTooShort(len))?;
    if !ring.keys().iter().any(|key| key.cipher().open(nonce, aad, message, tag, spare)) {
        return Err(Refused::NoKey);
    }
    let len = match version {
        0 => unpadded(message).ok_or(Refused::Padding)?,
        _ => message.len(),
    };
    Ok(HEAD_LEN..HEAD_LEN + len)
}

fn split(payload: &mut [u8]) -> Option<([u8; NONCE_LEN], &mut [u8], [u8; TAG_LEN])> {
    let (_, rest) = payload.split_first_mut()?;
    let (nonce, rest) = rest.split_first_chunk_mut()?;
    let (message, tag) = rest.split_last_chunk_mut()?;
    Some((*nonce, message, *tag))
}

/// The bytes that version 0 adds: PKCS#7, a whole block if the message is one.
const fn padding(version: u8, len: usize) -> usize {
    match version {
        0 => BLOCK_LEN - len % BLOCK_LEN,
        _ => 0,
    }
}

/// How many bytes of a padded message are the message. Go trusts the last byte and crashes on a wrong one.
fn unpadded(message: &[u8]) -> Option<usize> {
    let padding = usize::from(*message.last()?);
    if !(1..=BLOCK_LEN).contains(&padding) {
        return None;
    }
    message.len().checked_sub(padding)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ring() -> (Keyring, Key) {
        let key = Key::new(&[1; 16]).unwrap();
        (
            Keyring::new([Key::new(&[2; 32]).unwrap(), key.clone()], Some(Key::new(&[3; 24]).unwrap()))
                .unwrap(),
            key,
        )
    }

    fn sealed(key: &Key, version: u8, message: &[u8]) -> Vec<u8> {
        let mut out = b"before".to_vec();
        let sealing = Sealing::begin(key, version, [9; NONCE_LEN], &mut out);
        out.extend_from_slice(message);
        sealing.finish(b"aad", &mut out);
        out.split_off(6)
    }

    #[test]
    fn every_key_of_the_ring_opens_both_versions() {
        let (ring, key) = ring();

        for (version, len) in [(0, 0), (0, 15), (0, 16), (1, 0), (1, 33)] {
            let message = vec![7; len];
            let mut payload = sealed(&key, version, &message);
            assert_eq!(payload.len(), sealed_len(version, len));
            let range = open(&ring, b"aad", &mut payload, &mut Vec::new()).unwrap();
            assert_eq!(payload[range], message, "version {version}, {len} bytes");
        }
    }

    #[test]
    fn a_payload_that_no_key_opens_stays_as_it_was() {
        let (ring, key) = ring();
        let mut payload = sealed(&key, 1, b"message");
        let before = payload.clone();

        assert_eq!(open(&ring, b"other", &mut payload, &mut Vec::new()), Err(Refused::NoKey));

        assert_eq!(payload, before);
    }

    #[test]
    fn authentic_but_malformed_padding_is_refused() {
        let (ring, key) = ring();

        for wrong in [0u8, 17, 255] {
            let mut payload = vec![0];
            payload.extend_from_slice(&[9; NONCE_LEN]);
            let mut message = [wrong; 16];
            let tag = key.cipher().seal([9; NONCE_LEN], b"", &mut message).unwrap();
            payload.extend_from_slice(&message);
            payload.extend_from_slice(&tag);
            assert_eq!(open(&ring, b"", &mut payload, &mut Vec::new()), Err(Refused::Padding), "{wrong}");
        }
    }
}
