//! What happens in a pool, as a queue from which the delegate's Python thread pulls.

use std::sync::Arc;
use std::time::Duration;

use gossip_core::net::queue::QueueStats;
use gossip_core::pool::action::UserMessage;
use gossip_core::runtime::delegate::Delegate;
use gossip_core::runtime::events::{Event, Events as CoreEvents, TakeError};
use gossip_core::swim::node::{Member, Node};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyTuple};

use crate::convert;
use crate::errors;
use crate::life::{self, Owned};

/// The queue of one pool's events.
#[pyclass(frozen, module = "gossip._core")]
pub(crate) struct Events {
    queue: Owned<Arc<CoreEvents>>,
}

impl Events {
    pub(crate) fn new(queue: Arc<CoreEvents>) -> Self {
        Self { queue: Owned::new(queue) }
    }
}

#[pymethods]
impl Events {
    /// Waits for events and takes up to `limit` of them, each as the name of its hook and
    /// the hook's arguments; `None` once the queue is closed and empty. For a thread that
    /// serves no signals.
    fn take<'py>(&self, py: Python<'py>, limit: usize) -> PyResult<Option<Vec<Bound<'py, PyTuple>>>> {
        let queue = self.queue.get()?;
        life::serves_delegate();
        match py.detach(|| queue.take(limit, None)) {
            Ok(events) => {
                let calls = events.into_iter().filter_map(|event| to_python(py, event).transpose());
                calls.collect::<PyResult<_>>().map(Some)
            }
            Err(TakeError::Closed) => Ok(None),
            Err(TakeError::Timeout) => Err(errors::internal("a wait without limit timed out")),
        }
    }

    /// Ends the queue: what is in it can still be taken.
    fn close(&self) -> PyResult<()> {
        self.queue.get()?.close();
        Ok(())
    }
}

/// An event as the name of its hook, and the hook's arguments.
fn to_python<'py>(py: Python<'py>, event: Event) -> PyResult<Option<Bound<'py, PyTuple>>> {
    let member = |member: &Member| convert::member(py, member);
    let call = match event {
        Event::Joined(joined) => ("notify_join", (member(&joined)?,)).into_pyobject(py),
        Event::Left(left) => ("notify_leave", (member(&left)?,)).into_pyobject(py),
        Event::Updated(updated) => ("notify_update", (member(&updated)?,)).into_pyobject(py),
        Event::Conflict { existing, other } => {
            ("notify_conflict", (member(&existing)?, convert::node(py, &other)?)).into_pyobject(py)
        }
        Event::Message(UserMessage { bytes, from, reliable }) => {
            let from = convert::address(py, from)?;
            ("notify_msg", (PyBytes::new(py, &bytes), from, reliable)).into_pyobject(py)
        }
        Event::RemoteState { state, join } => {
            ("merge_remote_state", (PyBytes::new(py, &state), join)).into_pyobject(py)
        }
        Event::Pinged { member: pinged, rtt, payload } => {
            let payload = PyBytes::new(py, &payload);
            ("notify_ping_complete", (member(&pinged)?, rtt.as_secs_f64(), payload)).into_pyobject(py)
        }
        Event::Overflow { dropped } => ("overflow", (dropped,)).into_pyobject(py),
        // What there will be some day has no hook yet.
        _ => return Ok(None),
    }?;
    Ok(Some(call))
}

/// Lets through to the queue what the Python delegate has a hook for; the rest costs nothing.
pub(crate) struct Wanted {
    events: Arc<CoreEvents>,
    join: bool,
    leave: bool,
    update: bool,
    conflict: bool,
    msg: bool,
    remote_state: bool,
    ping_complete: bool,
}

impl Wanted {
    /// Lets through what the hooks with these names are for.
    pub(crate) fn new(events: Arc<CoreEvents>, hooks: &[String]) -> Self {
        let has = |name: &str| hooks.iter().any(|hook| hook == name);
        Self {
            events,
            join: has("notify_join"),
            leave: has("notify_leave"),
            update: has("notify_update"),
            conflict: has("notify_conflict"),
            msg: has("notify_msg"),
            remote_state: has("merge_remote_state"),
            ping_complete: has("notify_ping_complete"),
        }
    }
}

impl Delegate for Wanted {
    fn notify_join(&self, member: &Member) {
        if self.join {
            self.events.notify_join(member);
        }
    }

    fn notify_leave(&self, member: &Member) {
        if self.leave {
            self.events.notify_leave(member);
        }
    }

    fn notify_update(&self, member: &Member) {
        if self.update {
            self.events.notify_update(member);
        }
    }

    fn notify_conflict(&self, existing: &Member, other: &Node) {
        if self.conflict {
            self.events.notify_conflict(existing, other);
        }
    }

    fn notify_msg(&self, message: &UserMessage) {
        if self.msg {
            self.events.notify_msg(message);
        }
    }

    fn queue(&self) -> Option<QueueStats> {
        self.events.queue()
    }

    fn merge_remote_state(&self, state: &[u8], join: bool) {
        if self.remote_state {
            self.events.merge_remote_state(state, join);
        }
    }

    fn notify_ping_complete(&self, member: &Member, rtt: Duration, payload: &[u8]) {
        if self.ping_complete {
            self.events.notify_ping_complete(member, rtt, payload);
        }
    }

    fn notify_shutdown(&self) {
        self.events.notify_shutdown();
    }
}
