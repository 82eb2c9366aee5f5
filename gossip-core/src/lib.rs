//! Gossip pools and application protocols on one port.

#![forbid(unsafe_code)]

pub mod base;
pub mod mux;
pub mod pool;
pub mod swim;
pub mod wire;

#[cfg(feature = "net")]
pub mod net;
#[cfg(feature = "net")]
pub mod runtime;

#[cfg(feature = "sim")]
pub mod sim;
