//! What the rules want done: datagrams to send, streams to open, news to tell.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use crate::base::ids::TaskId;
use crate::base::name::NodeName;
use crate::base::time::Time;
use crate::swim::node::{Member, Node};
use crate::wire::message::Alive;

/// A datagram that waits to be packed. Small and typed: it is encoded when the host has
/// room, together with the freshest broadcasts that fit.
#[derive(Debug, Clone)]
pub struct Parcel {
    /// Where it goes.
    pub to: SocketAddr,
    /// The receiver is known to check checksums (pmax 5).
    pub crc: bool,
    /// What it says.
    pub body: Body,
}

/// What a datagram says.
#[derive(Debug, Clone)]
pub enum Body {
    /// As many broadcasts as fit; nothing if there are none.
    Gossip,
    /// Are you there? Broadcasts ride along.
    Ping {
        /// To be echoed.
        seq: u32,
        /// Whom it is for; empty means anyone.
        node: NodeName,
    },
    /// Are you there? Asked by the doctor: nothing rides along.
    Check {
        /// To be echoed.
        seq: u32,
        /// Whom it is for; empty means anyone.
        node: NodeName,
        /// As large as a datagram of this pool can be.
        full: bool,
    },
    /// Are you there, and do you know that I suspect you? Nothing rides along, so that the
    /// accusation certainly fits (Lifeguard's buddy system).
    PingSuspect {
        /// To be echoed.
        seq: u32,
        /// Whom it is for.
        node: NodeName,
        /// The incarnation that is suspected.
        incarnation: u32,
    },
    /// Please ping `node` for me.
    IndirectPing {
        /// To be echoed.
        seq: u32,
        /// Whom to ping.
        node: Arc<Node>,
        /// Whether to say so when it stays silent.
        nack: bool,
    },
    /// I am here; `payload` is nil if there is no application to give one.
    Ack {
        /// The ping's number.
        seq: u32,
        /// Bytes of the application.
        payload: Option<Bytes>,
    },
    /// The node you asked me to ping stays silent.
    Nack {
        /// The indirect ping's number.
        seq: u32,
    },
    /// Bytes of the application. Nothing rides along.
    User(Bytes),
}

/// What the rules want from the world besides datagrams.
#[derive(Debug)]
pub enum Effect {
    /// A node joined or came back.
    Joined(Member),
    /// A node died or left.
    Left(Member),
    /// A node changed its metadata.
    Updated(Member),
    /// Another node claims a known name, and both are there.
    Conflict {
        /// The node that keeps the name.
        existing: Member,
        /// The claimant.
        other: Node,
    },
    /// This message is to be heard again: what it claims may hold now.
    HearAgain(Box<Alive<'static>>),
    /// A member that was lost answers again.
    Found(Arc<Node>),
    /// A probe was answered directly.
    Pinged {
        /// Who answered.
        member: Member,
        /// From sending the ping to receiving the ack.
        rtt: Duration,
        /// Bytes of the answering application.
        payload: Bytes,
    },
    /// Ping `node` over a stream; the answer goes to `Swim::stream_ping_answered`.
    StreamPing {
        /// The number of the probe or inquiry, to be echoed.
        seq: u32,
        /// Whom to ping.
        node: Arc<Node>,
        /// When its round ends.
        deadline: Time,
    },
    /// Exchange the whole state with `node`.
    PushPull(Arc<Node>),
    /// The broadcast that this command waits for is finished.
    Finished(TaskId),
    /// The application's ping was answered, or not in time.
    PingDone {
        /// The command.
        task: TaskId,
        /// From sending to receiving.
        rtt: Option<Duration>,
    },
}
