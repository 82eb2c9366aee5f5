//! The membership of one pool as a machine (signatures).
#![allow(unused_variables, clippy::unimplemented, missing_docs)]
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use crate::base::addr::{NodeAddr, Target};
use crate::base::ids::{AskId, ExchangeId, TaskId};
use crate::base::name::NodeName;
use crate::base::time::Time;
use crate::pool::action::{Action, Asks, Reply};
use crate::pool::config::CheckedPool;
use crate::pool::error::CommandError;
use crate::pool::exchange::ExchangeNews;
use crate::pool::stats::Stats;
use crate::swim::node::Member;
use crate::wire::keyring::{Key, Keyring};
use crate::wire::nonce::Nonces;
use crate::wire::onion::Wire;

/// Who this node is in the pool.
#[derive(Debug, Clone)]
pub struct Identity {
    /// Its name.
    pub name: NodeName,
    /// The address it tells others, always in this one form.
    pub addr: NodeAddr,
}

/// A received datagram, its pool prefix removed.
#[derive(Debug)]
pub struct Received<'a> {
    pub from: SocketAddr,
    /// When it was read from the socket; round-trip times end there.
    pub at: Time,
    /// Decrypted in place.
    pub bytes: &'a mut [u8],
}

#[derive(Debug)]
pub struct Machine {}

impl Machine {
    /// Announces the node in its own table; loops start at a random phase after `now`.
    /// Fails only if the own address is not allowed.
    pub fn new(
        pool: CheckedPool,
        identity: Identity,
        asks: Asks,
        seed: u64,
        nonces: Nonces,
        now: Time,
    ) -> Result<Self, CommandError> {
        unimplemented!()
    }

    // A. the outside world speaks: never fails, never blocks, never calls back
    pub fn handle_packet(&mut self, now: Time, packet: Received<'_>) {
        unimplemented!()
    }
    pub fn handle_timeout(&mut self, now: Time) {
        unimplemented!()
    }
    /// Registers an accepted stream; run an inbound `Exchange` under this id.
    pub fn accept(&mut self, now: Time, from: SocketAddr) -> ExchangeId {
        unimplemented!()
    }
    pub fn handle_exchange(&mut self, now: Time, id: ExchangeId, news: ExchangeNews) {
        unimplemented!()
    }
    pub fn handle_reply(&mut self, now: Time, ask: AskId, reply: Reply) {
        unimplemented!()
    }

    // B. the application commands: returns at once; completion is an Action::Done with the same TaskId
    pub fn join(
        &mut self,
        now: Time,
        seeds: Vec<Target>,
        timeout: Option<Duration>,
    ) -> Result<TaskId, CommandError> {
        unimplemented!()
    }
    pub fn leave(&mut self, now: Time, timeout: Option<Duration>) -> Result<TaskId, CommandError> {
        unimplemented!()
    }
    /// Announces new metadata.
    pub fn update(
        &mut self,
        now: Time,
        meta: Bytes,
        timeout: Option<Duration>,
    ) -> Result<TaskId, CommandError> {
        unimplemented!()
    }
    pub fn broadcast(&mut self, message: &[u8]) -> Result<(), CommandError> {
        unimplemented!()
    }
    /// One user datagram, sent by the next `poll_transmit`.
    pub fn send(&mut self, to: &Target, message: &[u8]) -> Result<(), CommandError> {
        unimplemented!()
    }
    pub fn send_reliable(
        &mut self,
        now: Time,
        to: Target,
        message: Bytes,
        timeout: Option<Duration>,
    ) -> Result<TaskId, CommandError> {
        unimplemented!()
    }
    pub fn ping(&mut self, now: Time, to: Target, timeout: Option<Duration>) -> Result<TaskId, CommandError> {
        unimplemented!()
    }
    /// The state given to others in push/pulls when the application is not asked.
    pub fn set_local_state(&mut self, state: Bytes) -> Result<(), CommandError> {
        unimplemented!()
    }
    pub fn set_ack_payload(&mut self, payload: Bytes) -> Result<(), CommandError> {
        unimplemented!()
    }
    pub fn add_key(&mut self, key: Key) {
        unimplemented!()
    }
    pub fn use_key(&mut self, key: &Key) -> Result<(), CommandError> {
        unimplemented!()
    }
    pub fn remove_key(&mut self, key: &Key) -> Result<(), CommandError> {
        unimplemented!()
    }

    // C. what the host must do
    /// Appends one datagram (prefix included) to `out`, says where it goes.
    pub fn poll_transmit(&mut self, now: Time, out: &mut Vec<u8>) -> Option<SocketAddr> {
        unimplemented!()
    }
    pub fn poll_action(&mut self) -> Option<Action> {
        unimplemented!()
    }
    pub fn poll_timeout(&self) -> Option<Time> {
        unimplemented!()
    }

    // D. looking
    /// Raised whenever members, health or the own node change.
    pub fn version(&self) -> u64 {
        unimplemented!()
    }
    /// Every known node in table order: alive, suspect, dead and left.
    pub fn members(&self) -> impl Iterator<Item = Member> + '_ {
        std::iter::empty()
    }
    pub fn local(&self) -> Member {
        unimplemented!()
    }
    pub fn health(&self) -> u32 {
        unimplemented!()
    }
    pub fn has_left(&self) -> bool {
        unimplemented!()
    }
    pub fn keyring(&self) -> &Keyring {
        unimplemented!()
    }
    /// The onion for exchanges begun now.
    pub fn wire(&self) -> &Arc<Wire> {
        unimplemented!()
    }
    pub fn broadcast_limit(&self) -> usize {
        unimplemented!()
    }
    pub fn stats(&self) -> Stats {
        unimplemented!()
    }
}
