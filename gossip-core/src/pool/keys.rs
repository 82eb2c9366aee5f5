//! The table of a pool's configuration keys: what is checked, what the bindings set by
//! name, what the manual prints.

use bytes::Bytes;

use crate::base::endpoint::Endpoint;
use crate::base::keys::{Key, Kind, Range, parse_list, row, write_list};
use crate::base::networks::parse_cidrs;
use crate::mux::prefix::Framing;
use crate::pool::config::{BroadcastMode, PoolConfig};
use crate::pool::metric_label;
use crate::pool::migration::RemoteMigration;
use crate::wire::limits::{LABEL_MAX, META_MAX};

/// Every key of [`PoolConfig`] that has a text form, in the order of the manual. The
/// id is given at construction; encryption keys and delegate have setters of their own.
pub const KEYS: &[Key<PoolConfig>] = &[
    Key {
        name: "name",
        kind: Kind::Text,
        unit: "bytes",
        range: Range::Words("at most 255 bytes"),
        about: "this node's name in the pool, unique there; empty takes that of the node",
        get: |config| config.name.clone(),
        set: |config, text| {
            text.clone_into(&mut config.name);
            Ok(())
        },
        check: |config| at_most(config.name.len(), 255),
    },
    Key {
        name: "framing",
        kind: Kind::Text,
        unit: "",
        range: Range::Words("prefix, bare, or label:TEXT of 1 to 255 bytes"),
        about: "how the pool is reached: behind its two-byte prefix (nodes that share their port), bare (stock \
                memberlist), or by memberlist label (stock memberlist with a label)",
        get: |config| match &config.framing {
            Framing::Prefix => "prefix".to_owned(),
            Framing::Bare => "bare".to_owned(),
            Framing::Label(label) => label_text(label),
        },
        set: |config, text| {
            config.framing = match text {
                "prefix" => Framing::Prefix,
                "bare" => Framing::Bare,
                _ => match text.strip_prefix("label:") {
                    Some(label) => Framing::Label(Bytes::copy_from_slice(label.as_bytes())),
                    None => return Err("must be prefix, bare, or label:TEXT".to_owned()),
                },
            };
            Ok(())
        },
        check: |config| match &config.framing {
            Framing::Prefix | Framing::Bare => Ok(()),
            Framing::Label(label) if (1..=LABEL_MAX).contains(&label.len()) => Ok(()),
            Framing::Label(_) => Err(format!("must be label: and 1 to {LABEL_MAX} bytes")),
        },
    },
    Key {
        name: "label",
        kind: Kind::Text,
        unit: "bytes",
        range: Range::Words("at most 255 bytes"),
        about: "memberlist label of a prefix pool: nodes with other labels are refused",
        get: |config| String::from_utf8_lossy(&config.label).into_owned(),
        set: |config, text| {
            config.label = Bytes::copy_from_slice(text.as_bytes());
            Ok(())
        },
        check: |config| at_most(config.label.len(), LABEL_MAX),
    },
    Key {
        name: "next_label",
        kind: Kind::Text,
        unit: "bytes",
        range: Range::Words("empty, bare, or label:TEXT of 1 to 255 bytes"),
        about: "the label to which the cluster is about to move, bare for none at all: accepted, and spoken to those who speak it",
        get: |config| write_label(&config.next_label),
        set: |config, text| read_label(text).map(|label| config.next_label = label),
        check: |config| {
            at_most(config.next_label.as_ref().map_or(0, Bytes::len), LABEL_MAX)
                .map_err(|_| LABEL_RULE.to_owned())
        },
    },
    Key {
        name: "former_label",
        kind: Kind::Text,
        unit: "bytes",
        range: Range::Words("empty, bare, or label:TEXT of 1 to 255 bytes"),
        about: "the label from which the cluster is moving, bare for none at all: still accepted",
        get: |config| write_label(&config.former_label),
        set: |config, text| read_label(text).map(|label| config.former_label = label),
        check: |config| {
            at_most(config.former_label.as_ref().map_or(0, Bytes::len), LABEL_MAX)
                .map_err(|_| LABEL_RULE.to_owned())
        },
    },
    row!(flag skip_inbound_label_check, "the label of inbound traffic was removed by something in front of this node"),
    row!(flag gossip_verify_incoming, "with keys: refuse clear text; off only while a cluster moves to encryption"),
    row!(flag gossip_verify_outgoing, "with keys: encrypt; off only while a cluster moves to encryption"),
    Key {
        name: "remote_migration",
        kind: Kind::Text,
        unit: "",
        range: Range::Words("never, encrypted or always"),
        about: "which requests of other members to change keys, encryption or label are obeyed: none, those of members that \
                hold a key, or also those in clear that change the label",
        get: |config| config.remote_migration.name().to_owned(),
        set: |config, text| {
            let allowed = RemoteMigration::from_name(text).ok_or("must be never, encrypted or always")?;
            config.remote_migration = allowed;
            Ok(())
        },
        check: |_| Ok(()),
    },
    row!(flag enable_compression, "compress datagrams where it helps, and streams"),
    row!(count protocol_version, 1, 5, "", "protocol version spoken"),
    row!(count delegate_protocol_version, 0, 255, "", "version of the application's own protocol that is spoken"),
    row!(count delegate_protocol_min, 0, 255, "", "lowest version of it that is understood"),
    row!(count delegate_protocol_max, 0, 255, "", "highest version of it that is understood"),
    Key {
        name: "meta",
        kind: Kind::Text,
        unit: "bytes",
        range: Range::Words("at most 512 bytes"),
        about: "metadata announced at the start",
        get: |config| String::from_utf8_lossy(&config.meta).into_owned(),
        set: |config, text| {
            config.meta = Bytes::copy_from_slice(text.as_bytes());
            Ok(())
        },
        check: |config| at_most(config.meta.len(), META_MAX),
    },
    row!(duration probe_interval, 24 h, 0: "no probing, and nobody is forgotten", "period in which one member is probed"),
    row!(duration probe_timeout, 24 h, "wait for a direct ack before others are asked to probe; at most probe_interval"),
    row!(count indirect_checks, 0, 1000, "members", "members asked to probe a silent one"),
    row!(flag disable_tcp_pings, "never ping silent members over TCP"),
    row!(count awareness_max_multiplier, 1, 1000, "times", "how much a node that doubts itself slows its probes"),
    row!(count suspicion_mult, 1, 1000, "times", "multiplies the time a suspect has to refute"),
    row!(count suspicion_max_timeout_mult, 1, 1000, "times", "how much longer that time is without confirmations"),
    row!(count retransmit_mult, 1, 1000, "times", "multiplies the number of times a broadcast is sent"),
    row!(duration gossip_interval, 24 h, 0: "no gossip, broadcasts ride on probes", "period of gossip"),
    row!(count gossip_nodes, 0, 1000, "members", "members gossiped to in each period"),
    row!(duration gossip_to_the_dead_time, 24 h, 0: "forgotten at once", "how long the dead are gossiped to and remembered"),
    row!(duration push_pull_interval, 24 h, 0: "none", "base period of the full exchange of state"),
    row!(duration tcp_timeout, 24 h, "deadline for connecting, and for each of writing and reading, of streams"),
    Key {
        name: "seeds",
        kind: Kind::List,
        unit: "",
        range: Range::Words("at most 64 of host, host:port or name/host:port, separated by commas"),
        about: "nodes that are joined at the start, and again whenever they are no members; names are looked up anew",
        get: |config| write_list(&config.seeds),
        set: |config, text| {
            config.seeds = parse_list(text, |part| Ok(part.to_owned()))?;
            Ok(())
        },
        check: |config| check_seeds(&config.seeds),
    },
    row!(duration reconnect_interval, 24 h, 0: "seeds are tried once, and nobody is looked for", "how often missing seeds and lost members are tried again"),
    row!(duration reconnect_timeout, 8760 h, 0: "not at all", "how long a member that died is looked for"),
    row!(duration dead_node_reclaim_time, 24 h, 0: "it is always asked", "time after which a dead member's name may move without asking its old address"),
    row!(flag require_node_names, "refuse to talk to addresses without a node name"),
    Key {
        name: "dns_config_path",
        kind: Kind::Text,
        unit: "",
        range: Range::Words("the path of a file such as /etc/resolv.conf, or empty"),
        about: "file whose name servers are asked, over TCP, for the names given to a join; empty asks the system",
        get: |config| config.dns_config_path.clone(),
        set: |config, text| {
            text.clone_into(&mut config.dns_config_path);
            Ok(())
        },
        check: |config| at_most(config.dns_config_path.len(), 4096),
    },
    Key {
        name: "cidrs_allowed",
        kind: Kind::List,
        unit: "",
        range: Range::Words("networks such as 10.0.0.0/8, separated by commas"),
        about: "networks that members' addresses must lie in; empty allows all",
        get: |config| write_list(&config.cidrs_allowed),
        set: |config, text| {
            let parts = parse_list(text, |part| Ok(part.to_owned()))?;
            config.cidrs_allowed = parse_cidrs(&parts).map_err(|invalid| invalid.to_string())?;
            Ok(())
        },
        check: |_| Ok(()),
    },
    row!(count max_members, 1, 1048576, "nodes", "nodes held at a time, the recently dead included; others are not believed in"),
    row!(count udp_buffer_size, 512, 65507, "bytes", "size up to which datagrams are packed"),
    row!(count handoff_queue_depth, 1, 1048576, "datagrams", "datagrams that wait for the pool; more are dropped and counted"),
    Key {
        name: "broadcast_mode",
        kind: Kind::Text,
        unit: "",
        range: Range::Words("plain, relay or auto"),
        about: "how broadcasts travel: as in memberlist, passed on by nobody; passed on so that every member gets each once; \
                or the latter while all members understand it",
        get: |config| config.broadcast_mode.name().to_owned(),
        set: |config, text| {
            let mode = BroadcastMode::from_name(text).ok_or("must be plain, relay or auto")?;
            config.broadcast_mode = mode;
            Ok(())
        },
        check: |_| Ok(()),
    },
    row!(count broadcast_queue_depth, 1, 1048576, "broadcasts", "application broadcasts that wait to be sent; more are refused"),
    row!(count message_queue_depth, 1, 1048576, "messages", "user messages that wait for the delegate; more are dropped and counted"),
    row!(duration query_timeout, 24 h, "how long a delegate may take to answer before the default is taken"),
    Key {
        name: "metric_labels",
        kind: Kind::List,
        unit: "",
        range: Range::Words("at most 16 of name=value, separated by commas"),
        about: "labels added to each line of the pool's metrics, to tell nodes apart",
        get: |config| {
            let pairs = config.metric_labels.iter().map(|(name, value)| format!("{name}={value}"));
            write_list(&pairs.collect::<Vec<_>>())
        },
        set: |config, text| {
            config.metric_labels = parse_list(text, metric_label::parse)?;
            Ok(())
        },
        check: |_| Ok(()),
    },
    row!(duration queue_check_interval, 24 h, 0: "never", "period in which the length of the queue of membership news is sampled"),
];

const LABEL_RULE: &str = "must be label: and at most 255 bytes";

/// A label as the text form of a framing has it.
fn label_text(label: &[u8]) -> String {
    format!("label:{}", String::from_utf8_lossy(label))
}

/// A label that may be absent, and may be the empty one.
fn write_label(label: &Option<Bytes>) -> String {
    match label {
        None => String::new(),
        Some(none) if none.is_empty() => "bare".to_owned(),
        Some(label) => label_text(label),
    }
}

fn read_label(text: &str) -> Result<Option<Bytes>, String> {
    match text {
        "" => Ok(None),
        "bare" => Ok(Some(Bytes::new())),
        _ => match text.strip_prefix("label:") {
            Some(label) if !label.is_empty() => Ok(Some(Bytes::copy_from_slice(label.as_bytes()))),
            _ => Err("must be empty, bare, or label:TEXT".to_owned()),
        },
    }
}

/// The most seeds.
const SEEDS_MAX: usize = 64;

fn check_seeds(seeds: &[String]) -> Result<(), String> {
    if seeds.len() > SEEDS_MAX {
        return Err(format!("must be at most {SEEDS_MAX}, there are {}", seeds.len()));
    }
    let flawed = seeds.iter().find_map(|seed| Some((seed, flaw(seed)?)));
    flawed.map_or(Ok(()), |(seed, flaw)| {
        Err(format!("must be host, host:port or name/host:port; {seed:?} {flaw}"))
    })
}

/// What is wrong with a seed.
fn flaw(seed: &str) -> Option<&'static str> {
    if seed.contains(',') {
        return Some("has a comma");
    }
    Endpoint::read(seed, 1).err()
}

fn at_most(len: usize, max: usize) -> Result<(), String> {
    if len <= max { Ok(()) } else { Err(format!("must be at most {max} bytes")) }
}
