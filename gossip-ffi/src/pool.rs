//! A pool as the program holds it: its life, who is in it, what is published.

use std::ffi::{c_char, c_void};
use std::mem::MaybeUninit;
use std::time::UNIX_EPOCH;

use gossip_core::base::time::Time;
use gossip_core::runtime::pool::Pool;

use crate::border::{Timeout, bytes, c_bytes, call, give, list, quick, some, value, write};
use crate::error::{Failure, gossip_error_t};
use crate::handle::Shared;
use crate::members::{Last, gossip_members_t};
use crate::pool_config::gossip_pool_config_t;
use crate::status::gossip_status_t;

/// A pool of a node. Several handles can stand for the same pool; freeing one does not
/// end the pool, `gossip_pool_shutdown` or the node's end does.
pub struct gossip_pool_t {
    pool: Shared<Pool>,
    members: Last,
}

impl gossip_pool_t {
    pub(crate) fn new(pool: Shared<Pool>) -> Self {
        Self { pool, members: Last::default() }
    }
}

pub(crate) fn pool_of(pool: Option<&gossip_pool_t>) -> Result<Pool, Failure> {
    some(pool, "pool")?.pool.get()
}

fn pool_to_end(pool: Option<&gossip_pool_t>) -> Result<Pool, Failure> {
    some(pool, "pool")?.pool.get_to_end()
}

/// The pool's id.
///
/// Memory: `id` is written on success. Threads: any, callbacks too. Blocks: no.
/// Status: NULL_ARG, FORKED.
#[unsafe(no_mangle)]
pub extern "C" fn gossip_pool_id(
    pool: Option<&gossip_pool_t>,
    id: Option<&mut MaybeUninit<i32>>,
) -> gossip_status_t {
    quick(|| write(id, "id", pool_of(pool)?.id().0.into()))
}

/// What was chosen about the pool when it was registered: for keys to be read by name, or
/// for another pool of the kind.
///
/// Memory: `config` is yours, a copy: gossip_pool_config_free. Threads: any, callbacks too.
/// Blocks: no.
/// Status: NULL_ARG, FORKED.
#[unsafe(no_mangle)]
pub extern "C" fn gossip_pool_get_config(
    pool: Option<&gossip_pool_t>,
    config: Option<&mut MaybeUninit<*mut gossip_pool_config_t>>,
) -> gossip_status_t {
    quick(|| {
        let pool = pool_of(pool)?;
        give(config, "config", || Ok(gossip_pool_config_t { config: pool.config().clone(), queue: None }))
    })
}

/// The memberlist protocol version that this node speaks in the pool.
///
/// Memory: `version` is written on success. Threads: any, callbacks too. Blocks: no.
/// Status: NULL_ARG, FORKED.
#[unsafe(no_mangle)]
pub extern "C" fn gossip_pool_protocol_version(
    pool: Option<&gossip_pool_t>,
    version: Option<&mut MaybeUninit<i32>>,
) -> gossip_status_t {
    quick(|| write(version, "version", pool_of(pool)?.protocol_version().into()))
}

/// Leaves the pool, so that the others see this node as left and not as dead. Join again
/// to come back.
///
/// Memory: borrows `pool`. Threads: any, callbacks too. Blocks: up to `timeout_ms`.
/// Status: NULL_ARG, INVALID_STATE before the start, CLOSED, FORKED; AGAIN, TIMEOUT if the
/// goodbye could not be sent as often as it should.
#[unsafe(no_mangle)]
pub extern "C" fn gossip_pool_leave(
    pool: Option<&gossip_pool_t>,
    timeout_ms: i32,
    err: Option<&mut MaybeUninit<*mut gossip_error_t>>,
) -> gossip_status_t {
    let timeout = Timeout(timeout_ms);
    call(err, || timeout.judge(pool_to_end(pool)?.leave(timeout.duration())))
}

/// The members, alive or suspect, this node included, sorted by name. A snapshot: it
/// never changes. Works in every state of the node.
///
/// Memory: `members` is yours: gossip_members_free. Threads: any, callbacks too. Blocks: no.
/// Status: NULL_ARG, FORKED.
#[unsafe(no_mangle)]
pub extern "C" fn gossip_pool_members(
    pool: Option<&gossip_pool_t>,
    members: Option<&mut MaybeUninit<*mut gossip_members_t>>,
) -> gossip_status_t {
    quick(|| {
        let pool = some(pool, "pool")?;
        let view = pool.pool.get()?.members();
        give(members, "members", || Ok(pool.members.snapshot(view)))
    })
}

/// How many members there are, alive or suspect, this node included.
///
/// Memory: `count` is written on success. Threads: any, callbacks too. Blocks: no.
/// Status: NULL_ARG, FORKED.
#[unsafe(no_mangle)]
pub extern "C" fn gossip_pool_num_members(
    pool: Option<&gossip_pool_t>,
    count: Option<&mut MaybeUninit<usize>>,
) -> gossip_status_t {
    quick(|| write(count, "count", pool_of(pool)?.num_members()))
}

/// This node as a member of the pool: a snapshot of one.
///
/// Memory: `members` is yours: gossip_members_free. Threads: any, callbacks too. Blocks: no.
/// Status: NULL_ARG, INVALID_STATE before the start, CLOSED, FORKED.
#[unsafe(no_mangle)]
pub extern "C" fn gossip_pool_local_node(
    pool: Option<&gossip_pool_t>,
    members: Option<&mut MaybeUninit<*mut gossip_members_t>>,
) -> gossip_status_t {
    quick(|| {
        let member = pool_of(pool)?.local_node()?;
        give(members, "members", || Ok(gossip_members_t::new(&[member], 0)))
    })
}

/// How much this node doubts itself; 0 is healthy.
///
/// Memory: `score` is written on success. Threads: any, callbacks too. Blocks: no.
/// Status: NULL_ARG, FORKED.
#[unsafe(no_mangle)]
pub extern "C" fn gossip_pool_health_score(
    pool: Option<&gossip_pool_t>,
    score: Option<&mut MaybeUninit<i32>>,
) -> gossip_status_t {
    quick(|| {
        let health = pool_of(pool)?.health_score();
        write(score, "score", i32::try_from(health).unwrap_or(i32::MAX))
    })
}

/// The time of day that belongs to `received_ns` of `gossip_message_received_ns`, in nanoseconds
/// since 1970, UTC. It counts on from the start of the node, whatever becomes of the system's
/// clock meanwhile.
///
/// Memory: `unix_ns` is written on success. Threads: any, callbacks too. Blocks: no.
/// Status: NULL_ARG, FORKED.
#[unsafe(no_mangle)]
pub extern "C" fn gossip_pool_wall_clock(
    pool: Option<&gossip_pool_t>,
    received_ns: u64,
    unix_ns: Option<&mut MaybeUninit<i64>>,
) -> gossip_status_t {
    quick(|| {
        let wall = pool_of(pool)?.wall_clock(Time::from_nanos(received_ns));
        let since = wall.duration_since(UNIX_EPOCH).unwrap_or_default();
        write(unix_ns, "unix_ns", i64::try_from(since.as_nanos()).unwrap_or(i64::MAX))
    })
}

/// Announces new metadata, at most `GOSSIP_META_MAX` bytes, and waits until it has been
/// gossiped. After a timeout it stays announced.
///
/// Memory: copies the bytes. Threads: any, callbacks too. Blocks: up to `timeout_ms`.
/// Status: NULL_ARG, TOO_LARGE, INVALID_STATE before the start, CLOSED, FORKED; AGAIN,
/// TIMEOUT.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn gossip_pool_update_node(
    pool: Option<&gossip_pool_t>,
    meta: *const c_void,
    len: usize,
    timeout_ms: i32,
    err: Option<&mut MaybeUninit<*mut gossip_error_t>>,
) -> gossip_status_t {
    call(err, || {
        let (pool, timeout) = (pool_of(pool)?, Timeout(timeout_ms));
        // SAFETY: the header's rule for bytes.
        let meta = unsafe { bytes(meta, len, "meta") }?;
        timeout.judge(pool.update_node(meta, timeout.duration()))
    })
}

/// Publishes the state that others receive in push/pulls, until the next call. The
/// delegate's `local_state` has precedence where it is set.
///
/// Memory: copies the bytes. Threads: any, callbacks too. Blocks: no.
/// Status: NULL_ARG, TOO_LARGE, CLOSED, FORKED.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn gossip_pool_set_local_state(
    pool: Option<&gossip_pool_t>,
    data: *const c_void,
    len: usize,
    err: Option<&mut MaybeUninit<*mut gossip_error_t>>,
) -> gossip_status_t {
    call(err, || {
        let pool = pool_of(pool)?;
        // SAFETY: the header's rule for bytes.
        Ok(pool.set_local_state(unsafe { bytes(data, len, "data") }?)?)
    })
}

/// Publishes the bytes that ride on every ack, until the next call; others receive them
/// in `notify_ping_complete`.
///
/// Memory: copies the bytes. Threads: any, callbacks too. Blocks: no.
/// Status: NULL_ARG, TOO_LARGE, CLOSED, FORKED.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn gossip_pool_set_ack_payload(
    pool: Option<&gossip_pool_t>,
    data: *const c_void,
    len: usize,
    err: Option<&mut MaybeUninit<*mut gossip_error_t>>,
) -> gossip_status_t {
    call(err, || {
        let pool = pool_of(pool)?;
        // SAFETY: the header's rule for bytes.
        Ok(pool.set_ack_payload(unsafe { bytes(data, len, "data") }?)?)
    })
}

/// Never pings these members over TCP when they are silent over UDP, in place of those named
/// before: for nodes to which TCP is blocked, or all too patient. Without any, all are pinged
/// so again. The key `disable_tcp_pings` is for all, the delegate's `allow_tcp_ping` decides
/// case by case. Names are any bytes: `lens` holds the length of each, or is NULL if each ends
/// with a NUL.
///
/// Memory: copies the names. Threads: any, callbacks too. Blocks: no.
/// Status: NULL_ARG, INVALID_ARG, CLOSED, FORKED.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn gossip_pool_disable_tcp_pings_for(
    pool: Option<&gossip_pool_t>,
    names: *const *const c_char,
    lens: *const usize,
    count: usize,
    err: Option<&mut MaybeUninit<*mut gossip_error_t>>,
) -> gossip_status_t {
    call(err, || {
        let pool = pool_of(pool)?;
        // SAFETY: the header's rule for arrays.
        let names = unsafe { list(names, count, "names") }?;
        let lens = if lens.is_null() {
            None
        } else {
            // SAFETY: as above.
            Some(unsafe { list(lens, count, "lens") }?)
        };
        let name = |(index, name): (usize, &*const c_char)| match lens.and_then(|lens| lens.get(index)) {
            // SAFETY: the header's rule for bytes.
            Some(len) => unsafe { bytes(name.cast::<c_void>(), *len, "names") },
            // SAFETY: the header's rule for texts.
            None => unsafe { c_bytes(*name, "names") },
        };
        let names: Vec<_> = names.iter().enumerate().map(name).collect::<Result<_, _>>()?;
        Ok(pool.disable_tcp_pings_for(&names)?)
    })
}

/// Ends this pool alone, without leaving: its id is free again, its callbacks have ended,
/// its delegate's `destroy` has run.
///
/// Memory: `pool` stays valid, and answers CLOSED. Threads: any; from a callback of this
/// pool it returns DEADLOCK and does nothing. Blocks: up to `timeout_ms`.
/// Status: NULL_ARG, FORKED, DEADLOCK; AGAIN, TIMEOUT if a callback still runs.
#[unsafe(no_mangle)]
pub extern "C" fn gossip_pool_shutdown(
    pool: Option<&gossip_pool_t>,
    timeout_ms: i32,
    err: Option<&mut MaybeUninit<*mut gossip_error_t>>,
) -> gossip_status_t {
    let timeout = Timeout(timeout_ms);
    call(err, || timeout.judge(pool_to_end(pool)?.shutdown(timeout.duration())))
}

/// Frees a handle; NULL is fine. The pool lives on with its node.
///
/// Memory: ends `pool`. Threads: any, callbacks too. Blocks: no.
#[unsafe(no_mangle)]
pub extern "C" fn gossip_pool_free(pool: Option<Box<gossip_pool_t>>) {
    value((), || drop(pool));
}
