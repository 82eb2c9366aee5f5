//! Numbers that name things. Ids handed out by a machine are never reused, so a
//! late message about something finished cannot hit its successor.

use std::fmt;

/// The number of a pool on its node, 0 to 255; with [`prefix`](Self::prefix) also its mark on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PoolId(pub u8);

impl PoolId {
    /// First byte of every prefixed gossip stream and datagram.
    pub const MAGIC: u8 = 0xFE;

    /// The two bytes that precede this pool's traffic: `FE id`.
    pub const fn prefix(self) -> [u8; 2] {
        [Self::MAGIC, self.0]
    }
}

impl fmt::Display for PoolId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// The id of a muxed listener: the first two bytes of its connections, big-endian.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ListenerId(u16);

impl ListenerId {
    /// The id `id`, or `None` in `0xFE00..=0xFEFF`: those bytes belong to pools.
    pub const fn new(id: u16) -> Option<Self> {
        if id >> 8 == PoolId::MAGIC as u16 { None } else { Some(Self(id)) }
    }

    /// The number itself.
    pub const fn get(self) -> u16 {
        self.0
    }

    /// The two bytes a dialer sends first.
    pub const fn prefix(self) -> [u8; 2] {
        self.0.to_be_bytes()
    }
}

impl fmt::Display for ListenerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#06x}", self.0)
    }
}

/// One TCP conversation of a pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ExchangeId(pub u64);

/// One question to the application.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AskId(pub u64);

/// One command of the application that completes later.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TaskId(pub u64);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn listener_ids_may_not_look_like_pools() {
        assert_eq!(ListenerId::new(0xFE00), None);
        assert_eq!(ListenerId::new(0xFEFF), None);
        assert_eq!(ListenerId::new(0xFDFF).map(ListenerId::prefix), Some([0xFD, 0xFF]));
        assert_eq!(ListenerId::new(0xFF00).map(ListenerId::get), Some(0xFF00));
    }

    #[test]
    fn a_pool_prefix_is_the_magic_and_the_id() {
        assert_eq!(PoolId(7).prefix(), [0xFE, 7]);
    }
}
