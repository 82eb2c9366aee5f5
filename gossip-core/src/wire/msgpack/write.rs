//! Writes Go's dialect, byte for byte as the current codec does (wire document 2.1).
//!
//! The writer neither sorts nor counts: records are written with their keys in ascending order.

use crate::wire::message::Blob;

/// Appends values to a buffer.
pub(in crate::wire) struct Writer<'a>(&'a mut Vec<u8>);

impl<'a> Writer<'a> {
    /// Begins a record of `fields` fields, fewer than 16.
    pub(in crate::wire) fn record(out: &'a mut Vec<u8>, fields: u8) -> Self {
        debug_assert!(fields < 16, "every record of the protocol is a fixmap");
        out.push(0x80 | fields);
        Self(out)
    }

    /// A Go string.
    #[inline]
    pub(in crate::wire) fn text(self, key: &str, text: &[u8]) -> Self {
        self.key(key).raw(text)
    }

    /// A Go byte slice: nil stays nil, empty stays empty.
    #[inline]
    pub(in crate::wire) fn blob(self, key: &str, blob: &Blob<'_>) -> Self {
        let this = self.key(key);
        match blob {
            Some(bytes) => this.raw(bytes),
            None => this.byte(0xc0),
        }
    }

    /// An unsigned number in its shortest form.
    #[inline]
    pub(in crate::wire) fn unsigned(self, key: &str, value: u32) -> Self {
        let this = self.key(key);
        match value {
            0..=0x7f => this.byte(value as u8),
            0x80..=0xff => this.byte(0xcc).byte(value as u8),
            0x100..=0xffff => this.byte(0xcd).append(&(value as u16).to_be_bytes()),
            _ => this.byte(0xce).append(&value.to_be_bytes()),
        }
    }

    /// A Go `int` in its shortest signed form.
    #[inline]
    pub(in crate::wire) fn int(self, key: &str, value: i64) -> Self {
        let this = self.key(key);
        if (-32..=127).contains(&value) {
            this.byte(value as u8)
        } else if let Ok(value) = i8::try_from(value) {
            this.byte(0xd0).append(&value.to_be_bytes())
        } else if let Ok(value) = i16::try_from(value) {
            this.byte(0xd1).append(&value.to_be_bytes())
        } else if let Ok(value) = i32::try_from(value) {
            this.byte(0xd2).append(&value.to_be_bytes())
        } else {
            this.byte(0xd3).append(&value.to_be_bytes())
        }
    }

    /// A bool.
    pub(in crate::wire) fn boolean(self, key: &str, value: bool) -> Self {
        self.key(key).byte(0xc2 | u8::from(value))
    }

    /// The name of a field, shorter than 32 bytes. It is a constant where a record is written, so this
    /// is but two or three moves there.
    #[inline(always)]
    fn key(self, key: &str) -> Self {
        debug_assert!(key.len() < 32, "every key of the protocol is short");
        self.byte(0xa0 | key.len() as u8).append(key.as_bytes())
    }

    /// The old raw family: no str8, no bin. Callers' limits lie far below 4 GiB.
    #[inline]
    fn raw(self, bytes: &[u8]) -> Self {
        let len = bytes.len();
        let this = match len {
            0..32 => self.byte(0xa0 | len as u8),
            32..65_536 => self.byte(0xda).append(&(len as u16).to_be_bytes()),
            _ => self.byte(0xdb).append(&(len as u32).to_be_bytes()),
        };
        this.append(bytes)
    }

    #[inline]
    fn byte(self, byte: u8) -> Self {
        self.0.push(byte);
        self
    }

    #[inline]
    fn append(self, bytes: &[u8]) -> Self {
        self.0.extend_from_slice(bytes);
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_take_the_shortest_form_of_their_family() {
        let int = |value| {
            let mut out = Vec::new();
            Writer::record(&mut out, 1).int("", value);
            out.split_off(2)
        };
        let unsigned = |value| {
            let mut out = Vec::new();
            Writer::record(&mut out, 1).unsigned("", value);
            out.split_off(2)
        };

        assert_eq!([int(127), int(-32)], [b"\x7f", b"\xe0"]);
        assert_eq!([int(-33), int(-128)], [b"\xd0\xdf", b"\xd0\x80"]);
        assert_eq!([int(128), int(-129)], [b"\xd1\0\x80", b"\xd1\xff\x7f"]);
        assert_eq!([int(32_768), int(-32_769)], [b"\xd2\0\0\x80\0", b"\xd2\xff\xff\x7f\xff"]);
        assert_eq!(int(1 << 31), b"\xd3\0\0\0\0\x80\0\0\0");
        assert_eq!([unsigned(127), unsigned(0)], [b"\x7f", b"\0"]);
        assert_eq!([unsigned(128), unsigned(255)], [b"\xcc\x80", b"\xcc\xff"]);
        assert_eq!([unsigned(256), unsigned(65_535)], [b"\xcd\x01\0", b"\xcd\xff\xff"]);
        assert_eq!(unsigned(65_536), b"\xce\0\x01\0\0");
    }
}
