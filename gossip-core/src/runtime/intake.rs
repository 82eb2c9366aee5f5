//! Room for broadcasts, taken by the thread that broadcasts: it need not wait for the driver.

use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::{AcqRel, Acquire, Release};

/// What is accepted is never more than the queue of the machine holds.
#[derive(Debug, Default)]
pub(crate) struct Intake {
    /// Accepted, and not seen by the driver yet.
    under_way: AtomicUsize,
    /// In the machine's queue or in line for it, as the driver last said.
    queued: AtomicUsize,
}

impl Intake {
    /// Takes room for one more, if `limit` leaves any.
    pub(crate) fn reserve(&self, limit: usize) -> bool {
        let more = |under_way| {
            let free = under_way + self.queued.load(Acquire) < limit;
            free.then_some(under_way + 1)
        };
        self.under_way.fetch_update(AcqRel, Acquire, more).is_ok()
    }

    /// One for which room was taken is with the driver, or will not come; call [`note`](Self::note)
    /// before, so that meanwhile it counts twice rather than not at all.
    pub(crate) fn arrived(&self) {
        self.under_way.fetch_sub(1, AcqRel);
    }

    /// How many the driver has.
    pub(crate) fn note(&self, queued: usize) {
        self.queued.store(queued, Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_under_way_and_what_is_queued_share_the_room() {
        let intake = Intake::default();

        assert!(intake.reserve(2) && intake.reserve(2));
        assert!(!intake.reserve(2), "both are under way");
        intake.note(1);
        intake.arrived();
        assert!(!intake.reserve(2), "one is under way, one is queued");
        intake.note(0);
        assert!(intake.reserve(2) && !intake.reserve(2));
    }

    #[test]
    fn without_a_queue_there_is_no_room() {
        assert!(!Intake::default().reserve(0));
    }
}
