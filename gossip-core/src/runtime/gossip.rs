//! The node as the application holds it.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use crate::base::ids::PoolId;
use crate::base::name::NodeName;
use crate::mux::listener::ListenerName;
use crate::mux::routes::listener_id;
use crate::net::error::NetError;
use crate::net::inherited::Sockets;
use crate::net::listener::{ListenOptions, Listener};
use crate::net::packets::Packets;
use crate::net::queue::QueueStats;
use crate::net::stats::PortStats;
use crate::pool::config::PoolConfig;
use crate::pool::error::CommandError;
use crate::runtime::config::Config;
use crate::runtime::delegate::Delegate;
use crate::runtime::error::{Error, from_net};
use crate::runtime::input::Task;
use crate::runtime::log::{LogLevel, LogSink, LogStats};
use crate::runtime::metrics;
use crate::runtime::node::Node;
use crate::runtime::pool::Pool;

/// The node that owns the port. Clones are the same node.
///
/// Every function may be called from any thread, callbacks included, except that a
/// callback cannot shut down the node that runs it. Pools, listeners and the packet
/// receiver may outlive the node: they answer that it is closed.
///
/// Dropping the last clone ends the node without a goodbye, so that the others will take
/// it for dead; call [`leave`](Self::leave) and [`shutdown`](Self::shutdown) to part well.
///
/// ```
/// use std::time::Duration;
/// use gossip_core::{Config, Error, Gossip, PoolConfig};
///
/// # fn main() -> Result<(), Error> {
/// let gossip = Gossip::new(Config {
///     name: "first".into(),
///     bind_addr: vec![[127, 0, 0, 1].into()],
///     bind_port: 0,
///     ..Config::default()
/// })?;
/// let pool = gossip.register_pool(PoolConfig::local(1), None)?;
/// gossip.start()?;
/// assert_eq!(pool.num_members(), 1);
/// gossip.leave(Duration::from_secs(5))?;
/// gossip.shutdown(Duration::from_secs(5))
/// # }
/// ```
#[derive(Clone)]
pub struct Gossip(Arc<Owner>);

/// What all clones share; its drop is that of the last one.
struct Owner(Arc<Node>);

impl Gossip {
    /// Checks the configuration and binds the port, TCP and UDP; nothing is served before
    /// [`start`](Self::start). On an error nothing is open.
    pub fn new(config: Config) -> Result<Self, Error> {
        Node::open_port(config, None).map(|node| Self(Arc::new(Owner(node))))
    }

    /// The same over sockets that are bound already, so that a service manager can hold the
    /// port while the program restarts, or a privileged one can be had without privilege.
    /// Each address needs a TCP and a UDP socket, all with one port number. `bind_addr` and
    /// `bind_port` of `config` are not looked at: [`config`](Self::config) shows those of the
    /// sockets. From here on the sockets are the node's, which closes them at its end, or at
    /// once on an error; connections that wait in them are kept.
    ///
    /// This function does not read what systemd passes (`LISTEN_FDS`, `LISTEN_PID`,
    /// `LISTEN_FDNAMES`): to take a bare number for a descriptor is unsafe in Rust, and this
    /// crate has no unsafe code. That is left to the C library, and to crates made for it.
    ///
    /// ```
    /// use std::net::{TcpListener, UdpSocket};
    /// use gossip_core::{Config, Error, Gossip, Sockets};
    ///
    /// # fn main() -> Result<(), Error> {
    /// # let (tcp, udp) = loop {
    /// #     let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
    /// #     if let Ok(udp) = UdpSocket::bind(tcp.local_addr().unwrap()) {
    /// #         break (tcp, udp);
    /// #     }
    /// # };
    /// # let addr = tcp.local_addr().unwrap();
    /// let sockets = Sockets { tcp: vec![tcp], udp: vec![udp] };
    /// let gossip = Gossip::with_sockets(Config { name: "first".into(), ..Config::default() }, sockets)?;
    /// assert_eq!(gossip.local_addr(), addr);
    /// # Ok(())
    /// # }
    /// ```
    pub fn with_sockets(config: Config, sockets: Sockets) -> Result<Self, Error> {
        Node::open_port(config, Some(sockets)).map(|node| Self(Arc::new(Owner(node))))
    }

    /// Serves the port and starts every registered pool. All or nothing; a second call
    /// does nothing.
    pub fn start(&self) -> Result<(), Error> {
        self.node().start()
    }

    /// The name of this node in all pools that give it no other.
    pub fn node_name(&self) -> &NodeName {
        &self.node().identity.name
    }

    /// The first bound address, with the real port.
    pub fn local_addr(&self) -> SocketAddr {
        self.node().port.local_addr()
    }

    /// Every bound address, with the real port.
    pub fn local_addrs(&self) -> &[SocketAddr] {
        self.node().port.local_addrs()
    }

    /// The address told to others.
    pub fn advertise_addr(&self) -> SocketAddr {
        self.node().identity.addr.socket_addr()
    }

    /// The configuration of the node.
    pub fn config(&self) -> &Config {
        &self.node().config
    }

    /// Adds a pool, at any time; on a running node it starts at once. On an error, such as
    /// an id, a label or the place of the bare pool being taken, nothing has changed.
    pub fn register_pool(
        &self,
        config: PoolConfig,
        delegate: Option<Arc<dyn Delegate>>,
    ) -> Result<Pool, Error> {
        self.node().register(config, delegate).map(Pool)
    }

    /// The pool with this id.
    pub fn pool(&self, id: PoolId) -> Option<Pool> {
        self.node().pool(id).map(Pool)
    }

    /// Every pool, sorted by id.
    pub fn pools(&self) -> Vec<Pool> {
        self.node().pools().into_iter().map(Pool).collect()
    }

    /// Takes the connections that begin with the two bytes of `id`, before the start or
    /// after. Ids from `0xFE00` to `0xFEFF` belong to pools.
    pub fn listen(&self, id: u16) -> Result<Listener, Error> {
        let id = listener_id(id).map_err(NetError::from)?;
        self.listen_with(ListenerName::Id(id), ListenOptions::default())
    }

    /// Takes the connections that begin with `prefix`, 1 to 64 bytes, and leaves all bytes in
    /// them, so that several native protocols can share the port: `\x16\x03` is TLS,
    /// `PRI * HTTP/2.0` is HTTP/2 in the clear, `SSH-` is SSH. Of several prefixes that fit
    /// the longest counts; bytes that may still become a longer one are awaited for
    /// `sniff_timeout`. What fits no prefix goes to the native listener at once.
    ///
    /// Refused are prefixes whose connections another owner may be meant by: the same prefix
    /// again, one that begins with `0xFE` or as a listener id does, or as connections of a
    /// label pool or of the bare pool may.
    pub fn listen_prefix(&self, prefix: &[u8]) -> Result<Listener, Error> {
        let name = ListenerName::Prefix(Bytes::copy_from_slice(prefix));
        self.listen_with(name, ListenOptions::default())
    }

    /// Takes the connections that are for nobody else. Those whose peer keeps silent for
    /// `sniff_timeout`, because in its protocol the server speaks first, are among them.
    pub fn listen_tcp(&self) -> Result<Listener, Error> {
        self.listen_with(ListenerName::Native, ListenOptions::default())
    }

    /// Takes the connections that `name` names, with a backlog of its own.
    pub fn listen_with(&self, name: ListenerName, options: ListenOptions) -> Result<Listener, Error> {
        options.check()?;
        self.node().port.listen(name, options).map_err(from_net)
    }

    /// Takes the datagrams that are for nobody else, and sends from the shared port.
    pub fn packets(&self) -> Result<Packets, Error> {
        self.node().port.packets().map_err(from_net)
    }

    /// Says goodbye in every pool; one deadline for all. The first error is returned, the
    /// other pools leave all the same.
    pub fn leave(&self, timeout: Duration) -> Result<(), Error> {
        self.node().check_open()?;
        let begun: Vec<_> =
            self.pools().into_iter().map(|pool| (pool.begin(Task::Leave, timeout), pool)).collect();
        let mut result = Ok(());
        for (leaving, pool) in begun {
            let left = match leaving.and_then(|leaving| pool.end(leaving, timeout)) {
                // Others who have left already are no reason to complain.
                Err(Error::Command(CommandError::HasLeft)) => Ok(()),
                other => other.map(|_| ()),
            };
            result = result.and(left);
        }
        result
    }

    /// Ends the node: stops accepting, wakes whoever is blocked in a call, waits for
    /// callbacks that run, and frees port, threads and descriptors. After `Ok` no callback
    /// runs or ever will, and every delegate has been let go.
    ///
    /// `Timeout` means that a callback still runs; everything else has ended, and a further
    /// call goes on waiting. Several threads may call. In a callback or a log sink for which it would wait,
    /// of this node or in a circle of those that wait for each other, it is
    /// refused with [`Error::Deadlock`] and nothing ends. Nobody is told: see
    /// [`leave`](Self::leave).
    pub fn shutdown(&self, timeout: Duration) -> Result<(), Error> {
        self.node().shutdown(timeout)
    }

    /// Gives what this node logs to `sink`, up to `level`, instead of the program's
    /// `tracing` subscriber; `None` gives it back to that. May be called at any time, also
    /// only to change the level.
    ///
    /// The sink is called by a thread of the node, one record at a time, with no lock held;
    /// it may call every function of the API but a [`shutdown`](Self::shutdown) that would wait
    /// for it, which is refused. What it logs itself, or causes in its own thread, is not given to it again. A
    /// panic is caught and counted. If it is slow, up to 1024 records wait and further ones are
    /// dropped; the next record says how many ([`log_stats`](Self::log_stats) counts both).
    ///
    /// A sink that is replaced or removed may be in a last call when this returns, and is let
    /// go after it. What waits is told to the new one as far as its level goes; the rest is
    /// dropped and counted. When the node ends, what waits is told for at most a second; after
    /// `shutdown` the sink is called no more and has been let go.
    ///
    /// On an error the sink is as before: [`Error::Closed`] after the shutdown,
    /// [`Error::System`] if there is no thread to be had.
    ///
    /// ```
    /// # use gossip_core::{Config, Gossip, LogLevel, Record};
    /// # use std::sync::Arc;
    /// # fn main() -> Result<(), gossip_core::Error> {
    /// # let bind_addr = vec![[127, 0, 0, 1].into()];
    /// # let config = Config { name: "a".into(), bind_addr, bind_port: 0, ..Config::default() };
    /// let gossip = Gossip::new(config)?;
    /// gossip.set_log(LogLevel::Info, Some(Arc::new(|record: &Record| eprintln!("{record}"))))?;
    /// gossip.start()
    /// # }
    /// ```
    pub fn set_log(&self, level: LogLevel, sink: Option<LogSink>) -> Result<(), Error> {
        self.node().log.set(level, sink)
    }

    /// What became of the records of this node while it had a sink.
    pub fn log_stats(&self) -> LogStats {
        self.node().log.stats()
    }

    /// Whether the node has been started and not shut down.
    pub fn is_running(&self) -> bool {
        self.node().is_running()
    }

    /// The receive buffer that the system granted each UDP socket, the smallest of them, in bytes.
    pub fn udp_recv_buffer(&self) -> usize {
        self.node().port.recv_buffer()
    }

    /// What has passed through the port, and what was dropped.
    pub fn stats(&self) -> PortStats {
        self.node().port.stats()
    }

    /// What has passed through each listener that is open, sorted by name.
    pub fn listener_stats(&self) -> Vec<(ListenerName, QueueStats)> {
        self.node().port.listener_stats()
    }

    /// What has passed through the packet receiver, if one is open.
    pub fn packet_stats(&self) -> Option<QueueStats> {
        self.node().port.packet_stats()
    }

    /// The metrics of the port, its listeners and all pools as text for Prometheus (format
    /// 0.0.4); `docs/metrics.md` lists them. Serve it as
    /// `text/plain; version=0.0.4; charset=utf-8`.
    ///
    /// Works in every state of the node, also from callbacks. Waits for the pools' tasks,
    /// never for a callback. A pool that has ended is no longer among them; its
    /// [`Pool::metrics`] tells what it had counted.
    pub fn metrics(&self) -> String {
        metrics::text(Some(&self.node().port), &self.pools())
    }

    fn node(&self) -> &Arc<Node> {
        &self.0.0
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        self.0.abandon();
    }
}

impl fmt::Debug for Gossip {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gossip")
            .field("name", self.node_name())
            .field("addrs", &self.local_addrs())
            .finish_non_exhaustive()
    }
}
