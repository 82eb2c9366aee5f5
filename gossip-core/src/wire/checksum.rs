//! The checksum layer of a datagram: `0c`, the CRC-32 (IEEE) of what follows, big-endian.

use super::error::Refused;
use super::message::MessageType;

/// Appends the header that covers `message`, which the caller appends next.
pub fn write_header(message: &[u8], out: &mut Vec<u8>) {
    out.push(MessageType::HasCrc as u8);
    out.extend_from_slice(&crc32fast::hash(message).to_be_bytes());
}

/// Removes and verifies the checksum, if there is one.
///
/// Fewer than five bytes are no checksum but a message of unknown type. Go: `ingestPacket`.
pub fn strip(datagram: &[u8]) -> Result<&[u8], Refused> {
    match datagram.split_first_chunk() {
        Some((&[first, a, b, c, d], message)) if first == MessageType::HasCrc as u8 => {
            let (found, computed) = (u32::from_be_bytes([a, b, c, d]), crc32fast::hash(message));
            if found != computed {
                return Err(Refused::Checksum { found, computed });
            }
            Ok(message)
        }
        _ => Ok(datagram),
    }
}
