//! The table of a pool's configuration keys: what the bindings set by name and the
//! manual prints.

use bytes::Bytes;

use crate::base::keys::{Key, Kind, parse_count, parse_list, row, write_list};
use crate::mux::prefix::Framing;
use crate::pool::config::PoolConfig;
use crate::pool::metric_label;

/// Every key of [`PoolConfig`] that has a text form, in the order of the manual. The
/// id is given at construction; keys and delegate have setters of their own.
pub const KEYS: &[Key<PoolConfig>] = &[
    Key {
        name: "framing",
        kind: Kind::Text,
        range: "prefix, bare, or label:TEXT",
        about: "how the pool is reached: behind its two-byte prefix (nodes that share their port), bare (stock \
                memberlist), or by memberlist label (stock memberlist with a label)",
        get: |config| match &config.framing {
            Framing::Prefix => "prefix".to_owned(),
            Framing::Bare => "bare".to_owned(),
            Framing::Label(label) => format!("label:{}", String::from_utf8_lossy(label)),
        },
        set: |config, text| {
            config.framing = match text.split_once(':') {
                None if text == "prefix" => Framing::Prefix,
                None if text == "bare" => Framing::Bare,
                Some(("label", label)) => Framing::Label(Bytes::copy_from_slice(label.as_bytes())),
                _ => return Err("must be prefix, bare, or label:TEXT".to_owned()),
            };
            Ok(())
        },
    },
    Key {
        name: "label",
        kind: Kind::Text,
        range: "at most 255 bytes",
        about: "memberlist label of a prefix pool: nodes with other labels are refused",
        get: |config| String::from_utf8_lossy(&config.label).into_owned(),
        set: |config, text| {
            config.label = Bytes::copy_from_slice(text.as_bytes());
            Ok(())
        },
    },
    row!(flag skip_inbound_label_check, "the label of inbound traffic was removed by something in front of this node"),
    row!(flag verify_incoming, "with keys: refuse clear text; off only while a cluster moves to encryption"),
    row!(flag verify_outgoing, "with keys: encrypt; off only while a cluster moves to encryption"),
    row!(flag compression, "compress datagrams where it helps, and streams"),
    row!(count protocol_version, 1, 5, "protocol version spoken"),
    Key {
        name: "delegate_protocol",
        kind: Kind::List,
        range: "three numbers 0 to 255: lowest, highest, spoken",
        about: "versions of the application's own protocol",
        get: |config| {
            let (min, max, current) = config.delegate_protocol;
            write_list(&[min, max, current])
        },
        set: |config, text| match parse_list(text, |part| parse_count(part, 0, 255))?[..] {
            [min, max, current] => {
                config.delegate_protocol = (min, max, current);
                Ok(())
            }
            _ => Err("must be three numbers: lowest, highest, spoken".to_owned()),
        },
    },
    Key {
        name: "meta",
        kind: Kind::Text,
        range: "at most 512 bytes",
        about: "metadata announced at the start",
        get: |config| String::from_utf8_lossy(&config.meta).into_owned(),
        set: |config, text| {
            config.meta = Bytes::copy_from_slice(text.as_bytes());
            Ok(())
        },
    },
    row!(duration probe_interval, "1 ms to 24 h, 0 turns it off", "period in which one member is probed"),
    row!(duration probe_timeout, "1 ms to probe_interval", "wait for a direct ack before others are asked to probe"),
    row!(count indirect_checks, 0, 1000, "members asked to probe a silent one"),
    row!(flag disable_tcp_pings, "never ping silent members over TCP"),
    row!(count awareness_max_multiplier, 1, 1000, "how much a node that doubts itself slows its probes"),
    row!(count suspicion_mult, 1, 1000, "multiplies the time a suspect has to refute"),
    row!(count suspicion_max_timeout_mult, 1, 1000, "how much longer that time is without confirmations"),
    row!(count retransmit_mult, 1, 1000, "multiplies the number of times a broadcast is sent"),
    row!(duration gossip_interval, "1 ms to 24 h, 0 turns it off", "period of gossip"),
    row!(count gossip_nodes, 0, 1000, "members gossiped to in each period"),
    row!(duration gossip_to_the_dead_time, "0 to 24 h", "how long the dead are gossiped to and remembered"),
    row!(duration push_pull_interval, "1 ms to 24 h, 0 turns it off", "base period of the full exchange of state"),
    row!(duration tcp_timeout, "1 ms to 24 h", "deadline for connecting, and for each of writing and reading, of streams"),
    row!(duration dead_node_reclaim_time, "0 to 24 h, 0 never", "time after which a dead member's name may move to another address"),
    row!(flag require_node_names, "refuse to talk to addresses without a node name"),
    Key {
        name: "cidrs_allowed",
        kind: Kind::List,
        range: "networks such as 10.0.0.0/8, separated by commas",
        about: "networks that members' addresses must lie in; empty allows all",
        get: |config| write_list(&config.cidrs_allowed),
        set: |config, text| {
            let parse =
                |part: &str| part.parse().map_err(|_| format!("{part:?} is no network such as 10.0.0.0/8"));
            config.cidrs_allowed = parse_list(text, parse)?;
            Ok(())
        },
    },
    row!(count udp_buffer_size, 512, 65507, "bytes up to which datagrams are packed"),
    row!(count handoff_queue_depth, 1, 1048576, "datagrams that wait for the pool; more are dropped and counted"),
    row!(count broadcast_queue_depth, 1, 1048576, "application broadcasts that wait to be sent; more are refused"),
    row!(count message_queue_depth, 1, 1048576, "user messages that wait for the delegate; more are dropped and counted"),
    row!(duration query_timeout, "1 ms to 24 h", "how long a delegate may take to answer before the default is taken"),
    Key {
        name: "metric_labels",
        kind: Kind::List,
        range: "at most 16 of name=value, separated by commas",
        about: "labels added to each line of the pool's metrics, to tell nodes apart",
        get: |config| {
            let pairs = config.metric_labels.iter().map(|(name, value)| format!("{name}={value}"));
            write_list(&pairs.collect::<Vec<_>>())
        },
        set: |config, text| {
            config.metric_labels = parse_list(text, metric_label::parse)?;
            Ok(())
        },
    },
    row!(duration queue_check_interval, "1 ms to 24 h, 0 turns it off", "period in which the length of the queue of membership news is sampled"),
];
