//! What the rules count.

/// Counters of the membership rules since the start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counters {
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
    /// Facts refused because they cannot be a node's: address, versions, sizes.
    pub facts_invalid: u64,
    /// Facts refused because the address lies in no allowed network.
    pub not_allowed: u64,
    /// Probes begun.
    pub probes: u64,
    /// Probes begun while this node doubted itself.
    pub probes_degraded: u64,
    /// Probes that ended without any answer.
    pub probes_failed: u64,
    /// Probes that only a stream ping answered: datagrams to that node get lost.
    pub probes_saved_by_stream: u64,
    /// Suspicions that ran out before all expected confirmations came.
    pub timeouts_degraded: u64,
    /// Acks and nacks with a number that nobody waits for.
    pub acks_unmatched: u64,
    /// Pings for another node's name.
    pub pings_misdirected: u64,
    /// News of others not passed on, because it fits no datagram.
    pub broadcasts_too_long: u64,
    /// Datagrams not queued, relays not begun, nodes not believed in, because there are too many.
    pub overflows: u64,
}
