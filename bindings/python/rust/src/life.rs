//! What must not happen after a fork, and at the interpreter's end.
//!
//! A forked child has the parent's memory but none of its threads: whatever waits for
//! one waits for ever. So every object remembers in which process it was made, and
//! answers elsewhere with `ForkedError` before it touches a lock.

use std::cell::Cell;
use std::mem;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::thread::{self, ThreadId};

use pyo3::prelude::*;

use crate::errors;

/// How many forks lie between the first process and this one.
static GENERATION: AtomicU32 = AtomicU32::new(0);

/// The thread that ends the interpreter, once it does.
static EXITING: OnceLock<ThreadId> = OnceLock::new();

thread_local! {
    /// This thread calls the hooks of a delegate.
    static SERVES_DELEGATE: Cell<bool> = const { Cell::new(false) };
}

/// For `os.register_at_fork`: from now on the objects of the parent answer no more.
#[pyfunction]
pub(crate) fn after_fork_in_child() {
    GENERATION.fetch_add(1, Relaxed);
}

/// For `atexit`, before nodes are closed: from now on no other thread comes back from a
/// wait into the interpreter, except those that serve delegates, which end by themselves.
#[pyfunction]
pub(crate) fn before_exit() {
    EXITING.get_or_init(|| thread::current().id());
}

/// Marks the calling thread as one that serves a delegate.
pub(crate) fn serves_delegate() {
    SERVES_DELEGATE.set(true);
}

/// Ends the way of a daemon thread that would return into an interpreter which is being
/// taken down: before 3.14 CPython unwinds such a thread through our frames, which
/// aborts. And it would complain of a node that was closed under it, which is no news.
pub(crate) fn stay_out_at_exit() {
    let ending = EXITING.get();
    if ending.is_some_and(|ending| *ending != thread::current().id()) && !SERVES_DELEGATE.get() {
        loop {
            thread::park();
        }
    }
}

/// A part of the core that belongs to the process in which it was made.
pub(crate) struct Owned<T> {
    /// Empty only while it is dropped.
    value: Option<T>,
    generation: u32,
}

impl<T> Owned<T> {
    pub(crate) fn new(value: T) -> Self {
        Self { value: Some(value), generation: GENERATION.load(Relaxed) }
    }

    /// The value, in its own process.
    pub(crate) fn get(&self) -> PyResult<&T> {
        match &self.value {
            Some(value) if self.is_at_home() => Ok(value),
            _ => Err(errors::forked()),
        }
    }

    fn is_at_home(&self) -> bool {
        self.generation == GENERATION.load(Relaxed)
    }
}

impl<T> Drop for Owned<T> {
    fn drop(&mut self) {
        // In a child the threads that a destructor would talk to do not exist.
        if !self.is_at_home() {
            mem::forget(self.value.take());
        }
    }
}
