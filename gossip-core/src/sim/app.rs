//! The application of a simulated node: answers by script, remembers what it was told.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use bytes::Bytes;

use crate::base::ids::TaskId;
use crate::base::name::NodeName;
use crate::base::rng::Rng;
use crate::base::time::Time;
use crate::pool::action::{Asks, Notice, Outcome, Question, Reply, UserMessage};
use crate::pool::exchange::{Refusal, Verdict};
use crate::pool::migration::{Migrated, MigrationProgress};
use crate::swim::node::State;

/// How an application behaves. A question without a habit is not asked at all.
#[derive(Debug, Clone, Default)]
pub struct Script {
    /// When asked for the state of a push/pull: grants [`state`](Self::state), or refuses
    /// by giving an empty one.
    pub local_state: Option<Habit>,
    /// When asked whether a node may be a member.
    pub admit_alive: Option<Habit>,
    /// When asked whether to merge with the members of another cluster.
    pub admit_merge: Option<Habit>,
    /// When asked whether a silent node may be pinged over TCP.
    pub allow_stream_ping: Option<Habit>,
    /// Nodes that it refuses as members, whatever the habit.
    pub refused: BTreeSet<NodeName>,
    /// Why it takes no reliable messages; otherwise it takes all.
    pub takes_none: Option<Refusal>,
    /// How long it has a reliable message until its sender hears of it.
    pub takes_for: Duration,
    /// What it gives to others in push/pulls.
    pub state: Bytes,
    /// The application is a [guest](crate::sim::guest), who wants to be asked these: what it
    /// is told and asked waits in the world, and the habits don't count.
    pub guest: Option<Asks>,
}

impl Script {
    /// The questions it wants to be asked.
    pub fn asks(&self) -> Asks {
        self.guest.unwrap_or_else(|| Asks {
            local_state: self.local_state.is_some(),
            admit_alive: self.admit_alive.is_some(),
            admit_merge: self.admit_merge.is_some(),
            allow_stream_ping: self.allow_stream_ping.is_some(),
        })
    }
}

/// How an application treats one kind of question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Habit {
    /// Says yes after a wait between the two.
    Grants {
        /// The shortest wait.
        least: Duration,
        /// The longest.
        most: Duration,
    },
    /// Says no after a wait between the two.
    Refuses {
        /// The shortest wait.
        least: Duration,
        /// The longest.
        most: Duration,
    },
    /// Never answers.
    Ignores,
}

/// What an application was told of one node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// When it was told.
    pub at: Time,
    /// The node.
    pub name: NodeName,
    /// What happened to it.
    pub news: News,
}

/// What happened to a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum News {
    /// It joined, or came back.
    Joined,
    /// It died, or left.
    Left(State),
    /// It has new metadata.
    Updated(Bytes),
    /// Another claimed its name.
    Conflict,
}

/// What an application was told of the company of its node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Company {
    /// It reaches nobody.
    Isolated,
    /// It reaches somebody again, or lost members are back.
    Healed {
        /// Lost members that came back.
        returned: usize,
        /// Those that are still missing.
        missing: usize,
    },
}

/// One life of the application of a simulated node.
#[derive(Debug)]
pub struct App {
    script: Script,
    rng: Rng,
    events: Vec<Event>,
    company: Vec<(Time, Company)>,
    messages: Vec<UserMessage>,
    states: Vec<Bytes>,
    outcomes: BTreeMap<TaskId, Outcome>,
    migrated: Vec<Migrated>,
    progress: Vec<MigrationProgress>,
    pings: u64,
    questions: u64,
}

impl App {
    pub(super) fn new(script: Script, seed: u64) -> Self {
        Self {
            script,
            rng: Rng::from_seed(seed),
            events: Vec::new(),
            company: Vec::new(),
            messages: Vec::new(),
            states: Vec::new(),
            outcomes: BTreeMap::new(),
            migrated: Vec::new(),
            progress: Vec::new(),
            pings: 0,
            questions: 0,
        }
    }

    /// What it was told of other nodes and of its own, in order.
    pub fn events(&self) -> &[Event] {
        &self.events
    }

    /// What it was told of the node `name`, in order.
    pub fn news_of(&self, name: &NodeName) -> Vec<News> {
        self.events.iter().filter(|event| event.name == *name).map(|event| event.news.clone()).collect()
    }

    /// When it was told to be isolated or healed, in order.
    pub fn company(&self) -> &[(Time, Company)] {
        &self.company
    }

    /// The user messages it got, in order.
    pub fn messages(&self) -> &[UserMessage] {
        &self.messages
    }

    /// Whether it got a user message of these bytes.
    pub fn got(&self, message: &[u8]) -> bool {
        self.messages.iter().any(|got| got.bytes == message)
    }

    /// The states of other applications it got in push/pulls, in order.
    pub fn states(&self) -> &[Bytes] {
        &self.states
    }

    /// How a command ended, if it has.
    pub fn outcome(&self, task: TaskId) -> Option<&Outcome> {
        self.outcomes.get(&task)
    }

    /// The steps of migrations that its node took, in order.
    pub fn migrated(&self) -> &[Migrated] {
        &self.migrated
    }

    /// How far migrations that its node sees to have come, in order.
    pub fn progress(&self) -> &[MigrationProgress] {
        &self.progress
    }

    /// How many probes of this node were answered directly.
    pub fn pings(&self) -> u64 {
        self.pings
    }

    /// How many questions it was asked.
    pub fn questions(&self) -> u64 {
        self.questions
    }

    pub(super) fn hear(&mut self, at: Time, notice: Notice) {
        let (name, news) = match notice {
            Notice::Joined(member) => (member.name().clone(), News::Joined),
            Notice::Left(member) => (member.name().clone(), News::Left(member.state)),
            Notice::Updated(member) => {
                (member.name().clone(), News::Updated(Bytes::copy_from_slice(member.meta())))
            }
            Notice::Conflict { existing, .. } => (existing.name().clone(), News::Conflict),
            Notice::Message(message) => return self.messages.push(message),
            Notice::RemoteState { state, .. } => return self.states.push(state),
            Notice::Pinged { .. } => return self.pings += 1,
            Notice::Isolated => return self.company.push((at, Company::Isolated)),
            Notice::Healed { returned, missing } => {
                return self.company.push((at, Company::Healed { returned, missing }));
            }
            Notice::Migrated(migrated) => return self.migrated.push(migrated),
            // Nothing is dropped here, and the end is the test's own doing.
            Notice::Overflow { .. } | Notice::Ended => return,
        };
        self.events.push(Event { at, name, news });
    }

    pub(super) fn hear_progress(&mut self, progress: MigrationProgress) {
        self.progress.push(progress);
    }

    /// Whether it takes a reliable message, and how long that takes.
    pub(super) fn take(&self) -> (Verdict, Duration) {
        (self.script.takes_none.map_or(Ok(()), Err), self.script.takes_for)
    }

    pub(super) fn complete(&mut self, task: TaskId, outcome: Outcome) {
        self.outcomes.insert(task, outcome);
    }

    /// The answer to a question and how long it takes to find; `None` for none ever.
    pub(super) fn consider(&mut self, question: &Question) -> Option<(Duration, Reply)> {
        self.questions += 1;
        let habit = match question {
            Question::LocalState { .. } => self.script.local_state,
            Question::AdmitAlive(_) => self.script.admit_alive,
            Question::AdmitMerge(_) => self.script.admit_merge,
            Question::AllowStreamPing(_) => self.script.allow_stream_ping,
        };
        let (least, most, grants) = match habit? {
            Habit::Grants { least, most } => (least, most, true),
            Habit::Refuses { least, most } => (least, most, false),
            Habit::Ignores => return None,
        };
        let wait = least + self.rng.up_to(most.saturating_sub(least));
        let reply = match question {
            Question::LocalState { .. } if grants => Reply::State(self.script.state.clone()),
            Question::LocalState { .. } => Reply::State(Bytes::new()),
            Question::AdmitAlive(member) if self.script.refused.contains(member.name()) => Reply::Refuse,
            _ if grants => Reply::Admit,
            _ => Reply::Refuse,
        };
        Some((wait, reply))
    }
}
