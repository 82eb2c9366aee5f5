//! Encrypted pools: who gets in, and how keys are changed.

use std::time::Duration;

use gossip_core::pool::config::PoolConfig;
use gossip_core::runtime::error::Error;
use gossip_core::wire::keyring::{Key, Keyring};

use super::support::*;

fn key(byte: u8) -> Key {
    Key::new(&[byte; 32]).unwrap()
}

fn encrypted(keys: &[u8]) -> PoolConfig {
    let mut keyring = Keyring::default();
    keys.iter().for_each(|byte| keyring.add(key(*byte)));
    PoolConfig { keyring, enable_compression: true, ..quick(1) }
}

#[test]
fn an_encrypted_and_compressed_pool_works_like_any_other() {
    let (a, pool_a, told_a) = started_with("a", encrypted(&[1]));
    let (_b, pool_b, told_b) = started_with("b", PoolConfig { label: "blue".into(), ..encrypted(&[1]) });
    pool_b.join(&[a.local_addr().to_string()], PATIENCE).unwrap_err();
    let (_c, pool_c, _) = started_with("c", encrypted(&[1]));

    join(&pool_c, &a);
    let long = "long and dull ".repeat(70);
    pool_c.broadcast(long.as_bytes(), PATIENCE).unwrap();
    pool_c.send_reliable(&member(&pool_c, "a"), long.as_bytes(), PATIENCE).unwrap();

    told_a.expect(&format!("datagram {long}"));
    told_a.expect(&format!("stream {long}"));
    assert_eq!(names(&pool_a), ["a", "c"], "another label is another cluster");
    assert_eq!(told_b.count("joined a"), 0);
}

#[test]
fn a_wrong_key_is_refused_and_counted() {
    let (a, pool_a, _) = started_with("a", encrypted(&[1]));
    let (_b, pool_b, _) = started_with("b", encrypted(&[2]));
    let refused = || pool_a.stats().unwrap().machine.refused.total();

    let error = pool_b.join(&[a.local_addr().to_string()], Duration::from_secs(5)).unwrap_err();
    assert!(matches!(error, Error::Join(_)), "{error:?}");
    eventually("the stream was counted", || refused() >= 1);
    let before = refused();
    pool_b.send_to_address(a.local_addr(), b"let me in").unwrap();

    eventually("the datagram was counted", || refused() > before);
    assert_eq!(names(&pool_a), ["a"]);
    assert_eq!(names(&pool_b), ["b"]);
}

#[test]
fn keys_are_changed_while_the_pool_runs() {
    let (a, pool_a, told_a) = started_with("a", encrypted(&[1]));
    let (_b, pool_b, _) = started_with("b", encrypted(&[1]));
    join(&pool_b, &a);

    for pool in [&pool_a, &pool_b] {
        pool.add_key(key(2)).unwrap();
    }
    for pool in [&pool_a, &pool_b] {
        pool.use_key(&key(2)).unwrap();
    }
    for pool in [&pool_a, &pool_b] {
        assert!(matches!(pool.remove_key(&key(2)), Err(Error::Command(_))), "the one in use stays");
        pool.remove_key(&key(1)).unwrap();
        assert_eq!(pool.keys().unwrap(), [key(2)]);
    }

    pool_b.send_reliable(&member(&pool_b, "a"), b"by stream", PATIENCE).unwrap();
    pool_b.broadcast(b"by datagram", PATIENCE).unwrap();
    told_a.expect("stream by stream");
    told_a.expect("datagram by datagram");
    assert!(matches!(pool_a.use_key(&key(9)), Err(Error::Command(_))));
}
