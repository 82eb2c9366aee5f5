//! The local health score: how much this node doubts itself (Lifeguard, section IV.A).
//!
//! A node whose own probes fail, or who is accused, is probably the slow one; it probes
//! more slowly until its probes succeed again.

use std::time::Duration;

/// The score, between 0 (healthy) and below its bound.
#[derive(Debug, Clone)]
pub struct Awareness {
    score: u32,
    bound: u32,
}

impl Awareness {
    /// A healthy score that stays below `bound`.
    pub fn new(bound: u32) -> Self {
        Self { score: 0, bound: bound.max(1) }
    }

    /// Moves the score by `delta` within its bounds; says whether it changed.
    pub fn apply(&mut self, delta: i32) -> bool {
        let before = self.score;
        self.score = before.saturating_add_signed(delta).min(self.bound - 1);
        self.score != before
    }

    /// The score; 0 is healthy.
    pub fn score(&self) -> u32 {
        self.score
    }

    /// `timeout` stretched by the score: `timeout · (score + 1)`.
    pub fn scale(&self, timeout: Duration) -> Duration {
        timeout.saturating_mul(self.score + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::swim::vectors::load;

    #[test]
    fn the_score_moves_and_scales_as_in_go() {
        let vectors = load("math");
        let vector = vectors.iter().find(|vector| vector["type"] == "awareness").unwrap();
        let mut awareness = Awareness::new(vector["params"]["max"].as_u64().unwrap() as u32);
        let base = Duration::from_nanos(vector["params"]["base_ns"].as_u64().unwrap());

        for step in vector["expect"]["result"].as_array().unwrap() {
            awareness.apply(step["delta"].as_i64().unwrap() as i32);

            assert_eq!(u64::from(awareness.score()), step["score"].as_u64().unwrap());
            assert_eq!(awareness.scale(base).as_nanos(), u128::from(step["scaled_ns"].as_u64().unwrap()));
        }
    }
}
