//! How a pool marks its traffic on the shared port, and how the marks are read.

use bytes::Bytes;

use crate::base::ids::PoolId;

/// First byte of memberlist's own label header (Go: `hasLabelMsg`).
pub const LABEL: u8 = 0xF4;

/// Longest label; its length travels in one byte (Go: `LabelMaxSize`).
pub const MAX_LABEL: usize = 255;

/// By what a pool's traffic is known on the wire.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Framing {
    /// `FE id` comes first. What `euforia/gossip` speaks, and the default.
    #[default]
    Prefix,
    /// memberlist's label header comes first and is part of what the pool reads, 1 to
    /// 255 bytes of label. The way into a cluster of plain memberlist programs that use
    /// a label.
    Label(Bytes),
    /// Nothing comes first. The way into a cluster of plain memberlist programs without
    /// a label; one pool of a node at most.
    Bare,
}

impl Framing {
    /// The framing of a pool without a prefix that speaks under `label`, empty for none.
    pub fn of_label(label: Bytes) -> Self {
        if label.is_empty() { Self::Bare } else { Self::Label(label) }
    }

    /// The bytes the pool `id` sends before each datagram and at the start of each
    /// connection it opens. Empty for label pools too: their header belongs to the
    /// message format, which also authenticates it.
    pub fn announcement(&self, id: PoolId) -> Option<[u8; 2]> {
        match self {
            Self::Prefix => Some(id.prefix()),
            Self::Label(_) | Self::Bare => None,
        }
    }
}

/// What stands where a label header may stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LabelHeader<'a> {
    /// The bytes begin otherwise, or announce an empty label, which memberlist refuses.
    Absent,
    /// A header that announces `len` bytes of label, of which `seen` are here.
    Partial {
        /// The beginning of the label.
        seen: &'a [u8],
        /// Its announced length.
        len: usize,
    },
    /// A complete header.
    Complete(&'a [u8]),
}

impl<'a> LabelHeader<'a> {
    /// Reads the header at the start of `bytes`.
    pub fn read(bytes: &'a [u8]) -> Self {
        let [LABEL, len, seen @ ..] = bytes else {
            return Self::Absent;
        };
        let len = usize::from(*len);
        if len == 0 {
            return Self::Absent;
        }
        match seen.get(..len) {
            Some(label) => Self::Complete(label),
            None => Self::Partial { seen, len },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_prefix_pools_announce_themselves() {
        assert_eq!(Framing::default().announcement(PoolId(9)), Some([0xFE, 9]));
        assert_eq!(Framing::Label(Bytes::from_static(b"dc1")).announcement(PoolId(9)), None);
        assert_eq!(Framing::Bare.announcement(PoolId(9)), None);
    }

    #[test]
    fn a_label_header_is_read_as_far_as_it_has_come() {
        let cases: [(&[u8], LabelHeader<'_>); 7] = [
            (b"", LabelHeader::Absent),
            (b"\xF4", LabelHeader::Absent),
            (b"\xF4\x00rest", LabelHeader::Absent),
            (b"\xF3\x03dc1", LabelHeader::Absent),
            (b"\xF4\x03", LabelHeader::Partial { seen: b"", len: 3 }),
            (b"\xF4\x03dc", LabelHeader::Partial { seen: b"dc", len: 3 }),
            (b"\xF4\x03dc1rest", LabelHeader::Complete(b"dc1")),
        ];

        for (bytes, header) in cases {
            assert_eq!(LabelHeader::read(bytes), header, "{bytes:02x?}");
        }
    }
}
