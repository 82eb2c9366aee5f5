//! Broadcasts that wait for room in the machine's queue, in order.

use std::collections::VecDeque;

use bytes::Bytes;

use crate::base::time::Time;
use crate::pool::error::CommandError;
use crate::pool::machine::Machine;
use crate::runtime::counters::Counters;
use crate::runtime::reply::Reply;

/// At most as many as the queue itself holds, since not every one has a thread that waits.
#[derive(Debug, Default)]
pub(crate) struct WaitingBroadcasts(VecDeque<Waiting>);

/// A broadcast that waits for room until its deadline.
#[derive(Debug)]
pub(crate) struct Waiting {
    pub(crate) name: Bytes,
    pub(crate) message: Bytes,
    pub(crate) deadline: Time,
    pub(crate) reply: Reply<Result<(), CommandError>>,
}

impl WaitingBroadcasts {
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// When the first of them gives up.
    pub(crate) fn first_deadline(&self) -> Option<Time> {
        self.0.iter().map(|waiting| waiting.deadline).min()
    }

    /// Broadcasts, or lines up behind those that wait already; behind `limit` of them it only tries.
    pub(crate) fn put(
        &mut self,
        machine: &mut Machine,
        now: Time,
        mut waiting: Waiting,
        limit: usize,
        counters: &Counters,
    ) {
        if self.0.len() >= limit {
            waiting.deadline = now;
        }
        if self.0.is_empty() || waiting.deadline <= now {
            self.attempt(machine, now, waiting, counters);
        } else {
            self.0.push_back(waiting);
        }
    }

    /// Lets go of what nobody waits for any more; it is never sent.
    pub(crate) fn abandon(&mut self) {
        self.0.retain(|waiting| !waiting.reply.is_unwanted());
    }

    /// Tries again what waits, until there is no room, and gives up what has waited long
    /// enough.
    pub(crate) fn retry(&mut self, machine: &mut Machine, now: Time, counters: &Counters) {
        let mut left = self.0.len();
        while left > 0
            && let Some(first) = self.0.pop_front()
        {
            left -= 1;
            let before = self.0.len();
            self.attempt(machine, now, first, counters);
            if self.0.len() > before {
                break;
            }
        }
        let expired = |waiting: &Waiting| waiting.deadline <= now;
        if self.0.iter().any(expired) {
            let (late, waiting) = std::mem::take(&mut self.0).into_iter().partition(expired);
            self.0 = waiting;
            let late: VecDeque<Waiting> = late;
            // The deadline has passed, so each gets the machine's answer.
            late.into_iter().for_each(|waiting| self.attempt(machine, now, waiting, counters));
        }
    }

    /// Queues a broadcast, or lets it wait for room in front of those that wait.
    fn attempt(&mut self, machine: &mut Machine, now: Time, waiting: Waiting, counters: &Counters) {
        let result = machine.broadcast_named(now, &waiting.name, &waiting.message);
        if matches!(result, Err(CommandError::QueueFull { .. })) && now < waiting.deadline {
            self.0.push_front(waiting);
        } else {
            if result.is_err() {
                counters.broadcasts_refused.raise();
            }
            waiting.reply.send(result);
        }
    }
}
