//! How much memory the streams of a node may hold.
//!
//! A peer that announces nothing, and needs a few kilobytes for it, can make a reader hold the forty
//! megabytes that one message may have; hundreds may do so at a time. So what a message takes beyond
//! [`FREE`] comes out of a budget that all streams of a node share. It goes back once a state is merged, and
//! once a message of the application is read: the queue for that has its own bound, and what the
//! application keeps is its own affair.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use super::limits::STREAMS_HELD_MAX;

/// What each message may take without asking, in bytes; more is taken in pieces of that size.
pub const FREE: usize = 64 * 1024;

/// Bytes that may still be held, for all who have a clone of it.
#[derive(Debug, Clone)]
pub struct Budget(Arc<AtomicUsize>);

impl Default for Budget {
    fn default() -> Self {
        Self::new(STREAMS_HELD_MAX)
    }
}

impl Budget {
    /// A budget of so many bytes.
    pub fn new(bytes: usize) -> Self {
        Self(Arc::new(AtomicUsize::new(bytes)))
    }

    /// Bytes that nobody holds.
    pub fn left(&self) -> usize {
        self.0.load(Relaxed)
    }

    /// A share of it, of no bytes yet.
    pub fn share(&self) -> Share {
        Share { budget: self.clone(), bytes: 0 }
    }
}

/// Bytes out of a budget, which go back when it is dropped.
#[derive(Debug)]
pub struct Share {
    budget: Budget,
    bytes: usize,
}

impl Share {
    /// Makes it what a message of `size` bytes takes; false, and as it was, if not so much is left.
    pub fn cover(&mut self, size: usize) -> bool {
        let bytes = if size <= FREE { 0 } else { size.div_ceil(FREE) * FREE };
        let left = &self.budget.0;
        let covered = match bytes.checked_sub(self.bytes) {
            Some(more) => {
                more == 0 || left.fetch_update(Relaxed, Relaxed, |left| left.checked_sub(more)).is_ok()
            }
            None => {
                left.fetch_add(self.bytes - bytes, Relaxed);
                true
            }
        };
        if covered {
            self.bytes = bytes;
        }
        covered
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.budget.0.fetch_add(self.bytes, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_messages_are_free_and_large_ones_are_covered_in_whole_pieces() {
        let budget = Budget::new(4 * FREE);
        let mut share = budget.share();

        for (size, left) in [(FREE, 4), (FREE + 1, 2), (2 * FREE, 2), (4 * FREE, 0), (1, 4)] {
            assert!(share.cover(size), "{size}");
            assert_eq!(budget.left(), left * FREE, "{size}");
        }
    }

    #[test]
    fn what_is_not_left_is_not_given_and_changes_nothing() {
        let budget = Budget::new(4 * FREE);
        let (mut one, mut other) = (budget.share(), budget.share());

        assert!(one.cover(3 * FREE));
        assert!(!other.cover(2 * FREE) && !one.cover(5 * FREE));
        assert_eq!(budget.left(), FREE);
        drop(one);
        assert!(other.cover(2 * FREE));
        drop(other);
        assert_eq!(budget.left(), 4 * FREE);
    }
}
