//! Which rumours were heard, so that each is delivered once.
//!
//! For each origin a window of its latest sequence numbers; what lies before it counts as
//! heard. An origin is forgotten only when it has been silent for longer than anybody keeps
//! rumours. If that is true of none and there are too many, a new one is not believed in:
//! to deliver twice would be worse.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use crate::base::time::Time;
use crate::pool::rumours::envelope::Id;

/// Sequence numbers that a window reaches back.
pub const SPAN: u64 = 4096;

/// What was heard of all origins.
#[derive(Debug)]
pub struct Heard {
    windows: BTreeMap<u64, Window>,
    /// How many origins are remembered at most.
    limit: usize,
}

/// What hearing of a rumour amounts to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hearing {
    /// It was not heard before.
    News,
    /// It was.
    Repeat,
    /// There are too many origins.
    NoRoom,
}

impl Heard {
    /// Nothing heard yet; remembers `limit` origins.
    pub fn new(limit: usize) -> Self {
        Self { windows: BTreeMap::new(), limit }
    }

    /// Hears a rumour. Origins that were silent for `memory` may be forgotten.
    pub fn hear(&mut self, now: Time, memory: Duration, id: Id) -> Hearing {
        if !self.admit(now, memory, id.instance) {
            return Hearing::NoRoom;
        }
        let window = self.windows.entry(id.instance).or_default();
        window.used = now;
        if window.insert(id.sequence) { Hearing::News } else { Hearing::Repeat }
    }

    /// Whether a rumour was heard, or lies before all that could be told apart.
    pub fn contains(&self, id: Id) -> bool {
        self.windows.get(&id.instance).is_some_and(|window| window.contains(id.sequence))
    }

    /// Whether anything of this origin was heard.
    pub fn knows(&self, instance: u64) -> bool {
        self.windows.contains_key(&instance)
    }

    /// Counts everything of an unknown origin up to `id` as heard: it was said before we came.
    pub fn begin_after(&mut self, now: Time, memory: Duration, id: Id) {
        if !self.knows(id.instance) && self.admit(now, memory, id.instance) {
            self.windows.insert(id.instance, Window::after(now, id.sequence));
        }
    }

    /// How many origins are remembered.
    pub fn len(&self) -> usize {
        self.windows.len()
    }

    /// True before anything was heard.
    pub fn is_empty(&self) -> bool {
        self.windows.is_empty()
    }

    /// Whether there is room for this origin.
    fn admit(&mut self, now: Time, memory: Duration, instance: u64) -> bool {
        if self.windows.len() < self.limit || self.windows.contains_key(&instance) {
            return true;
        }
        self.windows.retain(|_, window| now.since(window.used) <= memory);
        self.windows.len() < self.limit
    }
}

/// The latest sequence numbers of one origin. Takes no more memory than there is between the
/// first that is missing and the last that was heard.
#[derive(Debug, Default)]
struct Window {
    /// Everything below counts as heard; a multiple of 64.
    floor: u64,
    /// Bits from the floor on.
    words: VecDeque<u64>,
    used: Time,
}

impl Window {
    fn after(now: Time, sequence: u64) -> Self {
        let next = sequence.saturating_add(1);
        let (floor, heard) = (next / 64 * 64, next % 64);
        let words = VecDeque::from([(1 << heard) - 1]);
        Self { floor, words, used: now }
    }

    fn contains(&self, sequence: u64) -> bool {
        let Some((word, bit)) = self.place(sequence) else { return true };
        self.words.get(word).is_some_and(|word| word & bit != 0)
    }

    /// False if it was heard before.
    fn insert(&mut self, sequence: u64) -> bool {
        // Sequence numbers count from 1; bit 0 stands for none.
        self.make_room(sequence);
        let Some((word, bit)) = self.place(sequence) else { return false };
        if self.words.len() <= word {
            self.words.resize(word + 1, 0);
        }
        let Some(word) = self.words.get_mut(word) else { return false };
        let is_new = *word & bit == 0;
        *word |= bit;
        self.drop_full();
        is_new
    }

    /// The word and the bit of a number; `None` below the floor.
    fn place(&self, sequence: u64) -> Option<(usize, u64)> {
        let offset = sequence.checked_sub(self.floor)?;
        Some((usize::try_from(offset / 64).ok()?, 1 << (offset % 64)))
    }

    /// Lets go of what lies more than a span before `sequence`.
    fn make_room(&mut self, sequence: u64) {
        let least = sequence.saturating_sub(SPAN - 1) / 64 * 64;
        if least > self.floor {
            let words = usize::try_from((least - self.floor) / 64).unwrap_or(usize::MAX);
            self.words.drain(..words.min(self.words.len()));
            self.floor = least;
        }
    }

    /// Numbers without a gap need no bits. That of zero is never heard.
    fn drop_full(&mut self) {
        while let Some(&front) = self.words.front() {
            if front | u64::from(self.floor == 0) != u64::MAX {
                break;
            }
            self.words.pop_front();
            self.floor += 64;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_secs(60);

    fn id(sequence: u64) -> Id {
        Id { instance: 7, sequence }
    }

    fn hear(heard: &mut Heard, sequence: u64) -> Hearing {
        heard.hear(Time::ZERO, LONG, id(sequence))
    }

    #[test]
    fn each_number_is_news_once_in_whatever_order() {
        let mut heard = Heard::new(10);
        let mut order: Vec<u64> = (1..=1000).collect();
        crate::base::rng::Rng::from_seed(1).shuffle(&mut order);

        for sequence in &order {
            assert_eq!(hear(&mut heard, *sequence), Hearing::News);
        }
        for sequence in 1..=1000 {
            assert_eq!(hear(&mut heard, sequence), Hearing::Repeat);
        }
        assert!(heard.windows[&7].words.len() <= 1, "what is complete takes no memory");
    }

    #[test]
    fn a_window_is_bounded_and_what_lies_before_it_counts_as_heard() {
        let mut heard = Heard::new(10);
        hear(&mut heard, 1);

        hear(&mut heard, 1_000_000);
        hear(&mut heard, u64::MAX);

        assert_eq!(hear(&mut heard, 2), Hearing::Repeat);
        assert!(heard.windows[&7].words.len() <= SPAN as usize / 64 + 1);
    }

    #[test]
    fn whoever_begins_later_misses_nothing_from_then_on_and_nothing_before() {
        for begin in [0, 1, 62, 63, 64, 200] {
            let mut heard = Heard::new(10);

            heard.begin_after(Time::ZERO, LONG, id(begin));

            assert!((1..=begin).all(|sequence| heard.contains(id(sequence))), "{begin}");
            assert_eq!(hear(&mut heard, begin + 1), Hearing::News);
            assert!(!heard.contains(id(begin + 2)));
        }
    }

    #[test]
    fn an_origin_is_forgotten_only_after_a_long_silence() {
        let mut heard = Heard::new(2);
        let at = |seconds| Time::ZERO + Duration::from_secs(seconds);
        let from = |instance| Id { instance, sequence: 1 };
        heard.hear(at(0), LONG, from(1));
        heard.hear(at(30), LONG, from(2));

        assert_eq!(heard.hear(at(31), LONG, from(3)), Hearing::NoRoom);
        assert_eq!(heard.hear(at(61), LONG, from(3)), Hearing::News);

        assert!(!heard.knows(1) && heard.knows(2) && heard.len() == 2);
    }
}
