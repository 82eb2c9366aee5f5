//! The label of a running pool: a move to another without a gap.

use std::ffi::c_void;
use std::mem::MaybeUninit;

use crate::border::{bytes, call};
use crate::error::gossip_error_t;
use crate::pool::{gossip_pool_t, pool_of};
use crate::status::gossip_status_t;

/// Accepts a label, too, and speaks it to those who speak it: the first of three steps in
/// which a cluster moves to another label without a gap, each on every node before the next.
/// Any bytes, at most 255; none at all is the move to no label. A bare pool has none, and
/// becomes a label pool so, and back. On a failure nothing has changed.
///
/// Nodes that know one label at a time, such as stock memberlist, are restarted with the new
/// one after this step, one by one: the nodes that accept both keep them together.
///
/// Memory: copies the label. Threads: any, callbacks too. Blocks: no.
/// Status: NULL_ARG, INVALID_STATE before the start, CLOSED, FORKED; CONFIG above 255 bytes or
/// where the pool can have none; EXISTS if it is another pool's; TOO_LARGE if it leaves no
/// room for this node's announcement.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn gossip_pool_accept_label(
    pool: Option<&gossip_pool_t>,
    label: *const c_void,
    len: usize,
    err: Option<&mut MaybeUninit<*mut gossip_error_t>>,
) -> gossip_status_t {
    call(err, || {
        let pool = pool_of(pool)?;
        // SAFETY: the header's rule for bytes.
        Ok(pool.accept_label(unsafe { bytes(label, len, "label") }?)?)
    })
}

/// Speaks under the label from now on, and still accepts the former one: the second step,
/// after gossip_pool_accept_label. The same call with the former label goes back.
///
/// Memory: copies the label. Threads: any, callbacks too. Blocks: no.
/// Status: NULL_ARG, INVALID_STATE before the start, CLOSED, FORKED; CONFIG above 255 bytes or
/// where the pool can have none; EXISTS if it is another pool's; TOO_LARGE if it leaves no
/// room for this node's announcement.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn gossip_pool_speak_label(
    pool: Option<&gossip_pool_t>,
    label: *const c_void,
    len: usize,
    err: Option<&mut MaybeUninit<*mut gossip_error_t>>,
) -> gossip_status_t {
    call(err, || {
        let pool = pool_of(pool)?;
        // SAFETY: the header's rule for bytes.
        Ok(pool.speak_label(unsafe { bytes(label, len, "label") }?)?)
    })
}

/// Speaks under the label and accepts no other: the last step.
///
/// Memory: copies the label. Threads: any, callbacks too. Blocks: no.
/// Status: NULL_ARG, INVALID_STATE before the start, CLOSED, FORKED; CONFIG above 255 bytes or
/// where the pool can have none; EXISTS if it is another pool's; TOO_LARGE if it leaves no
/// room for this node's announcement.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn gossip_pool_require_label(
    pool: Option<&gossip_pool_t>,
    label: *const c_void,
    len: usize,
    err: Option<&mut MaybeUninit<*mut gossip_error_t>>,
) -> gossip_status_t {
    call(err, || {
        let pool = pool_of(pool)?;
        // SAFETY: the header's rule for bytes.
        Ok(pool.require_label(unsafe { bytes(label, len, "label") }?)?)
    })
}
