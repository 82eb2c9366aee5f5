//! Nodes that are quick to notice things, delegates that write down what they are told,
//! and waiting for conditions.

use std::net::TcpListener;
use std::sync::{Arc, Mutex};
use std::thread::sleep;
use std::time::Duration;

use bytes::Bytes;
use gossip_core::pool::action::{Asks, UserMessage};
use gossip_core::pool::config::PoolConfig;
use gossip_core::runtime::call::Request;
use gossip_core::runtime::config::Config;
use gossip_core::runtime::delegate::Delegate;
use gossip_core::runtime::gossip::Gossip;
use gossip_core::runtime::pool::Pool;
use gossip_core::swim::node::{Member, Node};

/// Long enough for anything on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// Sends a reliable message and does not wait until it was taken: for callbacks that hold it up.
pub(crate) fn post(from: &Pool, to: &Member, message: &[u8]) {
    let request = Request::SendReliable(to.into(), Bytes::copy_from_slice(message));
    std::mem::forget(from.call(request, PATIENCE, |_| {}).unwrap());
}

/// The configuration of a node on the loopback interface, on a free port.
pub(crate) fn loopback(name: &str) -> Config {
    Config {
        name: name.to_owned(),
        bind_addr: vec![[127, 0, 0, 1].into()],
        bind_port: 0,
        ..Config::default()
    }
}

/// A node that is not started.
pub(crate) fn node(name: &str) -> Gossip {
    Gossip::new(loopback(name)).unwrap()
}

/// A pool that gossips and probes many times a second, and yet is patient with a busy machine.
pub(crate) fn quick(id: u8) -> PoolConfig {
    PoolConfig {
        probe_interval: Duration::from_millis(400),
        probe_timeout: Duration::from_millis(200),
        gossip_interval: Duration::from_millis(20),
        // So often that no member can miss a broadcast by chance.
        retransmit_mult: 10,
        suspicion_mult: 2,
        suspicion_max_timeout_mult: 1,
        ..PoolConfig::local(id)
    }
}

/// A started node with one quick pool, 1, and what that pool's delegate was told.
pub(crate) fn started(name: &str) -> (Gossip, Pool, Arc<Recorder>) {
    started_with(name, quick(1))
}

/// The same with another configuration of the pool.
pub(crate) fn started_with(name: &str, config: PoolConfig) -> (Gossip, Pool, Arc<Recorder>) {
    let (gossip, recorder) = (node(name), Recorder::new());
    let pool = gossip.register_pool(config, Some(recorder.clone())).unwrap();
    gossip.start().unwrap();
    (gossip, pool, recorder)
}

/// Joins `pool` to the node of `seed`, and waits until both know of each other.
pub(crate) fn join(pool: &Pool, seed: &Gossip) {
    pool.join(&[seed.local_addr().to_string()], PATIENCE).unwrap();
    let other = seed.pool(pool.id()).unwrap();
    let own = pool.local_node().unwrap();
    eventually("the seed knows who joined", || other.members().find(own.name().as_bytes()).is_some());
}

/// The names in the member list of `pool`.
pub(crate) fn names(pool: &Pool) -> Vec<String> {
    pool.members().members().iter().map(|member| member.name().to_string()).collect()
}

/// The member `name` as `pool` sees it.
pub(crate) fn member(pool: &Pool, name: &str) -> Member {
    pool.members().find(name.as_bytes()).unwrap().clone()
}

/// Whether the pool of `delegate`, once it is as `prepare` makes it, pings the node "b" over
/// TCP when that falls silent.
pub(crate) fn is_pinged_over_tcp(delegate: Arc<dyn Delegate>, prepare: impl FnOnce(&Pool)) -> bool {
    // Nothing else is to connect.
    let config = PoolConfig { push_pull_interval: Duration::ZERO, ..quick(1) };
    let (a, (b, pool_b, _)) = (node("a"), started("b"));
    let pool_a = a.register_pool(config, Some(delegate)).unwrap();
    prepare(&pool_a);
    a.start().unwrap();
    join(&pool_b, &a);
    let addr = b.local_addr();
    b.shutdown(PATIENCE).unwrap();
    let silent = TcpListener::bind(addr).unwrap();

    eventually("b is dead", || names(&pool_a) == ["a"]);
    silent.set_nonblocking(true).unwrap();
    silent.accept().is_ok()
}

/// Waits until `condition` holds.
#[track_caller]
pub(crate) fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    const STEP: Duration = Duration::from_millis(5);
    for _ in 0..PATIENCE.as_millis() / STEP.as_millis() {
        if condition() {
            return;
        }
        sleep(STEP);
    }
    panic!("waited in vain: {what}");
}

/// A delegate that writes down what it is told, one line each.
#[derive(Debug, Default)]
pub(crate) struct Recorder {
    lines: Mutex<Vec<String>>,
}

impl Recorder {
    pub(crate) fn new() -> Arc<Self> {
        Arc::default()
    }

    /// Everything so far.
    pub(crate) fn lines(&self) -> Vec<String> {
        self.lines.lock().unwrap().clone()
    }

    /// How often it was told this.
    pub(crate) fn count(&self, line: &str) -> usize {
        self.lines.lock().unwrap().iter().filter(|told| *told == line).count()
    }

    /// Waits until it has been told this.
    #[track_caller]
    pub(crate) fn expect(&self, line: &str) {
        const STEP: Duration = Duration::from_millis(5);
        for _ in 0..PATIENCE.as_millis() / STEP.as_millis() {
            if self.count(line) > 0 {
                return;
            }
            sleep(STEP);
        }
        panic!("was never told {line:?}, but {:?}", self.lines());
    }

    fn write(&self, line: String) {
        self.lines.lock().unwrap().push(line);
    }
}

impl Delegate for Recorder {
    fn notify_join(&self, member: &Member) {
        self.write(format!("joined {}", member.name()));
    }

    fn notify_leave(&self, member: &Member) {
        self.write(format!("{} {}", member.state, member.name()));
    }

    fn notify_update(&self, member: &Member) {
        self.write(format!("updated {} {}", member.name(), String::from_utf8_lossy(member.meta())));
    }

    fn notify_conflict(&self, existing: &Member, other: &Node) {
        self.write(format!("conflict {} {}", existing.name(), other.name));
    }

    fn notify_isolated(&self) {
        self.write("isolated".to_owned());
    }

    fn notify_healed(&self, returned: usize, missing: usize) {
        self.write(format!("healed {returned} {missing}"));
    }

    fn notify_msg(&self, message: &UserMessage) {
        let way = if message.reliable { "stream" } else { "datagram" };
        self.write(format!("{way} {}", String::from_utf8_lossy(&message.bytes)));
    }

    fn merge_remote_state(&self, state: &[u8], join: bool) {
        self.write(format!("state {} {join}", String::from_utf8_lossy(state)));
    }

    fn notify_ping_complete(&self, member: &Member, _rtt: Duration, payload: &[u8]) {
        self.write(format!("pinged {} {}", member.name(), String::from_utf8_lossy(payload)));
    }

    fn notify_shutdown(&self) {
        self.write("shut down".to_owned());
    }
}

/// A delegate made of closures: what it does with a message, and its verdicts.
pub(crate) struct Scripted<M, A> {
    pub(crate) on_message: M,
    pub(crate) on_alive: A,
    pub(crate) asks: Asks,
}

impl<M, A> Delegate for Scripted<M, A>
where
    M: Fn(&UserMessage) + Send + Sync,
    A: Fn(&Member) -> Result<(), String> + Send + Sync,
{
    fn asks(&self) -> Asks {
        self.asks
    }

    fn notify_msg(&self, message: &UserMessage) {
        (self.on_message)(message);
    }

    fn notify_alive(&self, member: &Member) -> Result<(), String> {
        (self.on_alive)(member)
    }
}

/// A delegate that does `on_message` with each message and has no other wishes.
pub(crate) fn on_message<M>(on_message: M) -> Arc<dyn Delegate>
where
    M: Fn(&UserMessage) + Send + Sync + 'static,
{
    Arc::new(Scripted { on_message, on_alive: |_: &Member| Ok(()), asks: Asks::default() })
}
