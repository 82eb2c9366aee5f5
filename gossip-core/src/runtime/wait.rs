//! Callbacks that wait for the end of a pool, and the circles in which they would wait
//! for ever.
//!
//! The end of a pool waits for its callbacks. So a callback that ends its own pool waits
//! for itself, and two that end each other's pool wait for each other. Whoever would close
//! such a circle, of whatever length and across nodes, is refused before anything ends;
//! it returns, and the others go on.

use parking_lot::Mutex;

use crate::runtime::courier::{self, Place};
use crate::runtime::error::Error;

/// The waits of all callbacks of the process: few, as each is a thread.
static WAITS: Mutex<Vec<Wait>> = Mutex::new(Vec::new());

/// A callback at `from` waits for the end of `target`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Wait {
    from: Place,
    target: Target,
}

/// What is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Target {
    /// The pool at this place.
    Pool(Place),
    /// All pools of the node with this number.
    Node(u64),
}

/// Waits that go on until this is dropped: one for each callback that the thread is in.
#[derive(Debug)]
pub(crate) struct Waiting(Vec<Wait>);

impl Waiting {
    /// The calling thread is about to wait for the end of `target`; `Deadlock` if it is in
    /// a callback for which that end waits.
    pub(crate) fn for_end_of(target: Target) -> Result<Self, Error> {
        // A thread that is in no callback keeps nobody from ending.
        let places = courier::current_callbacks();
        if places.is_empty() {
            return Ok(Self(Vec::new()));
        }
        let mut waits = WAITS.lock();
        if places.iter().any(|place| waits_for(&waits, target, *place)) {
            return Err(Error::Deadlock);
        }
        let own: Vec<_> = places.into_iter().map(|from| Wait { from, target }).collect();
        waits.extend_from_slice(&own);
        Ok(Self(own))
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        if self.0.is_empty() {
            return;
        }
        let mut waits = WAITS.lock();
        for own in &self.0 {
            if let Some(index) = waits.iter().position(|wait| wait == own) {
                waits.swap_remove(index);
            }
        }
    }
}

impl Target {
    fn contains(self, place: Place) -> bool {
        match self {
            Self::Pool(pool) => pool == place,
            Self::Node(node) => node == place.node,
        }
    }
}

/// Whether the end of `target` waits for a callback at `place`, itself or through others.
fn waits_for(waits: &[Wait], target: Target, place: Place) -> bool {
    let mut reached = vec![target];
    let mut next = 0;
    while let Some(target) = reached.get(next).copied() {
        if target.contains(place) {
            return true;
        }
        for wait in waits.iter().filter(|wait| target.contains(wait.from)) {
            if !reached.contains(&wait.target) {
                reached.push(wait.target);
            }
        }
        next += 1;
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::ids::PoolId;

    fn place(node: u64, pool: u8) -> Place {
        Place { node, pool: PoolId(pool) }
    }

    fn pool(node: u64, pool: u8) -> Target {
        Target::Pool(place(node, pool))
    }

    #[test]
    fn a_circle_is_found_through_any_number_of_pools_and_nodes() {
        let waits = [
            Wait { from: place(0, 1), target: pool(0, 2) },
            Wait { from: place(0, 2), target: Target::Node(1) },
            Wait { from: place(1, 9), target: pool(2, 0) },
            // Others, and a circle that leads nowhere.
            Wait { from: place(3, 0), target: pool(4, 0) },
            Wait { from: place(4, 0), target: pool(3, 0) },
        ];

        assert!(waits_for(&[], pool(0, 1), place(0, 1)), "itself");
        assert!(waits_for(&[], Target::Node(0), place(0, 1)), "its own node");
        assert!(waits_for(&waits, pool(0, 1), place(2, 0)));
        assert!(waits_for(&waits, Target::Node(0), place(1, 7)), "a pool of a node that ends");
        assert!(!waits_for(&waits, pool(2, 0), place(0, 1)), "the other way round");
        assert!(!waits_for(&waits, pool(3, 0), place(0, 1)));
    }
}
