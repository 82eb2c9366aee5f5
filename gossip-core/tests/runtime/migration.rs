//! A running pool moves to encryption and to a label; its nodes never lose each other.

use std::sync::Arc;
use std::time::Duration;

use gossip_core::mux::prefix::Framing;
use gossip_core::pool::action::Asks;
use gossip_core::pool::config::PoolConfig;
use gossip_core::runtime::delegate::Delegate;
use gossip_core::runtime::error::Error;
use gossip_core::runtime::gossip::Gossip;
use gossip_core::runtime::pool::Pool;
use gossip_core::swim::node::Member;
use gossip_core::wire::keyring::Key;

use super::support::*;

const SOON: Duration = Duration::from_millis(100);

fn bare(id: u8) -> PoolConfig {
    PoolConfig { framing: Framing::Bare, ..quick(id) }
}

fn labelled(id: u8, label: &'static str) -> PoolConfig {
    PoolConfig { framing: Framing::Label(label.into()), ..quick(id) }
}

/// A message reaches the other by stream, and by datagram.
fn talk(from: &Pool, to: &str, told: &Recorder, text: &str) {
    from.send_reliable(&member(from, to), text.as_bytes(), PATIENCE).unwrap();
    told.expect(&format!("stream {text}"));
    from.send_best_effort(&member(from, to), text.as_bytes()).unwrap();
    told.expect(&format!("datagram {text}"));
}

#[test]
fn a_pool_moves_from_bare_to_a_label_and_the_nodes_talk_in_every_step() {
    let (a, pool_a, told_a) = started_with("a", bare(1));
    let (_b, pool_b, told_b) = started_with("b", bare(1));
    join(&pool_b, &a);
    let talk = |step: &str| {
        talk(&pool_a, "b", &told_b, &format!("{step} from a"));
        talk(&pool_b, "a", &told_a, &format!("{step} from b"));
    };

    for (step, change) in [
        ("accept", Pool::accept_label as fn(&Pool, &[u8]) -> Result<(), Error>),
        ("speak", Pool::speak_label),
        ("require", Pool::require_label),
    ] {
        for pool in [&pool_a, &pool_b] {
            change(pool, b"x").unwrap();
            change(pool, b"x").unwrap();
            talk(step);
        }
    }

    let (_c, pool_c, _) = started_with("c", labelled(1, "x"));
    join(&pool_c, &a);
    let (_d, pool_d, _) = started_with("d", bare(1));
    pool_d.join(&[a.local_addr().to_string()], PATIENCE).unwrap_err();
    assert!(told_a.count("left b") + told_b.count("left a") == 0, "nobody was lost");
}

#[test]
fn a_pool_that_accepts_both_labels_is_entered_under_either() {
    let config = PoolConfig { next_label: Some("x".into()), ..bare(1) };
    let (a, pool_a, told_a) = started_with("a", config);
    let (_old, pool_old, told_old) = started_with("old", bare(1));
    let (_new, pool_new, told_new) = started_with("new", labelled(1, "x"));

    join(&pool_old, &a);
    join(&pool_new, &a);
    eventually("both are known", || pool_a.num_members() == 3);

    // Under which label a node speaks is known once it has spoken.
    let answers = |name: &str| pool_a.ping(&member(&pool_a, name), SOON).is_ok();
    eventually("both answer", || answers("old") && answers("new"));
    talk(&pool_a, "old", &told_old, "to the old");
    talk(&pool_a, "new", &told_new, "to the new");
    talk(&pool_old, "a", &told_a, "from the old");
    talk(&pool_new, "a", &told_a, "from the new");
}

#[test]
fn a_label_that_cannot_be_is_refused_and_changes_nothing() {
    let gossip = node("a");
    let pool = gossip.register_pool(bare(1), None).unwrap();
    gossip.register_pool(labelled(2, "taken"), None).unwrap();
    assert!(matches!(pool.accept_label(b"x"), Err(Error::NotStarted)));
    gossip.start().unwrap();

    for (refused, expected) in [
        (pool.accept_label(b"taken"), "label \"taken\" is taken by pool 2"),
        (pool.accept_label(b""), "next_label is 0 bytes long, must differ from the label"),
        (pool.speak_label(&[b'x'; 256]), "framing is 262 bytes long, must be label: and 1 to 255 bytes"),
        (
            pool.accept_label(&[b'x'; 256]),
            "next_label is 262 bytes long, must be label: and at most 255 bytes",
        ),
    ] {
        let error = refused.unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }

    let (_b, pool_b, _) = started_with("b", bare(1));
    join(&pool_b, &gossip);
    let second = pool
        .accept_label(b"free")
        .and_then(|()| gossip.pool(gossip_core::PoolId(2)).unwrap().accept_label(b""));
    assert_eq!(second.unwrap_err().to_string(), "pool 1 is bare already, at most one pool of a port may be");
}

#[test]
fn a_pool_moves_from_plain_to_encrypted_and_the_nodes_talk_in_every_step() {
    let key = || Key::new(&[9; 32]).unwrap();
    let (a, pool_a, told_a) = started_with("a", quick(1));
    let (_b, pool_b, told_b) = started_with("b", quick(1));
    join(&pool_b, &a);

    for (step, incoming, outgoing) in
        [("accept", false, false), ("speak", false, true), ("require", true, true)]
    {
        for pool in [&pool_a, &pool_b] {
            pool.set_gossip_verify(incoming, outgoing).unwrap();
            pool.add_key(key()).unwrap();
            talk(&pool_a, "b", &told_b, &format!("{step} from a"));
            talk(&pool_b, "a", &told_a, &format!("{step} from b"));
        }
    }

    let (_c, pool_c, _): (Gossip, _, _) = started_with("c", quick(1));
    pool_c.join(&[a.local_addr().to_string()], PATIENCE).unwrap_err();
    assert!(told_a.count("left b") + told_b.count("left a") == 0, "nobody was lost");
}

#[test]
fn a_seed_that_closed_under_both_labels_is_asked_under_our_own_again() {
    let config = PoolConfig { next_label: Some("x".into()), ..quick(1) };
    let (_a, pool_a, _) = started_with("a", config);
    // It closes what is for a pool that it does not have yet.
    let late = node("late");
    late.start().unwrap();
    pool_a.join(&[late.local_addr().to_string()], PATIENCE).unwrap_err();

    late.register_pool(quick(1), None).unwrap();

    join(&pool_a, &late);
}

#[test]
fn a_merge_that_the_delegate_refuses_is_not_tried_under_the_next_label() {
    struct Choosy;
    impl Delegate for Choosy {
        fn asks(&self) -> Asks {
            Asks { admit_merge: true, ..Asks::default() }
        }
        fn notify_merge(&self, _: &[Member]) -> Result<(), String> {
            Err("not these".to_owned())
        }
    }
    let (seed, _, _) = started("seed");
    let choosy = node("choosy");
    let config = PoolConfig { next_label: Some("x".into()), ..quick(1) };
    let pool = choosy.register_pool(config, Some(Arc::new(Choosy))).unwrap();
    choosy.start().unwrap();

    let error = pool.join(&[seed.local_addr().to_string()], PATIENCE).unwrap_err().to_string();

    assert!(error.contains("merge was refused by the application"), "{error}");
}

#[test]
fn the_room_for_a_broadcast_follows_the_keys_and_the_labels_at_once() {
    let gossip = node("a");
    let pool = gossip.register_pool(labelled(1, "x"), None).unwrap();
    gossip.start().unwrap();

    let plain = pool.max_broadcast_size();
    pool.accept_label(b"a longer one").unwrap();
    let labelled = pool.max_broadcast_size();
    pool.add_key(Key::new(&[9; 32]).unwrap()).unwrap();

    assert!(labelled < plain, "{labelled} {plain}");
    assert!(pool.max_broadcast_size() < labelled);
    pool.broadcast(&vec![0; pool.max_broadcast_size()], PATIENCE).unwrap();
}
