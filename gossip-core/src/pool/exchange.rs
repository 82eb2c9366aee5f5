//! One TCP conversation (signatures).
#![allow(unused_variables, clippy::unimplemented, missing_docs, unreachable_pub)]
use crate::base::name::NodeName;
use crate::base::time::Time;
use crate::wire::nonce::Nonces;
use crate::wire::onion::Wire;
use crate::wire::push_pull::{LocalState, RemoteState};
use bytes::Bytes;
use std::sync::Arc;
use std::time::Duration;
#[derive(Debug)]
pub enum Opening {
    PushPull { join: bool, state: LocalState },
    Ping { seq: u32, node: NodeName },
    User(Bytes),
}
#[derive(Debug)]
pub enum ExchangeNews {
    PushPullBegun,
    RemoteState(RemoteState),
    User(Bytes),
    Acked,
    Finished,
    Failed(ExchangeError),
}
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum ExchangeError {
    #[error("timed out")]
    Timeout,
    #[error("{0}")]
    Connect(String),
    #[error("{0}")]
    Reset(String),
    #[error("dropped")]
    Dropped,
}
#[derive(Debug)]
pub struct Exchange {}
impl Exchange {
    pub fn outbound(
        now: Time,
        wire: Arc<Wire>,
        nonces: Nonces,
        opening: Opening,
        deadline: Time,
        timeout: Duration,
    ) -> Self {
        unimplemented!()
    }
    pub fn inbound(now: Time, wire: Arc<Wire>, nonces: Nonces, name: NodeName, timeout: Duration) -> Self {
        unimplemented!()
    }
    pub fn handle_connected(&mut self, now: Time) {}
    pub fn handle_bytes(&mut self, now: Time, chunk: &[u8]) {}
    pub fn handle_eof(&mut self, now: Time) {}
    pub fn handle_failure(&mut self, now: Time, error: ExchangeError) {}
    pub fn handle_answer(&mut self, now: Time, state: LocalState) {}
    /// All polled bytes are written.
    pub fn handle_written(&mut self, now: Time) {}
    pub fn handle_timeout(&mut self, now: Time) {}
    pub fn poll_write(&mut self) -> Option<Bytes> {
        None
    }
    pub fn poll_news(&mut self) -> Option<ExchangeNews> {
        None
    }
    pub fn poll_timeout(&self) -> Option<Time> {
        None
    }
    pub fn is_over(&self) -> bool {
        true
    }
}
