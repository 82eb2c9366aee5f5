//! Memory follows the bytes that arrive, never what they claim; and the datagram
//! pipeline works without any allocation once it is warm.
//!
//! One test only: the counters belong to the whole process.

mod counting;

use std::sync::Arc;

use gossip_core::wire::compress::Coder;
use gossip_core::wire::keyring::Key;
use gossip_core::wire::limits::DATAGRAM_DECOMPRESSED_MAX;
use gossip_core::wire::nonce::Nonces;
use gossip_core::wire::onion::Wire;
use gossip_core::wire::packet::{self, Scratch};
use gossip_core::wire::stream::FrameReader;

use counting::allocated;

#[test]
fn memory_follows_bytes_and_not_claims() {
    claims_in_datagrams_allocate_next_to_nothing();
    claims_on_streams_allocate_next_to_nothing();
    a_bomb_unfolds_to_its_limit_only();
    a_warm_pipeline_does_not_allocate();
}

fn claims_in_datagrams_allocate_next_to_nothing() {
    let claims: [(&str, &[u8]); 6] = [
        ("four billion fields", b"\x04\xdf\xff\xff\xff\xff"),
        ("four billion elements", b"\x04\xdd\xff\xff\xff\xff"),
        ("versions as four billion integers", b"\x04\x81\xa3Vsn\xdd\xff\xff\xff\xff\x01"),
        ("a name of four billion bytes", b"\x04\x81\xa4Node\xdb\xff\xff\xff\xff"),
        ("an unknown extension of four billion bytes", b"\x04\x81\xa1x\xc9\xff\xff\xff\xff"),
        ("a compound of 255 parts", b"\x07\xff"),
    ];
    let (wire, mut scratch) = (Wire::plain(), Scratch::default());
    for (name, claim) in claims {
        let mut datagram = claim.to_vec();
        let mut refused = 0;

        let (bytes, _) = allocated(|| {
            packet::open(&wire, &mut scratch, &mut datagram, &mut |message| {
                refused += usize::from(message.is_err())
            })
            .unwrap();
        });

        assert_eq!(refused, 1, "{name}");
        assert!(bytes < 1024, "{name}: {bytes} bytes");
    }
}

fn claims_on_streams_allocate_next_to_nothing() {
    let mut locked = Wire::plain();
    locked.keyring.add(Key::new(&[7; 16]).unwrap());
    let claims: [(&str, &Wire, &[u8]); 5] = [
        ("an encrypted unit of 20 MiB", &locked, b"\x0a\x01\x40\0\0\x01"),
        ("a user message of 20 MiB", &Wire::plain(), b"\x08\x81\xaaUserMsgLen\xd2\x01\x40\0\0hi"),
        ("a million nodes", &Wire::plain(), b"\x06\x81\xa5Nodes\xd2\0\x10\0\0\x80\x80"),
        ("20 MiB of state", &Wire::plain(), b"\x06\x81\xacUserStateLen\xd2\x01\x40\0\0hi"),
        ("60 MiB of compressed data", &Wire::plain(), b"\x09\x81\xa3Buf\xdb\x03\xc0\0\0hi"),
    ];
    for (name, wire, claim) in claims {
        let mut reader = FrameReader::request(Arc::new(wire.clone()));

        let (bytes, _) = allocated(|| assert!(matches!(reader.push(claim), Ok(None)), "{name}"));

        assert!(bytes < 1024, "{name}: {bytes} bytes");
    }
}

fn a_bomb_unfolds_to_its_limit_only() {
    let (mut scratch, mut bomb) = (Scratch::default(), Vec::new());
    Coder::default().pack(&vec![8; 30_000_000], &mut bomb);

    let (bytes, _) = allocated(|| {
        packet::open(&Wire::plain(), &mut scratch, &mut bomb, &mut |message| assert!(message.is_err()))
            .unwrap();
    });

    // The buffer doubles until it stands at the limit: all its sizes together stay below three of it.
    assert!(bytes < 3 * DATAGRAM_DECOMPRESSED_MAX, "{bytes} bytes");
}

fn a_warm_pipeline_does_not_allocate() {
    let mut wire = Wire { label: b"dc1".as_slice().into(), compression: true, ..Wire::plain() };
    wire.keyring.add(Key::new(&[7; 32]).unwrap());
    let (mut scratch, mut nonces, mut datagram) = (Scratch::default(), Nonces::seeded(1), Vec::new());
    let plain = [b"\x07\x02\0\x03\x01\x00\x08hi".as_slice(), &[8; 256]].concat();
    let mut round = || {
        let mut messages = 0;
        datagram.clear();
        packet::close(&wire, &mut scratch, &mut nonces, &plain, true, &mut datagram);
        packet::open(&wire, &mut scratch, &mut datagram, &mut |message| {
            messages += usize::from(message.is_ok())
        })
        .unwrap();
        assert_eq!(messages, 2);
    };
    // The nonces' blocks grow to their full size.
    (0..700).for_each(|_| round());

    let (_, count) = allocated(|| (0..1000).for_each(|_| round()));

    assert_eq!(count, 0, "allocations");
}
