//! Do these bytes begin like something a memberlist node sends without a prefix?
//!
//! Only the bare pool asks. It takes what its first bytes allow and leaves the rest to
//! the application, so the question is put as narrowly as the format permits: after most
//! message types stands a msgpack map (wire document 1), and an encrypted datagram has a
//! minimum length (8.1).

use super::foreign;
use super::prefix::LABEL;

/// Overhead of the smallest encrypted datagram: version, nonce, tag (Go: `encryptOverhead`).
const MIN_ENCRYPTED: usize = 29;

/// Whether a connection that begins with `seen` may be a request to a memberlist node. Two
/// bytes tell; one alone is taken for what it may become.
pub fn is_stream(seen: &[u8]) -> bool {
    let Some((&first, rest)) = seen.split_first() else {
        return false;
    };
    let second = rest.first().copied();
    match first {
        // ping, push/pull, user, compress
        0 | 6 | 8 | 9 => second.is_none_or(is_map),
        // encrypt: a length of at most 20 MiB follows, so its first byte is 0 or 1
        10 => second.is_none_or(|second| second <= 1),
        LABEL => second.is_none_or(|second| second > 0),
        _ => false,
    }
}

/// Whether `datagram` may be a memberlist packet.
pub fn is_datagram(datagram: &[u8]) -> bool {
    let &[first, second, ..] = datagram else {
        return false;
    };
    if foreign::is_stun(datagram) || foreign::is_wireguard(datagram) || foreign::is_quic(datagram) {
        return false;
    }
    match first {
        // ping and indirect ping, or encryption version 0 or 1
        0 | 1 => is_map(second) || datagram.len() >= MIN_ENCRYPTED,
        // ack, suspect, alive, dead, compress, nack
        2..=5 | 9 | 11 => is_map(second),
        // compound, user, has-CRC
        7 | 8 | 12 => true,
        LABEL => second > 0,
        _ => false,
    }
}

/// fixmap, map16 or map32.
fn is_map(byte: u8) -> bool {
    matches!(byte, 0x80..=0x8F | 0xDE | 0xDF)
}
