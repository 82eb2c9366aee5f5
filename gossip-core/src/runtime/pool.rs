//! A pool as the application holds it.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use bytes::Bytes;
use crossbeam_channel::{Receiver, Sender, bounded};

use crate::base::addr::Target;
use crate::base::ids::PoolId;
use crate::base::name::NodeName;
use crate::pool::action::{JoinReport, Outcome};
use crate::pool::config::PoolConfig;
use crate::pool::error::CommandError;
use crate::pool::stats::Stats;
use crate::runtime::error::Error;
use crate::runtime::input::{Change, Command, Input, Task};
pub use crate::runtime::join::Joined;
use crate::runtime::join::Resolved;
use crate::runtime::shared::Shared;
use crate::runtime::view::View;
use crate::runtime::wait::{self, Waiting};
use crate::swim::node::Member;
use crate::wire::keyring::Key;

/// One pool of a node. Clones are the same pool.
///
/// Every function may be called from any thread, callbacks included, except that a
/// callback cannot shut down its own pool. Those with a timeout block until they are
/// done, until the time is up, or until the pool ends; the others return at once.
#[derive(Clone)]
pub struct Pool(pub(crate) Arc<Shared>);

impl Pool {
    /// The pool's number on its node.
    pub fn id(&self) -> PoolId {
        self.0.id()
    }

    /// The configuration with which the pool was registered.
    pub fn config(&self) -> &PoolConfig {
        self.0.config.config()
    }

    /// Exchanges state with the seeds: `host`, `host:port`, `[v6]:port` or
    /// `name/host:port`; without a port the own advertised one is taken. All addresses of a
    /// name are tried, all seeds at once. [`Error::Join`] if none was reached.
    pub fn join<S: AsRef<str>>(&self, seeds: &[S], timeout: Duration) -> Result<Joined, Error> {
        let deadline = self.0.clock.now() + timeout;
        let seeds: Vec<_> = seeds.iter().map(AsRef::as_ref).collect();
        let resolved = Resolved::look_up(&self.0, &seeds, timeout)?;
        if resolved.targets.is_empty() {
            return resolved.outcome(JoinReport::default());
        }
        let left = self.0.clock.until(deadline);
        match self.run(Task::Join(resolved.targets.clone()), left)? {
            Outcome::Join(report) => resolved.outcome(report),
            other => Err(unfitting(&other)),
        }
    }

    /// Says goodbye, and waits until it was gossiped. The pool may join again afterwards.
    pub fn leave(&self, timeout: Duration) -> Result<(), Error> {
        let leaving = self.begin(Task::Leave, timeout)?;
        self.end(leaving, timeout)?;
        Ok(())
    }

    /// The alive and suspect members, an immutable snapshot, safe to keep. Works in every
    /// state of the node; empty before the start.
    pub fn members(&self) -> Arc<View> {
        self.0.view.load_full()
    }

    /// How many members are alive or suspect.
    pub fn num_members(&self) -> usize {
        self.0.view.load().len()
    }

    /// This node, as it announces itself.
    pub fn local_node(&self) -> Result<Member, Error> {
        self.0.view.load().local().cloned().ok_or(Error::NotStarted)
    }

    /// Announces new metadata, at most 512 bytes; returns when it has been gossiped.
    pub fn update_node(&self, meta: &[u8], timeout: Duration) -> Result<(), Error> {
        match self.run(Task::Update(Bytes::copy_from_slice(meta)), timeout)? {
            Outcome::Updated => Ok(()),
            other => Err(unfitting(&other)),
        }
    }

    /// Gives a message to gossip, for every member.
    ///
    /// It is sent as often as memberlist sends its own news, which grows with the
    /// logarithm of the pool's size, and nobody relays it: in a pool of a few nodes it
    /// reaches all of them, perhaps more than once; in a large one some may miss it. A pool
    /// of one has nobody to tell, and keeps nothing. A message larger than
    /// [`max_broadcast_size`](Self::max_broadcast_size) is refused. If the queue is full
    /// this waits for room, and gives up with `QueueFull` after `timeout`; zero only tries.
    pub fn broadcast(&self, message: &[u8], timeout: Duration) -> Result<(), Error> {
        let message = Bytes::copy_from_slice(message);
        Ok(self.request(|reply| Command::Broadcast { message, timeout, reply })??)
    }

    /// The largest message that can be broadcast.
    pub fn max_broadcast_size(&self) -> usize {
        self.0.broadcast_limit.load(Relaxed)
    }

    /// Sends a message in one datagram to a member: it may get lost.
    pub fn send_best_effort(&self, to: &Member, message: &[u8]) -> Result<(), Error> {
        self.change(Change::Send(target(to), Bytes::copy_from_slice(message)))
    }

    /// Sends a message in one datagram to the node at `to`: it may get lost.
    pub fn send_to_address(&self, to: SocketAddr, message: &[u8]) -> Result<(), Error> {
        self.change(Change::Send(to.into(), Bytes::copy_from_slice(message)))
    }

    /// Sends a message over TCP; returns when it is written.
    pub fn send_reliable(&self, to: &Member, message: &[u8], timeout: Duration) -> Result<(), Error> {
        match self.run(Task::Send(target(to), Bytes::copy_from_slice(message)), timeout)? {
            Outcome::Sent => Ok(()),
            Outcome::Failed(error) => Err(Error::Send { to: to.addr(), error }),
            other => Err(unfitting(&other)),
        }
    }

    /// Pings a member and returns how long the answer took.
    pub fn ping(&self, to: &Member, timeout: Duration) -> Result<Duration, Error> {
        match self.run(Task::Ping(target(to)), timeout) {
            Ok(Outcome::Pinged(rtt)) => Ok(rtt),
            Ok(Outcome::Failed(_)) | Err(Error::Timeout(_)) => Err(Error::NoResponse(to.name().to_string())),
            Ok(other) => Err(unfitting(&other)),
            Err(error) => Err(error),
        }
    }

    /// How much this node doubts itself; 0 is healthy.
    pub fn health_score(&self) -> u32 {
        self.0.view.load().health()
    }

    /// Publishes the state given to others in push/pulls, also before the start.
    pub fn set_local_state(&self, state: &[u8]) -> Result<(), Error> {
        self.change(Change::LocalState(Bytes::copy_from_slice(state)))
    }

    /// Publishes the bytes that travel with every answer to a ping, also before the start.
    pub fn set_ack_payload(&self, payload: &[u8]) -> Result<(), Error> {
        self.change(Change::AckPayload(Bytes::copy_from_slice(payload)))
    }

    /// Never pings these nodes over TCP when they are silent over UDP, in place of those
    /// named before, also before the start: for nodes to which TCP is blocked, or all too
    /// patient. [`Delegate::allow_tcp_ping`](crate::runtime::delegate::Delegate::allow_tcp_ping)
    /// decides case by case, `disable_tcp_pings` for all.
    pub fn disable_tcp_pings_for<S: AsRef<[u8]>>(&self, names: &[S]) -> Result<(), Error> {
        self.change(Change::NoTcpPings(names.iter().map(|name| NodeName::from(name.as_ref())).collect()))
    }

    /// The keys, primary first.
    pub fn keys(&self) -> Result<Vec<Key>, Error> {
        self.request(Command::Keys)
    }

    /// Accepts messages encrypted with `key`, too.
    pub fn add_key(&self, key: Key) -> Result<(), Error> {
        self.change(Change::AddKey(key))
    }

    /// Encrypts with `key`, which must have been added.
    pub fn use_key(&self, key: &Key) -> Result<(), Error> {
        self.change(Change::UseKey(key.clone()))
    }

    /// Accepts `key` no longer; it must not be the one in use.
    pub fn remove_key(&self, key: &Key) -> Result<(), Error> {
        self.change(Change::RemoveKey(key.clone()))
    }

    /// What has been counted so far.
    pub fn stats(&self) -> Result<PoolStats, Error> {
        let machine = self.request(Command::Stats)?;
        let port = self.0.port.pool_stats(self.id()).unwrap_or_default();
        let counters = &self.0.counters;
        Ok(PoolStats {
            machine,
            inbox_dropped: port.packets_dropped,
            send_dropped: counters.send_dropped.get(),
            streams_refused: port.streams_dropped + counters.streams_refused.get(),
            messages_dropped: counters.messages_dropped.get(),
            callback_panics: counters.callback_panics.get(),
            questions_defaulted: counters.questions_defaulted.get(),
            stalls: counters.stalls.get(),
        })
    }

    /// Ends this pool alone: its id is free again, the other pools notice nothing. Waits
    /// for callbacks that run, as [`Gossip::shutdown`](crate::runtime::gossip::Gossip::shutdown)
    /// does; `Timeout` means that one still runs and the id is still taken. In a callback for
    /// which this would wait, itself or through other callbacks that wait, it is refused
    /// with `Deadlock` and nothing ends.
    pub fn shutdown(&self, timeout: Duration) -> Result<(), Error> {
        let _waiting = Waiting::for_end_of(wait::Target::Pool(self.0.place))?;
        let deadline = self.0.clock.now() + timeout;
        self.0.stop();
        if !self.0.tally.wait(self.0.clock, deadline) {
            return Err(Error::Timeout(timeout));
        }
        if let Some(node) = self.0.node.upgrade() {
            node.forget(&self.0);
        }
        Ok(())
    }

    /// Begins a command that takes time.
    pub(crate) fn begin(&self, task: Task, timeout: Duration) -> Result<Pending, Error> {
        let (reply, completed) = bounded(1);
        self.0.send(Input::Command(Command::Task { task, timeout, reply }))?;
        Ok(Pending(completed))
    }

    /// Waits for its outcome.
    pub(crate) fn end(&self, pending: Pending, timeout: Duration) -> Result<Outcome, Error> {
        let outcome = pending.0.recv().map_err(|_| self.0.closed())??;
        match outcome {
            Outcome::Cancelled => Err(Error::Cancelled),
            Outcome::TimedOut => Err(Error::Timeout(timeout)),
            outcome => Ok(outcome),
        }
    }

    fn run(&self, task: Task, timeout: Duration) -> Result<Outcome, Error> {
        let pending = self.begin(task, timeout)?;
        self.end(pending, timeout)
    }

    fn change(&self, change: Change) -> Result<(), Error> {
        if self.0.park(&change) {
            return Ok(());
        }
        Ok(self.request(|reply| Command::Change { change, reply })??)
    }

    /// Sends a command that is answered at once and waits for the answer.
    fn request<T>(&self, command: impl FnOnce(Sender<T>) -> Command) -> Result<T, Error> {
        let (reply, answer) = bounded(1);
        self.0.send(Input::Command(command(reply)))?;
        answer.recv().map_err(|_| self.0.closed())
    }
}

/// A command under way.
#[derive(Debug)]
pub(crate) struct Pending(Receiver<Result<Outcome, CommandError>>);

fn target(member: &Member) -> Target {
    Target { name: Some(member.name().clone()), addr: member.addr() }
}

/// An outcome that the command cannot have.
fn unfitting(outcome: &Outcome) -> Error {
    Error::Internal(format!("a command ended with the outcome of another: {outcome:?}"))
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool").field("id", &self.id()).finish_non_exhaustive()
    }
}

/// Counters of a pool: the machine's, and those of what surrounds it.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct PoolStats {
    /// The machine's counters.
    pub machine: Stats,
    /// Datagrams dropped because the pool's inbox was full.
    pub inbox_dropped: u64,
    /// Datagrams not sent because the socket would not take them.
    pub send_dropped: u64,
    /// Connections of others closed because too many were open.
    pub streams_refused: u64,
    /// User messages, and other notices that are no change of membership, dropped because
    /// the delegate's queue was full or the pool ended.
    pub messages_dropped: u64,
    /// Callbacks that panicked.
    pub callback_panics: u64,
    /// Questions answered too late or by default.
    pub questions_defaulted: u64,
    /// Times that the process stood still for so long that a timer was 50 ms late.
    pub stalls: u64,
}
