//! A pool as the application holds it.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::mpsc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use crossbeam_channel::{Receiver, Sender, bounded};

use crate::base::addr::Target;
use crate::base::ids::PoolId;
use crate::base::name::NodeName;
use crate::base::time::Time;
use crate::pool::action::{Delivery, JoinReport, Outcome};
use crate::pool::config::PoolConfig;
use crate::pool::diagnosis::Diagnosis;
use crate::pool::error::CommandError;
use crate::pool::layers::Labels;
use crate::pool::migration::{Migration, MigrationOptions, MigrationProgress, MigrationReport};
use crate::pool::rumours::envelope::{Envelope, TEXT_MAX};
use crate::runtime::call::{Request, Response};
use crate::runtime::driven::Driven;
use crate::runtime::error::Error;
use crate::runtime::input::{Change, Command, Input, Task};
use crate::runtime::join::{self, Resolved};
pub use crate::runtime::join::{ADDRS_PER_SEED, Joined};
use crate::runtime::metrics;
use crate::runtime::reply::Reply;
use crate::runtime::shared::Shared;
pub use crate::runtime::stats::{Level, PoolStats};
use crate::runtime::view::View;
use crate::runtime::wait::{self, Waiting};
use crate::swim::explanation::Explanation;
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
    /// `name/host:port`; without a port the bound one of this node is taken. All seeds are
    /// looked up at once, and all their addresses tried, eight at a time; of a name with very
    /// many, a random [`ADDRS_PER_SEED`]. Ends at the latest after `timeout`: what is not done
    /// by then has failed. [`Error::Join`] if none was reached.
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

    /// Whom a text names, written as a seed is: for [`send_best_effort`](Self::send_best_effort),
    /// [`send_reliable`](Self::send_reliable) and [`ping`](Self::ping). An IP address is read at
    /// once, in every state of the node; the name of a host is looked up for `timeout` at most,
    /// as in a join, and the first address counts that this node has a socket for. With the
    /// target comes what is left of `timeout`, for whatever follows.
    pub fn look_up(&self, text: &str, timeout: Duration) -> Result<(Target, Duration), Error> {
        let deadline = self.0.clock.now() + timeout;
        let target = join::find(&self.0, text, timeout)?;
        Ok((target, self.0.clock.until(deadline)))
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

    /// Gives a message to every other member.
    ///
    /// In a pool whose members all understand it the message is relayed: everyone who is a
    /// live member and stays one gets it, once, in a pool of thousands as in one of three
    /// ([`UserMessage::origin`](crate::UserMessage::origin) says whose it is). With a member that
    /// does not, such as one of memberlist, it is sent as memberlist sends its own news, and
    /// nobody relays it: in a pool of a few nodes it reaches all of them, perhaps more than once;
    /// in a large one some may miss it. `broadcast_mode` chooses.
    ///
    /// A pool of one has nobody to tell, and keeps nothing. A message larger than
    /// [`max_broadcast_size`](Self::max_broadcast_size) is refused. What is broadcast faster than
    /// the pool can take waits in a queue; if that is full this waits for room, and gives up
    /// with `QueueFull` after `timeout`; zero only tries. Behind as many that wait as the queue holds
    /// (`broadcast_queue_depth`), it does not wait either.
    pub fn broadcast(&self, message: &[u8], timeout: Duration) -> Result<(), Error> {
        self.broadcast_named(b"", message, timeout)
    }

    /// The same, in place of this node's older broadcasts of the same name: one that still waits
    /// is not sent, and relayed ones are not delivered to a member that has the newer one already.
    /// What others broadcast under that name is not touched.
    ///
    /// The name is at most 255 bytes, which the largest message has the less; the empty name
    /// replaces nothing.
    pub fn broadcast_named(&self, name: &[u8], message: &[u8], timeout: Duration) -> Result<(), Error> {
        let limit = self.0.config.config().broadcast_queue_depth;
        let is_plain = name.len() <= TEXT_MAX
            && name.len() + message.len() <= self.max_broadcast_size()
            && !Envelope::is_marked(message);
        let (name, message) = (Bytes::copy_from_slice(name), Bytes::copy_from_slice(message));
        if is_plain && self.0.intake.reserve(limit) {
            return self.0.send(Input::Broadcast { name, message }).inspect_err(|_| self.0.intake.arrived());
        }
        // The driver knows what is wrong with it, or when there is room.
        Ok(self.request(|reply| Command::Broadcast {
            name,
            message,
            timeout,
            reply: Reply::Thread(reply),
        })??)
    }

    /// The largest message that can be broadcast.
    pub fn max_broadcast_size(&self) -> usize {
        self.0.broadcast_limit.load(Relaxed)
    }

    /// The time of day at which a [message](crate::UserMessage) arrived, for people: it counts on
    /// from the start of the node, whatever becomes of the system's clock meanwhile.
    pub fn wall_clock(&self, at: Time) -> SystemTime {
        self.0.clock.wall_at(at)
    }

    /// Sends a message in one datagram to a member, or to whoever is at an address: it may
    /// get lost.
    pub fn send_best_effort(&self, to: impl Into<Target>, message: &[u8]) -> Result<(), Error> {
        self.change(Change::Send(to.into(), Bytes::copy_from_slice(message)))
    }

    /// Sends a message in one datagram to the node at `to`: it may get lost.
    pub fn send_to_address(&self, to: SocketAddr, message: &[u8]) -> Result<(), Error> {
        self.send_best_effort(to, message)
    }

    /// Sends a message over TCP to a member, or to whoever is at an address, and returns when it
    /// has arrived: [`Delivery`] says how certain that is.
    ///
    /// A node of ours acknowledges it when its delegate has returned from the message, or its event
    /// queue holds it. If it does not take it, because its queue is full, nobody listens, or its
    /// callback panicked, that is the error
    /// [`ExchangeError::NotTaken`](crate::ExchangeError::NotTaken), and the message is not delivered
    /// later. A node of memberlist closes the connection when its own delegate has returned.
    /// The other errors tell how far the message came: with `Connect` and `ConnectTimeout` there was no connection and
    /// nothing was sent; with `Closed`, `Reset` and `Timeout` there was one, and whether the message
    /// arrived is not known. A message is delivered once, whatever happens to connections.
    ///
    /// Connections to nodes of ours are kept for some seconds and used again.
    pub fn send_reliable(
        &self,
        to: impl Into<Target>,
        message: &[u8],
        timeout: Duration,
    ) -> Result<Delivery, Error> {
        let to = to.into();
        let addr = to.addr;
        sent(addr, self.run(Task::Send(to, Bytes::copy_from_slice(message)), timeout)?)
    }

    /// Pings a member, or whoever is at an address, and returns how long the answer took. A
    /// member answers only to its own name.
    pub fn ping(&self, to: impl Into<Target>, timeout: Duration) -> Result<Duration, Error> {
        let to = to.into();
        pinged(to.clone(), self.run(Task::Ping(to), timeout))
    }

    /// The memberlist protocol version that this node speaks in the pool.
    pub fn protocol_version(&self) -> u8 {
        self.config().protocol_version
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

    /// With keys: whether clear text is refused, and whether what goes out is encrypted.
    ///
    /// A cluster moves from plain to encrypted without a gap in three steps, each on every
    /// node before the next: first nothing of both and [`add_key`](Self::add_key), then
    /// `outgoing`, then `incoming` (memberlist: `GossipVerifyOutgoing`,
    /// `GossipVerifyIncoming`).
    pub fn set_gossip_verify(&self, incoming: bool, outgoing: bool) -> Result<(), Error> {
        self.change(Change::GossipVerify { incoming, outgoing })
    }

    /// Accepts `label`, too, empty for none at all, and speaks it to those who speak it: the
    /// first of three steps in which a cluster moves to another label without a gap, each
    /// on every node before the next. The others are [`speak_label`](Self::speak_label) and
    /// [`require_label`](Self::require_label). Labels are at most 255 bytes; a bare pool has
    /// none, and becomes a label pool so, and back.
    ///
    /// Nodes that know one label at a time, such as stock memberlist, are restarted with the
    /// new one after this step, one by one: the nodes that accept both keep them together.
    /// Until such a node has spoken, a message to it goes out under the own label, and may
    /// be lost.
    ///
    /// [`Error::Config`], [`Error::Net`] or [`Error::Command`] if the label cannot be, is
    /// another pool's, or leaves no room for the own announcement; nothing has changed then.
    pub fn accept_label(&self, label: &[u8]) -> Result<(), Error> {
        self.relabel(|labels| {
            labels.next = Some(Bytes::copy_from_slice(label));
            labels.former = None;
        })
    }

    /// Speaks under `label` from now on, and still accepts the former one: the second step,
    /// after [`accept_label`](Self::accept_label). The same call with the former label goes back.
    pub fn speak_label(&self, label: &[u8]) -> Result<(), Error> {
        self.relabel(|labels| {
            if labels.own != label {
                let former = std::mem::replace(&mut labels.own, Bytes::copy_from_slice(label));
                *labels = Labels { own: labels.own.clone(), next: None, former: Some(former) };
            }
        })
    }

    /// Speaks under `label` and accepts no other: the last step.
    pub fn require_label(&self, label: &[u8]) -> Result<(), Error> {
        self.relabel(|labels| *labels = Labels { own: Bytes::copy_from_slice(label), ..Labels::default() })
    }

    /// Speaks and accepts as these labels say.
    pub(crate) fn set_labels(&self, labels: Labels) -> Result<(), Error> {
        self.relabel(|held| *held = labels)
    }

    /// Changes the labels; to what they are already, nothing happens.
    fn relabel(&self, change: impl FnOnce(&mut Labels)) -> Result<(), Error> {
        self.0.inputs()?;
        self.0.relabel(change, |labels| self.change(Change::Labels(labels)))
    }

    /// Replaces the key of the whole pool: every member installs `key`, then every member encrypts with
    /// it, then every member removes all others. Nothing is lost or refused meanwhile. The key is
    /// sent, encrypted with the old one, to the members that do not hold it.
    ///
    /// [`migrate`](Self::migrate) with the default options, and without news of how it goes.
    pub fn rotate_key(&self, key: Key, timeout: Duration) -> Result<MigrationReport, Error> {
        self.migrate(Migration::Key(key), MigrationOptions::default(), timeout, |_| {})
    }

    /// Moves the whole pool to another key, to encryption or to another label, in three steps: each is
    /// taken by every member before anyone takes the next, members that join meanwhile included. `progress`
    /// is called in this thread for each member that has taken a step, or is in the way of one.
    ///
    /// [`Error::Migration`] if a member is in the way, that is dead, takes no such requests or
    /// refuses, or if the time was up before all had answered: the report names each, with the
    /// reason. The pool is then between two steps, in which everybody understands everybody, and
    /// stays so until the next call, of any member, goes on from there. `options` say what is passed
    /// over. One migration is under way at a time ([`CommandError::MigrationBusy`]).
    ///
    /// Members obey as their `remote_migration` says, and tell their application
    /// ([`Delegate::notify_migrated`](crate::runtime::delegate::Delegate::notify_migrated)), which must see to
    /// it that its next start begins with the new key or label. `timeout` should be a minute or more in
    /// a pool of hundreds.
    pub fn migrate(
        &self,
        to: Migration,
        options: MigrationOptions,
        timeout: Duration,
        mut progress: impl FnMut(&MigrationProgress),
    ) -> Result<MigrationReport, Error> {
        let (told, news) = mpsc::channel();
        let pending = self.begin(Task::Migrate(to, options, Some(told)), timeout)?;
        news.into_iter().for_each(|news| progress(&news));
        migrated(self.end(pending, timeout)?)
    }

    /// Why the member of that name is suspected or dead, or not: what probes have shown, who
    /// accused it, and what that says of the way to it. Also of the dead that are still
    /// remembered, and of this node itself. As text, a few lines for people:
    ///
    /// ```
    /// # use gossip_core::{Config, Gossip, PoolConfig};
    /// # fn main() -> Result<(), gossip_core::Error> {
    /// # let config = Config { name: "a".into(), bind_addr: vec![[127, 0, 0, 1].into()], bind_port: 0, ..Config::default() };
    /// # let node = Gossip::new(config)?;
    /// # let pool = node.register_pool(PoolConfig::local(1), None)?;
    /// # node.start()?;
    /// let explanation = pool.explain("a")?;
    /// println!("{explanation}");
    /// assert!(explanation.is_self && explanation.accusers.is_empty());
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// [`CommandError::UnknownMember`] if no member has that name.
    pub fn explain(&self, name: impl AsRef<[u8]>) -> Result<Explanation, Error> {
        let name = NodeName::from(name.as_ref());
        Ok(self.request(|reply| Command::Explain(name, Reply::Thread(reply)))??)
    }

    /// Finds out which direction of which protocol to a peer does not work, or what else keeps it
    /// away: UDP and TCP from here to there, datagrams of the full size, label, keys, name,
    /// version; and of the ways back what can be told. `target` is the name of a member, dead
    /// ones that are still remembered included, or whom a text names as in
    /// [`look_up`](Self::look_up).
    ///
    /// It takes a moment if all is well, at most `timeout`, which should be a few seconds. The
    /// peer may be any memberlist; it sees a few pings, and nothing comes of them: nobody is
    /// suspected, and nothing changes. As text, a line for each check, then the conclusions:
    ///
    /// ```
    /// # use gossip_core::{Config, Gossip, PoolConfig};
    /// # use std::time::Duration;
    /// # fn main() -> Result<(), gossip_core::Error> {
    /// # let config = |name: &str| Config { name: name.into(), bind_addr: vec![[127, 0, 0, 1].into()], bind_port: 0, ..Config::default() };
    /// # let (node, other) = (Gossip::new(config("a"))?, Gossip::new(config("b"))?);
    /// # let pool = node.register_pool(PoolConfig::local(1), None)?;
    /// # other.register_pool(PoolConfig::local(1), None)?;
    /// # node.start()?;
    /// # other.start()?;
    /// # let address = other.local_addr();
    /// let diagnosis = pool.doctor(&address.to_string(), Duration::from_secs(30))?;
    /// println!("{diagnosis}");
    /// assert!(diagnosis.is_healthy());
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// Errors are those of a lookup, and [`CommandError::DoctorBusy`] while another one is at
    /// work in this pool.
    pub fn doctor(&self, target: &str, timeout: Duration) -> Result<Diagnosis, Error> {
        let (tell, told) = bounded(1);
        let request = Request::Doctor(target.to_owned());
        let _call = self.call(request, timeout, move |result| drop(tell.send(result)))?;
        match told.recv().map_err(|_| self.0.closed())?? {
            Response::Examined(diagnosis) => Ok(*diagnosis),
            other => Err(Error::Internal(format!("a doctor ended with the answer of another: {other:?}"))),
        }
    }

    /// What has been counted so far.
    pub fn stats(&self) -> Result<PoolStats, Error> {
        Ok(PoolStats::of(&self.0, self.request(Command::Stats)?))
    }

    /// The pool's metrics as text for Prometheus (format 0.0.4): those of memberlist under
    /// their names in Go, the others as `gossip_...`; `docs/metrics.md` lists them.
    ///
    /// Works in every state of the pool: before the start everything is 0, afterwards it is
    /// as it was at the end. Waits for the pool's task, never for a callback.
    pub fn metrics(&self) -> String {
        metrics::text(None, std::slice::from_ref(self))
    }

    /// Asks for what the driver has counted; `None` if there is no driver.
    pub(crate) fn ask_driven(&self) -> Option<Receiver<Driven>> {
        let (reply, answer) = bounded(1);
        self.0.send(Input::Command(Command::Stats(reply))).is_ok().then_some(answer)
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
        let reply = Reply::Thread(reply);
        self.0.send(Input::Command(Command::Task { task, timeout, reply }))?;
        Ok(Pending(completed))
    }

    /// Waits for its outcome.
    pub(crate) fn end(&self, pending: Pending, timeout: Duration) -> Result<Outcome, Error> {
        ended(pending.0.recv().map_err(|_| self.0.closed())?, timeout)
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

/// What became of a reliable message to `to`.
pub(crate) fn sent(to: SocketAddr, outcome: Outcome) -> Result<Delivery, Error> {
    match outcome {
        Outcome::Sent(delivery) => Ok(delivery),
        Outcome::Failed(error) => Err(Error::Send { to, error }),
        other => Err(unfitting(&other)),
    }
}

/// How far a migration came.
pub(crate) fn migrated(outcome: Outcome) -> Result<MigrationReport, Error> {
    match outcome {
        Outcome::Migrated(report) if report.is_complete() => Ok(*report),
        Outcome::Migrated(report) => Err(Error::Migration(report)),
        other => Err(unfitting(&other)),
    }
}

/// What became of a ping of `to`.
pub(crate) fn pinged(to: Target, outcome: Result<Outcome, Error>) -> Result<Duration, Error> {
    match outcome {
        Ok(Outcome::Pinged(rtt)) => Ok(rtt),
        Ok(Outcome::Failed(_)) | Err(Error::Timeout(_)) => {
            Err(Error::NoResponse(to.name.map_or_else(|| to.addr.to_string(), |name| name.to_string())))
        }
        Ok(other) => Err(unfitting(&other)),
        Err(error) => Err(error),
    }
}

/// A command under way.
#[derive(Debug)]
pub(crate) struct Pending(Receiver<Result<Outcome, CommandError>>);

/// The outcome of a command that has run to its end.
pub(crate) fn ended(result: Result<Outcome, CommandError>, timeout: Duration) -> Result<Outcome, Error> {
    match result? {
        Outcome::Cancelled => Err(Error::Cancelled),
        Outcome::TimedOut => Err(Error::Timeout(timeout)),
        outcome => Ok(outcome),
    }
}

/// An outcome that the command cannot have.
pub(crate) fn unfitting(outcome: &Outcome) -> Error {
    Error::Internal(format!("a command ended with the outcome of another: {outcome:?}"))
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool").field("id", &self.id()).finish_non_exhaustive()
    }
}
