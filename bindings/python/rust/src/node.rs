//! `_core.Gossip`: the node that owns the port.

use std::net::SocketAddr;
use std::sync::{Arc, Weak};

use gossip_core::base::ids::PoolId;
use gossip_core::mux::listener::ListenerName;
use gossip_core::mux::routes::listener_id;
use gossip_core::net::error::NetError;
use gossip_core::net::listener::ListenOptions;
use gossip_core::net::queue::QueueStats;
use gossip_core::runtime::error::Error;
use gossip_core::runtime::events::Events as CoreEvents;
use gossip_core::runtime::gossip::Gossip as CoreGossip;
use gossip_core::runtime::log::LogLevel;
use parking_lot::Mutex;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString, PyTuple};

use crate::convert::{self, Payload};
use crate::errors;
use crate::hub::{self, Hub};
use crate::inherit::Sockets;
use crate::kinds::Kinds;
use crate::life::Owned;
use crate::listener::Listener;
use crate::log::Log;
use crate::packets::Packets;
use crate::pool::Pool;
use crate::queue::Events;
use crate::stats;
use crate::tables::{self, Values};
use crate::wait;

/// A queue of Python's, and what it wants.
type Queue = (Weak<CoreEvents>, Kinds);

/// The node. Made bound, not yet serving.
#[pyclass(frozen, module = "gossip._core")]
pub(crate) struct Gossip {
    node: Owned<CoreGossip>,
    /// Queues of the whole node: each new pool feeds them, and they close with the node.
    queues: Owned<Mutex<Vec<Queue>>>,
}

#[pymethods]
impl Gossip {
    /// Binds the port, or takes over `sockets` that are bound already.
    #[new]
    fn new(py: Python<'_>, values: Values, sockets: Option<PyRef<'_, Sockets>>) -> PyResult<Self> {
        let config = tables::config(values)?;
        let sockets = sockets.map(|sockets| sockets.collected());
        let node = wait::detached(py, || match sockets {
            None => CoreGossip::new(config),
            Some(sockets) => CoreGossip::with_sockets(config, sockets),
        })?;
        Ok(Self { node: Owned::new(node), queues: Owned::new(Mutex::default()) })
    }

    fn start(&self, py: Python<'_>) -> PyResult<()> {
        let node = self.node.get()?;
        wait::detached(py, || node.start())
    }

    fn node_name<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyString>> {
        let node = self.node.get()?;
        wait::at_once(|| convert::name(py, node.node_name()))
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

    /// The pool, the queue of what its delegate is told, and that of what it is asked, if
    /// `hooks` names any of either. The queues of the node hear of it from the beginning.
    fn register_pool(
        &self,
        py: Python<'_>,
        config: (u8, Values, Payload, Vec<Payload>),
        hooks: Vec<String>,
    ) -> PyResult<(Pool, Option<Events>, Option<Events>)> {
        let node = self.node.get()?;
        let (id, values, meta, keys) = config;
        let config = tables::pool(id, values, meta, &keys)?;
        let (kinds, asks) = (Kinds::named(&hooks)?, hub::asks(&hooks));
        let told = (!kinds.is_empty()).then(|| CoreEvents::new(config.message_queue_depth));
        let asked = (asks != hub::asks(&[])).then(|| CoreEvents::new(QUESTIONS_MAX));
        let hub = Arc::new(Hub::new(
            PoolId(id),
            told.as_ref().map(|events| (events, kinds)),
            asked.as_ref().map(|events| (events, asks)),
        ));
        for (events, kinds) in self.open_queues()? {
            hub.feed(&events, kinds, false, false);
        }
        let delegate = Arc::clone(&hub);
        let pool = wait::detached(py, || node.register_pool(config, Some(delegate)))?;
        Ok((Pool::new(pool, hub), told.map(Events::of), asked.map(Events::of)))
    }

    fn listen(&self, py: Python<'_>, id: u16, backlog: Option<usize>) -> PyResult<Listener> {
        let id = listener_id(id).map_err(|error| errors::to_python(NetError::from(error).into()))?;
        self.listen_with(py, ListenerName::Id(id), backlog)
    }

    fn listen_prefix(&self, py: Python<'_>, prefix: Payload, backlog: Option<usize>) -> PyResult<Listener> {
        self.listen_with(py, ListenerName::Prefix(prefix.0.into()), backlog)
    }

    fn listen_tcp(&self, py: Python<'_>, backlog: Option<usize>) -> PyResult<Listener> {
        self.listen_with(py, ListenerName::Native, backlog)
    }

    fn packets(&self, py: Python<'_>) -> PyResult<Packets> {
        let node = self.node.get()?;
        Ok(Packets::new(wait::detached(py, || node.packets())?))
    }

    /// A queue of `capacity` events of these kinds, that all later pools feed; for those of now
    /// it must be given to each.
    fn events(&self, capacity: usize, kinds: Vec<String>) -> PyResult<Events> {
        let queues = self.queues.get()?;
        let events = CoreEvents::new(capacity);
        queues.lock().push((Arc::downgrade(&events), Kinds::named(&kinds)?));
        Ok(Events::of(events))
    }

    fn leave(&self, py: Python<'_>, timeout: Option<f64>) -> PyResult<()> {
        let node = self.node.get()?.clone();
        let limit = convert::limit(timeout);
        wait::interruptible(py, move || node.leave(limit))
    }

    fn shutdown(&self, py: Python<'_>, timeout: Option<f64>) -> PyResult<()> {
        let node = self.node.get()?.clone();
        let limit = convert::limit(timeout);
        wait::interruptible(py, move || node.shutdown(limit))?;
        self.open_queues()?.iter().for_each(|(events, _)| events.close());
        Ok(())
    }

    /// The port's counters by name.
    fn stats<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let node = self.node.get()?;
        let stats = wait::detached(py, || Ok::<_, Error>(node.stats()))?;
        stats::port(py, &stats)
    }

    /// Each open listener by its name, and the numbers of its queue; then those of the
    /// packet receiver, if there is one.
    fn queue_stats(&self) -> PyResult<QueueNumbers> {
        let node = self.node.get()?;
        let (listeners, packets) = wait::at_once(|| (node.listener_stats(), node.packet_stats()))?;
        let named = listeners.into_iter().map(|(name, stats)| (name.to_string(), numbers(stats)));
        Ok((named.collect(), packets.map(numbers)))
    }

    fn metrics(&self, py: Python<'_>) -> PyResult<String> {
        let node = self.node.get()?;
        wait::detached(py, || Ok::<_, Error>(node.metrics()))
    }

    fn is_running(&self) -> PyResult<bool> {
        let node = self.node.get()?;
        wait::at_once(|| node.is_running())
    }

    fn udp_recv_buffer(&self) -> PyResult<usize> {
        let node = self.node.get()?;
        wait::at_once(|| node.udp_recv_buffer())
    }

    /// Logs up to `level`, 0 to 5, into `log`; level 0 ends that.
    fn set_log(&self, py: Python<'_>, level: usize, log: PyRef<'_, Log>) -> PyResult<()> {
        let node = self.node.get()?;
        let level = LogLevel::ALL.get(level).copied().unwrap_or(LogLevel::Trace);
        let sink = match level {
            LogLevel::Off => None,
            _ => Some(log.sink(&node.node_name().to_string())?),
        };
        wait::detached(py, || node.set_log(level, sink))
    }

    /// Records that were given on, and that were dropped.
    fn log_stats(&self) -> PyResult<(u64, u64)> {
        let node = self.node.get()?;
        let stats = wait::at_once(|| node.log_stats())?;
        Ok((stats.delivered, stats.dropped))
    }
}

impl Gossip {
    /// The queues of the node that Python still has.
    fn open_queues(&self) -> PyResult<Vec<(Arc<CoreEvents>, Kinds)>> {
        let mut queues = self.queues.get()?.lock();
        queues.retain(|(events, _)| events.strong_count() > 0);
        Ok(queues.iter().filter_map(|(events, kinds)| Some((events.upgrade()?, *kinds))).collect())
    }

    fn listen_with(&self, py: Python<'_>, name: ListenerName, backlog: Option<usize>) -> PyResult<Listener> {
        let node = self.node.get()?;
        Ok(Listener::new(wait::detached(py, || node.listen_with(name, ListenOptions { backlog }))?))
    }
}

/// Questions that wait for Python; for more, the default is taken.
const QUESTIONS_MAX: usize = 4096;

/// The fields of `gossip.QueueStats`, in its order.
pub(crate) type Numbers = (u64, u64, usize, usize);

/// Those of each listener, by its name, and of the packet receiver.
type QueueNumbers = (Vec<(String, Numbers)>, Option<Numbers>);

pub(crate) fn numbers(stats: QueueStats) -> Numbers {
    (stats.accepted, stats.dropped, stats.pending, stats.limit)
}
