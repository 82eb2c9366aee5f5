//! Connections for the application, as the plain sockets they are.

use std::io;
use std::net::{SocketAddr, TcpStream};
use std::os::fd::BorrowedFd;
use std::sync::Arc;
use std::time::Duration;

use super::error::{NetError, WaitError};
use super::owners::{Accepted, Owners};
use super::queue::{Queue, QueueStats};
use crate::base::ids::ListenerId;

/// Takes the connections of one listener id, or the native ones. Cheap to clone; the
/// last clone that is dropped closes it.
///
/// A connection that comes out is the application's alone: blocking, close-on-exec,
/// with `TCP_NODELAY` and keep-alive set, and nothing read from it but the two bytes of
/// a listener id.
#[derive(Debug, Clone)]
pub struct Listener(Arc<Registration>);

#[derive(Debug)]
struct Registration {
    /// `None` for the native listener.
    id: Option<ListenerId>,
    queue: Arc<Queue<Accepted>>,
    owners: Arc<Owners>,
}

impl Listener {
    pub(super) fn register(
        owners: &Arc<Owners>,
        id: Option<ListenerId>,
        backlog: usize,
    ) -> Result<Self, NetError> {
        let queue = Arc::new(Queue::new(backlog));
        match id {
            Some(id) => owners.add_listener(id, &queue)?,
            None => owners.add_native_listener(&queue)?,
        }
        Ok(Self(Arc::new(Registration { id, queue, owners: Arc::clone(owners) })))
    }

    /// The next connection and who opened it, waiting as long as `timeout` says; `None`
    /// waits until the listener is closed.
    pub fn accept(&self, timeout: Option<Duration>) -> Result<(TcpStream, SocketAddr), WaitError> {
        let Accepted { stream, peer } = self.0.queue.take(timeout)?;
        Ok((stream, peer))
    }

    /// A descriptor that is readable exactly while [`accept`](Self::accept) would not wait,
    /// also once the listener is closed; for `poll` and every event loop. It is made
    /// by the first call and stays the same and valid as long as a clone of the
    /// listener exists. Only watch it: do not read, write or close it.
    pub fn readiness(&self) -> io::Result<BorrowedFd<'_>> {
        self.0.queue.readiness()
    }

    /// The id of the listener, `None` for the native one.
    pub fn id(&self) -> Option<ListenerId> {
        self.0.id
    }

    /// Closes the listener: wakes everyone blocked in [`accept`](Self::accept), closes the
    /// connections that wait, and frees the id to be used again.
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
        self.owners.remove_listener(self.id, &self.queue);
        self.queue.close();
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        self.close();
    }
}
