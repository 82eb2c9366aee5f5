//! The bodies of the fuzz targets: whatever the bytes are, these return.
//!
//! Kept in the library so that ordinary tests run them too; not part of the interface.
#![doc(hidden)]

use std::sync::Arc;

use super::error::Refused;
use super::keyring::{Key, Keyring};
use super::message::Message;
use super::onion::Wire;
use super::stream::FrameReader;
use super::{compress, decode, encode, limits, lzw, packet};

/// Any bytes as a datagram; what decodes must survive being encoded.
pub fn datagram(bytes: &[u8]) {
    let mut each = |message: Result<Message<'_>, Refused>| {
        if let Ok(message) = message {
            let mut again = Vec::new();
            encode::encode(&message, &mut again);
            debug_assert!(decode::decode(&again).is_ok(), "encoded messages decode: {message:?}");
        }
    };
    for wire in [Wire::plain(), encrypted()] {
        let _refused =
            packet::open(&wire, &mut packet::Scratch::default(), &mut bytes.to_vec(), &mut each).is_err();
    }
}

/// Any bytes as a stream that comes in pieces of `piece` bytes, as a request and as a response.
pub fn stream(bytes: &[u8], piece: usize) {
    for wire in [Wire::plain(), encrypted()].map(Arc::new) {
        for mut reader in [FrameReader::request(wire.clone()), FrameReader::response(wire)] {
            for chunk in bytes.chunks(piece.max(1)) {
                let _work = reader.unwraps(chunk);
                match reader.push(chunk) {
                    Ok(None) => {}
                    Ok(Some(_)) => reader.next(),
                    Err(_) => break,
                }
            }
        }
    }
}

/// Any bytes as an LZW stream, which is as long as it is measured to be.
pub fn lzw(bytes: &[u8]) {
    let mut out = Vec::new();
    let limit = limits::DATAGRAM_DECOMPRESSED_MAX;
    let measured = lzw::unfolded_len(bytes);
    debug_assert!(measured <= lzw::unfolded_max(bytes.len()));
    match compress::Coder::default().decompress(bytes, limit, &mut out) {
        Ok(()) => debug_assert!(out.len() <= limit && out.len() == measured),
        Err(Refused::DecompressedTooLarge(_)) => debug_assert!(measured > limit),
        Err(_) => {}
    }
}

/// A pool with a key, for which plain text passes too.
fn encrypted() -> Wire {
    let key = Key::new(&[7; 16]).ok();
    Wire { keyring: Keyring::new([], key).unwrap_or_default(), verify_incoming: false, ..Wire::plain() }
}
