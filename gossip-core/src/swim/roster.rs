//! The table of every known node: a list in random order and an index by name.
//!
//! The list's order is the probe order, so new nodes are put at random places and the
//! whole is shuffled whenever a round of probes is over (SWIM section 4.3). The index
//! cannot be iterated: the order of a hash table never decides anything.

use std::hash::Hasher;
use std::sync::Arc;

use hashbrown::HashTable;

use crate::base::name::NodeName;
use crate::base::rng::Rng;
use crate::base::time::Time;
use crate::swim::evidence::{Case, Rtt};
use crate::swim::node::{Member, Node, State};
use crate::swim::suspicion::Suspicion;

/// Our record of a node.
#[derive(Debug)]
pub struct Record {
    /// Its public facts.
    pub node: Arc<Node>,
    /// The incarnation they belong to.
    pub incarnation: u32,
    /// The version of relayed broadcasts that it understands; 0 for none, or not known.
    pub relay: u8,
    /// Its state.
    pub state: State,
    /// When the state began.
    pub since: Time,
    /// When a datagram straight from it last came, whoever began; [`Time::ZERO`] is never.
    pub(super) heard: Time,
    /// When it last acknowledged a probe of ours; [`Time::ZERO`] is never.
    pub(super) acked: Time,
    /// The round trip of that probe.
    pub(super) rtt: Rtt,
    /// What is remembered of it, if it was ever silent or accused.
    pub(super) case: Option<Box<Case>>,
}

impl Record {
    /// Of a node that is alive as far as is known.
    pub fn alive(node: Arc<Node>, incarnation: u32, since: Time) -> Self {
        let (state, heard, acked, rtt) = (State::Alive, Time::ZERO, Time::ZERO, Rtt::default());
        Self { node, incarnation, relay: 0, state, since, heard, acked, rtt, case: None }
    }

    /// The running suspicion, while suspect.
    pub fn suspicion(&self) -> Option<&Suspicion> {
        self.case.as_ref()?.suspicion.as_ref()
    }

    /// What is remembered of it.
    pub(super) fn case_mut(&mut self) -> &mut Case {
        self.case.get_or_insert_default()
    }

    /// A snapshot for the world outside.
    pub fn member(&self) -> Member {
        Member { node: Arc::clone(&self.node), state: self.state, incarnation: self.incarnation }
    }
}

/// Every known node.
#[derive(Debug)]
pub struct Roster {
    list: Vec<Record>,
    /// Positions in `list` by the hash of the name.
    index: HashTable<u32>,
    /// Secret part of the hash, so that names cannot be chosen to collide.
    salt: u64,
}

impl Roster {
    /// An empty table.
    pub fn new(rng: &mut Rng) -> Self {
        Self { list: Vec::new(), index: HashTable::new(), salt: rng.child_seed() }
    }

    /// The record of that name.
    pub fn get(&self, name: &[u8]) -> Option<&Record> {
        self.position(name).and_then(|position| self.list.get(position))
    }

    /// The record of that name, to be changed.
    pub fn get_mut(&mut self, name: &[u8]) -> Option<&mut Record> {
        self.position(name).and_then(|position| self.list.get_mut(position))
    }

    /// The record at a place of the list.
    pub fn at(&self, position: usize) -> Option<&Record> {
        self.list.get(position)
    }

    /// How many nodes are known, whatever their state: memberlist's node estimate.
    pub fn len(&self) -> usize {
        self.list.len()
    }

    /// True before the node itself is known.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Every record in list order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &Record> {
        self.list.iter()
    }

    /// Adds a node whose name is not known, at a random place of the list.
    pub fn insert(&mut self, record: Record, rng: &mut Rng) {
        debug_assert!(self.get(record.node.name.as_bytes()).is_none(), "names are unique");
        let last = self.list.len();
        if last == self.list.capacity() {
            // By an eighth, not to twice as much: the list makes up much of what a member takes.
            self.list.reserve_exact(last / 8 + 8);
        }
        self.list.push(record);
        self.enter(last);
        let place = rng.below(last + 1);
        if place != last {
            self.list.swap(place, last);
            self.renumber(place, last);
        }
    }

    /// Forgets the records for which `keep` is false, and shuffles the rest; says whether any was forgotten.
    pub fn reap_and_shuffle(&mut self, keep: impl Fn(&Record) -> bool, rng: &mut Rng) -> bool {
        let before = self.list.len();
        self.list.retain(keep);
        rng.shuffle(&mut self.list);
        self.index.clear();
        for position in 0..self.list.len() {
            self.enter(position);
        }
        self.list.len() != before
    }

    /// Up to `count` random records for which `eligible` holds. Go: `kRandomNodes`.
    ///
    /// Small tables are searched exhaustively; in large ones up to three draws a record
    /// are made, so that the cost does not grow with the table.
    pub fn pick(&self, count: usize, rng: &mut Rng, eligible: impl Fn(&Record) -> bool) -> Vec<&Record> {
        let len = self.list.len();
        if count == 0 {
            return Vec::new();
        }
        if len < count.saturating_mul(3) {
            let mut all: Vec<_> = self.list.iter().filter(|record| eligible(record)).collect();
            rng.shuffle(&mut all);
            all.truncate(count);
            return all;
        }
        let mut picked: Vec<usize> = Vec::with_capacity(count);
        for _ in 0..len.saturating_mul(3) {
            let position = rng.below(len);
            let fits = self.list.get(position).is_some_and(&eligible) && !picked.contains(&position);
            if fits {
                picked.push(position);
                if picked.len() == count {
                    break;
                }
            }
        }
        picked.into_iter().filter_map(|position| self.list.get(position)).collect()
    }

    fn position(&self, name: &[u8]) -> Option<usize> {
        let same = |&position: &u32| {
            self.list.get(position as usize).is_some_and(|record| record.node.name.as_bytes() == name)
        };
        self.index.find(hash(self.salt, name), same).map(|&position| position as usize)
    }

    /// Puts the record at `position` into the index.
    fn enter(&mut self, position: usize) {
        let Self { list, index, salt } = self;
        let rehash = |&position: &u32| name_hash(*salt, list, position);
        let own = name_hash(*salt, list, position as u32);
        index.insert_unique(own, position as u32, rehash);
    }

    /// Two records have changed places: so have their entries.
    fn renumber(&mut self, one: usize, other: usize) {
        for (now, before) in [(one, other), (other, one)] {
            let own = name_hash(self.salt, &self.list, now as u32);
            // Until both are renumbered the two entries may hold equal numbers; the hash
            // of the name tells them apart, and a found entry is renumbered once.
            if let Ok(entry) = self.index.find_entry(own, |&position| position as usize == before) {
                entry.remove();
            }
        }
        self.enter(one);
        self.enter(other);
    }
}

fn name_hash(salt: u64, list: &[Record], position: u32) -> u64 {
    list.get(position as usize).map_or(0, |record| hash(salt, record.node.name.as_bytes()))
}

fn hash(salt: u64, name: &[u8]) -> u64 {
    let mut hasher = std::collections::hash_map::DefaultHasher::new();
    hasher.write_u64(salt);
    hasher.write(name);
    hasher.finish()
}

/// A name as the table's records hold it: shared if known, made if not.
impl Roster {
    /// The shared name of a known node, or a new one.
    pub fn name(&self, name: &[u8]) -> NodeName {
        self.get(name).map_or_else(|| name.into(), |record| record.node.name.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::addr::NodeAddr;
    use crate::swim::node::{Meta, Versions};
    use std::net::SocketAddr;

    fn record(number: usize) -> Record {
        let addr = NodeAddr::from(SocketAddr::from(([10, 0, (number >> 8) as u8, number as u8], 7946)));
        let name = NodeName::from(format!("n{number}").as_str());
        let node = Node { name, addr, meta: Meta::default(), versions: Versions::default() };
        Record::alive(node.into(), 1, Time::ZERO)
    }

    fn roster(count: usize, rng: &mut Rng) -> Roster {
        let mut roster = Roster::new(rng);
        (0..count).for_each(|number| roster.insert(record(number), rng));
        roster
    }

    #[test]
    fn every_inserted_name_is_found_after_any_shuffle() {
        let mut rng = Rng::from_seed(1);
        let mut roster = roster(500, &mut rng);

        roster.reap_and_shuffle(|record| !record.node.name.as_bytes().ends_with(b"7"), &mut rng);

        for number in 0..500 {
            let name = format!("n{number}");
            let found = roster.get(name.as_bytes()).map(|record| record.node.name.to_string());
            assert_eq!(found, (number % 10 != 7).then_some(name));
        }
    }

    #[test]
    fn picks_are_distinct_and_eligible() {
        let mut rng = Rng::from_seed(2);
        for size in [1, 5, 8, 9, 100] {
            let roster = roster(size, &mut rng);

            let picked = roster.pick(3, &mut rng, |record| record.node.name.as_bytes() != b"n0");

            let mut names: Vec<_> = picked.iter().map(|record| record.node.name.clone()).collect();
            names.sort();
            names.dedup();
            assert_eq!(names.len(), 3.min(size - 1), "of {size}");
            assert!(!names.contains(&"n0".into()));
        }
    }

    #[test]
    fn a_record_and_its_node_fit_the_budget_of_a_member() {
        // At the worst: the record and an eighth that the list has in advance, the node behind its Arc with a
        // short name and 32 bytes of metadata, an index entry at its worst load, the member of the view. What
        // the benchmark measures is the average, which is to be 200 at the most.
        let record = size_of::<Record>() * 9 / 8;
        let index = (size_of::<u32>() + 1) * 16 / 7;
        let bytes = record + 16 + size_of::<Node>() + 32 + index + size_of::<Member>();
        assert!(bytes <= 202, "a member costs {bytes} bytes");
    }
}
