//! The errors of the public API, each with a stable number for the C ABI.

use std::net::SocketAddr;
use std::time::Duration;

use thiserror::Error;

use crate::base::config_error::ConfigError;
use crate::base::ids::PoolId;
use crate::net::error::NetError;
use crate::pool::error::CommandError;
use crate::pool::exchange::ExchangeError;
use crate::pool::migration::MigrationReport;

/// Why an operation did not do what was asked.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum Error {
    /// A configuration value cannot work; nothing was opened or changed.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A socket operation did not work; nothing stays half open.
    #[error(transparent)]
    Net(#[from] NetError),
    /// The pool did not take the command; nothing has changed.
    #[error(transparent)]
    Command(#[from] CommandError),
    /// A pool with this id exists already; nothing has changed.
    #[error("pool {0} is registered already")]
    PoolExists(PoolId),
    /// The node has not been started, so the pool cannot do that yet.
    #[error("node is not started; call start first")]
    NotStarted,
    /// The node or pool has been shut down.
    #[error("node or pool is shut down")]
    Closed,
    /// The time given ran out; the operation may still complete in the background.
    #[error("timed out after {0:?}")]
    Timeout(Duration),
    /// No seed could be reached; the pool is as it was.
    #[error("could not join: {}", list(.0))]
    Join(Vec<SeedError>),
    /// A reliable message did not arrive, or is not known to have.
    #[error("message to {to}: {error}")]
    Send {
        /// Whom it was for.
        to: SocketAddr,
        /// What went wrong.
        error: ExchangeError,
    },
    /// A migration did not come where it should: the report says how far, who is missing, and why. Everybody
    /// understands everybody; call again to go on from there.
    #[error("migration of the {0}")]
    Migration(Box<MigrationReport>),
    /// No answer to a ping of the member of that name, or at that address.
    #[error("no response from {0}")]
    NoResponse(String),
    /// A callback asked for something that would wait for that callback to return.
    #[error("called from a callback that it would wait for; call it from another thread")]
    Deadlock,
    /// Another command overtook this one, such as a leave during a join.
    #[error("cancelled by a leave or shutdown")]
    Cancelled,
    /// The operating system gave no threads or no randomness; nothing stays open.
    #[error("threads or randomness: {0}")]
    System(#[source] std::io::Error),
    /// A defect of the library: a task of the pool panicked, and the pool has ended.
    #[error(
        "pool ended by a defect of the library, please report it; shut it down and register it anew: {0}"
    )]
    Fatal(String),
    /// A defect of the library; please report it.
    #[error("internal error: {0}")]
    Internal(String),
}

/// One seed that could not be joined.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeedError {
    /// The seed as given, or the address it resolved to.
    pub seed: String,
    /// What went wrong.
    pub reason: String,
    /// How the conversation with it ended; nothing if there was none.
    pub exchange: Option<ExchangeError>,
}

fn list(seeds: &[SeedError]) -> String {
    seeds.iter().map(|seed| format!("{}: {}", seed.seed, seed.reason)).collect::<Vec<_>>().join("; ")
}

/// The error of a socket operation; a closed port is a closed node.
pub(crate) fn from_net(error: NetError) -> Error {
    match error {
        NetError::Closed => Error::Closed,
        error => Error::Net(error),
    }
}
