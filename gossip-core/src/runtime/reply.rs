//! The way back to whoever gave a command.

use crossbeam_channel::Sender;
use tokio::sync::oneshot;

/// To a thread that waits, to a task that may be gone before it is answered, or to nobody.
#[derive(Debug)]
pub(crate) enum Reply<T> {
    Thread(Sender<T>),
    Task(oneshot::Sender<T>),
    Nobody,
}

impl<T> Reply<T> {
    pub(crate) fn send(self, answer: T) {
        // Whoever has gone does not want it.
        match self {
            Self::Thread(reply) => drop(reply.send(answer)),
            Self::Task(reply) => drop(reply.send(answer)),
            Self::Nobody => {}
        }
    }

    /// Whether the one who asked is known to have gone. Threads wait until they are answered.
    pub(crate) fn is_unwanted(&self) -> bool {
        match self {
            Self::Thread(_) | Self::Nobody => false,
            Self::Task(reply) => reply.is_closed(),
        }
    }
}
