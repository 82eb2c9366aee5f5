//! Who has lately opened connections to this pool.

use std::collections::VecDeque;
use std::net::IpAddr;
use std::time::Duration;

use crate::base::time::Time;

/// Addresses remembered.
const RECENT_MAX: usize = 128;

/// The addresses that last connected, each once, the latest at the end.
#[derive(Debug, Default)]
pub(super) struct Recent(VecDeque<(IpAddr, Time)>);

impl Recent {
    /// Somebody at `ip` has connected.
    pub(super) fn note(&mut self, now: Time, ip: IpAddr) {
        if let Some(place) = self.0.iter().position(|(known, _)| *known == ip) {
            self.0.remove(place);
        } else if self.0.len() == RECENT_MAX {
            self.0.pop_front();
        }
        self.0.push_back((ip, now));
    }

    /// How long ago somebody at `ip` last connected, if that is remembered.
    pub(super) fn since(&self, now: Time, ip: IpAddr) -> Option<Duration> {
        self.0.iter().find(|(known, _)| *known == ip).map(|(_, at)| now.since(*at))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_latest_addresses_are_remembered_each_once() {
        let ip = |number: usize| IpAddr::from([10, 0, 0, number as u8]);
        let at = |seconds: usize| Time::ZERO + Duration::from_secs(seconds as u64);
        let mut recent = Recent::default();

        (0..RECENT_MAX).for_each(|number| recent.note(at(number), ip(number)));
        recent.note(at(200), ip(0));
        recent.note(at(201), ip(200));

        assert_eq!(recent.since(at(210), ip(0)), Some(Duration::from_secs(10)));
        assert_eq!(recent.since(at(210), ip(1)), None, "the oldest made room");
        assert_eq!(recent.0.len(), RECENT_MAX);
    }
}
