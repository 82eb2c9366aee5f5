//! The push/pull: a header, the node records, the state of the application.
//!
//! On a plain stream it has no length and no separators, so the reader counts: it waits
//! for one record after the other and never looks at a byte twice to find its end.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use bytes::Bytes;

use super::budget::{FREE, Share};
use super::decode::{decode_node_record, decode_push_pull_header, split_node_record};
use super::encode::encode_push_pull_header;
use super::error::Refused;
use super::limits::{NODE_RECORDS_MAX, NODES_MAX, STREAM_RECORD_MAX, USER_STATE_MAX};
use super::message::{MessageType, NodeRecord, PushPullHeader, blob_bytes};
use super::msgpack::scan::RecordScan;

/// Appends the type byte and the header of a push/pull, behind which come the records of `nodes` nodes and
/// the application's state. `relay` is about relayed broadcasts and for nodes of ours alone.
pub fn begin_state(join: bool, nodes: u32, user_state_len: usize, relay: &[u8], out: &mut Vec<u8>) {
    out.push(MessageType::PushPull as u8);
    let (user_state_len, relay) = (user_state_len as i64, Cow::Borrowed(relay));
    encode_push_pull_header(&PushPullHeader { nodes: nodes.into(), user_state_len, join, relay }, out);
}

/// What a peer told us: everything it knows. Its records are known to be readable.
#[derive(Clone)]
pub struct RemoteState {
    /// Whether the exchange is part of a join.
    pub join: bool,
    /// Bytes of the peer's application.
    pub user_state: Bytes,
    /// About relayed broadcasts: from nodes of ours alone, otherwise empty.
    pub relay: Bytes,
    body: Bytes,
    /// Where each record begins in the body.
    starts: Vec<u32>,
    kinds: BTreeSet<Kind>,
    /// Of the budget, for the body, as long as the state is here.
    _share: Arc<Share>,
}

/// State and versions of a node, as its record has them; fewer than six versions are none.
pub type Kind = (i64, [u8; 6]);

impl RemoteState {
    /// What kinds of nodes there are.
    pub fn kinds(&self) -> &BTreeSet<Kind> {
        &self.kinds
    }

    /// How many node records there are.
    pub fn len(&self) -> usize {
        self.starts.len()
    }

    /// True without any node record.
    pub fn is_empty(&self) -> bool {
        self.starts.is_empty()
    }

    /// The records in the order of the peer, decoded as they are taken.
    pub fn nodes(&self) -> impl Iterator<Item = NodeRecord<'_>> {
        self.starts.iter().filter_map(|&start| self.record_at(start))
    }

    /// The record number `i`, decoded; `None` from [`len`](Self::len) on.
    pub fn node(&self, i: usize) -> Option<NodeRecord<'_>> {
        self.record_at(*self.starts.get(i)?)
    }

    fn record_at(&self, start: u32) -> Option<NodeRecord<'_>> {
        decode_node_record(self.body.get(start as usize..)?).ok()
    }
}

impl fmt::Debug for RemoteState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RemoteState")
            .field("join", &self.join)
            .field("nodes", &self.len())
            .field("user_state_len", &self.user_state.len())
            .finish()
    }
}

/// Finds the parts of a push/pull in a buffer that grows.
#[derive(Debug)]
pub(super) struct StateReader {
    scan: RecordScan,
    header: Option<Header>,
    /// Where the records begin.
    records_start: usize,
    starts: Vec<u32>,
    kinds: BTreeSet<Kind>,
}

#[derive(Debug, Clone, Default)]
struct Header {
    join: bool,
    nodes: usize,
    user_state_len: i64,
    relay: Bytes,
}

impl StateReader {
    /// A reader of the push/pull whose header begins at `start`.
    pub(super) fn new(start: usize) -> Self {
        let (starts, kinds) = (Vec::new(), BTreeSet::new());
        Self { scan: RecordScan::new(start), header: None, records_start: start, starts, kinds }
    }

    /// Goes as far as the bytes allow; true once everything is there.
    pub(super) fn advance(&mut self, bytes: &[u8]) -> Result<bool, Refused> {
        let (nodes, user_state_len) = match &self.header {
            Some(header) => (header.nodes, header.user_state_len),
            None => match self.scan.advance(bytes, STREAM_RECORD_MAX)? {
                Some(record) => self.begin_records(record)?,
                None => return Ok(false),
            },
        };
        while self.starts.len() < nodes {
            if !self.take_record(bytes)? {
                return Ok(false);
            }
        }
        // Go checks this length behind the records, and a peer may rely on what it said before.
        let user_state_len =
            checked(user_state_len, USER_STATE_MAX).ok_or(Refused::UserStateLen(user_state_len))?;
        Ok(bytes.len() >= self.scan.end() + user_state_len)
    }

    /// The state, once [`advance`](Self::advance) has said that `bytes` holds all of it.
    pub(super) fn finish(self, body: Bytes, share: Share) -> RemoteState {
        let Header { join, user_state_len, relay, .. } = self.header.unwrap_or_default();
        let start = self.scan.end().min(body.len());
        let len = checked(user_state_len, body.len() - start).unwrap_or_default();
        let mut user_state = body.slice(start..start + len);
        if len <= FREE {
            // Whoever keeps it does not keep the records of all members with it.
            user_state = Bytes::copy_from_slice(&user_state);
        }
        let (starts, kinds, _share) = (self.starts, self.kinds, Arc::new(share));
        RemoteState { join, user_state, relay, body, starts, kinds, _share }
    }

    /// Takes in the header; returns the number of records and the length of the application's state.
    fn begin_records(&mut self, record: &[u8]) -> Result<(usize, i64), Refused> {
        let PushPullHeader { nodes, user_state_len, join, relay } = decode_push_pull_header(record)?;
        let nodes = checked(nodes, NODES_MAX).ok_or(Refused::Nodes(nodes))?;
        let relay = Bytes::copy_from_slice(&relay);
        self.records_start = self.scan.end();
        self.scan = RecordScan::new(self.records_start);
        self.header = Some(Header { join, nodes, user_state_len, relay });
        Ok((nodes, user_state_len))
    }

    fn take_record(&mut self, bytes: &[u8]) -> Result<bool, Refused> {
        let start = self.scan.start();
        let room = (self.records_start + NODE_RECORDS_MAX).saturating_sub(start);
        let whole = bytes.get(start..).filter(|_| self.scan.is_fresh());
        let whole = whole.map(|rest| rest.get(..room).unwrap_or(rest));
        // A record that is there is decoded at once; one that is not has to be waited for, and its
        // bytes are not looked at again and again.
        let (record, end) = match whole.map(|rest| (split_node_record(rest), rest.len())) {
            Some((Ok((record, rest)), len)) => (record, start + len - rest.len()),
            _ => match self.scan.advance(bytes, room)? {
                Some(record) => (decode_node_record(record)?, self.scan.end()),
                None => return Ok(false),
            },
        };
        let versions = blob_bytes(&record.versions).first_chunk().copied().unwrap_or_default();
        self.kinds.insert((record.state, versions));
        self.starts.push(u32::try_from(start).map_err(|_| Refused::RecordTooLong(NODE_RECORDS_MAX))?);
        self.scan = RecordScan::new(end);
        Ok(true)
    }
}

/// A number from the wire, unless it is negative or above `max`.
pub(super) fn checked(number: i64, max: usize) -> Option<usize> {
    usize::try_from(number).ok().filter(|&number| number <= max)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::budget::Budget;
    use crate::wire::encode::encode_node_record;

    #[test]
    fn records_are_found_by_number_and_in_order() {
        let mut records = Vec::new();
        for name in ["a", "b"] {
            encode_node_record(
                &NodeRecord { name: name.as_bytes().into(), ..NodeRecord::default() },
                &mut records,
            );
        }
        let mut bytes = Vec::new();
        begin_state(true, 2, 0, b"", &mut bytes);
        bytes.extend(records);
        let mut reader = StateReader::new(1);
        assert_eq!(reader.advance(&bytes), Ok(true));

        let state = reader.finish(bytes.into(), Budget::default().share());

        let names: Vec<_> = state.nodes().map(|node| node.name.into_owned()).collect();
        assert_eq!(names, [b"a", b"b"]);
        assert_eq!(state.node(1).map(|node| node.name.into_owned()), Some(b"b".to_vec()));
        assert!(state.node(2).is_none() && state.join && state.len() == 2);
    }

    #[test]
    fn all_records_together_may_not_claim_more_than_the_limit() {
        // One record of ten bytes, then one of eight and what it claims.
        let claiming = |len: usize| {
            let head = b"\x81\xa5Nodes\x02\x81\xa4Node\xa3abc\x81\xa1x\xdb".as_slice();
            StateReader::new(0).advance(&[head, &(len as u32).to_be_bytes()].concat())
        };

        assert_eq!(claiming(NODE_RECORDS_MAX - 18), Ok(false));
        assert_eq!(claiming(NODE_RECORDS_MAX - 17), Err(Refused::RecordTooLong(NODE_RECORDS_MAX - 10)));
    }
}
