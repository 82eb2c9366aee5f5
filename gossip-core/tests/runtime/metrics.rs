//! The metrics of whole nodes: that each thing is counted where it happens, and that the
//! text is what Prometheus reads.

use std::collections::BTreeSet;
use std::net::UdpSocket;
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use gossip_core::Asks;
use gossip_core::base::ids::PoolId;
use gossip_core::pool::config::PoolConfig;
use gossip_core::pool::metric_label::RESERVED;
use gossip_core::runtime::config::Config;
use gossip_core::runtime::events::Events;
use gossip_core::runtime::gossip::Gossip;
use gossip_core::runtime::metrics::table::{self, Kind};
use gossip_core::wire::keyring::{Key, Keyring};

use super::exposition::Exposition;
use super::support::*;

const ONE: (&str, &str) = ("pool", "1");

/// A pool that says nothing of its own accord.
fn mute(id: u8) -> PoolConfig {
    let off = Duration::ZERO;
    PoolConfig { probe_interval: off, gossip_interval: off, push_pull_interval: off, ..PoolConfig::lan(id) }
}

fn read(gossip: &Gossip) -> Exposition {
    Exposition::read(&gossip.metrics())
}

fn dropped(gossip: &Gossip, reason: &str) -> f64 {
    read(gossip).value("gossip_pool_dropped_total", &[ONE, ("reason", reason)])
}

/// A socket of somebody who is no member.
fn stranger() -> UdpSocket {
    UdpSocket::bind("127.0.0.1:0").unwrap()
}

/// A datagram for pool 1: its prefix, then `rest`.
fn for_pool(rest: &[u8]) -> Vec<u8> {
    [&PoolId(1).prefix()[..], rest].concat()
}

#[test]
fn nodes_beyond_the_most_that_are_held_are_counted() {
    let (a, pool_a, _) = started_with("a", PoolConfig { max_members: 1, ..mute(1) });
    let (_b, pool_b, _) = started_with("b", mute(1));

    pool_b.join(&[a.local_addr().to_string()], PATIENCE).unwrap();

    eventually("b is counted", || dropped(&a, "members_full") > 0.0);
    assert_eq!(pool_a.num_members(), 1);
}

#[test]
fn datagrams_and_their_bytes_are_counted_at_both_ends() {
    let (a, ..) = started_with("a", mute(1));
    let (b, pool_b, _) = started_with("b", PoolConfig { enable_compression: false, ..mute(1) });
    let message = [7; 97];

    for _ in 0..3 {
        pool_b.send_to_address(a.local_addr(), &message).unwrap();
    }

    eventually("all came", || read(&a).value("gossip_pool_messages_received_total", &[ONE]) == 3.0);
    let (a, b) = (read(&a), read(&b));
    // Prefix, type byte, message.
    assert_eq!(b.value("memberlist_udp_sent", &[ONE]), 300.0);
    assert_eq!(b.value("gossip_pool_datagrams_sent_total", &[ONE]), 3.0);
    assert_eq!(b.value("gossip_port_sent_bytes_total", &[]), 300.0);
    assert_eq!(a.value("memberlist_udp_received", &[ONE]), 294.0);
    assert_eq!(a.value("gossip_pool_datagrams_received_total", &[ONE]), 3.0);
    assert_eq!(a.value("gossip_port_received_bytes_total", &[]), 300.0);
}

#[test]
fn connections_and_what_they_carried_are_counted_at_both_ends() {
    let (a, _, told_a) = started_with("a", mute(1));
    let (b, pool_b, _) = started_with("b", PoolConfig { enable_compression: false, ..mute(1) });
    join(&pool_b, &a);
    pool_b.send_reliable(&member(&pool_b, "a"), &[b'x'; 5000], PATIENCE).unwrap();
    told_a.expect(&format!("stream {}", "x".repeat(5000)));

    eventually("both connections have ended", || read(&b).value("memberlist_tcp_sent", &[ONE]) > 5000.0);
    eventually("at the other end, too", || {
        let (a, b) = (read(&a), read(&b));
        let (sent, came) =
            (b.value("memberlist_tcp_sent", &[ONE]), "gossip_pool_stream_received_bytes_total");
        // Each connection begins with the prefix of the pool.
        a.value(came, &[ONE]) == sent - 4.0 && b.value(came, &[ONE]) == a.value("memberlist_tcp_sent", &[ONE])
    });
    let (a, b) = (read(&a), read(&b));
    assert_eq!(b.value("memberlist_tcp_connect", &[ONE]), 2.0);
    assert_eq!(a.value("memberlist_tcp_accept", &[ONE]), 2.0);
    assert_eq!(b.sample("memberlist_pushPullNode", "_count", &[ONE]), 1.0);
    assert_eq!(b.sample("gossip_pool_push_pull_duration_seconds", "_count", &[ONE]), 1.0);
    let received = a.sample("memberlist_size_remote", "_sum", &[ONE]);
    assert_eq!(received, b.value("memberlist_size_local", &[ONE]));
    assert!(received > 0.0);
}

#[test]
fn members_news_and_probes_are_counted() {
    let (a, ..) = started("a");
    let (b, pool_b, _) = started("b");
    join(&pool_b, &a);
    eventually("a probe was answered", || read(&a).sample("memberlist_probeNode", "_count", &[ONE]) > 0.0);
    assert_eq!(read(&a).value("memberlist_node_instances", &[ONE, ("node_state", "alive")]), 2.0);

    pool_b.leave(PATIENCE).unwrap();

    eventually("the leave was heard", || {
        read(&a).value("memberlist_node_instances", &[ONE, ("node_state", "left")]) == 1.0
    });
    let a = read(&a);
    assert_eq!(a.value("memberlist_msg_dead", &[ONE]), 1.0);
    assert_eq!(a.value("memberlist_msg_alive", &[ONE]), 2.0);
    let millis = a.sample("memberlist_probeNode", "_sum", &[ONE]);
    let seconds = a.sample("gossip_pool_probe_duration_seconds", "_sum", &[ONE]);
    assert!((millis - seconds * 1000.0).abs() < 1e-6 && seconds > 0.0 && seconds < 30.0);
    eventually("rounds take time", || {
        let b = read(&b);
        b.sample("memberlist_gossip", "_count", &[ONE]) > 0.0
            && b.sample("gossip_pool_round_duration_seconds", "_sum", &[ONE]) > 0.0
            && b.sample("gossip_pool_turn_duration_seconds", "_sum", &[ONE]) > 0.0
    });
}

#[test]
fn each_reason_to_refuse_a_datagram_has_its_count() {
    let key = Key::new(&[1; 16]).unwrap();
    let keyring = Keyring::new([key.clone()], Some(key)).unwrap();
    let cases: [(&str, PoolConfig, &[u8]); 5] = [
        ("unknown_type", mute(1), b"\x77what"),
        ("label_mismatch", mute(1), b"\xf4\x03dc1\x08hi"),
        ("label_mismatch", PoolConfig { label: "dc2".into(), ..mute(1) }, b"\x08hi"),
        ("no_key", PoolConfig { keyring, ..mute(1) }, &[1; 100]),
        ("checksum", mute(1), b"\x0c\0\0\0\0\x08hi"),
    ];
    for (reason, config, datagram) in cases {
        let (gossip, pool, _) = started_with("a", config);

        stranger().send_to(&for_pool(datagram), gossip.local_addr()).unwrap();

        let refused = || read(&gossip).value("gossip_pool_refused_total", &[ONE, ("reason", reason)]);
        eventually(reason, || refused() == 1.0);
        assert_eq!(pool.stats().unwrap().machine.refused.total(), 1, "and nothing else");
    }
}

#[test]
fn what_a_port_drops_is_counted_by_reason() {
    let gossip = node("a");
    gossip.start().unwrap();
    let datagrams =
        |reason: &str| read(&gossip).value("gossip_port_datagrams_dropped_total", &[("reason", reason)]);

    stranger().send_to(&for_pool(b"\x08hi"), gossip.local_addr()).unwrap();
    stranger().send_to(b"for the application", gossip.local_addr()).unwrap();

    eventually("for a pool that is not here", || datagrams("unknown_pool") == 1.0);
    eventually("for nobody", || datagrams("no_receiver") == 1.0);
    let stream = std::net::TcpStream::connect(gossip.local_addr()).unwrap();
    std::io::Write::write_all(&mut &stream, b"GET /").unwrap();
    eventually("a connection for nobody", || {
        read(&gossip).value("gossip_port_connections_closed_total", &[("reason", "no_listener")]) == 1.0
    });
}

#[test]
fn what_a_pool_drops_is_counted_by_reason() {
    let networks = vec!["127.0.0.1/32".parse().unwrap()];
    let (gossip, pool, _) = started_with("a", PoolConfig { cidrs_allowed: networks, ..mute(1) });
    let elsewhere = UdpSocket::bind("127.0.0.2:0").unwrap();

    pool.broadcast(b"alone", Duration::ZERO).unwrap();
    pool.broadcast(&[0; 2000], Duration::ZERO).unwrap_err();
    elsewhere.send_to(&for_pool(b"\x08hi"), gossip.local_addr()).unwrap();
    // An ack that nobody waits for, and a ping for another.
    stranger().send_to(&for_pool(b"\x02\x81\xa5SeqNo\x07"), gossip.local_addr()).unwrap();
    stranger().send_to(&for_pool(b"\x00\x82\xa5SeqNo\x07\xa4Node\xa1z"), gossip.local_addr()).unwrap();

    for reason in
        ["broadcast_unheard", "broadcast_refused", "source_not_allowed", "ack_unmatched", "ping_misdirected"]
    {
        eventually(reason, || dropped(&gossip, reason) == 1.0);
    }
}

#[test]
fn a_full_inbox_is_counted_and_seen() {
    let (gossip, ..) = started_with("a", PoolConfig { handoff_queue_depth: 1, ..mute(1) });
    let flood = stranger();

    eventually("some were dropped", || {
        for _ in 0..1000 {
            let _ = flood.send_to(&for_pool(b"\x08flood"), gossip.local_addr());
        }
        dropped(&gossip, "inbox_full") > 0.0
    });

    let inbox = [ONE, ("queue", "inbox")];
    assert_eq!(read(&gossip).value("gossip_pool_queue_limit", &inbox), 1.0);
    assert!(read(&gossip).value("gossip_pool_queue_peak", &inbox) <= 1.0);
}

#[test]
fn a_stuck_callback_holds_up_its_queue_and_not_the_metrics() {
    let (release, stuck) = channel::<()>();
    let stuck = Mutex::new(stuck);
    let gossip = node("a");
    let config = PoolConfig { message_queue_depth: 4, ..mute(1) };
    let delegate = on_message(move |_| _ = stuck.lock().unwrap().recv());
    let pool = gossip.register_pool(config, Some(delegate)).unwrap();
    gossip.start().unwrap();
    let depth = |name: &str| read(&gossip).value(name, &[ONE, ("queue", "delegate")]);

    let sender = stranger();
    let send = || sender.send_to(&for_pool(b"\x08ten bytes!"), gossip.local_addr()).unwrap();
    eventually("the queue is full", || {
        send();
        depth("gossip_pool_queue_depth") == 4.0
    });
    send();
    eventually("the next is dropped", || dropped(&gossip, "delegate_full") > 0.0);
    assert_eq!(depth("gossip_pool_queue_bytes"), 40.0);
    assert_eq!(depth("gossip_pool_queue_limit"), 4.0);
    assert_eq!(depth("gossip_pool_queue_peak"), 4.0);
    Exposition::read(&pool.metrics());

    drop(release);
    eventually("the queue empties", || depth("gossip_pool_queue_depth") == 0.0);
}

#[test]
fn the_event_queue_is_seen_and_outlives_the_pool_in_its_counts() {
    let (gossip, events) = (node("a"), Events::new(1));
    let pool = gossip.register_pool(mute(1), Some(events.delegate(0, Asks::default()))).unwrap();
    gossip.start().unwrap();
    let sender = stranger();

    eventually("events are dropped", || {
        sender.send_to(&for_pool(b"\x08hi"), gossip.local_addr()).unwrap();
        dropped(&gossip, "events_full") > 1.0
    });

    // The message, and that this node has joined, which takes no room from it.
    assert_eq!(read(&gossip).value("gossip_pool_queue_depth", &[ONE, ("queue", "events")]), 2.0);
    let lost = dropped(&gossip, "events_full");
    gossip.shutdown(PATIENCE).unwrap();
    let after = Exposition::read(&pool.metrics());
    assert!(after.value("gossip_pool_dropped_total", &[ONE, ("reason", "events_full")]) >= lost);
}

#[test]
fn listeners_and_the_receiver_have_lines_of_their_own() {
    let gossip = Gossip::new(Config { listener_backlog: 1, packet_queue: 1, ..loopback("a") }).unwrap();
    let (_native, _by_id) = (gossip.listen_tcp().unwrap(), gossip.listen(0x0102).unwrap());
    let _packets = gossip.packets().unwrap();
    gossip.start().unwrap();
    let mut clients = Vec::new();
    let mut connect = || {
        clients.push(std::net::TcpStream::connect(gossip.local_addr()).unwrap());
        std::io::Write::write_all(clients.last_mut().unwrap(), b"\x01\x02hello").unwrap();
    };
    let by_id = [("listener", "id 0x0102")];

    connect();
    eventually("it waits", || read(&gossip).value("gossip_listener_backlog", &by_id) == 1.0);
    connect();
    eventually("the next is closed", || read(&gossip).value("gossip_listener_dropped_total", &by_id) == 1.0);
    eventually("datagrams are dropped", || {
        stranger().send_to(b"hello", gossip.local_addr()).unwrap();
        read(&gossip).value("gossip_receiver_dropped_total", &[]) > 0.0
    });

    let text = read(&gossip);
    assert_eq!(text.value("gossip_listener_connections_total", &by_id), 1.0);
    assert_eq!(text.value("gossip_listener_backlog_limit", &by_id), 1.0);
    assert_eq!(text.value("gossip_listener_backlog", &[("listener", "native")]), 0.0);
    assert_eq!(text.value("gossip_receiver_queue", &[]), 1.0);
    assert_eq!(text.value("gossip_receiver_queue_limit", &[]), 1.0);
}

#[test]
fn connections_that_say_nothing_yet_are_seen() {
    let (gossip, ..) = started_with("a", mute(1));
    let client = std::net::TcpStream::connect(gossip.local_addr()).unwrap();

    eventually("it is looked at", || read(&gossip).value("gossip_port_sniffing", &[]) == 1.0);
    drop(client);

    eventually("it is gone", || read(&gossip).value("gossip_port_sniffing", &[]) == 0.0);
}

#[test]
fn every_metric_of_the_table_and_no_other_is_told() {
    let gossip = node("a");
    let _pools = [3, 1, 2].map(|id| gossip.register_pool(quick(id), None).unwrap());
    let (_native, _packets) = (gossip.listen_tcp().unwrap(), gossip.packets().unwrap());
    gossip.start().unwrap();

    let text = read(&gossip);

    let told: Vec<_> = text.metrics.iter().map(|metric| metric.name.as_str()).collect();
    assert_eq!(told, table::all().map(|metric| metric.name).collect::<Vec<_>>(), "in the order of the table");
    for (metric, row) in text.metrics.iter().zip(table::all()) {
        assert_eq!(metric.kind, row.kind.word());
        let labels: BTreeSet<_> = row.labels.iter().copied().collect();
        for sample in &metric.samples {
            let own = sample.labels.iter().map(|(name, _)| name.as_str()).filter(|name| *name != "le");
            assert_eq!(own.collect::<BTreeSet<_>>(), labels, "{}", metric.name);
        }
        if labels.contains("pool") {
            let mut pools: Vec<_> = metric.samples.iter().map(|sample| sample.labels[0].1.clone()).collect();
            pools.dedup();
            assert_eq!(pools, ["1", "2", "3"], "{}: by pool, in order", metric.name);
        }
        assert!(labels.iter().all(|label| RESERVED.contains(label)), "{labels:?}");
        let (is_ours, is_counter) = (metric.name.starts_with("gossip_"), row.kind == Kind::Counter);
        assert!(!is_ours || metric.name.ends_with("_total") == is_counter, "{}", metric.name);
        assert!(is_ours || metric.name.starts_with("memberlist_"), "{}", metric.name);
    }
}

#[test]
fn configured_labels_stand_on_every_line_of_their_pool() {
    let odd = "a\\b \"c\"\nü";
    let metric_labels = vec![("zone".to_owned(), odd.to_owned()), ("rack".to_owned(), "7".to_owned())];
    let gossip = node("a");
    let pool = gossip.register_pool(PoolConfig { metric_labels, ..mute(1) }, None).unwrap();
    gossip.register_pool(mute(2), None).unwrap();

    for metric in Exposition::read(&pool.metrics()).metrics {
        for sample in metric.samples {
            let front: Vec<_> =
                sample.labels.iter().take(3).map(|(name, value)| (name.as_str(), value.as_str())).collect();
            assert_eq!(front, [ONE, ("zone", odd), ("rack", "7")], "{}", metric.name);
        }
    }
    assert_eq!(read(&gossip).value("memberlist_health_score", &[("pool", "2")]), 0.0);
}

#[test]
fn metrics_are_told_in_every_state_and_counters_only_rise() {
    let (a, pool_a, _) = started("a");
    let b = node("b");
    let pool_b = b.register_pool(quick(1), Some(Recorder::new())).unwrap();
    let mut last = read(&b).rising();
    let mut risen = BTreeSet::new();
    let mut look = |text: &Exposition, pool_only: bool| {
        let now = text.rising();
        for (name, before) in &last {
            match now.get(name) {
                Some(value) => assert!(value >= before, "{name} went from {before} to {value}"),
                None => assert!(pool_only && name.starts_with("gossip_port_"), "{name} is gone"),
            }
            if now.get(name) > Some(before) {
                risen.insert(name.clone());
            }
        }
        last = now;
    };

    assert_eq!(read(&b).value("memberlist_node_instances", &[ONE, ("node_state", "alive")]), 0.0);
    b.start().unwrap();
    look(&read(&b), false);
    join(&pool_b, &a);
    look(&read(&b), false);
    pool_a.broadcast(b"news", PATIENCE).unwrap();
    for _ in 0..20 {
        pool_b.send_best_effort(&member(&pool_b, "a"), b"hi").unwrap();
        look(&read(&b), false);
    }
    pool_b.leave(PATIENCE).unwrap();
    look(&read(&b), false);
    b.shutdown(PATIENCE).unwrap();
    look(&Exposition::read(&pool_b.metrics()), true);

    assert!(risen.len() > 20, "{risen:?}");
    let ended = Exposition::read(&pool_b.metrics());
    assert!(ended.value("memberlist_udp_sent", &[ONE]) > 0.0);
    // The node has no pools any more, and its port still tells what it did.
    assert!(read(&b).value("gossip_port_datagrams_sent_total", &[]) > 0.0);
}

#[test]
fn rows_have_names_of_their_own_and_the_values_of_the_fields() {
    let (a, ..) = started("a");
    let (_b, pool_b, _) = started("b");
    join(&pool_b, &a);
    let stats = pool_b.stats().unwrap();

    let rows = stats.rows();

    let names: BTreeSet<_> = rows.iter().map(|(name, _)| name).collect();
    assert_eq!(names.len(), rows.len());
    let row = |name: &str| rows.iter().find(|(row, _)| row == name).map(|(_, value)| *value);
    assert_eq!(row("bytes_sent"), Some(stats.machine.bytes_sent));
    assert_eq!(row("probes"), Some(stats.machine.swim.probes));
    assert_eq!(row("members_alive"), Some(2));
    assert_eq!(row("push_pull_duration_count"), Some(1));
    assert_eq!(row("inbox"), Some(stats.inbox.now));
    assert_eq!(row("refused_no_key"), Some(0));
}

#[test]
fn many_may_ask_for_metrics_at_once_also_in_callbacks() {
    let gossip = node("a");
    let (handle, asked) = (Arc::new(Mutex::new(None::<Gossip>)), Arc::new(Mutex::new(String::new())));
    let (inner, texts) = (Arc::clone(&handle), Arc::clone(&asked));
    let delegate = on_message(move |_| {
        let gossip = inner.lock().unwrap().clone();
        *texts.lock().unwrap() = gossip.map(|gossip| gossip.metrics()).unwrap_or_default();
    });
    gossip.register_pool(mute(1), Some(delegate)).unwrap();
    gossip.start().unwrap();
    *handle.lock().unwrap() = Some(gossip.clone());

    stranger().send_to(&for_pool(b"\x08hi"), gossip.local_addr()).unwrap();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| (0..20).for_each(|_| drop(read(&gossip))));
        }
    });

    eventually("the callback has asked", || !asked.lock().unwrap().is_empty());
    Exposition::read(&asked.lock().unwrap());
    *handle.lock().unwrap() = None;
}
