//! Any bytes as the envelope of a relayed broadcast.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| gossip_core::pool::fuzz::envelope(bytes));
