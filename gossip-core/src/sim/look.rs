//! Looking at a world: what hosts believe, what applications were told, what it cost.

use std::net::SocketAddr;

use crate::base::addr::Target;
use crate::base::ids::TaskId;
use crate::base::name::NodeName;
use crate::base::time::Time;
use crate::pool::action::Outcome;
use crate::pool::machine::Machine;
use crate::sim::app::App;
use crate::sim::checks;
use crate::sim::fabric::Traffic;
use crate::sim::host::{Host, HostId};
use crate::sim::report::Report;
use crate::sim::world::World;
use crate::swim::node::{Member, State};
use crate::swim::tuning::Tuning;

impl World {
    /// What time it is.
    pub fn now(&self) -> Time {
        self.fabric.now
    }

    /// The name of a host's node.
    pub fn name(&self, host: HostId) -> NodeName {
        self.hosts[host.index()].identity.name.clone()
    }

    /// Where a host is reached.
    pub fn addr(&self, host: HostId) -> SocketAddr {
        self.hosts[host.index()].addr()
    }

    /// A host as a target, by name and address.
    pub fn target(&self, host: HostId) -> Target {
        Target { name: Some(self.name(host)), addr: self.addr(host) }
    }

    /// Whether a host runs.
    pub fn is_up(&self, host: HostId) -> bool {
        self.hosts[host.index()].machine.is_some()
    }

    /// Whether a host stands still.
    pub fn is_paused(&self, host: HostId) -> bool {
        self.hosts[host.index()].is_paused()
    }

    /// How often a host has been started.
    pub fn life(&self, host: HostId) -> u32 {
        self.hosts[host.index()].life
    }

    /// The machine of a host that runs.
    pub fn machine(&self, host: HostId) -> &Machine {
        match &self.hosts[host.index()].machine {
            Some(machine) => machine,
            None => self.fail(&format!("{} is down", self.name(host))),
        }
    }

    /// The application of a host.
    pub fn app(&self, host: HostId) -> &App {
        &self.hosts[host.index()].app
    }

    /// How a command ended, if it has.
    pub fn outcome(&self, host: HostId, task: TaskId) -> Option<&Outcome> {
        self.app(host).outcome(task)
    }

    /// What a host believes of another.
    pub fn belief(&self, observer: HostId, subject: HostId) -> Option<&Member> {
        let host = &self.hosts[observer.index()];
        host.observer.member(&self.hosts[subject.index()].identity.name)
    }

    /// The state a host gives to another.
    pub fn state(&self, observer: HostId, subject: HostId) -> Option<State> {
        self.belief(observer, subject).map(|member| member.state)
    }

    /// Whether every host that runs, the subject apart, gives it this state.
    pub fn all_see(&self, subject: HostId, state: State) -> bool {
        self.running().all(|host| host.id == subject || self.state(host.id, subject) == Some(state))
    }

    /// Whether every host that runs, the subject apart, has forgotten it.
    pub fn all_forgot(&self, subject: HostId) -> bool {
        self.running().all(|host| host.id == subject || self.state(host.id, subject).is_none())
    }

    /// Whether every host's live members are exactly those that run and have not left.
    pub fn converged(&self) -> bool {
        let names = self.staying().map(|(_, local)| checks::prints(&local).0);
        let truth = names.fold((0, 0), |(count, names), print| (count + 1, names ^ print));
        self.staying().all(|(host, _)| host.observer.live_names() == truth)
    }

    /// Whether, moreover, all know the same facts of each other, and suspect nobody.
    pub fn agreed(&self) -> bool {
        let facts = self.staying().map(|(_, local)| checks::prints(&local).1);
        let truth = facts.fold(0, |facts, print| facts ^ print);
        self.converged() && self.staying().all(|(host, _)| host.observer.live_facts() == truth)
    }

    /// The protocol's numbers on a host.
    pub fn tuning(&self, host: HostId) -> &Tuning {
        self.hosts[host.index()].pool.tuning()
    }

    /// What a host has sent.
    pub fn traffic(&self, host: HostId) -> Traffic {
        self.fabric.traffic[host.index()]
    }

    /// How often a node that ran was declared dead, each observer counted.
    pub fn false_alarms(&self) -> u64 {
        self.watch.false_alarms()
    }

    /// The run so far, summed up.
    pub fn report(&self) -> Report {
        Report {
            seed: self.seed(),
            hosts: self.hosts.len(),
            events: self.fabric.events,
            fingerprint: self.fabric.fingerprint.value(),
            traffic: self.fabric.traffic.iter().fold(Traffic::default(), Traffic::plus),
            ..self.watch.report(self.fabric.now)
        }
    }

    /// Where views differ from the truth, in words: the first few.
    pub fn describe(&self) -> String {
        let mut lines = Vec::new();
        let staying: Vec<_> = self.staying().collect();
        for (host, _) in &staying {
            for (other, truth) in &staying {
                let held = self.belief(host.id, other.id);
                if held != Some(truth) {
                    let held = held.map_or_else(|| "nothing".to_owned(), checks::show);
                    let truth = checks::show(truth);
                    lines.push(format!("  {} holds {held}, true is {truth}", host.identity.name));
                }
            }
            let live = host.observer.members().filter(|member| member.state.is_live());
            for member in
                live.filter(|member| !staying.iter().any(|(_, local)| local.name() == member.name()))
            {
                lines.push(format!("  {} holds {}, which is gone", host.identity.name, checks::show(member)));
            }
        }
        match lines.len() {
            0 => "all views agree".to_owned(),
            count => format!("{count} beliefs are wrong:\n{}", lines[..count.min(10)].join("\n")),
        }
    }

    fn running(&self) -> impl Iterator<Item = &Host> {
        self.hosts.iter().filter(|host| host.machine.is_some())
    }

    /// Hosts that run and have not left, and what they say of themselves.
    fn staying(&self) -> impl Iterator<Item = (&Host, Member)> {
        let running = self.hosts.iter().filter_map(|host| Some((host, host.machine.as_ref()?)));
        let staying = running.filter(|(_, machine)| !machine.has_left());
        staying.filter_map(|(host, machine)| Some((host, machine.local()?)))
    }
}
