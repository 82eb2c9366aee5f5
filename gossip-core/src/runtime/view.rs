//! The member list as readers share it: immutable, safe to keep.

use crate::swim::node::Member;

/// The members of a pool at one moment.
#[derive(Debug, Default)]
pub struct View {
    pub(crate) members: Vec<Member>,
    pub(crate) health: u32,
    pub(crate) version: u64,
}

impl View {
    /// Alive and suspect members, this node included, sorted by name.
    pub fn members(&self) -> &[Member] {
        &self.members
    }

    /// The member of that name.
    pub fn find(&self, name: &[u8]) -> Option<&Member> {
        let found = self.members.binary_search_by(|member| member.name().as_bytes().cmp(name));
        found.ok().and_then(|index| self.members.get(index))
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.members.len()
    }

    /// True before the pool has started.
    pub fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// How much this node doubts itself; 0 is healthy.
    pub fn health(&self) -> u32 {
        self.health
    }

    /// Raised with every change; equal versions of one pool are equal views.
    pub fn version(&self) -> u64 {
        self.version
    }
}
