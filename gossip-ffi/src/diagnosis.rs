//! The doctor: which direction of which protocol to a peer does not work.

use std::ffi::{CString, c_char};
use std::mem::MaybeUninit;

use gossip_core::pool::diagnosis::Diagnosis;

use crate::border::{Timeout, call, give, offer, quick, some, text, value};
use crate::error::{Failure, c_text, gossip_error_t};
use crate::explanation::nanos;
use crate::pool::{gossip_pool_t, pool_of};
use crate::status::gossip_status_t;

/// What the doctor has found about the way to a peer. It never changes.
pub struct gossip_diagnosis_t {
    text: CString,
    is_healthy: bool,
    checks: Vec<CheckText>,
    findings: Vec<FindingText>,
}

struct CheckText {
    name: CString,
    result: i32,
    took: i64,
    detail: CString,
}

struct FindingText {
    code: i32,
    name: CString,
    sentence: CString,
}

/// Whether a check worked.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub enum gossip_check_t {
    /// It worked.
    GOSSIP_CHECK_OK = 0,
    /// It did not.
    GOSSIP_CHECK_FAILED = 1,
    /// It cannot be told.
    GOSSIP_CHECK_UNKNOWN = 2,
}

/// What a diagnosis concludes. Numbers never change; later versions may add some.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum gossip_finding_t {
    /// Everything that could be tried works.
    GOSSIP_FINDING_HEALTHY = 0,
    /// The system of this node refuses to send datagrams there.
    GOSSIP_FINDING_CANNOT_SEND = 1,
    /// Neither this node nor anybody asked gets an answer from it.
    GOSSIP_FINDING_UNREACHABLE = 2,
    /// Nobody who was asked answers this node either.
    GOSSIP_FINDING_CUT_OFF = 3,
    /// The host answers, but nothing listens on that port.
    GOSSIP_FINDING_NOT_LISTENING = 4,
    /// No TCP connection from here to there, while datagrams go.
    GOSSIP_FINDING_TCP_OUT_BLOCKED = 5,
    /// A connection stands, and nothing is ever said on it.
    GOSSIP_FINDING_TCP_SILENT = 6,
    /// Datagrams from here to there are lost: those from there arrive.
    GOSSIP_FINDING_UDP_OUT_BLOCKED = 7,
    /// Datagrams are lost in one direction or both; which cannot be told.
    GOSSIP_FINDING_UDP_BLOCKED = 8,
    /// Nobody who was asked by datagram answers this node: its own UDP is blocked.
    GOSSIP_FINDING_UDP_BLOCKED_HERE = 9,
    /// Some small datagrams are lost, some not.
    GOSSIP_FINDING_UDP_LOSSY = 10,
    /// Small datagrams arrive, those of the full size do not: the path's MTU is smaller.
    GOSSIP_FINDING_LARGE_DATAGRAMS_LOST = 11,
    /// It speaks without the label that this pool has.
    GOSSIP_FINDING_LABEL_MISMATCH = 12,
    /// It closes the connection without a word: another label, another pool id or framing.
    GOSSIP_FINDING_OTHER_POOL = 13,
    /// It encrypts with a key that this pool does not have, or the other way round.
    GOSSIP_FINDING_KEY_MISMATCH = 14,
    /// It encrypts, this pool has no keys or does not use them.
    GOSSIP_FINDING_KEYS_MISSING_HERE = 15,
    /// This pool encrypts, it has no keys or does not use them.
    GOSSIP_FINDING_KEYS_MISSING_THERE = 16,
    /// Something answers that does not speak memberlist's protocol.
    GOSSIP_FINDING_NOT_MEMBERLIST = 17,
    /// A node of another name has that address.
    GOSSIP_FINDING_OTHER_NAME = 18,
    /// It and this node understand no common protocol version.
    GOSSIP_FINDING_VERSION_MISMATCH = 19,
    /// Datagrams from it arrive, and cannot be read.
    GOSSIP_FINDING_DATAGRAMS_REFUSED = 20,
    /// Its address lies in no network that this pool allows.
    GOSSIP_FINDING_NOT_ALLOWED = 21,
}

impl From<Diagnosis> for gossip_diagnosis_t {
    fn from(diagnosis: Diagnosis) -> Self {
        let checks = diagnosis.checks.iter().map(|check| CheckText {
            name: c_text(check.kind.name()),
            result: check.result as i32,
            took: nanos(check.took),
            detail: c_text(check.detail.as_str()),
        });
        let findings = diagnosis.findings.iter().map(|finding| FindingText {
            code: *finding as i32,
            name: c_text(finding.name()),
            sentence: c_text(finding.to_string()),
        });
        Self {
            text: c_text(diagnosis.to_string()),
            is_healthy: diagnosis.is_healthy(),
            checks: checks.collect(),
            findings: findings.collect(),
        }
    }
}

/// Finds out which direction of which protocol to a peer does not work, or what else keeps it
/// away: UDP and TCP from here to there, datagrams of the full size, label, keys, name, version;
/// and of the ways back what can be told. `target` is the name of a member, or `host:port` as in
/// gossip_pool_ping_to. It takes a moment if all is well. The peer may be any memberlist; it sees
/// a few pings, and nothing comes of them: nobody is suspected, nothing changes.
///
/// Memory: borrows `target`; `diagnosis` is yours: gossip_diagnosis_free. Threads: any,
/// callbacks too. Blocks: up to `timeout_ms`, which should be a few seconds.
/// Status: NULL_ARG, INVALID_UTF8, INVALID_STATE before the start, CLOSED, FORKED; ADDR_INVALID,
/// RESOLVE, INVALID_ARG without a name that the pool requires; AGAIN while another doctor is at
/// work in this pool; TIMEOUT.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn gossip_pool_doctor(
    pool: Option<&gossip_pool_t>,
    target: *const c_char,
    timeout_ms: i32,
    diagnosis: Option<&mut MaybeUninit<*mut gossip_diagnosis_t>>,
    err: Option<&mut MaybeUninit<*mut gossip_error_t>>,
) -> gossip_status_t {
    call(err, || {
        let (pool, timeout) = (pool_of(pool)?, Timeout(timeout_ms));
        // SAFETY: the header's rule for texts.
        let target = unsafe { text(target, "target") }?;
        let examine = || Ok(timeout.judge(pool.doctor(target, timeout.duration()))?.into());
        give(diagnosis, "diagnosis", examine)
    })
}

/// A line for each check, then the conclusions, for people, UTF-8; empty for NULL.
///
/// Memory: the text lives as long as `diagnosis`. Threads: any, callbacks too. Blocks: no.
#[unsafe(no_mangle)]
pub extern "C" fn gossip_diagnosis_text(diagnosis: Option<&gossip_diagnosis_t>) -> *const c_char {
    value(c"".as_ptr(), || diagnosis.map_or(c"".as_ptr(), |diagnosis| diagnosis.text.as_ptr()))
}

/// 1 if nothing is wrong; 0 otherwise, and for NULL.
///
/// Memory: borrows `diagnosis`. Threads: any, callbacks too. Blocks: no.
#[unsafe(no_mangle)]
pub extern "C" fn gossip_diagnosis_is_healthy(diagnosis: Option<&gossip_diagnosis_t>) -> i32 {
    value(0, || diagnosis.map_or(0, |diagnosis| diagnosis.is_healthy.into()))
}

/// How many conclusions there are, at least one; 0 for NULL.
///
/// Memory: borrows `diagnosis`. Threads: any, callbacks too. Blocks: no.
#[unsafe(no_mangle)]
pub extern "C" fn gossip_diagnosis_finding_count(diagnosis: Option<&gossip_diagnosis_t>) -> usize {
    value(0, || diagnosis.map_or(0, |diagnosis| diagnosis.findings.len()))
}

/// The conclusion at `index`, the most important first: its number, of `gossip_finding_t`, its
/// short name, such as `udp_blocked`, and a sentence that says what to look at. Each
/// out-parameter may be NULL.
///
/// Memory: the texts live as long as `diagnosis`. Threads: any, callbacks too. Blocks: no.
/// Status: NULL_ARG; NOT_FOUND behind the last.
#[unsafe(no_mangle)]
pub extern "C" fn gossip_diagnosis_finding_at(
    diagnosis: Option<&gossip_diagnosis_t>,
    index: usize,
    finding: Option<&mut MaybeUninit<i32>>,
    name: Option<&mut MaybeUninit<*const c_char>>,
    sentence: Option<&mut MaybeUninit<*const c_char>>,
) -> gossip_status_t {
    quick(|| {
        let findings = &some(diagnosis, "diagnosis")?.findings;
        let found = findings.get(index).ok_or_else(|| Failure::beyond(index, findings.len()))?;
        offer(finding, found.code);
        offer(name, found.name.as_ptr());
        offer(sentence, found.sentence.as_ptr());
        Ok(())
    })
}

/// How many checks were made; 0 for NULL.
///
/// Memory: borrows `diagnosis`. Threads: any, callbacks too. Blocks: no.
#[unsafe(no_mangle)]
pub extern "C" fn gossip_diagnosis_check_count(diagnosis: Option<&gossip_diagnosis_t>) -> usize {
    value(0, || diagnosis.map_or(0, |diagnosis| diagnosis.checks.len()))
}

/// The check at `index`: its name (`lookup`, `send`, `tcp_out`, `talk`, `tcp_in`, `udp`,
/// `udp_full`, `udp_in`, `helpers`, `version`), its result, of `gossip_check_t`, how long it
/// took, -1 if that means nothing, and what happened, in words. Each out-parameter may be NULL.
///
/// Memory: the texts live as long as `diagnosis`. Threads: any, callbacks too. Blocks: no.
/// Status: NULL_ARG; NOT_FOUND behind the last.
#[unsafe(no_mangle)]
pub extern "C" fn gossip_diagnosis_check_at(
    diagnosis: Option<&gossip_diagnosis_t>,
    index: usize,
    name: Option<&mut MaybeUninit<*const c_char>>,
    result: Option<&mut MaybeUninit<i32>>,
    took_ns: Option<&mut MaybeUninit<i64>>,
    detail: Option<&mut MaybeUninit<*const c_char>>,
) -> gossip_status_t {
    quick(|| {
        let checks = &some(diagnosis, "diagnosis")?.checks;
        let check = checks.get(index).ok_or_else(|| Failure::beyond(index, checks.len()))?;
        offer(name, check.name.as_ptr());
        offer(result, check.result);
        offer(took_ns, check.took);
        offer(detail, check.detail.as_ptr());
        Ok(())
    })
}

/// Frees a diagnosis; NULL is fine.
///
/// Memory: ends `diagnosis` and its texts. Threads: any, callbacks too. Blocks: no.
#[unsafe(no_mangle)]
pub extern "C" fn gossip_diagnosis_free(diagnosis: Option<Box<gossip_diagnosis_t>>) {
    value((), || drop(diagnosis));
}

#[cfg(test)]
mod tests {
    use gossip_core::pool::diagnosis::{CheckResult, Finding};

    use super::*;

    #[test]
    fn the_numbers_are_those_of_the_core() {
        assert_eq!(Finding::ALL.len() - 1, gossip_finding_t::GOSSIP_FINDING_NOT_ALLOWED as usize);
        let pairs = [
            (Finding::CutOff, gossip_finding_t::GOSSIP_FINDING_CUT_OFF),
            (Finding::UdpBlocked, gossip_finding_t::GOSSIP_FINDING_UDP_BLOCKED),
            (Finding::LabelMismatch, gossip_finding_t::GOSSIP_FINDING_LABEL_MISMATCH),
            (Finding::VersionMismatch, gossip_finding_t::GOSSIP_FINDING_VERSION_MISMATCH),
        ];
        for (finding, number) in pairs {
            assert_eq!(finding as i32, number as i32);
        }
        assert_eq!(CheckResult::Unknown as i32, gossip_check_t::GOSSIP_CHECK_UNKNOWN as i32);
    }
}
