//! The datagram pipeline: [`open`] peels the onion to its messages, [`close`] wraps one message.
//!
//! In the steady state neither allocates: decryption happens in the datagram, coders and
//! buffers live in a [`Scratch`] that the owner keeps.

use std::fmt;

use super::compress::Coder;
use super::error::Refused;
use super::label::Under;
use super::limits::{DATAGRAM_DECOMPRESSED_MAX, NESTING_MAX};
use super::message::{Message, MessageType};
use super::nonce::Nonces;
use super::onion::Wire;
use super::seal::{self, Sealing};
use super::{checksum, compound, decode, label};

/// Coders and buffers of the pipeline, for one datagram at a time.
#[derive(Default)]
pub struct Scratch {
    coder: Coder,
    /// A compressed message on its way out, or a payload as it came.
    spare: Vec<u8>,
    /// The unfolded message of each level of nesting.
    levels: [Vec<u8>; NESTING_MAX],
    was_encrypted: bool,
}

impl Scratch {
    /// Whether the datagram opened last was encrypted.
    pub fn was_encrypted(&self) -> bool {
        self.was_encrypted
    }
}

impl fmt::Debug for Scratch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scratch").finish_non_exhaustive()
    }
}

/// Removes the layers of a datagram and hands on its messages, in their order; says which
/// label it came under.
///
/// `Err` refuses the whole datagram, for one of its outer layers. An `Err` given to
/// `each` refuses one message, and the others go on. The datagram is decrypted in place.
pub fn open(
    wire: &Wire,
    scratch: &mut Scratch,
    datagram: &mut [u8],
    each: &mut dyn FnMut(Result<Message<'_>, Refused>),
) -> Result<Under, Refused> {
    let (under, header_len) = accept_label(wire, datagram)?;
    let payload = datagram.get_mut(header_len..).unwrap_or_default();
    let (message, was_encrypted) = match wire.keyring.is_empty() {
        true => (&*payload, false),
        false => decrypted(wire, wire.label_under(under), payload, &mut scratch.spare)?,
    };
    scratch.was_encrypted = was_encrypted;
    let message = checksum::strip(message)?;
    let mut unfolding = Unfolding { coder: &mut scratch.coder, left: DATAGRAM_DECOMPRESSED_MAX, each };
    unfolding.message(message, &mut scratch.levels);
    Ok(under)
}

/// Appends the datagram of one message or compound: compressed if that is shorter, then checksum if `crc`,
/// encryption, label and prefix.
pub fn close(
    wire: &Wire,
    scratch: &mut Scratch,
    nonces: &mut Nonces,
    plain: &[u8],
    crc: bool,
    out: &mut Vec<u8>,
) {
    let shrunk = wire.compression && scratch.coder.shrink(plain, &mut scratch.spare);
    let message = if shrunk { &scratch.spare } else { plain };
    out.extend_from_slice(wire.prefix.as_ref().map_or(&[], |prefix| prefix));
    label::write_header(&wire.label, out);
    let sealing =
        wire.sealing_key().map(|key| Sealing::begin(key, wire.encryption_version, nonces.next(), out));
    if crc {
        checksum::write_header(message, out);
    }
    out.extend_from_slice(message);
    if let Some(sealing) = sealing {
        sealing.finish(&wire.label, out);
    }
}

/// Judges the label, and returns which it is and the length of its header.
fn accept_label(wire: &Wire, datagram: &[u8]) -> Result<(Under, usize), Refused> {
    let label::Front::Label(received, rest) = label::front(datagram)? else {
        return Err(Refused::LabelTruncated);
    };
    Ok((label::check(received, wire)?, datagram.len() - rest.len()))
}

/// The plain text of a payload, and true; or the payload as it came, if it is not encrypted and
/// need not be.
fn decrypted<'a>(
    wire: &Wire,
    label: &[u8],
    payload: &'a mut [u8],
    spare: &mut Vec<u8>,
) -> Result<(&'a [u8], bool), Refused> {
    match seal::open(&wire.keyring, label, payload, spare) {
        Ok(message) => Ok((payload.get(message).unwrap_or_default(), true)),
        // Somebody with our key wrote what cannot be plain text any more.
        Err(Refused::Padding) => Err(Refused::Padding),
        Err(why) if wire.verify_incoming => Err(why),
        Err(_) => Ok((payload, false)),
    }
}

/// The way from a plain message to the messages inside it.
struct Unfolding<'a> {
    coder: &'a mut Coder,
    /// How many more bytes this datagram may unfold to.
    left: usize,
    each: &'a mut dyn FnMut(Result<Message<'_>, Refused>),
}

impl Unfolding<'_> {
    /// Hands on a message, or what is inside it; `levels` are the buffers of the nesting still allowed.
    fn message(&mut self, message: &[u8], levels: &mut [Vec<u8>]) {
        let nested = match message.split_first() {
            Some((&first, body)) if first == MessageType::Compound as u8 => self.compound(body, levels),
            Some((&first, record)) if first == MessageType::Compress as u8 => self.compressed(record, levels),
            _ => {
                (self.each)(decode::decode(message));
                Ok(())
            }
        };
        if let Err(why) = nested {
            (self.each)(Err(why));
        }
    }

    fn compound(&mut self, body: &[u8], levels: &mut [Vec<u8>]) -> Result<(), Refused> {
        let (_, deeper) = levels.split_first_mut().ok_or(Refused::Nesting)?;
        let mut parts = compound::parts(body)?;
        for part in parts.by_ref() {
            self.message(part, deeper);
        }
        for _ in 0..parts.left() {
            (self.each)(Err(Refused::PartTruncated));
        }
        Ok(())
    }

    fn compressed(&mut self, record: &[u8], levels: &mut [Vec<u8>]) -> Result<(), Refused> {
        let (unfolded, deeper) = levels.split_first_mut().ok_or(Refused::Nesting)?;
        if let Err(why) = self.coder.unpack(record, self.left, unfolded) {
            // What could not be unfolded has cost as much as what could.
            if matches!(why, Refused::DecompressedTooLarge(_)) {
                self.left = 0;
            }
            return Err(why);
        }
        self.left -= unfolded.len();
        self.message(unfolded, deeper);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn opened(datagram: &[u8]) -> Vec<Result<Vec<u8>, Refused>> {
        let mut messages = Vec::new();
        let mut each = |message: Result<Message<'_>, Refused>| {
            messages.push(message.map(|message| match message {
                Message::User(payload) => payload.to_vec(),
                other => panic!("only user messages here, not {other:?}"),
            }));
        };
        open(&Wire::plain(), &mut Scratch::default(), &mut datagram.to_vec(), &mut each).unwrap();
        messages
    }

    fn packed(message: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        Coder::default().pack(message, &mut out);
        out
    }

    #[test]
    fn nesting_ends_at_its_limit() {
        let mut datagram = b"\x08hi".to_vec();

        for _ in 0..NESTING_MAX {
            datagram = packed(&datagram);
        }

        assert_eq!(opened(&datagram), [Ok(b"hi".to_vec())]);
        assert_eq!(opened(&packed(&datagram)), [Err(Refused::Nesting)]);
    }

    #[test]
    fn one_datagram_buys_a_bounded_amount_of_decompression() {
        let bomb = packed(&vec![8; DATAGRAM_DECOMPRESSED_MAX / 2 + 1]);
        let mut datagram = Vec::new();
        compound::write(&[&bomb, &bomb, &b"\x08hi".to_vec()], &mut datagram);

        let messages = opened(&datagram);

        let left = DATAGRAM_DECOMPRESSED_MAX / 2 - 1;
        assert!(messages[0].is_ok());
        assert_eq!(messages[1..], [Err(Refused::DecompressedTooLarge(left)), Ok(b"hi".to_vec())]);
    }

    #[test]
    fn each_part_that_is_cut_off_is_refused_by_itself() {
        let messages = opened(b"\x07\x03\0\x02\0\x09\0\x01\x08a\x08");

        assert_eq!(messages, [Ok(b"a".to_vec()), Err(Refused::PartTruncated), Err(Refused::PartTruncated)]);
    }

    #[test]
    fn a_closed_datagram_starts_with_the_prefix() {
        let wire = Wire { prefix: Some([0xFE, 7]), label: b"dc1".as_slice().into(), ..Wire::plain() };
        let mut out = Vec::new();

        close(&wire, &mut Scratch::default(), &mut Nonces::seeded(1), b"\x08hi", false, &mut out);

        assert_eq!(out, b"\xfe\x07\xf4\x03dc1\x08hi");
    }
}
