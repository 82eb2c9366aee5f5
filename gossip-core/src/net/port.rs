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

use super::accept::{AcceptLoop, Door, Spare};
use super::arrivals::{Arrivals, arrivals};
use super::bind::Bound;
use super::buffers::Buffers;
use super::clock::Clock;
use super::error::NetError;
use super::gate::Gate;
use super::inherited::Sockets;
use super::listener::{ListenOptions, Listener};
use super::owners::{InboundStream, Owners, PoolInbox};
use super::packets::Packets;
use super::queue::QueueStats;
use super::scope::Scope;
use super::sniff::Sniffer;
use super::stats::{Counters, PoolCounters, PoolPortStats, PortStats};
use super::udp::{PacketLoop, UdpSender, scratch};
use crate::base::ids::PoolId;
use crate::base::limit::Limiter;
use crate::mux::foreign;
use crate::mux::listener::ListenerName;
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
    /// Connections that wait to be accepted from one listener, unless it has a backlog of its
    /// own; more are closed. Default 128.
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
    owners: Arc<Owners>,
    buffers: Arc<Buffers>,
    gate: Arc<Gate>,
    counters: Arc<Counters>,
    sender: UdpSender,
    scope: Scope,
    /// The smallest receive buffer of a UDP socket.
    recv_buffer: usize,
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
    /// The queue of each listener, sorted by name.
    pub listeners: Vec<(ListenerName, QueueStats)>,
    /// The queue of the packet receiver, if there is one.
    pub packets: Option<QueueStats>,
}

/// The traffic of one pool.
#[derive(Debug)]
pub struct PoolPort {
    /// Its datagrams, without the prefix.
    pub packets: Arrivals,
    /// The connections opened to it, after the prefix. The channel ends when the pool is removed
    /// or the port is closed.
    pub streams: mpsc::Receiver<InboundStream>,
    /// What has reached it so far; to be read also when it is here no more.
    pub counters: Arc<PoolCounters>,
}

impl Port {
    /// Binds every address of `config`; on an error none stays bound. Connections and
    /// datagrams wait in the operating system until the port is started.
    pub fn bind(config: PortConfig) -> Result<Self, NetError> {
        let bound = Bound::bind(&config.bind, config.udp_recv_buffer)?;
        Self::over(bound, config)
    }

    /// The same over `sockets` that are bound already, whatever `config` says of binding; on
    /// an error they are closed.
    pub fn adopt(sockets: Sockets, config: PortConfig) -> Result<Self, NetError> {
        let bound = Bound::adopt(sockets, config.udp_recv_buffer)?;
        Self::over(bound, config)
    }

    fn over(bound: Bound, config: PortConfig) -> Result<Self, NetError> {
        let counters = Arc::new(Counters::default());
        let sender = UdpSender::new(&bound.udp, Arc::clone(&counters)).map_err(|reason| NetError::Bind {
            protocol: "udp",
            addr: bound.addrs[0],
            reason,
        })?;
        let (blocking, ended) = bounded(0);
        let (waking, ended_async) = watch::channel(());
        let gate = Gate::new(config.max_sniffing, config.max_sniffing_per_source);
        Ok(Self {
            config,
            gate,
            owners: Owners::new(bound.addrs.clone()),
            buffers: Buffers::new(),
            counters,
            sender,
            scope: Scope::default(),
            recv_buffer: bound.recv_buffer(),
            state: Mutex::new(State::Bound(bound, Ending { _blocking: blocking, _waking: waking })),
            ended,
            ended_async,
        })
    }

    /// The same port, whose tasks log in `scope`. Without one they log to the program's
    /// subscriber, in no span.
    pub fn logging_to(mut self, scope: Scope) -> Self {
        self.scope = scope;
        self
    }

    /// The receive buffer that the operating system granted, in bytes; of several sockets
    /// the smallest.
    pub fn recv_buffer(&self) -> usize {
        self.recv_buffer
    }

    /// The first of the bound addresses, with the real port.
    pub fn local_addr(&self) -> SocketAddr {
        self.owners.addr()
    }

    /// The bound addresses, with the real port.
    pub fn local_addrs(&self) -> &[SocketAddr] {
        self.owners.addrs()
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
        self.add_pool_with(id, framing, None, self.config.pool_inbox)
    }

    /// The same, perhaps under a second framing, with room for `inbox` datagrams instead of
    /// the port's `pool_inbox`.
    pub fn add_pool_with(
        &self,
        id: PoolId,
        framing: Framing,
        other: Option<Framing>,
        inbox: usize,
    ) -> Result<PoolPort, NetError> {
        let (putter, packets) = arrivals(inbox);
        let (stream_sender, streams) = mpsc::channel(POOL_STREAMS);
        let counters = Arc::<PoolCounters>::default();
        let inbox = PoolInbox {
            packets: putter,
            streams: stream_sender,
            account: self.buffers.open_account(),
            counters: Arc::clone(&counters),
            limiter: Mutex::default(),
        };
        self.owners.add_pool(id, framing, other, inbox)?;
        Ok(PoolPort { packets, streams, counters })
    }

    /// Lets a pool answer to other framings from now on; on an error nothing has changed.
    pub fn set_framing(&self, id: PoolId, framing: Framing, other: Option<Framing>) -> Result<(), NetError> {
        self.owners.set_framing(id, framing, other)
    }

    /// Removes a pool; its channels end, its late traffic is that of an unknown pool.
    pub fn remove_pool(&self, id: PoolId) {
        self.owners.remove_pool(id);
    }

    /// Takes the connections that `name` names.
    pub fn listen(&self, name: ListenerName, options: ListenOptions) -> Result<Listener, NetError> {
        let native_protocol = match &name {
            ListenerName::Id(id) => foreign::natural_owner(*id),
            ListenerName::Native | ListenerName::Prefix(_) => None,
        };
        let backlog = options.backlog.unwrap_or(self.config.listener_backlog);
        let listener = Listener::register(&self.owners, name, backlog)?;
        if let Some(protocol) = native_protocol {
            self.scope.enter(|| {
                warn!(
                    listener = %listener.name(),
                    protocol,
                    hint = "its connections go to this listener; take another id if the port serves it natively",
                    "listener takes the connections of a native protocol"
                );
            });
        }
        Ok(listener)
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
            listeners: self.owners.listener_stats(),
            packets: self.owners.packet_queue(),
        }
    }

    /// What has reached the pool `id` so far, if it is here.
    pub fn pool_stats(&self, id: PoolId) -> Option<PoolPortStats> {
        Some(self.owners.table().pools.get(&id)?.counters.snapshot())
    }

    /// What has passed through each listener so far, sorted by name.
    pub fn listener_stats(&self) -> Vec<(ListenerName, QueueStats)> {
        self.owners.listener_stats()
    }

    /// What has passed through the packet receiver so far, if there is one.
    pub fn packet_stats(&self) -> Option<QueueStats> {
        Some(self.owners.table().packets.as_ref()?.queue.stats())
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
            clock: clock.clone(),
            limiter: Mutex::default(),
        });
        let mut loops = JoinSet::new();
        for tcp in bound.tcp {
            let door = Door::new(tcp).map_err(NetError::Register)?;
            let accept_loop = AcceptLoop {
                sniffer: Arc::clone(&sniffer),
                gate: Arc::clone(&self.gate),
                counters: Arc::clone(&self.counters),
                spare: Spare::new(),
                scope: self.scope.clone(),
                clock: clock.clone(),
                limiter: Limiter::default(),
            };
            loops.spawn(self.scope.clone().run(accept_loop.run(door)));
        }
        for udp in bound.udp {
            let scratch = scratch().map_err(NetError::Register)?;
            let packet_loop = PacketLoop {
                owners: Arc::clone(&self.owners),
                counters: Arc::clone(&self.counters),
                clock: clock.clone(),
                limiter: Mutex::default(),
            };
            loops.spawn(self.scope.clone().run(packet_loop.run(Arc::new(udp), scratch)));
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
