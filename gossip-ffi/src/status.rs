//! How a call went: the status codes, their names and texts.

use std::ffi::{CStr, c_char};
use std::mem::MaybeUninit;

use crate::border::{quick, value, write};
use crate::error::Failure;

/// How a call went: 0 is success, everything else one of `gossip_status_code_t`. Treat a
/// code you do not know as a failure: later versions may add some.
pub type gossip_status_t = i32;

/// The status codes. Numbers never change and are never used again.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum gossip_status_code_t {
    /// Done.
    GOSSIP_OK = 0,
    /// An argument has no meaning here; the message says which and why.
    GOSSIP_ERR_INVALID_ARG = -1,
    /// A pointer that must not be NULL is.
    GOSSIP_ERR_NULL_ARG = -2,
    /// A text is not UTF-8.
    GOSSIP_ERR_INVALID_UTF8 = -3,
    /// Not possible now: not started yet, or the pool has left.
    GOSSIP_ERR_INVALID_STATE = -4,
    /// The node, pool, listener, packet receiver or queue has been shut down.
    GOSSIP_ERR_CLOSED = -5,
    /// Nothing there, or no room, and the call was told not to wait.
    GOSSIP_ERR_AGAIN = -6,
    /// The time given ran out.
    GOSSIP_ERR_TIMEOUT = -7,
    /// The buffer is too small; `len` says what is needed.
    GOSSIP_ERR_BUFFER_TOO_SMALL = -8,
    /// The bytes do not fit where they must; the message names the limit.
    GOSSIP_ERR_TOO_LARGE = -9,
    /// There is no such thing.
    GOSSIP_ERR_NOT_FOUND = -10,
    /// There is one already.
    GOSSIP_ERR_EXISTS = -11,
    /// The listener id lies in 0xFE00..0xFEFF, which belongs to pools.
    GOSSIP_ERR_RESERVED = -12,
    /// In use: the primary key can't be removed.
    GOSSIP_ERR_IN_USE = -13,
    /// Called from a callback that the call would wait for; nothing has happened.
    GOSSIP_ERR_DEADLOCK = -14,
    /// Refused by a delegate or by the list of allowed networks.
    GOSSIP_ERR_REJECTED = -15,
    /// Not on this system or in this build.
    GOSSIP_ERR_UNSUPPORTED = -16,
    /// The program was compiled for a library that this one is not.
    GOSSIP_ERR_ABI_MISMATCH = -17,
    /// No memory.
    GOSSIP_ERR_OUT_OF_MEMORY = -18,
    /// A limit of the system was hit: descriptors, threads.
    GOSSIP_ERR_RESOURCE_LIMIT = -19,
    /// The system refused; `gossip_error_os_errno` says how.
    GOSSIP_ERR_IO = -20,
    /// Someone has the port.
    GOSSIP_ERR_ADDR_IN_USE = -21,
    /// No such address, or none of this host.
    GOSSIP_ERR_ADDR_INVALID = -22,
    /// A host name has no address.
    GOSSIP_ERR_RESOLVE = -23,
    /// A connection was refused or broke.
    GOSSIP_ERR_CONNECT = -24,
    /// No answer to a ping.
    GOSSIP_ERR_NO_RESPONSE = -25,
    /// No seed could be reached; `gossip_error_problem_at` has the reason for each.
    GOSSIP_ERR_JOIN_FAILED = -26,
    /// A peer said something that the protocol does not allow: it is no pool, or of another kind.
    GOSSIP_ERR_PROTOCOL = -27,
    /// A peer has other encryption keys, or has some where this side has none, or the reverse.
    GOSSIP_ERR_CRYPTO = -28,
    /// Configuration values cannot work; `gossip_error_problem_at` has each with its rule.
    GOSSIP_ERR_CONFIG = -29,
    /// A leave or shutdown overtook the call.
    GOSSIP_ERR_CANCELLED = -30,
    /// The handle was made before a fork, and this is the child.
    GOSSIP_ERR_FORKED = -31,
    /// The node, queue or pool can't go on: an earlier call, or a task of the pool, panicked.
    GOSSIP_ERR_FATAL = -32,
    /// A defect of the library: it panicked in this call. Please report it.
    GOSSIP_ERR_PANIC = -33,
    /// A defect of the library. Please report it.
    GOSSIP_ERR_INTERNAL = -34,
    /// The receiver got the message, and its program did not take it; the message says why.
    GOSSIP_ERR_NOT_TAKEN = -35,
    /// Not every member has taken the step of a migration; `gossip_error_problem_at` names each.
    GOSSIP_ERR_NOT_MIGRATED = -36,
}

pub(crate) use gossip_status_code_t as Status;

/// One code: its name, its text, whether the same call may succeed later.
struct Row {
    code: Status,
    name: &'static CStr,
    message: &'static CStr,
    is_retriable: bool,
}

const fn row(code: Status, name: &'static CStr, message: &'static CStr, is_retriable: bool) -> Row {
    Row { code, name, message, is_retriable }
}

use Status::*;
const TABLE: &[Row] = &[
    row(GOSSIP_OK, c"GOSSIP_OK", c"success", false),
    row(GOSSIP_ERR_INVALID_ARG, c"GOSSIP_ERR_INVALID_ARG", c"invalid argument", false),
    row(GOSSIP_ERR_NULL_ARG, c"GOSSIP_ERR_NULL_ARG", c"argument is NULL", false),
    row(GOSSIP_ERR_INVALID_UTF8, c"GOSSIP_ERR_INVALID_UTF8", c"text is not UTF-8", false),
    row(GOSSIP_ERR_INVALID_STATE, c"GOSSIP_ERR_INVALID_STATE", c"not possible in this state", false),
    row(GOSSIP_ERR_CLOSED, c"GOSSIP_ERR_CLOSED", c"closed", false),
    row(GOSSIP_ERR_AGAIN, c"GOSSIP_ERR_AGAIN", c"nothing there without waiting", true),
    row(GOSSIP_ERR_TIMEOUT, c"GOSSIP_ERR_TIMEOUT", c"timed out", true),
    row(GOSSIP_ERR_BUFFER_TOO_SMALL, c"GOSSIP_ERR_BUFFER_TOO_SMALL", c"buffer is too small", true),
    row(GOSSIP_ERR_TOO_LARGE, c"GOSSIP_ERR_TOO_LARGE", c"too large", false),
    row(GOSSIP_ERR_NOT_FOUND, c"GOSSIP_ERR_NOT_FOUND", c"not found", false),
    row(GOSSIP_ERR_EXISTS, c"GOSSIP_ERR_EXISTS", c"exists already", false),
    row(GOSSIP_ERR_RESERVED, c"GOSSIP_ERR_RESERVED", c"id is reserved for pools", false),
    row(GOSSIP_ERR_IN_USE, c"GOSSIP_ERR_IN_USE", c"in use", false),
    row(GOSSIP_ERR_DEADLOCK, c"GOSSIP_ERR_DEADLOCK", c"would wait for its own callback", false),
    row(GOSSIP_ERR_REJECTED, c"GOSSIP_ERR_REJECTED", c"rejected", false),
    row(GOSSIP_ERR_UNSUPPORTED, c"GOSSIP_ERR_UNSUPPORTED", c"not supported", false),
    row(GOSSIP_ERR_ABI_MISMATCH, c"GOSSIP_ERR_ABI_MISMATCH", c"header and library do not match", false),
    row(GOSSIP_ERR_OUT_OF_MEMORY, c"GOSSIP_ERR_OUT_OF_MEMORY", c"out of memory", true),
    row(GOSSIP_ERR_RESOURCE_LIMIT, c"GOSSIP_ERR_RESOURCE_LIMIT", c"a limit of the system was hit", true),
    row(GOSSIP_ERR_IO, c"GOSSIP_ERR_IO", c"input/output error", false),
    row(GOSSIP_ERR_ADDR_IN_USE, c"GOSSIP_ERR_ADDR_IN_USE", c"address is in use", true),
    row(GOSSIP_ERR_ADDR_INVALID, c"GOSSIP_ERR_ADDR_INVALID", c"invalid address", false),
    row(GOSSIP_ERR_RESOLVE, c"GOSSIP_ERR_RESOLVE", c"host name has no address", true),
    row(GOSSIP_ERR_CONNECT, c"GOSSIP_ERR_CONNECT", c"could not connect", true),
    row(GOSSIP_ERR_NO_RESPONSE, c"GOSSIP_ERR_NO_RESPONSE", c"no response", true),
    row(GOSSIP_ERR_JOIN_FAILED, c"GOSSIP_ERR_JOIN_FAILED", c"no seed could be reached", true),
    row(GOSSIP_ERR_PROTOCOL, c"GOSSIP_ERR_PROTOCOL", c"peer broke the protocol", false),
    row(GOSSIP_ERR_CRYPTO, c"GOSSIP_ERR_CRYPTO", c"encryption does not match", false),
    row(GOSSIP_ERR_CONFIG, c"GOSSIP_ERR_CONFIG", c"configuration cannot work", false),
    row(GOSSIP_ERR_CANCELLED, c"GOSSIP_ERR_CANCELLED", c"cancelled", false),
    row(GOSSIP_ERR_FORKED, c"GOSSIP_ERR_FORKED", c"handle belongs to the parent process", false),
    row(GOSSIP_ERR_FATAL, c"GOSSIP_ERR_FATAL", c"cannot go on after a defect", false),
    row(GOSSIP_ERR_PANIC, c"GOSSIP_ERR_PANIC", c"library panicked", false),
    row(GOSSIP_ERR_INTERNAL, c"GOSSIP_ERR_INTERNAL", c"internal error", false),
    row(GOSSIP_ERR_NOT_TAKEN, c"GOSSIP_ERR_NOT_TAKEN", c"receiver did not take the message", true),
    row(GOSSIP_ERR_NOT_MIGRATED, c"GOSSIP_ERR_NOT_MIGRATED", c"not every member has taken the step", true),
];

fn find(status: gossip_status_t) -> Option<&'static Row> {
    TABLE.iter().find(|row| row.code as i32 == status)
}

/// The name of a code as it stands in this header, such as `GOSSIP_ERR_TIMEOUT`; for an
/// unknown one `GOSSIP_ERR_UNKNOWN`.
///
/// Memory: the text is static. Threads: any. Blocks: no.
#[unsafe(no_mangle)]
pub extern "C" fn gossip_status_name(status: gossip_status_t) -> *const c_char {
    value(c"GOSSIP_ERR_UNKNOWN", || find(status).map_or(c"GOSSIP_ERR_UNKNOWN", |row| row.name)).as_ptr()
}

/// A code in a few English words. The error object of a call says more.
///
/// Memory: the text is static. Threads: any. Blocks: no.
#[unsafe(no_mangle)]
pub extern "C" fn gossip_status_message(status: gossip_status_t) -> *const c_char {
    value(c"unknown status", || find(status).map_or(c"unknown status", |row| row.message)).as_ptr()
}

/// 1 if the same call may succeed later, such as after a timeout; 0 otherwise.
///
/// Memory: none. Threads: any. Blocks: no.
#[unsafe(no_mangle)]
pub extern "C" fn gossip_status_is_retriable(status: gossip_status_t) -> i32 {
    value(0, || find(status).is_some_and(|row| row.is_retriable).into())
}

/// How many codes this library knows, for generators of bindings.
///
/// Memory: none. Threads: any. Blocks: no.
#[unsafe(no_mangle)]
pub extern "C" fn gossip_status_count() -> usize {
    value(0, || TABLE.len())
}

/// The code at `index`, 0 to `gossip_status_count()` - 1.
///
/// Memory: `status` is written on success. Threads: any. Blocks: no.
/// Status: NOT_FOUND behind the last.
#[unsafe(no_mangle)]
pub extern "C" fn gossip_status_at(
    index: usize,
    status: Option<&mut MaybeUninit<gossip_status_t>>,
) -> gossip_status_t {
    quick(|| {
        let row = TABLE.get(index).ok_or_else(|| Failure::beyond(index, TABLE.len()))?;
        write(status, "status", row.code as i32)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_count_down_from_zero_and_carry_their_own_names() {
        for (index, row) in TABLE.iter().enumerate() {
            assert_eq!(row.code as i32, -(i32::try_from(index).unwrap()));
            assert_eq!(row.name.to_str().unwrap(), format!("{:?}", row.code));
        }
        assert_eq!(TABLE.len(), 37);
    }
}
