//! Why a command was refused. A refused command has changed nothing.

use thiserror::Error;

/// Why a machine did not take a command; nothing has changed.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum CommandError {
    /// The bytes do not fit where they must.
    #[error("{what} is {size} bytes, at most {limit} fit")]
    TooLarge {
        /// What is too large: `broadcast`, `message`, `metadata`.
        what: &'static str,
        /// Its size in bytes.
        size: usize,
        /// The limit in bytes.
        limit: usize,
    },
    /// The broadcast queue holds as many as it may.
    #[error("broadcast queue is full ({limit} waiting); try again when some have been sent")]
    QueueFull {
        /// How many may wait.
        limit: usize,
    },
    /// The message begins like the envelope of a relayed broadcast, and would be taken for one.
    #[error(
        "message begins with f7 72 6c 79, which marks relayed broadcasts; put another byte in front of it"
    )]
    ReservedMark,
    /// The pool has left; join again first.
    #[error("pool has left; join again first")]
    HasLeft,
    /// A target without a name, where the configuration requires one.
    #[error("node names are required by configuration; write name/host:port")]
    NameRequired,
    /// A doctor is at work in this pool; there is one at a time.
    #[error("a doctor is at work in this pool; wait until it is done")]
    DoctorBusy,
    /// A migration is under way, on this node or seen to by another one.
    #[error("a migration is under way in this pool; wait until it has ended, a minute after its last step")]
    MigrationBusy,
    /// Keys are exchanged in an encrypted pool only.
    #[error("pool is not encrypted; move it to encryption first")]
    NotEncrypted,
    /// The pool is encrypted, with another key.
    #[error("pool is encrypted with another key; change the key instead")]
    AlreadyEncrypted,
    /// No member has that name.
    #[error("no member is named {0}")]
    UnknownMember(crate::base::name::NodeName),
    /// Our own address is not among the allowed networks, or the application refused us.
    #[error("own address {0} lies in no network of cidrs_allowed")]
    OwnAddressNotAllowed(std::net::SocketAddr),
    /// The keyring did not take the change.
    #[error(transparent)]
    Keyring(#[from] crate::wire::keyring::KeyringError),
}
