//! The three ways in which a pool is reached (decisions 5).

pub use crate::mux::prefix::Framing;
