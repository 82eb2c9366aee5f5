//! Seeded randomness for protocol choices (never for keys or nonces).
//!
//! One concrete generator, handed in at construction: a run is a function of its
//! seed. Draws happen in a fixed order; a new draw in old code changes every seed.

use std::time::Duration;

/// A seeded generator for protocol choices.
#[derive(Debug, Clone)]
pub struct Rng(fastrand::Rng);

impl Rng {
    /// The generator of `seed`; equal seeds give equal sequences.
    pub fn from_seed(seed: u64) -> Self {
        Self(fastrand::Rng::with_seed(seed))
    }

    /// A seed for a generator that depends on this one, such as a simulated host's.
    pub fn child_seed(&mut self) -> u64 {
        self.0.u64(..)
    }

    /// A uniform number below `bound`; zero if `bound` is zero.
    pub fn below(&mut self, bound: usize) -> usize {
        if bound == 0 { 0 } else { self.0.usize(..bound) }
    }

    /// A uniform share of `whole`, the end excluded.
    pub fn up_to(&mut self, whole: Duration) -> Duration {
        let nanos = u64::try_from(whole.as_nanos()).unwrap_or(u64::MAX);
        if nanos == 0 { Duration::ZERO } else { Duration::from_nanos(self.0.u64(..nanos)) }
    }

    /// A uniform number in `0.0..1.0`.
    pub fn unit(&mut self) -> f64 {
        self.0.f64()
    }

    /// True with the given probability.
    pub fn chance(&mut self, probability: f64) -> bool {
        self.0.f64() < probability
    }

    /// Puts `items` into a uniformly random order.
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        self.0.shuffle(items);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_seeds_give_equal_sequences() {
        let (mut a, mut b) = (Rng::from_seed(7), Rng::from_seed(7));

        let draws = |rng: &mut Rng| (0..32).map(|_| rng.below(1000)).collect::<Vec<_>>();

        assert_eq!(draws(&mut a), draws(&mut b));
    }

    #[test]
    fn empty_ranges_draw_zero() {
        let mut rng = Rng::from_seed(1);

        assert_eq!(rng.below(0), 0);
        assert_eq!(rng.up_to(Duration::ZERO), Duration::ZERO);
    }
}
