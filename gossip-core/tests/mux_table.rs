//! The decision table of `docs/wire.md`, row by row.

use bytes::Bytes;
use gossip_core::base::ids::PoolId;
use gossip_core::mux::listener::ListenerName;
use gossip_core::mux::prefix::Framing;
use gossip_core::mux::routes::Verdict::{Owned, Undecided};
use gossip_core::mux::routes::{Owner, Rest, RouteError, Routes, Stray, Verdict, listener_id};

const NATIVE: Verdict = Owned { owner: Owner::Listener(ListenerName::Native), skip: 0 };
const PACKETS: Verdict = Owned { owner: Owner::Packets, skip: 0 };
const NO_NATIVE: Verdict = Verdict::Stray(Stray::NoNative);

/// Pool 7 by prefix, 8 by the label "dc1", 9 by the label "dc2-long", listener 0x0102,
/// native listener and packet receiver.
fn routes() -> Routes {
    let mut routes = Routes::default();
    routes.add_pool(PoolId(7), Framing::Prefix).unwrap();
    routes.add_pool(PoolId(8), label("dc1")).unwrap();
    routes.add_pool(PoolId(9), label("dc2-long")).unwrap();
    routes.add_listener(id(0x0102)).unwrap();
    routes.add_listener(ListenerName::Native).unwrap();
    routes.add_packet_receiver().unwrap();
    routes
}

/// The same with a bare pool, 10.
fn with_bare_pool() -> Routes {
    let mut routes = routes();
    routes.add_pool(PoolId(10), Framing::Bare).unwrap();
    routes
}

fn label(text: &'static str) -> Framing {
    Framing::Label(Bytes::from_static(text.as_bytes()))
}

fn id(id: u16) -> ListenerName {
    ListenerName::Id(listener_id(id).unwrap())
}

fn prefix(bytes: &'static [u8]) -> ListenerName {
    ListenerName::Prefix(Bytes::from_static(bytes))
}

fn listener(name: ListenerName, skip: usize) -> Verdict {
    Owned { owner: Owner::Listener(name), skip }
}

fn pool(id: u8, skip: usize) -> Verdict {
    Owned { owner: Owner::Pool(PoolId(id)), skip }
}

fn unknown(id: u8) -> Verdict {
    Verdict::Stray(Stray::UnknownPool(PoolId(id)))
}

fn stream(routes: &Routes, seen: &[u8]) -> Verdict {
    routes.judge_stream(seen, Rest::Coming)
}

#[test]
fn t2_silence_and_an_incomplete_mark_of_a_pool_are_native_at_the_end() {
    for seen in [&b""[..], b"\xFE"] {
        assert_eq!(stream(&Routes::default(), seen), Undecided, "{seen:02x?}");
        assert_eq!(routes().judge_stream(seen, Rest::Ended), NATIVE, "{seen:02x?}");
    }
}

#[test]
fn a_single_byte_waits_for_the_next_only_while_that_may_name_an_owner() {
    let seen_and_awaited = [
        (&b"\x01"[..], true, "listener 0x0102"),
        (b"\xF4", true, "the label pools"),
        (b"\x06", true, "the bare pool"),
        (b"S", true, "a prefix"),
        (b"G", false, "nobody"),
    ];
    let mut routes = with_bare_pool();
    routes.add_listener(prefix(b"SSH-")).unwrap();

    for (seen, awaited, who) in seen_and_awaited {
        assert_eq!(stream(&routes, seen) == Undecided, awaited, "{who}");
        assert_eq!(routes.judge_stream(seen, Rest::Ended), NATIVE, "{who}");
    }
}

#[test]
fn t3_a_prefix_selects_its_pool() {
    assert_eq!(stream(&routes(), b"\xFE\x07"), pool(7, 2));
    assert_eq!(stream(&routes(), b"\xFE\x07\x06\x83"), pool(7, 2));
}

#[test]
fn t4_a_prefix_that_selects_no_prefix_pool_is_stray() {
    assert_eq!(stream(&with_bare_pool(), b"\xFE\x06GET"), unknown(6));
    assert_eq!(stream(&with_bare_pool(), b"\xFE\x08"), unknown(8), "pool 8 is known by its label");
    assert_eq!(stream(&with_bare_pool(), b"\xFE\x0A"), unknown(10), "pool 10 is bare");
}

#[test]
fn t5_a_registered_id_selects_its_listener() {
    assert_eq!(stream(&routes(), b"\x01\x02rest"), listener(id(0x0102), 2));
    assert_eq!(stream(&routes(), b"\x02\x01rest"), NATIVE);
}

#[test]
fn t6_an_exact_label_selects_its_pool() {
    assert_eq!(stream(&routes(), b"\xF4\x03dc1"), pool(8, 0));
    assert_eq!(stream(&routes(), b"\xF4\x03dc1\x06\x83"), pool(8, 0));
    assert_eq!(stream(&routes(), b"\xF4\x08dc2-longx"), pool(9, 0));
    assert_eq!(stream(&routes(), b"\xF4\x03dc2"), NATIVE);
    assert_eq!(stream(&routes(), b"\xF4\x04dc1x"), NATIVE);
}

#[test]
fn a_label_is_awaited_only_while_it_may_become_a_known_one() {
    assert_eq!(stream(&routes(), b"\xF4\x03"), Undecided);
    assert_eq!(stream(&routes(), b"\xF4\x08dc2"), Undecided);
    assert_eq!(stream(&routes(), b"\xF4\x08dc3"), NATIVE);
    assert_eq!(stream(&routes(), b"\xF4\x05"), NATIVE);
    assert_eq!(stream(&routes(), b"\xF4\x00"), NATIVE);
    assert_eq!(routes().judge_stream(b"\xF4\x03dc", Rest::Ended), NATIVE);
}

#[test]
fn t7_a_memberlist_request_goes_to_the_bare_pool() {
    let ours: [&[u8]; 9] = [
        b"\x00\x82",
        b"\x06\x83",
        b"\x06\xDE",
        b"\x08\x81",
        b"\x09\x82",
        b"\x09\xDF",
        b"\x0A\x00",
        b"\x0A\x01",
        b"\xF4\x05other",
    ];
    for seen in ours {
        assert_eq!(stream(&with_bare_pool(), seen), pool(10, 0), "{seen:02x?}");
        assert_eq!(stream(&routes(), seen), NATIVE, "{seen:02x?}");
    }
}

#[test]
fn t8_the_longest_prefix_selects_its_listener() {
    let mut routes = with_bare_pool();
    let prefixes: [&[u8]; 4] = [b"PRI * HTTP/2.0", b"PRI", b"\x05", b"\x16\x03"];
    for bytes in prefixes {
        routes.add_listener(prefix(bytes)).unwrap();
    }

    assert_eq!(stream(&routes, b"\x16\x03\x01\x02"), listener(prefix(b"\x16\x03"), 0));
    assert_eq!(stream(&routes, b"\x05"), listener(prefix(b"\x05"), 0), "one byte is enough");
    assert_eq!(stream(&routes, b"PRI * HTTP/2.0\r\n"), listener(prefix(b"PRI * HTTP/2.0"), 0));
    assert_eq!(stream(&routes, b"PRI * HTTP/3.0"), listener(prefix(b"PRI"), 0));
    assert_eq!(stream(&routes, b"PR"), Undecided);
    assert_eq!(stream(&routes, b"PRI * HT"), Undecided);
    assert_eq!(routes.judge_stream(b"PRI * HT", Rest::Ended), listener(prefix(b"PRI"), 0));
    assert_eq!(routes.judge_stream(b"PR", Rest::Ended), NATIVE);
    assert_eq!(stream(&routes, b"PUT"), NATIVE, "at once");
    assert_eq!(stream(&routes, b"\x16\x02"), NATIVE);
}

#[test]
fn prefixes_mean_nothing_in_datagrams() {
    let mut routes = routes();
    routes.add_listener(prefix(b"\xF4\x02xx")).unwrap();
    routes.add_listener(prefix(b"SSH-")).unwrap();

    assert_eq!(routes.judge_datagram(b"\xF4\x02xx"), PACKETS);
    assert_eq!(routes.judge_datagram(b"SSH-2.0"), PACKETS);
}

#[test]
fn t9_anything_else_is_native() {
    let theirs: [&[u8]; 10] = [
        b"GET / HTTP/1.1",
        b"\x16\x03\x01",
        b"\x00\x00",
        b"\x00\x01",
        b"\x01\x82",
        b"\x06\x00",
        b"\x0A\x02",
        b"\x0D\x81",
        b"\xF4\x00",
        b"\xFF\xFE",
    ];
    for seen in theirs {
        assert_eq!(stream(&with_bare_pool(), seen), NATIVE, "{seen:02x?}");
    }
}

#[test]
fn t10_without_a_native_listener_native_connections_are_stray() {
    let mut routes = routes();
    routes.remove_listener(&ListenerName::Native);

    assert_eq!(stream(&routes, b"GET"), NO_NATIVE);
    assert_eq!(routes.judge_stream(b"", Rest::Ended), NO_NATIVE);
    assert_eq!(routes.judge_stream(b"\xFE", Rest::Ended), NO_NATIVE);
    assert_eq!(stream(&routes, b"G"), NO_NATIVE);
}

#[test]
fn u1_a_prefix_selects_its_pool() {
    assert_eq!(routes().judge_datagram(b"\xFE\x07"), pool(7, 2));
    assert_eq!(routes().judge_datagram(b"\xFE\x07\x00\x82"), pool(7, 2));
}

#[test]
fn u2_quic_with_a_strays_prefix_goes_to_the_receiver() {
    let mut routes = routes();
    let retry = b"\xFE\x00\x00\x00\x01\x08connection";

    assert_eq!(routes.judge_datagram(retry), PACKETS);
    routes.add_pool(PoolId(0), Framing::Prefix).unwrap();
    assert_eq!(routes.judge_datagram(retry), pool(0, 2), "a registered pool owns its prefix");
}

#[test]
fn u3_any_other_stray_prefix_is_dropped() {
    assert_eq!(with_bare_pool().judge_datagram(b"\xFE\x06\x00\x82"), unknown(6));
    assert_eq!(with_bare_pool().judge_datagram(b"\xFE\x08"), unknown(8));
}

#[test]
fn u4_an_exact_label_selects_its_pool() {
    assert_eq!(with_bare_pool().judge_datagram(b"\xF4\x03dc1\x00\x82"), pool(8, 0));
    assert_eq!(routes().judge_datagram(b"\xF4\x03dc2\x00\x82"), PACKETS);
    assert_eq!(routes().judge_datagram(b"\xF4\x03dc"), PACKETS);
}

#[test]
fn u5_a_memberlist_packet_goes_to_the_bare_pool() {
    let mut encrypted = [0xAA; 29];
    encrypted[0] = 1;
    let ours: [&[u8]; 12] = [
        b"\x00\x82",
        b"\x01\x85",
        b"\x02\x82",
        b"\x03\x83",
        b"\x04\x86",
        b"\x05\x83",
        b"\x07\x02",
        b"\x08x",
        b"\x09\x82",
        b"\x0B\x81",
        b"\x0C\x12\x34\x56\x78\x00",
        &encrypted,
    ];
    for datagram in ours {
        assert_eq!(with_bare_pool().judge_datagram(datagram), pool(10, 0), "{datagram:02x?}");
        assert_eq!(routes().judge_datagram(datagram), PACKETS, "{datagram:02x?}");
    }
    assert_eq!(with_bare_pool().judge_datagram(b"\xF4\x05other\x00\x82"), pool(10, 0));
}

#[test]
fn u5_known_protocols_are_left_alone_by_the_bare_pool() {
    let mut stun = [0; 28];
    stun[..8].copy_from_slice(&[0, 1, 0, 8, 0x21, 0x12, 0xA4, 0x42]);
    let mut wireguard = [0x55; 148];
    wireguard[..4].copy_from_slice(&[1, 0, 0, 0]);
    let quic = b"\xF4\x6B\x33\x43\xCF\x08connection";

    for datagram in [&stun[..], &wireguard, quic] {
        assert_eq!(with_bare_pool().judge_datagram(datagram), PACKETS, "{datagram:02x?}");
    }
}

#[test]
fn u6_anything_else_goes_to_the_receiver() {
    let theirs: [&[u8]; 12] = [
        b"",
        b"\xFE",
        b"\xF4",
        b"\x00",
        b"\x08",
        b"\x01\x02id",
        b"\x00\x01short",
        b"\x02\x00",
        b"\x06\x83",
        b"\x0A\x00",
        b"\x0D\x81",
        b"\xF4\x00",
    ];
    for datagram in theirs {
        assert_eq!(with_bare_pool().judge_datagram(datagram), PACKETS, "{datagram:02x?}");
    }
}

#[test]
fn u7_without_a_receiver_native_datagrams_are_stray() {
    let mut routes = routes();
    routes.remove_packet_receiver();

    assert_eq!(routes.judge_datagram(b""), NO_NATIVE);
    assert_eq!(routes.judge_datagram(b"hello"), NO_NATIVE);
    assert_eq!(routes.judge_datagram(b"\xFE\x00\x00\x00\x01\x08connection"), NO_NATIVE);
}

#[test]
fn every_two_bytes_have_one_answer_that_more_bytes_do_not_change() {
    let routes = with_bare_pool();
    for pair in 0..=u16::MAX {
        let [first, second] = pair.to_be_bytes();
        let early = stream(&routes, &[first, second]);
        let late = stream(&routes, &[first, second, b'x', 0, 0]);
        let awaited = matches!(early, Undecided);
        assert!(awaited || early == late, "{pair:#06x}: {early:?}, then {late:?}");
        assert_eq!(awaited, first == 0xF4 && [3, 8].contains(&second), "{pair:#06x}");
        assert!(!matches!(routes.judge_stream(&[first, second], Rest::Ended), Undecided), "{pair:#06x}");
    }
}

#[test]
fn an_answer_stands_whatever_comes_after_it() {
    const LETTERS: &[u8] = b"SH-1\xFE\xF4\x03dc\x06\x82";
    let mut routes = with_bare_pool();
    let prefixes: [&[u8]; 4] = [b"S", b"SSH-", b"SSH-1", b"-"];
    for bytes in prefixes {
        routes.add_listener(prefix(bytes)).unwrap();
    }
    let mut beginnings = vec![vec![]];
    let mut awaited = 0;

    for _ in 0..5 {
        let longer = |seen: &Vec<u8>| LETTERS.iter().map(|next| [seen, &[*next][..]].concat()).collect();
        let next: Vec<Vec<u8>> = beginnings.iter().flat_map::<Vec<_>, _>(longer).collect();
        for seen in &next {
            let early = stream(&routes, &seen[..seen.len() - 1]);
            if early == Undecided {
                awaited += 1;
            } else {
                assert_eq!(stream(&routes, seen), early, "{seen:02x?}");
                assert_eq!(routes.judge_stream(seen, Rest::Ended), early, "{seen:02x?}");
            }
        }
        beginnings = next;
    }

    assert!(awaited > 50, "only {awaited} beginnings were awaited");
}

#[test]
fn what_memberlist_sends_is_taken_for_memberlist() {
    let mut bare = Routes::default();
    bare.add_pool(PoolId(1), Framing::Bare).unwrap();
    let wires = |file: &str| -> Vec<(String, Vec<u8>)> {
        let file: serde_json::Value = serde_json::from_str(file).unwrap();
        let vectors = file["vectors"].as_array().unwrap().iter();
        vectors
            .filter_map(|v| Some((v, v["wire"].as_str()?)))
            .map(|(v, hex)| (v.to_string(), unhex(hex)))
            .collect()
    };

    let packets = wires(include_str!("vectors/packets.json"));
    for (vector, wire) in &packets {
        assert_eq!(bare.judge_datagram(wire), pool(1, 0), "{vector}");
    }
    let requests: Vec<_> = wires(include_str!("vectors/streams.json"))
        .into_iter()
        .filter(|(vector, _)| vector.contains(r#""direction":"request""#))
        .collect();
    for (vector, wire) in &requests {
        assert_eq!(stream(&bare, &wire[..2]), pool(1, 0), "{vector}");
    }
    assert!(packets.len() > 10 && requests.len() > 10);
}

#[test]
fn what_can_not_be_registered_is_refused_by_name_and_changes_nothing() {
    let mut routes = with_bare_pool();
    let long = Framing::Label(vec![b'x'; 256].into());
    let refused = [
        (routes.add_pool(PoolId(7), Framing::Prefix), "pool id 7 is taken"),
        (routes.add_pool(PoolId(8), Framing::Prefix), "pool id 8 is taken"),
        (routes.add_pool(PoolId(1), label("dc1")), "label \"dc1\" is taken by pool 8"),
        (routes.add_pool(PoolId(1), label("")), "label is 0 bytes, must be 1 to 255"),
        (routes.add_pool(PoolId(1), long), "label is 256 bytes, must be 1 to 255"),
        (
            routes.add_pool(PoolId(1), Framing::Bare),
            "pool 10 is bare already, at most one pool of a port may be",
        ),
        (routes.add_listener(id(0x0102)), "listener id 0x0102 is taken"),
        (
            routes.add_listener(id(0xF403)),
            "listener id 0xf403 would take connections of pool 8, which begin with the same bytes",
        ),
        (
            routes.add_listener(id(0x0683)),
            "listener id 0x0683 would take connections of pool 10, which begin with the same bytes",
        ),
        (routes.add_listener(ListenerName::Native), "listener native is taken"),
        (routes.add_packet_receiver(), "the packet receiver is taken, a port has one"),
        (listener_id(0xFE07).map(drop), "listener id 0xfe07 lies in 0xfe00 to 0xfeff, the range of pools"),
    ];

    for (result, text) in refused {
        assert_eq!(result.unwrap_err().to_string(), text);
    }
    assert_eq!(stream(&routes, b"\xFE\x01"), unknown(1));
    assert_eq!(stream(&routes, b"\xF4\x03dc1"), pool(8, 0));
    assert_eq!(stream(&routes, b"\x06\x83"), pool(10, 0));
}

#[test]
fn a_pool_is_refused_whose_connections_a_listener_takes_already() {
    let mut routes = Routes::default();
    routes.add_listener(id(0xF403)).unwrap();
    routes.add_listener(prefix(b"\xF4\x05other!")).unwrap();
    routes.add_listener(prefix(b"\x06")).unwrap();
    let refused = [
        (
            label("dc1"),
            "listener id 0xf403 would take connections of pool 1, which begin with the same bytes",
        ),
        (
            label("other"),
            r"listener prefix \xf4\x05other! would take connections of pool 1, which begin with the same bytes",
        ),
        (
            Framing::Bare,
            r"listener prefix \x06 would take connections of pool 1, which begin with the same bytes",
        ),
    ];

    for (framing, text) in refused {
        assert_eq!(routes.add_pool(PoolId(1), framing).unwrap_err().to_string(), text);
    }
    routes.remove_listener(&prefix(b"\x06"));
    let refused = routes.add_pool(PoolId(1), Framing::Bare).unwrap_err();
    let rival = Owner::Pool(PoolId(1));
    assert_eq!(refused, RouteError::Ambiguous { owner: Owner::Listener(id(0xF403)), rival });
    assert_eq!(routes.add_pool(PoolId(1), label("dc-1")), Ok(()));
}

#[test]
fn a_prefix_that_another_owner_may_be_meant_by_is_refused() {
    const SAME: &str = "which begin with the same bytes";
    let mut routes = with_bare_pool();
    routes.add_listener(prefix(b"SSH-")).unwrap();
    let refused: [(&'static [u8], String); 11] = [
        (b"", "listener prefix is 0 bytes, must be 1 to 64".into()),
        (&[b'x'; 65], "listener prefix is 65 bytes, must be 1 to 64".into()),
        (b"SSH-", "listener prefix SSH- is taken".into()),
        (b"\xFE", r"listener prefix \xfe begins with 0xfe, the mark of gossip pools".into()),
        (b"\xFE\x07x", r"listener prefix \xfe\x07x begins with 0xfe, the mark of gossip pools".into()),
        (b"\x01", format!(r"listener prefix \x01 would take connections of listener id 0x0102, {SAME}")),
        (
            b"\x01\x02x",
            format!(r"listener prefix \x01\x02x would take connections of listener id 0x0102, {SAME}"),
        ),
        (b"\xF4\x03dc", format!(r"listener prefix \xf4\x03dc would take connections of pool 8, {SAME}")),
        (b"\x06", format!(r"listener prefix \x06 would take connections of pool 10, {SAME}")),
        (b"\x0A\x01GET", format!(r"listener prefix \n\x01GET would take connections of pool 10, {SAME}")),
        (b"\x08\x81\xAA", format!(r"listener prefix \x08\x81\xaa would take connections of pool 10, {SAME}")),
    ];

    for (bytes, text) in refused {
        assert_eq!(routes.add_listener(prefix(bytes)).unwrap_err().to_string(), text);
    }
    routes.remove_pool(PoolId(10));
    for bytes in [&b"\xF4"[..], b"\xF4\x03", b"\xF4\x03dc", b"\xF4\x03dc1", b"\xF4\x03dc1\x06"] {
        let text = routes.add_listener(prefix(bytes)).unwrap_err().to_string();
        assert!(text.ends_with(SAME), "{bytes:02x?}: {text}");
    }
    let allowed: [&[u8]; 7] =
        [b"\xF4\x03dc2", b"\x01\x03", b"\x06\x83", b"SSH-2", b"S", b"\x16\x03", &[b'x'; 64]];
    for bytes in allowed {
        assert_eq!(routes.add_listener(prefix(bytes)), Ok(()), "{bytes:02x?}");
    }
    let refused = routes.add_listener(id(0x5353)).unwrap_err().to_string();
    assert_eq!(refused, format!("listener id 0x5353 would take connections of listener prefix S, {SAME}"));
}

#[test]
fn who_leaves_makes_room_for_another() {
    let mut routes = with_bare_pool();
    routes.add_listener(prefix(b"SSH-")).unwrap();
    for id in 7..=10 {
        routes.remove_pool(PoolId(id));
    }
    routes.remove_listener(&id(0x0102));
    routes.remove_listener(&prefix(b"SSH-"));
    routes.remove_listener(&ListenerName::Native);
    routes.remove_packet_receiver();

    assert_eq!(stream(&routes, b"\xF4\x03dc1"), NO_NATIVE);
    assert_eq!(stream(&routes, b"\x01\x02"), NO_NATIVE);
    assert_eq!(routes.add_pool(PoolId(7), label("dc1")), Ok(()));
    assert_eq!(routes.add_pool(PoolId(8), Framing::Bare), Ok(()));
    assert_eq!(routes.add_listener(id(0x0102)), Ok(()));
    assert_eq!(stream(&routes, b"SSH-"), NO_NATIVE);
    assert_eq!(routes.add_listener(id(0x5353)), Ok(()));
    assert_eq!(routes.add_listener(ListenerName::Native), Ok(()));
    assert_eq!(routes.add_packet_receiver(), Ok(()));
}

fn unhex(hex: &str) -> Vec<u8> {
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
}

#[test]
fn a_pool_between_two_labels_owns_what_comes_under_either() {
    let owned = |routes: &Routes, bytes: &[u8]| {
        let verdicts = [routes.judge_stream(bytes, Rest::Coming), routes.judge_datagram(bytes)];
        verdicts.map(|verdict| verdict == Owned { owner: Owner::Pool(PoolId(1)), skip: 0 })
    };
    let (plain, blue, red) = (b"\x08\x81plain", b"\xF4\x04blue", b"\xF4\x03red");
    let mut routes = Routes::default();

    routes.add_pool(PoolId(1), Framing::Bare).unwrap();
    routes.set_framing(PoolId(1), Framing::Bare, Some(label("blue"))).unwrap();
    assert_eq!((owned(&routes, plain), owned(&routes, blue)), ([true; 2], [true; 2]));
    routes.set_framing(PoolId(1), label("blue"), Some(label("red"))).unwrap();
    assert_eq!(
        (owned(&routes, plain), owned(&routes, blue), owned(&routes, red)),
        ([false; 2], [true; 2], [true; 2])
    );
    routes.set_framing(PoolId(1), label("red"), None).unwrap();
    assert_eq!((owned(&routes, blue), owned(&routes, red)), ([false; 2], [true; 2]));

    routes.add_pool(PoolId(2), label("blue")).unwrap();
    assert!(routes.set_framing(PoolId(1), label("red"), Some(label("blue"))).is_err());
    assert_eq!(owned(&routes, red), [true; 2], "a refusal changes nothing");
    routes.remove_pool(PoolId(1));
    routes.add_pool(PoolId(3), label("red")).unwrap();
}
