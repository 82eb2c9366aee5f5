//! Events of a pool as a queue (signatures).
#![allow(unused_variables, clippy::unimplemented, missing_docs)]
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use crate::pool::action::UserMessage;
use crate::runtime::delegate::Delegate;
use crate::swim::node::{Member, Node};

#[derive(Debug, Clone)]
pub enum Event {
    Joined(Member),
    Left(Member),
    Updated(Member),
    Conflict { existing: Member, other: Node },
    Message(UserMessage),
    RemoteState { state: Bytes, join: bool },
    Pinged { member: Member, rtt: Duration, payload: Bytes },
    Overflow { dropped: u64 },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TakeError {
    Timeout,
    Closed,
}

#[derive(Debug)]
pub struct Events {}

impl Events {
    pub fn new(capacity: usize) -> Arc<Self> {
        Arc::new(Self {})
    }
    pub fn take(&self, max: usize, timeout: Option<Duration>) -> Result<Vec<Event>, TakeError> {
        unimplemented!()
    }
    pub fn close(&self) {}
}

impl Delegate for Events {}
