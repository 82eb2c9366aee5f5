//! The life of a port: binding, starting, closing; and dialing one.

mod mux_support;

use std::io::{BufRead, BufReader, ErrorKind, Write};
use std::net::{SocketAddr, TcpListener};
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use gossip_core::base::ids::PoolId;
use gossip_core::base::time::Time;
use gossip_core::mux::listener::ListenerName;
use gossip_core::mux::prefix::Framing;
use gossip_core::net::clock::Clock;
use gossip_core::net::dial::dial;
use gossip_core::net::error::{NetError, WaitError};
use gossip_core::net::listener::ListenOptions;
use gossip_core::net::port::{Port, PortConfig};
use mux_support::{Host, PATIENCE, accept, is_closed, listener_id, muxed, take, ticking, until};

#[test]
fn a_closed_port_is_free_to_be_bound_again() {
    let host = Host::start();
    let native = host.native();
    let _sender_outlives_the_port = host.port.sender();
    let client = host.connect(b"GET");
    let server = accept(&native);
    let sniffed = host.connect(b"");

    host.port.close();

    assert!(host.port.wait_closed(PATIENCE));
    host.runtime.block_on(host.port.closed());
    let again = PortConfig { bind: vec![host.addr()], ..PortConfig::default() };
    Port::bind(again).unwrap();
    assert!(is_closed(&sniffed), "what had no owner yet is closed");
    (&server).write_all(b"ours").unwrap();
    assert_eq!(&take(&client), b"ours", "what was handed out is the application's");
}

#[test]
fn closing_ends_everyone_and_nobody_can_join() {
    let host = Host::start();
    let native = host.native();
    let packets = host.port.packets().unwrap();
    let mut pool = host.pool(1);
    let waiting = (native.clone(), packets.clone());
    let waiters = (
        thread::spawn(move || waiting.0.accept(None).map(drop)),
        thread::spawn(move || waiting.1.recv(None).map(drop)),
    );

    host.port.close();

    assert_eq!(waiters.0.join().unwrap(), Err(WaitError::Closed));
    assert_eq!(waiters.1.join().unwrap(), Err(WaitError::Closed));
    assert!(host.runtime.block_on(pool.packets.recv()).is_none() && pool.streams.blocking_recv().is_none());
    assert!(matches!(
        host.port.listen(ListenerName::Native, ListenOptions::default()),
        Err(NetError::Closed)
    ));
    assert!(matches!(host.port.listen(muxed(1), ListenOptions::default()), Err(NetError::Closed)));
    assert!(matches!(host.port.packets(), Err(NetError::Closed)));
    assert!(matches!(host.port.add_pool(PoolId(2), Framing::Prefix), Err(NetError::Closed)));
    assert!(matches!(host.port.sender().try_send_to(b"x", host.addr()), Err(NetError::Closed)));
    assert!(matches!(host.port.start(host.runtime.handle(), ticking()), Err(NetError::Closed)));
    host.port.close();
}

#[test]
fn a_port_that_never_started_closes_at_once() {
    let host = Host::bind_with(|_| {});
    assert!(!host.port.wait_closed(Duration::ZERO));

    host.port.close();

    assert!(host.port.wait_closed(PATIENCE));
}

#[test]
fn a_dropped_port_is_closed() {
    let host = Host::start();
    let (addr, native) = (host.addr(), host.native());
    let Host { port, runtime: _runtime } = host;

    drop(port);

    assert_eq!(native.accept(Some(PATIENCE)).map(drop), Err(WaitError::Closed));
    until("the port is free", || TcpListener::bind(addr).is_ok());
}

#[test]
fn a_port_starts_once() {
    let host = Host::start();
    let native = host.native();

    let again = host.port.start(host.runtime.handle(), ticking());

    assert!(matches!(again, Err(NetError::Started)));
    let _client = host.connect(b"GET");
    assert_eq!(&take(&accept(&native)), b"GET");
}

#[test]
fn a_taken_port_is_told_apart_from_other_failures() {
    let host = Host::bind_with(|_| {});

    let again = Port::bind(PortConfig { bind: vec![host.addr()], ..PortConfig::default() }).unwrap_err();

    assert_eq!(again.io_kind(), Some(ErrorKind::AddrInUse));
    assert!(again.to_string().starts_with(&format!("bind tcp {}: ", host.addr())), "{again}");
}

#[test]
fn dialing_announces_the_listener_and_nothing_else() {
    let host = Host::start();
    let muxed = host.listen(0x0102);
    let native = host.native();
    let by_name = format!("localhost:{}", host.addr().port());

    let mut to_muxed =
        dial(&host.addr().to_string(), Some(listener_id(0x0102)), PATIENCE, &ticking()).unwrap();
    let mut to_native = dial(&by_name, None, PATIENCE, &ticking()).unwrap();
    to_muxed.write_all(b"request").unwrap();
    to_native.write_all(b"GET").unwrap();

    assert_eq!(&take(&accept(&muxed)), b"request");
    assert_eq!(&take(&accept(&native)), b"GET");
    assert!(to_muxed.nodelay().unwrap());
    assert_eq!(to_muxed.write_timeout().unwrap(), None);
}

#[test]
fn an_id_of_pools_is_refused_and_never_dialled_as_none() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap();
    let to = free.local_addr().unwrap().to_string();

    let error = gossip_core::dial(&to, Some(0xFE01), PATIENCE).unwrap_err();

    assert_eq!(error.to_string(), "listener id 0xfe01 lies in 0xfe00 to 0xfeff, the range of pools");
}

#[test]
fn dialing_fails_with_the_address_and_the_reason() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();

    let refused = dial(&free.to_string(), None, PATIENCE, &ticking()).unwrap_err();
    assert_eq!(refused.io_kind(), Some(ErrorKind::ConnectionRefused));
    assert!(refused.to_string().starts_with(&format!("connect to {free}: ")), "{refused}");

    let no_port = dial("127.0.0.1", None, PATIENCE, &ticking()).unwrap_err();
    assert_eq!(no_port.to_string(), "address \"127.0.0.1\" has no port to connect to");

    // A second passes with each look at the clock.
    let rushing = std::sync::atomic::AtomicU64::new(0);
    let clock = Clock::new(move || {
        Time::from_nanos(rushing.fetch_add(1_000_000_000, std::sync::atomic::Ordering::Relaxed))
    });
    let late = dial(&free.to_string(), None, Duration::from_secs(1), &clock).unwrap_err();
    assert_eq!(late.io_kind(), Some(ErrorKind::TimedOut));
}

/// Its first line of output is its address. Each line of input changes its state.
const CHILD: &str = "GOSSIP_TEST_STARVED_CHILD";

#[test]
fn a_process_out_of_descriptors_turns_peers_away_and_recovers() {
    if std::env::var_os(CHILD).is_some() {
        return starved_child();
    }
    let name = "a_process_out_of_descriptors_turns_peers_away_and_recovers";
    let mut child = Command::new("sh")
        .args(["-c", "ulimit -n 64 && exec \"$0\" --exact \"$1\" --nocapture"])
        .args([std::env::current_exe().unwrap().to_str().unwrap(), name])
        .env(CHILD, "1")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut says = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
    let addr: SocketAddr = says.find_map(|line| line.split("address ").nth(1)?.parse().ok()).unwrap();

    assert!(is_closed(&mux_support::connect(addr, b"")), "turned away, not left hanging");

    child.stdin.take().unwrap().write_all(b"recover\n").unwrap();
    says.find(|line| line.contains("counted")).expect("the child counts who was turned away");
    until("it serves again", || {
        let mut client = mux_support::connect(addr, b"GET");
        std::io::Read::read(&mut client, &mut [0; 2]).is_ok_and(|len| len == 2)
    });
    assert!(child.wait().unwrap().success());
}

fn starved_child() {
    let host = Host::start();
    let native = host.native();
    let hoard: Vec<_> = std::iter::from_fn(|| std::fs::File::open("/dev/null").ok()).collect();
    println!("address {}", host.addr());

    std::io::stdin().read_line(&mut String::new()).unwrap();
    until("it is counted", || host.port.stats().connections_no_descriptor == 1);
    println!("counted");
    drop(hoard);

    accept(&native).write_all(b"ok").unwrap();
}
