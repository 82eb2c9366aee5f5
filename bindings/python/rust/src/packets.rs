//! `_core.Packets`: the application's datagrams, behind a readable descriptor.

use std::os::fd::{IntoRawFd, RawFd};
use std::time::Duration;

use gossip_core::net::error::WaitError;
use gossip_core::net::owners::Datagram;
use gossip_core::net::packets::Packets as CorePackets;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyTuple};

use crate::convert::{self, Address, Payload};
use crate::life::Owned;
use crate::node::{Numbers, numbers};
use crate::wait;

/// The packet receiver; closed when it is let go.
#[pyclass(frozen, module = "gossip._core")]
pub(crate) struct Packets {
    packets: Owned<CorePackets>,
}

/// A datagram, and its sender's address.
type Received<'py> = (Bound<'py, PyBytes>, Bound<'py, PyTuple>);

fn to_python(py: Python<'_>, received: Result<Datagram, WaitError>) -> PyResult<Option<Received<'_>>> {
    wait::brought(py, received, "packet receiver is closed", |packet| {
        // Copied, so that the port has its buffer back.
        Ok((PyBytes::new(py, &packet.bytes), convert::address(py, packet.from)?))
    })
}

impl Packets {
    pub(crate) fn new(packets: CorePackets) -> Self {
        Self { packets: Owned::new(packets) }
    }
}

#[pymethods]
impl Packets {
    /// A socket of the caller's that is readable while a datagram waits, and once the
    /// receiver is closed.
    fn face(&self) -> PyResult<RawFd> {
        Ok(self.packets.get()?.readiness_socket()?.try_clone_to_owned()?.into_raw_fd())
    }

    /// A datagram and its sender's address; `None` if none waits.
    fn take<'py>(&self, py: Python<'py>) -> PyResult<Option<Received<'py>>> {
        let packets = self.packets.get()?;
        to_python(py, wait::at_once(|| packets.recv(Some(Duration::ZERO)))?)
    }

    /// The same, but waits for one; `None` once `timeout` has passed.
    fn wait<'py>(
        &self,
        py: Python<'py>,
        timeout: Option<f64>,
        serves_signals: bool,
    ) -> PyResult<Option<Received<'py>>> {
        let packets = self.packets.get()?;
        to_python(py, wait::taken(py, timeout, serves_signals, |timeout| packets.recv(timeout))?)
    }

    fn send_to(&self, py: Python<'_>, data: Payload, to: Address) -> PyResult<()> {
        let packets = self.packets.get()?;
        wait::detached(py, || packets.send_to(&data.0, to.0))
    }

    /// The fields of `gossip.QueueStats`.
    fn stats(&self) -> PyResult<Numbers> {
        Ok(numbers(self.packets.get()?.stats()))
    }

    /// Drops what waits, and wakes everyone in a receive.
    fn close(&self, py: Python<'_>) -> PyResult<()> {
        let packets = self.packets.get()?;
        py.detach(|| packets.close());
        Ok(())
    }
}
