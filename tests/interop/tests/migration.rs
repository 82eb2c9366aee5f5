//! A live cluster of Go nodes and ours moves to encryption, and to a label, and is one all the way.
//!
//! Nodes of ours change while they run. memberlist's configuration is fixed when it starts,
//! so the Go nodes are restarted, one by one, as their operators would.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use gossip_core::PoolConfig;
use gossip_interop::{Launch, Ours, Peer, Program, Release, bare, eventually, key, meet, memberlist_or_skip};

const SOON: Duration = Duration::from_millis(200);
const KEY: &[u8] = &[7; 32];

/// Stops a Go node and starts it again at the same address.
fn restart(program: &Program, old: &Peer, set_up: impl Fn(Launch) -> Launch) -> Peer {
    let (name, addr): (String, SocketAddr) = (old.name().to_owned(), old.addr());
    old.kill();
    set_up(program.peer(&name).at(addr)).start()
}

/// Messages in datagrams and streams, both ways.
fn talk(ours: &Ours, go: &Peer) {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let text = |what: &str, from: &str| format!("{what} {} from {from}", COUNT.fetch_add(1, Relaxed));

    let (datagram, stream) = (text("datagram", &ours.name()), text("stream", &ours.name()));
    ours.send(go.name(), &datagram);
    ours.send_reliable(go.name(), &stream);
    go.wait_message(&datagram);
    go.wait_message(&stream);

    let (datagram, stream) = (text("datagram", go.name()), text("stream", go.name()));
    go.send(&ours.name(), &datagram);
    go.send_reliable(&ours.name(), &stream);
    ours.wait_message(&datagram);
    ours.wait_message(&stream);
}

/// Everybody knows everybody, and those who can reach each other directly talk.
fn is_one(ours: &[Ours], go: &[Peer]) {
    for node in ours {
        go.iter().for_each(|peer| drop(node.wait_member(peer.name())));
        ours.iter().for_each(|other| drop(node.wait_member(&other.name())));
    }
    for peer in go {
        go.iter().for_each(|other| drop(peer.wait_member(other.name())));
        for node in ours {
            peer.wait_member(&node.name());
            // Under which label a node speaks is known once it has spoken.
            let member = node.member(peer.name());
            eventually("it answers", || node.pool().ping(&member, SOON).is_ok());
            talk(node, peer);
        }
    }
}

fn two_and_two(program: &Program) -> ([Ours; 2], Vec<Peer>) {
    let ours = ["ours-1", "ours-2"].map(|name| Ours::start(name, bare()));
    let go: Vec<_> = ["go-1", "go-2"].map(|name| program.peer(name).start()).into();
    meet(&ours[0], &ours[1]);
    go.iter().for_each(|peer| meet(&ours[0], peer));
    is_one(&ours, &go);
    (ours, go)
}

#[test]
fn a_mixed_cluster_moves_from_plain_to_encrypted() {
    for release in Release::ALL {
        let Some(program) = memberlist_or_skip(release) else { return };
        let (ours, mut go) = two_and_two(&program);

        // Install the key, then speak encrypted, then require it; each on all before the next.
        for (incoming, outgoing) in [(false, false), (false, true), (true, true)] {
            for node in &ours {
                node.pool().set_gossip_verify(incoming, outgoing).unwrap();
                node.pool().add_key(key(KEY)).unwrap();
            }
            for peer in &mut go {
                *peer = restart(&program, peer, |go| go.key(KEY).verify(incoming, outgoing));
                meet(&ours[0], peer);
            }
            is_one(&ours, &go);
        }

        let plain = program.peer("plain").start();
        assert!(plain.try_command(&format!("join {}", ours[0].addr())).is_err());
        assert!(plain.try_command(&format!("join {}", go[0].addr())).is_err());
    }
}

#[test]
fn a_mixed_cluster_moves_from_no_label_to_one() {
    for release in [Release::V0_5, Release::V0_6] {
        let Some(program) = memberlist_or_skip(release) else { return };
        let (ours, mut go) = two_and_two(&program);

        ours.iter().for_each(|node| node.pool().accept_label(b"blue").unwrap());
        is_one(&ours, &go);
        // The Go nodes can't hear each other until both have moved; ours carry the news.
        for index in 0..go.len() {
            go[index] = restart(&program, &go[index], |go| go.label("blue"));
            meet(&ours[index], &go[index]);
            is_one(&ours, &go);
        }
        ours.iter().for_each(|node| node.pool().speak_label(b"blue").unwrap());
        is_one(&ours, &go);
        ours.iter().for_each(|node| node.pool().require_label(b"blue").unwrap());
        is_one(&ours, &go);

        let outside = program.peer("outside").start();
        assert!(outside.try_command(&format!("join {}", ours[0].addr())).is_err());
        let inside = program.peer("inside").label("blue").start();
        meet(&ours[1], &inside);
    }
}

#[test]
fn a_node_between_two_labels_keeps_both_halves_together() {
    let Some(program) = memberlist_or_skip(Release::V0_6) else { return };
    let config = PoolConfig { next_label: Some("blue".into()), ..bare() };
    let between = Ours::start("between", config);
    let go = [program.peer("plain").start(), program.peer("blue").label("blue").start()];
    go.iter().for_each(|peer| meet(&between, peer));

    // They only ever reach each other through us, and yet neither gives the other up.
    is_one(std::slice::from_ref(&between), &go);
    let name = go[1].name();
    go[1].kill();
    between.wait_gone(name);
    go[0].wait_gone(name);
}
