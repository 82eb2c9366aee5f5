//! The runtime: tasks, threads and handles over the machines and the port.
//!
//! ```text
//!            UDP --- receive loop --+--> inbox pool 0 --> driver 0 (Machine) --+
//!                                   +--> inbox pool 1 --> driver 1 (Machine) --+--> UDP, never waiting
//!                                   +--> packet receiver (application)
//!            TCP --- accept loop ---+--> pool's queue --> stream task (Exchange) <--> driver
//!                                   +--> listener (application)
//!
//!   application's threads                                     gossip-io-N         gossip-cb-N
//!   Pool::join, leave, ... --command--> control --> driver --tell/ask--> courier --> Delegate
//!        ^--- reply channel ------------------------'  '--- View (arc-swap)      '-- reply --> control
//!   Pool::members          <------------------------------- View
//! ```
//!
//! Each pool has one driver task, which owns its machine; nothing of a machine is shared
//! or locked. What may be lost comes through bounded queues (packets, streams), what must
//! not through `control`, which is bounded by what the machine and the application have
//! outstanding. Each conversation over TCP has a task of its own, because its work is
//! heavy. Callbacks run on other threads than all of these, in order for each pool.
//!
//! The public functions block and may be called from any thread: they send a command and
//! wait for its reply; a broadcast for which there is room is sent without a reply. When a driver ends, the replies it owes are disconnected, and the
//! waiting threads get `Closed`.
//!
//! From the top: [`gossip`] and [`pool`] are the handles; `node` and `shared` what stands
//! behind them, with their life from start to shutdown; `driver`, `stream` and `courier`
//! the tasks; `lane`, `backlog`, `intake`, `waiting`, `reply`, `tally` and `wait` their small parts; [`call`] the commands
//! without blocking; [`log`] the way from
//! what is logged to the application's sink; [`stats`] and [`metrics`] what is counted, as
//! numbers and as text; `clock` and `entropy` the only ones that ask the operating system for
//! time and randomness.

pub mod answer;
mod backlog;
pub mod call;
mod clock;
pub mod config;
mod counters;
mod courier;
pub mod delegate;
pub mod dial;
mod driven;
mod driver;
mod entropy;
pub mod error;
pub mod events;
pub mod gossip;
mod input;
mod intake;
mod join;
mod lane;
pub mod log;
pub mod metrics;
mod node;
pub mod pool;
mod record;
mod reply;
mod shared;
mod sleep;
pub mod stats;
mod stream;
mod tally;
pub mod view;
mod wait;
mod waiting;
