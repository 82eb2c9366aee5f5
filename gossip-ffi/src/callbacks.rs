//! The core's `Delegate`, answered by C callbacks.

use std::ffi::c_void;
use std::time::Duration;

use gossip_core::pool::action::{Asks, UserMessage};
use gossip_core::pool::migration::Migrated;
use gossip_core::runtime::delegate::Delegate;
use gossip_core::swim::node::{Member, Node};
use gossip_core::wire::limits::USER_STATE_MAX;

use crate::buffer::gossip_buffer_t;
use crate::delegate::{OwnedDelegate, gossip_cb_t, gossip_verdict_t};
use crate::error::c_text;
use crate::members::{gossip_member_t, gossip_members_t};
use crate::message::gossip_message_t;

/// A line of the log.
const REASON_LIMIT: usize = 1024;

impl OwnedDelegate {
    fn user_data(&self) -> *mut c_void {
        self.table().user_data
    }

    /// Tells a callback of one member.
    fn tell(
        &self,
        callback: Option<unsafe extern "C" fn(*mut c_void, *const gossip_member_t)>,
        member: &Member,
    ) {
        if let Some(callback) = callback {
            let member = gossip_member_t::new(member.clone());
            // SAFETY: the program's own function, with its own data; `member` outlives the call.
            unsafe { callback(self.user_data(), &raw const member) };
        }
    }
}

impl Delegate for OwnedDelegate {
    fn asks(&self) -> Asks {
        let table = self.table();
        Asks {
            local_state: table.local_state.is_some(),
            admit_alive: table.notify_alive.is_some(),
            admit_merge: table.notify_merge.is_some(),
            allow_stream_ping: table.allow_tcp_ping.is_some(),
        }
    }

    fn notify_join(&self, member: &Member) {
        self.tell(self.table().notify_join, member);
    }

    fn notify_leave(&self, member: &Member) {
        self.tell(self.table().notify_leave, member);
    }

    fn notify_update(&self, member: &Member) {
        self.tell(self.table().notify_update, member);
    }

    fn notify_conflict(&self, existing: &Member, other: &Node) {
        let Some(callback) = self.table().notify_conflict else { return };
        let existing = gossip_member_t::new(existing.clone());
        let other = gossip_member_t::claimant(other.clone());
        // SAFETY: the program's own function, with its own data; both members outlive the call.
        unsafe { callback(self.user_data(), &raw const existing, &raw const other) };
    }

    fn notify_msg(&self, message: &UserMessage) {
        let Some(callback) = self.table().notify_msg else { return };
        let about = gossip_message_t::from(message.clone());
        let (data, len) = (message.bytes.as_ptr(), message.bytes.len());
        // SAFETY: the program's own function, with its own data; `message`, whose bytes
        // these are, and `about` outlive the call.
        unsafe { callback(self.user_data(), data, len, &raw const about) };
    }

    fn merge_remote_state(&self, state: &[u8], join: bool) {
        let Some(callback) = self.table().merge_remote_state else { return };
        // SAFETY: the program's own function, with its own data; `state` outlives the call.
        unsafe { callback(self.user_data(), state.as_ptr(), state.len(), join.into()) };
    }

    fn notify_ping_complete(&self, member: &Member, rtt: Duration, payload: &[u8]) {
        let Some(callback) = self.table().notify_ping_complete else { return };
        let member = gossip_member_t::new(member.clone());
        let rtt_ns = i64::try_from(rtt.as_nanos()).unwrap_or(i64::MAX);
        // SAFETY: the program's own function, with its own data; what it is lent outlives
        // the call.
        unsafe {
            callback(self.user_data(), &raw const member, rtt_ns, payload.as_ptr(), payload.len());
        }
    }

    fn notify_isolated(&self) {
        let Some(callback) = self.table().notify_isolated else { return };
        // SAFETY: the program's own function, with its own data.
        unsafe { callback(self.user_data()) };
    }

    fn notify_healed(&self, returned: usize, missing: usize) {
        let Some(callback) = self.table().notify_healed else { return };
        // SAFETY: the program's own function, with its own data.
        unsafe { callback(self.user_data(), returned, missing) };
    }

    fn notify_migrated(&self, migrated: &Migrated) {
        let Some(callback) = self.table().notify_migrated else { return };
        let by = c_text(migrated.by.as_bytes());
        // SAFETY: the program's own function, with its own data; `by` outlives the call.
        unsafe { callback(self.user_data(), migrated.kind as i32, migrated.step as i32, by.as_ptr()) };
    }

    fn notify_overflow(&self, dropped: u64) {
        let Some(callback) = self.table().notify_overflow else { return };
        // SAFETY: the program's own function, with its own data.
        unsafe { callback(self.user_data(), dropped) };
    }

    fn notify_shutdown(&self) {
        let Some(callback) = self.table().notify_shutdown else { return };
        // SAFETY: the program's own function, with its own data.
        unsafe { callback(self.user_data()) };
    }

    fn local_state(&self, join: bool) -> Option<Vec<u8>> {
        let callback = self.table().local_state?;
        let mut out = gossip_buffer_t::new(USER_STATE_MAX);
        // SAFETY: the program's own function, with its own data; `out` outlives the call.
        let answer = unsafe { callback(self.user_data(), join.into(), &raw mut out) };
        (answer == gossip_cb_t::GOSSIP_CB_DONE as i32).then(|| out.into_bytes())
    }

    fn notify_alive(&self, member: &Member) -> Result<(), String> {
        let Some(callback) = self.table().notify_alive else { return Ok(()) };
        let member = gossip_member_t::new(member.clone());
        let mut reason = gossip_buffer_t::new(REASON_LIMIT);
        // SAFETY: the program's own function, with its own data; what it is lent outlives
        // the call.
        let answer = unsafe { callback(self.user_data(), &raw const member, &raw mut reason) };
        verdict(answer, reason)
    }

    fn notify_merge(&self, members: &[Member]) -> Result<(), String> {
        let Some(callback) = self.table().notify_merge else { return Ok(()) };
        let members = gossip_members_t::new(members, 0);
        let mut reason = gossip_buffer_t::new(REASON_LIMIT);
        // SAFETY: the program's own function, with its own data; what it is lent outlives
        // the call.
        let answer = unsafe { callback(self.user_data(), &raw const members, &raw mut reason) };
        verdict(answer, reason)
    }

    fn allow_tcp_ping(&self, name: &[u8]) -> bool {
        let Some(callback) = self.table().allow_tcp_ping else { return true };
        // SAFETY: the program's own function, with its own data; `name` outlives the call.
        let answer = unsafe { callback(self.user_data(), name.as_ptr().cast(), name.len()) };
        // A failed callback is no reason to think worse of the node.
        answer != gossip_verdict_t::GOSSIP_VERDICT_REJECT as i32
    }
}

/// Only a clear yes admits: a callback that failed refuses.
fn verdict(answer: i32, reason: gossip_buffer_t) -> Result<(), String> {
    if answer == gossip_verdict_t::GOSSIP_VERDICT_ACCEPT as i32 {
        return Ok(());
    }
    let reason = reason.into_bytes();
    Err(if reason.is_empty() && answer != gossip_verdict_t::GOSSIP_VERDICT_REJECT as i32 {
        format!("callback failed with {answer}")
    } else {
        String::from_utf8_lossy(&reason).into_owned()
    })
}
