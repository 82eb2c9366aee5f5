//! States of some kilobytes that unpack to twenty megabytes, many at once, for an application that does not
//! decide on them: the node holds no more of them than its budget, refuses the others and counts them,
//! and its other pool notices nothing.
//!
//! A program of its own, because the memory is that of the whole process.

#![cfg(target_os = "linux")]

use std::fs;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use bytes::Bytes;
use gossip_core::base::addr::NodeAddr;
use gossip_core::base::time::Time;
use gossip_core::pool::action::Asks;
use gossip_core::pool::exchange::{Exchange, Opening};
use gossip_core::pool::own_state::{Known, OwnState};
use gossip_core::swim::node::{Meta, Node, State, Versions};
use gossip_core::wire::limits::{STREAMS_HELD_MAX, USER_STATE_MAX};
use gossip_core::wire::nonce::Nonces;
use gossip_core::wire::onion::Wire;
use gossip_core::{Config, Delegate, Gossip, Member, Pool, PoolConfig, PoolId};

/// Long enough for anything on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// Of which the budget holds a fifth.
const BOMBS: usize = 64;

/// Does not decide whether to merge until it is let go.
struct Undecided(Mutex<Receiver<()>>);

impl Delegate for Undecided {
    fn asks(&self) -> Asks {
        Asks { admit_merge: true, ..Asks::default() }
    }

    fn notify_merge(&self, _: &[Member]) -> Result<(), String> {
        let _ = self.0.lock().unwrap().recv();
        Ok(())
    }
}

/// Counts the members that it loses.
#[derive(Default)]
struct Other(AtomicUsize);

impl Delegate for Other {
    fn notify_leave(&self, _: &Member) {
        self.0.fetch_add(1, SeqCst);
    }
}

fn node(name: &str) -> Gossip {
    let bind_addr = vec![Ipv4Addr::LOCALHOST.into()];
    Gossip::new(Config { name: name.to_owned(), bind_addr, bind_port: 0, ..Config::default() }).unwrap()
}

fn other_pool(gossip: &Gossip) -> (Pool, Arc<Other>) {
    let other = Arc::<Other>::default();
    let config = PoolConfig {
        probe_interval: Duration::from_millis(300),
        probe_timeout: Duration::from_millis(200),
        ..PoolConfig::local(2)
    };
    (gossip.register_pool(config, Some(other.clone())).unwrap(), other)
}

/// The most memory that this process had at once, in bytes.
fn most_resident() -> usize {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<usize>().unwrap() * 1024
}

/// What somebody sends who joins pool 1 with a state of nothing but zeros.
fn bomb() -> Bytes {
    let node = Node {
        name: "bomber".into(),
        addr: NodeAddr::from(SocketAddr::from(([127, 0, 0, 1], 1))),
        meta: Meta::default(),
        versions: Versions::default(),
    };
    let bomber = Known { node: Arc::new(node), incarnation: 1, state: State::Left, relay: 0 };
    let user_state = vec![0; USER_STATE_MAX].into();
    let state = OwnState { known: [bomber].into_iter().collect(), user_state, ..OwnState::default() };
    let wire = Wire { prefix: Some(PoolId(1).prefix()), compression: true, ..Wire::plain() };
    let opening = Opening::PushPull { join: true, state };
    let mut exchange =
        Exchange::outbound(Time::ZERO, wire.into(), Nonces::seeded(1), opening, Time::FAR, PATIENCE);
    exchange.handle_connected(Time::ZERO);
    exchange.poll_write().unwrap()
}

/// Sends it; what the node says to it ends with the connection.
fn throw(bomb: &[u8], to: SocketAddr) {
    let mut stream = TcpStream::connect(to).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    if stream.write_all(bomb).is_ok() {
        let _ = stream.read_to_end(&mut Vec::new());
    }
}

#[track_caller]
fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    for _ in 0..PATIENCE.as_millis() / 10 {
        if condition() {
            return;
        }
        thread::sleep(Duration::from_millis(10));
    }
    panic!("waited in vain: {what}");
}

#[test]
fn what_unpacks_to_much_takes_no_more_memory_than_there_is_for_it() {
    let (release, undecided) = channel();
    let owner = Arc::new(Undecided(Mutex::new(undecided)));
    let (a, b) = (node("a"), node("b"));
    let config = PoolConfig { query_timeout: PATIENCE, ..PoolConfig::local(1) };
    let pool = a.register_pool(config, Some(owner)).unwrap();
    let [(_, other_of_a), (other_pool, other_of_b)] = [&a, &b].map(other_pool);
    a.start().unwrap();
    b.start().unwrap();
    other_pool.join(&[a.local_addr().to_string()], PATIENCE).unwrap();
    let bomb = bomb();
    assert!(bomb.len() < 64 * 1024, "{} bytes", bomb.len());
    let before = most_resident();

    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| (0..BOMBS / 8).for_each(|_| throw(&bomb, a.local_addr())));
        }
    });

    let refused = || pool.stats().unwrap().machine.refused_for("too_much_held") as usize;
    let held = (BOMBS - refused()) * USER_STATE_MAX;
    assert!(refused() > 0 && held <= STREAMS_HELD_MAX, "{} refused", refused());
    let grown = most_resident() - before;
    // Beside the budget there is what is being unpacked, which is larger for a moment.
    assert!(grown < STREAMS_HELD_MAX + STREAMS_HELD_MAX / 2, "{grown} bytes more");
    assert_eq!((other_of_a.0.load(SeqCst), other_of_b.0.load(SeqCst)), (0, 0), "a member was lost");

    drop(release);
    let merged = || pool.stats().unwrap().machine.push_pulls as usize;
    let first = BOMBS - refused();
    eventually("what was accepted is merged", || merged() == first);
    throw(&bomb, a.local_addr());
    eventually("there is room again", || merged() == first + 1);
    a.shutdown(PATIENCE).unwrap();
    b.shutdown(PATIENCE).unwrap();
}
