//! `_core.Calls`: what takes time, begun at once and answered behind a readable descriptor.
//!
//! An event loop has one of these for each node. A call gives a number; once the
//! descriptor is readable, `take` brings numbers and results. A call that is forgotten is
//! cancelled in the core, and brings nothing.

use std::collections::HashMap;
use std::io;
use std::mem;
use std::os::fd::{IntoRawFd, RawFd};
use std::os::unix::net::UnixDatagram;
use std::sync::{Arc, mpsc};
use std::thread;

use bytes::Bytes;
use crossbeam_channel::bounded;
use gossip_core::pool::action::Delivery;
use gossip_core::pool::migration::MigrationProgress;
use gossip_core::runtime::call::{Call, Request, Response};
use gossip_core::runtime::error::Error;
use gossip_core::runtime::pool::Joined;
use parking_lot::Mutex;
use pyo3::exceptions::PyBaseException;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::convert::{self, Payload, Peer};
use crate::diagnosis;
use crate::errors;
use crate::life::Owned;
use crate::migration::{self, Wanted};
use crate::pool::Pool;
use crate::wait;

/// The calls of one event loop.
#[pyclass(frozen, module = "gossip._core")]
pub(crate) struct Calls {
    inner: Owned<Inner>,
}

struct Inner {
    ended: Arc<Results>,
    open: Mutex<Open>,
}

/// What a call brings.
enum Came {
    /// How it goes, and how it went.
    News(MigrationProgress),
    Answer(Result<Response, Error>),
}

/// What calls have brought, bounded by how many are open, and by how often a migration asks its
/// members: nothing that the core puts in waits.
struct Results {
    waiting: Mutex<Vec<(u64, Came)>>,
    /// A byte lies in the pair exactly while something waits; both change under its lock.
    button: UnixDatagram,
    face: UnixDatagram,
}

impl Results {
    fn new() -> io::Result<Self> {
        let (button, face) = UnixDatagram::pair()?;
        button.set_nonblocking(true)?;
        face.set_nonblocking(true)?;
        Ok(Self { waiting: Mutex::default(), button, face })
    }

    fn put(&self, number: u64, came: Came) {
        let mut waiting = self.waiting.lock();
        waiting.push((number, came));
        if waiting.len() == 1 {
            // The pair is empty, and if the loop has closed its end, nobody listens.
            let _ = self.button.send(&[1]);
        }
    }

    fn take(&self) -> Vec<(u64, Came)> {
        let mut waiting = self.waiting.lock();
        if !waiting.is_empty() {
            let _ = self.face.recv(&mut [0]);
        }
        mem::take(&mut *waiting)
    }
}

/// The calls that someone waits for.
#[derive(Default)]
struct Open {
    last: u64,
    calls: HashMap<u64, Call>,
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.close();
    }
}

impl Inner {
    fn close(&self) {
        let calls = mem::take(&mut self.open.lock().calls);
        drop(calls);
    }

    /// Begins a call under a new number.
    fn begin(&self, begin: impl FnOnce(u64) -> PyResult<Call>) -> PyResult<u64> {
        // Held until the call is noted, lest its end be looked for before.
        let mut open = self.open.lock();
        let number = open.last + 1;
        let call = begin(number)?;
        open.last = number;
        open.calls.insert(number, call);
        Ok(number)
    }

    fn request(&self, pool: &Pool, request: Request, timeout: Option<f64>) -> PyResult<u64> {
        let (pool, ended) = (pool.core()?, &self.ended);
        self.begin(|number| {
            let ended = Arc::clone(ended);
            let done = move |result| ended.put(number, Came::Answer(result));
            let call = wait::at_once(|| pool.call(request, convert::limit(timeout), done))?;
            call.map_err(errors::to_python)
        })
    }

    /// Begins a migration of which is told how it goes.
    fn migrate(&self, pool: &Pool, wanted: Wanted, timeout: Option<f64>) -> PyResult<u64> {
        let (pool, (to, options)) = (pool.core()?, wanted.read()?);
        self.begin(|number| {
            let ((told, news), (sender, answer)) = (mpsc::channel(), bounded(1));
            let ended = Arc::clone(&self.ended);
            // One thread for both, so that the answer comes behind the news. It ends with the call, which
            // lets go of the channels whatever becomes of it.
            thread::Builder::new().name("gossip-progress".to_owned()).spawn(move || {
                news.into_iter().for_each(|news| ended.put(number, Came::News(news)));
                answer.into_iter().for_each(|answer| ended.put(number, Came::Answer(answer)));
            })?;
            let request = Request::Migrate(to, options, Some(told));
            let done = move |answer| drop(sender.send(answer));
            let call = wait::at_once(|| pool.call(request, convert::limit(timeout), done))?;
            call.map_err(errors::to_python)
        })
    }
}

/// The number of a call, what it brought, the exception if it failed, and whether it has ended.
type Ended<'py> = (u64, Bound<'py, PyAny>, Option<Bound<'py, PyBaseException>>, bool);

#[pymethods]
impl Calls {
    #[new]
    fn new() -> PyResult<Self> {
        let ended = Arc::new(Results::new()?);
        Ok(Self { inner: Owned::new(Inner { ended, open: Mutex::default() }) })
    }

    /// A socket of the caller's that is readable while a call has ended. Only to be watched.
    fn face(&self) -> PyResult<RawFd> {
        Ok(self.inner.get()?.ended.face.try_clone()?.into_raw_fd())
    }

    /// The calls that have ended since, and how others go, without waiting.
    fn take<'py>(&self, py: Python<'py>) -> PyResult<Vec<Ended<'py>>> {
        let inner = self.inner.get()?;
        let mut ended = Vec::new();
        for (number, came) in inner.ended.take() {
            // One that was forgotten brings nothing.
            let answer = match came {
                Came::News(news) if inner.open.lock().calls.contains_key(&number) => {
                    let news = migration::progress(py, &news)?.into_any();
                    ended.push((number, news, None, false));
                    continue;
                }
                Came::Answer(answer) if inner.open.lock().calls.remove(&number).is_some() => answer,
                _ => continue,
            };
            ended.push(match migration::answer(answer) {
                Ok(response) => (number, to_python(py, response)?, None, true),
                Err(error) => {
                    let error = errors::to_python(error).into_value(py).into_bound(py);
                    (number, py.None().into_bound(py), Some(error), true)
                }
            });
        }
        Ok(ended)
    }

    /// Nobody waits for this call any more: what can be broken off is.
    fn forget(&self, number: u64) -> PyResult<()> {
        let call = self.inner.get()?.open.lock().calls.remove(&number);
        drop(call);
        Ok(())
    }

    fn close(&self) -> PyResult<()> {
        self.inner.get()?.close();
        Ok(())
    }

    /// How many calls are under way.
    fn open(&self) -> PyResult<usize> {
        Ok(self.inner.get()?.open.lock().calls.len())
    }

    fn join(&self, pool: PyRef<'_, Pool>, seeds: Vec<String>, timeout: Option<f64>) -> PyResult<u64> {
        self.inner.get()?.request(&pool, Request::Join(seeds), timeout)
    }

    fn leave(&self, pool: PyRef<'_, Pool>, timeout: Option<f64>) -> PyResult<u64> {
        self.inner.get()?.request(&pool, Request::Leave, timeout)
    }

    fn update_node(&self, pool: PyRef<'_, Pool>, meta: Payload, timeout: Option<f64>) -> PyResult<u64> {
        self.inner.get()?.request(&pool, Request::UpdateNode(Bytes::from(meta.0)), timeout)
    }

    fn broadcast(
        &self,
        pool: PyRef<'_, Pool>,
        name: Payload,
        message: Payload,
        timeout: Option<f64>,
    ) -> PyResult<u64> {
        let request = Request::Broadcast(Bytes::from(name.0), Bytes::from(message.0));
        self.inner.get()?.request(&pool, request, timeout)
    }

    fn send_reliable(
        &self,
        pool: PyRef<'_, Pool>,
        to: Peer,
        message: Payload,
        timeout: Option<f64>,
    ) -> PyResult<u64> {
        let request = Request::SendReliable(to.into(), Bytes::from(message.0));
        self.inner.get()?.request(&pool, request, timeout)
    }

    fn look_up(&self, pool: PyRef<'_, Pool>, text: String, timeout: Option<f64>) -> PyResult<u64> {
        self.inner.get()?.request(&pool, Request::LookUp(text), timeout)
    }

    fn ping(&self, pool: PyRef<'_, Pool>, to: Peer, timeout: Option<f64>) -> PyResult<u64> {
        self.inner.get()?.request(&pool, Request::Ping(to.into()), timeout)
    }

    fn doctor(&self, pool: PyRef<'_, Pool>, target: String, timeout: f64) -> PyResult<u64> {
        self.inner.get()?.request(&pool, Request::Doctor(target), Some(timeout))
    }

    /// With `progress` it brings how it goes, before how it went.
    fn migrate(
        &self,
        pool: PyRef<'_, Pool>,
        wanted: Wanted,
        timeout: Option<f64>,
        progress: bool,
    ) -> PyResult<u64> {
        let inner = self.inner.get()?;
        if progress {
            return inner.migrate(&pool, wanted, timeout);
        }
        let (to, options) = wanted.read()?;
        inner.request(&pool, Request::Migrate(to, options, None), timeout)
    }
}

fn to_python(py: Python<'_>, response: Response) -> PyResult<Bound<'_, PyAny>> {
    match response {
        Response::Joined(joined) => joined_to_python(py, joined),
        Response::Migrated(report) => Ok(migration::report(py, &report)?.into_any()),
        Response::Pinged(rtt) => Ok(rtt.as_secs_f64().into_pyobject(py)?.into_any()),
        Response::Found(target) => {
            let name = target.name.as_ref().map_or(&b""[..], |name| name.as_bytes());
            let found = (PyBytes::new(py, name), convert::address(py, target.addr)?);
            Ok(found.into_pyobject(py)?.into_any())
        }
        Response::Examined(found) => Ok(diagnosis::diagnosis(py, &found)?.into_any()),
        Response::Sent(delivery) => {
            let acknowledged = delivery == Delivery::Acknowledged;
            Ok(acknowledged.into_pyobject(py)?.to_owned().into_any())
        }
        Response::Done => Ok(py.None().into_bound(py)),
    }
}

/// Addresses that were reached, seeds that were not and why, and how many addresses of
/// large names were not tried.
fn joined_to_python(py: Python<'_>, joined: Joined) -> PyResult<Bound<'_, PyAny>> {
    let reached = joined.reached.into_iter().map(|addr| convert::address(py, addr));
    let failed: Vec<_> = joined.failed.into_iter().map(|seed| (seed.seed, seed.reason)).collect();
    Ok((reached.collect::<PyResult<Vec<_>>>()?, failed, joined.untried).into_pyobject(py)?.into_any())
}
