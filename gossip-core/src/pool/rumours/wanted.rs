//! Rumours that others have and we lack: whom to ask for them, and when.
//!
//! What is on its way down the tree is not asked for: a rumour is waited for a little first. A
//! question that stays without an answer is put again, to whoever has told of the rumour last.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use crate::base::time::Time;
use crate::pool::rumours::envelope::Id;

/// Rumours that are missed at a time; of more, others will tell again.
pub const WANTED_MAX: usize = 4096;

/// How often one is asked for until somebody tells of it again.
const TRIES: u32 = 8;

/// Rumours that we lack.
#[derive(Debug, Default)]
pub struct Wanted {
    rumours: BTreeMap<Id, Want>,
}

#[derive(Debug)]
struct Want {
    from: SocketAddr,
    due: Time,
    tries: u32,
}

impl Wanted {
    /// Somebody at `from` has a rumour that we lack; it is asked for at `due` at the latest.
    pub fn want(&mut self, id: Id, from: SocketAddr, due: Time) {
        let has_room = self.rumours.len() < WANTED_MAX;
        match self.rumours.get_mut(&id) {
            Some(want) => want.from = from,
            None if has_room => _ = self.rumours.insert(id, Want { from, due, tries: 0 }),
            None => {}
        }
    }

    /// It is here, or no longer of interest; true if it was asked for.
    pub fn settle(&mut self, id: Id) -> bool {
        self.rumours.remove(&id).is_some_and(|want| want.tries > 0)
    }

    /// Whom to ask for what now, ids ascending. The same questions are due again after `patience`.
    pub fn take_due(&mut self, now: Time, patience: Duration) -> BTreeMap<SocketAddr, Vec<Id>> {
        let mut questions: BTreeMap<_, Vec<_>> = BTreeMap::new();
        self.rumours.retain(|id, want| {
            if want.due > now {
                return true;
            }
            if want.tries == TRIES {
                return false;
            }
            want.tries += 1;
            want.due = now + patience;
            questions.entry(want.from).or_default().push(*id);
            true
        });
        questions
    }

    /// When something is due.
    pub fn first_due(&self) -> Option<Time> {
        self.rumours.values().map(|want| want.due).min()
    }

    /// How many are missed.
    pub fn len(&self) -> usize {
        self.rumours.len()
    }

    /// True if nothing is.
    pub fn is_empty(&self) -> bool {
        self.rumours.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TICK: Duration = Duration::from_millis(100);

    fn addr(port: u16) -> SocketAddr {
        SocketAddr::from(([10, 0, 0, 1], port))
    }

    fn id(sequence: u64) -> Id {
        Id { instance: 1, sequence }
    }

    #[test]
    fn what_comes_by_itself_is_not_asked_for() {
        let mut wanted = Wanted::default();
        wanted.want(id(1), addr(1), Time::ZERO + TICK);

        assert!(wanted.take_due(Time::ZERO, TICK).is_empty());
        assert!(!wanted.settle(id(1)));
        assert!(wanted.take_due(Time::ZERO + TICK, TICK).is_empty());
    }

    #[test]
    fn a_question_is_put_again_to_whoever_told_last_and_given_up_at_last() {
        let mut wanted = Wanted::default();
        wanted.want(id(1), addr(1), Time::ZERO);
        let mut asked = Vec::new();

        while let Some(due) = wanted.first_due() {
            asked.extend(wanted.take_due(due, TICK).into_keys());
            wanted.want(id(1), addr(2), Time::FAR);
            if wanted.first_due() == Some(Time::FAR) {
                break;
            }
        }

        assert_eq!((asked.len(), asked[0]), (TRIES as usize, addr(1)));
        assert!(asked[1..].iter().all(|asked| *asked == addr(2)));
    }

    #[test]
    fn so_many_are_missed_at_a_time() {
        let mut wanted = Wanted::default();

        (1..=2 * WANTED_MAX as u64).for_each(|sequence| wanted.want(id(sequence), addr(1), Time::ZERO));

        assert_eq!(wanted.len(), WANTED_MAX);
        assert_eq!(wanted.take_due(Time::ZERO, TICK)[&addr(1)].len(), WANTED_MAX);
        assert!(wanted.settle(id(1)) && wanted.len() == WANTED_MAX - 1);
    }
}
