//! The queue of messages that every member shall hear: each is sent a limited number of
//! times, freshest first (SWIM section 4.1; memberlist's `TransmitLimitedQueue`).
//!
//! Order: fewest transmissions first, then longest, then newest. Within one call a tier
//! of equal transmissions is emptied before the next is looked at, so every message
//! goes out at least once however few transmissions are allowed.

use std::collections::BTreeMap;

use bytes::Bytes;

use crate::base::ids::TaskId;
use crate::base::name::NodeName;

/// What an entry replaces when it is queued.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Subject {
    /// The entry of the same name.
    Named(NodeName),
    /// Nothing.
    Unique,
    /// Every plain entry about the same thing; named ones stay.
    Plain(NodeName),
}

/// Place of an entry in the order: transmissions, then length and age reversed. One number, since
/// places are compared a dozen times for each transmission.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Place(u128);

impl Place {
    fn new(transmissions: u32, len: usize, id: u64) -> Self {
        let len = u32::try_from(len).unwrap_or(u32::MAX);
        Self(u128::from(transmissions) << 96 | u128::from(!len) << 64 | u128::from(!id))
    }

    /// The first place of entries with as many transmissions that are at most `len` long.
    fn first_of(transmissions: u32, len: usize) -> Self {
        Self::new(transmissions, len, u64::MAX)
    }

    fn transmissions(self) -> u32 {
        (self.0 >> 96) as u32
    }

    fn len(self) -> usize {
        !((self.0 >> 64) as u32) as usize
    }

    /// Where the entry goes after one more transmission.
    fn next(self) -> Self {
        Self(self.0 + (1 << 96))
    }
}

#[derive(Debug)]
struct Entry {
    subject: Subject,
    message: Bytes,
    waiter: Option<TaskId>,
}

/// Messages that wait for their transmissions.
#[derive(Debug, Default)]
pub struct BroadcastQueue {
    entries: BTreeMap<Place, Entry>,
    /// The place that each named entry had at first; since then it has only been transmitted.
    names: BTreeMap<NodeName, Place>,
    /// Ids never restart; equal places would lose an entry.
    queued: u64,
    /// Waiters whose entry is finished: sent often enough, replaced, or dropped.
    finished: Vec<TaskId>,
    /// What is taken in one `take`.
    taken: Vec<Place>,
}

impl BroadcastQueue {
    /// Queues `message`, and finishes what it replaces. `waiter` is told when it is finished itself.
    pub fn queue(&mut self, subject: Subject, message: Bytes, waiter: Option<TaskId>) {
        self.queued += 1;
        let place = Place::new(0, message.len(), self.queued);
        match &subject {
            Subject::Named(name) => {
                if let Some(first) = self.names.insert(name.clone(), place) {
                    self.replace(first);
                }
            }
            Subject::Plain(_) => {
                let same = self.entries.extract_if(.., |_, entry| entry.subject == subject);
                self.finished.extend(same.filter_map(|(_, entry)| entry.waiter));
            }
            Subject::Unique => {}
        }
        self.entries.insert(place, Entry { subject, message, waiter });
    }

    /// Finishes the named entry whose place was `first`.
    fn replace(&mut self, first: Place) {
        let last = self.entries.last_key_value().map_or(0, |(last, _)| last.transmissions());
        let mut places =
            std::iter::successors(Some(first), |place| Some(place.next())).take(last as usize + 1);
        if let Some(entry) = places.find_map(|place| self.entries.remove(&place)) {
            self.finished.extend(entry.waiter);
        }
    }

    /// Gives messages to `each` until `limit` bytes or `parts` messages are used, every one
    /// costing `overhead` bytes more than its length. A message that has been taken
    /// `transmissions` times is finished. Returns the bytes used, overheads included.
    pub fn take(&mut self, room: Room, transmissions: u32, each: impl FnMut(&Bytes)) -> usize {
        let used = self.choose(room, each);
        let mut taken = std::mem::take(&mut self.taken);
        for place in taken.drain(..) {
            if place.transmissions() + 1 >= transmissions {
                self.finish(place);
            } else if let Some(entry) = self.entries.remove(&place) {
                self.entries.insert(place.next(), entry);
            }
        }
        self.taken = taken;
        used
    }

    /// Notes in `taken` what goes into the room, and gives it to `each`.
    fn choose(&mut self, room: Room, mut each: impl FnMut(&Bytes)) -> usize {
        let Room { overhead, limit, parts } = room;
        let mut used = 0;
        let mut from = Place::new(0, usize::MAX, u64::MAX);
        // Anew where those in front are longer than what is free, and for each tier.
        while let Some((first, _)) = self.entries.range(from..).next() {
            let tier = first.transmissions();
            from = Place::first_of(tier + 1, usize::MAX);
            for (place, entry) in self.entries.range(*first..) {
                let free = limit.saturating_sub(used + overhead);
                if free == 0 || self.taken.len() == parts {
                    return used;
                }
                if place.transmissions() > tier {
                    break;
                }
                if place.len() > free {
                    from = Place::first_of(tier, free);
                    break;
                }
                each(&entry.message);
                used += overhead + place.len();
                self.taken.push(*place);
            }
        }
        used
    }

    /// Drops the entries longer than `most` bytes, which nobody will ever take; returns how many.
    pub fn drop_longer(&mut self, most: usize) -> u64 {
        let before = self.entries.len();
        // Never taken and longest: they are in front.
        while let Some(place) = self.entries.first_key_value().map(|(place, _)| *place) {
            if place.len() <= most {
                break;
            }
            self.finish(place);
        }
        (before - self.entries.len()) as u64
    }

    /// Drops the entries at the back until `most` remain.
    pub fn prune(&mut self, most: usize) {
        while self.entries.len() > most {
            let Some(place) = self.entries.last_key_value().map(|(place, _)| *place) else { return };
            self.finish(place);
        }
    }

    /// A waiter whose entry is finished.
    pub fn poll_finished(&mut self) -> Option<TaskId> {
        self.finished.pop()
    }

    /// How many wait.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// True when nothing waits.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    fn finish(&mut self, place: Place) {
        let Some(entry) = self.entries.remove(&place) else { return };
        if let Subject::Named(name) = &entry.subject {
            self.names.remove(name);
        }
        self.finished.extend(entry.waiter);
    }
}

/// How much may be taken at once.
#[derive(Debug, Clone, Copy)]
pub struct Room {
    /// Bytes each message costs besides its own.
    pub overhead: usize,
    /// Bytes in all.
    pub limit: usize,
    /// Messages in all.
    pub parts: usize,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::swim::scale::retransmit_limit;
    use crate::swim::vectors::{bytes, load};
    use serde_json::{Value, json};

    /// What the recording calls finished entries, by the waiter they were queued with.
    struct Recording {
        queue: BroadcastQueue,
        labels: Vec<String>,
    }

    impl Recording {
        fn step(&mut self, step: &Value, transmissions: u32) {
            match step["op"].as_str().unwrap() {
                "queue" => {
                    let (name, message) = (step["name"].as_str().unwrap(), bytes(&step["msg"]).unwrap());
                    let hex: String = message.iter().map(|byte| format!("{byte:02x}")).collect();
                    self.labels.push(format!("{name}:{hex}"));
                    let subject = match step["kind"].as_str().unwrap() {
                        "named" => Subject::Named(name.into()),
                        "unique" => Subject::Unique,
                        _ => Subject::Plain(name.into()),
                    };
                    self.queue.queue(subject, message.into(), Some(TaskId(self.labels.len() as u64 - 1)));
                }
                "get" => {
                    let count = |key: &str| step[key].as_i64().unwrap().max(0) as usize;
                    let room = Room { overhead: count("overhead"), limit: count("limit"), parts: usize::MAX };
                    let mut taken = Vec::new();
                    self.queue.take(room, transmissions, |message| taken.push(message.to_vec()));
                    let want: Vec<_> =
                        step["returned"].as_array().unwrap().iter().map(|hex| bytes(hex).unwrap()).collect();
                    assert_eq!(taken, want);
                }
                _ => self.queue.prune(step["max_retain"].as_u64().unwrap() as usize),
            }
        }

        fn finished(&mut self) -> Vec<String> {
            self.queue.finished.drain(..).map(|task| self.labels[task.0 as usize].clone()).collect()
        }

        fn order(&self) -> Value {
            let entry = |(place, entry): (&Place, &Entry)| {
                let name = match &entry.subject {
                    Subject::Named(name) => name.to_string(),
                    _ => String::new(),
                };
                json!({ "transmits": place.transmissions(), "len": place.len(), "name": name })
            };
            self.queue.entries.iter().map(entry).collect()
        }
    }

    #[test]
    fn recorded_queues_behave_as_in_go() {
        let vectors = load("queue");
        assert_eq!(vectors.len(), 7);
        for vector in vectors {
            let param = |key: &str| vector["params"][key].as_u64().unwrap();
            let transmissions =
                retransmit_limit(param("retransmit_mult") as u32, param("num_nodes") as usize);
            let mut recording = Recording { queue: BroadcastQueue::default(), labels: Vec::new() };
            for step in vector["fields"]["steps"].as_array().unwrap() {
                recording.step(step, transmissions);

                // Go restarts its ids when the queue is empty; ours never restart, so ids are left out.
                let mut order = step["after"]["order"].clone();
                for entry in order.as_array_mut().unwrap() {
                    entry.as_object_mut().unwrap().remove("id");
                }
                assert_eq!(recording.order(), order, "{}", vector["id"]);
                assert_eq!(json!(recording.finished()), step["after"]["finished"], "{}", vector["id"]);
            }
        }
    }

    #[test]
    fn a_message_larger_than_the_room_waits_and_lets_smaller_ones_pass() {
        let mut queue = BroadcastQueue::default();
        queue.queue(Subject::Unique, Bytes::from_static(&[0; 100]), None);
        queue.queue(Subject::Unique, Bytes::from_static(&[1; 10]), None);

        let mut taken = Vec::new();
        let used = queue.take(Room { overhead: 2, limit: 50, parts: 127 }, 8, |m| taken.push(m.len()));

        assert_eq!((taken, used, queue.len()), (vec![10], 12, 2));
    }

    #[test]
    fn a_named_message_is_replaced_however_often_it_was_sent() {
        let room = Room { overhead: 2, limit: 1000, parts: 127 };
        for sent in 0..4 {
            let mut queue = BroadcastQueue::default();
            let named = |queue: &mut BroadcastQueue, message: &'static [u8], waiter| {
                queue.queue(Subject::Named("a".into()), Bytes::from_static(message), Some(TaskId(waiter)));
            };
            named(&mut queue, b"old", 1);
            queue.queue(Subject::Named("b".into()), Bytes::from_static(b"other"), None);
            for _ in 0..sent {
                queue.take(room, 4, |_| {});
            }

            named(&mut queue, b"new", 2);

            assert_eq!((queue.len(), queue.poll_finished()), (2, Some(TaskId(1))), "sent {sent} times");
            let mut taken = Vec::new();
            queue.take(room, 4, |message| taken.push(message.clone()));
            assert!(taken.contains(&Bytes::from_static(b"new")), "{taken:?}");
            assert!(!taken.contains(&Bytes::from_static(b"old")), "{taken:?}");
        }
    }

    #[test]
    fn at_most_the_given_number_of_parts_is_taken() {
        let mut queue = BroadcastQueue::default();
        for _ in 0..10 {
            queue.queue(Subject::Unique, Bytes::from_static(b"x"), None);
        }

        let mut taken = 0;
        queue.take(Room { overhead: 2, limit: 1000, parts: 3 }, 8, |_| taken += 1);

        assert_eq!(taken, 3);
    }
}
