//! What is chosen about a node, by key. The same for pools, whose keys are other ones.

use std::ffi::{CString, c_char};
use std::mem::MaybeUninit;
use std::sync::OnceLock;

use gossip_core::base::keys::{self, Key, Kind};
use gossip_core::runtime::config::{Config, KEYS};

use crate::border::{call, fill_text, give, offer, quick, some, text, value};
use crate::error::{Failure, c_text, gossip_error_t};
use crate::status::gossip_status_t;

/// What can be chosen about a node: name, address, port, limits. A new one holds the
/// defaults; keys are set by name. It belongs to one thread at a time and is copied by
/// `gossip_new`.
pub struct gossip_config_t {
    pub(crate) config: Config,
}

/// What kind of value a key takes, as told by `gossip_config_key_at`.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub enum gossip_key_kind_t {
    /// `true` or `false`.
    GOSSIP_KEY_FLAG = 0,
    /// A whole number.
    GOSSIP_KEY_COUNT = 1,
    /// A whole number of milliseconds; the name ends in `_ms`.
    GOSSIP_KEY_DURATION = 2,
    /// Text as it stands.
    GOSSIP_KEY_TEXT = 3,
    /// Several values separated by commas.
    GOSSIP_KEY_LIST = 4,
}

/// Makes a configuration with the defaults.
///
/// Memory: `config` is yours: gossip_config_free. Threads: any. Blocks: no.
/// Status: NULL_ARG.
#[unsafe(no_mangle)]
pub extern "C" fn gossip_config_new(
    config: Option<&mut MaybeUninit<*mut gossip_config_t>>,
) -> gossip_status_t {
    quick(|| give(config, "config", || Ok(gossip_config_t { config: Config::default() })))
}

/// Sets a key from text: `gossip_config_set(config, "bind_port", "7946", &err)`. The keys
/// stand in the manual and in `gossip_config_key_at`. On failure nothing has changed.
///
/// Memory: copies both texts. Threads: one at a time. Blocks: no.
/// Status: NULL_ARG, INVALID_UTF8; CONFIG for an unknown key or an impossible value.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn gossip_config_set(
    config: Option<&mut gossip_config_t>,
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

/// Reads a key as text, in the form that `gossip_config_set` takes.
///
/// Memory: `buf` and `len` as in *Buffers*. Threads: one at a time. Blocks: no.
/// Status: NULL_ARG, INVALID_UTF8, BUFFER_TOO_SMALL; CONFIG for an unknown key.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn gossip_config_get(
    config: Option<&gossip_config_t>,
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

/// Frees a configuration; NULL is fine. Nodes made from it keep their copy.
///
/// Memory: ends `config`. Threads: one at a time. Blocks: no.
#[unsafe(no_mangle)]
pub extern "C" fn gossip_config_free(config: Option<Box<gossip_config_t>>) {
    value((), || drop(config));
}

/// How many keys a node's configuration has.
///
/// Memory: none. Threads: any. Blocks: no.
#[unsafe(no_mangle)]
pub extern "C" fn gossip_config_key_count() -> usize {
    value(0, || KEYS.len())
}

/// The key at `index`: its name, its kind (`gossip_key_kind_t`), its range and its
/// meaning in words. Each out-parameter may be NULL.
///
/// Memory: the texts are static. Threads: any. Blocks: no.
/// Status: NOT_FOUND behind the last.
#[unsafe(no_mangle)]
pub extern "C" fn gossip_config_key_at(
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

/// A row of the key table as C reads it.
pub(crate) struct KeyText {
    pub(crate) name: CString,
    pub(crate) kind: gossip_key_kind_t,
    pub(crate) range: CString,
    pub(crate) about: CString,
}

pub(crate) fn describe<C>(keys: &[Key<C>]) -> Vec<KeyText> {
    let describe = |key: &Key<C>| KeyText {
        name: c_text(key.text_name()),
        kind: match key.kind {
            Kind::Flag => gossip_key_kind_t::GOSSIP_KEY_FLAG,
            Kind::Count => gossip_key_kind_t::GOSSIP_KEY_COUNT,
            Kind::Duration => gossip_key_kind_t::GOSSIP_KEY_DURATION,
            Kind::Text => gossip_key_kind_t::GOSSIP_KEY_TEXT,
            Kind::List => gossip_key_kind_t::GOSSIP_KEY_LIST,
        },
        range: c_text(key.range.to_string()),
        about: c_text(key.about),
    };
    keys.iter().map(describe).collect()
}

pub(crate) fn key_text(table: &[KeyText], index: usize) -> Result<&KeyText, Failure> {
    table.get(index).ok_or_else(|| Failure::beyond(index, table.len()))
}
