//! `_core.Gossip`: the node that owns the port.

use std::net::SocketAddr;
use std::sync::Arc;

use gossip_core::runtime::delegate::Delegate;
use gossip_core::runtime::error::Error;
use gossip_core::runtime::events::Events as CoreEvents;
use gossip_core::runtime::gossip::Gossip as CoreGossip;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyTuple};

use crate::convert::{self, Payload};
use crate::life::Owned;
use crate::listener::Listener;
use crate::packets::Packets;
use crate::pool::Pool;
use crate::queue::{Events, Wanted};
use crate::stats;
use crate::tables::{self, Values};
use crate::wait;

/// The node. Made bound, not yet serving.
#[pyclass(frozen, module = "gossip._core")]
pub(crate) struct Gossip {
    node: Owned<CoreGossip>,
}

#[pymethods]
impl Gossip {
    #[new]
    fn new(py: Python<'_>, values: Values) -> PyResult<Self> {
        let config = tables::config(values)?;
        let node = wait::detached(py, || CoreGossip::new(config))?;
        Ok(Self { node: Owned::new(node) })
    }

    fn start(&self, py: Python<'_>) -> PyResult<()> {
        let node = self.node.get()?;
        wait::detached(py, || node.start())
    }

    fn node_name<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        let node = self.node.get()?;
        wait::at_once(|| PyBytes::new(py, node.node_name().as_bytes()))
    }

    fn local_addrs<'py>(&self, py: Python<'py>) -> PyResult<Vec<Bound<'py, PyTuple>>> {
        let node = self.node.get()?;
        let addrs: Vec<SocketAddr> = wait::at_once(|| node.local_addrs().to_vec())?;
        addrs.into_iter().map(|addr| convert::address(py, addr)).collect()
    }

    fn advertise_addr<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        let node = self.node.get()?;
        convert::address(py, wait::at_once(|| node.advertise_addr())?)
    }

    /// The pool, and the queue of its events if `hooks` names any.
    fn register_pool(
        &self,
        py: Python<'_>,
        id: u8,
        values: Values,
        meta: Payload,
        keys: Vec<Payload>,
        hooks: Vec<String>,
    ) -> PyResult<(Pool, Option<Events>)> {
        let node = self.node.get()?;
        let config = tables::pool(id, values, meta, &keys)?;
        let events = (!hooks.is_empty()).then(|| CoreEvents::new(config.message_queue_depth));
        let delegate =
            events.clone().map(|events| Arc::new(Wanted::new(events, &hooks)) as Arc<dyn Delegate>);
        let pool = wait::detached(py, || node.register_pool(config, delegate))?;
        Ok((Pool::new(pool), events.map(Events::new)))
    }

    fn listen(&self, py: Python<'_>, id: u16) -> PyResult<Listener> {
        let node = self.node.get()?;
        Listener::new(wait::detached(py, || node.listen(id))?)
    }

    fn listen_tcp(&self, py: Python<'_>) -> PyResult<Listener> {
        let node = self.node.get()?;
        Listener::new(wait::detached(py, || node.listen_tcp())?)
    }

    fn packets(&self, py: Python<'_>) -> PyResult<Packets> {
        let node = self.node.get()?;
        Packets::new(wait::detached(py, || node.packets())?)
    }

    fn leave(&self, py: Python<'_>, timeout: Option<f64>) -> PyResult<()> {
        let node = self.node.get()?.clone();
        let limit = convert::limit(timeout);
        wait::interruptible(py, move || node.leave(limit))
    }

    fn shutdown(&self, py: Python<'_>, timeout: Option<f64>) -> PyResult<()> {
        let node = self.node.get()?.clone();
        let limit = convert::limit(timeout);
        wait::interruptible(py, move || node.shutdown(limit))
    }

    /// The port's counters by name.
    fn stats<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let node = self.node.get()?;
        let stats = wait::detached(py, || Ok::<_, Error>(node.stats()))?;
        stats::port(py, &stats)
    }
}
