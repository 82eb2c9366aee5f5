//! The table of owners: who is registered, and who owns what begins like this.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Bound;

use bytes::Bytes;
use thiserror::Error;

use super::listener::{ListenerName, MAX_PREFIX};
use super::prefix::{Framing, LABEL, LabelHeader, MAX_LABEL};
use super::{foreign, opening};
use crate::base::ids::{ListenerId, PoolId};

/// Who takes part on one port. A value: whoever shares it between threads replaces it whole.
///
/// Registration keeps it free of ambiguity: no connection can fit two owners, except that
/// a longer prefix of a listener goes before a shorter one, and a label before the bare
/// pool, which claims by resemblance.
#[derive(Debug, Clone, Default)]
pub struct Routes {
    pools: BTreeMap<PoolId, Framing>,
    /// What connections begin with, and whose they are then.
    openings: BTreeMap<Bytes, Claim>,
    /// The bare pool again, if there is one: its connections have no opening.
    bare: Option<PoolId>,
    native_listener: bool,
    packet_receiver: bool,
}

/// What an opening means.
#[derive(Debug, Clone)]
struct Claim {
    owner: Owner,
    /// How much of the opening only names the owner: 0 or 2 bytes.
    skip: usize,
}

/// Someone to whom bytes belong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Owner {
    /// A gossip pool.
    Pool(PoolId),
    /// The application's listener of this name.
    Listener(ListenerName),
    /// The application's packet receiver.
    Packets,
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pool(id) => write!(f, "pool {id}"),
            Self::Listener(name) => write!(f, "listener {name}"),
            Self::Packets => f.write_str("packet receiver"),
        }
    }
}

/// Why nobody owns the bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stray {
    /// They are for a prefix pool that isn't registered here.
    UnknownPool(PoolId),
    /// They are the application's, which has no native listener or packet receiver.
    NoNative,
}

/// The answer for the bytes seen so far.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// They belong to `owner`, without the first `skip` bytes, which only named it.
    Owned {
        /// Whose they are.
        owner: Owner,
        /// How many bytes to remove: 0 or 2.
        skip: usize,
    },
    /// More bytes may decide otherwise.
    Undecided,
    /// They belong to nobody.
    Stray(Stray),
}

/// Whether a connection may bring more first bytes than have been seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rest {
    /// More may come.
    Coming,
    /// The peer has finished sending, or waited so long that it expects us to speak.
    Ended,
}

/// A registration that can't be. Nothing has changed.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum RouteError {
    /// The pool id is in use on this port.
    #[error("pool id {0} is taken")]
    PoolTaken(PoolId),
    /// Another pool of this port has the label.
    #[error("label \"{}\" is taken by pool {holder}", label.escape_ascii())]
    LabelTaken {
        /// The label asked for.
        label: Bytes,
        /// Who has it.
        holder: PoolId,
    },
    /// A label is 1 to 255 bytes long.
    #[error("label is {0} bytes, must be 1 to {MAX_LABEL}")]
    LabelLength(usize),
    /// There is a bare pool already; without prefix or label two can't be told apart.
    #[error("pool {0} is bare already, at most one pool of a port may be")]
    BareTaken(PoolId),
    /// A listener of this name is open on this port.
    #[error("listener {0} is taken")]
    ListenerTaken(ListenerName),
    /// A connection could be for either of these; one of them is registered.
    #[error("{owner} would take connections of {rival}, which begin with the same bytes")]
    Ambiguous {
        /// A listener, new or registered.
        owner: Owner,
        /// The other one.
        rival: Owner,
    },
    /// The prefix of a listener is 1 to 64 bytes long.
    #[error("listener prefix is {0} bytes, must be 1 to {MAX_PREFIX}")]
    PrefixLength(usize),
    /// What begins with `0xFE` belongs to pools.
    #[error("listener prefix {} begins with 0xfe, the mark of gossip pools", .0.escape_ascii())]
    ReservedPrefix(Bytes),
    /// There is a packet receiver already.
    #[error("the packet receiver is taken, a port has one")]
    PacketsTaken,
    /// `0xFE00` to `0xFEFF` belong to pools.
    #[error("listener id {0:#06x} lies in 0xfe00 to 0xfeff, the range of pools")]
    ReservedId(u16),
}

/// The listener id `id`, unless it lies in the range of pools.
pub fn listener_id(id: u16) -> Result<ListenerId, RouteError> {
    ListenerId::new(id).ok_or(RouteError::ReservedId(id))
}

impl Routes {
    /// Registers a pool.
    pub fn add_pool(&mut self, id: PoolId, framing: Framing) -> Result<(), RouteError> {
        self.add_pool_under(id, framing, None)
    }

    /// Registers a pool that answers to a second framing, too.
    pub fn add_pool_under(
        &mut self,
        id: PoolId,
        framing: Framing,
        other: Option<Framing>,
    ) -> Result<(), RouteError> {
        if self.pools.contains_key(&id) {
            return Err(RouteError::PoolTaken(id));
        }
        self.open_framing(id, &framing)?;
        if let Some(other) = &other
            && let Err(error) = self.open_framing(id, other)
        {
            self.remove_pool(id);
            return Err(error);
        }
        self.pools.insert(id, framing);
        Ok(())
    }

    /// Lets a registered pool answer to other framings from now on; one that isn't
    /// registered changes nothing.
    pub fn set_framing(
        &mut self,
        id: PoolId,
        framing: Framing,
        other: Option<Framing>,
    ) -> Result<(), RouteError> {
        if !self.pools.contains_key(&id) {
            return Ok(());
        }
        let mut changed = self.clone();
        changed.remove_pool(id);
        changed.add_pool_under(id, framing, other)?;
        *self = changed;
        Ok(())
    }

    /// Forgets a pool; one that isn't registered changes nothing.
    pub fn remove_pool(&mut self, id: PoolId) {
        self.pools.remove(&id);
        self.openings.retain(|_, claim| claim.owner != Owner::Pool(id));
        self.bare = self.bare.filter(|holder| *holder != id);
    }

    /// Registers a listener.
    pub fn add_listener(&mut self, name: ListenerName) -> Result<(), RouteError> {
        let skip = match &name {
            ListenerName::Native if self.native_listener => return Err(RouteError::ListenerTaken(name)),
            ListenerName::Native => {
                self.native_listener = true;
                return Ok(());
            }
            ListenerName::Id(_) => 2,
            ListenerName::Prefix(prefix) if prefix.is_empty() || prefix.len() > MAX_PREFIX => {
                return Err(RouteError::PrefixLength(prefix.len()));
            }
            ListenerName::Prefix(prefix) if prefix.first() == Some(&PoolId::MAGIC) => {
                return Err(RouteError::ReservedPrefix(prefix.clone()));
            }
            ListenerName::Prefix(_) => 0,
        };
        self.open(name.opening(), Owner::Listener(name), skip)
    }

    /// Forgets a listener; one that isn't registered changes nothing.
    pub fn remove_listener(&mut self, name: &ListenerName) {
        match name {
            ListenerName::Native => self.native_listener = false,
            name => self.openings.retain(|_, claim| !claim.owner.is_listener(name)),
        }
    }

    /// Registers the application's packet receiver.
    pub fn add_packet_receiver(&mut self) -> Result<(), RouteError> {
        if std::mem::replace(&mut self.packet_receiver, true) {
            Err(RouteError::PacketsTaken)
        } else {
            Ok(())
        }
    }

    /// Forgets the packet receiver.
    pub fn remove_packet_receiver(&mut self) {
        self.packet_receiver = false;
    }

    /// Whose connection begins with `seen`? Rows T1 to T10 of the table in `docs/wire.md`.
    pub fn judge_stream(&self, seen: &[u8], rest: Rest) -> Verdict {
        if rest == Rest::Coming && self.awaits_more(seen) {
            return Verdict::Undecided;
        }
        let fitting = self.openings_like(seen).filter(|(opening, _)| seen.starts_with(opening));
        if let Some((_, Claim { owner, skip })) = fitting.max_by_key(|(opening, _)| opening.len()) {
            return Verdict::Owned { owner: owner.clone(), skip: *skip };
        }
        match (seen, self.bare) {
            (&[PoolId::MAGIC, id, ..], _) => Verdict::Stray(Stray::UnknownPool(PoolId(id))),
            ([_, _, ..], Some(pool)) if opening::is_stream(seen) => whole(Owner::Pool(pool)),
            _ if self.native_listener => whole(Owner::Listener(ListenerName::Native)),
            _ => Verdict::Stray(Stray::NoNative),
        }
    }

    /// Whose datagram is this? Rows U1 to U7 of the table in `docs/wire.md`; never undecided.
    pub fn judge_datagram(&self, datagram: &[u8]) -> Verdict {
        if let &[PoolId::MAGIC, id, ..] = datagram {
            let id = PoolId(id);
            return match self.pools.get(&id) {
                Some(Framing::Prefix) => Verdict::Owned { owner: Owner::Pool(id), skip: 2 },
                _ if foreign::is_quic(datagram) => self.native_datagram(),
                _ => Verdict::Stray(Stray::UnknownPool(id)),
            };
        }
        if let Some(id) = self.pool_of_label(datagram) {
            return whole(Owner::Pool(id));
        }
        match self.bare {
            Some(id) if opening::is_datagram(datagram) => whole(Owner::Pool(id)),
            _ => self.native_datagram(),
        }
    }

    fn open_framing(&mut self, id: PoolId, framing: &Framing) -> Result<(), RouteError> {
        match framing {
            Framing::Prefix => self.open(Bytes::copy_from_slice(&id.prefix()), Owner::Pool(id), 2),
            Framing::Label(label) => self.open(self.label_header(label)?, Owner::Pool(id), 0),
            Framing::Bare => self.open_bare(id),
        }
    }

    /// The header of a new label.
    fn label_header(&self, label: &Bytes) -> Result<Bytes, RouteError> {
        let Ok(len @ 1..) = u8::try_from(label.len()) else {
            return Err(RouteError::LabelLength(label.len()));
        };
        let header = Bytes::from([&[LABEL, len], &label[..]].concat());
        match self.pool_of_label(&header) {
            Some(holder) => Err(RouteError::LabelTaken { label: label.clone(), holder }),
            None => Ok(header),
        }
    }

    /// The pool of the label whose header stands at the front of `bytes`.
    fn pool_of_label(&self, bytes: &[u8]) -> Option<PoolId> {
        let LabelHeader::Complete(label) = LabelHeader::read(bytes) else {
            return None;
        };
        match self.openings.get(bytes.get(..2 + label.len())?)?.owner {
            Owner::Pool(id) => Some(id),
            _ => None,
        }
    }

    /// Gives what begins with `opening` to `owner`, unless it could be another's.
    fn open(&mut self, opening: Bytes, owner: Owner, skip: usize) -> Result<(), RouteError> {
        let rival = self.openings_like(&opening).find(|(other, claim)| {
            let nested = other.starts_with(&opening) || opening.starts_with(other);
            let ordered = **other != opening && claim.owner.has_prefix() && owner.has_prefix();
            nested && !ordered
        });
        if let Some((_, rival)) = rival {
            return Err(conflict(owner, rival.owner.clone()));
        }
        if let (Some(pool), Owner::Listener(_)) = (self.bare, &owner)
            && opening::is_stream(&opening)
        {
            return Err(conflict(owner, Owner::Pool(pool)));
        }
        self.openings.insert(opening, Claim { owner, skip });
        Ok(())
    }

    /// Gives what resembles memberlist to the pool `id`.
    fn open_bare(&mut self, id: PoolId) -> Result<(), RouteError> {
        if let Some(holder) = self.bare {
            return Err(RouteError::BareTaken(holder));
        }
        let rival = self.openings.iter().find(|(opening, claim)| {
            matches!(claim.owner, Owner::Listener(_)) && opening::is_stream(opening)
        });
        if let Some((_, rival)) = rival {
            return Err(conflict(Owner::Pool(id), rival.owner.clone()));
        }
        self.bare = Some(id);
        Ok(())
    }

    /// Whether bytes after `seen` may change whose the connection is.
    fn awaits_more(&self, seen: &[u8]) -> bool {
        match *seen {
            [] | [PoolId::MAGIC] => return true,
            [_] if self.bare.is_some() && opening::is_stream(seen) => return true,
            _ => {}
        }
        self.openings_like(seen).any(|(opening, _)| opening.len() > seen.len() && opening.starts_with(seen))
    }

    /// The openings that share their first byte with `seen`.
    fn openings_like(&self, seen: &[u8]) -> impl Iterator<Item = (&Bytes, &Claim)> {
        let first = seen.get(..1).unwrap_or_default();
        self.openings
            .range::<[u8], _>((Bound::Included(first), Bound::Unbounded))
            .take_while(move |(opening, _)| opening.starts_with(first))
    }

    fn native_datagram(&self) -> Verdict {
        if self.packet_receiver { whole(Owner::Packets) } else { Verdict::Stray(Stray::NoNative) }
    }
}

impl Owner {
    fn is_listener(&self, name: &ListenerName) -> bool {
        matches!(self, Self::Listener(listener) if listener == name)
    }

    /// Whether this is a listener with a prefix; of those the longest goes first.
    fn has_prefix(&self) -> bool {
        matches!(self, Self::Listener(ListenerName::Prefix(_)))
    }
}

/// Why `new` can't be registered beside `rival`.
fn conflict(new: Owner, rival: Owner) -> RouteError {
    match (new, rival) {
        (Owner::Listener(new), Owner::Listener(rival)) if new == rival => RouteError::ListenerTaken(new),
        (pool @ Owner::Pool(_), listener) => RouteError::Ambiguous { owner: listener, rival: pool },
        (owner, rival) => RouteError::Ambiguous { owner, rival },
    }
}

/// All bytes belong to `owner`.
fn whole(owner: Owner) -> Verdict {
    Verdict::Owned { owner, skip: 0 }
}
