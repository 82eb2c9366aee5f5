//! What can go wrong: cuts in the network, computers that crash, come back, or stand still.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

use crate::base::ids::TaskId;
use crate::sim::fabric::{Packet, Rule, RuleGuard, Verdict};
use crate::sim::host::HostId;
use crate::sim::world::World;

impl World {
    /// Cuts the network between the groups until the guard is dropped. Hosts in no group
    /// reach everybody.
    pub fn partition(&mut self, groups: &[&[HostId]]) -> RuleGuard {
        let sides = groups.iter().enumerate();
        let side = sides.flat_map(|(side, hosts)| hosts.iter().map(move |&host| (host, side))).collect();
        self.rule(Partition { side })
    }

    /// Cuts the way from one host to another, but not back, until the guard is dropped.
    pub fn cut(&mut self, from: HostId, to: HostId) -> RuleGuard {
        self.rule(move |packet: &Packet<'_>| drop_if(packet.from == from && packet.to == to))
    }

    /// Takes a host off the network until the guard is dropped. Unlike after a crash,
    /// those who dial it get no answer at all.
    pub fn isolate(&mut self, host: HostId) -> RuleGuard {
        self.rule(move |packet: &Packet<'_>| drop_if((packet.from == host) != (packet.to == host)))
    }

    /// Ends a host's process without a word: datagrams to it vanish, connections to it
    /// are refused, those it had are reset.
    pub fn crash(&mut self, host: HostId) {
        let now = self.fabric.now;
        self.hosts[host.index()].crash(&mut self.fabric);
        self.settle(host, false);
        self.watch.crashed(host, now);
    }

    /// Starts a process on a crashed host, which knows nothing of the one before but has
    /// its name and address.
    pub fn restart(&mut self, host: HostId) {
        if self.is_up(host) {
            self.crash(host);
        }
        let now = self.fabric.now;
        self.settle(host, true);
        self.hosts[host.index()].start(&mut self.fabric);
        self.watch.started(host, now);
        self.inspect(host);
    }

    /// Starts a process of the same name at an address where nobody was before.
    pub fn restart_elsewhere(&mut self, host: HostId) {
        if self.is_up(host) {
            self.crash(host);
        }
        let old = self.addr(host);
        let IpAddr::V4(ip) = old.ip() else { panic!("{old} is no simulated address") };
        let [_, net, high, low] = ip.octets();
        self.restart_at(host, SocketAddr::from(([10, net + 1, high, low], old.port())));
    }

    /// The same at a certain address, that of a crashed host or one that nobody has.
    pub fn restart_at(&mut self, host: HostId, addr: SocketAddr) {
        if self.is_up(host) {
            self.crash(host);
        }
        self.fabric.unroute(self.addr(host));
        self.hosts[host.index()].identity.addr = addr.into();
        self.restart(host);
    }

    fn settle(&mut self, host: HostId, runs: bool) {
        let identity = &self.hosts[host.index()].identity;
        self.ledger.settle(&identity.name, identity.addr, runs);
    }

    /// Freezes a host: what reaches it waits, its timers stand still. Its kernel still
    /// accepts connections.
    pub fn pause(&mut self, host: HostId) {
        self.hosts[host.index()].pause();
    }

    /// Lets a frozen host go on: it handles what has waited, then timers that are due.
    pub fn resume(&mut self, host: HostId) {
        self.hosts[host.index()].resume(&mut self.fabric);
        self.inspect(host);
    }

    /// Says goodbye; the process goes on until it is crashed.
    pub fn leave(&mut self, host: HostId) -> TaskId {
        self.task(host, |machine, now| machine.leave(now, None))
    }
}

/// A network in parts.
struct Partition {
    side: BTreeMap<HostId, usize>,
}

impl Rule for Partition {
    fn on_packet(&mut self, packet: &Packet<'_>) -> Verdict {
        match (self.side.get(&packet.from), self.side.get(&packet.to)) {
            (Some(from), Some(to)) => drop_if(from != to),
            _ => Verdict::Pass,
        }
    }
}

fn drop_if(cut: bool) -> Verdict {
    if cut { Verdict::Drop } else { Verdict::Pass }
}
