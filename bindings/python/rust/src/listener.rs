//! `_core.Listener`: connections for the application, behind a readable descriptor.

use std::net::{SocketAddr, TcpStream};
use std::os::fd::{IntoRawFd, RawFd};
use std::time::Duration;

use gossip_core::net::error::WaitError;
use gossip_core::net::listener::Listener as CoreListener;
use pyo3::prelude::*;
use pyo3::types::PyTuple;

use crate::convert;
use crate::errors;
use crate::life::Owned;
use crate::node::{Numbers, numbers};
use crate::wait;

/// A listener; closed when it is let go.
#[pyclass(frozen, module = "gossip._core")]
pub(crate) struct Listener {
    listener: Owned<CoreListener>,
}

/// A descriptor, and the peer's address.
type Accepted<'py> = (RawFd, Bound<'py, PyTuple>);

fn to_python(
    py: Python<'_>,
    accepted: Result<(TcpStream, SocketAddr), WaitError>,
) -> PyResult<Option<Accepted<'_>>> {
    wait::brought(py, accepted, "listener is closed", |(stream, peer)| {
        let peer = convert::address(py, peer)?;
        Ok((stream.into_raw_fd(), peer))
    })
}

impl Listener {
    pub(crate) fn new(listener: CoreListener) -> Self {
        Self { listener: Owned::new(listener) }
    }
}

#[pymethods]
impl Listener {
    /// A socket of the caller's that is readable while a connection waits, and once the
    /// listener is closed.
    fn face(&self) -> PyResult<RawFd> {
        Ok(self.listener.get()?.readiness_socket()?.try_clone_to_owned()?.into_raw_fd())
    }

    /// The descriptor of a connection, blocking and the caller's alone, and the peer's
    /// address; `None` if no connection waits.
    fn take<'py>(&self, py: Python<'py>) -> PyResult<Option<Accepted<'py>>> {
        let listener = self.listener.get()?;
        to_python(py, wait::at_once(|| listener.accept(Some(Duration::ZERO)))?)
    }

    /// The same, but waits for one; `None` once `timeout` has passed.
    fn wait<'py>(
        &self,
        py: Python<'py>,
        timeout: Option<f64>,
        serves_signals: bool,
    ) -> PyResult<Option<Accepted<'py>>> {
        let listener = self.listener.get()?;
        to_python(py, wait::taken(py, timeout, serves_signals, |timeout| listener.accept(timeout))?)
    }

    /// Its name, as `id 0x0101`, `prefix SSH-` or `native`.
    fn name(&self) -> PyResult<String> {
        Ok(self.listener.get()?.name().to_string())
    }

    /// The fields of `gossip.QueueStats`.
    fn stats(&self) -> PyResult<Numbers> {
        Ok(numbers(self.listener.get()?.stats()))
    }

    fn set_backlog(&self, backlog: usize) -> PyResult<()> {
        self.listener.get()?.set_backlog(backlog).map_err(errors::config)
    }

    /// Frees the name, closes what waits, and wakes everyone in an accept.
    fn close(&self, py: Python<'_>) -> PyResult<()> {
        let listener = self.listener.get()?;
        py.detach(|| listener.close());
        Ok(())
    }
}
