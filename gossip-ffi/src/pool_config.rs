//! What is chosen about a pool: a preset, keys by name, encryption keys, metadata.

use std::ffi::{c_char, c_void};
use std::mem::MaybeUninit;
use std::sync::OnceLock;

use gossip_core::base::config_error::ConfigError;
use gossip_core::base::keys;
use gossip_core::mux::prefix::Framing;
use gossip_core::pool::config::PoolConfig;
use gossip_core::pool::keys::KEYS;
use gossip_core::wire::keyring::Key;

use crate::border::{bytes, call, fill_text, give, offer, quick, some, text, value};
use crate::config::{KeyText, describe, key_text};
use crate::error::{Failure, gossip_error_t};
use crate::queue::{Attachment, gossip_queue_t};
use crate::status::Status::GOSSIP_ERR_INVALID_ARG;
use crate::status::gossip_status_t;

/// What can be chosen about a pool. A new one holds a preset; keys are set by name. It
/// belongs to one thread at a time and is copied by `gossip_register_pool`.
pub struct gossip_pool_config_t {
    pub(crate) config: PoolConfig,
    /// Where its pools put what they tell and ask, if not into a delegate.
    pub(crate) queue: Option<Attachment>,
}

/// memberlist's presets.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub enum gossip_preset_t {
    /// The same as LAN.
    GOSSIP_PRESET_DEFAULT = 0,
    /// A local network.
    GOSSIP_PRESET_LAN = 1,
    /// Wide-area networks: slower, more patient.
    GOSSIP_PRESET_WAN = 2,
    /// One machine: fast.
    GOSSIP_PRESET_LOCAL = 3,
}

/// Makes a pool's configuration from its `id`, 0 to 255, and a `preset` of
/// `gossip_preset_t`.
///
/// Memory: `config` is yours: gossip_pool_config_free. Threads: any. Blocks: no.
/// Status: NULL_ARG; INVALID_ARG for an id or preset that does not exist.
#[unsafe(no_mangle)]
pub extern "C" fn gossip_pool_config_new(
    id: i32,
    preset: i32,
    config: Option<&mut MaybeUninit<*mut gossip_pool_config_t>>,
    err: Option<&mut MaybeUninit<*mut gossip_error_t>>,
) -> gossip_status_t {
    call(err, || {
        let id = pool_id(id)?;
        let preset = [PoolConfig::lan, PoolConfig::lan, PoolConfig::wan, PoolConfig::local]
            .get(usize::try_from(preset).unwrap_or(usize::MAX))
            .ok_or_else(|| {
                let rule = format!("is {preset}, must be one of gossip_preset_t");
                Failure::argument(GOSSIP_ERR_INVALID_ARG, "preset", rule)
            })?;
        give(config, "config", || Ok(gossip_pool_config_t { config: preset(id), queue: None }))
    })
}

/// Sets a key from text: `gossip_pool_config_set(config, "probe_interval_ms", "500",
/// &err)`. The keys stand in the manual and in `gossip_pool_config_key_at`. On failure
/// nothing has changed.
///
/// Memory: copies both texts. Threads: one at a time. Blocks: no.
/// Status: NULL_ARG, INVALID_UTF8; CONFIG for an unknown key or an impossible value.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn gossip_pool_config_set(
    config: Option<&mut gossip_pool_config_t>,
    key: *const c_char,
    value: *const c_char,
    err: Option<&mut MaybeUninit<*mut gossip_error_t>>,
) -> gossip_status_t {
    call(err, || {
        let config = some(config, "config")?;
        // SAFETY: the header's rule for texts.
        let (key, value) = unsafe { (text(key, "key")?, text(value, "value")?) };
        Ok(keys::set(KEYS, &mut config.config, key, value)?)
    })
}

/// Reads a key as text, in the form that `gossip_pool_config_set` takes. Encryption keys
/// have no text form.
///
/// Memory: `buf` and `len` as in *Buffers*. Threads: one at a time. Blocks: no.
/// Status: NULL_ARG, INVALID_UTF8, BUFFER_TOO_SMALL; CONFIG for an unknown key.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn gossip_pool_config_get(
    config: Option<&gossip_pool_config_t>,
    key: *const c_char,
    buf: *mut c_char,
    cap: usize,
    len: Option<&mut MaybeUninit<usize>>,
) -> gossip_status_t {
    quick(|| {
        let config = some(config, "config")?;
        // SAFETY: the header's rule for texts.
        let key = unsafe { text(key, "key") }?;
        let value = keys::get(KEYS, &config.config, key)?;
        // SAFETY: the header's rule for buffers.
        unsafe { fill_text(value.as_bytes(), buf, cap, len) }
    })
}

/// Adds an AES key of 16, 24 or 32 bytes. The first one encrypts, all decrypt; without
/// any the pool is not encrypted. On failure nothing has changed.
///
/// Memory: copies the key, and wipes the copy in the end. Threads: one at a time.
/// Blocks: no.
/// Status: NULL_ARG; INVALID_ARG for other lengths.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn gossip_pool_config_add_key(
    config: Option<&mut gossip_pool_config_t>,
    key: *const c_void,
    len: usize,
    err: Option<&mut MaybeUninit<*mut gossip_error_t>>,
) -> gossip_status_t {
    call(err, || {
        let keyring = &mut some(config, "config")?.config.keyring;
        // SAFETY: the header's rule for bytes.
        keyring.add(Key::new(unsafe { bytes(key, len, "key") }?)?);
        Ok(())
    })
}

/// Lets the pools made from this configuration put what happens into `queue`, instead of
/// calling a delegate; NULL ends that. `tag`, any number, comes back with each event.
/// `asks` is the sum of the `gossip_ask_t` that you answer; the others have their default.
///
/// Memory: borrows `queue` for the call; after gossip_queue_free pools cannot be made with
/// it. Threads: one at a time. Blocks: no.
/// Status: NULL_ARG, FORKED; INVALID_ARG for unknown `asks`.
#[unsafe(no_mangle)]
pub extern "C" fn gossip_pool_config_set_queue(
    config: Option<&mut gossip_pool_config_t>,
    queue: Option<&gossip_queue_t>,
    tag: u64,
    asks: u32,
    err: Option<&mut MaybeUninit<*mut gossip_error_t>>,
) -> gossip_status_t {
    call(err, || {
        let config = some(config, "config")?;
        config.queue = queue.map(|queue| Attachment::new(queue, tag, asks)).transpose()?;
        Ok(())
    })
}

/// Sets the metadata that the node announces at its start, at most `GOSSIP_META_MAX`
/// bytes. `(NULL, 0)` is none. The key `meta` does the same for text.
///
/// Memory: copies the bytes. Threads: one at a time. Blocks: no.
/// Status: NULL_ARG; a length that cannot work is refused by gossip_register_pool.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn gossip_pool_config_set_meta(
    config: Option<&mut gossip_pool_config_t>,
    meta: *const c_void,
    len: usize,
    err: Option<&mut MaybeUninit<*mut gossip_error_t>>,
) -> gossip_status_t {
    call(err, || {
        let config = some(config, "config")?;
        // SAFETY: the header's rule for bytes.
        config.config.meta = unsafe { bytes(meta, len, "meta") }?.to_vec().into();
        Ok(())
    })
}

/// Sets a label of any bytes, 255 at most; the keys of the same names take text only. `key`
/// is `label` for that of a prefix pool, `framing` to make it a label pool of that label,
/// `next_label` or `former_label` for the other one while a cluster moves, where no bytes at
/// all are the move to or from no label. On failure nothing has changed.
///
/// Memory: copies both. Threads: one at a time. Blocks: no.
/// Status: NULL_ARG, INVALID_UTF8; CONFIG for another key or an impossible length.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn gossip_pool_config_set_label(
    config: Option<&mut gossip_pool_config_t>,
    key: *const c_char,
    label: *const c_void,
    len: usize,
    err: Option<&mut MaybeUninit<*mut gossip_error_t>>,
) -> gossip_status_t {
    call(err, || {
        let config = &mut some(config, "config")?.config;
        // SAFETY: the header's rule for texts.
        let key = unsafe { text(key, "key") }?;
        // SAFETY: the header's rule for bytes.
        let label = unsafe { bytes(label, len, "label") }?;
        let mut changed = config.clone();
        match key {
            "label" => changed.label = label.to_vec().into(),
            "framing" => changed.framing = Framing::Label(label.to_vec().into()),
            "next_label" => changed.next_label = Some(label.to_vec().into()),
            "former_label" => changed.former_label = Some(label.to_vec().into()),
            _ => {
                let rule = "must be label, framing, next_label or former_label";
                return Err(ConfigError::new("key", format!("{key:?}"), rule).into());
            }
        }
        if let Some(row) = KEYS.iter().find(|row| row.name == key) {
            let value = format!("{} bytes", label.len());
            (row.check)(&changed).map_err(|rule| ConfigError::new(row.name, value, rule))?;
        }
        *config = changed;
        Ok(())
    })
}

/// Frees a pool's configuration; NULL is fine. Pools made from it keep their copy.
///
/// Memory: ends `config`. Threads: one at a time. Blocks: no.
#[unsafe(no_mangle)]
pub extern "C" fn gossip_pool_config_free(config: Option<Box<gossip_pool_config_t>>) {
    value((), || drop(config));
}

/// How many keys a pool's configuration has.
///
/// Memory: none. Threads: any. Blocks: no.
#[unsafe(no_mangle)]
pub extern "C" fn gossip_pool_config_key_count() -> usize {
    value(0, || KEYS.len())
}

/// The key at `index`: its name, its kind (`gossip_key_kind_t`), its range and its
/// meaning in words. Each out-parameter may be NULL.
///
/// Memory: the texts are static. Threads: any. Blocks: no.
/// Status: NOT_FOUND behind the last.
#[unsafe(no_mangle)]
pub extern "C" fn gossip_pool_config_key_at(
    index: usize,
    name: Option<&mut MaybeUninit<*const c_char>>,
    kind: Option<&mut MaybeUninit<i32>>,
    range: Option<&mut MaybeUninit<*const c_char>>,
    about: Option<&mut MaybeUninit<*const c_char>>,
) -> gossip_status_t {
    static TABLE: OnceLock<Vec<KeyText>> = OnceLock::new();
    quick(|| {
        let key = key_text(TABLE.get_or_init(|| describe(KEYS)), index)?;
        offer(name, key.name.as_ptr());
        offer(kind, key.kind as i32);
        offer(range, key.range.as_ptr());
        offer(about, key.about.as_ptr());
        Ok(())
    })
}

/// A pool's id, if it is one. Go casts to a byte here, so that 1 and 257 meet.
pub(crate) fn pool_id(id: i32) -> Result<u8, Failure> {
    u8::try_from(id).map_err(|_| {
        Failure::argument(GOSSIP_ERR_INVALID_ARG, "id", format!("is {id}, must be from 0 to 255"))
    })
}
