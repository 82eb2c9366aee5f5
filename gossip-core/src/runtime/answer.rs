//! The answer that a question waits for: a value that is used once, from any thread.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc::UnboundedSender;
use tracing::debug;

use crate::base::ids::AskId;
use crate::base::time::Time;
use crate::net::scope::Scope;
use crate::pool::action::{Question, Reply};
use crate::runtime::clock::Clock;
use crate::runtime::counters::Counters;
use crate::runtime::input::Input;

/// The right to answer one question of a pool.
///
/// It may be kept, and used from any thread. An answer that comes too late is ignored; a
/// dropped one is the default, at once. Both are counted in
/// [`PoolStats::questions_defaulted`](crate::runtime::pool::PoolStats::questions_defaulted).
#[must_use = "dropping it gives the default answer"]
pub struct Answer {
    /// `None` once it is given.
    id: Option<AskId>,
    default: Reply,
    deadline: Time,
    clock: Clock,
    inputs: UnboundedSender<Input>,
    counters: Arc<Counters>,
    /// Where a refusal is logged: answers are given in threads of the application.
    scope: Scope,
}

impl Answer {
    pub(crate) fn new(
        id: AskId,
        question: &Question,
        deadline: Time,
        clock: Clock,
        inputs: UnboundedSender<Input>,
        counters: Arc<Counters>,
        scope: Scope,
    ) -> Self {
        Self { id: Some(id), default: question.default_reply(), deadline, clock, inputs, counters, scope }
    }

    /// Answers.
    pub fn give(mut self, reply: Reply) {
        let Some(id) = self.id.take() else { return };
        if self.is_late() {
            self.counters.questions_defaulted.raise();
        } else {
            let _ = self.inputs.send(Input::Reply(id, reply));
        }
    }

    /// Yes.
    pub fn admit(self) {
        self.give(Reply::Admit);
    }

    /// No; the reason is logged. To the question for the state: the published one.
    pub fn refuse(self, reason: &str) {
        self.scope.enter(|| debug!(reason, "the application refused"));
        self.give(Reply::Refuse);
    }

    /// How long an answer is still of use; zero if the default has been taken.
    pub fn time_left(&self) -> Duration {
        self.clock.until(self.deadline)
    }

    /// Whether the machine has taken the default.
    pub(crate) fn is_late(&self) -> bool {
        self.time_left().is_zero()
    }
}

impl Drop for Answer {
    fn drop(&mut self) {
        let Some(id) = self.id.take() else { return };
        self.counters.questions_defaulted.raise();
        if !self.is_late() {
            let _ = self.inputs.send(Input::Reply(id, self.default.clone()));
        }
    }
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Answer").field("time_left", &self.time_left()).finish_non_exhaustive()
    }
}
