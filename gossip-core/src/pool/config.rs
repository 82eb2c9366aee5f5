//! The configuration of one pool: identity, wire, protocol numbers, limits.
//!
//! A plain struct: start from a preset, change fields, hand it to `register_pool`.
//! Nothing takes effect before [`PoolConfig::check`] has found every value possible.

use std::net::IpAddr;
use std::time::Duration;

use bytes::Bytes;
use ipnet::IpNet;

use crate::base::config_error::{ConfigError, Problems};
use crate::base::ids::PoolId;
use crate::base::keys;
use crate::mux::prefix::Framing;
use crate::pool::keys::KEYS;
use crate::pool::metric_label;
use crate::pool::migration::RemoteMigration;
use crate::pool::rumours::envelope::RELAY_VERSION;
use crate::swim::node::Versions;
use crate::swim::tuning::Tuning;
use crate::wire::keyring::Keyring;
use crate::wire::limits::{PROTOCOL_VERSION_MAX, PROTOCOL_VERSION_MIN};

/// Everything that can be chosen about a pool. The names are memberlist's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PoolConfig {
    /// The pool's number on its node and, with [`Framing::Prefix`], on the wire.
    pub id: PoolId,
    /// This node's name in the pool, unique there, at most 255 bytes. Empty: the node's own.
    pub name: String,
    /// How the pool is reached. Default: prefix.
    pub framing: Framing,
    /// memberlist label of a prefix pool, at most 255 bytes: nodes with different labels
    /// refuse each other. It is authenticated when the pool is encrypted. A label pool's
    /// label stands in its framing; a bare pool has none.
    pub label: Bytes,
    /// The label to which the cluster is about to move, empty for none at all: it is
    /// accepted, and spoken to those who speak it. A bare or label pool answers to it as to a
    /// second framing. On the running pool: `Pool::accept_label`.
    pub next_label: Option<Bytes>,
    /// The label from which the cluster is moving: it is still accepted. On the running
    /// pool: `Pool::speak_label`.
    pub former_label: Option<Bytes>,
    /// The label of inbound traffic has been removed by something in front of us.
    pub skip_inbound_label_check: bool,
    /// AES keys, primary first; empty leaves the pool unencrypted. A key holder is trusted entirely.
    pub keyring: Keyring,
    /// With keys: refuse clear text. Off only while a cluster moves to encryption.
    pub gossip_verify_incoming: bool,
    /// With keys: encrypt. Off only while a cluster moves to encryption.
    pub gossip_verify_outgoing: bool,
    /// Which requests of other members to change keys, encryption or label are obeyed
    /// (`Pool::migrate`). Default: those of members that hold a key, who are trusted entirely anyway.
    pub remote_migration: RemoteMigration,
    /// Compress what is sent: datagrams where it helps, streams always.
    pub enable_compression: bool,
    /// Protocol version spoken, 1 to 5. Nothing but 1 changes a byte; keep 2.
    pub protocol_version: u8,
    /// Version of the application's own protocol that this node speaks. Nodes whose ranges
    /// do not overlap exchange no state.
    pub delegate_protocol_version: u8,
    /// The lowest version of it that this node understands.
    pub delegate_protocol_min: u8,
    /// The highest.
    pub delegate_protocol_max: u8,

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
    /// Nodes that are joined at the start and again whenever they are no members, written as
    /// for a join: `host`, `host:port`, `[v6]:port`, `name/host:port`; at most 64. Names are
    /// looked up anew each time. The own address among them does no harm, so that all nodes
    /// can have the same list. The start does not wait for them.
    pub seeds: Vec<String>,
    /// Seeds that are no members and lost members are tried again about this often by the
    /// cluster as a whole, at random moments from a half of it on; by a node that is
    /// alone after 1, 2, 4 s and so on up to this. Zero: the seeds are tried once, at the start, and
    /// nobody is looked for.
    pub reconnect_interval: Duration,
    /// A member that died is looked for this long, at the address it had and under its name
    /// only. Zero: not at all.
    pub reconnect_timeout: Duration,
    /// A dead member's name may be taken over from another address after this time, without
    /// asking whether the old one still answers to it. Zero: it is always asked.
    pub dead_node_reclaim_time: Duration,
    /// Refuse to talk to addresses without a node name.
    pub require_node_names: bool,
    /// A `resolv.conf` file whose servers are asked, over TCP, for the names given to a join;
    /// what they do not know, and everything if this is empty, is asked of the system's
    /// resolver.
    pub dns_config_path: String,
    /// Networks that members' addresses must lie in; empty allows all.
    pub cidrs_allowed: Vec<IpNet>,

    /// Nodes held at a time, the recently dead and this one included. Others are not
    /// believed in, and counted, so that nobody can fill the memory with invented names.
    pub max_members: usize,
    /// Datagrams are packed up to this many bytes.
    pub udp_buffer_size: usize,
    /// Datagrams that wait for this pool; a further one is dropped and counted.
    pub handoff_queue_depth: usize,
    /// How broadcasts of the application travel. Default: [`BroadcastMode::Auto`].
    pub broadcast_mode: BroadcastMode,
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
            name: String::new(),
            framing: Framing::Prefix,
            label: Bytes::new(),
            next_label: None,
            former_label: None,
            skip_inbound_label_check: false,
            keyring: Keyring::default(),
            gossip_verify_incoming: true,
            gossip_verify_outgoing: true,
            remote_migration: RemoteMigration::Encrypted,
            enable_compression: true,
            protocol_version: 2,
            delegate_protocol_version: 0,
            delegate_protocol_min: 0,
            delegate_protocol_max: 0,
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
            seeds: Vec::new(),
            reconnect_interval: Duration::from_secs(30),
            reconnect_timeout: Duration::from_secs(24 * 3600),
            dead_node_reclaim_time: Duration::ZERO,
            require_node_names: false,
            dns_config_path: String::new(),
            cidrs_allowed: Vec::new(),
            max_members: 65_536,
            udp_buffer_size: 1400,
            handoff_queue_depth: 1024,
            broadcast_mode: BroadcastMode::Auto,
            broadcast_queue_depth: 1024,
            message_queue_depth: 4096,
            query_timeout: Duration::from_secs(1),
            metric_labels: Vec::new(),
            queue_check_interval: Duration::from_secs(30),
        }
    }

    /// The versions that this node announces. Go: `BuildVsnArray`.
    pub fn versions(&self) -> Versions {
        Versions {
            pmin: PROTOCOL_VERSION_MIN,
            pmax: PROTOCOL_VERSION_MAX,
            pcur: self.protocol_version,
            dmin: self.delegate_protocol_min,
            dmax: self.delegate_protocol_max,
            dcur: self.delegate_protocol_version,
        }
    }

    /// Whether the pool has keys, and so encrypts. Go: `EncryptionEnabled`.
    pub fn is_encrypted(&self) -> bool {
        self.keyring.primary().is_some()
    }

    /// Whether members may have this address. Go: `IPAllowed`.
    pub fn allows(&self, ip: IpAddr) -> bool {
        let ip = ip.to_canonical();
        self.cidrs_allowed.is_empty() || self.cidrs_allowed.iter().any(|network| network.contains(&ip))
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
            reconnect_interval: Duration::from_secs(10),
            // Ours: the default answer must come while a stream of `tcp_timeout` still waits for it.
            query_timeout: Duration::from_millis(500),
            ..Self::lan(id)
        }
    }
}

/// How a pool's broadcasts reach the others.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum BroadcastMode {
    /// As in memberlist: sent to some random members, as often as its own news, and passed on
    /// by nobody. In a small pool that reaches all of them, perhaps more than once; in a large
    /// one it does not.
    Plain,
    /// Passed on by the members, each of which gets it once. Members that do not understand
    /// that, such as those of memberlist, get nothing.
    Relay,
    /// `Relay` as long as every live member is known to understand it, otherwise `Plain`.
    #[default]
    Auto,
}

impl BroadcastMode {
    /// The mode of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Plain, Self::Relay, Self::Auto].into_iter().find(|mode| mode.name() == name)
    }

    /// Its name, in lower case.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Relay => "relay",
            Self::Auto => "auto",
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

    /// The second framing that the pool answers to, if it has one.
    pub fn other_framing(&self) -> Option<Framing> {
        let other = self.config.wire().other_label?;
        (self.config.framing != Framing::Prefix).then(|| Framing::of_label(other))
    }
}

impl PoolConfig {
    /// Checks every value, and how they fit together; the error lists everything that
    /// cannot work, each with its value and the rule.
    pub fn check(self) -> Result<CheckedPool, ConfigError> {
        let mut problems = Problems::default();
        keys::check(KEYS, &self, &mut problems);
        self.check_labels(&mut problems);
        self.check_versions(&mut problems);
        let rule = format!("must be at most probe_interval ({:?})", self.probe_interval);
        let late = !self.probe_interval.is_zero() && self.probe_timeout > self.probe_interval;
        problems.refuse(late, "probe_timeout", format!("{:?}", self.probe_timeout), rule);
        metric_label::check(&self.metric_labels, &mut problems);
        let nameless = self.seeds.iter().find(|seed| self.require_node_names && !seed.contains('/'));
        if let Some(seed) = nameless {
            let rule = "must be name/host:port, since require_node_names is set";
            problems.refuse(true, "seeds", format!("{seed:?}"), rule);
        }
        problems.into_result()?;
        let tuning = self.tuning();
        Ok(CheckedPool { config: self, tuning })
    }

    /// A label pool has one in its framing, a bare pool none, a prefix pool may have one.
    fn check_labels(&self, problems: &mut Problems) {
        let set_twice = match &self.framing {
            Framing::Prefix => None,
            Framing::Label(_) => Some("must be empty: a label pool's label stands in its framing"),
            Framing::Bare => Some("must be empty: a bare pool has no label; use a label pool"),
        };
        if let Some(rule) = set_twice {
            let value = format!("{} bytes long", self.label.len());
            problems.refuse(!self.label.is_empty(), "label", value, rule);
        }
        for (field, other) in [("next_label", &self.next_label), ("former_label", &self.former_label)] {
            let Some(other) = other else { continue };
            let value = format!("{} bytes long", other.len());
            let same = *other == self.wire().label;
            problems.refuse(same, field, &value, "must differ from the label that the pool speaks under");
            let rule = "must not be set together with skip_inbound_label_check";
            problems.refuse(self.skip_inbound_label_check, field, value, rule);
        }
        let both = self.next_label.is_some() && self.former_label.is_some();
        problems.refuse(both, "former_label", "set", "must not be set together with next_label");
    }

    fn check_versions(&self, problems: &mut Problems) {
        let (min, max) = (self.delegate_protocol_min, self.delegate_protocol_max);
        let rule = format!("must be at most delegate_protocol_max ({max})");
        problems.refuse(min > max, "delegate_protocol_min", min, rule);
        let spoken = self.delegate_protocol_version;
        let rule = format!("must be from delegate_protocol_min ({min}) to delegate_protocol_max ({max})");
        problems.refuse(
            min <= max && !(min..=max).contains(&spoken),
            "delegate_protocol_version",
            spoken,
            rule,
        );
    }

    fn tuning(&self) -> Tuning {
        Tuning {
            versions: self.versions(),
            relay: if self.broadcast_mode == BroadcastMode::Plain { 0 } else { RELAY_VERSION },
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
            max_members: self.max_members,
        }
    }
}
