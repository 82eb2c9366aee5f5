//! The configuration of one pool: identity, wire, protocol numbers, limits.
//!
//! A plain struct: start from a preset, change fields, hand it to `register_pool`.
//! Nothing takes effect before [`PoolConfig::check`] has found every value possible.

use std::time::Duration;

use bytes::Bytes;
use ipnet::IpNet;

use crate::base::config_error::ConfigError;
use crate::base::ids::PoolId;
use crate::mux::prefix::Framing;
use crate::pool::metric_label;
use crate::swim::node::Versions;
use crate::swim::tuning::Tuning;
use crate::wire::keyring::Keyring;
use crate::wire::limits::{LABEL_MAX, META_MAX};

/// Everything that can be chosen about a pool. The names are memberlist's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PoolConfig {
    /// The pool's number on its node and, with [`Framing::Prefix`], on the wire.
    pub id: PoolId,
    /// How the pool is reached. Default: prefix.
    pub framing: Framing,
    /// memberlist label of a prefix pool, at most 255 bytes: nodes with different labels
    /// refuse each other. It is authenticated when the pool is encrypted. A label pool's
    /// label stands in its framing; a bare pool has none.
    pub label: Bytes,
    /// The label of inbound traffic has been removed by something in front of us.
    pub skip_inbound_label_check: bool,
    /// AES keys, primary first; empty leaves the pool unencrypted. A key holder is trusted entirely.
    pub keyring: Keyring,
    /// With keys: refuse clear text. Off only while a cluster moves to encryption.
    pub verify_incoming: bool,
    /// With keys: encrypt. Off only while a cluster moves to encryption.
    pub verify_outgoing: bool,
    /// Compress what is sent: datagrams where it helps, streams always.
    pub compression: bool,
    /// Protocol version spoken, 1 to 5. Nothing but 1 changes a byte; keep 2.
    pub protocol_version: u8,
    /// Versions of the application's own protocol: lowest and highest understood, and spoken.
    pub delegate_protocol: (u8, u8, u8),

    /// Metadata announced at the start, at most 512 bytes.
    pub meta: Bytes,

    /// Each period one member is probed. A failure is noticed by the first probe that
    /// hits it, so this is the time scale of everything. Zero turns probing off, and
    /// with it the forgetting of dead nodes.
    pub probe_interval: Duration,
    /// How long a direct ack may take before others are asked: a high percentile of the
    /// network's round-trip time. Shorter than the interval, else there is no time to ask.
    pub probe_timeout: Duration,
    /// How many members are asked to probe a silent one.
    pub indirect_checks: usize,
    /// Never ping silent members over TCP.
    pub disable_tcp_pings: bool,
    /// A node that doubts itself probes up to this many times more slowly (Lifeguard).
    pub awareness_max_multiplier: u32,
    /// A suspect has `suspicion_mult · max(1, log10 N) · probe_interval` to refute once
    /// enough others have confirmed the suspicion.
    pub suspicion_mult: u32,
    /// Without confirmations a suspect has this many times longer.
    pub suspicion_max_timeout_mult: u32,
    /// A broadcast is sent `retransmit_mult · ceil(log10(N + 1))` times.
    pub retransmit_mult: u32,
    /// Period of gossip: how fast broadcasts travel. Zero turns gossip off; broadcasts
    /// then only ride on probes.
    pub gossip_interval: Duration,
    /// Members gossiped to in each period.
    pub gossip_nodes: usize,
    /// Dead members are gossiped to and remembered this long, so that they can refute.
    pub gossip_to_the_dead_time: Duration,
    /// Base period of the full exchange of state with a random member; scaled up with
    /// the logarithm of the pool's size above 32. Zero turns it off.
    pub push_pull_interval: Duration,
    /// Deadline for connecting, and for each of writing and reading, of streams.
    pub tcp_timeout: Duration,
    /// A dead member's name may be taken over from another address after this time.
    /// Zero: never, only a name that left can move.
    pub dead_node_reclaim_time: Duration,
    /// Refuse to talk to addresses without a node name.
    pub require_node_names: bool,
    /// Networks that members' addresses must lie in; empty allows all.
    pub cidrs_allowed: Vec<IpNet>,

    /// Datagrams are packed up to this many bytes.
    pub udp_buffer_size: usize,
    /// Datagrams that wait for this pool; a further one is dropped and counted.
    pub handoff_queue_depth: usize,
    /// Broadcasts of the application that wait to be sent; a further one is refused.
    pub broadcast_queue_depth: usize,
    /// User messages that wait for the delegate; a further one is dropped and counted.
    pub message_queue_depth: usize,
    /// How long a delegate may take to answer a question before its default is taken.
    pub query_timeout: Duration,

    /// Names and values added as labels to each line of this pool's metrics, at most 16. They
    /// tell apart what a collector of many nodes does not tell apart itself.
    pub metric_labels: Vec<(String, String)>,
    /// Each period the length of the queue of membership news is sampled for the metrics.
    /// Zero turns that off.
    pub queue_check_interval: Duration,
}

impl PoolConfig {
    /// memberlist's conservative preset for a local network; the others derive from it.
    pub fn lan(id: u8) -> Self {
        Self {
            id: PoolId(id),
            framing: Framing::Prefix,
            label: Bytes::new(),
            skip_inbound_label_check: false,
            keyring: Keyring::default(),
            verify_incoming: true,
            verify_outgoing: true,
            compression: true,
            protocol_version: 2,
            delegate_protocol: (0, 0, 0),
            meta: Bytes::new(),
            probe_interval: Duration::from_secs(1),
            probe_timeout: Duration::from_millis(500),
            indirect_checks: 3,
            disable_tcp_pings: false,
            awareness_max_multiplier: 8,
            suspicion_mult: 4,
            suspicion_max_timeout_mult: 6,
            retransmit_mult: 4,
            gossip_interval: Duration::from_millis(200),
            gossip_nodes: 3,
            gossip_to_the_dead_time: Duration::from_secs(30),
            push_pull_interval: Duration::from_secs(30),
            tcp_timeout: Duration::from_secs(10),
            dead_node_reclaim_time: Duration::ZERO,
            require_node_names: false,
            cidrs_allowed: Vec::new(),
            udp_buffer_size: 1400,
            handoff_queue_depth: 1024,
            broadcast_queue_depth: 1024,
            message_queue_depth: 4096,
            query_timeout: Duration::from_secs(1),
            metric_labels: Vec::new(),
            queue_check_interval: Duration::from_secs(30),
        }
    }

    /// memberlist's preset for wide-area networks: slower, more patient.
    pub fn wan(id: u8) -> Self {
        Self {
            tcp_timeout: Duration::from_secs(30),
            suspicion_mult: 6,
            push_pull_interval: Duration::from_secs(60),
            probe_timeout: Duration::from_secs(3),
            probe_interval: Duration::from_secs(5),
            gossip_nodes: 4,
            gossip_interval: Duration::from_millis(500),
            gossip_to_the_dead_time: Duration::from_secs(60),
            ..Self::lan(id)
        }
    }

    /// memberlist's preset for one machine: fast, and few retransmissions.
    pub fn local(id: u8) -> Self {
        Self {
            tcp_timeout: Duration::from_secs(1),
            indirect_checks: 1,
            retransmit_mult: 2,
            suspicion_mult: 3,
            push_pull_interval: Duration::from_secs(15),
            probe_timeout: Duration::from_millis(200),
            probe_interval: Duration::from_secs(1),
            gossip_interval: Duration::from_millis(100),
            gossip_to_the_dead_time: Duration::from_secs(15),
            ..Self::lan(id)
        }
    }
}

impl Default for PoolConfig {
    fn default() -> Self {
        Self::lan(0)
    }
}

/// A pool's configuration, found possible. What machines are made of.
#[derive(Debug, Clone)]
pub struct CheckedPool {
    pub(crate) config: PoolConfig,
    pub(crate) tuning: Tuning,
}

impl CheckedPool {
    /// The configuration as the user gave it.
    pub fn config(&self) -> &PoolConfig {
        &self.config
    }

    /// The protocol's numbers.
    pub fn tuning(&self) -> &Tuning {
        &self.tuning
    }

    /// The label on the wire, whichever framing it belongs to; empty for none.
    pub fn label(&self) -> Bytes {
        match &self.config.framing {
            Framing::Label(label) => label.clone(),
            Framing::Prefix | Framing::Bare => self.config.label.clone(),
        }
    }
}

/// The longest interval or timeout that makes sense: a day.
const SPAN_MAX: Duration = Duration::from_secs(24 * 3600);

impl PoolConfig {
    /// Checks every value, and how they fit together; the error names the first that
    /// cannot work, its value and the rule.
    pub fn check(self) -> Result<CheckedPool, ConfigError> {
        self.check_identity()?;
        self.check_times()?;
        self.check_counts()?;
        metric_label::check(&self.metric_labels)?;
        let tuning = self.tuning();
        Ok(CheckedPool { config: self, tuning })
    }

    fn check_identity(&self) -> Result<(), ConfigError> {
        let label = |label: &Bytes| {
            let rule = format!("must be at most {LABEL_MAX} bytes");
            refuse(label.len() > LABEL_MAX, "label", format!("{} bytes long", label.len()), rule)
        };
        match &self.framing {
            Framing::Prefix => label(&self.label)?,
            Framing::Label(text) => {
                refuse(
                    text.is_empty(),
                    "framing",
                    "a label pool without label",
                    "needs a label of 1 to 255 bytes",
                )?;
                label(text)?;
                let rule = "must be empty: a label pool's label stands in its framing";
                refuse(!self.label.is_empty(), "label", format!("{} bytes long", self.label.len()), rule)?;
            }
            Framing::Bare => {
                let rule = "must be empty: a bare pool has no label; use a label pool";
                refuse(!self.label.is_empty(), "label", format!("{} bytes long", self.label.len()), rule)?;
            }
        }
        let rule = format!("must be at most {META_MAX} bytes");
        refuse(self.meta.len() > META_MAX, "meta", format!("{} bytes long", self.meta.len()), rule)?;
        within("protocol_version", u64::from(self.protocol_version), 1, 5)?;
        let (min, max, current) = self.delegate_protocol;
        refuse(
            min > max || current < min || current > max,
            "delegate_protocol",
            format!("{min},{max},{current}"),
            "must be lowest, highest and spoken version, the last between the others",
        )
    }

    fn check_times(&self) -> Result<(), ConfigError> {
        let spans = [
            ("probe_interval", self.probe_interval, false),
            ("probe_timeout", self.probe_timeout, true),
            ("gossip_interval", self.gossip_interval, false),
            ("gossip_to_the_dead_time", self.gossip_to_the_dead_time, false),
            ("push_pull_interval", self.push_pull_interval, false),
            ("tcp_timeout", self.tcp_timeout, true),
            ("dead_node_reclaim_time", self.dead_node_reclaim_time, false),
            ("query_timeout", self.query_timeout, true),
            ("queue_check_interval", self.queue_check_interval, false),
        ];
        for (field, span, positive) in spans {
            refuse(positive && span.is_zero(), field, "0ms", "must be longer than zero")?;
            refuse(span > SPAN_MAX, field, format!("{span:?}"), "must be at most 24 h")?;
            let rule = "must be at least 1 ms, or 0 to turn it off";
            refuse(!span.is_zero() && span < Duration::from_millis(1), field, format!("{span:?}"), rule)?;
        }
        let late = !self.probe_interval.is_zero() && self.probe_timeout > self.probe_interval;
        let rule = format!("must be at most probe_interval ({:?})", self.probe_interval);
        refuse(late, "probe_timeout", format!("{:?}", self.probe_timeout), rule)
    }

    fn check_counts(&self) -> Result<(), ConfigError> {
        within("indirect_checks", self.indirect_checks as u64, 0, 1000)?;
        within("gossip_nodes", self.gossip_nodes as u64, 0, 1000)?;
        within("awareness_max_multiplier", u64::from(self.awareness_max_multiplier), 1, 1000)?;
        within("suspicion_mult", u64::from(self.suspicion_mult), 1, 1000)?;
        within("suspicion_max_timeout_mult", u64::from(self.suspicion_max_timeout_mult), 1, 1000)?;
        within("retransmit_mult", u64::from(self.retransmit_mult), 1, 1000)?;
        within("udp_buffer_size", self.udp_buffer_size as u64, 512, 65_507)?;
        within("handoff_queue_depth", self.handoff_queue_depth as u64, 1, 1 << 20)?;
        within("broadcast_queue_depth", self.broadcast_queue_depth as u64, 1, 1 << 20)?;
        within("message_queue_depth", self.message_queue_depth as u64, 1, 1 << 20)
    }

    fn tuning(&self) -> Tuning {
        let (dmin, dmax, dcur) = self.delegate_protocol;
        Tuning {
            versions: Versions { pmin: 1, pmax: 5, pcur: self.protocol_version, dmin, dmax, dcur },
            probe_interval: self.probe_interval,
            probe_timeout: self.probe_timeout,
            indirect_checks: self.indirect_checks,
            stream_pings: !self.disable_tcp_pings,
            awareness_max: self.awareness_max_multiplier,
            suspicion_mult: self.suspicion_mult,
            suspicion_max_timeout_mult: self.suspicion_max_timeout_mult,
            retransmit_mult: self.retransmit_mult,
            gossip_interval: self.gossip_interval,
            gossip_nodes: self.gossip_nodes,
            gossip_to_the_dead: self.gossip_to_the_dead_time,
            push_pull_interval: self.push_pull_interval,
            stream_timeout: self.tcp_timeout,
            dead_node_reclaim: self.dead_node_reclaim_time,
            require_node_names: self.require_node_names,
            allowed_networks: self.cidrs_allowed.clone(),
        }
    }
}

fn refuse(
    broken: bool,
    field: &'static str,
    value: impl std::fmt::Display,
    rule: impl Into<String>,
) -> Result<(), ConfigError> {
    if broken { Err(ConfigError::new(field, value, rule)) } else { Ok(()) }
}

fn within(field: &'static str, value: u64, min: u64, max: u64) -> Result<(), ConfigError> {
    refuse(value < min || value > max, field, value, format!("must be from {min} to {max}"))
}
