//! The port: from connect to the application's accept, and from datagram to its owner.
//!
//! Both beside a bare socket in the same run, because absolute times mean little.

use std::io::Write;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};
use gossip_core::{Config, Gossip, PoolConfig};

const ID: u16 = 0x0101;
const PATIENCE: Option<Duration> = Some(Duration::from_secs(5));

fn node() -> Gossip {
    let config = Config {
        name: "bench".into(),
        bind_addr: vec![Ipv4Addr::LOCALHOST.into()],
        bind_port: 0,
        ..Config::default()
    };
    let node = Gossip::new(config).unwrap_or_else(|error| panic!("{error}"));
    node.register_pool(PoolConfig::lan(1), None).unwrap_or_else(|error| panic!("{error}"));
    node
}

fn connect(to: SocketAddr, first: &[u8]) -> TcpStream {
    let mut stream = TcpStream::connect(to).unwrap_or_else(|error| panic!("{error}"));
    stream.write_all(first).unwrap_or_else(|error| panic!("{error}"));
    stream
}

fn connections(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("connect, first bytes, accept");
    let bare = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap_or_else(|error| panic!("{error}"));
    let to = bare.local_addr().unwrap_or_else(|error| panic!("{error}"));
    group.bench_function("bare socket", |bencher| {
        bencher.iter(|| {
            let client = connect(to, b"\x01\x01hello");
            (bare.accept().map_err(|error| panic!("{error}")), client)
        });
    });

    let node = node();
    let muxed = node.listen(ID).unwrap_or_else(|error| panic!("{error}"));
    let prefixed = node.listen_prefix(b"SSH-").unwrap_or_else(|error| panic!("{error}"));
    let native = node.listen_tcp().unwrap_or_else(|error| panic!("{error}"));
    node.start().unwrap_or_else(|error| panic!("{error}"));
    let to = node.local_addr();
    for (name, listener, first) in [
        ("muxed id", &muxed, b"\x01\x01hello".as_slice()),
        ("prefix", &prefixed, b"SSH-2.0-x"),
        ("native", &native, b"GET / HTTP"),
    ] {
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                let client = connect(to, first);
                (listener.accept(PATIENCE).unwrap_or_else(|error| panic!("{error}")), client)
            });
        });
    }
    node.shutdown(Duration::from_secs(5)).unwrap_or_else(|error| panic!("{error}"));
}

fn datagrams(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("datagram of 200 bytes to its owner");
    let client = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap_or_else(|error| panic!("{error}"));
    let payload = [7; 200];
    let bare = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap_or_else(|error| panic!("{error}"));
    let to = bare.local_addr().unwrap_or_else(|error| panic!("{error}"));
    let mut buffer = [0; 2048];
    group.bench_function("bare socket", |bencher| {
        bencher.iter(|| {
            client.send_to(&payload, to).unwrap_or_else(|error| panic!("{error}"));
            bare.recv_from(&mut buffer).unwrap_or_else(|error| panic!("{error}"))
        });
    });

    let node = node();
    let packets = node.packets().unwrap_or_else(|error| panic!("{error}"));
    node.start().unwrap_or_else(|error| panic!("{error}"));
    let to = node.local_addr();
    group.bench_function("packet receiver", |bencher| {
        bencher.iter(|| {
            client.send_to(&payload, to).unwrap_or_else(|error| panic!("{error}"));
            packets.recv(PATIENCE).unwrap_or_else(|error| panic!("{error}"))
        });
    });
    node.shutdown(Duration::from_secs(5)).unwrap_or_else(|error| panic!("{error}"));
}

criterion_group!(benches, connections, datagrams);
criterion_main!(benches);
