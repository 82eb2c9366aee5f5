//! Threads of the library take none of the program's signals.
//!
//! A thread inherits the signal mask of the one that makes it. So all signals are blocked
//! while a call makes threads, and what was there before is restored after it: handlers
//! run on the program's own threads, as it expects. Dispositions are never touched.

use std::io;
use std::mem::MaybeUninit;
use std::panic::resume_unwind;
use std::ptr;
use std::thread;

/// All signals are blocked in this thread while this lives.
pub(crate) struct Blocked {
    before: libc::sigset_t,
}

impl Blocked {
    pub(crate) fn new() -> Self {
        let mut all = MaybeUninit::uninit();
        let mut before = MaybeUninit::uninit();
        // SAFETY: both sets are memory of our own; `sigfillset` and `pthread_sigmask` with
        // a known `how` cannot fail and initialise them.
        unsafe {
            libc::sigfillset(all.as_mut_ptr());
            libc::pthread_sigmask(libc::SIG_SETMASK, all.as_ptr(), before.as_mut_ptr());
            Self { before: before.assume_init() }
        }
    }
}

impl Drop for Blocked {
    fn drop(&mut self) {
        // SAFETY: the set was filled by `pthread_sigmask` in this very thread: `Blocked`
        // never leaves the call that made it.
        unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, &raw const self.before, ptr::null_mut()) };
    }
}

/// Does `work`, which makes threads and takes its time, on a thread that blocks all signals,
/// while the calling one waits for it and serves its own.
pub(crate) fn apart<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> io::Result<T> {
    let worker = {
        let _blocked = Blocked::new();
        thread::Builder::new().name("gossip-call".into()).spawn(work)?
    };
    Ok(worker.join().unwrap_or_else(|panic| resume_unwind(panic)))
}
