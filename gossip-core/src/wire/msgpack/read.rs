//! The tolerant reader: accepts what Go's current codec accepts (wire document 2.2).
//!
//! Fields come in any order, unknown ones are skipped, nil is every field's zero value;
//! strings may be raw, str, bin or arrays of small integers; integers may have any width
//! and sign that fits. A record may also be an array of its fields in declaration order.

use std::borrow::Cow;

use super::scan::{Progress, Scan};
use super::{Token, token};
use crate::wire::error::Refused;
use crate::wire::message::{Blob, Text};

/// Reads values off the front of a slice.
pub(in crate::wire) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    /// A reader of `bytes`.
    pub(in crate::wire) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// Reads a record: calls `field` with the key of each field, in the order in which they come.
    ///
    /// `field` must read or [`skip`](Self::skip) the value. `declared` names the fields of the array form.
    pub(in crate::wire) fn record(
        &mut self,
        declared: &[&str],
        mut field: impl FnMut(&[u8], &mut Self) -> Result<(), Refused>,
    ) -> Result<(), Refused> {
        match self.token()? {
            Token::Nil => {}
            Token::Map(count) => {
                for _ in 0..count {
                    let key = self.bytes()?;
                    field(&key, self)?;
                }
            }
            Token::Array(count) => {
                let mut keys = declared.iter();
                for _ in 0..count {
                    match keys.next() {
                        Some(key) => field(key.as_bytes(), self)?,
                        None => self.skip()?,
                    }
                }
            }
            Token::Int(_) | Token::Bytes(_) | Token::Opaque(_) => return Err(Refused::RecordForm),
        }
        Ok(())
    }

    /// What has not been read.
    pub(in crate::wire) fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// An unsigned field of any width.
    pub(in crate::wire) fn unsigned<T: TryFrom<i128> + Default>(&mut self) -> Result<T, Refused> {
        match self.token()? {
            Token::Nil => Ok(T::default()),
            Token::Int(value) => T::try_from(value).map_err(|_| Refused::RecordRange),
            _ => Err(Refused::RecordForm),
        }
    }

    /// A Go `int`; what only fits unsigned wraps, as in Go.
    pub(in crate::wire) fn int(&mut self) -> Result<i64, Refused> {
        match self.token()? {
            Token::Nil => Ok(0),
            Token::Int(value) => Ok(value as i64),
            _ => Err(Refused::RecordForm),
        }
    }

    /// A bool, also from the one-byte integers 0 and 1.
    pub(in crate::wire) fn boolean(&mut self) -> Result<bool, Refused> {
        let (&first, rest) = self.rest.split_first().ok_or(Refused::RecordTruncated)?;
        self.rest = rest;
        match first {
            0xc0 | 0xc2 | 0x00 => Ok(false),
            0xc3 | 0x01 => Ok(true),
            _ => Err(Refused::RecordForm),
        }
    }

    /// A string.
    pub(in crate::wire) fn text(&mut self) -> Result<Text<'a>, Refused> {
        Ok(self.blob()?.unwrap_or_default())
    }

    /// Bytes, or nil.
    pub(in crate::wire) fn blob(&mut self) -> Result<Blob<'a>, Refused> {
        if let Some((0xc0, rest)) = self.rest.split_first() {
            self.rest = rest;
            return Ok(None);
        }
        self.bytes().map(Some)
    }

    /// Walks over a value of any kind.
    pub(in crate::wire) fn skip(&mut self) -> Result<(), Refused> {
        let mut at = 0;
        match Scan::of_field().advance(self.rest, &mut at)? {
            Progress::Needs(_) => Err(Refused::RecordTruncated),
            Progress::Ended => {
                self.rest = self.rest.get(at..).unwrap_or_default();
                Ok(())
            }
        }
    }

    fn token(&mut self) -> Result<Token, Refused> {
        let (token, rest) = token(self.rest)?;
        self.rest = rest;
        Ok(token)
    }

    /// A string or bytes in any form but nil; also a key.
    fn bytes(&mut self) -> Result<Cow<'a, [u8]>, Refused> {
        // Nearly every key and name is short.
        if let Some((head @ 0xa0..=0xbf, rest)) = self.rest.split_first()
            && let Some((bytes, rest)) = rest.split_at_checked(usize::from(head & 0x1f))
        {
            self.rest = rest;
            return Ok(Cow::Borrowed(bytes));
        }
        match self.token()? {
            Token::Bytes(len) => {
                let (bytes, rest) =
                    self.rest.split_at_checked(len as usize).ok_or(Refused::RecordTruncated)?;
                self.rest = rest;
                Ok(Cow::Borrowed(bytes))
            }
            Token::Array(count) => self.elements(count).map(Cow::Owned),
            _ => Err(Refused::RecordForm),
        }
    }

    /// Bytes as an array of integers, in which nil counts as zero.
    fn elements(&mut self, count: u32) -> Result<Vec<u8>, Refused> {
        // An element takes a byte at least, so the claim is worth no more than the input.
        let mut bytes = Vec::with_capacity(self.rest.len().min(count as usize));
        for _ in 0..count {
            bytes.push(self.unsigned()?);
        }
        Ok(bytes)
    }
}
