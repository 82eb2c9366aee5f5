//! The member list as readers share it: immutable, safe to keep.

use crate::pool::machine::Machine;
use crate::swim::node::Member;

/// The members of a pool at one moment, in the order of their names.
///
/// ```
/// # fn print(pool: &gossip_core::Pool) {
/// for member in pool.members().iter() {
///     println!("{member} is {}", member.state);
/// }
/// # }
/// ```
#[derive(Debug, Default)]
pub struct View {
    pub(crate) members: Vec<Member>,
    pub(crate) health: u32,
    pub(crate) version: u64,
    pub(crate) local: Option<Member>,
}

impl View {
    /// What `machine` knows now.
    pub(crate) fn of(machine: &Machine) -> Self {
        let mut members = Vec::with_capacity(machine.members().len());
        members.extend(machine.members().filter(|member| member.state.is_live()));
        members.sort_unstable_by(|a, b| a.name().cmp(b.name()));
        Self { members, health: machine.health(), version: machine.version(), local: machine.local() }
    }

    /// This node itself, also after it has left; `None` before the pool has started.
    pub fn local(&self) -> Option<&Member> {
        self.local.as_ref()
    }

    /// Alive and suspect members, this node included, sorted by name.
    pub fn members(&self) -> &[Member] {
        &self.members
    }

    /// The same as an iterator.
    pub fn iter(&self) -> std::slice::Iter<'_, Member> {
        self.members.iter()
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

impl<'a> IntoIterator for &'a View {
    type Item = &'a Member;
    type IntoIter = std::slice::Iter<'a, Member>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}
