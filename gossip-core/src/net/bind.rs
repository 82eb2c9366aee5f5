//! A TCP and a UDP socket for each address, all on one port number.

use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener, UdpSocket};

use super::error::NetError;
use socket2::{Domain, Protocol, SockRef, Socket, TcpKeepalive, Type};

/// How often a free port is looked for whose TCP and UDP halves are both free
/// (behaviour document 17).
const PORT_TRIES: usize = 10;

/// Pending connections that the operating system keeps for us; it lowers the number to
/// its own limit.
pub(super) const KERNEL_BACKLOG: i32 = 1024;

/// Receive buffers are not asked smaller than this; then the system's default stays.
const SMALLEST_BUFFER: usize = 16 * 1024;

/// The bound sockets of one port, non-blocking and close-on-exec.
#[derive(Debug)]
pub(super) struct Bound {
    /// What they are bound to, one address at least, with the real port.
    pub(super) addrs: Vec<SocketAddr>,
    pub(super) tcp: Vec<TcpListener>,
    pub(super) udp: Vec<UdpSocket>,
}

impl Bound {
    /// Binds TCP and UDP on every one of `addrs`, which name one port; 0 takes a port
    /// that is free on all of them. An IPv6 address is bound for IPv6 alone, so that
    /// `0.0.0.0` and `::` go together; an IPv4 address behind IPv6 is the IPv4 address.
    pub(super) fn bind(addrs: &[SocketAddr], recv_buffer: usize) -> Result<Self, NetError> {
        let port = addrs.first().ok_or(NetError::BindNothing)?.port();
        if let Some(other) = addrs.iter().find(|addr| addr.port() != port) {
            return Err(NetError::BindPorts(port, other.port()));
        }
        let mut tries = if port == 0 { PORT_TRIES } else { 1 };
        loop {
            tries -= 1;
            match Self::try_bind(addrs, recv_buffer) {
                Err(NetError::Bind { reason, .. })
                    if tries > 0 && reason.kind() == io::ErrorKind::AddrInUse => {}
                done => return done,
            }
        }
    }

    fn try_bind(addrs: &[SocketAddr], recv_buffer: usize) -> Result<Self, NetError> {
        let mut bound = Self { addrs: Vec::new(), tcp: Vec::new(), udp: Vec::new() };
        for &addr in addrs {
            let mut addr = unmapped(addr);
            if let Some(first) = bound.addrs.first() {
                addr.set_port(first.port());
            }
            let tcp = bind_tcp(addr).map_err(|reason| NetError::Bind { protocol: "tcp", addr, reason })?;
            addr = tcp.local_addr().map_err(|reason| NetError::Bind { protocol: "tcp", addr, reason })?;
            let udp = bind_udp(addr, recv_buffer).map_err(|reason| NetError::Bind {
                protocol: "udp",
                addr,
                reason,
            })?;
            bound.addrs.push(addr);
            bound.tcp.push(tcp);
            bound.udp.push(udp);
        }
        Ok(bound)
    }

    /// The receive buffer of the UDP sockets as granted, the smallest of several.
    pub(super) fn recv_buffer(&self) -> usize {
        let granted = |udp: &UdpSocket| SockRef::from(udp).recv_buffer_size().unwrap_or_default();
        // Linux counts its own bookkeeping in, and doubles what is asked for that.
        let overhead = if cfg!(target_os = "linux") { 2 } else { 1 };
        self.udp.iter().map(granted).min().unwrap_or_default() / overhead
    }
}

/// The IPv4 address behind a mapped one, which is how others know it.
pub(super) fn unmapped(addr: SocketAddr) -> SocketAddr {
    match addr.ip().to_canonical() {
        ip @ IpAddr::V4(_) => SocketAddr::new(ip, addr.port()),
        IpAddr::V6(_) => addr,
    }
}

/// The options of every TCP connection of ours, as Go sets them: no delay for small
/// writes, and a probe after 15 s of silence.
pub(crate) fn set_stream_options<'s>(stream: impl Into<SockRef<'s>>) -> io::Result<()> {
    const PROBE: std::time::Duration = std::time::Duration::from_secs(15);

    let socket = stream.into();
    socket.set_tcp_nodelay(true)?;
    #[cfg(target_vendor = "apple")]
    socket.set_nosigpipe(true)?;
    socket.set_tcp_keepalive(&TcpKeepalive::new().with_time(PROBE).with_interval(PROBE))
}

/// Whether the peer of `stream` sees a reset when it is closed, also by the end of the process.
pub(crate) fn set_reset_on_close<'s>(stream: impl Into<SockRef<'s>>, resets: bool) -> io::Result<()> {
    stream.into().set_linger(resets.then_some(std::time::Duration::ZERO))
}

fn bind_tcp(addr: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(addr), Type::STREAM, Some(Protocol::TCP))?;
    // A restarted program gets its port back while old connections linger.
    #[cfg(unix)]
    socket.set_reuse_address(true)?;
    bind(&socket, addr)?;
    socket.listen(KERNEL_BACKLOG)?;
    Ok(socket.into())
}

fn bind_udp(addr: SocketAddr, recv_buffer: usize) -> io::Result<UdpSocket> {
    let socket = Socket::new(Domain::for_address(addr), Type::DGRAM, Some(Protocol::UDP))?;
    bind(&socket, addr)?;
    enlarge_recv_buffer(&socket, recv_buffer);
    Ok(socket.into())
}

fn bind(socket: &Socket, addr: SocketAddr) -> io::Result<()> {
    if addr.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    socket.set_nonblocking(true)?;
    socket.bind(&addr.into())
}

/// Asks for `wanted` bytes, and for half as much as long as that is refused. Linux refuses
/// nothing, but grants no more than `net.core.rmem_max`.
pub(super) fn enlarge_recv_buffer(socket: &Socket, wanted: usize) {
    std::iter::successors(Some(wanted), |size| Some(size / 2))
        .take_while(|size| *size >= SMALLEST_BUFFER)
        .any(|size| socket.set_recv_buffer_size(size).is_ok());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn loopback(port: u16) -> SocketAddr {
        SocketAddr::new([127, 0, 0, 1].into(), port)
    }

    #[test]
    fn port_zero_takes_one_number_for_every_socket() {
        let both = [loopback(0), "[::1]:0".parse().unwrap()];

        let bound = Bound::bind(&both, 1 << 21).unwrap();

        let port = bound.addrs[0].port();
        assert_ne!(port, 0);
        for ((addr, tcp), udp) in bound.addrs.iter().zip(&bound.tcp).zip(&bound.udp) {
            assert_eq!(tcp.local_addr().unwrap(), *addr);
            assert_eq!(udp.local_addr().unwrap(), *addr);
            assert_eq!(addr.port(), port);
        }
    }

    #[test]
    fn both_wildcards_can_be_bound_together() {
        let both = ["0.0.0.0:0".parse().unwrap(), "[::]:0".parse().unwrap()];

        assert_eq!(Bound::bind(&both, 1 << 21).unwrap().addrs.len(), 2);
    }

    #[test]
    fn a_taken_port_is_an_error_that_says_so_and_leaves_nothing_bound() {
        // An address of its own: on 127.0.0.1 another test may hold the TCP port of that number.
        let holder = UdpSocket::bind("127.0.2.8:0").unwrap();
        let taken = holder.local_addr().unwrap();

        let error = Bound::bind(&[taken], 1 << 21).unwrap_err();

        assert_eq!(error.io_kind(), Some(io::ErrorKind::AddrInUse));
        assert!(error.to_string().starts_with(&format!("bind udp {taken}: ")), "{error}");
        TcpListener::bind(taken).expect("the tcp half was released");
    }

    #[test]
    fn addresses_with_two_ports_or_none_at_all_are_refused() {
        assert!(matches!(Bound::bind(&[loopback(1), loopback(2)], 0), Err(NetError::BindPorts(1, 2))));
        assert!(matches!(Bound::bind(&[], 0), Err(NetError::BindNothing)));
    }
}
