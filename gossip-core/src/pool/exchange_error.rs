//! Why an exchange is over before it was complete, and whose fault that is.

use crate::wire::error::Refused;
use crate::wire::message::MessageType;

/// Why an exchange is over before it was complete. Nothing of it remains.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ExchangeError {
    /// A deadline passed.
    #[error("no answer in time")]
    Timeout,
    /// There is no connection.
    #[error("no connection: {0}")]
    Connect(Broken),
    /// The peer closed the connection too early.
    #[error("connection was closed before the exchange was complete")]
    Closed,
    /// The connection broke.
    #[error("connection broke: {0}")]
    Reset(Broken),
    /// What the peer sent is no message for us.
    #[error("message was refused: {0}")]
    Refused(Refused),
    /// The peer refused our request, with this text.
    #[error("remote error: {0}")]
    RemoteError(String),
    /// The peer answered something else than we asked.
    #[error("answer is of type {found:?}, must be {expected:?}")]
    UnexpectedType {
        /// What answers our request.
        expected: MessageType,
        /// What came.
        found: MessageType,
    },
    /// The peer acknowledged another ping than ours.
    #[error("ack is for ping {found}, must be for {expected}")]
    WrongSeq {
        /// Our ping.
        expected: u32,
        /// The one acknowledged.
        found: u32,
    },
    /// The owner gave the exchange up.
    #[error("exchange was dropped by its owner")]
    Dropped,
    /// A deadline passed before there was a connection.
    #[error("no connection in time")]
    ConnectTimeout,
    /// The peer has the message, and its application did not take it.
    #[error("receiver did not take the message: {0}")]
    NotTaken(Refusal),
}

/// Whether a receiver's application took a message.
pub type Verdict = Result<(), Refusal>;

/// Why a receiver's application did not take a message, which it will not see.
#[non_exhaustive]
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Too much waits already.
    #[error("its queue is full")]
    QueueFull,
    /// There is none: the pool has neither delegate nor queue, or its queue is closed.
    #[error("nobody there takes messages")]
    Unheard,
    /// It failed: a callback panicked.
    #[error("its application failed")]
    Failed,
    /// For a reason that this version does not know.
    #[error("reason {0}")]
    Other(u8),
}

impl Refusal {
    /// As it stands in an acknowledgement.
    pub(super) fn to_byte(self) -> u8 {
        match self {
            Self::QueueFull => 1,
            Self::Unheard => 2,
            Self::Failed => 3,
            Self::Other(byte) => byte,
        }
    }

    pub(super) fn from_byte(byte: u8) -> Self {
        match byte {
            1 => Self::QueueFull,
            2 => Self::Unheard,
            3 => Self::Failed,
            other => Self::Other(other),
        }
    }
}

/// What the system said of a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Broken {
    /// In words.
    pub text: String,
    /// Its number for that, `errno`, if it has one.
    pub os_error: Option<i32>,
}

impl From<&str> for Broken {
    fn from(text: &str) -> Self {
        Self { text: text.to_owned(), os_error: None }
    }
}

impl std::fmt::Display for Broken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.text)
    }
}

impl ExchangeError {
    /// What the system said, if it is to blame.
    pub fn os_error(&self) -> Option<i32> {
        match self {
            Self::Connect(broken) | Self::Reset(broken) => broken.os_error,
            _ => None,
        }
    }

    /// Whether the time was up.
    pub fn is_timeout(&self) -> bool {
        matches!(self, Self::Timeout | Self::ConnectTimeout)
    }

    /// Whether the peer has said something, if only something wrong: it is there.
    pub fn is_contact(&self) -> bool {
        match self {
            Self::Refused(_)
            | Self::RemoteError(_)
            | Self::UnexpectedType { .. }
            | Self::WrongSeq { .. }
            | Self::NotTaken(_) => true,
            Self::Timeout
            | Self::ConnectTimeout
            | Self::Connect(_)
            | Self::Closed
            | Self::Reset(_)
            | Self::Dropped => false,
        }
    }
}
