//! Counters, by name. Names and presence may change between versions; the way to read
//! them does not.

use std::ffi::{CString, c_char};
use std::mem::MaybeUninit;

use gossip_core::net::stats::PortStats;

use crate::border::{give, offer, quick, some, text, value, write};
use crate::error::{Failure, c_text};
use crate::node::{gossip_t, node_of};
use crate::pool::{gossip_pool_t, pool_of};
use crate::status::Status::GOSSIP_ERR_NOT_FOUND;
use crate::status::gossip_status_t;

/// Counters at one moment, each with a name. It never changes.
pub struct gossip_stats_t {
    rows: Vec<(CString, u64)>,
}

impl gossip_stats_t {
    fn new(rows: impl IntoIterator<Item = (impl Into<Vec<u8>>, u64)>) -> Self {
        Self { rows: rows.into_iter().map(|(name, value)| (c_text(name), value)).collect() }
    }
}

/// The counters of the port: what came in, for whom, and what was dropped.
///
/// Memory: `stats` is yours: gossip_stats_free. Threads: any, callbacks too. Blocks: no.
/// Status: NULL_ARG, FORKED.
#[unsafe(no_mangle)]
pub extern "C" fn gossip_stats(
    node: Option<&gossip_t>,
    stats: Option<&mut MaybeUninit<*mut gossip_stats_t>>,
) -> gossip_status_t {
    quick(|| {
        let port = node_of(node)?.stats();
        give(stats, "stats", || Ok(gossip_stats_t::new(port_rows(&port))))
    })
}

/// The counters of a pool.
///
/// Memory: `stats` is yours: gossip_stats_free. Threads: any, callbacks too. Blocks: no.
/// Status: NULL_ARG, INVALID_STATE before the start, CLOSED, FORKED.
#[unsafe(no_mangle)]
pub extern "C" fn gossip_pool_stats(
    pool: Option<&gossip_pool_t>,
    stats: Option<&mut MaybeUninit<*mut gossip_stats_t>>,
) -> gossip_status_t {
    quick(|| {
        let pool = pool_of(pool)?.stats()?;
        give(stats, "stats", || Ok(gossip_stats_t::new(pool.rows())))
    })
}

/// How many counters there are; 0 for NULL.
///
/// Memory: borrows `stats`. Threads: any. Blocks: no.
#[unsafe(no_mangle)]
pub extern "C" fn gossip_stats_len(stats: Option<&gossip_stats_t>) -> usize {
    stats.map_or(0, |stats| stats.rows.len())
}

/// The counter at `index`: its name and its value. Each may be NULL.
///
/// Memory: `name` lives as long as `stats`. Threads: any. Blocks: no.
/// Status: NULL_ARG; NOT_FOUND behind the last.
#[unsafe(no_mangle)]
pub extern "C" fn gossip_stats_at(
    stats: Option<&gossip_stats_t>,
    index: usize,
    name: Option<&mut MaybeUninit<*const c_char>>,
    value: Option<&mut MaybeUninit<u64>>,
) -> gossip_status_t {
    quick(|| {
        let rows = &some(stats, "stats")?.rows;
        let (text, number) = rows.get(index).ok_or_else(|| {
            let rule = format!("is {index}, must be below {}", rows.len());
            Failure::argument(GOSSIP_ERR_NOT_FOUND, "index", rule)
        })?;
        offer(name, text.as_ptr());
        offer(value, *number);
        Ok(())
    })
}

/// The counter of that name.
///
/// Memory: borrows `name`; `value` is written on success. Threads: any. Blocks: no.
/// Status: NULL_ARG, INVALID_UTF8; NOT_FOUND if there is none.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn gossip_stats_find(
    stats: Option<&gossip_stats_t>,
    name: *const c_char,
    value: Option<&mut MaybeUninit<u64>>,
) -> gossip_status_t {
    quick(|| {
        let stats = some(stats, "stats")?;
        // SAFETY: the header's rule for texts.
        let name = unsafe { text(name, "name") }?;
        let row = stats.rows.iter().find(|(row, _)| row.as_bytes() == name.as_bytes());
        let (_, number) =
            row.ok_or_else(|| Failure::new(GOSSIP_ERR_NOT_FOUND, format!("no counter is named {name:?}")))?;
        write(value, "value", *number)
    })
}

/// Frees counters; NULL is fine.
///
/// Memory: ends `stats` and the names. Threads: any. Blocks: no.
#[unsafe(no_mangle)]
pub extern "C" fn gossip_stats_free(stats: Option<Box<gossip_stats_t>>) {
    value((), || drop(stats));
}

fn port_rows(port: &PortStats) -> Vec<(String, u64)> {
    port.rows().into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}
