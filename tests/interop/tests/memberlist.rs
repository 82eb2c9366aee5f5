//! A node of ours among unmodified memberlist nodes, the same with each release.

use gossip_core::{Event, PoolConfig, State};
use gossip_interop::{Ours, Program, Release, bare, know, meet, memberlist_or_skip, own_address, talk};

/// Each function below, once for each release.
macro_rules! with_each_release {
    ($($test:ident)*) => {
        with_each_release! { @ v0_1_5 V0_1 $($test)* }
        with_each_release! { @ v0_2_4 V0_2 $($test)* }
        with_each_release! { @ v0_5_4 V0_5 $($test)* }
        with_each_release! { @ v0_6_0 V0_6 $($test)* }
    };
    (@ $module:ident $release:ident $($test:ident)*) => {
        mod $module {
            use gossip_interop::{Release, memberlist_or_skip};
            $(
                #[test]
                fn $test() {
                    if let Some(go) = memberlist_or_skip(Release::$release) {
                        super::$test(&go, Release::$release);
                    }
                }
            )*
        }
    };
}

with_each_release! {
    go_joins_us_and_we_talk
    we_join_go_and_talk
    states_and_metadata_come_with_the_join
    answers_to_probes_carry_payloads
    a_go_node_that_leaves_is_seen_to_leave
    our_leave_is_seen_and_we_may_come_back
    a_go_node_that_is_killed_is_dead_until_it_comes_back
    our_crash_is_seen_until_we_come_back
}

fn go_joins_us_and_we_talk(go: &Program, _: Release) {
    let ours = Ours::start("ours", bare());
    let go = go.peer("go").start();

    meet(&go, &ours);
    talk(&ours, &go);
}

fn we_join_go_and_talk(go: &Program, _: Release) {
    let ours = Ours::start("ours", bare());
    let go = go.peer("go").lan().start();

    meet(&ours, &go);
    talk(&go, &ours);
}

fn states_and_metadata_come_with_the_join(go: &Program, _: Release) {
    let ours = Ours::start("ours", PoolConfig { meta: "red".into(), ..bare() });
    ours.set_state("state of ours");
    let go = go.peer("go").meta("green").state("state of go").start();

    ours.join(go.addr());

    go.wait_meta("ours", "red");
    ours.wait_meta("go", "green");
    go.wait_state("state of ours");
    ours.expect(
        "state in the join",
        |event| matches!(event, Event::RemoteState { state, join: true } if state == "state of go"),
    );
    assert_eq!(go.wait_member("ours").vsn, [1, 5, 2, 0, 0, 0]);
    assert_eq!(ours.member("go").node.versions.to_bytes(), [1, 5, 2, 0, 0, 0]);
}

fn answers_to_probes_carry_payloads(go: &Program, _: Release) {
    let ours = Ours::start("ours", bare());
    ours.set_ack("payload of ours");
    let go = go.peer("go").ack("payload of go").start();
    meet(&ours, &go);

    ours.ping("go");
    go.ping("ours");

    ours.wait_ack("go", "payload of go");
    go.wait_ack("ours", "payload of ours");
}

/// Before 0.1.6 a goodbye did not name its sender, and cannot be told from an obituary
/// (wire document 14).
fn end_of_leaver(release: Release) -> State {
    if release == Release::V0_1 { State::Dead } else { State::Left }
}

fn a_go_node_that_leaves_is_seen_to_leave(go: &Program, release: Release) {
    let ours = Ours::start("ours", bare());
    let go = go.peer("go").start();
    meet(&ours, &go);

    go.leave();

    ours.wait_end("go", end_of_leaver(release));
    ours.wait_gone("go");
}

fn our_leave_is_seen_and_we_may_come_back(go: &Program, _: Release) {
    let ours = Ours::start("ours", bare());
    let go = go.peer("go").start();
    meet(&ours, &go);

    ours.leave();
    go.wait_gone("ours");

    ours.join(go.addr());
    know(&ours, &go);
}

fn a_go_node_that_is_killed_is_dead_until_it_comes_back(go: &Program, release: Release) {
    let ours = Ours::start("ours", bare());
    let home = (own_address(10 + release as u8), 7946).into();
    let first = go.peer("go").at(home).start();
    meet(&ours, &first);

    first.kill();
    ours.wait_end("go", State::Dead);
    ours.wait_gone("go");

    let second = go.peer("go").at(home).meta("second life").start();
    meet(&second, &ours);
    ours.wait_meta("go", "second life");
}

fn our_crash_is_seen_until_we_come_back(go: &Program, release: Release) {
    let home = (own_address(20 + release as u8), 7946).into();
    let first = Ours::start_at("ours", home, bare());
    let go = go.peer("go").start();
    meet(&first, &go);

    first.crash();
    go.wait_gone("ours");

    let second = Ours::start_at("ours", home, PoolConfig { meta: "second life".into(), ..bare() });
    meet(&second, &go);
    go.wait_meta("ours", "second life");
}

/// Clusters of three: one of us between two releases.
fn three(one: Release, other: Release) {
    let (Some(one), Some(other)) = (memberlist_or_skip(one), memberlist_or_skip(other)) else { return };
    let ours = Ours::start("ours", bare());
    let (one, other) = (one.peer("one").start(), other.peer("other").start());
    one.join(ours.addr());
    ours.join(other.addr());
    know(&one, &other);
    know(&one, &ours);
    know(&other, &ours);

    // To two members at least, however each of them picks whom to gossip to.
    ours.broadcast("from the middle");
    one.wait_message("from the middle");
    other.wait_message("from the middle");
    one.set_meta("new");
    ours.wait_meta("one", "new");
    other.wait_meta("one", "new");

    ours.set_meta("newer");
    for peer in [&one, &other] {
        peer.wait_meta("ours", "newer");
    }
    other.kill();
    ours.wait_end("other", State::Dead);
    one.wait_gone("other");
    ours.leave();
    one.wait_gone("ours");
    assert_eq!(one.members().len(), 1);
}

#[test]
fn we_stand_between_the_oldest_release_and_the_newest() {
    three(Release::V0_1, Release::V0_6);
}

#[test]
fn we_stand_between_the_releases_in_the_middle() {
    three(Release::V0_5, Release::V0_2);
}
