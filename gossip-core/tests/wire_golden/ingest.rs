//! What Go memberlist was recorded to do with datagrams and connections, done here.
//!
//! The node of the vectors is "node-a"; whatever needs a member list is left to other tests.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use gossip_core::base::addr::NodeAddr;
use gossip_core::base::time::Time;
use gossip_core::pool::exchange::{Exchange, ExchangeNews};
use gossip_core::pool::own_state::{Known, OwnState};
use gossip_core::swim::node::{Meta, Node, State, Versions};
use gossip_core::wire::encode::encode;
use gossip_core::wire::message::{Ack, Message};
use gossip_core::wire::packet::{self, Scratch};
use serde_json::{Value, json};

use crate::vector::{Vector, each_of, golden_nonces, to_hex};

#[test]
fn datagrams_are_taken_and_refused_as_go_does() {
    let mut scratch = Scratch::default();
    each_of("ingest-packet", 69, |vector| {
        let mut seen = Seen::default();
        let mut each = |message: Result<Message<'_>, _>| match message {
            Ok(message) => seen.message(&message),
            Err(_) => seen.refused = true,
        };

        let result = packet::open(&vector.onion(), &mut scratch, &mut vector.wire(), &mut each);

        let log = vector.expect("log").as_str().unwrap();
        let refused = !log.is_empty() && !log.contains("ping for unexpected node");
        assert_eq!(result.is_err() || seen.refused, refused, "{}: {result:?}, log {log}", vector.id());
        assert_eq!(sorted(seen.users), sorted(strings(vector.expect("user_messages"))), "{}", vector.id());
        assert_eq!(seen.replies, strings(vector.expect("replies")), "{}", vector.id());
    });
}

#[test]
fn connections_are_answered_as_go_does_whatever_the_pieces() {
    each_of("ingest-stream", 49, |vector| {
        for piece in [usize::MAX, 7, 1] {
            let run = Run::of(vector, piece);

            let id = format!("{} in pieces of {piece}", vector.id());
            assert_eq!(vector.expect("response"), &run.response, "{id}");
            assert_eq!(strings(vector.expect("user_messages")), run.users, "{id}");
            assert_eq!(vector.expect("merged_user_state"), &Value::Array(run.merged), "{id}");
            // Refusing to merge is a matter of the members' versions.
            if !vector.expect("log").as_str().unwrap().contains("Failed push/pull merge") {
                assert_eq!(sorted(strings(vector.expect("members"))), sorted(run.members), "{id}");
            }
            assert_eq!(run.endings, 1, "{id}");
        }
    });
}

/// What a datagram made a node do.
#[derive(Default)]
struct Seen {
    users: Vec<String>,
    replies: Vec<String>,
    refused: bool,
}

impl Seen {
    fn message(&mut self, message: &Message<'_>) {
        match message {
            Message::User(payload) => self.users.push(hex_text(payload)),
            Message::Ping(ping) if ping.node.is_empty() || *ping.node == *b"node-a" => {
                let mut reply = Vec::new();
                encode(&Message::Ack(Ack { seq: ping.seq, payload: None }), &mut reply);
                self.replies.push(to_hex(&reply));
            }
            _ => {}
        }
    }
}

/// What a connection made a node do.
#[derive(Default)]
struct Run {
    response: String,
    users: Vec<String>,
    merged: Vec<Value>,
    members: Vec<String>,
    endings: usize,
}

impl Run {
    /// Plays the bytes of the vector in pieces, then the peer's half-close.
    fn of(vector: &Vector, piece: usize) -> Self {
        let wire = Arc::new(vector.onion());
        let mut exchange =
            Exchange::inbound(Time::ZERO, wire, golden_nonces(), "node-a".into(), Duration::from_secs(10));
        let mut run = Self { members: vec!["node-a:alive".into()], ..Self::default() };
        for chunk in vector.wire().chunks(piece) {
            exchange.handle_bytes(Time::ZERO, chunk);
            run.drain(&mut exchange);
        }
        exchange.handle_eof(Time::ZERO);
        run.drain(&mut exchange);
        assert!(exchange.is_over(), "{}", vector.id());
        run
    }

    fn drain(&mut self, exchange: &mut Exchange) {
        while let Some(news) = exchange.poll_news() {
            self.take(news, exchange);
        }
        while let Some(bytes) = exchange.poll_write() {
            self.response.push_str(&to_hex(&bytes));
        }
        exchange.handle_written(Time::ZERO);
        while let Some(news) = exchange.poll_news() {
            self.take(news, exchange);
        }
    }

    fn take(&mut self, news: ExchangeNews, exchange: &mut Exchange) {
        match news {
            ExchangeNews::RemoteState(state) => {
                for node in state.nodes().filter(|node| node.state == 0) {
                    self.members.push(format!("{}:alive", String::from_utf8_lossy(&node.name)));
                }
                if !state.user_state.is_empty() {
                    self.merged.push(json!({"join": state.join, "state": hex_text(&state.user_state)}));
                }
                exchange.handle_answer(Time::ZERO, own_state());
            }
            ExchangeNews::User { payload, .. } => self.users.push(hex_text(&payload)),
            ExchangeNews::Finished | ExchangeNews::Failed(_) => self.endings += 1,
            ExchangeNews::PushPullBegun
            | ExchangeNews::Connected
            | ExchangeNews::Acked
            | ExchangeNews::Verdict(_)
            | ExchangeNews::StepAsked { .. }
            | ExchangeNews::StepAnswered(_) => {}
        }
    }
}

/// The state of the node of the vectors.
fn own_state() -> OwnState {
    let node = Arc::new(Node {
        name: "node-a".into(),
        addr: NodeAddr::from(SocketAddr::from(([10, 0, 0, 1], 7946))),
        meta: Meta::default(),
        versions: Versions::from_bytes(&[1, 5, 2, 0, 0, 0]).unwrap(),
    });
    let known = vec![Known { node, incarnation: 1, state: State::Alive, relay: 0 }];
    OwnState { known, user_state: b"LS".as_slice().into(), ..OwnState::default() }
}

fn hex_text(bytes: &[u8]) -> String {
    format!("hex:{}", to_hex(bytes))
}

fn strings(list: &Value) -> Vec<String> {
    list.as_array().unwrap().iter().map(|text| text.as_str().unwrap().to_owned()).collect()
}

/// Go handles the user messages of a datagram newest first; the order is nobody's promise.
fn sorted(mut list: Vec<String>) -> Vec<String> {
    list.sort();
    list
}
