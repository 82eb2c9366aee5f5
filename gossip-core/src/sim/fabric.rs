//! What lies between the hosts: virtual time, the events to come, links, and rules that
//! overrule links.
//!
//! A datagram meets the installed rules in order; the first verdict other than `Pass`
//! decides, and without one the link does. Streams use the same links and rules
//! (`stream.rs`): what is dropped there is sent again.

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::sync::{Arc, Weak};
use std::time::Duration;

use crate::base::time::Time;
use crate::sim::host::HostId;
use crate::sim::link::{Link, Quality};
use crate::sim::queue::{Event, Input, Queue};
use crate::sim::seed::{self, Fingerprint, Purpose};
use crate::sim::stream::{Stream, StreamId};

/// A datagram, or a piece of a stream, on its way.
#[derive(Debug, Clone, Copy)]
pub struct Packet<'a> {
    /// When it was sent.
    pub sent: Time,
    /// Who sent it.
    pub from: HostId,
    /// Who will get it.
    pub to: HostId,
    /// Datagram or piece of a stream.
    pub carrier: Carrier,
    /// What travels, prefix included; a connection attempt is empty.
    pub bytes: &'a [u8],
}

/// How bytes travel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Carrier {
    /// As one datagram.
    Datagram,
    /// In order, on a stream.
    Stream,
}

/// What a rule does to a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The next rule decides, at last the link.
    Pass,
    /// It arrives after this time, whatever the link is like.
    Deliver(Duration),
    /// It is lost. A piece of a stream is tried again later.
    Drop,
}

/// Decides about packets before their link does.
pub trait Rule: Send {
    /// What becomes of this packet.
    fn on_packet(&mut self, packet: &Packet<'_>) -> Verdict;
}

impl<F: FnMut(&Packet<'_>) -> Verdict + Send> Rule for F {
    fn on_packet(&mut self, packet: &Packet<'_>) -> Verdict {
        self(packet)
    }
}

/// Keeps a rule in force; dropping it ends the rule.
#[derive(Debug)]
#[must_use = "a rule ends when its guard is dropped"]
pub struct RuleGuard(#[expect(dead_code, reason = "held, never read")] Arc<()>);

/// What a host has sent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Datagrams sent.
    pub datagrams: u64,
    /// Their bytes, prefixes included.
    pub datagram_bytes: u64,
    /// Datagrams among them that rules or links dropped.
    pub dropped: u64,
    /// Datagrams among them that arrived twice.
    pub doubled: u64,
    /// Datagrams among them that were damaged on the way.
    pub corrupted: u64,
    /// Datagrams among them that went where nobody is.
    pub unroutable: u64,
    /// Streams dialed.
    pub streams: u64,
    /// Bytes written on streams, in either role.
    pub stream_bytes: u64,
}

/// Everything between the hosts.
pub(super) struct Fabric {
    /// What time it is, everywhere.
    pub(super) now: Time,
    pub(super) fingerprint: Fingerprint,
    pub(super) events: u64,
    pub(super) traffic: Vec<Traffic>,
    pub(super) streams: BTreeMap<StreamId, Stream>,
    pub(super) streams_dialed: u64,
    seed: u64,
    queue: Queue,
    quality: Quality,
    exceptions: BTreeMap<(HostId, HostId), Quality>,
    links: Vec<Vec<Link>>,
    rules: Vec<Installed>,
    routes: BTreeMap<SocketAddr, HostId>,
    /// What names of hosts stand for, as far as anything is known of them.
    pub(super) dns: BTreeMap<String, Vec<SocketAddr>>,
    spare: Vec<Vec<u8>>,
}

struct Installed {
    guard: Weak<()>,
    rule: Box<dyn Rule>,
}

impl Fabric {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            now: Time::ZERO,
            fingerprint: Fingerprint::default(),
            events: 0,
            traffic: Vec::new(),
            streams: BTreeMap::new(),
            streams_dialed: 0,
            seed,
            queue: Queue::default(),
            quality: Quality::default(),
            exceptions: BTreeMap::new(),
            links: Vec::new(),
            rules: Vec::new(),
            routes: BTreeMap::new(),
            dns: BTreeMap::new(),
            spare: Vec::new(),
        }
    }

    /// Lets packets to `addr` reach `host`.
    pub(super) fn route(&mut self, addr: SocketAddr, host: HostId) {
        self.routes.insert(addr, host);
        self.traffic.resize(self.traffic.len().max(host.index() + 1), Traffic::default());
    }

    /// Nobody has `addr` any more.
    pub(super) fn unroute(&mut self, addr: SocketAddr) {
        self.routes.remove(&addr);
    }

    /// Who is reached at `addr`.
    pub(super) fn whose(&self, addr: SocketAddr) -> Option<HostId> {
        self.routes.get(&addr).copied()
    }

    /// Makes every link this good, but for those set on their own.
    pub(super) fn set_quality(&mut self, quality: Quality) {
        self.quality = quality;
    }

    /// Makes one direction of one link this good.
    pub(super) fn set_quality_between(&mut self, from: HostId, to: HostId, quality: Quality) {
        self.exceptions.insert((from, to), quality);
    }

    /// Puts a rule behind those already in force.
    pub(super) fn install(&mut self, rule: impl Rule + 'static) -> RuleGuard {
        let guard = Arc::new(());
        self.rules.push(Installed { guard: Arc::downgrade(&guard), rule: Box::new(rule) });
        RuleGuard(guard)
    }

    /// Lets `event` happen after `delay`.
    pub(super) fn schedule(&mut self, delay: Duration, event: Event) {
        self.queue.push(self.now + delay, event);
    }

    /// Lets `input` reach `host` at `at`, at once if that is over.
    pub(super) fn schedule_at(&mut self, at: Time, host: HostId, input: Input) {
        self.queue.push(at.max(self.now), Event::Input(host, input));
    }

    /// Moves on to the next event no later than `limit`.
    pub(super) fn next(&mut self, limit: Time) -> Option<Event> {
        let (at, event) = self.queue.pop(limit)?;
        self.now = at;
        self.events += 1;
        self.fingerprint.word(at.as_nanos());
        event.imprint(&mut self.fingerprint);
        Some(event)
    }

    /// An empty buffer, used before if possible.
    pub(super) fn buffer(&mut self) -> Vec<u8> {
        self.spare.pop().unwrap_or_default()
    }

    /// Gives a buffer back.
    pub(super) fn recycle(&mut self, mut buffer: Vec<u8>) {
        if self.spare.len() < SPARE_MAX {
            buffer.clear();
            self.spare.push(buffer);
        }
    }

    /// Sends a datagram.
    pub(super) fn send(&mut self, host: HostId, from: SocketAddr, to: SocketAddr, mut bytes: Vec<u8>) {
        let traffic = &mut self.traffic[host.index()];
        traffic.datagrams += 1;
        traffic.datagram_bytes += bytes.len() as u64;
        let Some(receiver) = self.whose(to) else {
            self.traffic[host.index()].unroutable += 1;
            return self.recycle(bytes);
        };
        let packet =
            Packet { sent: self.now, from: host, to: receiver, carrier: Carrier::Datagram, bytes: &bytes };
        let Some(delay) = self.fate(&packet) else {
            self.traffic[host.index()].dropped += 1;
            return self.recycle(bytes);
        };
        if let Some(later) = self.double(host, receiver) {
            self.traffic[host.index()].doubled += 1;
            let mut copy = self.buffer();
            copy.extend_from_slice(&bytes);
            self.schedule(later, Event::Input(receiver, Input::Packet { from, to, bytes: copy }));
        }
        let (link, quality) = self.link(host, receiver);
        let corrupted = link.corrupt(quality, &mut bytes);
        self.traffic[host.index()].corrupted += u64::from(corrupted);
        self.schedule(delay, Event::Input(receiver, Input::Packet { from, to, bytes }));
    }

    /// How long a packet takes, or `None` if it is lost.
    pub(super) fn fate(&mut self, packet: &Packet<'_>) -> Option<Duration> {
        self.rules.retain(|installed| installed.guard.strong_count() > 0);
        for installed in &mut self.rules {
            match installed.rule.on_packet(packet) {
                Verdict::Pass => {}
                Verdict::Deliver(after) => return Some(after),
                Verdict::Drop => return None,
            }
        }
        let (link, quality) = self.link(packet.from, packet.to);
        link.carry(quality)
    }

    /// The length of the next piece of a stream between two hosts.
    pub(super) fn cut(&mut self, from: HostId, to: HostId, rest: usize) -> usize {
        self.link(from, to).0.cut(rest)
    }

    fn double(&mut self, from: HostId, to: HostId) -> Option<Duration> {
        let (link, quality) = self.link(from, to);
        link.double(quality)
    }

    fn link(&mut self, from: HostId, to: HostId) -> (&mut Link, &Quality) {
        let quality = match self.exceptions.is_empty() {
            true => &self.quality,
            false => self.exceptions.get(&(from, to)).unwrap_or(&self.quality),
        };
        let (row, column) = (from.index(), to.index());
        if self.links.len() <= row {
            self.links.resize_with(row + 1, Vec::new);
        }
        let links = &mut self.links[row];
        while links.len() <= column {
            let seed = seed::child(self.seed, Purpose::Link, row as u64, links.len() as u64);
            links.push(Link::new(seed));
        }
        (&mut links[column], quality)
    }
}

impl fmt::Debug for Fabric {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fabric").field("now", &self.now).field("events", &self.events).finish_non_exhaustive()
    }
}

/// Buffers kept for reuse.
const SPARE_MAX: usize = 4096;

#[cfg(test)]
mod tests {
    use super::*;

    fn fabric() -> (Fabric, [HostId; 2], [SocketAddr; 2]) {
        let mut fabric = Fabric::new(0);
        let hosts = [HostId::new(0), HostId::new(1)];
        let addrs = [SocketAddr::from(([10, 0, 0, 1], 1)), SocketAddr::from(([10, 0, 0, 2], 1))];
        hosts.iter().zip(addrs).for_each(|(&host, addr)| fabric.route(addr, host));
        (fabric, hosts, addrs)
    }

    fn arrivals(fabric: &mut Fabric) -> usize {
        std::iter::from_fn(|| fabric.next(Time::FAR)).count()
    }

    #[test]
    fn the_first_rule_with_a_verdict_decides() {
        let (mut fabric, [a, _], [from, to]) = fabric();
        let _first = fabric.install(|packet: &Packet<'_>| match packet.bytes {
            [1] => Verdict::Drop,
            _ => Verdict::Pass,
        });
        let _second = fabric.install(|_: &Packet<'_>| Verdict::Deliver(Duration::from_secs(3)));

        fabric.send(a, from, to, vec![1]);
        fabric.send(a, from, to, vec![2]);

        assert_eq!(arrivals(&mut fabric), 1);
        assert_eq!(fabric.now, Time::ZERO + Duration::from_secs(3));
        assert_eq!(fabric.traffic[0].dropped, 1);
    }

    #[test]
    fn a_rule_ends_with_its_guard() {
        let (mut fabric, [a, _], [from, to]) = fabric();
        let guard = fabric.install(|_: &Packet<'_>| Verdict::Drop);
        fabric.send(a, from, to, vec![1]);
        assert_eq!(arrivals(&mut fabric), 0);

        drop(guard);
        fabric.send(a, from, to, vec![1]);

        assert_eq!(arrivals(&mut fabric), 1);
    }

    #[test]
    fn datagrams_to_nobody_and_doubled_ones_are_counted() {
        let (mut fabric, [a, b], [from, to]) = fabric();
        fabric.set_quality_between(a, b, Quality::lan().with_duplication(1.0));

        fabric.send(a, from, to, vec![1]);
        fabric.unroute(to);
        fabric.send(a, from, to, vec![1]);

        assert_eq!(arrivals(&mut fabric), 2);
        assert_eq!((fabric.traffic[0].doubled, fabric.traffic[0].unroutable), (1, 1));
    }
}
