//! What is refused leaves nothing behind.

use std::net::{TcpListener, UdpSocket};
use std::time::Duration;

use bytes::Bytes;
use gossip_core::mux::listener::ListenerName;
use gossip_core::mux::prefix::Framing;
use gossip_core::net::listener::ListenOptions;
use gossip_core::pool::config::PoolConfig;
use gossip_core::runtime::config::{Config, KEYS};
use gossip_core::runtime::error::Error;
use gossip_core::runtime::gossip::Gossip;

use super::support::*;

#[test]
fn a_node_that_cannot_work_is_refused_with_field_value_and_rule() {
    let cases = [
        (Config { threads: 0, ..loopback("a") }, "threads is 0, must be from 1 to 64"),
        (Config { bind_addr: vec![], ..loopback("a") }, "bind_addr is \"\", must name at least one address"),
        (
            Config { sniff_timeout: Duration::ZERO, ..loopback("a") },
            "sniff_timeout is 0ms, must be from 1 ms to 1 h",
        ),
        (loopback(&"x".repeat(256)), "name is 256 bytes long, must be at most 255 bytes"),
        (
            Config { advertise_addr: Some([0, 0, 0, 0].into()), ..loopback("a") },
            "advertise_addr is \"0.0.0.0\", must be an address that others can reach",
        ),
    ];

    for (config, expected) in cases {
        assert_eq!(Gossip::new(config).unwrap_err().to_string(), expected);
    }
}

#[test]
fn everything_that_is_wrong_is_reported_at_once() {
    let node = Config { threads: 0, packet_queue: 0, bind_addr: vec![], ..loopback("a") };
    let pool = PoolConfig {
        framing: Framing::Bare,
        label: "x".into(),
        gossip_nodes: 2000,
        tcp_timeout: Duration::from_micros(10),
        delegate_protocol_min: 3,
        probe_timeout: Duration::from_secs(7200),
        ..quick(1)
    };
    let fields = |error: Error| match error {
        Error::Config(error) => error.problems().map(|problem| problem.field).collect::<Vec<_>>(),
        other => panic!("{other}"),
    };

    assert_eq!(fields(Gossip::new(node).unwrap_err()), ["bind_addr", "threads", "packet_queue"]);
    let refused = super::support::node("a").register_pool(pool, None).unwrap_err();
    let text = refused.to_string();
    assert_eq!(
        fields(refused),
        ["gossip_nodes", "tcp_timeout", "label", "delegate_protocol_min", "probe_timeout"]
    );
    assert!(
        text.contains("tcp_timeout is 0.01ms, must be from 1 ms to 24 h; label is 1 bytes long"),
        "{text}"
    );
}

#[test]
fn addresses_given_as_text_must_parse() {
    let mut config = Config::default();

    let error = gossip_core::base::keys::set(KEYS, &mut config, "bind_addr", "300.1.1.1").unwrap_err();

    assert_eq!(
        error.to_string(),
        "bind_addr is \"300.1.1.1\", must be an IP address such as 192.0.2.1 or 2001:db8::1"
    );
}

#[test]
fn an_address_or_port_that_cannot_be_bound_is_an_error_that_names_it() {
    // TEST-NET-1 is nobody's.
    let foreign = Config { bind_addr: vec![[192, 0, 2, 1].into()], ..loopback("a") };
    assert!(Gossip::new(foreign).unwrap_err().to_string().contains("192.0.2.1"));

    let holder = node("a");
    let port = holder.local_addr().port();
    let error = Gossip::new(Config { bind_port: port, ..loopback("b") }).unwrap_err();
    assert!(matches!(error, Error::Net(_)) && error.to_string().contains(&port.to_string()), "{error}");

    // An address of its own: on 127.0.0.1 another test may hold the TCP port of that number.
    let udp_holder = UdpSocket::bind("127.0.2.7:0").unwrap();
    let addr = udp_holder.local_addr().unwrap();
    Gossip::new(Config { bind_addr: vec![addr.ip()], bind_port: addr.port(), ..loopback("b") }).unwrap_err();
    eventually("the tcp half is released", || TcpListener::bind(addr).is_ok());
}

#[test]
fn a_pool_that_cannot_work_is_refused_and_its_id_stays_free() {
    let cases = [
        (PoolConfig { label: Bytes::from(vec![b'x'; 256]), ..quick(1) }, "label is 256 bytes long"),
        (PoolConfig { meta: Bytes::from(vec![0; 513]), ..quick(1) }, "meta is 513 bytes long"),
        (PoolConfig { probe_timeout: Duration::ZERO, ..quick(1) }, "probe_timeout is 0ms"),
        (PoolConfig { tcp_timeout: Duration::ZERO, ..quick(1) }, "tcp_timeout is 0ms"),
        (PoolConfig { query_timeout: Duration::ZERO, ..quick(1) }, "query_timeout is 0ms"),
        (PoolConfig { handoff_queue_depth: 0, ..quick(1) }, "handoff_queue_depth is 0"),
        (
            PoolConfig { cidrs_allowed: vec!["10.0.0.0/8".parse().unwrap()], ..quick(1) },
            "own address 127.0.0.1",
        ),
    ];
    let (gossip, told) = (node("a"), Recorder::new());

    for started in [false, true] {
        for (config, expected) in cases.clone() {
            let error = gossip.register_pool(config, Some(told.clone())).unwrap_err();
            assert!(error.to_string().starts_with(expected), "{error}");
            assert!(gossip.pools().is_empty());
        }
        gossip.register_pool(quick(1), None).unwrap().shutdown(PATIENCE).unwrap();
        if !started {
            gossip.start().unwrap();
        }
    }

    assert!(told.lines().is_empty(), "a delegate that was refused hears nothing");
}

#[test]
fn pools_that_could_not_be_told_apart_are_refused() {
    let gossip = node("a");
    let labelled = |id, label: &'static str| PoolConfig {
        framing: Framing::Label(Bytes::from_static(label.as_bytes())),
        ..quick(id)
    };
    let bare = |id| PoolConfig { framing: Framing::Bare, ..quick(id) };
    for config in [quick(1), labelled(2, "east"), bare(3)] {
        gossip.register_pool(config, None).unwrap();
    }

    for (config, name) in [
        (quick(1), "pool 1 is registered already"),
        (labelled(4, "east"), "label \"east\" is taken by pool 2"),
        (bare(5), "pool 3 is bare already"),
    ] {
        let error = gossip.register_pool(config, None).unwrap_err();
        assert!(error.to_string().starts_with(name), "{error}");
    }

    gossip.start().unwrap();
    assert_eq!(gossip.pools().iter().map(|pool| pool.id().0).collect::<Vec<_>>(), [1, 2, 3]);
    gossip.register_pool(labelled(4, "west"), None).unwrap();
}

#[test]
fn ids_of_listeners_that_are_taken_or_reserved_are_refused() {
    let gossip = node("a");
    let _first = gossip.listen(0x1234).unwrap();

    for (id, text) in [(0x1234, "0x1234"), (0xFE00, "0xfe00"), (0xFEFF, "0xfeff")] {
        let error = gossip.listen(id).unwrap_err();
        assert!(error.to_string().contains(text), "{error}");
    }
}

#[test]
fn prefixes_that_could_be_meant_for_another_are_refused_and_so_are_backlogs_out_of_range() {
    let gossip = node("a");
    let _id = gossip.listen(0x5353).unwrap();
    let _prefix = gossip.listen_prefix(b"\x16\x03").unwrap();
    let cases: [(&[u8], &str); 5] = [
        (b"", "listener prefix is 0 bytes, must be 1 to 64"),
        (&[7; 65], "listener prefix is 65 bytes, must be 1 to 64"),
        (b"\xFEx", r"listener prefix \xfex begins with 0xfe, the mark of gossip pools"),
        (b"\x16\x03", r"listener prefix \x16\x03 is taken"),
        (
            b"SSH-",
            "listener prefix SSH- would take connections of listener id 0x5353, which begin with the same bytes",
        ),
    ];

    for (prefix, text) in cases {
        assert_eq!(gossip.listen_prefix(prefix).unwrap_err().to_string(), text);
    }
    for backlog in [0, 65537] {
        let options = ListenOptions { backlog: Some(backlog) };
        let error = gossip.listen_with(ListenerName::Native, options).unwrap_err();
        assert_eq!(error.to_string(), format!("backlog is {backlog}, must be from 1 to 65536"));
    }
    assert_eq!(gossip.listen_tcp().unwrap().name(), &ListenerName::Native);
}

#[test]
fn before_the_start_a_pool_says_that_it_has_not_begun() {
    let gossip = node("a");
    let pool = gossip.register_pool(quick(1), None).unwrap();

    assert!(matches!(pool.local_node(), Err(Error::NotStarted)));
    assert!(matches!(pool.join(&["127.0.0.1:1"], PATIENCE), Err(Error::NotStarted)));
    assert!(matches!(pool.leave(PATIENCE), Err(Error::NotStarted)));
    assert!(matches!(pool.broadcast(b"", PATIENCE), Err(Error::NotStarted)));
    assert!(matches!(pool.stats(), Err(Error::NotStarted)));
    assert!(pool.members().is_empty());
    gossip.start().unwrap();
    gossip.start().unwrap();
    assert_eq!(names(&pool), ["a"]);
}

#[test]
fn a_start_that_cannot_work_starts_nothing() {
    let gossip = node("a");
    let (good, bad) = (quick(1), quick(2));
    let good = gossip.register_pool(good, None).unwrap();
    let bad = gossip.register_pool(bad, None).unwrap();
    bad.set_ack_payload(&[0; 513]).unwrap();

    gossip.start().unwrap_err();
    assert!(!gossip.is_running());
    assert!(matches!(good.stats(), Err(Error::NotStarted)));
    bad.set_ack_payload(b"short").unwrap();
    gossip.start().unwrap();

    good.stats().unwrap();
}

#[test]
fn a_node_without_a_name_has_that_of_its_host() {
    let gossip = Gossip::new(loopback("")).unwrap();

    assert!(!gossip.node_name().is_empty());
}
