//! The tolerant reader: accepts what Go's current codec accepts (wire document 2.2).
//!
//! Fields come in any order, unknown ones are skipped, nil is every field's zero value;
//! strings may be raw, str, bin or arrays of small integers; integers may have any width
//! and sign that fits. A record may also be an array of its fields in declaration order.
//!
//! Nearly every value that comes is a small number or is written in one of two forms of strings. These
//! are read right where they are asked for, all others by their token.

use std::borrow::Cow;

use super::scan::{Progress, Scan};
use super::{Token, token};
use crate::wire::error::Refused;
use crate::wire::message::{Blob, Text};

/// Reads values off the front of a slice.
pub(in crate::wire) struct Reader<'a> {
    rest: &'a [u8],
}

/// Takes the key of a field, and its value from the reader.
type Field<'a, 'f> = dyn FnMut(&[u8], &mut Reader<'a>) -> Result<(), Refused> + 'f;

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
        let count = match self.short_map() {
            Some(count) => count,
            None => match self.token()? {
                Token::Nil => 0,
                Token::Map(count) => count,
                Token::Array(count) => return self.fields(count, declared, &mut field),
                Token::Int(_) | Token::Bytes(_) | Token::Opaque(_) => return Err(Refused::RecordForm),
            },
        };
        for _ in 0..count {
            let key = match self.short() {
                Some(key) => Cow::Borrowed(key),
                None => self.bytes()?,
            };
            field(&key, self)?;
        }
        Ok(())
    }

    /// Reads a record in the array form.
    fn fields(&mut self, count: u32, declared: &[&str], field: &mut Field<'a, '_>) -> Result<(), Refused> {
        let mut keys = declared.iter();
        for _ in 0..count {
            match keys.next() {
                Some(key) => field(key.as_bytes(), self)?,
                None => self.skip()?,
            }
        }
        Ok(())
    }

    /// What has not been read.
    pub(in crate::wire) fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// An unsigned field of any width.
    #[inline]
    pub(in crate::wire) fn unsigned<T: TryFrom<i128> + From<u8> + Default>(&mut self) -> Result<T, Refused> {
        if let Some((&small @ 0..=0x7f, rest)) = self.rest.split_first() {
            self.rest = rest;
            return Ok(small.into());
        }
        self.any_unsigned()
    }

    /// An unsigned field in any form.
    fn any_unsigned<T: TryFrom<i128> + Default>(&mut self) -> Result<T, Refused> {
        match self.token()? {
            Token::Nil => Ok(T::default()),
            Token::Int(value) => T::try_from(value).map_err(|_| Refused::RecordRange),
            _ => Err(Refused::RecordForm),
        }
    }

    /// A Go `int`; what only fits unsigned wraps, as in Go.
    #[inline]
    pub(in crate::wire) fn int(&mut self) -> Result<i64, Refused> {
        if let Some((&small @ 0..=0x7f, rest)) = self.rest.split_first() {
            self.rest = rest;
            return Ok(small.into());
        }
        self.any_int()
    }

    /// A Go `int` in any form.
    fn any_int(&mut self) -> Result<i64, Refused> {
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
    #[inline]
    pub(in crate::wire) fn text(&mut self) -> Result<Text<'a>, Refused> {
        match self.short() {
            Some(bytes) => Ok(Cow::Borrowed(bytes)),
            None => Ok(self.any_blob()?.unwrap_or_default()),
        }
    }

    /// Bytes, or nil.
    #[inline]
    pub(in crate::wire) fn blob(&mut self) -> Result<Blob<'a>, Refused> {
        match self.short() {
            Some(bytes) => Ok(Some(Cow::Borrowed(bytes))),
            None => self.any_blob(),
        }
    }

    /// Bytes in any form.
    fn any_blob(&mut self) -> Result<Blob<'a>, Refused> {
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

    /// The number of pairs of a map in the form of fewer than 16.
    #[inline]
    fn short_map(&mut self) -> Option<u32> {
        let (head @ 0x80..=0x8f, rest) = self.rest.split_first()? else { return None };
        self.rest = rest;
        Some((head & 0x0f).into())
    }

    /// A string or bytes in one of the forms of fewer than 65 536 that are written.
    #[inline]
    fn short(&mut self) -> Option<&'a [u8]> {
        let (len, rest) = match self.rest {
            [head @ 0xa0..=0xbf, rest @ ..] => (usize::from(head & 0x1f), rest),
            [0xda, high, low, rest @ ..] => (usize::from(u16::from_be_bytes([*high, *low])), rest),
            _ => return None,
        };
        let (bytes, rest) = rest.split_at_checked(len)?;
        self.rest = rest;
        Some(bytes)
    }

    /// A string or bytes in any form but nil; also a key.
    fn bytes(&mut self) -> Result<Cow<'a, [u8]>, Refused> {
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
