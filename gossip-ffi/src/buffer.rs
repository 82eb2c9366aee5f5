//! Where a callback writes its answer: bytes of any number up to a limit, with nothing to free.

use std::ffi::c_void;

use crate::border::{bytes, quick, some, value};
use crate::error::Failure;
use crate::status::Status::GOSSIP_ERR_TOO_LARGE;
use crate::status::gossip_status_t;

/// Where a callback writes its answer, until it returns.
#[derive(Debug)]
pub struct gossip_buffer_t {
    bytes: Vec<u8>,
    limit: usize,
}

impl gossip_buffer_t {
    pub(crate) fn new(limit: usize) -> Self {
        Self { bytes: Vec::new(), limit }
    }

    pub(crate) fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }
}

/// Appends to a callback's answer. On failure the buffer is as it was.
///
/// Memory: copies the bytes. Threads: that of the callback. Blocks: no.
/// Status: NULL_ARG; TOO_LARGE above `gossip_buffer_limit`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn gossip_buffer_append(
    buffer: Option<&mut gossip_buffer_t>,
    data: *const c_void,
    len: usize,
) -> gossip_status_t {
    quick(|| {
        let buffer = some(buffer, "buffer")?;
        // SAFETY: the header's rule for bytes.
        let data = unsafe { bytes(data, len, "data") }?;
        if data.len() > buffer.limit - buffer.bytes.len() {
            let size = buffer.bytes.len().saturating_add(data.len());
            let rule = format!("would be {size} bytes, at most {} fit", buffer.limit);
            return Err(Failure::argument(GOSSIP_ERR_TOO_LARGE, "buffer", rule));
        }
        buffer.bytes.extend_from_slice(data);
        Ok(())
    })
}

/// Empties a callback's answer.
///
/// Memory: borrows `buffer`. Threads: that of the callback. Blocks: no.
/// Status: NULL_ARG.
#[unsafe(no_mangle)]
pub extern "C" fn gossip_buffer_clear(buffer: Option<&mut gossip_buffer_t>) -> gossip_status_t {
    quick(|| {
        some(buffer, "buffer")?.bytes.clear();
        Ok(())
    })
}

/// How many bytes a callback's answer has; 0 for NULL.
///
/// Memory: borrows `buffer`. Threads: that of the callback. Blocks: no.
#[unsafe(no_mangle)]
pub extern "C" fn gossip_buffer_len(buffer: Option<&gossip_buffer_t>) -> usize {
    value(0, || buffer.map_or(0, |buffer| buffer.bytes.len()))
}

/// How many bytes a callback's answer may have; 0 for NULL.
///
/// Memory: borrows `buffer`. Threads: that of the callback. Blocks: no.
#[unsafe(no_mangle)]
pub extern "C" fn gossip_buffer_limit(buffer: Option<&gossip_buffer_t>) -> usize {
    value(0, || buffer.map_or(0, |buffer| buffer.limit))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_fit_changes_nothing() {
        let mut buffer = gossip_buffer_t::new(5);
        let mut append = |text: &str| {
            // SAFETY: the text has the length that is claimed.
            unsafe { gossip_buffer_append(Some(&mut buffer), text.as_ptr().cast(), text.len()) }
        };

        assert_eq!(append("blue"), 0);
        assert_eq!(append("ish"), GOSSIP_ERR_TOO_LARGE as i32);

        assert_eq!(buffer.into_bytes(), b"blue");
    }
}
