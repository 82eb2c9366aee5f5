//! Packet buffers that return to their free list when dropped.
//!
//! Nearly every datagram fits a 2 KiB slot; slots are recycled, so the steady state
//! allocates nothing. A larger datagram gets a buffer of its exact size and counts as
//! as many slots as it would fill.
//!
//! Memory is bounded for the whole port, and a stalled owner must not eat the share of
//! the others: an owner gets a buffer only while it holds fewer slots than are free
//! (dynamic thresholds, Choudhury and Hahne 1998). So one stalled owner holds at most
//! half, `n` of them leave one part in `n + 1` to the rest.

use std::fmt;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use parking_lot::Mutex;

use crate::base::time::Time;

/// Bytes of a slot.
const SLOT: usize = 2048;

/// Slots of a port: 16 MiB held by packets.
const SLOTS: usize = 8192;

/// Slots kept for later in any case. A port at rest costs little.
const KEPT: usize = 4;

/// As many slots are kept for later as were held at once in one such time and the one before; what
/// more a flood needed goes back to the system, a few slots with each datagram.
const WINDOW: Duration = Duration::from_secs(2);

/// Slots that go back at once.
const GO_BACK: usize = 16;

/// The buffers of one port.
#[derive(Debug)]
pub(super) struct Buffers {
    free: Mutex<Free>,
    /// Slots held by packets, of `limit`.
    held: AtomicUsize,
    limit: usize,
}

/// Slots that wait to be used again.
#[derive(Debug, Default)]
struct Free {
    slots: Vec<Box<[u8]>>,
    /// The most slots held at once, in this window and in the one before.
    peaks: [usize; 2],
    window_ends: Time,
}

impl Free {
    /// A slot while `held` of them are with packets, this one included.
    fn take(&mut self, now: Time, held: usize) -> Option<Box<[u8]>> {
        if now >= self.window_ends {
            let is_next = now < self.window_ends + WINDOW;
            self.peaks = [0, if is_next { self.peaks[0] } else { 0 }];
            self.window_ends = now + WINDOW;
        }
        self.peaks[0] = self.peaks[0].max(held);
        let beyond = (self.slots.len() + held).saturating_sub(self.kept() + 1);
        self.slots.truncate(self.slots.len().saturating_sub(beyond.min(GO_BACK)));
        self.slots.pop()
    }

    /// Keeps a slot that came back, unless there are enough beside the `held` ones.
    fn put(&mut self, slot: Box<[u8]>, held: usize) {
        if self.slots.len() + held < self.kept() {
            self.slots.push(slot);
        }
    }

    fn kept(&self) -> usize {
        self.peaks[0].max(self.peaks[1]).max(KEPT)
    }
}

impl Buffers {
    pub(super) fn new() -> Arc<Self> {
        Self::with_slots(SLOTS)
    }

    fn with_slots(limit: usize) -> Arc<Self> {
        Arc::new(Self { free: Mutex::default(), held: AtomicUsize::new(0), limit })
    }

    /// Slots held by packets.
    pub(super) fn held(&self) -> usize {
        self.held.load(Relaxed)
    }

    /// Slots there are.
    pub(super) fn limit(&self) -> usize {
        self.limit
    }

    /// A new owner of packets.
    pub(super) fn open_account(self: &Arc<Self>) -> Arc<Account> {
        Arc::new(Account { buffers: Arc::clone(self), held: AtomicUsize::new(0) })
    }
}

/// What one owner of packets holds.
#[derive(Debug)]
pub(super) struct Account {
    buffers: Arc<Buffers>,
    held: AtomicUsize,
}

impl Account {
    /// A copy of `bytes`, or `None` if this owner may hold no more.
    pub(super) fn copy(self: &Arc<Self>, bytes: &[u8], now: Time) -> Option<PacketBuf> {
        let slots = bytes.len().div_ceil(SLOT).max(1);
        let held = self.held.load(Relaxed);
        let free = self.buffers.limit.saturating_sub(self.buffers.held.load(Relaxed));
        // Two sockets may pass here at once and overdraw by one packet each.
        if free < slots || held >= free {
            return None;
        }
        let all_held = self.buffers.held.fetch_add(slots, Relaxed) + slots;
        self.held.fetch_add(slots, Relaxed);
        let storage = if slots > 1 {
            bytes.into()
        } else {
            let free = self.buffers.free.lock().take(now, all_held);
            let mut slot = free.unwrap_or_else(|| vec![0; SLOT].into());
            slot[..bytes.len()].copy_from_slice(bytes);
            slot
        };
        Some(PacketBuf { storage, len: bytes.len(), slots, account: Arc::clone(self) })
    }
}

/// The bytes of one datagram. Its slot goes back to the port when it is dropped.
pub struct PacketBuf {
    storage: Box<[u8]>,
    /// At most `storage.len()`.
    len: usize,
    slots: usize,
    account: Arc<Account>,
}

impl Deref for PacketBuf {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        &self.storage[..self.len]
    }
}

impl DerefMut for PacketBuf {
    fn deref_mut(&mut self) -> &mut [u8] {
        &mut self.storage[..self.len]
    }
}

impl Drop for PacketBuf {
    fn drop(&mut self) {
        let buffers = &self.account.buffers;
        self.account.held.fetch_sub(self.slots, Relaxed);
        let held = buffers.held.fetch_sub(self.slots, Relaxed) - self.slots;
        if self.slots == 1 && self.storage.len() == SLOT {
            buffers.free.lock().put(std::mem::take(&mut self.storage), held);
        }
    }
}

impl fmt::Debug for PacketBuf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes", self.len)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slot_is_used_again_and_shows_only_the_new_bytes() {
        let buffers = Buffers::with_slots(4);
        let account = buffers.open_account();
        let first = account.copy(b"longer than the second", Time::ZERO).unwrap();
        let place = first.as_ptr();
        drop(first);

        let second = account.copy(b"second", Time::ZERO).unwrap();

        assert_eq!(second.as_ptr(), place);
        assert_eq!(&*second, b"second");
    }

    #[test]
    fn every_length_comes_back_as_it_went_in() {
        let account = Buffers::with_slots(64).open_account();

        for len in [0, 1, SLOT - 1, SLOT, SLOT + 1, 65507] {
            let bytes: Vec<u8> = (0..len).map(|i| i as u8).collect();
            let mut packet = account.copy(&bytes, Time::ZERO).unwrap();
            assert_eq!(*packet, *bytes);
            packet.iter_mut().for_each(|byte| *byte = 0);
        }
        assert_eq!(account.held.load(Relaxed), 0);
        assert_eq!(account.buffers.held.load(Relaxed), 0);
    }

    #[test]
    fn a_stalled_owner_leaves_room_for_the_others() {
        let buffers = Buffers::with_slots(90);
        let stalled = [buffers.open_account(), buffers.open_account()];
        let held: Vec<_> = stalled
            .iter()
            .flat_map(|account| std::iter::from_fn(|| account.copy(&[0; 1400], Time::ZERO)))
            .collect();

        assert!(held.len() < 90 - 20, "two stalled owners hold {} of 90", held.len());
        assert!(buffers.open_account().copy(&[0; 1400], Time::ZERO).is_some());
    }

    #[test]
    fn large_packets_count_as_the_slots_they_fill() {
        let buffers = Buffers::with_slots(64);
        let account = buffers.open_account();

        let large = account.copy(&[0; 33 * SLOT], Time::ZERO).unwrap();

        assert!(account.copy(&[0; 1], Time::ZERO).is_none(), "33 held, 31 free");
        drop(large);
        assert!(account.copy(&[0; 1], Time::ZERO).is_some());
    }

    #[test]
    fn what_a_flood_needed_is_kept_for_a_while_and_then_given_back() {
        let buffers = Buffers::with_slots(2000);
        let account = buffers.open_account();
        let kept = || buffers.free.lock().slots.len();
        let flood = |now: Time| {
            let held: Vec<_> = (0..900).map(|_| account.copy(b"flood", now).unwrap()).collect();
            drop(held);
        };

        flood(Time::ZERO);
        assert_eq!(kept(), 900);
        flood(Time::ZERO + WINDOW);
        assert_eq!(kept(), 900, "the next flood finds them");

        for second in 0..1000 {
            drop(account.copy(b"a packet now and then", Time::ZERO + WINDOW + Duration::from_secs(second)));
        }
        assert_eq!(kept(), KEPT);
    }
}
