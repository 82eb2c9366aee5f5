//! AES-GCM with a key of 16, 24 or 32 bytes: the only file that knows the cipher's crates.
//!
//! `ring` has the fastest AES-GCM of those that can be built everywhere, two to three times as fast
//! as `aes-gcm`, and has none with keys of 24 bytes, which `aes-gcm` opens and seals.

use std::hint::black_box;

use aes_gcm::aead::consts::U12;
use aes_gcm::aes::Aes192;
use aes_gcm::{AeadInOut, AesGcm, KeyInit};
use ring::aead::{AES_128_GCM, AES_256_GCM, Aad, Algorithm, LessSafeKey, Nonce, UnboundKey};

use super::nonce::NONCE_LEN;

/// The tag that authenticates a message.
pub(super) const TAG_LEN: usize = 16;

/// A cipher with its expanded key, which is wiped when dropped.
pub(super) enum Cipher {
    /// Of 16 or 32 bytes.
    Ring(Expanded),
    Aes192(AesGcm<Aes192, U12>),
}

/// A key that `ring` has expanded.
pub(super) struct Expanded(LessSafeKey);

impl Expanded {
    fn new(algorithm: &'static Algorithm, key: &[u8]) -> Option<Self> {
        expand(algorithm, key).map(Self)
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
impl Drop for Expanded {
    fn drop(&mut self) {
        self.wipe();
    }
}

impl Cipher {
    /// The cipher of `key`; `None` unless it has 16, 24 or 32 bytes.
    pub(super) fn new(key: &[u8]) -> Option<Self> {
        match key.len() {
            16 => Expanded::new(&AES_128_GCM, key).map(Self::Ring),
            24 => AesGcm::new_from_slice(key).ok().map(Self::Aes192),
            32 => Expanded::new(&AES_256_GCM, key).map(Self::Ring),
            _ => None,
        }
    }

    /// Encrypts `message` in place and returns its tag; `None` if it is beyond the cipher's 64 GiB.
    pub(super) fn seal(
        &self,
        nonce: [u8; NONCE_LEN],
        aad: &[u8],
        message: &mut [u8],
    ) -> Option<[u8; TAG_LEN]> {
        match self {
            Self::Ring(Expanded(key)) => {
                let nonce = Nonce::assume_unique_for_key(nonce);
                let tag = key.seal_in_place_separate_tag(nonce, Aad::from(aad), message).ok()?;
                tag.as_ref().try_into().ok()
            }
            Self::Aes192(cipher) => {
                cipher.encrypt_inout_detached(&nonce.into(), aad, message.into()).ok().map(Into::into)
            }
        }
    }

    /// Decrypts `message` in place if it is authentic, and else leaves it as it was: several keys may be
    /// tried. What is overwritten meanwhile is kept in `spare`.
    pub(super) fn open(
        &self,
        nonce: [u8; NONCE_LEN],
        aad: &[u8],
        message: &mut [u8],
        tag: [u8; TAG_LEN],
        spare: &mut Vec<u8>,
    ) -> bool {
        match self {
            Self::Ring(Expanded(key)) => {
                spare.clear();
                spare.extend_from_slice(message);
                let (nonce, tag) = (Nonce::assume_unique_for_key(nonce), tag.into());
                let is_authentic =
                    key.open_in_place_separate_tag(nonce, Aad::from(aad), tag, message, 0..).is_ok();
                if !is_authentic {
                    message.copy_from_slice(spare);
                }
                is_authentic
            }
            Self::Aes192(cipher) => {
                cipher.decrypt_inout_detached(&nonce.into(), aad, message.into(), &tag.into()).is_ok()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NONCE: [u8; NONCE_LEN] = [9; NONCE_LEN];

    /// A message of nothing but zeroes, sealed: what shows which key is in use.
    fn sealed(cipher: &Cipher) -> ([u8; 40], [u8; TAG_LEN]) {
        let mut message = [0; 40];
        let tag = cipher.seal(NONCE, b"aad", &mut message).unwrap();
        (message, tag)
    }

    #[test]
    fn both_crates_know_keys_of_their_sizes_alone() {
        for size in 0..64 {
            assert_eq!(Cipher::new(&vec![7; size]).is_some(), [16, 24, 32].contains(&size), "{size}");
        }
    }

    #[test]
    fn ring_seals_as_aes_gcm_does() {
        use aes_gcm::{Aes128Gcm, Aes256Gcm};

        for len in [0, 1, 15, 16, 17, 255, 1400, 70_000] {
            let plain: Vec<u8> = (0..len).map(|at| at as u8).collect();
            let (mut ours, mut theirs) = (plain.clone(), plain.clone());
            let tag = Cipher::new(&[7; 16]).unwrap().seal(NONCE, b"aad", &mut ours).unwrap();
            let judge = Aes128Gcm::new_from_slice(&[7; 16]).unwrap();
            let judged = judge.encrypt_inout_detached(&NONCE.into(), b"aad", (&mut theirs[..]).into());
            assert_eq!((&ours, tag), (&theirs, judged.unwrap().into()), "16 bytes, {len}");

            let (mut ours, mut theirs) = (plain.clone(), plain);
            let tag = Cipher::new(&[7; 32]).unwrap().seal(NONCE, b"aad", &mut ours).unwrap();
            let judge = Aes256Gcm::new_from_slice(&[7; 32]).unwrap();
            let judged = judge.encrypt_inout_detached(&NONCE.into(), b"aad", (&mut theirs[..]).into());
            assert_eq!((&ours, tag), (&theirs, judged.unwrap().into()), "32 bytes, {len}");
        }
    }

    #[test]
    fn what_does_not_open_stays_as_it_was() {
        for size in [16, 24, 32] {
            let cipher = Cipher::new(&vec![7; size]).unwrap();
            let ((mut message, tag), mut spare) = (sealed(&cipher), b"of before".to_vec());
            let before = message;

            assert!(!cipher.open(NONCE, b"other", &mut message, tag, &mut spare), "{size}");
            assert_eq!(message, before, "{size}");
            assert!(cipher.open(NONCE, b"aad", &mut message, tag, &mut spare), "{size}");
            assert_eq!(message, [0; 40], "{size}");
        }
    }

    #[test]
    fn a_key_that_is_wiped_is_one_of_zeroes() {
        for size in [16, 32] {
            let mut cipher = Cipher::new(&vec![7; size]).unwrap();
            let Cipher::Ring(key) = &mut cipher else { panic!("{size} bytes are for ring") };

            key.wipe();

            assert_eq!(sealed(&cipher), sealed(&Cipher::new(&vec![0; size]).unwrap()));
        }
    }
}
