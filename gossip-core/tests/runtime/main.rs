//! The runtime over real sockets on the loopback interface: whole nodes, as programs use them.

mod callbacks;
mod circles;
mod config;
mod delegate;
mod events;
mod membership;
mod messages;
mod promises;
mod security;
mod shutdown;
mod support;
