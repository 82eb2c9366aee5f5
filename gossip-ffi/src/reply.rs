//! Answers to the questions among the events.

use std::ffi::{c_char, c_void};
use std::sync::PoisonError;

use bytes::Bytes;
use gossip_core::pool::action::Reply;
use gossip_core::runtime::answer::Answer;
use gossip_core::wire::limits::USER_STATE_MAX;

use crate::border::{bytes, quick, some, text, value};
use crate::delegate::gossip_verdict_t::{GOSSIP_VERDICT_ACCEPT, GOSSIP_VERDICT_REJECT};
use crate::error::Failure;
use crate::event::gossip_event_type_t::{self, *};
use crate::event::{gossip_event_t, name};
use crate::status::Status::{
    GOSSIP_ERR_INVALID_ARG, GOSSIP_ERR_INVALID_STATE, GOSSIP_ERR_TIMEOUT, GOSSIP_ERR_TOO_LARGE,
};
use crate::status::gossip_status_t;

impl gossip_event_t {
    /// Answers a question of one of these `kinds`, once.
    fn reply(&self, kinds: &[gossip_event_type_t], give: impl FnOnce(Answer)) -> Result<(), Failure> {
        self.origin.check()?;
        if !kinds.contains(&self.kind) {
            let rule = format!("is {}, which has another answer or none", name(self.kind).to_string_lossy());
            return Err(Failure::argument(GOSSIP_ERR_INVALID_ARG, "event", rule));
        }
        let answer = self.answer.lock().unwrap_or_else(PoisonError::into_inner).take();
        let answer =
            answer.ok_or_else(|| Failure::new(GOSSIP_ERR_INVALID_STATE, "event is answered already"))?;
        let is_late = answer.time_left().is_zero();
        give(answer);
        if is_late {
            return Err(Failure::new(GOSSIP_ERR_TIMEOUT, "answer is late, the default has been taken"));
        }
        Ok(())
    }
}

/// How many milliseconds are left to answer a question; 0 when it is too late, -1 for an
/// event that waits for no answer.
///
/// Memory: borrows `event`. Threads: any, callbacks too. Blocks: no.
#[unsafe(no_mangle)]
pub extern "C" fn gossip_event_deadline_ms(event: Option<&gossip_event_t>) -> i32 {
    value(-1, || {
        let Some(event) = event.filter(|event| event.origin.is_here()) else { return -1 };
        let answer = event.answer.lock().unwrap_or_else(PoisonError::into_inner);
        let left = answer.as_ref().map(Answer::time_left);
        left.map_or(-1, |left| i32::try_from(left.as_micros().div_ceil(1000)).unwrap_or(i32::MAX))
    })
}

/// Answers the question for a merge, a member or a ping with a `GOSSIP_VERDICT_*`. `reason`,
/// which may be NULL, is for the log. A verdict that does not exist leaves it unanswered.
///
/// Memory: borrows `reason` for the call. Threads: any, callbacks too. Blocks: no.
/// Status: NULL_ARG, INVALID_UTF8, FORKED; INVALID_ARG for an event that has no such answer,
/// and for other verdicts; INVALID_STATE if it was answered already; TIMEOUT if the default
/// had been taken.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn gossip_event_reply_verdict(
    event: Option<&gossip_event_t>,
    verdict: i32,
    reason: *const c_char,
) -> gossip_status_t {
    const KINDS: &[gossip_event_type_t] =
        &[GOSSIP_EVENT_ASK_MERGE, GOSSIP_EVENT_ASK_ALIVE, GOSSIP_EVENT_ASK_TCP_PING];
    quick(|| {
        let event = some(event, "event")?;
        // SAFETY: the header's rule for texts.
        let reason = if reason.is_null() { "" } else { unsafe { text(reason, "reason") }? };
        match verdict {
            _ if verdict == GOSSIP_VERDICT_ACCEPT as i32 => event.reply(KINDS, Answer::admit),
            _ if verdict == GOSSIP_VERDICT_REJECT as i32 => {
                event.reply(KINDS, |answer| answer.refuse(reason))
            }
            _ => {
                let rule = format!("is {verdict}, must be one of gossip_verdict_t");
                Err(Failure::argument(GOSSIP_ERR_INVALID_ARG, "verdict", rule))
            }
        }
    })
}

/// Answers the question for the state of a push/pull. Bytes that do not fit leave it
/// unanswered.
///
/// Memory: copies the bytes. Threads: any, callbacks too. Blocks: no.
/// Status: NULL_ARG, FORKED; TOO_LARGE above 20 MiB; INVALID_ARG for an event that has no such
/// answer; INVALID_STATE if it was answered already; TIMEOUT if the default had been taken.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn gossip_event_reply_bytes(
    event: Option<&gossip_event_t>,
    data: *const c_void,
    len: usize,
) -> gossip_status_t {
    quick(|| {
        let event = some(event, "event")?;
        if len > USER_STATE_MAX {
            let rule = format!("is {len} bytes, at most {USER_STATE_MAX} fit");
            return Err(Failure::argument(GOSSIP_ERR_TOO_LARGE, "data", rule));
        }
        // SAFETY: the header's rule for bytes.
        let data = unsafe { bytes(data, len, "data") }?;
        event.reply(&[GOSSIP_EVENT_ASK_LOCAL_STATE], |answer| {
            answer.give(Reply::State(Bytes::copy_from_slice(data)));
        })
    })
}
