//! A node of ours among unmodified memberlist nodes, the same with each release.

use std::net::{Ipv6Addr, SocketAddr};

use gossip_core::{Notice, PoolConfig, State};
use gossip_interop::{
    Ours, Program, Release, bare, eventually, know, meet, memberlist_or_skip, own_address, talk,
};

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
    the_largest_of_everything_arrives
    nodes_meet_by_ipv6
    a_name_is_given_to_one_only
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
        |notice| matches!(notice, Notice::RemoteState { state, join: true } if state == "state of go"),
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

/// As much as one packet, one record, one push/pull may carry.
fn the_largest_of_everything_arrives(go: &Program, _: Release) {
    let ours = Ours::start("ours", PoolConfig { enable_compression: false, ..bare() });
    let go = go.peer("go").compress(false).start();
    meet(&go, &ours);
    let long = |letter: &str, len: usize| letter.repeat(len);

    ours.set_meta(&long("m", 512));
    go.wait_meta("ours", &long("m", 512));
    go.set_meta(&long("n", 512));
    ours.wait_meta("go", &long("n", 512));

    let largest = ours.pool().max_broadcast_size();
    ours.broadcast(&long("b", largest));
    go.wait_message(&long("b", largest));

    ours.set_state(&long("s", 500_000));
    go.wait_state(&long("s", 500_000));
    go.set_state(&long("t", 500_000));
    ours.wait_state(&long("t", 500_000));

    ours.send_reliable("go", &long("r", 5_000_000));
    go.wait_message(&long("r", 5_000_000));
    go.send_reliable("ours", &long("q", 5_000_000));
    ours.wait_message(&long("q", 5_000_000));
    assert_eq!(ours.all_refused(), []);
}

fn nodes_meet_by_ipv6(go: &Program, _: Release) {
    let any: SocketAddr = (Ipv6Addr::LOCALHOST, 0).into();
    let ours = Ours::start_at("ours", any, bare());
    let go = go.peer("go").at(any).start();
    assert!(ours.addr().is_ipv6() && go.addr().is_ipv6());

    meet(&ours, &go);
    talk(&go, &ours);
}

fn a_name_is_given_to_one_only(go: &Program, _: Release) {
    let ours = Ours::start("ours", bare());
    let go = go.peer("go").start();
    let second = Ours::start("go", bare());
    meet(&ours, &go);

    // Whoever comes second finds his name taken, by us and by Go.
    let _ = second.try_join(ours.addr());
    ours.expect("conflict", |notice| {
        matches!(notice, Notice::Conflict { existing, other }
            if existing.addr() == go.addr() && other.addr.socket_addr() == second.addr())
    });
    second.crash();

    know(&ours, &go);
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

/// More members than fit into one packet, and than a node gossips to at once.
#[test]
fn a_cluster_of_many_is_seen_alike_by_all() {
    let (Some(old), Some(new)) = (memberlist_or_skip(Release::V0_1), memberlist_or_skip(Release::V0_6))
    else {
        return;
    };
    let (old, new) = (old.peer("old").start(), new.peer("new").start());
    let ours: Vec<_> = (0..20)
        .map(|number| {
            let meta = format!("{number} ").repeat(100);
            Ours::start(&format!("ours-{number}"), PoolConfig { meta: meta.into(), ..bare() })
        })
        .collect();

    // A chain through both Go peers.
    new.join(old.addr());
    for (number, node) in ours.iter().enumerate() {
        node.join(if number % 2 == 0 { old.addr() } else { new.addr() });
    }

    for node in &ours {
        know(node, &old);
        know(node, &new);
    }
    eventually("all see all", || {
        ours.iter().all(|node| node.pool().num_members() == 22)
            && [&old, &new].iter().all(|peer| peer.members().len() == 22)
    });
}
