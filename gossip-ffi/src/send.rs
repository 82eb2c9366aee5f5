//! Messages and pings: to every member, to one, to an address.

use std::ffi::{c_char, c_void};
use std::mem::MaybeUninit;
use std::time::Duration;

use gossip_core::base::addr::Target;
use gossip_core::pool::action::Delivery;
use gossip_core::runtime::pool::Pool;
use gossip_core::swim::node::Member;

use crate::addr::gossip_addr_t;
use crate::border::{Timeout, bytes, call, offer, quick, some, text, write};
use crate::error::{Failure, gossip_error_t};
use crate::members::gossip_member_t;
use crate::pool::{gossip_pool_t, pool_of};
use crate::status::gossip_status_t;

fn member_of(member: Option<&gossip_member_t>) -> Result<&Member, Failure> {
    Ok(some(member, "to")?.member())
}

/// Whom `to` names, and what is left of the time afterwards.
fn look_up(pool: &Pool, to: &str, timeout: Timeout) -> Result<(Target, Duration), Failure> {
    timeout.judge(pool.look_up(to, timeout.duration()))
}

fn nanos(rtt: Duration) -> i64 {
    i64::try_from(rtt.as_nanos()).unwrap_or(i64::MAX)
}

/// Gives a message to every other member, each of which gets it once. With a member that does
/// not understand how, such as one of memberlist (`broadcast_mode`), nobody relays it: a pool of
/// a few nodes is then reached as a whole, perhaps more than once; in a large one some may miss
/// it. A pool of one has nobody to tell. At most `gossip_pool_max_broadcast_size` bytes fit.
/// `timeout_ms` is how long to wait for room in the queue, not for delivery.
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

/// The same under a name of up to 255 bytes, which the largest message has the less: in place of
/// this node's older broadcasts of that name. One that still waits is not sent, and a member that
/// has the newer one is not told of an older one. What others broadcast under the name stays.
///
/// Memory: copies name and bytes. Threads: any, callbacks too. Blocks: up to `timeout_ms`.
/// Status: as gossip_pool_broadcast.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn gossip_pool_broadcast_named(
    pool: Option<&gossip_pool_t>,
    name: *const c_void,
    name_len: usize,
    data: *const c_void,
    len: usize,
    timeout_ms: i32,
    err: Option<&mut MaybeUninit<*mut gossip_error_t>>,
) -> gossip_status_t {
    call(err, || {
        let (pool, timeout) = (pool_of(pool)?, Timeout(timeout_ms));
        // SAFETY: the header's rule for bytes.
        let (name, message) = unsafe { (bytes(name, name_len, "name")?, bytes(data, len, "data")?) };
        timeout.judge(pool.broadcast_named(name, message, timeout.duration()))
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

/// The same to whom a text names: `host:port`, or `name/host:port` to a node of that name. An
/// IP address is read at once; `timeout_ms` is how long the name of a host may be looked up.
/// Without a port this node's own is taken.
///
/// Memory: copies the bytes; borrows `to`. Threads: any, callbacks too. Blocks: up to
/// `timeout_ms`.
/// Status: NULL_ARG, INVALID_UTF8, TOO_LARGE, INVALID_STATE before the start, CLOSED, FORKED;
/// ADDR_INVALID, RESOLVE, INVALID_ARG without a name that the pool requires; AGAIN, TIMEOUT.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn gossip_pool_send_best_effort_to(
    pool: Option<&gossip_pool_t>,
    to: *const c_char,
    data: *const c_void,
    len: usize,
    timeout_ms: i32,
    err: Option<&mut MaybeUninit<*mut gossip_error_t>>,
) -> gossip_status_t {
    call(err, || {
        let pool = pool_of(pool)?;
        // SAFETY: the header's rule for bytes.
        let message = unsafe { bytes(data, len, "data") }?;
        // SAFETY: the header's rule for texts.
        let (to, _) = look_up(&pool, unsafe { text(to, "to") }?, Timeout(timeout_ms))?;
        Ok(pool.send_best_effort(to, message)?)
    })
}

/// How certain it is that a reliable message arrived.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum gossip_delivery_t {
    /// The receiver has acknowledged it: its callback has returned, or its queue holds it.
    GOSSIP_DELIVERY_ACKNOWLEDGED = 1,
    /// The receiver, which does not acknowledge, has closed the connection in good order after
    /// the message. A node of memberlist does so when its delegate has returned.
    GOSSIP_DELIVERY_CLOSED = 2,
}

fn offer_delivery(out: Option<&mut MaybeUninit<i32>>, delivery: Delivery) {
    let delivery = match delivery {
        Delivery::Acknowledged => gossip_delivery_t::GOSSIP_DELIVERY_ACKNOWLEDGED,
        Delivery::Closed => gossip_delivery_t::GOSSIP_DELIVERY_CLOSED,
    };
    offer(out, delivery as i32);
}

/// Sends a message to one member over TCP and waits until it has arrived. `delivery`, which may
/// be NULL, says how certain that is, by a number of `gossip_delivery_t`. With CONNECT and
/// TIMEOUT the message says how far it came; with NOT_TAKEN the receiver's program has not got
/// it and will not: its queue is full, it has neither callbacks nor queue, or it failed. It is
/// delivered once, whatever happens to connections, which are kept and used again.
///
/// Memory: copies the bytes; borrows `to`; `delivery` is written on success. Threads: any,
/// callbacks too. Blocks: up to `timeout_ms`.
/// Status: NULL_ARG, TOO_LARGE, INVALID_STATE before the start, CLOSED, FORKED, CANCELLED;
/// CONNECT, NOT_TAKEN; REJECTED, PROTOCOL or CRYPTO from a peer of another kind; AGAIN, TIMEOUT.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn gossip_pool_send_reliable(
    pool: Option<&gossip_pool_t>,
    to: Option<&gossip_member_t>,
    data: *const c_void,
    len: usize,
    timeout_ms: i32,
    delivery: Option<&mut MaybeUninit<i32>>,
    err: Option<&mut MaybeUninit<*mut gossip_error_t>>,
) -> gossip_status_t {
    call(err, || {
        let (pool, to, timeout) = (pool_of(pool)?, member_of(to)?, Timeout(timeout_ms));
        // SAFETY: the header's rule for bytes.
        let message = unsafe { bytes(data, len, "data") }?;
        offer_delivery(delivery, timeout.judge(pool.send_reliable(to, message, timeout.duration()))?);
        Ok(())
    })
}

/// The same to whom a text names: `host:port`, or `name/host:port` to a node of that name, as
/// in gossip_pool_send_best_effort_to.
///
/// Memory: copies the bytes; borrows `to`; `delivery` is written on success. Threads: any,
/// callbacks too. Blocks: up to `timeout_ms`, in which the name of a host is looked up too.
/// Status: NULL_ARG, INVALID_UTF8, TOO_LARGE, INVALID_STATE before the start, CLOSED, FORKED,
/// CANCELLED; ADDR_INVALID, RESOLVE, INVALID_ARG without a name that the pool requires;
/// CONNECT, NOT_TAKEN; REJECTED, PROTOCOL or CRYPTO from a peer of another kind; AGAIN, TIMEOUT.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn gossip_pool_send_reliable_to(
    pool: Option<&gossip_pool_t>,
    to: *const c_char,
    data: *const c_void,
    len: usize,
    timeout_ms: i32,
    delivery: Option<&mut MaybeUninit<i32>>,
    err: Option<&mut MaybeUninit<*mut gossip_error_t>>,
) -> gossip_status_t {
    call(err, || {
        let (pool, timeout) = (pool_of(pool)?, Timeout(timeout_ms));
        // SAFETY: the header's rule for bytes.
        let message = unsafe { bytes(data, len, "data") }?;
        // SAFETY: the header's rule for texts.
        let (to, left) = look_up(&pool, unsafe { text(to, "to") }?, timeout)?;
        offer_delivery(delivery, timeout.judge(pool.send_reliable(to, message, left))?);
        Ok(())
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
        offer(rtt_ns, nanos(rtt));
        Ok(())
    })
}

/// The same to whom a text names: `host:port`, or `name/host:port` to a node of that name, as
/// in gossip_pool_send_best_effort_to. A node answers to its own name only, or to none.
///
/// Memory: borrows `to`; `rtt_ns` is written on success. Threads: any, callbacks too.
/// Blocks: up to `timeout_ms`, in which the name of a host is looked up too.
/// Status: NULL_ARG, INVALID_UTF8, INVALID_STATE before the start, CLOSED, FORKED;
/// ADDR_INVALID, RESOLVE, INVALID_ARG without a name that the pool requires; NO_RESPONSE;
/// AGAIN, TIMEOUT.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn gossip_pool_ping_to(
    pool: Option<&gossip_pool_t>,
    to: *const c_char,
    timeout_ms: i32,
    rtt_ns: Option<&mut MaybeUninit<i64>>,
    err: Option<&mut MaybeUninit<*mut gossip_error_t>>,
) -> gossip_status_t {
    let timeout = Timeout(timeout_ms);
    call(err, || {
        let pool = pool_of(pool)?;
        // SAFETY: the header's rule for texts.
        let (to, left) = look_up(&pool, unsafe { text(to, "to") }?, timeout)?;
        offer(rtt_ns, nanos(timeout.judge(pool.ping(to, left))?));
        Ok(())
    })
}
