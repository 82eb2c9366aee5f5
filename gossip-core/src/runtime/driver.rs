//! The task that owns a pool's machine.
//!
//! A turn takes what has come in (commands, news and replies first, then packets, each
//! up to a bound), lets due timers fire, carries out what the machine wants, publishes
//! the view if it changed, and only then tells the application and completes commands:
//! whoever hears of a change finds it in the member list.
//!
//! Packets go before timers. When the machine's deadline is due and packets wait, some of
//! them are handled first; after a stall of the process the socket is emptied first, so
//! that a node that was paused does not accuse its peers merely because its timers are
//! faster than its socket.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, mpsc};
use std::time::Duration;

use tokio::sync::mpsc::{Receiver, UnboundedReceiver, UnboundedSender};
use tracing::{debug, trace};

use crate::base::ids::{ExchangeId, TaskId};
use crate::base::limit::{Limiter, warn_limited};
use crate::base::time::Time;
use crate::net::arrivals::Arrivals;
use crate::net::error::NetError;
use crate::net::owners::InboundStream;
use crate::net::port::PoolPort;
use crate::net::udp::UdpSender;
use crate::pool::action::{Action, Notice, Outcome, UserMessage};
use crate::pool::error::CommandError;
use crate::pool::exchange::{Broken, Exchange, ExchangeNews};
use crate::pool::layers::Labels;
use crate::pool::machine::{Machine, Received};
use crate::pool::migration::MigrationProgress;
use crate::runtime::driven::{Driven, Turns};
use crate::runtime::entropy;
use crate::runtime::error::SeedError;
use crate::runtime::input::{Command, Input, Task};
use crate::runtime::join::Resolved;
use crate::runtime::lane::Then;
use crate::runtime::pool::Pool;
use crate::runtime::reply::Reply;
use crate::runtime::shared::Shared;
use crate::runtime::sleep::Sleep;
use crate::runtime::stream::{Streams, Word};
use crate::runtime::waiting::{Waiting, WaitingBroadcasts};
use crate::wire::nonce::Nonces;

/// Inputs of each kind handled in a turn.
const PER_TURN: usize = 64;

/// Packets that go before a due timer.
const BEFORE_TIMER: usize = 256;

/// Packets that go before a due timer after a stall.
const AFTER_STALL: usize = 4096;

/// A timer this late means that the process stood still.
const STALL: Duration = Duration::from_millis(50);

/// What the socket gets to be emptied after a stall.
const CATCH_UP: Duration = Duration::from_millis(5);

/// A turn after which other tasks of the thread are not to wait for one more.
pub(crate) const LONG_TURN: Duration = Duration::from_micros(500);

/// The process stood still for so long that others may have taken this node for dead.
const LONG_STALL: Duration = Duration::from_millis(500);

/// How often running callbacks are looked at.
const WATCH_INTERVAL: Duration = Duration::from_secs(1);

/// While nothing needs the view, changes are gathered for this long.
const VIEW_INTERVAL: Duration = Duration::from_millis(10);

/// Room for so many things to be told is kept when few come.
const OUTBOX_KEPT: usize = 16;

/// A pool's machine and everything it drives.
pub(crate) struct Driver {
    machine: Machine,
    shared: Arc<Shared>,
    control: UnboundedReceiver<Input>,
    packets: Arrivals,
    inbound: Receiver<InboundStream>,
    sender: UdpSender,
    sleep: Sleep,
    streams: Streams,
    /// Commands under way; each gets exactly one `Done` from the machine.
    tasks: BTreeMap<TaskId, Reply<Result<Outcome, CommandError>>>,
    /// Who is told how far a command has come.
    progress: BTreeMap<TaskId, mpsc::Sender<MigrationProgress>>,
    waiting: WaitingBroadcasts,
    /// Held back until the view shows what they speak of.
    outbox: Vec<Outgoing>,
    /// The datagram being sent.
    datagram: Vec<u8>,
    /// Version of the published view, and when it was published.
    published: (u64, Time),
    turns: Turns,
    /// When running callbacks were looked at.
    watched: Time,
    limiter: Limiter,
    stopping: bool,
}

/// Something for the application.
enum Outgoing {
    Tell(Notice),
    Deliver(ExchangeId, UserMessage),
    Complete(Reply<Result<Outcome, CommandError>>, Outcome),
}

impl Driver {
    pub(crate) fn new(
        machine: Machine,
        shared: Arc<Shared>,
        inputs: UnboundedSender<Input>,
        control: UnboundedReceiver<Input>,
        port: PoolPort,
        sender: UdpSender,
    ) -> Self {
        let streams = Streams::new(shared.clock, inputs, Arc::clone(&shared.heavy));
        let sleep = Sleep::new(shared.clock);
        Self {
            machine,
            shared,
            control,
            packets: port.packets,
            inbound: port.streams,
            sender,
            sleep,
            streams,
            tasks: BTreeMap::new(),
            progress: BTreeMap::new(),
            waiting: WaitingBroadcasts::default(),
            outbox: Vec::new(),
            datagram: Vec::new(),
            published: (0, Time::ZERO),
            turns: Turns::default(),
            watched: Time::ZERO,
            limiter: Limiter::default(),
            stopping: false,
        }
    }

    /// Drives the machine until it is told to stop.
    pub(crate) async fn run(mut self: Box<Self>) {
        self.drain(self.now());
        self.publish(self.now());
        self.deliver();
        while !self.stopping {
            let due = self.due().unwrap_or(Time::FAR);
            let first = self.wait(due).await;
            let (begun, waiting) = (self.now(), self.packets.len());
            if let Some(input) = first {
                self.handle(input);
            }
            let full = self.take_control() | self.take_packets(PER_TURN) | self.take_streams();
            self.fire_timers(due).await;
            let took = self.end_turn().since(begun);
            self.turns.note(took, waiting);
            // Before the next, which may be due already, those who were given something have a turn.
            if full || took >= LONG_TURN {
                tokio::task::yield_now().await;
            }
        }
        self.end();
        // A command sent at this very moment must not be left in the channel: its sender waits.
        self.control.close();
        while self.control.recv().await.is_some() {}
    }

    /// Leaves behind what has been counted, and counts what is not handled any more.
    fn end(&mut self) {
        let abandoned = self.packets.len() + self.inbound.len();
        self.shared.counters.packets_abandoned.add(abandoned as u64);
        self.shared.remember(self.driven());
    }

    /// Waits for the first input of a turn, or for the time at which something is due.
    async fn wait(&mut self, due: Time) -> Option<Input> {
        tokio::select! {
            biased;
            Some(input) = self.control.recv() => Some(input),
            Some(packet) = self.packets.recv() => Some(Input::Packet(packet)),
            Some(stream) = self.inbound.recv() => Some(Input::Stream(stream)),
            () = self.sleep.until(due) => None,
        }
    }

    /// When something is to be done even if nothing comes in.
    fn due(&self) -> Option<Time> {
        let view = (self.published.0 != self.machine.version()).then(|| self.published.1 + VIEW_INTERVAL);
        [self.machine.poll_timeout(), view, self.waiting.first_deadline()].into_iter().flatten().min()
    }

    /// The three that follow handle what has come in, up to a bound, and say whether they
    /// came up to it.
    fn take_control(&mut self) -> bool {
        for _ in 0..PER_TURN {
            let Ok(input) = self.control.try_recv() else { return false };
            self.handle(input);
        }
        true
    }

    fn take_packets(&mut self, bound: usize) -> bool {
        for _ in 0..bound {
            let Some(packet) = self.packets.try_recv() else { return false };
            self.handle(Input::Packet(packet));
        }
        true
    }

    fn take_streams(&mut self) -> bool {
        for _ in 0..PER_TURN {
            let Ok(stream) = self.inbound.try_recv() else { return false };
            self.handle(Input::Stream(stream));
        }
        true
    }

    /// Lets the machine's timers fire if they are due, behind the packets that wait. `due` is when
    /// the turn was to begin at the latest: an answer that has come meanwhile, and takes the timer
    /// away, does not hide that the process stood still.
    async fn fire_timers(&mut self, mut due: Time) {
        let mut now = self.now();
        if now.since(due) > STALL {
            // It may stand still again meanwhile.
            while now.since(due) > STALL {
                self.note_stall(now, now.since(due));
                due = now + CATCH_UP;
                tokio::time::sleep(CATCH_UP).await;
                now = self.now();
            }
            self.take_packets(AFTER_STALL);
        } else if self.machine.poll_timeout().is_some_and(|due| due <= now) {
            self.take_packets(BEFORE_TIMER);
        } else {
            return;
        }
        let (now, rounds) = (self.now(), self.machine.gossip_rounds());
        self.machine.handle_timeout(now);
        self.drain(now);
        if self.machine.gossip_rounds() > rounds {
            self.turns.gossip.time(self.now().since(now));
        }
    }

    fn note_stall(&mut self, now: Time, late: Duration) {
        self.shared.counters.stalls.raise();
        debug!(?late, "the process stood still");
        if late > LONG_STALL {
            warn_limited!(
                self.limiter, now, "the process stood still for long",
                hint: "others may take this node for dead: give it cpu, look for swapping or a paused machine",
                ?late
            );
        }
    }

    fn handle(&mut self, input: Input) {
        let now = self.now();
        match input {
            Input::Packet(mut packet) => {
                let (from, at) = (packet.from, packet.received);
                self.machine.handle_packet(now, Received { from, at, bytes: packet.bytes_mut() });
            }
            Input::Stream(stream) => self.serve(now, stream),
            Input::News(id, news) => {
                if !self.streams.contains(id) {
                    return;
                }
                if matches!(news, ExchangeNews::Finished | ExchangeNews::Failed(_)) {
                    self.streams.close(id);
                }
                self.machine.handle_exchange(now, id, news);
            }
            Input::Traffic(traffic) => return self.machine.handle_traffic(traffic),
            Input::Reply(id, reply) => self.machine.handle_reply(now, id, reply),
            Input::Seeds(resolved) => self.take_seeds(now, resolved),
            Input::Verdict(id, verdict) => self.machine.handle_verdict(now, id, verdict),
            Input::Relabelled(changed) => self.machine.handle_relabelled(now, changed),
            Input::Broadcast { name, message } => {
                // What was accepted is not refused for want of room any more.
                let waiting = Waiting { name, message, deadline: Time::FAR, reply: Reply::Nobody };
                self.broadcast(now, waiting, usize::MAX);
                self.shared.intake.arrived();
            }
            // Anew: who commands after a change of the log expects to see it there, and this
            // task may not have waited since.
            Input::Command(command) => {
                let shared = Arc::clone(&self.shared);
                shared.scope.enter(|| self.command(now, command));
            }
            Input::Stop => self.stopping = true,
        }
        self.drain(now);
    }

    fn serve(&mut self, now: Time, inbound: InboundStream) {
        if !self.streams.has_room() && self.machine.make_room() {
            self.drain(now);
        }
        if !self.streams.has_room() {
            self.shared.counters.streams_refused.raise();
            let peer = inbound.peer;
            warn_limited!(
                self.limiter, now, "too many conversations of the pool, new connections are closed",
                hint: "someone opens too many, or the process gets too little cpu", %peer
            );
            return;
        }
        let Some(id) = self.machine.accept(now, inbound.peer) else { return };
        let name = self.shared.identity.name.clone();
        let timeout = self.shared.config.tuning().stream_timeout;
        let exchange = Exchange::inbound(now, Arc::clone(self.machine.wire()), nonces(), name, timeout);
        self.streams.serve(id, exchange, inbound.stream);
    }

    fn command(&mut self, now: Time, command: Command) {
        match command {
            Command::Task { task, timeout, reply } => self.begin(now, task, timeout, reply),
            Command::Broadcast { name, message, timeout, reply } => {
                let waiting = Waiting { name, message, deadline: now + timeout, reply };
                let limit = self.shared.config.config().broadcast_queue_depth;
                self.broadcast(now, waiting, limit);
            }
            Command::Abandon => {
                let unwanted = self.tasks.iter().filter(|(_, reply)| reply.is_unwanted()).map(|(id, _)| *id);
                unwanted.collect::<Vec<_>>().into_iter().for_each(|id| self.machine.abandon(id));
                self.waiting.abandon();
            }
            Command::Change { change, reply } => {
                let changed = change.apply(&mut self.machine);
                // Keys and labels take room from broadcasts, and nothing is published for them.
                self.shared.publish_limit(&self.machine);
                let _ = reply.send(changed);
            }
            Command::Keys(reply) => {
                let _ = reply.send(self.machine.keyring().keys().to_vec());
            }
            Command::Explain(name, reply) => reply.send(self.machine.explain(now, &name)),
            Command::Stats(reply) => {
                self.machine.note_time(now);
                let driven = self.driven();
                self.shared.remember(driven.clone());
                let _ = reply.send(driven);
            }
        }
    }

    fn broadcast(&mut self, now: Time, waiting: Waiting, limit: usize) {
        self.waiting.put(&mut self.machine, now, waiting, limit, &self.shared.counters);
        self.note_queued();
    }

    /// Tells those who broadcast how many have no room left for theirs.
    fn note_queued(&self) {
        self.shared.intake.note(self.machine.broadcasts_waiting() + self.waiting.len());
    }

    /// Everything counted so far.
    fn driven(&self) -> Driven {
        let (streams_inbound, streams_open) = self.streams.count();
        Driven {
            machine: self.machine.stats(),
            turns: self.turns,
            packets_waiting: self.packets.len(),
            streams_waiting: self.inbound.len(),
            streams_inbound,
            streams_open,
            broadcasts_waiting: self.waiting.len(),
        }
    }

    fn begin(
        &mut self,
        now: Time,
        task: Task,
        timeout: Duration,
        reply: Reply<Result<Outcome, CommandError>>,
    ) {
        let mut told = None;
        let begun = match task {
            Task::Join(seeds) => self.machine.join(now, seeds, Some(timeout)),
            Task::Leave => self.machine.leave(now, Some(timeout)),
            Task::Update(meta) => self.machine.update(now, meta, Some(timeout)),
            Task::Send(to, message) => self.machine.send_reliable(now, to, message, Some(timeout)),
            Task::Doctor(to) => self.machine.doctor(now, to, timeout),
            Task::Ping(to) => self.machine.ping(now, to, Some(timeout)),
            Task::Migrate(to, options, progress) => {
                told = progress;
                self.machine.migrate(now, to, options, Some(timeout))
            }
        };
        match begun {
            Ok(id) => {
                self.tasks.insert(id, reply);
                self.progress.extend(told.map(|told| (id, told)));
            }
            Err(error) => reply.send(Err(error)),
        }
    }

    /// Shows and tells what the turn has brought; the time at which it ends.
    fn end_turn(&mut self) -> Time {
        let now = self.now();
        if now.since(self.watched) >= WATCH_INTERVAL {
            self.watched = now;
            self.shared.courier.watch(now);
        }
        if !self.waiting.is_empty() {
            self.waiting.retry(&mut self.machine, now, &self.shared.counters);
            self.drain(now);
        }
        self.note_queued();
        if !self.outbox.is_empty() || now.since(self.published.1) >= VIEW_INTERVAL {
            self.publish(now);
        }
        self.deliver();
        self.now()
    }

    /// Shows readers what has changed.
    fn publish(&mut self, now: Time) {
        if self.published.0 != self.machine.version() || self.published.1 == Time::ZERO {
            self.published = (self.machine.version(), now);
            self.shared.publish(&self.machine);
        }
    }

    fn deliver(&mut self) {
        let courier = &self.shared.courier;
        let (mut then, told) = (Then::Leave, self.outbox.len());
        for outgoing in self.outbox.drain(..) {
            match outgoing {
                Outgoing::Tell(notice) => then = then.or(courier.tell(notice)),
                Outgoing::Deliver(id, message) => then = then.or(courier.deliver(id, message)),
                Outgoing::Complete(reply, outcome) => reply.send(Ok(outcome)),
            }
        }
        courier.go(then);
        if self.outbox.capacity() > OUTBOX_KEPT && told < self.outbox.capacity() / 4 {
            self.outbox.shrink_to(OUTBOX_KEPT);
        }
    }

    /// Carries out everything the machine wants done, as its law demands after each input.
    fn drain(&mut self, now: Time) {
        loop {
            while let Some(to) = self.machine.poll_transmit(now, &mut self.datagram) {
                self.transmit(now, to);
                self.datagram.clear();
            }
            let Some(action) = self.machine.poll_action() else { return };
            self.act(now, action);
        }
    }

    fn transmit(&mut self, now: Time, to: SocketAddr) {
        let Err(error) = self.sender.try_send_to(&self.datagram, to) else {
            return trace!(%to, bytes = self.datagram.len(), "datagram sent");
        };
        trace!(%to, %error, "datagram not sent");
        self.machine.handle_unsent(to, || {
            let os_error = error.io_error().and_then(std::io::Error::raw_os_error);
            Broken { text: error.to_string(), os_error }
        });
        self.shared.counters.send_dropped.raise();
        match &error {
            NetError::Closed => {}
            NetError::Send { reason, .. } if reason.kind() == std::io::ErrorKind::WouldBlock => {
                warn_limited!(
                    self.limiter, now, "send buffer full, datagrams are dropped",
                    hint: "the network takes less than is sent; look at the interface, raise gossip_interval", %to
                );
            }
            _ => warn_limited!(
                self.limiter, now, "datagrams cannot be sent",
                hint: "check route, firewall and bind_addr of this host", %to, %error
            ),
        }
    }

    fn act(&mut self, now: Time, action: Action) {
        match action {
            Action::Open { id, to, opening, deadline } => {
                let timeout = self.shared.config.tuning().stream_timeout;
                let wire = Arc::clone(self.machine.wire_of(id, to.addr));
                let exchange = Exchange::outbound(now, wire, nonces(), opening, deadline, timeout);
                self.streams.connect(id, exchange, to.addr);
            }
            Action::Answer { id, state } => self.streams.give(id, Word::State(state)),
            Action::Settle { id, verdict, rests } => self.streams.give(id, Word::Verdict { verdict, rests }),
            Action::Say { id, message, ticket, deadline } => {
                self.streams.give(id, Word::Message { payload: message, ticket, deadline });
            }
            Action::Finish { id } => self.streams.give(id, Word::Finish),
            Action::Reply { id, answer } => self.streams.give(id, Word::Reply(answer)),
            Action::Relabel { labels } => self.relabel(labels),
            Action::Progress { id, progress } => {
                if let Some(told) = self.progress.get(&id) {
                    // Whoever does not listen any more is no concern of the migration's.
                    let _ = told.send(progress);
                }
            }
            Action::Drop { id } => self.streams.close(id),
            Action::Resolve => self.look_up_seeds(),
            Action::Tell(notice) => {
                if let Notice::Migrated(_) = notice {
                    self.shared.publish_limit(&self.machine);
                }
                self.outbox.push(Outgoing::Tell(notice));
            }
            Action::Deliver { id, message } => self.outbox.push(Outgoing::Deliver(id, message)),
            Action::Ask { id, question, deadline } => self.shared.courier.ask(id, question, deadline),
            Action::Done { id, outcome } => {
                self.progress.remove(&id);
                if let Some(reply) = self.tasks.remove(&id) {
                    self.outbox.push(Outgoing::Complete(reply, outcome));
                }
            }
        }
    }

    /// Looks up the seeds of the configuration beside this task; what is found comes as an input.
    fn look_up_seeds(&self) {
        let Ok(inputs) = self.shared.inputs() else { return };
        let shared = Arc::clone(&self.shared);
        tokio::spawn(self.shared.scope.clone().run(async move {
            let found = tokio::select! {
                found = Resolved::look_up_standing(&shared) => found,
                () = inputs.closed() => return,
            };
            // Without randomness nothing was looked up: to be tried again.
            let _ = inputs.send(Input::Seeds(found.unwrap_or_default()));
        }));
    }

    /// Changes the labels at the port and, by a command, here; beside this task, which carries it out.
    fn relabel(&self, labels: Labels) {
        let Ok(inputs) = self.shared.inputs() else { return };
        let pool = Pool(Arc::clone(&self.shared));
        tokio::task::spawn_blocking(move || {
            let scope = pool.0.scope.clone();
            let changed = scope.enter(|| pool.set_labels(labels));
            if let Err(error) = &changed {
                debug!(%error, "a migration asks for a label that cannot be");
            }
            let _ = inputs.send(Input::Relabelled(changed.is_ok()));
        });
    }

    fn take_seeds(&mut self, now: Time, resolved: Resolved) {
        for SeedError { seed, reason, .. } in &resolved.failed {
            debug!(seed, reason, "seed has no address");
        }
        let unresolved = resolved.failed.len();
        if let Some(SeedError { seed, reason, .. }) = resolved.failed.first() {
            warn_limited!(
                self.limiter, now, "seeds of the configuration have no address",
                hint: "check the names and the name servers; they are looked up again", seed, reason, unresolved
            );
        }
        self.machine.set_seeds(now, resolved.targets, unresolved);
    }

    fn now(&self) -> Time {
        self.shared.clock.now()
    }
}

fn nonces() -> Nonces {
    Nonces::from_os(entropy::fill)
}
