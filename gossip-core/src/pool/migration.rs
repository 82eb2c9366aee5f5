//! What moves a whole cluster: to another key, to encryption, to another label.
//!
//! Three steps, each taken by every member before anyone takes the next: *accept* the new beside
//! the old, *speak* the new, *require* it. Whoever stands between two steps understands
//! everybody and is understood, so a migration may stop at any moment, and be taken up again by
//! any member. [`migrating`](super::migrating) sees to that on the node that is told to;
//! [`obeying`](super::obeying) is the other side of it.

use bytes::Bytes;

use crate::base::name::NodeName;
use crate::pool::exchange::ExchangeError;
use crate::wire::keyring::Key;
pub use crate::wire::step::{MigrationKind, Step, StepRefusal};

/// Where a cluster is to go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Migration {
    /// To this key, from those that an encrypted pool has: it is sent to the members that do not
    /// hold it, encrypted; in the end all others are removed.
    Key(Key),
    /// From clear text to encryption with this key, which every member must hold already, and
    /// neither use nor require (`gossip_verify_incoming` and `gossip_verify_outgoing` off): it is
    /// never sent in clear.
    Encryption(Key),
    /// To this label, empty for none.
    Label(Bytes),
}

impl Migration {
    /// Of which kind it is.
    pub const fn kind(&self) -> MigrationKind {
        match self {
            Self::Key(_) => MigrationKind::Key,
            Self::Encryption(_) => MigrationKind::Encryption,
            Self::Label(_) => MigrationKind::Label,
        }
    }

    /// The key that it leads to.
    pub(super) const fn key(&self) -> Option<&Key> {
        match self {
            Self::Key(key) | Self::Encryption(key) => Some(key),
            Self::Label(_) => None,
        }
    }
}

/// How a migration is to go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MigrationOptions {
    /// The last step to be taken. Default: [`Step::Require`].
    pub until: Step,
    /// Passes over members that take no such requests, such as those of memberlist: somebody sees
    /// to them by hand, between the steps, for which `until` stops. They are named in the
    /// report. Otherwise the first of them stops the migration before anything has changed.
    pub by_hand: bool,
    /// Passes over members that died without a goodbye and are still looked for. If they
    /// come back with what they knew, they do not get in. Otherwise one of them stops
    /// the migration: it may be restarting, or on the other side of a cut.
    pub without_lost: bool,
}

impl Default for MigrationOptions {
    fn default() -> Self {
        Self { until: Step::Require, by_hand: false, without_lost: false }
    }
}

/// News of a migration on the node that is told to see to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MigrationProgress {
    /// The step that is being taken.
    pub step: Step,
    /// The member that there is news of.
    pub member: NodeName,
    /// Why it has not taken the step yet; `None`: it has.
    pub trouble: Option<Trouble>,
    /// How many members have taken the step, this node included.
    pub done: usize,
    /// How many there are, without those that are passed over.
    pub total: usize,
}

/// How far a migration came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MigrationReport {
    /// What was to change.
    pub kind: MigrationKind,
    /// The last step that every member has taken; `None` if not even the first.
    pub reached: Option<Step>,
    /// The step that was to be reached.
    pub until: Step,
    /// Who has come so far, this node included.
    pub members: Vec<NodeName>,
    /// Members that were passed over because they take no such requests.
    pub by_hand: Vec<NodeName>,
    /// Members that were passed over because they are dead; if they come back as they were, they do
    /// not get in.
    pub lost: Vec<NodeName>,
    /// Who has not taken the next step, and why; empty if the migration came where it should.
    pub missing: Vec<Missing>,
}

impl MigrationReport {
    /// Whether the migration came where it should.
    pub fn is_complete(&self) -> bool {
        self.missing.is_empty() && self.reached == Some(self.until)
    }

    /// The step that was not taken by all.
    pub fn step(&self) -> Step {
        Step::after(self.reached).unwrap_or(Step::Require)
    }
}

/// A sentence for people: how far it came, and who is missing.
impl std::fmt::Display for MigrationReport {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let kind = self.kind.name();
        if self.is_complete() {
            return write!(f, "{kind}: all {} members have taken {}", self.members.len(), self.until);
        }
        write!(f, "{kind}: {} was not taken by all", self.step())?;
        for (place, missing) in self.missing.iter().enumerate() {
            let separator = if place == 0 { ": " } else { "; " };
            write!(f, "{separator}{} {}", missing.member, missing.trouble)?;
        }
        Ok(())
    }
}

/// A member that has not taken a step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Missing {
    /// Which.
    pub member: NodeName,
    /// Why not.
    pub trouble: Trouble,
}

/// Why a member has not taken a step.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Trouble {
    /// It was not asked, because others had not come so far.
    #[error("was not asked yet")]
    Waiting,
    /// It did not answer.
    #[error("does not answer: {0}")]
    Unanswered(ExchangeError),
    /// It has taken the step, and has not ended what it began before that.
    #[error("has not ended what it began before the step")]
    Draining,
    /// It knows other members than this node does: news of them is still under way, or part of
    /// the pool is cut off.
    #[error("knows other members than this node; somebody may be overlooked")]
    Disagrees,
    /// It died without a goodbye, and may come back.
    #[error("is dead and may come back; wait for it, or go on without those that are lost")]
    Lost,
    /// It takes no such requests: it runs memberlist, or an older version.
    #[error("takes no such requests (memberlist, or an older version); do the steps there by hand")]
    Manual,
    /// It refuses.
    #[error("refuses: {0}")]
    Refused(StepRefusal),
}

impl Trouble {
    /// The stable word for its kind.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Unanswered(_) => "unanswered",
            Self::Draining => "draining",
            Self::Disagrees => "disagrees",
            Self::Lost => "lost",
            Self::Manual => "manual",
            Self::Refused(_) => "refused",
        }
    }

    /// Whether asking again would not help.
    pub(super) fn is_final(&self) -> bool {
        match self {
            Self::Waiting | Self::Unanswered(_) | Self::Draining | Self::Disagrees => false,
            Self::Refused(StepRefusal::Busy | StepRefusal::Order) => false,
            Self::Lost | Self::Manual | Self::Refused(_) => true,
        }
    }
}

/// A node has taken a step, for the application of that node: what has changed should be found
/// where it reads its configuration, or it will not get in when it is started again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Migrated {
    /// What has changed.
    pub kind: MigrationKind,
    /// Which step was taken.
    pub step: Step,
    /// The member that sees to the migration; this node's own name if it does so itself.
    pub by: NodeName,
}

/// Which requests to take a step of a migration a node obeys.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum RemoteMigration {
    /// None.
    Never,
    /// Those of members that hold a key of the pool: requests that come encrypted, and those to
    /// go over to encryption, which show that the sender holds the key.
    #[default]
    Encrypted,
    /// These, and those in clear that change the label: whoever reaches the port of a pool
    /// without keys can send them.
    Always,
}

impl RemoteMigration {
    /// The one of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Never, Self::Encrypted, Self::Always].into_iter().find(|allowed| allowed.name() == name)
    }

    /// Its name, in lower case.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Never => "never",
            Self::Encrypted => "encrypted",
            Self::Always => "always",
        }
    }
}
