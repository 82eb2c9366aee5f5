//! What speaks for and against a member: kept so that an operator who asks why it is suspected
//! or dead gets an answer ([`explanation`](super::explanation)). The rules look at nothing here but
//! the running suspicion.
//!
//! Of every member a few bytes in its record are kept: when something straight from it last
//! came, and how fast. A member that was ever silent or accused has a [`Case`] besides.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use crate::base::name::NodeName;
use crate::base::time::Time;
use crate::swim::node::Node;
use crate::swim::probe::Probe;
use crate::swim::suspicion::Suspicion;
use crate::swim::swim::Swim;

/// Accusers remembered of this node itself.
const ACCUSERS_MAX: usize = 8;

/// A round trip in two bytes: microseconds exactly up to 4 ms, then to twelve significant bits, up to
/// two minutes.
#[derive(Debug, Clone, Copy, Default)]
pub struct Rtt {
    /// The twelve bits, and above them by how many they are shifted.
    bits: u16,
}

impl From<Duration> for Rtt {
    fn from(rtt: Duration) -> Self {
        let micros = u32::try_from(rtt.as_micros()).unwrap_or(u32::MAX).min(0xFFF << 15);
        let shift = 20_u32.saturating_sub(micros.leading_zeros());
        Self { bits: (shift << 12 | micros >> shift) as u16 }
    }
}

impl From<Rtt> for Duration {
    fn from(Rtt { bits }: Rtt) -> Self {
        Self::from_micros(u64::from(bits & 0xFFF) << (bits >> 12))
    }
}

/// What is remembered of a member that was ever silent or accused.
#[derive(Debug, Default)]
pub struct Case {
    /// The running suspicion, while suspect.
    pub(super) suspicion: Option<Suspicion>,
    /// Our last probe that it did not answer directly and in time.
    pub(super) silence: Option<Silence>,
    /// When the first of those was sent since it last acknowledged one.
    pub(super) silent_since: Time,
    /// Who shared the last suspicion that is over, whoever began it first.
    pub(super) accusers: Vec<NodeName>,
    /// On whose word it was taken for dead.
    pub(super) buried_by: Option<NodeName>,
    /// How often it refuted a suspicion, and when it last did.
    pub(super) refuted: (u32, Time),
}

/// A probe that was not answered directly and in time.
#[derive(Debug, Clone)]
pub(super) struct Silence {
    pub(super) sent: Time,
    /// How long the direct ack was waited for.
    pub(super) patience: Duration,
    /// When the round was over.
    pub(super) ended: Time,
    pub(super) helpers: Helpers,
    pub(super) end: ProbeEnd,
}

/// Who was asked to ping a silent member, and what came of it.
#[derive(Debug, Clone, Default)]
pub(super) struct Helpers {
    pub(super) asked: Vec<Arc<Node>>,
    /// The addresses from which it was said that the member is silent there, too.
    pub(super) nacks: Vec<SocketAddr>,
    pub(super) stream: StreamPing,
}

impl Helpers {
    /// Who of those asked has this address.
    pub(super) fn at(&self, from: SocketAddr) -> Option<&Arc<Node>> {
        self.asked.iter().find(|node| node.addr.socket_addr() == from)
    }
}

/// The stream ping of a probe that got no direct ack.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum StreamPing {
    /// None was sent: they are disabled, refused by the application, or the member is too old.
    #[default]
    NotTried,
    /// No answer within the round.
    Unanswered,
    /// It got through.
    Answered,
    /// It failed, for this reason.
    Failed(String),
}

/// How a probe that got no direct ack in time ended.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ProbeEnd {
    /// It has not ended.
    Running,
    /// With a direct ack, after this time: later than `probe_timeout`.
    Late(Duration),
    /// With an ack by way of this member.
    Relayed(NodeName),
    /// Only the stream ping got through.
    Stream,
    /// Nothing got through: that makes a suspect.
    Silent,
}

impl Swim {
    /// A datagram came from `from`, by the member `name` if that is its address.
    pub(super) fn heard_from(&mut self, now: Time, name: &[u8], from: SocketAddr) {
        let record = self.roster.get_mut(name).filter(|record| record.node.addr.socket_addr() == from);
        if let Some(record) = record {
            record.heard = now;
        }
    }

    /// A member acknowledged a probe itself.
    pub(super) fn acked_by(&mut self, now: Time, name: &[u8], rtt: Duration) {
        if let Some(record) = self.roster.get_mut(name) {
            (record.heard, record.acked, record.rtt) = (now, now, rtt.into());
        }
    }

    /// Keeps how a probe went that was not answered directly and in time.
    pub(super) fn file(&mut self, now: Time, probe: &Probe, end: ProbeEnd) {
        let Some(silence) = self.silence_of(now, probe, end) else { return };
        if let Some(record) = self.roster.get_mut(probe.node.name.as_bytes()) {
            let acked = record.acked;
            let case = record.case_mut();
            if case.silent_since <= acked {
                case.silent_since = silence.sent;
            }
            case.silence = Some(silence);
            self.filed = Some((probe.seq, probe.node.name.clone()));
        }
    }

    /// An ack or nack came from `from` for the last probe that was filed, after its round: as evidence
    /// it still counts. Nacks often come so late, since a helper waits as long as we do.
    pub(super) fn late_word(&mut self, now: Time, received: Time, from: SocketAddr, seq: u32, is_ack: bool) {
        let Some((_, name)) = self.filed.as_ref().filter(|(filed, _)| *filed == seq) else { return };
        let Some(record) = self.roster.get_mut(name.as_bytes()) else { return };
        let Some(silence) = record.case.as_mut().and_then(|case| case.silence.as_mut()) else { return };
        let helpers = &mut silence.helpers;
        let rtt = received.since(silence.sent);
        match (helpers.at(from), is_ack) {
            (Some(_), false) if !helpers.nacks.contains(&from) => helpers.nacks.push(from),
            (Some(helper), true) if silence.end == ProbeEnd::Silent => {
                silence.end = ProbeEnd::Relayed(helper.name.clone());
            }
            (None, true) => {
                silence.end = ProbeEnd::Late(rtt);
                let name = name.clone();
                self.acked_by(now, name.as_bytes(), rtt);
            }
            _ => {}
        }
    }

    /// A probe past its direct stage, as evidence.
    pub(super) fn silence_of(&self, now: Time, probe: &Probe, end: ProbeEnd) -> Option<Silence> {
        let helpers = probe.helpers()?.clone();
        let patience = self.tuning.probe_timeout.min(probe.ends.since(probe.sent));
        Some(Silence { sent: probe.sent, patience, ended: now, helpers, end })
    }

    /// The stream ping of probe `seq` failed; `why` is asked for only if that is of interest.
    pub fn stream_ping_failed(&mut self, seq: u32, why: impl FnOnce() -> String) {
        let running = self.probe.as_mut().filter(|probe| probe.seq == seq);
        if let Some(helpers) = running.and_then(Probe::helpers_mut) {
            helpers.stream = StreamPing::Failed(why());
        }
    }

    /// No stream ping is sent for probe `seq`: the application does not want it.
    pub fn stream_ping_forgone(&mut self, seq: u32) {
        let running = self.probe.as_mut().filter(|probe| probe.seq == seq);
        if let Some(helpers) = running.and_then(Probe::helpers_mut) {
            helpers.stream = StreamPing::NotTried;
        }
    }

    /// The suspicion of a member is over: its accusers are remembered.
    pub(super) fn close_suspicion(&mut self, name: &[u8], accusers: Vec<NodeName>) {
        if let Some(record) = self.roster.get_mut(name) {
            record.case_mut().accusers = accusers;
        }
    }

    /// A suspect has said that it is alive.
    pub(super) fn refuted_by(&mut self, now: Time, name: &[u8]) {
        if let Some(record) = self.roster.get_mut(name) {
            let refuted = &mut record.case_mut().refuted;
            *refuted = (refuted.0.saturating_add(1), now);
        }
    }

    /// This node refuted what `accuser` said of it.
    pub(super) fn refuted_to(&mut self, now: Time, accuser: &[u8]) {
        let accuser = self.roster.name(accuser);
        let Some(record) = self.roster.get_mut(self.name.as_bytes()) else { return };
        let case = record.case_mut();
        case.refuted = (case.refuted.0.saturating_add(1), now);
        case.accusers.retain(|known| *known != accuser);
        case.accusers.truncate(ACCUSERS_MAX - 1);
        case.accusers.insert(0, accuser);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_round_trip_is_kept_to_twelve_bits() {
        let kept = |micros| Duration::from(Rtt::from(Duration::from_micros(micros))).as_micros();

        for exact in [0, 1, 420, 4095, 4096, 40_000] {
            assert_eq!(kept(exact), exact.into());
        }
        for micros in (1..100_000_000).step_by(9973) {
            let error = u128::from(micros) - kept(micros);
            assert!(error * 2048 <= micros.into(), "{micros} µs is kept as {} µs", kept(micros));
        }
        assert_eq!(kept(u64::MAX), 0xFFF << 15);
    }
}
