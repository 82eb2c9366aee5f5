//! A running pool moves as a whole, by one call on one of its nodes; messages flow all the while.

use std::net::TcpListener;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::Duration;

use gossip_core::base::name::NodeName;
use gossip_core::pool::action::{Delivery, UserMessage};
use gossip_core::pool::config::PoolConfig;
use gossip_core::pool::migration::{
    Migrated, Migration, MigrationOptions, MigrationReport, RemoteMigration, Step, StepRefusal, Trouble,
};
use gossip_core::runtime::call::{Request, Response};
use gossip_core::runtime::delegate::Delegate;
use gossip_core::runtime::error::Error;
use gossip_core::runtime::gossip::Gossip;
use gossip_core::runtime::pool::Pool;
use gossip_core::swim::node::Member;
use gossip_core::wire::keyring::{Key, Keyring};

use super::support::*;

fn key(byte: u8) -> Key {
    Key::new(&[byte; 32]).unwrap()
}

fn with_key(byte: u8) -> PoolConfig {
    PoolConfig { keyring: Keyring::new([], Some(key(byte))).unwrap(), ..quick(1) }
}

/// Counts messages, and notes the steps with the keys that there were then, as a program that
/// saves them would.
#[derive(Default)]
struct Keeper {
    messages: AtomicUsize,
    lost: AtomicUsize,
    steps: Mutex<Vec<Migrated>>,
}

impl Delegate for Keeper {
    fn notify_msg(&self, _: &UserMessage) {
        self.messages.fetch_add(1, SeqCst);
    }
    fn notify_leave(&self, _: &Member) {
        self.lost.fetch_add(1, SeqCst);
    }
    fn notify_migrated(&self, migrated: &Migrated) {
        self.steps.lock().unwrap().push(migrated.clone());
    }
}

struct Cluster {
    nodes: Vec<(Gossip, Pool, Arc<Keeper>)>,
}

impl Cluster {
    fn of(count: usize, config: &PoolConfig) -> Self {
        let mut nodes: Vec<(Gossip, Pool, Arc<Keeper>)> = Vec::new();
        for number in 0..count {
            let (gossip, keeper) = (node(&format!("n{number}")), Arc::new(Keeper::default()));
            let pool = gossip.register_pool(config.clone(), Some(keeper.clone())).unwrap();
            gossip.start().unwrap();
            if let Some((seed, ..)) = nodes.first() {
                join(&pool, seed);
            }
            nodes.push((gossip, pool, keeper));
        }
        eventually("all know all", || nodes.iter().all(|(_, pool, _)| pool.num_members() == count));
        Self { nodes }
    }

    fn pool(&self, number: usize) -> &Pool {
        &self.nodes[number].1
    }

    fn all_hold(&self, keys: &[Key]) -> bool {
        self.nodes.iter().all(|(_, pool, _)| pool.keys().unwrap() == keys)
    }

    fn refused(&self) -> u64 {
        self.nodes.iter().map(|(_, pool, _)| pool.stats().unwrap().machine.refused.total()).sum()
    }

    /// Runs `change` while every node sends reliable messages and broadcasts; all arrive, once.
    fn while_messages_flow<T>(&self, change: impl FnOnce() -> T) -> T {
        let (stop, sent) = (AtomicBool::new(false), AtomicUsize::new(0));
        let result = thread::scope(|scope| {
            for (number, (_, pool, _)) in self.nodes.iter().enumerate() {
                let (stop, sent) = (&stop, &sent);
                scope.spawn(move || {
                    let mut round = number;
                    while !stop.load(SeqCst) {
                        round += 1;
                        let to = format!("n{}", round % self.nodes.len());
                        if to.as_bytes() != pool.local_node().unwrap().name().as_bytes() {
                            let delivery = pool.send_reliable(&member(pool, &to), b"stream", PATIENCE);
                            assert_eq!(delivery.unwrap(), Delivery::Acknowledged);
                            sent.fetch_add(1, SeqCst);
                        }
                        pool.broadcast(b"broadcast", PATIENCE).unwrap();
                        sent.fetch_add(self.nodes.len() - 1, SeqCst);
                        thread::sleep(Duration::from_millis(10));
                    }
                });
            }
            thread::sleep(Duration::from_millis(100));
            let result = change();
            thread::sleep(Duration::from_millis(100));
            stop.store(true, SeqCst);
            result
        });
        let got = || self.nodes.iter().map(|(.., keeper)| keeper.messages.load(SeqCst)).sum::<usize>();
        eventually("every message has arrived", || got() >= sent.load(SeqCst));
        assert_eq!(got(), sent.load(SeqCst), "and none twice");
        assert_eq!(self.refused(), 0, "nothing was refused");
        assert!(self.nodes.iter().all(|(.., keeper)| keeper.lost.load(SeqCst) == 0), "nobody was lost");
        result
    }
}

fn missing(error: Error) -> MigrationReport {
    match error {
        Error::Migration(report) => *report,
        other => panic!("{other}"),
    }
}

#[test]
fn a_key_is_rotated_in_one_call_and_every_application_is_told() {
    let cluster = Cluster::of(5, &with_key(1));

    let report = cluster.while_messages_flow(|| cluster.pool(1).rotate_key(key(2), PATIENCE)).unwrap();

    assert!(report.is_complete() && report.members.len() == 5, "{report}");
    assert_eq!(report.to_string(), "key: all 5 members have taken require");
    assert!(cluster.all_hold(&[key(2)]));
    for (_, _, keeper) in &cluster.nodes {
        let steps = || keeper.steps.lock().unwrap().iter().map(|told| told.step).collect::<Vec<_>>();
        eventually("it is told of each step", || steps() == Step::ALL);
        assert!(keeper.steps.lock().unwrap().iter().all(|told| told.by == *"n1"));
    }
    let stranger = node("stranger");
    let pool = stranger.register_pool(with_key(1), None).unwrap();
    stranger.start().unwrap();
    pool.join(&[cluster.nodes[0].0.local_addr().to_string()], PATIENCE).unwrap_err();
}

#[test]
fn a_pool_moves_to_encryption_and_to_a_label_in_one_call_each() {
    let (gossip_verify_incoming, gossip_verify_outgoing) = (false, false);
    let cluster =
        Cluster::of(4, &PoolConfig { gossip_verify_incoming, gossip_verify_outgoing, ..with_key(1) });
    let (mut told, options) = (Vec::new(), MigrationOptions::default());

    cluster.while_messages_flow(|| {
        let to = Migration::Encryption(key(1));
        cluster.pool(0).migrate(to, options, PATIENCE, |news| told.push(news.clone())).unwrap();
        for label in ["blue", ""] {
            let to = Migration::Label(label.into());
            cluster.pool(3).migrate(to, options, PATIENCE, |_| {}).unwrap();
        }
    });

    for step in Step::ALL {
        let of_step = told.iter().filter(|news| news.step == step && news.trouble.is_none());
        assert_eq!(of_step.map(|news| (news.done, news.total)).max(), Some((4, 4)), "{told:?}");
    }
    let plain = node("plain");
    let pool = plain.register_pool(quick(1), None).unwrap();
    plain.start().unwrap();
    pool.join(&[cluster.nodes[0].0.local_addr().to_string()], PATIENCE).unwrap_err();
}

#[test]
fn who_is_silent_is_named_and_the_call_can_be_repeated() {
    let cluster = Cluster::of(3, &with_key(1));
    // A member that is no node at all: whoever connects waits.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = silent.local_addr().unwrap().port();
    let gossip = Gossip::new(gossip_core::Config {
        advertise_addr: Some([127, 0, 0, 1].into()),
        advertise_port: port,
        ..loopback("silent")
    });
    let gossip = gossip.unwrap();
    let pool = gossip.register_pool(with_key(1), None).unwrap();
    gossip.start().unwrap();
    pool.join(&[cluster.nodes[0].0.local_addr().to_string()], PATIENCE).unwrap();

    let error = cluster.pool(0).rotate_key(key(2), Duration::from_secs(2)).unwrap_err();

    let text = error.to_string();
    let report = missing(error);
    let who = report.missing.iter().find(|missing| missing.member == *"silent").expect(&text);
    assert!(matches!(who.trouble, Trouble::Unanswered(_) | Trouble::Lost | Trouble::Waiting), "{text}");
    assert_eq!(report.reached, None, "{text}");
    assert!(cluster.all_hold(&[key(1)]), "nothing has changed");

    let options = MigrationOptions { without_lost: true, ..MigrationOptions::default() };
    drop(pool);
    gossip.shutdown(PATIENCE).unwrap();
    let knows = |(_, pool, keeper): &(Gossip, Pool, Arc<Keeper>)| {
        pool.num_members() == 3 && keeper.lost.load(SeqCst) == 1
    };
    eventually("all know that it is dead", || cluster.nodes.iter().all(knows));
    let report = cluster.while_messages_flow_but_lost(|| {
        cluster.pool(2).migrate(Migration::Key(key(2)), options, PATIENCE, |_| {}).unwrap()
    });
    assert!(cluster.all_hold(&[key(2)]));
    assert!(report.lost.is_empty() || report.lost == [NodeName::from("silent")], "{report:?}");
}

#[test]
fn a_node_that_obeys_nobody_is_named_before_anything_changes() {
    let cluster = Cluster::of(3, &with_key(1));
    let stubborn = node("stubborn");
    let config = PoolConfig { remote_migration: RemoteMigration::Never, ..with_key(1) };
    let pool = stubborn.register_pool(config, None).unwrap();
    stubborn.start().unwrap();
    join(&pool, &cluster.nodes[0].0);
    eventually("all know it", || cluster.nodes.iter().all(|(_, pool, _)| pool.num_members() == 4));

    let error = cluster.pool(0).rotate_key(key(2), PATIENCE).unwrap_err();

    let forbids = "stubborn refuses: its remote_migration does not allow it";
    assert_eq!(error.to_string(), format!("migration of the key: accept was not taken by all: {forbids}"));
    let report = missing(error);
    assert_eq!(report.missing[0].trouble, Trouble::Refused(StepRefusal::Forbidden));
    assert!(cluster.all_hold(&[key(1)]));
    // Its own word counts: it may see to others.
    let report = pool.rotate_key(key(2), PATIENCE).unwrap();
    assert_eq!(report.members.len(), 4);
    assert!(cluster.all_hold(&[key(2)]));
}

#[test]
fn a_call_that_does_not_block_tells_how_far_it_is() {
    let cluster = Cluster::of(3, &with_key(1));
    let (told, news) = mpsc::channel();
    let (done, end) = mpsc::channel();
    let request = Request::Migrate(Migration::Key(key(2)), MigrationOptions::default(), Some(told));

    let _call = cluster.pool(0).call(request, PATIENCE, move |result| done.send(result).unwrap()).unwrap();

    let result = end.recv_timeout(PATIENCE).unwrap().unwrap();
    assert!(matches!(result, Response::Migrated(report) if report.is_complete()));
    assert!(news.into_iter().filter(|news| news.trouble.is_none()).count() >= 9);
}

impl Cluster {
    /// The same for nodes that have lost somebody before.
    fn while_messages_flow_but_lost<T>(&self, change: impl FnOnce() -> T) -> T {
        self.nodes.iter().for_each(|(.., keeper)| keeper.lost.store(0, SeqCst));
        self.while_messages_flow(change)
    }
}
