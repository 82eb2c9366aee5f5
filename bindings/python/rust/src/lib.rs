//! `gossip._core`: the Rust half of `import gossip`.
//!
//! Small and private: names, defaults, documentation, dataclasses and the delegate's
//! thread are Python, in `src/gossip`. Two laws hold everywhere here. No Rust thread
//! ever attaches to the interpreter: Rust queues, Python pulls. And Rust keeps no
//! Python object, so nothing of Python's can outlive the interpreter or leak in a cycle.

#![forbid(unsafe_code)]

mod answer;
mod calls;
mod convert;
mod diagnosis;
mod errors;
mod hub;
mod inherit;
mod kinds;
mod life;
mod listener;
mod log;
mod migration;
mod node;
mod packets;
mod pool;
mod queue;
mod sim;
mod sim_heard;
mod sim_values;
mod stats;
mod tables;
mod wait;

use pyo3::prelude::pymodule;

#[pymodule]
mod _core {
    use pyo3::prelude::{Bound, PyModule, PyModuleMethods, PyResult};

    #[pymodule_export]
    use crate::answer::Answer;
    #[pymodule_export]
    use crate::calls::Calls;
    #[pymodule_export]
    use crate::diagnosis::words;
    #[pymodule_export]
    use crate::inherit::Sockets;
    #[pymodule_export]
    use crate::life::{after_fork_in_child, before_exit};
    #[pymodule_export]
    use crate::listener::Listener;
    #[pymodule_export]
    use crate::log::Log;
    #[pymodule_export]
    use crate::migration::migration_words;
    #[pymodule_export]
    use crate::node::Gossip;
    #[pymodule_export]
    use crate::packets::Packets;
    #[pymodule_export]
    use crate::pool::Pool;
    #[pymodule_export]
    use crate::queue::Events;
    #[pymodule_export]
    use crate::sim::Simulation;
    #[pymodule_export]
    use crate::tables::{check_config, check_pool, config_keys, pool_keys};

    #[pymodule_export]
    use crate::wait::panic;

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        module.add("__version__", env!("CARGO_PKG_VERSION"))
    }
}
