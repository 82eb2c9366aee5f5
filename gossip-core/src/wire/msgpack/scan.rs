//! Finds where a value ends, without recursion and without reading a byte twice.
//!
//! On a stream a record may arrive in pieces: a scan stops at the first incomplete head
//! or payload and goes on there when more has come.

use super::{Token, token};
use crate::wire::error::Refused;
use crate::wire::limits::RECORD_NESTING;

/// How far a scan has come.
pub(in crate::wire) enum Progress {
    /// The value is complete.
    Ended,
    /// No further before there are this many bytes in all.
    Needs(usize),
}

/// Walks over one value.
#[derive(Debug, Default)]
pub(in crate::wire) struct Scan {
    /// How many values each open container still lacks, outermost first.
    open: Vec<u64>,
    /// How many containers stand around the value.
    outside: usize,
}

impl Scan {
    /// A scan of a field's value, one level inside its record.
    pub(super) fn of_field() -> Self {
        Self { open: Vec::new(), outside: 1 }
    }

    /// Walks on from `at`, which afterwards stands behind what was walked over.
    pub(in crate::wire) fn advance(&mut self, bytes: &[u8], at: &mut usize) -> Result<Progress, Refused> {
        loop {
            let rest = bytes.get(*at..).unwrap_or_default();
            let (token, after) = match token(rest) {
                Err(Refused::RecordTruncated) => return Ok(Progress::Needs(bytes.len().saturating_add(1))),
                other => other?,
            };
            let head = rest.len() - after.len();
            let (payload, children) = match token {
                Token::Bytes(len) => (len as usize, 0),
                Token::Opaque(len) => (len, 0),
                Token::Array(count) => (0, u64::from(count)),
                Token::Map(count) => (0, 2 * u64::from(count)),
                Token::Nil | Token::Int(_) => (0, 0),
            };
            if after.len() < payload {
                return Ok(Progress::Needs(at.saturating_add(head).saturating_add(payload)));
            }
            *at += head + payload;
            if matches!(token, Token::Array(_) | Token::Map(_)) {
                self.check_depth()?;
            }
            if children > 0 {
                self.open.push(children);
            } else if self.close() {
                return Ok(Progress::Ended);
            }
        }
    }

    /// Go: the codec's `depthIncr` refuses the container that would reach `MaxDepth`.
    fn check_depth(&self) -> Result<(), Refused> {
        if self.outside + self.open.len() + 1 >= RECORD_NESTING {
            return Err(Refused::RecordNesting);
        }
        Ok(())
    }

    /// Counts a finished value, and with it every container it completes; true if none is open.
    fn close(&mut self) -> bool {
        while let Some(left) = self.open.last_mut() {
            *left -= 1;
            if *left > 0 {
                return false;
            }
            self.open.pop();
        }
        true
    }
}

/// Waits for one record on a stream.
#[derive(Debug)]
pub(in crate::wire) struct RecordScan {
    start: usize,
    at: usize,
    /// No further before there are this many bytes in all.
    needs: usize,
    scan: Scan,
}

impl RecordScan {
    /// A scan of the record that begins at `start`.
    pub(in crate::wire) fn new(start: usize) -> Self {
        Self { start, at: start, needs: start, scan: Scan::default() }
    }

    /// The record, once all of it is in `bytes`. Refused as soon as it claims more than `limit` bytes
    /// or proves to be no record.
    pub(in crate::wire) fn advance<'a>(
        &mut self,
        bytes: &'a [u8],
        limit: usize,
    ) -> Result<Option<&'a [u8]>, Refused> {
        if self.is_fresh() && !bytes.get(self.start).is_none_or(|&head| begins_record(head)) {
            return Err(Refused::RecordForm);
        }
        let progress = self.scan.advance(bytes, &mut self.at)?;
        let (end, ended) = match progress {
            Progress::Ended => (self.at, true),
            Progress::Needs(end) => (end, false),
        };
        self.needs = end;
        if end - self.start > limit {
            return Err(Refused::RecordTooLong(limit));
        }
        Ok(bytes.get(self.start..self.at).filter(|_| ended))
    }

    /// Bytes without which nothing more can be found.
    pub(in crate::wire) fn needs(&self) -> usize {
        self.needs
    }

    /// Whether nothing of the record has been walked over.
    pub(in crate::wire) fn is_fresh(&self) -> bool {
        self.at == self.start
    }

    /// Where the record begins.
    pub(in crate::wire) fn start(&self) -> usize {
        self.start
    }

    /// Where the record ends, once it is complete.
    pub(in crate::wire) fn end(&self) -> usize {
        self.at
    }
}

/// A record is a map, an array of its fields, or nil.
fn begins_record(head: u8) -> bool {
    matches!(head, 0x80..=0x9f | 0xc0 | 0xdc..=0xdf)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn end_of(bytes: &[u8]) -> Result<Option<usize>, Refused> {
        let mut at = 0;
        Ok(match Scan::default().advance(bytes, &mut at)? {
            Progress::Ended => Some(at),
            Progress::Needs(_) => None,
        })
    }

    #[test]
    fn a_value_ends_where_its_last_child_ends() {
        assert_eq!(end_of(b"\x82\xa1a\x92\x01\x02\xa1b\x80rest"), Ok(Some(9)));
        assert_eq!(end_of(b"\xd9\x03abcrest"), Ok(Some(5)));
        assert_eq!(end_of(b"\x92\x01"), Ok(None));
    }

    #[test]
    fn nesting_ends_below_the_limit_and_costs_no_stack() {
        let nested = |levels: usize| [vec![0x91; levels], vec![0xc0]].concat();

        assert_eq!(end_of(&nested(RECORD_NESTING - 1)), Ok(Some(RECORD_NESTING)));
        assert_eq!(end_of(&nested(RECORD_NESTING)), Err(Refused::RecordNesting));
    }

    #[test]
    fn a_record_that_comes_byte_by_byte_is_found_once_complete() {
        let bytes = b"\x81\xa4Node\xda\x00\x05abcde!";
        let mut scan = RecordScan::new(0);

        for end in 0..14 {
            assert_eq!(scan.advance(&bytes[..end], 100), Ok(None), "{end}");
        }
        assert_eq!(scan.advance(&bytes[..], 100), Ok(Some(&bytes[..14])));
    }

    #[test]
    fn a_claim_beyond_the_limit_is_refused_before_the_bytes_come() {
        let claim = b"\x81\xa4Node\xdb\xff\xff\xff\xff";

        assert_eq!(RecordScan::new(0).advance(claim, 1000), Err(Refused::RecordTooLong(1000)));
        assert_eq!(RecordScan::new(0).advance(b"\xdb\xff", 1000), Err(Refused::RecordForm));
    }
}
