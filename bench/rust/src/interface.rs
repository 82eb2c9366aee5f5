//! The calls that a program makes most, in Rust; `c/interface.c` makes the same through the C
//! interface, so that the difference is what that costs.

#![expect(clippy::disallowed_methods, reason = "a benchmark reads the clock")]

use std::hint::black_box;
use std::io::Write;
use std::net::{Ipv4Addr, TcpStream};
use std::time::{Duration, Instant};

use gossip_core::runtime::events::{Event, Events};
use gossip_core::runtime::pool::Pool;
use gossip_core::{Asks, Config, Framing, Gossip, Notice, PoolConfig};

use crate::measure::tell;

/// What is measured once is measured so often, and the median told.
const ROUNDS: usize = 31;
const MEMBERS: usize = 1000;
const EVENTS: usize = 1000;
const CHUNK: usize = 40;
const BATCH: usize = 64;
/// Far fewer at once than one address may have while they say whom they want.
const CONNECTIONS: usize = 32;
const BROADCASTS: usize = 500;
const ID: u16 = 0x0101;
const PATIENCE: Duration = Duration::from_secs(30);

/// Measures on a node that joins the crowd at `seed`.
pub(crate) fn run(seed: &str) {
    let config = Config {
        name: "bench".into(),
        bind_addr: vec![Ipv4Addr::LOCALHOST.into()],
        bind_port: 0,
        ..Config::default()
    };
    let node = Gossip::new(config).expect("a node");
    let events = Events::new(2 * EVENTS);
    let pool = node.register_pool(pool_config(), Some(events.delegate(1, Asks::default()))).expect("a pool");
    let listener = node.listen(ID).expect("a listener");
    node.start().expect("a start");
    pool.join(&[seed], PATIENCE).expect("the crowd is there");
    until(|| pool.num_members() == MEMBERS + 1);
    while events.take(usize::MAX, Some(Duration::ZERO)).is_ok() {}

    told("snapshot", median(|| per(1, || drop(black_box(pool.members())))));
    told("member", median(|| per(MEMBERS, || read(&pool))));
    told(
        "event",
        median(|| {
            // Few at a time: the socket's buffer need not hold them all. What else happens is told, too.
            let before = events.stats().accepted;
            for sent in 1..=EVENTS {
                pool.send_to_address(node.local_addr(), &[7; 100]).expect("loopback");
                if sent % CHUNK == 0 {
                    until(|| events.stats().accepted >= before + sent as u64);
                }
            }
            per(EVENTS, || take(&events))
        }),
    );
    told(
        "accept",
        median(|| {
            let clients: Vec<_> = (0..CONNECTIONS).map(|_| connect(&node)).collect();
            until(|| listener.stats().pending == CONNECTIONS);
            let mut accepted = Vec::with_capacity(CONNECTIONS);
            let took = per(CONNECTIONS, || {
                for _ in 0..CONNECTIONS {
                    accepted.push(listener.accept(Some(Duration::ZERO)).expect("it waits"));
                }
            });
            drop(clients);
            took
        }),
    );
    told(
        "broadcast",
        per(BROADCASTS, || {
            for _ in 0..BROADCASTS {
                pool.broadcast(&[7; 100], Duration::ZERO).expect("there is room");
            }
        }),
    );
    node.shutdown(PATIENCE).expect("an end");
}

/// A pool that leaves its members, who are not there, in peace.
fn pool_config() -> PoolConfig {
    PoolConfig {
        framing: Framing::Bare,
        probe_interval: Duration::from_secs(3600),
        push_pull_interval: Duration::ZERO,
        ..PoolConfig::lan(1)
    }
}

fn read(pool: &Pool) {
    for member in pool.members().iter() {
        black_box((member.name().as_bytes(), member.meta(), member.addr(), member.state));
    }
}

fn take(events: &Events) {
    let mut taken = 0;
    while taken < EVENTS {
        for event in events.take(BATCH, Some(PATIENCE)).expect("they wait") {
            if let Event::Told { notice: Notice::Message(message), .. } = event {
                black_box((&message.bytes, message.from));
                taken += 1;
            }
        }
    }
}

fn connect(node: &Gossip) -> TcpStream {
    let mut stream = TcpStream::connect(node.local_addr()).expect("loopback");
    stream.write_all(&ID.to_be_bytes()).expect("two bytes fit");
    stream
}

/// Nanoseconds of `work` for each of `count` things that it does.
fn per(count: usize, work: impl FnOnce()) -> f64 {
    let begun = Instant::now();
    work();
    begun.elapsed().as_nanos() as f64 / count as f64
}

fn median(mut measure: impl FnMut() -> f64) -> f64 {
    let mut samples: Vec<_> = (0..ROUNDS).map(|_| measure()).collect();
    samples.sort_by(f64::total_cmp);
    samples[ROUNDS / 2]
}

fn told(figure: &str, ns: f64) {
    tell(figure, &[("ns", ns)]);
}

fn until(condition: impl Fn() -> bool) {
    let begun = Instant::now();
    while !condition() {
        assert!(begun.elapsed() < PATIENCE, "it takes too long");
        std::thread::sleep(Duration::from_millis(1));
    }
}
