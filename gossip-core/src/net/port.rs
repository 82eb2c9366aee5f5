//! The port: its sockets, its loops, and everyone who takes part.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, bounded};
use parking_lot::Mutex;
use tokio::runtime::Handle;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tracing::warn;

use super::accept::{AcceptLoop, Spare};
use super::bind::{Bound, Pair};
use super::buffers::Buffers;
use super::clock::Clock;
use super::error::NetError;
use super::gate::Gate;
use super::listener::Listener;
use super::owners::{Datagram, InboundStream, Owners, PoolInbox};
use super::packets::Packets;
use super::queue::QueueStats;
use super::sniff::Sniffer;
use super::stats::{Counters, PoolCounters, PoolPortStats, PortStats};
use super::udp::{PacketLoop, UdpSender};
use crate::base::ids::{ListenerId, PoolId};
use crate::mux::foreign;
use crate::mux::prefix::Framing;

/// What a port binds, and its limits.
#[derive(Debug, Clone)]
pub struct PortConfig {
    /// Where to bind, TCP and UDP each; all with the same port, 0 for a free one. An IPv6
    /// address is bound for IPv6 alone: `0.0.0.0` and `::` together are every interface.
    pub bind: Vec<SocketAddr>,
    /// How long a new connection may be silent before it is taken to wait for us to speak,
    /// and goes to the native listener. Default 3 s.
    pub sniff_timeout: Duration,
    /// Connections whose first bytes are awaited at one time; more are closed. Default 1024.
    pub max_sniffing: usize,
    /// The same from one address. Default 64.
    pub max_sniffing_per_source: usize,
    /// Connections that wait to be accepted from one listener; more are closed. Default 128.
    pub listener_backlog: usize,
    /// Datagrams that wait for the application's receiver; more are dropped. Default 4096.
    pub packet_queue: usize,
    /// Receive buffer asked of the operating system for each UDP socket, in bytes; it is
    /// halved until granted. Default 2 MiB.
    pub udp_recv_buffer: usize,
    /// Datagrams that wait for one pool; more are dropped. Default 1024.
    pub pool_inbox: usize,
}

impl Default for PortConfig {
    fn default() -> Self {
        Self {
            bind: Vec::new(),
            sniff_timeout: Duration::from_secs(3),
            max_sniffing: 1024,
            max_sniffing_per_source: 64,
            listener_backlog: 128,
            packet_queue: 4096,
            udp_recv_buffer: 2 << 20,
            pool_inbox: 1024,
        }
    }
}

/// Connections that wait for one pool; memberlist answers as many at one time.
pub const POOL_STREAMS: usize = 128;

/// A bound TCP and UDP port and its owners. Pools, listeners and the packet receiver may
/// come and go at any time, before the start and after. Dropping the port closes it.
#[derive(Debug)]
pub struct Port {
    config: PortConfig,
    addrs: Vec<SocketAddr>,
    owners: Arc<Owners>,
    buffers: Arc<Buffers>,
    gate: Arc<Gate>,
    counters: Arc<Counters>,
    sender: UdpSender,
    state: Mutex<State>,
    /// Disconnected when the last socket is closed; nothing is ever sent.
    ended: Receiver<()>,
    ended_async: watch::Receiver<()>,
}

#[derive(Debug)]
enum State {
    Bound(Bound, Ending),
    /// Dropping the sender ends the loops.
    Running {
        _stop: watch::Sender<()>,
    },
    Closed,
}

/// Held by whoever holds the sockets; its end is theirs.
#[derive(Debug)]
struct Ending {
    _blocking: Sender<()>,
    _waking: watch::Sender<()>,
}

/// What waits and is held on a port at one moment.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct PortQueues {
    /// Connections whose first bytes are awaited.
    pub sniffing: usize,
    /// The most of them.
    pub sniffing_limit: usize,
    /// Slots of 2 KiB that hold datagrams, of all pools and the packet receiver.
    pub buffers: usize,
    /// The most of them.
    pub buffers_limit: usize,
    /// The queue of each listener, by a text that names it: `native`, or the id as `0x0102`.
    pub listeners: Vec<(String, QueueStats)>,
    /// The most connections that wait in each.
    pub listener_limit: usize,
    /// The queue of the packet receiver, if there is one.
    pub packets: Option<QueueStats>,
    /// The most datagrams that wait in it.
    pub packets_limit: usize,
}

/// The traffic of one pool.
#[derive(Debug)]
pub struct PoolPort {
    /// Its datagrams, without the prefix. The channel ends when the pool is removed or the
    /// port is closed.
    pub packets: mpsc::Receiver<Datagram>,
    /// The connections opened to it, after the prefix. Ends likewise.
    pub streams: mpsc::Receiver<InboundStream>,
    /// What has reached it so far; to be read also when it is here no more.
    pub counters: Arc<PoolCounters>,
}

impl Port {
    /// Binds every address of `config`; on an error none stays bound. Connections and
    /// datagrams wait in the operating system until the port is started.
    pub fn bind(config: PortConfig) -> Result<Self, NetError> {
        let bound = Bound::bind(&config.bind, config.udp_recv_buffer)?;
        let counters = Arc::new(Counters::default());
        let outgoing = bound.pairs.iter().map(|pair| {
            let socket = pair.udp.try_clone();
            socket.map(|udp| (pair.addr, udp)).map_err(|reason| NetError::Bind {
                protocol: "udp",
                addr: pair.addr,
                reason,
            })
        });
        let sender = UdpSender::new(outgoing.collect::<Result<_, _>>()?, Arc::clone(&counters));
        let (blocking, ended) = bounded(0);
        let (waking, ended_async) = watch::channel(());
        let gate = Gate::new(config.max_sniffing, config.max_sniffing_per_source);
        Ok(Self {
            config,
            gate,
            addrs: bound.addrs(),
            owners: Arc::default(),
            buffers: Buffers::new(),
            counters,
            sender,
            state: Mutex::new(State::Bound(bound, Ending { _blocking: blocking, _waking: waking })),
            ended,
            ended_async,
        })
    }

    /// The bound addresses, with the real port.
    pub fn local_addrs(&self) -> &[SocketAddr] {
        &self.addrs
    }

    /// Starts to receive and accept, in tasks on the runtime behind `handle`, which needs
    /// its I/O and time drivers. On an error the port is closed.
    pub fn start(&self, handle: &Handle, clock: Clock) -> Result<(), NetError> {
        let mut state = self.state.lock();
        match std::mem::replace(&mut *state, State::Closed) {
            State::Bound(bound, ending) => {
                let _runtime = handle.enter();
                let loops = self.loops(bound, &clock).inspect_err(|_| self.release())?;
                let (stop, stopped) = watch::channel(());
                handle.spawn(run(loops, stopped, ending));
                *state = State::Running { _stop: stop };
                Ok(())
            }
            running @ State::Running { .. } => {
                *state = running;
                Err(NetError::Started)
            }
            State::Closed => Err(NetError::Closed),
        }
    }

    /// Adds a pool; from now on its traffic goes to the returned channels.
    pub fn add_pool(&self, id: PoolId, framing: Framing) -> Result<PoolPort, NetError> {
        self.add_pool_with(id, framing, self.config.pool_inbox)
    }

    /// The same with room for `inbox` datagrams instead of the port's `pool_inbox`.
    pub fn add_pool_with(&self, id: PoolId, framing: Framing, inbox: usize) -> Result<PoolPort, NetError> {
        let (packet_sender, packets) = mpsc::channel(inbox.max(1));
        let (stream_sender, streams) = mpsc::channel(POOL_STREAMS);
        let counters = Arc::<PoolCounters>::default();
        let inbox = PoolInbox {
            packets: packet_sender,
            streams: stream_sender,
            account: self.buffers.open_account(),
            counters: Arc::clone(&counters),
        };
        self.owners.add_pool(id, framing, inbox)?;
        Ok(PoolPort { packets, streams, counters })
    }

    /// Removes a pool; its channels end, its late traffic is that of an unknown pool.
    pub fn remove_pool(&self, id: PoolId) {
        self.owners.remove_pool(id);
    }

    /// Takes the connections that begin with the two bytes of `id`.
    pub fn listen(&self, id: ListenerId) -> Result<Listener, NetError> {
        let listener = Listener::register(&self.owners, Some(id), self.config.listener_backlog)?;
        if let Some(protocol) = foreign::natural_owner(id) {
            warn!(%id, protocol, "listener id equals the first bytes of a native protocol");
        }
        Ok(listener)
    }

    /// Takes the connections that are for nobody else.
    pub fn listen_native(&self) -> Result<Listener, NetError> {
        Listener::register(&self.owners, None, self.config.listener_backlog)
    }

    /// Takes the datagrams that are for nobody else.
    pub fn packets(&self) -> Result<Packets, NetError> {
        Packets::register(&self.owners, &self.buffers, self.sender(), self.config.packet_queue)
    }

    /// Sends datagrams from the port.
    pub fn sender(&self) -> UdpSender {
        self.sender.clone()
    }

    /// What has happened so far.
    pub fn stats(&self) -> PortStats {
        self.counters.snapshot()
    }

    /// What waits and is held on the port now.
    pub fn queues(&self) -> PortQueues {
        PortQueues {
            sniffing: self.gate.inside(),
            sniffing_limit: self.config.max_sniffing,
            buffers: self.buffers.held(),
            buffers_limit: self.buffers.limit(),
            listeners: self.owners.listeners(),
            listener_limit: self.config.listener_backlog,
            packets: self.owners.packet_queue(),
            packets_limit: self.config.packet_queue,
        }
    }

    /// What has reached the pool `id` so far, if it is here.
    pub fn pool_stats(&self, id: PoolId) -> Option<PoolPortStats> {
        Some(self.owners.table().pools.get(&id)?.counters.snapshot())
    }

    /// Closes the port for good: every listener and receiver, what is queued, the sockets.
    /// The port number is free when the loops have ended, see [`closed`](Self::closed).
    pub fn close(&self) {
        self.release();
        *self.state.lock() = State::Closed;
    }

    /// Waits until a closed port has let go of its sockets.
    pub async fn closed(&self) {
        let mut ended = self.ended_async.clone();
        while ended.changed().await.is_ok() {}
    }

    /// The same from a thread, at most for `timeout`: whether the sockets are closed.
    pub fn wait_closed(&self, timeout: Duration) -> bool {
        self.ended.recv_timeout(timeout) == Err(crossbeam_channel::RecvTimeoutError::Disconnected)
    }

    /// Lets go of everything but the sockets that receive.
    fn release(&self) {
        self.owners.close();
        self.sender.close();
    }

    /// The loops over `bound`, ready to be run; called inside the runtime.
    fn loops(&self, bound: Bound, clock: &Clock) -> Result<JoinSet<()>, NetError> {
        let sniffer = Arc::new(Sniffer {
            owners: Arc::clone(&self.owners),
            counters: Arc::clone(&self.counters),
            patience: self.config.sniff_timeout,
        });
        let mut loops = JoinSet::new();
        for Pair { tcp, udp, .. } in bound.pairs {
            let tcp = tokio::net::TcpListener::from_std(tcp).map_err(NetError::Register)?;
            let udp = tokio::net::UdpSocket::from_std(udp).map_err(NetError::Register)?;
            let accept_loop = AcceptLoop {
                sniffer: Arc::clone(&sniffer),
                gate: Arc::clone(&self.gate),
                counters: Arc::clone(&self.counters),
                spare: Spare::new(),
            };
            let packet_loop = PacketLoop {
                owners: Arc::clone(&self.owners),
                counters: Arc::clone(&self.counters),
                clock: clock.clone(),
            };
            loops.spawn(accept_loop.run(tcp));
            loops.spawn(packet_loop.run(udp));
        }
        Ok(loops)
    }
}

impl Drop for Port {
    fn drop(&mut self) {
        self.close();
    }
}

/// Lets `loops` run until the port is closed, then ends them and waits for their end.
async fn run(mut loops: JoinSet<()>, mut stopped: watch::Receiver<()>, ending: Ending) {
    while stopped.changed().await.is_ok() {}
    loops.shutdown().await;
    drop(ending);
}
