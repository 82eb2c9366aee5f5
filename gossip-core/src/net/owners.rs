//! Everyone who takes part on the port: the routes, and the queues that belong to them.
//!
//! One immutable table, replaced whole by whoever registers or leaves, read without a
//! lock for each packet and connection.

use std::collections::BTreeMap;
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;

use arc_swap::{ArcSwap, Guard};
use parking_lot::Mutex;
use tokio::sync::mpsc;

use super::arrivals::Putter;
use super::buffers::{Account, PacketBuf};
use super::error::NetError;
use super::queue::{Queue, QueueStats};
use super::stats::PoolCounters;
use crate::base::ids::PoolId;
use crate::base::limit::Limiter;
use crate::base::time::Time;
use crate::mux::listener::ListenerName;
use crate::mux::prefix::Framing;
use crate::mux::routes::Routes;

/// The owners of one port.
#[derive(Debug)]
pub(super) struct Owners {
    /// The addresses of the port, one at least.
    addrs: Vec<SocketAddr>,
    table: ArcSwap<Table>,
    /// Held while a new table is made.
    writing: Mutex<()>,
}

/// Who owns what, at one moment.
#[derive(Debug, Clone, Default)]
pub(super) struct Table {
    pub(super) routes: Routes,
    pub(super) pools: BTreeMap<PoolId, Arc<PoolInbox>>,
    pub(super) listeners: BTreeMap<ListenerName, Arc<Queue<Accepted>>>,
    pub(super) packets: Option<Arc<PacketInbox>>,
    /// No one may register any more.
    closed: bool,
}

/// A connection for the application: blocking, and ours no more.
#[derive(Debug)]
pub(super) struct Accepted {
    pub(super) stream: TcpStream,
    pub(super) peer: SocketAddr,
}

/// Where the traffic of a pool goes.
#[derive(Debug)]
pub(super) struct PoolInbox {
    pub(super) packets: Putter,
    pub(super) streams: mpsc::Sender<InboundStream>,
    pub(super) account: Arc<Account>,
    pub(super) counters: Arc<PoolCounters>,
    /// Of warnings about this pool's queues.
    pub(super) limiter: Mutex<Limiter>,
}

/// Where the application's datagrams go.
#[derive(Debug)]
pub(super) struct PacketInbox {
    pub(super) queue: Queue<Datagram>,
    pub(super) account: Arc<Account>,
}

/// One datagram, without the prefix that named its pool.
#[derive(Debug)]
pub struct Datagram {
    /// Who sent it.
    pub from: SocketAddr,
    /// When it was read from the socket.
    pub received: Time,
    /// Its bytes.
    pub bytes: PacketBuf,
}

impl Datagram {
    /// The bytes, to be decoded in place.
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        &mut self.bytes
    }
}

/// A connection that was opened to a pool, after its prefix.
#[derive(Debug)]
pub struct InboundStream {
    /// The connection, driven by the runtime of the port.
    pub stream: tokio::net::TcpStream,
    /// Who opened it.
    pub peer: SocketAddr,
}

impl Owners {
    /// Nobody yet, on a port with these addresses, one at least.
    pub(super) fn new(addrs: Vec<SocketAddr>) -> Arc<Self> {
        Arc::new(Self { addrs, table: ArcSwap::default(), writing: Mutex::default() })
    }

    /// The first address of the port.
    pub(super) fn addr(&self) -> SocketAddr {
        self.addrs[0]
    }

    /// The addresses of the port, also when it is closed.
    pub(super) fn addrs(&self) -> &[SocketAddr] {
        &self.addrs
    }

    /// The table as it is now.
    pub(super) fn table(&self) -> Guard<Arc<Table>> {
        self.table.load()
    }

    pub(super) fn add_pool(
        &self,
        id: PoolId,
        framing: Framing,
        other: Option<Framing>,
        inbox: PoolInbox,
    ) -> Result<(), NetError> {
        self.change(|table| {
            table.routes.add_pool_under(id, framing, other)?;
            table.pools.insert(id, Arc::new(inbox));
            Ok(())
        })
    }

    pub(super) fn set_framing(
        &self,
        id: PoolId,
        framing: Framing,
        other: Option<Framing>,
    ) -> Result<(), NetError> {
        self.change(|table| Ok(table.routes.set_framing(id, framing, other)?))
    }

    pub(super) fn remove_pool(&self, id: PoolId) {
        self.forget(|table| {
            table.routes.remove_pool(id);
            table.pools.remove(&id);
        });
    }

    pub(super) fn add_listener(
        &self,
        name: &ListenerName,
        queue: &Arc<Queue<Accepted>>,
    ) -> Result<(), NetError> {
        self.change(|table| {
            table.routes.add_listener(name.clone())?;
            table.listeners.insert(name.clone(), Arc::clone(queue));
            Ok(())
        })
    }

    /// Forgets the listener behind `queue`; its name may be another's already.
    pub(super) fn remove_listener(&self, name: &ListenerName, queue: &Arc<Queue<Accepted>>) {
        self.forget(|table| {
            if table.listeners.get(name).is_some_and(|holder| Arc::ptr_eq(holder, queue)) {
                table.routes.remove_listener(name);
                table.listeners.remove(name);
            }
        });
    }

    /// What has passed through each listener, sorted by name.
    pub(super) fn listener_stats(&self) -> Vec<(ListenerName, QueueStats)> {
        self.table().listeners.iter().map(|(name, queue)| (name.clone(), queue.stats())).collect()
    }

    pub(super) fn add_packets(&self, inbox: &Arc<PacketInbox>) -> Result<(), NetError> {
        self.change(|table| {
            table.routes.add_packet_receiver()?;
            table.packets = Some(Arc::clone(inbox));
            Ok(())
        })
    }

    /// Forgets the packet receiver behind `inbox`; another may have registered already.
    pub(super) fn remove_packets(&self, inbox: &Arc<PacketInbox>) {
        self.forget(|table| {
            if table.packets.as_ref().is_some_and(|holder| Arc::ptr_eq(holder, inbox)) {
                table.routes.remove_packet_receiver();
                table.packets = None;
            }
        });
    }

    /// What has passed through the queue of the packet receiver, if there is one.
    pub(super) fn packet_queue(&self) -> Option<QueueStats> {
        self.table().packets.as_ref().map(|inbox| inbox.queue.stats())
    }

    /// Forgets everyone, for good; closes what the application waits on.
    pub(super) fn close(&self) {
        let _writing = self.writing.lock();
        let table = self.table.swap(Arc::new(Table { closed: true, ..Table::default() }));
        for queue in table.listeners.values() {
            queue.close();
        }
        if let Some(inbox) = &table.packets {
            inbox.queue.close();
        }
    }

    fn change(&self, edit: impl FnOnce(&mut Table) -> Result<(), NetError>) -> Result<(), NetError> {
        let _writing = self.writing.lock();
        let mut table = Table::clone(&self.table.load());
        if table.closed {
            return Err(NetError::Closed);
        }
        edit(&mut table)?;
        self.table.store(Arc::new(table));
        Ok(())
    }

    fn forget(&self, edit: impl FnOnce(&mut Table)) {
        let _writing = self.writing.lock();
        let mut table = Table::clone(&self.table.load());
        edit(&mut table);
        self.table.store(Arc::new(table));
    }
}
