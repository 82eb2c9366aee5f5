//! The floor everything stands on: time, randomness, ids, names, addresses.
//!
//! Nothing here knows a protocol or touches the operating system.

pub mod addr;
pub mod config_error;
pub mod ids;
pub mod keys;
pub mod limit;
pub mod name;
pub mod networks;
pub mod rng;
pub mod time;
