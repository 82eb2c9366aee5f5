//! The nonces of encrypted messages: 12 random bytes each, never used twice.
//!
//! They are drawn in blocks, so that the operating system is asked once for some hundred
//! packets. A set of nonces cannot be cloned: two copies would give the same ones.

use std::fmt;

/// A nonce of AES-GCM.
pub const NONCE_LEN: usize = 12;

/// A source of nonces.
pub struct Nonces {
    source: Source,
    /// Drawn and not yet used.
    ready: Vec<[u8; NONCE_LEN]>,
    /// How many the next block will hold.
    block: usize,
}

enum Source {
    System(fn(&mut [u8])),
    Seeded(fastrand::Rng),
}

impl Nonces {
    /// Nonces from the operating system: `fill` must overwrite all it is given with
    /// unpredictable bytes, or not return.
    pub fn from_os(fill: fn(&mut [u8])) -> Self {
        Self::new(Source::System(fill))
    }

    /// Nonces that follow from `seed`, for simulators and tests: whoever knows the seed knows them all.
    pub fn seeded(seed: u64) -> Self {
        Self::new(Source::Seeded(fastrand::Rng::with_seed(seed)))
    }

    /// The next nonce.
    #[expect(clippy::should_implement_trait, reason = "an endless source, of which nobody wants adapters")]
    pub fn next(&mut self) -> [u8; NONCE_LEN] {
        loop {
            if let Some(nonce) = self.ready.pop() {
                return nonce;
            }
            self.refill();
        }
    }

    fn new(source: Source) -> Self {
        Self { source, ready: Vec::new(), block: FIRST_BLOCK }
    }

    fn refill(&mut self) {
        self.ready.resize(self.block, [0; NONCE_LEN]);
        let bytes = self.ready.as_flattened_mut();
        match &mut self.source {
            Source::System(fill) => fill(bytes),
            Source::Seeded(rng) => rng.fill(bytes),
        }
        self.block = (self.block * 8).min(LARGEST_BLOCK);
    }
}

impl fmt::Debug for Nonces {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Nonces").finish_non_exhaustive()
    }
}

/// A stream needs one or two.
const FIRST_BLOCK: usize = 4;

/// As many as fit 4 KiB.
const LARGEST_BLOCK: usize = 4096 / NONCE_LEN;

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn equal_seeds_give_equal_nonces_and_none_comes_twice() {
        let (mut a, mut b) = (Nonces::seeded(7), Nonces::seeded(7));
        let mut seen = BTreeSet::new();

        for _ in 0..2000 {
            let nonce = a.next();
            assert_eq!(nonce, b.next());
            assert!(seen.insert(nonce));
        }
    }
}
