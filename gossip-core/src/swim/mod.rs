//! Membership rules on typed messages: SWIM, with Lifeguard, as memberlist speaks it.
//!
//! Every node keeps a table of all nodes (the [`roster`]). Each probe interval it pings
//! one of them, in random order ([`probe`]). If no ack comes in time, a few others are
//! asked to ping it too ([`relay`]), and a stream is tried, since the fault may lie on
//! the path. If nobody gets through, the node is not dead yet: it is *suspect*, and that
//! is gossiped ([`decline`]). A suspect that hears of it raises its *incarnation* and says
//! it is alive ([`alive`]), which overrides the suspicion everywhere. Only a suspicion
//! that stands unrefuted until its timeout makes a node dead.
//!
//! News travels by gossip: each message sits in a queue ([`broadcast`]) until it has been
//! sent a number of times that grows with the logarithm of the pool's size, freshest
//! first, riding on pings and acks as well. Because random gossip can miss someone, two
//! nodes now and then exchange their whole state ([`merge`]); a newcomer does so at once and again
//! until nothing is new (`catch_up`).
//!
//! Lifeguard makes this robust against *slow* nodes, which would accuse everybody else:
//! a node whose own probes go wrong probes more slowly ([`awareness`]), and a suspicion
//! lasts long unless several independent nodes confirm it ([`suspicion`]).
//!
//! A known name that turns up at another address is believed once nobody answers to it at
//! the known one (`takeover`, `inquiry`).
//!
//! What speaks for and against a member is remembered ([`evidence`]), for whoever asks why
//! it is suspected ([`explanation`]).
//!
//! [`swim`] joins the parts; what it wants done it says as values ([`effect`]). Nothing
//! here reads a clock, draws from the system's randomness, or sends a byte.

#![cfg_attr(
    not(test),
    deny(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used)
)]

mod alarm;
pub mod alive;
pub mod awareness;
pub mod broadcast;
mod catch_up;
pub mod counters;
pub mod decline;
pub mod effect;
pub mod evidence;
pub mod explanation;
mod inquiry;
pub mod merge;
pub mod node;
pub mod probe;
pub mod relay;
pub mod roster;
pub mod scale;
pub mod suspicion;
#[allow(clippy::module_inception)]
pub mod swim;
mod takeover;
pub mod timers;
pub mod tuning;
pub mod versions;

#[cfg(test)]
mod scenarios;
#[cfg(test)]
mod vectors;
