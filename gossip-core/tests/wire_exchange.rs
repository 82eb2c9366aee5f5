//! Two exchanges talking to each other through pieces of bytes, in virtual time.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use gossip_core::base::addr::NodeAddr;
use gossip_core::base::time::Time;
use gossip_core::pool::exchange::{Exchange, ExchangeError, ExchangeNews, Opening};
use gossip_core::pool::own_state::{Known, OwnState};
use gossip_core::swim::node::{Meta, Node, State, Versions};
use gossip_core::wire::budget::Budget;
use gossip_core::wire::error::Refused;
use gossip_core::wire::keyring::{Key, Keyring};
use gossip_core::wire::nonce::Nonces;
use gossip_core::wire::onion::Wire;
use gossip_core::wire::stream::{self, Frame, FrameReader};

const TIMEOUT: Duration = Duration::from_secs(10);

#[test]
fn a_push_pull_tells_both_sides_what_the_other_knows() {
    for wire in onions() {
        let opening = Opening::PushPull { join: true, state: state(&["a", "b"], b"from the client") };
        let mut pair = Pair::new(&wire, &wire, opening);

        pair.run();

        assert_eq!(pair.server_news, ["begun", "join true: [a b] 'from the client'", "finished"]);
        assert_eq!(pair.client_news, ["join true: [s] 'from the server'", "finished"]);
    }
}

#[test]
fn a_ping_for_the_node_is_acknowledged() {
    for wire in onions() {
        let mut pair = Pair::new(&wire, &wire, ping("server"));

        pair.run();

        assert_eq!(pair.client_news, ["connected", "acked", "finished"]);
        assert_eq!(pair.server_news, ["finished"]);
    }
}

#[test]
fn a_ping_for_somebody_else_gets_no_answer() {
    let mut pair = Pair::new(&Wire::plain(), &Wire::plain(), ping("somebody"));

    pair.run();

    assert_eq!(pair.server_news, ["finished"]);
    assert_eq!(pair.client_news, ["connected".into(), failed(&ExchangeError::Closed)]);
}

#[test]
fn a_user_message_arrives_and_an_empty_one_is_kept_quiet() {
    for wire in onions() {
        for (payload, news) in [("hello", &["user 'hello'", "finished"][..]), ("", &["finished"])] {
            let mut server = inbound(wire.clone());
            let plain = stream::encode_user(payload.as_bytes(), None);

            server.handle_bytes(Time::ZERO, &stream::frame(&wire, &mut Nonces::seeded(3), true, &plain));

            assert_eq!(drain(&mut server).1, news);
        }
    }
}

#[test]
fn a_server_that_requires_keys_says_so_before_it_fails() {
    let mut locked = Wire::plain();
    locked.keyring = ring(1);
    locked.verify_outgoing = false;

    let mut pair = Pair::new(&Wire::plain(), &locked, ping("server"));
    pair.run();

    let text = "encryption is configured but remote state is not encrypted";
    assert_eq!(pair.client_news, ["connected".into(), failed(&ExchangeError::RemoteError(text.into()))]);
    assert_eq!(pair.server_news, [failed(&ExchangeError::Refused(Refused::NotEncrypted))]);
}

#[test]
fn another_label_is_refused_in_silence() {
    let [ours, theirs] =
        [b"dc1", b"dc2"].map(|label| Wire { label: Bytes::from_static(label), ..Wire::plain() });

    let mut pair = Pair::new(&ours, &theirs, ping("server"));
    pair.run();

    assert_eq!(pair.server_news, [failed(&ExchangeError::Refused(Refused::LabelMismatch))]);
    assert_eq!(pair.client_news, ["connected".into(), failed(&ExchangeError::Closed)]);
}

#[test]
fn the_ack_of_another_ping_is_no_ack() {
    let mut exchange = outbound(Wire::plain(), ping("server"));
    exchange.handle_connected(Time::ZERO);
    drain(&mut exchange);

    exchange.handle_bytes(Time::ZERO, b"\x02\x82\xa7Payload\xc0\xa5SeqNo\x07");

    let error = ExchangeError::WrongSeq { expected: 42, found: 7 };
    assert!(error.is_contact());
    assert_eq!(drain(&mut exchange).1, [failed(&error)]);
}

#[test]
fn the_deadline_is_renewed_for_the_answer_of_a_push_pull_but_not_of_a_ping() {
    let [early, late] = [1, 5].map(|seconds| Time::ZERO + Duration::from_secs(seconds));
    let push_pull = Opening::PushPull { join: false, state: OwnState::default() };

    for (opening, deadline) in [(push_pull, early + TIMEOUT), (ping("server"), late)] {
        let mut exchange = outbound(Wire::plain(), opening);
        assert_eq!(exchange.poll_timeout(), Some(late));
        exchange.handle_connected(early);
        assert!(exchange.poll_write().is_some());
        exchange.handle_written(early);
        assert_eq!(exchange.poll_timeout(), Some(deadline));
    }
}

#[test]
fn a_passed_deadline_ends_the_exchange_once() {
    let mut exchange = inbound(Wire::plain());
    let deadline = exchange.poll_timeout().unwrap();

    exchange.handle_timeout(deadline - Duration::from_nanos(1));
    assert_eq!(drain(&mut exchange).1, [""; 0]);
    exchange.handle_timeout(deadline);
    exchange.handle_timeout(deadline);
    exchange.handle_failure(deadline, ExchangeError::Dropped);

    assert_eq!(drain(&mut exchange).1, [failed(&ExchangeError::Timeout)]);
    assert_eq!((exchange.is_over(), exchange.poll_timeout()), (true, None));
}

#[test]
fn a_push_pull_is_announced_with_its_first_byte_and_may_be_dropped() {
    let mut exchange = inbound(Wire::plain());

    exchange.handle_bytes(Time::ZERO, b"\x06");
    assert_eq!(drain(&mut exchange).1, ["begun"]);
    exchange.handle_failure(Time::ZERO, ExchangeError::Dropped);
    exchange.handle_bytes(Time::ZERO, b"\x83");

    assert_eq!(drain(&mut exchange), (vec![], vec![failed(&ExchangeError::Dropped)]));
}

#[test]
fn a_connection_closed_before_its_first_byte_is_no_failure() {
    let mut exchange = inbound(Wire { label: Bytes::from_static(b"dc1"), ..Wire::plain() });

    exchange.handle_eof(Time::ZERO);

    assert_eq!(drain(&mut exchange).1, ["finished"]);
}

#[test]
fn what_was_wrong_first_is_told_even_if_the_reply_cannot_be_written() {
    let mut exchange = inbound(Wire::plain());
    exchange.handle_bytes(Time::ZERO, b"\x0a\0\0\0\x01");

    exchange.handle_failure(Time::ZERO, ExchangeError::Reset("broken pipe".into()));

    assert_eq!(drain(&mut exchange), (vec![], vec![failed(&ExchangeError::Refused(Refused::Encrypted))]));
}

#[test]
fn an_encrypted_stream_of_nothing_is_refused_with_an_answer() {
    let locked = Wire { keyring: ring(1), ..Wire::plain() };
    let mut exchange = inbound(locked.clone());

    exchange.handle_bytes(Time::ZERO, &stream::frame(&locked, &mut Nonces::seeded(3), true, b""));

    let (reply, news) = drain(&mut exchange);
    assert_eq!(news, [failed(&ExchangeError::Refused(Refused::Empty))]);
    let frame = FrameReader::response(locked.into()).push(&reply).unwrap();
    assert!(matches!(frame, Some(Frame::Error(text)) if text == "missing message type byte"));
}

#[test]
fn it_is_known_beforehand_how_much_is_unwrapped_in_one_go() {
    const LONG: u32 = 100_000;
    let noise: Vec<u8> = (0..LONG).map(|i| (i.wrapping_mul(0x9E37_79B1) >> 13) as u8).collect();

    for wire in onions() {
        let has_layers = wire.compression || !wire.keyring.is_empty();
        for request in [false, true] {
            let frame = stream::frame(&wire, &mut Nonces::seeded(1), request, &state_of(noise.clone()));
            let (first, rest) = frame.split_at(frame.len() / 2);
            let wire = Arc::new(wire.clone());
            let fresh = || match request {
                true => FrameReader::request(wire.clone()),
                false => FrameReader::response(wire.clone()),
            };
            let mut reader = fresh();

            assert_eq!(fresh().unwraps(&frame) > frame.len() / 2, has_layers);
            assert_eq!(reader.unwraps(first), 0, "it is not complete");
            assert!(reader.push(first).unwrap().is_none());
            assert_eq!(reader.unwraps(&rest[1..]), 0, "it is not complete");
            assert_eq!(reader.unwraps(rest) > frame.len() / 2, has_layers);
            assert!(reader.push(rest).unwrap().is_some());
        }
    }
}

#[test]
fn a_short_message_that_unpacks_to_much_counts_for_much() {
    let short = stream::frame(&packed(), &mut Nonces::seeded(1), true, &state_of(vec![0; 1000]));
    let bomb = stream::frame(&packed(), &mut Nonces::seeded(1), true, &state_of(vec![0; 8_000_000]));
    assert!(bomb.len() < 16_384, "{} bytes", bomb.len());
    let reader = || FrameReader::request(packed().into());

    assert!(reader().unwraps(&short) < 1000);
    assert!(reader().unwraps(&bomb) > 65_536);
    let mut begun = reader();
    begun.push(&bomb[..20]).unwrap();
    assert!(begun.unwraps(&bomb[20..]) > 65_536);
}

#[test]
fn what_finds_no_memory_left_is_refused_and_the_rest_has_it_again_in_the_end() {
    const SIZE: usize = 8_000_000;
    for compression in [false, true] {
        // Less than the worst that so many compressed bytes may become.
        let wire = Wire { budget: Budget::new(30_000_000), compression, ..Wire::plain() };
        let frame = stream::frame(&wire, &mut Nonces::seeded(1), true, &state_of(vec![0; SIZE]));
        let all = wire.budget.left();
        let push = || FrameReader::request(wire.clone().into()).push(&frame);

        let mut held = Vec::new();
        let refused = loop {
            match push() {
                Ok(frame) => held.push(frame.unwrap()),
                Err(refused) => break refused,
            }
        };
        assert_eq!(refused.why, Refused::TooMuchHeld);
        assert_eq!(refused.reply.is_some(), compression, "only the outer layers are answered");
        assert!(held.len() * SIZE <= all && held.len() > 1, "{} are held", held.len());
        assert!(wire.budget.left() <= all - held.len() * SIZE);
        held.clear();
        assert_eq!(wire.budget.left(), all);
        assert!(push().is_ok());
    }
}

fn packed() -> Wire {
    Wire { compression: true, ..Wire::plain() }
}

/// A state of the application's bytes alone.
fn state_of(user_state: Vec<u8>) -> Vec<u8> {
    let mut plain = Vec::new();
    let state = OwnState { user_state: user_state.into(), ..OwnState::default() };
    state.write(false, &mut |piece| plain.extend_from_slice(piece));
    plain
}

/// A client and a server, and what they had to tell.
struct Pair {
    client: Exchange,
    server: Exchange,
    client_news: Vec<String>,
    server_news: Vec<String>,
}

impl Pair {
    fn new(client: &Wire, server: &Wire, opening: Opening) -> Self {
        let (client, server) = (outbound(client.clone(), opening), inbound(server.clone()));
        Self { client, server, client_news: vec![], server_news: vec![] }
    }

    /// Carries bytes both ways in pieces of three until both are over.
    fn run(&mut self) {
        self.client.handle_connected(Time::ZERO);
        for _ in 0..10 {
            let (request, news) = drain(&mut self.client);
            self.client_news.extend(news);
            request.chunks(3).for_each(|chunk| self.server.handle_bytes(Time::ZERO, chunk));
            let (answer, news) = drain(&mut self.server);
            self.server_news.extend(news);
            answer.chunks(3).for_each(|chunk| self.client.handle_bytes(Time::ZERO, chunk));
            if self.server.is_over() {
                self.client.handle_eof(Time::ZERO);
            }
        }
        assert!(self.client.is_over() && self.server.is_over());
    }
}

/// Polls all that an exchange has, and answers its push/pull.
fn drain(exchange: &mut Exchange) -> (Vec<u8>, Vec<String>) {
    let (mut bytes, mut news) = (vec![], vec![]);
    for _ in 0..3 {
        while let Some(one) = exchange.poll_news() {
            if let ExchangeNews::RemoteState(_) = one {
                exchange.handle_answer(Time::ZERO, state(&["s"], b"from the server"));
            }
            news.push(told(one));
        }
        while let Some(piece) = exchange.poll_write() {
            bytes.extend_from_slice(&piece);
        }
        exchange.handle_written(Time::ZERO);
    }
    (bytes, news)
}

fn told(news: ExchangeNews) -> String {
    match news {
        ExchangeNews::PushPullBegun => "begun".into(),
        ExchangeNews::RemoteState(state) => {
            let names: Vec<_> =
                state.nodes().map(|node| String::from_utf8_lossy(&node.name).into_owned()).collect();
            let text = String::from_utf8_lossy(&state.user_state).into_owned();
            format!("join {}: [{}] '{text}'", state.join, names.join(" "))
        }
        ExchangeNews::User { payload, .. } => format!("user '{}'", String::from_utf8_lossy(&payload)),
        ExchangeNews::Connected => "connected".into(),
        ExchangeNews::Verdict(verdict) => format!("verdict {verdict:?}"),
        ExchangeNews::StepAsked { .. } => "step asked".into(),
        ExchangeNews::StepAnswered(_) => "step answered".into(),
        ExchangeNews::Acked => "acked".into(),
        ExchangeNews::Finished => "finished".into(),
        ExchangeNews::Failed(error) => failed(&error),
    }
}

fn failed(error: &ExchangeError) -> String {
    format!("failed: {error}")
}

fn outbound(wire: Wire, opening: Opening) -> Exchange {
    let deadline = Time::ZERO + Duration::from_secs(5);
    Exchange::outbound(Time::ZERO, wire.into(), Nonces::seeded(1), opening, deadline, TIMEOUT)
}

fn inbound(wire: Wire) -> Exchange {
    Exchange::inbound(Time::ZERO, wire.into(), Nonces::seeded(2), "server".into(), TIMEOUT)
}

fn ping(node: &str) -> Opening {
    Opening::Ping { seq: 42, node: node.into() }
}

fn state(names: &[&str], user_state: &'static [u8]) -> OwnState {
    let known = names.iter().map(|&name| Known {
        node: Arc::new(Node {
            name: name.into(),
            addr: NodeAddr::from(SocketAddr::from(([10, 0, 0, 1], 7946))),
            meta: Meta::default(),
            versions: Versions::default(),
        }),
        incarnation: 1,
        state: State::Alive,
        relay: 0,
    });
    OwnState { known: known.collect(), user_state: user_state.into(), ..OwnState::default() }
}

fn ring(byte: u8) -> Keyring {
    Keyring::new([], Some(Key::new(&[byte; 16]).unwrap())).unwrap()
}

/// A pool without layers, one with all of them, and two between.
fn onions() -> [Wire; 4] {
    let all =
        Wire { label: Bytes::from_static(b"dc1"), keyring: ring(1), compression: true, ..Wire::plain() };
    let padded = Wire { encryption_version: 0, compression: false, ..all.clone() };
    [Wire::plain(), Wire { compression: true, ..Wire::plain() }, padded, all]
}
