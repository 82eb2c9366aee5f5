//! What exchanges leave to be counted: bytes that moved, and reasons of failure.
//!
//! An exchange counts for itself, since it runs apart from the machine. Its host hands the
//! sum over once, when the exchange is gone, however it ended.

use crate::pool::exchange::ExchangeError;
use crate::pool::machine::Machine;

/// What one exchange has moved so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Traffic {
    /// The connection that we opened stands.
    pub connected: bool,
    /// Bytes handed to the connection, all layers included.
    pub sent: u64,
    /// Bytes taken from it, those behind the message included.
    pub received: u64,
    /// Bytes of our state as it was sent: compressed and encrypted, without what frames it.
    pub local_state: Option<u64>,
    /// Bytes of the peer's state as it came: compressed and encrypted, without what frames it.
    pub remote_state: Option<u64>,
}

impl Machine {
    /// Counts what an exchange has moved. Called once for each, when it is over or dropped;
    /// nothing but counters changes.
    pub fn handle_traffic(&mut self, traffic: Traffic) {
        let Traffic { connected, sent, received, local_state, remote_state } = traffic;
        self.tally.streams_connected += u64::from(connected);
        self.tally.stream_bytes_sent += sent;
        self.tally.stream_bytes_received += received;
        if let Some(size) = local_state {
            self.tally.local_state_bytes = size;
        }
        if let Some(size) = remote_state {
            self.tally.remote_state_size.record(size);
        }
    }
}

impl ExchangeError {
    /// The kinds of failure, each at its [`index`](Self::index).
    pub const REASONS: [&'static str; 9] = [
        "timeout",
        "connect",
        "closed",
        "reset",
        "refused",
        "remote_error",
        "unexpected_type",
        "wrong_seq",
        "dropped",
    ];

    /// The place of this kind in [`REASONS`](Self::REASONS).
    pub fn index(&self) -> usize {
        match self {
            Self::Timeout => 0,
            Self::Connect(_) => 1,
            Self::Closed => 2,
            Self::Reset(_) => 3,
            Self::Refused(_) => 4,
            Self::RemoteError(_) => 5,
            Self::UnexpectedType { .. } => 6,
            Self::WrongSeq { .. } => 7,
            Self::Dropped => 8,
        }
    }
}
