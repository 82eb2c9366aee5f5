//! What a run cost and how well it went: plain data, comparable between runs.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use crate::base::time::Time;
use crate::sim::fabric::Traffic;
use crate::sim::host::HostId;

/// A run, summed up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// The seed it grew from.
    pub seed: u64,
    /// Hosts spawned.
    pub hosts: usize,
    /// Virtual time that has passed.
    pub elapsed: Duration,
    /// Time that hosts were up, summed over all hosts.
    pub uptime: Duration,
    /// Events that happened.
    pub events: u64,
    /// A hash over all events: equal runs have equal fingerprints.
    pub fingerprint: u64,
    /// Each crash and who found it when, in the order of crashing.
    pub detections: Vec<Detection>,
    /// Suspicions of nodes that were up and awake, each observer counted.
    pub suspicions: u64,
    /// Nodes that were up and awake but declared dead, each observer counted.
    pub false_alarms: u64,
    /// What all hosts sent together.
    pub traffic: Traffic,
}

/// A crash and who found it when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Detection {
    /// Who crashed.
    pub host: HostId,
    /// When.
    pub at: Time,
    /// From the crash until another declared it dead, shortest first.
    pub after: Vec<Duration>,
}

impl Detection {
    /// Until the first declared it dead.
    pub fn first(&self) -> Option<Duration> {
        self.after.first().copied()
    }

    /// Until half of those who ever did had declared it dead.
    pub fn median(&self) -> Option<Duration> {
        self.after.get(self.after.len() / 2).copied()
    }

    /// Until the last of those who ever did had declared it dead.
    pub fn last(&self) -> Option<Duration> {
        self.after.last().copied()
    }
}

impl Report {
    /// False alarms for each hour that one node was up.
    pub fn false_alarms_per_node_hour(&self) -> f64 {
        self.false_alarms as f64 * 3600.0 / self.uptime.as_secs_f64().max(1.0)
    }

    /// Bytes sent, datagrams and streams, in each second that one node was up.
    pub fn bytes_per_node_second(&self) -> f64 {
        let bytes = self.traffic.datagram_bytes + self.traffic.stream_bytes;
        bytes as f64 / self.uptime.as_secs_f64().max(1.0)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "seed {}: {} hosts, {:?}, {} events", self.seed, self.hosts, self.elapsed, self.events)?;
        writeln!(f, "  fingerprint      {:016x}", self.fingerprint)?;
        writeln!(f, "  suspicions       {}", self.suspicions)?;
        writeln!(
            f,
            "  false alarms     {} ({:.3} per node-hour)",
            self.false_alarms,
            self.false_alarms_per_node_hour()
        )?;
        writeln!(f, "  bytes            {:.0} per node-second", self.bytes_per_node_second())?;
        for crash in &self.detections {
            let (first, median, last) = (crash.first(), crash.median(), crash.last());
            writeln!(
                f,
                "  crash of {} at {:?}: first {first:?}, median {median:?}, last {last:?}",
                crash.host.index(),
                crash.at
            )?;
        }
        Ok(())
    }
}

/// Watches a run for its report.
#[derive(Debug, Default)]
pub(super) struct Watch {
    crashes: Vec<Detection>,
    down: BTreeMap<HostId, usize>,
    up_since: BTreeMap<HostId, Time>,
    uptime: Duration,
    suspicions: u64,
    false_alarms: u64,
}

impl Watch {
    pub(super) fn started(&mut self, host: HostId, now: Time) {
        self.up_since.insert(host, now);
        self.down.remove(&host);
    }

    pub(super) fn crashed(&mut self, host: HostId, now: Time) {
        if let Some(since) = self.up_since.remove(&host) {
            self.uptime += now.since(since);
        }
        self.down.insert(host, self.crashes.len());
        self.crashes.push(Detection { host, at: now, after: Vec::new() });
    }

    /// Somebody suspects `subject`, which is well.
    pub(super) fn suspected(&mut self, subject: HostId) {
        self.suspicions += u64::from(!self.down.contains_key(&subject));
    }

    /// Somebody has declared `subject` dead.
    pub(super) fn declared(&mut self, subject: HostId, now: Time) {
        match self.down.get(&subject).and_then(|&crash| self.crashes.get_mut(crash)) {
            Some(crash) => crash.after.push(now.since(crash.at)),
            None => self.false_alarms += 1,
        }
    }

    pub(super) fn false_alarms(&self) -> u64 {
        self.false_alarms
    }

    /// The report so far; what the world knows better is filled in by it.
    pub(super) fn report(&self, now: Time) -> Report {
        let running: Duration = self.up_since.values().map(|&since| now.since(since)).sum();
        Report {
            seed: 0,
            hosts: 0,
            elapsed: now.since(Time::ZERO),
            uptime: self.uptime + running,
            events: 0,
            fingerprint: 0,
            detections: self.crashes.clone(),
            suspicions: self.suspicions,
            false_alarms: self.false_alarms,
            traffic: Traffic::default(),
        }
    }
}

impl Traffic {
    /// Both together.
    pub(super) fn plus(self, other: &Self) -> Self {
        Self {
            datagrams: self.datagrams + other.datagrams,
            datagram_bytes: self.datagram_bytes + other.datagram_bytes,
            dropped: self.dropped + other.dropped,
            doubled: self.doubled + other.doubled,
            corrupted: self.corrupted + other.corrupted,
            unroutable: self.unroutable + other.unroutable,
            streams: self.streams + other.streams,
            stream_bytes: self.stream_bytes + other.stream_bytes,
        }
    }
}
