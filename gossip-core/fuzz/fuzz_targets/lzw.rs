//! Any bytes as an LZW stream, and any message there and back.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| gossip_core::wire::fuzz::lzw(bytes));
