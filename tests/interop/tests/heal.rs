//! Clusters with Go members that fall apart and come together again: what ours do for it,
//! and how far Go follows.

use std::net::SocketAddr;
use std::time::Duration;

use gossip_core::{Notice, PoolConfig, State};
use gossip_interop::{Ours, Program, Release, bare, eventually, know, meet, own_address, talk};

/// Each function below, with the oldest release and the newest.
macro_rules! with_old_and_new {
    ($($test:ident)*) => {
        with_old_and_new! { @ v0_1_5 V0_1 $($test)* }
        with_old_and_new! { @ v0_6_0 V0_6 $($test)* }
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

with_old_and_new! {
    a_go_seed_is_joined_when_it_comes_and_when_it_comes_back
    a_go_member_that_was_forgotten_is_met_again
    a_node_of_ours_that_moved_is_followed_by_ours_at_once_and_by_go_once_it_forgot
    a_go_node_that_moved_is_followed_at_once
}

/// How long the dead are remembered here, by Go and by ours.
const MEMORY: Duration = Duration::from_secs(1);

/// The local preset sends a plain broadcast twice, which among three can be twice to the same one.
const RETRANSMIT: u32 = 10;

fn forgetful() -> PoolConfig {
    PoolConfig {
        gossip_to_the_dead_time: MEMORY,
        reconnect_interval: Duration::from_millis(300),
        retransmit_mult: RETRANSMIT,
        ..bare()
    }
}

/// An address that only one test has.
fn home(release: Release, number: u8) -> SocketAddr {
    (own_address(40 + 10 * number + release as u8), 7946).into()
}

fn wait_forgotten(ours: &Ours) {
    eventually("the dead are forgotten", || ours.pool().stats().unwrap().machine.members[2] == 0);
}

fn a_go_seed_is_joined_when_it_comes_and_when_it_comes_back(go: &Program, release: Release) {
    let home = home(release, 0);
    let ours = Ours::start("ours", PoolConfig { seeds: vec![home.to_string()], ..forgetful() });
    ours.expect("that it is isolated", |notice| matches!(notice, Notice::Isolated));

    let first = go.peer("go").at(home).start();
    know(&ours, &first);
    ours.expect("that it is so no more", |notice| matches!(notice, Notice::Healed { returned: 0, .. }));

    first.kill();
    ours.wait_end("go", State::Dead);
    ours.expect("that it is isolated again", |notice| matches!(notice, Notice::Isolated));
    wait_forgotten(&ours);
    let second = go.peer("go").at(home).start();
    know(&ours, &second);
    ours.expect("that it is healed", |notice| matches!(notice, Notice::Healed { returned: 1, missing: 0 }));
    talk(&ours, &second);
}

/// Without a seed: it is looked for where it was.
fn a_go_member_that_was_forgotten_is_met_again(go: &Program, release: Release) {
    let home = home(release, 1);
    let ours = Ours::start("ours", forgetful());
    let first = go.peer("go").at(home).start();
    meet(&first, &ours);

    first.kill();
    ours.wait_end("go", State::Dead);
    wait_forgotten(&ours);
    let second = go.peer("go").at(home).start();

    know(&ours, &second);
    talk(&second, &ours);
}

fn a_node_of_ours_that_moved_is_followed_by_ours_at_once_and_by_go_once_it_forgot(go: &Program, _: Release) {
    let ours = Ours::start("ours", forgetful());
    let first = Ours::start("moving", PoolConfig { meta: "first life".into(), ..forgetful() });
    let go = go.peer("go").remember(MEMORY).retransmit(RETRANSMIT).start();
    meet(&first, &ours);
    meet(&go, &ours);
    know(&first, &go);

    first.crash();
    let second = Ours::start("moving", PoolConfig { meta: "second life".into(), ..forgetful() });
    second.join(ours.addr());

    ours.wait_meta("moving", "second life");
    assert_eq!(ours.member("moving").addr(), second.addr());
    go.wait_meta("moving", "second life");
    know(&second, &go);
    talk(&go, &second);
}

fn a_go_node_that_moved_is_followed_at_once(go: &Program, _: Release) {
    let ours = [Ours::start("one", forgetful()), Ours::start("two", forgetful())];
    meet(&ours[1], &ours[0]);
    let first = go.peer("go").meta("first life").start();
    meet(&first, &ours[0]);
    know(&first, &ours[1]);

    first.kill();
    let second = go.peer("go").meta("second life").retransmit(RETRANSMIT).start();
    second.join(ours[0].addr());

    for node in &ours {
        node.wait_meta("go", "second life");
        know(node, &second);
    }
    talk(&second, &ours[1]);
}
