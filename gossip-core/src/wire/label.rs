//! The label header: `f4`, length, label; in clear, before everything else.
//!
//! A label selects a cluster on a shared address. It is no secret, but where packets are
//! encrypted it is authenticated with them.

use super::error::Refused;
use super::limits::LABEL_MAX;
use super::message::MessageType;

/// Appends the header of `label`; nothing for the empty label.
///
/// Labels are at most 255 bytes: longer ones are refused by the configuration, and cut here.
pub fn write_header(label: &[u8], out: &mut Vec<u8>) {
    if label.is_empty() {
        return;
    }
    let label = label.get(..LABEL_MAX).unwrap_or(label);
    out.extend_from_slice(&[MessageType::HasLabel as u8, label.len() as u8]);
    out.extend_from_slice(label);
}

/// The label at the front of some bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Front<'a> {
    /// There is a header with this label, or none and the label is empty; the rest follows.
    Label(&'a [u8], &'a [u8]),
    /// The header is not complete.
    Incomplete,
}

/// Looks at the front of `bytes`.
pub fn front(bytes: &[u8]) -> Result<Front<'_>, Refused> {
    match bytes {
        [first, rest @ ..] if *first == MessageType::HasLabel as u8 => match rest.split_first() {
            None => Ok(Front::Incomplete),
            Some((0, _)) => Err(Refused::LabelEmpty),
            Some((&len, rest)) => Ok(match rest.split_at_checked(len.into()) {
                Some((label, rest)) => Front::Label(label, rest),
                None => Front::Incomplete,
            }),
        },
        _ => Ok(Front::Label(&[], bytes)),
    }
}

/// Judges a received label, empty if there was none, by ours.
///
/// With `skip_check` an outer layer has removed and judged the header, so another one is one too many.
pub fn check(received: &[u8], ours: &[u8], skip_check: bool) -> Result<(), Refused> {
    match skip_check {
        true if received.is_empty() => Ok(()),
        true => Err(Refused::LabelDouble),
        false if received == ours => Ok(()),
        false => Err(Refused::LabelMismatch),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_found_at_the_front() {
        let mut out = Vec::new();

        write_header(b"dc1", &mut out);
        out.push(8);

        assert_eq!(out, b"\xf4\x03dc1\x08");
        assert_eq!(front(&out), Ok(Front::Label(b"dc1", b"\x08")));
        assert_eq!(front(b"\x08hi"), Ok(Front::Label(b"", b"\x08hi")));
    }

    #[test]
    fn every_cut_leaves_an_incomplete_header() {
        for end in 1..5 {
            assert_eq!(front(&b"\xf4\x03dc1"[..end]), Ok(Front::Incomplete), "{end}");
        }
        assert_eq!(front(b"\xf4\0"), Err(Refused::LabelEmpty));
    }

    #[test]
    fn labels_must_match_unless_an_outer_layer_has_checked() {
        assert_eq!(check(b"dc1", b"dc1", false), Ok(()));
        assert_eq!(check(b"", b"dc1", false), Err(Refused::LabelMismatch));
        assert_eq!(check(b"", b"dc1", true), Ok(()));
        assert_eq!(check(b"dc1", b"dc1", true), Err(Refused::LabelDouble));
    }
}
