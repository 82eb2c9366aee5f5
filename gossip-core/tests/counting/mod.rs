//! An allocator that counts, for tests of what costs memory. The counters belong to the
//! whole process, so a test file that uses them has one test only.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};

static BYTES: AtomicUsize = AtomicUsize::new(0);
static COUNT: AtomicUsize = AtomicUsize::new(0);
static HELD: AtomicUsize = AtomicUsize::new(0);

/// How many bytes `work` asked for, and in how many allocations.
pub(crate) fn allocated(work: impl FnOnce()) -> (usize, usize) {
    let before = (BYTES.load(Ordering::Relaxed), COUNT.load(Ordering::Relaxed));
    work();
    (BYTES.load(Ordering::Relaxed) - before.0, COUNT.load(Ordering::Relaxed) - before.1)
}

/// How many bytes are held at this moment.
#[allow(dead_code)]
pub(crate) fn held() -> usize {
    HELD.load(Ordering::Relaxed)
}

struct Counting;

// SAFETY: every call goes to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        BYTES.fetch_add(layout.size(), Ordering::Relaxed);
        COUNT.fetch_add(1, Ordering::Relaxed);
        HELD.fetch_add(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller keeps the contract of `alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        HELD.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller keeps the contract of `dealloc`.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;
