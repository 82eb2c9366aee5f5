//! What the application does for a pool: one trait, every method with a default.

use std::time::Duration;

use crate::net::queue::QueueStats;
use crate::pool::action::{Asks, UserMessage};
use crate::swim::node::{Member, Node};

/// The application's side of a pool.
///
/// Methods run on the library's callback threads, never on the network path, with no
/// lock held: `notify_*` and `merge_remote_state` one at a time in the order in which
/// things happened, the questions (those that return something) on a lane of their own
/// with a deadline (`query_timeout`). Every function of the API may be called from every
/// method; only a shutdown, which would wait for its own callback, is refused. A panic is
/// caught and counted, and the default taken. The delegate is let go with the pool, by the
/// thread of its last call.
///
/// Metadata, the state for push/pulls and the ack payload need no callback: they are
/// published with `Pool::update_node`, `Pool::set_local_state`, `Pool::set_ack_payload`.
#[allow(unused_variables)]
pub trait Delegate: Send + Sync {
    /// Which questions this delegate wants to be asked; read once, at registration.
    fn asks(&self) -> Asks {
        Asks::default()
    }

    /// A node joined or came back; also this node itself at the start.
    fn notify_join(&self, member: &Member) {}

    /// A node is gone: `member.state` says whether it died or left.
    fn notify_leave(&self, member: &Member) {}

    /// A node changed its metadata.
    fn notify_update(&self, member: &Member) {}

    /// Another node claims the name of `existing`; it was refused.
    fn notify_conflict(&self, existing: &Member, other: &Node) {}

    /// A user message arrived.
    fn notify_msg(&self, message: &UserMessage) {}

    /// Another node's application state arrived by push/pull.
    fn merge_remote_state(&self, state: &[u8], join: bool) {}

    /// A probe of `member` was answered directly, `rtt` after it was sent.
    fn notify_ping_complete(&self, member: &Member, rtt: Duration, payload: &[u8]) {}

    /// The state for a push/pull; `None` gives the published one. Asked if `asks` says so.
    fn local_state(&self, join: bool) -> Option<Vec<u8>> {
        None
    }

    /// Whether `member` may be a member; the reason of a refusal is logged. Asked for every
    /// new node and every change of a known one, if `asks` says so.
    fn notify_alive(&self, member: &Member) -> Result<(), String> {
        Ok(())
    }

    /// Whether the state received in a join, with these nodes, may be merged. Asked if `asks` says so.
    fn notify_merge(&self, members: &[Member]) -> Result<(), String> {
        Ok(())
    }

    /// Whether a silent node may be pinged over TCP. Asked if `asks` says so.
    fn allow_tcp_ping(&self, name: &[u8]) -> bool {
        true
    }

    /// The depth of a queue behind this delegate, for those who read the pool's metrics: it is
    /// called on their thread and must return at once.
    fn queue(&self) -> Option<QueueStats> {
        None
    }

    /// The pool has ended: this is the last call of all. Changes and messages that still
    /// waited have been dropped.
    fn notify_shutdown(&self) {}
}
