//! What an opaque pointer to something long-lived points to, and how a child process
//! notices that it is one.
//!
//! Threads do not survive a fork, so a node is dead in the child, and touching its locks
//! there could hang. Each handle remembers in which generation of the process it was
//! made; an atfork handler counts generations. The check is one load.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Once, PoisonError, RwLock};

use crate::error::Failure;
use crate::fate::Fate;
use crate::status::Status::{GOSSIP_ERR_CLOSED, GOSSIP_ERR_FORKED};

/// Raised by each fork, in the child.
static GENERATION: AtomicU32 = AtomicU32::new(0);

/// The process in which something was made: this one, or one that it was forked from.
pub(crate) struct Origin(AtomicU32);

impl Origin {
    pub(crate) fn here() -> Self {
        watch_forks();
        Self(AtomicU32::new(GENERATION.load(Ordering::Relaxed)))
    }

    pub(crate) fn is_here(&self) -> bool {
        self.0.load(Ordering::Relaxed) == GENERATION.load(Ordering::Relaxed)
    }

    pub(crate) fn check(&self) -> Result<(), Failure> {
        if self.is_here() {
            return Ok(());
        }
        let message = "handle was made before a fork; it works in the parent only";
        Err(Failure::new(GOSSIP_ERR_FORKED, message))
    }
}

/// A shared object of the core behind a pointer that C holds.
///
/// Calls work on a clone and do not look at the handle again, so it may be freed while
/// others are blocked in such calls. All its fields are interior-mutable for that reason:
/// a reference to them promises nothing about how long they stay.
pub(crate) struct Shared<T> {
    origin: Origin,
    fate: Fate,
    object: RwLock<Option<T>>,
}

impl<T: Clone> Shared<T> {
    pub(crate) fn new(object: T) -> Self {
        Self::of(Fate::default(), object)
    }

    fn of(fate: Fate, object: T) -> Self {
        Self { origin: Origin::here(), fate, object: RwLock::new(Some(object)) }
    }

    /// The object, unless this is a child of the process that made it, or a call panicked.
    pub(crate) fn get(&self) -> Result<T, Failure> {
        self.origin.check()?;
        self.fate.check()?;
        self.get_to_end()
    }

    /// The object for what ends it, which must work after a panic, too.
    pub(crate) fn get_to_end(&self) -> Result<T, Failure> {
        self.origin.check()?;
        self.fate.concerns();
        let object = self.object.read().unwrap_or_else(PoisonError::into_inner);
        object.clone().ok_or_else(|| Failure::new(GOSSIP_ERR_CLOSED, "handle is being freed"))
    }
}

impl<T> Shared<T> {
    /// Something else of the same node: what happens to one happens to both.
    pub(crate) fn beside<U: Clone>(&self, other: U) -> Shared<U> {
        Shared::of(self.fate.clone(), other)
    }
}

impl<T> Drop for Shared<T> {
    fn drop(&mut self) {
        if !self.origin.is_here() {
            // The destructor would wait for threads that exist in the parent only.
            let object = self.object.get_mut().unwrap_or_else(PoisonError::into_inner);
            std::mem::forget(object.take());
        }
    }
}

extern "C" fn count_fork() {
    GENERATION.fetch_add(1, Ordering::Relaxed);
}

fn watch_forks() {
    static WATCHED: Once = Once::new();
    WATCHED.call_once(|| {
        // SAFETY: the handler does one atomic addition, which is allowed after a fork, and
        // the library is never unloaded (`-z nodelete`), so the handler stays valid. It
        // fails only without memory; forks then go unnoticed.
        unsafe { libc::pthread_atfork(None, None, Some(count_fork)) };
    });
}
