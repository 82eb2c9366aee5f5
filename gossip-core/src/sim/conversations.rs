//! The exchanges of a host: each is driven like the machine, on its own stream.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::base::addr::Target;
use crate::base::ids::ExchangeId;
use crate::base::time::Time;
use crate::pool::exchange::{Exchange, ExchangeError, ExchangeNews, Opening, Verdict};
use crate::pool::own_state::OwnState;
use crate::pool::traffic::Traffic;
use crate::sim::fabric::Fabric;
use crate::sim::host::{self, Host};
use crate::sim::queue::Input;
use crate::sim::stream::{Piece, Side, StreamId};
use crate::wire::message::Ticket;

/// The exchanges under way on one host.
#[derive(Debug, Default)]
pub(super) struct Conversations {
    talks: BTreeMap<ExchangeId, Conversation>,
    /// Accepted streams of which the pool's prefix has not all come yet.
    nameless: BTreeMap<StreamId, Vec<u8>>,
    timers_set: u64,
}

/// An exchange and the stream it runs on.
#[derive(Debug)]
struct Conversation {
    exchange: Exchange,
    stream: StreamId,
    side: Side,
    begun: Time,
    timer: Option<Time>,
    generation: u64,
}

impl Conversations {
    pub(super) fn ids(&self) -> Vec<ExchangeId> {
        self.talks.keys().copied().collect()
    }

    pub(super) fn len(&self) -> usize {
        self.talks.len()
    }

    pub(super) fn clear(&mut self) {
        self.talks.clear();
        self.nameless.clear();
    }

    /// An exchange that takes longer than `patience`, in words.
    pub(super) fn overdue(&self, now: Time, patience: Duration) -> Option<String> {
        let (id, talk) = self.talks.iter().find(|(_, talk)| now.since(talk.begun) > patience)?;
        Some(format!("{id:?} ({:?}), begun at {:?}, has not ended", talk.side, talk.begun))
    }

    /// Closes an exchange without another word; what it has moved.
    pub(super) fn drop_out(&mut self, fabric: &mut Fabric, id: ExchangeId) -> Traffic {
        let Some(talk) = self.talks.remove(&id) else { return Traffic::default() };
        fabric.abort(talk.stream, talk.side);
        talk.exchange.traffic()
    }

    /// Forgets which timers were set, so that they are set again.
    pub(super) fn forget_timers(&mut self) {
        self.talks.values_mut().for_each(|talk| talk.timer = None);
    }

    fn hold(&mut self, now: Time, id: ExchangeId, exchange: Exchange, stream: StreamId, side: Side) {
        let talk = Conversation { exchange, stream, side, begun: now, timer: None, generation: 0 };
        self.talks.insert(id, talk);
    }
}

impl Host {
    /// Dials for the machine.
    pub(super) fn dial(
        &mut self,
        fabric: &mut Fabric,
        id: ExchangeId,
        to: &Target,
        opening: Opening,
        deadline: Time,
    ) {
        let Some(machine) = &self.machine else { return };
        let (wire, timeout) = (machine.wire_of(id, to.addr).clone(), self.pool.tuning().stream_timeout);
        let exchange = Exchange::outbound(fabric.now, wire, self.next_nonces(), opening, deadline, timeout);
        let stream = fabric.dial(self.id, self.life, id, self.addr(), to.addr);
        self.conversations.hold(fabric.now, id, exchange, stream, Side::Dialer);
        self.converse(fabric, id);
    }

    /// Lets a parked exchange answer.
    pub(super) fn answer(&mut self, fabric: &mut Fabric, id: ExchangeId, state: OwnState) {
        if let Some(talk) = self.conversations.talks.get_mut(&id) {
            talk.exchange.handle_answer(fabric.now, state);
            self.converse(fabric, id);
        }
    }

    /// Tells the peer of an exchange what became of its message.
    pub(super) fn settle(&mut self, fabric: &mut Fabric, id: ExchangeId, verdict: Verdict, rests: bool) {
        if let Some(talk) = self.conversations.talks.get_mut(&id) {
            talk.exchange.handle_verdict(fabric.now, verdict, rests);
            self.converse(fabric, id);
        }
    }

    /// Lets an exchange that rests end.
    pub(super) fn finish(&mut self, fabric: &mut Fabric, id: ExchangeId) {
        if let Some(talk) = self.conversations.talks.get_mut(&id) {
            talk.exchange.handle_finish(fabric.now);
            self.converse(fabric, id);
        }
    }

    /// Answers the step that an exchange was asked for.
    pub(super) fn reply(&mut self, fabric: &mut Fabric, id: ExchangeId, answer: &[u8]) {
        if let Some(talk) = self.conversations.talks.get_mut(&id) {
            talk.exchange.handle_reply(fabric.now, answer);
            self.converse(fabric, id);
        }
    }

    /// Sends one more message on an exchange that rests.
    pub(super) fn say(
        &mut self,
        fabric: &mut Fabric,
        id: ExchangeId,
        message: &[u8],
        ticket: &Ticket,
        deadline: Time,
    ) {
        if let Some(talk) = self.conversations.talks.get_mut(&id) {
            talk.exchange.handle_message(fabric.now, message, ticket, deadline);
            self.converse(fabric, id);
        }
    }

    pub(super) fn take_piece(&mut self, fabric: &mut Fabric, stream: StreamId, at: Side, piece: Piece) {
        let Some(holder) = fabric.holder(stream, at, self.life) else { return };
        let Some(id) = holder else { return self.greet(fabric, stream, piece) };
        let Some(talk) = self.conversations.talks.get_mut(&id) else { return };
        let now = fabric.now;
        match piece {
            Piece::Open => {}
            Piece::Opened => talk.exchange.handle_connected(now),
            Piece::Refused => {
                talk.exchange.handle_failure(now, ExchangeError::Connect("connection refused".into()));
            }
            Piece::Bytes(bytes) => talk.exchange.handle_bytes(now, &bytes),
            Piece::End => talk.exchange.handle_eof(now),
            Piece::Reset => {
                talk.exchange.handle_failure(now, ExchangeError::Reset("connection reset by peer".into()));
            }
        }
        self.converse(fabric, id);
    }

    pub(super) fn take_exchange_timer(&mut self, fabric: &mut Fabric, id: ExchangeId, generation: u64) {
        let Some(talk) = self.conversations.talks.get_mut(&id) else { return };
        if talk.generation == generation {
            talk.timer = None;
            talk.exchange.handle_timeout(fabric.now);
            self.converse(fabric, id);
        }
    }

    /// Does what an exchange wants done, and sets its timer.
    pub(super) fn converse(&mut self, fabric: &mut Fabric, id: ExchangeId) {
        let Some(machine) = &mut self.machine else { return };
        let Some(talk) = self.conversations.talks.get_mut(&id) else { return };
        let mut failed = false;
        loop {
            let mut wrote = false;
            while let Some(bytes) = talk.exchange.poll_write() {
                fabric.write(talk.stream, talk.side, bytes);
                wrote = true;
            }
            if wrote {
                talk.exchange.handle_written(fabric.now);
            }
            match talk.exchange.poll_news() {
                Some(news) => {
                    failed |= matches!(news, ExchangeNews::Failed(_));
                    machine.handle_exchange(fabric.now, id, news);
                }
                None if wrote => {}
                None => break,
            }
        }
        if talk.exchange.is_over() {
            let (stream, side) = (talk.stream, talk.side);
            machine.handle_traffic(talk.exchange.traffic());
            self.conversations.talks.remove(&id);
            return if failed { fabric.abort(stream, side) } else { fabric.close(stream, side) };
        }
        if talk.exchange.rests() {
            talk.begun = fabric.now;
        }
        let due = talk.exchange.poll_timeout();
        if due != talk.timer {
            self.conversations.timers_set += 1;
            (talk.timer, talk.generation) = (due, self.conversations.timers_set);
            if let Some(at) = due {
                let generation = talk.generation;
                fabric.schedule_at(at, self.id, Input::ExchangeTimer { id, generation });
            }
        }
    }

    /// Looks at the first bytes of an accepted stream; the pool's own are consumed.
    fn greet(&mut self, fabric: &mut Fabric, stream: StreamId, piece: Piece) {
        let mut first = self.conversations.nameless.remove(&stream).unwrap_or_default();
        let Piece::Bytes(bytes) = piece else { return fabric.abort(stream, Side::Acceptor) };
        first.extend_from_slice(&bytes);
        let prefix = host::prefix(&self.pool);
        if first.len() < prefix.len() {
            self.conversations.nameless.insert(stream, first);
        } else if first.starts_with(&prefix) {
            self.welcome(fabric, stream, &first[prefix.len()..]);
        } else {
            fabric.abort(stream, Side::Acceptor);
        }
    }

    /// Runs an inbound exchange on an accepted stream that belongs to the pool.
    fn welcome(&mut self, fabric: &mut Fabric, stream: StreamId, first: &[u8]) {
        let Some(machine) = &mut self.machine else { return };
        let Some(from) = fabric.dialer(stream) else { return };
        let Some(id) = machine.accept(fabric.now, from) else {
            return fabric.abort(stream, Side::Acceptor);
        };
        let (wire, timeout) = (machine.wire().clone(), self.pool.tuning().stream_timeout);
        let name = self.identity.name.clone();
        let mut exchange = Exchange::inbound(fabric.now, wire, self.next_nonces(), name, timeout);
        exchange.handle_bytes(fabric.now, first);
        fabric.adopt(stream, id);
        self.conversations.hold(fabric.now, id, exchange, stream, Side::Acceptor);
        self.converse(fabric, id);
    }
}
