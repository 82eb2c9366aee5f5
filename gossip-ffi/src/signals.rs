//! Threads of the library take none of the program's signals.
//!
//! A thread inherits the signal mask of the one that makes it. So all signals are blocked
//! while a call makes threads, and what was there before is restored after it: handlers
//! run on the program's own threads, as it expects. Dispositions are never touched.

use std::mem::MaybeUninit;
use std::panic::resume_unwind;
use std::{io, ptr, thread};

/// Does work that makes threads and may take long on a thread of its own, so that the
/// caller, who waits for it, can be interrupted as ever.
pub(crate) fn aside<T: Send>(name: &str, work: impl FnOnce() -> T + Send) -> io::Result<T> {
    thread::scope(|scope| {
        let spawn = || {
            let _blocked = Blocked::new();
            thread::Builder::new().name(name.to_owned()).spawn_scoped(scope, work)
        };
        Ok(spawn()?.join().unwrap_or_else(|panic| resume_unwind(panic)))
    })
}

/// Does work that may write to a pipe or socket whose reader is gone, without the SIGPIPE
/// that this raises in the writing thread.
pub(crate) fn without_sigpipe<T>(work: impl FnOnce() -> T) -> T {
    let _blocked = Blocked::new();
    let pended = sigpipe_pends();
    let done = work();
    if !pended && sigpipe_pends() {
        let mut only = MaybeUninit::uninit();
        let mut taken = 0;
        // SAFETY: all memory is our own, and `sigemptyset` initialises the set; `sigwait` for
        // a blocked signal that pends takes it at once.
        unsafe {
            libc::sigemptyset(only.as_mut_ptr());
            libc::sigaddset(only.as_mut_ptr(), libc::SIGPIPE);
            libc::sigwait(only.as_ptr(), &raw mut taken);
        }
    }
    done
}

fn sigpipe_pends() -> bool {
    let mut pending = MaybeUninit::uninit();
    // SAFETY: `sigpending` initialises the set, memory of our own.
    unsafe {
        libc::sigpending(pending.as_mut_ptr()) == 0 && libc::sigismember(pending.as_ptr(), libc::SIGPIPE) == 1
    }
}

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
