//! The world: hosts, what lies between them, and the time in which it happens.

use std::cell::Cell;
use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::net::SocketAddr;
use std::panic;
use std::time::Duration;

use bytes::Bytes;

use crate::base::addr::NodeAddr;
use crate::base::ids::TaskId;
use crate::base::name::NodeName;
use crate::base::rng::Rng;
use crate::base::time::Time;
use crate::pool::config::{CheckedPool, PoolConfig};
use crate::pool::error::CommandError;
use crate::pool::machine::{Identity, Machine};
use crate::sim::app::Script;
use crate::sim::bounds;
use crate::sim::checks::Ledger;
use crate::sim::fabric::{Fabric, Rule, RuleGuard};
use crate::sim::guest::{Failure, Heard};
use crate::sim::host::{Host, HostId};
use crate::sim::link::Quality;
use crate::sim::queue::Event;
use crate::sim::report::Watch;
use crate::sim::seed::{self, Purpose, Repeat};
use crate::swim::node::State;

/// A virtual world. Everything in it is a function of its seed and of the scenario.
pub struct World {
    pub(super) hosts: Vec<Host>,
    pub(super) fabric: Fabric,
    pub(super) watch: Watch,
    /// What guests have to hear before time goes on.
    pub(super) heard: VecDeque<Heard>,
    /// Whether a failure unwinds as a [`Failure`], without a report.
    pub(super) quiet: bool,
    seed: u64,
    rng: Rng,
    names: BTreeMap<NodeName, HostId>,
    pub(super) ledger: Ledger,
    cues: BTreeMap<u64, Cue>,
    cues_given: u64,
    repeat: Repeat,
    /// Whether a failure has already said how to repeat it.
    failed: Cell<bool>,
}

type Cue = Box<dyn FnOnce(&mut World) + Send>;

impl World {
    /// An empty world at time zero.
    pub fn new(seed: u64) -> Self {
        Self {
            hosts: Vec::new(),
            fabric: Fabric::new(seed),
            watch: Watch::default(),
            heard: VecDeque::new(),
            quiet: false,
            seed,
            rng: Rng::from_seed(seed::child(seed, Purpose::Scenario, 0, 0)),
            names: BTreeMap::new(),
            ledger: Ledger::default(),
            cues: BTreeMap::new(),
            cues_given: 0,
            repeat: Repeat::default(),
            failed: Cell::new(false),
        }
    }

    pub(super) fn repeated_by(mut self, repeat: Repeat) -> Self {
        self.repeat = repeat;
        self
    }

    // Setting the scene

    /// Starts `count` hosts, named `n000` and so on, at 10.0.x.y:7946.
    pub fn spawn(&mut self, count: usize, config: &PoolConfig) -> Vec<HostId> {
        self.spawn_with(count, config, &Script::default())
    }

    /// Starts `count` hosts whose applications follow `script`.
    pub fn spawn_with(&mut self, count: usize, config: &PoolConfig, script: &Script) -> Vec<HostId> {
        (0..count).map(|_| self.spawn_one(config, script)).collect()
    }

    /// Starts a host that has the name of another, at an address of its own.
    pub fn spawn_as(&mut self, namesake: HostId, config: &PoolConfig) -> HostId {
        let name = self.name(namesake);
        self.spawn_named(name, config, &Script::default())
    }

    /// Lets `name` stand for the addresses that these hosts have now; for none, it is unknown.
    pub fn set_dns(&mut self, name: &str, hosts: &[HostId]) {
        let addrs = hosts.iter().map(|&host| self.addr(host)).collect();
        self.fabric.dns.insert(name.to_owned(), addrs);
    }

    /// Makes every link this good.
    pub fn set_quality(&mut self, quality: Quality) {
        self.fabric.set_quality(quality);
    }

    /// Makes one direction between two hosts this good, whatever the others are.
    pub fn set_quality_between(&mut self, from: HostId, to: HostId, quality: Quality) {
        self.fabric.set_quality_between(from, to, quality);
    }

    /// Puts a rule in force, after those that are, until its guard is dropped.
    pub fn rule(&mut self, rule: impl Rule + 'static) -> RuleGuard {
        self.fabric.install(rule)
    }

    /// Plans something for later.
    pub fn after(&mut self, delay: Duration, cue: impl FnOnce(&mut Self) + Send + 'static) {
        self.cues_given += 1;
        self.cues.insert(self.cues_given, Box::new(cue));
        self.fabric.schedule(delay, Event::Cue(self.cues_given));
    }

    /// Choices of the scenario, from the seed.
    pub fn rng(&mut self) -> &mut Rng {
        &mut self.rng
    }

    // Commands

    /// Lets `host` join through another.
    pub fn join(&mut self, host: HostId, through: HostId) -> TaskId {
        let seeds = vec![self.target(through)];
        self.task(host, |machine, now| machine.join(now, seeds, None))
    }

    /// Lets all but the first join through the first.
    pub fn join_all(&mut self, hosts: &[HostId]) {
        let Some((&first, others)) = hosts.split_first() else { return };
        for &host in others {
            self.join(host, first);
        }
    }

    /// Lets hosts that have just been spawned know each other at once, without the traffic of
    /// joining: for scenarios that begin with a pool of thousands.
    pub fn acquaint(&mut self, hosts: &[HostId]) {
        for &host in hosts {
            let Some(mut machine) = self.hosts[host.index()].machine.take() else { continue };
            let others = hosts.iter().filter_map(|other| self.hosts[other.index()].machine.as_ref());
            machine.acquaint(self.fabric.now, others);
            self.hosts[host.index()].machine = Some(machine);
            self.command(host, |_, _| ());
        }
    }

    /// Announces new metadata.
    pub fn update(&mut self, host: HostId, meta: impl Into<Bytes>) -> TaskId {
        let meta = meta.into();
        self.task(host, |machine, now| machine.update(now, meta, None))
    }

    /// Sends a message on a stream.
    pub fn send_reliable(&mut self, from: HostId, to: HostId, message: impl Into<Bytes>) -> TaskId {
        let (to, message) = (self.target(to), message.into());
        self.task(from, |machine, now| machine.send_reliable(now, to, message, None))
    }

    /// Sends a message in a datagram.
    pub fn send(&mut self, from: HostId, to: HostId, message: &[u8]) -> Result<(), CommandError> {
        let to = self.target(to);
        self.send_to(from, &to, message)
    }

    /// Hands a message to all members.
    pub fn broadcast(&mut self, from: HostId, message: &[u8]) -> Result<(), CommandError> {
        self.command(from, |machine, now| machine.broadcast(now, message))
    }

    /// Hands a message to all members, in place of an older one of that name.
    pub fn broadcast_named(&mut self, from: HostId, name: &[u8], message: &[u8]) -> Result<(), CommandError> {
        self.command(from, |machine, now| machine.broadcast_named(now, name, message))
    }

    /// Pings a host as the application would.
    pub fn ping(&mut self, from: HostId, to: HostId) -> TaskId {
        let to = self.target(to);
        self.task(from, |machine, now| machine.ping(now, to, None))
    }

    /// Runs any command that is complete when it returns.
    pub fn command<T>(&mut self, host: HostId, run: impl FnOnce(&mut Machine, Time) -> T) -> T {
        let result = self.hosts[host.index()].command(&mut self.fabric, run);
        self.inspect(host);
        result
    }

    /// Runs any command that completes later. A refused one fails the scenario.
    pub fn task(
        &mut self,
        host: HostId,
        run: impl FnOnce(&mut Machine, Time) -> Result<TaskId, CommandError>,
    ) -> TaskId {
        match self.begin(host, run) {
            Ok(task) => task,
            Err(error) => self.fail(&format!("{} refused a command: {error}", self.name(host))),
        }
    }

    // Time

    /// Lets this much time pass.
    pub fn run_for(&mut self, span: Duration) {
        let end = self.fabric.now + span;
        while self.step(end) {}
        self.fabric.now = end;
        self.check_endings();
    }

    /// Lets time pass until `condition` holds, looked at every 20 ms; the scenario fails
    /// if it does not within `limit`. Returns how long it took.
    pub fn run_until(&mut self, limit: Duration, condition: impl Fn(&Self) -> bool) -> Duration {
        let start = self.fabric.now;
        while !condition(self) {
            if self.fabric.now.since(start) >= limit {
                self.fail(&format!("not so after {limit:?}; {}", self.describe()));
            }
            let end = self.fabric.now + LOOK_INTERVAL;
            while self.step(end) {}
            self.fabric.now = end;
        }
        self.check_endings();
        self.fabric.now.since(start)
    }

    /// Lets time pass until all views agree, at most as long as the tuning allows.
    pub fn run_until_agreed(&mut self) -> Duration {
        let limit = self.hosts.first().map(|host| bounds::agreement(host.pool.tuning(), self.hosts.len()));
        self.run_until(limit.unwrap_or_default(), Self::agreed)
    }

    /// Ends the scenario: nothing may be under way for longer than it may take.
    pub fn finish(&mut self) {
        self.check_endings();
    }

    /// Fails the scenario, saying how to repeat it.
    pub fn fail(&self, what: &str) -> ! {
        self.failed.set(true);
        let (seed, now) = (self.seed, self.fabric.now);
        if self.quiet {
            panic::resume_unwind(Box::new(Failure { seed, at: now, what: what.to_owned() }));
        }
        panic!("seed {seed}, at {now:?}: {what}\nrepeat with: {}", self.repeat.command(seed));
    }

    // Inside

    /// Checks what must hold on a host that something has happened to.
    pub(super) fn inspect(&mut self, id: HostId) {
        let now = self.fabric.now;
        let host = &mut self.hosts[id.index()];
        self.heard.extend(host.heard.drain(..));
        if let Err(what) = host.look(now, &mut self.ledger) {
            let what = format!("{}: {what}", host.identity.name);
            self.fail(&what);
        }
        for change in self.hosts[id.index()].observer.take_changes() {
            let Some(&subject) = self.names.get(&change.name) else { continue };
            if self.hosts[subject.index()].is_paused() {
                continue;
            }
            match change.to {
                State::Suspect => self.watch.suspected(subject),
                State::Dead => self.watch.declared(subject, now),
                State::Alive | State::Left => {}
            }
        }
    }

    pub(super) fn seed(&self) -> u64 {
        self.seed
    }

    fn spawn_one(&mut self, config: &PoolConfig, script: &Script) -> HostId {
        let name = NodeName::from(format!("n{:03}", self.hosts.len()).as_str());
        self.spawn_named(name, config, script)
    }

    fn spawn_named(&mut self, name: NodeName, config: &PoolConfig, script: &Script) -> HostId {
        match config.clone().check() {
            Ok(pool) => self.spawn_checked(name, pool, script.clone()),
            Err(error) => self.fail(&error.to_string()),
        }
    }

    /// Starts a host, usually one whose name nobody has.
    pub(super) fn spawn_checked(&mut self, name: NodeName, pool: CheckedPool, script: Script) -> HostId {
        let index = self.hosts.len();
        let id = HostId::new(index);
        let [high, low] = u16::try_from(index + 1).unwrap_or_default().to_be_bytes();
        let addr = SocketAddr::from(([10, 0, high, low], 7946));
        let identity = Identity { name: name.clone(), addr: NodeAddr::from(addr) };
        self.names.entry(name).or_insert(id);
        self.hosts.push(Host::new(id, identity, pool, script, self.seed));
        self.restart(id);
        id
    }

    /// Lets the next event happen, if there is one until `end`.
    pub(super) fn step(&mut self, end: Time) -> bool {
        let Some(event) = self.fabric.next(end) else { return false };
        match event {
            Event::Input(id, input) => {
                self.hosts[id.index()].handle(&mut self.fabric, input);
                self.inspect(id);
            }
            Event::Resend { stream, from } => self.fabric.resend(stream, from),
            Event::Cue(number) => {
                if let Some(cue) = self.cues.remove(&number) {
                    cue(self);
                }
            }
        }
        true
    }

    pub(super) fn check_endings(&mut self) {
        let now = self.fabric.now;
        let overdue = self.hosts.iter_mut().find_map(|host| Some((host.id, host.overdue(now)?)));
        if let Some((host, what)) = overdue {
            self.fail(&format!("{}: {what}", self.name(host)));
        }
    }
}

impl fmt::Debug for World {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("World")
            .field("seed", &self.seed)
            .field("now", &self.fabric.now)
            .finish_non_exhaustive()
    }
}

impl Drop for World {
    /// A scenario that fails by an assertion of its own also says how to repeat it.
    fn drop(&mut self) {
        if std::thread::panicking() && !self.failed.get() {
            let (seed, now) = (self.seed, self.fabric.now);
            eprintln!("seed {seed}, at {now:?}; repeat with: {}", self.repeat.command(seed));
        }
    }
}

/// How often a condition is looked at.
const LOOK_INTERVAL: Duration = Duration::from_millis(20);
