//! Why bytes were refused: one flat list for datagrams and streams.
//!
//! A refusal leaves no state behind. It is never an error of this program: the owner
//! counts it under [`Refused::reason`] and goes on.

use super::limits;

/// Why a datagram, a part of one, or a stream was refused.
#[non_exhaustive]
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// Nothing left where a message should begin.
    #[error("message has no type byte")]
    Empty,
    /// A type that is unknown, or not allowed in this place.
    #[error("message type {0} is not allowed here")]
    UnknownType(u8),
    /// A label header longer than what follows.
    #[error("label header is cut off")]
    LabelTruncated,
    /// A label header that announces no label.
    #[error("label header announces an empty label")]
    LabelEmpty,
    /// Another label than ours, or none where we have one.
    #[error("label is not ours")]
    LabelMismatch,
    /// A label header although an outer layer must have removed it.
    #[error("label header where an outer layer has already removed one")]
    LabelDouble,
    /// An encrypted stream, and no keys here.
    #[error("stream is encrypted and no key is installed")]
    Encrypted,
    /// A plain stream where keys are installed and required.
    #[error("stream is not encrypted and keys are required")]
    NotEncrypted,
    /// An encryption version above 1.
    #[error("encryption version is {0}, at most 1 is known")]
    EncryptionVersion(u8),
    /// Shorter than the overhead of its encryption version.
    #[error("encrypted payload is {0} bytes, shorter than its overhead")]
    EncryptedTooShort(usize),
    /// An encrypted payload of no bytes at all.
    #[error("encrypted payload is empty")]
    EncryptedEmpty,
    /// No installed key authenticates the payload.
    #[error("no installed key opens the payload")]
    NoKey,
    /// Authenticated, but the version 0 padding is not one.
    #[error("padding is malformed")]
    Padding,
    /// The checksum of a datagram differs from its bytes.
    #[error("checksum is {found:#010x}, the bytes give {computed:#010x}")]
    Checksum {
        /// As it stands in the datagram.
        found: u32,
        /// As the bytes give it.
        computed: u32,
    },
    /// A compression algorithm other than LZW.
    #[error("compression algorithm is {0}, only 0 (lzw) is known")]
    CompressionAlgorithm(u8),
    /// An LZW code that cannot stand where it stands.
    #[error("lzw code is invalid")]
    CompressionCode,
    /// An LZW stream without its end code.
    #[error("lzw data is cut off")]
    CompressionTruncated,
    /// More bytes than the given limit come out of the decompression.
    #[error("decompressed message is larger than {0} bytes")]
    DecompressedTooLarge(usize),
    /// Nothing comes out of the decompression.
    #[error("decompressed message is empty")]
    DecompressedEmpty,
    /// A compound without its count or its table of lengths; all of it is lost.
    #[error("compound header is cut off")]
    CompoundTruncated,
    /// A part of a compound that is longer than what remains, or stands behind such a one.
    #[error("part of a compound is cut off")]
    PartTruncated,
    /// Too many compounds and compressed messages inside each other.
    #[error("messages are nested deeper than {max}", max = limits::NESTING_MAX)]
    Nesting,
    /// A record without its end.
    #[error("record is cut off")]
    RecordTruncated,
    /// A value of the wrong kind, or the reserved byte c1.
    #[error("value in a record is of the wrong kind")]
    RecordForm,
    /// A number that its field cannot hold.
    #[error("number in a record is out of its field's range")]
    RecordRange,
    /// Containers nested beyond what Go reads.
    #[error("record is nested {max} levels deep or deeper", max = limits::RECORD_NESTING)]
    RecordNesting,
    /// A record on a stream that claims more bytes than the given limit.
    #[error("record is longer than {0} bytes")]
    RecordTooLong(usize),
    /// The encrypted unit of a stream claims this many bytes.
    #[error("encrypted unit is {0} bytes, at most {max} are read", max = limits::STREAM_UNIT_MAX)]
    UnitTooLong(u32),
    /// A push/pull announces this many node records.
    #[error("push/pull announces {0} nodes, at most {max} are read", max = limits::NODES_MAX)]
    Nodes(i64),
    /// A push/pull announces this many bytes of application state.
    #[error("push/pull announces {0} bytes of state, at most {max} are read", max = limits::USER_STATE_MAX)]
    UserStateLen(i64),
    /// A user message on a stream announces this many bytes.
    #[error("user message announces {0} bytes, at most {max} are read", max = limits::USER_MESSAGE_MAX)]
    UserMessageLen(i64),
    /// The messages that the node holds have taken the memory there is for them.
    #[error("large messages take more than {max} bytes of memory together", max = limits::STREAMS_HELD_MAX)]
    TooMuchHeld,
    /// The stream ended before its message did.
    #[error("stream ended before its message")]
    EndOfStream,
}

impl Refused {
    /// The reasons, each at its [`index`](Self::index): names for an array of counters.
    pub const REASONS: [&'static str; 33] = [
        "empty",
        "unknown_type",
        "label_truncated",
        "label_empty",
        "label_mismatch",
        "label_double",
        "encrypted",
        "not_encrypted",
        "encryption_version",
        "encrypted_too_short",
        "encrypted_empty",
        "no_key",
        "padding",
        "checksum",
        "compression_algorithm",
        "compression_code",
        "compression_truncated",
        "decompressed_too_large",
        "decompressed_empty",
        "compound_truncated",
        "part_truncated",
        "nesting",
        "record_truncated",
        "record_form",
        "record_range",
        "record_nesting",
        "record_too_long",
        "unit_too_long",
        "nodes",
        "user_state_len",
        "user_message_len",
        "end_of_stream",
        "too_much_held",
    ];

    /// The stable short name of the reason, for counters and logs.
    pub fn reason(self) -> &'static str {
        Self::REASONS.get(self.index()).copied().unwrap_or_default()
    }

    /// The place of this reason in [`REASONS`](Self::REASONS); always below its length.
    pub const fn index(self) -> usize {
        match self {
            Self::Empty => 0,
            Self::UnknownType(_) => 1,
            Self::LabelTruncated => 2,
            Self::LabelEmpty => 3,
            Self::LabelMismatch => 4,
            Self::LabelDouble => 5,
            Self::Encrypted => 6,
            Self::NotEncrypted => 7,
            Self::EncryptionVersion(_) => 8,
            Self::EncryptedTooShort(_) => 9,
            Self::EncryptedEmpty => 10,
            Self::NoKey => 11,
            Self::Padding => 12,
            Self::Checksum { .. } => 13,
            Self::CompressionAlgorithm(_) => 14,
            Self::CompressionCode => 15,
            Self::CompressionTruncated => 16,
            Self::DecompressedTooLarge(_) => 17,
            Self::DecompressedEmpty => 18,
            Self::CompoundTruncated => 19,
            Self::PartTruncated => 20,
            Self::Nesting => 21,
            Self::RecordTruncated => 22,
            Self::RecordForm => 23,
            Self::RecordRange => 24,
            Self::RecordNesting => 25,
            Self::RecordTooLong(_) => 26,
            Self::UnitTooLong(_) => 27,
            Self::Nodes(_) => 28,
            Self::UserStateLen(_) => 29,
            Self::UserMessageLen(_) => 30,
            Self::EndOfStream => 31,
            Self::TooMuchHeld => 32,
        }
    }

    /// Whether the two sides disagree about encryption: about a key, or whether there is one.
    pub fn is_of_encryption(self) -> bool {
        matches!(
            self,
            Self::Encrypted
                | Self::NotEncrypted
                | Self::EncryptionVersion(_)
                | Self::EncryptedTooShort(_)
                | Self::EncryptedEmpty
                | Self::NoKey
                | Self::Padding
        )
    }

    /// The text of the error message that answers a stream refused for its outer layers,
    /// as Go words it; `None` where Go closes in silence (wire document 11.5).
    pub fn reply(self) -> Option<String> {
        Some(match self {
            Self::Empty => "missing message type byte".into(),
            Self::Encrypted => "remote state is encrypted and encryption is not configured".into(),
            Self::NotEncrypted => "encryption is configured but remote state is not encrypted".into(),
            Self::EncryptionVersion(version) => format!("unsupported encryption version {version}"),
            Self::EncryptedTooShort(len) => format!("payload is too small to decrypt: {len}"),
            Self::EncryptedEmpty => "cannot decrypt empty payload".into(),
            Self::NoKey => "no installed keys could decrypt the message".into(),
            Self::UnitTooLong(len) => format!("remote node state is larger than limit ({len})"),
            Self::CompressionAlgorithm(algo) => format!("cannot decompress unknown algorithm {algo}"),
            Self::CompressionCode => "lzw: invalid code".into(),
            Self::CompressionTruncated => "unexpected EOF".into(),
            Self::DecompressedTooLarge(limit) => {
                format!("decompressed message is larger than limit ({limit})")
            }
            Self::DecompressedEmpty | Self::Padding | Self::RecordForm | Self::TooMuchHeld => {
                self.to_string()
            }
            Self::RecordRange | Self::RecordNesting | Self::RecordTooLong(_) => self.to_string(),
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_reason_has_a_name_of_its_own() {
        let names: BTreeSet<_> = Refused::REASONS.iter().collect();

        assert_eq!(names.len(), Refused::REASONS.len());
        assert_eq!(Refused::Empty.reason(), "empty");
        assert_eq!(Refused::Nesting.reason(), "nesting");
        assert_eq!(Refused::UserMessageLen(-1).reason(), "user_message_len");
        assert_eq!(Refused::EndOfStream.reason(), "end_of_stream");
        assert_eq!(Refused::TooMuchHeld.reason(), "too_much_held");
        assert_eq!(Refused::TooMuchHeld.index(), Refused::REASONS.len() - 1);
    }

    #[test]
    fn texts_name_value_and_limit() {
        assert_eq!(
            Refused::UnitTooLong(20_971_521).to_string(),
            "encrypted unit is 20971521 bytes, at most 20971520 are read"
        );
        assert_eq!(
            Refused::UnitTooLong(20_971_521).reply().as_deref(),
            Some("remote node state is larger than limit (20971521)")
        );
    }
}
