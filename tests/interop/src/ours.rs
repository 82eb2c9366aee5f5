//! A node of ours as tests see it: as a [`Peer`](crate::Peer), and with what only the inside shows.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use gossip_core::{
    Asks, Config, Delivery, Error, Event, Events, Framing, Gossip, Key, Keyring, Member, Notice, Pool,
    PoolConfig, State,
};

use crate::{DEADLINE, PAUSE, eventually};

/// One pool of a node of ours, and what it was told. Copies of it share the pool.
#[derive(Clone)]
pub struct Ours {
    node: Gossip,
    pool: Pool,
    told: Arc<Told>,
}

/// Pulled from the pool's queue of events when a test waits, kept until it asks.
struct Told {
    events: Arc<Events>,
    waiting: Mutex<Vec<Notice>>,
}

/// A pool at the speed of the Go peers.
pub fn pool(id: u8, framing: Framing) -> PoolConfig {
    PoolConfig {
        framing,
        gossip_interval: Duration::from_millis(50),
        probe_interval: Duration::from_millis(200),
        probe_timeout: Duration::from_millis(100),
        push_pull_interval: Duration::from_secs(1),
        suspicion_mult: 2,
        ..PoolConfig::local(id)
    }
}

/// A pool that speaks as memberlist does without a label.
pub fn bare() -> PoolConfig {
    pool(200, Framing::Bare)
}

/// A pool that speaks as memberlist does under a label.
pub fn labelled(label: &str) -> PoolConfig {
    pool(201, Framing::Label(label.to_owned().into()))
}

/// A pool that speaks as `euforia/gossip` does.
pub fn prefixed(id: u8) -> PoolConfig {
    pool(id, Framing::Prefix)
}

/// A keyring; the first key is the primary.
#[track_caller]
pub fn keyring(keys: &[&[u8]]) -> Keyring {
    let keys: Vec<_> = keys.iter().map(|bytes| key(bytes)).collect();
    let primary = keys.first().cloned();
    Keyring::new(keys, primary).unwrap_or_else(|error| panic!("{error}"))
}

/// A key.
#[track_caller]
pub fn key(bytes: &[u8]) -> Key {
    Key::new(bytes).unwrap_or_else(|error| panic!("{error}"))
}

/// Life and death.
impl Ours {
    /// Starts a node with one pool on a free loopback port.
    #[track_caller]
    pub fn start(name: &str, pool: PoolConfig) -> Self {
        Self::start_at(name, (Ipv4Addr::LOCALHOST, 0).into(), pool)
    }

    /// The same on a certain address.
    #[track_caller]
    pub fn start_at(name: &str, addr: SocketAddr, pool: PoolConfig) -> Self {
        let config = Config {
            name: name.to_owned(),
            bind_addr: vec![addr.ip()],
            bind_port: addr.port(),
            ..Config::default()
        };
        let node = Gossip::new(config).unwrap_or_else(|error| panic!("{name}: {error}"));
        node.start().unwrap_or_else(|error| panic!("{name}: {error}"));
        Self::in_pool(node, pool)
    }

    /// Adds another pool to the same node.
    #[track_caller]
    pub fn and(&self, pool: PoolConfig) -> Self {
        Self::in_pool(self.node.clone(), pool)
    }

    /// Leaves this pool and says so; the node runs on.
    #[track_caller]
    pub fn leave(&self) {
        self.must("leave", self.pool.leave(DEADLINE));
    }

    /// Ends the node without a word to anybody.
    #[track_caller]
    pub fn crash(&self) {
        self.must("shutdown", self.node.shutdown(DEADLINE));
    }

    #[track_caller]
    fn in_pool(node: Gossip, pool: PoolConfig) -> Self {
        let events = Events::new(1 << 16);
        let pool = node
            .register_pool(pool, Some(events.delegate(0, Asks::default())))
            .unwrap_or_else(|error| panic!("{}: {error}", node.node_name()));
        Self { node, pool, told: Arc::new(Told { events, waiting: Mutex::default() }) }
    }
}

/// What a node of ours does. Each is done when the call returns, and panics if it went wrong.
impl Ours {
    /// The node, for what is beside gossip.
    pub fn node(&self) -> &Gossip {
        &self.node
    }

    /// The pool.
    pub fn pool(&self) -> &Pool {
        &self.pool
    }

    /// The node's name.
    pub fn name(&self) -> String {
        self.node.node_name().to_string()
    }

    /// Where it can be reached, gossip and all else.
    pub fn addr(&self) -> SocketAddr {
        self.node.local_addr()
    }

    /// Joins through the member at an address.
    #[track_caller]
    pub fn join(&self, addr: SocketAddr) {
        self.must("join", self.try_join(addr));
    }

    /// As [`join`](Self::join), for what is meant to fail.
    pub fn try_join(&self, addr: SocketAddr) -> Result<(), Error> {
        self.pool.join(&[addr.to_string()], DEADLINE).map(|_| ())
    }

    /// Changes the metadata and tells the others.
    #[track_caller]
    pub fn set_meta(&self, meta: &str) {
        self.must("update", self.pool.update_node(meta.as_bytes(), DEADLINE));
    }

    /// Changes the state that goes with the next push/pull.
    #[track_caller]
    pub fn set_state(&self, state: &str) {
        self.must("state", self.pool.set_local_state(state.as_bytes()));
    }

    /// Changes what rides on answers to probes.
    #[track_caller]
    pub fn set_ack(&self, payload: &str) {
        self.must("ack payload", self.pool.set_ack_payload(payload.as_bytes()));
    }

    /// Sends a message in a datagram.
    #[track_caller]
    pub fn send(&self, to: &str, text: &str) {
        self.must("send", self.pool.send_best_effort(&self.member(to), text.as_bytes()));
    }

    /// Sends a message over a stream.
    #[track_caller]
    pub fn send_reliable(&self, to: &str, text: &str) -> Delivery {
        self.must("send", self.pool.send_reliable(&self.member(to), text.as_bytes(), DEADLINE))
    }

    /// Gives a message to gossip.
    #[track_caller]
    pub fn broadcast(&self, text: &str) {
        self.must("broadcast", self.pool.broadcast(text.as_bytes(), DEADLINE));
    }

    /// Pings a member and waits for its ack.
    #[track_caller]
    pub fn ping(&self, name: &str) -> Duration {
        self.must("ping", self.pool.ping(&self.member(name), DEADLINE))
    }

    /// The member of this name, now.
    #[track_caller]
    pub fn member(&self, name: &str) -> Member {
        let view = self.pool.members();
        view.find(name.as_bytes())
            .unwrap_or_else(|| panic!("{}: no member {name} but {:?}", self.name(), view.members()))
            .clone()
    }

    /// What of others' traffic could not be read, by reason.
    #[track_caller]
    pub fn all_refused(&self) -> Vec<(&'static str, u64)> {
        let refused = self.must("stats", self.pool.stats()).machine.refused;
        refused.occurred().collect()
    }

    /// How often something was refused for this reason.
    #[track_caller]
    pub fn refused(&self, reason: &str) -> u64 {
        self.must("stats", self.pool.stats()).machine.refused_for(reason)
    }

    #[track_caller]
    fn must<T>(&self, what: &str, result: Result<T, Error>) -> T {
        result.unwrap_or_else(|error| panic!("{}: {what}: {error}{}", self.name(), self.tell()))
    }
}

/// Waits. Each panics with all that the pool was told if nothing comes.
impl Ours {
    /// Waits until a member is among the living.
    #[track_caller]
    pub fn wait_member(&self, name: &str) -> Member {
        let known = || self.pool.members().find(name.as_bytes()).is_some();
        eventually(&format!("{}: member {name}", self.name()), known);
        self.member(name)
    }

    /// Waits until a member has this metadata.
    #[track_caller]
    pub fn wait_meta(&self, name: &str, meta: &str) {
        eventually(&format!("{}: metadata {meta:?} of {name}", self.name()), || {
            self.pool.members().find(name.as_bytes()).is_some_and(|member| member.meta() == meta.as_bytes())
        });
    }

    /// Waits until a member is among the living no more.
    #[track_caller]
    pub fn wait_gone(&self, name: &str) {
        eventually(&format!("{}: end of {name}", self.name()), || {
            self.pool.members().find(name.as_bytes()).is_none()
        });
    }

    /// Waits to be told how a member went: dead or left.
    #[track_caller]
    pub fn wait_end(&self, name: &str, end: State) {
        self.expect(
            &format!("that {name} is {end}"),
            |notice| matches!(notice, Notice::Left(member) if named(member, name) && member.state == end),
        );
    }

    /// Waits for a message.
    #[track_caller]
    pub fn wait_message(&self, text: &str) {
        let start: String = text.chars().take(80).collect();
        self.expect(
            &format!("message {start:?}"),
            |notice| matches!(notice, Notice::Message(message) if message.bytes == text.as_bytes()),
        );
    }

    /// Whether such a message came that nobody has waited for.
    pub fn has_message(&self, text: &str) -> bool {
        let is_it =
            |notice: &Notice| matches!(notice, Notice::Message(message) if message.bytes == text.as_bytes());
        self.told.find(&mut { is_it }).is_some()
    }

    /// Waits for a message, and says whose broadcast it is if it was relayed.
    #[track_caller]
    pub fn wait_origin(&self, text: &str) -> Option<String> {
        let is_it =
            |notice: &Notice| matches!(notice, Notice::Message(message) if message.bytes == text.as_bytes());
        match self.expect("such message", is_it) {
            Notice::Message(message) => message.origin.map(|origin| origin.node.to_string()),
            _ => unreachable!("only messages match"),
        }
    }

    /// Waits for a push/pull that brings this state.
    #[track_caller]
    pub fn wait_state(&self, text: &str) {
        self.expect(
            &format!("state {text:?}"),
            |notice| matches!(notice, Notice::RemoteState { state, .. } if state == text.as_bytes()),
        );
    }

    /// Waits for a probe of a member to be answered with this payload.
    #[track_caller]
    pub fn wait_ack(&self, from: &str, text: &str) {
        self.expect(
            &format!("ack {text:?} of {from}"),
            |notice| matches!(notice, Notice::Pinged { member, payload, .. } if named(member, from) && payload == text.as_bytes()),
        );
    }

    /// Waits for a notice, which is then taken: the next call finds another one.
    #[track_caller]
    pub fn expect(&self, what: &str, mut matches: impl FnMut(&Notice) -> bool) -> Notice {
        for _ in 0..DEADLINE.as_millis() / PAUSE.as_millis() {
            if let Some(notice) = self.told.find(&mut matches) {
                return notice;
            }
            thread::sleep(PAUSE);
        }
        panic!("{}: no {what}{}", self.name(), self.tell());
    }

    fn tell(&self) -> String {
        let waiting = self.told.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let stats = self.pool.stats().map(|stats| stats.machine);
        format!("\ntold and not asked for: {waiting:#?}\ncounted: {stats:#?}\nport: {:#?}", self.node.stats())
    }
}

impl Told {
    /// Takes out the oldest notice that `matches`.
    fn find(&self, matches: &mut impl FnMut(&Notice) -> bool) -> Option<Notice> {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        while let Ok(events) = self.events.take(usize::MAX, Some(Duration::ZERO)) {
            for event in events {
                match event {
                    // Probes are frequent, and without payload nobody asks for them.
                    Event::Told { notice: Notice::Pinged { payload, .. }, .. } if payload.is_empty() => {}
                    Event::Told { notice, .. } => waiting.push(notice),
                    lost => panic!("{lost:?}"),
                }
            }
        }
        let index = waiting.iter().position(matches)?;
        Some(waiting.remove(index))
    }
}

fn named(member: &Member, name: &str) -> bool {
    member.name().as_bytes() == name.as_bytes()
}

/// A loopback address that nobody else uses, for a node that is to come back to its port:
/// on 127.0.0.1 some other test's connection may have taken the port meanwhile.
pub fn own_address(last: u8) -> IpAddr {
    Ipv4Addr::new(127, 0, 1, last).into()
}
