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
    /// The peer pinged a node that we are not; it got no answer.
    pub misdirected: bool,
    /// Bytes of our state as it was sent: compressed and encrypted, without what frames it.
    pub local_state: Option<u64>,
    /// Bytes of the peer's state as it came: compressed and encrypted, without what frames it.
    pub remote_state: Option<u64>,
}

impl Machine {
    /// Counts what an exchange has moved. Called once for each, when it is over or dropped;
    /// nothing but counters changes.
    pub fn handle_traffic(&mut self, traffic: Traffic) {
        let Traffic { connected, sent, received, misdirected, local_state, remote_state } = traffic;
        self.tally.streams_connected += u64::from(connected);
        self.swim.counters.pings_misdirected += u64::from(misdirected);
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
    pub const REASONS: [&'static str; 11] = [
        "timeout",
        "connect",
        "closed",
        "reset",
        "refused",
        "remote_error",
        "unexpected_type",
        "wrong_seq",
        "dropped",
        "connect_timeout",
        "not_taken",
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
            Self::ConnectTimeout => 9,
            Self::NotTaken(_) => 10,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use super::*;
    use crate::base::time::Time;
    use crate::pool::exchange::{Exchange, Opening};
    use crate::wire::error::Refused;
    use crate::wire::nonce::Nonces;
    use crate::wire::onion::Wire;

    /// Pings `node` over a stream at a node named `us`; what both ends have moved.
    fn ping(node: &str) -> (Traffic, Traffic) {
        let (now, second) = (Time::ZERO, Duration::from_secs(1));
        let (wire, nonces) = (Arc::new(Wire::plain()), || Nonces::seeded(1));
        let opening = Opening::Ping { seq: 7, node: node.into() };
        let mut asking = Exchange::outbound(now, Arc::clone(&wire), nonces(), opening, now + second, second);
        let mut asked = Exchange::inbound(now, wire, nonces(), "us".into(), second);

        asking.handle_connected(now);
        asked.handle_bytes(now, &asking.poll_write().unwrap());
        asking.handle_written(now);
        asked.poll_write().into_iter().for_each(|answer| asking.handle_bytes(now, &answer));
        (asking.traffic(), asked.traffic())
    }

    #[test]
    fn what_one_end_sends_the_other_receives() {
        let (asking, asked) = ping("us");

        assert!(asking.connected && !asked.connected && !asked.misdirected);
        assert!(asking.sent > 0 && asked.sent > 0);
        assert_eq!((asking.sent, asking.received), (asked.received, asked.sent));
        assert_eq!((asking.local_state, asked.remote_state), (None, None), "no state was exchanged");
    }

    #[test]
    fn a_ping_for_somebody_else_is_noted_and_not_answered() {
        let (_, asked) = ping("them");

        assert!(asked.misdirected);
        assert_eq!(asked.sent, 0);
    }

    #[test]
    fn every_failure_has_a_reason_of_its_own() {
        use crate::pool::exchange::{Broken, Refusal};
        use crate::wire::message::MessageType::{Ack, Ping};
        let text = String::new;
        let broken = || Broken::from("");
        let all = [
            ExchangeError::Timeout,
            ExchangeError::Connect(broken()),
            ExchangeError::Closed,
            ExchangeError::Reset(broken()),
            ExchangeError::Refused(Refused::Empty),
            ExchangeError::RemoteError(text()),
            ExchangeError::UnexpectedType { expected: Ack, found: Ping },
            ExchangeError::WrongSeq { expected: 1, found: 2 },
            ExchangeError::Dropped,
            ExchangeError::ConnectTimeout,
            ExchangeError::NotTaken(Refusal::QueueFull),
        ];

        let places: Vec<_> = all.iter().map(ExchangeError::index).collect();

        assert_eq!(places, (0..ExchangeError::REASONS.len()).collect::<Vec<_>>());
    }
}
