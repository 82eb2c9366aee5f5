//! The smallest host: a perfect network without delay, and streams that are finished at once.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Duration;

use gossip_core::base::ids::{AskId, ExchangeId, TaskId};
use gossip_core::base::time::Time;
use gossip_core::pool::action::{Action, Asks, Notice, Outcome, Question};
use gossip_core::pool::config::PoolConfig;
use gossip_core::pool::exchange::{Exchange, ExchangeError, ExchangeNews, Opening, Verdict};
use gossip_core::pool::machine::{Identity, Machine, Received};
use gossip_core::pool::own_state::OwnState;
use gossip_core::swim::node::State;
use gossip_core::wire::nonce::Nonces;

/// One machine and what it told its host.
pub(crate) struct Host {
    pub(crate) machine: Machine,
    /// Takes and sends nothing any more.
    pub(crate) is_down: bool,
    /// Datagrams to it and from it get lost.
    pub(crate) is_deaf: bool,
    config: PoolConfig,
    notices: Vec<Notice>,
    done: Vec<(TaskId, Outcome)>,
    asked: Vec<(AskId, Question)>,
    answers: Vec<(ExchangeId, OwnState)>,
    verdicts: Vec<(ExchangeId, Verdict, bool)>,
}

/// Several machines and their time.
pub(crate) struct Hosts {
    pub(crate) list: Vec<Host>,
    pub(crate) now: Time,
    /// The largest datagram sent, prefix included.
    pub(crate) largest: usize,
    /// Push/pulls whose responder has yet to answer: both ends.
    open: Vec<Conversation>,
}

struct Conversation {
    ends: [(usize, ExchangeId, Exchange); 2],
}

/// The address of host `number`.
pub(crate) fn addr(number: usize) -> SocketAddr {
    SocketAddr::from(([10, 0, 0, number as u8], 7946))
}

/// The names that `host` holds in `state`, sorted.
pub(crate) fn names(hosts: &Hosts, host: usize, state: State) -> Vec<String> {
    let members = hosts.list[host].machine.members().filter(|member| member.state == state);
    let mut names: Vec<_> = members.map(|member| member.name().to_string()).collect();
    names.sort();
    names
}

/// `count` hosts that have all joined through the first.
pub(crate) fn joined(count: usize, config: &PoolConfig) -> Hosts {
    let mut hosts = Hosts::new(&vec![config.clone(); count]);
    for host in 1..count {
        hosts.join(host, 0);
    }
    hosts.run_for(Duration::from_secs(3));
    for host in &mut hosts.list {
        host.notices.clear();
        host.done.clear();
    }
    hosts
}

impl Hosts {
    pub(crate) fn new(configs: &[PoolConfig]) -> Self {
        let now = Time::ZERO + Duration::from_secs(1);
        let host = |(number, config): (usize, &PoolConfig)| host(number, config, Asks::default(), now);
        Self { list: configs.iter().enumerate().map(host).collect(), now, largest: 0, open: Vec::new() }
    }

    /// Puts a machine that asks in the place of a host's.
    pub(crate) fn replace(&mut self, number: usize, asks: Asks) {
        self.list[number] = host(number, &self.list[number].config.clone(), asks, self.now);
    }

    pub(crate) fn join(&mut self, host: usize, through: usize) -> TaskId {
        let now = self.now;
        let timeout = Some(Duration::from_secs(10));
        self.list[host].machine.join(now, vec![addr(through).into()], timeout).unwrap()
    }

    pub(crate) fn notices(&mut self, host: usize) -> Vec<Notice> {
        std::mem::take(&mut self.list[host].notices)
    }

    pub(crate) fn done(&mut self, host: usize) -> Vec<(TaskId, Outcome)> {
        std::mem::take(&mut self.list[host].done)
    }

    pub(crate) fn asked(&mut self, host: usize) -> Vec<(AskId, Question)> {
        std::mem::take(&mut self.list[host].asked)
    }

    /// Lets time pass, from one thing that is due to the next.
    pub(crate) fn run_for(&mut self, span: Duration) {
        let end = self.now + span;
        loop {
            self.settle();
            let next = self.list.iter().filter_map(|host| host.machine.poll_timeout()).min();
            let Some(next) = next.filter(|next| *next <= end) else { break };
            self.now = self.now.max(next);
            let now = self.now;
            self.list.iter_mut().for_each(|host| host.machine.handle_timeout(now));
        }
        self.now = end;
    }

    /// Delivers everything until nobody has anything to say.
    fn settle(&mut self) {
        loop {
            let mut packets = VecDeque::new();
            let mut opened = Vec::new();
            for number in 0..self.list.len() {
                self.drain(number, &mut packets, &mut opened);
            }
            if packets.is_empty() && opened.is_empty() && !self.converse() {
                return;
            }
            for (from, to, mut bytes) in packets {
                self.deliver(from, to, &mut bytes);
            }
            for (from, id, to, opening) in opened {
                self.connect(from, id, to, opening);
            }
        }
    }

    fn drain(
        &mut self,
        number: usize,
        packets: &mut VecDeque<(usize, SocketAddr, Vec<u8>)>,
        opened: &mut Vec<(usize, ExchangeId, SocketAddr, Opening)>,
    ) {
        let host = &mut self.list[number];
        loop {
            let mut out = Vec::new();
            if let Some(to) = host.machine.poll_transmit(self.now, &mut out) {
                self.largest = self.largest.max(out.len());
                packets.push_back((number, to, out));
                continue;
            }
            match host.machine.poll_action() {
                None => return,
                Some(Action::Open { id, to, opening, .. }) => opened.push((number, id, to.addr, opening)),
                Some(Action::Answer { id, state }) => host.answers.push((id, state)),
                // None of these tests has standing seeds.
                Some(Action::Drop { .. } | Action::Resolve) => {}
                Some(Action::Tell(notice)) => host.notices.push(notice),
                Some(Action::Deliver { id, message }) => {
                    host.notices.push(Notice::Message(message));
                    host.machine.handle_verdict(self.now, id, Ok(()));
                }
                Some(Action::Settle { id, verdict, rests }) => host.verdicts.push((id, verdict, rests)),
                // Nobody migrates in these tests.
                Some(
                    Action::Finish { .. }
                    | Action::Reply { .. }
                    | Action::Relabel { .. }
                    | Action::Progress { .. },
                ) => {}
                Some(Action::Say { id, message, ticket, deadline }) => {
                    let now = self.now;
                    let ends = self.open.iter_mut().flat_map(|conversation| &mut conversation.ends);
                    let of_it =
                        |(of, its, _): &&mut (usize, ExchangeId, Exchange)| (*of, *its) == (number, id);
                    let (_, _, exchange) = ends.into_iter().find(of_it).unwrap();
                    exchange.handle_message(now, &message, &ticket, deadline);
                }
                Some(Action::Ask { id, question, .. }) => host.asked.push((id, question)),
                Some(Action::Done { id, outcome }) => host.done.push((id, outcome)),
            }
        }
    }

    fn find(&self, to: SocketAddr) -> Option<usize> {
        (0..self.list.len()).find(|&number| addr(number) == to && !self.list[number].is_down)
    }

    fn deliver(&mut self, from: usize, to: SocketAddr, bytes: &mut [u8]) {
        if let Some(receiver) = self.find(to).filter(|_| !self.list[from].is_down) {
            if self.list[receiver].is_deaf || self.list[from].is_deaf {
                return;
            }
            assert_eq!(bytes[..2], self.list[receiver].config.id.prefix());
            let received = Received { from: addr(from), at: self.now, bytes: &mut bytes[2..] };
            self.list[receiver].machine.handle_packet(self.now, received);
        }
    }

    fn connect(&mut self, from: usize, id: ExchangeId, to: SocketAddr, opening: Opening) {
        let now = self.now;
        let receiver = self.find(to).filter(|_| !self.list[from].is_down);
        let Some(receiver) = receiver else {
            let error = ExchangeError::Connect("nobody there".into());
            return self.list[from].machine.handle_exchange(now, id, ExchangeNews::Failed(error));
        };
        let timeout = Duration::from_secs(10);
        let wire = self.list[from].machine.wire().clone();
        let mut outbound = Exchange::outbound(now, wire, Nonces::seeded(1), opening, now + timeout, timeout);
        outbound.handle_connected(now);
        let machine = &mut self.list[receiver].machine;
        let inbound_id = machine.accept(now, addr(from)).unwrap();
        let name = format!("n{receiver}").as_str().into();
        let mut inbound = Exchange::inbound(now, machine.wire().clone(), Nonces::seeded(2), name, timeout);
        // The receiver's port has removed the prefix before the exchange begins.
        while let Some(bytes) = outbound.poll_write() {
            inbound.handle_bytes(now, &bytes[2..]);
        }
        outbound.handle_written(now);
        self.open.push(Conversation { ends: [(from, id, outbound), (receiver, inbound_id, inbound)] });
    }

    /// Lets the open conversations go on; true if anything happened.
    fn converse(&mut self) -> bool {
        let now = self.now;
        let mut happened = false;
        for conversation in &mut self.open {
            for (host, id, exchange) in &mut conversation.ends {
                let host = &mut self.list[*host];
                if let Some(place) = host.answers.iter().position(|(answered, _)| answered == id) {
                    exchange.handle_answer(now, host.answers.swap_remove(place).1);
                    happened = true;
                }
                if let Some(place) = host.verdicts.iter().position(|(settled, ..)| settled == id) {
                    let (_, verdict, rests) = host.verdicts.swap_remove(place);
                    exchange.handle_verdict(now, verdict, rests);
                    happened = true;
                }
            }
            let [(_, _, one), (_, _, other)] = &mut conversation.ends;
            happened |= pass(now, one, other) | pass(now, other, one);
            for (host, id, exchange) in &mut conversation.ends {
                while let Some(news) = exchange.poll_news() {
                    self.list[*host].machine.handle_exchange(now, *id, news);
                    happened = true;
                }
            }
        }
        self.open.retain(|conversation| conversation.ends.iter().any(|(_, _, exchange)| !exchange.is_over()));
        happened
    }
}

/// Hands what `writer` has to say to `reader`; true if it said anything.
fn pass(now: Time, writer: &mut Exchange, reader: &mut Exchange) -> bool {
    let mut said = false;
    while let Some(bytes) = writer.poll_write() {
        reader.handle_bytes(now, &bytes);
        said = true;
    }
    if said {
        writer.handle_written(now);
    }
    said
}

fn host(number: usize, config: &PoolConfig, asks: Asks, now: Time) -> Host {
    let name = format!("n{number}").as_str().into();
    let identity = Identity { name, addr: addr(number).into() };
    let nonces = Nonces::seeded(number as u64);
    let pool = config.clone().check().unwrap();
    let machine = Machine::new(pool, identity, asks, number as u64, nonces, now).unwrap();
    Host {
        machine,
        is_down: false,
        is_deaf: false,
        config: config.clone(),
        notices: Vec::new(),
        done: Vec::new(),
        asked: Vec::new(),
        answers: Vec::new(),
        verdicts: Vec::new(),
    }
}
