//! What the program is told and asked: the struct of callbacks, and how it is read.

use std::ffi::{c_char, c_void};
use std::mem::{MaybeUninit, offset_of};
use std::ptr;
use std::slice;

use crate::border::quick;
use crate::buffer::gossip_buffer_t;
use crate::error::Failure;
use crate::members::{gossip_member_t, gossip_members_t};
use crate::message::gossip_message_t;
use crate::status::Status::{GOSSIP_ERR_ABI_MISMATCH, GOSSIP_ERR_INVALID_ARG};
use crate::status::gossip_status_t;

/// The callbacks of a pool, given to `gossip_register_pool`, which copies the struct.
/// Every pointer may be NULL; the first two fields are needed. Later versions append
/// fields and nothing else, so `struct_size` tells the library which you know.
///
/// Callbacks run on threads of the library, with no lock held, and may call every
/// function of this library; only a shutdown that would wait for its own callback is
/// refused, with DEADLOCK. A slow callback delays the pool's later callbacks and nothing
/// else. What a callback receives is borrowed until it returns. Callbacks must not unwind:
/// in C++ catch everything.
///
/// `notify_*` and `merge_remote_state` run one at a time, in the order in which things
/// happened. The four questions run on another thread and have `query_timeout_ms` to
/// answer. 0 is "the callback failed", so that the zero which many languages return when
/// a callback throws is never a yes.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct gossip_delegate_t {
    /// `sizeof(gossip_delegate_t)`.
    pub struct_size: usize,
    /// The first argument of every callback; the library does not look at it.
    pub user_data: *mut c_void,
    /// Called exactly once, after the last callback has returned, never concurrently with
    /// one, also when the registering call fails; not if that refuses `struct_size`.
    pub destroy: Option<unsafe extern "C" fn(user_data: *mut c_void)>,

    /// A node joined or came back; also this node itself at the start.
    pub notify_join: Option<unsafe extern "C" fn(user_data: *mut c_void, member: *const gossip_member_t)>,
    /// A node is gone; its state says whether it died or left.
    pub notify_leave: Option<unsafe extern "C" fn(user_data: *mut c_void, member: *const gossip_member_t)>,
    /// A node changed its metadata.
    pub notify_update: Option<unsafe extern "C" fn(user_data: *mut c_void, member: *const gossip_member_t)>,
    /// The node `other` claims the name of `existing`, and was refused.
    pub notify_conflict: Option<
        unsafe extern "C" fn(
            user_data: *mut c_void,
            existing: *const gossip_member_t,
            other: *const gossip_member_t,
        ),
    >,
    /// A message arrived: a broadcast or one for this node. `message` knows more about it.
    pub notify_msg: Option<
        unsafe extern "C" fn(
            user_data: *mut c_void,
            data: *const u8,
            len: usize,
            message: *const gossip_message_t,
        ),
    >,
    /// Another node's published state arrived; `join` is 1 if in a join.
    pub merge_remote_state:
        Option<unsafe extern "C" fn(user_data: *mut c_void, data: *const u8, len: usize, join: i32)>,
    /// A probe of `member` was answered directly, with its ack payload.
    pub notify_ping_complete: Option<
        unsafe extern "C" fn(
            user_data: *mut c_void,
            member: *const gossip_member_t,
            rtt_ns: i64,
            payload: *const u8,
            len: usize,
        ),
    >,
    /// So many messages, states, conflicts and pings were dropped, because the callbacks above
    /// did not keep up (`message_queue_depth`); changes of membership never are.
    pub notify_overflow: Option<unsafe extern "C" fn(user_data: *mut c_void, dropped: u64)>,
    /// The pool has ended; after this comes `destroy` and nothing else.
    pub notify_shutdown: Option<unsafe extern "C" fn(user_data: *mut c_void)>,

    /// Appends the state for a push/pull to `out` and returns `GOSSIP_CB_DONE`. Anything
    /// else, or too late: the state of `gossip_pool_set_local_state` is taken.
    pub local_state:
        Option<unsafe extern "C" fn(user_data: *mut c_void, join: i32, out: *mut gossip_buffer_t) -> i32>,
    /// Whether the state received in a join with these nodes may be merged: a
    /// `GOSSIP_VERDICT_*`, with a text in `reason` for the log. Anything else, or too late: no.
    pub notify_merge: Option<
        unsafe extern "C" fn(
            user_data: *mut c_void,
            members: *const gossip_members_t,
            reason: *mut gossip_buffer_t,
        ) -> i32,
    >,
    /// Whether a node may be a member, asked for each new or changed one: a
    /// `GOSSIP_VERDICT_*`, with a text in `reason` for the log. Anything else, or too late: no.
    pub notify_alive: Option<
        unsafe extern "C" fn(
            user_data: *mut c_void,
            member: *const gossip_member_t,
            reason: *mut gossip_buffer_t,
        ) -> i32,
    >,
    /// Whether a silent node may be pinged over TCP: a `GOSSIP_VERDICT_*`. Anything else,
    /// or too late: yes.
    pub allow_tcp_ping:
        Option<unsafe extern "C" fn(user_data: *mut c_void, name: *const c_char, len: usize) -> i32>,

    /// This node reaches no other member any more, or has tried all its seeds in vain. It goes
    /// on trying.
    pub notify_isolated: Option<unsafe extern "C" fn(user_data: *mut c_void)>,
    /// This node has company again, or `returned` members that it had lost are back, while
    /// `missing` are still looked for.
    pub notify_healed: Option<unsafe extern "C" fn(user_data: *mut c_void, returned: usize, missing: usize)>,
    /// This node has taken a step of a migration (`kind` of `gossip_migration_kind_t`, `step` of
    /// `gossip_step_t`), as the member `by` asked: its keys, its encryption or its label have
    /// changed. Write them to where the configuration comes from, or it does not get in when
    /// it is started again.
    pub notify_migrated:
        Option<unsafe extern "C" fn(user_data: *mut c_void, kind: i32, step: i32, by: *const c_char)>,
}

/// What `local_state` returns.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub enum gossip_cb_t {
    /// The callback failed.
    GOSSIP_CB_FAILED = 0,
    /// The buffer holds the answer, which may be empty.
    GOSSIP_CB_DONE = 1,
}

/// What the other questions return; 0 is a callback that failed.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub enum gossip_verdict_t {
    /// Yes.
    GOSSIP_VERDICT_ACCEPT = 1,
    /// No.
    GOSSIP_VERDICT_REJECT = 2,
}

/// Zeroes a delegate of `size` bytes and sets its `struct_size`: for callers that can't
/// write an initialiser. `size` is `sizeof(gossip_delegate_t)`.
///
/// Memory: writes `size` bytes to `delegate`. Threads: any. Blocks: no.
/// Status: NULL_ARG; INVALID_ARG for a size that no version has.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn gossip_delegate_init(
    delegate: *mut gossip_delegate_t,
    size: usize,
) -> gossip_status_t {
    quick(|| {
        if delegate.is_null() {
            return Err(Failure::null("delegate"));
        }
        check_size("size", size)?;
        // SAFETY: the caller says that `size` bytes are there, and the size is one that a
        // delegate can have, so `struct_size` lies within them.
        unsafe {
            ptr::write_bytes(delegate.cast::<u8>(), 0, size);
            (&raw mut (*delegate).struct_size).write(size);
        }
        Ok(())
    })
}

/// The fields that every version has.
const SMALLEST: usize = offset_of!(gossip_delegate_t, notify_join);
/// More than this is no delegate but uninitialised memory.
const LARGEST: usize = 4096;

fn check_size(name: &'static str, size: usize) -> Result<(), Failure> {
    if (SMALLEST..=LARGEST).contains(&size) {
        return Ok(());
    }
    let rule = format!("is {size}, must be sizeof(gossip_delegate_t)");
    Err(Failure::argument(GOSSIP_ERR_INVALID_ARG, name, rule))
}

/// A delegate that owes its `destroy` call, and pays when it is dropped.
#[derive(Debug)]
pub(crate) struct OwnedDelegate {
    table: gossip_delegate_t,
}

// SAFETY: `table` holds function pointers and `user_data`. The header tells the program
// that they are used on the library's threads, at most one notification and one question
// at a time, and that `destroy` comes last, on whichever thread; so the program has made
// `user_data` fit for it. Rust never looks behind that pointer.
unsafe impl Send for OwnedDelegate {}
// SAFETY: as above; a shared reference gives no more than the same calls.
unsafe impl Sync for OwnedDelegate {}

impl OwnedDelegate {
    /// Copies the delegate at `pointer`; NULL is none. Fields that the caller does not know
    /// are NULL. A caller that knows more than this library and uses it is refused.
    ///
    /// # Safety
    /// `pointer` is NULL or holds `struct_size` bytes.
    pub(crate) unsafe fn read(pointer: *const gossip_delegate_t) -> Result<Option<Self>, Failure> {
        if pointer.is_null() {
            return Ok(None);
        }
        // SAFETY: not NULL, and every version begins with `struct_size`.
        let size = unsafe { (&raw const (*pointer).struct_size).read() };
        check_size("delegate.struct_size", size)?;
        let known = size.min(size_of::<gossip_delegate_t>());
        let mut table = MaybeUninit::<gossip_delegate_t>::zeroed();
        // SAFETY: `known` bytes are there on both sides. All-zero bytes are a valid table
        // (no callbacks), and so is every prefix of it that C has written.
        let delegate = unsafe {
            ptr::copy_nonoverlapping(pointer.cast::<u8>(), table.as_mut_ptr().cast(), known);
            Self { table: table.assume_init() }
        };
        // SAFETY: `struct_size` bytes are there, and `known` is not more.
        let unknown = unsafe { slice::from_raw_parts(pointer.cast::<u8>().add(known), size - known) };
        if unknown.iter().any(|byte| *byte != 0) {
            let message = format!("delegate uses callbacks that this library ({known} bytes) does not have");
            return Err(Failure::new(GOSSIP_ERR_ABI_MISMATCH, message));
        }
        Ok(Some(delegate))
    }

    pub(crate) fn table(&self) -> &gossip_delegate_t {
        &self.table
    }
}

impl Drop for OwnedDelegate {
    fn drop(&mut self) {
        if let Some(destroy) = self.table.destroy {
            // SAFETY: the program gave this function for this call, which is the only one:
            // the delegate is dropped once, when nothing can call back any more.
            unsafe { destroy(self.table.user_data) };
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    unsafe extern "C" fn count(user_data: *mut c_void) {
        // SAFETY: the tests below pass a counter that outlives the delegate.
        unsafe { &*user_data.cast::<AtomicUsize>() }.fetch_add(1, Ordering::Relaxed);
    }

    /// A delegate of a later version, with one more callback.
    #[repr(C)]
    struct Later {
        table: gossip_delegate_t,
        more: usize,
    }

    fn later(destroyed: &AtomicUsize, size: usize, more: usize) -> Later {
        // SAFETY: a delegate of zeros has no callbacks.
        let mut table: gossip_delegate_t = unsafe { MaybeUninit::zeroed().assume_init() };
        table.struct_size = size;
        table.user_data = ptr::from_ref(destroyed).cast_mut().cast();
        table.destroy = Some(count);
        Later { table, more }
    }

    fn read(delegate: &Later) -> Result<Option<OwnedDelegate>, Failure> {
        // SAFETY: the tests claim no size above that of `Later`, or an impossible one.
        unsafe { OwnedDelegate::read(ptr::from_ref(delegate).cast()) }
    }

    #[test]
    fn an_older_program_leaves_out_what_it_does_not_know() {
        let destroyed = AtomicUsize::new(0);
        let mut delegate = later(&destroyed, SMALLEST, 0);
        delegate.table.notify_join = None;

        let owned = read(&delegate).unwrap().unwrap();

        assert!(owned.table().notify_msg.is_none());
        drop(owned);
        assert_eq!(destroyed.load(Ordering::Relaxed), 1);
    }

    #[test]
    fn a_newer_program_is_refused_only_if_it_uses_what_is_new() {
        let destroyed = AtomicUsize::new(0);

        assert!(read(&later(&destroyed, size_of::<Later>(), 0)).is_ok());
        let refused = read(&later(&destroyed, size_of::<Later>(), 1)).unwrap_err();

        assert_eq!(refused.status, GOSSIP_ERR_ABI_MISMATCH);
        assert_eq!(destroyed.load(Ordering::Relaxed), 2, "destroy is owed in both cases");
    }

    #[test]
    fn a_struct_without_size_is_not_read() {
        let destroyed = AtomicUsize::new(0);

        let refused = read(&later(&destroyed, 0, 0)).unwrap_err();

        assert_eq!(refused.status, GOSSIP_ERR_INVALID_ARG);
        assert_eq!(destroyed.load(Ordering::Relaxed), 0);
    }
}
