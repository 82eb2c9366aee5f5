//! `_core.Pool`: one pool of a node.

use gossip_core::runtime::pool::Pool as CorePool;
use gossip_core::wire::keyring::Key;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyTuple};

use crate::convert::{self, Payload, Peer};
use crate::life::Owned;
use crate::stats;
use crate::tables::aes_key;
use crate::wait;

/// Addresses that a join reached, and seeds it did not, with the reason.
type Joined<'py> = (Vec<Bound<'py, PyTuple>>, Vec<(String, String)>);

/// A pool.
#[pyclass(frozen, module = "gossip._core")]
pub(crate) struct Pool {
    pool: Owned<CorePool>,
}

impl Pool {
    pub(crate) fn new(pool: CorePool) -> Self {
        Self { pool: Owned::new(pool) }
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
        Ok((reached.collect::<PyResult<_>>()?, failed.collect()))
    }

    fn leave(&self, py: Python<'_>, timeout: Option<f64>) -> PyResult<()> {
        let pool = self.pool.get()?.clone();
        let limit = convert::limit(timeout);
        wait::interruptible(py, move || pool.leave(limit))
    }

    /// The members, with the version of the list; `None` if that is the one `known`.
    fn members<'py>(
        &self,
        py: Python<'py>,
        known: Option<u64>,
    ) -> PyResult<Option<(u64, Vec<Bound<'py, PyTuple>>)>> {
        let pool = self.pool.get()?;
        let view = wait::at_once(|| pool.members())?;
        if known == Some(view.version()) {
            return Ok(None);
        }
        let members = view.members().iter().map(|member| convert::member(py, member));
        Ok(Some((view.version(), members.collect::<PyResult<_>>()?)))
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

    fn broadcast(&self, py: Python<'_>, message: Payload, timeout: Option<f64>) -> PyResult<()> {
        let pool = self.pool.get()?;
        let limit = convert::limit(timeout);
        if limit.is_zero() {
            return wait::detached(py, || pool.broadcast(&message.0, limit));
        }
        let pool = pool.clone();
        wait::interruptible(py, move || pool.broadcast(&message.0, limit))
    }

    fn max_broadcast_size(&self) -> PyResult<usize> {
        let pool = self.pool.get()?;
        wait::at_once(|| pool.max_broadcast_size())
    }

    fn send_best_effort(&self, py: Python<'_>, to: Peer, message: Payload) -> PyResult<()> {
        let pool = self.pool.get()?;
        wait::detached(py, || pool.send_best_effort(to, &message.0))
    }

    fn send_reliable(
        &self,
        py: Python<'_>,
        to: Peer,
        message: Payload,
        timeout: Option<f64>,
    ) -> PyResult<()> {
        let pool = self.pool.get()?.clone();
        let limit = convert::limit(timeout);
        wait::interruptible(py, move || pool.send_reliable(to, &message.0, limit))
    }

    fn ping(&self, py: Python<'_>, to: Peer, timeout: Option<f64>) -> PyResult<f64> {
        let pool = self.pool.get()?.clone();
        let limit = convert::limit(timeout);
        let rtt = wait::interruptible(py, move || pool.ping(to, limit))?;
        Ok(rtt.as_secs_f64())
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
