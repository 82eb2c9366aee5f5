//! The event queue: what pools tell and ask, to pull from a loop of the program's own.

use std::fs::File;
use std::io::{self, Write};
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::time::Duration;

use gossip_core::net::error::WaitError;
use gossip_core::pool::action::Asks;
use gossip_core::runtime::delegate::Delegate;
use gossip_core::runtime::events::{Event, Events};

use crate::border::{Timeout, call, give, offer, quick, some, value, write};
use crate::error::{Failure, gossip_error_t};
use crate::event::gossip_event_t;
use crate::handle::Shared;
use crate::listener::gossip_fd_t;
use crate::signals::without_sigpipe;
use crate::status::Status::{GOSSIP_ERR_CLOSED, GOSSIP_ERR_INVALID_ARG};
use crate::status::gossip_status_t;

/// A bounded queue of what any number of pools, on any number of nodes, tell and ask. Pools
/// put into it if their configuration says so: `gossip_pool_config_set_queue`.
///
/// When it is full, messages, states, conflicts, pings and questions are dropped, counted
/// and told by one event. Changes of membership are never lost: beyond the limit those of
/// one member in one pool collapse into the latest.
pub struct gossip_queue_t {
    queue: Shared<Queue>,
}

/// Questions that a pool puts into its queue; add up those that you answer.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub enum gossip_ask_t {
    /// None: the published state is taken, everybody admitted.
    GOSSIP_ASK_NOTHING = 0,
    /// The state for each push/pull, instead of the published one.
    GOSSIP_ASK_LOCAL_STATE = 1,
    /// Whether the state received in a join may be merged.
    GOSSIP_ASK_MERGE = 2,
    /// Whether a node may be a member, for each new or changed one.
    GOSSIP_ASK_ALIVE = 4,
    /// Whether a silent node may be pinged over TCP.
    GOSSIP_ASK_TCP_PING = 8,
}

/// The queue itself, for as long as someone works with it.
#[derive(Clone)]
struct Queue {
    events: Arc<Events>,
    /// Whether the next event writes a byte to the descriptor of `gossip_queue_set_wake_fd`.
    /// Taking arms it, before it looks: what comes after that look is told.
    armed: Arc<AtomicBool>,
}

fn queue_of(queue: Option<&gossip_queue_t>) -> Result<Queue, Failure> {
    some(queue, "queue")?.queue.get()
}

fn queue_to_end(queue: Option<&gossip_queue_t>) -> Result<Queue, Failure> {
    some(queue, "queue")?.queue.get_to_end()
}

impl Queue {
    fn take(&self, max: usize, timeout: Timeout) -> Result<Vec<Event>, Failure> {
        self.armed.store(true, SeqCst);
        timeout.judge(self.events.take(max, timeout.limit()))
    }

    /// A byte to whoever waits on a descriptor of the program's may find its reader gone.
    fn close(&self) {
        without_sigpipe(|| self.events.close());
    }

    fn wake_nobody(&self) {
        self.events.set_waker(|| {});
    }

    fn wake(&self, wake_fd: File) {
        let armed = Arc::clone(&self.armed);
        armed.store(true, SeqCst);
        without_sigpipe(|| {
            self.events.set_waker(move || {
                if armed.swap(false, SeqCst) {
                    // Full, it wakes as it is; without a reader nobody is to be woken.
                    let _ = (&wake_fd).write(&[1]);
                }
            });
        });
    }
}

/// What a pool's configuration remembers of a queue.
pub(crate) struct Attachment {
    queue: Shared<Queue>,
    tag: u64,
    asks: Asks,
}

impl Attachment {
    pub(crate) fn new(queue: &gossip_queue_t, tag: u64, asks: u32) -> Result<Self, Failure> {
        let queue = queue.queue.beside(queue.queue.get()?);
        Ok(Self { queue, tag, asks: asks_of(asks)? })
    }

    /// What feeds the queue, for one pool.
    pub(crate) fn delegate(&self) -> Result<Arc<dyn Delegate>, Failure> {
        let events = self.queue.get()?.events;
        if events.is_closed() {
            return Err(Failure::new(GOSSIP_ERR_CLOSED, "queue of the configuration is closed"));
        }
        Ok(events.delegate(self.tag, self.asks))
    }
}

fn asks_of(sum: u32) -> Result<Asks, Failure> {
    use gossip_ask_t::*;
    let names = |ask: gossip_ask_t| sum & ask as u32 != 0;
    let known = [GOSSIP_ASK_LOCAL_STATE, GOSSIP_ASK_MERGE, GOSSIP_ASK_ALIVE, GOSSIP_ASK_TCP_PING];
    if sum & !known.iter().fold(0, |all, ask| all | *ask as u32) != 0 {
        let rule = format!("are {sum:#x}, must be a sum of gossip_ask_t");
        return Err(Failure::argument(GOSSIP_ERR_INVALID_ARG, "asks", rule));
    }
    Ok(Asks {
        local_state: names(GOSSIP_ASK_LOCAL_STATE),
        admit_merge: names(GOSSIP_ASK_MERGE),
        admit_alive: names(GOSSIP_ASK_ALIVE),
        allow_stream_ping: names(GOSSIP_ASK_TCP_PING),
    })
}

/// Makes a queue in which at most `max_events` messages, states and questions wait, of at most
/// `max_bytes` bytes: 10000 and 64 MiB suit most programs. Changes of members are never dropped
/// and take no room from those: as many wait, and one more for each member. It belongs to no
/// node.
///
/// Memory: `queue` is yours: gossip_queue_free. Threads: any, callbacks too. Blocks: no.
/// Status: NULL_ARG; INVALID_ARG if a limit is 0.
#[unsafe(no_mangle)]
pub extern "C" fn gossip_queue_new(
    max_events: usize,
    max_bytes: usize,
    queue: Option<&mut MaybeUninit<*mut gossip_queue_t>>,
) -> gossip_status_t {
    quick(|| {
        let queue = some(queue, "queue")?;
        for (name, limit) in [("max_events", max_events), ("max_bytes", max_bytes)] {
            if limit == 0 {
                return Err(Failure::argument(GOSSIP_ERR_INVALID_ARG, name, "is 0, must be at least 1"));
            }
        }
        let events = Events::bounded(max_events, max_bytes);
        let made = Queue { events, armed: Arc::new(AtomicBool::new(true)) };
        give(Some(queue), "queue", || Ok(gossip_queue_t { queue: Shared::new(made) }))
    })
}

/// A descriptor for `poll`, `epoll` and every event loop: readable exactly while
/// `gossip_queue_poll` would not wait, also once the queue is closed. Only watch it: do not
/// read, write or close it. It stays the same; take it out of the loop before freeing the
/// queue. An event that a thread takes which blocks in a poll does not show.
///
/// Memory: `fd` is the library's, and valid until `queue` is freed. Threads: any, callbacks
/// too. Blocks: no.
/// Status: NULL_ARG, FORKED; RESOURCE_LIMIT if it can't be made.
#[unsafe(no_mangle)]
pub extern "C" fn gossip_queue_fd(
    queue: Option<&gossip_queue_t>,
    fd: Option<&mut MaybeUninit<gossip_fd_t>>,
) -> gossip_status_t {
    quick(|| write(fd, "fd", queue_of(queue)?.events.readiness()?.as_raw_fd()))
}

/// For runtimes that can only wait for pipes and sockets of their own: writes one byte to
/// `wake_fd`, which must not block (`O_NONBLOCK`), when something is put into the queue and
/// when it is closed. After a byte there is none before the next poll: read what is there,
/// then poll until that says AGAIN. -1 ends it.
///
/// Memory: a duplicate of `wake_fd` is used until it is replaced or the queue freed; yours
/// stays yours, and may be closed. Threads: any, callbacks too. Blocks: no.
/// Status: NULL_ARG, FORKED, RESOURCE_LIMIT; INVALID_ARG if `wake_fd` is not open or blocks.
#[unsafe(no_mangle)]
pub extern "C" fn gossip_queue_set_wake_fd(
    queue: Option<&gossip_queue_t>,
    wake_fd: gossip_fd_t,
    err: Option<&mut MaybeUninit<*mut gossip_error_t>>,
) -> gossip_status_t {
    call(err, || {
        let queue = queue_of(queue)?;
        match wake_fd {
            -1 => queue.wake_nobody(),
            _ => queue.wake(duplicate(wake_fd)?),
        }
        Ok(())
    })
}

/// A close-on-exec duplicate of a descriptor of the program's that does not block.
fn duplicate(fd: gossip_fd_t) -> Result<File, Failure> {
    let refused = |rule: &str| {
        Err(Failure::argument(GOSSIP_ERR_INVALID_ARG, "wake_fd", format!("is {fd}, which {rule}")))
    };
    // SAFETY: `fcntl` takes any number and says which is no descriptor.
    let copy = unsafe { libc::fcntl(fd, libc::F_DUPFD_CLOEXEC, 3) };
    if copy < 0 {
        let error = io::Error::last_os_error();
        return if error.raw_os_error() == Some(libc::EBADF) {
            refused("is not open")
        } else {
            Err(error.into())
        };
    }
    // SAFETY: a descriptor that was just made belongs to nobody else.
    let copy = unsafe { OwnedFd::from_raw_fd(copy) };
    // SAFETY: as above.
    let flags = unsafe { libc::fcntl(copy.as_raw_fd(), libc::F_GETFL) };
    if flags & libc::O_NONBLOCK == 0 {
        return refused("blocks: set O_NONBLOCK");
    }
    Ok(copy.into())
}

/// Takes the next event, oldest first. It never runs code of yours.
///
/// Memory: `event` is yours: gossip_event_free. Threads: any, callbacks too; several may take
/// from one queue. Blocks: up to `timeout_ms`.
/// Status: NULL_ARG, FORKED; AGAIN, TIMEOUT if there is none; CLOSED once the queue is closed
/// and everything in it taken, also for those who wait.
#[must_use]
#[unsafe(no_mangle)]
pub extern "C" fn gossip_queue_poll(
    queue: Option<&gossip_queue_t>,
    timeout_ms: i32,
    event: Option<&mut MaybeUninit<*mut gossip_event_t>>,
) -> gossip_status_t {
    quick(|| {
        let (queue, event) = (queue_of(queue)?, some(event, "event")?);
        let taken = queue.take(1, Timeout(timeout_ms))?.pop().ok_or(WaitError::Timeout)?;
        give(Some(event), "event", || Ok(taken.into()))
    })
}

/// Takes up to `cap` events that wait, oldest first, with one look at the queue; waits for the
/// first only.
///
/// Memory: `events` has room for `cap` pointers; the first `count`, at least one, are yours:
/// gossip_event_free. Threads: any, callbacks too; several may take from one queue. Blocks: up
/// to `timeout_ms`.
/// Status: NULL_ARG, FORKED; INVALID_ARG if `cap` is 0; AGAIN, TIMEOUT if there is none; CLOSED
/// once the queue is closed and everything in it taken, also for those who wait.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn gossip_queue_poll_batch(
    queue: Option<&gossip_queue_t>,
    timeout_ms: i32,
    events: *mut *mut gossip_event_t,
    cap: usize,
    count: Option<&mut MaybeUninit<usize>>,
) -> gossip_status_t {
    quick(|| {
        let (queue, count) = (queue_of(queue)?, some(count, "count")?);
        if events.is_null() {
            return Err(Failure::null("events"));
        }
        if cap == 0 {
            return Err(Failure::argument(GOSSIP_ERR_INVALID_ARG, "cap", "is 0, must be at least 1"));
        }
        let taken = queue.take(cap, Timeout(timeout_ms))?;
        count.write(taken.len());
        for (index, event) in taken.into_iter().enumerate() {
            // SAFETY: not NULL, and no more than `cap` were taken, which by the header's rule
            // for buffers is the room.
            unsafe { events.add(index).write(Box::into_raw(Box::new(event.into()))) };
        }
        Ok(())
    })
}

/// What a queue counts: events put in, dropped because it was full or closed, waiting now,
/// and how many may wait. Each may be NULL.
///
/// Memory: all are written on success. Threads: any, callbacks too. Blocks: no.
/// Status: NULL_ARG, FORKED.
#[unsafe(no_mangle)]
pub extern "C" fn gossip_queue_stats(
    queue: Option<&gossip_queue_t>,
    accepted: Option<&mut MaybeUninit<u64>>,
    dropped: Option<&mut MaybeUninit<u64>>,
    pending: Option<&mut MaybeUninit<u64>>,
    limit: Option<&mut MaybeUninit<u64>>,
) -> gossip_status_t {
    quick(|| {
        let stats = queue_of(queue)?.events.stats();
        offer(accepted, stats.accepted);
        offer(dropped, stats.dropped);
        offer(pending, u64::try_from(stats.pending).unwrap_or(u64::MAX));
        offer(limit, u64::try_from(stats.limit).unwrap_or(u64::MAX));
        Ok(())
    })
}

/// Closes a queue: what waits can still be taken, then everyone gets CLOSED, also those who
/// wait. Pools go on; what they tell is dropped, what they ask has its default at once.
///
/// Memory: `queue` stays valid. Threads: any, callbacks too. Blocks: no.
/// Status: NULL_ARG, FORKED.
#[unsafe(no_mangle)]
pub extern "C" fn gossip_queue_close(queue: Option<&gossip_queue_t>) -> gossip_status_t {
    quick(|| {
        queue_to_end(queue)?.close();
        Ok(())
    })
}

/// Closes and frees a queue; NULL is fine. What waits is dropped, questions with their
/// default. Threads that are blocked in a poll wake with CLOSED; no other call may be under
/// way. Pools that put into it may live on.
///
/// Memory: ends `queue` and its descriptor; events that were taken stay yours. Threads: any,
/// callbacks too. Blocks: no.
#[unsafe(no_mangle)]
pub extern "C" fn gossip_queue_free(queue: Option<Box<gossip_queue_t>>) {
    value((), || {
        let Ok(open) = queue_to_end(queue.as_deref()) else { return };
        open.close();
        open.wake_nobody();
        // Pools may hold the queue for long, and questions do not wait for that.
        while open.events.take(usize::MAX, Some(Duration::ZERO)).is_ok() {}
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_question_has_a_bit_of_its_own() {
        let all = Asks { local_state: true, admit_merge: true, admit_alive: true, allow_stream_ping: true };

        assert_eq!(asks_of(15).unwrap(), all);
        assert_eq!(asks_of(4).unwrap(), Asks { admit_alive: true, ..Asks::default() });
        assert_eq!(asks_of(0).unwrap(), Asks::default());
        assert_eq!(asks_of(16).unwrap_err().status, GOSSIP_ERR_INVALID_ARG);
    }
}
