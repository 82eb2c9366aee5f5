//! What can go wrong between the operating system and us.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use thiserror::Error;

use crate::mux::routes::RouteError;

/// A call on the port that could not be done. Each variant says what state it leaves.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum NetError {
    /// A socket could not be bound. Every socket opened by the same call is closed again.
    #[error("bind {protocol} {addr}: {reason}")]
    Bind {
        /// `tcp` or `udp`.
        protocol: &'static str,
        /// The address and port asked for.
        addr: SocketAddr,
        /// What the operating system says.
        reason: io::Error,
    },
    /// No bind address was given. Nothing was opened.
    #[error("no bind address given; 0.0.0.0 and :: stand for every interface")]
    BindNothing,
    /// Bind addresses with different ports; all share the one port. Nothing was opened.
    #[error("bind addresses name ports {0} and {1}, all share one port")]
    BindPorts(u16, u16),
    /// A socket that was handed over can't be used. All that were handed over are closed.
    #[error("inherited {protocol} socket {addr} {flaw}")]
    Inherited {
        /// As what it was handed over: `tcp` or `udp`.
        protocol: &'static str,
        /// What it is bound to.
        addr: SocketAddr,
        /// What is wrong with it.
        flaw: &'static str,
    },
    /// Of the sockets that were handed over one has no partner. All are closed.
    #[error("inherited sockets lack {protocol} {addr}; each address needs a tcp and a udp socket")]
    InheritedLacks {
        /// What is missing: `tcp` or `udp`.
        protocol: &'static str,
        /// Where.
        addr: SocketAddr,
    },
    /// No socket was handed over.
    #[error("no sockets to inherit; each address needs a tcp and a udp socket")]
    InheritedNothing,
    /// The operating system refuses something of a socket that was handed over. All are closed.
    #[error("inherited {protocol} socket: {reason}")]
    Adopt {
        /// As what it was handed over: `tcp` or `udp`.
        protocol: &'static str,
        /// What the operating system says.
        reason: io::Error,
    },
    /// The sockets can't be driven by the runtime. Nothing runs, the sockets are closed.
    #[error("register sockets with the runtime: {0}")]
    Register(io::Error),
    /// The port runs already; it goes on.
    #[error("the port is started already")]
    Started,
    /// The port is closed. Nothing has changed.
    #[error("the port is closed")]
    Closed,
    /// A pool, listener or receiver can't be registered. Nothing has changed.
    #[error(transparent)]
    Route(#[from] RouteError),
    /// The text names no address. Nothing was looked up.
    #[error("address \"{text}\" {flaw}")]
    Address {
        /// The text as given.
        text: String,
        /// What is wrong with it.
        flaw: &'static str,
    },
    /// The name can't be resolved. Nothing was connected.
    #[error("resolve \"{text}\": {reason}")]
    Resolve {
        /// The text as given.
        text: String,
        /// What the resolver says; `TimedOut` if it says nothing in time.
        reason: io::Error,
    },
    /// No address to tell others. Nothing was opened or sent.
    #[error("no private address on any interface for a port bound to {bound}; set advertise_addr")]
    NoAdvertiseAddr {
        /// The wildcard address that is bound.
        bound: SocketAddr,
    },
    /// The wildcard address can't be told to others: they could not reach it.
    #[error("advertise address {0} stands for every interface, others need one they can reach")]
    AdvertiseWildcard(std::net::IpAddr),
    /// None of the addresses accepted the connection, or none in time. No connection is left.
    #[error("connect to {to}: {reason}")]
    Dial {
        /// Where to, as given, with the address tried last.
        to: String,
        /// What the operating system said last; `TimedOut` when time was up.
        reason: io::Error,
    },
    /// The datagram was not sent.
    #[error("send to {to}: {reason}")]
    Send {
        /// Where to.
        to: SocketAddr,
        /// What the operating system says; `WouldBlock` if its send buffer is full.
        reason: io::Error,
    },
    /// No bind address is of the destination's family. The datagram was not sent.
    #[error("send to {0}: no bind address of its family")]
    NoSocket(SocketAddr),
    /// The datagram is larger than UDP carries. It was not sent.
    #[error("datagram is {len} bytes, at most {limit} fit")]
    TooLarge {
        /// Its length.
        len: usize,
        /// The largest there is.
        limit: usize,
    },
    /// The datagram begins with `0xFE`: the receiver would take it for gossip. It was not sent.
    #[error("datagram begins with 0xfe, the mark of gossip pools")]
    ReservedByte,
}

impl NetError {
    /// The operating system's error, where there is one.
    pub fn io_error(&self) -> Option<&io::Error> {
        match self {
            Self::Bind { reason, .. }
            | Self::Adopt { reason, .. }
            | Self::Register(reason)
            | Self::Resolve { reason, .. }
            | Self::Dial { reason, .. }
            | Self::Send { reason, .. } => Some(reason),
            _ => None,
        }
    }

    /// Its kind.
    pub fn io_kind(&self) -> Option<io::ErrorKind> {
        self.io_error().map(io::Error::kind)
    }
}

/// Why waiting on a queue brought nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum WaitError {
    /// Nothing came in time. The queue is as before.
    #[error("nothing came in time")]
    Timeout,
    /// The queue is closed, and will bring nothing any more.
    #[error("closed")]
    Closed,
}

/// `TimedOut`, with the time that was allowed.
pub(super) fn timed_out(allowed: Duration) -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, format!("no answer within {allowed:?}"))
}
