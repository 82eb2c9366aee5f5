//! The failure detector: one member at a time is asked whether it is there.
//!
//! ```text
//!  0          probe_timeout                       round end = probe_interval · (score + 1)
//!  |-- ping ------|-- indirect pings + stream ping ------|-- nobody answered: suspect
//! ```
//!
//! Behaviour 7 (Go: `probe`, `probeNode`); SWIM section 3.1, Lifeguard section IV.A.

use std::borrow::Cow;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tracing::{debug, trace};

use crate::base::time::Time;
use crate::swim::effect::{Body, Effect};
use crate::swim::evidence::{Helpers, ProbeEnd, StreamPing};
use crate::swim::node::{Node, State};
use crate::swim::swim::{Swim, Timer};
use crate::swim::timers::TimerKey;
use crate::swim::versions::understands;
use crate::wire::message::Suspect;

/// The probe that is under way.
#[derive(Debug)]
pub(crate) struct Probe {
    pub(crate) seq: u32,
    pub(crate) node: Arc<Node>,
    /// As known when the probe began: a refutation meanwhile makes the suspicion void.
    incarnation: u32,
    pub(super) sent: Time,
    pub(super) ends: Time,
    timer: TimerKey,
    stage: Stage,
}

#[derive(Debug)]
enum Stage {
    Direct,
    Indirect {
        /// How many of the asked say so when the node stays silent.
        nacks_expected: usize,
        helpers: Helpers,
    },
}

impl Probe {
    /// Who was asked, once that has come to be.
    pub(super) fn helpers(&self) -> Option<&Helpers> {
        match &self.stage {
            Stage::Direct => None,
            Stage::Indirect { helpers, .. } => Some(helpers),
        }
    }

    pub(super) fn helpers_mut(&mut self) -> Option<&mut Helpers> {
        match &mut self.stage {
            Stage::Direct => None,
            Stage::Indirect { helpers, .. } => Some(helpers),
        }
    }
}

impl Swim {
    /// The probe loop ticks.
    pub(crate) fn probe_tick(&mut self, now: Time) {
        if self.probe.is_some() {
            self.tick_waiting = true;
            return;
        }
        if let Some((node, incarnation, state)) = self.next_to_probe(now) {
            self.begin_probe(now, node, incarnation, state);
        }
    }

    /// The next member in turn. At the end of each round the long dead are forgotten and
    /// the order is drawn anew. Go may waste a tick at that point; ours goes on until it
    /// has seen the whole of the new order (behaviour 19, number 12).
    fn next_to_probe(&mut self, now: Time) -> Option<(Arc<Node>, u32, State)> {
        let mut is_new_round = false;
        loop {
            if self.probe_index >= self.roster.len() {
                if is_new_round {
                    return None;
                }
                is_new_round = true;
                self.reap(now);
                self.probe_index = 0;
            }
            let record = self.roster.at(self.probe_index)?;
            self.probe_index += 1;
            if record.node.name != self.name && record.state.is_live() {
                return Some((record.node.clone(), record.incarnation, record.state));
            }
        }
    }

    /// Forgets who has been dead or gone for long enough.
    pub(crate) fn reap(&mut self, now: Time) {
        let remember = self.tuning.gossip_to_the_dead;
        let own = self.name.clone();
        let keep = |record: &super::roster::Record| {
            record.state.is_live() || record.node.name == own || now.since(record.since) <= remember
        };
        if self.roster.reap_and_shuffle(keep, &mut self.rng) {
            self.version += 1;
        }
    }

    fn begin_probe(&mut self, now: Time, node: Arc<Node>, incarnation: u32, state: State) {
        let interval = self.awareness.scale(self.tuning.probe_interval);
        self.counters.probes += 1;
        if self.awareness.score() > 0 {
            self.counters.probes_degraded += 1;
        }
        let seq = self.fresh_seq();
        let (to, crc) = (node.addr.socket_addr(), understands(&node, 5));
        let name = node.name.clone();
        let body = match state {
            State::Suspect => Body::PingSuspect { seq, node: name, incarnation },
            _ => Body::Ping { seq, node: name },
        };
        trace!(member = %node.name, %to, seq, "probe");
        self.post(to, crc, body);
        let ends = now + interval;
        let due = now + self.tuning.probe_timeout.min(interval);
        let timer = self.timers.set(due, Timer::AckDue(seq));
        let stage = Stage::Direct;
        self.probe = Some(Probe { seq, node, incarnation, sent: now, ends, timer, stage });
    }

    /// No direct ack in time: others are asked to probe, and a stream is tried.
    pub(crate) fn ack_due(&mut self, now: Time, seq: u32) {
        let Some(mut probe) = self.probe.take_if(|probe| probe.seq == seq) else { return };
        let (asked, nacks_expected) = self.ask_helpers(seq, &probe.node, true);
        let mut stream = StreamPing::NotTried;
        if self.tuning.stream_pings && understands(&probe.node, 3) && probe.ends > now {
            let (node, deadline) = (probe.node.clone(), probe.ends);
            stream = StreamPing::Unanswered;
            self.effects.push_back(Effect::StreamPing { seq, node, deadline });
        }
        probe.timer = self.timers.set(probe.ends.max(now), Timer::RoundEnd(seq));
        let helpers = Helpers { asked, nacks: Vec::new(), stream };
        probe.stage = Stage::Indirect { nacks_expected, helpers };
        self.probe = Some(probe);
    }

    /// Asks some members to ping `node` for us: who they are, and how many of them say so when it stays silent,
    /// if they are to.
    pub(crate) fn ask_helpers(&mut self, seq: u32, node: &Arc<Node>, nacks: bool) -> (Vec<Arc<Node>>, usize) {
        let Self { roster, rng, name, tuning, .. } = self;
        let asked: Vec<_> = roster
            .pick(tuning.indirect_checks, rng, |record| {
                record.state == State::Alive && record.node.name != *name && record.node.name != node.name
            })
            .iter()
            .map(|record| record.node.clone())
            .collect();
        let mut nacks_expected = 0;
        for helper in &asked {
            let nack = nacks && understands(helper, 4);
            nacks_expected += usize::from(nack);
            let body = Body::IndirectPing { seq, node: node.clone(), nack };
            self.post(helper.addr.socket_addr(), understands(helper, 5), body);
        }
        (asked, nacks_expected)
    }

    /// Nobody answered within the round.
    pub(crate) fn round_end(&mut self, now: Time, seq: u32) {
        let Some(probe) = self.probe.take_if(|probe| probe.seq == seq) else { return };
        let Stage::Indirect { nacks_expected, helpers: Helpers { nacks, stream, .. } } = &probe.stage else {
            return;
        };
        self.counters.probe_duration.time(now.since(probe.sent));
        if *stream == StreamPing::Answered {
            self.file(now, &probe, ProbeEnd::Stream);
            self.counters.probes_saved_by_stream += 1;
            self.doubt_ourselves(-1);
            self.alarm_of_datagrams(now, &probe.node);
        } else {
            // Helpers that cannot even say no are missing too: perhaps it is we who are cut off.
            let missing = nacks_expected.saturating_sub(nacks.len());
            let delta = if *nacks_expected > 0 { i32::try_from(missing).unwrap_or(i32::MAX) } else { 1 };
            self.counters.probes_failed += 1;
            debug!(member = %probe.node.name, nacks = nacks.len(), missing, "probe failed");
            self.file(now, &probe, ProbeEnd::Silent);
            let own = self.name.clone();
            let suspect = Suspect {
                incarnation: probe.incarnation,
                node: Cow::Borrowed(probe.node.name.as_bytes()),
                from: Cow::Borrowed(own.as_bytes()),
            };
            self.hear_suspect(now, &suspect);
            self.doubt_ourselves(delta);
            self.alarm_of_silence(now, &probe.node);
        }
        self.serve_waiting_tick(now);
    }

    /// An ack for the running probe, received at `received`: direct, late or relayed.
    pub(crate) fn probe_answered(&mut self, now: Time, received: Time, from: SocketAddr, payload: &[u8]) {
        let Some(probe) = self.probe.take() else { return };
        self.timers.cancel(probe.timer);
        self.doubt_ourselves(-1);
        self.alarms.answered();
        let rtt = received.since(probe.sent);
        self.counters.probe_duration.time(rtt);
        match &probe.stage {
            Stage::Direct => {
                self.acked_by(now, probe.node.name.as_bytes(), rtt);
                self.tell_pinged(&probe.node, rtt, payload);
            }
            // A node may answer from another of its addresses: who was not asked is the node itself.
            Stage::Indirect { helpers, .. } => match helpers.at(from) {
                Some(helper) => self.file(now, &probe, ProbeEnd::Relayed(helper.name.clone())),
                None => {
                    self.acked_by(now, probe.node.name.as_bytes(), rtt);
                    self.file(now, &probe, ProbeEnd::Late(rtt));
                }
            },
        }
        self.serve_waiting_tick(now);
    }

    fn tell_pinged(&mut self, node: &Node, rtt: Duration, payload: &[u8]) {
        if let Some(record) = self.roster.get(node.name.as_bytes()).filter(|_| self.wants_pings) {
            let (member, payload) = (record.member(), Bytes::copy_from_slice(payload));
            self.effects.push_back(Effect::Pinged { member, rtt, payload });
        }
    }

    /// A helper says that the probed node stays silent.
    pub(crate) fn probe_nacked(&mut self, from: SocketAddr) {
        let Some(Probe { stage: Stage::Indirect { nacks_expected, helpers: Helpers { nacks, .. } }, .. }) =
            &mut self.probe
        else {
            self.counters.acks_unmatched += 1;
            return;
        };
        if nacks.len() < *nacks_expected && !nacks.contains(&from) {
            nacks.push(from);
        } else {
            self.counters.acks_unmatched += 1;
        }
    }

    /// The stream ping of the probe or inquiry `seq` got through.
    pub fn stream_ping_answered(&mut self, now: Time, seq: u32) {
        let running = self.probe.as_mut().filter(|probe| probe.seq == seq);
        if let Some(helpers) = running.and_then(Probe::helpers_mut) {
            helpers.stream = StreamPing::Answered;
        }
        self.inquiry_answered(now, seq);
    }

    fn serve_waiting_tick(&mut self, now: Time) {
        if std::mem::take(&mut self.tick_waiting) {
            self.probe_tick(now);
        }
    }
}
