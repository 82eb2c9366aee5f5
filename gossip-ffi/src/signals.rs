//! Threads of the library take none of the program's signals.
//!
//! A thread inherits the signal mask of the one that makes it. So all signals are blocked
//! while a call makes threads, and what was there before is restored after it: handlers
//! run on the program's own threads, as it expects. Dispositions are never touched.

use std::mem::MaybeUninit;
use std::ptr;

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
