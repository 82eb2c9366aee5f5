//! What a pool counts. Plain numbers, owned by the machine, copied out on demand.

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
    /// Datagrams and messages refused, by reason: one slot per `wire::error::Refused`.
    pub refused: Vec<(&'static str, u64)>,
    /// Messages dropped because they came from or named an address that is not allowed.
    pub not_allowed: u64,
    /// Acks and nacks with an unknown number, or from a node that was not asked.
    pub acks_unmatched: u64,
    /// Pings for another node's name.
    pub pings_misdirected: u64,
    /// Alive messages that passed the rules.
    pub alives: u64,
    /// Suspicions begun.
    pub suspicions: u64,
    /// Members that died or left.
    pub deaths: u64,
    /// Accusations of ourselves refuted.
    pub refutations: u64,
    /// Name conflicts seen.
    pub conflicts: u64,
    /// Probes begun.
    pub probes: u64,
    /// Probes begun while this node doubted itself.
    pub probes_degraded: u64,
    /// Probes that ended without any answer.
    pub probes_failed: u64,
    /// Suspicions that ran out before all expected confirmations came.
    pub timeouts_degraded: u64,
    /// Push/pulls completed, both directions.
    pub push_pulls: u64,
    /// Inbound push/pulls refused because too many were in progress.
    pub push_pulls_refused: u64,
    /// States that were not merged: versions or the application forbade it.
    pub merges_refused: u64,
    /// Streams that failed, both directions.
    pub streams_failed: u64,
    /// User messages received.
    pub messages_received: u64,
    /// Questions the application did not answer in time.
    pub asks_expired: u64,
    /// Things dropped because a bounded table of the machine was full.
    pub overflows: u64,
    /// Broadcasts waiting (gauge).
    pub broadcasts_queued: u64,
    /// Members alive, suspect, dead, left (gauges).
    pub members: [u64; 4],
    /// Health score: 0 is healthy (gauge).
    pub health: u32,
}
