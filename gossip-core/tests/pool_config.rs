//! The configuration of a pool: memberlist's numbers, its looks, and what is impossible.

use std::net::IpAddr;
use std::time::Duration;

use gossip_core::pool::config::PoolConfig;
use gossip_core::swim::node::Versions;
use gossip_core::wire::keyring::{Key, Keyring};

const fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

const fn s(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

#[test]
fn the_presets_are_those_of_memberlist() {
    let lan = PoolConfig::lan(7);
    let wan = PoolConfig::wan(7);
    let local = PoolConfig::local(7);

    let times = |config: &PoolConfig| {
        [
            config.tcp_timeout,
            config.probe_interval,
            config.probe_timeout,
            config.gossip_interval,
            config.gossip_to_the_dead_time,
            config.push_pull_interval,
        ]
    };
    assert_eq!(times(&lan), [s(10), s(1), ms(500), ms(200), s(30), s(30)]);
    assert_eq!(times(&wan), [s(30), s(5), s(3), ms(500), s(60), s(60)]);
    assert_eq!(times(&local), [s(1), s(1), ms(200), ms(100), s(15), s(15)]);
    let counts = |config: &PoolConfig| {
        (config.indirect_checks, config.gossip_nodes, config.retransmit_mult, config.suspicion_mult)
    };
    assert_eq!(counts(&lan), (3, 3, 4, 4));
    assert_eq!(counts(&wan), (3, 4, 4, 6));
    assert_eq!(counts(&local), (1, 3, 2, 3));
    for config in [lan, wan, local] {
        assert_eq!(config.id.0, 7);
        assert_eq!((config.suspicion_max_timeout_mult, config.awareness_max_multiplier), (6, 8));
        assert_eq!((config.udp_buffer_size, config.handoff_queue_depth), (1400, 1024));
        assert_eq!((config.protocol_version, config.delegate_protocol_version), (2, 0));
        assert_eq!((config.delegate_protocol_min, config.delegate_protocol_max), (0, 0));
        assert_eq!(config.dead_node_reclaim_time, Duration::ZERO);
        assert!(config.enable_compression && config.gossip_verify_incoming && config.gossip_verify_outgoing);
        assert!(!config.disable_tcp_pings && !config.require_node_names);
        assert!(!config.skip_inbound_label_check && config.label.is_empty());
        assert!(!config.is_encrypted() && config.cidrs_allowed.is_empty());
    }
}

#[test]
fn what_memberlist_takes_and_cannot_work_with_is_refused() {
    let lan = || PoolConfig::lan(1);
    let cases = [
        ("protocol_version", PoolConfig { protocol_version: 0, ..lan() }),
        ("protocol_version", PoolConfig { protocol_version: 6, ..lan() }),
        ("delegate_protocol_min", PoolConfig { delegate_protocol_min: 2, ..lan() }),
        ("delegate_protocol_version", PoolConfig { delegate_protocol_version: 3, ..lan() }),
        ("label", PoolConfig { label: vec![b'x'; 256].into(), ..lan() }),
        ("meta", PoolConfig { meta: vec![b'x'; 513].into(), ..lan() }),
        ("awareness_max_multiplier", PoolConfig { awareness_max_multiplier: 0, ..lan() }),
        ("suspicion_mult", PoolConfig { suspicion_mult: 0, ..lan() }),
        ("suspicion_max_timeout_mult", PoolConfig { suspicion_max_timeout_mult: 0, ..lan() }),
        ("retransmit_mult", PoolConfig { retransmit_mult: 0, ..lan() }),
        ("tcp_timeout", PoolConfig { tcp_timeout: Duration::ZERO, ..lan() }),
        ("probe_timeout", PoolConfig { probe_timeout: Duration::ZERO, ..lan() }),
        ("probe_timeout", PoolConfig { probe_timeout: s(2), ..lan() }),
        ("gossip_interval", PoolConfig { gossip_interval: Duration::from_micros(1), ..lan() }),
        ("push_pull_interval", PoolConfig { push_pull_interval: s(24 * 3600 + 1), ..lan() }),
        ("max_members", PoolConfig { max_members: 0, ..lan() }),
        ("udp_buffer_size", PoolConfig { udp_buffer_size: 0, ..lan() }),
        ("udp_buffer_size", PoolConfig { udp_buffer_size: 65_508, ..lan() }),
        ("handoff_queue_depth", PoolConfig { handoff_queue_depth: 0, ..lan() }),
    ];

    for (field, config) in cases {
        let error = config.check().map(drop).unwrap_err().to_string();
        assert!(error.contains(&format!("{field} is ")), "{field}: {error}");
    }
    for config in [lan(), PoolConfig::wan(1), PoolConfig::local(1)] {
        config.check().unwrap();
    }
}

#[test]
fn loops_may_be_turned_off_as_in_memberlist() {
    let off = Duration::ZERO;
    let (probe_interval, gossip_interval, push_pull_interval) = (off, off, off);
    let config = PoolConfig {
        probe_interval,
        gossip_interval,
        push_pull_interval,
        gossip_nodes: 0,
        indirect_checks: 0,
        gossip_to_the_dead_time: off,
        ..PoolConfig::lan(1)
    };

    config.check().unwrap();
}

#[test]
fn a_configuration_says_its_versions_whether_it_encrypts_and_whom_it_allows() {
    let plain = PoolConfig {
        protocol_version: 3,
        delegate_protocol_min: 1,
        delegate_protocol_max: 4,
        delegate_protocol_version: 2,
        ..PoolConfig::lan(1)
    };
    let key = Key::new(&[1; 16]).unwrap();
    let keyring = Keyring::new([key.clone()], Some(key)).unwrap();
    let closed = PoolConfig {
        keyring,
        cidrs_allowed: vec!["10.0.0.0/8".parse().unwrap(), "fd00::/8".parse().unwrap()],
        ..PoolConfig::lan(1)
    };
    let allows = |config: &PoolConfig, ip: &str| config.allows(ip.parse::<IpAddr>().unwrap());

    assert_eq!(plain.versions(), Versions { pmin: 1, pmax: 5, pcur: 3, dmin: 1, dmax: 4, dcur: 2 });
    assert_eq!(plain.versions().to_bytes(), [1, 5, 3, 1, 4, 2]);
    assert_eq!((plain.is_encrypted(), closed.is_encrypted()), (false, true));
    assert!(allows(&plain, "192.0.2.1") && allows(&plain, "::1"));
    for (ip, expected) in [
        ("10.9.8.7", true),
        ("::ffff:10.9.8.7", true),
        ("11.0.0.1", false),
        ("fd12::1", true),
        ("::1", false),
    ] {
        assert_eq!(allows(&closed, ip), expected, "{ip}");
    }
}
