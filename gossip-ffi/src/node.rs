//! The node: it owns the port, and its pools, listeners and packet receiver.

use std::ffi::c_char;
use std::mem::MaybeUninit;
use std::net::SocketAddr;
use std::sync::Arc;
use std::thread;

use gossip_core::base::ids::PoolId;
use gossip_core::runtime::delegate::Delegate;
use gossip_core::runtime::error::Error;
use gossip_core::runtime::gossip::Gossip;

use crate::addr::gossip_addr_t;
use crate::border::{FOR_EVER, Timeout, call, fill_array, fill_text, give, quick, some, value, write};
use crate::config::gossip_config_t;
use crate::delegate::{OwnedDelegate, gossip_delegate_t};
use crate::error::{Failure, gossip_error_t};
use crate::handle::Shared;
use crate::pool::gossip_pool_t;
use crate::pool_config::{gossip_pool_config_t, pool_id};
use crate::signals::Blocked;
use crate::status::Status::{GOSSIP_ERR_INVALID_ARG, GOSSIP_ERR_NOT_FOUND};
use crate::status::gossip_status_t;

/// A node: one TCP and UDP port, up to 256 pools that gossip on it, and the program's
/// own listeners beside them. `gossip_new` binds, `gossip_start` serves,
/// `gossip_shutdown` ends, `gossip_free` frees.
pub struct gossip_t {
    pub(crate) gossip: Shared<Gossip>,
}

pub(crate) fn node_of(node: Option<&gossip_t>) -> Result<Gossip, Failure> {
    some(node, "node")?.gossip.get()
}

fn node_to_end(node: Option<&gossip_t>) -> Result<Gossip, Failure> {
    some(node, "node")?.gossip.get_to_end()
}

/// A handle of something that belongs to `node`, for that to go by.
pub(crate) fn beside<T: Clone>(node: Option<&gossip_t>, object: T) -> Result<Shared<T>, Failure> {
    Ok(some(node, "node")?.gossip.beside(object))
}

/// Checks the configuration and binds the port, TCP and UDP. Nothing is served before
/// `gossip_start`. A NULL `config` means the defaults.
///
/// Memory: `node` is yours: gossip_free; copies `config`. Threads: any. Blocks: no.
/// Status: NULL_ARG; CONFIG, with field, value and rule; ADDR_IN_USE, ADDR_INVALID,
/// RESOURCE_LIMIT, IO if the port can't be had.
#[must_use]
#[unsafe(no_mangle)]
pub extern "C" fn gossip_new(
    config: Option<&gossip_config_t>,
    node: Option<&mut MaybeUninit<*mut gossip_t>>,
    err: Option<&mut MaybeUninit<*mut gossip_error_t>>,
) -> gossip_status_t {
    call(err, || {
        let config = config.map(|config| config.config.clone()).unwrap_or_default();
        let _blocked = Blocked::new();
        give(node, "node", || Ok(gossip_t { gossip: Shared::new(Gossip::new(config)?) }))
    })
}

/// Serves the port and starts every registered pool: all or nothing. A second call does
/// nothing.
///
/// Memory: borrows `node`. Threads: any, callbacks too. Blocks: no.
/// Status: NULL_ARG, CLOSED, FORKED; RESOURCE_LIMIT, IO, REJECTED if it could not start.
#[must_use]
#[unsafe(no_mangle)]
pub extern "C" fn gossip_start(
    node: Option<&gossip_t>,
    err: Option<&mut MaybeUninit<*mut gossip_error_t>>,
) -> gossip_status_t {
    call(err, || {
        let _blocked = Blocked::new();
        Ok(node_of(node)?.start()?)
    })
}

/// Leaves every pool, so that the others see this node as left and not as dead. The
/// pools stay usable: join again, or shut down.
///
/// Memory: borrows `node`. Threads: any, callbacks too. Blocks: up to `timeout_ms`.
/// Status: NULL_ARG, CLOSED, FORKED, INVALID_STATE before the start; AGAIN, TIMEOUT if the
/// goodbye could not be sent as often as it should.
#[unsafe(no_mangle)]
pub extern "C" fn gossip_leave(
    node: Option<&gossip_t>,
    timeout_ms: i32,
    err: Option<&mut MaybeUninit<*mut gossip_error_t>>,
) -> gossip_status_t {
    let timeout = Timeout(timeout_ms);
    call(err, || timeout.judge(node_to_end(node)?.leave(timeout.duration())))
}

/// Ends the node: wakes every blocked call with CLOSED, waits for running callbacks, runs
/// the delegates' `destroy`, frees port, threads and descriptors. It does not leave: call
/// `gossip_leave` first, or the others think that the node died. After OK nothing of the
/// library runs any more. It may be called again, and after TIMEOUT should be.
///
/// Memory: `node` and all handles stay valid, and answer CLOSED. Threads: any; from a
/// callback of this node it returns DEADLOCK and does nothing. Blocks: up to `timeout_ms`.
/// Status: NULL_ARG, FORKED, DEADLOCK; AGAIN, TIMEOUT if a callback still runs.
#[unsafe(no_mangle)]
pub extern "C" fn gossip_shutdown(
    node: Option<&gossip_t>,
    timeout_ms: i32,
    err: Option<&mut MaybeUninit<*mut gossip_error_t>>,
) -> gossip_status_t {
    let timeout = Timeout(timeout_ms);
    call(err, || timeout.judge(node_to_end(node)?.shutdown(timeout.duration())))
}

/// Frees a node; NULL is fine. A node that has not been shut down is, without leaving.
/// Handles of its pools, listeners and packet receiver may be freed before or after it.
///
/// Memory: ends `node`. Threads: any; from a callback of this node it returns at once and
/// the work is done later. Blocks: while callbacks run.
#[unsafe(no_mangle)]
pub extern "C" fn gossip_free(node: Option<Box<gossip_t>>) {
    value((), || {
        let Ok(gossip) = node_to_end(node.as_deref()) else { return };
        if matches!(gossip.shutdown(FOR_EVER), Err(Error::Deadlock)) {
            let _blocked = Blocked::new();
            let reap = move || drop(gossip.shutdown(FOR_EVER));
            // Without a thread the node lives on; there is nobody left to tell.
            drop(thread::Builder::new().name("gossip-reap".into()).spawn(reap));
        }
    });
}

/// 1 from a successful start to the shutdown, 0 otherwise, for NULL, and once the node is FATAL.
///
/// Memory: borrows `node`. Threads: any, callbacks too. Blocks: no.
#[unsafe(no_mangle)]
pub extern "C" fn gossip_is_running(node: Option<&gossip_t>) -> i32 {
    value(0, || node_of(node).is_ok_and(|gossip| gossip.is_running()).into())
}

/// The node's name, as configured or taken from the host.
///
/// Memory: `buf` and `len` as in *Buffers*. Threads: any, callbacks too. Blocks: no.
/// Status: NULL_ARG, FORKED, BUFFER_TOO_SMALL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn gossip_node_name(
    node: Option<&gossip_t>,
    buf: *mut c_char,
    cap: usize,
    len: Option<&mut MaybeUninit<usize>>,
) -> gossip_status_t {
    quick(|| {
        let gossip = node_of(node)?;
        // SAFETY: the header's rule for buffers.
        unsafe { fill_text(gossip.node_name().as_bytes(), buf, cap, len) }
    })
}

/// The first bound address, with the real port where 0 was asked for.
///
/// Memory: `addr` is written on success. Threads: any, callbacks too. Blocks: no.
/// Status: NULL_ARG, FORKED.
#[unsafe(no_mangle)]
pub extern "C" fn gossip_local_addr(
    node: Option<&gossip_t>,
    addr: Option<&mut MaybeUninit<gossip_addr_t>>,
) -> gossip_status_t {
    quick(|| write(addr, "addr", node_of(node)?.local_addr().into()))
}

/// All bound addresses, with the real port. `count` receives how many there are, also if
/// the array is too small, which then stays as it was.
///
/// Memory: `addrs` has room for `cap` addresses and may be NULL with `cap` 0. Threads: any,
/// callbacks too. Blocks: no.
/// Status: NULL_ARG, FORKED, BUFFER_TOO_SMALL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn gossip_local_addrs(
    node: Option<&gossip_t>,
    addrs: *mut gossip_addr_t,
    cap: usize,
    count: Option<&mut MaybeUninit<usize>>,
) -> gossip_status_t {
    // SAFETY: the header's rule for buffers.
    quick(|| unsafe { fill_addrs(node_of(node)?.local_addrs(), addrs, cap, count) })
}

/// Copies addresses to the caller's array.
///
/// # Safety
/// That of `fill_array`.
pub(crate) unsafe fn fill_addrs(
    all: &[SocketAddr],
    addrs: *mut gossip_addr_t,
    cap: usize,
    count: Option<&mut MaybeUninit<usize>>,
) -> Result<(), Failure> {
    let all: Vec<gossip_addr_t> = all.iter().map(|addr| (*addr).into()).collect();
    // SAFETY: by this function's contract.
    unsafe { fill_array(&all, addrs, cap, "addrs", count) }
}

/// The address that this node tells others.
///
/// Memory: `addr` is written on success. Threads: any, callbacks too. Blocks: no.
/// Status: NULL_ARG, FORKED.
#[unsafe(no_mangle)]
pub extern "C" fn gossip_advertise_addr(
    node: Option<&gossip_t>,
    addr: Option<&mut MaybeUninit<gossip_addr_t>>,
) -> gossip_status_t {
    quick(|| write(addr, "addr", node_of(node)?.advertise_addr().into()))
}

/// The receive buffer that the system granted the port's UDP sockets, in bytes; the smallest
/// of them. If it is less than the key `udp_recv_buffer`, a limit of the system is lower: on
/// Linux `net.core.rmem_max`.
///
/// Memory: `bytes` is written on success. Threads: any, callbacks too. Blocks: no.
/// Status: NULL_ARG, FORKED.
#[unsafe(no_mangle)]
pub extern "C" fn gossip_udp_recv_buffer(
    node: Option<&gossip_t>,
    bytes: Option<&mut MaybeUninit<usize>>,
) -> gossip_status_t {
    quick(|| write(bytes, "bytes", node_of(node)?.udp_recv_buffer()))
}

/// Adds a pool; on a running node it starts at once. `delegate` may be NULL; if not, its
/// `destroy` is called exactly once, also when this call fails, except with INVALID_ARG for
/// its `struct_size`: then nothing else of it was read.
///
/// Memory: `pool`, which may be NULL, is yours: gossip_pool_free; copies `config` and
/// `delegate`. Threads: any, callbacks too. Blocks: no.
/// Status: NULL_ARG, CLOSED (the node, or the configuration's queue), FORKED; CONFIG, with
/// field, value and rule; EXISTS for an id, label or bare pool that is taken; INVALID_ARG,
/// ABI_MISMATCH for a delegate's `struct_size`; INVALID_ARG for a delegate beside a queue;
/// REJECTED if a rule of the pool forbids this node itself.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn gossip_register_pool(
    node: Option<&gossip_t>,
    config: Option<&gossip_pool_config_t>,
    delegate: *const gossip_delegate_t,
    pool: Option<&mut MaybeUninit<*mut gossip_pool_t>>,
    err: Option<&mut MaybeUninit<*mut gossip_error_t>>,
) -> gossip_status_t {
    call(err, || {
        // First of all: from here on `destroy` is owed, whatever fails.
        // SAFETY: the header's rule for delegates.
        let delegate = unsafe { OwnedDelegate::read(delegate) }?;
        let gossip = node_of(node)?;
        let config = some(config, "config")?;
        let delegate = match (delegate, &config.queue) {
            (Some(_), Some(_)) => {
                let rule = "is given, and so is a queue: a pool tells one of them";
                return Err(Failure::argument(GOSSIP_ERR_INVALID_ARG, "delegate", rule));
            }
            (Some(delegate), None) => Some(Arc::new(delegate) as Arc<dyn Delegate>),
            (None, Some(attachment)) => Some(attachment.delegate()?),
            (None, None) => None,
        };
        let config = config.config.clone();
        let _blocked = Blocked::new();
        let registered = gossip.register_pool(config, delegate)?;
        if let Some(pool) = pool {
            give(Some(pool), "pool", || Ok(gossip_pool_t::new(beside(node, registered)?)))?;
        }
        Ok(())
    })
}

/// The pool with this id.
///
/// Memory: `pool` is yours, a handle of its own: gossip_pool_free. Threads: any, callbacks
/// too. Blocks: no.
/// Status: NULL_ARG, FORKED, NOT_FOUND; INVALID_ARG for an id outside 0 to 255.
#[unsafe(no_mangle)]
pub extern "C" fn gossip_get_pool(
    node: Option<&gossip_t>,
    id: i32,
    pool: Option<&mut MaybeUninit<*mut gossip_pool_t>>,
) -> gossip_status_t {
    quick(|| {
        let gossip = node_of(node)?;
        let id = PoolId(pool_id(id)?);
        let missing = || Failure::new(GOSSIP_ERR_NOT_FOUND, format!("no pool {id} is registered"));
        give(pool, "pool", || Ok(gossip_pool_t::new(beside(node, gossip.pool(id).ok_or_else(missing)?)?)))
    })
}

/// The ids of all pools, ascending; there are at most 256. `count` receives how many
/// there are, also if the array is too small, which then stays as it was.
///
/// Memory: `ids` has room for `cap` numbers and may be NULL with `cap` 0. Threads: any,
/// callbacks too. Blocks: no.
/// Status: NULL_ARG, FORKED, BUFFER_TOO_SMALL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn gossip_list_pools(
    node: Option<&gossip_t>,
    ids: *mut i32,
    cap: usize,
    count: Option<&mut MaybeUninit<usize>>,
) -> gossip_status_t {
    quick(|| {
        let all: Vec<i32> = node_of(node)?.pools().iter().map(|pool| pool.id().0.into()).collect();
        // SAFETY: the header's rule for buffers.
        unsafe { fill_array(&all, ids, cap, "ids", count) }
    })
}
