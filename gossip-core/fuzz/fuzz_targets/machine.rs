//! Any sequence of datagrams to a machine, with time and answers in between.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| gossip_core::pool::fuzz::machine(bytes));
