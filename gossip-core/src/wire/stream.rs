//! The stream pipeline: [`frame`] wraps one message, a [`FrameReader`] finds one in bytes that come in pieces.
//!
//! One connection carries one request and at most one response, and nobody half-closes:
//! the end of a message is found by counts and lengths, and what follows it is ignored. Only
//! behind a user message that was acknowledged may another request follow ([`FrameReader::next`]).

use std::sync::Arc;

use bytes::Bytes;
use zeroize::Zeroizing;

use super::budget::Share;
use super::compress::{self, Coder};
use super::decode::{decode_ack, decode_error_reply, decode_ping, decode_user_header};
use super::encode::encode_user_header;
use super::error::Refused;
use super::label::{self, Under};
use super::limits::{
    DECOMPRESSED_MAX, STREAM_COMPRESSED_MAX, STREAM_RECORD_MAX, STREAM_UNIT_MAX, USER_MESSAGE_MAX,
};
use super::message::{MessageType, Ticket, UserHeader, blob_bytes};
use super::msgpack::scan::RecordScan;
use super::nonce::Nonces;
use super::onion::Wire;
use super::push_pull::{RemoteState, StateReader, checked};
use super::seal::{self, Sealing};
use super::step::StepRequest;
use crate::base::name::NodeName;

/// One message of a stream.
#[derive(Debug, Clone)]
pub enum Frame {
    /// Are you there? A request.
    Ping {
        /// To be echoed in the ack.
        seq: u32,
        /// Whom the ping is for; empty means anyone.
        node: NodeName,
    },
    /// I am here. The response to a ping.
    Ack {
        /// The ping's number.
        seq: u32,
        /// Bytes of whoever answers; of a user message's receiver, why it was not taken.
        payload: Bytes,
    },
    /// All that the peer knows. A request, and its response.
    PushPull(RemoteState),
    /// Bytes of the application. A request.
    User {
        /// The bytes.
        payload: Bytes,
        /// By which to acknowledge them, if the sender waits for that.
        ticket: Option<Ticket>,
    },
    /// Take a step of a migration. A request.
    Step {
        /// Which step.
        request: StepRequest,
        /// By which to answer, and whose request it is.
        ticket: Ticket,
    },
    /// Why the peer refused our request. A response.
    Error(String),
}

impl Frame {
    /// The type of the message.
    pub fn message_type(&self) -> MessageType {
        match self {
            Self::Ping { .. } => MessageType::Ping,
            Self::Ack { .. } => MessageType::Ack,
            Self::PushPull(_) => MessageType::PushPull,
            Self::User { .. } | Self::Step { .. } => MessageType::User,
            Self::Error(_) => MessageType::Err,
        }
    }
}

/// Why a stream was refused, and what to tell the peer before closing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamRefused {
    /// The reason.
    pub why: Refused,
    /// The text for an error message; `None` where Go closes in silence.
    pub reply: Option<String>,
}

/// The bytes of one message, its layers put on: compression if the pool has it, even where it does not
/// shorten; encryption; for a request also label header and prefix.
pub fn frame(wire: &Wire, nonces: &mut Nonces, request: bool, plain: &[u8]) -> Vec<u8> {
    frame_pieces(wire, nonces, request, plain.len(), |put| put(plain))
}

/// The same for a message of some `likely` bytes that `write` puts in pieces.
pub fn frame_pieces(
    wire: &Wire,
    nonces: &mut Nonces,
    request: bool,
    likely: usize,
    write: impl FnOnce(&mut dyn FnMut(&[u8])),
) -> Vec<u8> {
    let overhead = wire.label_overhead() + UNIT_HEAD_LEN + wire.encrypt_overhead();
    let mut out = Vec::with_capacity(overhead + if wire.compression { 0 } else { likely });
    if request {
        out.extend_from_slice(wire.prefix.as_ref().map_or(&[], |prefix| prefix));
        label::write_header(&wire.label, &mut out);
    }
    let append = |out: &mut Vec<u8>| match wire.compression {
        true => Coder::default().pack_pieces(write, out),
        false => write(&mut |piece| out.extend_from_slice(piece)),
    };
    let Some(key) = wire.sealing_key() else {
        append(&mut out);
        return out;
    };
    let front = out.len();
    out.extend_from_slice(&unit_head(0));
    let sealing = Sealing::begin(key, wire.encryption_version, nonces.next(), &mut out);
    let start = out.len();
    append(&mut out);
    let head = unit_head(seal::sealed_len(wire.encryption_version, out.len() - start));
    if let Some(place) = out.get_mut(front..front + head.len()) {
        place.copy_from_slice(&head);
    }
    sealing.finish(&unit_aad(&head, &wire.label), &mut out);
    out
}

/// Bytes of a frame in front of the encrypted payload or, without encryption, of the message.
pub fn framing_len(wire: &Wire, request: bool) -> usize {
    let front = if request { wire.label_overhead() } else { 0 };
    front + if wire.sealing_key().is_some() { UNIT_HEAD_LEN } else { 0 }
}

/// A user message in its plain form for streams, its type byte first; with a ticket it asks to be
/// acknowledged.
pub fn encode_user(payload: &[u8], ticket: Option<&Ticket>) -> Vec<u8> {
    let ack = ticket.map_or(Vec::new(), Ticket::encode);
    let mut out = Vec::with_capacity(32 + ack.len() + payload.len());
    out.push(MessageType::User as u8);
    let header = UserHeader { ack: ack.into(), len: payload.len() as i64, ..UserHeader::default() };
    encode_user_header(&header, &mut out);
    out.extend_from_slice(payload);
    out
}

/// The request to take a step of a migration in its plain form, as an empty user message.
pub fn encode_step(request: &StepRequest, ticket: &Ticket) -> Zeroizing<Vec<u8>> {
    let (ack, step) = (ticket.encode(), request.encode());
    // As long as it will be, so that no copy of a key is left behind.
    let mut out = Zeroizing::new(Vec::with_capacity(64 + ack.len() + step.len()));
    out.push(MessageType::User as u8);
    let header = UserHeader { ack: ack.into(), step: step.as_slice().into(), len: 0 };
    encode_user_header(&header, &mut out);
    out
}

/// Finds the one message of a stream in bytes that come in pieces of any size.
///
/// Every byte is looked at once while its end is searched, and the buffer grows with what
/// arrives, never with what is announced.
#[derive(Debug)]
pub struct FrameReader {
    wire: Arc<Wire>,
    is_request: bool,
    stage: Stage,
    bytes: Vec<u8>,
    /// Of the budget, for the bytes.
    share: Share,
    /// Bytes taken in so far.
    taken: usize,
    /// Bytes in front of the message as it came: its label header, and the head of an
    /// encrypted unit.
    front: usize,
    /// Where the current layer begins in the bytes.
    at: usize,
    /// The bytes are what a layer contained: nothing can follow them.
    is_whole: bool,
    is_encrypted: bool,
    kind: Option<MessageType>,
}

#[derive(Debug)]
enum Stage {
    /// The label header of a request.
    Label,
    /// Encrypted or not.
    Outer,
    /// Inside the encryption: compressed or not.
    Inner,
    /// The record around the compressed message.
    Compressed(RecordScan),
    /// The message's type.
    Type,
    /// A message that is one record.
    Record(MessageType, RecordScan),
    /// The header of a user message.
    UserHeader(RecordScan),
    /// The payload of a user message.
    UserPayload { start: usize, end: usize, ticket: Option<Ticket> },
    /// A push/pull.
    State(StateReader),
    /// The message has been found, or refused.
    Over,
}

enum Step {
    /// On to this stage.
    Next(Stage),
    /// This stage needs more bytes.
    Wait(Stage),
    Found(Frame),
}

impl FrameReader {
    /// A reader of what a peer that connected to us asks; the prefix has been removed.
    pub fn request(wire: Arc<Wire>) -> Self {
        Self::new(wire, true, Stage::Label)
    }

    /// A reader of what a peer answers; responses carry neither prefix nor label header.
    pub fn response(wire: Arc<Wire>) -> Self {
        Self::new(wire, false, Stage::Outer)
    }

    /// Takes bytes that have arrived, and returns the message once it is complete.
    pub fn push(&mut self, chunk: &[u8]) -> Result<Option<Frame>, StreamRefused> {
        if matches!(self.stage, Stage::Over) {
            return Ok(None);
        }
        if !self.share.cover(self.bytes.len() + chunk.len()) {
            return Err(self.too_much());
        }
        self.taken += chunk.len();
        self.bytes.extend_from_slice(chunk);
        loop {
            let stage = std::mem::replace(&mut self.stage, Stage::Over);
            let answers = self.is_request && stage.is_outer_layer();
            match self.step(stage) {
                Ok(Step::Next(stage)) => self.stage = stage,
                Ok(Step::Wait(_)) if self.is_whole => {
                    return Err(StreamRefused { why: Refused::EndOfStream, reply: None });
                }
                Ok(Step::Wait(stage)) => {
                    self.stage = stage;
                    return Ok(None);
                }
                Ok(Step::Found(frame)) => return Ok(Some(frame)),
                Err(why) => {
                    let reply = if answers { why.reply() } else { None };
                    return Err(StreamRefused { why, reply });
                }
            }
        }
    }

    /// What [`push`](Self::push) has to decrypt or decompress if it is given `chunk`, in bytes that come. What
    /// they unpack to counts, too: ten kilobytes may become forty megabytes.
    pub fn unwraps(&self, chunk: &[u8]) -> usize {
        let have = self.bytes.len() + chunk.len();
        match &self.stage {
            Stage::Label | Stage::Outer if self.bytes.is_empty() => self.work_in(chunk),
            // A label header in pieces: whatever is behind it.
            Stage::Label => compress::work_at_most(have),
            Stage::Outer => {
                let unit = self.bytes.get(self.at..).and_then(unit_end).map(|end| self.at + end);
                unit.filter(|&end| end <= have).map_or(0, compress::work_at_most)
            }
            Stage::Compressed(scan) if scan.needs() <= have => match self.bytes.get(scan.start()..) {
                Some(begun) if have < compress::MEASURED_MAX => compress::work(&[begun, chunk].concat()),
                _ => have,
            },
            _ => 0,
        }
    }

    /// The same of a message that `chunk` begins with.
    fn work_in(&self, chunk: &[u8]) -> usize {
        let message = match (&self.stage, label::front(chunk)) {
            (Stage::Label, Ok(label::Front::Label(_, rest))) => rest,
            (Stage::Label, _) => return 0,
            _ => chunk,
        };
        match message.split_first() {
            Some((&ENCRYPT, _)) => {
                unit_end(message).filter(|&end| end <= message.len()).map_or(0, compress::work_at_most)
            }
            Some((&COMPRESS, record)) => {
                let whole = RecordScan::new(0).advance(record, STREAM_COMPRESSED_MAX);
                whole.ok().flatten().map_or(0, compress::work)
            }
            _ => 0,
        }
    }

    /// The peer sends no more: why that is too early.
    pub fn eof(&mut self) -> StreamRefused {
        let why = match std::mem::replace(&mut self.stage, Stage::Over) {
            Stage::Label if !self.bytes.is_empty() => Refused::LabelTruncated,
            _ => Refused::EndOfStream,
        };
        StreamRefused { why, reply: None }
    }

    /// Makes ready for one more message, which has no label header.
    pub fn next(&mut self) {
        *self = Self::new(Arc::clone(&self.wire), self.is_request, Stage::Outer);
    }

    /// The onion of this conversation: its label is the one that the peer chose.
    pub fn wire(&self) -> &Wire {
        &self.wire
    }

    /// The type of the message, as soon as it is known.
    pub fn kind(&self) -> Option<MessageType> {
        self.kind
    }

    /// Bytes of the message as it came, compressed and encrypted as it was, without what frames it.
    pub fn size(&self) -> usize {
        self.taken.saturating_sub(self.front)
    }

    /// Whether the message came encrypted; known once it is complete.
    pub fn is_encrypted(&self) -> bool {
        self.is_encrypted
    }

    /// Whether any byte has arrived.
    pub fn has_begun(&self) -> bool {
        !self.bytes.is_empty() || self.kind.is_some()
    }

    fn new(wire: Arc<Wire>, is_request: bool, stage: Stage) -> Self {
        let share = wire.budget.share();
        Self {
            wire,
            is_request,
            stage,
            bytes: Vec::new(),
            share,
            taken: 0,
            front: 0,
            at: 0,
            is_whole: false,
            is_encrypted: false,
            kind: None,
        }
    }

    fn step(&mut self, stage: Stage) -> Result<Step, Refused> {
        match stage {
            Stage::Label => self.label(),
            Stage::Outer => self.outer(),
            Stage::Inner => Ok(self.inner()),
            Stage::Compressed(scan) => self.compressed(scan),
            Stage::Type => self.message_type(),
            Stage::Record(kind, scan) => self.record(kind, scan),
            Stage::UserHeader(scan) => self.user_header(scan),
            Stage::UserPayload { start, end, ticket } => Ok(self.user_payload(start, end, ticket)),
            Stage::State(state) => self.state(state),
            Stage::Over => Ok(Step::Wait(Stage::Over)),
        }
    }

    fn label(&mut self) -> Result<Step, Refused> {
        if self.bytes.is_empty() {
            return Ok(Step::Wait(Stage::Label));
        }
        let label::Front::Label(received, rest) = label::front(&self.bytes)? else {
            return Ok(Step::Wait(Stage::Label));
        };
        let under = label::check(received, &self.wire)?;
        self.at = self.bytes.len() - rest.len();
        // The rest of the conversation is held under the label that the peer chose.
        if let Some(turned) = self.wire.turned().filter(|_| under == Under::Other) {
            self.wire = Arc::new(turned);
        }
        self.front = self.at;
        Ok(Step::Next(Stage::Outer))
    }

    fn outer(&mut self) -> Result<Step, Refused> {
        let has_keys = !self.wire.keyring.is_empty();
        match self.first() {
            None => Ok(Step::Wait(Stage::Outer)),
            Some(ENCRYPT) if has_keys => self.encrypted(),
            Some(ENCRYPT) => Err(Refused::Encrypted),
            Some(_) if has_keys && self.wire.verify_incoming => Err(Refused::NotEncrypted),
            Some(_) => Ok(Step::Next(Stage::Inner)),
        }
    }

    fn encrypted(&mut self) -> Result<Step, Refused> {
        let unit = self.bytes.get_mut(self.at..).unwrap_or_default();
        let Some((head, payload)) = unit.split_first_chunk_mut::<UNIT_HEAD_LEN>() else {
            return Ok(Step::Wait(Stage::Outer));
        };
        let [_, a, b, c, d] = *head;
        let announced = u32::from_be_bytes([a, b, c, d]);
        let len = usize::try_from(announced)
            .ok()
            .filter(|&len| len <= STREAM_UNIT_MAX)
            .ok_or(Refused::UnitTooLong(announced))?;
        let Some(payload) = payload.get_mut(..len) else {
            return Ok(Step::Wait(Stage::Outer));
        };
        let aad = unit_aad(head, &self.wire.label);
        let message = seal::open(&self.wire.keyring, &aad, payload, &mut Vec::new())?;
        if message.is_empty() {
            return Err(Refused::Empty);
        }
        self.front += UNIT_HEAD_LEN;
        self.at += UNIT_HEAD_LEN + message.start;
        self.bytes.truncate(self.at + message.len());
        self.is_whole = true;
        self.is_encrypted = true;
        Ok(Step::Next(Stage::Inner))
    }

    fn inner(&self) -> Step {
        match self.first() {
            None => Step::Wait(Stage::Inner),
            Some(COMPRESS) => Step::Next(Stage::Compressed(RecordScan::new(self.at + 1))),
            Some(_) => Step::Next(Stage::Type),
        }
    }

    fn compressed(&mut self, mut scan: RecordScan) -> Result<Step, Refused> {
        let Some(record) = scan.advance(&self.bytes, STREAM_COMPRESSED_MAX)? else {
            return Ok(Step::Wait(Stage::Compressed(scan)));
        };
        let (mut message, mut share) = (Vec::new(), self.wire.budget.share());
        // Measured, not guessed: many threads that unpack at a time must not refuse each other for nothing.
        if !share.cover(compress::unpacked_len(record).min(DECOMPRESSED_MAX)) {
            return Err(Refused::TooMuchHeld);
        }
        Coder::default().unpack(record, DECOMPRESSED_MAX, &mut message)?;
        if message.is_empty() {
            return Err(Refused::DecompressedEmpty);
        }
        share.cover(message.capacity());
        (self.bytes, self.share) = (message, share);
        self.at = 0;
        self.is_whole = true;
        Ok(Step::Next(Stage::Type))
    }

    fn message_type(&mut self) -> Result<Step, Refused> {
        let Some(first) = self.first() else {
            return Ok(Step::Wait(Stage::Type));
        };
        let body = self.at + 1;
        let kind = MessageType::from_byte(first).ok_or(Refused::UnknownType(first))?;
        let stage = match (kind, self.is_request) {
            (MessageType::PushPull, _) => Stage::State(StateReader::new(body)),
            (MessageType::User, true) => Stage::UserHeader(RecordScan::new(body)),
            (MessageType::Ping, true) | (MessageType::Ack | MessageType::Err, false) => {
                Stage::Record(kind, RecordScan::new(body))
            }
            _ => return Err(Refused::UnknownType(first)),
        };
        self.kind = Some(kind);
        Ok(Step::Next(stage))
    }

    fn record(&mut self, kind: MessageType, mut scan: RecordScan) -> Result<Step, Refused> {
        let Some(record) = scan.advance(&self.bytes, STREAM_RECORD_MAX)? else {
            return Ok(Step::Wait(Stage::Record(kind, scan)));
        };
        Ok(Step::Found(match kind {
            MessageType::Ping => {
                let ping = decode_ping(record)?;
                Frame::Ping { seq: ping.seq, node: ping.node.as_ref().into() }
            }
            MessageType::Ack => {
                let ack = decode_ack(record)?;
                Frame::Ack { seq: ack.seq, payload: Bytes::copy_from_slice(blob_bytes(&ack.payload)) }
            }
            _ => Frame::Error(String::from_utf8_lossy(&decode_error_reply(record)?.text).into_owned()),
        }))
    }

    fn user_header(&mut self, mut scan: RecordScan) -> Result<Step, Refused> {
        let Some(record) = scan.advance(&self.bytes, STREAM_RECORD_MAX)? else {
            return Ok(Step::Wait(Stage::UserHeader(scan)));
        };
        let UserHeader { ack, step, len } = decode_user_header(record)?;
        let ticket = Ticket::decode(&ack);
        if let (Some(ticket), Some(request), 0) = (&ticket, StepRequest::decode(&step), len) {
            return Ok(Step::Found(Frame::Step { request, ticket: ticket.clone() }));
        }
        let len = checked(len, USER_MESSAGE_MAX).ok_or(Refused::UserMessageLen(len))?;
        let start = scan.end();
        Ok(Step::Next(Stage::UserPayload { start, end: start + len, ticket }))
    }

    fn user_payload(&mut self, start: usize, end: usize, ticket: Option<Ticket>) -> Step {
        if self.bytes.len() < end {
            return Step::Wait(Stage::UserPayload { start, end, ticket });
        }
        let payload = Bytes::from(std::mem::take(&mut self.bytes)).slice(start..end);
        self.share.cover(0);
        Step::Found(Frame::User { payload, ticket })
    }

    fn state(&mut self, mut state: StateReader) -> Result<Step, Refused> {
        if !state.advance(&self.bytes)? {
            return Ok(Step::Wait(Stage::State(state)));
        }
        let share = std::mem::replace(&mut self.share, self.wire.budget.share());
        let bytes = Bytes::from(std::mem::take(&mut self.bytes));
        Ok(Step::Found(Frame::PushPull(state.finish(bytes, share))))
    }

    /// There is no memory for what has come.
    fn too_much(&mut self) -> StreamRefused {
        let why = Refused::TooMuchHeld;
        let stage = std::mem::replace(&mut self.stage, Stage::Over);
        let answers = self.is_request && stage.is_outer_layer();
        StreamRefused { why, reply: if answers { why.reply() } else { None } }
    }

    /// The first byte of the current layer.
    fn first(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }
}

impl Stage {
    /// Whether a refusal in this stage is answered (wire document 11.5).
    fn is_outer_layer(&self) -> bool {
        matches!(self, Self::Outer | Self::Inner | Self::Compressed(_))
    }
}

/// Type and length of an encrypted unit.
const UNIT_HEAD_LEN: usize = 5;

const ENCRYPT: u8 = MessageType::Encrypt as u8;
const COMPRESS: u8 = MessageType::Compress as u8;

/// Units are far below 4 GiB; a peer refuses one above 20 MiB by this very number.
fn unit_head(len: usize) -> [u8; UNIT_HEAD_LEN] {
    let [a, b, c, d] = u32::try_from(len).unwrap_or(u32::MAX).to_be_bytes();
    [ENCRYPT, a, b, c, d]
}

/// Where the encrypted unit ends that `message` begins with.
fn unit_end(message: &[u8]) -> Option<usize> {
    let (&[kind, ref len @ ..], _) = message.split_first_chunk::<UNIT_HEAD_LEN>()?;
    let len = usize::try_from(u32::from_be_bytes(*len)).ok()?;
    (kind == ENCRYPT).then(|| UNIT_HEAD_LEN.saturating_add(len))
}

/// What the encryption of a stream authenticates besides the message.
fn unit_aad(head: &[u8; UNIT_HEAD_LEN], label: &[u8]) -> Vec<u8> {
    [head, label].concat()
}
