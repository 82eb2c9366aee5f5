//! Reliable messages whose receiver is slow, gone, hostile or waits itself: the sender hears it.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, OnceLock};
use std::thread;
use std::time::Duration;

use gossip_core::pool::action::Delivery;
use gossip_core::pool::config::PoolConfig;
use gossip_core::pool::exchange::ExchangeError;
use gossip_core::runtime::error::Error;
use gossip_core::runtime::gossip::Gossip;
use gossip_core::runtime::pool::Pool;
use gossip_core::wire::message::Ticket;
use gossip_core::wire::stream::encode_user;

use super::support::*;

/// What a callback would be done within, if nobody waited for anybody.
const SHORT: Duration = Duration::from_secs(1);

/// A node whose callback tells that it has begun, and returns when the sender is dropped; at once
/// for "pass".
fn stuck(name: &str) -> (Gossip, Pool, Receiver<String>, Sender<()>) {
    let ((begun, began), (release, released)) = (channel(), channel::<()>());
    let (begun, released) = (Mutex::new(begun), Mutex::new(released));
    let gossip = node(name);
    let delegate = on_message(move |message| {
        if message.bytes == b"pass"[..] {
            return;
        }
        let _ = begun.lock().unwrap().send(String::from_utf8_lossy(&message.bytes).into_owned());
        let _ = released.lock().unwrap().recv();
    });
    let pool = gossip.register_pool(quick(1), Some(delegate)).unwrap();
    gossip.start().unwrap();
    (gossip, pool, began, release)
}

fn why(result: Result<Delivery, Error>) -> ExchangeError {
    match result {
        Err(Error::Send { error, .. }) => error,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_callback_that_does_not_return_lets_the_time_of_its_senders_pass() {
    let (a, _, began, release) = stuck("a");
    let (_b, pool_b, _) = started("b");
    join(&pool_b, &a);
    let to = member(&pool_b, "a");

    assert_eq!(why(pool_b.send_reliable(&to, b"one", SHORT)), ExchangeError::Timeout);
    // It is behind the first, and its sender hears as much.
    let error = pool_b.send_reliable(&to, b"two", SHORT).unwrap_err();
    assert_eq!(error.to_string(), format!("message to {}: no answer in time", to.addr()));

    drop(release);
    assert_eq!(pool_b.send_reliable(&to, b"three", PATIENCE).unwrap(), Delivery::Acknowledged);
    let told: Vec<_> = (0..3).map(|_| began.recv_timeout(PATIENCE).unwrap()).collect();
    assert_eq!(told, ["one", "two", "three"], "each once, also those whose senders gave up");
    assert!(began.try_recv().is_err());
}

#[test]
fn two_nodes_that_send_from_callbacks_hold_each_other_up_until_the_time_is_up() {
    let nodes = [node("a"), node("b")];
    let (results, heard) = channel();
    let [pool_a, pool_b] = [(0, "b"), (1, "a")].map(|(own, other)| {
        let own: &Gossip = &nodes[own];
        let (results, pool) = (Mutex::new(results.clone()), Arc::new(OnceLock::<Pool>::new()));
        let known = pool.clone();
        let delegate = on_message(move |message| {
            if message.bytes == b"go"[..] {
                let pool = known.get().unwrap();
                let sent = pool.send_reliable(&member(pool, other), b"from a callback", SHORT);
                let _ = results.lock().unwrap().send(sent);
            }
        });
        let registered = own.register_pool(quick(1), Some(delegate)).unwrap();
        pool.set(registered.clone()).unwrap();
        own.start().unwrap();
        registered
    });
    join(&pool_b, &nodes[0]);

    post(&pool_a, &member(&pool_a, "b"), b"go");
    post(&pool_b, &member(&pool_b, "a"), b"go");
    let both = [0, 1].map(|_| heard.recv_timeout(PATIENCE).unwrap());

    // Whoever gives up first lets the other one have its answer.
    let late = both.into_iter().filter(|sent| sent.is_err()).map(why).collect::<Vec<_>>();
    assert!(late.iter().all(|error| *error == ExchangeError::Timeout), "{late:?}");
    for (pool, other) in [(&pool_a, "b"), (&pool_b, "a")] {
        let sent = pool.send_reliable(&member(pool, other), b"from outside", PATIENCE);
        assert_eq!(sent.unwrap(), Delivery::Acknowledged);
    }
    // Each delegate knows its pool.
    nodes.iter().for_each(|node| node.shutdown(PATIENCE).unwrap());
}

#[test]
fn a_sender_that_is_shut_down_ends_what_is_under_way_and_what_rests() {
    let (a, pool_a, began, _release) = stuck("a");
    let (b, pool_b, _) = started("b");
    join(&pool_b, &a);
    let to = member(&pool_b, "a");
    assert_eq!(pool_b.send_reliable(&to, b"pass", PATIENCE).unwrap(), Delivery::Acknowledged);
    assert_eq!(pool_b.stats().unwrap().machine.streams_resting, 1);

    thread::scope(|scope| {
        let sending = [0, 1].map(|_| scope.spawn(|| pool_b.send_reliable(&to, b"one", PATIENCE)));
        began.recv_timeout(PATIENCE).unwrap();
        b.shutdown(PATIENCE).unwrap();
        for sent in sending {
            assert!(matches!(sent.join().unwrap(), Err(Error::Closed)));
        }
    });

    eventually("their connections are closed", || pool_a.stats().unwrap().machine.exchanges_inbound == 0);
}

/// It does not know that it is a node of ours there, so a good end would mean that it has it.
#[test]
fn a_receiver_that_ends_with_a_message_in_hand_resets_the_connection() {
    let (a, pool_a, began, release) = stuck("a");
    let (_b, pool_b, _) = started("b");
    let addr = a.local_addr();

    thread::scope(|scope| {
        let sends = ["in hand", "behind it"];
        let sending = sends.map(|text| scope.spawn(|| pool_b.send_reliable(addr, text.as_bytes(), PATIENCE)));
        began.recv_timeout(PATIENCE).unwrap();
        let stats = || pool_a.stats().unwrap().machine;
        eventually("both are with the application", || stats().messages_open == 2);
        assert!(matches!(a.shutdown(Duration::from_millis(20)), Err(Error::Timeout(_))));
        for sent in sending {
            let error = why(sent.join().unwrap());
            assert!(matches!(error, ExchangeError::Reset(_)), "{error:?}");
        }
    });

    drop(release);
    a.shutdown(PATIENCE).unwrap();
}

/// Answers each connection with some bytes, once the message "hello" is there.
fn stranger(answers: &'static [&'static [u8]]) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap();
    thread::spawn(move || {
        for answer in answers {
            let (mut stream, _) = listener.accept().unwrap();
            let mut bytes = Vec::new();
            while !bytes.ends_with(b"hello") {
                let mut byte = [0];
                stream.read_exact(&mut byte).unwrap();
                bytes.extend(byte);
            }
            let _ = stream.write_all(answer);
            // It stays open: that it ends must not be up to the stranger.
            thread::spawn(move || stream.read_to_end(&mut Vec::new()));
        }
    });
    addr
}

#[test]
fn answers_that_make_no_sense_are_errors_and_end_the_connection() {
    let config = PoolConfig { enable_compression: false, ..quick(1) };
    let (_b, pool_b, _) = started_with("b", config);
    let send = |addr| pool_b.send_reliable(addr, b"hello", PATIENCE);
    let addr = stranger(&[
        b"\x02\x82\xa7Payload\xc0\xa5SeqNo\x63",
        b"\x02\xff\xff\xff\xff",
        b"\x0d\x81\xa5Error\xa4what",
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        b"\x02\x82\xa7Payload\xc4\x01\xc8\xa5SeqNo\x05",
    ]);

    assert!(matches!(why(send(addr)), ExchangeError::WrongSeq { expected: 1, found: 0x63 }));
    assert!(matches!(why(send(addr)), ExchangeError::Refused(_)));
    assert!(matches!(why(send(addr)), ExchangeError::RemoteError(text) if text == "what"));
    assert!(matches!(why(send(addr)), ExchangeError::Refused(_)));
    let unknown = why(send(addr)).to_string();
    assert_eq!(unknown, "receiver did not take the message: reason 200");

    let stats = pool_b.stats().unwrap();
    assert_eq!(stats.machine.sends_not_taken, 1);
    assert_eq!(stats.machine.sends_failed, 4);
}

#[test]
fn an_answer_that_comes_twice_counts_once() {
    let config = PoolConfig { enable_compression: false, ..quick(1) };
    let (_b, pool_b, _) = started_with("b", config);
    let addr = stranger(&[b"\x02\x82\xa7Payload\xc0\xa5SeqNo\x01\x02\x82\xa7Payload\xc0\xa5SeqNo\x01"]);

    assert_eq!(pool_b.send_reliable(addr, b"hello", PATIENCE).unwrap(), Delivery::Acknowledged);

    let stats = pool_b.stats().unwrap().machine;
    assert_eq!((stats.sends_acknowledged, stats.streams_resting), (1, 1));
}

/// Ever new connections, with messages of one ticket and of many, while the application hangs.
#[test]
fn what_hostile_peers_hold_is_bounded_and_others_still_get_through() {
    const CONNECTIONS: u64 = 600;
    let (a, pool_a, began, release) = stuck("a");
    let connect = |sequence: u64| {
        let mut stream = TcpStream::connect(a.local_addr()).unwrap();
        let ticket = Ticket { instance: 7, sequence, from: "mallory".into() };
        // It may have been closed already.
        let _ = stream.write_all(&[&[0xfe, 1][..], &encode_user(b"x", Some(&ticket))].concat());
        stream
    };
    let stats = || pool_a.stats().unwrap();
    let held: Vec<_> = (0..2 * CONNECTIONS)
        .map(|number| {
            let stream = connect(number.saturating_sub(CONNECTIONS));
            if number % 64 == 63 {
                eventually("they are read", || stats().machine.messages_open >= 1);
            }
            stream
        })
        .collect();
    began.recv_timeout(PATIENCE).unwrap();
    eventually("some were repeated, and some had to go", || {
        let machine = stats().machine;
        machine.messages_repeated > 0 && machine.streams_crowded_out > 0
    });
    let inbound = stats().machine.exchanges_inbound;
    assert!(inbound <= 256, "{inbound}");

    // An honest one comes in, too, and waits for the same application.
    let (_b, pool_b, told_b) = started("b");
    // The port looks at so many connections of one address at a time, and all are of this one.
    eventually("it gets in", || pool_b.join(&[a.local_addr().to_string()], PATIENCE).is_ok());
    told_b.expect("joined a");
    drop(release);
    let sent = pool_b.send_reliable(&member(&pool_b, "a"), b"honest", PATIENCE);
    assert_eq!(sent.unwrap(), Delivery::Acknowledged);
    drop(held);
    eventually("nothing is left", || {
        let stats = stats();
        (stats.machine.messages_open, stats.machine.exchanges_inbound) == (0, 1)
    });
    let told: Vec<_> = began.try_iter().filter(|text| text == "x").collect();
    assert!(told.len() <= usize::try_from(CONNECTIONS).unwrap(), "a ticket is delivered once");
}
