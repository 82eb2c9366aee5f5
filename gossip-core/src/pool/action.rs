//! What a machine wants done: streams opened, the application told or asked.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;

use crate::base::addr::Target;
use crate::base::ids::{AskId, ExchangeId, PoolId, TaskId};
use crate::base::name::NodeName;
use crate::base::time::Time;
use crate::pool::diagnosis::Diagnosis;
use crate::pool::exchange::{ExchangeError, Opening, Verdict};
use crate::pool::layers::Labels;
use crate::pool::migration::{Migrated, MigrationProgress, MigrationReport};
use crate::pool::own_state::OwnState;
use crate::swim::node::{Member, Node};
use crate::wire::message::Ticket;

/// One thing the host of a machine must do.
#[derive(Debug)]
pub enum Action {
    /// Connect to `to` and run an outbound exchange that opens with `opening`. Its news
    /// come back through `handle_exchange`, at last exactly one `Finished` or `Failed`.
    Open {
        /// Names the exchange in what follows.
        id: ExchangeId,
        /// Whom to connect to.
        to: Target,
        /// What to say.
        opening: Opening,
        /// When to give up connecting and writing (for a ping: altogether).
        deadline: Time,
    },
    /// The inbound push/pull `id` may answer with this state.
    Answer {
        /// The exchange that waits.
        id: ExchangeId,
        /// Our state, as it was before the remote one was merged.
        state: OwnState,
    },
    /// Send one more message on the resting exchange `id`, by `Exchange::handle_message`.
    Say {
        /// The exchange.
        id: ExchangeId,
        /// The bytes.
        message: Bytes,
        /// Names them.
        ticket: Ticket,
        /// When the answer must be here.
        deadline: Time,
    },
    /// Tell the peer of the inbound exchange `id` what became of its message, by
    /// `Exchange::handle_verdict`.
    Settle {
        /// The exchange.
        id: ExchangeId,
        /// Whether the application took it.
        verdict: Verdict,
        /// Whether the exchange then waits for the next message.
        rests: bool,
    },
    /// Answer the step that the inbound exchange `id` was asked for, by `Exchange::handle_reply`.
    Reply {
        /// The exchange.
        id: ExchangeId,
        /// The answer.
        answer: Bytes,
    },
    /// Speak and accept as these labels say from now on, by `Machine::set_labels`, and say through
    /// `Machine::handle_relabelled` whether that was possible.
    Relabel {
        /// The labels.
        labels: Labels,
    },
    /// A command that takes long has come so far.
    Progress {
        /// The command.
        id: TaskId,
        /// How far.
        progress: MigrationProgress,
    },
    /// Let the exchange `id`, which rests, end once all is written, by `Exchange::handle_finish`.
    Finish {
        /// The exchange.
        id: ExchangeId,
    },
    /// Close the exchange `id` without another word.
    Drop {
        /// The exchange to close.
        id: ExchangeId,
    },
    /// Look up the seeds of the configuration, and answer with `set_seeds`, whatever was found.
    Resolve,
    /// Tell the application; no answer is expected.
    Tell(Notice),
    /// Tell the application of a message, and say through `Machine::handle_verdict` whether it
    /// took it: the sender waits for that.
    Deliver {
        /// Names the message in the verdict.
        id: ExchangeId,
        /// The message.
        message: UserMessage,
    },
    /// Ask the application; the answer comes back through `handle_reply`.
    Ask {
        /// Names the question in the reply.
        id: AskId,
        /// What is asked.
        question: Question,
        /// From then on a reply comes too late: the default has been taken.
        deadline: Time,
    },
    /// A command has completed, exactly once for each `TaskId`.
    Done {
        /// The command.
        id: TaskId,
        /// How it went.
        outcome: Outcome,
    },
}

/// News for the application, in the order in which things happened.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Notice {
    /// A node joined, or came back.
    Joined(Member),
    /// A node is gone: its state says whether it died or left.
    Left(Member),
    /// A node changed its metadata.
    Updated(Member),
    /// Another node claims the name of a known one, which is still there; `other` was refused.
    Conflict {
        /// The node that keeps the name.
        existing: Member,
        /// The claimant.
        other: Node,
    },
    /// A user message arrived.
    Message(UserMessage),
    /// The application state of another node arrived by push/pull.
    RemoteState {
        /// Whether the exchange was part of a join.
        join: bool,
        /// The state, as the other application wrote it.
        state: Bytes,
    },
    /// A probe was answered directly.
    Pinged {
        /// Who answered.
        member: Member,
        /// From sending the ping to receiving the ack.
        rtt: Duration,
        /// Bytes of the answering application.
        payload: Bytes,
    },
    /// This node knows no other live member any more, although there are seeds, or members
    /// that it has lost; or a new node has tried all its seeds in vain. It goes on trying. The
    /// next of this and of `Healed` that is told is `Healed`.
    Isolated,
    /// This node has company again, or lost members are back where they were, by whoever's
    /// doing. Told once no more of them have come for two seconds, ten at most.
    Healed {
        /// Members lost before that came back since this was last told.
        returned: usize,
        /// Members that are still lost and looked for.
        missing: usize,
    },
    /// This node has taken a step of a migration of the whole pool: its keys, its encryption or its label
    /// have changed. Never lost.
    Migrated(Migrated),
    /// So many of the things before were dropped, because the application did not keep
    /// up; changes of membership are never among them. Told by the host of the machine.
    Overflow {
        /// How many.
        dropped: u64,
    },
    /// The pool has ended: nothing comes after this. Told by the host of the machine.
    Ended,
}

/// A user message and where it came from.
#[derive(Debug, Clone)]
pub struct UserMessage {
    /// The pool in which it arrived.
    pub pool: PoolId,
    /// The bytes as sent.
    pub bytes: Bytes,
    /// Address of the sender: the gossip port for datagrams, an ephemeral port for streams. Of
    /// a relayed broadcast: of the member that passed it on.
    pub from: SocketAddr,
    /// The member that sent it, or passed it on, where one is known: for a datagram the one at that
    /// address; for a stream the one that the sender says it is, which nodes of memberlist don't.
    pub sender: Option<NodeName>,
    /// True if it was sent to this node alone, on a stream; false for datagrams and for broadcasts,
    /// also for those that a push/pull brought.
    pub reliable: bool,
    /// True if it came encrypted.
    pub encrypted: bool,
    /// When it arrived, counted from the start of the node.
    pub at: Time,
    /// Whose broadcast it is, if it was relayed. A plain broadcast and what was sent to this node
    /// alone look alike: they have none.
    pub origin: Option<Origin>,
}

/// Where a relayed broadcast began.
///
/// `instance` and `sequence` name it in the whole pool. A sender's broadcasts arrive in any
/// order; those that must not are put in order by `sequence`, or carry a `name`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// The member that broadcast it.
    pub node: NodeName,
    /// A random number that this member took at its start.
    pub instance: u64,
    /// Counts its broadcasts since then, from 1.
    pub sequence: u64,
    /// The name under which it replaces older ones; empty for none.
    pub name: Bytes,
}

/// A question that the protocol waits for, up to a deadline.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Question {
    /// Your state for a push/pull? Default: the published one.
    LocalState {
        /// Whether the exchange is part of a join.
        join: bool,
    },
    /// May this node be a member? Default: no.
    AdmitAlive(Member),
    /// May we merge with these nodes? Default: no.
    AdmitMerge(Vec<Member>),
    /// May this silent node be pinged over TCP? Default: yes.
    AllowStreamPing(NodeName),
}

impl Question {
    /// What holds without an answer.
    pub fn default_reply(&self) -> Reply {
        match self {
            Self::LocalState { .. } | Self::AdmitAlive(_) | Self::AdmitMerge(_) => Reply::Refuse,
            Self::AllowStreamPing(_) => Reply::Admit,
        }
    }
}

/// The application's answer to a question. One that does not fit the question counts as
/// [`Refuse`](Self::Refuse).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    /// The state that was asked for.
    State(Bytes),
    /// Yes.
    Admit,
    /// No; to the question for the state: the published one.
    Refuse,
}

/// Which questions the application wants to be asked; the others cost nothing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Asks {
    /// Ask for the state of each push/pull instead of using the published one.
    pub local_state: bool,
    /// Ask before a node becomes or is refreshed as a member.
    pub admit_alive: bool,
    /// Ask before the state received in a join is merged.
    pub admit_merge: bool,
    /// Ask before a stream ping.
    pub allow_stream_ping: bool,
}

/// How a command ended.
#[derive(Debug)]
pub enum Outcome {
    /// What became of each address of a join.
    Join(JoinReport),
    /// The goodbye was sent as often as it should be, or nobody is there to hear it.
    Left,
    /// The update was sent as often as it should be, or nobody is there to hear it.
    Updated,
    /// The ping was answered after this time.
    Pinged(Duration),
    /// What the doctor has found.
    Examined(Box<Diagnosis>),
    /// A reliable message arrived, as certainly as this says.
    Sent(Delivery),
    /// How far a migration came.
    Migrated(Box<MigrationReport>),
    /// The time given ran out; for leave and update, what was announced stays announced.
    TimedOut,
    /// A stream did not do its work.
    Failed(ExchangeError),
    /// The application's leave or the end of the machine overtook the command.
    Cancelled,
}

/// How certain it is that a reliable message arrived.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Delivery {
    /// The receiver has acknowledged it: its delegate has returned from the message, or its event
    /// queue holds it.
    Acknowledged,
    /// The receiver, which does not acknowledge, has closed the connection in good order after
    /// the message. One of memberlist does so when its delegate has returned; what else may
    /// stand at that address is not known.
    Closed,
}

/// What became of each address of a join.
#[derive(Debug, Default)]
pub struct JoinReport {
    /// Addresses with which state was exchanged.
    pub reached: Vec<SocketAddr>,
    /// Addresses that could not be reached, and why.
    pub failed: Vec<(SocketAddr, ExchangeError)>,
}
