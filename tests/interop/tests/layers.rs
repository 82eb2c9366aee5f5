//! What goes around messages: compression, encryption, labels. Each with every release that has it.

use gossip_core::PoolConfig;
use gossip_interop::{
    Launch, Ours, Program, Release, bare, eventually, key, keyring, labelled, meet, memberlist_or_skip,
    own_address, talk,
};

const KEY_16: &[u8] = &[16; 16];
const KEY_24: &[u8] = &[24; 24];
const KEY_32: &[u8] = &[32; 32];

/// Lets a node of ours and one of each release talk; both are set up alike.
fn talk_with_each(releases: &[Release], ours: PoolConfig, set_up: impl Fn(Launch) -> Launch) {
    for release in releases {
        let Some(go) = memberlist_or_skip(*release) else { return };
        let ours = Ours::start("ours", ours.clone());
        let go = set_up(go.peer("go")).start();

        meet(&go, &ours);
        talk(&ours, &go);
        assert_eq!(ours.all_refused(), [], "by {}", go.version());
    }
}

#[test]
fn in_clear_and_uncompressed() {
    let ours = PoolConfig { enable_compression: false, ..bare() };
    talk_with_each(&Release::ALL, ours, |go| go.compress(false));
}

#[test]
fn compressed() {
    let ours = PoolConfig { enable_compression: true, ..bare() };
    talk_with_each(&Release::ALL, ours, |go| go.compress(true));
}

#[test]
fn compressed_by_go_only() {
    let ours = PoolConfig { enable_compression: false, ..bare() };
    talk_with_each(&Release::ALL, ours, |go| go.compress(true));
}

#[test]
fn compressed_by_us_only() {
    let ours = PoolConfig { enable_compression: true, ..bare() };
    talk_with_each(&Release::ALL, ours, |go| go.compress(false));
}

#[test]
fn encrypted_with_16_bytes() {
    let ours = PoolConfig { keyring: keyring(&[KEY_16]), enable_compression: false, ..bare() };
    talk_with_each(&Release::ALL, ours, |go| go.key(KEY_16).compress(false));
}

#[test]
fn encrypted_with_24_bytes() {
    let ours = PoolConfig { keyring: keyring(&[KEY_24]), enable_compression: false, ..bare() };
    talk_with_each(&Release::ALL, ours, |go| go.key(KEY_24).compress(false));
}

#[test]
fn encrypted_with_32_bytes() {
    let ours = PoolConfig { keyring: keyring(&[KEY_32]), enable_compression: false, ..bare() };
    talk_with_each(&Release::ALL, ours, |go| go.key(KEY_32).compress(false));
}

#[test]
fn compressed_and_encrypted() {
    let ours = PoolConfig { keyring: keyring(&[KEY_32]), ..bare() };
    talk_with_each(&Release::ALL, ours, |go| go.key(KEY_32));
}

/// Version 1 pads what it encrypts (encryption version 0), and knows no ports but its own,
/// so each node has an address and all have the same port (wire document 12).
#[test]
fn encrypted_as_protocol_version_1_does() {
    for release in Release::ALL {
        let Some(go) = memberlist_or_skip(release) else { return };
        let ours = PoolConfig { protocol_version: 1, keyring: keyring(&[KEY_16]), ..bare() };
        let ours = Ours::start_at("ours", (own_address(100 + release as u8), 7946).into(), ours);
        let go = go.peer("go").protocol(1).key(KEY_16);
        let go = go.at((own_address(110 + release as u8), 7946).into()).start();

        meet(&ours, &go);
        talk(&go, &ours);
        assert_eq!(ours.member("go").node.versions.pcur, 1);
        assert_eq!(go.wait_member("ours").vsn, [1, 5, 1, 0, 0, 0]);
        assert_eq!(ours.all_refused(), [], "by {}", go.version());
    }
}

#[test]
fn every_protocol_version_is_spoken_to_every_other() {
    for release in Release::ALL {
        let Some(go) = memberlist_or_skip(release) else { return };
        for (we, they) in [(2, 3), (3, 4), (4, 5), (5, 2)] {
            let ours = Ours::start("ours", PoolConfig { protocol_version: we, ..bare() });
            let go = go.peer("go").protocol(they).start();

            meet(&go, &ours);

            assert_eq!(go.wait_member("ours").vsn, [1, 5, we, 0, 0, 0]);
            assert_eq!(ours.member("go").node.versions.to_bytes(), [1, 5, they, 0, 0, 0]);
        }
    }
}

#[test]
fn a_wrong_key_lets_nobody_in_and_is_counted() {
    for release in Release::ALL {
        let Some(go) = memberlist_or_skip(release) else { return };
        let ours = Ours::start("ours", PoolConfig { keyring: keyring(&[KEY_16]), ..bare() });
        let go = go.peer("go").key(KEY_32).start();

        assert!(go.try_command(&format!("join {}", ours.addr())).is_err());
        eventually("the stream is refused", || ours.refused("no_key") > 0);
        assert!(ours.try_join(go.addr()).is_err());

        assert_eq!((ours.pool().num_members(), go.members().len()), (1, 1), "{}", go.version());
    }
}

#[test]
fn clear_text_and_encryption_do_not_mix() {
    for release in Release::ALL {
        let Some(go) = memberlist_or_skip(release) else { return };
        let closed = Ours::start("closed", PoolConfig { keyring: keyring(&[KEY_16]), ..bare() });
        let open = Ours::start("open", bare());
        let clear = go.peer("clear").start();
        let secret = go.peer("secret").key(KEY_16).start();

        assert!(clear.try_command(&format!("join {}", closed.addr())).is_err());
        assert!(secret.try_command(&format!("join {}", open.addr())).is_err());
        assert!(closed.try_join(clear.addr()).is_err());
        assert!(open.try_join(secret.addr()).is_err());

        eventually("clear text is refused", || closed.refused("not_encrypted") > 0);
        eventually("encryption is refused", || open.refused("encrypted") > 0);
    }
}

#[test]
fn a_key_is_changed_while_the_cluster_runs() {
    for release in Release::ALL {
        let Some(program) = memberlist_or_skip(release) else { return };
        rotate(&program);
    }
}

fn rotate(program: &Program) {
    let ours = Ours::start("ours", PoolConfig { keyring: keyring(&[KEY_16]), ..bare() });
    let go = program.peer("go").key(KEY_16).start();
    meet(&ours, &go);

    // The usual three steps, each on all nodes before the next.
    let pool = ours.pool();
    pool.add_key(key(KEY_32)).unwrap();
    go.add_key(KEY_32);
    pool.use_key(&key(KEY_32)).unwrap();
    ours.send_reliable("go", "under the new key, while Go uses the old");
    go.wait_message("under the new key, while Go uses the old");
    go.send_reliable("ours", "under the old key, which we still know");
    ours.wait_message("under the old key, which we still know");
    go.use_key(KEY_32);
    pool.remove_key(&key(KEY_16)).unwrap();
    go.remove_key(KEY_16);

    talk(&ours, &go);
    assert_eq!(pool.keys().unwrap(), [key(KEY_32)]);
    let late = program.peer("late").key(KEY_16).start();
    assert!(late.try_command(&format!("join {}", ours.addr())).is_err());
    eventually("the old key is refused", || ours.refused("no_key") > 0);
}

/// The releases that know labels.
const WITH_LABELS: [Release; 2] = [Release::V0_5, Release::V0_6];

#[test]
fn under_a_label() {
    talk_with_each(&WITH_LABELS, labelled("blue"), |go| go.label("blue"));
}

#[test]
fn under_a_label_and_encrypted() {
    let ours = PoolConfig { keyring: keyring(&[KEY_24]), ..labelled("blue") };
    talk_with_each(&WITH_LABELS, ours, |go| go.label("blue").key(KEY_24));
}

#[test]
fn under_the_longest_label() {
    let label = "l".repeat(255);
    talk_with_each(&WITH_LABELS, labelled(&label), |go| go.label(&label));
}

#[test]
fn another_label_is_nobody_s_and_counted_by_the_port() {
    for release in WITH_LABELS {
        let Some(go) = memberlist_or_skip(release) else { return };
        let ours = Ours::start("ours", labelled("blue"));
        let others = [go.peer("green").label("green").start(), go.peer("none").start()];

        for (refused, go) in (1..).zip(&others) {
            assert!(go.try_command(&format!("join {}", ours.addr())).is_err());
            eventually("the stream is counted", || ours.node().stats().connections_no_listener == refused);
            assert!(ours.try_join(go.addr()).is_err(), "{}", go.name());
            assert_eq!(go.members().len(), 1);
        }
        assert_eq!(ours.pool().num_members(), 1);
    }
}

#[test]
fn a_label_is_refused_by_a_bare_pool_and_counted_there() {
    for release in WITH_LABELS {
        let Some(go) = memberlist_or_skip(release) else { return };
        let ours = Ours::start("ours", bare());
        let go = go.peer("go").label("blue").start();

        assert!(go.try_command(&format!("join {}", ours.addr())).is_err());
        eventually("the stream is counted", || ours.refused("label_mismatch") > 0);
        assert!(ours.try_join(go.addr()).is_err());
        assert_eq!(ours.pool().num_members(), 1);
    }
}
