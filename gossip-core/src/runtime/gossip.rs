//! The node as the application holds it.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use crate::base::ids::PoolId;
use crate::base::name::NodeName;
use crate::mux::routes::listener_id;
use crate::net::error::NetError;
use crate::net::listener::Listener;
use crate::net::packets::Packets;
use crate::net::stats::PortStats;
use crate::pool::config::PoolConfig;
use crate::pool::error::CommandError;
use crate::runtime::config::Config;
use crate::runtime::delegate::Delegate;
use crate::runtime::error::{Error, from_net};
use crate::runtime::input::Task;
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
/// use gossip_core::pool::config::PoolConfig;
/// use gossip_core::runtime::{config::Config, error::Error, gossip::Gossip};
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
        Node::bind(config).map(|node| Self(Arc::new(Owner(node))))
    }

    /// Serves the port and starts every registered pool. All or nothing; a second call
    /// does nothing.
    pub fn start(&self) -> Result<(), Error> {
        self.node().start()
    }

    /// The name of this node in all its pools.
    pub fn node_name(&self) -> &NodeName {
        &self.node().identity.name
    }

    /// The first bound address, with the real port.
    pub fn local_addr(&self) -> SocketAddr {
        // A port is bound to one address at least.
        self.local_addrs().first().copied().unwrap_or_else(|| self.advertise_addr())
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
        self.node().port.listen(id).map_err(from_net)
    }

    /// Takes the connections that are for nobody else.
    pub fn listen_tcp(&self) -> Result<Listener, Error> {
        self.node().port.listen_native().map_err(from_net)
    }

    /// Takes the datagrams that are for nobody else, and sends from the shared port.
    pub fn packets(&self) -> Result<Packets, Error> {
        self.node().port.packets().map_err(from_net)
    }

    /// Says goodbye in every pool; one deadline for all. The first error is returned, the
    /// other pools leave all the same.
    pub fn leave(&self, timeout: Duration) -> Result<(), Error> {
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
    /// call goes on waiting. Several threads may call. In a callback for which it would wait,
    /// one of this node or one in a circle of callbacks that wait for each other, it is
    /// refused with [`Error::Deadlock`] and nothing ends. Nobody is told: see
    /// [`leave`](Self::leave).
    pub fn shutdown(&self, timeout: Duration) -> Result<(), Error> {
        self.node().shutdown(timeout)
    }

    /// Whether the node has been started and not shut down.
    pub fn is_running(&self) -> bool {
        self.node().is_running()
    }

    /// What has passed through the port, and what was dropped.
    pub fn stats(&self) -> PortStats {
        self.node().port.stats()
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
