//! The codec: the message that is seen most, the datagram it travels in, and its layers.

use std::borrow::Cow;
use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use gossip_core::wire::compound;
use gossip_core::wire::decode::decode;
use gossip_core::wire::encode::{encode, encode_alive};
use gossip_core::wire::keyring::Key;
use gossip_core::wire::message::{Alive, Message};
use gossip_core::wire::nonce::Nonces;
use gossip_core::wire::onion::Wire;
use gossip_core::wire::packet::{self, Scratch};

fn alive() -> Alive<'static> {
    Alive {
        incarnation: 17,
        node: Cow::Borrowed(b"node-0042.example.net"),
        addr: Some(Cow::Borrowed(&[10, 0, 0, 42])),
        port: 7946,
        meta: Some(Cow::Borrowed(b"role=worker,zone=a")),
        relay: 0,
        versions: Some(Cow::Borrowed(&[1, 5, 2, 0, 0, 0])),
    }
}

fn messages(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("codec");
    let (alive, mut out) = (alive(), Vec::with_capacity(256));
    group.bench_function("encode alive", |bencher| {
        bencher.iter(|| {
            out.clear();
            encode_alive(black_box(&alive), &mut out);
        });
    });

    let bytes = out.clone();
    group.bench_function("decode alive", |bencher| bencher.iter(|| black_box(decode(black_box(&bytes)))));

    let parts = vec![bytes; 20];
    group.bench_function("compound of 20, write", |bencher| {
        bencher.iter(|| {
            out.clear();
            compound::write(black_box(&parts), &mut out)
        });
    });

    let (datagram, wire, mut scratch) = (out.clone(), Wire::plain(), Scratch::default());
    let mut buffer = datagram.clone();
    group.bench_function("compound of 20, read", |bencher| {
        bencher.iter(|| {
            buffer.copy_from_slice(&datagram);
            let mut heard = 0;
            let opened = packet::open(&wire, &mut scratch, &mut buffer, &mut |message| {
                heard += usize::from(message.is_ok());
            });
            assert!(opened.is_ok() && heard == 20);
        });
    });
}

/// A full datagram of alive messages, as gossip sends it while a cluster forms.
fn full_datagram() -> Vec<u8> {
    let mut parts = Vec::new();
    for number in 0.. {
        let name = format!("node-{number:04}.example.net");
        let mut part = Vec::new();
        encode(&Message::Alive(Alive { node: Cow::Borrowed(name.as_bytes()), ..alive() }), &mut part);
        if parts.iter().map(|part: &Vec<u8>| part.len() + 2).sum::<usize>() + part.len() > 1340 {
            break;
        }
        parts.push(part);
    }
    let mut plain = Vec::new();
    compound::write(&parts, &mut plain);
    plain
}

fn layers(criterion: &mut Criterion) {
    let plain = full_datagram();
    let key = Key::new(&[7; 16]).unwrap_or_else(|error| panic!("{error}"));
    let mut encrypted = Wire::plain();
    encrypted.keyring.add(key);
    let compressed = Wire { compression: true, ..Wire::plain() };
    let both = Wire { compression: true, ..encrypted.clone() };

    let mut group = criterion.benchmark_group("packet of 1400");
    group.throughput(Throughput::Bytes(plain.len() as u64));
    for (name, wire) in
        [("plain", Wire::plain()), ("encrypted", encrypted), ("compressed", compressed), ("both", both)]
    {
        let (mut scratch, mut nonces, mut out) = (Scratch::default(), Nonces::seeded(1), Vec::new());
        group.bench_function(format!("close, {name}"), |bencher| {
            bencher.iter(|| {
                out.clear();
                packet::close(&wire, &mut scratch, &mut nonces, black_box(&plain), true, &mut out);
            });
        });
        let datagram = out.clone();
        let mut buffer = datagram.clone();
        group.bench_function(format!("open, {name}"), |bencher| {
            bencher.iter(|| {
                buffer.copy_from_slice(&datagram);
                let opened =
                    packet::open(&wire, &mut scratch, &mut buffer, &mut |message| assert!(message.is_ok()));
                assert!(opened.is_ok());
            });
        });
    }
}

criterion_group!(benches, messages, layers);
criterion_main!(benches);
