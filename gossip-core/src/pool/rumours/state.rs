//! All that a node holds about rumours, its own and those of others.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use bytes::Bytes;

use crate::base::name::NodeName;
use crate::base::rng::Rng;
use crate::base::time::Time;
use crate::pool::config::PoolConfig;
use crate::pool::rumours::circle::Circle;
use crate::pool::rumours::envelope::{Entry, Id, Section};
use crate::pool::rumours::heard::Heard;
use crate::pool::rumours::kept::Kept;
use crate::pool::rumours::outbox::Outbox;
use crate::pool::rumours::pace::Pace;
use crate::pool::rumours::wanted::Wanted;
use crate::swim::timers::TimerKey;

/// Shortest and longest time for which rumours are kept; in between it is two periods of push/pull.
const KEPT_LEAST: Duration = Duration::from_secs(60);
const KEPT_MOST: Duration = Duration::from_secs(600);

/// For how long an origin's rumours are remembered as heard at least: longer than anybody
/// keeps one.
pub const MEMORY: Duration = Duration::from_secs(1200);

/// Bytes of a digest in a push/pull, and of the rumours that are sent along.
const SECTION_PART: usize = 24 << 10;

/// The rumours of one node.
#[derive(Debug)]
pub struct Rumours {
    pub(in crate::pool) circle: Circle,
    pub(in crate::pool) heard: Heard,
    pub(in crate::pool) kept: Kept,
    pub(in crate::pool) wanted: Wanted,
    pub(in crate::pool) outbox: Outbox,
    pub(in crate::pool) pace: Pace,
    /// Broadcasts that wait for the pace, the oldest in front.
    pub(in crate::pool) pending: VecDeque<Pending>,
    pub(in crate::pool) rng: Rng,
    /// When something is due: to ask, or to begin what is pending.
    pub(in crate::pool) timer: Option<(Time, TimerKey)>,
    /// Nothing was learnt from a join yet: what was said before is none of our business.
    pub(in crate::pool) is_newcomer: bool,
    /// A join is under way, or went through a node that says nothing of rumours: until this time,
    /// or until somebody tells all that there is, what comes up of origins not heard of is from
    /// before.
    pub(in crate::pool) uninformed: Option<Time>,
    /// Whether the latest broadcast was relayed.
    pub(in crate::pool) relayed: Option<bool>,
    instance: u64,
    sequence: u64,
    period: Duration,
}

/// A broadcast that waits.
#[derive(Debug)]
pub struct Pending {
    /// Under what it replaces older ones; empty for nothing.
    pub name: Bytes,
    /// The application's bytes.
    pub payload: Bytes,
}

impl Rumours {
    /// Nothing heard, nothing said. `seed` is for this alone.
    pub fn new(config: &PoolConfig, seed: u64, now: Time) -> Self {
        let mut rng = Rng::from_seed(seed);
        let instance = rng.child_seed();
        let period = if config.gossip_interval.is_zero() { DEFAULT_PERIOD } else { config.gossip_interval };
        Self {
            circle: Circle::default(),
            heard: Heard::new(origins_max(config)),
            kept: Kept::default(),
            wanted: Wanted::default(),
            outbox: Outbox::default(),
            pace: Pace::new(period, now),
            pending: VecDeque::new(),
            rng,
            timer: None,
            is_newcomer: true,
            uninformed: None,
            relayed: None,
            instance,
            sequence: 0,
            period,
        }
    }

    /// The id of the next rumour of our own.
    pub fn next_id(&mut self) -> Id {
        self.sequence += 1;
        Id { instance: self.instance, sequence: self.sequence }
    }

    /// The random number that this node took at its start.
    pub fn instance(&self) -> u64 {
        self.instance
    }

    /// Whether a rumour is our own.
    pub fn is_own(&self, id: Id) -> bool {
        id.instance == self.instance
    }

    /// Whether a rumour is of no use to us: our own, or heard.
    pub fn has(&self, id: Id) -> bool {
        self.is_own(id) || self.heard.contains(id)
    }

    /// A join begins. Members may speak to us before it has told us anything.
    pub fn join_begins(&mut self, now: Time) {
        if self.is_newcomer {
            self.begin_uninformed(now);
        }
    }

    /// A join has reached nobody: we are no member by it, and may be by the joins of others.
    pub fn join_failed(&mut self) {
        if self.is_newcomer {
            self.uninformed = None;
        }
    }

    /// A join that told nothing of rumours has made us a member.
    pub fn begin_uninformed(&mut self, now: Time) {
        self.uninformed = Some(now + KEPT_LEAST);
    }

    /// Counts what these entries tell of origins not heard of as said before we came.
    pub fn begin_after(&mut self, now: Time, entries: &[Entry]) {
        let mut latest = BTreeMap::new();
        for Id { instance, sequence } in entries.iter().filter_map(|entry| entry.ids().last()) {
            let last = latest.entry(instance).or_insert(sequence);
            *last = sequence.max(*last);
        }
        for (instance, sequence) in latest {
            self.heard.begin_after(now, MEMORY, Id { instance, sequence });
        }
    }

    /// How long a rumour is waited for before it is asked for.
    pub fn grace(&self) -> Duration {
        self.period / 4
    }

    /// How long an answer is waited for.
    pub fn patience(&self) -> Duration {
        (self.period / 2).max(Duration::from_millis(50))
    }

    /// Lets go of what is older than two periods of push/pull.
    pub fn expire(&mut self, now: Time, push_pull_period: Duration) {
        self.kept.expire(now, (push_pull_period * 2).clamp(KEPT_LEAST, KEPT_MOST));
    }

    /// What a push/pull says of rumours; with the bodies that `theirs` lacks, if it is an answer.
    pub fn section(&mut self, name: &NodeName, theirs: Option<&[Entry]>) -> Bytes {
        let entries = self.kept.tell_all(SECTION_PART);
        let bodies = theirs.map_or_else(Vec::new, |theirs| {
            let have: BTreeSet<Id> = theirs.iter().flat_map(Entry::ids).collect();
            self.kept.bodies(SECTION_PART, |id| !have.contains(&id))
        });
        Section { name: name.clone(), entries, bodies }.encode()
    }

    /// When something is due.
    pub fn next_due(&self) -> Option<Time> {
        let pending = (!self.pending.is_empty()).then(|| self.pace.next());
        [pending, self.wanted.first_due()].into_iter().flatten().min()
    }
}

/// How many origins are remembered: as many as there may be members, and room for some that
/// start again and again.
pub fn origins_max(config: &PoolConfig) -> usize {
    config.max_members.max(4096)
}

/// The period of gossip where there is none.
const DEFAULT_PERIOD: Duration = Duration::from_millis(200);
