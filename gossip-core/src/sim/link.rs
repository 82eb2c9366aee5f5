//! One direction between two hosts: how long it takes, what it loses, doubles and damages.
//!
//! Every packet draws for itself, so any latency that varies also reorders.

use std::time::Duration;

use crate::base::rng::Rng;

/// How good a link is.
#[derive(Debug, Clone, PartialEq)]
pub struct Quality {
    /// Time from one end to the other.
    pub latency: Latency,
    /// Share of packets lost, each by itself: 0 to 1.
    pub loss: f64,
    /// Times in which much more is lost.
    pub bursts: Option<Bursts>,
    /// Share of datagrams that arrive twice.
    pub duplication: f64,
    /// Share of datagrams of which one bit is flipped on the way.
    pub corruption: f64,
}

impl Quality {
    /// A quiet local network: 0.2 to 1 ms, nothing lost.
    pub fn lan() -> Self {
        let latency = Latency::Uniform(Duration::from_micros(200), Duration::from_millis(1));
        Self { latency, loss: 0.0, bursts: None, duplication: 0.0, corruption: 0.0 }
    }

    /// A wide-area network: 40 ms and an exponential tail of 10 ms on average, 0.1 % lost.
    pub fn wan() -> Self {
        let latency = Latency::Tail { least: Duration::from_millis(40), mean: Duration::from_millis(10) };
        Self { latency, loss: 0.001, bursts: None, duplication: 0.0, corruption: 0.0 }
    }

    /// The same link losing this share of its packets.
    pub fn with_loss(self, loss: f64) -> Self {
        Self { loss, ..self }
    }

    /// The same link with bad times.
    pub fn with_bursts(self, bursts: Bursts) -> Self {
        Self { bursts: Some(bursts), ..self }
    }

    /// The same link delivering this share of its datagrams twice.
    pub fn with_duplication(self, duplication: f64) -> Self {
        Self { duplication, ..self }
    }

    /// The same link damaging this share of its datagrams.
    pub fn with_corruption(self, corruption: f64) -> Self {
        Self { corruption, ..self }
    }

    /// The same link with another latency.
    pub fn with_latency(self, latency: Latency) -> Self {
        Self { latency, ..self }
    }
}

impl Default for Quality {
    fn default() -> Self {
        Self::lan()
    }
}

/// Time from one end of a link to the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Latency {
    /// Always the same; nothing is ever reordered.
    Fixed(Duration),
    /// Anything between the two.
    Uniform(Duration, Duration),
    /// At least `least`, and an exponentially distributed rest: most packets are quick,
    /// some are very late.
    Tail {
        /// The shortest time.
        least: Duration,
        /// The average of what is added.
        mean: Duration,
    },
}

impl Latency {
    /// One packet's time.
    fn draw(self, rng: &mut Rng) -> Duration {
        match self {
            Self::Fixed(time) => time,
            Self::Uniform(least, most) => least + rng.up_to(most.saturating_sub(least)),
            Self::Tail { least, mean } => least + mean.mul_f64(-(1.0 - rng.unit()).ln()),
        }
    }
}

/// Bad times of a link, packet by packet: a chain of two states (Gilbert and Elliott).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bursts {
    /// Chance, with each packet, that a bad time begins.
    pub begin: f64,
    /// Chance, with each packet, that it ends; its inverse is the length of a burst.
    pub end: f64,
    /// Share lost during it.
    pub loss: f64,
}

/// One direction between two hosts.
#[derive(Debug, Clone)]
pub(super) struct Link {
    rng: Rng,
    bad: bool,
}

impl Link {
    pub(super) fn new(seed: u64) -> Self {
        Self { rng: Rng::from_seed(seed), bad: false }
    }

    /// How long the next packet takes, or `None` if it is lost.
    pub(super) fn carry(&mut self, quality: &Quality) -> Option<Duration> {
        let loss = self.loss(quality);
        let lost = self.rng.chance(loss);
        let latency = quality.latency.draw(&mut self.rng);
        if lost { None } else { Some(latency) }
    }

    /// How long the packet's double takes, if it has one.
    pub(super) fn double(&mut self, quality: &Quality) -> Option<Duration> {
        let doubled = quality.duplication > 0.0 && self.rng.chance(quality.duplication);
        doubled.then(|| quality.latency.draw(&mut self.rng))
    }

    /// Damages a datagram, if it is its turn.
    pub(super) fn corrupt(&mut self, quality: &Quality, datagram: &mut [u8]) -> bool {
        let damaged = quality.corruption > 0.0 && self.rng.chance(quality.corruption);
        if damaged && let Some(byte) = datagram.get_mut(self.rng.below(datagram.len())) {
            *byte ^= 1 << self.rng.below(8);
        }
        damaged
    }

    /// A length for the next piece of a stream, of which `rest` bytes are left. Mostly
    /// up to two segments, now and then a few bytes: readers must not care.
    pub(super) fn cut(&mut self, rest: usize) -> usize {
        let longest = if self.rng.chance(0.1) { 8 } else { 2 * 1460 };
        (1 + self.rng.below(longest)).min(rest)
    }

    fn loss(&mut self, quality: &Quality) -> f64 {
        let Some(bursts) = quality.bursts else { return quality.loss };
        let turn = if self.bad { bursts.end } else { bursts.begin };
        self.bad ^= self.rng.chance(turn);
        if self.bad { bursts.loss } else { quality.loss }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fates(quality: &Quality, packets: usize) -> Vec<Option<Duration>> {
        let mut link = Link::new(1);
        (0..packets).map(|_| link.carry(quality)).collect()
    }

    #[test]
    fn losses_come_near_the_given_share() {
        let lost = fates(&Quality::lan().with_loss(0.2), 10_000).iter().filter(|fate| fate.is_none()).count();

        assert!((1800..2200).contains(&lost), "{lost} of 10000");
    }

    #[test]
    fn bursts_lose_packets_in_a_row() {
        let bursts = Bursts { begin: 0.01, end: 0.1, loss: 1.0 };
        let fates = fates(&Quality::lan().with_bursts(bursts), 10_000);

        let runs: Vec<_> =
            fates.chunk_by(|a, b| a.is_none() == b.is_none()).filter(|run| run[0].is_none()).collect();
        let lost: usize = runs.iter().map(|run| run.len()).sum();

        assert!((5..20).contains(&(lost / runs.len())), "{lost} lost in {} bursts", runs.len());
    }

    #[test]
    fn a_tail_has_its_least_and_its_mean() {
        let (least, mean) = (Duration::from_millis(40), Duration::from_millis(10));
        let times = fates(&Quality::lan().with_latency(Latency::Tail { least, mean }), 10_000);

        let total: Duration = times.iter().flatten().sum();

        assert!(times.iter().flatten().all(|&time| time >= least));
        assert!((Duration::from_millis(49)..Duration::from_millis(51)).contains(&(total / 10_000)));
    }

    #[test]
    fn pieces_of_streams_are_never_empty_nor_longer_than_what_is_left() {
        let mut link = Link::new(3);

        assert!((0..1000).all(|_| link.cut(1) == 1));
        assert!((0..1000).all(|_| (1..=2920).contains(&link.cut(1 << 20))));
    }
}
