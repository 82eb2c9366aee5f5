//! The state of one node's membership, and what drives it: messages, ticks, commands.
//!
//! The rules themselves live beside this file, one subject each: [`alive`](super::alive),
//! [`decline`](super::decline), [`merge`](super::merge), [`probe`](super::probe),
//! [`relay`](super::relay).

use std::borrow::Cow;
use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;

use crate::base::addr::{NodeAddr, WireIp};
use crate::base::ids::TaskId;
use crate::base::name::NodeName;
use crate::base::rng::Rng;
use crate::base::time::Time;
use crate::swim::alarm::Alarms;
use crate::swim::awareness::Awareness;
use crate::swim::broadcast::{BroadcastQueue, Room, Subject};
use crate::swim::catch_up::CatchUp;
use crate::swim::counters::Counters;
use crate::swim::effect::{Body, Effect, Parcel};
use crate::swim::inquiry::Inquiry;
use crate::swim::node::{Member, State};
use crate::swim::probe::Probe;
use crate::swim::relay::{AppPing, Relay};
use crate::swim::roster::{Record, Roster};
use crate::swim::scale::{push_pull_period, retransmit_limit};
use crate::swim::takeover::Claims;
use crate::swim::timers::Timers;
use crate::swim::tuning::Tuning;
use crate::swim::versions::understands;
use crate::wire::encode::{encode_alive, encode_dead, encode_suspect};
use crate::wire::message::{Alive, Dead, Source, Suspect};

/// Datagrams that may wait to be polled. A datagram can hold thousands of pings; more
/// answers than this are not worth sending.
const PARCELS_MAX: usize = 256;

/// What is due when.
#[derive(Debug)]
pub(crate) enum Timer {
    ProbeTick,
    /// A direct ack is due: from then on others are asked.
    AckDue(u32),
    RoundEnd(u32),
    RelayEnd(u32),
    PingEnd(u32),
    /// An answer to an inquiry is due.
    InquiryDue(u32),
    AnswerEnds(NodeName),
    SuspicionEnd(NodeName),
    PushPullTick,
    CatchUp,
}

/// The membership of one node in one pool.
#[derive(Debug)]
pub struct Swim {
    pub(crate) tuning: Tuning,
    pub(crate) name: NodeName,
    pub(crate) addr: NodeAddr,
    pub(crate) roster: Roster,
    pub(crate) awareness: Awareness,
    /// The highest incarnation this node has given itself.
    pub(crate) incarnation: u32,
    pub(crate) has_left: bool,
    pub(crate) broadcasts: BroadcastQueue,
    pub(crate) timers: Timers<Timer>,
    /// When the next round of gossip is due, once there is something to tell; no timer, since most of
    /// the time there is not.
    gossip_due: Option<Time>,
    /// Tickers that rest because there is nobody else, and when they would tick or have ticked.
    resting: Vec<(Time, Timer)>,
    pub(crate) rng: Rng,
    pub(crate) probe: Option<Probe>,
    /// Where in the roster's list the next probe is looked for.
    pub(crate) probe_index: usize,
    /// A probe tick came while a probe was running; it is served when that ends.
    pub(crate) tick_waiting: bool,
    pub(crate) relays: BTreeMap<u32, Relay>,
    pub(crate) pings: BTreeMap<u32, AppPing>,
    pub(crate) inquiries: BTreeMap<u32, Inquiry>,
    pub(crate) claims: Claims,
    pub(crate) push_pull_running: bool,
    pub(crate) catch_up: Option<CatchUp>,
    /// Whether anybody listens to answered probes; otherwise they cost nothing.
    pub(crate) wants_pings: bool,
    pub(crate) parcels: VecDeque<Parcel>,
    pub(crate) effects: VecDeque<Effect>,
    pub(crate) counters: Counters,
    pub(crate) alarms: Alarms,
    /// The last probe that was filed as evidence, and of whom.
    pub(crate) filed: Option<(u32, NodeName)>,
    pub(crate) version: u64,
}

impl Swim {
    /// A node that knows nobody yet, not even itself; `announce` is next.
    pub fn new(tuning: Tuning, name: NodeName, addr: NodeAddr, mut rng: Rng, now: Time) -> Self {
        let mut resting = Vec::new();
        // Nodes that start together must not stay in step, so each loop has a phase of its own.
        let mut first =
            |period: Duration| (!period.is_zero()).then(|| now + rng.up_to(period) + Duration::from_nanos(1));
        if let Some(due) = first(tuning.probe_interval) {
            resting.push((due, Timer::ProbeTick));
        }
        let gossip_due = if tuning.gossip_nodes > 0 { first(tuning.gossip_interval) } else { None };
        if let Some(due) = first(tuning.push_pull_interval) {
            resting.push((due, Timer::PushPullTick));
        }
        Self {
            roster: Roster::new(&mut rng),
            awareness: Awareness::new(tuning.awareness_max),
            tuning,
            name,
            addr,
            incarnation: 0,
            has_left: false,
            broadcasts: BroadcastQueue::default(),
            timers: Timers::default(),
            gossip_due,
            resting,
            rng,
            probe: None,
            probe_index: 0,
            tick_waiting: false,
            relays: BTreeMap::new(),
            pings: BTreeMap::new(),
            inquiries: BTreeMap::new(),
            claims: Claims::default(),
            push_pull_running: false,
            catch_up: None,
            wants_pings: true,
            parcels: VecDeque::new(),
            effects: VecDeque::new(),
            counters: Counters::default(),
            alarms: Alarms::default(),
            filed: None,
            version: 0,
        }
    }

    /// Does everything that is due at `now`; a round of gossip only if it `gossips`.
    pub fn handle_timeout(&mut self, now: Time, gossips: bool) {
        loop {
            let first = self.timers.first().filter(|due| *due <= now);
            if let Some(due) = self.gossip_due.filter(|due| gossips && *due <= first.unwrap_or(now)) {
                self.gossip_due = Some(next_tick(due, self.tuning.gossip_interval, now));
                self.gossip_round(now);
                continue;
            }
            let Some((due, timer)) = self.timers.pop_due(now) else { return };
            match timer {
                Timer::ProbeTick | Timer::PushPullTick if self.roster.len() <= 1 => {
                    self.resting.push((due, timer));
                }
                Timer::ProbeTick => {
                    let next = next_tick(due, self.tuning.probe_interval, now);
                    self.timers.set(next, Timer::ProbeTick);
                    self.probe_tick(now);
                }
                Timer::AckDue(seq) => self.ack_due(now, seq),
                Timer::RoundEnd(seq) => self.round_end(now, seq),
                Timer::RelayEnd(seq) => self.relay_end(seq),
                Timer::PingEnd(seq) => self.ping_end(seq),
                Timer::InquiryDue(seq) => self.inquiry_due(now, seq),
                Timer::AnswerEnds(name) => self.answer_ends(&name),
                Timer::SuspicionEnd(name) => self.suspicion_end(now, &name),
                Timer::PushPullTick => {
                    let period = push_pull_period(self.tuning.push_pull_interval, self.roster.len());
                    self.timers.set(next_tick(due, period, now), Timer::PushPullTick);
                    self.push_pull_tick();
                }
                Timer::CatchUp => self.catch_up(now),
            }
        }
    }

    /// When something is due next; a round of gossip only if it `gossips`.
    pub fn poll_timeout(&self, gossips: bool) -> Option<Time> {
        [self.timers.first(), self.gossip_due.filter(|_| gossips)].into_iter().flatten().min()
    }

    /// Lets a round of gossip that is due wait for news, of which there is none at `now`. Whatever
    /// happens next is told at once, since the last round is an interval ago: news crosses a pool
    /// that was at rest in the time that its packets need.
    pub fn defer_gossip(&mut self, now: Time) {
        // Later, be it by nothing: what is due at `now` has been done.
        let next = now + Duration::from_nanos(1);
        if self.gossip_due.is_some_and(|due| due < next) {
            self.gossip_due = Some(next);
        }
    }

    /// Somebody has come to be known: tickers that rest tick from now on, in the phase that they have.
    pub(crate) fn wake_tickers(&mut self, now: Time) {
        for (due, ticker) in self.resting.drain(..) {
            let period = match ticker {
                Timer::PushPullTick => self.tuning.push_pull_interval,
                _ => self.tuning.probe_interval,
            };
            self.timers.set(if due > now { due } else { next_tick(due, period, now) }, ticker);
        }
    }

    /// The next datagram to pack and send.
    pub fn poll_parcel(&mut self) -> Option<Parcel> {
        self.parcels.pop_front()
    }

    /// The next thing that the rules want done.
    pub fn poll_effect(&mut self) -> Option<Effect> {
        if let Some(task) = self.broadcasts.poll_finished() {
            return Some(Effect::Finished(task));
        }
        self.effects.pop_front()
    }

    /// Gives broadcasts that fit `room` to `each`; returns the bytes used.
    pub fn take_broadcasts(&mut self, room: Room, each: impl FnMut(&Bytes)) -> usize {
        let transmissions = self.transmissions();
        self.broadcasts.take(room, transmissions, each)
    }

    /// How often a broadcast is sent in a pool of this size.
    pub fn transmissions(&self) -> u32 {
        retransmit_limit(self.tuning.retransmit_mult, self.roster.len())
    }

    /// Our own record; absent only before the first announcement.
    pub fn local(&self) -> Option<&Record> {
        self.roster.get(self.name.as_bytes())
    }

    /// Whether any other node is there to hear a broadcast.
    pub fn has_peers(&self) -> bool {
        self.roster.iter().any(|record| record.state.is_live() && record.node.name != self.name)
    }

    /// How many nodes are members, this one included.
    pub fn live(&self) -> usize {
        self.roster.iter().filter(|record| record.state.is_live()).count()
    }

    /// Ourselves as the source of pings, so that answers find the way.
    pub fn source(&self) -> Source<'_> {
        Source {
            addr: Some(Cow::Borrowed(self.addr.ip.as_bytes())),
            port: self.addr.port,
            node: Cow::Borrowed(self.name.as_bytes()),
        }
    }

    /// The port of a node that announced `port`: ours if it announced none, or if we
    /// speak version 1, in which ports did not travel.
    pub fn port_or_own(&self, port: u16) -> u16 {
        if port == 0 || self.tuning.versions.pcur == 1 { self.addr.port } else { port }
    }

    /// Whether a member may have this address.
    pub fn allows(&self, ip: WireIp) -> bool {
        let networks = &self.tuning.allowed_networks;
        networks.is_empty() || networks.iter().any(|network| network.contains(&ip.ip()))
    }

    /// Queues a datagram, unless too many wait.
    pub(crate) fn post(&mut self, to: SocketAddr, crc: bool, body: Body) {
        if self.parcels.len() < PARCELS_MAX {
            self.parcels.push_back(Parcel { to, crc, body });
        } else {
            self.counters.datagrams_overflowed += 1;
        }
    }

    /// A number for a ping. Random, so that only those who were sent it can answer.
    pub(crate) fn fresh_seq(&mut self) -> u32 {
        loop {
            let seq = self.rng.child_seed() as u32;
            let taken = self.relays.contains_key(&seq)
                || self.pings.contains_key(&seq)
                || self.inquiries.contains_key(&seq)
                || self.probe.as_ref().is_some_and(|probe| probe.seq == seq);
            if !taken {
                return seq;
            }
        }
    }

    /// Takes back the running suspicion of a node.
    pub(crate) fn drop_suspicion(&mut self, name: &[u8]) {
        let case = self.roster.get_mut(name).and_then(|record| record.case.as_mut());
        let suspicion = case.and_then(|case| case.suspicion.take());
        if let Some(suspicion) = suspicion {
            self.timers.cancel(suspicion.timer);
            self.close_suspicion(name, suspicion.into_accusers());
        }
    }

    pub(crate) fn broadcast_alive(&mut self, alive: &Alive<'_>, waiter: Option<TaskId>) {
        let mut message = Vec::with_capacity(128);
        encode_alive(alive, &mut message);
        self.broadcasts.queue(Subject::Named(self.roster.name(&alive.node)), message.into(), waiter);
    }

    pub(crate) fn broadcast_suspect(&mut self, suspect: &Suspect<'_>) {
        let mut message = Vec::with_capacity(64);
        encode_suspect(suspect, &mut message);
        self.broadcasts.queue(Subject::Named(self.roster.name(&suspect.node)), message.into(), None);
    }

    pub(crate) fn broadcast_dead(&mut self, dead: &Dead<'_>, waiter: Option<TaskId>) {
        let mut message = Vec::with_capacity(64);
        encode_dead(dead, &mut message);
        self.broadcasts.queue(Subject::Named(self.roster.name(&dead.node)), message.into(), waiter);
    }

    pub(crate) fn doubt_ourselves(&mut self, delta: i32) {
        if self.awareness.apply(delta) {
            self.version += 1;
        }
    }

    pub(crate) fn tell(&mut self, effect: fn(Member) -> Effect, name: &[u8]) {
        if let Some(record) = self.roster.get(name) {
            self.effects.push_back(effect(record.member()));
        }
    }

    /// One round of gossip: the freshest broadcasts to a few random nodes, the recently
    /// dead among them, so that a node that was declared dead wrongly hears of it.
    fn gossip_round(&mut self, now: Time) {
        self.counters.gossip_rounds += 1;
        let Self { roster, rng, name, tuning, .. } = self;
        let remember = tuning.gossip_to_the_dead;
        let chosen: Vec<_> = roster
            .pick(tuning.gossip_nodes, rng, |record| {
                record.node.name != *name
                    && match record.state {
                        State::Alive | State::Suspect => true,
                        State::Dead => now.since(record.since) <= remember,
                        State::Left => false,
                    }
            })
            .iter()
            .map(|record| (record.node.addr.socket_addr(), understands(&record.node, 5)))
            .collect();
        for (to, crc) in chosen {
            self.post(to, crc, Body::Gossip);
        }
    }

    /// Exchanges the whole state with one random live node, unless the last exchange still runs.
    pub(crate) fn push_pull_tick(&mut self) {
        if self.push_pull_running {
            self.counters.push_pulls_skipped += 1;
            return;
        }
        let Self { roster, rng, name, .. } = self;
        let eligible = |record: &Record| record.state == State::Alive && record.node.name != *name;
        let partner = roster.pick(1, rng, eligible).first().map(|record| record.node.clone());
        if let Some(node) = partner {
            self.push_pull_running = true;
            self.effects.push_back(Effect::PushPull(node));
        }
    }

    /// The periodic push/pull has ended, well or not.
    pub fn push_pull_ended(&mut self) {
        self.push_pull_running = false;
    }
}

/// When a ticker set for `due` ticks after `now`: in phase, missed ticks left out.
fn next_tick(due: Time, period: Duration, now: Time) -> Time {
    let late = now.since(due).as_nanos();
    let into = late % period.as_nanos().max(1);
    let rest = period.as_nanos() - into;
    now + Duration::from_nanos(u64::try_from(rest).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_late_ticker_keeps_its_phase_and_leaves_missed_ticks_out() {
        let second = Duration::from_secs(1);
        let due = Time::ZERO + Duration::from_secs(10);

        assert_eq!(next_tick(due, second, due), due + second);
        assert_eq!(next_tick(due, second, due + second * 7 / 2), due + second * 4);
        assert_eq!(next_tick(due, second, due + second * 3), due + second * 4);
    }
}
