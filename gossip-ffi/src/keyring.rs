//! The keyring of a running pool: rotation without a restart.

use std::ffi::c_void;
use std::mem::MaybeUninit;

use gossip_core::wire::keyring::Key;

use crate::border::{bytes, call};
use crate::error::gossip_error_t;
use crate::pool::{gossip_pool_t, pool_of};
use crate::status::gossip_status_t;

/// Adds a key of 16, 24 or 32 bytes to the pool's keyring, for decryption. To rotate: add
/// the new key everywhere, then use it everywhere, then remove the old one everywhere.
///
/// Memory: copies the key. Threads: any, callbacks too. Blocks: no.
/// Status: NULL_ARG, CLOSED, FORKED; INVALID_ARG for other lengths and for a pool that was
/// registered without keys.
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
/// Status: NULL_ARG, CLOSED, FORKED, INVALID_ARG; NOT_FOUND if it is not in the keyring.
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
/// Status: NULL_ARG, CLOSED, FORKED, INVALID_ARG; IN_USE for the primary key.
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
