//! Addresses of nodes, in the exact byte form in which they travel.
//!
//! memberlist compares addresses byte by byte, and the same IPv4 address occurs as 4
//! and as 16 bytes; so a node's address keeps the form in which it was received
//! (wire document 3.1). The numeric value serves only to connect and to print.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// An IP address in its wire form: 4 or 16 bytes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum WireIp {
    /// Four bytes.
    V4([u8; 4]),
    /// Sixteen bytes, an IPv4-mapped address included.
    V16([u8; 16]),
}

impl WireIp {
    /// The wire form `bytes`, or `None` unless there are 4 or 16.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        if let Ok(four) = bytes.try_into() {
            return Some(Self::V4(four));
        }
        bytes.try_into().ok().map(Self::V16)
    }

    /// The bytes as they travel.
    pub fn as_bytes(&self) -> &[u8] {
        match self {
            Self::V4(bytes) => bytes,
            Self::V16(bytes) => bytes,
        }
    }

    /// The numeric address; a mapped IPv4 address is unwrapped.
    pub fn ip(&self) -> IpAddr {
        match *self {
            Self::V4(bytes) => Ipv4Addr::from(bytes).into(),
            Self::V16(bytes) => Ipv6Addr::from(bytes).to_canonical(),
        }
    }
}

impl From<IpAddr> for WireIp {
    fn from(ip: IpAddr) -> Self {
        match ip {
            IpAddr::V4(v4) => Self::V4(v4.octets()),
            IpAddr::V6(v6) => Self::V16(v6.octets()),
        }
    }
}

/// Where a node is reached: the address in wire form, and the port.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeAddr {
    /// The address, in the form in which it travels.
    pub ip: WireIp,
    /// TCP and UDP port.
    pub port: u16,
}

impl NodeAddr {
    /// The socket address to connect and send to.
    pub fn socket_addr(&self) -> SocketAddr {
        SocketAddr::new(self.ip.ip(), self.port)
    }
}

impl From<SocketAddr> for NodeAddr {
    fn from(addr: SocketAddr) -> Self {
        Self { ip: addr.ip().into(), port: addr.port() }
    }
}

impl fmt::Display for NodeAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.socket_addr(), f)
    }
}

impl fmt::Debug for NodeAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Debug for WireIp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.ip(), self.as_bytes().len())
    }
}

/// Someone to talk to: an address, and the name if it is known. Reads `name (addr)`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// The node's name, where it matters (`require_node_names`).
    pub name: Option<super::name::NodeName>,
    /// Where to connect or send.
    pub addr: SocketAddr,
}

impl From<SocketAddr> for Target {
    fn from(addr: SocketAddr) -> Self {
        Self { name: None, addr }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.name {
            Some(name) => write!(f, "{name} ({})", self.addr),
            None => write!(f, "{}", self.addr),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_two_forms_of_one_address_differ_but_connect_to_the_same() {
        let short = WireIp::from_bytes(&[10, 0, 0, 1]).unwrap();
        let long = WireIp::from_bytes(&Ipv4Addr::new(10, 0, 0, 1).to_ipv6_mapped().octets()).unwrap();

        assert_ne!(short, long);
        assert_eq!(short.ip(), long.ip());
        assert_eq!(long.as_bytes().len(), 16);
    }

    #[test]
    fn other_lengths_are_no_address() {
        assert_eq!(WireIp::from_bytes(&[]), None);
        assert_eq!(WireIp::from_bytes(&[1, 2, 3, 4, 5]), None);
    }
}
