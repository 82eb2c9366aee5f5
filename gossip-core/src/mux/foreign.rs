//! Protocols of others that share byte values with ours, told apart by their fixed fields.
//!
//! What has no fixed field can't be told apart: a DNS query begins with a random id,
//! which is a memberlist message type every twentieth time. Programs that take such
//! datagrams on the shared port do without a bare pool.

use crate::base::ids::ListenerId;

/// Whether `datagram` is a QUIC packet with a long header (RFC 9000, 17.2): header form
/// and fixed bit set, a version in use (1, 2, a draft), a connection id of at most 20
/// bytes; or a version negotiation, which has version 0 and no fixed bit (RFC 8999).
pub fn is_quic(datagram: &[u8]) -> bool {
    const FORM: u8 = 0x80;
    const FIXED: u8 = 0x40;

    let &[first, v1, v2, v3, v4, id_len, ..] = datagram else {
        return false;
    };
    let version_fits = match u32::from_be_bytes([v1, v2, v3, v4]) {
        0 => true,
        1 | 0x6B33_43CF | 0xFF00_0000..=0xFF00_00FF => first & FIXED != 0,
        _ => false,
    };
    first & FORM != 0 && version_fits && id_len <= 20
}

/// Whether `datagram` is a STUN message (RFC 8489, 5): two leading zero bits, a length
/// that is a multiple of four, the magic cookie.
pub fn is_stun(datagram: &[u8]) -> bool {
    const HEADER: usize = 20;

    let &[first, _, _, length, 0x21, 0x12, 0xA4, 0x42, ..] = datagram else {
        return false;
    };
    first & 0xC0 == 0 && length % 4 == 0 && datagram.len() >= HEADER
}

/// Whether `datagram` is a WireGuard handshake initiation: type 1, three reserved zeros,
/// 148 bytes. Its other types never look like memberlist messages.
pub fn is_wireguard(datagram: &[u8]) -> bool {
    datagram.len() == 148 && datagram.starts_with(&[1, 0, 0, 0])
}

/// The well-known protocol whose connections begin with the bytes of `id`, if there is
/// one: a listener with this id takes them away from the native listener.
pub fn natural_owner(id: ListenerId) -> Option<&'static str> {
    match id.prefix() {
        [0x16, 0x03] => Some("TLS"),
        // GET, POST, PRI (HTTP/2), SSH...
        [first, second] if first.is_ascii_graphic() && second.is_ascii_graphic() => Some("text protocols"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quic_is_known_by_form_bit_fixed_bit_and_version() {
        let cases: [(&[u8], bool); 9] = [
            (&[0xFE, 0, 0, 0, 1, 8, 1, 2], true),              // v1
            (&[0xFE, 0x6B, 0x33, 0x43, 0xCF, 20, 1, 2], true), // v2
            (&[0xF4, 0xFF, 0, 0, 29, 4], true),                // draft 29
            (&[0x80, 0, 0, 0, 0, 0], true),                    // version negotiation
            (&[0xFE, 0, 0, 0, 1, 21], false),                  // no such connection id
            (&[0xBE, 0, 0, 0, 1, 8], false),                   // fixed bit clear
            (&[0x7E, 0, 0, 0, 1, 8], false),                   // short header
            (&[0xFE, 0, 0, 0, 2, 8], false),                   // no such version
            (&[0xFE, 0, 0, 0, 1], false),                      // too short
        ];

        for (datagram, is) in cases {
            assert_eq!(is_quic(datagram), is, "{datagram:02x?}");
        }
    }

    #[test]
    fn stun_is_known_by_its_cookie() {
        let mut binding = [0u8; 20];
        binding[..8].copy_from_slice(&[0, 1, 0, 0, 0x21, 0x12, 0xA4, 0x42]);

        assert!(is_stun(&binding));
        assert!(!is_stun(&binding[..19]), "the header has 20 bytes");
        binding[4] = 0x20;
        assert!(!is_stun(&binding));
    }

    #[test]
    fn ids_that_hijack_a_native_protocol_are_known() {
        let natural = |id| natural_owner(ListenerId::new(id).unwrap());

        for id in [*b"GE", *b"PO", *b"PR", *b"SS"] {
            assert_eq!(natural(u16::from_be_bytes(id)), Some("text protocols"));
        }
        assert_eq!(natural(0x1603), Some("TLS"));
        assert_eq!(natural(0x0001), None);
        assert_eq!(natural(0x4701), None);
    }
}
