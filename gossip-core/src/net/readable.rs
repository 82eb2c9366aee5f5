//! A descriptor that the runtime watches for reading alone.
//!
//! tokio's sockets are watched for writing, too, and then the system wakes the thread whenever
//! a datagram that was sent has left: as often again as for all datagrams that come.

use std::io;
use std::os::fd::{AsFd, AsRawFd};

use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// Registers `source`, which must be non-blocking, with the runtime that this is called in.
// The successor of the deprecated function is unsafe, for sources that don't own their
// descriptor; those that are `AsFd` keep it open as long as they live.
#[expect(deprecated)]
pub(crate) fn readable<T: AsFd + AsRawFd>(source: T) -> io::Result<AsyncFd<T>> {
    AsyncFd::with_interest(source, Interest::READABLE)
}
