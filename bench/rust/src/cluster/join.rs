//! A storm of joins through one seed.

use super::{Cluster, PATIENCE};
use crate::measure::tell;

/// One storm of `count` nodes.
pub(crate) fn run(count: usize) {
    let cluster = Cluster::start(count, |_| None);
    let joined = cluster.join();
    let seconds = joined.converged.unwrap_or(PATIENCE.as_secs_f64());
    let late = f64::from(u8::from(joined.converged.is_none()));
    tell("join", &[("seconds", seconds), ("cpu", joined.cpu), ("late", late)]);
    cluster.end();
}
