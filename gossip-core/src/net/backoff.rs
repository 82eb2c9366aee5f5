//! How long to wait after an error that may well come again at once.

use std::time::Duration;

const FIRST: Duration = Duration::from_millis(5);

/// 5 ms, doubling to 1 s, back to 5 ms after a success (behaviour document 17).
#[derive(Debug, Default)]
pub(super) struct Backoff {
    last: Option<Duration>,
}

impl Backoff {
    /// The pause that is not doubled any more.
    pub(super) const LONGEST: Duration = Duration::from_secs(1);

    /// The next pause.
    pub(super) fn pause(&mut self) -> Duration {
        let pause = self.last.map_or(FIRST, |last| (last * 2).min(Self::LONGEST));
        self.last = Some(pause);
        pause
    }

    /// It worked.
    pub(super) fn reset(&mut self) {
        self.last = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_a_second_and_start_over_after_success() {
        let mut backoff = Backoff::default();

        let pauses: Vec<_> = (0..10).map(|_| backoff.pause().as_millis()).collect();
        backoff.reset();

        assert_eq!(pauses, [5, 10, 20, 40, 80, 160, 320, 640, 1000, 1000]);
        assert_eq!(backoff.pause(), FIRST);
    }
}
