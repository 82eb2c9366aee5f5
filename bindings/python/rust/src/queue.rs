//! `_core.Events`: what pools tell and ask, as a queue from which Python's threads pull.

use std::os::fd::{AsRawFd, RawFd};
use std::sync::Arc;
use std::time::Duration;

use gossip_core::base::ids::PoolId;
use gossip_core::base::time::Time;
use gossip_core::net::error::WaitError;
use gossip_core::pool::action::{Notice, Question, UserMessage};
use gossip_core::runtime::events::{Event, Events as CoreEvents};
use gossip_core::swim::node::Member;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList, PyString, PyTuple};

use crate::answer::Answer;
use crate::convert;
use crate::errors;
use crate::kinds;
use crate::life::{self, Owned};
use crate::wait;

/// A queue of events; closed when it is let go.
#[pyclass(frozen, module = "gossip._core")]
pub(crate) struct Events {
    queue: Owned<Closing>,
}

/// Closes the queue when Python lets it go.
struct Closing(Arc<CoreEvents>);

impl Drop for Closing {
    fn drop(&mut self) {
        self.0.close();
    }
}

/// Name of its hook, pool, the hook's arguments, and the answer that a question waits for.
pub(crate) type Call<'py> = (Bound<'py, PyString>, u8, Bound<'py, PyTuple>, Option<Answer>);

impl Events {
    pub(crate) fn of(queue: Arc<CoreEvents>) -> Self {
        Self { queue: Owned::new(Closing(queue)) }
    }

    pub(crate) fn queue(&self) -> PyResult<&Arc<CoreEvents>> {
        Ok(&self.queue.get()?.0)
    }
}

#[pymethods]
impl Events {
    /// A queue of `capacity` events that no pool feeds yet.
    #[new]
    fn new(capacity: usize) -> Self {
        Self::of(CoreEvents::new(capacity))
    }

    /// Takes up to `limit` events without waiting, none if there are none; `None` once the
    /// queue is closed and empty.
    fn take<'py>(&self, py: Python<'py>, limit: usize) -> PyResult<Option<Bound<'py, PyList>>> {
        let queue = self.queue()?;
        to_python(py, wait::at_once(|| queue.take(limit, Some(Duration::ZERO)))?)
    }

    /// The same, but waits for the first one; none once `timeout` has passed.
    fn wait<'py>(
        &self,
        py: Python<'py>,
        limit: usize,
        timeout: Option<f64>,
        serves_signals: bool,
    ) -> PyResult<Option<Bound<'py, PyList>>> {
        let queue = self.queue()?;
        to_python(py, wait::taken(py, timeout, serves_signals, |timeout| queue.take(limit, timeout))?)
    }

    /// The same for a thread that calls the hooks of a delegate.
    fn serve<'py>(&self, py: Python<'py>, limit: usize) -> PyResult<Option<Bound<'py, PyList>>> {
        life::serves_delegate();
        self.wait(py, limit, None, false)
    }

    /// A descriptor that is readable while there is something to take. Only to be watched.
    fn fileno(&self) -> PyResult<RawFd> {
        Ok(self.queue()?.readiness()?.as_raw_fd())
    }

    /// Events accepted, dropped, waiting now, and how many may wait.
    fn stats(&self) -> PyResult<(u64, u64, usize, usize)> {
        let stats = self.queue()?.stats();
        Ok((stats.accepted, stats.dropped, stats.pending, stats.limit))
    }

    /// Ends the queue: what is in it can still be taken.
    fn close(&self) -> PyResult<()> {
        self.queue()?.close();
        Ok(())
    }

    fn is_closed(&self) -> PyResult<bool> {
        Ok(self.queue()?.is_closed())
    }
}

fn to_python(py: Python<'_>, taken: Result<Vec<Event>, WaitError>) -> PyResult<Option<Bound<'_, PyList>>> {
    match taken {
        Ok(events) => {
            let calls = PyList::empty(py);
            for event in events {
                if let Some(call) = call(py, event)? {
                    calls.append(call)?;
                }
            }
            Ok(Some(calls))
        }
        Err(WaitError::Timeout) => Ok(Some(PyList::empty(py))),
        Err(WaitError::Closed) => {
            py.detach(life::stay_out_at_exit);
            Ok(None)
        }
    }
}

/// An event as a call of a hook; `None` for what there will be some day.
fn call(py: Python<'_>, event: Event) -> PyResult<Option<Call<'_>>> {
    match event {
        Event::Told { source, notice } => told(py, source.pool, &notice),
        Event::Asked { source, question, answer } => asked(py, source.pool, question, answer).map(Some),
        Event::Overflow { dropped } => told(py, PoolId(0), &Notice::Overflow { dropped }),
        _ => Err(errors::internal("an event of an unknown kind")),
    }
}

/// Something told as a call of a hook; `None` for what there will be some day.
pub(crate) fn told<'py>(
    py: Python<'py>,
    PoolId(pool): PoolId,
    notice: &Notice,
) -> PyResult<Option<Call<'py>>> {
    let Some(name) = kinds::name(notice) else { return Ok(None) };
    let member = |member: &Member| convert::member(py, member);
    let args = match notice {
        Notice::Joined(subject) | Notice::Left(subject) | Notice::Updated(subject) => {
            (member(subject)?,).into_pyobject(py)
        }
        Notice::Conflict { existing, other } => {
            (member(existing)?, convert::node(py, other)?).into_pyobject(py)
        }
        Notice::Healed { returned, missing } => (*returned, *missing).into_pyobject(py),
        Notice::Migrated(migrated) => {
            let by = convert::name(py, &migrated.by);
            (migrated.kind.name(), migrated.step.name(), by).into_pyobject(py)
        }
        Notice::Message(UserMessage { bytes, from, reliable, sender, encrypted, at, origin, .. }) => {
            let name = |name| convert::name(py, name);
            let origin = origin
                .as_ref()
                .map(|of| (name(&of.node), of.instance, of.sequence, PyBytes::new(py, &of.name)));
            let received = at.since(Time::ZERO).as_secs_f64();
            let from = convert::address(py, *from)?;
            let sender = sender.as_ref().map(name);
            (PyBytes::new(py, bytes), from, *reliable, sender, *encrypted, received, origin).into_pyobject(py)
        }
        Notice::RemoteState { state, join } => (PyBytes::new(py, state), *join).into_pyobject(py),
        Notice::Pinged { member: pinged, rtt, payload } => {
            (member(pinged)?, rtt.as_secs_f64(), PyBytes::new(py, payload)).into_pyobject(py)
        }
        Notice::Overflow { dropped } => (*dropped,).into_pyobject(py),
        _ => Ok(PyTuple::empty(py)),
    }?;
    Ok(Some((PyString::intern(py, name), pool, args, None)))
}

fn asked<'py>(
    py: Python<'py>,
    PoolId(pool): PoolId,
    question: Question,
    answer: gossip_core::runtime::answer::Answer,
) -> PyResult<Call<'py>> {
    let (name, args) = self::question(py, &question)?;
    Ok((name, pool, args, Some(Answer::new(answer))))
}

/// The hook for a question, and the hook's arguments.
pub(crate) fn question<'py>(
    py: Python<'py>,
    question: &Question,
) -> PyResult<(Bound<'py, PyString>, Bound<'py, PyTuple>)> {
    let (name, args) = match question {
        Question::LocalState { join } => ("local_state", (*join,).into_pyobject(py)?),
        Question::AdmitAlive(member) => ("notify_alive", (convert::member(py, member)?,).into_pyobject(py)?),
        Question::AdmitMerge(members) => {
            ("notify_merge", (convert::members(py, members.iter())?,).into_pyobject(py)?)
        }
        Question::AllowStreamPing(name) => ("allow_tcp_ping", (convert::name(py, name),).into_pyobject(py)?),
        _ => return Err(errors::internal("a question of an unknown kind")),
    };
    Ok((PyString::intern(py, name), args))
}
