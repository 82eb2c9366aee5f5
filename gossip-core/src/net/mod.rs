//! Sockets (signatures).
#![allow(unused_variables, clippy::unimplemented, missing_docs)]
pub mod listener {
    use std::{
        net::{SocketAddr, TcpStream},
        time::Duration,
    };
    #[derive(Debug, Clone)]
    pub struct Listener {}
    #[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
    pub enum AcceptError {
        #[error("timed out")]
        Timeout,
        #[error("listener is closed")]
        Closed,
    }
    #[derive(Debug, Clone, Copy, Default)]
    pub struct ListenerStats {
        pub accepted: u64,
        pub dropped: u64,
        pub pending: usize,
    }
    impl Listener {
        pub fn accept(&self, timeout: Option<Duration>) -> Result<(TcpStream, SocketAddr), AcceptError> {
            unimplemented!()
        }
        pub fn close(&self) {
            unimplemented!()
        }
        pub fn stats(&self) -> ListenerStats {
            unimplemented!()
        }
    }
}
pub mod packets {
    use crate::{base::time::Time, net::error::NetError, net::listener::AcceptError};
    use std::{net::SocketAddr, time::Duration};
    #[derive(Debug, Clone)]
    pub struct Packets {}
    #[derive(Debug)]
    pub struct Packet {
        pub data: Vec<u8>,
        pub from: SocketAddr,
        pub received: Time,
    }
    impl Packets {
        pub fn recv(&self, timeout: Option<Duration>) -> Result<Packet, AcceptError> {
            unimplemented!()
        }
        pub fn send_to(&self, data: &[u8], to: SocketAddr) -> Result<(), NetError> {
            unimplemented!()
        }
        pub fn close(&self) {
            unimplemented!()
        }
        pub fn dropped(&self) -> u64 {
            unimplemented!()
        }
    }
}
pub mod dial {
    use crate::{base::ids::ListenerId, net::error::NetError};
    use std::{net::TcpStream, time::Duration};
    pub fn dial(addr: &str, id: Option<ListenerId>, timeout: Duration) -> Result<TcpStream, NetError> {
        unimplemented!()
    }
}
pub mod error {
    use std::net::SocketAddr;
    #[derive(Debug, thiserror::Error)]
    #[non_exhaustive]
    pub enum NetError {
        #[error("cannot bind {addr}: {source}")]
        Bind { addr: SocketAddr, source: std::io::Error },
        #[error("the port is closed")]
        Closed,
        #[error(transparent)]
        Route(#[from] crate::mux::routes::RouteError),
    }
}
pub mod clock {
    #[derive(Debug, Clone)]
    pub struct Clock {}
    impl Clock {
        pub fn new(now: impl Fn() -> crate::base::time::Time + Send + Sync + 'static) -> Self {
            Self {}
        }
    }
}
pub mod owners {
    use crate::base::time::Time;
    use std::net::SocketAddr;
    #[derive(Debug)]
    pub struct Datagram {
        pub from: SocketAddr,
        pub received: Time,
    }
    impl Datagram {
        pub fn bytes_mut(&mut self) -> &mut [u8] {
            unimplemented!()
        }
    }
    #[derive(Debug)]
    pub struct InboundStream {
        pub stream: tokio::net::TcpStream,
        pub peer: SocketAddr,
    }
}
pub mod udp {
    use crate::net::error::NetError;
    #[derive(Debug, Clone)]
    pub struct UdpSender {}
    impl UdpSender {
        pub fn try_send_to(&self, datagram: &[u8], to: std::net::SocketAddr) -> Result<(), NetError> {
            unimplemented!()
        }
    }
}
pub mod stats {
    #[derive(Debug, Clone, Copy, Default)]
    pub struct PortStats {
        pub packets_received: u64,
    }
    #[derive(Debug, Clone, Copy, Default)]
    pub struct PoolPortStats {
        pub packets_dropped: u64,
        pub streams_dropped: u64,
    }
}
pub mod advertise {
    use crate::{base::addr::NodeAddr, net::error::NetError};
    use std::net::{IpAddr, SocketAddr};
    pub fn advertise_addr(
        addr: Option<IpAddr>,
        port: Option<u16>,
        bound: &[SocketAddr],
    ) -> Result<NodeAddr, NetError> {
        unimplemented!()
    }
}
pub mod resolve {
    use crate::base::addr::Target;
    use crate::net::error::NetError;
    pub async fn resolve(
        text: &str,
        default_port: u16,
        limit: std::time::Duration,
    ) -> Result<Vec<Target>, NetError> {
        unimplemented!()
    }
}
pub mod port {
    pub use super::stats::PortStats;
    use super::{
        clock::Clock, error::NetError, listener::Listener, owners::*, packets::Packets, stats::*, udp::*,
    };
    use crate::base::ids::{ListenerId, PoolId};
    use crate::mux::framing::Framing;
    use std::{net::SocketAddr, time::Duration};
    #[derive(Debug, Clone, Default)]
    pub struct PortConfig {
        pub bind: Vec<SocketAddr>,
        pub sniff_timeout: Duration,
        pub max_sniffing: usize,
        pub max_sniffing_per_source: usize,
        pub listener_backlog: usize,
        pub packet_queue: usize,
        pub udp_recv_buffer: usize,
        pub pool_inbox: usize,
    }
    #[derive(Debug)]
    pub struct PoolPort {
        pub packets: tokio::sync::mpsc::Receiver<Datagram>,
        pub streams: tokio::sync::mpsc::Receiver<InboundStream>,
    }
    #[derive(Debug)]
    pub struct Port {}
    impl Port {
        pub fn bind(config: PortConfig) -> Result<Self, NetError> {
            unimplemented!()
        }
        pub fn local_addrs(&self) -> &[SocketAddr] {
            unimplemented!()
        }
        pub fn start(&self, handle: &tokio::runtime::Handle, clock: Clock) -> Result<(), NetError> {
            unimplemented!()
        }
        pub fn add_pool(&self, id: PoolId, framing: Framing) -> Result<PoolPort, NetError> {
            unimplemented!()
        }
        pub fn remove_pool(&self, id: PoolId) {}
        pub fn listen(&self, id: ListenerId) -> Result<Listener, NetError> {
            unimplemented!()
        }
        pub fn listen_native(&self) -> Result<Listener, NetError> {
            unimplemented!()
        }
        pub fn packets(&self) -> Result<Packets, NetError> {
            unimplemented!()
        }
        pub fn sender(&self) -> UdpSender {
            unimplemented!()
        }
        pub fn stats(&self) -> PortStats {
            unimplemented!()
        }
        pub fn pool_stats(&self, id: PoolId) -> Option<PoolPortStats> {
            unimplemented!()
        }
        pub fn close(&self) {}
        pub fn wait_closed(&self, timeout: Duration) -> bool {
            unimplemented!()
        }
    }
}
