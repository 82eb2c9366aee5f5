//! `_core.Packets`: the application's datagrams, behind a readable descriptor.

use std::net::SocketAddr;
use std::os::fd::RawFd;
use std::sync::Arc;
use std::thread;

use gossip_core::net::packets::Packets as CorePackets;
use gossip_core::net::queue::QueueStats;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyTuple};

use crate::convert::{self, Address, Payload};
use crate::errors;
use crate::life::{self, Owned};
use crate::node::{Numbers, numbers};
use crate::readable::{Closed, Readable};
use crate::wait;

/// Datagrams taken from the core ahead of a receive. The core's own queue is where they
/// wait, and where too many are dropped and counted.
const AHEAD: usize = 64;

/// Its bytes and who sent it.
type Datagram = (Vec<u8>, SocketAddr);

/// The packet receiver, and the thread that pumps its datagrams into a readable queue.
#[pyclass(frozen, module = "gossip._core")]
pub(crate) struct Packets {
    inner: Owned<Inner>,
    face: RawFd,
}

struct Inner {
    packets: CorePackets,
    waiting: Arc<Readable<Datagram>>,
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.close();
    }
}

impl Inner {
    /// Drops what waits, and wakes the pump and everyone in a receive.
    fn close(&self) {
        self.packets.close();
        self.waiting.close();
    }
}

impl Packets {
    pub(crate) fn new(packets: CorePackets) -> PyResult<Self> {
        let (waiting, face) = Readable::new(AHEAD)?;
        let inner = Inner { packets, waiting: Arc::new(waiting) };
        let (source, sink) = (inner.packets.clone(), Arc::clone(&inner.waiting));
        thread::Builder::new().name("gossip-packets".to_owned()).spawn(move || pump(&source, &sink))?;
        Ok(Self { inner: Owned::new(inner), face })
    }
}

/// Moves datagrams until either side is closed; then both are.
fn pump(source: &CorePackets, sink: &Readable<Datagram>) {
    while let Ok(packet) = source.recv(None) {
        // Copied, so that the port has its buffer back.
        if sink.put((packet.bytes.to_vec(), packet.from)).is_err() {
            break;
        }
    }
    sink.close();
}

#[pymethods]
impl Packets {
    /// The descriptor that is readable while a datagram waits. It belongs to the caller,
    /// who asks once.
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

    /// A datagram and its sender's address; `None` if none waits.
    fn take<'py>(&self, py: Python<'py>) -> PyResult<Option<(Bound<'py, PyBytes>, Bound<'py, PyTuple>)>> {
        let Some((bytes, from)) = self.inner.get()?.waiting.take().map_err(|Closed| closed(py))? else {
            return Ok(None);
        };
        Ok(Some((PyBytes::new(py, &bytes), convert::address(py, from)?)))
    }

    fn send_to(&self, py: Python<'_>, data: Payload, to: Address) -> PyResult<()> {
        let inner = self.inner.get()?;
        wait::detached(py, || inner.packets.send_to(&data.0, to.0))
    }

    /// The fields of `gossip.QueueStats`.
    fn stats(&self) -> PyResult<Numbers> {
        let inner = self.inner.get()?;
        let stats = inner.packets.stats();
        Ok(numbers(QueueStats { pending: stats.pending + inner.waiting.len(), ..stats }))
    }

    fn close(&self, py: Python<'_>) -> PyResult<()> {
        let inner = self.inner.get()?;
        py.detach(|| inner.close());
        Ok(())
    }
}

/// What a receive on a closed socket raises.
fn closed(py: Python<'_>) -> PyErr {
    py.detach(life::stay_out_at_exit);
    errors::bad_descriptor("packet receiver is closed")
}
