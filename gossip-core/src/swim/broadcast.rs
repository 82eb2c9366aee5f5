//! The queue of messages that every member shall hear: each is sent a limited number of
//! times, freshest first (SWIM section 4.1; memberlist's `TransmitLimitedQueue`).
//!
//! Order: fewest transmissions first, then longest, then newest. Within one call a tier
//! of equal transmissions is emptied before the next is looked at, so every message
//! goes out at least once however few transmissions are allowed.

use std::cmp::Reverse;
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

/// Place of an entry: transmissions, then length and age reversed.
type Place = (u32, Reverse<usize>, Reverse<u64>);

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
    names: BTreeMap<NodeName, Place>,
    /// Ids never restart; equal places would lose an entry.
    queued: u64,
    /// Waiters whose entry is finished: sent often enough, replaced, or dropped.
    finished: Vec<TaskId>,
    /// Entries taken out for the length of one `take`.
    aside: Vec<(Place, Entry)>,
}

impl BroadcastQueue {
    /// Queues `message`, and finishes what it replaces. `waiter` is told when it is finished itself.
    pub fn queue(&mut self, subject: Subject, message: Bytes, waiter: Option<TaskId>) {
        match &subject {
            Subject::Named(name) => {
                if let Some(place) = self.names.get(name).copied() {
                    self.finish(place);
                }
            }
            Subject::Plain(_) => {
                let same = self.entries.iter().filter(|(_, entry)| entry.subject == subject);
                for place in same.map(|(place, _)| *place).collect::<Vec<_>>() {
                    self.finish(place);
                }
            }
            Subject::Unique => {}
        }
        self.queued += 1;
        let place = (0, Reverse(message.len()), Reverse(self.queued));
        self.insert(place, Entry { subject, message, waiter });
    }

    /// Gives messages to `each` until `limit` bytes or `parts` messages are used, every one
    /// costing `overhead` bytes more than its length. A message that has been taken
    /// `transmissions` times is finished. Returns the bytes used, overheads included.
    pub fn take(&mut self, room: Room, transmissions: u32, mut each: impl FnMut(&Bytes)) -> usize {
        let Room { overhead, limit, mut parts } = room;
        let (Some((front, _)), Some((back, _))) =
            (self.entries.first_key_value(), self.entries.last_key_value())
        else {
            return 0;
        };
        let (mut tier, last) = (front.0, back.0);
        let mut used = 0;
        while tier <= last && parts > 0 {
            let free = limit.saturating_sub(used + overhead);
            if free == 0 {
                break;
            }
            let from = (tier, Reverse(free), Reverse(u64::MAX));
            let fitting = self.entries.range(from..).next().map(|(place, _)| *place);
            let Some(place) = fitting.filter(|place| place.0 == tier) else {
                tier += 1;
                continue;
            };
            let Some(entry) = self.remove(place) else { break };
            used += overhead + entry.message.len();
            parts -= 1;
            each(&entry.message);
            if place.0 + 1 >= transmissions {
                self.finished.extend(entry.waiter);
            } else {
                self.aside.push(((place.0 + 1, place.1, place.2), entry));
            }
        }
        let mut aside = std::mem::take(&mut self.aside);
        for (place, entry) in aside.drain(..) {
            self.insert(place, entry);
        }
        self.aside = aside;
        used
    }

    /// Drops the entries longer than `most` bytes, which nobody will ever take; returns how many.
    pub fn drop_longer(&mut self, most: usize) -> u64 {
        let before = self.entries.len();
        // Never taken and longest: they are in front.
        while let Some(place) = self.entries.first_key_value().map(|(place, _)| *place) {
            if place.1.0 <= most {
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

    fn insert(&mut self, place: Place, entry: Entry) {
        if let Subject::Named(name) = &entry.subject {
            self.names.insert(name.clone(), place);
        }
        self.entries.insert(place, entry);
    }

    fn remove(&mut self, place: Place) -> Option<Entry> {
        let entry = self.entries.remove(&place)?;
        if let Subject::Named(name) = &entry.subject {
            self.names.remove(name);
        }
        Some(entry)
    }

    fn finish(&mut self, place: Place) {
        if let Some(entry) = self.remove(place) {
            self.finished.extend(entry.waiter);
        }
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
                json!({ "transmits": place.0, "len": place.1.0, "name": name })
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
