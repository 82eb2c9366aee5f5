//! The fuzz targets on stable, in ordinary tests: their stored inputs, and a bounded number
//! of mutations of recorded messages.

use gossip_core::base::rng::Rng;
use gossip_core::wire::message::Ticket;
use gossip_core::{pool, wire};
use serde_json::Value;

/// Every byte string of the golden vectors that a node could be sent.
fn recorded() -> Vec<Vec<u8>> {
    let mut found = Vec::new();
    for file in ["messages", "compound", "compress", "packets", "streams", "ingest", "decode"] {
        let path = format!("{}/tests/vectors/{file}.json", env!("CARGO_MANIFEST_DIR"));
        let json: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
        for vector in json["vectors"].as_array().unwrap() {
            let hex = vector["wire"].as_str().unwrap();
            let byte = |at: usize| u8::from_str_radix(&hex[at..at + 2], 16).unwrap();
            found.push((0..hex.len()).step_by(2).map(byte).collect());
        }
    }
    found
}

/// Envelopes of each kind, and the record of a node that understands them, as datagrams.
fn relayed() -> Vec<Vec<u8>> {
    let alive = b"\x04\x87\xa4Addr\xa4\x0a\0\0\x01\xabIncarnation\x01\xa4Meta\xc0\xa4Node\xa2n1\xa4Port\xcd\x1f\x0a\xa5Relay\x01\xa3Vsn\xa6\x01\x05\x02\0\0\0";
    let rumour = |arc: &[u8; 8], sequence: u8, name: &[u8]| {
        let id = [&[0, 0, 0, 0, 0, 0, 0, 7][..], &[0, 0, 0, 0, 0, 0, 0, sequence]].concat();
        let name = [&[name.len() as u8][..], name].concat();
        [b"\x08\xf7rly\x01", &arc[..], &id, b"\x02n1", &name, b"payload"].concat()
    };
    let entries = |kind: u8| {
        let of = |instance: u8, bits: &[u8]| {
            let len = [bits.len() as u8];
            [&[0, 0, 0, 0, 0, 0, 0, instance, 0, 0, 0, 0, 0, 0, 0, 1][..], &len, bits].concat()
        };
        [&b"\x08\xf7rly"[..], &[kind], &of(7, &[0xff]), &of(8, &[1, 0x80])].concat()
    };
    let rumours = (1..6).map(|sequence| rumour(b"\0\0\0\0\xff\xff\xff\xff", sequence, b"name"));
    rumours.chain([alive.to_vec(), rumour(&[0; 8], 9, b""), entries(2), entries(3)]).collect()
}

/// Bytes with a few of them changed, removed or repeated.
fn mutated(bytes: &[u8], rng: &mut Rng) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    for _ in 0..=rng.below(4) {
        let at = rng.below(bytes.len().max(1));
        match rng.below(4) {
            0 => bytes.truncate(at),
            1 if at < bytes.len() => bytes[at] = rng.below(256) as u8,
            2 if at < bytes.len() => bytes[at] ^= 1 << rng.below(8),
            _ => {
                let tail = bytes[at.min(bytes.len())..].to_vec();
                bytes.extend_from_slice(&tail[..tail.len().min(300)]);
            }
        }
    }
    bytes
}

#[test]
fn decoders_return_whatever_they_are_given() {
    let mut rng = Rng::from_seed(1);
    let recorded = recorded();
    assert!(recorded.len() > 300);
    for bytes in &recorded {
        for _ in 0..20 {
            let bytes = mutated(bytes, &mut rng);
            wire::fuzz::datagram(&bytes);
            wire::fuzz::stream(&bytes, 1 + rng.below(50));
            wire::fuzz::lzw(&bytes);
        }
    }
}

/// User messages that ask to be acknowledged, one behind the other, and acknowledgements.
#[test]
fn acknowledged_streams_end_whatever_they_are() {
    let ask = |payload: &[u8]| {
        let ticket = Ticket { instance: 7, sequence: 9, from: "n1".into() };
        wire::stream::encode_user(payload, Some(&ticket))
    };
    let acks = [&b"\x02\x82\xa7Payload\xc0\xa5SeqNo\x09"[..], b"\x02\x82\xa7Payload\xa1\x01\xa5SeqNo\x09"];
    let mut rng = Rng::from_seed(4);
    for bytes in [[ask(b"one"), ask(b"two")].concat(), acks.concat()] {
        for _ in 0..2000 {
            wire::fuzz::stream(&mutated(&bytes, &mut rng), 1 + rng.below(50));
        }
    }
}

#[test]
fn envelopes_decode_to_what_they_were() {
    let mut rng = Rng::from_seed(3);
    for bytes in &relayed() {
        for _ in 0..2000 {
            pool::fuzz::envelope(&mutated(&bytes[5..], &mut rng));
            pool::fuzz::envelope(&mutated(bytes.get(14..).unwrap_or_default(), &mut rng));
        }
    }
}

#[test]
fn a_machine_keeps_its_promises_whatever_it_hears() {
    let mut rng = Rng::from_seed(2);
    let mut recorded: Vec<_> = recorded().into_iter().filter(|bytes| bytes.len() < 256).collect();
    let relayed = relayed();
    recorded.extend(relayed.iter().cloned().cycle().take(recorded.len() / 2));
    for _ in 0..300 {
        let mut input = Vec::new();
        for _ in 0..40 {
            let bytes = &recorded[rng.below(recorded.len())];
            let bytes = if rng.chance(0.5) { bytes.clone() } else { mutated(bytes, &mut rng) };
            let bytes = &bytes[..bytes.len().min(255)];
            input.extend_from_slice(&[bytes.len() as u8, rng.below(256) as u8]);
            input.extend_from_slice(bytes);
        }
        pool::fuzz::machine(&input);
    }
}
