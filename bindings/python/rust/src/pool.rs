//! `_core.Pool`: one pool of a node.

use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use gossip_core::base::time::Time;
use gossip_core::pool::action::Delivery;
use gossip_core::runtime::call::{Request, Response};
use gossip_core::runtime::error::Error;
use gossip_core::runtime::pool::Pool as CorePool;
use gossip_core::runtime::view::View;
use gossip_core::swim::node::Member;
use gossip_core::wire::keyring::Key;
use parking_lot::Mutex;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyString, PyTuple};

use crate::convert::{self, Payload, Peer};
use crate::diagnosis;
use crate::errors;
use crate::hub::Hub;
use crate::kinds::Kinds;
use crate::life::Owned;
use crate::migration::{self, Wanted};
use crate::queue::Events;
use crate::stats;
use crate::tables::aes_key;
use crate::wait;

/// Addresses that a join reached, seeds or addresses it did not, with the reason,
/// and how many addresses of large names were not even tried.
type Joined<'py> = (Vec<Bound<'py, PyTuple>>, Vec<(String, String)>, usize);

/// Names of members that are gone, and the fields of members that are new or other.
type Changed<'py> = (Vec<Bound<'py, PyString>>, Vec<Bound<'py, PyAny>>);

/// A pool.
#[pyclass(frozen, module = "gossip._core")]
pub(crate) struct Pool {
    pool: Owned<CorePool>,
    hub: Owned<Arc<Hub>>,
    /// The members as Python knows them.
    known: Owned<Mutex<Arc<View>>>,
}

impl Pool {
    pub(crate) fn new(pool: CorePool, hub: Arc<Hub>) -> Self {
        Self { pool: Owned::new(pool), hub: Owned::new(hub), known: Owned::new(Mutex::default()) }
    }

    pub(crate) fn core(&self) -> PyResult<&CorePool> {
        self.pool.get()
    }
}

#[pymethods]
impl Pool {
    fn join<'py>(&self, py: Python<'py>, seeds: Vec<String>, timeout: Option<f64>) -> PyResult<Joined<'py>> {
        let pool = self.pool.get()?.clone();
        let limit = convert::limit(timeout);
        let joined = wait::interruptible(py, move || pool.join(&seeds, limit))?;
        let reached = joined.reached.into_iter().map(|addr| convert::address(py, addr));
        let failed = joined.failed.into_iter().map(|seed| (seed.seed, seed.reason));
        Ok((reached.collect::<PyResult<_>>()?, failed.collect(), joined.untried))
    }

    fn leave(&self, py: Python<'_>, timeout: Option<f64>) -> PyResult<()> {
        let pool = self.pool.get()?.clone();
        let limit = convert::limit(timeout);
        wait::interruptible(py, move || pool.leave(limit))
    }

    /// What has changed in the list of members since the last call: names that are gone, and
    /// members that are new or other; `None` if it is the same list. With `afresh` all are
    /// new.
    fn members<'py>(&self, py: Python<'py>, afresh: bool) -> PyResult<Option<Changed<'py>>> {
        let (pool, known) = (self.pool.get()?, self.known.get()?);
        let view = wait::at_once(|| pool.members())?;
        let mut known = known.lock();
        if afresh {
            *known = Arc::default();
        } else if Arc::ptr_eq(&known, &view) {
            return Ok(None);
        }
        let before = std::mem::replace(&mut *known, Arc::clone(&view));
        drop(known);
        let gone = before.iter().filter(|member| view.find(member.name().as_bytes()).is_none());
        let gone: Vec<_> = gone.map(|member| convert::name(py, member.name())).collect();
        let is_same = |member: &Member| {
            before.find(member.name().as_bytes()).is_some_and(|old| {
                Arc::ptr_eq(&old.node, &member.node)
                    && (old.state, old.incarnation) == (member.state, member.incarnation)
            })
        };
        let others = view.iter().filter(|member| !is_same(member));
        Ok(Some((gone, convert::members(py, others)?)))
    }

    /// Puts a queue behind the pool, for events of these kinds. With `snapshot` it begins with
    /// the members, and it closes with the pool if it `is_own`.
    fn feed(
        &self,
        events: PyRef<'_, Events>,
        kinds: Vec<String>,
        is_own: bool,
        snapshot: bool,
    ) -> PyResult<()> {
        let hub = self.hub.get()?;
        let (events, kinds) = (events.queue()?, Kinds::named(&kinds)?);
        wait::at_once(|| hub.feed(events, kinds, is_own, snapshot))
    }

    fn num_members(&self) -> PyResult<usize> {
        let pool = self.pool.get()?;
        wait::at_once(|| pool.num_members())
    }

    fn local_node<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        let pool = self.pool.get()?;
        convert::member(py, &wait::detached(py, || pool.local_node())?)
    }

    fn update_node(&self, py: Python<'_>, meta: Payload, timeout: Option<f64>) -> PyResult<()> {
        let pool = self.pool.get()?.clone();
        let limit = convert::limit(timeout);
        wait::interruptible(py, move || pool.update_node(&meta.0, limit))
    }

    fn broadcast(
        &self,
        py: Python<'_>,
        name: Payload,
        message: Payload,
        timeout: Option<f64>,
    ) -> PyResult<()> {
        let pool = self.pool.get()?;
        let limit = convert::limit(timeout);
        if limit.is_zero() {
            return wait::detached(py, || pool.broadcast_named(&name.0, &message.0, limit));
        }
        let pool = pool.clone();
        wait::interruptible(py, move || pool.broadcast_named(&name.0, &message.0, limit))
    }

    fn max_broadcast_size(&self) -> PyResult<usize> {
        let pool = self.pool.get()?;
        wait::at_once(|| pool.max_broadcast_size())
    }

    fn send_best_effort(&self, py: Python<'_>, to: Peer, message: Payload) -> PyResult<()> {
        let pool = self.pool.get()?;
        wait::detached(py, || pool.send_best_effort(to, &message.0))
    }

    /// Whether the receiver has acknowledged it.
    fn send_reliable(
        &self,
        py: Python<'_>,
        to: Peer,
        message: Payload,
        timeout: Option<f64>,
    ) -> PyResult<bool> {
        let pool = self.pool.get()?.clone();
        let limit = convert::limit(timeout);
        let sent = wait::interruptible(py, move || pool.send_reliable(to, &message.0, limit))?;
        Ok(sent == Delivery::Acknowledged)
    }

    /// The time of day, in seconds since 1970, so many seconds after the start of the node.
    fn wall_clock(&self, received: f64) -> PyResult<f64> {
        let received = Duration::try_from_secs_f64(received)
            .map_err(|_| PyValueError::new_err(format!("received is {received}, no time after the start")))?;
        let time = self.pool.get()?.wall_clock(Time::ZERO + received);
        Ok(time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64())
    }

    fn ping(&self, py: Python<'_>, to: Peer, timeout: Option<f64>) -> PyResult<f64> {
        let pool = self.pool.get()?.clone();
        let limit = convert::limit(timeout);
        let rtt = wait::interruptible(py, move || pool.ping(to, limit))?;
        Ok(rtt.as_secs_f64())
    }

    /// Whom a text names: a name, which may be empty, and an address.
    fn look_up<'py>(
        &self,
        py: Python<'py>,
        text: String,
        timeout: Option<f64>,
    ) -> PyResult<(Bound<'py, PyBytes>, Bound<'py, PyTuple>)> {
        let pool = self.pool.get()?.clone();
        let limit = convert::limit(timeout);
        let (target, _) = wait::interruptible(py, move || pool.look_up(&text, limit))?;
        let name = target.name.as_ref().map_or(&b""[..], |name| name.as_bytes());
        Ok((PyBytes::new(py, name), convert::address(py, target.addr)?))
    }

    fn explain<'py>(&self, py: Python<'py>, name: Payload) -> PyResult<Bound<'py, PyDict>> {
        let pool = self.pool.get()?;
        diagnosis::explanation(py, &wait::detached(py, || pool.explain(&name.0))?)
    }

    fn doctor<'py>(&self, py: Python<'py>, target: String, timeout: f64) -> PyResult<Bound<'py, PyDict>> {
        let (pool, limit) = (self.pool.get()?, convert::limit(Some(timeout)));
        match wait::called(py, |done| pool.call(Request::Doctor(target), limit, done))? {
            Response::Examined(found) => diagnosis::diagnosis(py, &found),
            _ => Err(errors::internal("a doctor ended with the answer of another call")),
        }
    }

    /// `progress` is called on this thread; what it raises breaks the migration off.
    fn migrate<'py>(
        &self,
        py: Python<'py>,
        wanted: Wanted,
        timeout: Option<f64>,
        progress: Option<Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyDict>> {
        let (pool, limit) = (self.pool.get()?, convert::limit(timeout));
        let (to, options) = wanted.read()?;
        let begin = |told, done| pool.call(Request::Migrate(to, options, Some(told)), limit, done);
        let answer = wait::heard(py, begin, |news| {
            let Some(progress) = &progress else { return Ok(()) };
            progress.call1((migration::progress(py, &news)?,)).map(drop)
        })?;
        match migration::answer(answer).map_err(errors::to_python)? {
            Response::Migrated(report) => migration::report(py, &report),
            _ => Err(errors::internal("a migration ended with the answer of another call")),
        }
    }

    fn accept_label(&self, py: Python<'_>, label: Payload) -> PyResult<()> {
        let pool = self.pool.get()?;
        wait::detached(py, || pool.accept_label(&label.0))
    }

    fn speak_label(&self, py: Python<'_>, label: Payload) -> PyResult<()> {
        let pool = self.pool.get()?;
        wait::detached(py, || pool.speak_label(&label.0))
    }

    fn require_label(&self, py: Python<'_>, label: Payload) -> PyResult<()> {
        let pool = self.pool.get()?;
        wait::detached(py, || pool.require_label(&label.0))
    }

    fn set_gossip_verify(&self, py: Python<'_>, incoming: bool, outgoing: bool) -> PyResult<()> {
        let pool = self.pool.get()?;
        wait::detached(py, || pool.set_gossip_verify(incoming, outgoing))
    }

    fn disable_tcp_pings_for(&self, py: Python<'_>, names: Vec<Payload>) -> PyResult<()> {
        let pool = self.pool.get()?;
        let names: Vec<_> = names.into_iter().map(|Payload(name)| name).collect();
        wait::detached(py, || pool.disable_tcp_pings_for(&names))
    }

    fn metrics(&self, py: Python<'_>) -> PyResult<String> {
        let pool = self.pool.get()?;
        wait::detached(py, || Ok::<_, Error>(pool.metrics()))
    }

    fn health_score(&self) -> PyResult<u32> {
        let pool = self.pool.get()?;
        wait::at_once(|| pool.health_score())
    }

    fn set_local_state(&self, py: Python<'_>, state: Payload) -> PyResult<()> {
        let pool = self.pool.get()?;
        wait::detached(py, || pool.set_local_state(&state.0))
    }

    fn set_ack_payload(&self, py: Python<'_>, payload: Payload) -> PyResult<()> {
        let pool = self.pool.get()?;
        wait::detached(py, || pool.set_ack_payload(&payload.0))
    }

    /// The keys, primary first.
    fn keys<'py>(&self, py: Python<'py>) -> PyResult<Vec<Bound<'py, PyBytes>>> {
        let pool = self.pool.get()?;
        let keys: Vec<Key> = wait::detached(py, || pool.keys())?;
        Ok(keys.iter().map(|key| PyBytes::new(py, key.as_bytes())).collect())
    }

    fn add_key(&self, py: Python<'_>, key: Payload) -> PyResult<()> {
        let (pool, key) = (self.pool.get()?, aes_key(&key)?);
        wait::detached(py, || pool.add_key(key))
    }

    fn use_key(&self, py: Python<'_>, key: Payload) -> PyResult<()> {
        let (pool, key) = (self.pool.get()?, aes_key(&key)?);
        wait::detached(py, || pool.use_key(&key))
    }

    fn remove_key(&self, py: Python<'_>, key: Payload) -> PyResult<()> {
        let (pool, key) = (self.pool.get()?, aes_key(&key)?);
        wait::detached(py, || pool.remove_key(&key))
    }

    /// The fields of `gossip.PoolStats` that the core counts.
    fn stats<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let pool = self.pool.get()?;
        let stats = wait::detached(py, || pool.stats())?;
        stats::pool(py, &stats)
    }

    fn shutdown(&self, py: Python<'_>, timeout: Option<f64>) -> PyResult<()> {
        let pool = self.pool.get()?.clone();
        let limit = convert::limit(timeout);
        wait::interruptible(py, move || pool.shutdown(limit))
    }
}
