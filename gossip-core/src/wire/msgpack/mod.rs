//! The msgpack dialect of go-msgpack, as memberlist configures it.
//!
//! Written: maps with sorted keys, the old raw family for strings and bytes alike, signed
//! forms for Go's `int`. Read: everything that Go's current codec reads (wire
//! document 2). A value is first a [`Token`]; [`scan`] finds where a value ends
//! without recursion, so nesting costs no stack.

pub(super) mod read;
pub(super) mod scan;
pub(super) mod write;

use super::error::Refused;

/// The head of a value: all of a scalar, or what follows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Token {
    /// Nothing; the zero value of any field.
    Nil,
    /// An integer in any of its forms.
    Int(i128),
    /// A string or bytes of this many bytes.
    Bytes(u32),
    /// This many values follow.
    Array(u32),
    /// This many pairs follow.
    Map(u32),
    /// A bool, float or extension with this many bytes of payload.
    Opaque(usize),
}

/// Reads the head at the front of `bytes`, and returns it with what follows it.
fn token(bytes: &[u8]) -> Result<(Token, &[u8]), Refused> {
    let (&first, rest) = bytes.split_first().ok_or(Refused::RecordTruncated)?;
    Ok(match first {
        0x00..=0x7f => (Token::Int(first.into()), rest),
        0x80..=0x8f => (Token::Map((first & 0x0f).into()), rest),
        0x90..=0x9f => (Token::Array((first & 0x0f).into()), rest),
        0xa0..=0xbf => (Token::Bytes((first & 0x1f).into()), rest),
        0xc0 => (Token::Nil, rest),
        0xc1 => return Err(Refused::RecordForm),
        0xc2 | 0xc3 => (Token::Opaque(0), rest),
        0xc4 | 0xd9 => head(rest, |n| Token::Bytes(u8::from_be_bytes(n).into()))?,
        0xc5 | 0xda => head(rest, |n| Token::Bytes(u16::from_be_bytes(n).into()))?,
        0xc6 | 0xdb => head(rest, |n| Token::Bytes(u32::from_be_bytes(n)))?,
        0xc7 => head(rest, |n| Token::Opaque(usize::from(u8::from_be_bytes(n)) + 1))?,
        0xc8 => head(rest, |n| Token::Opaque(usize::from(u16::from_be_bytes(n)) + 1))?,
        0xc9 => head(rest, |n| Token::Opaque((u32::from_be_bytes(n) as usize).saturating_add(1)))?,
        0xca => (Token::Opaque(4), rest),
        0xcb => (Token::Opaque(8), rest),
        0xcc => head(rest, |n| Token::Int(u8::from_be_bytes(n).into()))?,
        0xcd => head(rest, |n| Token::Int(u16::from_be_bytes(n).into()))?,
        0xce => head(rest, |n| Token::Int(u32::from_be_bytes(n).into()))?,
        0xcf => head(rest, |n| Token::Int(u64::from_be_bytes(n).into()))?,
        0xd0 => head(rest, |n| Token::Int(i8::from_be_bytes(n).into()))?,
        0xd1 => head(rest, |n| Token::Int(i16::from_be_bytes(n).into()))?,
        0xd2 => head(rest, |n| Token::Int(i32::from_be_bytes(n).into()))?,
        0xd3 => head(rest, |n| Token::Int(i64::from_be_bytes(n).into()))?,
        0xd4..=0xd8 => (Token::Opaque((1 << (first - 0xd4)) + 1), rest),
        0xdc => head(rest, |n| Token::Array(u16::from_be_bytes(n).into()))?,
        0xdd => head(rest, |n| Token::Array(u32::from_be_bytes(n)))?,
        0xde => head(rest, |n| Token::Map(u16::from_be_bytes(n).into()))?,
        0xdf => head(rest, |n| Token::Map(u32::from_be_bytes(n)))?,
        0xe0..=0xff => (Token::Int(i8::from_be_bytes([first]).into()), rest),
    })
}

/// Takes the `N` bytes of a number off the front of `bytes`.
fn head<const N: usize>(
    bytes: &[u8],
    token: impl FnOnce([u8; N]) -> Token,
) -> Result<(Token, &[u8]), Refused> {
    let (number, rest) = bytes.split_first_chunk().ok_or(Refused::RecordTruncated)?;
    Ok((token(*number), rest))
}
