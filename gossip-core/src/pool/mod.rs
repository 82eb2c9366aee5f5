//! The sans-I/O machines of one pool.

pub mod action;
pub mod config;
pub mod error;
pub mod exchange;
pub mod keys;
pub mod machine;
pub mod stats;
