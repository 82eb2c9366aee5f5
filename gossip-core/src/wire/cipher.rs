//! AES-GCM with a key of 16, 24 or 32 bytes.

use aes_gcm::aead::consts::U12;
use aes_gcm::aes::Aes192;
use aes_gcm::{AeadInOut, Aes128Gcm, Aes256Gcm, AesGcm, KeyInit};

use super::nonce::NONCE_LEN;
#[cfg(target_arch = "x86_64")]
use super::vaes::Vaes;

/// The tag that authenticates a message.
pub(super) const TAG_LEN: usize = 16;

/// A cipher with its expanded key, which is wiped when dropped.
pub(super) enum Cipher {
    Aes128(Aes128Gcm),
    Aes192(AesGcm<Aes192, U12>),
    Aes256(Aes256Gcm),
    /// With a key of 16 or 32 bytes, on processors that it suits.
    #[cfg(target_arch = "x86_64")]
    Vaes(Vaes),
}

impl Cipher {
    /// The fastest cipher of `key` on this processor; `None` unless it has 16, 24 or 32 bytes.
    pub(super) fn new(key: &[u8]) -> Option<Self> {
        #[cfg(target_arch = "x86_64")]
        if let Some(cipher) = Vaes::new(key) {
            return Some(Self::Vaes(cipher));
        }
        Self::anywhere(key)
    }

    /// The cipher of `key` that every processor has.
    fn anywhere(key: &[u8]) -> Option<Self> {
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
        let tag = match self {
            Self::Aes128(cipher) => cipher.encrypt_inout_detached(&nonce.into(), aad, message.into()),
            Self::Aes192(cipher) => cipher.encrypt_inout_detached(&nonce.into(), aad, message.into()),
            Self::Aes256(cipher) => cipher.encrypt_inout_detached(&nonce.into(), aad, message.into()),
            #[cfg(target_arch = "x86_64")]
            Self::Vaes(cipher) => return cipher.seal(nonce, aad, message),
        };
        tag.ok().map(Into::into)
    }

    /// Decrypts `message` in place if it is authentic, and else leaves it as it was, so that several keys
    /// may be tried. What is overwritten meanwhile may be kept in `spare`.
    #[cfg_attr(not(target_arch = "x86_64"), expect(unused_variables))]
    pub(super) fn open(
        &self,
        nonce: [u8; NONCE_LEN],
        aad: &[u8],
        message: &mut [u8],
        tag: [u8; TAG_LEN],
        spare: &mut Vec<u8>,
    ) -> bool {
        let opened = match self {
            Self::Aes128(cipher) => {
                cipher.decrypt_inout_detached(&nonce.into(), aad, message.into(), &tag.into())
            }
            Self::Aes192(cipher) => {
                cipher.decrypt_inout_detached(&nonce.into(), aad, message.into(), &tag.into())
            }
            Self::Aes256(cipher) => {
                cipher.decrypt_inout_detached(&nonce.into(), aad, message.into(), &tag.into())
            }
            #[cfg(target_arch = "x86_64")]
            Self::Vaes(cipher) => return cipher.open(nonce, aad, message, tag, spare),
        };
        opened.is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NONCE: [u8; NONCE_LEN] = [9; NONCE_LEN];

    #[test]
    fn keys_have_one_of_three_sizes() {
        for size in 0..64 {
            assert_eq!(Cipher::new(&vec![7; size]).is_some(), [16, 24, 32].contains(&size), "{size}");
        }
    }

    /// On a processor without VAES the two are the same.
    #[test]
    fn every_cipher_of_a_key_seals_alike() {
        for (size, len) in [16, 24, 32]
            .into_iter()
            .flat_map(|size| [0, 1, 15, 16, 17, 255, 1400, 70_000].map(|len| (size, len)))
        {
            let key = vec![7; size];
            let sealed = |cipher: &Cipher| {
                let mut message: Vec<u8> = (0..len).map(|at| at as u8).collect();
                let tag = cipher.seal(NONCE, b"aad", &mut message).unwrap();
                (message, tag)
            };
            let [fastest, anywhere] = [Cipher::new(&key).unwrap(), Cipher::anywhere(&key).unwrap()];
            assert_eq!(sealed(&fastest), sealed(&anywhere), "{size} bytes of key, {len}");
        }
    }

    #[test]
    fn what_does_not_open_stays_as_it_was() {
        for key in [vec![7; 16], vec![7; 24], vec![7; 32]] {
            for cipher in [Cipher::new(&key), Cipher::anywhere(&key)].map(Option::unwrap) {
                let (mut message, mut spare) = ([0; 40], b"of before".to_vec());
                let tag = cipher.seal(NONCE, b"aad", &mut message).unwrap();
                let before = message;

                assert!(!cipher.open(NONCE, b"other", &mut message, tag, &mut spare), "{key:?}");
                assert_eq!(message, before, "{key:?}");
                assert!(cipher.open(NONCE, b"aad", &mut message, tag, &mut spare), "{key:?}");
                assert_eq!(message, [0; 40], "{key:?}");
            }
        }
    }
}
