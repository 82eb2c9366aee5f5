//! Finding the others again: standing seeds, and members that were lost.
//!
//! memberlist forgets a dead member after `gossip_to_the_dead_time`. Two halves of a cluster
//! that were cut apart for longer are strangers from then on, and stay so until somebody
//! joins. Here the machine does it, in turns:
//!
//! ```text
//!  each reconnect_interval ---> some seed is no member: Resolve .. set_seeds --> push/pull
//!  (1, 2, 4 s .. while alone)   a lost member: does it answer to its name? ----> push/pull
//! ```
//!
//! - **Nothing for nothing.** Seeds that are members are left alone; names are only looked up
//!   again now and then.
//! - **The cluster shares the work.** A node in company takes its turn with a probability
//!   that makes all of them together try each address about once in an interval, however
//!   many they are (Go: Serf's `reconnect`). One that is alone takes every turn.
//! - **Nobody is met for somebody else.** An address may have been given to a node of
//!   another cluster since; a lost member is therefore asked for by name before states are
//!   exchanged. Seeds are taken at their word.
//! - **Once more, soon.** If both sides still hold each other dead, the first exchange makes
//!   each refute, and only a second one carries the refutations.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tracing::{debug, info};

use crate::base::addr::Target;
use crate::base::limit::warn_limited;
use crate::base::name::NodeName;
use crate::base::rng::Rng;
use crate::base::time::Time;
use crate::pool::action::{Action, Notice, Outcome};
use crate::pool::machine::{Machine, Timer};
use crate::swim::node::{Member, Node, State};
use crate::swim::timers::TimerKey;

/// The first wait of a node that is alone; doubled up to `reconnect_interval`.
const FIRST_WAIT: Duration = Duration::from_secs(1);

/// Lost members remembered; those lost longest ago make room.
const LOST_MAX: usize = 1024;

/// Seeds and lost members tried in a turn by a node that is alone, and by one that is not.
const ALONE: Share = Share { seeds: 16, lost: 3 };
const IN_COMPANY: Share = Share { seeds: 2, lost: 1 };

/// Joins of this kind under way at a time.
const RUNNING_MAX: usize = 4;

/// In each so-manieth turn names are looked up again although nobody is missing, and seeds
/// are tried that answered before without being the address of a member.
const QUIET_TURNS: u32 = 10;

/// Exchanges in a row with those whom we still hold dead after the first.
const AGAIN_MAX: u32 = 5;

/// Members that come back within such a time of each other are told of together, ...
const SETTLE: Duration = Duration::from_secs(2);
/// ... up to this long after the first of them.
const SETTLE_MAX: Duration = Duration::from_secs(10);

/// How much is tried in a turn.
struct Share {
    seeds: usize,
    lost: usize,
}

/// What is remembered in order to find the others again.
#[derive(Debug)]
pub(super) struct Rejoin {
    /// Where the seeds are, as last looked up.
    seeds: Vec<Target>,
    /// Seeds that have no address.
    unresolved: usize,
    /// The host is looking them up.
    looking_up: bool,
    /// Those known before are to be tried as well, if they are no members.
    retry: bool,
    lost: BTreeMap<NodeName, Lost>,
    /// Seeds that answered without becoming members: there is more than one node behind them.
    answered: BTreeSet<SocketAddr>,
    /// Whoever was reached and is held dead all the same.
    again: Vec<Target>,
    agains: u32,
    turns: u32,
    /// The longest wait for the next turn of a node that is alone.
    patience: Duration,
    turn: Option<TimerKey>,
    /// Joins under way.
    pub(super) running: usize,
    /// Somebody was met, or all seeds were tried: from now on it is no beginning to be alone.
    begun: bool,
    pub(super) isolated: bool,
    /// Lost members that came back, and are not told of yet.
    returned: usize,
    healing: Option<Healing>,
    rng: Rng,
}

/// A member that was lost.
#[derive(Debug)]
struct Lost {
    node: Arc<Node>,
    at: Time,
}

/// Members are coming back.
#[derive(Debug)]
struct Healing {
    since: Time,
    timer: TimerKey,
}

impl Rejoin {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            seeds: Vec::new(),
            unresolved: 0,
            looking_up: false,
            retry: false,
            lost: BTreeMap::new(),
            answered: BTreeSet::new(),
            again: Vec::new(),
            agains: 0,
            turns: 0,
            patience: FIRST_WAIT,
            turn: None,
            running: 0,
            begun: false,
            isolated: false,
            returned: 0,
            healing: None,
            rng: Rng::from_seed(seed),
        }
    }

    /// Seeds without an address.
    pub(super) fn unresolved(&self) -> usize {
        self.unresolved
    }

    /// Who they are.
    pub(super) fn lost_names(&self) -> BTreeSet<NodeName> {
        self.lost.keys().cloned().collect()
    }

    /// Lost members that are remembered.
    pub(super) fn lost(&self) -> usize {
        self.lost.len()
    }

    /// A random wait, no longer than `longest` and no shorter than half of it.
    fn wait(&mut self, longest: Duration) -> Duration {
        longest / 2 + self.rng.up_to(longest / 2) + Duration::from_nanos(1)
    }

    /// Some of the lost at random, rather those lost a short time ago: of a long list most
    /// will never come back, while whoever was cut off went with the latest.
    fn pick_lost(&mut self, now: Time, interval: Duration, count: usize) -> Vec<Arc<Node>> {
        let Self { lost, rng, .. } = self;
        let mut drawn: Vec<_> = lost
            .values()
            .map(|lost| {
                let age = (now.since(lost.at) + interval).as_secs_f64();
                (-(1.0 - rng.unit()).ln() * age, &lost.node)
            })
            .collect();
        drawn.sort_by(|one, other| one.0.total_cmp(&other.0));
        drawn.into_iter().take(count).map(|(_, node)| Arc::clone(node)).collect()
    }
}

impl Machine {
    /// Where the seeds of the configuration are now, the answer to `Action::Resolve`;
    /// `unresolved` have no address. Those that are no members are joined.
    pub fn set_seeds(&mut self, now: Time, targets: Vec<Target>, unresolved: usize) {
        let now = self.at(now);
        self.rejoin.looking_up = false;
        let before = std::mem::replace(&mut self.rejoin.seeds, targets);
        self.rejoin.unresolved = unresolved;
        let alone = !self.swim.has_peers();
        let mut missing = self.missing_seeds();
        if !self.rejoin.retry {
            missing.retain(|seed| !before.contains(seed));
        }
        if missing.is_empty() || self.swim.has_left {
            self.rejoin.begun = true;
            return self.consider_isolation(now);
        }
        self.rejoin.rng.shuffle(&mut missing);
        missing.truncate(if alone { ALONE.seeds } else { IN_COMPANY.seeds });
        self.rejoin(now, missing);
    }

    /// The first turn, if there are seeds.
    pub(super) fn begin_rejoining(&mut self, now: Time) {
        if !self.config.seeds.is_empty() {
            self.set_turn(now, Duration::ZERO);
        }
    }

    /// Tries to find whoever is missing.
    pub(super) fn rejoin_turn(&mut self, now: Time) {
        self.rejoin.turn = None;
        self.rejoin.turns += 1;
        self.rejoin.agains = 0;
        self.forget_lost(now);
        let (interval, live) = (self.config.reconnect_interval, self.swim.live());
        let alone = live <= 1;
        let wait = if alone { self.rejoin.patience } else { interval };
        self.rejoin.patience = if alone { (wait * 2).min(interval) } else { FIRST_WAIT };
        let has_someone = !self.config.seeds.is_empty() || !self.rejoin.lost.is_empty();
        if has_someone && !interval.is_zero() {
            let wait = self.rejoin.wait(wait.min(interval));
            self.set_turn(now, wait);
        }
        if self.swim.has_left {
            return;
        }
        let is_quiet_turn = self.rejoin.turns.is_multiple_of(QUIET_TURNS);
        if is_quiet_turn {
            self.rejoin.answered.clear();
        }
        let first = self.rejoin.turns == 1;
        let missing = self.missing_seeds().len() + self.rejoin.unresolved + usize::from(first);
        // At least three of all nodes take each turn, so that chance alone makes nobody wait.
        let wanted = (missing + self.rejoin.lost.len()).max(3);
        let ours = alone || self.rejoin.rng.chance(wanted as f64 / live as f64);
        let look_up = ours && (missing > 0 || alone) || is_quiet_turn;
        if look_up && !self.config.seeds.is_empty() && !self.rejoin.looking_up {
            self.rejoin.looking_up = true;
            self.rejoin.retry = ours;
            self.actions.push_back(Action::Resolve);
        }
        if ours {
            let count = if alone { ALONE.lost } else { IN_COMPANY.lost };
            for node in self.rejoin.pick_lost(now, interval, count) {
                debug!(member = %node.name, addr = %node.addr, "looking for a lost member");
                self.swim.look_for(now, node);
            }
        }
    }

    /// A lost member answers to its name.
    pub(super) fn found(&mut self, now: Time, node: &Node) {
        if !self.swim.has_left && self.rejoin.lost.contains_key(&node.name) {
            self.rejoin(now, vec![Target { name: Some(node.name.clone()), addr: node.addr.socket_addr() }]);
        }
    }

    /// Exchanges states with those who were reached before and are held dead all the same.
    pub(super) fn rejoin_again(&mut self, now: Time) {
        let again = std::mem::take(&mut self.rejoin.again);
        let again: Vec<_> = again.into_iter().filter(|target| !self.is_member_at(target.addr)).collect();
        if !again.is_empty() && !self.swim.has_left {
            self.rejoin(now, again);
        }
    }

    fn rejoin(&mut self, now: Time, targets: Vec<Target>) {
        if self.rejoin.running >= RUNNING_MAX {
            return;
        }
        self.rejoin.running += 1;
        self.tally.rejoins += targets.len() as u64;
        self.begin_rejoin(now, targets);
    }

    /// The end of a join that nobody asked for.
    pub(super) fn rejoined(&mut self, now: Time, outcome: Outcome) {
        self.rejoin.running = self.rejoin.running.saturating_sub(1);
        let Outcome::Join(report) = outcome else { return };
        self.rejoin.begun = true;
        self.tally.rejoins_failed += report.failed.len() as u64;
        for addr in report.reached {
            if self.is_member_at(addr) {
                continue;
            }
            match self.gone_at(addr) {
                Some(target) if self.rejoin.agains < AGAIN_MAX => self.rejoin.again.push(target),
                Some(_) => {}
                None => drop(self.rejoin.answered.insert(addr)),
            }
        }
        if !self.rejoin.again.is_empty() {
            self.rejoin.agains += 1;
            let wait = self.rejoin.wait(FIRST_WAIT);
            self.timers.set(now + wait, Timer::RejoinAgain);
        }
        self.consider_isolation(now);
    }

    /// Somebody is a member again, or for the first time.
    pub(super) fn met(&mut self, now: Time, member: &Member) {
        if *member.name() == self.swim.name {
            return;
        }
        if let Some(lost) = self.rejoin.lost.remove(member.name())
            && lost.node.addr == member.node.addr
        {
            self.tally.members_returned += 1;
            self.rejoin.returned += 1;
            self.expect_more(now);
        }
        self.consider_isolation(now);
    }

    /// Somebody is a member no more.
    pub(super) fn lose(&mut self, now: Time, member: &Member) {
        let timeout = self.config.reconnect_timeout;
        if member.state == State::Dead && *member.name() != self.swim.name && !timeout.is_zero() {
            let Rejoin { lost, .. } = &mut self.rejoin;
            if lost.len() >= LOST_MAX
                && let Some((oldest, _)) = lost.iter().min_by_key(|(_, lost)| lost.at)
            {
                let oldest = oldest.clone();
                lost.remove(&oldest);
                self.tally.lost_overflowed += 1;
            }
            lost.insert(member.name().clone(), Lost { node: Arc::clone(&member.node), at: now });
            self.expect_turn(now);
        }
        self.consider_isolation(now);
    }

    /// Members that were lost too long ago, and those whose address another member has now.
    fn forget_lost(&mut self, now: Time) {
        if self.rejoin.lost.is_empty() {
            return;
        }
        let live = self.swim.roster.iter().filter(|record| record.state.is_live());
        let taken: BTreeSet<_> = live.map(|record| record.node.addr).collect();
        let timeout = self.config.reconnect_timeout;
        self.rejoin.lost.retain(|_, lost| now.since(lost.at) < timeout && !taken.contains(&lost.node.addr));
    }

    /// The seeds that are to be tried: neither members nor ourselves.
    fn missing_seeds(&self) -> Vec<Target> {
        let alone = !self.swim.has_peers();
        let is_answered = |addr: &SocketAddr| !alone && self.rejoin.answered.contains(addr);
        let seeds = self.rejoin.seeds.iter().filter(|seed| !self.is_self(seed));
        seeds.filter(|seed| !is_answered(&seed.addr) && !self.is_member_at(seed.addr)).cloned().collect()
    }

    fn is_self(&self, seed: &Target) -> bool {
        seed.addr == self.swim.addr.socket_addr() || seed.name.as_ref() == Some(&self.swim.name)
    }

    fn is_member_at(&self, addr: SocketAddr) -> bool {
        let is_there = |state: State, node: &Node| state.is_live() && node.addr.socket_addr() == addr;
        self.swim.roster.iter().any(|record| is_there(record.state, &record.node))
    }

    /// Whom we hold dead at this address.
    fn gone_at(&self, addr: SocketAddr) -> Option<Target> {
        let dead = self.swim.roster.iter().filter(|record| record.state == State::Dead);
        let mut nodes =
            dead.map(|record| &record.node).chain(self.rejoin.lost.values().map(|lost| &lost.node));
        let node = nodes.find(|node| node.addr.socket_addr() == addr)?;
        Some(Target { name: Some(node.name.clone()), addr })
    }

    /// Tells when this node has become the only member it knows, and when it no longer is.
    pub(super) fn consider_isolation(&mut self, now: Time) {
        if self.swim.has_left {
            return;
        }
        if self.swim.has_peers() {
            self.rejoin.begun = true;
            if self.rejoin.isolated && self.rejoin.healing.is_none() {
                self.expect_more(now);
            }
            return;
        }
        if self.rejoin.isolated || !self.rejoin.begun || !self.misses_somebody() {
            return;
        }
        self.rejoin.isolated = true;
        self.rejoin.patience = FIRST_WAIT;
        if !self.config.reconnect_interval.is_zero() {
            let wait = self.rejoin.wait(FIRST_WAIT);
            self.set_turn(now, wait);
        }
        let (seeds, lost) = (self.config.seeds.len(), self.rejoin.lost.len());
        warn_limited!(
            self.limiter, now, "no other member is reached any more",
            hint: "check the network of this host and its seeds; they are tried until one answers", seeds, lost
        );
        self.notify(Notice::Isolated);
    }

    /// Whether there is anybody to be with.
    fn misses_somebody(&self) -> bool {
        let others = self.rejoin.seeds.iter().any(|seed| !self.is_self(seed));
        others || self.rejoin.unresolved > 0 || !self.rejoin.lost.is_empty()
    }

    /// Waits for others to come back, too, before it is told.
    fn expect_more(&mut self, now: Time) {
        let since = self.rejoin.healing.as_ref().map_or(now, |healing| healing.since);
        if let Some(healing) = self.rejoin.healing.take() {
            self.timers.cancel(healing.timer);
        }
        let timer = self.timers.set((now + SETTLE).min(since + SETTLE_MAX), Timer::Healed);
        self.rejoin.healing = Some(Healing { since, timer });
    }

    /// Nobody came back for a while: tells of those who did.
    pub(super) fn healed(&mut self) {
        self.rejoin.healing = None;
        if !self.swim.has_peers() {
            return;
        }
        self.rejoin.isolated = false;
        let returned = std::mem::take(&mut self.rejoin.returned);
        let missing = self.rejoin.lost.len();
        info!(returned, missing, "members are back");
        self.notify(Notice::Healed { returned, missing });
    }

    /// Sees to it that there is a next turn.
    fn expect_turn(&mut self, now: Time) {
        if self.rejoin.turn.is_none() && !self.config.reconnect_interval.is_zero() {
            let wait = self.rejoin.wait(self.config.reconnect_interval);
            self.set_turn(now, wait);
        }
    }

    fn set_turn(&mut self, now: Time, wait: Duration) {
        if let Some(turn) = self.rejoin.turn.take() {
            self.timers.cancel(turn);
        }
        self.rejoin.turn = Some(self.timers.set(now + wait, Timer::Rejoin));
    }
}
