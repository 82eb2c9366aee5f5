//! Whether everybody's protocol versions still have something in common.

use crate::swim::node::{Node, State, Versions};

/// The versions that every live node understands, gathered one node at a time.
#[derive(Debug, Clone, Copy)]
pub struct Overlap {
    lowest: u8,
    highest: u8,
    delegate_lowest: u8,
    delegate_highest: u8,
}

impl Default for Overlap {
    fn default() -> Self {
        Self { lowest: 0, highest: u8::MAX, delegate_lowest: 0, delegate_highest: u8::MAX }
    }
}

impl Overlap {
    /// Narrows the ranges to those of one more node.
    ///
    /// Only live nodes count, and only those that announced versions: Go lets a single
    /// node without them block every push/pull (behaviour 19, number 20).
    pub fn narrow(&mut self, state: State, versions: Versions) {
        if state != State::Alive || versions.pmax == 0 {
            return;
        }
        self.lowest = self.lowest.max(versions.pmin);
        self.highest = self.highest.min(versions.pmax);
        self.delegate_lowest = self.delegate_lowest.max(versions.dmin);
        self.delegate_highest = self.delegate_highest.min(versions.dmax);
    }

    /// Whether what a node speaks lies in the ranges that everybody understands. Go: `verifyProtocol`.
    pub fn admits(&self, versions: Versions) -> bool {
        versions.pmax == 0
            || (self.lowest..=self.highest).contains(&versions.pcur)
                && (self.delegate_lowest..=self.delegate_highest).contains(&versions.dcur)
    }
}

/// True if the node announced that it understands protocol version `version`.
pub fn understands(node: &Node, version: u8) -> bool {
    node.versions.pmax >= version
}

#[cfg(test)]
mod tests {
    use super::*;

    const COMMON: Versions = Versions { pmin: 1, pmax: 5, pcur: 2, dmin: 0, dmax: 0, dcur: 0 };

    #[test]
    fn a_node_that_speaks_what_another_does_not_understand_is_refused() {
        let mut overlap = Overlap::default();
        overlap.narrow(State::Alive, COMMON);
        overlap.narrow(State::Alive, Versions { pmin: 3, ..COMMON });

        assert!(!overlap.admits(COMMON));
        assert!(overlap.admits(Versions { pcur: 4, ..COMMON }));
    }

    #[test]
    fn the_dead_narrow_nothing_but_must_still_fit() {
        let mut overlap = Overlap::default();
        overlap.narrow(State::Dead, Versions { pmin: 5, ..COMMON });
        overlap.narrow(State::Alive, COMMON);

        assert!(overlap.admits(COMMON));
        assert!(!overlap.admits(Versions { pcur: 9, ..COMMON }));
    }

    #[test]
    fn a_node_without_versions_blocks_nobody() {
        let mut overlap = Overlap::default();
        overlap.narrow(State::Alive, COMMON);
        overlap.narrow(State::Alive, Versions::default());

        assert!(overlap.admits(COMMON));
        assert!(overlap.admits(Versions::default()));
    }

    #[test]
    fn delegate_versions_must_overlap_too() {
        let mut overlap = Overlap::default();
        overlap.narrow(State::Alive, Versions { dmin: 2, dmax: 4, dcur: 3, ..COMMON });

        assert!(!overlap.admits(COMMON));
        assert!(overlap.admits(Versions { dcur: 2, ..COMMON }));
    }
}
