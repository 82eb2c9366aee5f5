//! Several attackers at once on one port, each for a bounded number of operations, while
//! its owners go on: two pools, an echo by id, one by prefix and a native one, the packet receiver. Nobody
//! notices anything, nothing is left behind, and the counters say what happened.

#![cfg(target_os = "linux")]

use std::fs;
use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, Shutdown, SocketAddr, TcpStream, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::thread;
use std::time::Duration;

use bytes::Bytes;
use gossip_core::mux::prefix::Framing;
use gossip_core::net::listener::Listener;
use gossip_core::net::packets::Packets;
use gossip_core::pool::action::UserMessage;
use gossip_core::pool::config::PoolConfig;
use gossip_core::runtime::config::Config;
use gossip_core::runtime::delegate::Delegate;
use gossip_core::runtime::dial::dial;
use gossip_core::runtime::gossip::Gossip;
use gossip_core::runtime::pool::Pool;
use gossip_core::swim::node::Member;
use socket2::{Domain, Socket, Type};

/// Long enough for anything on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);

/// How often each attack is made.
const ATTACKS: usize = 5;

/// The muxed echo.
const ECHO: u16 = 0x1234;

/// The prefix of the first pool.
const POOL: [u8; 2] = [0xFE, 1];

/// The first bytes of a label pool's packets.
const LABEL: &[u8] = b"\xF4\x04blue";

/// Counts what the owner of a pool must never hear, and the messages that it must.
#[derive(Debug, Default)]
struct Owner {
    lost: AtomicUsize,
    messages: AtomicUsize,
}

impl Delegate for Owner {
    fn notify_leave(&self, _: &Member) {
        self.lost.fetch_add(1, SeqCst);
    }

    fn notify_msg(&self, message: &UserMessage) {
        self.messages.fetch_add(usize::from(*message.bytes == *b"all well"), SeqCst);
    }
}

/// A started node with two pools, and who owns them.
fn node(name: &str) -> (Gossip, [(Pool, Arc<Owner>); 2]) {
    let gossip = Gossip::new(Config {
        name: name.to_owned(),
        bind_addr: vec![Ipv4Addr::LOCALHOST.into()],
        bind_port: 0,
        sniff_timeout: Duration::from_millis(300),
        // Most attackers end at the native listener, whose thread may not run for a while.
        listener_backlog: 4096,
        ..Config::default()
    })
    .unwrap();
    let pools = [(1, Framing::Prefix), (2, Framing::Label(Bytes::from_static(b"blue")))];
    let pools = pools.map(|(id, framing)| {
        let owner = Arc::<Owner>::default();
        let config = PoolConfig {
            framing,
            gossip_interval: Duration::from_millis(20),
            probe_interval: Duration::from_millis(300),
            probe_timeout: Duration::from_millis(200),
            ..PoolConfig::local(id)
        };
        (gossip.register_pool(config, Some(owner.clone())).unwrap(), owner)
    });
    gossip.start().unwrap();
    (gossip, pools)
}

/// Echoes every connection of `listener`, each on a thread of its own, until it is closed.
fn serve(listener: Listener) {
    while let Ok((mut stream, _)) = listener.accept(None) {
        thread::spawn(move || {
            let mut bytes = [0; 64];
            while let Ok(count @ 1..) = stream.read(&mut bytes) {
                if stream.write_all(&bytes[..count]).is_err() {
                    return;
                }
            }
        });
    }
}

/// Sends every datagram back.
fn serve_packets(packets: Packets) {
    while let Ok(packet) = packets.recv(None) {
        // An attacker's socket may be gone.
        let _ = packets.send_to(&packet.bytes, packet.from);
    }
}

/// What the program's own clients do; each is answered.
fn use_everything(to: SocketAddr, udp: &UdpSocket) {
    for (id, text) in [(Some(ECHO), b"muxed"), (None, b"SSH-2"), (None, b"GET /")] {
        let mut stream = dial(&to.to_string(), id, PATIENCE).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.write_all(text).unwrap();
        let mut answer = [0; 5];
        stream.read_exact(&mut answer).unwrap();
        assert_eq!(answer, *text);
    }
    // The system may drop a datagram of a full socket; it will not drop each.
    let answered = (0..20).any(|_| {
        udp.send_to(b"hello", to).unwrap();
        udp.recv(&mut [0; 8]).is_ok()
    });
    assert!(answered, "datagrams of the program get through");
}

/// A connection to `to` from the attacker 127.0.0.`from`, unless the port turns it away.
fn connect(from: u8, to: SocketAddr) -> Option<TcpStream> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.bind(&SocketAddr::new(IpAddr::from([127, 0, 0, from]), 0).into()).unwrap();
    socket.connect_timeout(&to.into(), PATIENCE).ok()?;
    Some(socket.into())
}

/// What connections begin with: nothing, a part of something, something that claims much.
fn openings() -> Vec<Vec<u8>> {
    let huge_state = b"\x06\x83\xA5Nodes\xCE\x7F\xFF\xFF\xFF\xACUserStateLen\xCE\x7F\xFF\xFF\xFF\xA4Join\xC2";
    let huge_message = b"\x08\x81\xAAUserMsgLen\xCE\x7F\xFF\xFF\xFF";
    let mut all = vec![vec![], vec![0xFE], POOL.to_vec(), vec![0xFE, 99], LABEL.to_vec(), vec![0xF4, 0xFF]];
    all.extend([ECHO.to_be_bytes().to_vec(), vec![0x12], b"SS".to_vec()]);
    for claim in [&huge_state[..], huge_message, b"\x0A\xFF\xFF\xFF\xFF", b"\x09\x82\xA4Algo\x00"] {
        all.push([&POOL, claim].concat());
        all.push([LABEL, claim].concat());
    }
    all
}

/// Connections that say nothing, more than one address may have.
fn keep_silent(to: SocketAddr) {
    let held: Vec<_> = (0..150).map(|_| connect(66, to)).collect();
    thread::sleep(Duration::from_millis(400));
    drop(held);
}

/// Connections that say one byte and wait.
fn say_one_byte(to: SocketAddr) {
    let held = (0..100u8).filter_map(|byte| {
        let mut stream = connect(67, to)?;
        stream.write_all(&[if byte % 2 == 0 { 0xFE } else { byte }]).ok()?;
        Some(stream)
    });
    let held: Vec<_> = held.collect();
    thread::sleep(Duration::from_millis(400));
    drop(held);
}

/// Connections that end half, at every stage.
fn half_close(to: SocketAddr) {
    for opening in openings().iter().cycle().take(200) {
        let Some(mut stream) = connect(68, to) else { continue };
        let _ = stream.write_all(opening);
        let _ = stream.shutdown(Shutdown::Write);
        stream.set_read_timeout(Some(Duration::from_millis(5))).unwrap();
        let _ = stream.read(&mut [0; 64]);
    }
}

/// Connections that are reset, at every stage.
fn reset(to: SocketAddr) {
    for opening in openings().iter().cycle().take(400) {
        let Some(mut stream) = connect(69, to) else { continue };
        let _ = stream.write_all(opening);
        socket2::SockRef::from(&stream).set_linger(Some(Duration::ZERO)).unwrap();
    }
}

/// Connections that claim much and stay, with a drop of bytes behind the claim.
fn claim(to: SocketAddr) {
    let held: Vec<_> = openings()
        .iter()
        .cycle()
        .take(60)
        .filter_map(|opening| {
            let mut stream = connect(70, to)?;
            let _ = stream.write_all(opening);
            let _ = stream.write_all(&[0; 4096]);
            Some(stream)
        })
        .collect();
    thread::sleep(Duration::from_millis(300));
    drop(held);
}

/// Datagrams of all sizes and beginnings.
fn throw_garbage(to: SocketAddr) {
    let socket = UdpSocket::bind("127.0.0.71:0").unwrap();
    let beginnings = [&POOL[..], LABEL, b"\xFE\x63", b"\xFE", b"\xF4\xFF", b"\x01", b"\xFE\x01\x0C\0\0\0\0"];
    let mut state = 1u32;
    for round in 0..4000usize {
        let size = if round % 50 == 0 { round * 16 % 65_000 } else { round % 1500 };
        let beginning = beginnings[round % beginnings.len()];
        let mut datagram = beginning.to_vec();
        datagram.extend((0..size).map(|_| {
            // Any bytes; the same ones in each run.
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 24) as u8
        }));
        let _ = socket.send_to(&datagram, to);
    }
}

/// How many threads and descriptors this process has.
fn resources() -> [usize; 2] {
    ["/proc/self/task", "/proc/self/fd"].map(|path| fs::read_dir(path).unwrap().count())
}

/// Waits until `condition` holds.
#[track_caller]
fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    for _ in 0..3000 {
        if condition() {
            return;
        }
        thread::sleep(Duration::from_millis(10));
    }
    panic!("waited in vain: {what}; resources {:?}", resources());
}

#[test]
fn the_owners_of_a_port_notice_nothing_of_many_attackers() {
    let before = resources();
    let (a, pools_of_a) = node("a");
    let (b, pools_of_b) = node("b");
    let to = a.local_addr();
    for (pool, _) in &pools_of_b {
        pool.join(&[to.to_string()], PATIENCE).unwrap();
    }
    let listeners = [a.listen(ECHO), a.listen_prefix(b"SSH-"), a.listen_tcp()].map(Result::unwrap);
    let packets = a.packets().unwrap();
    let mut servers: Vec<_> =
        listeners.into_iter().map(|listener| thread::spawn(move || serve(listener))).collect();
    servers.push(thread::spawn(move || serve_packets(packets)));
    let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
    udp.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
    use_everything(to, &udp);
    let at_peace = resources();

    let attackers = [keep_silent, say_one_byte, half_close, reset, claim, throw_garbage]
        .map(|attack: fn(SocketAddr)| thread::spawn(move || (0..ATTACKS).for_each(|_| attack(to))));
    let mut rounds = 0;
    while rounds < 20 || !attackers.iter().all(|attacker| attacker.is_finished()) {
        use_everything(to, &udp);
        rounds += 1;
    }
    attackers.into_iter().for_each(|attacker| attacker.join().unwrap());

    for (pool, owner) in pools_of_a.iter().chain(&pools_of_b) {
        assert_eq!(pool.num_members(), 2, "{pool:?}");
        assert_eq!(owner.lost.load(SeqCst), 0, "{pool:?}");
    }
    for ((from, _), (_, owner)) in pools_of_b.iter().zip(&pools_of_a) {
        from.broadcast(b"all well", PATIENCE).unwrap();
        eventually("a message arrives", || owner.messages.load(SeqCst) > 0);
    }
    // Callback threads that have nothing to do stay for some seconds.
    eventually("only what was there is there", || {
        let [threads, descriptors] = resources();
        threads <= at_peace[0] + 8 && descriptors <= at_peace[1]
    });

    let stats = a.stats();
    assert!(stats.connections_accepted > 2000, "{stats:?}");
    assert!(stats.connections_over_source_limit > 0, "{stats:?}");
    assert!(stats.connections_unknown_pool > 0, "{stats:?}");
    assert!(stats.connections_ended_early > 0, "{stats:?}");
    assert_eq!(stats.connections_over_limit + stats.accept_errors + stats.receive_errors, 0, "{stats:?}");
    assert_eq!(stats.connections_listener_full, 0, "{stats:?}");
    assert!(stats.packets_unknown_pool > 0, "{stats:?}");
    for (pool, _) in &pools_of_a {
        let stats = pool.stats().unwrap();
        assert!(stats.machine.refused.total() > 0, "{stats:?}");
        assert_eq!((stats.callback_panics, stats.streams_refused), (0, 0), "{stats:?}");
    }

    a.shutdown(PATIENCE).unwrap();
    b.shutdown(PATIENCE).unwrap();
    servers.into_iter().for_each(|server| server.join().unwrap());
    drop(udp);
    eventually("nothing is left", || resources() == before);
}
