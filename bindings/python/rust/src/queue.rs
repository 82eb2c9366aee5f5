//! What happens in a pool, as a queue from which the delegate's Python thread pulls.

use std::sync::Arc;

use gossip_core::base::ids::PoolId;
use gossip_core::net::queue::QueueStats;
use gossip_core::pool::action::{Asks, Notice, UserMessage};
use gossip_core::runtime::delegate::Delegate;
use gossip_core::runtime::events::{Event, Events as CoreEvents, TakeError};
use gossip_core::swim::node::Member;
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
    let notice = match event {
        Event::Told { notice, .. } => notice,
        Event::Overflow { dropped } => Notice::Overflow { dropped },
        // Nothing is asked, and what there will be some day has no hook yet.
        _ => return Ok(None),
    };
    let member = |member: &Member| convert::member(py, member);
    let call = match notice {
        Notice::Joined(joined) => ("notify_join", (member(&joined)?,)).into_pyobject(py),
        Notice::Left(left) => ("notify_leave", (member(&left)?,)).into_pyobject(py),
        Notice::Updated(updated) => ("notify_update", (member(&updated)?,)).into_pyobject(py),
        Notice::Conflict { existing, other } => {
            ("notify_conflict", (member(&existing)?, convert::node(py, &other)?)).into_pyobject(py)
        }
        Notice::Message(UserMessage { bytes, from, reliable, .. }) => {
            let from = convert::address(py, from)?;
            ("notify_msg", (PyBytes::new(py, &bytes), from, reliable)).into_pyobject(py)
        }
        Notice::RemoteState { state, join } => {
            ("merge_remote_state", (PyBytes::new(py, &state), join)).into_pyobject(py)
        }
        Notice::Pinged { member: pinged, rtt, payload } => {
            let payload = PyBytes::new(py, &payload);
            ("notify_ping_complete", (member(&pinged)?, rtt.as_secs_f64(), payload)).into_pyobject(py)
        }
        Notice::Overflow { dropped } => ("overflow", (dropped,)).into_pyobject(py),
        _ => return Ok(None),
    }?;
    Ok(Some(call))
}

/// Lets through to the queue what the Python delegate has a hook for; the rest costs nothing.
/// The queue serves one pool, and closes with it.
pub(crate) struct Wanted {
    events: Arc<CoreEvents>,
    feed: Arc<dyn Delegate>,
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
            feed: events.delegate(0, Asks::default()),
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

    fn wants(&self, notice: &Notice) -> bool {
        match notice {
            Notice::Joined(_) => self.join,
            Notice::Left(_) => self.leave,
            Notice::Updated(_) => self.update,
            Notice::Conflict { .. } => self.conflict,
            Notice::Message(_) => self.msg,
            Notice::RemoteState { .. } => self.remote_state,
            Notice::Pinged { .. } => self.ping_complete,
            _ => true,
        }
    }
}

impl Delegate for Wanted {
    fn tell(&self, pool: PoolId, notice: Notice) {
        if matches!(notice, Notice::Ended) {
            self.events.close();
        } else if self.wants(&notice) {
            self.feed.tell(pool, notice);
        }
    }

    fn queue(&self) -> Option<QueueStats> {
        self.feed.queue()
    }
}
