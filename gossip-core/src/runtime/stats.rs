//! What a pool counts: its machine, its driver and what surrounds them.

use crate::base::histogram::{Histogram, Seconds};
use crate::base::rows::{duration_rows, rows};
use crate::net::port::POOL_STREAMS;
use crate::net::queue::QueueStats;
use crate::pool::stats::Stats;
use crate::runtime::courier::BYTES_MAX;
use crate::runtime::courier::QUESTIONS_MAX;
use crate::runtime::driven::Driven;
use crate::runtime::shared::Shared;
use crate::runtime::stream::INBOUND_MAX;

/// Counters of a pool: the machine's, and those of what surrounds it; gauges are marked.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct PoolStats {
    /// The machine's counters.
    pub machine: Stats,
    /// Datagrams dropped because the pool's inbox was full.
    pub inbox_dropped: u64,
    /// Datagrams dropped because the port had no buffer left for this pool.
    pub inbox_no_buffer: u64,
    /// Datagrams and connections that waited when the pool ended.
    pub inbox_abandoned: u64,
    /// Datagrams not sent because the socket would not take them.
    pub send_dropped: u64,
    /// Connections of others closed because too many waited for the pool.
    pub streams_dropped: u64,
    /// Connections of others closed because too many were being served.
    pub streams_refused: u64,
    /// User messages, and other notices that are no change of membership, dropped because
    /// the delegate's queue was full.
    pub messages_dropped: u64,
    /// Notices that waited for the delegate when the pool ended.
    pub notices_abandoned: u64,
    /// Broadcasts of the application refused: the queue was full, or they were too large.
    pub broadcasts_refused: u64,
    /// Callbacks that panicked.
    pub callback_panics: u64,
    /// Questions answered too late or by default.
    pub questions_defaulted: u64,
    /// Times that the process stood still for so long that a timer was 50 ms late.
    pub stalls: u64,

    /// How long the turns of the pool's task took, from the first input to the end: while one
    /// lasts, everything else of the pool waits.
    pub turn_duration: Histogram<Seconds>,
    /// How long rounds of gossip took: from choosing members until the socket has the
    /// datagrams, together with what else was due at that moment.
    pub gossip_duration: Histogram<Seconds>,

    /// Datagrams that wait for the pool's task (gauge).
    pub inbox: Level,
    /// The most of them that a turn has found.
    pub inbox_peak: u64,
    /// Connections that wait for the pool's task (gauge).
    pub stream_inbox: Level,
    /// Connections of others that are being served (gauge).
    pub streams_inbound: Level,
    /// Connections to others (gauge).
    pub streams_outbound: u64,
    /// The most broadcasts of the application that wait.
    pub broadcasts_limit: u64,
    /// Threads that wait for room for a broadcast (gauge).
    pub broadcasters_waiting: u64,
    /// Notices that wait for the delegate (gauge); the limit is for messages, changes of
    /// membership go beyond it, one for each member.
    pub delegate: Level,
    /// The most of them that have waited.
    pub delegate_peak: u64,
    /// Bytes of messages and states among them (gauge).
    pub delegate_bytes: Level,
    /// Questions that wait for the delegate (gauge).
    pub questions: Level,
    /// The delegate's own queue, if it is an [`Events`](crate::runtime::events::Events) or says so.
    /// Several pools may share it: each shows all of it.
    pub events: Option<QueueStats>,
}

/// How full a bounded queue is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Level {
    /// What is in it now.
    pub now: u64,
    /// The most that it takes.
    pub limit: u64,
}

impl From<Level> for u64 {
    fn from(waiting: Level) -> Self {
        waiting.now
    }
}

impl PoolStats {
    /// What `driven` tells, with what is around the driver of `pool`.
    pub(crate) fn of(pool: &Shared, driven: Driven) -> Self {
        let Driven { machine, turns, .. } = driven;
        let (port, counters, config) = (pool.port_counters.snapshot(), &pool.counters, pool.config.config());
        let (delegate, questions) = pool.courier.depth();
        let queue = |waiting: usize, limit: usize| Level { now: waiting as u64, limit: limit as u64 };
        Self {
            inbox_dropped: port.packets_dropped,
            inbox_no_buffer: port.packets_no_buffer,
            inbox_abandoned: counters.packets_abandoned.get(),
            send_dropped: counters.send_dropped.get(),
            streams_dropped: port.streams_dropped,
            streams_refused: counters.streams_refused.get(),
            messages_dropped: counters.messages_dropped.get(),
            notices_abandoned: counters.notices_abandoned.get(),
            broadcasts_refused: counters.broadcasts_refused.get(),
            callback_panics: counters.callback_panics.get(),
            questions_defaulted: counters.questions_defaulted.get(),
            stalls: counters.stalls.get(),
            turn_duration: turns.all,
            gossip_duration: turns.gossip,
            inbox: queue(driven.packets_waiting, config.handoff_queue_depth),
            inbox_peak: turns.packets_peak as u64,
            stream_inbox: queue(driven.streams_waiting, POOL_STREAMS),
            streams_inbound: queue(driven.streams_inbound, INBOUND_MAX),
            streams_outbound: (driven.streams_open - driven.streams_inbound) as u64,
            broadcasts_limit: config.broadcast_queue_depth as u64,
            broadcasters_waiting: driven.broadcasts_waiting as u64,
            delegate: queue(delegate.waiting, config.message_queue_depth),
            delegate_peak: delegate.peak as u64,
            delegate_bytes: queue(delegate.bytes, BYTES_MAX),
            questions: queue(questions, QUESTIONS_MAX),
            events: pool.courier.delegate_queue(),
            machine,
        }
    }

    /// Every counter and gauge with its name, the machine's first; of a histogram, count and
    /// sum. Names stay, and new ones come: show them all rather than a list of your own.
    pub fn rows(&self) -> Vec<(String, u64)> {
        let mut rows = self.machine.rows();
        rows.extend(rows!(self,
            inbox_dropped inbox_no_buffer inbox_abandoned send_dropped streams_dropped streams_refused
            messages_dropped notices_abandoned broadcasts_refused callback_panics questions_defaulted stalls
            inbox inbox_peak stream_inbox streams_inbound streams_outbound broadcasts_limit broadcasters_waiting
            delegate delegate_peak delegate_bytes questions;
            machine turn_duration gossip_duration events));
        rows.extend(duration_rows("turn_duration", &self.turn_duration));
        rows.extend(duration_rows("gossip_duration", &self.gossip_duration));
        let events = self.events.unwrap_or_default();
        rows.push(("events".to_owned(), events.pending as u64));
        rows.push(("events_dropped".to_owned(), events.dropped));
        rows
    }
}
