//! Every limit of the protocol. Wire document section 13 unless said otherwise.

/// The lowest protocol version that is understood, and that may be spoken.
pub const PROTOCOL_VERSION_MIN: u8 = 1;

/// The highest.
pub const PROTOCOL_VERSION_MAX: u8 = 5;

/// Longest label, in bytes. Go: `LabelMaxSize`.
pub const LABEL_MAX: usize = 255;

/// Longest metadata a node may give itself, in bytes. Go: `MetaMaxSize`.
pub const META_MAX: usize = 512;

/// Largest datagram that is read. Go reads into `udpPacketBufSize` = 65 536 bytes.
pub const DATAGRAM_MAX: usize = 65_535;

/// Most parts of a compound that releases before 0.2.4 read correctly: they compute the
/// size of the length table in 8 bits.
pub const COMPOUND_PARTS_SAFE: usize = 127;

/// Most parts of a compound: the count is one byte. Go: `math.MaxUint8` in `makeCompoundMessages`.
pub const COMPOUND_PARTS_MAX: usize = 255;

/// Longest part of a compound: its length is two bytes.
pub const COMPOUND_PART_MAX: usize = 65_535;

/// Bytes a compound costs before its first part. Go: `compoundHeaderOverhead`.
pub const COMPOUND_OVERHEAD: usize = 2;

/// Bytes a compound costs for each part. Go: `compoundOverhead`.
pub const COMPOUND_PART_OVERHEAD: usize = 2;

/// Bytes a checksum costs.
pub const CHECKSUM_OVERHEAD: usize = 5;

/// Most node records in a push/pull. Go: `maxPushPullNodes` (0.6.0).
pub const NODES_MAX: usize = 1_048_576;

/// Most bytes of application state in a push/pull. Go: `maxPushStateBytes` (0.6.0).
pub const USER_STATE_MAX: usize = 20_971_520;

/// Longest user message on a stream (0.6.0+).
pub const USER_MESSAGE_MAX: usize = 20_971_520;

/// Largest encrypted unit on a stream. Go: `maxPushStateBytes`.
pub const STREAM_UNIT_MAX: usize = 20_971_520;

/// Most bytes that a stream's compressed message may unfold to (0.6.0+).
pub const DECOMPRESSED_MAX: usize = 41_943_040;

/// Most bytes that all compressed messages of one datagram together may unfold to: eight
/// of the largest datagrams. Go allows each the 40 MiB of a stream; a datagram needs no
/// handshake, so it must not buy that much work.
pub const DATAGRAM_DECOMPRESSED_MAX: usize = 8 * 65_536;

/// Longest compress record on a plain stream: LZW at its worst spends 12 bits on a byte.
/// Not in Go.
pub const STREAM_COMPRESSED_MAX: usize = DECOMPRESSED_MAX / 2 * 3 + 65_536;

/// Most bytes that all large messages on the streams of a node may take at a time, while they are read and,
/// if they are states, until they are merged: six of the largest. Not in Go.
pub const STREAMS_HELD_MAX: usize = 268_435_456;

/// Most bytes of node records in a plain push/pull. Not in Go; the same state
/// compressed is bound to [`DECOMPRESSED_MAX`] there too.
pub const NODE_RECORDS_MAX: usize = DECOMPRESSED_MAX;

/// Longest single record on a plain stream: ping, ack, error, headers. Not in Go.
pub const STREAM_RECORD_MAX: usize = 65_536;

/// Levels of compounds and compressed messages inside each other in a datagram. Not in
/// Go, which nests until the stack ends; its sender nests two.
pub const NESTING_MAX: usize = 4;

/// Containers inside each other in a record, the record included, stay below this. Go: the codec's `MaxDepth`.
pub const RECORD_NESTING: usize = 1024;

/// Inbound push/pulls at a time; one more is closed. Go: `maxPushPullRequests` = 128, exclusive.
pub const INBOUND_PUSH_PULLS: usize = 127;
