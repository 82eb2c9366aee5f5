//! Membership rules on typed messages.

pub mod node;
pub mod tuning;
