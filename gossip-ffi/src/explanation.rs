//! Why a member is suspected or dead, or not.

use std::ffi::{CString, c_char, c_void};
use std::mem::MaybeUninit;
use std::time::Duration;

use gossip_core::base::name::NodeName;
use gossip_core::swim::explanation::{Explanation, PathState};

use crate::border::{bytes, call, give, offer, quick, some, value};
use crate::error::{Failure, c_text, gossip_error_t};
use crate::members::gossip_member_t;
use crate::pool::{gossip_pool_t, pool_of};
use crate::status::gossip_status_t;

/// Why this node believes of a member what it believes, at one moment. It never changes.
pub struct gossip_explanation_t {
    told: Explanation,
    text: CString,
    member: gossip_member_t,
    /// Each with a NUL behind its end.
    accusers: Vec<CString>,
}

impl From<Explanation> for gossip_explanation_t {
    fn from(told: Explanation) -> Self {
        let name = |name: &NodeName| c_text(name.to_string());
        Self {
            text: c_text(told.to_string()),
            member: gossip_member_t::new(told.member.clone()),
            accusers: told.accusers.iter().map(name).collect(),
            told,
        }
    }
}

/// The way between this node and a member, as its probes show it.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub enum gossip_path_t {
    /// It has not been probed yet.
    GOSSIP_PATH_UNKNOWN = 0,
    /// Datagrams go both ways.
    GOSSIP_PATH_DIRECT = 1,
    /// They do, but the answer comes later than `probe_timeout_ms`.
    GOSSIP_PATH_SLOW = 2,
    /// Its datagrams arrive here, ours get no answer.
    GOSSIP_PATH_ONE_WAY = 3,
    /// Others reach it, this node does not.
    GOSSIP_PATH_RELAYED = 4,
    /// TCP gets through, datagrams do not.
    GOSSIP_PATH_STREAM_ONLY = 5,
    /// Nothing has got through.
    GOSSIP_PATH_CUT = 6,
}

use gossip_path_t::*;

/// Why the member of that name is suspected or dead, or not: what probes have shown, who
/// accused it, what that says of the way to it. Also of the dead that are still remembered, and
/// of this node itself. Names are any bytes.
///
/// Memory: copies the name; `explanation` is yours: gossip_explanation_free. Threads: any,
/// callbacks too. Blocks: no.
/// Status: NULL_ARG, NOT_FOUND if no member has that name, INVALID_STATE before the start,
/// CLOSED, FORKED.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn gossip_pool_explain(
    pool: Option<&gossip_pool_t>,
    name: *const c_void,
    len: usize,
    explanation: Option<&mut MaybeUninit<*mut gossip_explanation_t>>,
    err: Option<&mut MaybeUninit<*mut gossip_error_t>>,
) -> gossip_status_t {
    call(err, || {
        let pool = pool_of(pool)?;
        // SAFETY: the header's rule for bytes.
        let name = unsafe { bytes(name, len, "name") }?;
        give(explanation, "explanation", || Ok(pool.explain(name)?.into()))
    })
}

/// A few lines for people, UTF-8, the last of them a conclusion; empty for NULL.
///
/// Memory: the text lives as long as `explanation`. Threads: any, callbacks too. Blocks: no.
#[unsafe(no_mangle)]
pub extern "C" fn gossip_explanation_text(explanation: Option<&gossip_explanation_t>) -> *const c_char {
    value(c"".as_ptr(), || explanation.map_or(c"".as_ptr(), |explanation| explanation.text.as_ptr()))
}

/// The member, with the state and the incarnation that are explained; NULL for NULL.
///
/// Memory: the member lives as long as `explanation`. Threads: any, callbacks too. Blocks: no.
#[unsafe(no_mangle)]
pub extern "C" fn gossip_explanation_member(
    explanation: Option<&gossip_explanation_t>,
) -> *const gossip_member_t {
    value(std::ptr::null(), || {
        explanation.map_or(std::ptr::null(), |explanation| &raw const explanation.member)
    })
}

/// What its probes say of the way to it, of `gossip_path_t`; -1 for NULL.
///
/// Memory: borrows `explanation`. Threads: any, callbacks too. Blocks: no.
#[unsafe(no_mangle)]
pub extern "C" fn gossip_explanation_path(explanation: Option<&gossip_explanation_t>) -> i32 {
    let number = |path: PathState| match path {
        PathState::Direct => GOSSIP_PATH_DIRECT,
        PathState::Slow => GOSSIP_PATH_SLOW,
        PathState::OneWay => GOSSIP_PATH_ONE_WAY,
        PathState::Relayed => GOSSIP_PATH_RELAYED,
        PathState::StreamOnly => GOSSIP_PATH_STREAM_ONLY,
        PathState::Cut => GOSSIP_PATH_CUT,
        _ => GOSSIP_PATH_UNKNOWN,
    };
    value(-1, || explanation.map_or(-1, |explanation| number(explanation.told.path) as i32))
}

/// Five spans in nanoseconds, -1 for what has not happened: since its state began; since the
/// last ping or ack of its own came; since it last acknowledged a probe of this node, and the
/// round trip of that; and, while it is suspect, until it is taken for dead. Each out-parameter
/// may be NULL.
///
/// Memory: the numbers are written on success. Threads: any, callbacks too. Blocks: no.
/// Status: NULL_ARG.
#[unsafe(no_mangle)]
pub extern "C" fn gossip_explanation_times(
    explanation: Option<&gossip_explanation_t>,
    since_ns: Option<&mut MaybeUninit<i64>>,
    heard_ns: Option<&mut MaybeUninit<i64>>,
    acked_ns: Option<&mut MaybeUninit<i64>>,
    rtt_ns: Option<&mut MaybeUninit<i64>>,
    dead_in_ns: Option<&mut MaybeUninit<i64>>,
) -> gossip_status_t {
    quick(|| {
        let told = &some(explanation, "explanation")?.told;
        offer(since_ns, nanos(Some(told.since)));
        offer(heard_ns, nanos(told.heard));
        offer(acked_ns, nanos(told.acked.map(|acked| acked.ago)));
        offer(rtt_ns, nanos(told.acked.map(|acked| acked.rtt)));
        offer(dead_in_ns, nanos(told.dead_in));
        Ok(())
    })
}

/// How many share the running suspicion, or shared the last one; of this node itself, how many
/// have lately accused it. 0 for NULL.
///
/// Memory: borrows `explanation`. Threads: any, callbacks too. Blocks: no.
#[unsafe(no_mangle)]
pub extern "C" fn gossip_explanation_accuser_count(explanation: Option<&gossip_explanation_t>) -> usize {
    value(0, || explanation.map_or(0, |explanation| explanation.accusers.len()))
}

/// The name of the accuser at `index`, UTF-8: whoever began the suspicion first. Of this node
/// itself the latest comes first.
///
/// Memory: the text lives as long as `explanation`. Threads: any, callbacks too. Blocks: no.
/// Status: NULL_ARG; NOT_FOUND behind the last.
#[unsafe(no_mangle)]
pub extern "C" fn gossip_explanation_accuser_at(
    explanation: Option<&gossip_explanation_t>,
    index: usize,
    name: Option<&mut MaybeUninit<*const c_char>>,
) -> gossip_status_t {
    quick(|| {
        let accusers = &some(explanation, "explanation")?.accusers;
        let accuser = accusers.get(index).ok_or_else(|| Failure::beyond(index, accusers.len()))?;
        offer(name, accuser.as_ptr());
        Ok(())
    })
}

/// Frees an explanation; NULL is fine.
///
/// Memory: ends `explanation`, its texts and its member. Threads: any, callbacks too. Blocks: no.
#[unsafe(no_mangle)]
pub extern "C" fn gossip_explanation_free(explanation: Option<Box<gossip_explanation_t>>) {
    value((), || drop(explanation));
}

/// A span for C; -1 for none.
pub(crate) fn nanos(span: Option<Duration>) -> i64 {
    span.map_or(-1, |span| i64::try_from(span.as_nanos()).unwrap_or(i64::MAX))
}
