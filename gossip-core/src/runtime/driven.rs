//! What a driver and its machine have counted, at one moment.

use std::time::Duration;

use crate::base::histogram::{Histogram, Seconds};
use crate::pool::stats::Stats;

/// The counters of a driver and of what it drives.
#[derive(Debug, Clone, Default)]
pub(crate) struct Driven {
    pub(crate) machine: Stats,
    pub(crate) turns: Turns,
    /// Datagrams, and connections, that wait for the driver.
    pub(crate) packets_waiting: usize,
    pub(crate) streams_waiting: usize,
    /// Conversations under way: those that others opened, and all.
    pub(crate) streams_inbound: usize,
    pub(crate) streams_open: usize,
    /// Threads that wait for room for a broadcast.
    pub(crate) broadcasts_waiting: usize,
}

/// How long the turns of a driver took.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Turns {
    /// Every turn, from its first input to its end.
    pub(crate) all: Histogram<Seconds>,
    /// The timers of those turns in which a round of gossip was due: choosing members, packing
    /// datagrams, giving them to the socket.
    pub(crate) gossip: Histogram<Seconds>,
    /// The most datagrams that waited when a turn began.
    pub(crate) packets_peak: usize,
}

impl Turns {
    /// Notes that a turn took so long and found so many datagrams waiting.
    pub(crate) fn note(&mut self, took: Duration, packets: usize) {
        self.all.time(took);
        self.packets_peak = self.packets_peak.max(packets);
    }
}
