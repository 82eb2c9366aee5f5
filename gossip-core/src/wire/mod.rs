//! Bytes to typed messages and back.

pub mod message;
