//! Samples counted in a few fixed buckets: what a timer or a size leaves behind.
//!
//! A histogram is a plain value of fixed size. Recording is an addition, copying needs no
//! memory, and no quantile is estimated: whoever reads it can add up several.

use std::fmt;
use std::marker::PhantomData;
use std::time::Duration;

/// Upper bounds of every scale; one more bucket holds what lies above the last.
pub const BOUNDS: usize = 15;

/// What the samples of a histogram are, and where its buckets end.
pub trait Scale: fmt::Debug + Copy + Default + PartialEq + Eq + 'static {
    /// The upper bounds, each inside its bucket, as samples are recorded.
    const UPPER: [u64; BOUNDS];
    /// By how much a recorded sample is larger than the unit it is told in.
    const PER_UNIT: f64;
}

/// Durations: recorded in nanoseconds, told in seconds, 1 ms to 60 s.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Seconds;

/// Sizes in bytes, 1 KiB to 16 MiB.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Bytes;

/// Lengths of queues, 0 to 20000.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Items;

const MS: u64 = 1_000_000;
const S: u64 = 1000 * MS;

impl Scale for Seconds {
    const UPPER: [u64; BOUNDS] = [
        MS,
        2 * MS,
        5 * MS,
        10 * MS,
        20 * MS,
        50 * MS,
        100 * MS,
        200 * MS,
        500 * MS,
        S,
        2 * S,
        5 * S,
        10 * S,
        30 * S,
        60 * S,
    ];
    const PER_UNIT: f64 = 1e9;
}

impl Scale for Bytes {
    const UPPER: [u64; BOUNDS] = {
        let mut upper = [1 << 10; BOUNDS];
        let mut place = 1;
        while place < BOUNDS {
            upper[place] = upper[place - 1] * 2;
            place += 1;
        }
        upper
    };
    const PER_UNIT: f64 = 1.0;
}

impl Scale for Items {
    const UPPER: [u64; BOUNDS] = [0, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000, 20_000];
    const PER_UNIT: f64 = 1.0;
}

/// How many samples of a scale there were, how large they were together, and how they
/// are distributed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Histogram<S> {
    /// Samples in each bucket alone; the last is that without a bound.
    buckets: [u64; BOUNDS + 1],
    sum: u64,
    scale: PhantomData<S>,
}

impl<S: Scale> Histogram<S> {
    /// Counts a sample.
    pub fn record(&mut self, sample: u64) {
        self.record_many(sample, 1);
    }

    /// Counts `times` samples that are equal.
    pub fn record_many(&mut self, sample: u64, times: u64) {
        let place = S::UPPER.iter().position(|upper| sample <= *upper).unwrap_or(BOUNDS);
        if let Some(bucket) = self.buckets.get_mut(place) {
            *bucket = bucket.saturating_add(times);
        }
        self.sum = self.sum.saturating_add(sample.saturating_mul(times));
    }

    /// How many samples there were.
    pub fn count(&self) -> u64 {
        self.buckets.iter().sum()
    }

    /// All samples together, in the unit of the scale: seconds, bytes, items.
    pub fn sum(&self) -> f64 {
        self.sum as f64 / S::PER_UNIT
    }

    /// The upper bound of each bucket, in the unit of the scale, with the number of samples
    /// up to it. [`count`](Self::count) is the bucket without a bound.
    pub fn cumulative(&self) -> impl Iterator<Item = (f64, u64)> + '_ {
        let up_to = self.buckets.iter().scan(0, |total, bucket| {
            *total += bucket;
            Some(*total)
        });
        S::UPPER.iter().map(|upper| *upper as f64 / S::PER_UNIT).zip(up_to)
    }
}

impl Histogram<Seconds> {
    /// Counts a duration.
    pub fn time(&mut self, duration: Duration) {
        self.record(u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX));
    }

    /// All durations together.
    pub fn total(&self) -> Duration {
        Duration::from_nanos(self.sum)
    }
}

impl Histogram<Bytes> {
    /// All sizes together, in bytes.
    pub fn total(&self) -> u64 {
        self.sum
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_equal_samples_are_as_so_many_single_ones() {
        let (mut singly, mut together) = (Histogram::<Items>::default(), Histogram::default());

        (0..7).for_each(|_| singly.record(3));
        together.record_many(3, 7);

        assert_eq!(together, singly);
    }

    #[test]
    fn a_sample_is_counted_in_every_bucket_that_ends_at_it_or_later() {
        let mut histogram = Histogram::<Seconds>::default();

        for millis in [0, 1, 2, 3, 60_000, 60_001] {
            histogram.time(Duration::from_millis(millis));
        }

        let up_to: Vec<_> = histogram.cumulative().collect();
        assert_eq!(up_to[..3], [(0.001, 2), (0.002, 3), (0.005, 4)]);
        assert_eq!(up_to.last(), Some(&(60.0, 5)));
        assert_eq!(histogram.count(), 6);
        assert_eq!(histogram.total(), Duration::from_millis(120_007));
        assert_eq!(histogram.sum(), 120.007);
    }

    #[test]
    fn the_bounds_of_every_scale_rise() {
        fn rises<S: Scale>() -> bool {
            S::UPPER.is_sorted_by(|one, next| one < next)
        }

        assert!(rises::<Seconds>() && rises::<Bytes>() && rises::<Items>());
        assert_eq!((Bytes::UPPER[0], Bytes::UPPER[BOUNDS - 1]), (1 << 10, 16 << 20));
    }

    #[test]
    fn the_sum_of_absurd_samples_stays_at_its_limit() {
        let mut histogram = Histogram::<Seconds>::default();

        histogram.time(Duration::MAX);
        histogram.time(Duration::MAX);

        assert_eq!((histogram.count(), histogram.total()), (2, Duration::from_nanos(u64::MAX)));
    }
}
