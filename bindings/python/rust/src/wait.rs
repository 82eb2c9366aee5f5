//! Calls into the core: detached from the interpreter, interruptible, panics caught.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError, bounded};
use gossip_core::net::error::WaitError;
use gossip_core::runtime::call::{Call, Response};
use gossip_core::runtime::error::Error;
use pyo3::prelude::*;

use crate::errors;
use crate::life;

/// How long a wait goes on before it looks for signals: what Ctrl-C costs at most.
const SLICE: Duration = Duration::from_millis(50);

/// What a call of the core ends with.
type Done = Box<dyn FnOnce(Result<Response, Error>) + Send>;

/// Runs `work`, which is short, without holding the interpreter.
pub(crate) fn detached<T, E>(py: Python<'_>, work: impl FnOnce() -> Result<T, E> + Send) -> PyResult<T>
where
    T: Send,
    E: Send + Into<Error>,
{
    let outcome = py.detach(|| {
        let outcome = caught(work);
        life::stay_out_at_exit();
        outcome
    });
    flatten(outcome)
}

/// Runs `work`, which may take its time, on a thread of its own, and waits for it a
/// slice at a time, so that Ctrl-C and other signals are served. After an interrupt the
/// work goes on by itself until its own time limit.
pub(crate) fn interruptible<T>(
    py: Python<'_>,
    work: impl FnOnce() -> Result<T, Error> + Send + 'static,
) -> PyResult<T>
where
    T: Send + 'static,
{
    let (sender, receiver) = bounded(1);
    thread::Builder::new().name("gossip-call".to_owned()).spawn(move || {
        // Nobody listens any more after an interrupt.
        let _ = sender.send(caught(work));
    })?;
    flatten(received(py, &receiver)?)
}

/// Waits for the answer to the call that `begin` begins, so that Ctrl-C and other signals are
/// served. After an interrupt nothing of it goes on.
pub(crate) fn called(
    py: Python<'_>,
    begin: impl FnOnce(Done) -> Result<Call, Error> + Send,
) -> PyResult<Response> {
    let (sender, receiver) = bounded(1);
    let call = detached(py, || begin(Box::new(move |answer| drop(sender.send(answer)))))?;
    let answer = received(py, &receiver)?;
    drop(call);
    answer.map_err(errors::to_python)
}

/// The same for a call that tells how it goes: `hear` gets all of it, on this thread. Its error
/// breaks the call off.
pub(crate) fn heard<N: Send>(
    py: Python<'_>,
    begin: impl FnOnce(mpsc::Sender<N>, Done) -> Result<Call, Error> + Send,
    mut hear: impl FnMut(N) -> PyResult<()>,
) -> PyResult<Result<Response, Error>> {
    let ((told, mut news), (sender, receiver)) = (mpsc::channel(), bounded(1));
    let call = detached(py, || begin(told, Box::new(move |answer| drop(sender.send(answer)))))?;
    loop {
        // The other end is gone once the answer is on its way.
        let news = &mut news;
        match sliced(py, move || news.recv_timeout(SLICE)) {
            Ok(one) => hear(one)?,
            Err(mpsc::RecvTimeoutError::Timeout) => {}
            Err(mpsc::RecvTimeoutError::Disconnected) => break,
        }
        py.check_signals()?;
    }
    let answer = received(py, &receiver)?;
    drop(call);
    Ok(answer)
}

/// What a queue brings within `timeout` seconds, which Python has checked, waiting a slice at a time
/// in a thread that serves signals.
///
/// `take` waits as long as it is told; `None` is for ever.
#[expect(clippy::disallowed_methods, reason = "no time of the core's: how long the application waits")]
pub(crate) fn taken<T: Send>(
    py: Python<'_>,
    timeout: Option<f64>,
    serves_signals: bool,
    take: impl Fn(Option<Duration>) -> Result<T, WaitError> + Sync,
) -> PyResult<Result<T, WaitError>> {
    let begun = Instant::now();
    // Longer than can be counted is for ever.
    let timeout = timeout.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    loop {
        let left = timeout.map(|timeout| timeout.saturating_sub(begun.elapsed()));
        let wait = if serves_signals { Some(left.map_or(SLICE, |left| left.min(SLICE))) } else { left };
        match sliced(py, || caught(|| take(wait))).map_err(|panic| errors::internal(&panic))? {
            Err(WaitError::Timeout) if left.is_none_or(|left| !left.is_zero()) => py.check_signals()?,
            done => return Ok(done),
        }
    }
}

/// What a queue brought, as `to_python` makes it; `None` if nothing came in time. Once the queue is closed
/// it is an error with the text `closed`.
pub(crate) fn brought<T, P>(
    py: Python<'_>,
    item: Result<T, WaitError>,
    closed: &str,
    to_python: impl FnOnce(T) -> PyResult<P>,
) -> PyResult<Option<P>> {
    match item {
        Ok(item) => to_python(item).map(Some),
        Err(WaitError::Timeout) => Ok(None),
        Err(WaitError::Closed) => {
            py.detach(life::stay_out_at_exit);
            Err(errors::bad_descriptor(closed))
        }
    }
}

/// Waits without holding the interpreter, for a slice at most.
fn sliced<T: Send>(py: Python<'_>, wait: impl FnOnce() -> T + Send) -> T {
    py.detach(|| {
        let news = wait();
        life::stay_out_at_exit();
        news
    })
}

/// Waits for what comes, a slice at a time.
fn received<T: Send>(py: Python<'_>, receiver: &Receiver<T>) -> PyResult<T> {
    loop {
        match sliced(py, || receiver.recv_timeout(SLICE)) {
            Ok(outcome) => return Ok(outcome),
            Err(RecvTimeoutError::Timeout) => py.check_signals()?,
            Err(RecvTimeoutError::Disconnected) => {
                return Err(errors::internal("a call ended without a result"));
            }
        }
    }
}

/// Runs `work` on this thread, attached or not as it is: for calls that only look at memory.
pub(crate) fn at_once<T>(work: impl FnOnce() -> T) -> PyResult<T> {
    caught(work).map_err(|panic| errors::internal(&panic))
}

/// A defect on purpose, for the test of what becomes of one.
#[pyfunction]
#[allow(clippy::panic)]
pub(crate) fn panic() -> PyResult<()> {
    at_once(|| panic!("on purpose"))
}

/// Runs `work`; a panic in it is a text.
pub(crate) fn caught<T>(work: impl FnOnce() -> T) -> Result<T, String> {
    // The core's handles share state only through locks and channels, which stay whole.
    catch_unwind(AssertUnwindSafe(work)).map_err(|panic| message(&*panic).to_owned())
}

fn flatten<T, E: Into<Error>>(outcome: Result<Result<T, E>, String>) -> PyResult<T> {
    match outcome {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => Err(errors::to_python(error.into())),
        Err(panic) => Err(errors::internal(&panic)),
    }
}

fn message(panic: &(dyn Any + Send)) -> &str {
    panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("a task panicked")
}
