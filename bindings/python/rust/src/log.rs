//! `_core.Log`: what nodes log, as a queue from which one thread of Python's pulls.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, SystemTime};

use crossbeam_channel::{Receiver, Select, Sender, bounded};
use gossip_core::runtime::log::{LogSink, Record};
use pyo3::prelude::*;

use crate::life::{self, Owned};

/// Records that wait; more are dropped and counted.
const WAITING_MAX: usize = 4096;

/// Node, level, target, message, fields, pool, and seconds since 1970.
type Row = (String, u8, &'static str, String, String, Option<u8>, f64);

/// The records of all nodes of this process.
#[pyclass(frozen, module = "gossip._core")]
pub(crate) struct Log {
    inner: Owned<Inner>,
}

struct Inner {
    sender: Sender<(Arc<str>, Record)>,
    receiver: Receiver<(Arc<str>, Record)>,
    lost: Arc<AtomicU64>,
}

impl Log {
    /// A sink that puts what the node of this name logs into the queue, and never waits.
    pub(crate) fn sink(&self, node: &str) -> PyResult<LogSink> {
        let inner = self.inner.get()?;
        let (sender, lost, node) = (inner.sender.clone(), Arc::clone(&inner.lost), Arc::from(node));
        Ok(Arc::new(move |record: &Record| {
            if sender.try_send((Arc::clone(&node), record.clone())).is_err() {
                lost.fetch_add(1, Relaxed);
            }
        }))
    }
}

#[pymethods]
impl Log {
    #[new]
    fn new() -> Self {
        let (sender, receiver) = bounded(WAITING_MAX);
        Self { inner: Owned::new(Inner { sender, receiver, lost: Arc::default() }) }
    }

    /// Waits up to `timeout` seconds for records, takes up to `limit`, and tells how many were
    /// dropped since the last call. For a thread that serves no signals.
    fn take(&self, py: Python<'_>, limit: usize, timeout: f64) -> PyResult<(Vec<Row>, u64)> {
        let inner = self.inner.get()?;
        let wait = Duration::try_from_secs_f64(timeout).unwrap_or_default();
        py.detach(|| {
            // Only waits: a record that this thread took would be lost if it stays out.
            let mut select = Select::new();
            select.recv(&inner.receiver);
            let _ = select.ready_timeout(wait);
            life::stay_out_at_exit();
        });
        let rows = inner.receiver.try_iter().take(limit).map(row).collect();
        Ok((rows, inner.lost.swap(0, Relaxed)))
    }
}

fn row((node, record): (Arc<str>, Record)) -> Row {
    let time = record.time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs_f64();
    let pool = record.pool.map(|pool| pool.0);
    (node.to_string(), record.level as u8, record.target, record.message, record.fields, pool, time)
}
