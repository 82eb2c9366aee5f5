//! The runtime over real sockets on the loopback interface: whole nodes, as programs use them.

mod config;
mod delegate;
mod exposition;
mod membership;
mod messages;
mod metrics;
mod security;
mod shutdown;
mod support;
