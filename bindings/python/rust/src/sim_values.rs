//! A simulation's values as rows of plain numbers.

use std::time::Duration;

use gossip_core::base::time::Time;
use gossip_core::sim::fabric::Traffic;
use gossip_core::sim::link::{Bursts, Latency, Quality};
use gossip_core::sim::report::Report;
use gossip_core::swim::node::State;

/// Latency as a least, a most and a mean excess, of which one may be; then loss, bursts
/// (begin, end, loss), duplication, corruption. Seconds and shares, which Python has checked.
pub(crate) type QualityRow = ((f64, Option<f64>, Option<f64>), f64, Option<(f64, f64, f64)>, f64, f64);

/// Datagrams, their bytes, dropped, doubled, corrupted, unroutable; streams, their bytes.
pub(crate) type TrafficRow = (u64, u64, u64, u64, u64, u64, u64, u64);

/// Seconds elapsed and of uptime, events, fingerprint, crashes (host, when, found after),
/// suspicions, false alarms, traffic.
pub(crate) type ReportRow = (f64, f64, u64, u64, Vec<(usize, f64, Vec<f64>)>, u64, u64, TrafficRow);

pub(crate) fn quality(row: QualityRow) -> Quality {
    let ((least, most, mean), loss, bursts, duplication, corruption) = row;
    let time = |seconds: f64| Duration::try_from_secs_f64(seconds).unwrap_or_default();
    let latency = match (most, mean) {
        (Some(most), _) => Latency::Uniform(time(least), time(most)),
        (None, Some(mean)) => Latency::Tail { least: time(least), mean: time(mean) },
        (None, None) => Latency::Fixed(time(least)),
    };
    let bursts = bursts.map(|(begin, end, loss)| Bursts { begin, end, loss });
    Quality { latency, loss, bursts, duplication, corruption }
}

pub(crate) fn traffic(of: &Traffic) -> TrafficRow {
    (
        of.datagrams,
        of.datagram_bytes,
        of.dropped,
        of.doubled,
        of.corrupted,
        of.unroutable,
        of.streams,
        of.stream_bytes,
    )
}

pub(crate) fn report(of: Report) -> ReportRow {
    let seconds = |times: Vec<Duration>| times.iter().map(Duration::as_secs_f64).collect();
    let crashes = of
        .detections
        .into_iter()
        .map(|crash| (crash.host.index(), crash.at.since(Time::ZERO).as_secs_f64(), seconds(crash.after)));
    (
        of.elapsed.as_secs_f64(),
        of.uptime.as_secs_f64(),
        of.events,
        of.fingerprint,
        crashes.collect(),
        of.suspicions,
        of.false_alarms,
        traffic(&of.traffic),
    )
}

/// The state with the number that `gossip.MemberState` gives it.
pub(crate) fn state(number: u8) -> State {
    match number {
        0 => State::Alive,
        1 => State::Suspect,
        2 => State::Dead,
        _ => State::Left,
    }
}
