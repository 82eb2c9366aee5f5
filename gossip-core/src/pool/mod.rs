//! The sans-I/O machines of one pool, and how to drive them.
//!
//! A [`Machine`](machine::Machine) is the membership of one node in one pool; an
//! [`Exchange`](exchange::Exchange) is one TCP conversation of it. Both hold no socket,
//! clock, thread or lock: time, randomness and bytes come in as arguments, what is to be
//! done comes out as values. The runtime and the simulator are two hosts of the same
//! machines.
//!
//! # The law
//!
//! > After every `handle_*` and every command, drain `poll_transmit` and `poll_action`
//! > until both are `None`; then read `poll_timeout`, and call `handle_timeout` no earlier
//! > than that. Nothing else is required.
//!
//! ```text
//!  1. something arrives        handle_packet · handle_exchange · handle_reply · handle_verdict · handle_relabelled · accept · a command
//!     or time passes           handle_timeout
//!  2. send what is to be sent  while let Some(to) = poll_transmit(now, &mut buffer) { .. }
//!  3. do what is to be done    while let Some(action) = poll_action() { .. }
//!     repeat 2 and 3 until both have nothing left
//!  4. sleep until              poll_timeout()
//! ```
//!
//! An exchange that is over or dropped leaves its [`Traffic`](traffic::Traffic), handed over by
//! `handle_traffic`: it is counted and changes nothing else. Every `Deliver` is answered once, by
//! `handle_verdict`, as soon as the application has taken the message or has not. A host that can
//! serve no more connections asks for room by `make_room`.
//!
//! Further promises, each with a test: `now` may stand still, and an older one is taken
//! for the latest seen; after `handle_timeout(now)` and a drain, `poll_timeout` is later
//! than `now`; bad input from the network changes nothing but a counter; every `Ask` is
//! settled exactly once, by a reply or at its deadline; every `TaskId` gets exactly one
//! `Done`; every `Resolve` is answered by `set_seeds`, every `Relabel` by `handle_relabelled`; a datagram that changes nothing allocates nothing.

#![cfg_attr(
    not(test),
    deny(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used)
)]

#[cfg(feature = "sim")]
mod acquaint;
pub mod action;
pub mod asks;
pub mod broadcasting;
pub mod commands;
pub mod config;
pub mod diagnosis;
pub mod doctor;
pub mod error;
pub mod exchange;
mod exchange_error;
pub mod fuzz;
pub mod inbound;
mod judge;
pub mod keys;
pub mod layers;
pub mod machine;
pub mod metric_label;
pub mod migrating;
pub mod migration;
mod migration_stage;
pub mod obeying;
pub mod outbound;
pub mod own_state;
mod recent;
pub mod rejoin;
pub mod relaying;
pub mod rumours;
pub mod sending;
pub mod stats;
pub mod streams;
pub mod taking;
pub mod traffic;
