//! A node as tests talk to it, whosever it is; and what any two nodes must be able to do.

use std::net::SocketAddr;

use crate::{Ours, Peer};

/// What can be asked of our nodes and of Go's alike. See [`Peer`] and [`Ours`].
pub trait Node {
    /// The node's name.
    fn name(&self) -> String;
    /// Where it can be reached.
    fn addr(&self) -> SocketAddr;
    /// Joins through the member at an address.
    fn join(&self, addr: SocketAddr);
    /// Leaves and says so.
    fn leave(&self);
    /// Changes the metadata and tells the others.
    fn set_meta(&self, meta: &str);
    /// Changes the state that goes with the next push/pull.
    fn set_state(&self, state: &str);
    /// Sends a message in a datagram.
    fn send(&self, to: &str, text: &str);
    /// Sends a message over a stream.
    fn send_reliable(&self, to: &str, text: &str);
    /// Gives a message to gossip.
    fn broadcast(&self, text: &str);
    /// Waits until a member with this address and metadata is among the living.
    fn wait_member(&self, name: &str, addr: SocketAddr);
    /// Waits until a member has this metadata.
    fn wait_meta(&self, name: &str, meta: &str);
    /// Waits until a member is among the living no more.
    fn wait_gone(&self, name: &str);
    /// Waits for a message.
    fn wait_message(&self, text: &str);
    /// Waits for a push/pull that brings this state.
    fn wait_state(&self, text: &str);
}

/// Joins one to the other and waits until both know.
#[track_caller]
pub fn meet(one: &impl Node, other: &impl Node) {
    one.join(other.addr());
    know(one, other);
}

/// Waits until each counts the other among the living, under the right address.
#[track_caller]
pub fn know(one: &impl Node, other: &impl Node) {
    one.wait_member(&other.name(), other.addr());
    other.wait_member(&one.name(), one.addr());
}

/// All that two members have to say to each other, from each side: messages in
/// datagrams, streams and gossip, metadata, and state in the periodic push/pull.
#[track_caller]
pub fn talk(one: &impl Node, other: &impl Node) {
    know(one, other);
    tell(one, other);
    tell(other, one);
    // Both ways at once: the period of the push/pull is what takes time.
    one.set_state(&format!("state of {}", one.name()));
    other.set_state(&format!("state of {}", other.name()));
    one.wait_state(&format!("state of {}", other.name()));
    other.wait_state(&format!("state of {}", one.name()));
}

#[track_caller]
fn tell(from: &impl Node, to: &impl Node) {
    let text = |what: &str| format!("{what} from {} to {}", from.name(), to.name());
    // Longer than the buffers of a socket and than any packet.
    let long = text("stream ").repeat(200_000 / text("stream ").len());

    from.set_meta(&text("meta"));
    from.broadcast(&text("gossip"));
    from.send(&to.name(), &text("datagram"));
    from.send_reliable(&to.name(), &long);

    to.wait_message(&long);
    to.wait_message(&text("datagram"));
    to.wait_message(&text("gossip"));
    to.wait_meta(&from.name(), &text("meta"));
}

/// Two kinds of node, one vocabulary: each method is the inherent one of that name.
macro_rules! speaks {
    ($node:ty) => {
        impl Node for $node {
            fn name(&self) -> String {
                self.name().to_owned()
            }
            fn addr(&self) -> SocketAddr {
                self.addr()
            }
            #[track_caller]
            fn join(&self, addr: SocketAddr) {
                self.join(addr);
            }
            #[track_caller]
            fn leave(&self) {
                self.leave();
            }
            #[track_caller]
            fn set_meta(&self, meta: &str) {
                self.set_meta(meta);
            }
            #[track_caller]
            fn set_state(&self, state: &str) {
                self.set_state(state);
            }
            #[track_caller]
            fn send(&self, to: &str, text: &str) {
                self.send(to, text);
            }
            #[track_caller]
            fn send_reliable(&self, to: &str, text: &str) {
                self.send_reliable(to, text);
            }
            #[track_caller]
            fn broadcast(&self, text: &str) {
                self.broadcast(text);
            }
            #[track_caller]
            fn wait_member(&self, name: &str, addr: SocketAddr) {
                let found = self.wait_member(name).address();
                assert_eq!(found, addr, "{}: address of {name}", self.name());
            }
            #[track_caller]
            fn wait_meta(&self, name: &str, meta: &str) {
                self.wait_meta(name, meta);
            }
            #[track_caller]
            fn wait_gone(&self, name: &str) {
                self.wait_gone(name);
            }
            #[track_caller]
            fn wait_message(&self, text: &str) {
                self.wait_message(text);
            }
            #[track_caller]
            fn wait_state(&self, text: &str) {
                self.wait_state(text);
            }
        }
    };
}

speaks!(Ours);
speaks!(Peer);

/// The address of a member, in the words of either side.
trait Addressed {
    fn address(&self) -> SocketAddr;
}

impl Addressed for gossip_core::Member {
    fn address(&self) -> SocketAddr {
        self.addr()
    }
}

impl Addressed for crate::Member {
    fn address(&self) -> SocketAddr {
        self.addr
    }
}
