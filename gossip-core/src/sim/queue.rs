//! What is going to happen: one heap of events, ordered by time, then by who asked first.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::net::SocketAddr;

use crate::base::addr::Target;
use crate::base::ids::{AskId, ExchangeId};
use crate::base::time::Time;
use crate::pool::action::Reply;
use crate::pool::exchange::Verdict;
use crate::sim::host::HostId;
use crate::sim::seed::Fingerprint;
use crate::sim::stream::{Piece, Side, StreamId};

/// Something that happens at one time, at one place.
#[derive(Debug)]
pub(super) enum Event {
    /// Something reaches a host.
    Input(HostId, Input),
    /// What a stream could not get across is tried again.
    Resend { stream: StreamId, from: Side },
    /// The scenario has planned something.
    Cue(u64),
}

/// Something that reaches a host.
#[derive(Debug)]
pub(super) enum Input {
    /// A datagram, prefix included.
    Packet { from: SocketAddr, to: SocketAddr, bytes: Vec<u8> },
    /// The next part of a stream, at that side of it.
    Piece { stream: StreamId, at: Side, piece: Piece },
    /// The machine's timer, unless it has been set anew since.
    Timer { generation: u64 },
    /// An exchange's timer, unless it has been set anew since.
    ExchangeTimer { id: ExchangeId, generation: u64 },
    /// What the seeds of the host's `life` are found to be; some may have no address.
    Seeds { life: u32, targets: Vec<Target>, unresolved: usize },
    /// The application of the host's `life` has made up its mind.
    Reply { life: u32, ask: AskId, reply: Reply },
    /// It is done with a reliable message.
    Verdict { life: u32, id: ExchangeId, verdict: Verdict },
}

/// The heap of events.
#[derive(Debug, Default)]
pub(super) struct Queue {
    heap: BinaryHeap<Reverse<Entry>>,
    seq: u64,
}

impl Queue {
    /// Lets `event` happen at `at`, after everything already planned for that time.
    pub(super) fn push(&mut self, at: Time, event: Event) {
        self.seq += 1;
        self.heap.push(Reverse(Entry { at, seq: self.seq, event }));
    }

    /// The next event no later than `limit`.
    pub(super) fn pop(&mut self, limit: Time) -> Option<(Time, Event)> {
        if self.heap.peek()?.0.at > limit {
            return None;
        }
        self.heap.pop().map(|Reverse(entry)| (entry.at, entry.event))
    }
}

#[derive(Debug)]
struct Entry {
    at: Time,
    seq: u64,
    event: Event,
}

impl PartialEq for Entry {
    fn eq(&self, other: &Self) -> bool {
        self.seq == other.seq
    }
}

impl Eq for Entry {}

impl PartialOrd for Entry {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Entry {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.at, self.seq).cmp(&(other.at, other.seq))
    }
}

impl Event {
    /// Adds everything that tells this event from another to a fingerprint.
    pub(super) fn imprint(&self, fingerprint: &mut Fingerprint) {
        match self {
            Self::Input(host, input) => {
                fingerprint.word(host.index() as u64);
                input.imprint(fingerprint);
            }
            Self::Resend { stream, from } => {
                fingerprint.word(0x10 | *from as u64);
                fingerprint.word(stream.0);
            }
            Self::Cue(number) => {
                fingerprint.word(0x20);
                fingerprint.word(*number);
            }
        }
    }
}

impl Input {
    fn imprint(&self, fingerprint: &mut Fingerprint) {
        match self {
            Self::Packet { from, bytes, .. } => {
                fingerprint.word(u64::from(from.port()));
                fingerprint.bytes(bytes);
            }
            Self::Piece { stream, at, piece } => {
                fingerprint.word(0x30 | *at as u64);
                fingerprint.word(stream.0);
                piece.imprint(fingerprint);
            }
            Self::Timer { generation } => fingerprint.word(*generation),
            Self::ExchangeTimer { id, generation } => {
                fingerprint.word(id.0);
                fingerprint.word(*generation);
            }
            Self::Seeds { life, targets, unresolved } => {
                fingerprint.word(u64::from(*life) << 32 | targets.len() as u64);
                fingerprint.word(*unresolved as u64);
            }
            Self::Reply { life, ask, reply } => {
                fingerprint.word(u64::from(*life) << 32 | ask.0);
                if let Reply::State(state) = reply {
                    fingerprint.bytes(state);
                }
            }
            Self::Verdict { life, id, verdict } => {
                fingerprint.word(u64::from(*life) << 32 | id.0);
                fingerprint.word(u64::from(verdict.is_ok()));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_happen_by_time_then_in_the_order_of_planning() {
        let mut queue = Queue::default();
        for (at, cue) in [(2, 1), (1, 2), (2, 3), (1, 4)] {
            queue.push(Time::from_nanos(at), Event::Cue(cue));
        }

        let mut order = Vec::new();
        while let Some((_, Event::Cue(cue))) = queue.pop(Time::FAR) {
            order.push(cue);
        }

        assert_eq!(order, [2, 4, 1, 3]);
    }

    #[test]
    fn nothing_happens_before_its_time() {
        let mut queue = Queue::default();
        queue.push(Time::from_nanos(5), Event::Cue(1));

        assert!(queue.pop(Time::from_nanos(4)).is_none());
        assert!(queue.pop(Time::from_nanos(5)).is_some());
    }
}
