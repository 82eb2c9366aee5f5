//! The messages of the protocol, typed, borrowing from the bytes they were read from.
//!
//! `Text` is a Go string: any bytes, never absent. `Blob` is a Go byte slice, which
//! may be nil: nil and empty mean the same to every receiver but are written
//! differently, so a re-encoded message keeps which one it had.

use std::borrow::Cow;

use crate::base::name::NodeName;

/// A Go string: any bytes.
pub type Text<'a> = Cow<'a, [u8]>;

/// A Go byte slice: absent (nil) or any bytes.
pub type Blob<'a> = Option<Cow<'a, [u8]>>;

/// The bytes of a blob; nil counts as empty.
pub fn blob_bytes<'b>(blob: &'b Blob<'_>) -> &'b [u8] {
    blob.as_deref().unwrap_or_default()
}

/// A message's type: the first byte of every datagram message and stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum MessageType {
    /// Are you there?
    Ping = 0,
    /// Please ask that node whether it is there.
    IndirectPing = 1,
    /// I am here.
    Ack = 2,
    /// A node does not answer its pings.
    Suspect = 3,
    /// A node is here, with these facts.
    Alive = 4,
    /// A node is gone, or left.
    Dead = 5,
    /// The whole state of a node, on streams.
    PushPull = 6,
    /// Several messages in one.
    Compound = 7,
    /// Bytes of the application.
    User = 8,
    /// A compressed message.
    Compress = 9,
    /// An encrypted unit, on streams.
    Encrypt = 10,
    /// The node you asked me to ping did not answer in time.
    Nack = 11,
    /// A checksum and a message, outermost in a datagram.
    HasCrc = 12,
    /// Why a stream was refused.
    Err = 13,
    /// A label header, before everything else.
    HasLabel = 244,
}

impl MessageType {
    /// The type a byte stands for.
    pub const fn from_byte(byte: u8) -> Option<Self> {
        Some(match byte {
            0 => Self::Ping,
            1 => Self::IndirectPing,
            2 => Self::Ack,
            3 => Self::Suspect,
            4 => Self::Alive,
            5 => Self::Dead,
            6 => Self::PushPull,
            7 => Self::Compound,
            8 => Self::User,
            9 => Self::Compress,
            10 => Self::Encrypt,
            11 => Self::Nack,
            12 => Self::HasCrc,
            13 => Self::Err,
            244 => Self::HasLabel,
            _ => return None,
        })
    }
}

/// Who sent a ping and wants the answer; absent in messages of releases before 0.2.0.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Source<'a> {
    /// Advertised address of the sender, 4 or 16 bytes; empty if absent.
    pub addr: Blob<'a>,
    /// Advertised port; 0 if absent.
    pub port: u16,
    /// Name of the sender; empty if absent.
    pub node: Text<'a>,
}

/// Are you there?
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ping<'a> {
    /// Chosen by the sender, echoed in the ack.
    pub seq: u32,
    /// Name of the intended receiver; empty means anyone.
    pub node: Text<'a>,
    /// Where the ack goes, if known.
    pub source: Source<'a>,
}

/// Please ping `target` for me.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct IndirectPing<'a> {
    /// Echoed in the relayed ack and the nack.
    pub seq: u32,
    /// Address of the node to ping, 4 or 16 bytes.
    pub target: Blob<'a>,
    /// Port of the node to ping; 0 means the relay's own.
    pub port: u16,
    /// Name of the node to ping.
    pub node: Text<'a>,
    /// Whether a nack is wanted when the target stays silent.
    pub nack: bool,
    /// Where the answer goes, if known.
    pub source: Source<'a>,
}

/// I am here.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ack<'a> {
    /// The ping's number.
    pub seq: u32,
    /// Bytes of the answering application.
    pub payload: Blob<'a>,
}

/// The node you asked me to ping did not answer in time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Nack {
    /// The indirect ping's number.
    pub seq: u32,
}

/// Why a stream was refused; informative only.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ErrorReply<'a> {
    /// Text for a log.
    pub text: Text<'a>,
}

/// `from` got no answer from `node`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Suspect<'a> {
    /// The incarnation that is suspected.
    pub incarnation: u32,
    /// Who is suspected.
    pub node: Text<'a>,
    /// Who suspects.
    pub from: Text<'a>,
}

/// A node is here, with these facts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Alive<'a> {
    /// Raised by the node itself whenever it has something new to say of itself.
    pub incarnation: u32,
    /// Its name.
    pub node: Text<'a>,
    /// Its address, 4 or 16 bytes in a sane message.
    pub addr: Blob<'a>,
    /// Its port; 0 means the receiver's own.
    pub port: u16,
    /// Bytes of its application.
    pub meta: Blob<'a>,
    /// The version of relayed broadcasts that it understands, 0 for none: a key of ours, which
    /// memberlist ignores and does not pass on.
    pub relay: u8,
    /// pmin, pmax, pcur, dmin, dmax, dcur; 6 bytes in a sane message.
    pub versions: Blob<'a>,
}

impl Alive<'_> {
    /// The same message, its bytes its own.
    pub fn into_owned(self) -> Alive<'static> {
        let own = |blob: Blob<'_>| blob.map(|bytes| Cow::Owned(bytes.into_owned()));
        Alive {
            incarnation: self.incarnation,
            node: Cow::Owned(self.node.into_owned()),
            addr: own(self.addr),
            port: self.port,
            meta: own(self.meta),
            relay: self.relay,
            versions: own(self.versions),
        }
    }
}

/// `node` is gone; it left on purpose if `from` is `node` itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Dead<'a> {
    /// The incarnation that is gone.
    pub incarnation: u32,
    /// Who is gone.
    pub node: Text<'a>,
    /// Who says so.
    pub from: Text<'a>,
}

/// The record that opens a push/pull.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PushPullHeader<'a> {
    /// How many node records follow.
    pub nodes: i64,
    /// How many bytes of application state follow them.
    pub user_state_len: i64,
    /// Whether the exchange is part of a join.
    pub join: bool,
    /// About relayed broadcasts; left out if empty. A key of ours, for nodes of ours alone.
    pub relay: Text<'a>,
}

/// One node's record in a push/pull.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NodeRecord<'a> {
    /// Its name.
    pub name: Text<'a>,
    /// Its address, 4 or 16 bytes in a sane record.
    pub addr: Blob<'a>,
    /// Its port; 0 means the receiver's own.
    pub port: u16,
    /// Bytes of its application.
    pub meta: Blob<'a>,
    /// Its incarnation as the sender knows it.
    pub incarnation: u32,
    /// 0 alive, 1 suspect, 2 dead, 3 left; other values are ignored.
    pub state: i64,
    /// The version of relayed broadcasts that it understands, 0 for none: a key of ours, as in
    /// [`Alive`].
    pub relay: u8,
    /// pmin, pmax, pcur, dmin, dmax, dcur; 6 bytes in a sane record.
    pub versions: Blob<'a>,
}

/// The record that opens a user message on a stream.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UserHeader<'a> {
    /// A [`Ticket`] by which to acknowledge the message; left out if empty. A key of ours, which
    /// memberlist ignores.
    pub ack: Text<'a>,
    /// A [`StepRequest`](super::step::StepRequest); left out if empty. A key of ours, too.
    pub step: Text<'a>,
    /// How many bytes of payload follow.
    pub len: i64,
}

/// Names a user message on a stream, so that it can be acknowledged, and a repetition be known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ticket {
    /// A random number that the sender took at its start.
    pub instance: u64,
    /// Counts its messages since then.
    pub sequence: u64,
    /// The sender's name in the pool.
    pub from: NodeName,
}

impl Ticket {
    /// The number that the acknowledgement carries: the end of the sequence number.
    pub fn seq(&self) -> u32 {
        self.sequence as u32
    }

    /// As it stands in the header.
    pub fn encode(&self) -> Vec<u8> {
        [&self.instance.to_be_bytes(), &self.sequence.to_be_bytes(), self.from.as_bytes()].concat()
    }

    /// Reads one; nothing if it makes no sense.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let (instance, rest) = bytes.split_first_chunk()?;
        let (sequence, from) = rest.split_first_chunk()?;
        let (instance, sequence) = (u64::from_be_bytes(*instance), u64::from_be_bytes(*sequence));
        (1..=NAME_MAX).contains(&from.len()).then(|| Self { instance, sequence, from: from.into() })
    }
}

/// Longest name of a sender.
const NAME_MAX: usize = 255;

/// A message as it stands in a datagram once every layer is removed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Message<'a> {
    /// Are you there?
    Ping(Ping<'a>),
    /// Please ping someone for me.
    IndirectPing(IndirectPing<'a>),
    /// I am here.
    Ack(Ack<'a>),
    /// The node you asked me to ping did not answer.
    Nack(Nack),
    /// A node does not answer.
    Suspect(Suspect<'a>),
    /// A node is here.
    Alive(Alive<'a>),
    /// A node is gone.
    Dead(Dead<'a>),
    /// Bytes of the application.
    User(&'a [u8]),
}
