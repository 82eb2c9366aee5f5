//! What is counted around a pool's machine; raised from several threads.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// One counter.
#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    pub(crate) fn raise(&self) {
        self.add(1);
    }

    pub(crate) fn add(&self, amount: u64) {
        self.0.fetch_add(amount, Relaxed);
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

/// The counters of one pool outside its machine; their meaning stands in `PoolStats`.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) send_dropped: Counter,
    pub(crate) streams_refused: Counter,
    pub(crate) messages_dropped: Counter,
    pub(crate) notices_abandoned: Counter,
    pub(crate) packets_abandoned: Counter,
    pub(crate) broadcasts_refused: Counter,
    pub(crate) callback_panics: Counter,
    pub(crate) questions_defaulted: Counter,
    pub(crate) stalls: Counter,
}
