//! What must hold on every host after every event.
//!
//! An [`Observer`] keeps what its host believed at the last look and compares: for one
//! subject, incarnation and then state (alive, suspect, gone) only ever rise, unless the
//! subject was forgotten in between or its name was taken over. A [`Ledger`] knows which
//! incarnations nodes gave themselves, so that nobody can hold a higher one, and where they
//! run, so that no name moves away from a process that has it.
//!
//! Looks are cheap: they happen when a machine's version has changed, and members that
//! stayed where they were in the table are compared without a search.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use crate::base::addr::NodeAddr;
use crate::base::name::NodeName;
use crate::base::time::Time;
use crate::pool::action::{Notice, UserMessage};
use crate::sim::seed::Fingerprint;
use crate::swim::node::{Member, State};

/// Which incarnation each node has given itself at most, in any of its lives, and where
/// processes of its name run.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    claims: BTreeMap<NodeName, u32>,
    homes: BTreeSet<(NodeName, NodeAddr)>,
}

impl Ledger {
    /// The node `name` is of this incarnation, and says so itself.
    pub(super) fn claim(&mut self, name: &NodeName, incarnation: u32) {
        match self.claims.get_mut(name) {
            Some(claimed) => *claimed = incarnation.max(*claimed),
            None => _ = self.claims.insert(name.clone(), incarnation),
        }
    }

    /// A process of this name runs at this address from now on, or no more.
    pub(super) fn settle(&mut self, name: &NodeName, addr: NodeAddr, runs: bool) {
        let home = (name.clone(), addr);
        _ = if runs { self.homes.insert(home) } else { self.homes.remove(&home) };
    }

    /// Whether nobody of the member's name is where it is.
    fn is_vacant(&self, member: &Member) -> bool {
        !self.homes.contains(&(member.name().clone(), member.node.addr))
    }

    fn allows(&self, member: &Member) -> Result<(), String> {
        match self.claims.get(member.name()) {
            Some(&claimed) if member.incarnation <= claimed => Ok(()),
            Some(claimed) => Err(format!("holds {}, which itself never went beyond {claimed}", show(member))),
            None => Err(format!("holds {}, a name that nobody has", show(member))),
        }
    }
}

/// A state that a host has given to a node, and the one before.
#[derive(Debug, Clone)]
pub(super) struct Change {
    pub(super) name: NodeName,
    pub(super) to: State,
}

/// What one life of a host believed when it was last looked at.
#[derive(Debug, Default)]
pub(super) struct Observer {
    reclaim: Duration,
    version: Option<u64>,
    incarnation: u32,
    entries: Vec<Entry>,
    places: BTreeMap<NodeName, usize>,
    announced: BTreeSet<NodeName>,
    /// Relayed broadcasts that the application was told of, by instance and number.
    relayed: BTreeSet<(u64, u64)>,
    isolated: bool,
    live: usize,
    names: u64,
    facts: u64,
    changes: Vec<Change>,
}

#[derive(Debug)]
struct Entry {
    member: Member,
    since: Time,
    name_print: u64,
    facts_print: u64,
}

impl Observer {
    /// An observer on a host that lets the names of the dead be taken over after
    /// `reclaim`, or not at all if it is zero.
    pub(super) fn new(reclaim: Duration) -> Self {
        Self { reclaim, ..Self::default() }
    }

    /// Whether something may have changed since the last look.
    pub(super) fn is_outdated(&self, version: u64) -> bool {
        self.version != Some(version)
    }

    /// The incarnation the host gave itself, if it has changed since the last look.
    pub(super) fn has_risen(&mut self, incarnation: u32) -> bool {
        std::mem::replace(&mut self.incarnation, incarnation) != incarnation
    }

    /// Hears what the application is told: joining and leaving alternate, no relayed
    /// broadcast comes twice, and whoever is isolated is healed before it is isolated again.
    pub(super) fn hear(&mut self, notice: &Notice) -> Result<(), String> {
        let (member, fits) = match notice {
            Notice::Joined(member) => {
                (member, self.announced.insert(member.name().clone()) && member.state == State::Alive)
            }
            Notice::Left(member) => (member, self.announced.remove(member.name()) && !member.state.is_live()),
            Notice::Updated(member) => {
                (member, self.announced.contains(member.name()) && member.state == State::Alive)
            }
            Notice::Message(message) => return self.hear_message(message),
            Notice::Isolated if std::mem::replace(&mut self.isolated, true) => {
                return Err("is told twice that it is isolated".to_owned());
            }
            Notice::Healed { .. } => {
                self.isolated = false;
                return Ok(());
            }
            _ => return Ok(()),
        };
        if fits { Ok(()) } else { Err(format!("is told of {} out of turn: {notice:?}", member.name())) }
    }

    fn hear_message(&mut self, message: &UserMessage) -> Result<(), String> {
        let Some(origin) = &message.origin else { return Ok(()) };
        if self.relayed.insert((origin.instance, origin.sequence)) {
            Ok(())
        } else {
            Err(format!("is told twice of broadcast {} of {}", origin.sequence, origin.node))
        }
    }

    /// Looks at what the host believes now.
    pub(super) fn look(
        &mut self,
        now: Time,
        version: u64,
        members: impl Iterator<Item = Member>,
        ledger: &Ledger,
    ) -> Result<(), String> {
        self.changes.clear();
        let before = std::mem::take(&mut self.entries);
        self.entries.reserve(before.len() + 1);
        let mut met = 0;
        for (place, member) in members.enumerate() {
            let stayed = before.get(place).filter(|entry| is_same(&entry.member, &member));
            let moved = || before.get(*self.places.get(member.name())?);
            let known = stayed.or_else(|| moved().filter(|entry| is_same(&entry.member, &member)));
            met += usize::from(known.is_some());
            if stayed.is_none() {
                self.places.insert(member.name().clone(), place);
            }
            let entry = self.compare(now, known, member, ledger)?;
            self.entries.push(entry);
        }
        if met < before.len() {
            self.forget(&before)?;
        }
        if self.places.len() != self.entries.len() {
            return Err(format!("lists {} members of {} names", self.entries.len(), self.places.len()));
        }
        self.version = Some(version);
        self.sum_up()
    }

    /// The states given by the latest look.
    pub(super) fn take_changes(&mut self) -> Vec<Change> {
        std::mem::take(&mut self.changes)
    }

    /// What the host believed of a node when last looked at.
    pub(super) fn member(&self, name: &NodeName) -> Option<&Member> {
        self.entries.get(*self.places.get(name)?).map(|entry| &entry.member)
    }

    /// The members it held, in the order of its table.
    pub(super) fn members(&self) -> impl Iterator<Item = &Member> {
        self.entries.iter().map(|entry| &entry.member)
    }

    /// How many members it held alive, suspect, dead, left.
    pub(super) fn count(&self) -> [u64; 4] {
        let mut count = [0; 4];
        for entry in &self.entries {
            count[entry.member.state as usize] += 1;
        }
        count
    }

    /// How many members it held live, and a hash over their names.
    pub(super) fn live_names(&self) -> (usize, u64) {
        (self.live, self.names)
    }

    /// A hash over everything it believed of live members.
    pub(super) fn live_facts(&self) -> u64 {
        self.facts
    }

    fn compare(
        &mut self,
        now: Time,
        known: Option<&Entry>,
        member: Member,
        ledger: &Ledger,
    ) -> Result<Entry, String> {
        if let Some(entry) = known.filter(|entry| is_unchanged(&entry.member, &member)) {
            let &Entry { since, name_print, facts_print, .. } = entry;
            return Ok(Entry { member, since, name_print, facts_print });
        }
        ledger.allows(&member)?;
        if let Some(entry) = known {
            self.follows(now, entry, &member, ledger)?;
        }
        let state = known.map(|entry| entry.member.state);
        if state != Some(member.state) {
            self.changes.push(Change { name: member.name().clone(), to: member.state });
        }
        if member.state.is_live() != self.announced.contains(member.name()) {
            return Err(format!("holds {} without having told the application", show(&member)));
        }
        let since = known.filter(|entry| entry.member.state == member.state).map_or(now, |entry| entry.since);
        let (name_print, facts_print) = prints(&member);
        Ok(Entry { member, since, name_print, facts_print })
    }

    /// Whether a belief may follow the one before it.
    fn follows(&self, now: Time, old: &Entry, new: &Member, ledger: &Ledger) -> Result<(), String> {
        let before = &old.member;
        let (from, to) = ((before.incarnation, rank(before.state)), (new.incarnation, rank(new.state)));
        let broken = if before.node.addr != new.node.addr {
            let reclaimable = !self.reclaim.is_zero() && now.since(old.since) > self.reclaim;
            let free = before.state == State::Left || before.state == State::Dead && reclaimable;
            let free = free || ledger.is_vacant(before);
            (!free).then_some("moves a name that is not free")
        } else if to < from {
            Some("goes back")
        } else if to == from && before.state != new.state {
            Some("changes how a node went")
        } else {
            None
        };
        broken.map_or(Ok(()), |broken| Err(format!("{broken}: from {} to {}", show(before), show(new))))
    }

    /// Those that are gone were gone before: only the dead and departed are forgotten.
    fn forget(&mut self, before: &[Entry]) -> Result<(), String> {
        for entry in before {
            let name = entry.member.name();
            let place = self.places.get(name).and_then(|&place| self.entries.get(place));
            if place.is_some_and(|place| is_same(&place.member, &entry.member)) {
                continue;
            }
            self.places.remove(name);
            if entry.member.state.is_live() {
                return Err(format!("forgot {}", show(&entry.member)));
            }
        }
        Ok(())
    }

    fn sum_up(&mut self) -> Result<(), String> {
        (self.live, self.names, self.facts) = (0, 0, 0);
        for entry in self.entries.iter().filter(|entry| entry.member.state.is_live()) {
            self.live += 1;
            self.names ^= entry.name_print;
            self.facts ^= entry.facts_print;
        }
        if self.live != self.announced.len() {
            return Err(format!("holds {} live members but told of {}", self.live, self.announced.len()));
        }
        Ok(())
    }
}

/// A hash over a member's name, and one over all that is believed of it.
pub(super) fn prints(member: &Member) -> (u64, u64) {
    let mut print = Fingerprint::default();
    print.bytes(member.name().as_bytes());
    let name = print.value();
    print.bytes(member.node.addr.ip.as_bytes());
    print.bytes(member.meta());
    print.bytes(&member.node.versions.to_bytes());
    print.word(u64::from(member.node.addr.port) << 32 | u64::from(member.incarnation));
    print.word(member.state as u64);
    (name, print.value())
}

fn is_same(one: &Member, other: &Member) -> bool {
    Arc::ptr_eq(&one.node, &other.node) || one.name() == other.name()
}

fn is_unchanged(one: &Member, other: &Member) -> bool {
    Arc::ptr_eq(&one.node, &other.node) && one.incarnation == other.incarnation && one.state == other.state
}

/// How far gone a state is: an incarnation's states only ever rise.
fn rank(state: State) -> u8 {
    match state {
        State::Alive => 0,
        State::Suspect => 1,
        State::Dead | State::Left => 2,
    }
}

/// A member on one line.
pub(super) fn show(member: &Member) -> String {
    format!("{} {} {} (incarnation {})", member.name(), member.addr(), member.state, member.incarnation)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::swim::node::{Meta, Node, Versions};

    fn member(name: &str, state: State, incarnation: u32) -> Member {
        let addr = NodeAddr::from(std::net::SocketAddr::from(([10, 0, 0, 1], 7946)));
        let node = Node { name: name.into(), addr, meta: Meta::default(), versions: Versions::default() };
        Member { node: Arc::new(node), state, incarnation }
    }

    /// An observer that has seen one member, at incarnation 3.
    fn seeing(state: State) -> (Observer, Ledger) {
        let (mut observer, mut ledger) = (Observer::new(Duration::ZERO), Ledger::default());
        ledger.claim(&"a".into(), 9);
        observer.hear(&Notice::Joined(member("a", State::Alive, 3))).unwrap();
        if !state.is_live() {
            observer.hear(&Notice::Left(member("a", state, 3))).unwrap();
        }
        observer.look(Time::ZERO, 1, [member("a", state, 3)].into_iter(), &ledger).unwrap();
        (observer, ledger)
    }

    fn then(before: State, members: &[Member]) -> Result<(), String> {
        let (mut observer, ledger) = seeing(before);
        for member in members.iter().filter(|member| member.state.is_live() && !before.is_live()) {
            observer.hear(&Notice::Joined(member.clone())).unwrap();
        }
        observer.look(Time::ZERO, 2, members.iter().cloned(), &ledger)
    }

    #[test]
    fn beliefs_may_rise() {
        assert_eq!(then(State::Alive, &[member("a", State::Suspect, 3)]), Ok(()));
        assert_eq!(then(State::Suspect, &[member("a", State::Alive, 4)]), Ok(()));
        assert_eq!(then(State::Dead, &[member("a", State::Alive, 4)]), Ok(()));
        assert_eq!(then(State::Left, &[]), Ok(()));
    }

    #[test]
    fn beliefs_may_not_go_back() {
        for (before, after) in [
            (State::Suspect, member("a", State::Alive, 3)),
            (State::Alive, member("a", State::Alive, 2)),
            (State::Dead, member("a", State::Alive, 3)),
        ] {
            let error = then(before, std::slice::from_ref(&after)).unwrap_err();
            assert!(error.contains("goes back"), "{error}");
        }
    }

    #[test]
    fn the_dead_do_not_turn_into_the_departed() {
        let error = then(State::Dead, &[member("a", State::Left, 3)]).unwrap_err();

        assert!(error.contains("how a node went"), "{error}");
    }

    #[test]
    fn nobody_raises_the_incarnation_of_another() {
        let error = then(State::Alive, &[member("a", State::Alive, 10)]).unwrap_err();

        assert!(error.contains("never went beyond 9"), "{error}");
    }

    #[test]
    fn the_living_are_not_forgotten() {
        let error = then(State::Suspect, &[]).unwrap_err();

        assert!(error.contains("forgot"), "{error}");
    }

    #[test]
    fn a_member_is_listed_once() {
        let twice = [member("a", State::Alive, 3), member("a", State::Alive, 3)];

        assert!(then(State::Alive, &twice).is_err());
    }

    #[test]
    fn joining_and_leaving_alternate() {
        let (mut observer, _) = seeing(State::Alive);

        assert!(observer.hear(&Notice::Joined(member("a", State::Alive, 4))).is_err());
        assert!(observer.hear(&Notice::Left(member("b", State::Dead, 1))).is_err());
    }
}
