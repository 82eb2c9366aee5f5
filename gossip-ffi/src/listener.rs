//! Listeners: connections for the program's own protocols, as ordinary descriptors.

use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, IntoRawFd};

use gossip_core::net::listener::Listener;

use crate::addr::gossip_addr_t;
use crate::border::{Timeout, call, give, offer, quick, some, value, write};
use crate::error::{Failure, gossip_error_t};
use crate::handle::Shared;
use crate::node::{gossip_t, node_of};
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

/// Receives the connections of one listener id, or all that belong to nobody else.
pub struct gossip_listener_t {
    listener: Shared<Listener>,
}

fn listener_of(listener: Option<&gossip_listener_t>) -> Result<Listener, Failure> {
    some(listener, "listener")?.listener.get()
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
        let node = node_of(node)?;
        let id = listener_id(id)?;
        give(listener, "listener", || Ok(gossip_listener_t { listener: Shared::new(node.listen(id)?) }))
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
        let node = node_of(node)?;
        give(listener, "listener", || Ok(gossip_listener_t { listener: Shared::new(node.listen_tcp()?) }))
    })
}

/// Takes the next connection: a plain socket, close-on-exec, `TCP_NODELAY`, blocking
/// unless `flags` says GOSSIP_FD_NONBLOCK. It is yours alone; close it with `close(2)`.
/// Mind SIGPIPE: send with MSG_NOSIGNAL. `peer`, the other end's address, may be NULL.
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
/// close it. It stays the same; take it out of the loop before freeing the listener.
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

/// What a listener counts: connections accepted, closed because nobody accepted them in
/// time, and waiting now. Each may be NULL.
///
/// Memory: all are written on success. Threads: any, callbacks too. Blocks: no.
/// Status: NULL_ARG, FORKED.
#[unsafe(no_mangle)]
pub extern "C" fn gossip_listener_stats(
    listener: Option<&gossip_listener_t>,
    accepted: Option<&mut MaybeUninit<u64>>,
    dropped: Option<&mut MaybeUninit<u64>>,
    pending: Option<&mut MaybeUninit<u64>>,
) -> gossip_status_t {
    quick(|| {
        let stats = listener_of(listener)?.stats();
        offer(accepted, stats.accepted);
        offer(dropped, stats.dropped);
        offer(pending, u64::try_from(stats.pending).unwrap_or(u64::MAX));
        Ok(())
    })
}

/// Stops listening, wakes everyone blocked in accept with CLOSED, and closes the
/// connections that wait. Its id is free again.
///
/// Memory: `listener` stays valid. Threads: any, callbacks too. Blocks: no.
/// Status: NULL_ARG, FORKED.
#[unsafe(no_mangle)]
pub extern "C" fn gossip_listener_close(listener: Option<&gossip_listener_t>) -> gossip_status_t {
    quick(|| {
        listener_of(listener)?.close();
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
        if let Ok(open) = listener_of(listener.as_deref()) {
            open.close();
        }
    });
}
