//! What waits to be told to the application: bounded, and no change of membership is lost.
//!
//! Up to its capacity the backlog is a plain queue. Beyond it, a member's changes collapse
//! into the latest one that waits, and of messages and other things that arrive at will,
//! `capacity` wait at most: more are dropped and counted. Changes take no room from those: a
//! thousand members that join at once cost nobody a message. So it holds at most `capacity`
//! messages, as many changes, and one more for each member, however long the application
//! sleeps.

use std::collections::{HashMap, VecDeque};
use std::hash::Hash;
use std::mem;

use crate::base::name::NodeName;
use crate::pool::action::Notice;
use crate::pool::migration::MigrationKind;

/// Something that can wait.
pub(crate) trait Entry {
    /// Whose changes collapse.
    type Subject: Eq + Hash;

    /// What becomes of it when there is no room.
    fn keep(&self) -> Keep<Self::Subject>;

    /// Bytes of the application in it.
    fn weight(&self) -> usize;

    /// What tells that so many were dropped.
    fn overflow(dropped: u64) -> Self;

    /// The change that stands for `self` and one that came later.
    #[must_use]
    fn collapse(&self, later: Self) -> Self;
}

/// What becomes of an entry when there is no room.
pub(crate) enum Keep<S> {
    /// It is dropped.
    IfRoom,
    /// It takes the place of the last one about the same subject, or is put behind all.
    Latest(S),
    /// It is put behind all.
    Always,
}

/// Entries that wait, oldest first.
#[derive(Debug)]
pub(crate) struct Backlog<E: Entry> {
    queue: VecDeque<E>,
    /// Number of the front of the queue, counted from the first entry ever.
    front: u64,
    /// Number of the latest waiting change of each subject.
    latest: HashMap<E::Subject, u64>,
    /// Weight of the queue.
    bytes: usize,
    /// Entries of the queue that take room: those that would have been dropped without.
    taken: usize,
    capacity: usize,
    bytes_max: usize,
    /// Since this was last told.
    dropped: u64,
    depth: Depth,
}

/// How full a backlog is and has been.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Depth {
    /// Entries that wait.
    pub(crate) waiting: usize,
    /// Bytes of messages and states among them.
    pub(crate) bytes: usize,
    /// The most entries that have waited.
    pub(crate) peak: usize,
    /// Entries put in, ever.
    pub(crate) accepted: u64,
    /// Entries not put in because it was full or closed, ever.
    pub(crate) dropped: u64,
}

impl<E: Entry> Backlog<E> {
    /// A backlog of `capacity` entries that weigh no more than `bytes_max`; changes do not
    /// count.
    pub(crate) fn new(capacity: usize, bytes_max: usize) -> Self {
        Self {
            queue: VecDeque::new(),
            front: 0,
            latest: HashMap::new(),
            bytes: 0,
            taken: 0,
            capacity,
            bytes_max,
            dropped: 0,
            depth: Depth::default(),
        }
    }

    /// Puts an entry behind the others; false if it was dropped.
    pub(crate) fn push(&mut self, entry: E) -> bool {
        match entry.keep() {
            Keep::IfRoom => {
                if !self.push_if_room(entry) {
                    return false;
                }
            }
            Keep::Latest(subject) => self.push_change(subject, entry),
            Keep::Always => self.queue.push_back(entry),
        }
        self.depth.accepted += 1;
        self.depth.peak = self.depth.peak.max(self.queue.len());
        true
    }

    /// Takes the oldest; what was dropped is told before it.
    pub(crate) fn pop(&mut self) -> Option<E> {
        if self.dropped > 0 {
            return Some(E::overflow(mem::take(&mut self.dropped)));
        }
        let entry = self.queue.pop_front()?;
        let number = self.front;
        self.front += 1;
        self.bytes -= entry.weight();
        match entry.keep() {
            Keep::IfRoom => self.taken -= 1,
            Keep::Latest(subject) => {
                if self.latest.get(&subject) == Some(&number) {
                    self.latest.remove(&subject);
                }
            }
            Keep::Always => {}
        }
        Some(entry)
    }

    /// Forgets everything that waits; how much it was.
    pub(crate) fn clear(&mut self) -> usize {
        let waiting = self.queue.len();
        let (dropped, depth) = (self.dropped, self.depth);
        *self = Self { dropped, depth, ..Self::new(self.capacity, self.bytes_max) };
        waiting
    }

    /// How many entries may wait, changes aside.
    pub(crate) fn capacity(&self) -> usize {
        self.capacity
    }

    /// How full it is and has been.
    pub(crate) fn depth(&self) -> Depth {
        Depth { waiting: self.queue.len(), bytes: self.bytes, ..self.depth }
    }

    /// Counts an entry that was not even put in, and will not be told of.
    pub(crate) fn count_refused(&mut self) {
        self.depth.dropped += 1;
    }

    /// Tells of what was dropped, and counted, elsewhere.
    pub(crate) fn tell_dropped(&mut self, dropped: u64) {
        self.dropped = self.dropped.saturating_add(dropped);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.queue.is_empty() && self.dropped == 0
    }

    fn push_change(&mut self, subject: E::Subject, change: E) {
        if self.queue.len() >= self.capacity
            && let Some(number) = self.latest.get(&subject)
            && let Some(index) = number.checked_sub(self.front)
            && let Some(waiting) = usize::try_from(index).ok().and_then(|index| self.queue.get_mut(index))
        {
            *waiting = waiting.collapse(change);
            return;
        }
        self.latest.insert(subject, self.front + self.queue.len() as u64);
        self.queue.push_back(change);
    }

    fn push_if_room(&mut self, entry: E) -> bool {
        let weight = entry.weight();
        if self.taken >= self.capacity || self.bytes.saturating_add(weight) > self.bytes_max {
            self.depth.dropped += 1;
            self.tell_dropped(1);
            return false;
        }
        self.bytes += weight;
        self.taken += 1;
        self.queue.push_back(entry);
        true
    }
}

/// Of what the changes collapse.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Subject {
    Member(NodeName),
    Company,
    Migration(MigrationKind),
}

impl Entry for Notice {
    type Subject = Subject;

    fn keep(&self) -> Keep<Subject> {
        match self {
            Self::Joined(member) | Self::Left(member) | Self::Updated(member) => {
                Keep::Latest(Subject::Member(member.name().clone()))
            }
            Self::Isolated | Self::Healed { .. } => Keep::Latest(Subject::Company),
            Self::Migrated(migrated) => Keep::Latest(Subject::Migration(migrated.kind)),
            Self::Overflow { .. } | Self::Ended => Keep::Always,
            Self::Conflict { .. } | Self::Message(_) | Self::RemoteState { .. } | Self::Pinged { .. } => {
                Keep::IfRoom
            }
        }
    }

    fn weight(&self) -> usize {
        match self {
            Self::Message(message) => message.bytes.len(),
            Self::RemoteState { state, .. } => state.len(),
            Self::Pinged { payload, .. } => payload.len(),
            _ => 0,
        }
    }

    fn overflow(dropped: u64) -> Self {
        Self::Overflow { dropped }
    }

    /// A member that joined and then changed has still joined. What was healed twice is healed
    /// of both.
    fn collapse(&self, later: Self) -> Self {
        match (self, later) {
            (Self::Joined(_), Self::Updated(member)) => Self::Joined(member),
            (Self::Healed { returned: before, .. }, Self::Healed { returned, missing }) => {
                Self::Healed { returned: before + returned, missing }
            }
            (_, later) => later,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use bytes::Bytes;

    use super::*;
    use crate::base::addr::NodeAddr;
    use crate::base::ids::PoolId;
    use crate::pool::action::UserMessage;
    use crate::swim::node::{Member, Meta, Node, State, Versions};

    const BYTES: usize = 64 << 20;

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
        let bytes = Bytes::from(vec![0; len]);
        Notice::Message(UserMessage {
            pool: PoolId(1),
            bytes,
            from: addr(),
            sender: None,
            reliable: false,
            encrypted: false,
            at: crate::base::time::Time::ZERO,
            origin: None,
        })
    }

    fn told(backlog: &mut Backlog<Notice>) -> Vec<String> {
        std::iter::from_fn(|| backlog.pop())
            .map(|notice| match notice {
                Notice::Joined(member) => format!("joined {} {}", member.name(), member.incarnation),
                Notice::Left(member) => format!("left {} {}", member.name(), member.incarnation),
                Notice::Updated(member) => format!("updated {} {}", member.name(), member.incarnation),
                Notice::Message(message) => format!("message {}", message.bytes.len()),
                Notice::Overflow { dropped } => format!("{dropped} dropped"),
                other => format!("{other:?}"),
            })
            .collect()
    }

    #[test]
    fn within_the_capacity_everything_waits_in_order() {
        let mut backlog = Backlog::new(4, BYTES);

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
        let mut backlog = Backlog::new(2, BYTES);

        let kept: Vec<_> = (1..=5).map(|len| backlog.push(message(len))).collect();

        assert_eq!(kept, [true, true, false, false, false]);
        assert_eq!(told(&mut backlog), ["3 dropped", "message 1", "message 2"]);
        assert!(backlog.is_empty(), "what was dropped is told once");
    }

    #[test]
    fn beyond_it_the_changes_of_a_member_collapse_into_the_latest() {
        let mut backlog = Backlog::new(1, BYTES);

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
    fn what_is_told_of_the_pool_collapses_too_and_is_never_dropped() {
        let mut backlog = Backlog::new(1, BYTES);
        let healed = |returned| Notice::Healed { returned, missing: 7 };

        backlog.push(message(3));
        for notice in [Notice::Isolated, healed(2), healed(3), Notice::Joined(member("a", 1))] {
            assert!(backlog.push(notice));
        }

        assert_eq!(told(&mut backlog), ["message 3", "Healed { returned: 5, missing: 7 }", "joined a 1"]);
        backlog.push(message(3));
        backlog.push(healed(1));
        backlog.push(Notice::Isolated);
        assert_eq!(told(&mut backlog), ["message 3", "Isolated"]);
    }

    #[test]
    fn the_depth_tells_what_waits_and_how_much_it_has_been() {
        let mut backlog = Backlog::new(2, BYTES);

        (1..=4).for_each(|len| _ = backlog.push(message(len)));
        // What was dropped, and one that was not.
        backlog.pop();
        backlog.pop();

        let depth = Depth { waiting: 1, bytes: 2, peak: 2, accepted: 2, dropped: 2 };
        assert_eq!(backlog.depth(), depth);
        backlog.clear();
        assert_eq!(backlog.depth(), Depth { waiting: 0, bytes: 0, ..depth });
    }

    #[test]
    fn changes_take_no_room_from_messages() {
        let mut backlog = Backlog::new(2, BYTES);
        for round in 0..3 {
            backlog.push(Notice::Joined(member("a", round)));
            backlog.push(Notice::Joined(member("b", round)));
        }

        let kept: Vec<_> = (1..=3).map(|len| backlog.push(message(len))).collect();

        assert_eq!(kept, [true, true, false]);
        assert_eq!(told(&mut backlog), ["1 dropped", "joined a 2", "joined b 2", "message 1", "message 2"]);
        assert!(backlog.push(message(1)) && backlog.push(message(2)), "room again");
    }

    #[test]
    fn a_change_that_was_told_is_not_collapsed_into() {
        let mut backlog = Backlog::new(1, BYTES);
        backlog.push(Notice::Joined(member("a", 1)));
        backlog.push(Notice::Joined(member("b", 1)));

        backlog.pop();
        backlog.push(Notice::Left(member("a", 1)));

        assert_eq!(told(&mut backlog), ["joined b 1", "left a 1"]);
    }

    #[test]
    fn many_large_messages_do_not_fill_the_memory() {
        let mut backlog = Backlog::new(1 << 20, BYTES);

        let kept = (0..100).filter(|_| backlog.push(message(1 << 20))).count();

        assert_eq!(kept, BYTES >> 20);
        assert!(matches!(backlog.pop(), Some(Notice::Overflow { .. })));
        assert!(matches!(backlog.pop(), Some(Notice::Message(_))));
        assert!(backlog.push(message(1 << 20)), "room again");
    }
}
