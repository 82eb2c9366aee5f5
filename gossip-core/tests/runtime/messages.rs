//! What applications say to each other, and the events that tell of it.

use std::io::Read;
use std::net::TcpListener;
use std::thread;
use std::time::{Duration, UNIX_EPOCH};

use gossip_core::base::ids::PoolId;
use gossip_core::pool::action::{Asks, Delivery};
use gossip_core::pool::config::{BroadcastMode, PoolConfig};
use gossip_core::pool::error::CommandError;
use gossip_core::pool::exchange::{ExchangeError, Refusal};
use gossip_core::runtime::error::Error;
use gossip_core::runtime::events::Events;
use gossip_core::wire::keyring::{Key, Keyring};

use super::support::*;

#[test]
fn a_broadcast_reaches_every_member() {
    let (a, _, told_a) = started("a");
    let (_b, pool_b, told_b) = started("b");
    let (_c, pool_c, _) = started("c");
    join(&pool_b, &a);
    join(&pool_c, &a);
    eventually("everyone knows everyone", || pool_b.num_members() == 3 && pool_c.num_members() == 3);

    pool_c.broadcast(b"to all", PATIENCE).unwrap();

    told_a.expect("datagram to all");
    told_b.expect("datagram to all");
}

#[test]
fn a_message_tells_who_sent_it_how_and_when() {
    let keyring = Keyring::new([], Some(Key::new(&[7; 16]).unwrap())).unwrap();
    let config = PoolConfig { keyring, ..quick(1) };
    let (send, told) = std::sync::mpsc::channel();
    let a = node("a");
    a.register_pool(config.clone(), Some(on_message(move |message| send.send(message.clone()).unwrap())))
        .unwrap();
    a.start().unwrap();
    let (b, pool_b, _) = started_with("b", config);
    join(&pool_b, &a);

    pool_b.broadcast(b"news", PATIENCE).unwrap();
    let news = told.recv_timeout(PATIENCE).unwrap();
    pool_b.broadcast_named(b"cfg", b"named", PATIENCE).unwrap();
    let named = told.recv_timeout(PATIENCE).unwrap();
    pool_b.send_best_effort(&member(&pool_b, "a"), b"for you").unwrap();
    let for_you = told.recv_timeout(PATIENCE).unwrap();

    assert_eq!(
        (&*news.bytes, &*named.bytes, &*for_you.bytes),
        (&b"news"[..], &b"named"[..], &b"for you"[..])
    );
    for message in [&news, &named, &for_you] {
        assert_eq!((message.pool, message.from, message.reliable), (PoolId(1), b.local_addr(), false));
        assert_eq!(message.sender.as_ref().unwrap().to_string(), "b");
        assert!(message.encrypted);
    }
    let (first, second) = (news.origin.unwrap(), named.origin.unwrap());
    assert_eq!((&*first.node.to_string(), first.sequence, &*first.name), ("b", 1, &b""[..]));
    assert_eq!((first.instance, second.sequence, &*second.name), (second.instance, 2, &b"cfg"[..]));
    assert_eq!(for_you.origin, None);
    let pool_a = a.pool(PoolId(1)).unwrap();
    let (then, now) = (pool_a.wall_clock(news.at), pool_a.wall_clock(for_you.at));
    assert_eq!(now.duration_since(then).unwrap(), for_you.at.since(news.at));
    assert!(then.duration_since(UNIX_EPOCH).unwrap() > Duration::from_secs(50 * 365 * 24 * 3600));
    let limit = pool_b.max_broadcast_size() - 3;
    let error = pool_b.broadcast_named(b"cfg", &vec![0; limit + 1], PATIENCE).unwrap_err();
    assert_eq!(error.to_string(), format!("broadcast is {} bytes, at most {limit} fit", limit + 1));
    let error = pool_b.broadcast_named(&[b'n'; 256], b"", PATIENCE).unwrap_err();
    assert_eq!(error.to_string(), "broadcast name is 256 bytes, at most 255 fit");
}

#[test]
fn messages_to_one_member_go_by_datagram_or_stream() {
    let (a, _, told_a) = started("a");
    let (_b, pool_b, _) = started("b");
    join(&pool_b, &a);
    let to = member(&pool_b, "a");

    pool_b.send_best_effort(&to, b"quick").unwrap();
    pool_b.send_to_address(to.addr(), b"nameless").unwrap();
    pool_b.send_reliable(&to, b"sure", PATIENCE).unwrap();
    pool_b.send_reliable(&to, &vec![b'x'; 1 << 20], PATIENCE).unwrap();

    told_a.expect("datagram quick");
    told_a.expect("datagram nameless");
    told_a.expect("stream sure");
    told_a.expect(&format!("stream {}", "x".repeat(1 << 20)));
}

#[test]
fn a_reliable_message_says_that_it_was_taken_or_why_not() {
    let (a, _, told_a) = started("a");
    let (b, pool_b, _) = started("b");
    join(&pool_b, &a);
    let to = member(&pool_b, "a");
    for number in 0..5 {
        let delivery = pool_b.send_reliable(&to, format!("{number}").as_bytes(), PATIENCE).unwrap();
        assert_eq!(delivery, Delivery::Acknowledged);
        assert_eq!(told_a.count(&format!("stream {number}")), 1, "told before the sender hears of it");
    }
    let stats = pool_b.stats().unwrap().machine;
    assert_eq!((stats.sends_acknowledged, stats.sends_reused, stats.streams_resting), (5, 4, 1));

    let mute = b.register_pool(quick(2), None).unwrap();
    let silent = a.register_pool(quick(2), None).unwrap();
    let error = mute.send_reliable(a.local_addr(), b"hello", PATIENCE).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!(
            "message to {}: receiver did not take the message: nobody there takes messages",
            a.local_addr()
        )
    );
    drop(silent);
}

#[test]
fn an_event_queue_takes_what_it_has_room_for() {
    let events = Events::new(1);
    let a = node("a");
    // Nothing else that takes the room.
    let config = PoolConfig { probe_interval: Duration::ZERO, ..quick(1) };
    let pool_a = a.register_pool(config, Some(events.delegate(0, Asks::default()))).unwrap();
    a.start().unwrap();
    let (_b, pool_b, _) = started("b");
    join(&pool_b, &a);
    let to = member(&pool_b, "a");
    eventually("both joins wait", || events.stats().pending >= 2);
    while events.take(8, Some(Duration::ZERO)).is_ok() {}

    assert_eq!(pool_b.send_reliable(&to, b"room", PATIENCE).unwrap(), Delivery::Acknowledged);
    let refused = pool_b.send_reliable(&to, b"no room", PATIENCE).unwrap_err();
    events.close();
    let unheard = pool_b.send_reliable(&to, b"closed", PATIENCE).unwrap_err();

    let why = |error: Error| match error {
        Error::Send { error: ExchangeError::NotTaken(refusal), .. } => refusal,
        other => panic!("{other:?}"),
    };
    assert_eq!((why(refused), why(unheard)), (Refusal::QueueFull, Refusal::Unheard));
    assert_eq!(pool_a.stats().unwrap().machine.messages_not_taken, 2);
}

/// As memberlist does: reads the message, and closes.
#[test]
fn whoever_closes_in_good_order_without_a_word_may_have_it() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap();
    let peer = thread::spawn(move || {
        for resets in [false, true] {
            let (mut stream, _) = listener.accept().unwrap();
            let mut bytes = vec![0; 2];
            stream.read_exact(&mut bytes).unwrap();
            while !resets && !bytes.ends_with(b"letter") {
                let mut byte = [0];
                stream.read_exact(&mut byte).unwrap();
                bytes.extend(byte);
            }
            // What is closed with something unread is reset.
        }
    });
    // Compressed the text would not be found.
    let (_b, pool_b, _) = started_with("b", PoolConfig { enable_compression: false, ..quick(1) });

    assert_eq!(pool_b.send_reliable(addr, b"a letter", PATIENCE).unwrap(), Delivery::Closed);
    let error = pool_b.send_reliable(addr, b"a letter", PATIENCE).unwrap_err();

    assert!(matches!(error, Error::Send { error: ExchangeError::Reset(_), .. }), "{error:?}");
    peer.join().unwrap();
}

#[test]
fn whoever_closes_without_reading_has_no_message() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap();
    let peer = thread::spawn(move || (0..20).for_each(|_| drop(listener.accept().unwrap())));
    let (_b, pool_b, _) = started("b");

    for _ in 0..20 {
        let error = pool_b.send_reliable(addr, b"a letter", PATIENCE).unwrap_err();
        let broke =
            matches!(error, Error::Send { error: ExchangeError::Reset(_) | ExchangeError::Closed, .. });
        assert!(broke, "{error:?}");
    }
    peer.join().unwrap();
}

#[test]
fn a_reliable_message_to_nobody_is_an_error() {
    let (a, _, _) = started("a");
    let (_b, pool_b, _) = started("b");
    join(&pool_b, &a);
    let to = member(&pool_b, "a");
    a.shutdown(PATIENCE).unwrap();

    let error = pool_b.send_reliable(&to, b"anybody there?", PATIENCE).unwrap_err();

    assert!(matches!(&error, Error::Send { to: addr, .. } if *addr == to.addr()), "{error:?}");
}

#[test]
fn what_does_not_fit_a_packet_is_refused_with_the_limit() {
    let gossip = node("a");
    let pool = gossip.register_pool(quick(1), None).unwrap();
    let limit = pool.max_broadcast_size();
    assert!((1000..1400).contains(&limit), "known before the start: {limit}");
    gossip.start().unwrap();

    pool.broadcast(&vec![0; limit], Duration::ZERO).unwrap();
    let error = pool.broadcast(&vec![0; limit + 1], PATIENCE).unwrap_err();

    let Error::Command(CommandError::TooLarge { size, limit: told, .. }) = error else { panic!("{error:?}") };
    assert_eq!((size, told), (limit + 1, limit));
}

/// Two members of a pool from which no broadcast ever leaves.
fn silent_pool() -> PoolConfig {
    PoolConfig {
        broadcast_mode: BroadcastMode::Plain,
        broadcast_queue_depth: 2,
        gossip_interval: Duration::ZERO,
        probe_interval: Duration::ZERO,
        push_pull_interval: Duration::ZERO,
        ..quick(1)
    }
}

#[test]
fn a_full_queue_is_an_error_at_once_or_after_the_wait() {
    let (a, ..) = started_with("a", silent_pool());
    let (_b, pool_b, _) = started_with("b", silent_pool());
    pool_b.join(&[a.local_addr().to_string()], PATIENCE).unwrap();
    for _ in 0..2 {
        pool_b.broadcast(b"stays", Duration::ZERO).unwrap();
    }

    for wait in [Duration::ZERO, Duration::from_millis(30)] {
        let error = pool_b.broadcast(b"too much", wait).unwrap_err();
        assert!(matches!(error, Error::Command(CommandError::QueueFull { limit: 2 })), "{error:?}");
    }
}

#[test]
fn whoever_waits_for_room_gets_it_when_broadcasts_have_left() {
    let config = PoolConfig { broadcast_queue_depth: 1, ..quick(1) };
    let (a, _, told_a) = started_with("a", config.clone());
    let (_b, pool_b, _) = started_with("b", config);
    join(&pool_b, &a);

    thread::scope(|scope| {
        for sender in 0..3 {
            let pool = &pool_b;
            scope.spawn(move || {
                for number in 0..3 {
                    pool.broadcast(format!("{sender}.{number}").as_bytes(), PATIENCE).unwrap();
                }
            });
        }
    });

    for sender in 0..3 {
        for number in 0..3 {
            told_a.expect(&format!("datagram {sender}.{number}"));
        }
    }
}

#[test]
fn what_is_accepted_is_sent_however_many_broadcast_at_once() {
    let config = PoolConfig { broadcast_queue_depth: 8, ..quick(1) };
    let (a, _, told_a) = started_with("a", config.clone());
    let (_b, pool_b, _) = started_with("b", config);
    join(&pool_b, &a);

    let attempt = |text: &String| match pool_b.broadcast(text.as_bytes(), Duration::ZERO) {
        Ok(()) => true,
        Err(Error::Command(CommandError::QueueFull { limit: 8 })) => false,
        Err(error) => panic!("{error:?}"),
    };
    let accepted: Vec<String> = thread::scope(|scope| {
        let send =
            |sender| move || (0..500).map(|n| format!("{sender}.{n}")).filter(attempt).collect::<Vec<_>>();
        let senders: Vec<_> = (0..4).map(|sender| scope.spawn(send(sender))).collect();
        senders.into_iter().flat_map(|sender| sender.join().unwrap()).collect()
    });

    assert!(accepted.len() >= 8, "{} were accepted", accepted.len());
    accepted.iter().for_each(|text| told_a.expect(&format!("datagram {text}")));
    let refused = pool_b.stats().unwrap().broadcasts_refused;
    assert_eq!(refused, 2000 - accepted.len() as u64);
}

#[test]
fn datagrams_beyond_the_depth_of_the_queue_are_dropped_and_counted() {
    let (gossip, pool, _) = started_with("a", PoolConfig { handoff_queue_depth: 1, ..quick(1) });
    let flood = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let message = [&PoolId(1).prefix()[..], b"\x08flood"].concat();

    eventually("some were dropped", || {
        for _ in 0..1000 {
            let _ = flood.send_to(&message, gossip.local_addr());
        }
        pool.stats().unwrap().inbox_dropped > 0
    });
}

#[test]
fn states_are_exchanged_in_a_join_even_those_published_before_the_start() {
    let (a, told_a) = (node("a"), Recorder::new());
    let pool_a = a.register_pool(quick(1), Some(told_a.clone())).unwrap();
    pool_a.set_local_state(b"old").unwrap();
    pool_a.set_local_state(b"of a").unwrap();
    a.start().unwrap();
    let (_b, pool_b, told_b) = started("b");
    pool_b.set_local_state(b"of b").unwrap();

    join(&pool_b, &a);

    told_b.expect("state of a true");
    told_a.expect("state of b true");
}

#[test]
fn answers_to_probes_carry_the_published_payload() {
    let (a, _, told_a) = started("a");
    let (_b, pool_b, _) = started("b");
    pool_b.set_ack_payload(b"load=3").unwrap();

    join(&pool_b, &a);

    told_a.expect("pinged b load=3");
}
