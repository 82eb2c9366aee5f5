//! Connections to listeners of other nodes.

use std::ffi::c_char;
use std::mem::MaybeUninit;
use std::net::SocketAddr;
use std::os::fd::IntoRawFd;

use gossip_core::runtime::dial::dial;

use crate::border::{Timeout, call, some, text};
use crate::error::gossip_error_t;
use crate::listener::{gossip_fd_t, listener_id, wants_nonblocking};
use crate::signals::aside;
use crate::status::gossip_status_t;

/// Ids of `gossip_dial` that are none.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub enum gossip_dial_t {
    /// Write no id: for the native listener, and for every other server.
    GOSSIP_DIAL_NATIVE = -1,
}

/// Connects to `addr`, such as `host:7946` or `[2001:db8::1]:7946`, and writes the two
/// bytes of the listener `id`, so that the peer's `gossip_listen(id)` gets the connection;
/// with GOSSIP_DIAL_NATIVE it writes nothing. The socket is as `gossip_listener_accept`
/// gives it. No node is needed.
///
/// Memory: `fd` is yours; borrows `addr` for the call. Threads: any, callbacks too. Blocks:
/// up to `timeout_ms`.
/// Status: NULL_ARG, INVALID_UTF8, INVALID_ARG for unknown flags or ids; RESERVED;
/// ADDR_INVALID, RESOLVE, CONNECT, RESOURCE_LIMIT, IO; AGAIN, TIMEOUT.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn gossip_dial(
    addr: *const c_char,
    id: i32,
    timeout_ms: i32,
    flags: u32,
    fd: Option<&mut MaybeUninit<gossip_fd_t>>,
    err: Option<&mut MaybeUninit<*mut gossip_error_t>>,
) -> gossip_status_t {
    call(err, || {
        let timeout = Timeout(timeout_ms);
        // SAFETY: the header's rule for texts.
        let addr = unsafe { text(addr, "addr") }?;
        let nonblocking = wants_nonblocking(flags)?;
        let fd = some(fd, "fd")?;
        let id = if id == -1 { None } else { Some(listener_id(id)?) };
        let connect = || dial(addr, id, timeout.duration());
        // A host name is looked up by a thread that the core makes.
        let is_name = addr.parse::<SocketAddr>().is_err();
        let stream = timeout.judge(if is_name { aside("gossip-dial", connect)? } else { connect() })?;
        stream.set_nonblocking(nonblocking)?;
        fd.write(stream.into_raw_fd());
        Ok(())
    })
}
