//! Sockets: one TCP and UDP port, shared by everyone, stalled by no one.
//!
//! ```text
//!   UDP socket ---- PacketLoop --+--> inbox of a pool (bounded)        --> its driver
//!                    classifies  +--> inbox of the packet receiver     --> application
//!
//!   TCP socket ---- AcceptLoop --+--> Sniffer, one task a connection --+--> inbox of a pool
//!                    only accepts     peeks until the owner is known   +--> backlog of a listener
//!                                     or sniff_timeout has passed
//! ```
//!
//! Nobody in this picture waits for a queue: what finds it full is dropped or closed,
//! and counted ([`stats::PortStats`]). So a stalled owner loses its own traffic only. Who
//! takes part is one immutable table that the loops read without a lock.
//!
//! [`port::Port`] ties it together; [`scope::Scope`] says whose log its tasks write. This folder knows which bytes are whose (`mux/`), but
//! not that pools have members.

mod accept;
pub mod advertise;
pub mod arrivals;
mod backoff;
mod bell;
pub mod bind;
pub mod buffers;
pub mod clock;
pub mod dial;
mod dns;
pub mod error;
mod gate;
pub(crate) mod handover;
pub mod inherited;
pub mod listener;
pub mod owners;
pub mod packets;
pub mod port;
pub mod queue;
pub(crate) mod readable;
pub mod resolve;
pub mod scope;
mod sniff;
pub mod stats;
pub mod udp;
