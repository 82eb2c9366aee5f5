//! LZW as in GIF and in Go's `compress/lzw`: least significant bit first, literals of 8 bits, codes of
//! 9 to 12 bits.
//!
//! What is read is in memory as a whole here, which a coder for streams can't count on, and every
//! packet passes through: this one takes half the time.

mod decoder;
mod encoder;
mod measure;

pub(super) use decoder::Decoder;
pub(super) use encoder::Encoder;
pub(super) use measure::unfolded_len;

/// Forgets the strings that were added, and the widths of codes begin anew.
const CLEAR: usize = 256;
/// Ends the message.
const END: usize = 257;
/// The code of the first string that is added.
const FIRST: usize = 258;
const NARROWEST: u32 = 9;
const WIDEST: u32 = 12;
/// Strings of a full dictionary.
const STRINGS_MAX: usize = 1 << WIDEST;

/// The most bytes that `len` bytes of codes unfold to: each code at most to a string one byte longer than the
/// longest before it, until the dictionary is full.
pub(super) fn unfolded_max(len: usize) -> usize {
    let codes = len.saturating_mul(8) / NARROWEST as usize;
    let growing = codes.min(STRINGS_MAX);
    growing * (growing + 1) / 2 + (codes - growing).saturating_mul(STRINGS_MAX)
}
