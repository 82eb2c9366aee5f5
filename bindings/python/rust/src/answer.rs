//! `_core.Answer`: the right to answer one question of a pool, once.

use bytes::Bytes;
use gossip_core::pool::action::Reply;
use gossip_core::runtime::answer::Answer as CoreAnswer;
use parking_lot::Mutex;
use pyo3::prelude::*;

use crate::convert::Payload;
use crate::life::Owned;

/// What a question waits for. Let go without a word, it gives the default. A second answer
/// counts for nothing.
#[pyclass(frozen, module = "gossip._core")]
pub(crate) struct Answer {
    answer: Owned<Mutex<Option<CoreAnswer>>>,
}

impl Answer {
    pub(crate) fn new(answer: CoreAnswer) -> Self {
        Self { answer: Owned::new(Mutex::new(Some(answer))) }
    }

    fn give(&self, with: impl FnOnce(CoreAnswer)) -> PyResult<()> {
        if let Some(answer) = self.answer.get()?.lock().take() {
            with(answer);
        }
        Ok(())
    }
}

#[pymethods]
impl Answer {
    /// Yes.
    fn admit(&self) -> PyResult<()> {
        self.give(CoreAnswer::admit)
    }

    /// No; the reason is logged. To the question for the state: the published one.
    fn refuse(&self, reason: &str) -> PyResult<()> {
        self.give(|answer| answer.refuse(reason))
    }

    /// The state that was asked for.
    fn state(&self, state: Payload) -> PyResult<()> {
        self.give(|answer| answer.give(Reply::State(Bytes::from(state.0))))
    }

    /// Seconds for which an answer is still of use.
    fn time_left(&self) -> PyResult<f64> {
        Ok(self.answer.get()?.lock().as_ref().map_or(0.0, |answer| answer.time_left().as_secs_f64()))
    }
}
