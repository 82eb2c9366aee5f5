//! Answering pings, pinging for others, and the application's own pings.
//!
//! Behaviour 3.2 to 3.4 and 13 (Go: `handlePing`, `handleIndirectPing`, `Ping`).

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;

use crate::base::addr::{NodeAddr, WireIp};
use crate::base::ids::TaskId;
use crate::base::name::NodeName;
use crate::base::time::Time;
use crate::swim::alive::NAME_ACCEPTED;
use crate::swim::effect::{Body, Effect};
use crate::swim::swim::{Swim, Timer};
use crate::swim::timers::TimerKey;
use crate::wire::message::{Ack, IndirectPing, Nack, Ping, Source, blob_bytes};

/// Pings that may be under way for others at a time.
const RELAYS_MAX: usize = 1024;

/// A ping under way for another node.
#[derive(Debug)]
pub(crate) struct Relay {
    requester: SocketAddr,
    /// The requester's number.
    seq: u32,
    nack: bool,
    timer: TimerKey,
}

/// A ping under way for the application.
#[derive(Debug)]
pub(crate) struct AppPing {
    task: TaskId,
    sent: Time,
    timer: TimerKey,
}

impl Swim {
    /// Somebody asks whether we are there.
    pub fn hear_ping(&mut self, now: Time, from: SocketAddr, ping: &Ping<'_>, payload: Option<Bytes>) {
        self.heard_from(now, &ping.source.node, from);
        if !ping.node.is_empty() && *ping.node != *self.name.as_bytes() {
            self.counters.pings_misdirected += 1;
            return;
        }
        let to = self.reply_address(from, &ping.source);
        self.post(to, false, Body::Ack { seq: ping.seq, payload });
    }

    /// Where an answer goes: to the source that the message names, if that is the sender
    /// itself or a member by that name; else to the sender. Go answers to any named
    /// address, which makes a node a reflector (behaviour 19; research 1.12). A node of both
    /// families names one address only: whoever it reaches by the other answers by that,
    /// and may know no other way.
    fn reply_address(&self, from: SocketAddr, source: &Source<'_>) -> SocketAddr {
        let Some(ip) = WireIp::from_bytes(blob_bytes(&source.addr)).filter(|_| source.port != 0) else {
            return from;
        };
        let named = NodeAddr { ip, port: source.port }.socket_addr();
        let is_member = || {
            let member = self.roster.get(&source.node);
            member.is_some_and(|record| record.node.addr.socket_addr() == named)
        };
        let same_family = named.is_ipv4() == from.is_ipv4();
        if named.ip() == from.ip() || same_family && is_member() { named } else { from }
    }

    /// Somebody asks us to ping a node that does not answer them.
    pub fn hear_indirect_ping(&mut self, now: Time, from: SocketAddr, ping: &IndirectPing<'_>) {
        // The name is sent on: a long one would make us send more than was sent to us.
        let ip = WireIp::from_bytes(blob_bytes(&ping.target));
        let Some(ip) = ip.filter(|_| ping.node.len() <= NAME_ACCEPTED) else {
            self.counters.facts_invalid += 1;
            return;
        };
        self.heard_from(now, &ping.source.node, from);
        if self.relays.len() >= RELAYS_MAX {
            self.counters.relays_refused += 1;
            return;
        }
        let target = NodeAddr { ip, port: self.port_or_own(ping.port) };
        let requester = self.reply_address(from, &ping.source);
        let seq = self.fresh_seq();
        let timer = self.timers.set(now + self.tuning.probe_timeout, Timer::RelayEnd(seq));
        self.relays.insert(seq, Relay { requester, seq: ping.seq, nack: ping.nack, timer });
        let node = self.roster.name(&ping.node);
        self.post(target.socket_addr(), false, Body::Ping { seq, node });
    }

    /// The node pinged for another stays silent.
    pub(crate) fn relay_end(&mut self, seq: u32) {
        if let Some(relay) = self.relays.remove(&seq).filter(|relay| relay.nack) {
            self.post(relay.requester, false, Body::Nack { seq: relay.seq });
        }
    }

    /// An ack, for whatever carries its number.
    pub fn hear_ack(&mut self, now: Time, received: Time, from: SocketAddr, ack: &Ack<'_>) {
        if self.probe.as_ref().is_some_and(|probe| probe.seq == ack.seq) {
            self.probe_answered(now, received, from, blob_bytes(&ack.payload));
        } else if let Some(relay) = self.relays.remove(&ack.seq) {
            self.timers.cancel(relay.timer);
            self.post(relay.requester, false, Body::Ack { seq: relay.seq, payload: None });
        } else if let Some(ping) = self.pings.remove(&ack.seq) {
            self.timers.cancel(ping.timer);
            let rtt = Some(received.since(ping.sent));
            self.effects.push_back(Effect::PingDone { task: ping.task, rtt });
        } else if self.inquiries.contains_key(&ack.seq) {
            self.inquiry_answered(now, ack.seq);
        } else {
            self.counters.acks_unmatched += 1;
            self.late_word(now, received, from, ack.seq, true);
        }
    }

    /// A nack, for the probe that carries its number.
    pub fn hear_nack(&mut self, now: Time, from: SocketAddr, nack: Nack) {
        if self.probe.as_ref().is_some_and(|probe| probe.seq == nack.seq) {
            self.probe_nacked(from);
        } else {
            self.counters.acks_unmatched += 1;
            self.late_word(now, now, from, nack.seq, false);
        }
    }

    /// Pings `to` for the application; the end is told as `PingDone`.
    pub fn ping(&mut self, now: Time, task: TaskId, to: SocketAddr, node: NodeName, timeout: Duration) {
        let seq = self.fresh_seq();
        let timer = self.timers.set(now + timeout, Timer::PingEnd(seq));
        self.pings.insert(seq, AppPing { task, sent: now, timer });
        self.post(to, false, Body::Ping { seq, node });
    }

    /// The application's ping was not answered in time.
    pub(crate) fn ping_end(&mut self, seq: u32) {
        if let Some(ping) = self.pings.remove(&seq) {
            self.effects.push_back(Effect::PingDone { task: ping.task, rtt: None });
        }
    }
}
