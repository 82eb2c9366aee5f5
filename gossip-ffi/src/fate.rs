//! What a panic leaves behind: the node it happened to is FATAL.
//!
//! A panic may have left a change half done, so that no later answer of that node could be
//! trusted. Each handle carries the fate of its node. While a call runs, the thread notes whose
//! handles it works with; if it panics, those are doomed.

use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use crate::error::Failure;
use crate::status::Status::GOSSIP_ERR_FATAL;

/// Whether a call about a node, or about a queue, has panicked; shared by all handles of it.
#[derive(Clone, Default)]
pub(crate) struct Fate(Arc<AtomicBool>);

thread_local! {
    /// Whose handles the calls that run on this thread work with, those of the innermost last:
    /// a call can run code of the program, such as a `destroy`, that calls again.
    static CONCERNED: RefCell<Vec<Fate>> = const { RefCell::new(Vec::new()) };
}

impl Fate {
    /// Fails if it is sealed.
    pub(crate) fn check(&self) -> Result<(), Failure> {
        if !self.0.load(Relaxed) {
            return Ok(());
        }
        let message =
            "an earlier call panicked, so nothing here can be trusted; shut down and make a new one";
        Err(Failure::new(GOSSIP_ERR_FATAL, message))
    }

    /// From here on the call that runs on this thread has to do with it.
    pub(crate) fn concerns(&self) {
        with(|concerned| concerned.push(self.clone()));
    }
}

/// What `body` returns; nothing if it panics, and then whomever it concerned is FATAL.
pub(crate) fn survive<T>(body: impl FnOnce() -> T) -> Option<T> {
    let outer = with(|concerned| concerned.len()).unwrap_or(0);
    // What is half done stays behind in objects that Rust guards with locks of its own, and
    // behind handles that answer FATAL.
    let result = catch_unwind(AssertUnwindSafe(|| {
        let result = body();
        #[cfg(feature = "panics")]
        panic_if_told();
        result
    }));
    with(|concerned| {
        if result.is_err() {
            concerned[outer..].iter().for_each(|fate| fate.0.store(true, Relaxed));
        }
        concerned.truncate(outer);
    });
    result.ok()
}

/// Nothing when the thread ends and its destructors call.
fn with<T>(look: impl FnOnce(&mut Vec<Fate>) -> T) -> Option<T> {
    CONCERNED.try_with(|concerned| look(&mut concerned.borrow_mut())).ok()
}

/// Lets the tests see what a panic does: none is known that they could provoke.
#[cfg(feature = "panics")]
fn panic_if_told() {
    assert!(std::env::var_os("GOSSIP_PANIC").is_none(), "told to panic");
}
