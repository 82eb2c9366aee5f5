//! Counters, by name, and the metrics as text. Names and presence may change between versions; the way to read
//! them does not.

use std::ffi::{CString, c_char};
use std::mem::MaybeUninit;

use gossip_core::net::queue::QueueStats;
use gossip_core::runtime::gossip::Gossip;

use crate::border::{fill_text, give, offer, quick, some, text, value, write};
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
    pub(crate) fn new(rows: impl IntoIterator<Item = (impl Into<Vec<u8>>, u64)>) -> Self {
        Self { rows: rows.into_iter().map(|(name, value)| (c_text(name), value)).collect() }
    }
}

/// The counters of the port: what came in, for whom, and what was dropped. Behind them stand,
/// for each listener that is open and for the packet receiver, how many were `accepted`,
/// `dropped`, are `pending` now, and the `limit` of those, as in `native/accepted`,
/// `id 0x0101/dropped`, `prefix SSH-/pending` and `packets/limit`.
///
/// Memory: `stats` is yours: gossip_stats_free. Threads: any, callbacks too. Blocks: no.
/// Status: NULL_ARG, FORKED.
#[unsafe(no_mangle)]
pub extern "C" fn gossip_stats(
    node: Option<&gossip_t>,
    stats: Option<&mut MaybeUninit<*mut gossip_stats_t>>,
) -> gossip_status_t {
    quick(|| {
        let node = node_of(node)?;
        give(stats, "stats", || Ok(gossip_stats_t::new(port_rows(&node))))
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
    value(0, || stats.map_or(0, |stats| stats.rows.len()))
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
        let (text, number) = rows.get(index).ok_or_else(|| Failure::beyond(index, rows.len()))?;
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

/// The metrics of the port, its listeners and all pools as text for Prometheus (format
/// 0.0.4); the manual lists them. Serve it as `text/plain; version=0.0.4; charset=utf-8`. It
/// grows with its numbers: where it does not fit, give some room more than `len` says.
///
/// Memory: `buf` and `len` as in *Buffers*. Threads: any, callbacks too. Blocks: no.
/// Status: NULL_ARG, FORKED, BUFFER_TOO_SMALL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn gossip_metrics_text(
    node: Option<&gossip_t>,
    buf: *mut c_char,
    cap: usize,
    len: Option<&mut MaybeUninit<usize>>,
) -> gossip_status_t {
    quick(|| {
        let metrics = node_of(node)?.metrics();
        // SAFETY: the header's rule for buffers.
        unsafe { fill_text(metrics.as_bytes(), buf, cap, len) }
    })
}

/// The metrics of one pool, in the same form. They can be had in every state of the pool:
/// before the start all are 0, after its end they are what they were.
///
/// Memory: `buf` and `len` as in *Buffers*. Threads: any, callbacks too. Blocks: no.
/// Status: NULL_ARG, FORKED, BUFFER_TOO_SMALL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn gossip_pool_metrics_text(
    pool: Option<&gossip_pool_t>,
    buf: *mut c_char,
    cap: usize,
    len: Option<&mut MaybeUninit<usize>>,
) -> gossip_status_t {
    quick(|| {
        let metrics = pool_of(pool)?.metrics();
        // SAFETY: the header's rule for buffers.
        unsafe { fill_text(metrics.as_bytes(), buf, cap, len) }
    })
}

fn port_rows(node: &Gossip) -> Vec<(String, u64)> {
    let queue = |name: &str, stats: QueueStats| {
        stats.rows().into_iter().map(|(row, value)| (format!("{name}/{row}"), value)).collect::<Vec<_>>()
    };
    let mut rows: Vec<_> =
        node.stats().rows().into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    rows.extend(node.listener_stats().into_iter().flat_map(|(name, stats)| queue(&name.to_string(), stats)));
    rows.extend(node.packet_stats().into_iter().flat_map(|stats| queue("packets", stats)));
    rows
}
