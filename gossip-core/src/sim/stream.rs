//! Virtual TCP: connections whose bytes arrive in order, in pieces of random size.
//!
//! ```text
//!  dialer                                  acceptor
//!    | Open ------------------------------>  |   nobody there: no answer, the dialer's deadline decides
//!    |  <------------------- Opened/Refused  |   refused when the host is up but its process is not
//!    | Bytes, Bytes, ... ----------------->  |   each piece takes the link's latency, none overtakes another
//!    |  <---------------- Bytes, Bytes, End  |   End after a proper close, Reset after anything else
//! ```
//!
//! What a link or rule drops is sent again after a doubling wait; what comes after it
//! waits, as in TCP.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;

use crate::base::ids::ExchangeId;
use crate::base::time::Time;
use crate::sim::fabric::{Carrier, Fabric, Packet};
use crate::sim::host::HostId;
use crate::sim::queue::{Event, Input};
use crate::sim::seed::Fingerprint;

/// Names a stream; never reused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct StreamId(pub(super) u64);

/// The two ends of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Side {
    Dialer,
    Acceptor,
}

impl Side {
    fn other(self) -> Self {
        match self {
            Self::Dialer => Self::Acceptor,
            Self::Acceptor => Self::Dialer,
        }
    }
}

/// What arrives at one end.
#[derive(Debug)]
pub(super) enum Piece {
    Open,
    Opened,
    Refused,
    Bytes(Bytes),
    End,
    Reset,
}

impl Piece {
    fn bytes(&self) -> &[u8] {
        match self {
            Self::Bytes(bytes) => bytes,
            _ => &[],
        }
    }

    pub(super) fn imprint(&self, fingerprint: &mut Fingerprint) {
        let kind = match self {
            Self::Open => 0,
            Self::Opened => 1,
            Self::Refused => 2,
            Self::Bytes(_) => 3,
            Self::End => 4,
            Self::Reset => 5,
        };
        fingerprint.word(kind);
        fingerprint.bytes(self.bytes());
    }
}

/// A connection.
#[derive(Debug)]
pub(super) struct Stream {
    ends: [End; 2],
    ways: [Way; 2],
    dialer: SocketAddr,
}

/// One end of a connection, held by one life of a host.
#[derive(Debug)]
struct End {
    host: HostId,
    life: u32,
    exchange: Option<ExchangeId>,
    open: bool,
}

/// One direction of a connection.
#[derive(Debug, Default)]
struct Way {
    waiting: VecDeque<Piece>,
    /// The first waiting piece has been lost this often.
    losses: u32,
    resending: bool,
    /// When the latest piece arrives: none may overtake it.
    arrival: Time,
}

impl Fabric {
    /// Dials `to` for an exchange of `host`. Where nobody is, nothing ever happens.
    pub(super) fn dial(
        &mut self,
        host: HostId,
        life: u32,
        exchange: ExchangeId,
        from: SocketAddr,
        to: SocketAddr,
    ) -> StreamId {
        self.streams_dialed += 1;
        self.traffic[host.index()].streams += 1;
        let id = StreamId(self.streams_dialed);
        let Some(acceptor) = self.whose(to) else { return id };
        let port = EPHEMERAL + u16::try_from(id.0 % 20_000).unwrap_or_default();
        let ends = [
            End { host, life, exchange: Some(exchange), open: true },
            End { host: acceptor, life: 0, exchange: None, open: false },
        ];
        let dialer = SocketAddr::new(from.ip(), port);
        self.streams.insert(id, Stream { ends, ways: Default::default(), dialer });
        self.push(id, Side::Dialer, Piece::Open);
        id
    }

    /// The acceptor's kernel takes the connection.
    pub(super) fn accept(&mut self, id: StreamId, life: u32) {
        if let Some(stream) = self.streams.get_mut(&id) {
            let end = &mut stream.ends[Side::Acceptor as usize];
            (end.life, end.open) = (life, true);
            self.push(id, Side::Acceptor, Piece::Opened);
        }
    }

    /// The acceptor's kernel has nobody listening.
    pub(super) fn refuse(&mut self, id: StreamId) {
        self.push(id, Side::Acceptor, Piece::Refused);
    }

    /// The accepted end belongs to an exchange from now on.
    pub(super) fn adopt(&mut self, id: StreamId, exchange: ExchangeId) {
        if let Some(stream) = self.streams.get_mut(&id) {
            stream.ends[Side::Acceptor as usize].exchange = Some(exchange);
        }
    }

    /// The dialer's address, as the acceptor sees it.
    pub(super) fn dialer(&self, id: StreamId) -> Option<SocketAddr> {
        self.streams.get(&id).map(|stream| stream.dialer)
    }

    /// Whether that end is open and held by that life of its host, and its exchange.
    pub(super) fn holder(&self, id: StreamId, side: Side, life: u32) -> Option<Option<ExchangeId>> {
        let end = &self.streams.get(&id)?.ends[side as usize];
        (end.open && end.life == life).then_some(end.exchange)
    }

    /// Writes `bytes` from one side; they leave in pieces of random size.
    pub(super) fn write(&mut self, id: StreamId, side: Side, mut bytes: Bytes) {
        let Some(stream) = self.streams.get(&id) else { return };
        let (from, to) = (stream.ends[side as usize].host, stream.ends[side.other() as usize].host);
        self.traffic[from.index()].stream_bytes += bytes.len() as u64;
        while !bytes.is_empty() {
            let length = self.cut(from, to, bytes.len());
            self.push(id, side, Piece::Bytes(bytes.split_to(length)));
        }
    }

    /// Closes one side after everything written has been sent.
    pub(super) fn close(&mut self, id: StreamId, side: Side) {
        self.leave(id, side, Piece::End);
    }

    /// Closes one side at once; what has not left yet never will.
    pub(super) fn abort(&mut self, id: StreamId, side: Side) {
        if let Some(stream) = self.streams.get_mut(&id) {
            stream.ways[side as usize].waiting.clear();
            self.leave(id, side, Piece::Reset);
        }
    }

    /// Aborts every stream of a host.
    pub(super) fn abort_all(&mut self, host: HostId) {
        let ends = |(&id, stream): (&StreamId, &Stream)| {
            [Side::Dialer, Side::Acceptor]
                .into_iter()
                .filter(|&side| stream.ends[side as usize].host == host && stream.ends[side as usize].open)
                .map(|side| (id, side))
                .collect::<Vec<_>>()
        };
        let held: Vec<_> = self.streams.iter().flat_map(ends).collect();
        held.into_iter().for_each(|(id, side)| self.abort(id, side));
    }

    /// Tries again to send what waits on one side.
    pub(super) fn resend(&mut self, id: StreamId, from: Side) {
        if let Some(stream) = self.streams.get_mut(&id) {
            stream.ways[from as usize].resending = false;
            self.pump(id, from);
        }
    }

    fn leave(&mut self, id: StreamId, side: Side, last: Piece) {
        let Some(stream) = self.streams.get_mut(&id) else { return };
        if !std::mem::take(&mut stream.ends[side as usize].open) {
            return;
        }
        let deserted = !stream.ends[side.other() as usize].open;
        self.push(id, side, last);
        if deserted {
            self.streams.remove(&id);
        }
    }

    fn push(&mut self, id: StreamId, side: Side, piece: Piece) {
        if let Some(stream) = self.streams.get_mut(&id) {
            stream.ways[side as usize].waiting.push_back(piece);
            self.pump(id, side);
        }
    }

    fn pump(&mut self, id: StreamId, side: Side) {
        let Some(stream) = self.streams.get_mut(&id) else { return };
        let (from, to) = (stream.ends[side as usize].host, stream.ends[side.other() as usize].host);
        let mut way = std::mem::take(&mut stream.ways[side as usize]);
        while !way.resending {
            let Some(piece) = way.waiting.front() else { break };
            let packet = Packet { sent: self.now, from, to, carrier: Carrier::Stream, bytes: piece.bytes() };
            match self.fate(&packet) {
                Some(delay) => {
                    way.losses = 0;
                    way.arrival = way.arrival.max(self.now + delay);
                    if let Some(piece) = way.waiting.pop_front() {
                        let at = side.other();
                        self.schedule_at(way.arrival, to, Input::Piece { stream: id, at, piece });
                    }
                }
                None if way.losses == LOSSES_MAX => {
                    way.waiting.clear();
                    for (host, at) in [(to, side.other()), (from, side)] {
                        let input = Input::Piece { stream: id, at, piece: Piece::Reset };
                        self.schedule_at(self.now, host, input);
                    }
                }
                None => {
                    let wait = if matches!(piece, Piece::Open) { SYN_WAIT } else { RESEND_WAIT };
                    self.schedule(wait * (1 << way.losses), Event::Resend { stream: id, from: side });
                    way.losses += 1;
                    way.resending = true;
                }
            }
        }
        if let Some(stream) = self.streams.get_mut(&id) {
            stream.ways[side as usize] = way;
        }
    }
}

/// First wait before a connection attempt is repeated (RFC 6298).
const SYN_WAIT: Duration = Duration::from_secs(1);
/// First wait before bytes are repeated; Linux waits at least 200 ms.
const RESEND_WAIT: Duration = Duration::from_millis(200);
/// After so many losses in a row, both ends are told that the connection is gone.
const LOSSES_MAX: u32 = 12;
/// Lowest port of dialers.
const EPHEMERAL: u16 = 40_000;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::fabric::Verdict;

    const DIALER: HostId = HostId::new(0);
    const ACCEPTOR: HostId = HostId::new(1);

    fn connected() -> (Fabric, StreamId) {
        let mut fabric = Fabric::new(5);
        let addr = |last| SocketAddr::from(([10, 0, 0, last], 7946));
        fabric.route(addr(1), DIALER);
        fabric.route(addr(2), ACCEPTOR);
        let id = fabric.dial(DIALER, 0, ExchangeId(1), addr(1), addr(2));
        fabric.accept(id, 0);
        while fabric.next(Time::FAR).is_some() {}
        (fabric, id)
    }

    /// Everything that arrives at the acceptor, resending what must be.
    fn arriving(fabric: &mut Fabric) -> (Vec<u8>, Vec<Piece>) {
        let (mut bytes, mut others) = (Vec::new(), Vec::new());
        while let Some(event) = fabric.next(Time::FAR) {
            match event {
                Event::Resend { stream, from } => fabric.resend(stream, from),
                Event::Input(_, Input::Piece { piece: Piece::Bytes(piece), .. }) => bytes.extend(piece),
                Event::Input(_, Input::Piece { piece, .. }) => others.push(piece),
                other => panic!("{other:?}"),
            }
        }
        (bytes, others)
    }

    #[test]
    fn bytes_arrive_in_order_whatever_the_link_loses() {
        let (mut fabric, id) = connected();
        let sent: Vec<u8> = (0..50_000_u32).map(|n| n as u8).collect();
        let mut unlucky = 0;
        let _loss = fabric.install(move |_: &Packet<'_>| {
            unlucky += 1;
            if unlucky % 3 == 0 { Verdict::Drop } else { Verdict::Pass }
        });

        fabric.write(id, Side::Dialer, sent.clone().into());
        fabric.close(id, Side::Dialer);
        let (bytes, others) = arriving(&mut fabric);

        assert!(bytes == sent);
        assert!(matches!(others[..], [Piece::End]));
    }

    #[test]
    fn an_aborted_stream_ends_in_a_reset_and_is_forgotten_by_both() {
        let (mut fabric, id) = connected();

        fabric.abort_all(DIALER);
        let (_, others) = arriving(&mut fabric);
        fabric.close(id, Side::Acceptor);

        assert!(matches!(others[..], [Piece::Reset]));
        assert!(fabric.streams.is_empty());
    }

    #[test]
    fn a_connection_across_a_cut_is_given_up_in_the_end() {
        let (mut fabric, id) = connected();
        let _cut = fabric.install(|_: &Packet<'_>| Verdict::Drop);

        fabric.write(id, Side::Dialer, Bytes::from_static(b"lost"));
        let (bytes, others) = arriving(&mut fabric);

        assert!(bytes.is_empty());
        assert!(matches!(others[..], [Piece::Reset, Piece::Reset]));
        assert!(fabric.now > Time::ZERO + Duration::from_secs(600));
    }
}
