//! The wire in every dress: compressed, encrypted, both, under a label; and keys that differ
//! or change while the cluster runs.

use gossip_core::{Keyring, PoolConfig};
use gossip_interop::{
    Ours, Program, Release, bare, eventually, key, keyring, know, labelled, meet, memberlist_or_skip, talk,
};

const KEYS: [&[u8]; 3] = [&[1; 16], &[2; 24], &[3; 32]];

/// Runs a test with every release.
fn with_each_release(test: impl Fn(&Program)) {
    for release in Release::ALL {
        if let Some(go) = memberlist_or_skip(release) {
            test(&go);
        }
    }
}

#[test]
fn compressed_or_not_is_each_senders_own_affair() {
    with_each_release(|go| {
        for (we, they) in [(false, false), (true, true), (false, true)] {
            let ours = Ours::start("ours", PoolConfig { compression: we, ..bare() });
            let go = go.peer("go").compress(they).start();
            meet(&ours, &go);
            talk(&ours, &go);
        }
    });
}

#[test]
fn encrypted_with_keys_of_each_size() {
    with_each_release(|go| {
        for key in KEYS {
            let ours =
                Ours::start("ours", PoolConfig { keyring: keyring(&[key]), compression: false, ..bare() });
            let go = go.peer("go").key(key).compress(false).start();
            meet(&go, &ours);
            talk(&ours, &go);
        }
    });
}

#[test]
fn encrypted_and_compressed() {
    with_each_release(|go| {
        let ours = Ours::start("ours", PoolConfig { keyring: keyring(&[KEYS[2]]), ..bare() });
        let go = go.peer("go").key(KEYS[2]).start();
        meet(&ours, &go);
        talk(&ours, &go);
    });
}

#[test]
fn protocol_version_1_encrypts_in_its_old_way() {
    with_each_release(|go| {
        let config = PoolConfig { keyring: keyring(&[KEYS[0]]), protocol_version: 1, ..bare() };
        let ours = Ours::start("ours", config);
        let go = go.peer("go").key(KEYS[0]).start();
        // Version 1 knows no ports of others and takes its own; so only Go can reach us, and
        // what it understands of our old encryption is its answer to the join.
        go.join(ours.addr());
        go.wait_member("ours");
        assert_eq!(ours.refused("no_key"), 0);
    });
}

#[test]
fn another_key_meets_nobody_and_is_counted() {
    with_each_release(|go| {
        let ours = Ours::start("ours", PoolConfig { keyring: keyring(&[KEYS[0]]), ..bare() });
        let stranger = go.peer("stranger").key(&[9; 16]).start();

        assert!(stranger.try_command(&format!("join {}", ours.addr())).is_err());
        assert!(ours.try_join(stranger.addr()).is_err());

        eventually("the wrong key is counted", || ours.refused("no_key") > 0);
        assert_eq!(ours.pool().num_members(), 1);
    });
}

#[test]
fn a_plain_node_does_not_get_into_an_encrypted_pool() {
    with_each_release(|go| {
        let ours = Ours::start("ours", PoolConfig { keyring: keyring(&[KEYS[0]]), ..bare() });
        let plain = go.peer("plain").start();

        assert!(plain.try_command(&format!("join {}", ours.addr())).is_err());

        eventually("plain text is counted", || ours.refused("not_encrypted") > 0);
    });
}

#[test]
fn keys_are_rotated_while_the_cluster_runs() {
    with_each_release(|go| {
        let (old, new) = (KEYS[0], KEYS[2]);
        let ours = Ours::start("ours", PoolConfig { keyring: keyring(&[old]), ..bare() });
        let go = go.peer("go").key(old).start();
        meet(&ours, &go);

        let pool = ours.pool();
        pool.add_key(key(new)).unwrap();
        go.add_key(new);
        go.use_key(new);
        talk(&ours, &go);
        pool.use_key(&key(new)).unwrap();
        go.remove_key(old);
        pool.remove_key(&key(old)).unwrap();
        talk(&ours, &go);

        assert_eq!(pool.keys().unwrap().len(), 1);
        know(&ours, &go);
    });
}

/// Releases that know labels.
fn with_each_labelling_release(test: impl Fn(&Program)) {
    for release in Release::ALL.into_iter().filter(|release| release.has_labels()) {
        if let Some(go) = memberlist_or_skip(release) {
            test(&go);
        }
    }
}

#[test]
fn a_label_pool_stands_among_labelled_nodes_plain_and_encrypted() {
    with_each_labelling_release(|go| {
        for keys in [Keyring::default(), keyring(&[KEYS[1]])] {
            let peer = go.peer("go").label("blue");
            let peer = if keys.is_empty() { peer } else { peer.key(KEYS[1]) };
            let ours = Ours::start("ours", PoolConfig { keyring: keys, ..labelled("blue") });
            let go = peer.start();
            meet(&ours, &go);
            talk(&ours, &go);
        }
    });
}

#[test]
fn another_label_meets_nobody_and_is_counted() {
    with_each_labelling_release(|go| {
        let ours = Ours::start("ours", labelled("blue"));
        let other = go.peer("other").label("green").start();

        assert!(other.try_command(&format!("join {}", ours.addr())).is_err());
        assert!(ours.try_join(other.addr()).is_err());

        assert_eq!(ours.pool().num_members(), 1);
        // The port has no owner for such a connection; without a native listener it is closed.
        eventually("the stray connection is counted", || ours.node().stats().connections_no_listener > 0);
    });
}
