//! The keys of a pool: an ordered ring, the primary key first.
//!
//! The primary key encrypts; every installed key may decrypt. So a key is changed without
//! a gap: install the new one everywhere, use it everywhere, remove the old one.

use std::fmt;
use std::sync::Arc;

use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

use super::cipher::Cipher;

/// A secret key of 16, 24 or 32 bytes, which selects AES-128, AES-192 or AES-256.
///
/// Cheap to clone; wiped from memory with its last clone; never printed; compared in
/// time that depends on the lengths alone.
#[derive(Clone)]
pub struct Key(Arc<Secret>);

struct Secret {
    bytes: Zeroizing<Vec<u8>>,
    cipher: Cipher,
}

impl Key {
    /// The key with these bytes.
    pub fn new(bytes: &[u8]) -> Result<Self, KeyringError> {
        let cipher = Cipher::new(bytes).ok_or(KeyringError::KeySize(bytes.len()))?;
        Ok(Self(Arc::new(Secret { bytes: Zeroizing::new(bytes.to_vec()), cipher })))
    }

    /// The secret itself.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0.bytes
    }

    pub(super) fn cipher(&self) -> &Cipher {
        &self.0.cipher
    }
}

impl PartialEq for Key {
    fn eq(&self, other: &Self) -> bool {
        self.as_bytes().ct_eq(other.as_bytes()).into()
    }
}

impl Eq for Key {}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({} bytes)", self.as_bytes().len())
    }
}

/// The installed keys, the primary one first. Empty: encryption is off.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Keyring {
    keys: Vec<Key>,
}

impl Keyring {
    /// The ring of `primary` and `keys`, in that order and without duplicates. Go: `NewKeyring`.
    ///
    /// Without any key the ring is empty; with keys, one must be named as the primary.
    pub fn new(keys: impl IntoIterator<Item = Key>, primary: Option<Key>) -> Result<Self, KeyringError> {
        let mut ring = Self { keys: primary.into_iter().collect() };
        for key in keys {
            if ring.keys.is_empty() {
                return Err(KeyringError::NoPrimary);
            }
            ring.add(key);
        }
        Ok(ring)
    }

    /// Installs a key for decryption; nothing happens if it is installed. In an empty ring it becomes the primary.
    pub fn add(&mut self, key: Key) {
        if !self.keys.contains(&key) {
            self.keys.push(key);
        }
    }

    /// Makes an installed key the primary; the others keep their order.
    pub fn use_key(&mut self, key: &Key) -> Result<(), KeyringError> {
        let Some(keys) = self.position(key).and_then(|at| self.keys.get_mut(..=at)) else {
            return Err(KeyringError::NotInstalled(self.keys.len()));
        };
        keys.rotate_right(1);
        Ok(())
    }

    /// Removes a key; nothing happens if it is not installed. The primary key stays.
    pub fn remove(&mut self, key: &Key) -> Result<(), KeyringError> {
        match self.position(key) {
            Some(0) => return Err(KeyringError::RemovesPrimary),
            Some(at) => drop(self.keys.remove(at)),
            None => {}
        }
        Ok(())
    }

    /// Removes all keys but this one; nothing happens if it is not installed.
    pub fn keep(&mut self, key: &Key) {
        if let Some(at) = self.position(key) {
            self.keys = vec![self.keys.swap_remove(at)];
        }
    }

    /// The installed keys, the primary one first.
    pub fn keys(&self) -> &[Key] {
        &self.keys
    }

    /// The key that encrypts.
    pub fn primary(&self) -> Option<&Key> {
        self.keys.first()
    }

    /// True without any key: nothing is encrypted.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    fn position(&self, key: &Key) -> Option<usize> {
        self.keys.iter().position(|installed| installed == key)
    }
}

/// A change of keys that cannot be. The ring is as it was.
#[non_exhaustive]
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyringError {
    /// No AES key has this many bytes.
    #[error("key is {0} bytes, must be 16, 24 or 32")]
    KeySize(usize),
    /// Keys were given and none of them as the primary.
    #[error("keys are given without a primary key")]
    NoPrimary,
    /// Only an installed key can be used; the ring holds this many others.
    #[error("key is not among the {0} installed keys")]
    NotInstalled(usize),
    /// The primary key cannot be removed: use another one first.
    #[error("the primary key cannot be removed, another one must be used first")]
    RemovesPrimary,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(byte: u8) -> Key {
        Key::new(&[byte; 16]).unwrap()
    }

    fn ring(keys: &[u8]) -> Keyring {
        Keyring::new(keys.iter().map(|&byte| key(byte)), keys.first().map(|&byte| key(byte))).unwrap()
    }

    #[test]
    fn only_the_three_aes_sizes_are_keys() {
        for size in [16, 24, 32] {
            assert_eq!(Key::new(&vec![7; size]).unwrap().as_bytes().len(), size);
        }
        assert_eq!(Key::new(&[7; 20]).unwrap_err().to_string(), "key is 20 bytes, must be 16, 24 or 32");
    }

    #[test]
    fn a_key_never_shows_its_bytes() {
        assert_eq!(format!("{:?}", key(7)), "Key(16 bytes)");
    }

    #[test]
    fn the_primary_comes_first_and_duplicates_once() {
        let ring = Keyring::new([key(1), key(2), key(1)], Some(key(2))).unwrap();

        assert_eq!(ring.keys(), [key(2), key(1)]);
        assert_eq!(ring.primary(), Some(&key(2)));
    }

    #[test]
    fn keys_without_a_primary_are_refused() {
        assert_eq!(Keyring::new([key(1)], None), Err(KeyringError::NoPrimary));
        assert!(Keyring::new([], None).unwrap().is_empty());
    }

    #[test]
    fn a_used_key_moves_to_the_front_and_the_others_keep_their_order() {
        let mut ring = ring(&[1, 2, 3]);

        ring.use_key(&key(3)).unwrap();

        assert_eq!(ring.keys(), [key(3), key(1), key(2)]);
        assert_eq!(ring.use_key(&key(9)), Err(KeyringError::NotInstalled(3)));
    }

    #[test]
    fn all_but_the_primary_key_can_be_removed() {
        let mut ring = ring(&[1, 2]);

        assert_eq!(ring.remove(&key(1)), Err(KeyringError::RemovesPrimary));
        ring.remove(&key(2)).unwrap();
        ring.remove(&key(9)).unwrap();

        assert_eq!(ring.keys(), [key(1)]);
        assert_eq!(Keyring::default().remove(&key(1)), Ok(()));
    }
}
