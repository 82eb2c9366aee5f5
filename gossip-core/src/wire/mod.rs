//! Bytes to typed messages and back.
#![allow(unused_variables, clippy::unimplemented, missing_docs)]

pub mod message;
pub mod limits {
    pub const LABEL_MAX: usize = 255;
    pub const META_MAX: usize = 512;
}
pub mod keyring {
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct Key(Vec<u8>);
    impl Key {
        pub fn new(bytes: &[u8]) -> Result<Self, KeyringError> {
            Ok(Self(bytes.to_vec()))
        }
        pub fn as_bytes(&self) -> &[u8] {
            &self.0
        }
    }
    #[derive(Debug, Clone, Default, PartialEq, Eq)]
    pub struct Keyring(Vec<Key>);
    impl Keyring {
        /// Primary first.
        pub fn new(keys: Vec<Key>, primary: Option<Key>) -> Result<Self, KeyringError> {
            Ok(Self(keys))
        }
        pub fn keys(&self) -> &[Key] {
            &self.0
        }
        pub fn is_empty(&self) -> bool {
            self.0.is_empty()
        }
    }
    #[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
    #[non_exhaustive]
    pub enum KeyringError {
        #[error("key is {0} bytes, must be 16, 24 or 32")]
        Size(usize),
    }
}
pub mod nonce {
    #[derive(Debug)]
    pub struct Nonces {}
    impl Nonces {
        pub fn from_os(fill: fn(&mut [u8])) -> Self {
            Self {}
        }
        pub fn seeded(seed: u64) -> Self {
            Self {}
        }
    }
}
pub mod onion {
    #[derive(Debug)]
    pub struct Wire {
        pub prefix: Option<[u8; 2]>,
    }
}
pub mod push_pull {
    use bytes::Bytes;
    #[derive(Debug, Clone, Default)]
    pub struct LocalState {
        pub nodes: u32,
        pub records: Bytes,
        pub user_state: Bytes,
    }
    #[derive(Debug, Clone)]
    pub struct RemoteState {
        pub join: bool,
        pub user_state: Bytes,
    }
}
