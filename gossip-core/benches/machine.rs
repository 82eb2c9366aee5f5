//! The machine at 1000 members: a round of probing, a tick of gossip, a packet that
//! changes nothing.

use std::borrow::Cow;
use std::net::SocketAddr;
use std::time::Duration;

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use gossip_core::base::time::Time;
use gossip_core::pool::action::{Action, Asks};
use gossip_core::pool::config::PoolConfig;
use gossip_core::pool::machine::{Identity, Machine, Received};
use gossip_core::wire::encode::encode;
use gossip_core::wire::message::{Ack, Alive, Message};
use gossip_core::wire::nonce::Nonces;
use gossip_core::wire::onion::Wire;
use gossip_core::wire::packet::{self, Scratch};

const MEMBERS: usize = 1000;

fn addr(number: usize) -> SocketAddr {
    SocketAddr::from(([10, 1, (number >> 8) as u8, number as u8], 7946))
}

fn encoded(message: &Message<'_>) -> Vec<u8> {
    let mut out = Vec::new();
    encode(message, &mut out);
    out
}

fn alive(number: usize, incarnation: u32) -> Vec<u8> {
    let name = format!("node-{number:04}");
    let ip = [10, 1, (number >> 8) as u8, number as u8];
    encoded(&Message::Alive(Alive {
        incarnation,
        node: Cow::Borrowed(name.as_bytes()),
        addr: Some(Cow::Borrowed(&ip)),
        port: 7946,
        meta: None,
        relay: 0,
        versions: Some(Cow::Borrowed(&[1, 5, 2, 0, 0, 0])),
    }))
}

/// A machine with its time and buffers.
struct Driven {
    machine: Machine,
    now: Time,
    out: Vec<u8>,
}

impl Driven {
    fn new(config: PoolConfig) -> Self {
        let addr = SocketAddr::from(([10, 0, 0, 1], 7946)).into();
        let identity = Identity { name: "self".into(), addr };
        let pool = config.check().unwrap_or_else(|error| panic!("{error}"));
        let nonces = Nonces::seeded(1);
        let machine = Machine::new(pool, identity, Asks::default(), 1, nonces, Time::ZERO);
        let machine = machine.unwrap_or_else(|error| panic!("{error}"));
        let mut driven = Self { machine, now: Time::ZERO, out: Vec::new() };
        for number in 0..MEMBERS {
            driven.hear(&mut alive(number, 1), number);
        }
        driven
    }

    fn hear(&mut self, bytes: &mut [u8], from: usize) {
        let received = Received { from: addr(from), at: self.now, bytes };
        self.machine.handle_packet(self.now, received);
        self.drain();
    }

    /// Does what the machine wants; returns the last datagram's length.
    fn drain(&mut self) -> usize {
        let mut last = 0;
        loop {
            self.out.clear();
            match self.machine.poll_transmit(self.now, &mut self.out) {
                Some(_) => last = self.out.len(),
                None => match self.machine.poll_action() {
                    Some(Action::Open { .. } | Action::Tell(_)) => {}
                    Some(action) => panic!("unexpected {action:?}"),
                    None => return last,
                },
            }
        }
    }
}

fn rounds(criterion: &mut Criterion) {
    let quiet = PoolConfig {
        enable_compression: false,
        gossip_interval: Duration::ZERO,
        push_pull_interval: Duration::ZERO,
        ..PoolConfig::lan(1)
    };
    let mut group = criterion.benchmark_group("machine of 1000 members");

    let mut probing = Driven::new(quiet.clone());
    let (wire, mut scratch) = (Wire::plain(), Scratch::default());
    group.bench_function("one probe round: tick, ping, ack", |bencher| {
        bencher.iter(|| {
            probing.now += Duration::from_secs(1);
            probing.machine.handle_timeout(probing.now);
            // The ping's number is needed for its ack.
            probing.out.clear();
            let to = probing.machine.poll_transmit(probing.now, &mut probing.out);
            let mut seq = None;
            let opened = packet::open(&wire, &mut scratch, &mut probing.out[2..], &mut |message| {
                if let Ok(Message::Ping(ping)) = message {
                    seq = Some(ping.seq);
                }
            });
            assert!(opened.is_ok() && to.is_some());
            let mut ack = encoded(&Message::Ack(Ack { seq: seq.unwrap_or_default(), payload: None }));
            probing.hear(&mut ack, 1);
        });
    });
    assert_eq!(probing.machine.stats().swim.probes_failed, 0, "every probe was answered");

    let gossiping = PoolConfig {
        gossip_interval: Duration::from_millis(200),
        probe_interval: Duration::ZERO,
        ..quiet.clone()
    };
    let mut gossip = Driven::new(gossiping);
    let mut incarnation = 1;
    group.bench_function("one gossip tick: 20 news, 3 peers", |bencher| {
        bencher.iter_batched(
            || {
                incarnation += 1;
                (0..20).map(|number| alive(number, incarnation)).collect::<Vec<_>>()
            },
            |news| {
                for mut message in news {
                    gossip.hear(&mut message, 1);
                }
                gossip.now += Duration::from_millis(200);
                gossip.machine.handle_timeout(gossip.now);
                gossip.drain()
            },
            BatchSize::SmallInput,
        );
    });

    let mut idle = Driven::new(PoolConfig { probe_interval: Duration::ZERO, ..quiet });
    let known = alive(7, 1);
    let mut buffer = known.clone();
    group.bench_function("an alive message that is known", |bencher| {
        bencher.iter(|| {
            buffer.copy_from_slice(&known);
            idle.hear(&mut buffer, 1);
        });
    });
}

criterion_group!(benches, rounds);
criterion_main!(benches);
