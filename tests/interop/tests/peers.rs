//! Go peers among themselves: proves that peers and harness work, so that a
//! failure with one of our nodes is about our node.

use std::net::UdpSocket;

use gossip_interop::{DEADLINE, Event, Peer, Program, Release, memberlist_or_skip, seed_or_skip};

const KEY: [u8; 16] = [7; 16];
const NEXT_KEY: [u8; 32] = [9; 32];

/// The oldest release and the newest.
fn old_and_new() -> Option<(Program, Program)> {
    Some((memberlist_or_skip(Release::V0_1)?, memberlist_or_skip(Release::V0_6)?))
}

fn joined(one: &Peer, other: &Peer) {
    other.join(one.addr());
    one.wait_member(other.name());
    other.wait_member(one.name());
}

#[test]
fn every_release_runs_as_what_it_is_called() {
    for (release, version) in Release::ALL.into_iter().zip(["v0.1.5", "v0.2.4", "v0.5.4", "v0.6.0"]) {
        let Some(go) = memberlist_or_skip(release) else { return };
        let peer = go.peer("alone").start();

        assert_eq!(peer.version(), version);
        assert_eq!(peer.wait_member("alone").addr, peer.addr());
        assert_eq!(peer.members().len(), 1);
        assert_eq!(peer.health_score(), 0);
    }
}

#[test]
fn old_and_new_see_each_other_and_each_others_metadata() {
    let Some((old, new)) = old_and_new() else { return };
    let old = old.peer("old").meta("grey").start();
    let new = new.peer("new").meta("bright").compress(false).start();

    joined(&old, &new);
    assert_eq!(old.wait_member("new").meta, "bright");
    assert_eq!(new.wait_member("old").meta, "grey");
    assert_eq!(old.wait_member("new").addr, new.addr());

    new.set_meta("brighter");
    old.wait_meta("new", "brighter");
}

#[test]
fn messages_pass_in_datagrams_streams_and_gossip() {
    let Some((old, new)) = old_and_new() else { return };
    let old = old.peer("old").start();
    let new = new.peer("new").lan().start();
    joined(&old, &new);
    let long = "long ".repeat(40_000);

    old.send("new", "a datagram");
    new.send_reliable("old", &long);
    old.broadcast("a broadcast");

    new.wait_message("a broadcast");
    new.wait_message("a datagram");
    old.wait_message(&long);
}

#[test]
fn state_and_ack_payloads_pass() {
    let Some((old, new)) = old_and_new() else { return };
    let old = old.peer("old").state("state of old").ack("payload of old").start();
    let new = new.peer("new").start();
    joined(&old, &new);

    new.wait_state("state of old");
    new.ping("old");
    new.wait_ack("old", "payload of old");

    new.set_state("state of new");
    old.wait_state("state of new");
}

#[test]
fn one_that_leaves_and_one_that_is_killed_are_missed() {
    let Some((old, new)) = old_and_new() else { return };
    let stays = new.peer("stays").start();
    let leaves = old.peer("leaves").start();
    let dies = old.peer("dies").start();
    joined(&stays, &leaves);
    joined(&stays, &dies);

    leaves.leave();
    stays.wait_gone("leaves");
    stays.wait_member("dies");
    dies.kill();
    stays.wait_gone("dies");

    assert_eq!(stays.members().len(), 1);
}

#[test]
fn a_keyring_is_rotated_in_a_running_cluster() {
    let Some((old, new)) = old_and_new() else { return };
    let old = old.peer("old").key(&KEY).start();
    let new = new.peer("new").key(&KEY).start();
    joined(&old, &new);

    for peer in [&old, &new] {
        peer.add_key(&NEXT_KEY);
    }
    for peer in [&old, &new] {
        peer.use_key(&NEXT_KEY);
        peer.remove_key(&KEY);
    }

    old.send_reliable("new", "under the next key");
    new.wait_message("under the next key");
    let stranger = memberlist_or_skip(Release::V0_5).map(|go| go.peer("stranger").key(&KEY).start());
    let Some(stranger) = stranger else { return };
    assert!(stranger.try_command(&format!("join {}", new.addr())).is_err());
}

#[test]
fn a_label_lets_in_only_those_who_carry_it() {
    let (Some(one), Some(other)) = (memberlist_or_skip(Release::V0_5), memberlist_or_skip(Release::V0_6))
    else {
        return;
    };
    let one = one.peer("one").label("blue").start();
    let same = other.peer("same").label("blue").start();
    let none = other.peer("none").start();

    joined(&one, &same);
    assert!(none.try_command(&format!("join {}", one.addr())).is_err());
}

#[test]
fn seed_peers_meet_in_both_pools() {
    let Some(go) = seed_or_skip() else { return };
    let one = go.peer("one").meta("of one").start();
    let other = go.peer("other").start();
    assert_eq!(one.version(), "v0.6.0");

    for id in [1, 2] {
        joined(&one.pool(id), &other.pool(id));
        assert_eq!(other.pool(id).wait_member("one").meta, "of one");
    }
    one.pool(2).broadcast("to pool two");
    other.pool(2).wait_message("to pool two");

    other.pool(1).leave();
    one.pool(1).wait_gone("other");
    one.pool(2).wait_member("other");
    other.kill();
    one.pool(2).wait_gone("other");
}

#[test]
fn seed_peers_serve_echo_and_http_beside_gossip() {
    let Some(go) = seed_or_skip() else { return };
    let one = go.peer("one").pools(&[7]).start();
    let other = go.peer("other").pools(&[7]).mux(0x0102).start();
    joined(&one.pool(7), &other.pool(7));

    assert_eq!(one.dial(other.addr(), 0x0102, "hello there"), "other: hello there");
    assert_eq!(other.dial(one.addr(), Peer::ECHO, "and back"), "one: and back");
    assert_eq!(one.http(other.addr()), "hello from other");
}

#[test]
fn a_datagram_that_is_no_gossip_reaches_the_program() {
    let Some(go) = seed_or_skip() else { return };
    let peer = go.peer("one").start();
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let sender = socket.local_addr().unwrap();

    socket.send_to(b"native", peer.addr()).unwrap();

    peer.expect(
        DEADLINE,
        |event| matches!(event, Event::Packet { from, data } if *from == sender && data == "native"),
    );
}
