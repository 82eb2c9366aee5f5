//! Our nodes and `euforia/gossip` v0.6.0: pools, listeners and datagrams of one port.

use gossip_core::{PoolConfig, State, dial};
use gossip_interop::{
    DEADLINE, Event, Ours, Peer, eventually, http_get, keyring, know, meet, prefixed, say, seed_or_skip,
    serve_echo, serve_http, talk,
};

#[test]
fn members_meet_in_both_pools_whoever_joins() {
    let Some(go) = seed_or_skip() else { return };
    let one = Ours::start("ours", PoolConfig { meta: "red".into(), ..prefixed(1) });
    let two = one.and(PoolConfig { meta: "red".into(), ..prefixed(2) });
    let go = go.peer("go").meta("green").start();

    meet(&one, &go.pool(1));
    meet(&go.pool(2), &two);

    for (ours, id) in [(&one, 1), (&two, 2)] {
        ours.wait_meta("go", "green");
        go.pool(id).wait_meta("ours", "red");
        assert_eq!(ours.all_refused(), []);
    }
}

#[test]
fn members_talk_in_both_pools() {
    let Some(go) = seed_or_skip() else { return };
    let one = Ours::start("ours", prefixed(1));
    let two = one.and(prefixed(2));
    let go = go.peer("go").start();
    meet(&one, &go.pool(1));
    meet(&go.pool(2), &two);

    talk(&go.pool(1), &one);
    talk(&two, &go.pool(2));
}

#[test]
fn members_talk_uncompressed() {
    let Some(go) = seed_or_skip() else { return };
    let ours = Ours::start("ours", PoolConfig { enable_compression: false, ..prefixed(7) });
    let go = go.peer("go").pools(&[7]).compress(false).start().pool(7);

    meet(&ours, &go);
    talk(&ours, &go);
}

#[test]
fn members_talk_encrypted() {
    let Some(go) = seed_or_skip() else { return };
    for key in [&[16; 16][..], &[24; 24], &[32; 32]] {
        let ours = Ours::start("ours", PoolConfig { keyring: keyring(&[key]), ..prefixed(255) });
        let go = go.peer("go").pools(&[255]).key(key).start().pool(255);

        meet(&ours, &go);
        talk(&go, &ours);
        assert_eq!(ours.all_refused(), []);
    }
}

#[test]
fn answers_to_probes_carry_payloads() {
    let Some(go) = seed_or_skip() else { return };
    let ours = Ours::start("ours", prefixed(1));
    ours.set_ack("payload of ours");
    let go = go.peer("go").ack("payload of go").start().pool(1);
    meet(&ours, &go);

    ours.ping("go");
    go.ping("ours");

    ours.wait_ack("go", "payload of go");
    go.wait_ack("ours", "payload of ours");
}

/// The memberlist in the Go node is of before 0.1.6, whose goodbyes look like obituaries
/// (wire document 14).
#[test]
fn whoever_leaves_one_pool_stays_in_the_other() {
    let Some(go) = seed_or_skip() else { return };
    let one = Ours::start("ours", prefixed(1));
    let two = one.and(prefixed(2));
    let go = go.peer("go").start();
    meet(&one, &go.pool(1));
    meet(&two, &go.pool(2));

    go.pool(1).leave();
    one.wait_end("go", State::Dead);
    two.leave();
    go.pool(2).wait_gone("ours");

    // Go's memberlist never comes back from a goodbye; ours may.
    two.join(go.addr());
    know(&two, &go.pool(2));
    one.wait_gone("go");
}

#[test]
fn whoever_dies_is_missed_in_both_pools() {
    let Some(go) = seed_or_skip() else { return };
    let one = Ours::start("ours", prefixed(1));
    let two = one.and(prefixed(2));
    let dies = go.peer("dies").start();
    let stays = go.peer("stays").start();
    for (ours, id) in [(&one, 1), (&two, 2)] {
        meet(&stays.pool(id), ours);
        meet(ours, &dies.pool(id));
        know(&stays.pool(id), &dies.pool(id));
    }

    dies.kill();
    for ours in [&one, &two] {
        ours.wait_end("dies", State::Dead);
    }
    one.crash();
    for id in [1, 2] {
        stays.pool(id).wait_gone("ours");
        stays.pool(id).wait_gone("dies");
    }
}

#[test]
fn a_pool_that_we_do_not_have_is_nobody_s_and_counted() {
    let Some(go) = seed_or_skip() else { return };
    let ours = Ours::start("ours", prefixed(1));
    let go = go.peer("go").start();

    assert!(go.pool(2).try_command(&format!("join {}", ours.addr())).is_err());

    eventually("the stream is counted", || ours.node().stats().connections_unknown_pool > 0);
    meet(&go.pool(1), &ours);
}

#[test]
fn each_side_dials_the_other_s_muxed_listener() {
    const OUR_ECHO: u16 = 0x0102;
    let Some(go) = seed_or_skip() else { return };
    let ours = Ours::start("ours", prefixed(1));
    serve_echo(ours.node().listen(OUR_ECHO).unwrap(), "ours");
    let go = go.peer("go").start();
    meet(&ours, &go.pool(1));

    let echo = dial(&go.addr().to_string(), Some(Peer::ECHO), DEADLINE).unwrap();
    assert_eq!(say(&echo, "one line"), "go: one line");
    assert_eq!(say(&echo, "and another"), "go: and another");
    assert_eq!(go.dial(ours.addr(), OUR_ECHO, "hello there"), "ours: hello there");
}

#[test]
fn each_side_asks_the_other_s_web_server() {
    let Some(go) = seed_or_skip() else { return };
    let ours = Ours::start("ours", prefixed(1));
    serve_http(ours.node().listen_tcp().unwrap(), "ours");
    let go = go.peer("go").start();
    meet(&go.pool(1), &ours);

    let web = dial(&go.addr().to_string(), None, DEADLINE).unwrap();
    assert_eq!(http_get(&web), "hello from go");
    assert_eq!(go.http(ours.addr()), "hello from ours");
}

#[test]
fn our_datagrams_come_from_the_shared_port() {
    let Some(go) = seed_or_skip() else { return };
    let ours = Ours::start("ours", prefixed(1));
    let packets = ours.node().packets().unwrap();
    let go = go.peer("go").start();
    meet(&ours, &go.pool(1));

    packets.send_to(b"native", go.addr()).unwrap();

    go.expect(
        DEADLINE,
        |event| matches!(event, Event::Packet { from, data } if *from == ours.addr() && data == "native"),
    );
}
