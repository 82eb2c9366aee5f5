//! Node names: arbitrary bytes on the wire, shown as text.
//!
//! Go's strings are bytes, so names need not be UTF-8. Equality and order are of the
//! bytes; `Display` replaces what is not text. A name compares with a string as its bytes do.

use std::borrow::Borrow;
use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

/// The name of a node, unique in its pool. Cheap to clone.
#[derive(Clone)]
pub struct NodeName(Form);

/// What fits between the tag and the end of three words needs no memory of its own: that is
/// what most hosts are called.
const SHORT_MAX: usize = 22;

#[derive(Clone)]
enum Form {
    Short { len: u8, bytes: [u8; SHORT_MAX] },
    Long(Arc<[u8]>),
}

impl NodeName {
    /// The bytes of the name, as they stand on the wire.
    pub fn as_bytes(&self) -> &[u8] {
        match &self.0 {
            Form::Short { len, bytes } => bytes.get(..usize::from(*len)).unwrap_or_default(),
            Form::Long(bytes) => bytes,
        }
    }

    /// True for the empty name, which on the wire means "anyone".
    pub fn is_empty(&self) -> bool {
        self.as_bytes().is_empty()
    }
}

impl From<&[u8]> for NodeName {
    fn from(name: &[u8]) -> Self {
        let mut bytes = [0; SHORT_MAX];
        Self(match bytes.get_mut(..name.len()) {
            Some(front) => {
                front.copy_from_slice(name);
                Form::Short { len: name.len() as u8, bytes }
            }
            None => Form::Long(name.into()),
        })
    }
}

impl From<&str> for NodeName {
    fn from(text: &str) -> Self {
        text.as_bytes().into()
    }
}

impl Borrow<[u8]> for NodeName {
    fn borrow(&self) -> &[u8] {
        self.as_bytes()
    }
}

impl PartialEq for NodeName {
    fn eq(&self, other: &Self) -> bool {
        self.as_bytes() == other.as_bytes()
    }
}

impl Eq for NodeName {}

impl PartialOrd for NodeName {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for NodeName {
    fn cmp(&self, other: &Self) -> Ordering {
        self.as_bytes().cmp(other.as_bytes())
    }
}

/// As that of the bytes, which [`Borrow`] asks for.
impl Hash for NodeName {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_bytes().hash(state);
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
        f.pad(&String::from_utf8_lossy(self.as_bytes()))
    }
}

impl fmt::Debug for NodeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", String::from_utf8_lossy(self.as_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeSet, HashSet};

    use super::*;

    /// Names of every length around that from which on they take memory.
    fn names() -> impl Iterator<Item = Vec<u8>> {
        (0..=SHORT_MAX + 3).map(|len| vec![b'n'; len])
    }

    #[test]
    fn short_and_long_names_are_their_bytes() {
        for bytes in names() {
            let name = NodeName::from(&*bytes);

            assert_eq!(name.as_bytes(), bytes);
            assert_eq!(name, NodeName::from(name.to_string().as_str()));
            assert_eq!(name.is_empty(), bytes.is_empty());
        }
    }

    #[test]
    fn order_and_hash_are_those_of_the_bytes() {
        let (ordered, hashed): (BTreeSet<_>, HashSet<_>) =
            names().map(|bytes| (NodeName::from(&*bytes), NodeName::from(&*bytes))).unzip();

        assert!(ordered.iter().map(|name| name.as_bytes().to_vec()).eq(names()));
        assert!(names().all(|bytes| hashed.contains(&*bytes)));
    }

    #[test]
    fn a_name_takes_three_words() {
        assert_eq!(size_of::<NodeName>(), 24);
    }
}
