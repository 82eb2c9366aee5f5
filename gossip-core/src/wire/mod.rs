//! Bytes to typed messages and back: pure functions, no I/O, no clock.
//!
//! A wrong byte is a [`Refused`](error::Refused), never a panic, and nothing is allocated
//! on a peer's word: what a length claims is checked against a limit
//! ([`limits`]), and memory grows with the bytes that really arrive.
//!
//! A datagram is an onion, outermost layer first; dashed layers may be absent:
//!
//! ```text
//!  prefix     FE id                                 stripped by the host
//!  label      F4 length label          ┐ label.rs
//!  encrypted  version nonce ... tag    │ seal.rs, keyring.rs, cipher.rs, vaes.rs, nonce.rs
//!  checksum   0C crc32                 │ checksum.rs            packet.rs
//!  compressed 09 {Algo, Buf: LZW}      │ compress.rs, lzw/      peels and wraps
//!  compound   07 count lengths parts   ┘ compound.rs
//!  message    type byte, record          decode.rs, encode.rs, msgpack/
//! ```
//!
//! A stream carries one request and at most one response, without lengths around the
//! plain form, so its end is found by counting ([`stream`], [`push_pull`]):
//!
//! ```text
//!  prefix, label    on requests only
//!  encrypted        0A length:u32 version nonce ... tag
//!  compressed       09 {Algo, Buf: LZW}             always, if compression is on
//!  message          00 ping | 02 ack | 06 push/pull | 08 user message | 0D error
//! ```
//!
//! [`onion::Wire`] says which of these layers a pool writes and accepts.

#![cfg_attr(
    not(test),
    deny(
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::panic,
        clippy::unreachable,
        clippy::unwrap_used
    )
)]

pub mod budget;
pub mod checksum;
mod cipher;
pub mod compound;
pub mod compress;
pub mod decode;
pub mod encode;
pub mod error;
pub mod fuzz;
pub mod keyring;
pub mod label;
pub mod limits;
mod lzw;
pub mod message;
mod msgpack;
pub mod nonce;
pub mod onion;
pub mod packet;
pub mod push_pull;
pub mod seal;
pub mod step;
pub mod stream;
#[cfg(target_arch = "x86_64")]
mod vaes;
