//! Reliable messages as they arrive: the application takes each once, and its sender hears of that.
//!
//! A message may come twice, when the connection of the first broke before its verdict went
//! out. The second has the same ticket: it gets the verdict of the first. One that was not
//! taken was not delivered, so it may be tried again.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use tracing::debug;

use crate::base::ids::ExchangeId;
use crate::base::time::Time;
use crate::pool::action::{Action, UserMessage};
use crate::pool::exchange::Verdict;
use crate::pool::machine::Machine;
use crate::pool::streams::Talk;
use crate::wire::message::Ticket;

/// Messages taken that are remembered, and for how long: a repetition follows its first at once.
const TAKEN_MAX: usize = 16_384;
const MEMORY: Duration = Duration::from_secs(120);

/// Which message: instance and sequence number of its ticket.
type Number = (u64, u64);

/// What became of the messages with tickets.
#[derive(Debug, Default)]
pub(super) struct Taken {
    fates: BTreeMap<Number, Fate>,
    /// Those that were taken, the oldest in front.
    order: VecDeque<(Time, Number)>,
    /// The message that each exchange brought, while the application has it.
    open: BTreeMap<ExchangeId, Number>,
}

#[derive(Debug)]
enum Fate {
    /// The application has it; whoever else brought it meanwhile waits too.
    Open(Vec<ExchangeId>),
    Taken,
}

impl Taken {
    /// Messages that the application has been given and has not returned from.
    pub(super) fn open(&self) -> usize {
        self.open.len()
    }

    fn remember(&mut self, now: Time, number: Number) {
        self.fates.insert(number, Fate::Taken);
        self.order.push_back((now, number));
        while let Some((since, oldest)) = self.order.front().copied()
            && (self.order.len() > TAKEN_MAX || now.since(since) > MEMORY)
        {
            self.order.pop_front();
            self.fates.remove(&oldest);
        }
    }
}

impl Machine {
    /// A user message came on a stream, with a ticket if its sender waits for a verdict.
    pub(super) fn hear_on_stream(
        &mut self,
        now: Time,
        id: ExchangeId,
        bytes: Bytes,
        encrypted: bool,
        ticket: Option<Ticket>,
    ) {
        let Some(Talk::Inbound { from, waits, .. }) = self.exchanges.get_mut(&id) else { return };
        let from = *from;
        *waits = Some(now);
        let Some(ticket) = ticket else {
            return self.hear_user(self.user_message(now, from, bytes, encrypted));
        };
        let number = (ticket.instance, ticket.sequence);
        match self.taken.fates.get_mut(&number) {
            Some(Fate::Taken) => {
                self.tally.messages_repeated += 1;
                return self.settle_with(now, id, Ok(()));
            }
            Some(Fate::Open(others)) => {
                self.tally.messages_repeated += 1;
                // No more than there are connections, however often they are made anew.
                others.retain(|other| self.exchanges.contains_key(other));
                return others.push(id);
            }
            None => {}
        }
        self.taken.fates.insert(number, Fate::Open(Vec::new()));
        self.taken.open.insert(id, number);
        let known = self.swim.roster.get(ticket.from.as_bytes()).filter(|record| record.state.is_live());
        let sender = known.map(|record| record.node.name.clone());
        let message = UserMessage { sender, ..self.user_message(now, from, bytes, encrypted) };
        self.tally.messages_received += 1;
        self.settle();
        self.actions.push_back(Action::Deliver { id, message });
    }

    /// What the application did with the message of an [`Action::Deliver`]. Called once for each,
    /// also when the exchange is gone.
    pub fn handle_verdict(&mut self, now: Time, id: ExchangeId, verdict: Verdict) {
        let now = self.at(now);
        let Some(number) = self.taken.open.remove(&id) else { return };
        let others = match self.taken.fates.remove(&number) {
            Some(Fate::Open(others)) => others,
            _ => Vec::new(),
        };
        match verdict {
            Ok(()) => {
                self.tally.messages_taken += 1;
                self.taken.remember(now, number);
            }
            Err(refusal) => {
                self.tally.messages_not_taken += 1;
                debug!(%refusal, "a message was not taken");
            }
        }
        for id in std::iter::once(id).chain(others) {
            self.settle_with(now, id, verdict);
        }
    }

    fn settle_with(&mut self, now: Time, id: ExchangeId, verdict: Verdict) {
        if let Some(Talk::Inbound { waits, layers, .. }) = self.exchanges.get_mut(&id) {
            *waits = Some(now);
            let rests = *layers == self.layers_changed;
            self.actions.push_back(Action::Settle { id, verdict, rests });
        }
    }

    /// Closes the inbound connection that has rested for longest or, if none does, the one that
    /// has waited for longest for the application; false if all others are at work. Their
    /// senders try again, or hear that the connection broke.
    pub fn make_room(&mut self) -> bool {
        let waiting = self.exchanges.iter().filter_map(|(id, talk)| match talk {
            Talk::Inbound { waits: Some(since), .. } => Some((self.taken.open.contains_key(id), *since, *id)),
            _ => None,
        });
        let Some((_, _, id)) = waiting.min() else { return false };
        self.exchanges.remove(&id);
        self.actions.push_back(Action::Drop { id });
        self.tally.streams_crowded_out += 1;
        true
    }

    /// Closes the inbound connections that rest: what is accepted has changed.
    pub(super) fn close_resting_inbound(&mut self) {
        let rests = |(id, talk): (&ExchangeId, &Talk)| {
            let waits = matches!(talk, Talk::Inbound { waits: Some(_), .. });
            (waits && !self.taken.open.contains_key(id)).then_some(*id)
        };
        // The latest acknowledgement may still be on its way.
        let resting = self.exchanges.iter().filter_map(rests).map(|id| Action::Finish { id });
        self.actions.extend(resting.collect::<Vec<_>>());
    }

    fn user_message(&self, at: Time, from: SocketAddr, bytes: Bytes, encrypted: bool) -> UserMessage {
        let pool = self.config.id;
        UserMessage { pool, bytes, from, sender: None, reliable: true, encrypted, at, origin: None }
    }
}
