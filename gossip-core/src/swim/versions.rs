//! Whether everybody's protocol versions still have something in common.

use crate::swim::node::{Node, State, Versions};

/// Whether what each node speaks is understood by every live one, found in one walk over them.
/// Go: `verifyProtocol`.
#[derive(Debug, Clone, Copy, Default)]
pub struct Overlap {
    protocol: Range,
    delegate: Range,
}

/// Versions of one of the two protocols.
#[derive(Debug, Clone, Copy)]
struct Range {
    /// What every live node understands.
    understood: [u8; 2],
    /// The lowest and the highest that is spoken.
    spoken: [u8; 2],
}

impl Default for Range {
    fn default() -> Self {
        Self { understood: [0, u8::MAX], spoken: [u8::MAX, 0] }
    }
}

impl Overlap {
    /// Takes in one more node.
    ///
    /// Only live nodes say what must be understood, but the dead must speak it, too; and only those count that
    /// announced versions: Go lets a single node without them block every push/pull (behaviour
    /// 19, number 20).
    pub fn take(&mut self, state: State, versions: Versions) {
        let Versions { pmin, pmax, pcur, dmin, dmax, dcur } = versions;
        if pmax > 0 {
            let is_alive = state == State::Alive;
            self.protocol.take(is_alive, [pmin, pmax], pcur);
            self.delegate.take(is_alive, [dmin, dmax], dcur);
        }
    }

    /// Whether what each of them speaks lies in the ranges that all live ones understand.
    pub fn is_common(&self) -> bool {
        self.protocol.is_common() && self.delegate.is_common()
    }
}

impl Range {
    fn take(&mut self, is_alive: bool, [min, max]: [u8; 2], speaks: u8) {
        if is_alive {
            let [lowest, highest] = self.understood;
            self.understood = [lowest.max(min), highest.min(max)];
        }
        let [lowest, highest] = self.spoken;
        self.spoken = [lowest.min(speaks), highest.max(speaks)];
    }

    fn is_common(&self) -> bool {
        let ([lowest, highest], [first, last]) = (self.understood, self.spoken);
        // Nobody speaks at all, or everybody within what is understood.
        first > last || lowest <= first && last <= highest
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

    fn is_common<const N: usize>(nodes: [(State, Versions); N]) -> bool {
        let mut overlap = Overlap::default();
        nodes.into_iter().for_each(|(state, versions)| overlap.take(state, versions));
        overlap.is_common()
    }

    #[test]
    fn a_node_that_speaks_what_another_does_not_understand_is_refused() {
        let newer = (State::Alive, Versions { pmin: 3, pcur: 3, ..COMMON });

        assert!(is_common([]) && is_common([newer]));
        assert!(!is_common([newer, (State::Alive, COMMON)]));
        assert!(is_common([newer, (State::Alive, Versions { pcur: 4, ..COMMON })]));
    }

    #[test]
    fn the_dead_ask_for_nothing_but_must_still_fit() {
        let alive = (State::Alive, COMMON);

        assert!(is_common([(State::Dead, Versions { pmin: 5, ..COMMON }), alive]));
        assert!(!is_common([(State::Dead, Versions { pcur: 9, ..COMMON }), alive]));
    }

    #[test]
    fn a_node_without_versions_blocks_nobody() {
        assert!(is_common([(State::Alive, COMMON), (State::Alive, Versions::default())]));
    }

    #[test]
    fn delegate_versions_must_overlap_too() {
        let newer = (State::Alive, Versions { dmin: 2, dmax: 4, dcur: 3, ..COMMON });

        assert!(!is_common([newer, (State::Dead, COMMON)]));
        assert!(is_common([newer, (State::Dead, Versions { dcur: 2, ..COMMON })]));
    }
}
