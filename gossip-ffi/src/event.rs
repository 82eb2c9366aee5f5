//! Events: what a pool told or asked, taken from a queue.

use std::ffi::{CStr, c_char};
use std::mem::MaybeUninit;
use std::sync::Mutex;

use bytes::Bytes;
use gossip_core::base::name::NodeName;
use gossip_core::pool::action::{Notice, Question};
use gossip_core::runtime::answer::Answer;
use gossip_core::runtime::events::{Event, Source};
use gossip_core::swim::node::Member;

use crate::addr::gossip_addr_t;
use crate::border::{offer, quick, some, value, write};
use crate::error::Failure;
use crate::handle::Origin;
use crate::members::{gossip_member_t, gossip_members_t};
use crate::message::gossip_message_t;
use crate::status::Status::GOSSIP_ERR_NOT_FOUND;
use crate::status::gossip_status_t;

/// What kind of event it is, and which accessors it fills. Numbers never change their
/// meaning; ignore those that you do not know.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum gossip_event_type_t {
    /// No event: that of NULL.
    GOSSIP_EVENT_NONE = 0,
    /// A node joined or came back, also this node itself at the start: `member`.
    GOSSIP_EVENT_JOIN = 1,
    /// A node is gone: `member`, whose state says whether it died or left.
    GOSSIP_EVENT_LEAVE = 2,
    /// A node changed its metadata: `member`.
    GOSSIP_EVENT_UPDATE = 3,
    /// The node `other_member` claims the name of `member`, and was refused.
    GOSSIP_EVENT_CONFLICT = 4,
    /// A message arrived: `data`, `from`, `is_reliable`, and `message`, which knows more.
    GOSSIP_EVENT_MESSAGE = 5,
    /// Another node's published state arrived: `data`, `is_join`.
    GOSSIP_EVENT_REMOTE_STATE = 6,
    /// A probe was answered directly: `member`, `rtt_ns`, and its ack payload as `data`.
    GOSSIP_EVENT_PING_COMPLETE = 7,
    /// Events were dropped since this was last told, because the queue was full: `dropped`.
    /// It belongs to no pool. Changes of membership are never dropped.
    GOSSIP_EVENT_OVERFLOW = 8,
    /// The pool has ended: its last event.
    GOSSIP_EVENT_SHUTDOWN = 9,
    /// The state for a push/pull? `is_join`. Answer with `gossip_event_reply_bytes`; default:
    /// that of `gossip_pool_set_local_state`.
    GOSSIP_EVENT_ASK_LOCAL_STATE = 10,
    /// May the state received in a join, with these `members`, be merged? Answer with
    /// `gossip_event_reply_verdict`; default: no.
    GOSSIP_EVENT_ASK_MERGE = 11,
    /// May `member` be one? Answer with `gossip_event_reply_verdict`; default: no.
    GOSSIP_EVENT_ASK_ALIVE = 12,
    /// May the silent node whose name is `data` be pinged over TCP? Answer with
    /// `gossip_event_reply_verdict`; default: yes.
    GOSSIP_EVENT_ASK_TCP_PING = 13,
    /// This node reaches no other member any more, or has tried all its seeds in vain. It goes
    /// on trying. Never dropped: together with the next one it collapses into that.
    GOSSIP_EVENT_ISOLATED = 14,
    /// This node has company again, or lost members are back: `returned`, `missing`. Never
    /// dropped, as above.
    GOSSIP_EVENT_HEALED = 15,
    /// This node has taken a step of a migration: its keys, its encryption or its label have
    /// changed (`migration_kind`, `step`), as the member asked whose name is `data`. Write
    /// them to where the configuration comes from. Never dropped, as above.
    GOSSIP_EVENT_MIGRATED = 16,
}

use gossip_event_type_t::*;

/// Something that a pool told or asked. It never changes, so many threads may read it, and
/// everything it hands out lives until it is freed.
pub struct gossip_event_t {
    pub(crate) kind: gossip_event_type_t,
    tag: u64,
    pool_id: i32,
    member: Option<Box<gossip_member_t>>,
    other_member: Option<Box<gossip_member_t>>,
    members: Option<Box<gossip_members_t>>,
    data: Bytes,
    message: Option<gossip_message_t>,
    is_join: bool,
    rtt_ns: i64,
    dropped: u64,
    returned: usize,
    missing: usize,
    /// Kind and step of a migration.
    migrated: (i32, i32),
    /// The answer to a question, until it is given.
    pub(crate) answer: Mutex<Option<Answer>>,
    pub(crate) origin: Origin,
}

impl From<Event> for gossip_event_t {
    fn from(event: Event) -> Self {
        match event {
            Event::Told { source, notice } => Self::told(notice).of(source),
            Event::Asked { source, question, answer } => {
                Self { answer: Mutex::new(Some(answer)), ..Self::asked(question) }.of(source)
            }
            Event::Overflow { dropped } => Self::overflow(dropped),
            _ => Self::new(GOSSIP_EVENT_NONE),
        }
    }
}

impl gossip_event_t {
    fn new(kind: gossip_event_type_t) -> Self {
        Self {
            kind,
            tag: 0,
            pool_id: -1,
            member: None,
            other_member: None,
            members: None,
            data: Bytes::new(),
            message: None,
            is_join: false,
            rtt_ns: 0,
            dropped: 0,
            returned: 0,
            missing: 0,
            migrated: (0, 0),
            answer: Mutex::new(None),
            origin: Origin::here(),
        }
    }

    fn of(self, source: Source) -> Self {
        Self { tag: source.tag, pool_id: source.pool.0.into(), ..self }
    }

    fn about(kind: gossip_event_type_t, member: Member) -> Self {
        Self { member: Some(Box::new(gossip_member_t::new(member))), ..Self::new(kind) }
    }

    fn overflow(dropped: u64) -> Self {
        Self { dropped, ..Self::new(GOSSIP_EVENT_OVERFLOW) }
    }

    fn told(notice: Notice) -> Self {
        match notice {
            Notice::Joined(member) => Self::about(GOSSIP_EVENT_JOIN, member),
            Notice::Left(member) => Self::about(GOSSIP_EVENT_LEAVE, member),
            Notice::Updated(member) => Self::about(GOSSIP_EVENT_UPDATE, member),
            Notice::Conflict { existing, other } => Self {
                other_member: Some(Box::new(gossip_member_t::claimant(other))),
                ..Self::about(GOSSIP_EVENT_CONFLICT, existing)
            },
            Notice::Message(message) => Self {
                data: message.bytes.clone(),
                message: Some(message.into()),
                ..Self::new(GOSSIP_EVENT_MESSAGE)
            },
            Notice::RemoteState { join, state } => {
                Self { data: state, is_join: join, ..Self::new(GOSSIP_EVENT_REMOTE_STATE) }
            }
            Notice::Pinged { member, rtt, payload } => Self {
                data: payload,
                rtt_ns: i64::try_from(rtt.as_nanos()).unwrap_or(i64::MAX),
                ..Self::about(GOSSIP_EVENT_PING_COMPLETE, member)
            },
            Notice::Isolated => Self::new(GOSSIP_EVENT_ISOLATED),
            Notice::Healed { returned, missing } => {
                Self { returned, missing, ..Self::new(GOSSIP_EVENT_HEALED) }
            }
            Notice::Migrated(migrated) => Self {
                data: name_bytes(&migrated.by),
                migrated: (migrated.kind as i32, migrated.step as i32),
                ..Self::new(GOSSIP_EVENT_MIGRATED)
            },
            Notice::Overflow { dropped } => Self::overflow(dropped),
            Notice::Ended => Self::new(GOSSIP_EVENT_SHUTDOWN),
            _ => Self::new(GOSSIP_EVENT_NONE),
        }
    }

    fn asked(question: Question) -> Self {
        match question {
            Question::LocalState { join } => {
                Self { is_join: join, ..Self::new(GOSSIP_EVENT_ASK_LOCAL_STATE) }
            }
            Question::AdmitMerge(members) => Self {
                members: Some(Box::new(gossip_members_t::new(&members, 0))),
                ..Self::new(GOSSIP_EVENT_ASK_MERGE)
            },
            Question::AdmitAlive(member) => Self::about(GOSSIP_EVENT_ASK_ALIVE, member),
            Question::AllowStreamPing(name) => {
                Self { data: name_bytes(&name), ..Self::new(GOSSIP_EVENT_ASK_TCP_PING) }
            }
            _ => Self::new(GOSSIP_EVENT_NONE),
        }
    }
}

fn name_bytes(name: &NodeName) -> Bytes {
    Bytes::copy_from_slice(name.as_bytes())
}

/// What a type is called.
pub(crate) fn name(kind: gossip_event_type_t) -> &'static CStr {
    match kind {
        GOSSIP_EVENT_NONE => c"none",
        GOSSIP_EVENT_JOIN => c"join",
        GOSSIP_EVENT_LEAVE => c"leave",
        GOSSIP_EVENT_UPDATE => c"update",
        GOSSIP_EVENT_CONFLICT => c"conflict",
        GOSSIP_EVENT_MESSAGE => c"message",
        GOSSIP_EVENT_REMOTE_STATE => c"remote_state",
        GOSSIP_EVENT_PING_COMPLETE => c"ping_complete",
        GOSSIP_EVENT_OVERFLOW => c"overflow",
        GOSSIP_EVENT_SHUTDOWN => c"shutdown",
        GOSSIP_EVENT_ASK_LOCAL_STATE => c"ask_local_state",
        GOSSIP_EVENT_ASK_MERGE => c"ask_merge",
        GOSSIP_EVENT_ASK_ALIVE => c"ask_alive",
        GOSSIP_EVENT_ASK_TCP_PING => c"ask_tcp_ping",
        GOSSIP_EVENT_ISOLATED => c"isolated",
        GOSSIP_EVENT_HEALED => c"healed",
        GOSSIP_EVENT_MIGRATED => c"migrated",
    }
}

/// In the order of their numbers.
const KINDS: [gossip_event_type_t; 17] = [
    GOSSIP_EVENT_NONE,
    GOSSIP_EVENT_JOIN,
    GOSSIP_EVENT_LEAVE,
    GOSSIP_EVENT_UPDATE,
    GOSSIP_EVENT_CONFLICT,
    GOSSIP_EVENT_MESSAGE,
    GOSSIP_EVENT_REMOTE_STATE,
    GOSSIP_EVENT_PING_COMPLETE,
    GOSSIP_EVENT_OVERFLOW,
    GOSSIP_EVENT_SHUTDOWN,
    GOSSIP_EVENT_ASK_LOCAL_STATE,
    GOSSIP_EVENT_ASK_MERGE,
    GOSSIP_EVENT_ASK_ALIVE,
    GOSSIP_EVENT_ASK_TCP_PING,
    GOSSIP_EVENT_ISOLATED,
    GOSSIP_EVENT_HEALED,
    GOSSIP_EVENT_MIGRATED,
];

/// The event's type, of `gossip_event_type_t`; GOSSIP_EVENT_NONE for NULL.
///
/// Memory: borrows `event`. Threads: any, callbacks too. Blocks: no.
#[unsafe(no_mangle)]
pub extern "C" fn gossip_event_type(event: Option<&gossip_event_t>) -> i32 {
    value(GOSSIP_EVENT_NONE as i32, || event.map_or(GOSSIP_EVENT_NONE, |event| event.kind) as i32)
}

/// The name of a type, such as `join` or `ask_merge`; `unknown` for other numbers.
///
/// Memory: the text is static. Threads: any. Blocks: no.
#[unsafe(no_mangle)]
pub extern "C" fn gossip_event_type_name(event_type: i32) -> *const c_char {
    let kind = || usize::try_from(event_type).ok().and_then(|index| KINDS.get(index));
    value(c"unknown", || kind().map_or(c"unknown", |kind| name(*kind))).as_ptr()
}

/// The id of the pool from which an event comes; -1 for one of no pool, and for NULL.
///
/// Memory: borrows `event`. Threads: any, callbacks too. Blocks: no.
#[unsafe(no_mangle)]
pub extern "C" fn gossip_event_pool_id(event: Option<&gossip_event_t>) -> i32 {
    value(-1, || event.map_or(-1, |event| event.pool_id))
}

/// The `tag` that was given to `gossip_pool_config_set_queue`; 0 for an event of no pool, and
/// for NULL.
///
/// Memory: borrows `event`. Threads: any, callbacks too. Blocks: no.
#[unsafe(no_mangle)]
pub extern "C" fn gossip_event_tag(event: Option<&gossip_event_t>) -> u64 {
    value(0, || event.map_or(0, |event| event.tag))
}

/// The member that an event is about; NULL if it is about none.
///
/// Memory: the member lives as long as `event`. Threads: any, callbacks too. Blocks: no.
#[unsafe(no_mangle)]
pub extern "C" fn gossip_event_member(event: Option<&gossip_event_t>) -> Option<&gossip_member_t> {
    value(None, || event?.member.as_deref())
}

/// The node that claims the name of the member, in a conflict; NULL otherwise.
///
/// Memory: the member lives as long as `event`. Threads: any, callbacks too. Blocks: no.
#[unsafe(no_mangle)]
pub extern "C" fn gossip_event_other_member(event: Option<&gossip_event_t>) -> Option<&gossip_member_t> {
    value(None, || event?.other_member.as_deref())
}

/// The nodes of a merge that is asked for; NULL for other events.
///
/// Memory: the snapshot lives as long as `event`. Threads: any, callbacks too. Blocks: no.
#[unsafe(no_mangle)]
pub extern "C" fn gossip_event_members(event: Option<&gossip_event_t>) -> Option<&gossip_members_t> {
    value(None, || event?.members.as_deref())
}

/// The kind of the migration of which a step was taken, of `gossip_migration_kind_t`; 0 for other
/// events, and for NULL.
///
/// Memory: borrows `event`. Threads: any, callbacks too. Blocks: no.
#[unsafe(no_mangle)]
pub extern "C" fn gossip_event_migration_kind(event: Option<&gossip_event_t>) -> i32 {
    value(0, || event.map_or(0, |event| event.migrated.0))
}

/// The step that was taken, of `gossip_step_t`; 0 for other events, and for NULL.
///
/// Memory: borrows `event`. Threads: any, callbacks too. Blocks: no.
#[unsafe(no_mangle)]
pub extern "C" fn gossip_event_step(event: Option<&gossip_event_t>) -> i32 {
    value(0, || event.map_or(0, |event| event.migrated.1))
}

/// The bytes of a message, a state, an ack payload or a name, as the type says; none for
/// other events. `len` may be NULL.
///
/// Memory: the bytes live as long as `event`. Threads: any, callbacks too. Blocks: no.
#[unsafe(no_mangle)]
pub extern "C" fn gossip_event_data(
    event: Option<&gossip_event_t>,
    len: Option<&mut MaybeUninit<usize>>,
) -> *const u8 {
    let data: &[u8] = value(&[], || event.map_or(&[], |event| &event.data));
    offer(len, data.len());
    data.as_ptr()
}

/// The address that a message came from: for a datagram the sender's gossip port, for a
/// reliable one another port of its host. A relayed broadcast comes from who passed it on.
///
/// Memory: `addr` is written on success. Threads: any, callbacks too. Blocks: no.
/// Status: NULL_ARG; NOT_FOUND for other events.
#[unsafe(no_mangle)]
pub extern "C" fn gossip_event_from(
    event: Option<&gossip_event_t>,
    addr: Option<&mut MaybeUninit<gossip_addr_t>>,
) -> gossip_status_t {
    quick(|| {
        let from = some(event, "event")?.message.as_ref().map(gossip_message_t::addr);
        let missing = || Failure::argument(GOSSIP_ERR_NOT_FOUND, "event", "is no message, it has no sender");
        write(addr, "addr", from.ok_or_else(missing)?)
    })
}

/// 1 for a message that was sent reliably, to this node alone; 0 for datagrams and broadcasts, and
/// for other events.
///
/// Memory: borrows `event`. Threads: any, callbacks too. Blocks: no.
#[unsafe(no_mangle)]
pub extern "C" fn gossip_event_is_reliable(event: Option<&gossip_event_t>) -> i32 {
    value(0, || message_of(event).is_some_and(gossip_message_t::is_reliable).into())
}

/// More about a message: its sender, whether it was encrypted, when it arrived; NULL for other
/// events.
///
/// Memory: lives as long as `event`. Threads: any, callbacks too. Blocks: no.
#[unsafe(no_mangle)]
pub extern "C" fn gossip_event_message(event: Option<&gossip_event_t>) -> Option<&gossip_message_t> {
    value(None, || message_of(event))
}

fn message_of(event: Option<&gossip_event_t>) -> Option<&gossip_message_t> {
    event?.message.as_ref()
}

/// 1 for a state that is exchanged in a join, 0 otherwise.
///
/// Memory: borrows `event`. Threads: any, callbacks too. Blocks: no.
#[unsafe(no_mangle)]
pub extern "C" fn gossip_event_is_join(event: Option<&gossip_event_t>) -> i32 {
    value(0, || event.is_some_and(|event| event.is_join).into())
}

/// How long a ping took, in nanoseconds; 0 for other events.
///
/// Memory: borrows `event`. Threads: any, callbacks too. Blocks: no.
#[unsafe(no_mangle)]
pub extern "C" fn gossip_event_rtt_ns(event: Option<&gossip_event_t>) -> i64 {
    value(0, || event.map_or(0, |event| event.rtt_ns))
}

/// How many events were dropped, as an overflow tells; 0 for other events.
///
/// Memory: borrows `event`. Threads: any, callbacks too. Blocks: no.
#[unsafe(no_mangle)]
pub extern "C" fn gossip_event_dropped(event: Option<&gossip_event_t>) -> u64 {
    value(0, || event.map_or(0, |event| event.dropped))
}

/// How many lost members came back, as a healing tells; 0 for other events.
///
/// Memory: borrows `event`. Threads: any, callbacks too. Blocks: no.
#[unsafe(no_mangle)]
pub extern "C" fn gossip_event_returned(event: Option<&gossip_event_t>) -> usize {
    value(0, || event.map_or(0, |event| event.returned))
}

/// How many lost members are still looked for after a healing; 0 for other events.
///
/// Memory: borrows `event`. Threads: any, callbacks too. Blocks: no.
#[unsafe(no_mangle)]
pub extern "C" fn gossip_event_missing(event: Option<&gossip_event_t>) -> usize {
    value(0, || event.map_or(0, |event| event.missing))
}

/// Frees an event; NULL is fine. A question that was not answered has its default at once.
///
/// Memory: ends `event` and everything it handed out. Threads: any, callbacks too. Blocks: no.
#[unsafe(no_mangle)]
pub extern "C" fn gossip_event_free(event: Option<Box<gossip_event_t>>) {
    value((), || {
        let Some(event) = event else { return };
        if !event.origin.is_here() {
            // An answer would be sent to threads that exist in the parent only.
            std::mem::forget(event);
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_are_numbered_in_order_and_named() {
        for (number, kind) in KINDS.iter().enumerate() {
            assert_eq!(*kind as usize, number);
        }
        // SAFETY: the names are static C strings.
        let named = |number| unsafe { CStr::from_ptr(gossip_event_type_name(number)) };
        assert_eq!(named(13), c"ask_tcp_ping");
        assert_eq!(named(16), c"migrated");
        assert_eq!(named(17), c"unknown");
        assert_eq!(named(-1), c"unknown");
    }
}
