//! Broadcasts: one to all, and many in a row.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::thread;
use std::time::Duration;

use gossip_core::{Delegate, UserMessage};

use super::Cluster;
use crate::measure::{Since, tell};

/// Bytes of a message; it begins with its number.
const SIZE: usize = 100;
/// The most messages of one run.
const MANY: usize = 100_000;
const PATIENCE: f64 = 20.0;
/// How long a single broadcast is waited for.
const SINGLE_PATIENCE: f64 = 5.0;

/// Who has heard what: for each message how many, and when the last did, in microseconds.
struct Heard {
    since: Since,
    count: Vec<AtomicU64>,
    last: Vec<AtomicU64>,
}

struct Listener(Arc<Heard>);

impl Delegate for Listener {
    fn notify_msg(&self, message: &UserMessage) {
        let Some(number) = message.bytes.first_chunk() else { return };
        let number = u64::from_be_bytes(*number) as usize;
        self.0.last[number].fetch_max((self.0.since.wall() * 1e6) as u64, Relaxed);
        self.0.count[number].fetch_add(1, Relaxed);
    }
}

fn listening(count: usize) -> (Cluster, Arc<Heard>) {
    let counters = || (0..MANY).map(|_| AtomicU64::new(0)).collect();
    let heard = Arc::new(Heard { since: Since::now(), count: counters(), last: counters() });
    let cluster = Cluster::settled(count, |_| Some(Arc::new(Listener(Arc::clone(&heard)))));
    (cluster, heard)
}

fn message(number: usize) -> [u8; SIZE] {
    let mut message = [7; SIZE];
    message[..8].copy_from_slice(&(number as u64).to_be_bytes());
    message
}

/// `times` a broadcast of one node, and until all of `count` have it.
pub(crate) fn single(count: usize, times: usize) {
    let (cluster, heard) = listening(count);
    for number in 0..times {
        let at = heard.since.wall();
        cluster.pools[(number * 37) % count]
            .broadcast(&message(number), Duration::ZERO)
            .expect("there is room");
        let others = count as u64 - 1;
        while heard.count[number].load(Relaxed) < others && heard.since.wall() < at + SINGLE_PATIENCE {
            thread::sleep(Duration::from_millis(5));
        }
        let complete = heard.count[number].load(Relaxed) >= others;
        let last = heard.last[number].load(Relaxed) as f64 / 1e6;
        let seconds = if complete { last - at } else { SINGLE_PATIENCE };
        tell("broadcast", &[("seconds", seconds), ("complete", f64::from(u8::from(complete)))]);
    }
    cluster.end();
}

/// `rate` broadcasts a second for `span`, each of another node than the last.
pub(crate) fn sustained(count: usize, rate: f64, span: Duration) {
    let (cluster, heard) = listening(count);
    let begun = Since::now();
    let (mut sent, mut refused) = (0, 0.0);
    while begun.wall() < span.as_secs_f64() && sent < MANY {
        if (sent as f64) < begun.wall() * rate {
            match cluster.pools[(sent * 37) % count].broadcast(&message(sent), Duration::ZERO) {
                Ok(()) => sent += 1,
                Err(_) => {
                    refused += 1.0;
                    thread::sleep(Duration::from_millis(1));
                }
            }
        } else {
            thread::sleep(Duration::from_millis(1));
        }
    }
    let cpu = begun.cpu() / begun.wall();
    let wanted = sent as u64 * (count as u64 - 1);
    let delivered = || heard.count[..sent].iter().map(|count| count.load(Relaxed)).sum::<u64>();
    let ended = begun.wall();
    while delivered() < wanted && begun.wall() < ended + PATIENCE {
        thread::sleep(Duration::from_millis(5));
    }
    tell(
        "sustained",
        &[
            ("rate", sent as f64 / ended),
            ("refused", refused),
            ("delivered", delivered() as f64 / wanted as f64),
            ("behind", begun.wall() - ended),
            ("cpu", cpu),
        ],
    );
    cluster.end();
}
