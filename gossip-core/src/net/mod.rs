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
    }
}
pub mod port {
    #[derive(Debug, Clone, Default)]
    pub struct PortStats {
        pub packets_received: u64,
    }
}
