//! User messages that are acknowledged, as two exchanges speak them: their bytes, one after the
//! other on one connection, and what becomes of them when the connection goes.

use std::time::Duration;

use bytes::Bytes;
use gossip_core::base::time::Time;
use gossip_core::pool::exchange::{Exchange, ExchangeError, ExchangeNews, Opening, Refusal, Verdict};
use gossip_core::wire::keyring::{Key, Keyring};
use gossip_core::wire::message::Ticket;
use gossip_core::wire::nonce::Nonces;
use gossip_core::wire::onion::Wire;
use gossip_core::wire::stream::{self, Frame, FrameReader};

const TIMEOUT: Duration = Duration::from_secs(10);
const DEADLINE: Time = Time::from_nanos(5_000_000_000);
const NOW: Time = Time::ZERO;

fn ticket(sequence: u64) -> Ticket {
    Ticket { instance: 0x0102_0304_0506_0708, sequence, from: "a".into() }
}

fn onions() -> Vec<Wire> {
    let keyring = Keyring::new([], Some(Key::new(&[7; 32]).unwrap())).unwrap();
    let label = Bytes::from_static(b"dc1");
    vec![
        Wire::plain(),
        Wire { compression: true, ..Wire::plain() },
        Wire { label: label.clone(), ..Wire::plain() },
        Wire { label, keyring, compression: true, ..Wire::plain() },
    ]
}

/// Both ends of a connection, and what they had to tell.
struct Pair {
    client: Exchange,
    server: Exchange,
    told: Vec<String>,
}

impl Pair {
    fn new(wire: &Wire, payload: &'static [u8]) -> Self {
        let opening = Opening::User { payload: Bytes::from_static(payload), ticket: ticket(1) };
        let wire = std::sync::Arc::new(wire.clone());
        let client = Exchange::outbound(NOW, wire.clone(), Nonces::seeded(1), opening, DEADLINE, TIMEOUT);
        let server = Exchange::inbound(NOW, wire, Nonces::seeded(2), "b".into(), TIMEOUT);
        Self { client, server, told: Vec::new() }
    }

    /// Carries everything both ways, byte by byte.
    fn carry(&mut self) {
        loop {
            let out = written(&mut self.client);
            out.iter().for_each(|byte| self.server.handle_bytes(NOW, &[*byte]));
            let back = written(&mut self.server);
            back.iter().for_each(|byte| self.client.handle_bytes(NOW, &[*byte]));
            let before = self.told.len();
            for (end, exchange) in [("client", &mut self.client), ("server", &mut self.server)] {
                while let Some(news) = exchange.poll_news() {
                    self.told.push(format!("{end}: {}", said(news)));
                }
            }
            if out.is_empty() && back.is_empty() && before == self.told.len() {
                return;
            }
        }
    }

    fn told(&mut self) -> Vec<String> {
        self.carry();
        std::mem::take(&mut self.told)
    }
}

fn written(exchange: &mut Exchange) -> Vec<u8> {
    let mut bytes = Vec::new();
    while let Some(piece) = exchange.poll_write() {
        bytes.extend_from_slice(&piece);
    }
    if !bytes.is_empty() {
        exchange.handle_written(NOW);
    }
    bytes
}

fn said(news: ExchangeNews) -> String {
    match news {
        ExchangeNews::User { payload, ticket, .. } => {
            let number = ticket.map(|ticket| ticket.sequence);
            format!("'{}' {number:?}", String::from_utf8_lossy(&payload))
        }
        ExchangeNews::Verdict(verdict) => format!("{verdict:?}"),
        ExchangeNews::Finished => "finished".into(),
        ExchangeNews::Failed(error) => format!("failed: {error}"),
        other => format!("{other:?}"),
    }
}

#[test]
fn the_header_has_one_more_key_and_the_answer_is_an_ack() {
    let plain = stream::encode_user(b"hi", Some(&ticket(9)));

    let header =
        b"\x08\x82\xa3Ack\xb1\x01\x02\x03\x04\x05\x06\x07\x08\0\0\0\0\0\0\0\x09a\xaaUserMsgLen\x02hi";
    assert_eq!(plain, header);
    assert_eq!(stream::encode_user(b"hi", None), b"\x08\x81\xaaUserMsgLen\x02hi", "as Go has it");
    for (verdict, bytes) in [
        (Ok(()), &b"\x02\x82\xa7Payload\xc0\xa5SeqNo\x01"[..]),
        (Err(Refusal::QueueFull), b"\x02\x82\xa7Payload\xa1\x01\xa5SeqNo\x01"),
    ] {
        let mut pair = Pair::new(&Wire::plain(), b"hi");
        pair.client.handle_connected(NOW);
        pair.carry();
        pair.server.handle_verdict(NOW, verdict, true);
        assert_eq!(written(&mut pair.server), bytes);
    }
}

#[test]
fn a_key_that_makes_no_sense_asks_for_nothing() {
    for ack in [&b"short"[..], &[0; 16], &[0; 16 + 256]] {
        let mut plain = vec![8];
        let header = gossip_core::wire::message::UserHeader { ack: ack.into(), len: 2, ..Default::default() };
        gossip_core::wire::encode::encode_user_header(&header, &mut plain);
        plain.extend_from_slice(b"hi");

        let frame = FrameReader::request(Wire::plain().into()).push(&plain).unwrap();

        assert!(matches!(frame, Some(Frame::User { ticket: None, .. })), "{} bytes", ack.len());
    }
}

#[test]
fn messages_follow_each_other_on_one_connection() {
    for wire in onions() {
        let mut pair = Pair::new(&wire, b"one");
        pair.client.handle_connected(NOW);
        assert_eq!(pair.told(), ["server: 'one' Some(1)"]);
        assert!(!pair.server.rests() && !pair.client.rests());

        pair.server.handle_verdict(NOW, Ok(()), true);
        assert_eq!(pair.told(), ["client: Ok(())"]);
        assert!(pair.server.rests() && pair.client.rests());

        pair.client.handle_message(NOW, b"two", &ticket(2), DEADLINE);
        assert_eq!(pair.told(), ["server: 'two' Some(2)"]);
        pair.server.handle_verdict(NOW, Err(Refusal::QueueFull), true);
        assert_eq!(pair.told(), ["client: Err(QueueFull)"]);

        let end = pair.client.poll_timeout().unwrap();
        assert!(pair.server.poll_timeout().unwrap() > end, "the sender closes first");
        pair.client.handle_timeout(end);
        pair.server.handle_eof(end);
        assert_eq!(pair.told(), ["client: finished", "server: finished"]);
        assert!(pair.client.is_over() && pair.server.is_over());
    }
}

#[test]
fn of_an_empty_message_nobody_is_told_and_the_connection_ends() {
    for wire in onions() {
        let mut pair = Pair::new(&wire, b"one");
        pair.client.handle_connected(NOW);
        pair.carry();
        pair.server.handle_verdict(NOW, Ok(()), true);
        pair.told();

        pair.client.handle_message(NOW, b"", &ticket(2), DEADLINE);

        assert_eq!(pair.told(), ["client: Ok(())", "server: finished"]);
        assert!(!pair.server.rests());
        pair.client.handle_eof(NOW);
        assert_eq!(pair.told(), ["client: finished"]);
        assert!(pair.client.is_over() && pair.server.is_over());
    }
}

#[test]
fn whoever_closes_after_the_message_without_a_word_ends_it_without_a_verdict() {
    let mut pair = Pair::new(&Wire::plain(), b"one");
    pair.client.handle_connected(NOW);
    pair.carry();
    pair.told.clear();

    pair.client.handle_eof(NOW);

    assert_eq!(pair.told(), ["client: finished"]);
}

#[test]
fn an_acknowledgement_that_is_cut_anywhere_is_none() {
    let ack = b"\x02\x82\xa7Payload\xc0\xa5SeqNo\x01";
    for cut in 1..ack.len() {
        let mut pair = Pair::new(&Wire::plain(), b"one");
        pair.client.handle_connected(NOW);
        pair.carry();
        pair.told.clear();

        pair.client.handle_bytes(NOW, &ack[..cut]);
        pair.client.handle_eof(NOW);

        assert_eq!(pair.told(), [format!("client: failed: {}", ExchangeError::Closed)], "cut at {cut}");
    }
}

#[test]
fn a_request_that_is_cut_anywhere_is_not_delivered() {
    let mut client = Pair::new(&Wire::plain(), b"one").client;
    client.handle_connected(NOW);
    let request = written(&mut client);
    for cut in 0..request.len() {
        let mut server = Pair::new(&Wire::plain(), b"one").server;

        server.handle_bytes(NOW, &request[..cut]);
        server.handle_eof(NOW);

        let news: Vec<_> = std::iter::from_fn(|| server.poll_news()).map(said).collect();
        assert_eq!(news.len(), 1, "cut at {cut}");
        assert!(news[0].starts_with("fail") || (cut == 0 && news[0] == "finished"), "cut at {cut}: {news:?}");
    }
}

#[test]
fn the_stages_have_their_own_errors() {
    let failed = |error: ExchangeError| vec![format!("client: failed: {error}")];
    let mut waits = Pair::new(&Wire::plain(), b"one");
    waits.client.handle_timeout(DEADLINE);
    assert_eq!(waits.told(), failed(ExchangeError::ConnectTimeout));

    let mut silent = Pair::new(&Wire::plain(), b"one");
    silent.client.handle_connected(NOW);
    silent.carry();
    silent.told.clear();
    silent.client.handle_timeout(DEADLINE);
    assert_eq!(silent.told(), failed(ExchangeError::Timeout));

    let mut wrong = Pair::new(&Wire::plain(), b"one");
    wrong.client.handle_connected(NOW);
    wrong.carry();
    wrong.told.clear();
    wrong.client.handle_bytes(NOW, b"\x02\x82\xa7Payload\xc0\xa5SeqNo\x07");
    assert_eq!(wrong.told(), failed(ExchangeError::WrongSeq { expected: 1, found: 7 }));
}

#[test]
fn a_sender_that_gave_up_hears_no_verdict() {
    let mut pair = Pair::new(&Wire::plain(), b"one");
    pair.client.handle_connected(NOW);
    pair.carry();
    pair.told.clear();

    pair.server.handle_eof(NOW);
    let verdict: Verdict = Ok(());
    pair.server.handle_verdict(NOW, verdict, true);

    assert!(written(&mut pair.server).is_empty());
    assert_eq!(pair.told(), [format!("server: failed: {}", ExchangeError::Closed)]);
}
