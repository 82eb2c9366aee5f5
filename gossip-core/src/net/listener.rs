//! Connections for the application, as the plain sockets they are.

use std::io;
use std::net::{SocketAddr, TcpStream};
use std::ops::RangeInclusive;
use std::os::fd::BorrowedFd;
use std::sync::Arc;
use std::time::Duration;

use super::error::{NetError, WaitError};
use super::owners::{Accepted, Owners};
use super::queue::{Queue, QueueStats};
use crate::base::config_error::ConfigError;
use crate::mux::listener::ListenerName;

/// Takes the connections of one [`ListenerName`]. Cheap to clone; the last clone that is
/// dropped closes it. Every function may be called from any thread.
///
/// A connection that comes out is the application's alone: a blocking, close-on-exec
/// descriptor with `TCP_NODELAY` and keep-alive set, whose low-water mark is 1, and from
/// which nothing has been read but the two bytes of a listener id. What the peer has done
/// meanwhile shows when it is used: one that was reset reads as such.
#[derive(Debug, Clone)]
pub struct Listener(Arc<Registration>);

/// How many connections may be allowed to wait for an accept of a listener.
pub(crate) const BACKLOG: RangeInclusive<usize> = 1..=1 << 16;

/// What one listener has otherwise than the others of its node.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ListenOptions {
    /// Connections that wait for an accept, 1 to 65536; more are closed and counted.
    /// `None` is the node's `listener_backlog`.
    pub backlog: Option<usize>,
}

impl ListenOptions {
    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        let Some(backlog) = self.backlog.filter(|backlog| !BACKLOG.contains(backlog)) else { return Ok(()) };
        let (min, max) = BACKLOG.into_inner();
        Err(ConfigError::new("backlog", backlog, format!("must be from {min} to {max}")))
    }
}

#[derive(Debug)]
struct Registration {
    name: ListenerName,
    queue: Arc<Queue<Accepted>>,
    owners: Arc<Owners>,
}

impl Listener {
    pub(super) fn register(
        owners: &Arc<Owners>,
        name: ListenerName,
        backlog: usize,
    ) -> Result<Self, NetError> {
        let queue = Arc::new(Queue::new(backlog));
        owners.add_listener(&name, &queue)?;
        Ok(Self(Arc::new(Registration { name, queue, owners: Arc::clone(owners) })))
    }

    /// The next connection and who opened it, waiting as long as `timeout` says; `None`
    /// waits until the listener is closed.
    pub fn accept(&self, timeout: Option<Duration>) -> Result<(TcpStream, SocketAddr), WaitError> {
        let Accepted { stream, peer } = self.0.queue.take(timeout)?;
        Ok((stream, peer))
    }

    /// Which connections it takes.
    pub fn name(&self) -> &ListenerName {
        &self.0.name
    }

    /// A descriptor that is readable exactly while [`accept`](Self::accept) would not wait,
    /// also once the listener is closed; for `poll` and every event loop. It is made
    /// by the first call and stays the same and valid as long as a clone of the
    /// listener exists. Only watch it: do not read, write or close it. A connection that a
    /// thread takes which blocks in `accept` does not show.
    pub fn readiness(&self) -> io::Result<BorrowedFd<'_>> {
        self.0.queue.readiness()
    }

    /// The same, and a socket to the system, which some languages and frameworks insist on.
    /// Call one of the two: the first call decides what there is.
    pub fn readiness_socket(&self) -> io::Result<BorrowedFd<'_>> {
        self.0.queue.readiness_socket()
    }

    /// Lets `backlog` connections wait for an accept from now on, 1 to 65536. Those that wait
    /// already stay, also if they are more.
    pub fn set_backlog(&self, backlog: usize) -> Result<(), ConfigError> {
        ListenOptions { backlog: Some(backlog) }.check()?;
        self.0.queue.set_limit(backlog);
        Ok(())
    }

    /// The first address of the port, with the real port number.
    pub fn local_addr(&self) -> SocketAddr {
        self.0.owners.addr()
    }

    /// Every address of the port, with the real port number.
    pub fn local_addrs(&self) -> &[SocketAddr] {
        self.0.owners.addrs()
    }

    /// Closes the listener: wakes everyone blocked in [`accept`](Self::accept), closes the
    /// connections that wait, and frees the name to be used again.
    pub fn close(&self) {
        self.0.close();
    }

    /// What has passed through, and what waits.
    pub fn stats(&self) -> QueueStats {
        self.0.queue.stats()
    }
}

impl Registration {
    fn close(&self) {
        self.owners.remove_listener(&self.name, &self.queue);
        self.queue.close();
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        self.close();
    }
}
