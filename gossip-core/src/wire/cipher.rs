//! AES-GCM with a key of 16, 24 or 32 bytes: the only file that knows the cipher's crate.
//!
//! A failed [`Cipher::open`] leaves the buffer as it was, so several keys may be tried in place.

use aes_gcm::aead::consts::U12;
use aes_gcm::aes::Aes192;
use aes_gcm::{AeadInOut, Aes128Gcm, Aes256Gcm, AesGcm, KeyInit};

use super::nonce::NONCE_LEN;

/// The tag that authenticates a message.
pub(super) const TAG_LEN: usize = 16;

/// A cipher with its expanded key, which is wiped when dropped.
pub(super) enum Cipher {
    Aes128(Aes128Gcm),
    Aes192(AesGcm<Aes192, U12>),
    Aes256(Aes256Gcm),
}

impl Cipher {
    /// The cipher of `key`; `None` unless it has 16, 24 or 32 bytes.
    pub(super) fn new(key: &[u8]) -> Option<Self> {
        match key.len() {
            16 => Aes128Gcm::new_from_slice(key).ok().map(Self::Aes128),
            24 => AesGcm::new_from_slice(key).ok().map(Self::Aes192),
            32 => Aes256Gcm::new_from_slice(key).ok().map(Self::Aes256),
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
        let (nonce, message) = (nonce.into(), message.into());
        let tag = match self {
            Self::Aes128(cipher) => cipher.encrypt_inout_detached(&nonce, aad, message),
            Self::Aes192(cipher) => cipher.encrypt_inout_detached(&nonce, aad, message),
            Self::Aes256(cipher) => cipher.encrypt_inout_detached(&nonce, aad, message),
        };
        tag.ok().map(Into::into)
    }

    /// Decrypts `message` in place if it is authentic.
    pub(super) fn open(
        &self,
        nonce: [u8; NONCE_LEN],
        aad: &[u8],
        message: &mut [u8],
        tag: [u8; TAG_LEN],
    ) -> bool {
        let (nonce, message, tag) = (nonce.into(), message.into(), tag.into());
        match self {
            Self::Aes128(cipher) => cipher.decrypt_inout_detached(&nonce, aad, message, &tag),
            Self::Aes192(cipher) => cipher.decrypt_inout_detached(&nonce, aad, message, &tag),
            Self::Aes256(cipher) => cipher.decrypt_inout_detached(&nonce, aad, message, &tag),
        }
        .is_ok()
    }
}
