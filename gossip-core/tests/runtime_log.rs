//! A node's log: whom its sink hears, what a sink may do, and what it cannot break.

use std::net::{TcpStream, UdpSocket};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, OnceLock, Weak};
use std::thread::{self, sleep};
use std::time::Duration;

use gossip_core::wire::keyring::Key;
use gossip_core::{
    Asks, Config, Delegate, Error, Gossip, LogLevel, LogSink, Member, Pool, PoolConfig, PoolId, Record,
    UserMessage,
};

const PATIENCE: Duration = Duration::from_secs(30);

/// Records as they came, and the sink that keeps them.
#[derive(Clone, Default)]
struct Kept(Arc<Mutex<Vec<Record>>>);

impl Kept {
    fn sink(&self) -> LogSink {
        let kept = Arc::clone(&self.0);
        Arc::new(move |record: &Record| kept.lock().unwrap().push(record.clone()))
    }

    fn all(&self) -> Vec<Record> {
        self.0.lock().unwrap().clone()
    }

    fn find(&self, message: &str) -> Vec<Record> {
        self.all().into_iter().filter(|record| record.message.contains(message)).collect()
    }

    /// Waits for a record with this message.
    #[track_caller]
    fn expect(&self, message: &str) -> Record {
        eventually(&format!("{message:?} among {:#?}", self.all()), || !self.find(message).is_empty());
        self.find(message).remove(0)
    }

    /// Waits for a warning, which must say what to do.
    #[track_caller]
    fn expect_warning(&self, message: &str) -> Record {
        let record = self.expect(message);
        assert_eq!(record.level, LogLevel::Warn);
        assert!(record.fields.contains("hint="), "what to do? {record}");
        record
    }
}

#[track_caller]
fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    for _ in 0..PATIENCE.as_millis() / 5 {
        if condition() {
            return;
        }
        sleep(Duration::from_millis(5));
    }
    panic!("waited in vain: {what}");
}

fn loopback(name: &str) -> Config {
    let bind_addr = vec![[127, 0, 0, 1].into()];
    // What any host grants, so that no warning depends on where the test runs.
    Config { name: name.to_owned(), bind_addr, bind_port: 0, udp_recv_buffer: 4096, ..Config::default() }
}

fn quick(id: u8) -> PoolConfig {
    PoolConfig { gossip_interval: Duration::from_millis(20), ..PoolConfig::local(id) }
}

/// A node with a sink, not started.
fn logging(config: Config, level: LogLevel) -> (Gossip, Kept) {
    let (gossip, kept) = (Gossip::new(config).unwrap(), Kept::default());
    gossip.set_log(level, Some(kept.sink())).unwrap();
    (gossip, kept)
}

/// A started node with one pool and a sink.
fn started(name: &str, level: LogLevel) -> (Gossip, Pool, Kept) {
    let (gossip, kept) = logging(loopback(name), level);
    let pool = gossip.register_pool(quick(1), None).unwrap();
    gossip.start().unwrap();
    (gossip, pool, kept)
}

/// Something that is logged at `info` each time.
fn add_key(pool: &Pool) {
    pool.add_key(Key::new(&[7; 16]).unwrap()).unwrap();
}

/// A delegate that waits in `notify_msg` until the other end is dropped.
struct Stuck(Mutex<Receiver<()>>);

impl Stuck {
    fn until_released() -> (Sender<()>, Arc<dyn Delegate>) {
        let (release, stuck) = channel();
        (release, Arc::new(Self(Mutex::new(stuck))))
    }
}

impl Delegate for Stuck {
    fn notify_msg(&self, _: &UserMessage) {
        let _ = self.0.lock().unwrap().recv();
    }
}

#[test]
fn the_life_of_a_node_is_told_with_pool_and_particulars() {
    let (gossip, pool, kept) = started("a", LogLevel::Info);
    let port = gossip.local_addr().port().to_string();
    let seed = Gossip::new(loopback("b")).unwrap();
    seed.register_pool(quick(1), None).unwrap();
    seed.start().unwrap();

    pool.join(&[seed.local_addr().to_string()], PATIENCE).unwrap();
    add_key(&pool);
    pool.leave(PATIENCE).unwrap();
    gossip.shutdown(PATIENCE).unwrap();

    let start = kept.expect("node started");
    assert_eq!((start.level, start.pool), (LogLevel::Info, None));
    assert!(start.fields.contains("name=a") && start.fields.contains(&port), "{start}");
    for message in
        ["pool started", "joining", "join ended", "keyring changed", "leaving", "left", "pool ended"]
    {
        let record = kept.expect(message);
        assert_eq!((record.level, record.pool), (LogLevel::Info, Some(PoolId(1))), "{record}");
        assert!(record.target.starts_with("gossip_core::"), "{record}");
    }
    assert_eq!(kept.all().last().unwrap().message, "node shut down");
    assert!(kept.all().iter().all(|record| record.level <= LogLevel::Info));
}

#[test]
fn two_nodes_have_two_logs_and_a_third_without_one_silences_neither() {
    let silent = Gossip::new(loopback("silent")).unwrap();
    silent.register_pool(quick(1), None).unwrap();
    let other_pool = silent.register_pool(quick(2), None).unwrap();
    silent.start().unwrap();
    let (a, pool_a, kept_a) = started("a", LogLevel::Info);
    // What the silent one says first, nobody else may take for unheard.
    other_pool.leave(PATIENCE).unwrap();
    let (_b, pool_b, kept_b) = started("b", LogLevel::Debug);

    pool_a.join(&[silent.local_addr().to_string()], PATIENCE).unwrap();
    pool_b.join(&[silent.local_addr().to_string()], PATIENCE).unwrap();
    add_key(&pool_a);
    add_key(&pool_b);
    pool_a.leave(PATIENCE).unwrap();
    a.shutdown(PATIENCE).unwrap();

    kept_a.expect("leaving");
    kept_b.expect("keyring changed");
    kept_b.expect("member joined");
    assert!(kept_b.find("node shut down").is_empty());
    assert!(kept_a.find("member joined").is_empty(), "a's level is info");
    for message in ["node started", "keyring changed"] {
        assert_eq!((kept_a.find(message).len(), kept_b.find(message).len()), (1, 1), "{message}");
    }
}

#[test]
fn the_level_changes_at_run_time_in_both_directions() {
    let (gossip, pool, kept) = started("a", LogLevel::Warn);
    let update = |meta: &[u8]| pool.update_node(meta, PATIENCE).unwrap();

    update(b"1");
    add_key(&pool);
    gossip.set_log(LogLevel::Debug, Some(kept.sink())).unwrap();
    update(b"22");
    let heard = kept.expect("announcing new metadata");
    assert!(heard.fields.contains("meta=2"), "{heard}");
    assert!(kept.find("keyring changed").is_empty(), "not at warn");

    gossip.set_log(LogLevel::Info, Some(kept.sink())).unwrap();
    update(b"333");
    add_key(&pool);
    kept.expect("keyring changed");
    assert_eq!(kept.find("announcing new metadata").len(), 1, "only at debug");

    gossip.set_log(LogLevel::Off, Some(kept.sink())).unwrap();
    let before = gossip.log_stats().delivered;
    add_key(&pool);
    gossip.set_log(LogLevel::Info, Some(kept.sink())).unwrap();
    pool.leave(PATIENCE).unwrap();
    kept.expect("leaving");
    assert_eq!(kept.find("keyring changed").len(), 1, "not at off");
    assert!(gossip.log_stats().delivered > before);
}

#[test]
fn a_sink_that_is_removed_is_let_go_and_hears_no_more() {
    let (gossip, pool, kept) = started("a", LogLevel::Info);
    kept.expect("pool started");

    let count = kept.clone();
    gossip.set_log(LogLevel::Trace, None).unwrap();
    eventually("the sink is let go", || Arc::strong_count(&count.0) == 2);
    let before = kept.all().len();
    add_key(&pool);

    let again = Kept::default();
    gossip.set_log(LogLevel::Info, Some(again.sink())).unwrap();
    add_key(&pool);
    again.expect("keyring changed");
    assert_eq!(again.find("keyring changed").len(), 1);
    assert_eq!(kept.all().len(), before);
}

#[test]
fn a_panic_in_a_sink_is_counted_and_the_next_record_comes_all_the_same() {
    let (gossip, kept) = (Gossip::new(loopback("a")).unwrap(), Kept::default());
    let keep = kept.sink();
    let sink = move |record: &Record| {
        keep(record);
        assert_ne!(record.message, "keyring changed", "on purpose");
    };
    gossip.set_log(LogLevel::Info, Some(Arc::new(sink))).unwrap();
    let pool = gossip.register_pool(quick(1), None).unwrap();
    gossip.start().unwrap();

    add_key(&pool);
    add_key(&pool);
    pool.leave(PATIENCE).unwrap();
    gossip.shutdown(PATIENCE).unwrap();

    assert_eq!(kept.find("keyring changed").len(), 2);
    assert_eq!(gossip.log_stats().panics, 2);
    assert_eq!(kept.all().last().unwrap().message, "node shut down");
}

#[test]
fn a_sink_may_call_every_function_but_the_shutdown_of_its_node() {
    let (gossip, outcome) = (Gossip::new(loopback("a")).unwrap(), channel());
    let pool = gossip.register_pool(quick(1), None).unwrap();
    let (kept, later) = (Kept::default(), OnceLock::<(Gossip, Pool)>::new());
    later.set((gossip.clone(), pool.clone())).unwrap();
    let (sent, done) = (Mutex::new(Some(outcome.0)), outcome.1);
    let quieter = kept.sink();
    let sink = move |record: &Record| {
        if record.message != "node started" {
            return;
        }
        let (gossip, pool) = later.get().unwrap();
        let result = (|| {
            assert!(matches!(gossip.shutdown(PATIENCE), Err(Error::Deadlock)));
            gossip.stats();
            gossip.listen(0x1234)?.close();
            pool.update_node(b"from the sink", PATIENCE)?;
            pool.keys()?;
            let other = gossip.register_pool(quick(2), None)?;
            other.shutdown(PATIENCE)?;
            gossip.set_log(LogLevel::Info, Some(Arc::clone(&quieter)))
        })();
        if let Some(sent) = sent.lock().unwrap().take() {
            sent.send(result).unwrap();
        }
    };
    gossip.set_log(LogLevel::Info, Some(Arc::new(sink))).unwrap();

    gossip.start().unwrap();

    done.recv_timeout(PATIENCE).unwrap().unwrap();
    add_key(&pool);
    kept.expect("keyring changed");
    gossip.shutdown(PATIENCE).unwrap();
}

#[test]
fn what_a_sink_logs_in_its_own_thread_does_not_come_back_to_it() {
    let (gossip, kept) = (Gossip::new(loopback("a")).unwrap(), Kept::default());
    let (weak, keep) = (Arc::new(OnceLock::<Gossip>::new()), kept.sink());
    let node = Arc::clone(&weak);
    let sink = move |record: &Record| {
        keep(record);
        // Each of these warns in the calling thread: "GE" begins a request of HTTP.
        node.get().unwrap().listen(u16::from_be_bytes(*b"GE")).unwrap().close();
    };
    weak.set(gossip.clone()).unwrap();
    gossip.set_log(LogLevel::Info, Some(Arc::new(sink))).unwrap();

    gossip.start().unwrap();
    kept.expect("node started");
    gossip.listen(u16::from_be_bytes(*b"PO")).unwrap().close();
    let warning = kept.expect_warning("listener takes the connections of a native protocol");
    gossip.shutdown(PATIENCE).unwrap();

    assert!(warning.fields.contains(&format!("{:#06x}", u16::from_be_bytes(*b"PO"))), "{warning}");
    assert_eq!(kept.find("listener takes").len(), 1, "{:#?}", kept.all());
}

#[test]
fn a_slow_sink_stalls_nobody_and_is_told_what_it_missed() {
    let (release, stuck) = channel::<()>();
    let (stuck, kept) = (Mutex::new(stuck), Kept::default());
    let (gossip, keep) = (Gossip::new(loopback("slow")).unwrap(), kept.sink());
    let sink = move |record: &Record| {
        let _ = stuck.lock().unwrap().recv();
        keep(record);
    };
    gossip.set_log(LogLevel::Debug, Some(Arc::new(sink))).unwrap();
    let pool = gossip.register_pool(quick(1), None).unwrap();
    let chatty = gossip.register_pool(quick(2), None).unwrap();
    gossip.start().unwrap();
    let (_other, other_pool, other_kept) = started("other", LogLevel::Info);

    for _ in 0..3000 {
        add_key(&chatty);
    }
    // The network goes on, and so does the other node's log.
    other_pool.join(&[gossip.local_addr().to_string()], PATIENCE).unwrap();
    other_kept.expect("join ended");
    eventually("the slow node sees the other", || pool.num_members() == 2);
    let dropped = gossip.log_stats().dropped;
    assert!(dropped >= 3000 - 1024 - 1, "{dropped} dropped");
    drop(release);

    let missing = kept.expect_warning("records dropped");
    eventually("the queue is empty", || gossip.log_stats().delivered > 1024);
    let told: u64 = kept
        .find("records dropped")
        .iter()
        .filter_map(|record| {
            record.fields.split_whitespace().next()?.strip_prefix("count=")?.parse::<u64>().ok()
        })
        .sum();
    assert!(told >= dropped, "{told} of {dropped}: {missing}");
}

#[test]
fn after_the_shutdown_the_sink_is_not_called_and_has_been_let_go() {
    for is_started in [false, true] {
        let (gossip, kept) = logging(loopback("a"), LogLevel::Trace);
        let pool = gossip.register_pool(quick(1), None).unwrap();
        if is_started {
            gossip.start().unwrap();
            add_key(&pool);
        }

        gossip.shutdown(PATIENCE).unwrap();

        assert_eq!(Arc::strong_count(&kept.0), 1, "let go");
        assert_eq!(kept.all().last().unwrap().message, "node shut down");
        assert!(matches!(gossip.set_log(LogLevel::Info, Some(kept.sink())), Err(Error::Closed)));
        gossip.set_log(LogLevel::Info, None).unwrap();
    }
}

#[test]
fn a_shutdown_waits_for_a_sink_and_says_so_when_it_takes_too_long() {
    let (release, stuck) = channel::<()>();
    let stuck = Mutex::new(stuck);
    let (gossip, (begun, begins)) = (Gossip::new(loopback("a")).unwrap(), channel());
    let begun = Mutex::new(begun);
    let token = Arc::new(());
    let held = Arc::clone(&token);
    let sink = move |_: &Record| {
        let _ = (&held, begun.lock().unwrap().send(()));
        let _ = stuck.lock().unwrap().recv();
    };
    gossip.set_log(LogLevel::Info, Some(Arc::new(sink))).unwrap();
    gossip.start().unwrap();
    begins.recv_timeout(PATIENCE).unwrap();

    let error = gossip.shutdown(Duration::from_millis(20)).unwrap_err();
    assert!(matches!(error, Error::Timeout(_)), "{error}");
    assert!(!gossip.is_running());
    drop(release);
    gossip.shutdown(PATIENCE).unwrap();

    assert_eq!(Arc::strong_count(&token), 1);
}

#[test]
fn a_node_dropped_in_its_own_sink_ends_all_the_same() {
    let last = Arc::new(Mutex::new(None::<Gossip>));
    let (gossip, kept) = (Gossip::new(loopback("a")).unwrap(), Kept::default());
    let (held, keep) = (Arc::clone(&last), kept.sink());
    let sink = move |record: &Record| {
        keep(record);
        let node = held.lock().unwrap().take();
        drop(node);
    };
    gossip.set_log(LogLevel::Info, Some(Arc::new(sink))).unwrap();
    gossip.start().unwrap();
    kept.expect("node started");
    let pool = gossip.register_pool(quick(1), None).unwrap();
    let weak: Weak<Mutex<Option<Gossip>>> = Arc::downgrade(&last);
    *last.lock().unwrap() = Some(gossip);
    drop(last);

    add_key(&pool);

    eventually("the sink is let go", || weak.strong_count() == 0);
    assert!(matches!(pool.keys(), Err(Error::Closed)));
}

#[test]
fn a_callback_may_set_the_log() {
    struct Setter(OnceLock<Gossip>, Kept);
    impl Delegate for Setter {
        fn notify_join(&self, _: &Member) {
            if let Some(gossip) = self.0.get() {
                gossip.set_log(LogLevel::Info, Some(self.1.sink())).unwrap();
            }
        }
    }
    let (gossip, kept) = (Gossip::new(loopback("a")).unwrap(), Kept::default());
    let setter = Arc::new(Setter(OnceLock::new(), kept.clone()));
    setter.0.set(gossip.clone()).unwrap();
    let pool = gossip.register_pool(quick(1), Some(setter)).unwrap();
    gossip.start().unwrap();

    eventually("the log is set", || {
        add_key(&pool);
        !kept.find("keyring changed").is_empty()
    });
    gossip.shutdown(PATIENCE).unwrap();
}

#[test]
fn a_public_address_without_encryption_is_told_at_the_start() {
    let public = Some([198, 51, 100, 7].into());
    let cases = [
        (Some([8, 8, 8, 8].into()), quick(1), 1),
        (Some([8, 8, 8, 8].into()), PoolConfig { keyring: keyring(), ..quick(1) }, 0),
        (public, quick(1), 0),
        (None, quick(1), 0),
    ];

    for (advertise_addr, config, warnings) in cases {
        let (gossip, kept) = logging(Config { advertise_addr, ..loopback("a") }, LogLevel::Warn);
        gossip.register_pool(config, None).unwrap();
        gossip.start().unwrap();
        gossip.shutdown(PATIENCE).unwrap();
        assert_eq!(kept.find("public address without encryption").len(), warnings, "{advertise_addr:?}");
    }
}

fn keyring() -> gossip_core::Keyring {
    let key = Key::new(&[7; 16]).unwrap();
    gossip_core::Keyring::new([key.clone()], Some(key)).unwrap()
}

#[test]
fn a_receive_buffer_smaller_than_asked_is_told_with_the_setting_to_change() {
    let (gossip, kept) = logging(Config { udp_recv_buffer: 1 << 30, ..loopback("a") }, LogLevel::Warn);

    gossip.start().unwrap();

    let warning = kept.expect_warning("udp receive buffer is smaller than asked");
    assert!(warning.fields.contains("asked=1073741824") && warning.fields.contains("rmem_max"), "{warning}");
}

#[test]
fn messages_that_a_slow_delegate_misses_are_told_with_pool_and_setting() {
    let (gossip, kept) = logging(loopback("a"), LogLevel::Warn);
    let (release, delegate) = Stuck::until_released();
    let config = PoolConfig { message_queue_depth: 1, ..quick(3) };
    let pool = gossip.register_pool(config, Some(delegate)).unwrap();
    gossip.start().unwrap();

    let own = gossip.local_addr();
    eventually("messages are dropped", || {
        pool.send_to_address(own, b"x").unwrap();
        pool.stats().unwrap().messages_dropped > 3
    });

    let warning = kept.expect_warning("delegate queue full");
    assert_eq!(warning.pool, Some(PoolId(3)));
    assert!(warning.fields.contains("message_queue_depth"), "{warning}");
    drop(release);
    gossip.shutdown(PATIENCE).unwrap();
    assert_eq!(kept.find("delegate queue full").len(), 1, "once a minute");
}

#[test]
fn a_panic_of_a_callback_is_told() {
    struct Panicking;
    impl Delegate for Panicking {
        fn notify_join(&self, _: &Member) {
            panic!("on purpose");
        }
    }
    let (gossip, kept) = logging(loopback("a"), LogLevel::Warn);
    gossip.register_pool(quick(3), Some(Arc::new(Panicking))).unwrap();

    gossip.start().unwrap();

    assert_eq!(kept.expect_warning("callback panicked").pool, Some(PoolId(3)));
}

#[test]
fn the_reason_of_a_refusal_by_the_application_is_told() {
    struct Strict;
    impl Delegate for Strict {
        fn asks(&self) -> Asks {
            Asks { admit_alive: true, ..Asks::default() }
        }
        fn notify_alive(&self, _: &Member) -> Result<(), String> {
            Err("not you".to_owned())
        }
    }
    let (gossip, kept) = logging(loopback("a"), LogLevel::Debug);
    gossip.register_pool(quick(1), Some(Arc::new(Strict))).unwrap();
    gossip.start().unwrap();
    let (_b, pool, _) = started("b", LogLevel::Off);

    pool.join(&[gossip.local_addr().to_string()], PATIENCE).unwrap();

    let record = kept.expect("the application refused");
    assert_eq!(record.pool, Some(PoolId(1)));
    assert!(record.fields.contains("reason=\"not you\""), "{record}");
}

#[test]
fn datagrams_that_find_the_inbox_full_are_told_with_pool_and_setting() {
    let (gossip, kept) = logging(loopback("a"), LogLevel::Warn);
    let pool = gossip.register_pool(PoolConfig { handoff_queue_depth: 1, ..quick(3) }, None).unwrap();
    gossip.start().unwrap();
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();

    eventually("datagrams are dropped", || {
        for _ in 0..500 {
            socket.send_to(&[0xFE, 3, 8, 0], gossip.local_addr()).unwrap();
        }
        pool.stats().unwrap().inbox_dropped > 1
    });

    let warning = kept.expect_warning("inbox full");
    assert_eq!(warning.pool, Some(PoolId(3)));
    assert!(warning.fields.contains("handoff_queue_depth"), "{warning}");
}

#[test]
fn datagrams_that_cannot_be_sent_are_told_with_the_reason() {
    let (_gossip, pool, kept) = started("a", LogLevel::Warn);

    pool.send_to_address("[2001:db8::1]:7946".parse().unwrap(), b"x").unwrap();

    let warning = kept.expect_warning("datagrams cannot be sent");
    assert!(warning.fields.contains("2001:db8::1") && warning.fields.contains("bind_addr"), "{warning}");
}

#[test]
fn a_full_listener_and_a_full_packet_receiver_are_told() {
    let config = Config { listener_backlog: 1, packet_queue: 1, ..loopback("a") };
    let (gossip, kept) = logging(config, LogLevel::Warn);
    let (listener, packets) = (gossip.listen(0x1234).unwrap(), gossip.packets().unwrap());
    gossip.start().unwrap();
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();

    let mut open = Vec::new();
    eventually("connections are closed and datagrams dropped", || {
        let mut stream = TcpStream::connect(gossip.local_addr()).unwrap();
        std::io::Write::write_all(&mut stream, &[0x12, 0x34]).unwrap();
        open.push(stream);
        socket.send_to(b"for the application", gossip.local_addr()).unwrap();
        let stats = gossip.stats();
        stats.connections_listener_full > 0 && stats.packets_receiver_full > 0
    });

    let warning = kept.expect_warning("listener backlog full");
    assert!(warning.fields.contains("listener_backlog"), "{warning}");
    let warning = kept.expect_warning("packet receiver full");
    assert!(warning.fields.contains("packet_queue"), "{warning}");
    drop((listener, packets));
}

#[test]
fn connections_that_say_nothing_are_told_when_they_are_too_many() {
    let config = Config { max_sniffing_per_source: 1, sniff_timeout: PATIENCE, ..loopback("a") };
    let (gossip, kept) = logging(config, LogLevel::Warn);
    gossip.start().unwrap();

    let _silent: Vec<_> = (0..3).map(|_| TcpStream::connect(gossip.local_addr()).unwrap()).collect();

    let warning = kept.expect_warning("too many silent connections from one address");
    assert!(warning.fields.contains("max_sniffing_per_source"), "{warning}");
}

#[test]
fn a_name_that_is_taken_is_told_by_both() {
    let (first, _pool, kept) = started("same", LogLevel::Warn);
    let (_second, pool, second_kept) = started("same", LogLevel::Warn);

    pool.join(&[first.local_addr().to_string()], PATIENCE).unwrap();

    for kept in [kept, second_kept] {
        let warning = kept.expect_warning("own name is claimed by another node");
        assert_eq!(warning.pool, Some(PoolId(1)));
    }
}

#[test]
fn many_threads_may_change_the_log_at_a_time() {
    let (gossip, pool, kept) = started("a", LogLevel::Info);

    thread::scope(|scope| {
        for number in 0..4_u8 {
            let (gossip, pool, kept) = (&gossip, &pool, &kept);
            scope.spawn(move || {
                for round in 0..50 {
                    let sink = ((number + round) % 3 > 0).then(|| kept.sink());
                    gossip.set_log(LogLevel::Debug, sink).unwrap();
                    add_key(pool);
                }
            });
        }
    });
    gossip.set_log(LogLevel::Info, Some(kept.sink())).unwrap();
    pool.leave(PATIENCE).unwrap();

    kept.expect("leaving");
    gossip.shutdown(PATIENCE).unwrap();
    assert_eq!(Arc::strong_count(&kept.0), 1);
}
