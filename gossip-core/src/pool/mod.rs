//! The sans-I/O machine of one pool.

pub mod exchange;
