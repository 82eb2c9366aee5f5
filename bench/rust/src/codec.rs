//! The codec: messages, the compound they travel in, compression and encryption. The program
//! `go/memberlist` does the same work with memberlist's own functions, and tells the same
//! sizes, which the comparison insists on.

use std::borrow::Cow;
use std::hint::black_box;

use gossip_core::wire::compound;
use gossip_core::wire::compress::Coder;
use gossip_core::wire::decode::decode;
use gossip_core::wire::encode::encode_alive;
use gossip_core::wire::keyring::Key;
use gossip_core::wire::limits::DATAGRAM_DECOMPRESSED_MAX;
use gossip_core::wire::message::{Alive, Message};
use gossip_core::wire::nonce::Nonces;
use gossip_core::wire::onion::Wire;
use gossip_core::wire::packet::{self, Scratch};
use gossip_core::wire::seal;

use crate::measure::{nanoseconds, tell};

/// Messages in a compound.
const PARTS: usize = 20;
/// What is compressed and encrypted.
const PACKET: usize = 1400;

/// Measures everything once.
pub(crate) fn run() {
    let parts: Vec<Vec<u8>> = (0..PARTS).map(alive_bytes).collect();
    alive(&parts[7]);
    compounds(&parts);
    let packet = packet_of(&parts);
    lzw(&packet);
    aes_gcm(&packet);
}

/// The message of the node with this number.
fn alive_of(name: &str) -> Alive<'_> {
    Alive {
        incarnation: 17,
        node: Cow::Borrowed(name.as_bytes()),
        addr: Some(Cow::Borrowed(&[10, 0, 0, 42])),
        port: 7946,
        meta: Some(Cow::Borrowed(b"role=worker,zone=a")),
        relay: 0,
        versions: Some(Cow::Borrowed(&[1, 5, 2, 0, 0, 0])),
    }
}

fn alive_bytes(number: usize) -> Vec<u8> {
    let mut out = Vec::new();
    encode_alive(&alive_of(&format!("node-{number:04}.example.net")), &mut out);
    out
}

fn alive(bytes: &[u8]) {
    let message = alive_of("node-0007.example.net");
    let mut out = Vec::new();
    let ns = nanoseconds(|| {
        out.clear();
        encode_alive(black_box(&message), &mut out);
    });
    assert_eq!(out, bytes);
    told("alive out", ns, out.len());
    let ns = nanoseconds(|| {
        black_box(decode(black_box(bytes))).expect("it is one");
    });
    told("alive in", ns, bytes.len());
}

fn compounds(parts: &[Vec<u8>]) {
    let mut out = Vec::new();
    let ns = nanoseconds(|| {
        out.clear();
        compound::write(black_box(parts), &mut out);
    });
    told("compound of 20 out", ns, out.len());

    let (wire, mut scratch) = (Wire::plain(), Scratch::default());
    let mut datagram = out.clone();
    let ns = nanoseconds(|| {
        let mut heard = 0;
        packet::open(&wire, &mut scratch, &mut datagram, &mut |message| {
            heard += usize::from(matches!(black_box(message), Ok(Message::Alive(_))));
        })
        .expect("it opens");
        assert_eq!(heard, PARTS);
    });
    told("compound of 20 in", ns, out.len());
}

/// Alive messages, as many as are `PACKET` bytes.
fn packet_of(parts: &[Vec<u8>]) -> Vec<u8> {
    parts.iter().flatten().copied().take(PACKET).collect()
}

fn lzw(packet: &[u8]) {
    assert_eq!(packet.len(), PACKET);
    let (mut coder, mut out) = (Coder::default(), Vec::new());
    let ns = nanoseconds(|| assert!(coder.shrink(black_box(packet), &mut out)));
    // How short it gets is for each side to say: the streams may differ.
    told("lzw 1400 out", ns, packet.len());
    let mut unfolded = Vec::new();
    let ns = nanoseconds(|| {
        coder.unpack(black_box(&out[1..]), DATAGRAM_DECOMPRESSED_MAX, &mut unfolded).expect("it unfolds");
    });
    assert_eq!(unfolded, packet);
    told("lzw 1400 in", ns, packet.len());
}

fn aes_gcm(packet: &[u8]) {
    let key = Key::new(&[7; 16]).expect("16 bytes are a key");
    let mut wire = Wire::plain();
    wire.keyring.add(key);
    let mut nonces = Nonces::from_os(|bytes| getrandom::fill(bytes).expect("the system has randomness"));
    let (mut scratch, mut out) = (Scratch::default(), Vec::new());
    let ns = nanoseconds(|| {
        out.clear();
        packet::close(&wire, &mut scratch, &mut nonces, black_box(packet), false, &mut out);
    });
    told("aes-gcm 1400 out", ns, out.len());

    // Decryption happens in place, so each round needs the datagram anew.
    let (mut datagram, mut spare) = (out.clone(), Vec::new());
    let ns = nanoseconds(|| {
        datagram.copy_from_slice(&out);
        black_box(seal::open(&wire.keyring, &[], &mut datagram, &mut spare)).expect("the key fits");
    });
    told("aes-gcm 1400 in", ns, out.len());
}

fn told(figure: &str, ns: f64, bytes: usize) {
    tell(figure, &[("ns", ns), ("bytes", bytes as f64)]);
}
