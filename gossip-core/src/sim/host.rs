//! A simulated computer: one machine, its exchanges, its application.
//!
//! It does for the machines what the runtime's tasks do, by the same law: after each
//! input everything is drained, then the timers are set. A computer can crash (machine
//! and streams are gone) and pause: what reaches it then is held back and handled on
//! resuming, replies and streams first, packets next, timers last, as in the runtime.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::time::Duration;

use crate::base::addr::Target;
use crate::base::endpoint::Endpoint;
use crate::base::ids::{AskId, TaskId};
use crate::base::rng::Rng;
use crate::base::time::Time;
use crate::mux::prefix::Framing;
use crate::pool::action::{Action, Notice, Question};
use crate::pool::config::CheckedPool;
use crate::pool::machine::{Identity, Machine, Received};
use crate::sim::app::{App, Script};
use crate::sim::checks::Observer;
use crate::sim::conversations::Conversations;
use crate::sim::fabric::Fabric;
use crate::sim::guest::Heard;
use crate::sim::queue::Input;
use crate::sim::seed::{self, Purpose};
use crate::sim::stream::Piece;
use crate::wire::nonce::Nonces;

/// Names a simulated computer in its world.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HostId(usize);

impl HostId {
    pub(super) const fn new(index: usize) -> Self {
        Self(index)
    }

    /// Its number: 0 for the first that was spawned.
    pub const fn index(self) -> usize {
        self.0
    }
}

/// A simulated computer.
#[derive(Debug)]
pub(super) struct Host {
    pub(super) id: HostId,
    pub(super) identity: Identity,
    pub(super) pool: CheckedPool,
    pub(super) script: Script,
    /// `None` while it is down.
    pub(super) machine: Option<Machine>,
    pub(super) life: u32,
    pub(super) app: App,
    pub(super) observer: Observer,
    /// What its guest has not yet heard.
    pub(super) heard: Vec<Heard>,
    /// The first promise that a machine broke, in words.
    pub(super) broken: Option<String>,
    /// The longest datagram that the application itself sent.
    pub(super) longest_sent: usize,
    seed: u64,
    pub(super) conversations: Conversations,
    exchanges: u64,
    pub(super) tasks: BTreeMap<TaskId, Time>,
    /// Questions that may still be answered, and until when.
    pub(super) asks: BTreeMap<AskId, Time>,
    latest_ask: Option<AskId>,
    timer: Option<Time>,
    lateness: Rng,
    generation: u64,
    held: Option<Held>,
}

/// What reached a paused host.
#[derive(Debug, Default)]
struct Held {
    control: Vec<Input>,
    packets: VecDeque<Input>,
}

impl Host {
    /// A host that is down.
    pub(super) fn new(id: HostId, identity: Identity, pool: CheckedPool, script: Script, seed: u64) -> Self {
        Self {
            id,
            identity,
            pool,
            app: App::new(script.clone(), 0),
            script,
            machine: None,
            life: 0,
            observer: Observer::default(),
            heard: Vec::new(),
            broken: None,
            longest_sent: 0,
            seed,
            conversations: Conversations::default(),
            exchanges: 0,
            tasks: BTreeMap::new(),
            asks: BTreeMap::new(),
            latest_ask: None,
            timer: None,
            lateness: Rng::from_seed(0),
            generation: 0,
            held: None,
        }
    }

    /// Begins a new life: a fresh machine and a fresh application.
    pub(super) fn start(&mut self, fabric: &mut Fabric) {
        self.life += 1;
        fabric.route(self.addr(), self.id);
        self.app = App::new(self.script.clone(), self.child(Purpose::App, 0));
        self.observer = Observer::new(self.pool.tuning().dead_node_reclaim);
        self.lateness = Rng::from_seed(self.child(Purpose::Lateness, 0));
        let machine = Machine::new(
            self.pool.clone(),
            self.identity.clone(),
            self.script.asks(),
            self.child(Purpose::Machine, 0),
            Nonces::seeded(self.child(Purpose::Nonces, 0)),
            fabric.now,
        );
        match machine {
            Ok(machine) => self.machine = Some(machine),
            Err(error) => self.break_promise(format!("the machine was not made: {error}")),
        }
        self.drain(fabric);
    }

    /// Ends this life without a word; peers of its streams see a reset.
    pub(super) fn crash(&mut self, fabric: &mut Fabric) {
        self.machine = None;
        self.held = None;
        self.conversations.clear();
        self.tasks.clear();
        self.asks.clear();
        self.latest_ask = None;
        self.timer = None;
        fabric.abort_all(self.id);
    }

    /// Freezes inbox and timers.
    pub(super) fn pause(&mut self) {
        self.held.get_or_insert_default();
    }

    /// Handles what was held back, then lets timers that are due fire.
    pub(super) fn resume(&mut self, fabric: &mut Fabric) {
        let Some(held) = self.held.take() else { return };
        self.timer = None;
        self.conversations.forget_timers();
        for input in held.control.into_iter().chain(held.packets) {
            self.take(fabric, input);
        }
        for id in self.conversations.ids() {
            self.converse(fabric, id);
        }
        self.drain(fabric);
    }

    /// Hands the machine to a command, then does what it wants done.
    pub(super) fn command<T>(&mut self, fabric: &mut Fabric, run: impl FnOnce(&mut Machine, Time) -> T) -> T {
        let Some(machine) = &mut self.machine else { panic!("{} is down", self.identity.name) };
        let result = run(machine, fabric.now);
        self.drain(fabric);
        result
    }

    /// Begins a command that completes later.
    pub(super) fn begin<E>(
        &mut self,
        fabric: &mut Fabric,
        run: impl FnOnce(&mut Machine, Time) -> Result<TaskId, E>,
    ) -> Result<TaskId, E> {
        let Some(machine) = &mut self.machine else { panic!("{} is down", self.identity.name) };
        let task = run(machine, fabric.now)?;
        if self.tasks.insert(task, fabric.now).is_some() {
            self.break_promise(format!("{task:?} was given twice"));
        }
        self.drain(fabric);
        Ok(task)
    }

    /// Takes something that has arrived.
    pub(super) fn handle(&mut self, fabric: &mut Fabric, input: Input) {
        if let Input::Piece { stream, piece: Piece::Open, .. } = input {
            // The kernel answers, whether the process is awake or not.
            return if self.machine.is_some() {
                fabric.accept(stream, self.life)
            } else {
                fabric.refuse(stream)
            };
        }
        match &mut self.held {
            Some(held) => held.hold(input, self.pool.config().handoff_queue_depth, fabric),
            None => self.take(fabric, input),
        }
    }

    pub(super) fn is_paused(&self) -> bool {
        self.held.is_some()
    }

    pub(super) fn addr(&self) -> SocketAddr {
        self.identity.addr.socket_addr()
    }

    fn take(&mut self, fabric: &mut Fabric, input: Input) {
        match input {
            Input::Packet { from, to, bytes } => self.take_packet(fabric, from, to, bytes),
            Input::Piece { stream, at, piece } => self.take_piece(fabric, stream, at, piece),
            Input::Timer { generation } => self.take_timer(fabric, generation),
            Input::ExchangeTimer { id, generation } => self.take_exchange_timer(fabric, id, generation),
            Input::Reply { life, ask, reply } if life == self.life => {
                self.asks.remove(&ask);
                if let Some(machine) = &mut self.machine {
                    machine.handle_reply(fabric.now, ask, reply);
                }
            }
            Input::Seeds { life, targets, unresolved } if life == self.life => {
                if let Some(machine) = &mut self.machine {
                    machine.set_seeds(fabric.now, targets, unresolved);
                }
            }
            Input::Verdict { life, id, verdict } if life == self.life => {
                if let Some(machine) = &mut self.machine {
                    machine.handle_verdict(fabric.now, id, verdict);
                }
            }
            Input::Reply { .. } | Input::Seeds { .. } | Input::Verdict { .. } => {}
        }
        self.drain(fabric);
    }

    fn take_packet(&mut self, fabric: &mut Fabric, from: SocketAddr, to: SocketAddr, mut bytes: Vec<u8>) {
        let prefix = prefix(&self.pool);
        if let Some(machine) = &mut self.machine
            && to == self.identity.addr.socket_addr()
            && bytes.starts_with(&prefix)
        {
            let datagram = &mut bytes[prefix.len()..];
            machine.handle_packet(fabric.now, Received { from, at: fabric.now, bytes: datagram });
        }
        fabric.recycle(bytes);
    }

    fn take_timer(&mut self, fabric: &mut Fabric, generation: u64) {
        let Some(machine) = &mut self.machine else { return };
        if generation != self.generation {
            return;
        }
        self.timer = None;
        machine.handle_timeout(fabric.now);
        self.drain(fabric);
        if let Some(due) =
            self.machine.as_ref().and_then(Machine::poll_timeout).filter(|&due| due <= fabric.now)
        {
            self.break_promise(format!(
                "after handle_timeout and a drain, poll_timeout is {due:?}, not later"
            ));
        }
    }

    /// Drains the machine by its law, then sets the timer.
    fn drain(&mut self, fabric: &mut Fabric) {
        loop {
            self.transmit(fabric);
            match self.machine.as_mut().and_then(Machine::poll_action) {
                Some(action) => self.act(fabric, action),
                None => break,
            }
        }
        let due = self.machine.as_ref().and_then(Machine::poll_timeout);
        if due != self.timer && !self.is_paused() {
            self.timer = due;
            self.generation += 1;
            if let Some(due) = due {
                let at = due + self.lateness.up_to(LATENESS);
                fabric.schedule_at(at, self.id, Input::Timer { generation: self.generation });
            }
        }
    }

    fn transmit(&mut self, fabric: &mut Fabric) {
        let Some(machine) = &mut self.machine else { return };
        let limit = self.pool.config().udp_buffer_size + prefix(&self.pool).len();
        let from = self.identity.addr.socket_addr();
        let mut bytes = fabric.buffer();
        while let Some(to) = machine.poll_transmit(fabric.now, &mut bytes) {
            if bytes.len() > limit.max(self.longest_sent + LAYERS_MAX) {
                let length = bytes.len();
                self.broken.get_or_insert_with(|| format!("datagram of {length} bytes, at most {limit} fit"));
            }
            fabric.send(self.id, from, to, bytes);
            bytes = fabric.buffer();
        }
        fabric.recycle(bytes);
    }

    fn act(&mut self, fabric: &mut Fabric, action: Action) {
        match action {
            Action::Open { id, to, opening, deadline } => self.dial(fabric, id, &to, opening, deadline),
            Action::Answer { id, state } => self.answer(fabric, id, state),
            Action::Drop { id } => {
                let traffic = self.conversations.drop_out(fabric, id);
                self.machine.iter_mut().for_each(|machine| machine.handle_traffic(traffic));
            }
            Action::Resolve => self.look_up_seeds(fabric),
            Action::Tell(notice) => {
                if let Err(what) = self.observer.hear(&notice) {
                    self.break_promise(what);
                }
                if self.script.guest.is_some() {
                    self.heard.push(Heard::Told { host: self.id, life: self.life, notice: notice.clone() });
                }
                self.app.hear(fabric.now, notice);
            }
            Action::Deliver { id, message } => {
                let (verdict, time) = self.app.take();
                if verdict.is_ok() {
                    self.act(fabric, Action::Tell(Notice::Message(message)));
                }
                let input = Input::Verdict { life: self.life, id, verdict };
                fabric.schedule_at(fabric.now + time, self.id, input);
            }
            Action::Settle { id, verdict, rests } => self.settle(fabric, id, verdict, rests),
            Action::Reply { id, answer } => self.reply(fabric, id, &answer),
            Action::Finish { id } => self.finish(fabric, id),
            Action::Relabel { labels } => {
                if let Some(machine) = &mut self.machine {
                    let changed = machine.set_labels(labels).is_ok();
                    machine.handle_relabelled(fabric.now, changed);
                }
            }
            Action::Progress { progress, .. } => self.app.hear_progress(progress),
            Action::Say { id, message, ticket, deadline } => {
                self.say(fabric, id, &message, &ticket, deadline);
            }
            Action::Ask { id, question, deadline } => self.ask(fabric, id, question, deadline),
            Action::Done { id, outcome } => {
                if self.tasks.remove(&id).is_none() {
                    self.break_promise(format!("{id:?} is done ({outcome:?}), but was not under way"));
                }
                self.app.complete(id, outcome);
            }
        }
    }

    /// Asks the name servers for the seeds; the answer takes a moment.
    fn look_up_seeds(&mut self, fabric: &mut Fabric) {
        let (mut targets, mut unresolved) = (Vec::new(), 0);
        for seed in &self.pool.config().seeds {
            let Ok(Endpoint { name, host, port }) = Endpoint::read(seed, self.identity.addr.port) else {
                unresolved += 1;
                continue;
            };
            let literal = host.parse().ok().map(|ip| vec![SocketAddr::new(ip, port)]);
            match literal.as_ref().or_else(|| fabric.dns.get(&host)) {
                Some(addrs) if !addrs.is_empty() => {
                    targets.extend(addrs.iter().map(|&addr| Target { name: name.clone(), addr }));
                }
                _ => unresolved += 1,
            }
        }
        let input = Input::Seeds { life: self.life, targets, unresolved };
        fabric.schedule_at(fabric.now + LOOKUP, self.id, input);
    }

    fn ask(&mut self, fabric: &mut Fabric, id: AskId, question: Question, deadline: Time) {
        if self.latest_ask >= Some(id) {
            self.break_promise(format!("{id:?} was asked after {:?}", self.latest_ask));
        }
        if deadline < fabric.now {
            self.break_promise(format!("{id:?} could be answered until {deadline:?} only"));
        }
        self.latest_ask = Some(id);
        self.asks.insert(id, deadline);
        if self.script.guest.is_some() {
            self.heard.push(Heard::Asked { host: self.id, life: self.life, ask: id, question });
        } else if let Some((wait, reply)) = self.app.consider(&question) {
            let input = Input::Reply { life: self.life, ask: id, reply };
            fabric.schedule_at(fabric.now + wait, self.id, input);
        }
    }

    pub(super) fn break_promise(&mut self, what: String) {
        self.broken.get_or_insert(what);
    }

    /// Nonces for one more exchange.
    pub(super) fn next_nonces(&mut self) -> Nonces {
        self.exchanges += 1;
        Nonces::seeded(self.child(Purpose::Nonces, self.exchanges))
    }

    fn child(&self, purpose: Purpose, number: u64) -> u64 {
        let first = (self.id.0 as u64) << 32 | u64::from(self.life);
        seed::child(self.seed, purpose, first, number)
    }
}

impl Held {
    /// Keeps an input; packets that no longer fit are lost, as in a kernel's buffer.
    /// Timers are not kept: they are set anew on resuming.
    fn hold(&mut self, input: Input, depth: usize, fabric: &mut Fabric) {
        match input {
            Input::Packet { bytes, .. } if self.packets.len() >= depth => fabric.recycle(bytes),
            Input::Packet { .. } => self.packets.push_back(input),
            Input::Piece { .. } | Input::Reply { .. } | Input::Seeds { .. } | Input::Verdict { .. } => {
                self.control.push(input);
            }
            Input::Timer { .. } | Input::ExchangeTimer { .. } => {}
        }
    }
}

/// The bytes that come before everything else of a pool.
pub(super) fn prefix(pool: &CheckedPool) -> Vec<u8> {
    match pool.config().framing {
        Framing::Prefix => pool.config().id.prefix().to_vec(),
        Framing::Label(_) | Framing::Bare => Vec::new(),
    }
}

/// How long the name servers take to answer.
const LOOKUP: Duration = Duration::from_millis(10);
/// Timers fire up to this late, as those of a runtime do.
pub(super) const LATENESS: Duration = Duration::from_millis(1);
/// What label, encryption and message types can add to a datagram of the application.
const LAYERS_MAX: usize = 320;
