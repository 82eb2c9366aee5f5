//! Servers that `c/load.c` bears on: the port, and tokio's own sockets beside it.
//!
//! Each prints where it serves, and answers a line of its input with what it has counted.

use std::io::{BufRead, Read, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::thread;
use std::time::Duration;

use gossip_core::{Config, Delegate, Framing, Gossip, Listener, PoolConfig, UserMessage};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::measure::{allocations, held};

/// The listener's id, and that of one which nobody accepts from.
const ID: u16 = 0x0101;
const NEGLECTED: u16 = 0x0202;
/// Threads of the application for each listener.
const ACCEPTERS: usize = 2;
/// Threads of tokio: as many as a node has.
const THREADS: usize = 2;
const RECV_BUFFER: usize = 2 << 20;

/// A node whose application answers connections and takes datagrams.
pub(crate) fn port() {
    let config = Config {
        name: "bench".into(),
        bind_addr: vec![Ipv4Addr::LOCALHOST.into()],
        bind_port: 0,
        // Ten thousand silent clients are to be borne, and to stay silent.
        max_sniffing: 20_000,
        sniff_timeout: Duration::from_secs(600),
        ..Config::default()
    };
    let node = Gossip::new(config).expect("a node");
    let count = Arc::new(AtomicU64::new(0));
    let pools = [1, 2].map(|id| {
        let messages = Arc::new(Messages::default());
        node.register_pool(PoolConfig::lan(id), Some(Arc::clone(&messages) as _)).expect("a pool");
        messages
    });
    let listeners = [node.listen_tcp(), node.listen(ID)].map(|listener| listener.expect("a listener"));
    let _neglected = node.listen(NEGLECTED).expect("a listener");
    for listener in listeners.iter().flat_map(|listener| vec![listener.clone(); ACCEPTERS]) {
        let count = Arc::clone(&count);
        thread::spawn(move || answer(&listener, &count));
    }
    let packets = node.packets().expect("the packet receiver");
    let received = Arc::clone(&count);
    thread::spawn(move || {
        while packets.recv(None).is_ok() {
            received.fetch_add(1, Relaxed);
        }
    });
    node.start().expect("a start");
    serve(node.local_addr(), || {
        let [one, two] = pools.each_ref().map(|pool| pool.0.load(Relaxed));
        vec![("count", count.load(Relaxed)), ("pool1", one), ("pool2", two)]
    });
    node.shutdown(Duration::from_secs(5)).expect("an end");
}

fn answer(listener: &Listener, count: &AtomicU64) {
    let mut buffer = [0; 64];
    while let Ok((mut stream, _)) = listener.accept(None) {
        if matches!(stream.read(&mut buffer), Ok(1..)) && stream.write_all(b"k").is_ok() {
            count.fetch_add(1, Relaxed);
        }
    }
}

/// The same on sockets of tokio: a task for each connection.
pub(crate) fn tokio_tcp() {
    let count = Arc::new(AtomicU64::new(0));
    let runtime = runtime();
    let listener = runtime.block_on(tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)));
    let listener = listener.expect("loopback has a free port");
    let addr = listener.local_addr().expect("it is bound");
    let counted = Arc::clone(&count);
    runtime.spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let counted = Arc::clone(&counted);
            tokio::spawn(async move {
                let mut buffer = [0; 64];
                if matches!(stream.read(&mut buffer).await, Ok(1..)) && stream.write_all(b"k").await.is_ok() {
                    counted.fetch_add(1, Relaxed);
                }
            });
        }
    });
    serve(addr, || vec![("count", count.load(Relaxed))]);
}

/// Datagrams on a socket of tokio.
pub(crate) fn tokio_udp() {
    let count = Arc::new(AtomicU64::new(0));
    let runtime = runtime();
    let socket = std::net::UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("loopback has a free port");
    let addr = socket.local_addr().expect("it is bound");
    rustix::net::sockopt::set_socket_recv_buffer_size(&socket, RECV_BUFFER).expect("it is a socket");
    socket.set_nonblocking(true).expect("it is a socket");
    let counted = Arc::clone(&count);
    runtime.spawn(async move {
        let socket = tokio::net::UdpSocket::from_std(socket).expect("a runtime");
        let mut buffer = vec![0; 65_536];
        while socket.recv_from(&mut buffer).await.is_ok() {
            counted.fetch_add(1, Relaxed);
        }
    });
    serve(addr, || vec![("count", count.load(Relaxed))]);
}

fn runtime() -> tokio::runtime::Runtime {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    builder.worker_threads(THREADS).enable_all().build().expect("a runtime")
}

/// A pool that speaks plain memberlist and may come to know thousands. Of its own accord it does
/// nothing, or gossips only.
pub(crate) fn quiet_pool(gossip_interval: Duration) {
    let config = Config {
        name: "bench".into(),
        bind_addr: vec![Ipv4Addr::LOCALHOST.into()],
        bind_port: 0,
        ..Config::default()
    };
    let node = Gossip::new(config).expect("a node");
    let config = PoolConfig {
        framing: Framing::Bare,
        probe_interval: Duration::ZERO,
        gossip_interval,
        gossip_nodes: 20,
        push_pull_interval: Duration::ZERO,
        ..PoolConfig::lan(1)
    };
    let pool = node.register_pool(config, None).expect("a pool");
    node.start().expect("a start");
    serve(node.local_addr(), || {
        let queued = pool.stats().expect("it runs").machine.broadcasts_queued;
        vec![("members", pool.num_members() as u64), ("queued", queued)]
    });
    node.shutdown(Duration::from_secs(5)).expect("an end");
}

/// Counts the messages of a pool.
#[derive(Default)]
struct Messages(AtomicU64);

impl Delegate for Messages {
    fn notify_msg(&self, _: &UserMessage) {
        self.0.fetch_add(1, Relaxed);
    }
}

/// Tells the address, then what was counted, until the input ends.
pub(crate) fn serve(addr: SocketAddr, counted: impl Fn() -> Vec<(&'static str, u64)>) {
    println!("{{\"addr\": \"{addr}\"}}");
    for line in std::io::stdin().lock().lines() {
        if line.is_err() {
            return;
        }
        let mut told = counted();
        told.extend([("allocations", allocations() as u64), ("held", held() as u64)]);
        let fields: Vec<_> = told.iter().map(|(name, value)| format!("\"{name}\": {value}")).collect();
        println!("{{{}}}", fields.join(", "));
    }
}
