//! Counters by name: the fields of `gossip.PoolStats` and `gossip.PortStats`.

use gossip_core::net::stats::PortStats;
use gossip_core::runtime::pool::PoolStats;
use pyo3::prelude::*;
use pyo3::types::PyDict;

/// Puts fields of a struct into a dictionary under their names.
macro_rules! put {
    ($dict:expr, $stats:expr, $($field:ident)*) => {
        $($dict.set_item(stringify!($field), $stats.$field)?;)*
    };
}

/// The counters of a pool.
pub(crate) fn pool<'py>(py: Python<'py>, stats: &PoolStats) -> PyResult<Bound<'py, PyDict>> {
    let fields = PyDict::new(py);
    put!(fields, stats,
        inbox_dropped inbox_no_buffer inbox_abandoned send_dropped streams_dropped streams_refused
        messages_dropped notices_abandoned broadcasts_refused questions_defaulted stalls);
    put!(fields, stats.machine,
        packets_received bytes_received packets_sent bytes_sent messages_received push_pulls
        push_pulls_refused merges_refused streams_failed sources_refused overflows broadcasts_queued);
    fields.set_item("counters", rows(py, stats.rows())?)?;
    put!(fields, stats.machine.swim,
        alives suspicions deaths refutations conflicts facts_invalid not_allowed probes
        probes_degraded probes_failed probes_saved_by_stream timeouts_degraded acks_unmatched
        pings_misdirected broadcasts_too_long);
    let states = ["members_alive", "members_suspect", "members_dead", "members_left"];
    for (name, count) in states.iter().zip(stats.machine.members) {
        fields.set_item(name, count)?;
    }
    fields.set_item("health_score", stats.machine.health)?;
    let refused = PyDict::new(py);
    for (reason, count) in stats.machine.refused.occurred() {
        refused.set_item(reason, count)?;
    }
    fields.set_item("refused", refused)?;
    Ok(fields)
}

/// Every counter by its name in the core, also those that have no field.
fn rows<'py>(py: Python<'py>, rows: Vec<(String, u64)>) -> PyResult<Bound<'py, PyDict>> {
    let counters = PyDict::new(py);
    for (name, count) in rows {
        counters.set_item(name, count)?;
    }
    Ok(counters)
}

/// The counters of the port.
pub(crate) fn port<'py>(py: Python<'py>, stats: &PortStats) -> PyResult<Bound<'py, PyDict>> {
    let fields = PyDict::new(py);
    put!(fields, stats,
        packets_received bytes_received packets_unknown_pool packets_pool_full packets_no_receiver
        packets_receiver_full packets_no_buffer receive_errors packets_sent bytes_sent
        send_would_block send_no_socket send_errors connections_accepted connections_over_limit
        connections_over_source_limit connections_no_descriptor connections_ended_early
        connections_silent connections_unknown_pool connections_pool_full connections_no_listener
        connections_listener_full accept_errors);
    let counters = stats.rows().into_iter().map(|(name, count)| (name.to_owned(), count)).collect();
    fields.set_item("counters", rows(py, counters)?)?;
    Ok(fields)
}
