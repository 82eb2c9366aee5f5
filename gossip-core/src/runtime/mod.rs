//! The driver: tasks, threads and handles over the machines and the port.

pub mod config;
pub mod delegate;
pub mod error;
pub mod events;
pub mod gossip;
pub mod pool;
pub mod view;
