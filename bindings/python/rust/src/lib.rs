//! `gossip._core`: the Rust half of `import gossip`.
