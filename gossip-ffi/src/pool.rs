//! A pool as the program holds it: membership, messages, what is published, keys.

use std::ffi::{c_char, c_void};
use std::mem::MaybeUninit;
use std::slice;

use gossip_core::runtime::pool::Pool;
use gossip_core::swim::node::Member;

use crate::addr::gossip_addr_t;
use crate::border::{Timeout, bytes, call, give, offer, quick, some, text, value, write};
use crate::error::{Failure, gossip_error_t};
use crate::handle::Shared;
use crate::members::{gossip_member_t, gossip_members_t};
use crate::status::Status::GOSSIP_ERR_INVALID_ARG;
use crate::status::gossip_status_t;

/// A pool of a node. Several handles can stand for the same pool; freeing one does not
/// end the pool, `gossip_pool_shutdown` or the node's end does.
pub struct gossip_pool_t {
    pool: Shared<Pool>,
}

impl gossip_pool_t {
    pub(crate) fn new(pool: Pool) -> Self {
        Self { pool: Shared::new(pool) }
    }
}

pub(crate) fn pool_of(pool: Option<&gossip_pool_t>) -> Result<Pool, Failure> {
    some(pool, "pool")?.pool.get()
}

fn member_of(member: Option<&gossip_member_t>) -> Result<&Member, Failure> {
    Ok(some(member, "to")?.member())
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

/// Joins the pool of the `count` seeds by exchanging state with each: `host`, `host:port`
/// or `name/host:port`; without a port this node's own is taken. One that answers is
/// enough. `joined`, which may be NULL, receives how many addresses did.
///
/// Memory: borrows the texts for the call. Threads: any, callbacks too. Blocks: up to
/// `timeout_ms`.
/// Status: NULL_ARG, INVALID_UTF8, INVALID_STATE before the start, CLOSED, FORKED,
/// CANCELLED; AGAIN, TIMEOUT; JOIN_FAILED if no seed answered, with each one's reason.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn gossip_pool_join(
    pool: Option<&gossip_pool_t>,
    seeds: *const *const c_char,
    count: usize,
    timeout_ms: i32,
    joined: Option<&mut MaybeUninit<usize>>,
    err: Option<&mut MaybeUninit<*mut gossip_error_t>>,
) -> gossip_status_t {
    call(err, || {
        let (pool, timeout) = (pool_of(pool)?, Timeout(timeout_ms));
        // SAFETY: the header's rules for arrays and texts.
        let seeds = unsafe { texts(seeds, count, "seeds") }?;
        let report = timeout.judge(pool.join(&seeds, timeout.duration()))?;
        offer(joined, report.reached.len());
        Ok(())
    })
}

/// The `count` texts at `pointer`.
///
/// # Safety
/// `pointer` is NULL or holds that many pointers, each NULL or a C string, all for `'a`.
unsafe fn texts<'a>(
    pointer: *const *const c_char,
    count: usize,
    name: &'static str,
) -> Result<Vec<&'a str>, Failure> {
    // More seeds than addresses in a small country are a wrong length.
    const MOST: usize = 1 << 20;
    if count == 0 {
        return Ok(Vec::new());
    }
    if pointer.is_null() {
        return Err(Failure::null(name));
    }
    if count > MOST {
        let rule = format!("are {count}, must be at most {MOST}");
        return Err(Failure::argument(GOSSIP_ERR_INVALID_ARG, name, rule));
    }
    // SAFETY: not NULL, hence by this function's contract `count` pointers.
    let pointers = unsafe { slice::from_raw_parts(pointer, count) };
    // SAFETY: each is NULL or a C string by this function's contract.
    pointers.iter().map(|pointer| unsafe { text(*pointer, name) }).collect()
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
    call(err, || timeout.judge(pool_of(pool)?.leave(timeout.duration())))
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
        let view = pool_of(pool)?.members();
        give(members, "members", || Ok(gossip_members_t::new(view.members(), view.version())))
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

/// Gives a message to gossip, for every member. Nobody relays it: a pool of a few nodes is
/// reached as a whole, perhaps more than once; in a large one some may miss it; a pool of
/// one has nobody to tell. At most `gossip_pool_max_broadcast_size` bytes fit. `timeout_ms`
/// is how long to wait for room in the queue, not for delivery.
///
/// Memory: copies the bytes. Threads: any, callbacks too. Blocks: up to `timeout_ms`.
/// Status: NULL_ARG, TOO_LARGE, INVALID_STATE before the start or after a leave, CLOSED,
/// FORKED; AGAIN, TIMEOUT if the queue is full.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn gossip_pool_broadcast(
    pool: Option<&gossip_pool_t>,
    data: *const c_void,
    len: usize,
    timeout_ms: i32,
    err: Option<&mut MaybeUninit<*mut gossip_error_t>>,
) -> gossip_status_t {
    call(err, || {
        let (pool, timeout) = (pool_of(pool)?, Timeout(timeout_ms));
        // SAFETY: the header's rule for bytes.
        let message = unsafe { bytes(data, len, "data") }?;
        timeout.judge(pool.broadcast(message, timeout.duration()))
    })
}

/// How many bytes a broadcast may have.
///
/// Memory: `size` is written on success. Threads: any, callbacks too. Blocks: no.
/// Status: NULL_ARG, FORKED.
#[unsafe(no_mangle)]
pub extern "C" fn gossip_pool_max_broadcast_size(
    pool: Option<&gossip_pool_t>,
    size: Option<&mut MaybeUninit<usize>>,
) -> gossip_status_t {
    quick(|| write(size, "size", pool_of(pool)?.max_broadcast_size()))
}

/// Sends a message to one member in a datagram, which may be lost.
///
/// Memory: copies the bytes; borrows `to`. Threads: any, callbacks too. Blocks: no.
/// Status: NULL_ARG, TOO_LARGE, INVALID_STATE before the start, CLOSED, FORKED.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn gossip_pool_send_best_effort(
    pool: Option<&gossip_pool_t>,
    to: Option<&gossip_member_t>,
    data: *const c_void,
    len: usize,
    err: Option<&mut MaybeUninit<*mut gossip_error_t>>,
) -> gossip_status_t {
    call(err, || {
        let (pool, to) = (pool_of(pool)?, member_of(to)?);
        // SAFETY: the header's rule for bytes.
        Ok(pool.send_best_effort(to, unsafe { bytes(data, len, "data") }?)?)
    })
}

/// The same to an address, of which no member need be known.
///
/// Memory: copies the bytes and `to`. Threads: any, callbacks too. Blocks: no.
/// Status: NULL_ARG, INVALID_ARG, TOO_LARGE, INVALID_STATE before the start, CLOSED, FORKED.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn gossip_pool_send_to_address(
    pool: Option<&gossip_pool_t>,
    to: Option<&gossip_addr_t>,
    data: *const c_void,
    len: usize,
    err: Option<&mut MaybeUninit<*mut gossip_error_t>>,
) -> gossip_status_t {
    call(err, || {
        let (pool, to) = (pool_of(pool)?, some(to, "to")?.socket_addr("to")?);
        // SAFETY: the header's rule for bytes.
        Ok(pool.send_to_address(to, unsafe { bytes(data, len, "data") }?)?)
    })
}

/// Sends a message to one member over TCP. OK means that it was written, not that the
/// program at the other end has seen it.
///
/// Memory: copies the bytes; borrows `to`. Threads: any, callbacks too. Blocks: up to
/// `timeout_ms`.
/// Status: NULL_ARG, TOO_LARGE, INVALID_STATE before the start, CLOSED, FORKED, CANCELLED;
/// CONNECT; AGAIN, TIMEOUT.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn gossip_pool_send_reliable(
    pool: Option<&gossip_pool_t>,
    to: Option<&gossip_member_t>,
    data: *const c_void,
    len: usize,
    timeout_ms: i32,
    err: Option<&mut MaybeUninit<*mut gossip_error_t>>,
) -> gossip_status_t {
    call(err, || {
        let (pool, to, timeout) = (pool_of(pool)?, member_of(to)?, Timeout(timeout_ms));
        // SAFETY: the header's rule for bytes.
        let message = unsafe { bytes(data, len, "data") }?;
        timeout.judge(pool.send_reliable(to, message, timeout.duration()))
    })
}

/// Pings a member and measures the round trip. `rtt_ns` may be NULL.
///
/// Memory: borrows `to`; `rtt_ns` is written on success. Threads: any, callbacks too.
/// Blocks: up to `timeout_ms`.
/// Status: NULL_ARG, INVALID_STATE before the start, CLOSED, FORKED; NO_RESPONSE; AGAIN,
/// TIMEOUT.
#[unsafe(no_mangle)]
pub extern "C" fn gossip_pool_ping(
    pool: Option<&gossip_pool_t>,
    to: Option<&gossip_member_t>,
    timeout_ms: i32,
    rtt_ns: Option<&mut MaybeUninit<i64>>,
    err: Option<&mut MaybeUninit<*mut gossip_error_t>>,
) -> gossip_status_t {
    let timeout = Timeout(timeout_ms);
    call(err, || {
        let rtt = timeout.judge(pool_of(pool)?.ping(member_of(to)?, timeout.duration()))?;
        offer(rtt_ns, i64::try_from(rtt.as_nanos()).unwrap_or(i64::MAX));
        Ok(())
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
    call(err, || timeout.judge(pool_of(pool)?.shutdown(timeout.duration())))
}

/// Frees a handle; NULL is fine. The pool lives on with its node.
///
/// Memory: ends `pool`. Threads: any, callbacks too. Blocks: no.
#[unsafe(no_mangle)]
pub extern "C" fn gossip_pool_free(pool: Option<Box<gossip_pool_t>>) {
    value((), || drop(pool));
}
