//! A virtual world over the real machines: hosts, a network, faults, and time that
//! passes only when something happens.
//!
//! # Writing a scenario
//!
//! ```
//! use std::time::Duration;
//! use gossip_core::pool::config::PoolConfig;
//! use gossip_core::sim::seed::for_each_seed;
//! use gossip_core::swim::node::State;
//!
//! for_each_seed(1, |world| {
//!     let nodes = world.spawn(5, &PoolConfig::local(1)); // n000 to n004, 10.0.0.1:7946 and up
//!     world.join_all(&nodes); // each joins through the first
//!     world.run_until(Duration::from_secs(10), |world| world.converged());
//!
//!     world.crash(nodes[3]);
//!     world.run_until(Duration::from_secs(60), |world| world.all_see(nodes[3], State::Dead));
//! });
//! ```
//!
//! A test is one call of [`seed::for_each_seed`]. Inside, a [`world::World`] takes
//!
//! - **the scene**: `spawn`, `spawn_with` (an [`app::Script`] for the application), `set_dns`, `set_quality`
//!   of links ([`link::Quality`]), `rule` ([`fabric::Rule`], in force until its guard is dropped),
//!   `after` for what is planned;
//! - **commands**: `join`, `leave`, `update`, `send`, `broadcast` and any other through
//!   `command` and `task`;
//! - **faults** (`faults.rs`): `partition`, `cut`, `isolate`, `crash`, `restart`,
//!   `restart_elsewhere`, `pause`, `resume`;
//! - **time**: `run_for`, `run_until` a condition holds, `run_until_agreed`;
//! - and lets itself be **looked at** (`look.rs`): beliefs, agreement, what applications were
//!   told, how commands ended, a [`report::Report`]. How long something may take is
//!   computed from the tuning ([`bounds`]).
//!
//! Applications of another language are its guests ([`guest`]).
//!
//! # What is always checked
//!
//! After every event, on the host it touched (`checks.rs`): beliefs only rise, nobody raises
//! another's incarnation, nobody thinks itself dead, no name moves away from a process that
//! has it, the application is told of joining
//! and leaving in turn, datagrams fit, queues keep to their limits, gauges are right,
//! `poll_timeout` lies ahead after `handle_timeout`, every task is done once. When time has
//! been let pass: no exchange and no task is older than it may become, and the machine
//! waits for nothing that its host knows nothing of. Do not write these into scenarios.
//!
//! # One seed
//!
//! A world is a function of its seed and its scenario. There is no clock, no thread, no
//! iteration over a hash table; machines, links and applications draw from child seeds of
//! their own. What fails says how to repeat it:
//!
//! ```text
//! seed 42, at 17.204000s: n007: goes back: from n003 ... to n003 ...
//! repeat with: GOSSIP_SEED=42 cargo test -p gossip-core --test sim_failure a_crashed_node_is_found_by_all
//! ```
//!
//! `GOSSIP_SEEDS=1000` runs every scenario with the seeds below 1000.
//!
//! # How it is built
//!
//! ```text
//!   world ---- faults, look                 scenarios talk to it
//!     |
//!   host ---- conversations, app, inspect   one Machine, its Exchanges, its application
//!     |
//!   fabric ---- stream                      datagrams and virtual TCP
//!     |
//!   link, queue ---- seed                   latency and loss; events in order of time
//! ```

pub mod app;
pub mod bounds;
mod checks;
mod conversations;
pub mod fabric;
mod faults;
pub mod guest;
pub mod host;
mod inspect;
pub mod link;
mod look;
mod queue;
pub mod report;
pub mod seed;
mod stream;
pub mod world;
