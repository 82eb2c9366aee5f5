//! The metrics of the port, its listeners and its packet receiver.

use crate::runtime::metrics::PortReport;
use crate::runtime::metrics::lines::Lines;
use crate::runtime::metrics::table::Kind::{self, Counter, Gauge};
use crate::runtime::metrics::table::{Metric, Read};

/// What the port counts.
pub(super) const PORT: &[Metric] = &[
    port(
        Counter,
        "gossip_port_datagrams_received_total",
        "Datagrams read, whatever became of them.",
        |port, lines| {
            lines.value(port.stats.packets_received);
        },
    ),
    port(Counter, "gossip_port_received_bytes_total", "Their bytes, prefixes included.", |port, lines| {
        lines.value(port.stats.bytes_received);
    }),
    port(Counter, "gossip_port_datagrams_sent_total", "Datagrams sent.", |port, lines| {
        lines.value(port.stats.packets_sent);
    }),
    port(Counter, "gossip_port_sent_bytes_total", "Their bytes, prefixes included.", |port, lines| {
        lines.value(port.stats.bytes_sent);
    }),
    labelled(
        Counter,
        "gossip_port_datagrams_dropped_total",
        &["reason"],
        "Datagrams received that went to nobody.",
        |port, lines| {
            let stats = &port.stats;
            lines.each(
                "reason",
                [
                    ("unknown_pool", stats.packets_unknown_pool),
                    ("pool_full", stats.packets_pool_full),
                    ("no_receiver", stats.packets_no_receiver),
                    ("receiver_full", stats.packets_receiver_full),
                    ("no_buffer", stats.packets_no_buffer),
                ],
            );
        },
    ),
    labelled(
        Counter,
        "gossip_port_datagrams_unsent_total",
        &["reason"],
        "Datagrams that were not sent.",
        |port, lines| {
            let stats = &port.stats;
            lines.each(
                "reason",
                [
                    ("would_block", stats.send_would_block),
                    ("no_socket", stats.send_no_socket),
                    ("error", stats.send_errors),
                ],
            );
        },
    ),
    port(
        Counter,
        "gossip_port_receive_errors_total",
        "Errors of reading from a UDP socket.",
        |port, lines| {
            lines.value(port.stats.receive_errors);
        },
    ),
    port(
        Counter,
        "gossip_port_connections_accepted_total",
        "Connections accepted, whatever became of them.",
        |port, lines| lines.value(port.stats.connections_accepted),
    ),
    labelled(
        Counter,
        "gossip_port_connections_closed_total",
        &["reason"],
        "Connections that went to nobody.",
        |port, lines| {
            let stats = &port.stats;
            lines.each(
                "reason",
                [
                    ("over_limit", stats.connections_over_limit),
                    ("over_source_limit", stats.connections_over_source_limit),
                    ("no_descriptor", stats.connections_no_descriptor),
                    ("ended_early", stats.connections_ended_early),
                    ("silent", stats.connections_silent),
                    ("unknown_pool", stats.connections_unknown_pool),
                    ("pool_full", stats.connections_pool_full),
                    ("no_listener", stats.connections_no_listener),
                    ("listener_full", stats.connections_listener_full),
                ],
            );
        },
    ),
    port(Counter, "gossip_port_accept_errors_total", "Errors of accepting.", |port, lines| {
        lines.value(port.stats.accept_errors);
    }),
    port(Gauge, "gossip_port_sniffing", "Connections whose first bytes are awaited.", |port, lines| {
        lines.value(port.queues.sniffing);
    }),
    port(Gauge, "gossip_port_sniffing_limit", "The most of them.", |port, lines| {
        lines.value(port.queues.sniffing_limit);
    }),
    port(Gauge, "gossip_port_buffers", "Slots of 2 KiB that hold received datagrams.", |port, lines| {
        lines.value(port.queues.buffers);
    }),
    port(Gauge, "gossip_port_buffers_limit", "The most of them.", |port, lines| {
        lines.value(port.queues.buffers_limit);
    }),
    port(
        Counter,
        "gossip_receiver_datagrams_total",
        "Datagrams queued for the packet receiver of the application.",
        |port, lines| port.queues.packets.iter().for_each(|queue| lines.value(queue.accepted)),
    ),
    port(
        Counter,
        "gossip_receiver_dropped_total",
        "Datagrams dropped because its queue or share of memory was full, or it was closed.",
        |port, lines| port.queues.packets.iter().for_each(|queue| lines.value(queue.dropped)),
    ),
    port(Gauge, "gossip_receiver_queue", "Datagrams that wait in its queue.", |port, lines| {
        port.queues.packets.iter().for_each(|queue| lines.value(queue.pending));
    }),
    port(Gauge, "gossip_receiver_queue_limit", "The most of them.", |port, lines| {
        port.queues.packets.iter().for_each(|queue| lines.value(queue.limit));
    }),
    labelled(
        Counter,
        "gossip_listener_connections_total",
        &["listener"],
        "Connections queued for each listener.",
        |port, lines| {
            port.queues
                .listeners
                .iter()
                .for_each(|(name, queue)| lines.labelled("listener", &name.to_string(), queue.accepted));
        },
    ),
    labelled(
        Counter,
        "gossip_listener_dropped_total",
        &["listener"],
        "Connections closed because the listener's backlog was full, or it was closed.",
        |port, lines| {
            port.queues
                .listeners
                .iter()
                .for_each(|(name, queue)| lines.labelled("listener", &name.to_string(), queue.dropped));
        },
    ),
    labelled(
        Gauge,
        "gossip_listener_backlog",
        &["listener"],
        "Connections that wait to be accepted.",
        |port, lines| {
            port.queues
                .listeners
                .iter()
                .for_each(|(name, queue)| lines.labelled("listener", &name.to_string(), queue.pending));
        },
    ),
    labelled(Gauge, "gossip_listener_backlog_limit", &["listener"], "The most of them.", |port, lines| {
        let queues = port.queues.listeners.iter();
        queues.for_each(|(name, queue)| lines.labelled("listener", &name.to_string(), queue.limit));
    }),
];

const fn port(
    kind: Kind,
    name: &'static str,
    help: &'static str,
    read: fn(&PortReport, &mut Lines),
) -> Metric {
    labelled(kind, name, &[], help, read)
}

const fn labelled(
    kind: Kind,
    name: &'static str,
    labels: &'static [&'static str],
    help: &'static str,
    read: fn(&PortReport, &mut Lines),
) -> Metric {
    Metric { name, kind, labels, help, read: Read::Port(read) }
}
