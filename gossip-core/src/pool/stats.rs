//! What a pool counts. Plain numbers, owned by the machine, copied out on demand.

use crate::swim::counters::Counters;
use crate::wire::error::Refused;

/// Counters of one pool since its start; gauges are marked.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Datagrams handed to the machine.
    pub packets_received: u64,
    /// Their bytes.
    pub bytes_received: u64,
    /// Datagrams sent.
    pub packets_sent: u64,
    /// Their bytes, all layers included.
    pub bytes_sent: u64,
    /// Datagrams, messages and streams refused, by reason; reasons that occurred only.
    pub refused: Vec<(&'static str, u64)>,
    /// User messages received.
    pub messages_received: u64,
    /// Push/pulls completed, both directions.
    pub push_pulls: u64,
    /// Inbound push/pulls refused because too many were in progress.
    pub push_pulls_refused: u64,
    /// States that were not merged: versions or the application forbade it.
    pub merges_refused: u64,
    /// Streams that failed, both directions.
    pub streams_failed: u64,
    /// Datagrams and streams from addresses that are not allowed.
    pub sources_refused: u64,
    /// Questions the application did not answer in time.
    pub asks_expired: u64,
    /// Things not done because a bounded table of the machine was full.
    pub overflows: u64,
    /// What the membership rules counted.
    pub swim: Counters,
    /// Broadcasts waiting (gauge).
    pub broadcasts_queued: u64,
    /// Members alive, suspect, dead, left (gauges).
    pub members: [u64; 4],
    /// Health score: 0 is healthy (gauge).
    pub health: u32,
}

/// The machine's own counters, as they are kept.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) packets_received: u64,
    pub(super) bytes_received: u64,
    pub(super) packets_sent: u64,
    pub(super) bytes_sent: u64,
    pub(super) refused: [u64; Refused::REASONS.len()],
    pub(super) messages_received: u64,
    pub(super) push_pulls: u64,
    pub(super) push_pulls_refused: u64,
    pub(super) merges_refused: u64,
    pub(super) streams_failed: u64,
    pub(super) sources_refused: u64,
    pub(super) asks_expired: u64,
    pub(super) overflows: u64,
}

impl Tally {
    /// Counts something refused.
    pub(super) fn refuse(&mut self, why: Refused) {
        if let Some(count) = self.refused.get_mut(why.index()) {
            *count += 1;
        }
    }
}

impl Stats {
    pub(super) fn new(tally: &Tally, swim: &Counters, queued: u64, members: [u64; 4], health: u32) -> Self {
        let reasons = Refused::REASONS.iter().copied().zip(tally.refused);
        Self {
            packets_received: tally.packets_received,
            bytes_received: tally.bytes_received,
            packets_sent: tally.packets_sent,
            bytes_sent: tally.bytes_sent,
            refused: reasons.filter(|(_, count)| *count > 0).collect(),
            messages_received: tally.messages_received,
            push_pulls: tally.push_pulls,
            push_pulls_refused: tally.push_pulls_refused,
            merges_refused: tally.merges_refused,
            streams_failed: tally.streams_failed,
            sources_refused: tally.sources_refused,
            asks_expired: tally.asks_expired,
            overflows: tally.overflows + swim.overflows,
            swim: *swim,
            broadcasts_queued: queued,
            members,
            health,
        }
    }

    /// How often something was refused for this reason.
    pub fn refused_for(&self, reason: &str) -> u64 {
        self.refused.iter().find(|(name, _)| *name == reason).map_or(0, |(_, count)| *count)
    }
}
