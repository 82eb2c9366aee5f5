//! A port on loopback, with a runtime to drive it, and clients to talk to it.
#![allow(dead_code, reason = "each test binary uses a part")]

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use bytes::Bytes;
use gossip_core::base::ids::{ListenerId, PoolId};
use gossip_core::base::time::Time;
use gossip_core::mux::listener::ListenerName;
use gossip_core::mux::prefix::Framing;
use gossip_core::net::clock::Clock;
use gossip_core::net::listener::{ListenOptions, Listener};
use gossip_core::net::owners::{Datagram, InboundStream};
use gossip_core::net::port::{PoolPort, Port, PortConfig};
use tokio::runtime::Runtime;

/// Longer than anything here takes; a test that waits so long has failed.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// A `sniff_timeout` that is never reached: only the bytes decide.
pub(crate) const NEVER: Duration = Duration::from_secs(3600);

/// A `sniff_timeout` that is soon reached.
pub(crate) const SOON: Duration = Duration::from_millis(300);

pub(crate) struct Host {
    pub(crate) port: Port,
    pub(crate) runtime: Runtime,
}

impl Host {
    /// A started port on 127.0.0.1.
    pub(crate) fn start() -> Self {
        Self::start_with(|_| {})
    }

    pub(crate) fn start_with(edit: impl FnOnce(&mut PortConfig)) -> Self {
        let host = Self::bind_with(edit);
        host.go();
        host
    }

    /// The same, where only the bytes decide.
    pub(crate) fn patient() -> Self {
        Self::start_with(|config| config.sniff_timeout = NEVER)
    }

    pub(crate) fn bind_with(edit: impl FnOnce(&mut PortConfig)) -> Self {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let mut config = PortConfig { bind: vec!["127.0.0.1:0".parse().unwrap()], ..PortConfig::default() };
        edit(&mut config);
        Self { port: Port::bind(config).unwrap(), runtime }
    }

    pub(crate) fn go(&self) {
        self.port.start(self.runtime.handle(), ticking()).unwrap();
    }

    pub(crate) fn addr(&self) -> SocketAddr {
        self.port.local_addrs()[0]
    }

    /// A client whose reads give up after a while, and which has sent `first`.
    pub(crate) fn connect(&self, first: &[u8]) -> TcpStream {
        connect(self.addr(), first)
    }

    /// A socket to send datagrams from.
    pub(crate) fn udp(&self) -> UdpSocket {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        socket.connect(self.addr()).unwrap();
        socket
    }

    pub(crate) fn pool(&self, id: u8) -> PoolPort {
        self.port.add_pool(PoolId(id), Framing::Prefix).unwrap()
    }

    pub(crate) fn listen(&self, id: u16) -> Listener {
        self.port.listen(muxed(id), ListenOptions::default()).unwrap()
    }

    pub(crate) fn listen_prefix(&self, bytes: &'static [u8]) -> Listener {
        self.port.listen(prefix(bytes), ListenOptions::default()).unwrap()
    }

    pub(crate) fn native(&self) -> Listener {
        self.port.listen(ListenerName::Native, ListenOptions::default()).unwrap()
    }

    /// The next datagram of a pool.
    pub(crate) fn datagram(&self, pool: &mut PoolPort) -> Datagram {
        let receive = async { tokio::time::timeout(PATIENCE, pool.packets.recv()).await };
        self.runtime.block_on(receive).expect("a datagram in time").expect("the pool is here")
    }

    /// The next connection of a pool, as a blocking one.
    pub(crate) fn stream(&self, pool: &mut PoolPort) -> TcpStream {
        let receive = async { tokio::time::timeout(PATIENCE, pool.streams.recv()).await };
        let InboundStream { stream, .. } =
            self.runtime.block_on(receive).expect("a connection in time").expect("the pool is here");
        let stream = stream.into_std().unwrap();
        stream.set_nonblocking(false).unwrap();
        stream
    }
}

/// The name of the listener with this id.
pub(crate) fn muxed(id: u16) -> ListenerName {
    ListenerName::Id(listener_id(id))
}

/// The name of the listener with this prefix.
pub(crate) fn prefix(bytes: &'static [u8]) -> ListenerName {
    ListenerName::Prefix(Bytes::from_static(bytes))
}

pub(crate) fn listener_id(id: u16) -> ListenerId {
    ListenerId::new(id).unwrap()
}

/// A clock that is a nanosecond later at each look.
pub(crate) fn ticking() -> Clock {
    let ticks = AtomicU64::new(1);
    Clock::new(move || Time::from_nanos(ticks.fetch_add(1, Ordering::Relaxed)))
}

pub(crate) fn connect(addr: SocketAddr, first: &[u8]) -> TcpStream {
    let mut client = TcpStream::connect(addr).unwrap();
    client.set_read_timeout(Some(PATIENCE)).unwrap();
    client.set_nodelay(true).unwrap();
    client.write_all(first).unwrap();
    client
}

/// The next connection of a listener.
pub(crate) fn accept(listener: &Listener) -> TcpStream {
    let (stream, _) = listener.accept(Some(PATIENCE)).expect("a connection in time");
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

/// Exactly the next `N` bytes.
pub(crate) fn take<const N: usize>(mut stream: &TcpStream) -> [u8; N] {
    let mut bytes = [0; N];
    stream.read_exact(&mut bytes).unwrap();
    bytes
}

/// Everything up to the end.
pub(crate) fn rest(mut stream: &TcpStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).unwrap();
    bytes
}

/// Whether the other side has closed `stream` without a word.
pub(crate) fn is_closed(mut stream: &TcpStream) -> bool {
    match stream.read(&mut [0; 1]) {
        Ok(0) => true,
        Ok(_) => false,
        Err(error) => error.kind() == std::io::ErrorKind::ConnectionReset,
    }
}

/// Waits until `condition` holds.
pub(crate) fn until(what: &str, condition: impl Fn() -> bool) {
    const STEP: Duration = Duration::from_micros(250);
    for _ in 0..PATIENCE.as_micros() / STEP.as_micros() {
        if condition() {
            return;
        }
        thread::sleep(STEP);
    }
    panic!("not in time: {what}");
}
