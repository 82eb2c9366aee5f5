//! libgossip: the C ABI over `gossip-core`.
