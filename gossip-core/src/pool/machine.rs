//! The membership of one pool as a machine: construction, inputs, outputs, looks.
//!
//! What each input does lives beside this file: datagrams in [`inbound`](super::inbound)
//! and [`outbound`](super::outbound), streams in [`streams`](super::streams), questions in
//! [`asks`](super::asks), the application's commands in [`commands`](super::commands).

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tracing::debug;

use crate::base::addr::NodeAddr;
use crate::base::ids::{AskId, ExchangeId, TaskId};
use crate::base::limit::{Limiter, warn_limited};
use crate::base::name::NodeName;
use crate::base::rng::Rng;
use crate::base::time::Time;
use crate::pool::action::{Action, Asks, Notice, Outcome};
use crate::pool::asks::OpenAsk;
use crate::pool::commands::{Task, fits};
use crate::pool::config::{CheckedPool, PoolConfig};
use crate::pool::doctor::{Exam, Stranger};
use crate::pool::error::CommandError;
use crate::pool::layers::Speakers;
use crate::pool::migration_stage::Migrating;
use crate::pool::obeying::Obeying;
use crate::pool::outbound::Packer;
use crate::pool::recent::Recent;
use crate::pool::rejoin::Rejoin;
use crate::pool::rumours::state::Rumours;
use crate::pool::sending::Resting;
use crate::pool::stats::Stats;
use crate::pool::streams::{Merge, Talk};
use crate::pool::taking::Taken;
use crate::swim::broadcast::BroadcastQueue;
use crate::swim::effect::Effect;
use crate::swim::node::{Member, Node, State};
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
    Rumours,
    /// The next turn of looking for those who are missing.
    Rejoin,
    RejoinAgain,
    Healed,
    Exam,
    Migration,
}

/// One pool's membership. Drive it as the [module above](super) says.
#[derive(Debug)]
pub struct Machine {
    pub(super) config: PoolConfig,
    pub(super) asks: Asks,
    pub(super) wire: Arc<Wire>,
    pub(super) speakers: Speakers,
    /// Taken out while a datagram is opened or closed.
    pub(super) scratch: Option<Box<Scratch>>,
    pub(super) nonces: Nonces,
    pub(super) swim: Swim,
    /// The application's plain broadcasts; the rules' own are in `swim`.
    pub(super) broadcasts: BroadcastQueue,
    /// The application's relayed broadcasts, and those of others.
    pub(super) rumours: Rumours,
    pub(super) packer: Packer,
    pub(super) exchanges: BTreeMap<ExchangeId, Talk>,
    /// Exchanges of ours that rest, the latest to do so last.
    pub(super) resting: Vec<Resting>,
    /// Reliable messages sent.
    pub(super) sent: u64,
    /// Reliable messages of others.
    pub(super) taken: Taken,
    /// How often keys, labels or what is asked of them have changed.
    pub(super) layers_changed: u64,
    pub(super) tasks: BTreeMap<TaskId, Task>,
    pub(super) open_asks: BTreeMap<AskId, OpenAsk>,
    /// Alive messages that wait for the application's verdict, by node.
    pub(super) parked: BTreeMap<NodeName, AskId>,
    pub(super) timers: Timers<Timer>,
    /// When the length of the queue of news is to be sampled.
    sample_due: Time,
    pub(super) merges: VecDeque<Merge>,
    pub(super) rejoin: Rejoin,
    pub(super) actions: VecDeque<Action>,
    pub(super) local_state: Bytes,
    pub(super) ack_payload: Option<Bytes>,
    /// The doctor at work, if one is.
    pub(super) exam: Option<Box<Exam>>,
    pub(super) stranger: Option<Stranger>,
    /// The migration that this node sees to, if it does.
    pub(super) migrating: Option<Box<Migrating>>,
    pub(super) obeying: Obeying,
    pub(super) accepted: Recent,
    /// Nodes that are never pinged over TCP.
    pub(super) tcp_pings_off: BTreeSet<NodeName>,
    /// The counters; the gauges are filled in when they are looked at.
    pub(super) tally: Stats,
    /// Of warnings; those of the rules are limited there.
    pub(super) limiter: Limiter,
    pub(super) last_id: u64,
    /// The latest time seen: time never runs backwards.
    pub(super) latest: Time,
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
        let CheckedPool { config, tuning } = pool;
        let wire = config.wire();
        let Identity { name, addr } = identity;
        let mut swim = Swim::new(tuning, name, addr, Rng::from_seed(seed), now);
        if !swim.allows(addr.ip) {
            return Err(CommandError::OwnAddressNotAllowed(addr.socket_addr()));
        }
        let meta = (!config.meta.is_empty()).then_some(&*config.meta);
        swim.announce(now, meta, None);
        let interval = config.queue_check_interval;
        let sample_due = if interval.is_zero() { Time::FAR } else { now + interval };
        // A generator of their own: what is drawn for them changes nothing else.
        let rumours = Rumours::new(&config, seed.rotate_left(32) ^ RUMOURS_SEED, now);
        let accepts_next = config.next_label.is_some();
        let mut machine = Self {
            config,
            asks,
            speakers: Speakers::default(),
            wire: Arc::new(wire),
            scratch: None,
            nonces,
            swim,
            broadcasts: BroadcastQueue::default(),
            rumours,
            packer: Packer::default(),
            exchanges: BTreeMap::new(),
            resting: Vec::new(),
            sent: 0,
            taken: Taken::default(),
            layers_changed: 0,
            tasks: BTreeMap::new(),
            open_asks: BTreeMap::new(),
            parked: BTreeMap::new(),
            timers: Timers::default(),
            sample_due,
            merges: VecDeque::new(),
            rejoin: Rejoin::new(seed),
            actions: VecDeque::new(),
            local_state: Bytes::new(),
            ack_payload: None,
            exam: None,
            stranger: None,
            migrating: None,
            obeying: Obeying::default(),
            accepted: Recent::default(),
            tcp_pings_off: BTreeSet::new(),
            tally: Stats::default(),
            limiter: Limiter::default(),
            last_id: 0,
            latest: now,
        };
        machine.meet_next_label(accepts_next);
        machine.begin_rejoining(now);
        fits("metadata", machine.config.meta.len(), machine.meta_limit())?;
        Ok(machine)
    }

    /// Does everything that is due at `now`.
    pub fn handle_timeout(&mut self, now: Time) {
        let now = self.at(now);
        // What is due here can make something due at once among the rules, such as a
        // suspicion that a merged record confirms.
        while self.poll_timeout().is_some_and(|due| due <= now) {
            self.swim.handle_timeout(now, self.gossips());
            while let Some((_, timer)) = self.timers.pop_due(now) {
                match timer {
                    Timer::AskEnd(id) => self.ask_expired(now, id),
                    Timer::TaskEnd(id) => self.task_expired(id),
                    Timer::MergeSlice => self.merge_slice(now),
                    Timer::Rumours => self.rumours_due(now),
                    Timer::Rejoin => self.rejoin_turn(now),
                    Timer::RejoinAgain => self.rejoin_again(now),
                    Timer::Healed => self.healed(),
                    Timer::Exam => self.exam_tick(now),
                    Timer::Migration => self.migration_tick(now),
                }
            }
        }
    }

    /// When `handle_timeout` is to be called next.
    pub fn poll_timeout(&self) -> Option<Time> {
        [self.swim.poll_timeout(self.gossips()), self.timers.first()].into_iter().flatten().min()
    }

    /// Whether a round of gossip would have something to say, to somebody. A pool in which nothing
    /// happens does not wake up for it.
    fn gossips(&self) -> bool {
        let has_news =
            !self.swim.broadcasts.is_empty() || !self.broadcasts.is_empty() || self.rumours.kept.has_news();
        has_news && self.swim.roster.len() > 1
    }

    /// The next thing for the host to do.
    pub fn poll_action(&mut self) -> Option<Action> {
        self.settle();
        let action = self.actions.pop_front();
        if action.is_none() && self.actions.capacity() > ACTIONS_KEPT {
            // The room that a merge took.
            self.actions.shrink_to(0);
        }
        action
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
            Effect::Joined(member) => {
                debug!(member = %member.name(), addr = %member.addr(), "member joined");
                self.notify(Notice::Joined(member.clone()));
                self.met(now, &member);
            }
            Effect::Left(member) => {
                debug!(member = %member.name(), addr = %member.addr(), state = %member.state, "member gone");
                self.close_resting(Some(member.addr()));
                self.notify(Notice::Left(member.clone()));
                self.lose(now, &member);
                self.announcements_unheard();
            }
            Effect::Updated(member) => {
                debug!(member = %member.name(), meta = member.meta().len(), "member updated");
                self.notify(Notice::Updated(member));
            }
            Effect::Conflict { existing, other } => {
                self.warn_of_conflict(now, &existing, &other);
                self.notify(Notice::Conflict { existing, other });
            }
            Effect::HearAgain(alive) => self.hear_alive(now, *alive),
            Effect::Found(node) => self.found(now, &node),
            Effect::Pinged { member, rtt, payload } => self.notify(Notice::Pinged { member, rtt, payload }),
            Effect::StreamPing { seq, node, deadline } => self.ask_stream_ping(now, seq, node, deadline),
            Effect::PushPull(node) => self.periodic_push_pull(now, &node),
            Effect::Finished(task) => self.announcement_finished(task),
            Effect::PingDone { task, rtt } => {
                self.finish(task, rtt.map_or(Outcome::TimedOut, Outcome::Pinged));
            }
        }
    }

    /// Two nodes of one name: the pool keeps the first, and the other will not get in.
    fn warn_of_conflict(&mut self, now: Time, existing: &Member, other: &Node) {
        let (name, known, claimed) = (&other.name, existing.addr(), other.addr);
        debug!(%name, %known, %claimed, "name conflict");
        if *name == self.swim.name {
            warn_limited!(
                self.limiter, now, "own name is claimed by another node",
                hint: "give each node a name of its own; the other one answers to it, too",
                %name, %known, %claimed
            );
        } else {
            warn_limited!(
                self.limiter, now, "two nodes claim one name",
                hint: "give each node a name of its own; if one moved, end the process at the old address, which still answers",
                %name, %known, %claimed
            );
        }
    }

    /// Raised whenever members, health or the own node change.
    pub fn version(&self) -> u64 {
        self.swim.version
    }

    /// Every known node in table order: alive, suspect, dead and left.
    pub fn members(&self) -> impl ExactSizeIterator<Item = Member> + '_ {
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

    /// The onion for exchanges that others begin now.
    pub fn wire(&self) -> &Arc<Wire> {
        &self.wire
    }

    /// The configuration.
    pub fn config(&self) -> &PoolConfig {
        &self.config
    }

    /// Commands and exchanges that have not ended: what a host must still expect.
    pub fn outstanding(&self) -> usize {
        self.tasks.len() - self.rejoin.running + self.exchanges.len() + self.open_asks.len()
    }

    /// The counters at this moment.
    pub fn stats(&self) -> Stats {
        let (mut members, mut deaf) = ([0; 4], 0);
        for record in self.swim.roster.iter() {
            let slot = match record.state {
                State::Alive => &mut members[0],
                State::Suspect => &mut members[1],
                State::Dead => &mut members[2],
                State::Left => &mut members[3],
            };
            *slot += 1;
            let is_deaf = record.relay == 0 && record.state.is_live() && record.node.name != self.swim.name;
            deaf += u64::from(is_deaf);
        }
        let is_inbound = |talk: &&Talk| matches!(talk, Talk::Inbound { .. });
        let inbound = self.exchanges.values().filter(is_inbound).count();
        let swim = self.swim.counters;
        Stats {
            overflows: self.tally.verdicts_overflowed + self.tally.lost_overflowed + swim.overflows(),
            swim,
            broadcasts_queued: (self.swim.broadcasts.len() + self.broadcasts_waiting()) as u64,
            broadcasts_user: self.broadcasts_waiting() as u64,
            asks_open: self.open_asks.len() as u64,
            verdicts_waiting: self.parked.len() as u64,
            merges_waiting: self.merges.len() as u64,
            exchanges_inbound: inbound as u64,
            exchanges_outbound: (self.exchanges.len() - inbound) as u64,
            commands_open: (self.tasks.len() - self.rejoin.running) as u64,
            members_lost: self.rejoin.lost() as u64,
            seeds_unresolved: self.rejoin.unresolved() as u64,
            isolated: self.rejoin.isolated.into(),
            streams_resting: self.resting.len() as u64,
            messages_open: self.taken.open() as u64,
            relays_open: self.swim.relays.len() as u64,
            relay_deaf: deaf,
            relay_kept: self.rumours.kept.len() as u64,
            relay_kept_bytes: self.rumours.kept.bytes() as u64,
            relay_outbox_bytes: self.rumours.outbox.bytes() as u64,
            relay_wanted: self.rumours.wanted.len() as u64,
            relay_origins: self.rumours.heard.len() as u64,
            members,
            health: self.health(),
            ..self.tally.clone()
        }
    }

    /// Notes that it is `now`, for a host that looks at a machine at rest: what is sampled by the clock
    /// is as of then. Nothing is done that is due.
    pub fn note_time(&mut self, now: Time) {
        self.at(now);
    }

    /// Rounds of gossip so far, for a host that measures how long one takes.
    pub fn gossip_rounds(&self) -> u64 {
        self.swim.counters.gossip_rounds
    }

    /// Notes how many broadcasts of the rules wait (Go: `checkBroadcastQueueDepth`). Nobody wakes up
    /// for it: the queue has been as it is since the last time that anything happened.
    fn sample_queue(&mut self) {
        let (interval, due) = (self.config.queue_check_interval.as_nanos() as u64, self.sample_due);
        let more = self.latest.since(due).as_nanos() as u64 / interval;
        self.tally.broadcast_queue.record_many(self.swim.broadcasts.len() as u64, 1 + more);
        self.sample_due = due + Duration::from_nanos((1 + more).saturating_mul(interval));
    }

    /// `now`, unless a later time has been seen.
    pub(super) fn at(&mut self, now: Time) -> Time {
        self.latest = self.latest.max(now);
        if self.sample_due <= self.latest {
            self.sample_queue();
        }
        if !self.gossips() {
            self.swim.defer_gossip(self.latest);
        }
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

/// Room for so many actions is kept when there is none.
const ACTIONS_KEPT: usize = 32;

/// Tells the seed of the rumours from that of the rest.
const RUMOURS_SEED: u64 = 0x5275_6d6f_7572_2121;
