//! Everything that a driver is told, as one enum: a pool's machine is a function of the
//! sequence of these and of the times at which they were handled.

use std::collections::BTreeSet;
use std::sync::mpsc;
use std::time::Duration;

use bytes::Bytes;
use crossbeam_channel::Sender;

use crate::base::addr::Target;
use crate::base::ids::{AskId, ExchangeId};
use crate::base::name::NodeName;
use crate::net::owners::{Datagram, InboundStream};
use crate::pool::action::{Outcome, Reply as Answer};
use crate::pool::error::CommandError;
use crate::pool::exchange::{ExchangeNews, Verdict};
use crate::pool::layers::Labels;
use crate::pool::machine::Machine;
use crate::pool::migration::{Migration, MigrationOptions, MigrationProgress};
use crate::pool::traffic::Traffic;
use crate::runtime::driven::Driven;
use crate::runtime::join::Resolved;
use crate::runtime::reply::Reply;
use crate::swim::explanation::Explanation;
use crate::wire::keyring::Key;

/// Something for the driver of a pool.
#[derive(Debug)]
pub(crate) enum Input {
    /// A datagram was read.
    Packet(Datagram),
    /// Someone connected.
    Stream(InboundStream),
    /// An exchange has news.
    News(ExchangeId, ExchangeNews),
    /// An exchange is gone, and leaves this to be counted.
    Traffic(Traffic),
    /// The application answered a question.
    Reply(AskId, Answer),
    /// The seeds of the configuration have been looked up.
    Seeds(Resolved),
    /// Whether the application took the message of an exchange.
    Verdict(ExchangeId, Verdict),
    /// A message to everyone, for which room was taken from the [`Intake`](super::intake::Intake).
    Broadcast { name: Bytes, message: Bytes },
    /// Whether the labels have been changed as the machine wanted.
    Relabelled(bool),
    /// The application wants something.
    Command(Command),
    /// The pool is to end.
    Stop,
}

/// What the application wants. Whoever sends it waits at the other end of the channel in
/// it; if the driver ends first, that end is disconnected.
#[derive(Debug)]
pub(crate) enum Command {
    /// Something that takes time.
    Task { task: Task, timeout: Duration, reply: Reply<Result<Outcome, CommandError>> },
    /// A message to everyone, in place of an older one of its name if it has one; waits for
    /// room as long as `timeout` says.
    Broadcast { name: Bytes, message: Bytes, timeout: Duration, reply: Reply<Result<(), CommandError>> },
    /// Nobody waits any more for some of those under way.
    Abandon,
    /// Something done at once.
    Change { change: Change, reply: Sender<Result<(), CommandError>> },
    /// The keys, primary first.
    Keys(Sender<Vec<Key>>),
    /// Why a member is in its state.
    Explain(NodeName, Reply<Result<Explanation, CommandError>>),
    /// The counters of machine and driver.
    Stats(Sender<Driven>),
}

/// A command that completes later.
#[derive(Debug)]
pub(crate) enum Task {
    Join(Vec<Target>),
    Leave,
    Update(Bytes),
    Send(Target, Bytes),
    Ping(Target),
    Doctor(Target),
    Migrate(Migration, MigrationOptions, Option<mpsc::Sender<MigrationProgress>>),
}

/// A command that completes at once.
#[derive(Debug, Clone)]
pub(crate) enum Change {
    Send(Target, Bytes),
    LocalState(Bytes),
    AckPayload(Bytes),
    NoTcpPings(BTreeSet<NodeName>),
    AddKey(Key),
    UseKey(Key),
    RemoveKey(Key),
    GossipVerify { incoming: bool, outgoing: bool },
    Labels(Labels),
}

impl Change {
    /// Changes `machine`; on an error it is as before.
    pub(crate) fn apply(self, machine: &mut Machine) -> Result<(), CommandError> {
        match self {
            Self::Send(to, message) => machine.send(&to, &message),
            Self::LocalState(state) => machine.set_local_state(state),
            Self::AckPayload(payload) => machine.set_ack_payload(payload),
            Self::NoTcpPings(names) => {
                machine.disable_tcp_pings_for(names);
                Ok(())
            }
            Self::AddKey(key) => machine.add_key(key),
            Self::UseKey(key) => machine.use_key(&key),
            Self::RemoveKey(key) => machine.remove_key(&key),
            Self::GossipVerify { incoming, outgoing } => machine.set_gossip_verify(incoming, outgoing),
            Self::Labels(labels) => machine.set_labels(labels),
        }
    }
}
