//! The log of a node, given to a callback.

use std::ffi::{CString, c_char, c_void};
use std::mem::MaybeUninit;
use std::sync::Arc;
use std::time::SystemTime;

use gossip_core::base::ids::PoolId;
use gossip_core::runtime::log::{LogLevel, LogSink, Record};

use crate::border::{call, give, quick, value};
use crate::error::{Failure, c_text, gossip_error_t};
use crate::node::{gossip_t, node_of};
use crate::signals::Blocked;
use crate::stats::gossip_stats_t;
use crate::status::Status::GOSSIP_ERR_INVALID_ARG;
use crate::status::gossip_status_t;

/// How much is logged; each level includes those before it.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub enum gossip_log_level_t {
    /// Nothing.
    GOSSIP_LOG_OFF = 0,
    /// A pool or the node cannot go on.
    GOSSIP_LOG_ERROR = 1,
    /// An operator should act; the field `hint` says how. Each at most once a minute.
    GOSSIP_LOG_WARN = 2,
    /// The life of the node and its pools.
    GOSSIP_LOG_INFO = 3,
    /// Each event: a member joined, a message was refused.
    GOSSIP_LOG_DEBUG = 4,
    /// Each packet.
    GOSSIP_LOG_TRACE = 5,
}

/// One line of the log, until the callback returns.
pub struct gossip_record_t {
    level: LogLevel,
    pool: Option<PoolId>,
    time: SystemTime,
    target: CString,
    message: CString,
    fields: CString,
}

impl From<&Record> for gossip_record_t {
    fn from(record: &Record) -> Self {
        Self {
            level: record.level,
            pool: record.pool,
            time: record.time,
            target: c_text(record.target),
            message: c_text(record.message.as_str()),
            fields: c_text(record.fields.as_str()),
        }
    }
}

/// Receives the log of a node, one record at a time.
pub type gossip_log_cb_t =
    Option<unsafe extern "C" fn(user_data: *mut c_void, record: *const gossip_record_t)>;

/// A callback that owes its `destroy` call, and pays when it is dropped.
struct OwnedSink {
    callback: gossip_log_cb_t,
    user_data: *mut c_void,
    destroy: Option<unsafe extern "C" fn(user_data: *mut c_void)>,
}

// SAFETY: the header tells the program that `callback` is used on a thread of the library,
// once at a time, and that `destroy` comes last, on whichever thread; so the program has made
// `user_data` fit for it. Rust never looks behind that pointer.
unsafe impl Send for OwnedSink {}
// SAFETY: as above; a shared reference gives no more than the same calls.
unsafe impl Sync for OwnedSink {}

impl OwnedSink {
    fn sink(&self, record: &Record) {
        let Some(callback) = self.callback else { return };
        let record = gossip_record_t::from(record);
        // SAFETY: the program's own function, with its own data; `record` outlives the call.
        unsafe { callback(self.user_data, &raw const record) };
    }
}

impl Drop for OwnedSink {
    fn drop(&mut self) {
        if let Some(destroy) = self.destroy {
            // SAFETY: the program gave this function for this call, which is the only one: the
            // sink is dropped once, when nothing can call back any more.
            unsafe { destroy(self.user_data) };
        }
    }
}

/// Gives what the node logs, up to `level` of `gossip_log_level_t`, to `callback`, in place of
/// the one given before; with a NULL `callback` to nobody, as at first. May be called at any
/// time, also only to change the level.
///
/// The callback runs on one thread of the node, one record at a time, with no lock held. It
/// may call every function of this library, but a shutdown of its node, which returns
/// DEADLOCK; what it causes there itself is not logged to it. Nobody waits for it: if it is
/// slow, up to 1024 records wait and further ones are dropped, which the next record tells
/// (gossip_log_stats counts both). It must not unwind.
///
/// `destroy`, which may be NULL, is called with `user_data` exactly once, after the last
/// callback has returned, never concurrently with one, also when this call fails, and at once
/// if `callback` is NULL. A callback that is replaced may be in a last call when this returns.
/// At the end of the node what waits is told for a second at most; after gossip_shutdown
/// returned OK the callback has ended and `destroy` has run.
///
/// Memory: `user_data` is the library's until `destroy` gives it back. Threads: any, callbacks
/// too. Blocks: no.
/// Status: NULL_ARG, INVALID_ARG for a level that does not exist, CLOSED, FORKED;
/// RESOURCE_LIMIT if there is no thread to be had.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn gossip_set_log(
    node: Option<&gossip_t>,
    level: i32,
    callback: gossip_log_cb_t,
    user_data: *mut c_void,
    destroy: Option<unsafe extern "C" fn(user_data: *mut c_void)>,
    err: Option<&mut MaybeUninit<*mut gossip_error_t>>,
) -> gossip_status_t {
    call(err, || {
        // First of all: from here on `destroy` is owed, whatever fails.
        let owned = OwnedSink { callback, user_data, destroy };
        let node = node_of(node)?;
        let level = level_of(level).ok_or_else(|| {
            let rule = format!("is {level}, must be one of gossip_log_level_t");
            Failure::argument(GOSSIP_ERR_INVALID_ARG, "level", rule)
        })?;
        let sink =
            owned.callback.is_some().then(|| Arc::new(move |record: &Record| owned.sink(record)) as LogSink);
        let _blocked = Blocked::new();
        Ok(node.set_log(level, sink)?)
    })
}

fn level_of(level: i32) -> Option<LogLevel> {
    LogLevel::ALL.get(usize::try_from(level).ok()?).copied()
}

/// What became of the records of a node while it had a callback: `delivered`, and `dropped`
/// because the callback was too slow, or was taken away, or its level lowered, while they
/// waited.
///
/// Memory: `stats` is yours: gossip_stats_free. Threads: any, callbacks too. Blocks: no.
/// Status: NULL_ARG, FORKED.
#[unsafe(no_mangle)]
pub extern "C" fn gossip_log_stats(
    node: Option<&gossip_t>,
    stats: Option<&mut MaybeUninit<*mut gossip_stats_t>>,
) -> gossip_status_t {
    quick(|| {
        let log = node_of(node)?.log_stats();
        let rows = [("delivered", log.delivered), ("dropped", log.dropped)];
        give(stats, "stats", || Ok(gossip_stats_t::new(rows)))
    })
}

/// The name of a level: `off`, `error`, `warn`, `info`, `debug`, `trace`; `unknown` for other
/// numbers.
///
/// Memory: the text is static. Threads: any. Blocks: no.
#[unsafe(no_mangle)]
pub extern "C" fn gossip_log_level_name(level: i32) -> *const c_char {
    let name = || match level_of(level) {
        Some(LogLevel::Off) => c"off",
        Some(LogLevel::Error) => c"error",
        Some(LogLevel::Warn) => c"warn",
        Some(LogLevel::Info) => c"info",
        Some(LogLevel::Debug) => c"debug",
        Some(LogLevel::Trace) => c"trace",
        None => c"unknown",
    };
    value(c"unknown", name).as_ptr()
}

/// How important a record is, of `gossip_log_level_t`; OFF for NULL.
///
/// Memory: borrows `record`. Threads: that of the callback. Blocks: no.
#[unsafe(no_mangle)]
pub extern "C" fn gossip_record_level(record: Option<&gossip_record_t>) -> i32 {
    value(LogLevel::Off as i32, || record.map_or(LogLevel::Off, |record| record.level) as i32)
}

/// The part of the library that says it, such as `gossip_core::pool`. Empty for NULL.
///
/// Memory: lives until the callback returns. Threads: that of the callback. Blocks: no.
#[unsafe(no_mangle)]
pub extern "C" fn gossip_record_target(record: Option<&gossip_record_t>) -> *const c_char {
    value(c"", || record.map_or(c"", |record| &record.target)).as_ptr()
}

/// What happened: a short text that is always the same for the same thing. Empty for NULL.
///
/// Memory: lives until the callback returns. Threads: that of the callback. Blocks: no.
#[unsafe(no_mangle)]
pub extern "C" fn gossip_record_message(record: Option<&gossip_record_t>) -> *const c_char {
    value(c"", || record.map_or(c"", |record| &record.message)).as_ptr()
}

/// The particulars as `key=value`, separated by spaces. Values with spaces, quotes or control
/// characters stand in quotes, escaped, so that a record is one line whatever names others
/// give themselves. Empty for NULL.
///
/// Memory: lives until the callback returns. Threads: that of the callback. Blocks: no.
#[unsafe(no_mangle)]
pub extern "C" fn gossip_record_fields(record: Option<&gossip_record_t>) -> *const c_char {
    value(c"", || record.map_or(c"", |record| &record.fields)).as_ptr()
}

/// The id of the pool that a record concerns; -1 if it concerns none, and for NULL.
///
/// Memory: borrows `record`. Threads: that of the callback. Blocks: no.
#[unsafe(no_mangle)]
pub extern "C" fn gossip_record_pool(record: Option<&gossip_record_t>) -> i32 {
    value(-1, || record.and_then(|record| record.pool).map_or(-1, |pool| pool.0.into()))
}

/// When it happened, in nanoseconds since 1970 (UTC); 0 for NULL.
///
/// Memory: borrows `record`. Threads: that of the callback. Blocks: no.
#[unsafe(no_mangle)]
pub extern "C" fn gossip_record_time_ns(record: Option<&gossip_record_t>) -> i64 {
    value(0, || {
        let since = record.and_then(|record| record.time.duration_since(SystemTime::UNIX_EPOCH).ok());
        since.map_or(0, |since| i64::try_from(since.as_nanos()).unwrap_or(i64::MAX))
    })
}

#[cfg(test)]
mod tests {
    use std::ffi::CStr;

    use super::*;

    #[test]
    fn levels_have_the_numbers_and_names_of_the_core() {
        for (number, level) in (0..).zip(LogLevel::ALL) {
            // SAFETY: names are static C strings.
            let name = unsafe { CStr::from_ptr(gossip_log_level_name(number)) };
            assert_eq!(name.to_str().unwrap(), level.name());
            assert_eq!(level as i32, number);
        }
        assert_eq!(gossip_log_level_t::GOSSIP_LOG_TRACE as i32, LogLevel::Trace as i32);
        assert!(level_of(6).is_none() && level_of(-1).is_none());
    }
}
