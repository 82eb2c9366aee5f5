//! The keyring of a running pool: rotation without a restart.

use std::ffi::c_void;
use std::mem::MaybeUninit;

use gossip_core::wire::keyring::Key;

use crate::addr::gossip_size_t::GOSSIP_KEY_MAX;
use crate::border::{bytes, call, copy_out, offer, quick};
use crate::error::{Failure, gossip_error_t};
use crate::pool::{gossip_pool_t, pool_of};
use crate::status::Status::GOSSIP_ERR_BUFFER_TOO_SMALL;
use crate::status::gossip_status_t;

/// Adds a key of 16, 24 or 32 bytes to the pool's keyring, for decryption. To rotate: add
/// the new key everywhere, then use it everywhere, then remove the old one everywhere. In a
/// pool without keys the first one encrypts at once, and clear text is refused from then on:
/// gossip_pool_set_gossip_verify tells how to get there without a gap.
///
/// Memory: copies the key. Threads: any, callbacks too. Blocks: no.
/// Status: NULL_ARG, INVALID_STATE before the start, CLOSED, FORKED; INVALID_ARG for other
/// lengths.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn gossip_pool_keyring_add(
    pool: Option<&gossip_pool_t>,
    key: *const c_void,
    len: usize,
    err: Option<&mut MaybeUninit<*mut gossip_error_t>>,
) -> gossip_status_t {
    call(err, || {
        let pool = pool_of(pool)?;
        // SAFETY: the header's rule for bytes.
        Ok(pool.add_key(Key::new(unsafe { bytes(key, len, "key") }?)?)?)
    })
}

/// Makes a key of the keyring the primary one, which encrypts.
///
/// Memory: borrows the key. Threads: any, callbacks too. Blocks: no.
/// Status: NULL_ARG, INVALID_STATE before the start, CLOSED, FORKED, INVALID_ARG; NOT_FOUND if it is not in the keyring.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn gossip_pool_keyring_use(
    pool: Option<&gossip_pool_t>,
    key: *const c_void,
    len: usize,
    err: Option<&mut MaybeUninit<*mut gossip_error_t>>,
) -> gossip_status_t {
    call(err, || {
        let pool = pool_of(pool)?;
        // SAFETY: the header's rule for bytes.
        Ok(pool.use_key(&Key::new(unsafe { bytes(key, len, "key") }?)?)?)
    })
}

/// Removes a key from the keyring.
///
/// Memory: borrows the key. Threads: any, callbacks too. Blocks: no.
/// Status: NULL_ARG, INVALID_STATE before the start, CLOSED, FORKED, INVALID_ARG; IN_USE for the primary key.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn gossip_pool_keyring_remove(
    pool: Option<&gossip_pool_t>,
    key: *const c_void,
    len: usize,
    err: Option<&mut MaybeUninit<*mut gossip_error_t>>,
) -> gossip_status_t {
    call(err, || {
        let pool = pool_of(pool)?;
        // SAFETY: the header's rule for bytes.
        Ok(pool.remove_key(&Key::new(unsafe { bytes(key, len, "key") }?)?)?)
    })
}

/// The keys of the keyring, the primary one first, in your memory: the key at `i` is the
/// first `lens[i]` bytes at `keys + i * GOSSIP_KEY_MAX`. `count` receives how many there are,
/// also if there is room for fewer; both arrays then stay as they were. Wipe them after use.
///
/// Memory: `keys` has room for `cap` times `GOSSIP_KEY_MAX` bytes, `lens` for `cap` numbers;
/// they may be NULL with `cap` 0. Threads: any, callbacks too. Blocks: no.
/// Status: NULL_ARG, INVALID_STATE before the start, CLOSED, FORKED, BUFFER_TOO_SMALL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn gossip_pool_keyring_list(
    pool: Option<&gossip_pool_t>,
    keys: *mut u8,
    lens: *mut usize,
    cap: usize,
    count: Option<&mut MaybeUninit<usize>>,
) -> gossip_status_t {
    quick(|| {
        let all = pool_of(pool)?.keys()?;
        offer(count, all.len());
        if all.len() > cap {
            let rule = format!("has room for {cap} keys, {} are needed", all.len());
            return Err(Failure::argument(GOSSIP_ERR_BUFFER_TOO_SMALL, "keys", rule));
        }
        if all.is_empty() {
            return Ok(());
        }
        if keys.is_null() {
            return Err(Failure::null("keys"));
        }
        let sizes: Vec<_> = all.iter().map(|key| key.as_bytes().len()).collect();
        // SAFETY: the caller gives room for `cap` numbers, and they are no more.
        unsafe { copy_out(&sizes, lens, "lens") }?;
        for (index, key) in all.iter().enumerate() {
            // SAFETY: `index` < `cap`, no key is longer than GOSSIP_KEY_MAX, and the caller
            // gives room for `cap` of that length.
            unsafe { copy_out(key.as_bytes(), keys.add(index * GOSSIP_KEY_MAX as usize), "keys") }?;
        }
        Ok(())
    })
}

/// Of a pool with keys: whether clear text is refused (`incoming`), and whether what goes out
/// is encrypted (`outgoing`); 0 is no. A cluster moves from plain to encrypted without a gap
/// in three steps, each on every node before the next: first neither and
/// gossip_pool_keyring_add, then `outgoing`, then `incoming` too.
///
/// Memory: none. Threads: any, callbacks too. Blocks: no.
/// Status: NULL_ARG, INVALID_STATE before the start, CLOSED, FORKED.
#[unsafe(no_mangle)]
pub extern "C" fn gossip_pool_set_gossip_verify(
    pool: Option<&gossip_pool_t>,
    incoming: i32,
    outgoing: i32,
    err: Option<&mut MaybeUninit<*mut gossip_error_t>>,
) -> gossip_status_t {
    call(err, || Ok(pool_of(pool)?.set_gossip_verify(incoming != 0, outgoing != 0)?))
}
