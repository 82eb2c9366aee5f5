//! Messages: what is known of one besides its bytes.

use std::ffi::c_char;
use std::mem::MaybeUninit;
use std::sync::OnceLock;

use gossip_core::pool::action::UserMessage;

use crate::addr::gossip_addr_t;
use crate::border::{offer, quick, some, value, write};
use crate::error::Failure;
use crate::status::Status::GOSSIP_ERR_NOT_FOUND;
use crate::status::gossip_status_t;

/// Where a message came from, how and when. That of a callback lives until the callback
/// returns, that of an event as long as the event.
pub struct gossip_message_t {
    message: UserMessage,
    /// Names with a NUL behind, once somebody wants them.
    sender: OnceLock<Vec<u8>>,
    origin: OnceLock<Vec<u8>>,
    name: OnceLock<Vec<u8>>,
}

impl From<UserMessage> for gossip_message_t {
    fn from(message: UserMessage) -> Self {
        Self { message, sender: OnceLock::new(), origin: OnceLock::new(), name: OnceLock::new() }
    }
}

impl gossip_message_t {
    pub(crate) fn addr(&self) -> gossip_addr_t {
        self.message.from.into()
    }

    pub(crate) fn is_reliable(&self) -> bool {
        self.message.reliable
    }
}

/// Lends a name from its `place`, where it is put with a NUL behind.
fn lend(named: Option<(&OnceLock<Vec<u8>>, &[u8])>, len: Option<&mut MaybeUninit<usize>>) -> *const c_char {
    let put = |(place, name): (&'_ OnceLock<Vec<u8>>, &[u8])| {
        let text = place.get_or_init(|| [name, b"\0"].concat());
        (text.as_ptr(), name.len())
    };
    let (text, size) = value((c"".as_ptr().cast(), 0), || named.map_or((c"".as_ptr().cast(), 0), put));
    offer(len, size);
    text.cast()
}

/// The address that a message came from: for a datagram the sender's gossip port, for a
/// reliable one another port of its host. A relayed broadcast comes from who passed it on.
///
/// Memory: `addr` is written on success. Threads: any, callbacks too. Blocks: no.
/// Status: NULL_ARG.
#[unsafe(no_mangle)]
pub extern "C" fn gossip_message_from(
    message: Option<&gossip_message_t>,
    addr: Option<&mut MaybeUninit<gossip_addr_t>>,
) -> gossip_status_t {
    quick(|| write(addr, "addr", some(message, "message")?.addr()))
}

/// The name of the member that sent a message, or passed a relayed broadcast on: any bytes, most
/// often UTF-8; a NUL follows the last. `len` may be NULL. Empty if no member is known there: for
/// a datagram the member at its address counts, for a reliable message the one that the sender
/// says it is, which nodes of memberlist do not say.
///
/// Memory: lives as long as `message`. Threads: any, callbacks too. Blocks: no.
#[unsafe(no_mangle)]
pub extern "C" fn gossip_message_sender_name(
    message: Option<&gossip_message_t>,
    len: Option<&mut MaybeUninit<usize>>,
) -> *const c_char {
    lend(message.and_then(|it| Some((&it.sender, it.message.sender.as_ref()?.as_bytes()))), len)
}

/// The id of the pool in which a message arrived; -1 for NULL.
///
/// Memory: borrows `message`. Threads: any, callbacks too. Blocks: no.
#[unsafe(no_mangle)]
pub extern "C" fn gossip_message_pool_id(message: Option<&gossip_message_t>) -> i32 {
    value(-1, || message.map_or(-1, |message| message.message.pool.0.into()))
}

/// 1 if a message was sent reliably, to this node alone and over TCP; 0 for datagrams and for
/// broadcasts, also for those that a push/pull brought.
///
/// Memory: borrows `message`. Threads: any, callbacks too. Blocks: no.
#[unsafe(no_mangle)]
pub extern "C" fn gossip_message_is_reliable(message: Option<&gossip_message_t>) -> i32 {
    value(0, || message.is_some_and(gossip_message_t::is_reliable).into())
}

/// 1 if a message came encrypted, 0 if in the clear.
///
/// Memory: borrows `message`. Threads: any, callbacks too. Blocks: no.
#[unsafe(no_mangle)]
pub extern "C" fn gossip_message_is_encrypted(message: Option<&gossip_message_t>) -> i32 {
    value(0, || message.is_some_and(|message| message.message.encrypted).into())
}

/// When a message arrived, in nanoseconds since the start of the node: a clock that never
/// jumps. `gossip_pool_wall_clock` gives the time of day. 0 for NULL.
///
/// Memory: borrows `message`. Threads: any, callbacks too. Blocks: no.
#[unsafe(no_mangle)]
pub extern "C" fn gossip_message_received_ns(message: Option<&gossip_message_t>) -> u64 {
    value(0, || message.map_or(0, |message| message.message.at.as_nanos()))
}

/// The name of the member whose relayed broadcast a message is, as in
/// `gossip_message_sender_name`. Empty for a message that is none: what was sent to this node
/// alone, and plain broadcasts, which look alike.
///
/// Memory: lives as long as `message`. Threads: any, callbacks too. Blocks: no.
#[unsafe(no_mangle)]
pub extern "C" fn gossip_message_origin_name(
    message: Option<&gossip_message_t>,
    len: Option<&mut MaybeUninit<usize>>,
) -> *const c_char {
    lend(message.and_then(|it| Some((&it.origin, it.message.origin.as_ref()?.node.as_bytes()))), len)
}

/// The name under which a relayed broadcast replaces older ones of its origin, as it was given to
/// `gossip_pool_broadcast_named`: any bytes; a NUL follows the last. `len` may be NULL. Empty for a
/// broadcast without a name, and for other messages.
///
/// Memory: lives as long as `message`. Threads: any, callbacks too. Blocks: no.
#[unsafe(no_mangle)]
pub extern "C" fn gossip_message_broadcast_name(
    message: Option<&gossip_message_t>,
    len: Option<&mut MaybeUninit<usize>>,
) -> *const c_char {
    lend(message.and_then(|it| Some((&it.name, &*it.message.origin.as_ref()?.name))), len)
}

/// What names a relayed broadcast in the whole pool: `instance`, a random number that its origin
/// took at its start, and `sequence`, which counts the broadcasts of the origin since then, from
/// 1. Broadcasts arrive in any order. Both may be NULL.
///
/// Memory: both are written on success. Threads: any, callbacks too. Blocks: no.
/// Status: NULL_ARG; NOT_FOUND for other messages.
#[unsafe(no_mangle)]
pub extern "C" fn gossip_message_origin(
    message: Option<&gossip_message_t>,
    instance: Option<&mut MaybeUninit<u64>>,
    sequence: Option<&mut MaybeUninit<u64>>,
) -> gossip_status_t {
    quick(|| {
        let origin = some(message, "message")?.message.origin.as_ref();
        let missing = || Failure::argument(GOSSIP_ERR_NOT_FOUND, "message", "is no relayed broadcast");
        let origin = origin.ok_or_else(missing)?;
        offer(instance, origin.instance);
        offer(sequence, origin.sequence);
        Ok(())
    })
}
