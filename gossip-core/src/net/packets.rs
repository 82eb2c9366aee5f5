//! Datagrams of the application, on the port that gossip uses too.

use std::io;
use std::net::SocketAddr;
use std::os::fd::BorrowedFd;
use std::sync::Arc;
use std::time::Duration;

use super::buffers::Buffers;
use super::error::{NetError, WaitError};
use super::owners::{Datagram, Owners, PacketInbox};
use super::queue::{Queue, QueueStats};
use super::udp::UdpSender;
use crate::base::ids::PoolId;

/// The largest datagram: what IPv4 leaves after its header and UDP's.
pub const MAX_DATAGRAM: usize = 65_507;

/// Takes the datagrams that are for no pool, and sends others. Cheap to clone; the last
/// clone that is dropped closes it. Every function may be called from any thread.
///
/// It has no descriptor of its own: the sockets belong to the port, which hands over what
/// is the application's.
#[derive(Debug, Clone)]
pub struct Packets(Arc<Registration>);

#[derive(Debug)]
struct Registration {
    inbox: Arc<PacketInbox>,
    sender: UdpSender,
    owners: Arc<Owners>,
}

impl Packets {
    pub(super) fn register(
        owners: &Arc<Owners>,
        buffers: &Arc<Buffers>,
        sender: UdpSender,
        limit: usize,
    ) -> Result<Self, NetError> {
        let inbox = Arc::new(PacketInbox { queue: Queue::new(limit), account: buffers.open_account() });
        owners.add_packets(&inbox)?;
        Ok(Self(Arc::new(Registration { inbox, sender, owners: Arc::clone(owners) })))
    }

    /// The next datagram, whole, waiting as long as `timeout` says; `None` waits until the
    /// receiver is closed. Its buffer is the port's: drop it soon, or copy what is kept.
    pub fn recv(&self, timeout: Option<Duration>) -> Result<Datagram, WaitError> {
        self.0.inbox.queue.take(timeout)
    }

    /// The same for a datagram of at most `limit` bytes. A longer one stays the next one, and
    /// its length is told.
    pub fn recv_up_to(
        &self,
        limit: usize,
        timeout: Option<Duration>,
    ) -> Result<Result<Datagram, usize>, WaitError> {
        self.0.inbox.queue.take_if(timeout, |datagram| match datagram.bytes.len() {
            len if len > limit => Err(len),
            _ => Ok(()),
        })
    }

    /// A descriptor that is readable exactly while [`recv`](Self::recv) would not wait,
    /// also once the receiver is closed; for `poll` and every event loop. It is made
    /// by the first call and stays the same and valid as long as a clone of the
    /// receiver exists. Only watch it: do not read, write or close it. A datagram that a
    /// thread takes which blocks in `recv` does not show.
    pub fn readiness(&self) -> io::Result<BorrowedFd<'_>> {
        self.0.inbox.queue.readiness()
    }

    /// The same, and a socket to the system, which some languages and frameworks insist on.
    /// Call one of the two: the first call decides what there is.
    pub fn readiness_socket(&self) -> io::Result<BorrowedFd<'_>> {
        self.0.inbox.queue.readiness_socket()
    }

    /// Sends `datagram` to `to` from the shared port, without waiting.
    pub fn send_to(&self, datagram: &[u8], to: SocketAddr) -> Result<(), NetError> {
        if self.0.inbox.queue.is_closed() {
            return Err(NetError::Closed);
        }
        if datagram.first() == Some(&PoolId::MAGIC) {
            return Err(NetError::ReservedByte);
        }
        if datagram.len() > MAX_DATAGRAM {
            return Err(NetError::TooLarge { len: datagram.len(), limit: MAX_DATAGRAM });
        }
        self.0.sender.try_send_to(datagram, to)
    }

    /// The first address of the port, with the real port number.
    pub fn local_addr(&self) -> SocketAddr {
        self.0.owners.addr()
    }

    /// Every address of the port, with the real port number; a datagram leaves from the one
    /// that suits its destination best.
    pub fn local_addrs(&self) -> &[SocketAddr] {
        self.0.owners.addrs()
    }

    /// Closes the receiver: wakes everyone blocked in [`recv`](Self::recv), drops what
    /// waits, and lets another be registered.
    pub fn close(&self) {
        self.0.close();
    }

    /// What has passed through, and what waits.
    pub fn stats(&self) -> QueueStats {
        self.0.inbox.queue.stats()
    }
}

impl Registration {
    fn close(&self) {
        self.owners.remove_packets(&self.inbox);
        self.inbox.queue.close();
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        self.close();
    }
}
