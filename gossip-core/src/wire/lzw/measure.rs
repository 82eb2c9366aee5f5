//! How long a message is, without unfolding it: a string of the dictionary is one byte longer than the one
//! before it, so lengths are enough. It takes a few nanoseconds for each code, whatever that stands for.

use super::{CLEAR, END, FIRST, NARROWEST, STRINGS_MAX, WIDEST};

/// How many bytes `lzw` unfolds to, as far as it is valid.
pub(in crate::wire) fn unfolded_len(lzw: &[u8]) -> usize {
    let mut lengths = [1u16; STRINGS_MAX];
    let (mut width, mut next) = (NARROWEST, FIRST - 1);
    // Of the string before; 0 after a clear code, and while the dictionary is full.
    let mut last = 0u16;
    let (mut bits, mut held, mut sum) = (0u32, 0, 0usize);
    for &byte in lzw {
        bits |= u32::from(byte) << held;
        held += 8;
        if held < width {
            continue;
        }
        let code = (bits & ((1 << width) - 1)) as usize;
        (bits, held) = (bits >> width, held - width);
        let len = match code {
            CLEAR => {
                (width, next, last) = (NARROWEST, FIRST - 1, 0);
                continue;
            }
            END => break,
            // The string that this very code adds.
            _ if code == next && last > 0 => last + 1,
            _ if code < next.max(END) => lengths.get(code).copied().unwrap_or_default(),
            _ => break,
        };
        if let Some(added) = lengths.get_mut(next).filter(|_| last > 0) {
            *added = last + 1;
        }
        sum += usize::from(len);
        (last, next) = (len, next + 1);
        if next == 1 << width {
            if width == WIDEST {
                (last, next) = (0, next - 1);
            } else {
                width += 1;
            }
        }
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::compress::Coder;
    use crate::wire::lzw::decoder::tests::messages;

    #[test]
    fn the_length_is_that_of_the_message() {
        let (mut coder, mut lzw) = (Coder::default(), Vec::new());
        let zeros = [1, 2, 255, 70_000, 8_000_000].map(|size| vec![0; size]);
        for message in messages().chain(zeros) {
            assert!(coder.compress(&message, usize::MAX, &mut lzw));

            assert_eq!(unfolded_len(&lzw), message.len());
        }
    }

    /// The worst that there is: each code adds a longer string, and the longest comes again and again from a
    /// full dictionary, which the decoder takes.
    #[test]
    fn a_full_dictionary_that_is_not_cleared_is_measured_too() {
        let (mut coder, mut out, mut lzw) = (Coder::default(), Vec::new(), Vec::new());
        let (mut bits, mut held) = (0u64, 0);
        let longest = STRINGS_MAX - 2;
        let codes = std::iter::once(0).chain(FIRST..=longest).chain([longest; 500]).chain([END]);
        for (index, code) in codes.enumerate() {
            let width = (FIRST - 1 + index).ilog2().clamp(NARROWEST - 1, WIDEST - 1) + 1;
            bits |= (code as u64) << held;
            held += width;
            while held >= 8 {
                lzw.push(bits as u8);
                (bits, held) = (bits >> 8, held - 8);
            }
        }
        lzw.push(bits as u8);

        coder.decompress(&lzw, usize::MAX, &mut out).unwrap();
        assert_eq!(unfolded_len(&lzw), out.len());
        assert!(out.len() > 500 * longest * 9 / 10, "{}", out.len());
    }

    #[test]
    fn any_bytes_have_the_length_that_the_decoder_makes_of_them() {
        let (mut coder, mut out) = (Coder::default(), Vec::new());
        let (mut valid, mut state) = (0, 1u64);
        for _ in 0..20_000 {
            // Few set bits: codes that repeat, and that are there.
            let mut bytes = [0; 3000];
            for byte in bytes.iter_mut().take(1 + (state >> 33) as usize % 3000) {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                *byte = (state >> 40) as u8 & (state >> 48) as u8 & (state >> 56) as u8;
            }
            if coder.decompress(&bytes, usize::MAX, &mut out).is_ok() {
                valid += 1;
                assert_eq!(unfolded_len(&bytes), out.len(), "{bytes:x?}");
            }
        }
        assert!(valid > 100, "{valid}");
    }
}
