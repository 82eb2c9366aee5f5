//! Any connection, in pieces of any size.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: (u8, &[u8])| {
    gossip_core::wire::fuzz::stream(input.1, usize::from(input.0).max(1));
});
