//! The table of all metrics; those of the port stand in `port_table`.

use crate::pool::exchange::ExchangeError;
use crate::pool::rumours::{kept, outbox};
use crate::runtime::metrics::PortReport;
use crate::runtime::metrics::lines::Lines;
use crate::runtime::metrics::port_table::PORT;
use crate::runtime::stats::PoolStats;

/// One metric.
#[derive(Debug)]
#[non_exhaustive]
pub struct Metric {
    /// Its name; histograms and timers add `_bucket`, `_sum`, `_count`.
    pub name: &'static str,
    /// Its type.
    pub kind: Kind,
    /// Its labels, besides those that the configuration adds.
    pub labels: &'static [&'static str],
    /// What it means.
    pub help: &'static str,
    pub(super) read: Read,
}

/// The type of a metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A number that only rises.
    Counter,
    /// A number as it is now.
    Gauge,
    /// Samples in buckets.
    Histogram,
    /// Samples of which only number and sum are told: a timer of memberlist's.
    Summary,
}

impl Kind {
    /// The word for it in the text.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
            Self::Summary => "summary",
        }
    }
}

/// Where the values of a metric come from.
#[derive(Debug, Clone, Copy)]
pub(super) enum Read {
    Port(fn(&PortReport, &mut Lines)),
    Pool(fn(&PoolStats, &mut Lines)),
}

/// Every metric, in the order of the text: memberlist's, the pools', the port's.
pub fn all() -> impl Iterator<Item = &'static Metric> {
    [MEMBERLIST, POOL, PORT].into_iter().flatten()
}

use Kind::{Counter, Gauge, Histogram, Summary};

/// What memberlist measures, under the names that its Prometheus sink makes of its own.
const MEMBERLIST: &[Metric] = &[
    pool(Counter, "memberlist_udp_sent", "Bytes of datagrams sent, all layers included.", |pool, lines| {
        lines.value(pool.machine.bytes_sent);
    }),
    pool(
        Counter,
        "memberlist_udp_received",
        "Bytes of datagrams received, without the prefix of the pool.",
        |pool, lines| lines.value(pool.machine.bytes_received),
    ),
    pool(Counter, "memberlist_tcp_accept", "Connections of others taken.", |pool, lines| {
        lines.value(pool.machine.streams_accepted);
    }),
    pool(Counter, "memberlist_tcp_connect", "Connections to others made, for any purpose.", |pool, lines| {
        lines.value(pool.machine.streams_connected);
    }),
    pool(
        Counter,
        "memberlist_tcp_sent",
        "Bytes given to connections, all layers included, counted when a connection has ended.",
        |pool, lines| lines.value(pool.machine.stream_bytes_sent),
    ),
    pool(
        Summary,
        "memberlist_probeNode",
        "Milliseconds from a probe to its answer, or to its end without one.",
        |pool, lines| lines.timer(&pool.machine.swim.probe_duration),
    ),
    pool(
        Counter,
        "memberlist_degraded_probe",
        "Probes begun while the node doubted itself.",
        |pool, lines| {
            lines.value(pool.machine.swim.probes_degraded);
        },
    ),
    pool(
        Counter,
        "memberlist_degraded_timeout",
        "Suspicions that ran out before all expected confirmations had come.",
        |pool, lines| lines.value(pool.machine.swim.timeouts_degraded),
    ),
    pool(
        Gauge,
        "memberlist_health_score",
        "How much the node doubts itself; 0 is healthy.",
        |pool, lines| {
            lines.value(pool.machine.health);
        },
    ),
    pool(
        Summary,
        "memberlist_gossip",
        "Milliseconds of each round of gossip, with what else was due at that moment.",
        |pool, lines| lines.timer(&pool.gossip_duration),
    ),
    pool(
        Summary,
        "memberlist_pushPullNode",
        "Milliseconds of each exchange of state that the node began, those of joins included.",
        |pool, lines| lines.timer(&pool.machine.push_pull_duration),
    ),
    pool(Counter, "memberlist_msg_alive", "Alive messages that were accepted.", |pool, lines| {
        lines.value(pool.machine.swim.alives);
    }),
    pool(Counter, "memberlist_msg_suspect", "Suspicions begun.", |pool, lines| {
        lines.value(pool.machine.swim.suspicions);
    }),
    pool(Counter, "memberlist_msg_dead", "Members that died or left.", |pool, lines| {
        lines.value(pool.machine.swim.deaths);
    }),
    labelled(Gauge, "memberlist_node_instances", &["pool", "node_state"], "Known members.", |pool, lines| {
        lines.each("node_state", pool.machine.members_by_state());
    }),
    pool(
        Gauge,
        "memberlist_size_local",
        "Bytes of the node's own state as last sent, compressed and encrypted.",
        |pool, lines| lines.value(pool.machine.local_state_bytes),
    ),
    pool(
        Histogram,
        "memberlist_size_remote",
        "Bytes of each state received, as it came, compressed and encrypted.",
        |pool, lines| lines.histogram(&pool.machine.remote_state_size),
    ),
    pool(
        Histogram,
        "memberlist_queue_broadcasts",
        "Length of the queue of membership news, sampled every queue_check_interval.",
        |pool, lines| lines.histogram(&pool.machine.broadcast_queue),
    ),
];

/// What else a pool counts.
const POOL: &[Metric] = &[
    pool(
        Histogram,
        "gossip_pool_probe_duration_seconds",
        "From a probe to its answer, or to its end without one.",
        |pool, lines| lines.histogram(&pool.machine.swim.probe_duration),
    ),
    pool(
        Histogram,
        "gossip_pool_push_pull_duration_seconds",
        "Exchanges of state that the node began, those of joins included.",
        |pool, lines| lines.histogram(&pool.machine.push_pull_duration),
    ),
    pool(
        Histogram,
        "gossip_pool_round_duration_seconds",
        "Rounds of gossip: choosing members, packing, giving to the socket, with what else was due.",
        |pool, lines| lines.histogram(&pool.gossip_duration),
    ),
    pool(
        Histogram,
        "gossip_pool_turn_duration_seconds",
        "Turns of the pool's task, from first input to end; while one lasts, all else of the pool waits.",
        |pool, lines| lines.histogram(&pool.turn_duration),
    ),
    pool(
        Counter,
        "gossip_pool_stalls_total",
        "Times that the process stood still: a timer was 50 ms late.",
        |pool, lines| {
            lines.value(pool.stalls);
        },
    ),
    pool(Counter, "gossip_pool_datagrams_sent_total", "Datagrams sent.", |pool, lines| {
        lines.value(pool.machine.packets_sent);
    }),
    pool(Counter, "gossip_pool_datagrams_received_total", "Datagrams received.", |pool, lines| {
        lines.value(pool.machine.packets_received);
    }),
    pool(
        Counter,
        "gossip_pool_stream_received_bytes_total",
        "Bytes read from connections behind the pool's prefix, counted when a connection has ended.",
        |pool, lines| lines.value(pool.machine.stream_bytes_received),
    ),
    pool(
        Counter,
        "gossip_pool_messages_received_total",
        "Messages of other applications received.",
        |pool, lines| {
            lines.value(pool.machine.messages_received);
        },
    ),
    labelled(
        Counter,
        "gossip_pool_reliable_sent_total",
        &["pool", "outcome"],
        "Reliable messages sent: acknowledged, closed in good order without a word, not taken, or failed.",
        |pool, lines| {
            let machine = &pool.machine;
            let outcomes = [
                ("acknowledged", machine.sends_acknowledged),
                ("closed", machine.sends_closed),
                ("not_taken", machine.sends_not_taken),
                ("failed", machine.sends_failed),
            ];
            lines.each("outcome", outcomes);
        },
    ),
    labelled(
        Counter,
        "gossip_pool_reliable_received_total",
        &["pool", "outcome"],
        "Reliable messages of nodes that wait for an answer: taken, not taken, or repeated and not delivered again.",
        |pool, lines| {
            let machine = &pool.machine;
            let outcomes = [
                ("taken", machine.messages_taken),
                ("not_taken", machine.messages_not_taken),
                ("repeated", machine.messages_repeated),
            ];
            lines.each("outcome", outcomes);
        },
    ),
    pool(
        Counter,
        "gossip_pool_reliable_reused_total",
        "Reliable messages sent on a connection that had rested.",
        |pool, lines| lines.value(pool.machine.sends_reused),
    ),
    labelled(
        Counter,
        "gossip_pool_migration_steps_total",
        &["pool", "outcome"],
        "Steps of migrations of the pool to another key, to encryption or to another label: taken, or refused to who asked.",
        |pool, lines| {
            let machine = &pool.machine;
            lines.each("outcome", [("taken", machine.steps_taken), ("refused", machine.steps_refused)]);
        },
    ),
    pool(
        Gauge,
        "gossip_pool_streams_resting",
        "Connections to others kept for the next reliable message.",
        |pool, lines| lines.value(pool.machine.streams_resting),
    ),
    pool(
        Counter,
        "gossip_pool_streams_crowded_out_total",
        "Connections of others closed while they rested or waited for the application, to make room.",
        |pool, lines| lines.value(pool.machine.streams_crowded_out),
    ),
    labelled(
        Counter,
        "gossip_pool_relay_copies_total",
        &["pool", "copy"],
        "Copies of relayed broadcasts.",
        |pool, lines| {
            let machine = &pool.machine;
            let copies = [
                ("sent", machine.relay_sent),
                ("received", machine.relay_received),
                ("duplicate", machine.relay_duplicates),
                ("repaired", machine.relay_repaired),
            ];
            lines.each("copy", copies);
        },
    ),
    pool(
        Gauge,
        "gossip_pool_relay_deaf_members",
        "Live members not known to understand relayed broadcasts: in the mode auto they are relayed while this is 0.",
        |pool, lines| lines.value(pool.machine.relay_deaf),
    ),
    pool(Counter, "gossip_pool_probes_total", "Probes begun.", |pool, lines| {
        lines.value(pool.machine.swim.probes);
    }),
    pool(Counter, "gossip_pool_probes_failed_total", "Probes that nobody answered.", |pool, lines| {
        lines.value(pool.machine.swim.probes_failed);
    }),
    pool(
        Counter,
        "gossip_pool_probes_saved_by_stream_total",
        "Probes that only TCP answered: datagrams to that member get lost.",
        |pool, lines| lines.value(pool.machine.swim.probes_saved_by_stream),
    ),
    pool(
        Counter,
        "gossip_pool_gossip_rounds_total",
        "Rounds of gossip, of which there are none while there is nothing to tell.",
        |pool, lines| {
            lines.value(pool.machine.swim.gossip_rounds);
        },
    ),
    pool(
        Counter,
        "gossip_pool_push_pulls_total",
        "States merged, of exchanges in both directions.",
        |pool, lines| {
            lines.value(pool.machine.push_pulls);
        },
    ),
    pool(
        Counter,
        "gossip_pool_push_pulls_skipped_total",
        "Periodic exchanges of state left out because the last one was still running.",
        |pool, lines| lines.value(pool.machine.swim.push_pulls_skipped),
    ),
    pool(Counter, "gossip_pool_refutations_total", "Accusations of this node refuted.", |pool, lines| {
        lines.value(pool.machine.swim.refutations);
    }),
    pool(
        Counter,
        "gossip_pool_conflicts_total",
        "Claims of other nodes to a name that is taken.",
        |pool, lines| {
            lines.value(pool.machine.swim.conflicts);
        },
    ),
    pool(
        Counter,
        "gossip_pool_takeovers_total",
        "Names of members that moved to another address.",
        |pool, lines| lines.value(pool.machine.swim.takeovers),
    ),
    pool(
        Counter,
        "gossip_pool_inquiries_total",
        "Addresses asked whether they answer to a name: of lost members, and of names claimed elsewhere.",
        |pool, lines| lines.value(pool.machine.swim.inquiries),
    ),
    pool(
        Counter,
        "gossip_pool_rejoins_total",
        "Exchanges of state with seeds and lost members that nobody asked for.",
        |pool, lines| lines.value(pool.machine.rejoins),
    ),
    pool(Counter, "gossip_pool_rejoins_failed_total", "Those that came to nothing.", |pool, lines| {
        lines.value(pool.machine.rejoins_failed);
    }),
    pool(Counter, "gossip_pool_members_returned_total", "Lost members that came back.", |pool, lines| {
        lines.value(pool.machine.members_returned)
    }),
    pool(Gauge, "gossip_pool_members_lost", "Lost members that are looked for.", |pool, lines| {
        lines.value(pool.machine.members_lost);
    }),
    pool(
        Gauge,
        "gossip_pool_seeds_unresolved",
        "Seeds of the configuration that had no address when last looked up.",
        |pool, lines| lines.value(pool.machine.seeds_unresolved),
    ),
    pool(Gauge, "gossip_pool_isolated", "1 while no other member is reached.", |pool, lines| {
        lines.value(pool.machine.isolated);
    }),
    pool(Counter, "gossip_pool_callback_panics_total", "Callbacks that panicked.", |pool, lines| {
        lines.value(pool.callback_panics);
    }),
    pool(
        Counter,
        "gossip_pool_questions_defaulted_total",
        "Questions that the application answered too late, or by default.",
        |pool, lines| lines.value(pool.questions_defaulted),
    ),
    labelled(
        Counter,
        "gossip_pool_refused_total",
        &["pool", "reason"],
        "Datagrams, messages and streams refused because of what they say.",
        |pool, lines| lines.each("reason", pool.machine.refused.iter()),
    ),
    labelled(
        Counter,
        "gossip_pool_streams_failed_total",
        &["pool", "reason"],
        "Streams that did not do their work, both directions.",
        |pool, lines| {
            lines.each("reason", ExchangeError::REASONS.into_iter().zip(pool.machine.streams_failed_by));
        },
    ),
    labelled(
        Counter,
        "gossip_pool_dropped_total",
        &["pool", "reason"],
        "Datagrams, connections, states, news and messages dropped for want of room, leave or sense.",
        |pool, lines| lines.each("reason", drops(pool)),
    ),
    labelled(
        Gauge,
        "gossip_pool_queue_depth",
        &["pool", "queue"],
        "What waits in each queue of the pool, or is under way.",
        |pool, lines| lines.each("queue", depths(pool)),
    ),
    labelled(
        Gauge,
        "gossip_pool_queue_limit",
        &["pool", "queue"],
        "The most that each queue takes.",
        |pool, lines| lines.each("queue", limits(pool)),
    ),
    labelled(
        Gauge,
        "gossip_pool_queue_peak",
        &["pool", "queue"],
        "The most that has waited in a queue since the start.",
        |pool, lines| lines.each("queue", [("inbox", pool.inbox_peak), ("delegate", pool.delegate_peak)]),
    ),
    labelled(
        Gauge,
        "gossip_pool_queue_bytes",
        &["pool", "queue"],
        "Bytes of the messages and states that wait in a queue.",
        |pool, lines| {
            let machine = &pool.machine;
            let bytes = [
                ("delegate", pool.delegate_bytes.now),
                ("relay_kept", machine.relay_kept_bytes),
                ("relay_outbox", machine.relay_outbox_bytes),
            ];
            lines.each("queue", bytes);
        },
    ),
    labelled(
        Gauge,
        "gossip_pool_queue_limit_bytes",
        &["pool", "queue"],
        "The most bytes that wait in a queue.",
        |pool, lines| {
            let limits = [
                ("delegate", pool.delegate_bytes.limit),
                ("relay_kept", kept::BYTES_MAX as u64),
                ("relay_outbox", outbox::BYTES_MAX as u64),
            ];
            lines.each("queue", limits);
        },
    ),
];

/// Everything that a pool drops, each once, by reason.
fn drops(pool: &PoolStats) -> [(&'static str, u64); 32] {
    let (machine, swim) = (&pool.machine, &pool.machine.swim);
    [
        ("inbox_full", pool.inbox_dropped),
        ("no_buffer", pool.inbox_no_buffer),
        ("inbox_at_end", pool.inbox_abandoned),
        ("not_sent", pool.send_dropped),
        ("datagrams_full", swim.datagrams_overflowed),
        ("source_not_allowed", machine.sources_refused),
        ("stream_inbox_full", pool.streams_dropped),
        ("streams_full", pool.streams_refused),
        ("push_pulls_full", machine.push_pulls_refused),
        ("merge_incompatible", machine.merges_incompatible),
        ("merge_refused", machine.merges_refused),
        ("merge_abandoned", machine.merges_abandoned),
        ("fact_invalid", swim.facts_invalid),
        ("fact_not_allowed", swim.not_allowed),
        ("members_full", swim.members_overflowed),
        ("verdicts_full", machine.verdicts_overflowed),
        ("ack_unmatched", swim.acks_unmatched),
        ("ping_misdirected", swim.pings_misdirected),
        ("relays_full", swim.relays_refused),
        ("inquiries_full", swim.inquiries_refused),
        ("lost_full", machine.lost_overflowed),
        ("news_too_long", swim.broadcasts_too_long),
        ("broadcast_refused", pool.broadcasts_refused),
        ("broadcast_unheard", machine.broadcasts_unheard),
        ("relay_full", machine.relay_dropped),
        ("relay_superseded", machine.relay_superseded),
        ("relay_invalid", machine.relay_invalid),
        ("delegate_full", pool.messages_dropped),
        ("delegate_at_end", pool.notices_abandoned),
        ("events_full", pool.events.map_or(0, |events| events.dropped)),
        ("question_expired", machine.asks_expired),
        ("reply_late", machine.replies_late),
    ]
}

/// What waits where, or is under way.
fn depths(pool: &PoolStats) -> [(&'static str, u64); 20] {
    let machine = &pool.machine;
    [
        ("inbox", pool.inbox.now),
        ("stream_inbox", pool.stream_inbox.now),
        ("streams_inbound", pool.streams_inbound.now),
        ("streams_outbound", pool.streams_outbound),
        ("exchanges_inbound", machine.exchanges_inbound),
        ("exchanges_outbound", machine.exchanges_outbound),
        ("merges", machine.merges_waiting),
        ("broadcasts_rules", machine.broadcasts_queued - machine.broadcasts_user),
        ("broadcasts_application", machine.broadcasts_user),
        ("broadcasters", pool.broadcasters_waiting),
        ("relay_kept", machine.relay_kept),
        ("relay_wanted", machine.relay_wanted),
        ("relay_origins", machine.relay_origins),
        ("delegate", pool.delegate.now),
        ("delegate_questions", pool.questions.now),
        ("events", pool.events.map_or(0, |events| events.pending as u64)),
        ("questions_open", machine.asks_open),
        ("verdicts", machine.verdicts_waiting),
        ("commands", machine.commands_open),
        ("relays", machine.relays_open),
    ]
}

/// The limits of those that have a fixed one.
fn limits(pool: &PoolStats) -> [(&'static str, u64); 6] {
    [
        ("inbox", pool.inbox.limit),
        ("stream_inbox", pool.stream_inbox.limit),
        ("streams_inbound", pool.streams_inbound.limit),
        ("broadcasts_application", pool.broadcasts_limit),
        ("delegate", pool.delegate.limit),
        ("delegate_questions", pool.questions.limit),
    ]
}

const fn pool(
    kind: Kind,
    name: &'static str,
    help: &'static str,
    read: fn(&PoolStats, &mut Lines),
) -> Metric {
    labelled(kind, name, &["pool"], help, read)
}

const fn labelled(
    kind: Kind,
    name: &'static str,
    labels: &'static [&'static str],
    help: &'static str,
    read: fn(&PoolStats, &mut Lines),
) -> Metric {
    Metric { name, kind, labels, help, read: Read::Pool(read) }
}
