//! `_core.Listener`: connections for the application, behind a readable descriptor.

use std::net::{SocketAddr, TcpStream};
use std::os::fd::{IntoRawFd, RawFd};
use std::sync::Arc;
use std::thread;

use gossip_core::net::listener::Listener as CoreListener;
use gossip_core::net::queue::QueueStats;
use pyo3::prelude::*;
use pyo3::types::PyTuple;

use crate::convert;
use crate::errors;
use crate::life::{self, Owned};
use crate::node::{Numbers, numbers};
use crate::readable::{Closed, Readable};

/// Connections taken from the core ahead of an accept. The core's own backlog is where
/// they wait, and where too many are dropped and counted.
const AHEAD: usize = 8;

/// A listener, and the thread that pumps its connections into a readable queue.
#[pyclass(frozen, module = "gossip._core")]
pub(crate) struct Listener {
    inner: Owned<Inner>,
    face: RawFd,
}

struct Inner {
    listener: CoreListener,
    waiting: Arc<Readable<(TcpStream, SocketAddr)>>,
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.close();
    }
}

impl Inner {
    /// Frees the id, closes what waits, and wakes the pump and everyone in an accept.
    fn close(&self) {
        self.listener.close();
        self.waiting.close();
    }
}

impl Listener {
    pub(crate) fn new(listener: CoreListener) -> PyResult<Self> {
        let (waiting, face) = Readable::new(AHEAD)?;
        let inner = Inner { listener, waiting: Arc::new(waiting) };
        let (source, sink) = (inner.listener.clone(), Arc::clone(&inner.waiting));
        thread::Builder::new().name("gossip-accept".to_owned()).spawn(move || pump(&source, &sink))?;
        Ok(Self { inner: Owned::new(inner), face })
    }
}

/// Moves connections until either side is closed; then both are.
fn pump(source: &CoreListener, sink: &Readable<(TcpStream, SocketAddr)>) {
    while let Ok(connection) = source.accept(None) {
        if sink.put(connection).is_err() {
            break;
        }
    }
    sink.close();
}

#[pymethods]
impl Listener {
    /// The descriptor that is readable while a connection waits. It belongs to the
    /// caller, who asks once.
    fn face(&self) -> RawFd {
        self.face
    }

    /// Before a sleep on the descriptor.
    fn enter(&self, py: Python<'_>) -> PyResult<()> {
        self.inner.get()?.waiting.enter().map_err(|Closed| closed(py))
    }

    /// After a sleep on the descriptor.
    fn leave(&self) -> PyResult<()> {
        self.inner.get()?.waiting.leave();
        Ok(())
    }

    /// The descriptor of a connection, blocking and the caller's alone, and the peer's
    /// address; `None` if no connection waits.
    fn take<'py>(&self, py: Python<'py>) -> PyResult<Option<(RawFd, Bound<'py, PyTuple>)>> {
        let Some((stream, peer)) = self.inner.get()?.waiting.take().map_err(|Closed| closed(py))? else {
            return Ok(None);
        };
        let peer = convert::address(py, peer)?;
        // A descriptor that Python takes for blocking must be.
        stream.set_nonblocking(false)?;
        Ok(Some((stream.into_raw_fd(), peer)))
    }

    /// Its name, as `id 0x0101`, `prefix SSH-` or `native`.
    fn name(&self) -> PyResult<String> {
        Ok(self.inner.get()?.listener.name().to_string())
    }

    /// The fields of `gossip.QueueStats`.
    fn stats(&self) -> PyResult<Numbers> {
        let inner = self.inner.get()?;
        let stats = inner.listener.stats();
        Ok(numbers(QueueStats { pending: stats.pending + inner.waiting.len(), ..stats }))
    }

    fn set_backlog(&self, backlog: usize) -> PyResult<()> {
        self.inner.get()?.listener.set_backlog(backlog).map_err(errors::config)
    }

    fn close(&self, py: Python<'_>) -> PyResult<()> {
        let inner = self.inner.get()?;
        py.detach(|| inner.close());
        Ok(())
    }
}

/// What an accept on a closed socket raises.
fn closed(py: Python<'_>) -> PyErr {
    py.detach(life::stay_out_at_exit);
    errors::bad_descriptor("listener is closed")
}
