//! The runtime over real sockets on the loopback interface: whole nodes, as programs use them.

mod addresses;
mod config;
mod delegate;
mod exposition;
mod lifecycle;
mod membership;
mod messages;
mod metrics;
mod migration;
mod security;
mod shutdown;
mod support;
