//! A descriptor that looks readable to `poll`, `epoll`, `select` and every event loop
//! while something waits.
//!
//! On Linux an eventfd; elsewhere, and where a sandbox refuses that, one end of a socket
//! pair in which a byte lies while the bell rings. Nobody but the bell reads or writes it.

use std::io;
#[cfg(target_os = "linux")]
use std::os::fd::OwnedFd;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixDatagram;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

#[cfg(target_os = "linux")]
use rustix::event::{EventfdFlags, eventfd};

/// A level-triggered bell, silent at first.
#[derive(Debug)]
pub(super) struct Bell {
    wire: Wire,
    /// Changed under the lock of the queue that the bell belongs to, like the descriptor.
    rings: AtomicBool,
}

#[derive(Debug)]
enum Wire {
    #[cfg(target_os = "linux")]
    Counter(OwnedFd),
    /// The two ends, of which others see the second.
    Pair(UnixDatagram, UnixDatagram),
}

impl Bell {
    /// The cheapest bell that this system has: non-blocking and close-on-exec.
    pub(super) fn new() -> io::Result<Self> {
        #[cfg(target_os = "linux")]
        if let Ok(counter) = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK) {
            return Ok(Self::with(Wire::Counter(counter)));
        }
        Self::portable()
    }

    /// A bell that every system has.
    pub(super) fn portable() -> io::Result<Self> {
        let (button, face) = UnixDatagram::pair()?;
        button.set_nonblocking(true)?;
        face.set_nonblocking(true)?;
        Ok(Self::with(Wire::Pair(button, face)))
    }

    fn with(wire: Wire) -> Self {
        Self { wire, rings: AtomicBool::new(false) }
    }

    /// Lets the bell ring or be silent. For the holder of the queue's lock only: what the
    /// queue holds and what the bell says must change as one.
    pub(super) fn set(&self, rings: bool) {
        if rings == self.rings.load(Relaxed) {
            return;
        }
        let done = if rings { self.wire.raise() } else { self.wire.clear() };
        // Neither can find the descriptor full or empty, unless a stranger reads or writes
        // it; the next change tries again.
        if done.is_ok() {
            self.rings.store(rings, Relaxed);
        }
    }
}

impl Wire {
    fn raise(&self) -> io::Result<usize> {
        match self {
            #[cfg(target_os = "linux")]
            Self::Counter(counter) => Ok(rustix::io::write(counter, &1_u64.to_ne_bytes())?),
            Self::Pair(button, _) => button.send(&[1]),
        }
    }

    fn clear(&self) -> io::Result<usize> {
        match self {
            #[cfg(target_os = "linux")]
            Self::Counter(counter) => Ok(rustix::io::read(counter, &mut [0; 8])?),
            Self::Pair(_, face) => face.recv(&mut [0]),
        }
    }
}

impl AsFd for Bell {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match &self.wire {
            #[cfg(target_os = "linux")]
            Wire::Counter(counter) => counter.as_fd(),
            Wire::Pair(_, face) => face.as_fd(),
        }
    }
}
