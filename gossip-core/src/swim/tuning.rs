//! The numbers of the protocol, as the rules use them.
//!
//! Users meet them in the pool's configuration, where each is explained; by the time
//! they arrive here they have been checked.

use std::time::Duration;

use ipnet::IpNet;

use crate::swim::node::Versions;

/// Checked protocol parameters of one pool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tuning {
    /// Own versions, as announced.
    pub versions: Versions,
    /// The version of relayed broadcasts that this node understands, as announced; 0 for none.
    pub relay: u8,
    /// Period of the probe loop; zero turns it off.
    pub probe_interval: Duration,
    /// Wait for a direct ack, and for a relayed one before the nack.
    pub probe_timeout: Duration,
    /// Peers asked to probe indirectly.
    pub indirect_checks: usize,
    /// Whether silent nodes are pinged over a stream.
    pub stream_pings: bool,
    /// Bound of the health score: it stays below.
    pub awareness_max: u32,
    /// Multiplies the suspicion timeout.
    pub suspicion_mult: u32,
    /// The longest suspicion timeout as a multiple of the shortest.
    pub suspicion_max_timeout_mult: u32,
    /// Multiplies the number of transmissions of a broadcast.
    pub retransmit_mult: u32,
    /// Period of the gossip loop; zero turns it off.
    pub gossip_interval: Duration,
    /// Peers gossiped to in one period.
    pub gossip_nodes: usize,
    /// How long the dead are gossiped to and remembered.
    pub gossip_to_the_dead: Duration,
    /// Base period of push/pull; zero turns it off.
    pub push_pull_interval: Duration,
    /// Deadline of streams.
    pub stream_timeout: Duration,
    /// After this long dead, a name may move to another address; zero never.
    pub dead_node_reclaim: Duration,
    /// Whether a target needs a name.
    pub require_node_names: bool,
    /// Networks that members may have addresses in; empty allows all.
    pub allowed_networks: Vec<IpNet>,
    /// Nodes held at a time, the dead and ourselves included; others are not believed in.
    pub max_members: usize,
}
