//! The doctor and explanations with stock peers of each release: what they answer, what they
//! ignore, and how they refuse.

use gossip_core::{CheckKind, CheckResult, Diagnosis, Finding, PathState, PoolConfig, State};
use gossip_interop::{
    DEADLINE, Ours, Peer, Release, bare, eventually, keyring, labelled, meet, memberlist_or_skip,
};

const KEY: &[u8] = &[16; 16];
const OTHER_KEY: &[u8] = &[32; 32];

#[track_caller]
fn examine(ours: &Ours, go: &Peer) -> Diagnosis {
    ours.pool().doctor(&go.addr().to_string(), DEADLINE).unwrap_or_else(|error| panic!("{error}"))
}

#[track_caller]
fn found(diagnosis: &Diagnosis, findings: &[Finding], go: &Peer) {
    assert_eq!(diagnosis.findings, findings, "{}: {diagnosis}", go.version());
}

#[test]
fn a_stock_peer_is_found_healthy_and_answers_full_datagrams() {
    for release in Release::ALL {
        let Some(go) = memberlist_or_skip(release) else { return };
        for (ours, go) in [
            (bare(), go.peer("go").start()),
            (PoolConfig { keyring: keyring(&[KEY]), ..bare() }, go.peer("go").key(KEY).start()),
        ] {
            let ours = Ours::start("ours", ours);
            // Of a stranger nothing is heard but what it answers.
            let diagnosis = examine(&ours, &go);
            found(&diagnosis, &[Finding::Healthy], &go);
            assert_eq!(ours.pool().num_members(), 1);
            assert_eq!(go.members().len(), 1, "it learns of nobody");

            meet(&go, &ours);
            let diagnosis = ours.pool().doctor("go", DEADLINE).unwrap();
            found(&diagnosis, &[Finding::Healthy], &go);
            for kind in [CheckKind::Udp, CheckKind::UdpFull, CheckKind::Talk, CheckKind::Version] {
                assert_eq!(diagnosis.check(kind).unwrap().result, CheckResult::Passed, "{diagnosis}");
            }
            eventually("it has answered", || ours.pool().explain("go").unwrap().path == PathState::Direct);
            assert_eq!(ours.pool().explain("go").unwrap().member.state, State::Alive);
            assert_eq!(ours.all_refused(), [], "by {}", go.version());
        }
    }
}

#[test]
fn a_stock_peer_with_other_keys_is_found_out() {
    for release in Release::ALL {
        let Some(go) = memberlist_or_skip(release) else { return };
        let clear = Ours::start("clear", bare());
        let secret = Ours::start("secret", PoolConfig { keyring: keyring(&[KEY]), ..bare() });
        let go_clear = go.peer("go_clear").start();
        let go_secret = go.peer("go_secret").key(OTHER_KEY).start();

        found(&examine(&secret, &go_secret), &[Finding::KeyMismatch], &go_secret);
        found(&examine(&clear, &go_secret), &[Finding::KeysMissingHere], &go_secret);
        found(&examine(&secret, &go_clear), &[Finding::KeysMissingThere], &go_clear);
    }
}

#[test]
fn a_stock_peer_with_another_label_is_found_out() {
    for release in Release::ALL.into_iter().filter(|release| release.has_labels()) {
        let Some(go) = memberlist_or_skip(release) else { return };
        let ours = Ours::start("ours", labelled("blue"));
        let red = go.peer("red").label("red").start();
        let none = go.peer("none").start();
        let blue = go.peer("blue").label("blue").start();

        found(&examine(&ours, &red), &[Finding::OtherPool], &red);
        found(&examine(&ours, &none), &[Finding::LabelMismatch], &none);
        found(&examine(&ours, &blue), &[Finding::Healthy], &blue);
    }
}

#[test]
fn a_stock_peer_of_another_name_is_found_out() {
    let Some(go) = memberlist_or_skip(Release::V0_6) else { return };
    let ours = Ours::start("ours", bare());
    let go = go.peer("go").start();

    let diagnosis = ours.pool().doctor(&format!("gone/{}", go.addr()), DEADLINE).unwrap();

    found(&diagnosis, &[Finding::OtherName], &go);
}
