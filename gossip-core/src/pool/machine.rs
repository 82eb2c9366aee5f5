//! The membership of one pool as a machine: construction, inputs, outputs, looks.
//!
//! What each input does lives beside this file: datagrams in [`inbound`](super::inbound)
//! and [`outbound`](super::outbound), streams in [`streams`](super::streams), questions in
//! [`asks`](super::asks), the application's commands in [`commands`](super::commands).

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;

use crate::base::addr::NodeAddr;
use crate::base::ids::{AskId, ExchangeId, TaskId};
use crate::base::name::NodeName;
use crate::base::rng::Rng;
use crate::base::time::Time;
use crate::mux::prefix::Framing;
use crate::pool::action::{Action, Asks, Notice, Outcome};
use crate::pool::asks::OpenAsk;
use crate::pool::commands::{Task, fits};
use crate::pool::config::{CheckedPool, PoolConfig};
use crate::pool::error::CommandError;
use crate::pool::outbound::Packer;
use crate::pool::stats::{Stats, Tally};
use crate::pool::streams::{Merge, RecordCache, Talk};
use crate::swim::broadcast::BroadcastQueue;
use crate::swim::effect::Effect;
use crate::swim::node::{Member, State};
use crate::swim::roster::Record;
use crate::swim::swim::Swim;
use crate::swim::timers::Timers;
use crate::wire::keyring::Keyring;
use crate::wire::nonce::Nonces;
use crate::wire::onion::Wire;
use crate::wire::packet::Scratch;

/// Who this node is in the pool.
#[derive(Debug, Clone)]
pub struct Identity {
    /// Its name.
    pub name: NodeName,
    /// The address it tells others, always in this one form.
    pub addr: NodeAddr,
}

/// A received datagram, its pool prefix removed.
#[derive(Debug)]
pub struct Received<'a> {
    /// Who sent it.
    pub from: SocketAddr,
    /// When it was read from the socket; round-trip times end there.
    pub at: Time,
    /// The datagram, decrypted in place.
    pub bytes: &'a mut [u8],
}

/// What is due when, besides the rules' own timers.
#[derive(Debug)]
pub(super) enum Timer {
    AskEnd(AskId),
    TaskEnd(TaskId),
    MergeSlice,
}

/// One pool's membership. Drive it as the [module above](super) says.
#[derive(Debug)]
pub struct Machine {
    pub(super) config: PoolConfig,
    pub(super) asks: Asks,
    pub(super) wire: Arc<Wire>,
    /// Taken out while a datagram is opened or closed.
    pub(super) scratch: Option<Box<Scratch>>,
    pub(super) nonces: Nonces,
    pub(super) swim: Swim,
    /// The application's broadcasts; the rules' own are in `swim`.
    pub(super) broadcasts: BroadcastQueue,
    pub(super) packer: Packer,
    pub(super) exchanges: BTreeMap<ExchangeId, Talk>,
    pub(super) tasks: BTreeMap<TaskId, Task>,
    pub(super) open_asks: BTreeMap<AskId, OpenAsk>,
    /// Alive messages that wait for the application's verdict, by node.
    pub(super) parked: BTreeMap<NodeName, AskId>,
    pub(super) timers: Timers<Timer>,
    pub(super) merges: VecDeque<Merge>,
    pub(super) actions: VecDeque<Action>,
    pub(super) local_state: Bytes,
    pub(super) ack_payload: Option<Bytes>,
    /// Nodes that are never pinged over TCP.
    pub(super) tcp_pings_off: BTreeSet<NodeName>,
    pub(super) records: RecordCache,
    pub(super) tally: Tally,
    pub(super) last_id: u64,
    /// The latest time seen: time never runs backwards.
    latest: Time,
}

impl Machine {
    /// Announces the node in its own table; its loops start at random phases after `now`.
    ///
    /// `asks` says which questions the application wants to be asked. `seed` fixes every
    /// choice the machine makes; nonces come from a source of their own. Refuses an own
    /// address that lies in no allowed network, and metadata that fits no datagram.
    pub fn new(
        pool: CheckedPool,
        identity: Identity,
        asks: Asks,
        seed: u64,
        nonces: Nonces,
        now: Time,
    ) -> Result<Self, CommandError> {
        let wire = Wire {
            prefix: matches!(pool.config.framing, Framing::Prefix).then(|| pool.config.id.prefix()),
            label: pool.label(),
            skip_inbound_label_check: pool.config.skip_inbound_label_check,
            keyring: pool.config.keyring.clone(),
            verify_incoming: pool.config.verify_incoming,
            verify_outgoing: pool.config.verify_outgoing,
            compression: pool.config.compression,
            encryption_version: if pool.config.protocol_version == 1 { 0 } else { 1 },
        };
        let CheckedPool { config, tuning } = pool;
        let Identity { name, addr } = identity;
        let mut swim = Swim::new(tuning, name, addr, Rng::from_seed(seed), now);
        if !swim.allows(addr.ip) {
            return Err(CommandError::OwnAddressNotAllowed(addr.socket_addr()));
        }
        let meta = (!config.meta.is_empty()).then_some(&*config.meta);
        swim.announce(now, meta, None);
        let machine = Self {
            config,
            asks,
            wire: Arc::new(wire),
            scratch: None,
            nonces,
            swim,
            broadcasts: BroadcastQueue::default(),
            packer: Packer::default(),
            exchanges: BTreeMap::new(),
            tasks: BTreeMap::new(),
            open_asks: BTreeMap::new(),
            parked: BTreeMap::new(),
            timers: Timers::default(),
            merges: VecDeque::new(),
            actions: VecDeque::new(),
            local_state: Bytes::new(),
            ack_payload: None,
            tcp_pings_off: BTreeSet::new(),
            records: RecordCache::default(),
            tally: Tally::default(),
            last_id: 0,
            latest: now,
        };
        fits("metadata", machine.config.meta.len(), machine.meta_limit())?;
        Ok(machine)
    }

    /// Does everything that is due at `now`.
    pub fn handle_timeout(&mut self, now: Time) {
        let now = self.at(now);
        // What is due here can make something due at once among the rules, such as a
        // suspicion that a merged record confirms.
        while self.poll_timeout().is_some_and(|due| due <= now) {
            self.swim.handle_timeout(now);
            while let Some((_, timer)) = self.timers.pop_due(now) {
                match timer {
                    Timer::AskEnd(id) => self.ask_expired(now, id),
                    Timer::TaskEnd(id) => self.task_expired(id),
                    Timer::MergeSlice => self.merge_slice(now),
                }
            }
        }
    }

    /// When `handle_timeout` is to be called next.
    pub fn poll_timeout(&self) -> Option<Time> {
        [self.swim.poll_timeout(), self.timers.first()].into_iter().flatten().min()
    }

    /// The next thing for the host to do.
    pub fn poll_action(&mut self) -> Option<Action> {
        self.settle();
        self.actions.pop_front()
    }

    /// Turns what the rules want into actions; before another notice is made, so that
    /// notices keep the order in which things happened.
    pub(super) fn settle(&mut self) {
        while let Some(effect) = self.swim.poll_effect() {
            self.perform(effect);
        }
    }

    fn perform(&mut self, effect: Effect) {
        let now = self.latest;
        match effect {
            Effect::Joined(member) => self.notify(Notice::Joined(member)),
            Effect::Left(member) => {
                self.notify(Notice::Left(member));
                self.announcements_unheard();
            }
            Effect::Updated(member) => self.notify(Notice::Updated(member)),
            Effect::Conflict { existing, other } => {
                tracing::debug!(name = %other.name, known = %existing.addr(), claimed = %other.addr, "name conflict");
                self.notify(Notice::Conflict { existing, other });
            }
            Effect::Pinged { member, rtt, payload } => self.notify(Notice::Pinged { member, rtt, payload }),
            Effect::StreamPing { seq, node, deadline } => self.ask_stream_ping(now, seq, node, deadline),
            Effect::PushPull(node) => self.periodic_push_pull(now, &node),
            Effect::Finished(task) => self.announcement_finished(task),
            Effect::PingDone { task, rtt } => {
                self.finish(task, rtt.map_or(Outcome::TimedOut, Outcome::Pinged));
            }
        }
    }

    /// Raised whenever members, health or the own node change.
    pub fn version(&self) -> u64 {
        self.swim.version
    }

    /// Every known node in table order: alive, suspect, dead and left.
    pub fn members(&self) -> impl Iterator<Item = Member> + '_ {
        self.swim.roster.iter().map(Record::member)
    }

    /// The member of that name, in whatever state.
    pub fn member(&self, name: &[u8]) -> Option<Member> {
        self.swim.roster.get(name).map(Record::member)
    }

    /// This node.
    pub fn local(&self) -> Option<Member> {
        self.swim.local().map(Record::member)
    }

    /// How much this node doubts itself; 0 is healthy.
    pub fn health(&self) -> u32 {
        self.swim.awareness.score()
    }

    /// Whether the pool was left and not joined again.
    pub fn has_left(&self) -> bool {
        self.swim.has_left
    }

    /// The keys, primary first.
    pub fn keyring(&self) -> &Keyring {
        &self.wire.keyring
    }

    /// The onion for exchanges that begin now.
    pub fn wire(&self) -> &Arc<Wire> {
        &self.wire
    }

    /// The configuration.
    pub fn config(&self) -> &PoolConfig {
        &self.config
    }

    /// Commands and exchanges that have not ended: what a host must still expect.
    pub fn outstanding(&self) -> usize {
        self.tasks.len() + self.exchanges.len() + self.open_asks.len()
    }

    /// The counters at this moment.
    pub fn stats(&self) -> Stats {
        let mut members = [0; 4];
        for record in self.swim.roster.iter() {
            let slot = match record.state {
                State::Alive => &mut members[0],
                State::Suspect => &mut members[1],
                State::Dead => &mut members[2],
                State::Left => &mut members[3],
            };
            *slot += 1;
        }
        let queued = (self.swim.broadcasts.len() + self.broadcasts.len()) as u64;
        Stats::new(&self.tally, &self.swim.counters, queued, members, self.health())
    }

    /// `now`, unless a later time has been seen.
    pub(super) fn at(&mut self, now: Time) -> Time {
        self.latest = self.latest.max(now);
        self.latest
    }

    pub(super) fn next_id(&mut self) -> u64 {
        self.last_id += 1;
        self.last_id
    }

    pub(super) fn notify(&mut self, notice: Notice) {
        self.actions.push_back(Action::Tell(notice));
    }
}
