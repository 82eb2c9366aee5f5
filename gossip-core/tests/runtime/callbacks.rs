//! Every function of the API may be called from every callback: all pairs, one by one.
//!
//! The functions and the callbacks are two tables, and the sources are read to see that
//! nothing public is missing in either. A call must return within its time, with success
//! or with an error that the function documents for that moment.

use std::collections::BTreeSet;
use std::fmt::Debug;
use std::fs;
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::path::Path;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use gossip_core::{
    Asks, Config, Delegate, Error, Events, Gossip, Key, ListenOptions, Listener, ListenerName, LogLevel,
    Member, Migrated, Migration, MigrationOptions, Node, Packets, Pool, PoolConfig, RemoteMigration, Sockets,
    UserMessage, WaitError, dial,
};

use super::support::*;

/// What a call gets: enough on a busy machine, and short enough for what waits in vain.
const SHORT: Duration = Duration::from_millis(300);

/// What a call must not exceed.
const TOO_LONG: Duration = Duration::from_secs(20);

/// What callbacks call.
struct World {
    gossip: Gossip,
    pool: Pool,
    listener: Listener,
    packets: Packets,
    events: Arc<Events>,
    seed: SocketAddr,
    peer: Member,
    key: Key,
}

/// How a call ended.
type Outcome = Result<(), String>;

/// A function of the API, by its type and name, and a call of it.
type Function = (&'static str, fn(&World) -> Outcome);

/// The error is one that a callback has to reckon with.
fn may_fail<T>(result: Result<T, Error>) -> Outcome {
    match result {
        Ok(_)
        | Err(
            Error::Closed
            | Error::NotStarted
            | Error::Timeout(_)
            | Error::Join(_)
            | Error::Migration(_)
            | Error::Send { .. }
            | Error::NoResponse(_)
            | Error::Cancelled
            | Error::Command(_)
            | Error::Deadlock,
        ) => Ok(()),
        // Two callbacks at a time may want the same place on the port.
        Err(Error::PoolExists(_) | Error::Net(_)) => Ok(()),
        Err(error) => Err(error.to_string()),
    }
}

/// The error is the one of an end that would wait for this callback.
fn deadlock<T>(result: Result<T, Error>) -> Outcome {
    match result {
        Err(Error::Deadlock) => Ok(()),
        Ok(_) => Err("was not refused".to_owned()),
        Err(error) => Err(error.to_string()),
    }
}

fn waited<T>(result: Result<T, WaitError>) -> Outcome {
    match result {
        Ok(_) | Err(WaitError::Timeout | WaitError::Closed) => Ok(()),
    }
}

fn done<T>(_: T) -> Outcome {
    Ok(())
}

fn works<T, E: Debug>(result: Result<T, E>) -> Outcome {
    result.map(drop).map_err(|error| format!("{error:?}"))
}

fn new_node() -> Result<Gossip, Error> {
    Gossip::new(loopback("made in a callback"))
}

/// Sockets as a parent process hands them on.
fn inherited() -> Sockets {
    let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
    let udp = UdpSocket::bind(tcp.local_addr().unwrap()).unwrap();
    Sockets { tcp: vec![tcp], udp: vec![udp] }
}

/// Every public function of the handles.
const FUNCTIONS: &[Function] = &[
    ("Gossip::new", |_| may_fail(new_node().and_then(|other| other.shutdown(SHORT)))),
    ("Gossip::start", |w| may_fail(w.gossip.start())),
    ("Gossip::node_name", |w| done(w.gossip.node_name())),
    ("Gossip::local_addr", |w| done(w.gossip.local_addr())),
    ("Gossip::local_addrs", |w| done(w.gossip.local_addrs())),
    ("Gossip::advertise_addr", |w| done(w.gossip.advertise_addr())),
    ("Gossip::config", |w| done(w.gossip.config())),
    ("Gossip::register_pool", |w| {
        may_fail(w.gossip.register_pool(quick(77), None).and_then(|other| other.shutdown(SHORT)))
    }),
    ("Gossip::pool", |w| done(w.gossip.pool(w.pool.id()))),
    ("Gossip::pools", |w| done(w.gossip.pools())),
    ("Gossip::listen", |w| may_fail(w.gossip.listen(0x1234))),
    ("Gossip::listen_prefix", |w| may_fail(w.gossip.listen_prefix(b"SSH-"))),
    ("Gossip::listen_with", |w| {
        may_fail(w.gossip.listen_with(ListenerName::Native, ListenOptions::default()))
    }),
    ("Gossip::listen_tcp", |w| may_fail(w.gossip.listen_tcp())),
    ("Gossip::packets", |w| may_fail(w.gossip.packets())),
    ("Gossip::leave", |w| may_fail(w.gossip.leave(SHORT))),
    ("Gossip::shutdown", |w| deadlock(w.gossip.shutdown(PATIENCE))),
    ("Gossip::is_running", |w| done(w.gossip.is_running())),
    ("Gossip::with_sockets", |_| may_fail(Gossip::with_sockets(loopback("x"), inherited()).map(drop))),
    ("Gossip::listener_stats", |w| done(w.gossip.listener_stats())),
    ("Gossip::packet_stats", |w| done(w.gossip.packet_stats())),
    ("Gossip::udp_recv_buffer", |w| done(w.gossip.udp_recv_buffer())),
    ("Gossip::metrics", |w| done(w.gossip.metrics())),
    ("Gossip::set_log", |w| may_fail(w.gossip.set_log(LogLevel::Off, None))),
    ("Gossip::log_stats", |w| done(w.gossip.log_stats())),
    ("Gossip::stats", |w| done(w.gossip.stats())),
    ("Pool::id", |w| done(w.pool.id())),
    ("Pool::config", |w| done(w.pool.config())),
    ("Pool::join", |w| may_fail(w.pool.join(&[w.seed.to_string()], SHORT))),
    ("Pool::look_up", |w| may_fail(w.pool.look_up("localhost", SHORT))),
    ("Pool::leave", |w| may_fail(w.pool.leave(SHORT))),
    ("Pool::members", |w| done(w.pool.members())),
    ("Pool::num_members", |w| done(w.pool.num_members())),
    ("Pool::local_node", |w| may_fail(w.pool.local_node())),
    ("Pool::update_node", |w| may_fail(w.pool.update_node(b"from a callback", SHORT))),
    ("Pool::broadcast", |w| may_fail(w.pool.broadcast(b"from a callback", SHORT))),
    ("Pool::broadcast_named", |w| may_fail(w.pool.broadcast_named(b"name", b"from a callback", SHORT))),
    ("Pool::wall_clock", |w| done(w.pool.wall_clock(gossip_core::Time::ZERO))),
    ("Pool::max_broadcast_size", |w| done(w.pool.max_broadcast_size())),
    ("Pool::send_best_effort", |w| may_fail(w.pool.send_best_effort(&w.peer, b"x"))),
    ("Pool::send_to_address", |w| may_fail(w.pool.send_to_address(w.seed, b"x"))),
    ("Pool::send_reliable", |w| may_fail(w.pool.send_reliable(&w.peer, b"x", SHORT))),
    ("Pool::ping", |w| may_fail(w.pool.ping(&w.peer, SHORT))),
    ("Pool::health_score", |w| done(w.pool.health_score())),
    ("Pool::set_local_state", |w| may_fail(w.pool.set_local_state(b"x"))),
    ("Pool::set_ack_payload", |w| may_fail(w.pool.set_ack_payload(b"x"))),
    ("Pool::disable_tcp_pings_for", |w| may_fail(w.pool.disable_tcp_pings_for(&["x"]))),
    ("Pool::keys", |w| may_fail(w.pool.keys())),
    ("Pool::add_key", |w| may_fail(w.pool.add_key(w.key.clone()))),
    ("Pool::use_key", |w| may_fail(w.pool.use_key(&w.key))),
    ("Pool::remove_key", |w| may_fail(w.pool.remove_key(&w.key))),
    ("Pool::set_gossip_verify", |w| may_fail(w.pool.set_gossip_verify(true, true))),
    ("Pool::accept_label", |w| may_fail(w.pool.accept_label(b"next"))),
    ("Pool::speak_label", |w| may_fail(w.pool.speak_label(b""))),
    ("Pool::require_label", |w| may_fail(w.pool.require_label(b""))),
    ("Pool::protocol_version", |w| done(w.pool.protocol_version())),
    ("Pool::metrics", |w| done(w.pool.metrics())),
    ("Pool::stats", |w| may_fail(w.pool.stats())),
    ("Pool::explain", |w| may_fail(w.pool.explain("x"))),
    ("Pool::rotate_key", |w| may_fail(w.pool.rotate_key(w.key.clone(), SHORT))),
    ("Pool::migrate", |w| {
        let to = Migration::Label("red".into());
        may_fail(w.pool.migrate(to, MigrationOptions::default(), SHORT, |_| {}))
    }),
    ("Pool::doctor", |w| may_fail(w.pool.doctor(&w.seed.to_string(), SHORT))),
    ("Pool::shutdown", |w| deadlock(w.pool.shutdown(PATIENCE))),
    ("Listener::accept", |w| waited(w.listener.accept(Some(SHORT)))),
    ("Listener::readiness", |w| works(w.listener.readiness())),
    ("Listener::readiness_socket", |w| works(w.listener.readiness_socket())),
    ("Listener::name", |w| done(w.listener.name())),
    ("Listener::set_backlog", |w| works(w.listener.set_backlog(128))),
    ("Listener::local_addr", |w| done(w.listener.local_addr())),
    ("Listener::local_addrs", |w| done(w.listener.local_addrs())),
    ("Listener::stats", |w| done(w.listener.stats())),
    ("Listener::close", |w| {
        w.listener.close();
        Ok(())
    }),
    ("Packets::recv", |w| waited(w.packets.recv(Some(SHORT)))),
    ("Packets::recv_up_to", |w| waited(w.packets.recv_up_to(1, Some(SHORT)))),
    ("Packets::readiness", |w| works(w.packets.readiness())),
    ("Packets::readiness_socket", |w| works(w.packets.readiness_socket())),
    ("Packets::send_to", |w| done(w.packets.send_to(b"x", w.seed))),
    ("Packets::local_addr", |w| done(w.packets.local_addr())),
    ("Packets::local_addrs", |w| done(w.packets.local_addrs())),
    ("Packets::stats", |w| done(w.packets.stats())),
    ("Packets::close", |w| {
        w.packets.close();
        Ok(())
    }),
    ("Events::new", |_| done(Events::new(1))),
    ("Events::bounded", |_| done(Events::bounded(1, 1))),
    ("Events::delegate", |w| done(w.events.delegate(0, Asks::default()))),
    ("Events::is_closed", |w| done(w.events.is_closed())),
    ("Events::stats", |w| done(w.events.stats())),
    ("Events::take", |w| done(w.events.take(1, Some(SHORT)))),
    ("Events::readiness", |w| works(w.events.readiness())),
    ("Events::set_waker", |w| {
        w.events.set_waker(|| {});
        Ok(())
    }),
    ("Events::close", |w| {
        w.events.close();
        Ok(())
    }),
    ("dial", |w| may_fail(dial(&w.seed.to_string(), Some(1), SHORT))),
];

/// Where each type of the table is written.
const SOURCES: [(&str, &str); 6] = [
    ("Gossip", "runtime/gossip.rs"),
    ("Pool", "runtime/pool.rs"),
    ("Listener", "net/listener.rs"),
    ("Packets", "net/packets.rs"),
    ("Events", "runtime/events.rs"),
    ("dial", "runtime/dial.rs"),
];

/// The names behind `start` in the production part of a source file.
fn names_in(file: &str, start: &str) -> Vec<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("src").join(file);
    let text = fs::read_to_string(path).unwrap();
    let code = text.split("#[cfg(test)]\nmod tests").next().unwrap_or_default();
    let name = |line: &str| {
        let rest = line.strip_prefix(start)?;
        Some(rest.split(|letter: char| !letter.is_alphanumeric() && letter != '_').next()?.to_owned())
    };
    code.lines().filter_map(name).collect()
}

#[test]
fn the_tables_name_everything_that_is_public() {
    let mut public: BTreeSet<String> = BTreeSet::new();
    for (owner, file) in SOURCES {
        let (start, prefix) =
            if owner == "dial" { ("pub fn ", String::new()) } else { ("    pub fn ", format!("{owner}::")) };
        public.extend(names_in(file, start).into_iter().map(|name| format!("{prefix}{name}")));
    }
    let called: BTreeSet<String> = FUNCTIONS.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(called, public, "functions that callbacks call, and those there are");

    let hooks: BTreeSet<String> = names_in("runtime/delegate.rs", "    fn ").into_iter().collect();
    // The first is asked once before there is a pool; the others call the hooks.
    let plumbing = ["asks", "tell", "take", "ask", "queue"];
    let tried: BTreeSet<String> =
        CALLBACKS.iter().map(|(hook, _)| *hook).chain(plumbing).map(str::to_owned).collect();
    assert_eq!(tried, hooks, "callbacks that call, and those there are");
}

/// A delegate that calls every function the first time that the hook of a test is called.
struct Caller {
    hook: &'static str,
    world: OnceLock<World>,
    results: Mutex<Option<Sender<(&'static str, Outcome)>>>,
}

impl Caller {
    fn called(&self, hook: &'static str) {
        // Before there is a world the pool is just being set up.
        let Some(world) = self.world.get().filter(|_| hook == self.hook) else { return };
        let Some(results) = self.results.lock().unwrap().take() else { return };
        for (name, call) in FUNCTIONS {
            let outcome = call(world);
            if results.send((name, outcome)).is_err() {
                return;
            }
        }
    }
}

impl Delegate for Caller {
    fn asks(&self) -> Asks {
        Asks {
            local_state: self.hook == "local_state",
            admit_alive: self.hook == "notify_alive",
            admit_merge: self.hook == "notify_merge",
            allow_stream_ping: self.hook == "allow_tcp_ping",
        }
    }

    fn notify_join(&self, _: &Member) {
        self.called("notify_join");
    }

    fn notify_leave(&self, _: &Member) {
        self.called("notify_leave");
    }

    fn notify_update(&self, _: &Member) {
        self.called("notify_update");
    }

    fn notify_conflict(&self, _: &Member, _: &Node) {
        self.called("notify_conflict");
    }

    fn notify_isolated(&self) {
        self.called("notify_isolated");
    }

    fn notify_healed(&self, _: usize, _: usize) {
        self.called("notify_healed");
    }

    fn notify_migrated(&self, _: &Migrated) {
        self.called("notify_migrated");
    }

    fn notify_msg(&self, _: &UserMessage) {
        self.called("notify_msg");
        if self.hook == "notify_overflow"
            && let Some(world) = self.world.get()
        {
            // Holds up the others until one of them is dropped.
            eventually("something was dropped", || {
                world.pool.stats().map_or(true, |stats| stats.messages_dropped > 0)
            });
        }
    }

    fn merge_remote_state(&self, _: &[u8], _: bool) {
        self.called("merge_remote_state");
    }

    fn notify_ping_complete(&self, _: &Member, _: Duration, _: &[u8]) {
        self.called("notify_ping_complete");
    }

    fn local_state(&self, _: bool) -> Option<Vec<u8>> {
        self.called("local_state");
        None
    }

    fn notify_alive(&self, _: &Member) -> Result<(), String> {
        self.called("notify_alive");
        Ok(())
    }

    fn notify_merge(&self, _: &[Member]) -> Result<(), String> {
        self.called("notify_merge");
        Ok(())
    }

    fn allow_tcp_ping(&self, _: &[u8]) -> bool {
        self.called("allow_tcp_ping");
        true
    }

    fn notify_overflow(&self, _: u64) {
        self.called("notify_overflow");
    }

    fn notify_shutdown(&self) {
        self.called("notify_shutdown");
    }
}

/// Two nodes in one pool; the callbacks of the first call.
struct Stage {
    own: Gossip,
    own_pool: Pool,
    other: Gossip,
    other_pool: Pool,
}

impl Stage {
    fn say(&self, times: usize) {
        let to = member(&self.other_pool, "a");
        for _ in 0..times {
            // The callback of an earlier one may have left the pool.
            let _ = self.other_pool.send_reliable(&to, b"go", PATIENCE);
        }
    }

    fn join_another(&self, name: &str) {
        let another = node(name);
        let pool = another.register_pool(quick(1), None).unwrap();
        another.start().unwrap();
        let _ = pool.join(&[self.own.local_addr().to_string()], PATIENCE);
        another.leave(PATIENCE).unwrap();
        another.shutdown(PATIENCE).unwrap();
    }
}

impl Stage {
    /// The other one dies, and another process takes its place.
    fn other_comes_back(&self) {
        self.other.shutdown(PATIENCE).unwrap();
        eventually("b is dead", || self.own_pool.num_members() == 1);
        let config = Config { bind_port: self.other.local_addr().port(), ..loopback("b") };
        let again = Gossip::new(config).unwrap();
        let pool = again.register_pool(quick(1), None).unwrap();
        again.start().unwrap();
        pool.join(&[self.own.local_addr().to_string()], PATIENCE).unwrap();
        // It is told when nobody has come back for a while, unless the callback itself ends the pool.
        eventually("it is told", || self.own_pool.stats().map_or(true, |stats| stats.machine.isolated == 0));
    }
}

/// A callback of the trait, and what makes it happen.
type Callback = (&'static str, fn(&Stage));

/// Every callback of the trait.
const CALLBACKS: &[Callback] = &[
    ("notify_join", |stage| stage.join_another("c")),
    ("notify_leave", |stage| stage.join_another("c")),
    ("notify_update", |stage| drop(stage.other_pool.update_node(b"new", PATIENCE))),
    ("notify_conflict", |stage| stage.join_another("b")),
    ("notify_isolated", |stage| stage.other.shutdown(PATIENCE).unwrap()),
    ("notify_healed", |stage| stage.other_comes_back()),
    ("notify_migrated", |stage| {
        let to = Migration::Label("blue".into());
        // The callback may leave the pool before the last step.
        let _ = stage.other_pool.migrate(to, MigrationOptions::default(), SHORT * 10, |_| {});
    }),
    ("notify_msg", |stage| stage.say(1)),
    ("merge_remote_state", |stage| {
        stage.other_pool.set_local_state(b"state").unwrap();
        stage.other_pool.join(&[stage.own.local_addr().to_string()], PATIENCE).unwrap();
    }),
    // Probes go on by themselves.
    ("notify_ping_complete", |_| {}),
    ("local_state", |stage| {
        stage.other_pool.join(&[stage.own.local_addr().to_string()], PATIENCE).unwrap();
    }),
    ("notify_alive", |stage| stage.join_another("c")),
    ("notify_merge", |stage| {
        let _ = stage.other_pool.join(&[stage.own.local_addr().to_string()], PATIENCE);
    }),
    ("allow_tcp_ping", |stage| stage.other.shutdown(PATIENCE).unwrap()),
    ("notify_overflow", |stage| stage.say(4)),
    ("notify_shutdown", |stage| {
        // The farewell itself is waited for in vain if it calls for long.
        let _ = stage.own_pool.shutdown(Duration::ZERO);
    }),
];

/// The results of all calls from one callback, by function.
fn try_all(hook: &'static str, provoke: fn(&Stage)) -> Vec<String> {
    let (results, arriving) = channel();
    let delegate = Arc::new(Caller { hook, world: OnceLock::new(), results: Mutex::new(Some(results)) });
    let (own, other) = (node("a"), node("b"));
    let config = PoolConfig {
        message_queue_depth: if hook == "notify_overflow" { 1 } else { 64 },
        // Long enough for a question to be asked in time, with all pairs at it at once, and shorter
        // than the patience of those who wait for an answer over TCP.
        query_timeout: Duration::from_millis(500),
        remote_migration: RemoteMigration::Always,
        ..quick(1)
    };
    let own_pool = own.register_pool(config, Some(delegate.clone())).unwrap();
    let other_pool = other.register_pool(quick(1), None).unwrap();
    own.start().unwrap();
    other.start().unwrap();
    join(&other_pool, &own);
    eventually("they know each other", || own_pool.num_members() == 2);
    let world = World {
        gossip: own.clone(),
        pool: own_pool.clone(),
        listener: own.listen(1).unwrap(),
        packets: own.packets().unwrap(),
        events: Events::new(1),
        seed: other.local_addr(),
        peer: member(&own_pool, "b"),
        key: Key::new(&[7; 16]).unwrap(),
    };
    assert!(delegate.world.set(world).is_ok());
    let stage = Stage { own, own_pool, other, other_pool };

    provoke(&stage);

    let failed = collect(hook, &arriving);
    drop(delegate);
    let _ = stage.own.shutdown(PATIENCE);
    let _ = stage.other.shutdown(PATIENCE);
    failed
}

/// What went wrong, until the last function was called.
fn collect(hook: &str, arriving: &Receiver<(&'static str, Outcome)>) -> Vec<String> {
    let mut failed = Vec::new();
    for (expected, _) in FUNCTIONS {
        let patience = if *expected == FUNCTIONS[0].0 { PATIENCE } else { TOO_LONG };
        match arriving.recv_timeout(patience) {
            Ok((name, outcome)) => {
                assert_eq!(name, *expected);
                failed.extend(outcome.err().map(|error| format!("{name} from {hook}: {error}")));
            }
            Err(RecvTimeoutError::Timeout) => {
                failed.push(format!("{expected} from {hook}: does not return"));
                return failed;
            }
            Err(RecvTimeoutError::Disconnected) => {
                failed.push(format!("{expected} from {hook}: panicked"));
                return failed;
            }
        }
    }
    failed
}

#[test]
fn every_function_returns_from_every_callback() {
    let failed: Vec<String> = std::thread::scope(|scope| {
        let trying: Vec<_> =
            CALLBACKS.iter().map(|(hook, provoke)| scope.spawn(|| try_all(hook, *provoke))).collect();
        trying.into_iter().flat_map(|trying| trying.join().unwrap()).collect()
    });

    assert!(failed.is_empty(), "{failed:#?}");
}
