//! The label header: `f4`, length, label; in clear, before everything else.
//!
//! A label selects a cluster on a shared address. It is no secret, but where packets are
//! encrypted it is authenticated with them.

use super::error::Refused;
use super::limits::LABEL_MAX;
use super::message::MessageType;
use super::onion::Wire;

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

/// Which of a pool's labels something came under.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Under {
    /// The label under which the pool speaks.
    Own,
    /// The other one that it accepts, while its cluster moves from one to the other.
    Other,
}

/// Judges a received label, empty if there was none, by those of a pool.
///
/// Where an outer layer has removed and judged the header, another one is one too many.
pub fn check(received: &[u8], wire: &Wire) -> Result<Under, Refused> {
    if wire.skip_inbound_label_check {
        return if received.is_empty() { Ok(Under::Own) } else { Err(Refused::LabelDouble) };
    }
    match &wire.other_label {
        _ if received == wire.label => Ok(Under::Own),
        Some(other) if received == other => Ok(Under::Other),
        _ => Err(Refused::LabelMismatch),
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
        let mut wire = Wire { label: "dc1".into(), ..Wire::plain() };
        assert_eq!(check(b"dc1", &wire), Ok(Under::Own));
        assert_eq!(check(b"", &wire), Err(Refused::LabelMismatch));

        wire.skip_inbound_label_check = true;
        assert_eq!(check(b"", &wire), Ok(Under::Own));
        assert_eq!(check(b"dc1", &wire), Err(Refused::LabelDouble));
    }

    #[test]
    fn another_label_is_accepted_while_the_cluster_moves() {
        let mut wire = Wire { label: "dc1".into(), other_label: Some("".into()), ..Wire::plain() };
        assert_eq!(check(b"", &wire), Ok(Under::Other));
        assert_eq!(check(b"dc1", &wire), Ok(Under::Own));
        assert_eq!(check(b"dc2", &wire), Err(Refused::LabelMismatch));

        wire.other_label = Some("dc2".into());
        assert_eq!(check(b"dc2", &wire), Ok(Under::Other));
        assert_eq!(check(b"", &wire), Err(Refused::LabelMismatch));
    }
}
