//! Counters of the port: what passed, and one per reason for which something was dropped.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// One counter, raised from any task.
#[derive(Debug, Default)]
pub(super) struct Counter(AtomicU64);

impl Counter {
    pub(super) fn raise(&self) {
        self.add(1);
    }

    pub(super) fn add(&self, amount: u64) {
        self.0.fetch_add(amount, Relaxed);
    }

    fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

/// Declares the plain struct that users see and its shared twin, from one list of fields.
macro_rules! counters {
    ($(#[$doc:meta])* $plain:ident, $shared:ident { $($(#[$field_doc:meta])* $field:ident,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
        pub struct $plain { $($(#[$field_doc])* pub $field: u64,)* }

        /// The same while it is being counted, by several tasks.
        #[derive(Debug, Default)]
        pub struct $shared { $(pub(super) $field: Counter,)* }

        impl $plain {
            /// Every counter with its name.
            pub fn rows(&self) -> Vec<(&'static str, u64)> {
                vec![$((stringify!($field), self.$field),)*]
            }
        }

        impl $shared {
            /// The counters at this moment.
            pub fn snapshot(&self) -> $plain {
                $plain { $($field: self.$field.get(),)* }
            }
        }
    };
}

counters! {
    /// What has happened on a port since it was bound.
    PortStats, Counters {
        /// Datagrams read, whatever became of them.
        packets_received,
        /// Their bytes, prefixes included.
        bytes_received,
        /// Datagrams dropped: for a prefix pool that isn't here.
        packets_unknown_pool,
        /// Datagrams dropped: the inbox of their pool was full.
        packets_pool_full,
        /// Datagrams dropped: the application's, which has no packet receiver.
        packets_no_receiver,
        /// Datagrams dropped: the queue of the packet receiver was full.
        packets_receiver_full,
        /// Datagrams dropped: no buffer was left for their owner.
        packets_no_buffer,
        /// Errors of reading from a UDP socket.
        receive_errors,
        /// Datagrams sent.
        packets_sent,
        /// Their bytes, prefixes included.
        bytes_sent,
        /// Datagrams not sent: the send buffer of the operating system was full.
        send_would_block,
        /// Datagrams not sent: no bind address of the destination's family.
        send_no_socket,
        /// Datagrams not sent: the operating system refused.
        send_errors,
        /// Connections accepted, whatever became of them.
        connections_accepted,
        /// Connections closed: too many were being looked at.
        connections_over_limit,
        /// Connections closed: too many from their address were being looked at.
        connections_over_source_limit,
        /// Connections closed: no file descriptor was left.
        connections_no_descriptor,
        /// Connections that ended, or broke, before they had an owner.
        connections_ended_early,
        /// Connections closed: silent for `sniff_timeout`, and no native listener.
        connections_silent,
        /// Connections closed: for a prefix pool that isn't here.
        connections_unknown_pool,
        /// Connections closed: their pool had too many waiting.
        connections_pool_full,
        /// Connections closed: the application's, which has no native listener.
        connections_no_listener,
        /// Connections closed: the backlog of their listener was full.
        connections_listener_full,
        /// Errors of accepting.
        accept_errors,
    }
}

counters! {
    /// What has reached one pool since it was added.
    PoolPortStats, PoolCounters {
        /// Datagrams put into its inbox.
        packets_received,
        /// Their bytes, without the prefix.
        bytes_received,
        /// Datagrams dropped: its inbox was full.
        packets_dropped,
        /// Datagrams dropped: no buffer was left for it.
        packets_no_buffer,
        /// Connections put into its inbox.
        streams_received,
        /// Connections closed: too many were waiting.
        streams_dropped,
    }
}
