//! Garbage of every kind: each is counted under its own reason, and changes nothing else.

use gossip_core::base::time::Time;
use gossip_core::pool::action::Asks;
use gossip_core::pool::config::PoolConfig;
use gossip_core::pool::machine::{Identity, Machine, Received};
use gossip_core::wire::compress::Coder;
use gossip_core::wire::keyring::{Key, Keyring};
use gossip_core::wire::limits::DATAGRAM_DECOMPRESSED_MAX;
use gossip_core::wire::nonce::Nonces;
use gossip_core::wire::onion::Wire;
use gossip_core::wire::packet::{self, Scratch};

use crate::hosts::addr;

fn key(byte: u8) -> Keyring {
    let key = Key::new(&[byte; 16]).unwrap();
    Keyring::new([key.clone()], Some(key)).unwrap()
}

fn machine(config: PoolConfig) -> Machine {
    let identity = Identity { name: "n0".into(), addr: addr(0).into() };
    Machine::new(config.check().unwrap(), identity, Asks::default(), 1, Nonces::seeded(1), Time::ZERO)
        .unwrap()
}

/// A message as `wire` sends it.
fn sealed(wire: &Wire, plain: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    packet::close(wire, &mut Scratch::default(), &mut Nonces::seeded(2), plain, true, &mut out);
    out
}

fn compressed(message: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    Coder::default().pack(message, &mut out);
    out
}

/// Gives `bytes` to a node with label and key, or a plain one; the reason counted, if one was.
fn reason(config: PoolConfig, mut bytes: Vec<u8>) -> Option<&'static str> {
    let mut machine = machine(config);
    let before: Vec<_> = machine.members().collect();
    machine.handle_packet(Time::ZERO, Received { from: addr(9), at: Time::ZERO, bytes: &mut bytes });
    assert_eq!(machine.members().collect::<Vec<_>>(), before);
    let refused = machine.stats().refused;
    assert!(refused.occurred().all(|(_, count)| count == 1), "{refused:?}");
    refused.occurred().next().map(|(reason, _)| reason)
}

#[test]
fn what_is_wrong_with_a_datagram_is_counted_by_reason() {
    let mut deep = b"\x08hi".to_vec();
    (0..6).for_each(|_| deep = compressed(&deep));
    let plain: [(&str, &str, Vec<u8>); 11] = [
        ("empty", "empty", vec![]),
        ("an unknown type", "unknown_type", vec![99]),
        ("a stream's type", "unknown_type", vec![6, 0x80]),
        ("a label where none is expected", "label_mismatch", b"\xf4\x03dc1\x08hi".to_vec()),
        ("a label header cut off", "label_truncated", b"\xf4\x09dc".to_vec()),
        ("a false checksum", "checksum", b"\x0c\0\0\0\0\x08hi".to_vec()),
        ("a compound without its lengths", "compound_truncated", b"\x07\x05\0\x01".to_vec()),
        ("a record cut off", "record_truncated", b"\x04\x86\xa4Addr".to_vec()),
        ("a number where a text belongs", "record_form", b"\x03\x81\xa4Node\x07".to_vec()),
        ("compressed too deep", "nesting", deep),
        ("a bomb", "decompressed_too_large", compressed(&vec![8; DATAGRAM_DECOMPRESSED_MAX + 1])),
    ];
    for (name, expected, bytes) in plain {
        assert_eq!(reason(PoolConfig::lan(1), bytes), Some(expected), "{name}");
    }
}

#[test]
fn what_comes_from_another_cluster_is_counted_by_reason() {
    let config = || PoolConfig { label: "dc1".into(), keyring: key(1), ..PoolConfig::lan(1) };
    let ours = Wire { label: "dc1".into(), keyring: key(1), ..Wire::plain() };
    let cases = [
        ("another key", Some("no_key"), Wire { keyring: key(2), ..ours.clone() }),
        ("another label", Some("label_mismatch"), Wire { label: "dc2".into(), ..ours.clone() }),
        ("no label", Some("label_mismatch"), Wire { label: "".into(), ..ours.clone() }),
        ("plain text", Some("encryption_version"), Wire { keyring: Keyring::default(), ..ours.clone() }),
        ("ours", None, ours),
    ];
    for (name, expected, wire) in cases {
        assert_eq!(reason(config(), sealed(&wire, b"\x08hi")), expected, "{name}");
    }
}

#[test]
fn no_prefix_of_a_good_datagram_does_harm() {
    let wire = Wire { label: "dc1".into(), keyring: key(1), compression: true, ..Wire::plain() };
    let good = sealed(&wire, &[b"\x08".as_slice(), &[7; 300]].concat());
    let config = || PoolConfig { label: "dc1".into(), keyring: key(1), ..PoolConfig::lan(1) };

    for length in 0..good.len() {
        assert!(reason(config(), good[..length].to_vec()).is_some(), "of {length} bytes");
    }
    assert_eq!(reason(config(), good), None);
}
