//! Clusters of many nodes in this process, over real sockets on loopback. The program
//! `go/memberlist` and the one in `peers` do the same with others' nodes: LAN preset, everybody
//! joins through the first, at once.

pub(crate) mod broadcast;
pub(crate) mod detect;
pub(crate) mod join;
pub(crate) mod steady;

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use gossip_core::{Config, Delegate, Gossip, Pool, PoolConfig};

use crate::measure::Since;

/// A cluster is given so long to agree on who is in it.
const PATIENCE: Duration = Duration::from_secs(20);
/// So often it is looked at.
const LOOK: Duration = Duration::from_millis(5);
/// So long a join waits that was refused.
const AGAIN: Duration = Duration::from_millis(100);
/// How long a cluster is left alone when it has told everything.
const SETTLE: Duration = Duration::from_secs(2);

/// Nodes that run, with their pools.
pub(crate) struct Cluster {
    pub(crate) nodes: Vec<Gossip>,
    pub(crate) pools: Vec<Pool>,
}

/// How a join went.
pub(crate) struct Joined {
    /// Seconds until all saw all; nothing if they never did.
    pub(crate) converged: Option<f64>,
    /// Seconds of processor until then.
    pub(crate) cpu: f64,
}

impl Cluster {
    /// So many nodes that know nothing of each other yet.
    pub(crate) fn start(count: usize, delegate: impl Fn(usize) -> Option<Arc<dyn Delegate>>) -> Self {
        let (mut nodes, mut pools) = (Vec::new(), Vec::new());
        for number in 0..count {
            let config = Config {
                name: name(number),
                bind_addr: vec![Ipv4Addr::LOCALHOST.into()],
                bind_port: 0,
                // Many nodes share the process: one thread each for the network.
                threads: 1,
                ..Config::default()
            };
            let node = Gossip::new(config).expect("a node");
            pools.push(node.register_pool(PoolConfig::lan(1), delegate(number)).expect("a pool"));
            node.start().expect("a start");
            nodes.push(node);
        }
        Self { nodes, pools }
    }

    /// All join through the first at once, and it is awaited that all see all.
    pub(crate) fn join(&self) -> Joined {
        let begun = Since::now();
        let seed = self.nodes[0].local_addr().to_string();
        thread::scope(|scope| {
            for pool in &self.pools[1..] {
                let (seed, begun) = (&seed, &begun);
                scope.spawn(move || {
                    // The seed serves so many at once and no more: who is refused asks again.
                    while pool.join(&[&seed], PATIENCE).is_err() && begun.wall() < PATIENCE.as_secs_f64() {
                        thread::sleep(AGAIN);
                    }
                });
            }
        });
        let converged = self.converged(&begun);
        Joined { converged, cpu: begun.cpu() }
    }

    /// A cluster that agrees and has nothing to tell any more.
    pub(crate) fn settled(count: usize, delegate: impl Fn(usize) -> Option<Arc<dyn Delegate>>) -> Self {
        let cluster = Self::start(count, delegate);
        let begun = Since::now();
        let seed = cluster.nodes[0].local_addr().to_string();
        // One after the other, and again whom that left without the others: what is measured is
        // what comes after.
        let mut agreed = false;
        while !agreed && begun.wall() < 4.0 * PATIENCE.as_secs_f64() {
            for pool in cluster.pools[1..].iter().filter(|pool| pool.num_members() != count) {
                let _ = pool.join(&[&seed], PATIENCE);
            }
            agreed = cluster.converged(&Since::now()).is_some();
        }
        assert!(agreed, "the cluster does not agree");
        let telling = |pool: &Pool| pool.stats().expect("it runs").machine.broadcasts_queued > 0;
        while cluster.pools.iter().any(telling) && begun.wall() < 5.0 * PATIENCE.as_secs_f64() {
            thread::sleep(SETTLE / 10);
        }
        thread::sleep(SETTLE);
        cluster
    }

    fn converged(&self, begun: &Since) -> Option<f64> {
        for pool in &self.pools {
            while pool.num_members() != self.pools.len() {
                if begun.wall() > PATIENCE.as_secs_f64() {
                    return None;
                }
                thread::sleep(LOOK);
            }
        }
        Some(begun.wall())
    }

    /// Ends all nodes at once, rather than one after the other.
    pub(crate) fn end(self) {
        thread::scope(|scope| {
            for node in self.nodes {
                scope.spawn(move || node.shutdown(PATIENCE).expect("an end"));
            }
        });
    }
}

pub(crate) fn name(number: usize) -> String {
    format!("node-{number:04}")
}
