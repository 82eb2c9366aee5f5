//! Which bytes belong to whom.

pub mod framing;
