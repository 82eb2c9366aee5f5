//! What the application does for a pool: one trait, every method with a default.

use std::time::Duration;

use bytes::Bytes;

use crate::base::ids::PoolId;
use crate::net::queue::QueueStats;
use crate::pool::action::{Asks, Notice, Question, Reply, UserMessage};
use crate::pool::exchange::Verdict;
use crate::pool::migration::Migrated;
use crate::runtime::answer::Answer;
use crate::swim::node::{Member, Node};

/// The application's side of a pool, or of several.
///
/// Methods run on the library's callback threads, never on the network path, with no
/// lock held: `notify_*` and `merge_remote_state` one at a time for each pool, in the order
/// in which things happened, the questions (those that return something) on a lane of
/// their own with a deadline (`query_timeout`). Every function of the API may be called
/// from every method; only a shutdown that would wait for its own callback, be it in a
/// circle of callbacks, is refused. A panic is caught and counted, and the default taken.
/// The delegate is let go with the pool, by the thread of its last call.
///
/// A delegate of several pools overrides [`tell`](Self::tell) and [`ask`](Self::ask), which
/// say for which pool they are called, or looks at the pool of the messages.
///
/// Metadata, the state for push/pulls and the ack payload need no callback: they are
/// published with `Pool::update_node`, `Pool::set_local_state`, `Pool::set_ack_payload`,
/// and so can be who is not pinged over TCP, with `Pool::disable_tcp_pings_for`.
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

    /// Another node claims the name of `existing`, which still answers to it; it was refused.
    fn notify_conflict(&self, existing: &Member, other: &Node) {}

    /// This node reaches no other member any more, or has tried all its seeds in vain; see
    /// [`Notice::Isolated`]. It goes on trying.
    fn notify_isolated(&self) {}

    /// This node has company again, or `returned` members that it had lost are back, while
    /// `missing` are still looked for; see [`Notice::Healed`].
    fn notify_healed(&self, returned: usize, missing: usize) {}

    /// This node has taken a step of a migration of the whole pool, asked by a member that holds a key or by
    /// its own `Pool::migrate`: its keys, its encryption or its label are others now. Write them to where
    /// the configuration comes from, or the node does not get in when it is started again:
    /// `Pool::keys` has the keys, primary first.
    fn notify_migrated(&self, migrated: &Migrated) {}

    /// A user message arrived. A sender of ours that used
    /// [`send_reliable`](crate::runtime::pool::Pool::send_reliable) hears when this has returned.
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

    /// So many messages and other things that arrive at will were dropped, because the
    /// methods above did not keep up; changes of membership are never among them.
    fn notify_overflow(&self, dropped: u64) {}

    /// The pool has ended: this is the last call of all. Changes and messages that still
    /// waited have been dropped.
    fn notify_shutdown(&self) {}

    /// Everything that a pool has to tell: calls the method for it.
    fn tell(&self, pool: PoolId, notice: Notice) {
        match notice {
            Notice::Joined(member) => self.notify_join(&member),
            Notice::Left(member) => self.notify_leave(&member),
            Notice::Updated(member) => self.notify_update(&member),
            Notice::Conflict { existing, other } => self.notify_conflict(&existing, &other),
            Notice::Message(message) => self.notify_msg(&message),
            Notice::RemoteState { join, state } => self.merge_remote_state(&state, join),
            Notice::Pinged { member, rtt, payload } => self.notify_ping_complete(&member, rtt, &payload),
            Notice::Isolated => self.notify_isolated(),
            Notice::Healed { returned, missing } => self.notify_healed(returned, missing),
            Notice::Migrated(migrated) => self.notify_migrated(&migrated),
            Notice::Overflow { dropped } => self.notify_overflow(dropped),
            Notice::Ended => self.notify_shutdown(),
        }
    }

    /// A message whose sender waits to hear whether it was taken: calls [`tell`](Self::tell), and
    /// says that it was. For delegates that only keep what they are told, and may have no room.
    fn take(&self, pool: PoolId, message: UserMessage) -> Verdict {
        self.tell(pool, Notice::Message(message));
        Ok(())
    }

    /// Everything that a pool asks: calls the method for it, and answers at once. The answer
    /// may as well be kept and given later, within the deadline.
    fn ask(&self, pool: PoolId, question: Question, answer: Answer) {
        let verdict = match question {
            Question::LocalState { join } => {
                let state =
                    self.local_state(join).map_or(Reply::Refuse, |state| Reply::State(Bytes::from(state)));
                return answer.give(state);
            }
            Question::AdmitAlive(member) => self.notify_alive(&member),
            Question::AdmitMerge(members) => self.notify_merge(&members),
            Question::AllowStreamPing(name) => {
                self.allow_tcp_ping(name.as_bytes()).then_some(()).ok_or_else(|| "no tcp ping".to_owned())
            }
        };
        match verdict {
            Ok(()) => answer.admit(),
            Err(reason) => answer.refuse(&reason),
        }
    }
}
