//! What the rules count and measure.

use crate::base::histogram::{Histogram, Seconds};
use crate::base::rows::{duration_rows, rows};

/// Counters of the membership rules since the start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Counters {
    /// Alive messages that passed the rules.
    pub alives: u64,
    /// Suspicions begun.
    pub suspicions: u64,
    /// Members that died or left.
    pub deaths: u64,
    /// Accusations of ourselves refuted.
    pub refutations: u64,
    /// Name conflicts: two nodes of one name, both there.
    pub conflicts: u64,
    /// Names that moved to another address.
    pub takeovers: u64,
    /// Addresses asked whether they answer to a name: of lost members, and of names that
    /// another address claims.
    pub inquiries: u64,
    /// Claims not inquired about, because too many were; they counted as conflicts.
    pub inquiries_refused: u64,
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
    /// From each ping to its ack, direct or relayed, or to the end of a round without one.
    pub probe_duration: Histogram<Seconds>,
    /// Suspicions that ran out before all expected confirmations came.
    pub timeouts_degraded: u64,
    /// Acks and nacks that nobody waits for, or not any more.
    pub acks_unmatched: u64,
    /// Pings for another node's name, in datagrams and streams.
    pub pings_misdirected: u64,
    /// Rounds of gossip. A machine takes no time, so how long a round lasts is for its host
    /// to measure.
    pub gossip_rounds: u64,
    /// Periodic push/pulls left out because the last one was still running.
    pub push_pulls_skipped: u64,
    /// News of others not passed on, because it fits no datagram.
    pub broadcasts_too_long: u64,
    /// Datagrams not made, because too many waited to be sent.
    pub datagrams_overflowed: u64,
    /// Requests to ping a node not served, because too many were being served.
    pub relays_refused: u64,
    /// Nodes not believed in, because as many as may be are known.
    pub members_overflowed: u64,
}

impl Counters {
    /// Every counter with its name; of the durations, count and sum.
    pub fn rows(&self) -> Vec<(String, u64)> {
        let mut rows = rows!(self,
            alives suspicions deaths refutations conflicts takeovers inquiries inquiries_refused facts_invalid not_allowed probes
            probes_degraded probes_failed probes_saved_by_stream timeouts_degraded acks_unmatched
            pings_misdirected gossip_rounds push_pulls_skipped broadcasts_too_long
            datagrams_overflowed relays_refused members_overflowed;
            probe_duration);
        rows.extend(duration_rows("probe_duration", &self.probe_duration));
        rows
    }

    /// Things not done because a bounded table was full.
    pub fn overflows(&self) -> u64 {
        self.datagrams_overflowed + self.relays_refused + self.members_overflowed + self.inquiries_refused
    }
}
