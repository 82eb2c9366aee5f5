//! Randomness of the operating system: seeds for protocol choices, bytes for nonces.

use std::io;

/// A seed for a generator of protocol choices.
pub(crate) fn seed() -> io::Result<u64> {
    getrandom::u64().map_err(io::Error::other)
}

/// Overwrites `bytes` with unpredictable ones. Encrypting with anything less would
/// give the key away, so a system that has run out of randomness ends the task.
pub(crate) fn fill(bytes: &mut [u8]) {
    getrandom::fill(bytes).expect("the operating system has randomness, as it had at the start");
}
