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

use super::buffers::{Account, PacketBuf};
use super::error::NetError;
use super::queue::{Queue, QueueStats};
use super::stats::PoolCounters;
use crate::base::ids::{ListenerId, PoolId};
use crate::base::time::Time;
use crate::mux::prefix::Framing;
use crate::mux::routes::Routes;

/// The owners of one port.
#[derive(Debug, Default)]
pub(super) struct Owners {
    table: ArcSwap<Table>,
    /// Held while a new table is made.
    writing: Mutex<()>,
}

/// Who owns what, at one moment.
#[derive(Debug, Clone, Default)]
pub(super) struct Table {
    pub(super) routes: Routes,
    pub(super) pools: BTreeMap<PoolId, Arc<PoolInbox>>,
    pub(super) listeners: BTreeMap<ListenerId, Arc<Queue<Accepted>>>,
    pub(super) native: Option<Arc<Queue<Accepted>>>,
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
    pub(super) packets: mpsc::Sender<Datagram>,
    pub(super) streams: mpsc::Sender<InboundStream>,
    pub(super) account: Arc<Account>,
    pub(super) counters: Arc<PoolCounters>,
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
    /// The table as it is now.
    pub(super) fn table(&self) -> Guard<Arc<Table>> {
        self.table.load()
    }

    pub(super) fn add_pool(&self, id: PoolId, framing: Framing, inbox: PoolInbox) -> Result<(), NetError> {
        self.change(|table| {
            table.routes.add_pool(id, framing)?;
            table.pools.insert(id, Arc::new(inbox));
            Ok(())
        })
    }

    pub(super) fn remove_pool(&self, id: PoolId) {
        self.forget(|table| {
            table.routes.remove_pool(id);
            table.pools.remove(&id);
        });
    }

    pub(super) fn add_listener(&self, id: ListenerId, queue: &Arc<Queue<Accepted>>) -> Result<(), NetError> {
        self.change(|table| {
            table.routes.add_listener(id)?;
            table.listeners.insert(id, Arc::clone(queue));
            Ok(())
        })
    }

    pub(super) fn add_native_listener(&self, queue: &Arc<Queue<Accepted>>) -> Result<(), NetError> {
        self.change(|table| {
            table.routes.add_native_listener()?;
            table.native = Some(Arc::clone(queue));
            Ok(())
        })
    }

    /// Forgets the listener behind `queue`; its id may be another's already.
    pub(super) fn remove_listener(&self, id: Option<ListenerId>, queue: &Arc<Queue<Accepted>>) {
        let is_it = |holder: &Arc<Queue<Accepted>>| Arc::ptr_eq(holder, queue);
        self.forget(|table| match id {
            Some(id) if table.listeners.get(&id).is_some_and(is_it) => {
                table.routes.remove_listener(id);
                table.listeners.remove(&id);
            }
            None if table.native.as_ref().is_some_and(is_it) => {
                table.routes.remove_native_listener();
                table.native = None;
            }
            _ => {}
        });
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

    /// Every listener as a text that names it, the native one first, with what has passed
    /// through its queue.
    pub(super) fn listeners(&self) -> Vec<(String, QueueStats)> {
        let table = self.table();
        let native = table.native.iter().map(|queue| ("native".to_owned(), queue.stats()));
        let by_id = table.listeners.iter().map(|(id, queue)| (id.to_string(), queue.stats()));
        native.chain(by_id).collect()
    }

    /// What has passed through the queue of the packet receiver, if there is one.
    pub(super) fn packet_queue(&self) -> Option<QueueStats> {
        self.table().packets.as_ref().map(|inbox| inbox.queue.stats())
    }

    /// Forgets everyone, for good; closes what the application waits on.
    pub(super) fn close(&self) {
        let _writing = self.writing.lock();
        let table = self.table.swap(Arc::new(Table { closed: true, ..Table::default() }));
        for queue in table.listeners.values().chain(&table.native) {
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
