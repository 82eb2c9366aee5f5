//! Properties of the codec: what is written is read back, whatever the layers and the
//! pieces; and no bytes at all make it panic.

use std::borrow::Cow;
use std::sync::Arc;

use bytes::Bytes;
use gossip_core::wire::decode::{decode, decode_node_record, decode_push_pull_header};
use gossip_core::wire::encode::{encode, encode_node_record, encode_push_pull_header};
use gossip_core::wire::error::Refused;
use gossip_core::wire::keyring::{Key, Keyring};
use gossip_core::wire::message::{
    Ack, Alive, Blob, Dead, IndirectPing, Message, Nack, NodeRecord, Ping, PushPullHeader, Source, Suspect,
    Text, Ticket,
};
use gossip_core::wire::nonce::Nonces;
use gossip_core::wire::onion::Wire;
use gossip_core::wire::packet::{self, Scratch};
use gossip_core::wire::push_pull::begin_state;
use gossip_core::wire::stream::{self, Frame, FrameReader};
use gossip_core::wire::{compound, fuzz};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::Index;

proptest! {
    #[test]
    fn messages_are_read_as_they_were_written(message in message()) {
        let bytes = encoded(&message);

        prop_assert_eq!(decode(&bytes), Ok(message));
    }

    #[test]
    fn a_message_is_refused_wherever_it_is_cut(message in record_message(), cut in any::<Index>()) {
        let bytes = encoded(&message);
        let cut = cut.index(bytes.len() - 1) + 1;

        prop_assert_eq!(decode(&bytes[..cut]), Err(Refused::RecordTruncated));
    }

    #[test]
    fn node_records_and_headers_are_read_as_they_were_written(node in node(), join: bool, nodes: i64, len: i64, relay in text()) {
        let (mut record, mut opening) = (Vec::new(), Vec::new());
        let header = PushPullHeader { nodes, user_state_len: len, join, relay };
        encode_node_record(&node, &mut record);
        encode_push_pull_header(&header, &mut opening);

        prop_assert_eq!(decode_node_record(&record), Ok(node));
        prop_assert_eq!(decode_push_pull_header(&opening), Ok(header));
    }

    #[test]
    fn a_datagram_opens_to_the_messages_it_was_made_of(
        messages in vec(message(), 1..20), wire in onion(), crc: bool, seed: u64,
    ) {
        let parts: Vec<_> = messages.iter().map(encoded).collect();
        let (mut plain, mut datagram, mut scratch) = (Vec::new(), Vec::new(), Scratch::default());
        prop_assert_eq!(compound::write(&parts, &mut plain), parts.len());
        packet::close(&wire, &mut scratch, &mut Nonces::seeded(seed), &plain, crc, &mut datagram);
        let overhead = wire.label_overhead() + wire.encrypt_overhead() + 5;
        prop_assert!(datagram.len() <= plain.len() + overhead);

        let mut read = Vec::new();
        let mut each = |message: Result<Message<'_>, Refused>| read.push(message.map(|message| encoded(&message)));
        packet::open(&wire, &mut scratch, &mut datagram, &mut each).unwrap();

        prop_assert_eq!(read, parts.into_iter().map(Ok).collect::<Vec<_>>());
    }

    #[test]
    fn a_changed_byte_of_an_encrypted_datagram_is_noticed(
        message in message(), mut wire in onion(), at in any::<Index>(), flip in 1u8..,
    ) {
        wire.keyring.add(Key::new(&[9; 16]).unwrap());
        let (mut datagram, mut scratch) = (Vec::new(), Scratch::default());
        packet::close(&wire, &mut scratch, &mut Nonces::seeded(1), &encoded(&message), false, &mut datagram);

        // The version byte alone is not authenticated: it says where the message ends, by padding or not.
        let at = at.index(datagram.len());
        prop_assume!(at != wire.label_overhead());
        datagram[at] ^= flip;

        prop_assert!(packet::open(&wire, &mut scratch, &mut datagram, &mut |_| ()).is_err());
    }

    #[test]
    fn a_stream_gives_the_same_frame_however_it_is_split(
        plain in request(), wire in onion(), cuts in vec(any::<Index>(), 0..6), rest in vec(any::<u8>(), 0..9),
    ) {
        let wire = Arc::new(wire);
        let mut bytes = stream::frame(&wire, &mut Nonces::seeded(1), true, &plain);
        let len = bytes.len();
        bytes.extend_from_slice(&rest);
        let mut cuts: Vec<_> = cuts.iter().map(|cut| cut.index(len)).collect();
        cuts.sort_unstable();

        let mut reader = FrameReader::request(Arc::clone(&wire));
        let (mut from, mut frames) = (0, Vec::new());
        for to in cuts.into_iter().chain([bytes.len()]) {
            frames.extend(reader.push(&bytes[from..to]).unwrap());
            from = to;
        }

        prop_assert_eq!(frames.len(), 1);
        prop_assert_eq!(plain_of(&frames[0]), plain);
    }

    #[test]
    fn a_stream_that_ends_early_gives_no_frame(plain in request(), wire in onion(), cut in any::<Index>()) {
        let wire = Arc::new(wire);
        let bytes = stream::frame(&wire, &mut Nonces::seeded(1), true, &plain);
        let mut reader = FrameReader::request(Arc::clone(&wire));

        let frame = reader.push(&bytes[..cut.index(bytes.len())]);

        prop_assert!(matches!(frame, Ok(None)), "{frame:?}");
        prop_assert!(matches!(reader.eof().why, Refused::EndOfStream | Refused::LabelTruncated));
    }

    #[test]
    fn no_bytes_make_the_codec_panic(bytes in vec(any::<u8>(), 0..300), piece in 1usize..50) {
        fuzz::datagram(&bytes);
        fuzz::stream(&bytes, piece);
        fuzz::lzw(&bytes);
    }

    #[test]
    fn nearly_right_bytes_do_not_make_the_codec_panic(
        plain in prop_oneof![request(), message().prop_map(|message| encoded(&message))],
        compression: bool, changes in vec((any::<Index>(), any::<u8>()), 1..4), piece in 1usize..50,
    ) {
        let wire = Wire { compression, ..Wire::plain() };
        let mut bytes = stream::frame(&wire, &mut Nonces::seeded(1), true, &plain);
        for (at, value) in changes {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }

        fuzz::datagram(&bytes);
        fuzz::stream(&bytes, piece);
    }
}

fn encoded(message: &Message<'_>) -> Vec<u8> {
    let mut out = Vec::new();
    encode(message, &mut out);
    out
}

/// The plain form of a request, from what was read of it.
fn plain_of(frame: &Frame) -> Vec<u8> {
    match frame {
        Frame::Ping { seq, node } => {
            let (seq, node) = (*seq, node.as_bytes().into());
            encoded(&Message::Ping(Ping { seq, node, ..Ping::default() }))
        }
        Frame::User { payload, ticket } => stream::encode_user(payload, ticket.as_ref()),
        Frame::PushPull(state) => {
            let nodes: Vec<_> = state.nodes().collect();
            push_pull(state.join, &nodes, &state.user_state, &state.relay)
        }
        other => panic!("{other:?} is no request"),
    }
}

fn push_pull(join: bool, nodes: &[NodeRecord<'_>], user_state: &[u8], relay: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    begin_state(join, nodes.len() as u32, user_state.len(), relay, &mut out);
    nodes.iter().for_each(|node| encode_node_record(node, &mut out));
    out.extend_from_slice(user_state);
    out
}

fn text() -> impl Strategy<Value = Text<'static>> {
    prop_oneof![vec(any::<u8>(), 0..40), vec(any::<u8>(), 250..300)].prop_map(Cow::Owned)
}

fn blob() -> impl Strategy<Value = Blob<'static>> {
    option::of(text())
}

/// Absent and empty sources are written alike, so only one of the two is read back.
fn source() -> impl Strategy<Value = Source<'static>> {
    let addr = option::of(vec(any::<u8>(), 1..17).prop_map(Cow::Owned));
    (addr, any::<u16>(), text()).prop_map(|(addr, port, node)| Source { addr, port, node })
}

/// A message that is a record.
fn record_message() -> impl Strategy<Value = Message<'static>> {
    prop_oneof![
        (any::<u32>(), text(), source()).prop_map(|(seq, node, source)| Message::Ping(Ping {
            seq,
            node,
            source
        })),
        (any::<u32>(), blob(), any::<u16>(), text(), any::<bool>(), source()).prop_map(
            |(seq, target, port, node, nack, source)| {
                Message::IndirectPing(IndirectPing { seq, target, port, node, nack, source })
            }
        ),
        (any::<u32>(), blob()).prop_map(|(seq, payload)| Message::Ack(Ack { seq, payload })),
        any::<u32>().prop_map(|seq| Message::Nack(Nack { seq })),
        (any::<u32>(), text(), text()).prop_map(|(incarnation, node, from)| Message::Suspect(Suspect {
            incarnation,
            node,
            from
        })),
        (any::<u32>(), text(), blob(), any::<u16>(), blob(), any::<u8>(), blob()).prop_map(
            |(incarnation, node, addr, port, meta, relay, versions)| {
                Message::Alive(Alive { incarnation, node, addr, port, meta, relay, versions })
            }
        ),
        (any::<u32>(), text(), text()).prop_map(|(incarnation, node, from)| Message::Dead(Dead {
            incarnation,
            node,
            from
        })),
    ]
}

fn message() -> impl Strategy<Value = Message<'static>> {
    let user = prop_oneof![Just(&b""[..]), Just(&b"hello"[..]), Just(&[7; 2000][..])];
    prop_oneof![9 => record_message(), 1 => user.prop_map(Message::User)]
}

fn node() -> impl Strategy<Value = NodeRecord<'static>> {
    (text(), blob(), any::<u16>(), blob(), any::<u32>(), any::<i64>(), any::<u8>(), blob()).prop_map(
        |(name, addr, port, meta, incarnation, state, relay, versions)| NodeRecord {
            name,
            addr,
            port,
            meta,
            incarnation,
            state,
            relay,
            versions,
        },
    )
}

fn ticket() -> impl Strategy<Value = Ticket> {
    (any::<u64>(), any::<u64>(), vec(any::<u8>(), 1..256)).prop_map(|(instance, sequence, from)| Ticket {
        instance,
        sequence,
        from: from.as_slice().into(),
    })
}

/// The plain form of a request on a stream.
fn request() -> impl Strategy<Value = Vec<u8>> {
    let push_pull = (vec(node(), 0..6), vec(any::<u8>(), 0..300), text(), any::<bool>())
        .prop_map(|(nodes, user_state, relay, join)| push_pull(join, &nodes, &user_state, &relay));
    prop_oneof![
        2 => push_pull,
        1 => (vec(any::<u8>(), 0..300), option::of(ticket())).prop_map(|(payload, ticket)| {
            stream::encode_user(&payload, ticket.as_ref())
        }),
        1 => (any::<u32>(), text()).prop_map(|(seq, node)| {
            encoded(&Message::Ping(Ping { seq, node, ..Ping::default() }))
        }),
    ]
}

/// Any combination of layers. A prefix is the host's business.
fn onion() -> impl Strategy<Value = Wire> {
    let key = prop_oneof![Just(16), Just(24), Just(32)].prop_map(|size| Key::new(&vec![7; size]).unwrap());
    let label = prop_oneof![Just(vec![]), vec(any::<u8>(), 1..256)].prop_map(Bytes::from);
    (label, option::of(key), any::<bool>(), 0u8..2).prop_map(
        |(label, key, compression, encryption_version)| {
            let keyring = Keyring::new([], key).unwrap();
            Wire { label, keyring, compression, encryption_version, ..Wire::plain() }
        },
    )
}
