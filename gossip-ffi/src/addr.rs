//! Socket addresses: the one public struct with fields, frozen at 32 bytes.

use std::ffi::c_char;
use std::mem::MaybeUninit;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};

use crate::border::{call, fill_text, quick, some, text, write};
use crate::error::{Failure, gossip_error_t};
use crate::status::Status::{GOSSIP_ERR_ADDR_INVALID, GOSSIP_ERR_INVALID_ARG};
use crate::status::gossip_status_t;

/// Sizes that programs need for their arrays.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub enum gossip_size_t {
    /// Room for the text of every address, its NUL included.
    GOSSIP_ADDR_TEXT_SIZE = 64,
    /// Bytes of metadata that a node may announce.
    GOSSIP_META_MAX = 512,
    /// Bytes of the longest encryption key.
    GOSSIP_KEY_MAX = 32,
    /// Bytes of the longest label.
    GOSSIP_LABEL_MAX = 255,
}

/// An IP address and a port. This layout is frozen: 32 bytes, no more fields ever.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct gossip_addr_t {
    /// 4 or 6, as in IPv4 and IPv6.
    pub family: u16,
    /// The port, in the byte order of this machine.
    pub port: u16,
    /// The interface of a link-local IPv6 address; otherwise 0.
    pub scope_id: u32,
    /// The address, most significant byte first; IPv4 takes the first four.
    pub ip: [u8; 16],
    /// Zero.
    pub reserved: [u8; 8],
}

impl From<SocketAddr> for gossip_addr_t {
    fn from(addr: SocketAddr) -> Self {
        let (family, scope_id, ip) = match addr {
            SocketAddr::V4(v4) => {
                let mut ip = [0; 16];
                ip[..4].copy_from_slice(&v4.ip().octets());
                (4, 0, ip)
            }
            SocketAddr::V6(v6) => (6, v6.scope_id(), v6.ip().octets()),
        };
        Self { family, port: addr.port(), scope_id, ip, reserved: [0; 8] }
    }
}

impl gossip_addr_t {
    /// The address, if its family is one.
    pub(crate) fn socket_addr(&self, name: &'static str) -> Result<SocketAddr, Failure> {
        let [a, b, c, d, ..] = self.ip;
        match self.family {
            4 => Ok(SocketAddr::new(IpAddr::V4(Ipv4Addr::new(a, b, c, d)), self.port)),
            6 => Ok(SocketAddrV6::new(Ipv6Addr::from(self.ip), self.port, 0, self.scope_id).into()),
            other => {
                let rule = format!("has family {other}, must be 4 or 6");
                Err(Failure::argument(GOSSIP_ERR_INVALID_ARG, name, rule))
            }
        }
    }
}

/// Reads an address such as `192.0.2.1:7946` or `[2001:db8::1]:7946`. Host names are not
/// looked up.
///
/// Memory: `addr` is written on success. Threads: any. Blocks: no.
/// Status: NULL_ARG, INVALID_UTF8; ADDR_INVALID if the text is no address with a port.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn gossip_addr_parse(
    addr_text: *const c_char,
    addr: Option<&mut MaybeUninit<gossip_addr_t>>,
    err: Option<&mut MaybeUninit<*mut gossip_error_t>>,
) -> gossip_status_t {
    call(err, || {
        // SAFETY: the header's rule for texts.
        let source = unsafe { text(addr_text, "addr_text") }?;
        let parsed: SocketAddr = source.parse().map_err(|_| {
            let rule = format!("is {source:?}, must be like 192.0.2.1:7946 or [2001:db8::1]:7946");
            Failure::argument(GOSSIP_ERR_ADDR_INVALID, "addr_text", rule)
        })?;
        write(addr, "addr", parsed.into())
    })
}

/// Writes an address in the form that `gossip_addr_parse` reads. `GOSSIP_ADDR_TEXT_SIZE`
/// bytes are enough for every one.
///
/// Memory: `buf` and `len` as in *Buffers*. Threads: any. Blocks: no.
/// Status: NULL_ARG, BUFFER_TOO_SMALL; INVALID_ARG if the family is neither 4 nor 6.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn gossip_addr_format(
    addr: Option<&gossip_addr_t>,
    buf: *mut c_char,
    cap: usize,
    len: Option<&mut MaybeUninit<usize>>,
) -> gossip_status_t {
    quick(|| {
        let written = some(addr, "addr")?.socket_addr("addr")?.to_string();
        // SAFETY: the header's rule for buffers.
        unsafe { fill_text(written.as_bytes(), buf, cap, len) }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_layout_is_frozen() {
        assert_eq!(size_of::<gossip_addr_t>(), 32);
        assert_eq!(align_of::<gossip_addr_t>(), 4);
        assert_eq!(std::mem::offset_of!(gossip_addr_t, ip), 8);
    }

    #[test]
    fn both_families_survive_the_trip() {
        for text in ["192.0.2.1:7946", "[2001:db8::1]:1", "[fe80::1%3]:65535"] {
            let addr: SocketAddr = text.parse().unwrap();

            assert_eq!(gossip_addr_t::from(addr).socket_addr("addr").unwrap(), addr);
        }
    }
}
