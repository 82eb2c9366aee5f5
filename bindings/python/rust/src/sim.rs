//! `_core.Simulation`: the virtual world of the core, for `gossip.testing`.
//!
//! It has no thread: what happens, happens in [`Simulation::run`], on the caller's thread,
//! without the interpreter, in slices between which signals are served. Hooks are not
//! called from here: `run` returns when somebody has heard something, Python calls its
//! delegates, then lets time go on.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use gossip_core::base::addr::Target;
use gossip_core::base::ids::{AskId, TaskId};
use gossip_core::base::name::NodeName;
use gossip_core::base::time::Time;
use gossip_core::pool::action::{Delivery, Outcome, Reply};
use gossip_core::pool::error::CommandError;
use gossip_core::pool::machine::Machine;
use gossip_core::runtime::error::Error;
use gossip_core::sim::bounds;
use gossip_core::sim::fabric::RuleGuard;
use gossip_core::sim::guest::Failure;
use gossip_core::sim::host::HostId;
use gossip_core::sim::world::World;
use parking_lot::Mutex;
use pyo3::exceptions::{PyRuntimeError, PyTimeoutError};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};

use crate::convert::{self, Payload, Peer};
use crate::diagnosis;
use crate::errors;
use crate::life;
use crate::migration::{self, Wanted};
use crate::sim_heard::{self, Heard, Hearing};
use crate::sim_values::{self, QualityRow, ReportRow, TrafficRow};
use crate::tables::{self, Values};
use crate::wait;

mod python {
    use pyo3::import_exception;

    import_exception!(gossip.errors, ClosedError);
    import_exception!(gossip.testing, ViolationError);
}

/// A world, the guests that Python has in it, and what they were told.
#[pyclass(frozen, module = "gossip._core")]
pub(crate) struct Simulation {
    inside: Mutex<Inside>,
}

struct Inside {
    world: World,
    hosts: Vec<HostId>,
    hearing: Hearing,
    cuts: BTreeMap<u64, RuleGuard>,
    cuts_made: u64,
    failure: Option<Failure>,
}

/// Why a call came to nothing.
enum Trouble {
    Busy,
    Failure(Failure),
    Panic(String),
}

/// The version of a list of members, and their fields.
type Members<'py> = (u64, Vec<Bound<'py, PyAny>>);

/// Addresses that a join reached, and those it did not, with the reason.
type Joined<'py> = (Vec<Bound<'py, PyTuple>>, Vec<(String, String)>);

#[pymethods]
impl Simulation {
    #[new]
    fn new(seed: u64) -> Self {
        let inside = Inside {
            world: World::new(seed).quiet(),
            hosts: Vec::new(),
            hearing: Hearing::default(),
            cuts: BTreeMap::new(),
            cuts_made: 0,
            failure: None,
        };
        Self { inside: Mutex::new(inside) }
    }

    // Hosts

    /// Starts one more host, whose number is returned. Its application hears what `hooks`
    /// are for.
    fn spawn(
        &self,
        name: Payload,
        id: u8,
        values: Values,
        meta: Payload,
        keys: Vec<Payload>,
        hooks: Vec<String>,
    ) -> PyResult<usize> {
        let config = tables::pool(id, values, meta, &keys)?;
        let pool = config.check().map_err(errors::config)?;
        self.act(|inside| {
            let asks = sim_heard::asks(&hooks);
            inside.hearing.wants.push(hooks);
            inside.hosts.push(inside.world.spawn_guest(NodeName::from(&*name.0), pool, asks));
            inside.hosts.len() - 1
        })
    }

    fn crash(&self, host: usize) -> PyResult<()> {
        self.act(|inside| inside.world.crash(inside.hosts[host]))
    }

    fn restart(&self, host: usize, elsewhere: bool, hooks: Vec<String>) -> PyResult<()> {
        self.act(|inside| {
            let id = inside.hosts[host];
            inside.world.set_asks(id, sim_heard::asks(&hooks));
            inside.hearing.wants[host] = hooks;
            if elsewhere { inside.world.restart_elsewhere(id) } else { inside.world.restart(id) }
        })
    }

    fn pause(&self, host: usize) -> PyResult<()> {
        self.act(|inside| inside.world.pause(inside.hosts[host]))
    }

    fn resume(&self, host: usize) -> PyResult<()> {
        self.act(|inside| inside.world.resume(inside.hosts[host]))
    }

    // The network

    /// Cuts the network between groups; the number is for `heal`.
    fn partition(&self, groups: Vec<Vec<usize>>) -> PyResult<u64> {
        self.act(|inside| {
            let ids = |group: &Vec<usize>| group.iter().map(|&host| inside.hosts[host]).collect();
            let groups: Vec<Vec<HostId>> = groups.iter().map(ids).collect();
            let groups: Vec<&[HostId]> = groups.iter().map(Vec::as_slice).collect();
            let guard = inside.world.partition(&groups);
            inside.keep(guard)
        })
    }

    fn cut(&self, source: usize, target: usize) -> PyResult<u64> {
        self.act(|inside| {
            let guard = inside.world.cut(inside.hosts[source], inside.hosts[target]);
            inside.keep(guard)
        })
    }

    fn isolate(&self, host: usize) -> PyResult<u64> {
        self.act(|inside| {
            let guard = inside.world.isolate(inside.hosts[host]);
            inside.keep(guard)
        })
    }

    fn heal(&self, cut: u64) -> PyResult<()> {
        self.act(|inside| drop(inside.cuts.remove(&cut)))
    }

    fn set_quality(&self, quality: QualityRow) -> PyResult<()> {
        self.act(|inside| inside.world.set_quality(sim_values::quality(quality)))
    }

    fn set_quality_between(&self, source: usize, target: usize, quality: QualityRow) -> PyResult<()> {
        self.act(|inside| {
            let (source, target) = (inside.hosts[source], inside.hosts[target]);
            inside.world.set_quality_between(source, target, sim_values::quality(quality));
        })
    }

    // Commands

    fn join(&self, host: usize, seeds: Vec<Peer>, timeout: Option<f64>) -> PyResult<u64> {
        let seeds: Vec<Target> = seeds.into_iter().map(Target::from).collect();
        self.begin(host, |machine, now| machine.join(now, seeds, limit(timeout)))
    }

    fn leave(&self, host: usize, timeout: Option<f64>) -> PyResult<u64> {
        self.begin(host, |machine, now| machine.leave(now, limit(timeout)))
    }

    fn update_node(&self, host: usize, meta: Payload, timeout: Option<f64>) -> PyResult<u64> {
        self.begin(host, |machine, now| machine.update(now, meta.0.into(), limit(timeout)))
    }

    fn send_reliable(&self, host: usize, to: Peer, message: Payload, timeout: Option<f64>) -> PyResult<u64> {
        self.begin(host, |machine, now| {
            machine.send_reliable(now, to.into(), message.0.into(), limit(timeout))
        })
    }

    fn ping(&self, host: usize, to: Peer, timeout: Option<f64>) -> PyResult<u64> {
        self.begin(host, |machine, now| machine.ping(now, to.into(), limit(timeout)))
    }

    fn doctor(&self, host: usize, to: Peer, timeout: f64) -> PyResult<u64> {
        let timeout = convert::limit(Some(timeout));
        self.begin(host, |machine, now| machine.doctor(now, to.into(), timeout))
    }

    fn migrate(&self, host: usize, wanted: Wanted, timeout: Option<f64>) -> PyResult<u64> {
        let (to, options) = wanted.read()?;
        self.begin(host, |machine, now| machine.migrate(now, to, options, limit(timeout)))
    }

    fn explain<'py>(&self, py: Python<'py>, host: usize, name: Payload) -> PyResult<Bound<'py, PyDict>> {
        let now = self.see(|inside| inside.world.now())?;
        let told = self.look(host, |machine| machine.explain(now, &NodeName::from(&*name.0)))?;
        diagnosis::explanation(py, &told.map_err(refused)?)
    }

    fn send_best_effort(&self, host: usize, to: Peer, message: Payload) -> PyResult<()> {
        let to = Target::from(to);
        self.awake(host, |inside, id| inside.world.send_to(id, &to, &message.0))?.map_err(refused)
    }

    fn broadcast(&self, host: usize, name: Payload, message: Payload) -> PyResult<()> {
        self.awake(host, |inside, id| inside.world.broadcast_named(id, &name.0, &message.0))?.map_err(refused)
    }

    fn set_local_state(&self, host: usize, state: Payload) -> PyResult<()> {
        self.command(host, |machine, _| machine.set_local_state(state.0.into()))?.map_err(refused)
    }

    fn set_ack_payload(&self, host: usize, payload: Payload) -> PyResult<()> {
        self.command(host, |machine, _| machine.set_ack_payload(payload.0.into()))?.map_err(refused)
    }

    fn disable_tcp_pings_for(&self, host: usize, names: Vec<Payload>) -> PyResult<()> {
        let names = names.iter().map(|name| NodeName::from(name.0.as_slice())).collect();
        self.command(host, |machine, _| machine.disable_tcp_pings_for(names))
    }

    fn max_broadcast_size(&self, host: usize) -> PyResult<usize> {
        self.look(host, |machine| machine.broadcast_limit())
    }

    /// Whether a command that was begun in `life` has ended.
    fn is_done(&self, host: usize, life: u32, task: u64) -> PyResult<bool> {
        self.see(|inside| {
            let id = inside.hosts[host];
            inside.world.life(id) != life
                || !inside.world.is_up(id)
                || inside.world.outcome(id, TaskId(task)).is_some()
        })
    }

    /// How it ended: the round-trip time of a ping in seconds, or nothing.
    fn result(&self, host: usize, life: u32, task: u64) -> PyResult<Option<f64>> {
        self.ended(host, life, task, |outcome| match outcome {
            Outcome::Pinged(rtt) => Ok(Some(rtt.as_secs_f64())),
            Outcome::Join(_)
            | Outcome::Left
            | Outcome::Updated
            | Outcome::Sent(_)
            | Outcome::Examined(_)
            | Outcome::Migrated(_) => Ok(None),
            Outcome::TimedOut => Err(PyTimeoutError::new_err("no answer came in time")),
            Outcome::Failed(error) => Err(errors::send(error, error.to_string())),
            Outcome::Cancelled => Err(python::ClosedError::new_err("overtaken by a leave or a join")),
        })
    }

    /// Whether the receiver has acknowledged a message that has been sent.
    fn acknowledged(&self, host: usize, life: u32, task: u64) -> PyResult<bool> {
        self.ended(host, life, task, |outcome| Ok(matches!(outcome, Outcome::Sent(Delivery::Acknowledged))))
    }

    /// What a join that has ended reached.
    fn joined<'py>(&self, py: Python<'py>, host: usize, life: u32, task: u64) -> PyResult<Joined<'py>> {
        self.ended(host, life, task, |outcome| {
            let Outcome::Join(report) = outcome else { return Ok((Vec::new(), Vec::new())) };
            let reached = report.reached.iter().map(|&addr| convert::address(py, addr));
            let failed = report.failed.iter().map(|(addr, error)| (addr.to_string(), error.to_string()));
            Ok((reached.collect::<PyResult<_>>()?, failed.collect()))
        })
    }

    /// What a doctor that has ended found.
    fn diagnosis<'py>(
        &self,
        py: Python<'py>,
        host: usize,
        life: u32,
        task: u64,
    ) -> PyResult<Bound<'py, PyDict>> {
        self.ended(host, life, task, |outcome| match outcome {
            Outcome::Examined(found) => diagnosis::diagnosis(py, found),
            other => Err(unfitting(other)),
        })
    }

    /// How far a migration that has ended came.
    fn migration<'py>(
        &self,
        py: Python<'py>,
        host: usize,
        life: u32,
        task: u64,
    ) -> PyResult<Bound<'py, PyDict>> {
        self.ended(host, life, task, |outcome| match outcome {
            Outcome::Migrated(report) => migration::report(py, report),
            other => Err(unfitting(other)),
        })
    }

    /// Answers a question: with a state, or yes or no.
    fn reply(&self, host: usize, life: u32, ask: u64, admit: bool, state: Option<Payload>) -> PyResult<()> {
        let reply = match state {
            Some(state) => Reply::State(state.0.into()),
            None if admit => Reply::Admit,
            None => Reply::Refuse,
        };
        self.act(|inside| inside.world.reply(inside.hosts[host], life, AskId(ask), reply))
    }

    // Time

    /// Nanoseconds since the beginning.
    fn now(&self) -> PyResult<u64> {
        self.see(|inside| inside.world.now().as_nanos())
    }

    /// Lets the alarm `number` be heard after so many nanoseconds.
    fn alarm(&self, delay: u64, number: u64) -> PyResult<()> {
        self.act(|inside| inside.world.alarm(Duration::from_nanos(delay), number))
    }

    /// Lets time pass until `end`, or until there is something to call a hook for: its
    /// name (`alarm` for an alarm), host, life, arguments, and the question's number.
    /// Nothing of that: `end` is reached.
    fn run<'py>(&self, py: Python<'py>, end: u64) -> PyResult<Vec<Heard<'py>>> {
        loop {
            let slice = py.detach(|| {
                let slice = self.attempt(|inside| inside.slice(Time::from_nanos(end)));
                life::stay_out_at_exit();
                slice
            });
            let (arrived, heard) = slice.map_err(to_python)?;
            if arrived || !heard.is_empty() {
                return heard.into_iter().map(|heard| sim_heard::to_python(py, heard)).collect();
            }
            py.check_signals()?;
        }
    }

    /// Fails as a broken rule does, for the test of that.
    fn fail(&self, what: &str) -> PyResult<()> {
        self.act(|inside| inside.world.fail(what))
    }

    // Looking

    fn is_up(&self, host: usize) -> PyResult<bool> {
        self.see(|inside| inside.world.is_up(inside.hosts[host]))
    }

    fn is_paused(&self, host: usize) -> PyResult<bool> {
        self.see(|inside| inside.world.is_paused(inside.hosts[host]))
    }

    fn life(&self, host: usize) -> PyResult<u32> {
        self.see(|inside| inside.world.life(inside.hosts[host]))
    }

    fn addr<'py>(&self, py: Python<'py>, host: usize) -> PyResult<Bound<'py, PyTuple>> {
        let addr: SocketAddr = self.see(|inside| inside.world.addr(inside.hosts[host]))?;
        convert::address(py, addr)
    }

    /// The members alive and suspect, with the version of the list; `None` if that is `known`.
    fn members<'py>(
        &self,
        py: Python<'py>,
        host: usize,
        known: Option<u64>,
    ) -> PyResult<Option<Members<'py>>> {
        let news = self.look(host, |machine| {
            let live = || machine.members().filter(|member| member.state.is_live()).collect::<Vec<_>>();
            (known != Some(machine.version())).then(|| (machine.version(), live()))
        })?;
        let Some((version, members)) = news else { return Ok(None) };
        Ok(Some((version, convert::members(py, members.iter())?)))
    }

    fn local_node<'py>(&self, py: Python<'py>, host: usize) -> PyResult<Bound<'py, PyTuple>> {
        match self.look(host, Machine::local)? {
            Some(local) => convert::member(py, &local),
            None => Err(errors::internal("a node does not know itself")),
        }
    }

    fn health_score(&self, host: usize) -> PyResult<u32> {
        self.look(host, Machine::health)
    }

    fn counters<'py>(&self, py: Python<'py>, host: usize) -> PyResult<Bound<'py, PyDict>> {
        let counters = PyDict::new(py);
        for (name, count) in self.look(host, |machine| machine.stats().rows())? {
            counters.set_item(name, count)?;
        }
        Ok(counters)
    }

    fn traffic(&self, host: usize) -> PyResult<TrafficRow> {
        self.see(|inside| sim_values::traffic(&inside.world.traffic(inside.hosts[host])))
    }

    /// The state that a host gives to another: its number.
    fn state(&self, observer: usize, subject: usize) -> PyResult<Option<u8>> {
        let state = |inside: &Inside| inside.world.state(inside.hosts[observer], inside.hosts[subject]);
        self.see(|inside| state(inside).map(|state| state as u8))
    }

    /// Whether all others that run give a host this state; `None`: have forgotten it.
    fn all_see(&self, subject: usize, state: Option<u8>) -> PyResult<bool> {
        self.see(|inside| match state {
            Some(state) => inside.world.all_see(inside.hosts[subject], sim_values::state(state)),
            None => inside.world.all_forgot(inside.hosts[subject]),
        })
    }

    fn converged(&self) -> PyResult<bool> {
        self.see(|inside| inside.world.converged())
    }

    fn agreed(&self) -> PyResult<bool> {
        self.see(|inside| inside.world.agreed())
    }

    /// Where views differ from the truth, in words.
    fn describe(&self) -> PyResult<String> {
        self.see(|inside| inside.world.describe())
    }

    /// What was told since the record with this number: nanoseconds, and as `run` gives it.
    fn journal<'py>(&self, py: Python<'py>, since: usize) -> PyResult<Vec<(u64, Heard<'py>)>> {
        let records = self.see(|inside| inside.hearing.journal.get(since..).map(<[_]>::to_vec))?;
        let records = records.unwrap_or_default().into_iter();
        records.map(|(at, heard)| Ok((at.as_nanos(), sim_heard::to_python(py, heard)?))).collect()
    }

    fn report(&self) -> PyResult<ReportRow> {
        self.see(|inside| sim_values::report(inside.world.report()))
    }

    /// Seconds that things may take in a cluster of `nodes` of this configuration: the
    /// shortest and the longest suspicion, spreading news, finding a crash, agreeing.
    fn bounds(&self, host: usize, nodes: usize) -> PyResult<(f64, f64, f64, f64, f64)> {
        self.see(|inside| {
            let tuning = inside.world.tuning(inside.hosts[host]);
            let (least, most) = bounds::suspicion(tuning, nodes);
            let rest = [bounds::spread, bounds::detection, bounds::agreement].map(|of| of(tuning, nodes));
            let [spread, detection, agreement] = rest.map(|time| time.as_secs_f64());
            (least.as_secs_f64(), most.as_secs_f64(), spread, detection, agreement)
        })
    }
}

impl Simulation {
    /// Does something in the world; once that has failed, only the failure is left.
    fn act<T>(&self, run: impl FnOnce(&mut Inside) -> T) -> PyResult<T> {
        self.attempt(run).map_err(to_python)
    }

    fn attempt<T>(&self, run: impl FnOnce(&mut Inside) -> T) -> Result<T, Trouble> {
        let mut inside = self.inside.try_lock().ok_or(Trouble::Busy)?;
        wait::caught(|| inside.attempt(run)).map_err(Trouble::Panic)?.map_err(Trouble::Failure)
    }

    /// Looks at the world, be it a failed one.
    fn see<T>(&self, look: impl FnOnce(&Inside) -> T) -> PyResult<T> {
        let inside = self.inside.try_lock().ok_or_else(|| to_python(Trouble::Busy))?;
        wait::at_once(|| look(&inside))
    }

    /// Looks at the machine of a host that runs.
    fn look<T>(&self, host: usize, look: impl FnOnce(&Machine) -> T) -> PyResult<T> {
        self.see(|inside| {
            let id = inside.hosts[host];
            let up = inside.world.is_up(id).then(|| inside.world.machine(id));
            up.map(look).ok_or_else(|| inside.down(id))
        })?
    }

    /// Does something on a host whose process runs.
    fn awake<T>(&self, host: usize, run: impl FnOnce(&mut Inside, HostId) -> T) -> PyResult<T> {
        self.act(|inside| {
            let id = inside.hosts[host];
            if !inside.world.is_up(id) {
                return Err(inside.down(id));
            }
            if inside.world.is_paused(id) {
                let name = inside.world.name(id);
                return Err(PyRuntimeError::new_err(format!("{name} is paused: resume it first")));
            }
            Ok(run(inside, id))
        })?
    }

    fn command<T>(&self, host: usize, run: impl FnOnce(&mut Machine, Time) -> T) -> PyResult<T> {
        self.awake(host, |inside, id| inside.world.command(id, run))
    }

    fn begin(
        &self,
        host: usize,
        run: impl FnOnce(&mut Machine, Time) -> Result<TaskId, CommandError>,
    ) -> PyResult<u64> {
        let TaskId(task) = self.awake(host, |inside, id| inside.world.begin(id, run))?.map_err(refused)?;
        Ok(task)
    }

    /// Reads how a command ended.
    fn ended<T>(
        &self,
        host: usize,
        life: u32,
        task: u64,
        read: impl FnOnce(&Outcome) -> PyResult<T>,
    ) -> PyResult<T> {
        self.see(|inside| {
            let id = inside.hosts[host];
            if inside.world.life(id) != life || !inside.world.is_up(id) {
                return Err(python::ClosedError::new_err(format!(
                    "{} crashed before the end",
                    inside.world.name(id)
                )));
            }
            let outcome = inside.world.outcome(id, TaskId(task));
            outcome.map_or_else(|| Err(errors::internal("a command has not ended")), read)
        })?
    }
}

impl Inside {
    fn attempt<T>(&mut self, run: impl FnOnce(&mut Self) -> T) -> Result<T, Failure> {
        if let Some(failure) = &self.failure {
            return Err(failure.clone());
        }
        let outcome = Failure::catch(|| run(self));
        self.failure = outcome.as_ref().err().cloned();
        outcome
    }

    /// Lets a little happen. Whether `end` was reached, and what there is to hear.
    fn slice(&mut self, end: Time) -> (bool, Vec<sim_heard::Item>) {
        let mut arrived = false;
        for _ in 0..SLICE {
            self.hearing.take_from(&mut self.world);
            if arrived || !self.hearing.outbox.is_empty() {
                break;
            }
            arrived = self.world.run_some(end, SLICE);
        }
        (arrived, std::mem::take(&mut self.hearing.outbox))
    }

    fn keep(&mut self, guard: RuleGuard) -> u64 {
        self.cuts_made += 1;
        self.cuts.insert(self.cuts_made, guard);
        self.cuts_made
    }

    fn down(&self, id: HostId) -> PyErr {
        python::ClosedError::new_err(format!("{} is down", self.world.name(id)))
    }
}

fn to_python(trouble: Trouble) -> PyErr {
    match trouble {
        Trouble::Busy => PyRuntimeError::new_err("the simulation is advancing on another thread"),
        Trouble::Failure(Failure { seed, at, what }) => {
            python::ViolationError::new_err((seed, at.since(Time::ZERO).as_secs_f64(), what))
        }
        Trouble::Panic(panic) => errors::internal(&panic),
    }
}

/// A time limit; without one that of the configuration counts.
fn limit(timeout: Option<f64>) -> Option<Duration> {
    timeout.map(|seconds| convert::limit(Some(seconds)))
}

/// An outcome that the command cannot have.
fn unfitting(outcome: &Outcome) -> PyErr {
    errors::internal(&format!("a command ended with the outcome of another: {outcome:?}"))
}

fn refused(error: CommandError) -> PyErr {
    errors::to_python(Error::Command(error))
}

/// Events between two looks for signals are at most the square of this: milliseconds.
const SLICE: usize = 64;
