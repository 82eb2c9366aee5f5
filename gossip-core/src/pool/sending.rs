//! Reliable messages as they set out, and the connections that rest until the next one.
//!
//! Every message has a ticket. A node of ours acknowledges it when its application has taken the
//! message; whoever closes the connection in good order instead has read it, and if it runs
//! memberlist its application has returned. A connection that was acknowledged is kept for a
//! while. Such a one may be dying when it is used: what was not acknowledged on it is sent once
//! more on a new one, under the same ticket, by which the receiver knows a repetition.

use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use tracing::debug;

use crate::base::addr::Target;
use crate::base::ids::{ExchangeId, TaskId};
use crate::base::time::Time;
use crate::pool::action::{Action, Delivery, Outcome};
use crate::pool::commands::{TaskKind, fits};
use crate::pool::error::CommandError;
use crate::pool::exchange::{ExchangeError, Opening, Verdict};
use crate::pool::machine::Machine;
use crate::pool::streams::Talk;
use crate::wire::limits::USER_MESSAGE_MAX;
use crate::wire::message::Ticket;

/// Connections that rest at a time, and those to one peer: as many as messages were under way
/// at once, within reason.
pub(super) const RESTING_MAX: usize = 64;
const RESTING_EACH: usize = 8;

/// A message under way.
#[derive(Clone)]
pub(super) struct Errand {
    pub(super) task: TaskId,
    to: Target,
    message: Bytes,
    ticket: Ticket,
    deadline: Time,
    /// It went out on a connection that had rested.
    reuses: bool,
    /// How often the layers had changed when its connection began.
    layers: u64,
}

/// Without the message, which is nobody's business in a log.
impl fmt::Debug for Errand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (task, to, bytes) = (self.task, &self.to, self.message.len());
        f.debug_struct("Errand")
            .field("task", &task)
            .field("to", to)
            .field("bytes", &bytes)
            .finish_non_exhaustive()
    }
}

/// A connection that rests.
#[derive(Debug, Clone, Copy)]
pub(super) struct Resting {
    id: ExchangeId,
    to: SocketAddr,
}

impl Machine {
    /// Sends a user message over a stream. Ends with [`Outcome::Sent`] when the receiver has
    /// acknowledged it or closed the connection in good order, or with how that failed.
    pub fn send_reliable(
        &mut self,
        now: Time,
        to: Target,
        message: Bytes,
        timeout: Option<Duration>,
    ) -> Result<TaskId, CommandError> {
        let now = self.at(now);
        fits("message", message.len(), USER_MESSAGE_MAX)?;
        if self.config.require_node_names && to.name.is_none() {
            return Err(CommandError::NameRequired);
        }
        // The exchange has the deadline: it knows how far the message came.
        let task = self.begin(now, TaskKind::Send, None);
        self.sent += 1;
        let (instance, from) = (self.rumours.instance(), self.swim.name.clone());
        let ticket = Ticket { instance, sequence: self.sent, from };
        let deadline = now + timeout.unwrap_or(self.config.tcp_timeout);
        let layers = self.layers_changed;
        let errand = Errand { task, to, message, ticket, deadline, reuses: false, layers };
        // The latest to rest is the likeliest to live.
        match self.resting.iter().rposition(|resting| resting.to == errand.to.addr) {
            Some(place) => self.reuse(place, errand),
            None => self.set_out(errand),
        }
        Ok(task)
    }

    fn reuse(&mut self, place: usize, errand: Errand) {
        let Resting { id, .. } = self.resting.remove(place);
        self.tally.sends_reused += 1;
        let Errand { message, ticket, deadline, .. } = errand.clone();
        self.actions.push_back(Action::Say { id, message, ticket, deadline });
        self.exchanges.insert(id, Talk::User(Box::new(Errand { reuses: true, ..errand })));
    }

    fn set_out(&mut self, errand: Errand) {
        let id = ExchangeId(self.next_id());
        let opening = Opening::User { payload: errand.message.clone(), ticket: errand.ticket.clone() };
        let (to, deadline) = (errand.to.clone(), errand.deadline);
        self.exchanges.insert(id, Talk::User(Box::new(errand)));
        self.actions.push_back(Action::Open { id, to, opening, deadline });
    }

    /// The receiver says what its application did with the message.
    pub(super) fn hear_verdict(&mut self, id: ExchangeId, verdict: Verdict) {
        let Some(Talk::User(errand)) = self.exchanges.get(&id) else { return };
        let (task, to, is_stale) = (errand.task, errand.to.addr, errand.layers != self.layers_changed);
        self.exchanges.insert(id, Talk::Resting);
        match verdict {
            Ok(()) => {
                self.tally.sends_acknowledged += 1;
                self.finish(task, Outcome::Sent(Delivery::Acknowledged));
            }
            Err(refusal) => {
                self.tally.sends_not_taken += 1;
                self.finish(task, Outcome::Failed(ExchangeError::NotTaken(refusal)));
            }
        }
        let to_it = |resting: &&Resting| resting.to == to;
        // What began under other keys or labels speaks and accepts as it did then.
        if is_stale || self.resting.iter().filter(to_it).count() >= RESTING_EACH {
            self.let_go(id);
        } else {
            if self.resting.len() >= RESTING_MAX {
                let oldest = self.resting.remove(0).id;
                self.let_go(oldest);
            }
            self.resting.push(Resting { id, to });
        }
    }

    /// The conversation of a message is over, without a verdict.
    pub(super) fn errand_ended(&mut self, errand: Errand, error: Option<ExchangeError>) {
        use ExchangeError::{Closed, Dropped, Reset};
        if errand.reuses && matches!(error, None | Some(Closed | Reset(_) | Dropped)) {
            debug!(to = %errand.to, "a connection that had rested was dead; trying a new one");
            self.tally.sends_retried += 1;
            return self.set_out(Errand { reuses: false, layers: self.layers_changed, ..errand });
        }
        self.rumours.circle.refresh(&self.swim);
        // A node of ours that closes without a word has not taken the message.
        let is_ours = self.rumours.circle.at(errand.to.addr).is_some_and(|(_, understands)| understands);
        let outcome = match error.or_else(|| is_ours.then_some(Closed)) {
            Some(error) => {
                self.tally.sends_failed += 1;
                Outcome::Failed(error)
            }
            None => {
                self.tally.sends_closed += 1;
                Outcome::Sent(Delivery::Closed)
            }
        };
        self.finish(errand.task, outcome);
    }

    /// A connection that rested is gone.
    pub(super) fn rest_ended(&mut self, id: ExchangeId) {
        self.resting.retain(|resting| resting.id != id);
    }

    /// Closes the connections that rest, those to `to` or all.
    pub(super) fn close_resting(&mut self, to: Option<SocketAddr>) {
        let (gone, kept) =
            self.resting.drain(..).partition::<Vec<_>, _>(|resting| to.is_none_or(|to| resting.to == to));
        self.resting = kept;
        gone.into_iter().for_each(|resting| self.let_go(resting.id));
    }

    fn let_go(&mut self, id: ExchangeId) {
        self.exchanges.remove(&id);
        self.actions.push_back(Action::Drop { id });
    }
}
