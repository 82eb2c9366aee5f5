//! Clusters of our nodes and real Go peers.
//!
//! A test builds a Go program, starts peers from it and talks to them as to
//! people at the other end of a cable: tell them to do something, wait until
//! they have heard something.
//!
//! ```no_run
//! use gossip_interop::{Release, memberlist_or_skip};
//!
//! let Some(go) = memberlist_or_skip(Release::V0_6) else { return };
//! let alice = go.peer("alice").meta("first").start();
//! let bob = go.peer("bob").start();
//!
//! bob.join(alice.addr());
//! assert_eq!(bob.wait_member("alice").meta, "first");
//! bob.send("alice", "hello");
//! alice.wait_message("hello");
//! ```
//!
//! A wait looks first at what was heard earlier, so the order in which a test
//! asks does not matter, and panics with all that was heard when [`DEADLINE`]
//! is over. The programs and their language are in `go/peer`. A peer dies with
//! the last handle to it.

mod event;
mod inbox;
mod launch;
mod node;
mod ours;
mod peer;
mod process;
mod program;
mod serve;

use std::thread;
use std::time::Duration;

pub use event::{Event, Member};
pub use launch::Launch;
pub use node::{Node, know, meet, talk};
pub use ours::{Ours, bare, key, keyring, labelled, own_address, pool, prefixed};
pub use peer::Peer;
pub use program::{Program, Release, memberlist_or_skip, seed_or_skip};
pub use serve::{http_get, say, serve_echo, serve_http};

/// How long any wait goes on: long enough for a busy machine, because only a
/// test that fails ever waits for so long.
pub const DEADLINE: Duration = Duration::from_secs(30);

/// Between two looks at what no event announces.
const PAUSE: Duration = Duration::from_millis(10);

/// Waits for a condition that no event announces, such as one inside a node of
/// ours, and panics when [`DEADLINE`] is over.
#[track_caller]
pub fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    for _ in 0..DEADLINE.as_millis() / PAUSE.as_millis() {
        if condition() {
            return;
        }
        thread::sleep(PAUSE);
    }
    panic!("not within {DEADLINE:?}: {what}");
}
