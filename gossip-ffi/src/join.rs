//! Joining, and what became of each address.

use std::ffi::{CString, c_char};
use std::mem::MaybeUninit;

use gossip_core::runtime::pool::Joined;

use crate::border::{Timeout, call, give, list, offer, quick, some, text, value};
use crate::error::{Failure, c_text, gossip_error_t};
use crate::pool::{gossip_pool_t, pool_of};
use crate::status::gossip_status_t;

/// What a join reached, and what not. It never changes.
pub struct gossip_joined_t {
    /// Each with why it was not reached, or `None`; those that were reached come first.
    addrs: Vec<(CString, Option<CString>)>,
    reached: usize,
    untried: usize,
}

impl From<Joined> for gossip_joined_t {
    fn from(joined: Joined) -> Self {
        let Joined { reached, failed, untried } = joined;
        let count = reached.len();
        let reached = reached.iter().map(|addr| (c_text(addr.to_string()), None));
        let failed = failed.into_iter().map(|seed| (c_text(seed.seed), Some(c_text(seed.reason))));
        Self { addrs: reached.chain(failed).collect(), reached: count, untried }
    }
}

/// Joins the pool of the `count` seeds by exchanging state with each: `host`, `host:port`
/// or `name/host:port`; without a port this node's own is taken. All addresses of all seeds
/// are tried, and one that answers is enough. `joined`, which may be NULL, receives what
/// became of each address; if none answered, the error's problems tell that
/// (`gossip_error_problem_at`).
///
/// Memory: borrows the texts for the call; `joined` is yours: gossip_joined_free. Threads:
/// any, callbacks too. Blocks: up to `timeout_ms`.
/// Status: NULL_ARG, INVALID_UTF8, INVALID_ARG above 1048576 seeds, INVALID_STATE before the
/// start, CLOSED, FORKED, CANCELLED; AGAIN, TIMEOUT; JOIN_FAILED if no seed was reached, but
/// CRYPTO or PROTOCOL if that is why for each of them: trying again does not help then.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn gossip_pool_join(
    pool: Option<&gossip_pool_t>,
    seeds: *const *const c_char,
    count: usize,
    timeout_ms: i32,
    joined: Option<&mut MaybeUninit<*mut gossip_joined_t>>,
    err: Option<&mut MaybeUninit<*mut gossip_error_t>>,
) -> gossip_status_t {
    call(err, || {
        let (pool, timeout) = (pool_of(pool)?, Timeout(timeout_ms));
        // SAFETY: the header's rule for arrays.
        let seeds = unsafe { list(seeds, count, "seeds") }?;
        // SAFETY: the header's rule for texts.
        let seeds = seeds.iter().map(|seed| unsafe { text(*seed, "seeds") });
        let seeds: Vec<_> = seeds.collect::<Result<_, _>>()?;
        let report = timeout.judge(pool.join(&seeds, timeout.duration()))?;
        match joined {
            Some(joined) => give(Some(joined), "joined", || Ok(report.into())),
            None => Ok(()),
        }
    })
}

/// How many addresses a join tried, seeds without an address included; 0 for NULL.
///
/// Memory: borrows `joined`. Threads: any, callbacks too. Blocks: no.
#[unsafe(no_mangle)]
pub extern "C" fn gossip_joined_len(joined: Option<&gossip_joined_t>) -> usize {
    value(0, || joined.map_or(0, |joined| joined.addrs.len()))
}

/// How many of them were reached: state was exchanged with them; 0 for NULL.
///
/// Memory: borrows `joined`. Threads: any, callbacks too. Blocks: no.
#[unsafe(no_mangle)]
pub extern "C" fn gossip_joined_reached(joined: Option<&gossip_joined_t>) -> usize {
    value(0, || joined.map_or(0, |joined| joined.reached))
}

/// How many addresses were left out: of a host with more than 64 a random 64 are tried; 0
/// for NULL.
///
/// Memory: borrows `joined`. Threads: any, callbacks too. Blocks: no.
#[unsafe(no_mangle)]
pub extern "C" fn gossip_joined_untried(joined: Option<&gossip_joined_t>) -> usize {
    value(0, || joined.map_or(0, |joined| joined.untried))
}

/// The address at `index`, those that were reached first. `addr` is its text, or the seed
/// as given if that has no address; `reason` says why it was not reached, and is NULL if it
/// was. Each may be NULL.
///
/// Memory: the texts live as long as `joined`. Threads: any, callbacks too. Blocks: no.
/// Status: NULL_ARG; NOT_FOUND behind the last.
#[unsafe(no_mangle)]
pub extern "C" fn gossip_joined_at(
    joined: Option<&gossip_joined_t>,
    index: usize,
    addr: Option<&mut MaybeUninit<*const c_char>>,
    reason: Option<&mut MaybeUninit<*const c_char>>,
) -> gossip_status_t {
    quick(|| {
        let addrs = &some(joined, "joined")?.addrs;
        let (tried, failure) = addrs.get(index).ok_or_else(|| Failure::beyond(index, addrs.len()))?;
        offer(addr, tried.as_ptr());
        offer(reason, failure.as_ref().map_or(std::ptr::null(), |failure| failure.as_ptr()));
        Ok(())
    })
}

/// Frees what a join reached; NULL is fine.
///
/// Memory: ends `joined` and its texts. Threads: any, callbacks too. Blocks: no.
#[unsafe(no_mangle)]
pub extern "C" fn gossip_joined_free(joined: Option<Box<gossip_joined_t>>) {
    value((), || drop(joined));
}
