//! libgossip: the C ABI over `gossip-core`.
//!
//! `include/gossip/gossip.h` is generated from this crate and is its manual: the text at
//! its top comes from `cbindgen.toml`, every declaration from a doc comment here. Each
//! file below is one group of functions, named as in their prefix.
//!
//! ```text
//! config  pool_config      what is chosen, by key
//! node  sockets            gossip_t: the port, its pools; a port from a service manager
//! pool    join  members    a pool: its life, how it is entered, who is in it
//! send                     messages and pings
//! explanation  diagnosis   why a member is suspected; what is wrong with the way to it
//! keyring labels           changed while it runs
//! migration                the same in the whole pool
//! delegate  buffer         what the program is told and asked, by callbacks
//! queue   event  reply     the same, to pull from a loop
//! listener  dial  packets  the program's own protocols on the port
//! listeners                which listeners there are
//! stats   log              counters, metrics, what is logged
//! status  error  version   how a call went, and what was loaded
//! addr                     the one public struct with fields
//! -----------------------
//! callbacks                the delegate as the core knows it
//! border                   panics, text, bytes, timeouts: each call passes it
//! fate                     what a panic leaves behind
//! handle                   what an opaque pointer points to; fork detection
//! signals                  threads that take none of the program's signals
//! ```
//!
//! How pointers cross: a handle is `Option<&T>`, `Option<&mut T>` where the caller must be
//! alone with it, `Option<Box<T>>` where it is freed, an out-parameter
//! `Option<&mut MaybeUninit<T>>`. NULL is `None`, so handles need no unsafe code; in the
//! header `const` on a handle therefore means *shared: any number of threads at once*.
//! Only text and bytes, whose length no type can state, are raw pointers; functions that
//! take those are `unsafe` and say why each read is sound. "The header's rules" in those
//! reasons are the conventions at its top.

// The Rust names are the C names, so that a reader finds each in both places.
#![allow(non_camel_case_types)]
// What the caller must keep is said once, at the top of the header, in the words of C.
#![allow(clippy::missing_safety_doc)]
#![deny(unsafe_op_in_unsafe_fn)]

mod border;
mod callbacks;
mod fate;
mod handle;
mod signals;

// In the order of the header, each on its own so that it stays.
pub mod status;

pub mod error;

pub mod version;

pub mod addr;

pub mod config;

pub mod pool_config;

pub mod node;

pub mod sockets;

pub mod pool;

pub mod join;

pub mod send;

pub mod keyring;

pub mod labels;

pub mod migration;

pub mod members;
pub mod message;

pub mod explanation;

pub mod diagnosis;

pub mod delegate;

pub mod buffer;

pub mod queue;

pub mod event;

pub mod reply;

pub mod listener;

pub mod listeners;

pub mod dial;

pub mod packets;

pub mod stats;

pub mod log;
