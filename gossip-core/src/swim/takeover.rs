//! A known name that turns up at another address: a node that moved, or a second one.
//!
//! memberlist believes the newcomer only once the known node has left, has been dead for
//! the reclaim time, or is forgotten; before, it tells of a conflict (behaviour 4.1, rule
//! 5). Here the address that is known is asked first ([`inquiry`](super::inquiry)). If it
//! answers to the name, there are two nodes of that name, and the conflict is told. If
//! neither it nor anybody for it answers, the node has moved, and the claim holds at once,
//! whatever its incarnation: a new process begins with 1.
//!
//! Each node asks for itself and passes on what it has come to believe, so nobody needs to
//! trust another's word. A node that hears of itself at another address asks there: if that
//! was its former life, it raises its incarnation above it, so that what is still said of
//! that one does not hit this one.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tracing::{debug, info};

use crate::base::addr::NodeAddr;
use crate::base::name::NodeName;
use crate::base::time::Time;
use crate::swim::effect::Effect;
use crate::swim::inquiry::{About, Inquiry};
use crate::swim::node::{Node, State, Versions};
use crate::swim::roster::Record;
use crate::swim::swim::{Swim, Timer};
use crate::wire::message::Alive;

/// Names that may be asked about at a time, those answered to a moment ago among them: whoever
/// makes up claims causes no more pings than that in each [`ANSWER_HOLDS`].
const CONTESTED_MAX: usize = 64;

/// So long an answer holds for further claims to the name; the latest is heard again then.
const ANSWER_HOLDS: Duration = Duration::from_secs(5);

/// So long an address that did not answer may be moved away from: the application may have to
/// admit the newcomer first.
const VACANT_FOR: Duration = Duration::from_secs(10);

/// So long others may still hold a name at the address that it moved away from.
const OLD_NEWS_FOR: Duration = Duration::from_secs(600);

/// Former addresses remembered.
const VACATED_MAX: usize = 1024;

/// What an address says about the name that it comes with.
pub(crate) enum Claim {
    /// The address is the known one.
    Same,
    /// The name may move: its owner left, has been dead for long enough, or is not there.
    Takeover,
    /// Somebody else has the name, as far as is known.
    Contested,
    /// The new address is not allowed.
    NotAllowed,
}

/// Names that several addresses claim.
#[derive(Debug, Default)]
pub(crate) struct Claims {
    contested: BTreeMap<NodeName, Contest>,
    vacated: BTreeMap<NodeName, Vacated>,
}

#[derive(Debug)]
enum Contest {
    /// The inquiry of this number is under way.
    Asked(u32),
    /// The known address answered a moment ago; the claim was heard since.
    Answered(Option<Box<Alive<'static>>>),
}

/// Where a name was, and nobody answered to it.
#[derive(Debug)]
struct Vacated {
    addr: NodeAddr,
    at: Time,
}

impl Claims {
    /// Whether nobody answered to `name` at `addr`, at most so long ago.
    fn is_vacated(&self, now: Time, name: &[u8], addr: NodeAddr, ago: Duration) -> bool {
        let vacated = self.vacated.get(name);
        vacated.is_some_and(|vacated| vacated.addr == addr && now.since(vacated.at) < ago)
    }

    fn vacate(&mut self, now: Time, name: NodeName, addr: NodeAddr) {
        self.vacated.retain(|_, vacated| now.since(vacated.at) < OLD_NEWS_FOR);
        if self.vacated.len() >= VACATED_MAX
            && let Some((oldest, _)) = self.vacated.iter().min_by_key(|(_, vacated)| vacated.at)
        {
            let oldest = oldest.clone();
            self.vacated.remove(&oldest);
        }
        self.vacated.insert(name, Vacated { addr, at: now });
    }
}

impl Swim {
    /// What `addr` means for the name of `record`.
    pub(crate) fn claim(&self, now: Time, record: &Record, addr: NodeAddr) -> Claim {
        let Node { name, addr: known, .. } = &*record.node;
        if *known == addr {
            return Claim::Same;
        }
        if !self.allows(addr.ip) {
            return Claim::NotAllowed;
        }
        let reclaim = self.tuning.dead_node_reclaim;
        match record.state {
            State::Left => Claim::Takeover,
            State::Dead if !reclaim.is_zero() && now.since(record.since) > reclaim => Claim::Takeover,
            _ if self.claims.is_vacated(now, name.as_bytes(), *known, VACANT_FOR) => Claim::Takeover,
            _ => Claim::Contested,
        }
    }

    /// Asks whether the name that `alive` claims is still answered to where it was.
    pub(crate) fn contest(&mut self, now: Time, alive: &Alive<'_>) {
        let Some(record) = self.roster.get(&alive.node) else { return };
        let known = Arc::clone(&record.node);
        let name = known.name.clone();
        match self.claims.contested.get_mut(&name) {
            Some(Contest::Asked(seq)) => {
                let seq = *seq;
                return self.claim_again(seq, alive);
            }
            Some(Contest::Answered(claim)) => {
                *claim = Some(Box::new(alive.clone().into_owned()));
                return;
            }
            None => {}
        }
        if self.claims.contested.len() >= CONTESTED_MAX {
            self.counters.inquiries_refused += 1;
            return self.conflict(now, alive);
        }
        // That we are here we know.
        let asked = if name == self.name { self.described(alive).map(Arc::new) } else { Some(known) };
        let Some(asked) = asked else { return };
        debug!(%name, addr = %asked.addr, "name is claimed from another address; asking the known one");
        let seq = self.inquire(now, asked, About::Claim(Box::new(alive.clone().into_owned())));
        self.claims.contested.insert(name, Contest::Asked(seq));
    }

    /// The claim that is inquired about is heard once more; newer facts count.
    fn claim_again(&mut self, seq: u32, alive: &Alive<'_>) {
        if let Some(Inquiry { about: About::Claim(claim), .. }) = self.inquiries.get_mut(&seq)
            && (claim.addr.as_deref(), claim.port) == (alive.addr.as_deref(), alive.port)
            && claim.incarnation < alive.incarnation
        {
            **claim = alive.clone().into_owned();
        }
    }

    /// The address that was asked answers to the name: there are two of it.
    pub(crate) fn claim_refuted(&mut self, now: Time, claim: &Alive<'_>) {
        let name = self.roster.name(&claim.node);
        self.timers.set(now + ANSWER_HOLDS, Timer::AnswerEnds(name.clone()));
        self.claims.contested.insert(name, Contest::Answered(None));
        self.conflict(now, claim);
    }

    /// An answer holds no longer.
    pub(crate) fn answer_ends(&mut self, name: &NodeName) {
        if let Some(Contest::Answered(Some(claim))) = self.claims.contested.remove(name) {
            self.effects.push_back(Effect::HearAgain(claim));
        }
    }

    /// Nobody answers to the name at the address that was asked, that of `asked`.
    pub(crate) fn claim_holds(&mut self, now: Time, asked: &Node, claim: Box<Alive<'static>>) {
        self.claims.contested.remove(&asked.name);
        if asked.name == self.name {
            // A former life of ours, which some still believe in.
            if claim.incarnation >= self.incarnation {
                debug!(addr = %asked.addr, "others hold this node at an address where it is no more");
                self.outbid(claim.incarnation);
            }
            return;
        }
        let is_there = |record: &Record| record.node.addr == asked.addr;
        if self.roster.get(asked.name.as_bytes()).is_some_and(is_there) {
            self.claims.vacate(now, asked.name.clone(), asked.addr);
            self.effects.push_back(Effect::HearAgain(claim));
        }
    }

    /// The name of `alive` moves: whoever had it is gone, and the application hears of that.
    pub(crate) fn depose(&mut self, now: Time, alive: &Alive<'_>) {
        let Some(record) = self.roster.get_mut(&alive.node) else { return };
        info!(member = %record.node.name, was = %record.node.addr, "member has moved");
        self.counters.takeovers += 1;
        if !record.state.is_live() {
            return;
        }
        record.state = State::Dead;
        record.since = now;
        self.counters.deaths += 1;
        self.drop_suspicion(&alive.node);
        self.tell(Effect::Left, &alive.node);
    }

    /// Tells of a second node of a known name, unless it is where the name was before it
    /// moved: others may not have heard of that yet.
    fn conflict(&mut self, now: Time, alive: &Alive<'_>) {
        let Some(mut other) = self.described(alive) else { return };
        if self.claims.is_vacated(now, &alive.node, other.addr, OLD_NEWS_FOR) {
            return;
        }
        self.counters.conflicts += 1;
        other.versions = Versions::default();
        if let Some(record) = self.roster.get(&alive.node) {
            self.effects.push_back(Effect::Conflict { existing: record.member(), other });
        }
    }
}
