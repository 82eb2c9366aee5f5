//! `_core.Packets`: the application's datagrams, behind a readable descriptor.

use std::os::fd::{IntoRawFd, RawFd};
use std::time::Duration;

use gossip_core::net::error::WaitError;
use gossip_core::net::packets::Packets as CorePackets;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyTuple};

use crate::convert::{self, Address, Payload};
use crate::errors;
use crate::life::{self, Owned};
use crate::node::{Numbers, numbers};
use crate::wait;

/// The packet receiver; closed when it is let go.
#[pyclass(frozen, module = "gossip._core")]
pub(crate) struct Packets {
    packets: Owned<CorePackets>,
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
    fn take<'py>(&self, py: Python<'py>) -> PyResult<Option<(Bound<'py, PyBytes>, Bound<'py, PyTuple>)>> {
        let packets = self.packets.get()?;
        match wait::at_once(|| packets.recv(Some(Duration::ZERO)))? {
            // Copied, so that the port has its buffer back.
            Ok(packet) => Ok(Some((PyBytes::new(py, &packet.bytes), convert::address(py, packet.from)?))),
            Err(WaitError::Timeout) => Ok(None),
            Err(WaitError::Closed) => {
                py.detach(life::stay_out_at_exit);
                Err(errors::bad_descriptor("packet receiver is closed"))
            }
        }
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
