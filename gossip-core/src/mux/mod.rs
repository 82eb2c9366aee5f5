//! Whose bytes are these? The first bytes of a connection or datagram decide.
//!
//! ```text
//!             first bytes            owner                     bytes it is given
//!             FE pp                  pool pp                   those after FE pp
//!  from the   a registered id        its listener (TCP only)   those after the id
//!  network    F4 len label           the pool of that label    all
//!             like a memberlist      the bare pool             all
//!             message
//!             a listener's prefix    that listener (TCP only)  all
//!             anything else          native listener (TCP),    all
//!                                    packet receiver (UDP)
//! ```
//!
//! `docs/wire.md` holds the complete table, numbered row by row. Nothing here touches a
//! socket: [`routes::Routes`] is a value that knows who takes part and answers, `net/` keeps
//! the sockets and queues that belong to them.

#![cfg_attr(
    not(test),
    deny(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used)
)]

pub mod foreign;
pub mod listener;
pub mod opening;
pub mod prefix;
pub mod routes;
