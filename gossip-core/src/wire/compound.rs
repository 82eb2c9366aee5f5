//! Several messages in one: `07`, how many, the length of each, then the messages.

use super::error::Refused;
use super::limits::{COMPOUND_PART_MAX, COMPOUND_PARTS_MAX};
use super::message::MessageType;

/// Appends as many of the first `parts` as one message can carry, and returns how many that were.
///
/// One part alone stands bare, without a compound around it. At most 255 parts fit, each
/// of 1 to 65 535 bytes; a part that fits no compound ends the run before it, and as
/// the first it stands bare too. So at least one part of a non-empty list is taken,
/// and a caller gets rid of a list by calling until nothing is left. Keep to
/// [`COMPOUND_PARTS_SAFE`](super::limits::COMPOUND_PARTS_SAFE) parts where peers may be older than 0.2.4.
pub fn write(parts: &[impl AsRef<[u8]>], out: &mut Vec<u8>) -> usize {
    let fits = |part: &[u8]| (1..=COMPOUND_PART_MAX).contains(&part.len());
    let count = parts.iter().take(COMPOUND_PARTS_MAX).take_while(|part| fits(part.as_ref())).count().max(1);
    match parts.get(..count) {
        None => return 0,
        Some([alone]) => out.extend_from_slice(alone.as_ref()),
        Some(parts) => {
            out.extend_from_slice(&[MessageType::Compound as u8, count as u8]);
            let lengths = out.len();
            out.resize(lengths + 2 * count, 0);
            let (lengths, _) = out.get_mut(lengths..).unwrap_or_default().as_chunks_mut();
            for (length, part) in lengths.iter_mut().zip(parts) {
                *length = (part.as_ref().len() as u16).to_be_bytes();
            }
            for part in parts {
                out.extend_from_slice(part.as_ref());
            }
        }
    }
    count
}

/// Reads the table of a compound; `body` is what follows the type byte.
pub fn parts(body: &[u8]) -> Result<Parts<'_>, Refused> {
    let (&count, rest) = body.split_first().ok_or(Refused::CompoundTruncated)?;
    let (lengths, messages) =
        rest.split_at_checked(2 * usize::from(count)).ok_or(Refused::CompoundTruncated)?;
    Ok(Parts { lengths, messages })
}

/// The parts of a compound, in order.
#[derive(Debug, Clone)]
pub struct Parts<'a> {
    lengths: &'a [u8],
    messages: &'a [u8],
}

impl Parts<'_> {
    /// How many parts have not been taken. Once the iterator has ended: how many were cut off.
    pub fn left(&self) -> usize {
        self.lengths.len() / 2
    }
}

impl<'a> Iterator for Parts<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let (len, lengths) = self.lengths.split_first_chunk()?;
        let (part, messages) = self.messages.split_at_checked(u16::from_be_bytes(*len).into())?;
        (self.lengths, self.messages) = (lengths, messages);
        Some(part)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_part_stands_bare() {
        let mut out = Vec::new();

        assert_eq!(write(&[b"\x08hi"], &mut out), 1);

        assert_eq!(out, b"\x08hi");
    }

    #[test]
    fn a_long_list_is_taken_in_runs() {
        let list = vec![[8, 1]; 600];
        let (mut rest, mut runs) = (&list[..], Vec::new());

        while !rest.is_empty() {
            let taken = write(rest, &mut Vec::new());
            runs.push(taken);
            rest = &rest[taken..];
        }

        assert_eq!(runs, [255, 255, 90]);
    }

    #[test]
    fn a_part_that_fits_no_compound_ends_the_run_and_then_stands_alone() {
        let list = [vec![8], vec![8], vec![8; 65_536], vec![8]];
        let mut out = Vec::new();

        assert_eq!(write(&list, &mut Vec::new()), 2);
        assert_eq!(write(&list[2..], &mut out), 1);
        assert_eq!(out.len(), 65_536);
        assert_eq!(write(&[[0u8; 0]; 0], &mut Vec::new()), 0);
    }

    #[test]
    fn parts_behind_a_cut_are_counted() {
        let mut parts = parts(b"\x03\0\x01\0\x09\0\x01ab").unwrap();

        assert_eq!(parts.by_ref().collect::<Vec<_>>(), [b"a"]);
        assert_eq!(parts.left(), 2);
    }
}
