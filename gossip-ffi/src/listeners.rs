//! All listeners of a node, with what each has counted.

use std::ffi::{CString, c_char};
use std::mem::MaybeUninit;

use gossip_core::QueueStats;

use crate::border::{give, offer, quick, some, value};
use crate::error::{Failure, c_text};
use crate::listener::offer_stats;
use crate::node::{gossip_t, node_of};
use crate::status::Status::GOSSIP_ERR_NOT_FOUND;
use crate::status::gossip_status_t;

/// The listeners of a node at one moment, with what each had counted. It never changes.
pub struct gossip_listeners_t {
    rows: Vec<(CString, QueueStats)>,
}

/// The listeners of a node, sorted: native, ids, prefixes.
///
/// Memory: `listeners` is yours: gossip_listeners_free. Threads: any, callbacks too.
/// Blocks: no.
/// Status: NULL_ARG, FORKED.
#[unsafe(no_mangle)]
pub extern "C" fn gossip_listeners(
    node: Option<&gossip_t>,
    listeners: Option<&mut MaybeUninit<*mut gossip_listeners_t>>,
) -> gossip_status_t {
    quick(|| {
        let all = node_of(node)?.listener_stats();
        let rows = all.into_iter().map(|(name, stats)| (c_text(name.to_string()), stats)).collect();
        give(listeners, "listeners", || Ok(gossip_listeners_t { rows }))
    })
}

/// How many listeners there were; 0 for NULL.
///
/// Memory: borrows `listeners`. Threads: any. Blocks: no.
#[unsafe(no_mangle)]
pub extern "C" fn gossip_listeners_len(listeners: Option<&gossip_listeners_t>) -> usize {
    value(0, || listeners.map_or(0, |listeners| listeners.rows.len()))
}

/// The listener at `index`: its name, as from `gossip_listener_name`, and its numbers, as from
/// `gossip_listener_stats`. Each may be NULL.
///
/// Memory: `name` lives as long as `listeners`. Threads: any. Blocks: no.
/// Status: NULL_ARG; NOT_FOUND behind the last.
#[unsafe(no_mangle)]
pub extern "C" fn gossip_listeners_at(
    listeners: Option<&gossip_listeners_t>,
    index: usize,
    name: Option<&mut MaybeUninit<*const c_char>>,
    accepted: Option<&mut MaybeUninit<u64>>,
    dropped: Option<&mut MaybeUninit<u64>>,
    pending: Option<&mut MaybeUninit<u64>>,
    limit: Option<&mut MaybeUninit<u64>>,
) -> gossip_status_t {
    quick(|| {
        let rows = &some(listeners, "listeners")?.rows;
        let (text, stats) = rows.get(index).ok_or_else(|| {
            let rule = format!("is {index}, must be below {}", rows.len());
            Failure::argument(GOSSIP_ERR_NOT_FOUND, "index", rule)
        })?;
        offer(name, text.as_ptr());
        offer_stats(stats, [accepted, dropped, pending, limit]);
        Ok(())
    })
}

/// Frees listeners and their names; NULL is fine. The listeners themselves go on.
///
/// Memory: ends `listeners` and the names. Threads: any. Blocks: no.
#[unsafe(no_mangle)]
pub extern "C" fn gossip_listeners_free(listeners: Option<Box<gossip_listeners_t>>) {
    value((), || drop(listeners));
}
