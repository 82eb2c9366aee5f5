//! The runtime over real sockets on the loopback interface: whole nodes, as programs use them.

mod acknowledged;
mod addresses;
mod callbacks;
mod calls;
mod circles;
mod config;
mod delegate;
mod doctor;
mod events;
mod exposition;
mod heal;
mod lifecycle;
mod membership;
mod messages;
mod metrics;
mod migration;
mod promises;
mod rotation;
mod security;
mod shutdown;
mod support;
