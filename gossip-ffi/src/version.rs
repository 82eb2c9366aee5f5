//! Which library was loaded.

use std::ffi::{CStr, c_char};

use crate::border::{quick, value};
use crate::error::Failure;
use crate::status::Status::GOSSIP_ERR_ABI_MISMATCH;
use crate::status::gossip_status_t;

/// The binary interface that this header describes. It is raised when programs must be
/// compiled again; functions and status codes that are added do not raise it.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub enum gossip_abi_t {
    /// The number for `gossip_abi_check`.
    GOSSIP_ABI_VERSION = 1,
}

const VERSION: &CStr = match CStr::from_bytes_with_nul(concat!(env!("CARGO_PKG_VERSION"), "\0").as_bytes()) {
    Ok(version) => version,
    Err(_) => panic!("the version has no NUL inside"),
};

/// A decimal number of the package's version, read by the compiler.
const fn number(text: &str) -> u32 {
    let bytes = text.as_bytes();
    let (mut value, mut index) = (0, 0);
    while index < bytes.len() {
        value = value * 10 + (bytes[index] - b'0') as u32;
        index += 1;
    }
    value
}

/// The version of the library that was loaded, such as `0.1.0`.
///
/// Memory: the text is static. Threads: any. Blocks: no.
#[unsafe(no_mangle)]
pub extern "C" fn gossip_version_string() -> *const c_char {
    value(c"", || VERSION).as_ptr()
}

/// The same as a number: major * 1000000 + minor * 1000 + patch.
///
/// Memory: none. Threads: any. Blocks: no.
#[unsafe(no_mangle)]
pub extern "C" fn gossip_version_number() -> u32 {
    value(0, || {
        const MAJOR: u32 = number(env!("CARGO_PKG_VERSION_MAJOR"));
        const MINOR: u32 = number(env!("CARGO_PKG_VERSION_MINOR"));
        const PATCH: u32 = number(env!("CARGO_PKG_VERSION_PATCH"));
        MAJOR * 1_000_000 + MINOR * 1_000 + PATCH
    })
}

/// The binary interface of the library that was loaded.
///
/// Memory: none. Threads: any. Blocks: no.
#[unsafe(no_mangle)]
pub extern "C" fn gossip_abi_version() -> u32 {
    value(0, || gossip_abi_t::GOSSIP_ABI_VERSION as u32)
}

/// Whether a program compiled with this header can use the library that was loaded:
/// call it with `GOSSIP_ABI_VERSION`.
///
/// Memory: none. Threads: any. Blocks: no.
/// Status: ABI_MISMATCH if not.
#[unsafe(no_mangle)]
pub extern "C" fn gossip_abi_check(header_abi: u32) -> gossip_status_t {
    quick(|| {
        if header_abi == gossip_abi_version() {
            return Ok(());
        }
        let message =
            format!("header has ABI {header_abi}, the library that was loaded {}", gossip_abi_version());
        Err(Failure::new(GOSSIP_ERR_ABI_MISMATCH, message))
    })
}
