//! Rumours kept for those who missed them: for a while, and so many bytes.
//!
//! Of those of one name and origin only the latest is kept. What is new is told of a number
//! of times beside gossip; all of it is told of on pings.

use std::collections::{BTreeMap, VecDeque};
use std::ops::Bound;
use std::time::Duration;

use bytes::Bytes;

use crate::base::time::Time;
use crate::pool::rumours::envelope::{Entry, Id};

/// Bytes of rumours that are kept, with `ENTRY_COST` for each.
pub const BYTES_MAX: usize = 4 << 20;

/// What a kept rumour costs besides its bytes, roughly.
const ENTRY_COST: usize = 128;

/// The rumours that are kept.
#[derive(Debug, Default)]
pub struct Kept {
    rumours: BTreeMap<Id, Rumour>,
    /// In the order in which they came. Those replaced since are in it until they are passed over.
    order: VecDeque<(Time, Id)>,
    /// The latest of each name, by instance.
    names: BTreeMap<(u64, Bytes), u64>,
    /// How often a digest is still to tell beside gossip of what came of each instance.
    news: BTreeMap<u64, u32>,
    bytes: usize,
    /// Where the next digest goes on.
    told: Id,
}

#[derive(Debug)]
struct Rumour {
    body: Bytes,
    name: Bytes,
    /// Whether an arc was looked after with it.
    passed_on: bool,
}

/// Whether a rumour counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keeping {
    /// It is the latest of its name, or has none.
    Kept,
    /// A later one of its name is here already.
    Superseded,
}

impl Kept {
    /// Keeps a rumour that was not kept before, in place of an older one of its name, and tells
    /// of it `tellings` times.
    pub fn keep(&mut self, now: Time, id: Id, name: &[u8], body: Bytes, tellings: u32) -> Keeping {
        let name = Bytes::copy_from_slice(name);
        if !name.is_empty() {
            let key = (id.instance, name.clone());
            match self.names.get(&key) {
                Some(&latest) if latest > id.sequence => return Keeping::Superseded,
                Some(&older) => self.remove(Id { sequence: older, ..id }),
                None => {}
            }
            self.names.insert(key, id.sequence);
        }
        self.bytes += cost(&body);
        self.rumours.insert(id, Rumour { body, name, passed_on: false });
        self.order.push_back((now, id));
        self.news.insert(id.instance, tellings);
        while self.bytes > BYTES_MAX && self.drop_oldest() {}
        Keeping::Kept
    }

    /// Drops what came before `since`.
    pub fn expire(&mut self, now: Time, age: Duration) {
        while self.order.front().is_some_and(|(came, _)| now.since(*came) > age) {
            self.drop_oldest();
        }
    }

    /// The body of a rumour.
    pub fn body(&self, id: Id) -> Option<&Bytes> {
        self.rumours.get(&id).map(|rumour| &rumour.body)
    }

    /// Notes that an arc is looked after with this rumour; false if one was before, or if it is
    /// not kept.
    pub fn pass_on(&mut self, id: Id) -> bool {
        self.rumours.get_mut(&id).is_some_and(|rumour| !std::mem::replace(&mut rumour.passed_on, true))
    }

    /// What to tell beside gossip, at most `room` bytes; each call is one telling.
    pub fn tell_news(&mut self, room: usize) -> Vec<Entry> {
        let mut entries = Vec::new();
        let (mut left, mut told) = (room, Vec::new());
        let after = self.told.instance.saturating_add(1);
        let turn = self.news.range(after..).chain(self.news.range(..after)).map(|(instance, _)| *instance);
        for instance in turn {
            let of = self.entries_of(instance, left);
            let Some(len) = of.iter().map(Entry::len).reduce(|a, b| a + b) else { break };
            entries.extend(of);
            left = left.saturating_sub(len);
            told.push(instance);
        }
        for instance in told {
            self.told = Id { instance, sequence: 0 };
            if let Some(tellings) = self.news.get_mut(&instance) {
                *tellings = tellings.saturating_sub(1);
                if *tellings == 0 {
                    self.news.remove(&instance);
                }
            }
        }
        entries
    }

    /// Whether there is something to tell beside gossip.
    pub fn has_news(&self) -> bool {
        !self.news.is_empty()
    }

    /// What is kept, at most `room` bytes of it; the next call goes on where this one ended.
    pub fn tell_all(&mut self, room: usize) -> Vec<Entry> {
        // As many ids as can fit at best; then as many entries as do.
        let most = room.saturating_mul(8).min(self.rumours.len());
        let after = self.told;
        let later = self.rumours.range((Bound::Excluded(after), Bound::Unbounded));
        let turn = later.chain(self.rumours.range(..=after)).map(|(id, _)| *id).take(most);
        let mut entries = Entry::collect(turn);
        truncate(&mut entries, room);
        if let Some(last) = entries.last().and_then(|entry| entry.ids().last()) {
            self.told = last;
        }
        entries
    }

    /// Bodies that are kept and for which `lacks` holds, at most `room` bytes, the latest to come first.
    pub fn bodies(&self, room: usize, lacks: impl Fn(Id) -> bool) -> Vec<Bytes> {
        let mut left = room;
        let mut bodies = Vec::new();
        for (_, id) in self.order.iter().rev() {
            let Some(rumour) = self.rumours.get(id).filter(|_| lacks(*id)) else { continue };
            let Some(rest) = left.checked_sub(rumour.body.len() + 4) else { break };
            left = rest;
            bodies.push(rumour.body.clone());
        }
        bodies
    }

    /// How many are kept.
    pub fn len(&self) -> usize {
        self.rumours.len()
    }

    /// True if none is.
    pub fn is_empty(&self) -> bool {
        self.rumours.is_empty()
    }

    /// What they take: at most [`BYTES_MAX`].
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// The rumours of an instance, the latest in any case, at most `room` bytes.
    fn entries_of(&self, instance: u64, room: usize) -> Vec<Entry> {
        let (first, last) = (Id { instance, sequence: 0 }, Id { instance, sequence: u64::MAX });
        let mut ids: Vec<_> =
            self.rumours.range(first..=last).rev().map(|(id, _)| *id).take(LATEST).collect();
        ids.reverse();
        let mut entries = Entry::collect(ids.into_iter());
        entries.reverse();
        truncate(&mut entries, room);
        entries
    }

    fn drop_oldest(&mut self) -> bool {
        let Some((_, id)) = self.order.pop_front() else { return false };
        self.remove(id);
        true
    }

    fn remove(&mut self, id: Id) {
        let Some(rumour) = self.rumours.remove(&id) else { return };
        self.bytes = self.bytes.saturating_sub(cost(&rumour.body));
        let key = (id.instance, rumour.name);
        if self.names.get(&key) == Some(&id.sequence) {
            self.names.remove(&key);
        }
        let (first, last) = (Id { sequence: 0, ..id }, Id { sequence: u64::MAX, ..id });
        if self.rumours.range(first..=last).next().is_none() {
            self.news.remove(&id.instance);
        }
    }
}

/// Rumours of one instance that a digest beside gossip tells of.
const LATEST: usize = 1024;

fn cost(body: &Bytes) -> usize {
    body.len() + ENTRY_COST
}

/// Keeps the entries in front that fit.
fn truncate(entries: &mut Vec<Entry>, room: usize) {
    let mut left = room;
    let fits = entries.iter().take_while(|entry| match left.checked_sub(entry.len()) {
        Some(rest) => {
            left = rest;
            true
        }
        None => false,
    });
    let fits = fits.count();
    entries.truncate(fits);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(instance: u64, sequence: u64) -> Id {
        Id { instance, sequence }
    }

    fn keep(kept: &mut Kept, id: Id, name: &str, len: usize) -> Keeping {
        kept.keep(Time::ZERO, id, name.as_bytes(), vec![0; len].into(), 2)
    }

    fn ids(entries: &[Entry]) -> Vec<Id> {
        entries.iter().flat_map(Entry::ids).collect()
    }

    #[test]
    fn of_one_name_and_origin_only_the_latest_counts() {
        let mut kept = Kept::default();
        keep(&mut kept, id(1, 1), "a", 10);

        assert_eq!(keep(&mut kept, id(1, 3), "a", 10), Keeping::Kept);
        assert_eq!(keep(&mut kept, id(1, 2), "a", 10), Keeping::Superseded);
        keep(&mut kept, id(2, 1), "a", 10);
        keep(&mut kept, id(1, 4), "b", 10);

        let all = ids(&kept.tell_all(1000));
        assert_eq!(all, [id(1, 3), id(1, 4), id(2, 1)]);
        assert_eq!(kept.bytes(), 3 * (10 + ENTRY_COST));
    }

    #[test]
    fn bytes_and_age_are_bounded_the_oldest_go_first() {
        let mut kept = Kept::default();
        let size = BYTES_MAX / 4;
        for sequence in 1..=10 {
            keep(&mut kept, id(1, sequence), "", size);
        }

        assert!(kept.bytes() <= BYTES_MAX && kept.len() == 3, "{} bytes", kept.bytes());
        assert!(kept.body(id(1, 10)).is_some() && kept.body(id(1, 7)).is_none());
        kept.expire(Time::ZERO + Duration::from_secs(61), Duration::from_secs(60));
        assert_eq!((kept.len(), kept.bytes(), kept.order.len(), kept.news.len()), (0, 0, 0, 0));
    }

    #[test]
    fn news_is_told_as_often_as_it_should_be() {
        let mut kept = Kept::default();
        keep(&mut kept, id(1, 1), "", 10);
        assert_eq!(ids(&kept.tell_news(1000)), [id(1, 1)]);
        keep(&mut kept, id(2, 5), "", 10);

        assert_eq!(ids(&kept.tell_news(1000)), [id(2, 5), id(1, 1)]);
        assert_eq!(ids(&kept.tell_news(1000)), [id(2, 5)]);

        assert!(!kept.has_news() && kept.tell_news(1000).is_empty());
        assert_eq!(ids(&kept.tell_all(1000)).len(), 2);
    }

    #[test]
    fn a_digest_keeps_to_its_room_and_the_next_goes_on() {
        let mut kept = Kept::default();
        for instance in 1..=9 {
            keep(&mut kept, id(instance, 1), "", 10);
        }
        let room = 4 * 18;

        let told: Vec<_> = (0..3).flat_map(|_| ids(&kept.tell_all(room))).collect();

        assert_eq!(
            told.iter().map(|id| id.instance).collect::<Vec<_>>(),
            [1, 2, 3, 4, 5, 6, 7, 8, 9, 1, 2, 3]
        );
        let news: Vec<_> = (0..3).flat_map(|_| ids(&kept.tell_news(room))).collect();
        assert_eq!(news.len(), 12);
    }

    #[test]
    fn an_arc_is_looked_after_once() {
        let mut kept = Kept::default();
        keep(&mut kept, id(1, 1), "", 10);

        assert!(kept.pass_on(id(1, 1)) && !kept.pass_on(id(1, 1)) && !kept.pass_on(id(1, 2)));
    }
}
