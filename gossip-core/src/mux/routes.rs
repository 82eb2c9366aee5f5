//! The table of owners: who is registered, and who owns what begins like this.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use thiserror::Error;

use super::prefix::{Framing, LabelHeader, MAX_LABEL};
use super::{foreign, opening};
use crate::base::ids::{ListenerId, PoolId};

/// Who takes part on one port. A value: whoever shares it between threads replaces it whole.
///
/// Registration keeps it free of ambiguity: whatever the order of its rows, no two
/// owners claim the same bytes, except that a bare pool claims by resemblance.
#[derive(Debug, Clone, Default)]
pub struct Routes {
    pools: BTreeMap<PoolId, (Framing, Option<Framing>)>,
    /// The label pools again, by label; a pool that moves from one label to another is here
    /// under both, or here and bare.
    labels: BTreeMap<Bytes, PoolId>,
    /// The bare pool again, if there is one.
    bare: Option<PoolId>,
    listeners: BTreeSet<ListenerId>,
    native_listener: bool,
    packet_receiver: bool,
}

/// Someone to whom bytes belong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Owner {
    /// A gossip pool.
    Pool(PoolId),
    /// The application listener with this id.
    Listener(ListenerId),
    /// The native listener for a connection, the packet receiver for a datagram.
    Native,
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
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// They belong to `owner`, without the first `skip` bytes, which only named it.
    Owned {
        /// Whose they are.
        owner: Owner,
        /// How many bytes to remove: 0 or 2.
        skip: usize,
    },
    /// Undecided; at most this many bytes, counted from the first, decide.
    Undecided(usize),
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
    /// The listener id is in use on this port.
    #[error("listener id {0} is taken")]
    ListenerTaken(ListenerId),
    /// Connections of a label or bare pool begin with the bytes of this listener id.
    #[error("listener id {listener} would take connections of pool {pool}, which begin with the same bytes")]
    Ambiguous {
        /// The listener, new or registered.
        listener: ListenerId,
        /// The pool, registered or new.
        pool: PoolId,
    },
    /// There is a native listener already.
    #[error("the native listener is taken, a port has one")]
    NativeTaken,
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
        let mut with = self.clone();
        for framing in std::iter::once(&framing).chain(&other) {
            match framing {
                Framing::Prefix => {}
                Framing::Label(label) => with.add_label(id, label)?,
                Framing::Bare => {
                    if let Some(holder) = with.bare.replace(id) {
                        return Err(RouteError::BareTaken(holder));
                    }
                }
            }
        }
        with.pools.insert(id, (framing, other));
        if let Some(&listener) = self.listeners.iter().find(|listener| with.pool_behind(**listener).is_some())
        {
            return Err(RouteError::Ambiguous { listener, pool: id });
        }
        *self = with;
        Ok(())
    }

    /// The framings that a pool answers to, if it is here.
    pub fn framing(&self, id: PoolId) -> Option<(Framing, Option<Framing>)> {
        self.pools.get(&id).cloned()
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
        self.labels.retain(|_, holder| *holder != id);
        self.bare = self.bare.filter(|holder| *holder != id);
    }

    /// Registers a muxed listener.
    pub fn add_listener(&mut self, id: ListenerId) -> Result<(), RouteError> {
        if self.listeners.contains(&id) {
            return Err(RouteError::ListenerTaken(id));
        }
        if let Some(pool) = self.pool_behind(id) {
            return Err(RouteError::Ambiguous { listener: id, pool });
        }
        self.listeners.insert(id);
        Ok(())
    }

    /// Forgets a muxed listener; one that isn't registered changes nothing.
    pub fn remove_listener(&mut self, id: ListenerId) {
        self.listeners.remove(&id);
    }

    /// Registers the native listener.
    pub fn add_native_listener(&mut self) -> Result<(), RouteError> {
        if std::mem::replace(&mut self.native_listener, true) { Err(RouteError::NativeTaken) } else { Ok(()) }
    }

    /// Forgets the native listener.
    pub fn remove_native_listener(&mut self) {
        self.native_listener = false;
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

    /// Whose connection begins with `seen`? Rows T1 to T9 of the table in `docs/wire.md`.
    pub fn judge_stream(&self, seen: &[u8], rest: Rest) -> Verdict {
        let &[first, second, ..] = seen else {
            return match rest {
                Rest::Coming => Verdict::Undecided(2),
                Rest::Ended => self.native_stream(),
            };
        };
        if first == PoolId::MAGIC {
            return self.prefixed(PoolId(second)).unwrap_or_else(Verdict::Stray);
        }
        if let Some(id) = ListenerId::new(u16::from_be_bytes([first, second]))
            && self.listeners.contains(&id)
        {
            return Verdict::Owned { owner: Owner::Listener(id), skip: 2 };
        }
        match LabelHeader::read(seen) {
            LabelHeader::Complete(label) if let Some(&id) = self.labels.get(label) => {
                return whole(Owner::Pool(id));
            }
            LabelHeader::Partial { seen, len }
                if rest == Rest::Coming && self.label_behind(seen, len).is_some() =>
            {
                return Verdict::Undecided(2 + len);
            }
            _ => {}
        }
        match self.bare {
            Some(id) if opening::is_stream(first, second) => whole(Owner::Pool(id)),
            _ => self.native_stream(),
        }
    }

    /// Whose datagram is this? Rows U1 to U7 of the table in `docs/wire.md`; never undecided.
    pub fn judge_datagram(&self, datagram: &[u8]) -> Verdict {
        if let &[PoolId::MAGIC, id, ..] = datagram {
            return match self.prefixed(PoolId(id)) {
                Ok(pool) => pool,
                Err(_) if foreign::is_quic(datagram) => self.native_datagram(),
                Err(stray) => Verdict::Stray(stray),
            };
        }
        if let LabelHeader::Complete(label) = LabelHeader::read(datagram)
            && let Some(&id) = self.labels.get(label)
        {
            return whole(Owner::Pool(id));
        }
        match self.bare {
            Some(id) if opening::is_datagram(datagram) => whole(Owner::Pool(id)),
            _ => self.native_datagram(),
        }
    }

    fn add_label(&mut self, id: PoolId, label: &Bytes) -> Result<(), RouteError> {
        if label.is_empty() || label.len() > MAX_LABEL {
            return Err(RouteError::LabelLength(label.len()));
        }
        match self.labels.insert(label.clone(), id) {
            Some(holder) => Err(RouteError::LabelTaken { label: label.clone(), holder }),
            None => Ok(()),
        }
    }

    /// The pool `id`, if its traffic carries the prefix.
    fn prefixed(&self, id: PoolId) -> Result<Verdict, Stray> {
        match self.pools.get(&id) {
            Some((Framing::Prefix, _)) => Ok(Verdict::Owned { owner: Owner::Pool(id), skip: 2 }),
            _ => Err(Stray::UnknownPool(id)),
        }
    }

    /// The pool whose label has `len` bytes and begins with `seen`.
    fn label_behind(&self, seen: &[u8], len: usize) -> Option<PoolId> {
        self.labels.iter().find(|(label, _)| label.len() == len && label.starts_with(seen)).map(|(_, &id)| id)
    }

    /// The label or bare pool whose connections may begin with the bytes of `id`.
    fn pool_behind(&self, id: ListenerId) -> Option<PoolId> {
        let seen = id.prefix();
        match LabelHeader::read(&seen) {
            LabelHeader::Partial { seen, len } => self.label_behind(seen, len),
            _ => None,
        }
        .or_else(|| self.bare.filter(|_| opening::is_stream(seen[0], seen[1])))
    }

    fn native_stream(&self) -> Verdict {
        if self.native_listener { whole(Owner::Native) } else { Verdict::Stray(Stray::NoNative) }
    }

    fn native_datagram(&self) -> Verdict {
        if self.packet_receiver { whole(Owner::Native) } else { Verdict::Stray(Stray::NoNative) }
    }
}

/// All bytes belong to `owner`.
fn whole(owner: Owner) -> Verdict {
    Verdict::Owned { owner, skip: 0 }
}
