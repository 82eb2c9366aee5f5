//! One TCP conversation, without the TCP: bytes and time go in, bytes and news come out.
//!
//! An exchange is apart from the machine of its pool because its work is heavy (decrypting,
//! unfolding and decoding megabytes) and must not delay an ack: it runs in the task of its
//! stream, and only typed news reaches the machine.
//!
//! # The law
//!
//! > After construction and after every `handle_*`, drain [`poll_write`](Exchange::poll_write) and
//! > [`poll_news`](Exchange::poll_news) until both are `None`. Write the bytes in that order, and call
//! > [`handle_written`](Exchange::handle_written) once all of them are written. Then read
//! > [`poll_timeout`](Exchange::poll_timeout) and call [`handle_timeout`](Exchange::handle_timeout) no earlier
//! > than that. Once [`is_over`](Exchange::is_over), close the connection.
//!
//! What the peer sends is read and handed in at any time, also while writing. Exactly one
//! [`Finished`](ExchangeNews::Finished) or [`Failed`](ExchangeNews::Failed) comes, as the last news;
//! whatever is handed in afterwards changes nothing.
//!
//! ```text
//! outbound  connect -> handle_connected -> write -> handle_written -> read the answer -> Finished
//! inbound   read -> PushPullBegun -> RemoteState -> handle_answer -> write -> handle_written -> Finished
//!                -> (ping for us)                               -> write -> handle_written -> Finished
//!                -> User, unticketed                                                       -> Finished
//!                -> User with a ticket -> handle_verdict -> write -> rests, reads the next one ...
//!                -> StepAsked ------> handle_reply --> write -> handle_written -> Finished
//!                -> (refused) ...... an error message, where Go sends one ............. -> Failed
//! ```
//!
//! A user message goes out with a [ticket](Ticket), whoever the peer is. A node of ours acknowledges
//! it, and both ends of the connection then *rest*: [`handle_message`](Exchange::handle_message) sends
//! the next one on it. memberlist ignores the ticket and closes the connection once its
//! application has returned: the exchange is `Finished` without a verdict.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use crate::base::name::NodeName;
use crate::base::time::Time;
pub use crate::pool::exchange_error::{Broken, ExchangeError, Refusal, Verdict};
use crate::pool::own_state::OwnState;
use crate::pool::traffic::Traffic;
use crate::wire::encode::{encode, encode_error_reply};
use crate::wire::error::Refused;
use crate::wire::message::{Ack, ErrorReply, Message, MessageType, Ping, Ticket};
use crate::wire::nonce::Nonces;
use crate::wire::onion::Wire;
use crate::wire::push_pull::RemoteState;
use crate::wire::step::StepRequest;
use crate::wire::stream::{self, Frame, FrameReader, StreamRefused};

/// What an exchange that we open asks of the peer.
#[derive(Debug, Clone)]
pub enum Opening {
    /// Here is what we know: tell us what you know.
    PushPull {
        /// Whether this is part of a join.
        join: bool,
        /// What we know.
        state: OwnState,
    },
    /// Are you there? Used when datagrams get no answer.
    Ping {
        /// To be echoed in the ack.
        seq: u32,
        /// Whom we expect there.
        node: NodeName,
    },
    /// Bytes for the peer's application, to be acknowledged if the peer knows how.
    User {
        /// The bytes.
        payload: Bytes,
        /// Names them.
        ticket: Ticket,
    },
    /// Take a step of a migration; a node of ours answers.
    Step {
        /// Which step.
        request: StepRequest,
        /// Says who asks.
        ticket: Ticket,
    },
}

/// What an exchange has to tell its owner.
#[derive(Debug, Clone)]
pub enum ExchangeNews {
    /// A peer has begun a push/pull: the owner counts those, and may drop this one.
    PushPullBegun,
    /// All that the peer knows. Inbound, the exchange now waits for [`Exchange::handle_answer`].
    RemoteState(RemoteState),
    /// Bytes from the peer's application.
    User {
        /// The bytes.
        payload: Bytes,
        /// Whether they came encrypted.
        encrypted: bool,
        /// With one, the exchange waits for [`Exchange::handle_verdict`].
        ticket: Option<Ticket>,
    },
    /// The peer asks us to take a step of a migration; the exchange waits for
    /// [`Exchange::handle_reply`].
    StepAsked {
        /// Which step.
        request: StepRequest,
        /// Whether it came encrypted.
        encrypted: bool,
        /// Who asks.
        ticket: Ticket,
    },
    /// What the peer says of the step that we asked it to take. The end follows.
    StepAnswered(Bytes),
    /// The connection for our ping stands.
    Connected,
    /// What the peer says of our user message: its application took it, or why not. The exchange
    /// rests, and may be used again.
    Verdict(Verdict),
    /// The peer answered our ping.
    Acked,
    /// The exchange is complete.
    Finished,
    /// The exchange is over before it was complete.
    Failed(ExchangeError),
}

/// One conversation. The [module](self) says how to drive it.
#[derive(Debug)]
pub struct Exchange {
    nonces: Nonces,
    timeout: Duration,
    deadline: Time,
    stage: Stage,
    reader: FrameReader,
    /// At most one message in each direction at a time.
    outgoing: Option<Bytes>,
    news: VecDeque<ExchangeNews>,
    /// Whether the owner knows of the push/pull.
    is_announced: bool,
    /// A message was acknowledged, and the next one has not begun.
    rests: bool,
    traffic: Traffic,
}

#[derive(Debug)]
enum Stage {
    /// Outbound, not connected.
    Connecting(Opening),
    /// Outbound, the request is being written.
    Asking(Expected),
    /// Outbound, the request is written.
    Awaiting(Expected),
    /// Inbound, the request is being read.
    Reading {
        name: NodeName,
    },
    /// Inbound, the owner must answer a push/pull.
    Parked {
        join: bool,
    },
    /// Inbound, the application has a message.
    Judged {
        name: NodeName,
        seq: u32,
    },
    /// Inbound, what the application did with a message is being written.
    Acknowledging {
        name: NodeName,
    },
    /// Outbound, the latest message was acknowledged.
    Resting,
    /// The last message is being written; then this is the end.
    Ending(Result<(), ExchangeError>),
    Over,
}

/// What answers our request.
#[derive(Debug, Clone, Copy)]
enum Expected {
    State,
    Ack { seq: u32 },
    Verdict { seq: u32 },
    Step { seq: u32 },
}

/// How long an acknowledged connection is kept by who opened it, for the next message.
pub const REST: Duration = Duration::from_secs(10);

/// The same at the other end: longer, so that messages do not cross with its close.
const REST_INBOUND: Duration = Duration::from_secs(20);

/// How long the application may take for a message until its sender is given up, who then
/// gave up long ago.
const JUDGED_MAX: Duration = Duration::from_secs(600);

impl Exchange {
    /// An exchange that we open; the connection is still to come.
    ///
    /// `deadline` is for connecting and writing. A push/pull then gets another `timeout`
    /// for its answer (Go: `sendAndReceiveState`); a ping does not.
    pub fn outbound(
        _now: Time,
        wire: Arc<Wire>,
        nonces: Nonces,
        opening: Opening,
        deadline: Time,
        timeout: Duration,
    ) -> Self {
        let reader = FrameReader::response(wire);
        Self::new(nonces, reader, Stage::Connecting(opening), deadline, timeout)
    }

    /// An exchange that a peer opened, behind the prefix; `name` is our own.
    ///
    /// The peer has `timeout` for its request, and again for taking our answer.
    pub fn inbound(now: Time, wire: Arc<Wire>, nonces: Nonces, name: NodeName, timeout: Duration) -> Self {
        let reader = FrameReader::request(wire);
        Self::new(nonces, reader, Stage::Reading { name }, now + timeout, timeout)
    }

    /// How many bytes [`handle_connected`](Self::handle_connected) makes a message of.
    pub fn weight(&self) -> usize {
        match &self.stage {
            Stage::Connecting(Opening::PushPull { state, .. }) => state.weight(),
            Stage::Connecting(Opening::User { payload, .. }) => payload.len(),
            _ => 0,
        }
    }

    /// The connection stands: the request can be written, with label and prefix in one piece.
    pub fn handle_connected(&mut self, _now: Time) {
        let opening = match std::mem::replace(&mut self.stage, Stage::Over) {
            Stage::Connecting(opening) => opening,
            other => {
                self.stage = other;
                return;
            }
        };
        self.traffic.connected = true;
        let expected = match opening {
            Opening::PushPull { join, state } => {
                self.put_state(true, join, &state);
                Expected::State
            }
            Opening::Ping { seq, node } => {
                self.news.push_back(ExchangeNews::Connected);
                self.put(true, &encode_ping(seq, &node));
                Expected::Ack { seq }
            }
            Opening::User { payload, ticket } => {
                self.put(true, &stream::encode_user(&payload, Some(&ticket)));
                Expected::Verdict { seq: ticket.seq() }
            }
            Opening::Step { request, ticket } => {
                self.put(true, &stream::encode_step(&request, &ticket));
                Expected::Step { seq: ticket.seq() }
            }
        };
        self.stage = Stage::Asking(expected);
    }

    /// One more user message for the peer, on a connection that rests; on any other nothing
    /// happens. The peer's verdict must come before `deadline`.
    pub fn handle_message(&mut self, _now: Time, payload: &[u8], ticket: &Ticket, deadline: Time) {
        if let Stage::Resting = self.stage {
            self.deadline = deadline;
            self.rests = false;
            self.reader.next();
            self.put(false, &stream::encode_user(payload, Some(ticket)));
            self.stage = Stage::Asking(Expected::Verdict { seq: ticket.seq() });
        }
    }

    /// What the application did with the message that the exchange told of, and whether the
    /// exchange is to rest then.
    pub fn handle_verdict(&mut self, now: Time, verdict: Verdict, rests: bool) {
        let why = verdict.err().map(|refusal| [refusal.to_byte()]);
        self.acknowledge(now, why.as_ref().map(<[u8; 1]>::as_slice), rests);
    }

    /// The answer to the step that the exchange told of, with which it ends.
    pub fn handle_reply(&mut self, now: Time, answer: &[u8]) {
        self.acknowledge(now, Some(answer), false);
    }

    fn acknowledge(&mut self, now: Time, payload: Option<&[u8]>, rests: bool) {
        match std::mem::replace(&mut self.stage, Stage::Over) {
            Stage::Judged { name, seq } => {
                self.deadline = now + self.timeout;
                self.put(false, &encode_ack(seq, payload));
                self.stage = if rests { Stage::Acknowledging { name } } else { Stage::Ending(Ok(())) };
            }
            other => self.stage = other,
        }
    }

    /// Nothing more is to be said on a connection that rests, or will rest once all is written: ends it.
    pub fn handle_finish(&mut self, _now: Time) {
        match self.stage {
            Stage::Acknowledging { .. } => self.stage = Stage::Ending(Ok(())),
            _ if self.rests => self.end(Ok(())),
            _ => {}
        }
    }

    /// What [`handle_bytes`](Self::handle_bytes) unwraps in one go if it is given `chunk`; see
    /// [`FrameReader::unwraps`].
    pub fn unwraps(&self, chunk: &[u8]) -> usize {
        self.reader.unwraps(chunk)
    }

    /// Bytes came from the peer.
    pub fn handle_bytes(&mut self, now: Time, chunk: &[u8]) {
        self.traffic.received += chunk.len() as u64;
        let frame = match &self.stage {
            Stage::Asking(_) | Stage::Awaiting(_) | Stage::Reading { .. } => self.reader.push(chunk),
            // One message in each direction at a time: whatever else comes is ignored.
            Stage::Connecting(_)
            | Stage::Parked { .. }
            | Stage::Judged { .. }
            | Stage::Acknowledging { .. }
            | Stage::Resting
            | Stage::Ending(_)
            | Stage::Over => return,
        };
        if std::mem::take(&mut self.rests) {
            self.deadline = now + self.timeout;
        }
        self.announce_push_pull();
        match frame {
            Ok(None) => {}
            Ok(Some(frame)) => self.handle_frame(now, frame),
            Err(refused) => self.refuse(refused),
        }
    }

    /// The peer sends no more. It may still read: Go peers do not half-close, others might.
    pub fn handle_eof(&mut self, _now: Time) {
        match self.stage {
            Stage::Reading { .. } if !self.reader.has_begun() => self.end(Ok(())),
            Stage::Resting => self.end(Ok(())),
            Stage::Awaiting(_) if self.ends_well_by_eof() => self.end(Ok(())),
            Stage::Reading { .. } | Stage::Awaiting(_) | Stage::Asking(_) => {
                let why = self.reader.eof().why;
                self.end(Err(match why {
                    Refused::EndOfStream => ExchangeError::Closed,
                    why => ExchangeError::Refused(why),
                }));
            }
            // The peer has given up: nobody wants to hear of its message.
            Stage::Connecting(_) | Stage::Judged { .. } => self.end(Err(ExchangeError::Closed)),
            Stage::Parked { .. } | Stage::Acknowledging { .. } | Stage::Ending(_) | Stage::Over => {}
        }
    }

    /// The connection cannot be made or broke, or the owner gives up.
    pub fn handle_failure(&mut self, _now: Time, error: ExchangeError) {
        match std::mem::replace(&mut self.stage, Stage::Over) {
            // What was wrong first is what the owner wants to know.
            Stage::Ending(Err(first)) => self.end(Err(first)),
            Stage::Over => {}
            Stage::Resting => self.end(Ok(())),
            _ if self.rests => self.end(Ok(())),
            _ => self.end(Err(error)),
        }
    }

    /// The owner answers a push/pull with what we know.
    pub fn handle_answer(&mut self, now: Time, state: OwnState) {
        if let Stage::Parked { join } = self.stage {
            self.deadline = now + self.timeout;
            self.put_state(false, join, &state);
            self.stage = Stage::Ending(Ok(()));
        }
    }

    /// All bytes that were polled are written.
    pub fn handle_written(&mut self, now: Time) {
        if self.outgoing.is_some() {
            return;
        }
        match std::mem::replace(&mut self.stage, Stage::Over) {
            Stage::Acknowledging { name } => {
                self.reader.next();
                self.rests = true;
                self.deadline = now + REST_INBOUND;
                self.stage = Stage::Reading { name };
            }
            Stage::Asking(expected) => {
                if let Expected::State = expected {
                    self.deadline = now + self.timeout;
                }
                self.stage = Stage::Awaiting(expected);
            }
            Stage::Ending(ending) => self.end(ending),
            other => self.stage = other,
        }
    }

    /// The time of [`poll_timeout`](Self::poll_timeout) may have come.
    pub fn handle_timeout(&mut self, now: Time) {
        if now >= self.deadline {
            let connects = matches!(self.stage, Stage::Connecting(_));
            let error = if connects { ExchangeError::ConnectTimeout } else { ExchangeError::Timeout };
            self.handle_failure(now, error);
        }
    }

    /// Bytes to be written now.
    pub fn poll_write(&mut self) -> Option<Bytes> {
        self.outgoing.take()
    }

    /// The next news.
    pub fn poll_news(&mut self) -> Option<ExchangeNews> {
        self.news.pop_front()
    }

    /// When [`handle_timeout`](Self::handle_timeout) must be called; `None` once over.
    pub fn poll_timeout(&self) -> Option<Time> {
        (!self.is_over()).then_some(self.deadline)
    }

    /// What has moved so far. Once the exchange is over or dropped, its owner hands this to
    /// [`Machine::handle_traffic`](super::machine::Machine::handle_traffic).
    pub fn traffic(&self) -> Traffic {
        self.traffic
    }

    /// Whether nothing is under way: the connection is kept for the next message.
    pub fn rests(&self) -> bool {
        self.rests
    }

    /// Whether the peer waits to hear what the application did with its message. To close in good
    /// order now would tell it that the application has it.
    pub fn owes_verdict(&self) -> bool {
        matches!(self.stage, Stage::Judged { .. })
    }

    /// Whether the peer's end, if it is in good order, says that the peer has the message: all of it
    /// is written, and memberlist closes without a word.
    pub fn ends_well_by_eof(&self) -> bool {
        let waits = matches!(self.stage, Stage::Awaiting(Expected::Verdict { .. } | Expected::Step { .. }));
        waits && !self.reader.has_begun()
    }

    /// Whether the exchange has ended. Its last news may still be waiting.
    pub fn is_over(&self) -> bool {
        matches!(self.stage, Stage::Over)
    }

    fn new(nonces: Nonces, reader: FrameReader, stage: Stage, deadline: Time, timeout: Duration) -> Self {
        let (outgoing, news, is_announced, rests) = (None, VecDeque::new(), false, false);
        let traffic = Traffic::default();
        Self { nonces, timeout, deadline, stage, reader, outgoing, news, is_announced, rests, traffic }
    }

    /// Tells of a push/pull as soon as its type is known, which on a plain stream is long before its end.
    fn announce_push_pull(&mut self) {
        let is_inbound = matches!(self.stage, Stage::Reading { .. });
        if is_inbound && !self.is_announced && self.reader.kind() == Some(MessageType::PushPull) {
            self.is_announced = true;
            self.news.push_back(ExchangeNews::PushPullBegun);
        }
    }

    fn handle_frame(&mut self, now: Time, frame: Frame) {
        if let Frame::PushPull(_) = &frame {
            self.traffic.remote_state = Some(self.reader.size() as u64);
        }
        match std::mem::replace(&mut self.stage, Stage::Over) {
            Stage::Reading { name } => self.handle_request(now, &name, frame),
            Stage::Asking(expected) | Stage::Awaiting(expected) => self.handle_response(now, expected, frame),
            other => self.stage = other,
        }
    }

    fn handle_request(&mut self, now: Time, name: &NodeName, frame: Frame) {
        match frame {
            Frame::PushPull(state) => {
                self.deadline = now + self.timeout;
                self.stage = Stage::Parked { join: state.join };
                self.news.push_back(ExchangeNews::RemoteState(state));
            }
            Frame::Ping { seq, node } if node.is_empty() || node == *name => {
                self.deadline = now + self.timeout;
                self.send_last(&encode_ack(seq, None), Ok(()));
            }
            Frame::User { payload, ticket } => {
                let (encrypted, asked) = (self.reader.is_encrypted(), ticket.as_ref().map(Ticket::seq));
                if let Some(seq) = asked {
                    self.deadline = now + JUDGED_MAX;
                    self.stage = Stage::Judged { name: name.clone(), seq };
                }
                // Go tells nobody of an empty message on a stream.
                if !payload.is_empty() {
                    self.news.push_back(ExchangeNews::User { payload, encrypted, ticket });
                } else {
                    // The machine, which is told of nothing, could not end what rests when the keys change.
                    self.handle_verdict(now, Ok(()), false);
                }
                if asked.is_none() {
                    self.end(Ok(()));
                }
            }
            Frame::Step { request, ticket } => {
                self.deadline = now + JUDGED_MAX;
                self.stage = Stage::Judged { name: name.clone(), seq: ticket.seq() };
                let encrypted = self.reader.is_encrypted();
                self.news.push_back(ExchangeNews::StepAsked { request, encrypted, ticket });
            }
            Frame::Ping { .. } => {
                self.traffic.misdirected = true;
                self.end(Ok(()));
            }
            // No request: the reader has refused it before.
            Frame::Ack { .. } | Frame::Error(_) => self.end(Ok(())),
        }
    }

    fn handle_response(&mut self, now: Time, expected: Expected, frame: Frame) {
        match (expected, frame) {
            (_, Frame::Error(text)) => self.end(Err(ExchangeError::RemoteError(text))),
            (Expected::State, Frame::PushPull(state)) => {
                self.news.push_back(ExchangeNews::RemoteState(state));
                self.end(Ok(()));
            }
            (Expected::Ack { seq }, Frame::Ack { seq: found, .. }) if found == seq => {
                self.news.push_back(ExchangeNews::Acked);
                self.end(Ok(()));
            }
            (Expected::Verdict { seq }, Frame::Ack { seq: found, payload }) if found == seq => {
                let refusal = payload.first().map(|byte| Refusal::from_byte(*byte));
                self.news.push_back(ExchangeNews::Verdict(refusal.map_or(Ok(()), Err)));
                self.deadline = now + REST;
                self.rests = true;
                self.stage = Stage::Resting;
            }
            (Expected::Step { seq }, Frame::Ack { seq: found, payload }) if found == seq => {
                self.news.push_back(ExchangeNews::StepAnswered(payload));
                self.end(Ok(()));
            }
            (
                Expected::Ack { seq: expected }
                | Expected::Verdict { seq: expected }
                | Expected::Step { seq: expected },
                Frame::Ack { seq: found, .. },
            ) => {
                self.end(Err(ExchangeError::WrongSeq { expected, found }));
            }
            (Expected::State, frame) => self.refuse_type(MessageType::PushPull, &frame),
            (Expected::Ack { .. } | Expected::Verdict { .. } | Expected::Step { .. }, frame) => {
                self.refuse_type(MessageType::Ack, &frame);
            }
        }
    }

    fn refuse_type(&mut self, expected: MessageType, frame: &Frame) {
        self.end(Err(ExchangeError::UnexpectedType { expected, found: frame.message_type() }));
    }

    /// Ends the exchange, inbound after an error message if Go sends one.
    fn refuse(&mut self, StreamRefused { why, reply }: StreamRefused) {
        let error = match why {
            Refused::EndOfStream => ExchangeError::Closed,
            why => ExchangeError::Refused(why),
        };
        match reply {
            Some(text) => {
                let mut plain = Vec::new();
                encode_error_reply(&ErrorReply { text: text.as_bytes().into() }, &mut plain);
                self.send_last(&plain, Err(error));
            }
            None => self.end(Err(error)),
        }
    }

    /// Sends the last message of the exchange.
    fn send_last(&mut self, plain: &[u8], ending: Result<(), ExchangeError>) {
        self.put(false, plain);
        self.stage = Stage::Ending(ending);
    }

    /// Puts the layers around a message and lets it be written.
    fn put(&mut self, request: bool, plain: &[u8]) {
        let frame = stream::frame(self.reader.wire(), &mut self.nonces, request, plain);
        self.send(frame);
    }

    fn put_state(&mut self, request: bool, join: bool, state: &OwnState) {
        let wire = self.reader.wire();
        let write = |put: &mut dyn FnMut(&[u8])| state.write(join, put);
        let frame = stream::frame_pieces(wire, &mut self.nonces, request, state.weight(), write);
        let size = frame.len() - stream::framing_len(wire, request);
        self.traffic.local_state = Some(size as u64);
        self.send(frame);
    }

    fn send(&mut self, frame: Vec<u8>) {
        self.traffic.sent += frame.len() as u64;
        self.outgoing = Some(frame.into());
    }

    fn end(&mut self, ending: Result<(), ExchangeError>) {
        self.stage = Stage::Over;
        self.outgoing = None;
        self.news.push_back(match ending {
            Ok(()) => ExchangeNews::Finished,
            Err(error) => ExchangeNews::Failed(error),
        });
    }
}

fn encode_ping(seq: u32, node: &NodeName) -> Vec<u8> {
    let mut plain = Vec::new();
    let node = node.as_bytes().into();
    encode(&Message::Ping(Ping { seq, node, ..Ping::default() }), &mut plain);
    plain
}

fn encode_ack(seq: u32, payload: Option<&[u8]>) -> Vec<u8> {
    let mut plain = Vec::new();
    encode(&Message::Ack(Ack { seq, payload: payload.map(Into::into) }), &mut plain);
    plain
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::packet::Scratch;

    #[test]
    fn exchanges_and_scratches_may_move_to_the_task_that_drives_them() {
        fn moves<T: Send + 'static>() {}

        moves::<Exchange>();
        moves::<Scratch>();
        moves::<RemoteState>();
    }
}
