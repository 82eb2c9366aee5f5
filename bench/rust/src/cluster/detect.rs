//! Nodes that end without a goodbye: who suspects them when, and until when all know.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use gossip_core::{Delegate, Member, Pool, State};
use parking_lot::Mutex;

use super::{Cluster, name};
use crate::measure::{Since, tell};

const PATIENCE: f64 = 60.0;
const LOOK: Duration = Duration::from_millis(10);

/// When members were told to be gone, by each observer.
#[derive(Default)]
struct Gone(Mutex<BTreeMap<Vec<u8>, Vec<f64>>>);

struct Observer {
    gone: Arc<Gone>,
    since: Arc<Since>,
}

impl Delegate for Observer {
    fn notify_leave(&self, member: &Member) {
        let at = self.since.wall();
        self.gone.0.lock().entry(member.name().as_bytes().to_vec()).or_default().push(at);
    }
}

/// Kills `victims` of `count` nodes, a second apart, so that each is a case of its own.
pub(crate) fn run(count: usize, victims: usize) {
    let (gone, since) = (Arc::new(Gone::default()), Arc::new(Since::now()));
    let mut cluster = Cluster::settled(count, |_| {
        Some(Arc::new(Observer { gone: Arc::clone(&gone), since: Arc::clone(&since) }))
    });
    gone.0.lock().clear();
    let refuted = |pools: &[Pool]| -> u64 {
        pools.iter().map(|pool| pool.stats().expect("it runs").machine.swim.refutations).sum()
    };
    let alive = count - victims;
    // Of those who stay: what a victim has refuted ends with it.
    let refuted_before = refuted(&cluster.pools[..alive]);

    let mut killed = Vec::new();
    let mut suspected = BTreeMap::new();
    while cluster.pools.len() > alive {
        let (node, _) = (cluster.nodes.pop().expect("one is left"), cluster.pools.pop());
        killed.push((name(cluster.pools.len()), since.wall()));
        drop(node);
        watch(&cluster.pools, &since, &killed, &mut suspected, since.wall() + 1.0);
    }
    let all_gone = || killed.iter().all(|(name, _)| heard(&gone, name).len() >= alive);
    let last = since.wall() + PATIENCE;
    while !all_gone() && since.wall() < last {
        watch(&cluster.pools, &since, &killed, &mut suspected, since.wall() + 0.1);
    }
    let refutations = (refuted(&cluster.pools) - refuted_before) as f64;
    for (name, at) in &killed {
        let mut times = heard(&gone, name);
        // The victims that ended meanwhile may have told of each other, too.
        times.sort_by(f64::total_cmp);
        // Whom some still believe in at the end counts as found at that moment.
        let all = times.get(alive - 1).copied().unwrap_or(last);
        let first = suspected.get(name).copied().unwrap_or(all);
        tell(
            "detect",
            &[
                ("suspected", first - at),
                ("dead", all - first),
                ("whole", all - at),
                ("refutations", refutations),
            ],
        );
    }
    cluster.end();
}

fn heard(gone: &Gone, name: &str) -> Vec<f64> {
    gone.0.lock().get(name.as_bytes()).cloned().unwrap_or_default()
}

/// Looks until `end` who is suspected by anybody.
fn watch(
    pools: &[Pool],
    since: &Since,
    killed: &[(String, f64)],
    suspected: &mut BTreeMap<String, f64>,
    end: f64,
) {
    while since.wall() < end {
        for (name, _) in killed {
            if suspected.contains_key(name) {
                continue;
            }
            let doubted = |pool: &Pool| {
                let view = pool.members();
                view.find(name.as_bytes()).is_some_and(|member| member.state == State::Suspect)
            };
            if pools.iter().any(doubted) {
                suspected.insert(name.clone(), since.wall());
            }
        }
        thread::sleep(LOOK);
    }
}
