//! What a node does that is asked to take a step of a migration: whom it obeys, and in which order.

use std::time::Duration;

use gossip_core::base::time::Time;
use gossip_core::pool::action::{Action, Asks, Notice};
use gossip_core::pool::config::PoolConfig;
use gossip_core::pool::exchange::ExchangeNews;
use gossip_core::pool::machine::{Identity, Machine};
use gossip_core::pool::migration::{MigrationKind, RemoteMigration, Step, StepRefusal};
use gossip_core::wire::keyring::{Key, Keyring};
use gossip_core::wire::message::Ticket;
use gossip_core::wire::nonce::Nonces;
use gossip_core::wire::step::{StepAnswer, StepRequest, Token, Took, seal_token};
use gossip_core::wire::stream;
use zeroize::Zeroizing;

const NOBODYS: Token = [0; 12];

fn key(byte: u8) -> Key {
    Key::new(&[byte; 32]).unwrap()
}

fn ticket() -> Ticket {
    Ticket { instance: 0x0102_0304_0506_0708, sequence: 9, from: "boss".into() }
}

struct Node {
    machine: Machine,
    now: Time,
}

impl Node {
    fn of(config: PoolConfig) -> Self {
        let identity =
            Identity { name: "n".into(), addr: std::net::SocketAddr::from(([10, 0, 0, 1], 7946)).into() };
        let (now, nonces) = (Time::ZERO + Duration::from_secs(1), Nonces::seeded(7));
        let machine = Machine::new(config.check().unwrap(), identity, Asks::default(), 7, nonces, now);
        Self { machine: machine.unwrap(), now }
    }

    fn with_key(byte: u8) -> Self {
        let keyring = Keyring::new([], Some(key(byte))).unwrap();
        Self::of(PoolConfig { keyring, ..PoolConfig::lan(1) })
    }

    /// Asks it as a peer does, and hears the answer.
    fn ask(&mut self, request: StepRequest, encrypted: bool) -> StepAnswer {
        let id = self.machine.accept(self.now, ([10, 0, 0, 2], 5000).into()).unwrap();
        let news = ExchangeNews::StepAsked { request, encrypted, ticket: ticket() };
        self.machine.handle_exchange(self.now, id, news);
        let mut answer = None;
        while let Some(action) = self.machine.poll_action() {
            match action {
                Action::Reply { id: answered, answer: bytes } if answered == id => {
                    answer = StepAnswer::decode(&bytes);
                }
                Action::Relabel { labels } => {
                    let changed = self.machine.set_labels(labels).is_ok();
                    self.machine.handle_relabelled(self.now, changed);
                }
                Action::Tell(Notice::Migrated(migrated)) => assert_eq!(migrated.by, *"boss"),
                _ => {}
            }
        }
        answer.expect("every request is answered")
    }

    fn keys(&self) -> &[Key] {
        self.machine.keyring().keys()
    }
}

/// The request of a member that holds `key`.
fn request(kind: MigrationKind, step: Step, key: &Key, token: Token, body: &[u8]) -> StepRequest {
    let token = seal_token(key, [token[0]; 12], kind, step, token);
    StepRequest { kind, step, token, body: Zeroizing::new(body.to_vec()) }
}

fn key_request(step: Step, token: Token) -> StepRequest {
    let body = if step == Step::Accept { vec![2; 32] } else { vec![] };
    request(MigrationKind::Key, step, &key(2), token, &body)
}

#[test]
fn a_key_is_taken_step_by_step_with_the_token_of_the_latest_answer() {
    let mut node = Node::with_key(1);

    let survey = node.ask(key_request(Step::Accept, NOBODYS), true);
    assert_eq!((survey.reached, survey.result), (None, Ok(Took::Told)));
    assert_eq!(node.keys(), [key(1)]);
    let mut token = survey.token;
    for (step, keys) in [
        (Step::Accept, vec![key(1), key(2)]),
        (Step::Speak, vec![key(2), key(1)]),
        (Step::Require, vec![key(2)]),
    ] {
        let answer = node.ask(key_request(step, token), true);
        assert_eq!((answer.reached, answer.result), (Some(step), Ok(Took::Done)));
        assert_eq!(node.keys(), keys);
        assert_ne!(answer.token, token);
        token = answer.token;
    }
}

#[test]
fn a_request_that_was_recorded_is_of_no_use() {
    let mut node = Node::with_key(1);
    let token = node.ask(key_request(Step::Accept, NOBODYS), true).token;
    let recorded = key_request(Step::Accept, token);
    assert_eq!(node.ask(recorded.clone(), true).result, Ok(Took::Done));
    node.machine.remove_key(&key(2)).unwrap();

    let again = node.ask(recorded, true);

    assert_eq!(again.result, Ok(Took::Told));
    assert_eq!(node.keys(), [key(1)]);
}

#[test]
fn a_step_before_its_time_is_refused() {
    let mut node = Node::with_key(1);
    let token = node.ask(key_request(Step::Accept, NOBODYS), true).token;
    let token = node.ask(key_request(Step::Accept, token), true).token;

    let hasty = node.ask(key_request(Step::Require, token), true);

    assert_eq!((hasty.reached, hasty.result), (Some(Step::Accept), Err(StepRefusal::Order)));
    assert_eq!(node.keys(), [key(1), key(2)]);
}

#[test]
fn a_key_is_neither_taken_in_clear_nor_from_who_does_not_hold_it() {
    let mut node = Node::with_key(1);
    let token = node.ask(key_request(Step::Accept, NOBODYS), true).token;

    assert_eq!(node.ask(key_request(Step::Accept, token), false).result, Err(StepRefusal::Clear));
    // Sealed under another key than the one sent.
    let forged = request(MigrationKind::Key, Step::Accept, &key(3), token, &[2; 32]);
    assert_eq!(node.ask(forged, true).result, Err(StepRefusal::NoKey));
    let no_key = request(MigrationKind::Key, Step::Accept, &key(2), token, &[2; 31]);
    assert_eq!(node.ask(no_key, true).result, Err(StepRefusal::NoKey));

    assert_eq!(node.keys(), [key(1)]);
}

#[test]
fn one_migration_is_obeyed_at_a_time() {
    let mut node = Node::with_key(1);
    let token = node.ask(key_request(Step::Accept, NOBODYS), true).token;
    let token = node.ask(key_request(Step::Accept, token), true).token;
    let other = |token| request(MigrationKind::Key, Step::Accept, &key(3), token, &[3; 32]);

    assert_eq!(node.ask(other(token), true).result, Err(StepRefusal::Busy));
    node.now += Duration::from_secs(61);
    assert_eq!(node.ask(other(token), true).result, Ok(Took::Done));

    assert_eq!(node.keys(), [key(1), key(2), key(3)]);
}

#[test]
fn the_way_to_encryption_is_shown_by_who_holds_the_key_and_never_leads_back() {
    let config = PoolConfig {
        keyring: Keyring::new([], Some(key(2))).unwrap(),
        gossip_verify_incoming: false,
        gossip_verify_outgoing: false,
        ..PoolConfig::lan(1)
    };
    let mut node = Node::of(config);
    let ask = |step, token| request(MigrationKind::Encryption, step, &key(2), token, &[]);
    let stranger = request(MigrationKind::Encryption, Step::Speak, &key(3), NOBODYS, &[]);
    assert_eq!(node.ask(stranger, false).result, Err(StepRefusal::NoKey));

    let mut token = node.ask(ask(Step::Accept, NOBODYS), false).token;
    for step in [Step::Speak, Step::Require, Step::Accept, Step::Speak] {
        let answer = node.ask(ask(step, token), false);
        assert_eq!(answer.result, Ok(Took::Done), "{step}");
        token = answer.token;
    }

    assert!(node.machine.wire().verify_incoming && node.machine.wire().verify_outgoing);
}

#[test]
fn what_the_configuration_does_not_allow_is_refused_and_counted() {
    let keyring = Keyring::new([], Some(key(1))).unwrap();
    let mut node =
        Node::of(PoolConfig { keyring, remote_migration: RemoteMigration::Never, ..PoolConfig::lan(1) });
    assert_eq!(node.ask(key_request(Step::Accept, NOBODYS), true).result, Err(StepRefusal::Forbidden));
    assert_eq!(node.machine.stats().steps_refused, 1);

    let label = |token: Token| StepRequest {
        kind: MigrationKind::Label,
        step: Step::Accept,
        token: token.to_vec(),
        body: Zeroizing::new(b"blue".to_vec()),
    };
    let mut node = Node::of(PoolConfig::lan(1));
    assert_eq!(node.ask(label(NOBODYS), false).result, Err(StepRefusal::Clear));
    let mut node = Node::of(PoolConfig { remote_migration: RemoteMigration::Always, ..PoolConfig::lan(1) });
    let token = node.ask(label(NOBODYS), false).token;
    let answer = node.ask(label(token), false);
    assert_eq!((answer.reached, answer.result), (Some(Step::Accept), Ok(Took::Done)));
    assert_eq!(node.machine.stats().steps_taken, 1);
}

/// The example of the manual, byte for byte.
#[test]
fn a_request_stands_in_the_header_of_an_empty_user_message() {
    let request = StepRequest {
        kind: MigrationKind::Label,
        step: Step::Speak,
        token: vec![7; 12],
        body: Zeroizing::new(b"blue".to_vec()),
    };

    let plain = stream::encode_step(&request, &ticket());

    let ack = [&[1, 2, 3, 4, 5, 6, 7, 8, 0, 0, 0, 0, 0, 0, 0, 9][..], b"boss"].concat();
    let step = [&[3, 2, 12][..], &[7; 12], b"blue"].concat();
    let message = [
        &[8, 0x83, 0xa3][..],
        b"Ack",
        &[0xb4],
        &ack,
        &[0xa4],
        b"Step",
        &[0xb3],
        &step,
        &[0xaa],
        b"UserMsgLen",
        &[0],
    ];
    assert_eq!(plain.as_slice(), message.concat());
    let answer =
        StepAnswer { token: [5; 12], reached: Some(Step::Accept), result: Ok(Took::Draining), crowd: 7 };
    assert_eq!(answer.encode(), [&[1][..], &[5; 12], &[1, 1], &[0, 0, 0, 0, 0, 0, 0, 7]].concat());
}
