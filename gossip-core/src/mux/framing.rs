//! The three ways in which a pool is reached (decisions 5).

use bytes::Bytes;

/// How a pool's traffic is told from everything else on the port.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub enum Framing {
    /// `FE id` comes first: for nodes that share their port like this one.
    #[default]
    Prefix,
    /// memberlist's own label header comes first and selects the pool: for unmodified
    /// memberlist programs that use this label, 1 to 255 bytes.
    Label(Bytes),
    /// Nothing comes first: for unmodified memberlist programs without a label. At most
    /// one pool of a node can be bare.
    Bare,
}
