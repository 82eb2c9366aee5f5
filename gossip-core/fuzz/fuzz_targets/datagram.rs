//! Any datagram, plain and encrypted, through every layer.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| gossip_core::wire::fuzz::datagram(bytes));
