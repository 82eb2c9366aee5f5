//! One port, everything at once: pools of each framing with the peers that speak so, and
//! the program's own protocols beside them.

use gossip_core::{PoolConfig, PoolId, dial};
use gossip_interop::{
    DEADLINE, Event, Ours, Release, bare, http_get, keyring, labelled, meet, memberlist_or_skip, prefixed,
    say, seed_or_skip, serve_echo, serve_http, talk,
};

const KEY: &[u8] = &[32; 32];
const ECHO: u16 = 0x0102;

#[test]
fn every_framing_lives_on_one_port_with_the_peers_that_speak_it() {
    let Some(seed) = seed_or_skip() else { return };
    let (Some(old), Some(middle), Some(new)) = (
        memberlist_or_skip(Release::V0_1),
        memberlist_or_skip(Release::V0_5),
        memberlist_or_skip(Release::V0_6),
    ) else {
        return;
    };
    let seed = seed.peer("seed").pools(&[1]).start();
    let old = old.peer("old").start();
    let middle = middle.peer("middle").label("green").key(KEY).start();
    let new = new.peer("new").label("blue").start();

    let prefix = Ours::start("ours", prefixed(1));
    let bare = prefix.and(bare());
    let green = PoolConfig { id: PoolId(202), keyring: keyring(&[KEY]), ..labelled("green") };
    let green = prefix.and(green);
    let blue = prefix.and(labelled("blue"));
    serve_echo(prefix.node().listen(ECHO).unwrap(), "ours");
    serve_http(prefix.node().listen_tcp().unwrap(), "ours");
    let packets = prefix.node().packets().unwrap();

    meet(&seed.pool(1), &prefix);
    meet(&bare, &old);
    meet(&middle, &green);
    meet(&blue, &new);
    talk(&seed.pool(1), &prefix);
    talk(&bare, &old);
    talk(&middle, &green);
    talk(&blue, &new);

    assert_eq!(seed.http(prefix.addr()), "hello from ours");
    assert_eq!(seed.dial(prefix.addr(), ECHO, "and back"), "ours: and back");
    packets.send_to(b"native", seed.addr()).unwrap();
    seed.expect(DEADLINE, |event| matches!(event, Event::Packet { from, .. } if *from == prefix.addr()));

    for pool in [&prefix, &bare, &green, &blue] {
        assert_eq!(pool.pool().num_members(), 2, "{:?}", pool.pool());
        assert_eq!(pool.all_refused(), [], "{:?}", pool.pool());
    }
    assert!(packets.recv(Some(std::time::Duration::ZERO)).is_err(), "gossip is not shown to the program");

    // One pool ends, the others go on.
    bare.pool().shutdown(DEADLINE).unwrap();
    old.wait_gone("ours");
    let dialled = dial(&prefix.addr().to_string(), Some(ECHO), DEADLINE).unwrap();
    assert_eq!(say(&dialled, "still here"), "ours: still here");
    assert_eq!(http_get(&dial(&prefix.addr().to_string(), None, DEADLINE).unwrap()), "hello from ours");
    for (pool, other) in [(&prefix, &seed.pool(1)), (&green, &middle), (&blue, &new)] {
        pool.send_reliable(other.name(), "still here");
        other.wait_message("still here");
    }
}
