//! Relayed broadcasts beside a Go node: it never sees an envelope, and the pool relays again when it has gone.

use gossip_interop::{Ours, Release, bare, eventually, know, memberlist_or_skip};

/// How many members a node of ours knows that do not understand relayed broadcasts.
fn deaf(node: &Ours) -> u64 {
    node.pool().stats().map_or(u64::MAX, |stats| stats.machine.relay_deaf)
}

/// How many copies of relayed broadcasts a node of ours has sent.
fn copies(node: &Ours) -> u64 {
    node.pool().stats().map_or(u64::MAX, |stats| stats.machine.relay_sent)
}

/// Broadcasts a text and waits until its pool has sent it as often as it will.
fn broadcast(from: &Ours, text: &str) {
    from.broadcast(text);
    eventually("it has been sent", || {
        from.pool().stats().is_ok_and(|stats| stats.machine.broadcasts_user == 0)
    });
}

#[test]
fn a_pool_is_plain_while_a_go_node_is_there_and_relays_again_when_it_has_gone() {
    let Some(program) = memberlist_or_skip(Release::V0_6) else { return };
    let (one, two) = (Ours::start("ours-1", bare()), Ours::start("ours-2", bare()));
    two.join(one.addr());
    know(&one, &two);
    broadcast(&one, "among ourselves");
    assert_eq!(two.wait_origin("among ourselves").as_deref(), Some("ours-1"));

    // Go draws those it gossips to at random and counts what it sent, not to whom: with the two sends
    // of its local preset, one in seventy broadcasts reaches but one of two members.
    let go = program.peer("go").retransmit(10).start();
    go.join(two.addr());
    know(&one, &go);
    broadcast(&one, "with a go node");
    go.wait_message("with a go node");
    assert_eq!(two.wait_origin("with a go node"), None, "it was sent as it is");
    assert_eq!((copies(&one), copies(&two)), (1, 0), "only the first was relayed");
    go.broadcast("from a go node");
    two.wait_message("from a go node");

    // Whoever joins through the Go node is known to the others by its word at first.
    let three = Ours::start("ours-3", bare());
    three.join(go.addr());
    know(&three, &one);
    know(&three, &two);
    assert_eq!((deaf(&one) >= 1, deaf(&two) >= 1), (true, true));
    go.leave();
    for node in [&one, &two, &three] {
        node.wait_gone("go");
        eventually("all that are left understand", || deaf(node) == 0);
    }

    broadcast(&one, "among ourselves again");
    for node in [&two, &three] {
        assert_eq!(node.wait_origin("among ourselves again").as_deref(), Some("ours-1"));
        // What was sent before this has arrived.
        one.send_reliable(&node.name(), "at last");
        node.wait_message("at last");
        for text in ["among ourselves", "with a go node", "among ourselves again"] {
            assert!(!node.has_message(text), "{} got {text:?} twice", node.name());
        }
    }
    eventually("envelopes that nobody understood", || {
        [&one, &two, &three].iter().all(|node| node.all_refused().is_empty())
    });
}
