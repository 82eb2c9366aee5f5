//! What this node tells a peer of everybody, in a push/pull.
//!
//! The machine only notes whom it knows, which takes a moment in a pool of thousands; the task of the
//! exchange makes the message of it, which takes ten times as long.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use bytes::Bytes;

use crate::swim::node::{Node, State};
use crate::swim::roster::Record;
use crate::wire::encode::encode_node_record;
use crate::wire::message::NodeRecord;
use crate::wire::push_pull::begin_state;

/// Bytes of a record with a name and metadata of usual length.
const RECORD_LIKELY: usize = 128;

/// Bytes of the message that are put at a time: they stay in the processor's nearest cache.
const PIECE: usize = 16 * 1024;

/// Everybody as this node knows them at one moment, and what goes with it.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct OwnState {
    /// Everybody, this node too.
    pub known: Vec<Known>,
    /// Bytes of the application.
    pub user_state: Bytes,
    /// About relayed broadcasts: for nodes of ours alone, otherwise empty.
    pub relay: Bytes,
}

/// One of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Known {
    /// Its public facts.
    pub node: Arc<Node>,
    /// The incarnation they belong to.
    pub incarnation: u32,
    /// Its state.
    pub state: State,
    /// The version of relayed broadcasts that it understands; 0 for none, or not known.
    pub relay: u8,
}

impl From<&Record> for Known {
    fn from(record: &Record) -> Self {
        let &Record { incarnation, state, relay, .. } = record;
        Self { node: Arc::clone(&record.node), incarnation, state, relay }
    }
}

impl OwnState {
    /// How many bytes the message is likely to have.
    pub fn weight(&self) -> usize {
        RECORD_LIKELY * self.known.len() + self.user_state.len()
    }

    /// Puts the message, its type byte first, in pieces: as a whole it would be a megabyte for ten
    /// thousand members, of memory that nothing needs for long.
    pub fn write(&self, join: bool, put: &mut dyn FnMut(&[u8])) {
        let nodes = u32::try_from(self.known.len()).unwrap_or(u32::MAX);
        let mut piece = Vec::with_capacity(PIECE.min(self.weight()) + RECORD_LIKELY);
        begin_state(join, nodes, self.user_state.len(), &self.relay, &mut piece);
        for known in &self.known {
            known.encode(&mut piece);
            if piece.len() >= PIECE {
                put(&piece);
                piece.clear();
            }
        }
        put(&piece);
        put(&self.user_state);
    }
}

impl Known {
    fn encode(&self, out: &mut Vec<u8>) {
        let node = &self.node;
        let record = NodeRecord {
            name: Cow::Borrowed(node.name.as_bytes()),
            addr: Some(Cow::Borrowed(node.addr.ip.as_bytes())),
            port: node.addr.port,
            meta: node.meta.as_blob().map(Cow::Borrowed),
            incarnation: self.incarnation,
            state: self.state as i64,
            relay: self.relay,
            versions: Some(Cow::Borrowed(&node.versions.to_bytes())),
        };
        encode_node_record(&record, out);
    }
}

impl fmt::Debug for OwnState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OwnState")
            .field("known", &self.known.len())
            .field("user_state_len", &self.user_state.len())
            .finish()
    }
}
