//! What a listener is known by, here and in everything that counts or prints it.

use std::fmt;

use bytes::Bytes;

use crate::base::ids::ListenerId;

/// Longest prefix of a listener, in bytes.
pub const MAX_PREFIX: usize = 64;

/// The name of a listener: which connections it takes. A port has one listener of each
/// name at most.
///
/// Written as `native`, `id 0x0102` or `prefix SSH-`; what is no printable ASCII in a
/// prefix is escaped as in Rust's own texts: `prefix \x16\x03`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ListenerName {
    /// Those that are for nobody else, silent ones included.
    Native,
    /// Those that begin with the two bytes of this id, which are taken off.
    Id(ListenerId),
    /// Those that begin with these bytes, 1 to 64, all of which stay. If several prefixes
    /// fit, the longest counts.
    Prefix(Bytes),
}

impl ListenerName {
    /// The bytes that all its connections begin with; none for the native listener.
    pub fn opening(&self) -> Bytes {
        match self {
            Self::Native => Bytes::new(),
            Self::Id(id) => Bytes::copy_from_slice(&id.prefix()),
            Self::Prefix(prefix) => prefix.clone(),
        }
    }
}

impl fmt::Display for ListenerName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Native => f.write_str("native"),
            Self::Id(id) => write!(f, "id {id}"),
            Self::Prefix(prefix) => write!(f, "prefix {}", prefix.escape_ascii()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_printed_in_one_line_of_ascii() {
        let id = ListenerId::new(0x0102).unwrap();
        let cases = [
            (ListenerName::Native, "native"),
            (ListenerName::Id(id), "id 0x0102"),
            (ListenerName::Prefix(Bytes::from_static(b"SSH-")), "prefix SSH-"),
            (ListenerName::Prefix(Bytes::from_static(b"\x16\x03\n")), r"prefix \x16\x03\n"),
        ];

        for (name, text) in cases {
            assert_eq!(name.to_string(), text);
        }
    }
}
