//! The node (signatures).
#![allow(unused_variables, clippy::unimplemented, missing_docs)]
use crate::base::ids::PoolId;
use crate::base::name::NodeName;
use crate::net::listener::Listener;
use crate::net::packets::Packets;
use crate::pool::config::PoolConfig;
use crate::runtime::config::Config;
use crate::runtime::delegate::Delegate;
use crate::runtime::error::Error;
use crate::runtime::pool::Pool;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

/// The node that owns the port. Clones are the same node.
#[derive(Debug, Clone)]
pub struct Gossip {}

impl Gossip {
    /// Checks the configuration and binds the port, TCP and UDP; nothing is served before `start`.
    pub fn new(config: Config) -> Result<Self, Error> {
        unimplemented!()
    }
    /// Serves the port and starts every registered pool. All or nothing; a second call does nothing.
    pub fn start(&self) -> Result<(), Error> {
        unimplemented!()
    }
    pub fn node_name(&self) -> &NodeName {
        unimplemented!()
    }
    /// First bound address, with the real port.
    pub fn local_addr(&self) -> SocketAddr {
        unimplemented!()
    }
    pub fn local_addrs(&self) -> &[SocketAddr] {
        unimplemented!()
    }
    pub fn advertise_addr(&self) -> SocketAddr {
        unimplemented!()
    }
    /// At any time; on a running node the pool starts at once.
    pub fn register_pool(
        &self,
        config: PoolConfig,
        delegate: Option<Arc<dyn Delegate>>,
    ) -> Result<Pool, Error> {
        unimplemented!()
    }
    pub fn pool(&self, id: PoolId) -> Option<Pool> {
        unimplemented!()
    }
    /// Sorted by id.
    pub fn pools(&self) -> Vec<Pool> {
        unimplemented!()
    }
    pub fn listen(&self, id: u16) -> Result<Listener, Error> {
        unimplemented!()
    }
    pub fn listen_tcp(&self) -> Result<Listener, Error> {
        unimplemented!()
    }
    pub fn packets(&self) -> Result<Packets, Error> {
        unimplemented!()
    }
    /// Leaves every pool; one deadline for all.
    pub fn leave(&self, timeout: Duration) -> Result<(), Error> {
        unimplemented!()
    }
    /// Frees port, threads and descriptors; idempotent; `Timeout` if a callback still runs (call again).
    pub fn shutdown(&self, timeout: Duration) -> Result<(), Error> {
        unimplemented!()
    }
    pub fn is_running(&self) -> bool {
        unimplemented!()
    }
    pub fn stats(&self) -> crate::net::port::PortStats {
        unimplemented!()
    }
}
