//! What a Go peer reports, one JSON object a line.

use std::net::SocketAddr;

use serde::Deserialize;

/// One report of a peer.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(tag = "event", rename_all = "lowercase")]
pub enum Event {
    /// The program is up.
    Ready {
        /// Where the peer can be reached, gossip and all else.
        addr: SocketAddr,
        /// The release of the package that the program is about.
        version: String,
    },
    /// A member came up, the peer itself included.
    Join(Member),
    /// A member left or died; memberlist does not tell which.
    Leave(Member),
    /// A member's metadata changed.
    Update(Member),
    /// A user message arrived, whichever way it took.
    Msg {
        /// The message.
        data: String,
    },
    /// A push/pull brought the other side's state.
    State {
        /// The state.
        data: String,
        /// Whether it came with a join.
        join: bool,
    },
    /// A probe was answered with a payload.
    Ack {
        /// Who answered.
        name: String,
        /// The payload.
        data: String,
    },
    /// The answer to `members`.
    Members {
        /// Those alive or suspect, the peer included.
        members: Vec<Member>,
    },
    /// The answer to `health`.
    Health {
        /// 0 is healthy.
        score: u32,
    },
    /// What `dial` or `http` brought back.
    Answer {
        /// The line, or the body.
        data: String,
    },
    /// A datagram that is no gossip came to the shared port.
    Packet {
        /// The sender.
        from: SocketAddr,
        /// The datagram.
        data: String,
    },
    /// A command is done.
    Ok {
        /// Its first word.
        cmd: String,
    },
    /// A command went wrong.
    Error {
        /// Its first word.
        cmd: String,
        /// Why.
        error: String,
    },
}

/// A member as a Go peer sees it.
#[derive(Clone, Debug, Deserialize, PartialEq)]
pub struct Member {
    /// Its name.
    pub name: String,
    /// The address it advertises.
    pub addr: SocketAddr,
    /// Its metadata.
    pub meta: String,
    /// Protocol versions (lowest, highest, spoken), then the delegate's.
    pub vsn: [u8; 6],
}

/// A line of stdout: an event and the pool it belongs to, if the program has pools.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Report {
    pub(crate) pool: Option<u8>,
    #[serde(flatten)]
    pub(crate) event: Event,
}
