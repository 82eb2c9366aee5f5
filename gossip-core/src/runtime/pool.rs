//! A pool as the application holds it (signatures).
#![allow(unused_variables, clippy::unimplemented, missing_docs)]
use crate::base::ids::PoolId;
use crate::pool::config::PoolConfig;
use crate::pool::stats::Stats;
use crate::runtime::error::{Error, SeedError};
use crate::runtime::view::View;
use crate::swim::node::Member;
use crate::wire::keyring::Key;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

/// One pool of a node. Clones are the same pool.
#[derive(Debug, Clone)]
pub struct Pool {}

/// What a join reached.
#[derive(Debug, Clone, Default)]
pub struct Joined {
    /// Addresses with which state was exchanged.
    pub reached: Vec<SocketAddr>,
    /// Seeds or addresses that could not be reached.
    pub failed: Vec<SeedError>,
}

impl Pool {
    pub fn id(&self) -> PoolId {
        unimplemented!()
    }
    pub fn config(&self) -> &PoolConfig {
        unimplemented!()
    }
    /// Exchanges state with the seeds ("host", "host:port", "name/host:port"; no port means the own advertised one). `Error::Join` if none was reached.
    pub fn join<S: AsRef<str>>(&self, seeds: &[S], timeout: Duration) -> Result<Joined, Error> {
        unimplemented!()
    }
    pub fn leave(&self, timeout: Duration) -> Result<(), Error> {
        unimplemented!()
    }
    /// Alive and suspect members, an immutable snapshot, safe to keep; works in every state of the node.
    pub fn members(&self) -> Arc<View> {
        unimplemented!()
    }
    pub fn num_members(&self) -> usize {
        unimplemented!()
    }
    pub fn local_node(&self) -> Result<Member, Error> {
        unimplemented!()
    }
    /// Announces new metadata (at most 512 bytes), returns when it has been gossiped.
    pub fn update_node(&self, meta: &[u8], timeout: Duration) -> Result<(), Error> {
        unimplemented!()
    }
    /// A message to every member; larger than `max_broadcast_size` is refused; a full queue is `QueueFull` after `timeout`.
    pub fn broadcast(&self, message: &[u8], timeout: Duration) -> Result<(), Error> {
        unimplemented!()
    }
    pub fn max_broadcast_size(&self) -> usize {
        unimplemented!()
    }
    pub fn send_best_effort(&self, to: &Member, message: &[u8]) -> Result<(), Error> {
        unimplemented!()
    }
    pub fn send_to_address(&self, to: SocketAddr, message: &[u8]) -> Result<(), Error> {
        unimplemented!()
    }
    pub fn send_reliable(&self, to: &Member, message: &[u8], timeout: Duration) -> Result<(), Error> {
        unimplemented!()
    }
    pub fn ping(&self, to: &Member, timeout: Duration) -> Result<Duration, Error> {
        unimplemented!()
    }
    pub fn health_score(&self) -> u32 {
        unimplemented!()
    }
    pub fn set_local_state(&self, state: &[u8]) -> Result<(), Error> {
        unimplemented!()
    }
    pub fn set_ack_payload(&self, payload: &[u8]) -> Result<(), Error> {
        unimplemented!()
    }
    pub fn keys(&self) -> Result<Vec<Key>, Error> {
        unimplemented!()
    }
    pub fn add_key(&self, key: Key) -> Result<(), Error> {
        unimplemented!()
    }
    pub fn use_key(&self, key: &Key) -> Result<(), Error> {
        unimplemented!()
    }
    pub fn remove_key(&self, key: &Key) -> Result<(), Error> {
        unimplemented!()
    }
    pub fn stats(&self) -> Result<PoolStats, Error> {
        unimplemented!()
    }
    /// Ends this pool alone: its id is free again, the others notice nothing.
    pub fn shutdown(&self, timeout: Duration) -> Result<(), Error> {
        unimplemented!()
    }
}

/// Counters of a pool: the machine's, and those of what surrounds it.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct PoolStats {
    /// The machine's counters.
    pub machine: Stats,
    /// Datagrams dropped because the pool's inbox was full.
    pub inbox_dropped: u64,
    /// Datagrams not sent because the socket would not take them.
    pub send_dropped: u64,
    /// User messages dropped because the delegate's queue was full.
    pub messages_dropped: u64,
    /// Callbacks that panicked.
    pub callback_panics: u64,
    /// Questions answered too late or by default.
    pub questions_defaulted: u64,
}
