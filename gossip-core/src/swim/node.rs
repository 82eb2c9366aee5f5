//! What is publicly known of a node, and a member as others see it.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use crate::base::addr::{NodeAddr, Target};
use crate::base::name::NodeName;

/// The state of a member, numbered as in push/pull records.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum State {
    /// Answers its pings, as far as is known.
    Alive = 0,
    /// Did not answer someone's pings; dead unless it refutes in time.
    Suspect = 1,
    /// Gone without a word.
    Dead = 2,
    /// Said goodbye.
    Left = 3,
}

impl State {
    /// The state a push/pull record's number stands for.
    pub const fn from_wire(number: i64) -> Option<Self> {
        Some(match number {
            0 => Self::Alive,
            1 => Self::Suspect,
            2 => Self::Dead,
            3 => Self::Left,
            _ => return None,
        })
    }

    /// True while the node counts as a member: alive or suspect.
    pub const fn is_live(self) -> bool {
        matches!(self, Self::Alive | Self::Suspect)
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Alive => "alive",
            Self::Suspect => "suspect",
            Self::Dead => "dead",
            Self::Left => "left",
        })
    }
}

/// The versions a node understands and speaks, as announced: six bytes (wire document 12).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Versions {
    /// Lowest protocol version understood.
    pub pmin: u8,
    /// Highest protocol version understood; capabilities are judged by it.
    pub pmax: u8,
    /// Protocol version spoken.
    pub pcur: u8,
    /// Lowest version of the application's protocol understood.
    pub dmin: u8,
    /// Highest version of the application's protocol understood.
    pub dmax: u8,
    /// Version of the application's protocol spoken.
    pub dcur: u8,
}

impl Versions {
    /// Versions from at least six bytes; fewer announce nothing.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let &[pmin, pmax, pcur, dmin, dmax, dcur, ..] = bytes else { return None };
        Some(Self { pmin, pmax, pcur, dmin, dmax, dcur })
    }

    /// The six bytes as they travel.
    pub const fn to_bytes(self) -> [u8; 6] {
        [self.pmin, self.pmax, self.pcur, self.dmin, self.dmax, self.dcur]
    }
}

/// Application bytes attached to a node. Nil and empty are equal but travel differently.
#[derive(Clone, Default)]
pub struct Meta(Option<Box<[u8]>>);

impl Meta {
    /// The bytes; nil counts as empty.
    pub fn as_bytes(&self) -> &[u8] {
        self.0.as_deref().unwrap_or_default()
    }

    /// The wire form, nil kept apart from empty.
    pub fn as_blob(&self) -> Option<&[u8]> {
        self.0.as_deref()
    }
}

impl From<Option<&[u8]>> for Meta {
    fn from(blob: Option<&[u8]>) -> Self {
        Self(blob.map(Into::into))
    }
}

impl PartialEq for Meta {
    fn eq(&self, other: &Self) -> bool {
        self.as_bytes() == other.as_bytes()
    }
}

impl Eq for Meta {}

impl fmt::Debug for Meta {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.as_bytes())
    }
}

/// The public facts of a node, as it announced them. Immutable: news makes a new one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// Its name, unique in the pool.
    pub name: NodeName,
    /// Where it is reached.
    pub addr: NodeAddr,
    /// Bytes of its application, at most 512 from a conforming peer.
    pub meta: Meta,
    /// What it understands and speaks.
    pub versions: Versions,
}

/// A member as seen by this node at one moment. Cheap to clone, safe to keep.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// Its public facts.
    pub node: Arc<Node>,
    /// Its state.
    pub state: State,
    /// The incarnation those facts and that state belong to.
    pub incarnation: u32,
}

impl Member {
    /// Its name.
    pub fn name(&self) -> &NodeName {
        &self.node.name
    }

    /// Where it is reached.
    pub fn addr(&self) -> SocketAddr {
        self.node.addr.socket_addr()
    }

    /// Bytes of its application.
    pub fn meta(&self) -> &[u8] {
        self.node.meta.as_bytes()
    }
}

/// Reads `name (addr)`, as a [`Target`] does.
impl fmt::Display for Member {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.name(), self.addr())
    }
}

impl From<&Member> for Target {
    fn from(member: &Member) -> Self {
        Self { name: Some(member.name().clone()), addr: member.addr() }
    }
}
