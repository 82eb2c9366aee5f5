//! Callbacks that wait for the end of a pool, and the circles in which they would wait
//! for ever.
//!
//! The end of a pool waits for its callbacks, that of a node for the sink of its log, too. So a callback that ends its own pool waits
//! for itself, and two that end each other's pool wait for each other. Whoever would close
//! such a circle, of whatever length and across nodes, is refused before anything ends;
//! it returns, and the others go on.

use parking_lot::Mutex;

use crate::runtime::courier::{self, Place};
use crate::runtime::error::Error;
use crate::runtime::log;

/// The waits of all callbacks of the process: few, as each is a thread.
static WAITS: Mutex<Vec<Wait>> = Mutex::new(Vec::new());

/// Code of the application at `from` waits for the end of `target`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Wait {
    from: Caller,
    target: Target,
}

/// Code of the application for which an end waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Caller {
    /// A callback of the pool at this place.
    Callback(Place),
    /// The sink of the log of the node with this number.
    Sink(u64),
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
        let callbacks = courier::current_callbacks().into_iter().map(Caller::Callback);
        let callers: Vec<_> = callbacks.chain(log::current_sink().map(Caller::Sink)).collect();
        if callers.is_empty() {
            return Ok(Self(Vec::new()));
        }
        let mut waits = WAITS.lock();
        if callers.iter().any(|caller| waits_for(&waits, target, *caller)) {
            return Err(Error::Deadlock);
        }
        let own: Vec<_> = callers.into_iter().map(|from| Wait { from, target }).collect();
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
    fn waits_for(self, caller: Caller) -> bool {
        match (self, caller) {
            (Self::Pool(pool), Caller::Callback(place)) => pool == place,
            (Self::Pool(_), Caller::Sink(_)) => false,
            (Self::Node(node), Caller::Callback(Place { node: own, .. }) | Caller::Sink(own)) => node == own,
        }
    }
}

/// Whether the end of `target` waits for `caller`, itself or through others.
fn waits_for(waits: &[Wait], target: Target, caller: Caller) -> bool {
    let mut reached = vec![target];
    let mut next = 0;
    while let Some(target) = reached.get(next).copied() {
        if target.waits_for(caller) {
            return true;
        }
        for wait in waits.iter().filter(|wait| target.waits_for(wait.from)) {
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

    fn place(node: u64, pool: u8) -> Caller {
        Caller::Callback(Place { node, pool: PoolId(pool) })
    }

    fn pool(node: u64, pool: u8) -> Target {
        Target::Pool(Place { node, pool: PoolId(pool) })
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
        assert!(waits_for(&waits, pool(0, 2), Caller::Sink(1)), "the sink of a node that ends");
        assert!(!waits_for(&waits, pool(0, 1), Caller::Sink(2)), "the end of a pool waits for no sink");
    }
}
