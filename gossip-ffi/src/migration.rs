//! A whole pool moves to another key, to encryption or to another label.

use std::ffi::{CString, c_char, c_void};
use std::mem::MaybeUninit;

use bytes::Bytes;
use gossip_core::base::name::NodeName;
use gossip_core::pool::migration::{Migration, MigrationOptions, MigrationProgress, MigrationReport, Step};
use gossip_core::wire::keyring::Key;

use crate::border::{Timeout, bytes, call, give, offer, quick, some, value};
use crate::error::{Failure, c_text, gossip_error_t};
use crate::pool::{gossip_pool_t, pool_of};
use crate::status::Status::GOSSIP_ERR_INVALID_ARG;
use crate::status::gossip_status_t;

/// Where a pool moves.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub enum gossip_migration_kind_t {
    /// An encrypted pool to another key of 16, 24 or 32 bytes. It is sent, encrypted, to the
    /// members that do not hold it.
    GOSSIP_MIGRATION_KEY = 1,
    /// From clear text to encryption with a key that every member holds already, and neither
    /// uses nor requires (`gossip_verify_incoming`, `gossip_verify_outgoing`).
    GOSSIP_MIGRATION_ENCRYPTION = 2,
    /// To another label of at most 255 bytes, or none.
    GOSSIP_MIGRATION_LABEL = 3,
}

/// The steps of a migration; each is taken by every member before the next.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub enum gossip_step_t {
    /// The new is understood beside the old.
    GOSSIP_STEP_ACCEPT = 1,
    /// The new is spoken, the old still understood.
    GOSSIP_STEP_SPEAK = 2,
    /// The old is understood no longer.
    GOSSIP_STEP_REQUIRE = 3,
}

/// What a migration passes over; they may be added.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub enum gossip_migration_flag_t {
    /// Members that take no such requests, such as those of memberlist: somebody does the steps
    /// there by hand.
    GOSSIP_MIGRATION_BY_HAND = 1,
    /// Members that died without a goodbye, and may come back with what they knew.
    GOSSIP_MIGRATION_WITHOUT_LOST = 2,
}

/// Which members of a report.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub enum gossip_migration_part_t {
    /// Those that have taken the last step, this node included.
    GOSSIP_MIGRATION_MEMBERS = 1,
    /// Those that were passed over because they take no such requests.
    GOSSIP_MIGRATION_MANUAL = 2,
    /// Those that were passed over because they are dead; if they come back as they were, they
    /// do not get in.
    GOSSIP_MIGRATION_LOST = 3,
}

/// How a migration went that came where it should. It never changes.
pub struct gossip_migration_t {
    text: CString,
    members: Vec<CString>,
    by_hand: Vec<CString>,
    lost: Vec<CString>,
}

impl From<MigrationReport> for gossip_migration_t {
    fn from(report: MigrationReport) -> Self {
        let texts = |names: &[NodeName]| names.iter().map(|name| c_text(name.as_bytes())).collect();
        Self {
            text: c_text(report.to_string()),
            members: texts(&report.members),
            by_hand: texts(&report.by_hand),
            lost: texts(&report.lost),
        }
    }
}

impl gossip_migration_t {
    fn part(&self, part: i32) -> &[CString] {
        match part {
            1 => &self.members,
            2 => &self.by_hand,
            3 => &self.lost,
            _ => &[],
        }
    }
}

/// Called for each member that has taken a step (of `gossip_step_t`), `trouble` being NULL, or is
/// in the way of one. `done` of `total` members have taken it.
pub type gossip_progress_cb_t = Option<
    unsafe extern "C" fn(
        user_data: *mut c_void,
        step: i32,
        member: *const c_char,
        trouble: *const c_char,
        done: usize,
        total: usize,
    ),
>;

/// Replaces the key of the whole pool: every member installs it, then every member encrypts
/// with it, then every member removes all others. Nothing is lost or refused meanwhile.
/// gossip_pool_migrate with GOSSIP_MIGRATION_KEY, all steps and nothing passed over.
///
/// Memory: copies the key. Threads: any, callbacks too. Blocks: up to `timeout_ms`, which should
/// be a minute or more in a pool of hundreds.
/// Status: NULL_ARG, INVALID_STATE before the start, CLOSED, FORKED, CANCELLED; INVALID_ARG for
/// other lengths, and in a pool that is not encrypted; NOT_MIGRATED; AGAIN while another
/// migration is under way.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn gossip_pool_rotate_key(
    pool: Option<&gossip_pool_t>,
    key: *const c_void,
    len: usize,
    timeout_ms: i32,
    err: Option<&mut MaybeUninit<*mut gossip_error_t>>,
) -> gossip_status_t {
    call(err, || {
        let pool = pool_of(pool)?;
        // SAFETY: the header's rule for bytes.
        let key = Key::new(unsafe { bytes(key, len, "key") }?)?;
        pool.rotate_key(key, Timeout(timeout_ms).duration())?;
        Ok(())
    })
}

/// Moves the whole pool to another key, to encryption or to another label (`kind`, of
/// `gossip_migration_kind_t`): to the `len` bytes at `to`. Members are asked for each step up to
/// `until` (of `gossip_step_t`), and for none before every member has taken the one before;
/// members that join meanwhile are brought along. `flags`, of `gossip_migration_flag_t`, say
/// what is passed over.
///
/// `progress`, which may be NULL, is called in the calling thread for each member that has taken
/// a step or is in the way of one: `trouble` is NULL or says why; `done` of `total` members
/// have taken the step. What it receives is borrowed until it returns; it must not unwind.
///
/// NOT_MIGRATED if a member is in the way, or the time was up: gossip_error_problem_at names
/// each, with the reason. Everybody understands everybody then, until the next call, on any
/// node, goes on from there. Members obey as their `remote_migration` says. They tell their
/// program by `notify_migrated` or GOSSIP_EVENT_MIGRATED: it must see to it that its next start
/// begins with the new key or label.
///
/// Memory: copies the bytes; `report`, which may be NULL, is written on success and then yours: gossip_migration_free.
/// Threads: any, callbacks too. Blocks: up to `timeout_ms`, which should be a minute or more in
/// a pool of hundreds.
/// Status: NULL_ARG, INVALID_STATE before the start, CLOSED, FORKED, CANCELLED; INVALID_ARG for
/// other numbers and lengths, and where the pool cannot move so; TOO_LARGE for a label;
/// NOT_MIGRATED; AGAIN while another migration is under way.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn gossip_pool_migrate(
    pool: Option<&gossip_pool_t>,
    kind: i32,
    to: *const c_void,
    len: usize,
    until: i32,
    flags: u32,
    timeout_ms: i32,
    progress: gossip_progress_cb_t,
    user_data: *mut c_void,
    report: Option<&mut MaybeUninit<*mut gossip_migration_t>>,
    err: Option<&mut MaybeUninit<*mut gossip_error_t>>,
) -> gossip_status_t {
    call(err, || {
        let pool = pool_of(pool)?;
        // SAFETY: the header's rule for bytes.
        let to = unsafe { bytes(to, len, "to") }?;
        let to = match kind {
            1 => Migration::Key(Key::new(to)?),
            2 => Migration::Encryption(Key::new(to)?),
            3 => Migration::Label(Bytes::copy_from_slice(to)),
            other => return Err(unknown("kind", other, "of gossip_migration_kind_t")),
        };
        let step = Step::ALL.into_iter().find(|step| *step as i32 == until);
        let until = step.ok_or_else(|| unknown("until", until, "of gossip_step_t"))?;
        if flags & !3 != 0 {
            return Err(unknown("flags", flags, "made of gossip_migration_flag_t"));
        }
        let options = MigrationOptions { until, by_hand: flags & 1 != 0, without_lost: flags & 2 != 0 };
        let tell = |news: &MigrationProgress| {
            let Some(progress) = progress else { return };
            let member = c_text(news.member.as_bytes());
            let trouble = news.trouble.as_ref().map(|trouble| c_text(trouble.to_string()));
            let why = trouble.as_ref().map_or(std::ptr::null(), |trouble| trouble.as_ptr());
            // SAFETY: the program's own function, with its own data; both texts outlive the call.
            unsafe { progress(user_data, news.step as i32, member.as_ptr(), why, news.done, news.total) };
        };
        let done = pool.migrate(to, options, Timeout(timeout_ms).duration(), tell)?;
        if report.is_some() { give(report, "report", || Ok(done.into())) } else { Ok(()) }
    })
}

fn unknown(field: &'static str, value: impl std::fmt::Display, rule: &str) -> Failure {
    Failure::argument(GOSSIP_ERR_INVALID_ARG, field, format!("is {value}, must be {rule}"))
}

/// How it went, in a sentence for people, UTF-8; empty for NULL.
///
/// Memory: the text lives as long as `report`. Threads: any, callbacks too. Blocks: no.
#[unsafe(no_mangle)]
pub extern "C" fn gossip_migration_text(report: Option<&gossip_migration_t>) -> *const c_char {
    value(c"".as_ptr(), || report.map_or(c"".as_ptr(), |report| report.text.as_ptr()))
}

/// How many members there are in a part of the report, of `gossip_migration_part_t`; 0 for
/// others, and for NULL.
///
/// Memory: borrows `report`. Threads: any, callbacks too. Blocks: no.
#[unsafe(no_mangle)]
pub extern "C" fn gossip_migration_count(report: Option<&gossip_migration_t>, part: i32) -> usize {
    value(0, || report.map_or(0, |report| report.part(part).len()))
}

/// The name of the member at `index` in a part of the report, of `gossip_migration_part_t`.
///
/// Memory: the name lives as long as `report`. Threads: any, callbacks too. Blocks: no.
/// Status: NULL_ARG; NOT_FOUND behind the last.
#[unsafe(no_mangle)]
pub extern "C" fn gossip_migration_at(
    report: Option<&gossip_migration_t>,
    part: i32,
    index: usize,
    name: Option<&mut MaybeUninit<*const c_char>>,
) -> gossip_status_t {
    quick(|| {
        let part = some(report, "report")?.part(part);
        let member = part.get(index).ok_or_else(|| Failure::beyond(index, part.len()))?;
        offer(name, member.as_ptr());
        Ok(())
    })
}

/// Frees a report; NULL is fine.
///
/// Memory: ends `report` and its texts. Threads: any. Blocks: no.
#[unsafe(no_mangle)]
pub extern "C" fn gossip_migration_free(report: Option<Box<gossip_migration_t>>) {
    value((), || drop(report));
}
