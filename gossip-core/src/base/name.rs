//! Node names: arbitrary bytes on the wire, shown as text.
//!
//! Go's strings are bytes, so names need not be UTF-8. Equality and order are of the
//! bytes; `Display` replaces what is not text. A name compares with a string as its bytes do.

use std::borrow::Borrow;
use std::fmt;
use std::sync::Arc;

/// The name of a node, unique in its pool. Cheap to clone.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeName(Arc<[u8]>);

impl NodeName {
    /// The bytes of the name, as they stand on the wire.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// True for the empty name, which on the wire means "anyone".
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl From<&[u8]> for NodeName {
    fn from(bytes: &[u8]) -> Self {
        Self(bytes.into())
    }
}

impl From<&str> for NodeName {
    fn from(text: &str) -> Self {
        Self(text.as_bytes().into())
    }
}

impl Borrow<[u8]> for NodeName {
    fn borrow(&self) -> &[u8] {
        &self.0
    }
}

impl PartialEq<str> for NodeName {
    fn eq(&self, text: &str) -> bool {
        self.as_bytes() == text.as_bytes()
    }
}

impl PartialEq<&str> for NodeName {
    fn eq(&self, text: &&str) -> bool {
        self == *text
    }
}

impl fmt::Display for NodeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&String::from_utf8_lossy(&self.0))
    }
}

impl fmt::Debug for NodeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", String::from_utf8_lossy(&self.0))
    }
}
