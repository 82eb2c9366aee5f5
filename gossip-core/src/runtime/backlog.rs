//! What waits to be told to the application: bounded, and no change of membership is lost.
//!
//! Up to its capacity the backlog is a plain queue. Beyond it, messages and other things
//! that arrive at will are dropped and counted, while a member's changes collapse into
//! the latest one that waits. So it holds at most `capacity` things and one change for
//! each member, however long the application sleeps.

use std::collections::{HashMap, VecDeque};

use crate::base::name::NodeName;
use crate::pool::action::Notice;

/// Bytes of messages and states that may wait, besides the bound on their number.
pub(crate) const BYTES_MAX: usize = 64 << 20;

/// Notices that wait, oldest first.
#[derive(Debug)]
pub(crate) struct Backlog {
    queue: VecDeque<Notice>,
    /// Number of the front of the queue, counted from the first notice ever.
    front: u64,
    /// Number of the latest waiting change of each member.
    latest: HashMap<NodeName, u64>,
    /// Bytes of messages and states in the queue.
    bytes: usize,
    capacity: usize,
    dropped: u64,
    depth: Depth,
}

/// How full a backlog is and has been.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Depth {
    /// Notices that wait.
    pub(crate) waiting: usize,
    /// Bytes of messages and states among them.
    pub(crate) bytes: usize,
    /// The most notices that have waited.
    pub(crate) peak: usize,
    /// Notices put in, ever.
    pub(crate) accepted: u64,
    /// Notices not put in because it was full or closed, ever.
    pub(crate) dropped: u64,
}

impl Backlog {
    pub(crate) fn new(capacity: usize) -> Self {
        let depth = Depth::default();
        Self {
            queue: VecDeque::new(),
            front: 0,
            latest: HashMap::new(),
            bytes: 0,
            capacity,
            dropped: 0,
            depth,
        }
    }

    /// Puts a notice behind the others; false if it was dropped.
    pub(crate) fn push(&mut self, notice: Notice) -> bool {
        let kept = match subject(&notice) {
            Some(name) => {
                self.push_change(name, notice);
                true
            }
            None => self.push_other(notice),
        };
        self.depth.accepted += u64::from(kept);
        self.depth.peak = self.depth.peak.max(self.queue.len());
        kept
    }

    /// Takes the oldest.
    pub(crate) fn pop(&mut self) -> Option<Notice> {
        let notice = self.queue.pop_front()?;
        let number = self.front;
        self.front += 1;
        self.bytes -= weight(&notice);
        if let Some(name) = subject(&notice)
            && self.latest.get(&name) == Some(&number)
        {
            self.latest.remove(&name);
        }
        Some(notice)
    }

    /// Forgets everything that waits; how much it was.
    pub(crate) fn clear(&mut self) -> usize {
        let waiting = self.queue.len();
        *self = Self { dropped: self.dropped, depth: self.depth, ..Self::new(self.capacity) };
        waiting
    }

    /// How full it is and has been.
    pub(crate) fn depth(&self) -> Depth {
        Depth { waiting: self.queue.len(), bytes: self.bytes, ..self.depth }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// Counts a notice that was not even put in.
    pub(crate) fn count_drop(&mut self) {
        self.depth.dropped += 1;
    }

    /// How many notices were dropped since this was last asked.
    pub(crate) fn take_dropped(&mut self) -> u64 {
        std::mem::take(&mut self.dropped)
    }

    /// How many notices were dropped and not yet asked for.
    pub(crate) fn dropped(&self) -> u64 {
        self.dropped
    }

    fn push_change(&mut self, name: NodeName, change: Notice) {
        if self.queue.len() >= self.capacity
            && let Some(number) = self.latest.get(&name)
            && let Some(index) = number.checked_sub(self.front)
            && let Some(waiting) = usize::try_from(index).ok().and_then(|index| self.queue.get_mut(index))
        {
            collapse(waiting, change);
            return;
        }
        self.latest.insert(name, self.front + self.queue.len() as u64);
        self.queue.push_back(change);
    }

    fn push_other(&mut self, notice: Notice) -> bool {
        let weight = weight(&notice);
        if self.queue.len() >= self.capacity || self.bytes.saturating_add(weight) > BYTES_MAX {
            self.dropped += 1;
            self.depth.dropped += 1;
            return false;
        }
        self.bytes += weight;
        self.queue.push_back(notice);
        true
    }
}

/// The member whose membership changed.
fn subject(notice: &Notice) -> Option<NodeName> {
    match notice {
        Notice::Joined(member) | Notice::Left(member) | Notice::Updated(member) => {
            Some(member.name().clone())
        }
        _ => None,
    }
}

/// Bytes of the application in a notice.
fn weight(notice: &Notice) -> usize {
    match notice {
        Notice::Message(message) => message.bytes.len(),
        Notice::RemoteState { state, .. } => state.len(),
        Notice::Pinged { payload, .. } => payload.len(),
        _ => 0,
    }
}

/// Lets `later` stand for both. A member that joined and then changed has still joined.
fn collapse(earlier: &mut Notice, later: Notice) {
    *earlier = match (&*earlier, later) {
        (Notice::Joined(_), Notice::Updated(member)) => Notice::Joined(member),
        (_, later) => later,
    };
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use bytes::Bytes;

    use super::*;
    use crate::base::addr::NodeAddr;
    use crate::pool::action::UserMessage;
    use crate::swim::node::{Member, Meta, Node, State, Versions};

    fn addr() -> std::net::SocketAddr {
        ([127, 0, 0, 1], 7946).into()
    }

    fn member(name: &str, incarnation: u32) -> Member {
        let node = Node {
            name: name.into(),
            addr: NodeAddr::from(addr()),
            meta: Meta::default(),
            versions: Versions::default(),
        };
        Member { node: Arc::new(node), state: State::Alive, incarnation }
    }

    fn message(len: usize) -> Notice {
        Notice::Message(UserMessage { bytes: Bytes::from(vec![0; len]), from: addr(), reliable: false })
    }

    fn told(backlog: &mut Backlog) -> Vec<String> {
        std::iter::from_fn(|| backlog.pop())
            .map(|notice| match notice {
                Notice::Joined(member) => format!("joined {} {}", member.name(), member.incarnation),
                Notice::Left(member) => format!("left {} {}", member.name(), member.incarnation),
                Notice::Updated(member) => format!("updated {} {}", member.name(), member.incarnation),
                Notice::Message(message) => format!("message {}", message.bytes.len()),
                other => format!("{other:?}"),
            })
            .collect()
    }

    #[test]
    fn within_the_capacity_everything_waits_in_order() {
        let mut backlog = Backlog::new(4);

        for notice in [
            Notice::Joined(member("a", 1)),
            message(3),
            Notice::Updated(member("a", 2)),
            Notice::Left(member("a", 2)),
        ] {
            assert!(backlog.push(notice));
        }

        assert_eq!(told(&mut backlog), ["joined a 1", "message 3", "updated a 2", "left a 2"]);
    }

    #[test]
    fn beyond_it_messages_are_dropped_and_counted() {
        let mut backlog = Backlog::new(2);

        let kept: Vec<_> = (1..=5).map(|len| backlog.push(message(len))).collect();

        assert_eq!(kept, [true, true, false, false, false]);
        assert_eq!((backlog.take_dropped(), backlog.take_dropped()), (3, 0));
        assert_eq!(told(&mut backlog), ["message 1", "message 2"]);
    }

    #[test]
    fn beyond_it_the_changes_of_a_member_collapse_into_the_latest() {
        let mut backlog = Backlog::new(1);

        for round in 1..1000 {
            backlog.push(Notice::Joined(member("a", round)));
            backlog.push(Notice::Left(member("a", round)));
            backlog.push(Notice::Left(member("b", round)));
            backlog.push(Notice::Joined(member("b", round)));
            backlog.push(Notice::Updated(member("b", round + 1)));
        }

        assert_eq!(told(&mut backlog), ["left a 999", "joined b 1000"]);
    }

    #[test]
    fn the_depth_tells_what_waits_and_how_much_it_has_been() {
        let mut backlog = Backlog::new(2);

        (1..=4).for_each(|len| _ = backlog.push(message(len)));
        backlog.pop();
        backlog.take_dropped();

        let depth = Depth { waiting: 1, bytes: 2, peak: 2, accepted: 2, dropped: 2 };
        assert_eq!(backlog.depth(), depth);
        backlog.clear();
        assert_eq!(backlog.depth(), Depth { waiting: 0, bytes: 0, ..depth });
    }

    #[test]
    fn a_change_that_was_told_is_not_collapsed_into() {
        let mut backlog = Backlog::new(1);
        backlog.push(Notice::Joined(member("a", 1)));
        backlog.push(Notice::Joined(member("b", 1)));

        backlog.pop();
        backlog.push(Notice::Left(member("a", 1)));

        assert_eq!(told(&mut backlog), ["joined b 1", "left a 1"]);
    }

    #[test]
    fn many_large_messages_do_not_fill_the_memory() {
        let mut backlog = Backlog::new(1 << 20);

        let kept = (0..100).filter(|_| backlog.push(message(1 << 20))).count();

        assert_eq!(kept, BYTES_MAX >> 20);
        backlog.pop();
        assert!(backlog.push(message(1 << 20)), "room again");
    }
}
