//! AES-GCM by `ring`, for processors that encrypt several blocks with one instruction: Intel since Ice
//! Lake, AMD since Zen 3. There it takes less than half the time of `aes-gcm`.
//!
//! Elsewhere it is not used. What `ring` has for older x86 processors zeroes registers by adding what
//! they hold to itself (`ghash-x86_64.pl`: "subtle way to zero"), which memcheck takes for
//! uninitialised, and after it every tag and packet. Under valgrind, which knows no VAES, nobody gets here.

use std::arch::is_x86_feature_detected;
use std::hint::black_box;

use ring::aead::{AES_128_GCM, AES_256_GCM, Aad, Algorithm, LessSafeKey, Nonce, UnboundKey};

use super::cipher::TAG_LEN;
use super::nonce::NONCE_LEN;

/// An expanded key, which is wiped when dropped.
pub(super) struct Vaes(LessSafeKey);

impl Vaes {
    /// The cipher of `key`; `None` unless it has 16 or 32 bytes and the processor has what it takes.
    pub(super) fn new(key: &[u8]) -> Option<Self> {
        let algorithm = match key.len() {
            16 => &AES_128_GCM,
            32 => &AES_256_GCM,
            _ => return None,
        };
        let suits = is_x86_feature_detected!("vaes") && is_x86_feature_detected!("vpclmulqdq");
        suits.then(|| expand(algorithm, key))?.map(Self)
    }

    /// Encrypts `message` in place and returns its tag.
    pub(super) fn seal(
        &self,
        nonce: [u8; NONCE_LEN],
        aad: &[u8],
        message: &mut [u8],
    ) -> Option<[u8; TAG_LEN]> {
        let nonce = Nonce::assume_unique_for_key(nonce);
        let tag = self.0.seal_in_place_separate_tag(nonce, Aad::from(aad), message).ok()?;
        tag.as_ref().try_into().ok()
    }

    /// Decrypts `message` in place if it is authentic, and else leaves it as it was. `ring` does not:
    /// what it overwrites is kept in `spare`.
    pub(super) fn open(
        &self,
        nonce: [u8; NONCE_LEN],
        aad: &[u8],
        message: &mut [u8],
        tag: [u8; TAG_LEN],
        spare: &mut Vec<u8>,
    ) -> bool {
        spare.clear();
        spare.extend_from_slice(message);
        let nonce = Nonce::assume_unique_for_key(nonce);
        let opened = self.0.open_in_place_separate_tag(nonce, Aad::from(aad), tag.into(), message, 0..);
        let is_authentic = opened.is_ok();
        if !is_authentic {
            message.copy_from_slice(spare);
        }
        is_authentic
    }

    /// Writes the expanded form of another key, all zeroes, over this one.
    fn wipe(&mut self) {
        let algorithm = self.0.algorithm();
        if let Some(zeroes) = expand(algorithm, [0; 32].get(..algorithm.key_len()).unwrap_or_default()) {
            self.0 = zeroes;
        }
        // Nobody reads it any more: without this the compiler might spare itself the writing.
        black_box(&mut self.0);
    }
}

fn expand(algorithm: &'static Algorithm, key: &[u8]) -> Option<LessSafeKey> {
    UnboundKey::new(algorithm, key).ok().map(LessSafeKey::new)
}

/// `ring` does not do it.
impl Drop for Vaes {
    fn drop(&mut self) {
        self.wipe();
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Write, stderr};

    use super::*;

    #[test]
    fn a_key_that_is_wiped_is_one_of_zeroes() {
        for size in [16, 32] {
            let sealed = |cipher: &Vaes| cipher.seal([9; NONCE_LEN], b"aad", &mut [0; 40]).unwrap();
            let Some(mut key) = Vaes::new(&vec![7; size]) else {
                // Past the test's own output, which nobody sees.
                return writeln!(stderr(), "SKIPPED: this processor has no VAES").unwrap();
            };

            key.wipe();

            assert_eq!(sealed(&key), sealed(&Vaes::new(&vec![0; size]).unwrap()), "{size}");
        }
    }
}
