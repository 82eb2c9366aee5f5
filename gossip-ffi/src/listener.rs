//! Listeners: connections for the program's own protocols, as ordinary descriptors.

use std::ffi::{c_char, c_void};
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, IntoRawFd};

use gossip_core::{Listener, ListenerName, QueueStats};

use crate::addr::gossip_addr_t;
use crate::border::{Timeout, bytes, call, fill_text, give, offer, quick, some, value, write};
use crate::error::{Failure, gossip_error_t};
use crate::handle::Shared;
use crate::node::{beside, fill_addrs, gossip_t, node_of};
use crate::status::Status::{GOSSIP_ERR_INVALID_ARG, GOSSIP_ERR_RESERVED};
use crate::status::gossip_status_t;

/// A descriptor of the operating system.
pub type gossip_fd_t = std::ffi::c_int;

/// How a descriptor is handed over.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub enum gossip_fd_flag_t {
    /// Blocking, as after `accept(2)`.
    GOSSIP_FD_BLOCKING = 0,
    /// Non-blocking, for event loops.
    GOSSIP_FD_NONBLOCK = 1,
}

/// Which connections a listener takes.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub enum gossip_listener_kind_t {
    /// All that belong to nobody else: `gossip_listen_tcp`.
    GOSSIP_LISTENER_NATIVE = 0,
    /// Those of a two-byte id: `gossip_listen`.
    GOSSIP_LISTENER_ID = 1,
    /// Those that begin with certain bytes: `gossip_listen_prefix`.
    GOSSIP_LISTENER_PREFIX = 2,
}

/// Receives the connections of one listener id or prefix, or all that belong to nobody else.
pub struct gossip_listener_t {
    listener: Shared<Listener>,
}

fn listener_of(listener: Option<&gossip_listener_t>) -> Result<Listener, Failure> {
    some(listener, "listener")?.listener.get()
}

fn listener_to_end(listener: Option<&gossip_listener_t>) -> Result<Listener, Failure> {
    some(listener, "listener")?.listener.get_to_end()
}

/// Listens for connections that begin with the two bytes of `id`, which `gossip_dial`
/// writes: 0 to 0xFFFF without 0xFE00..0xFEFF. Protocols that do not know the library
/// must not begin with the same bytes: `GE` (HTTP) is 0x4745, a TLS hello 0x1603.
///
/// Memory: `listener` is yours: gossip_listener_free. Threads: any, callbacks too.
/// Blocks: no.
/// Status: NULL_ARG, INVALID_ARG, CLOSED, FORKED; RESERVED; EXISTS if the id is taken.
#[must_use]
#[unsafe(no_mangle)]
pub extern "C" fn gossip_listen(
    node: Option<&gossip_t>,
    id: i32,
    listener: Option<&mut MaybeUninit<*mut gossip_listener_t>>,
    err: Option<&mut MaybeUninit<*mut gossip_error_t>>,
) -> gossip_status_t {
    call(err, || {
        let gossip = node_of(node)?;
        let id = listener_id(id)?;
        give(listener, "listener", || Ok(gossip_listener_t { listener: beside(node, gossip.listen(id)?)? }))
    })
}

/// The number of a listener, if it can be one.
pub(crate) fn listener_id(id: i32) -> Result<u16, Failure> {
    let Ok(number) = u16::try_from(id) else {
        let rule = format!("is {id}, must be from 0 to 0xffff");
        return Err(Failure::argument(GOSSIP_ERR_INVALID_ARG, "id", rule));
    };
    if number >> 8 == 0xFE {
        let rule = format!("is {number:#06x}, which lies in the range reserved for pools");
        return Err(Failure::argument(GOSSIP_ERR_RESERVED, "id", rule));
    }
    Ok(number)
}

/// Listens for all connections that belong to no pool and no listener id, such as HTTP,
/// and for those that stay silent for `sniff_timeout_ms`, so that protocols in which the
/// server speaks first work. Their bytes are untouched.
///
/// Memory: `listener` is yours: gossip_listener_free. Threads: any, callbacks too.
/// Blocks: no.
/// Status: NULL_ARG, CLOSED, FORKED; EXISTS if there is one.
#[must_use]
#[unsafe(no_mangle)]
pub extern "C" fn gossip_listen_tcp(
    node: Option<&gossip_t>,
    listener: Option<&mut MaybeUninit<*mut gossip_listener_t>>,
    err: Option<&mut MaybeUninit<*mut gossip_error_t>>,
) -> gossip_status_t {
    call(err, || {
        let gossip = node_of(node)?;
        give(listener, "listener", || Ok(gossip_listener_t { listener: beside(node, gossip.listen_tcp()?)? }))
    })
}

/// Listens for connections that begin with these bytes, 1 to 64, all of which stay in them,
/// so that several native protocols share the port: `\x16\x03` is TLS, `SSH-` SSH. Of several
/// prefixes that fit the longest counts; bytes that may still become a longer one are awaited
/// for `sniff_timeout_ms`.
///
/// Memory: `listener` is yours: gossip_listener_free; copies `prefix`. Threads: any, callbacks
/// too. Blocks: no.
/// Status: NULL_ARG, CLOSED, FORKED; INVALID_ARG for a length that is none of 1 to 64;
/// RESERVED for a first byte 0xFE; EXISTS if another owner may be meant by the same bytes: a
/// listener, a label pool, the bare pool.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn gossip_listen_prefix(
    node: Option<&gossip_t>,
    prefix: *const c_void,
    len: usize,
    listener: Option<&mut MaybeUninit<*mut gossip_listener_t>>,
    err: Option<&mut MaybeUninit<*mut gossip_error_t>>,
) -> gossip_status_t {
    call(err, || {
        let gossip = node_of(node)?;
        // SAFETY: the header's rule for bytes.
        let prefix = unsafe { bytes(prefix, len, "prefix") }?;
        give(listener, "listener", || {
            Ok(gossip_listener_t { listener: beside(node, gossip.listen_prefix(prefix)?)? })
        })
    })
}

/// Lets this many connections wait for an accept, 1 to 65536, instead of the key
/// `listener_backlog`; more are closed and counted. Those that wait already stay. They hold
/// descriptors of this process.
///
/// Memory: borrows `listener`. Threads: any, callbacks too. Blocks: no.
/// Status: NULL_ARG, FORKED; CONFIG for an impossible number.
#[unsafe(no_mangle)]
pub extern "C" fn gossip_listener_set_backlog(
    listener: Option<&gossip_listener_t>,
    backlog: u32,
    err: Option<&mut MaybeUninit<*mut gossip_error_t>>,
) -> gossip_status_t {
    call(err, || Ok(listener_of(listener)?.set_backlog(usize::try_from(backlog).unwrap_or(usize::MAX))?))
}

/// Takes the next connection: a plain socket, close-on-exec, `TCP_NODELAY` and keep-alive,
/// blocking unless `flags` says GOSSIP_FD_NONBLOCK. It is yours alone; close it with
/// `close(2)`. What its peer has done meanwhile shows when it is used, be it a reset. Mind SIGPIPE: send with MSG_NOSIGNAL. `peer`, the other end's address, may be NULL.
///
/// Memory: `fd` is yours. Threads: any, callbacks too; several may accept at once. Blocks:
/// up to `timeout_ms`.
/// Status: NULL_ARG, INVALID_ARG for unknown flags, FORKED; AGAIN, TIMEOUT; CLOSED after
/// gossip_listener_close or the node's end, also for those who wait.
#[must_use]
#[unsafe(no_mangle)]
pub extern "C" fn gossip_listener_accept(
    listener: Option<&gossip_listener_t>,
    timeout_ms: i32,
    flags: u32,
    fd: Option<&mut MaybeUninit<gossip_fd_t>>,
    peer: Option<&mut MaybeUninit<gossip_addr_t>>,
) -> gossip_status_t {
    quick(|| {
        let (listener, timeout) = (listener_of(listener)?, Timeout(timeout_ms));
        let nonblocking = wants_nonblocking(flags)?;
        let fd = some(fd, "fd")?;
        let (stream, from) = timeout.judge(listener.accept(timeout.limit()))?;
        stream.set_nonblocking(nonblocking)?;
        fd.write(stream.into_raw_fd());
        offer(peer, from.into());
        Ok(())
    })
}

/// Reads the flags of a hand-over.
pub(crate) fn wants_nonblocking(flags: u32) -> Result<bool, Failure> {
    match flags {
        0 => Ok(false),
        1 => Ok(true),
        _ => {
            let rule = format!("are {flags:#x}, must be of gossip_fd_flag_t");
            Err(Failure::argument(GOSSIP_ERR_INVALID_ARG, "flags", rule))
        }
    }
}

/// A descriptor for `poll`, `epoll` and every event loop: readable exactly while an accept
/// would not wait, also once the listener is closed. Only watch it: do not read, write or
/// close it. It stays the same; take it out of the loop before freeing the listener. A
/// connection that a thread takes which blocks in an accept does not show.
///
/// Memory: `fd` is the library's, and valid until `listener` is freed. Threads: any,
/// callbacks too. Blocks: no.
/// Status: NULL_ARG, FORKED; RESOURCE_LIMIT if it can't be made.
#[unsafe(no_mangle)]
pub extern "C" fn gossip_listener_fd(
    listener: Option<&gossip_listener_t>,
    fd: Option<&mut MaybeUninit<gossip_fd_t>>,
) -> gossip_status_t {
    quick(|| write(fd, "fd", listener_of(listener)?.readiness()?.as_raw_fd()))
}

/// Which connections a listener takes, of `gossip_listener_kind_t`; -1 for NULL and in a
/// forked child.
///
/// Memory: borrows `listener`. Threads: any, callbacks too. Blocks: no.
#[unsafe(no_mangle)]
pub extern "C" fn gossip_listener_kind(listener: Option<&gossip_listener_t>) -> i32 {
    value(-1, || {
        listener_of(listener).map_or(-1, |listener| match listener.name() {
            ListenerName::Native => gossip_listener_kind_t::GOSSIP_LISTENER_NATIVE as i32,
            ListenerName::Id(_) => gossip_listener_kind_t::GOSSIP_LISTENER_ID as i32,
            ListenerName::Prefix(_) => gossip_listener_kind_t::GOSSIP_LISTENER_PREFIX as i32,
        })
    })
}

/// The name under which a listener stands in logs and metrics: `native`, `id 0x0102` or
/// `prefix SSH-`; what is no printable ASCII in a prefix is escaped: `prefix \x16\x03`.
///
/// Memory: `buf` and `len` as in *Buffers*. Threads: any, callbacks too. Blocks: no.
/// Status: NULL_ARG, FORKED, BUFFER_TOO_SMALL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn gossip_listener_name(
    listener: Option<&gossip_listener_t>,
    buf: *mut c_char,
    cap: usize,
    len: Option<&mut MaybeUninit<usize>>,
) -> gossip_status_t {
    quick(|| {
        let name = listener_of(listener)?.name().to_string();
        // SAFETY: the header's rule for buffers.
        unsafe { fill_text(name.as_bytes(), buf, cap, len) }
    })
}

/// All addresses of a listener's port, with the real port number. `count` receives how many
/// there are, also if the array is too small, which then stays as it was.
///
/// Memory: `addrs` has room for `cap` addresses and may be NULL with `cap` 0. Threads: any,
/// callbacks too. Blocks: no.
/// Status: NULL_ARG, FORKED, BUFFER_TOO_SMALL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn gossip_listener_local_addrs(
    listener: Option<&gossip_listener_t>,
    addrs: *mut gossip_addr_t,
    cap: usize,
    count: Option<&mut MaybeUninit<usize>>,
) -> gossip_status_t {
    // SAFETY: the header's rule for buffers.
    quick(|| unsafe { fill_addrs(listener_of(listener)?.local_addrs(), addrs, cap, count) })
}

/// What a listener has counted: connections queued for accept, closed because the backlog
/// was full or the listener closed before they were taken, waiting now, and how many may
/// wait. Each may be NULL.
///
/// Memory: all are written on success. Threads: any, callbacks too. Blocks: no.
/// Status: NULL_ARG, FORKED.
#[unsafe(no_mangle)]
pub extern "C" fn gossip_listener_stats(
    listener: Option<&gossip_listener_t>,
    accepted: Option<&mut MaybeUninit<u64>>,
    dropped: Option<&mut MaybeUninit<u64>>,
    pending: Option<&mut MaybeUninit<u64>>,
    limit: Option<&mut MaybeUninit<u64>>,
) -> gossip_status_t {
    quick(|| {
        offer_stats(&listener_of(listener)?.stats(), [accepted, dropped, pending, limit]);
        Ok(())
    })
}

/// Writes the numbers of a queue, in the order of its fields.
pub(crate) fn offer_stats(stats: &QueueStats, places: [Option<&mut MaybeUninit<u64>>; 4]) {
    let number = |count| u64::try_from(count).unwrap_or(u64::MAX);
    let numbers = [stats.accepted, stats.dropped, number(stats.pending), number(stats.limit)];
    places.into_iter().zip(numbers).for_each(|(place, number)| offer(place, number));
}

/// Stops listening, wakes everyone blocked in accept with CLOSED, and closes the
/// connections that wait. Its id or prefix is free again.
///
/// Memory: `listener` stays valid. Threads: any, callbacks too. Blocks: no.
/// Status: NULL_ARG, FORKED.
#[unsafe(no_mangle)]
pub extern "C" fn gossip_listener_close(listener: Option<&gossip_listener_t>) -> gossip_status_t {
    quick(|| {
        listener_to_end(listener)?.close();
        Ok(())
    })
}

/// Closes and frees a listener; NULL is fine. Threads that are blocked in accept wake
/// with CLOSED; no other call may be under way.
///
/// Memory: ends `listener`; accepted descriptors stay yours. Threads: any, callbacks too.
/// Blocks: no.
#[unsafe(no_mangle)]
pub extern "C" fn gossip_listener_free(listener: Option<Box<gossip_listener_t>>) {
    value((), || {
        if let Ok(open) = listener_to_end(listener.as_deref()) {
            open.close();
        }
    });
}
