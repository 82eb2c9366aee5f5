//! Clocks, counters, and how a figure is told: a line of JSON.

#![expect(clippy::disallowed_methods, reason = "a benchmark reads the clock")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::fmt::Write;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};

/// How long a loop runs before its time is believed.
const ENOUGH: Duration = Duration::from_millis(150);

/// Nanoseconds of one call of `work`, which is called as often as makes the clock exact.
pub(crate) fn nanoseconds(mut work: impl FnMut()) -> f64 {
    let mut count = 1_u32;
    loop {
        let begun = Instant::now();
        for _ in 0..count {
            work();
        }
        let took = begun.elapsed();
        if took >= ENOUGH {
            return took.as_nanos() as f64 / f64::from(count);
        }
        let wanted = f64::from(count) * 1.2 * ENOUGH.as_secs_f64() / took.as_secs_f64().max(1e-9);
        count = wanted.min(f64::from(count) * 100.0) as u32 + 1;
    }
}

/// Prints what was measured.
pub(crate) fn tell(figure: &str, values: &[(&str, f64)]) {
    let mut line = format!("{{\"figure\": \"{figure}\"");
    for (name, value) in values {
        write!(line, ", \"{name}\": {value}").expect("a string takes all");
    }
    println!("{line}}}");
}

/// Time on the clock and on the processors since some moment.
pub(crate) struct Since {
    wall: Instant,
    cpu: Duration,
}

impl Since {
    pub(crate) fn now() -> Self {
        Self { wall: Instant::now(), cpu: cpu() }
    }

    pub(crate) fn wall(&self) -> f64 {
        self.wall.elapsed().as_secs_f64()
    }

    pub(crate) fn cpu(&self) -> f64 {
        (cpu() - self.cpu).as_secs_f64()
    }
}

/// What all threads of this process have used.
fn cpu() -> Duration {
    let used = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(used.tv_sec as u64, used.tv_nsec as u32)
}

/// Bytes of memory that this process has.
pub(crate) fn resident() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|text| text.split_whitespace().next()?.parse::<f64>().ok());
    kib.unwrap_or_default() * 1024.0
}

static HELD: AtomicUsize = AtomicUsize::new(0);
static COUNT: AtomicUsize = AtomicUsize::new(0);

/// Bytes that are allocated at this moment.
pub(crate) fn held() -> usize {
    HELD.load(Relaxed)
}

/// Allocations made so far.
pub(crate) fn allocations() -> usize {
    COUNT.load(Relaxed)
}

struct Counting;

// SAFETY: every call goes to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        COUNT.fetch_add(1, Relaxed);
        HELD.fetch_add(layout.size(), Relaxed);
        // SAFETY: the caller keeps the contract of `alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        HELD.fetch_sub(layout.size(), Relaxed);
        // SAFETY: the caller keeps the contract of `dealloc`.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;
