//! Sockets that somebody else has bound, such as a service manager, taken over as ours.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, UdpSocket};

use socket2::{SockRef, Type};

use super::bind::{Bound, KERNEL_BACKLOG, enlarge_recv_buffer};
use super::error::NetError;

/// Bound sockets to be used instead of bind addresses: for each address a TCP and a UDP
/// socket, all with one port number.
///
/// They may be blocking or not, listening or not, inheritable or not: they become what
/// sockets of ours are. An IPv6 wildcard may be bound for IPv4 too, as service managers do;
/// it stands for `::` and `0.0.0.0`.
#[derive(Debug, Default)]
pub struct Sockets {
    /// Listening sockets, or ones that may listen.
    pub tcp: Vec<TcpListener>,
    /// Sockets for datagrams.
    pub udp: Vec<UdpSocket>,
}

const TCP: &str = "tcp";
const UDP: &str = "udp";

impl Bound {
    /// Takes `sockets` over; on an error they are closed. A receive buffer that is smaller
    /// than `recv_buffer` is enlarged.
    pub(super) fn adopt(sockets: Sockets, recv_buffer: usize) -> Result<Self, NetError> {
        let (mut addrs, mut udp_addrs) = (Vec::new(), Vec::new());
        for socket in &sockets.tcp {
            add(&mut addrs, TCP, check(socket.into(), TCP, Type::STREAM)?)?;
        }
        for socket in &sockets.udp {
            add(&mut udp_addrs, UDP, check(socket.into(), UDP, Type::DGRAM)?)?;
        }
        let mut all = addrs.iter().chain(&udp_addrs);
        let port = all.next().ok_or(NetError::InheritedNothing)?.port();
        if let Some(other) = all.find(|addr| addr.port() != port) {
            return Err(NetError::BindPorts(port, other.port()));
        }
        lacking(UDP, &addrs, &udp_addrs)?;
        lacking(TCP, &udp_addrs, &addrs)?;
        for socket in &sockets.tcp {
            let adopted = set_common(socket.into()).and_then(|()| listen(socket.into()));
            adopted.map_err(|reason| NetError::Adopt { protocol: TCP, reason })?;
        }
        for socket in &sockets.udp {
            set_common(socket.into()).map_err(|reason| NetError::Adopt { protocol: UDP, reason })?;
            let socket = SockRef::from(socket);
            if socket.recv_buffer_size().is_ok_and(|size| size < recv_buffer) {
                enlarge_recv_buffer(&socket, recv_buffer);
            }
        }
        Ok(Self { addrs, tcp: sockets.tcp, udp: sockets.udp })
    }
}

/// The addresses that `socket` is bound to: an IPv6 wildcard may be IPv4's as well.
pub(super) fn addrs_of(socket: &SockRef<'_>) -> io::Result<Vec<SocketAddr>> {
    let none = || io::Error::new(io::ErrorKind::InvalidInput, "it is no internet socket");
    let addr = socket.local_addr()?.as_socket().ok_or_else(none)?;
    let is_dual = addr.is_ipv6() && addr.ip().is_unspecified() && !socket.only_v6()?;
    let v4 = is_dual.then(|| SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), addr.port()));
    Ok([addr].into_iter().chain(v4).collect())
}

/// The addresses of a socket that can be taken over.
fn check(socket: SockRef<'_>, protocol: &'static str, kind: Type) -> Result<Vec<SocketAddr>, NetError> {
    let addrs = addrs_of(&socket).map_err(|reason| NetError::Adopt { protocol, reason })?;
    for &addr in &addrs {
        let flaw = if socket.r#type().ok() != Some(kind) {
            "is a socket of another type"
        } else if addr.port() == 0 {
            "is not bound to a port"
        } else if matches!(addr.ip(), IpAddr::V6(ip) if ip.to_ipv4_mapped().is_some()) {
            "is IPv4 behind IPv6; bind the IPv4 address itself"
        } else if socket.peer_addr().is_ok() {
            "is connected"
        } else {
            continue;
        };
        return Err(NetError::Inherited { protocol, addr, flaw });
    }
    Ok(addrs)
}

/// Adds the addresses of one more socket.
fn add(addrs: &mut Vec<SocketAddr>, protocol: &'static str, more: Vec<SocketAddr>) -> Result<(), NetError> {
    for addr in more {
        if addrs.contains(&addr) {
            return Err(NetError::Inherited { protocol, addr, flaw: "is given twice" });
        }
        addrs.push(addr);
    }
    Ok(())
}

/// Refuses what is in `some` and not among those of `protocol`.
fn lacking(protocol: &'static str, some: &[SocketAddr], others: &[SocketAddr]) -> Result<(), NetError> {
    match some.iter().find(|addr| !others.contains(addr)) {
        Some(&addr) => Err(NetError::InheritedLacks { protocol, addr }),
        None => Ok(()),
    }
}

/// What all sockets of a port have in common.
fn set_common(socket: SockRef<'_>) -> io::Result<()> {
    #[cfg(unix)]
    socket.set_cloexec(true)?;
    socket.set_nonblocking(true)
}

/// Listens, unless it does: its backlog was somebody's choice.
fn listen(socket: SockRef<'_>) -> io::Result<()> {
    #[cfg(any(target_os = "android", target_os = "freebsd", target_os = "linux"))]
    if socket.is_listener()? {
        return Ok(());
    }
    socket.listen(KERNEL_BACKLOG)
}
