//! Seeds: where all randomness of a run comes from, and how a run is repeated.
//!
//! A world has one seed; hosts, links and applications get children of it that depend
//! on nothing but their numbers, so that one more host does not change the others.

use std::ops::Range;
use std::panic::Location;
use std::path::Path;

use crate::sim::world::World;

/// Runs `scenario` in a fresh world for each seed: by default `count` fixed ones, with
/// `GOSSIP_SEED=n` that one alone, with `GOSSIP_SEEDS=n` all below `n`. A failure
/// prints the command that repeats it.
#[track_caller]
pub fn for_each_seed(count: u64, scenario: impl Fn(&mut World)) {
    let repeat = Repeat::of(Location::caller());
    for seed in seeds(count) {
        let mut world = World::new(seed).repeated_by(repeat.clone());
        scenario(&mut world);
        world.finish();
    }
}

/// The seeds a scenario runs with; see [`for_each_seed`].
pub fn seeds(count: u64) -> Range<u64> {
    if let Some(one) = number("GOSSIP_SEED") {
        return one..one.saturating_add(1);
    }
    0..number("GOSSIP_SEEDS").unwrap_or(count)
}

fn number(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    match text.trim().parse() {
        Ok(number) => Some(number),
        Err(_) => panic!("{variable} is {text:?}, must be a whole number"),
    }
}

/// The command that repeats a test, but for its seed.
#[derive(Debug, Clone, Default)]
pub(super) struct Repeat {
    file: String,
    test: String,
}

impl Repeat {
    /// The test of this thread, in the file of `caller`. The harness names threads for
    /// their tests, unless it runs them one by one on the main thread.
    fn of(caller: &Location<'_>) -> Self {
        let file = Path::new(caller.file()).file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let thread = std::thread::current();
        let test = thread.name().filter(|&name| name != "main").unwrap_or_default().to_owned();
        Self { file, test }
    }

    /// The whole command for `seed`.
    pub(super) fn command(&self, seed: u64) -> String {
        if self.file.is_empty() {
            return format!("World::new({seed})");
        }
        format!("GOSSIP_SEED={seed} cargo test -p gossip-core --test {} {}", self.file, self.test)
            .trim_end()
            .to_owned()
    }
}

/// Whose randomness a child seed feeds.
#[derive(Debug, Clone, Copy)]
pub(super) enum Purpose {
    Machine = 1,
    Nonces = 2,
    App = 3,
    Link = 4,
    Scenario = 5,
    Lateness = 6,
}

/// The child of `seed` for a purpose and two numbers (host and life, or both ends of a link).
pub(super) fn child(seed: u64, purpose: Purpose, first: u64, second: u64) -> u64 {
    [purpose as u64, first, second].into_iter().fold(scatter(seed), |state, word| scatter(state ^ word))
}

/// SplitMix64: neighbouring inputs give unrelated outputs.
fn scatter(word: u64) -> u64 {
    let mut word = word.wrapping_add(0x9E37_79B9_7F4A_7C15);
    word = (word ^ (word >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    word = (word ^ (word >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    word ^ (word >> 31)
}

/// A running hash: equal runs have equal fingerprints. Not for adversaries.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Fingerprint(u64);

impl Fingerprint {
    pub(super) fn value(self) -> u64 {
        scatter(self.0)
    }

    pub(super) fn word(&mut self, word: u64) {
        self.0 = (self.0.rotate_left(5) ^ word).wrapping_mul(0x517C_C1B7_2722_0A95);
    }

    pub(super) fn bytes(&mut self, bytes: &[u8]) {
        self.word(bytes.len() as u64);
        let (words, rest) = bytes.as_chunks::<8>();
        for word in words {
            self.word(u64::from_le_bytes(*word));
        }
        let mut last = [0; 8];
        last[..rest.len()].copy_from_slice(rest);
        self.word(u64::from_le_bytes(last));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn children_differ_by_purpose_and_by_number() {
        let children = [
            child(0, Purpose::Machine, 0, 1),
            child(0, Purpose::Machine, 1, 0),
            child(0, Purpose::Link, 0, 1),
            child(1, Purpose::Machine, 0, 1),
        ];

        for (index, one) in children.iter().enumerate() {
            assert!(children[index + 1..].iter().all(|other| other != one));
        }
    }

    #[test]
    fn a_fingerprint_sees_every_byte_and_every_length() {
        let print = |parts: &[&[u8]]| {
            let mut fingerprint = Fingerprint::default();
            parts.iter().for_each(|part| fingerprint.bytes(part));
            fingerprint.value()
        };

        assert_eq!(print(&[b"gossip travels"]), print(&[b"gossip travels"]));
        assert_ne!(print(&[b"gossip travels"]), print(&[b"gossip travelt"]));
        assert_ne!(print(&[b"ab", b"c"]), print(&[b"a", b"bc"]));
        assert_ne!(print(&[b"a"]), print(&[b"a\0"]));
    }

    #[test]
    fn the_repeating_command_names_seed_file_and_test() {
        let repeat = Repeat { file: "sim_failure".into(), test: "a_crash_is_found".into() };

        let command = repeat.command(42);

        assert_eq!(command, "GOSSIP_SEED=42 cargo test -p gossip-core --test sim_failure a_crash_is_found");
    }
}
