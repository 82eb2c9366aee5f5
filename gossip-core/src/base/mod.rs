//! The floor everything stands on: time, randomness, ids, names, addresses, counts.
//!
//! Nothing here knows a protocol or touches the operating system.

pub mod addr;
pub mod config_error;
pub mod endpoint;
pub mod histogram;
pub mod ids;
pub mod keys;
pub mod limit;
#[cfg(feature = "net")]
pub(crate) mod lock;
pub mod name;
pub mod networks;
pub mod rng;
pub(crate) mod rows;
pub mod time;
