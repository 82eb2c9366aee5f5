//! Every byte that Go memberlist was recorded to write, written and read here.
//!
//! What is deterministic is compared byte for byte.

mod ingest;
mod record;
mod vector;

use std::collections::BTreeMap;
use std::sync::Arc;

use gossip_core::wire::compress::Coder;
use gossip_core::wire::label::{self, Front};
use gossip_core::wire::onion::Wire;
use gossip_core::wire::packet::{self, Scratch};
use gossip_core::wire::push_pull::begin_state;
use gossip_core::wire::seal::{self, Sealing};
use gossip_core::wire::stream::{self, Frame, FrameReader};
use gossip_core::wire::{compound, decode};
use serde_json::Value;

use record::{decoded, encoded, node_fields, normal};
use vector::{Vector, all, each_of, golden_nonces, hex, key, to_hex};

#[test]
fn every_kind_of_vector_is_run_by_some_test() {
    let mut counts = BTreeMap::new();
    for vector in all() {
        *counts.entry(vector.0["kind"].as_str().unwrap_or_default().to_owned()).or_insert(0) += 1;
    }

    // Scenarios, queues and the other formulas are the business of the membership rules.
    for kind in ["scenario", "queue", "math"] {
        assert!(counts.remove(kind).is_some(), "{kind}");
    }
    let here = [
        ("compound", 6),
        ("compressed", 2),
        ("decode", 75),
        ("encrypted", 10),
        ("ingest-packet", 69),
        ("ingest-stream", 49),
        ("lzw", 10),
        ("message", 44),
        ("packet", 21),
        ("stream", 69),
        ("value", 43),
    ];
    assert_eq!(counts, here.map(|(kind, count)| (kind.to_owned(), count)).into());
}

#[test]
fn messages_are_written_and_read_as_go_does() {
    each_of("message", 44, |vector| {
        let (kind, wire) = (vector.record_type(), vector.wire());

        assert_eq!(to_hex(&encoded(kind, vector.fields())), to_hex(&wire), "{}", vector.id());
        if kind == "user" {
            assert!(decode::decode(&wire).is_ok(), "{}", vector.id());
        } else {
            assert_fields(vector, decoded(kind, &wire[1..]).unwrap(), vector.fields());
        }
    });
}

#[test]
fn values_are_written_as_the_current_codec_does_and_read_in_both_forms() {
    each_of("value", 43, |vector| {
        let (kind, wire) = (vector.record_type(), vector.wire());

        if vector.param("codec") != "0.5" {
            assert_eq!(to_hex(&encoded(kind, vector.fields())), to_hex(&wire), "{}", vector.id());
        }
        assert_fields(vector, decoded(kind, &wire).unwrap(), vector.fields());
    });
}

#[test]
fn unusual_records_are_read_as_the_current_codec_does() {
    each_of("decode", 75, |vector| {
        let expected = vector.expect("codec-2");
        let result = decoded(vector.record_type(), &vector.wire());

        assert_eq!(result.is_ok(), expected["ok"] == true, "{}: {result:?}", vector.id());
        if let Ok(fields) = result {
            assert_eq!(fields, expected["fields"], "{}", vector.id());
        }
    });
}

#[test]
fn compounds_are_written_and_read_as_go_does() {
    each_of("compound", 6, |vector| {
        let wire = vector.wire();
        let parts: Vec<_> = vector
            .param("parts")
            .as_array()
            .unwrap()
            .iter()
            .map(|part| hex(part.as_str().unwrap()))
            .collect();

        let read = compound::parts(&wire[1..]).unwrap();
        assert_eq!(read.collect::<Vec<_>>(), parts, "{}", vector.id());
        let mut out = Vec::new();
        assert_eq!(compound::write(&parts, &mut out), parts.len(), "{}", vector.id());
        // One message alone is sent bare: a compound of one is only read.
        let expected = if parts.len() == 1 { &parts[0] } else { &wire };
        assert_eq!(to_hex(&out), to_hex(expected), "{}", vector.id());
    });
}

#[test]
fn lzw_streams_are_read_and_written_as_go_does() {
    let mut coder = Coder::default();
    each_of("lzw", 10, |vector| {
        let (inner, mut out) = (vector.inner(), Vec::new());

        coder.decompress(&vector.wire(), inner.len(), &mut out).unwrap();
        assert_eq!(to_hex(&out), to_hex(&inner), "{}", vector.id());
        assert!(coder.compress(&inner, usize::MAX, &mut out));
        assert_eq!(to_hex(&out), to_hex(&vector.wire()), "{}", vector.id());
    });
}

#[test]
fn compressed_messages_are_read_and_written_as_go_does() {
    let mut coder = Coder::default();
    each_of("compressed", 2, |vector| {
        let (inner, mut packed) = (vector.inner(), Vec::new());
        coder.pack(&inner, &mut packed);

        assert_eq!(to_hex(&unpacked(&vector.wire())), to_hex(&inner), "{}", vector.id());
        assert_eq!(to_hex(&packed), to_hex(&vector.wire()), "{}", vector.id());
    });
}

#[test]
fn encrypted_payloads_are_written_and_opened_as_go_does() {
    each_of("encrypted", 10, |vector| {
        let (key, aad) = (key(vector.param("key").as_str().unwrap()), vector.param_bytes("aad"));
        let version = vector.param("version").as_u64().unwrap() as u8;
        let (inner, mut payload) = (vector.inner(), Vec::new());

        let sealing = Sealing::begin(&key, version, golden_nonces().next(), &mut payload);
        payload.extend_from_slice(&inner);
        sealing.finish(&aad, &mut payload);

        assert_eq!(to_hex(&payload), to_hex(&vector.wire()), "{}", vector.id());
        let message = seal::open(&vector.onion().keyring, &aad, &mut payload, &mut Vec::new()).unwrap();
        assert_eq!(to_hex(&payload[message]), to_hex(&inner), "{}", vector.id());
    });
}

#[test]
fn datagrams_are_closed_as_go_does_and_open_to_their_message() {
    let mut scratch = Scratch::default();
    each_of("packet", 21, |vector| {
        let (wire, inner) = (vector.onion(), vector.inner());
        let crc = vector.param("peer_pmax").as_i64().unwrap() >= 5;
        let mut ours = Vec::new();
        packet::close(&wire, &mut scratch, &mut golden_nonces(), &inner, crc, &mut ours);
        let mut expected = Vec::new();
        let mut plain = inner.clone();
        packet::open(&Wire::plain(), &mut scratch, &mut plain, &mut |message| {
            expected.push(format!("{message:?}"));
        })
        .unwrap();

        assert_eq!(to_hex(&ours), to_hex(&vector.wire()), "{}", vector.id());
        for mut datagram in [ours, vector.wire()] {
            let mut messages = Vec::new();
            packet::open(&wire, &mut scratch, &mut datagram, &mut |message| {
                messages.push(format!("{message:?}"));
            })
            .unwrap();
            assert_eq!(messages, expected, "{}", vector.id());
        }
    });
}

#[test]
fn streams_are_written_as_go_does() {
    each_of("stream", 69, |vector| {
        if vector.param("codec") == "0.5" {
            return;
        }
        let (wire, request) = (vector.onion(), vector.param("direction") == "request");
        let plain = plain_stream(vector);

        let ours = stream::frame(&wire, &mut golden_nonces(), request, &plain);

        assert_eq!(to_hex(&ours), to_hex(&vector.wire()), "{}", vector.id());
        for bytes in [ours, vector.wire()] {
            assert_eq!(to_hex(&peeled(&wire, request, bytes)), to_hex(&plain), "{}", vector.id());
        }
    });
}

#[test]
fn streams_are_read_whole_and_byte_by_byte() {
    each_of("stream", 69, |vector| {
        let (wire, bytes) = (Arc::new(vector.onion()), vector.wire());
        for piece in [bytes.len(), 1] {
            let mut reader = match vector.param("direction") == "request" {
                true => FrameReader::request(wire.clone()),
                false => FrameReader::response(wire.clone()),
            };
            let mut frames: Vec<_> =
                bytes.chunks(piece).filter_map(|chunk| reader.push(chunk).unwrap()).collect();
            assert_eq!(frames.len(), 1, "{}", vector.id());
            assert_frame(vector, frames.remove(0));
        }
    });
}

#[test]
fn encrypted_lengths_are_those_of_go() {
    let math: Vec<_> = all().into_iter().filter(|vector| vector.is_of("math")).collect();
    let mut run = 0;

    for vector in &math {
        let version = vector.param("version").as_u64().unwrap_or_default() as u8;
        let ours = match vector.record_type() {
            "encryptedLength" => seal::sealed_len(version, vector.param("len").as_u64().unwrap() as usize),
            "encryptOverhead" => seal::overhead(version),
            _ => continue,
        };
        assert_eq!(vector.expect("result"), ours, "{}", vector.id());
        run += 1;
    }

    assert_eq!((run, math.len()), (18, 348));
}

fn assert_fields(vector: &Vector, fields: Value, expected: &Value) {
    assert_eq!(fields, normal(expected, &fields), "{}", vector.id());
}

fn assert_frame(vector: &Vector, frame: Frame) {
    let (fields, id) = (vector.fields(), vector.id());
    match frame {
        Frame::Ping { seq, node } => {
            assert_eq!((&fields["SeqNo"], &fields["Node"]), (&seq.into(), &node.to_string().into()), "{id}");
        }
        Frame::Ack { seq, .. } => assert_eq!(fields["SeqNo"], seq, "{id}"),
        Frame::Error(text) => assert_eq!(fields["Error"], *text, "{id}"),
        Frame::User { payload, .. } => {
            assert_eq!(fields["payload"], format!("hex:{}", to_hex(&payload)), "{id}")
        }
        Frame::PushPull(state) => {
            let expected = fields["nodes"].as_array().unwrap();
            assert_eq!(state.len(), expected.len(), "{id}");
            for (node, expected) in state.nodes().zip(expected) {
                assert_fields(vector, node_fields(&node), expected);
            }
            assert_eq!(state.join, fields["header"]["Join"], "{id}");
            let user_state = fields["userState"].as_str().map_or(vec![], |text| hex(&text[4..]));
            assert_eq!(state.user_state, user_state, "{id}");
        }
        Frame::Step { .. } => panic!("{id}: memberlist has no such request"),
    }
}

/// The message of a stream vector, without layers, as we write it.
fn plain_stream(vector: &Vector) -> Vec<u8> {
    let fields = vector.fields();
    let bytes = |value: &Value| value.as_str().map_or(vec![], |text| hex(&text[4..]));
    match vector.record_type() {
        "pushpull" => {
            let nodes = fields["nodes"].as_array().unwrap();
            let (join, user_state) = (fields["header"]["Join"] == true, bytes(&fields["userState"]));
            let mut out = Vec::new();
            begin_state(join, nodes.len() as u32, user_state.len(), b"", &mut out);
            out.extend(nodes.iter().flat_map(|node| encoded("pushNodeState", node)));
            out.extend(user_state);
            out
        }
        "user" => stream::encode_user(&bytes(&fields["payload"]), None),
        kind => encoded(kind, fields),
    }
}

/// Removes the layers of a stream one by one, without the reader.
fn peeled(wire: &Wire, request: bool, bytes: Vec<u8>) -> Vec<u8> {
    let mut rest = match label::front(&bytes).unwrap() {
        Front::Label(label, rest) if request => {
            assert_eq!(label, wire.label);
            rest.to_vec()
        }
        _ => bytes,
    };
    if wire.encrypts() {
        let aad = [&rest[..5], &wire.label].concat();
        let message = seal::open(&wire.keyring, &aad, &mut rest[5..], &mut Vec::new()).unwrap();
        rest = rest[5..][message].to_vec();
    }
    if wire.compression { unpacked(&rest) } else { rest }
}

fn unpacked(message: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    assert_eq!(message[0], 9, "the message is compressed");
    Coder::default().unpack(&message[1..], 1 << 20, &mut out).unwrap();
    out
}
