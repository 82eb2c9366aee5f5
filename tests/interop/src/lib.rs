//! Clusters of our nodes and real Go peers.
