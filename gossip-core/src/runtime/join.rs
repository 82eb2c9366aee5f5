//! Seeds as people write them, turned into addresses: all names at once, within the time
//! of the join.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use crossbeam_channel::bounded;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::base::addr::Target;
use crate::base::endpoint::Endpoint;
use crate::base::name::NodeName;
use crate::base::rng::Rng;
use crate::net::resolve::resolve;
use crate::pool::action::JoinReport;
use crate::pool::exchange::ExchangeError;
use crate::runtime::entropy;
use crate::runtime::error::{Error, SeedError};
use crate::runtime::shared::Shared;

/// What a join reached.
#[derive(Debug, Clone, Default)]
pub struct Joined {
    /// Addresses with which state was exchanged.
    pub reached: Vec<SocketAddr>,
    /// Seeds or addresses that could not be reached.
    pub failed: Vec<SeedError>,
    /// Addresses left out: of a name with very many, a random [`ADDRS_PER_SEED`] are tried.
    pub untried: usize,
}

/// Addresses of one seed that are tried. One that answers is enough to enter, and that
/// none of so many does is no accident; a name of thousands is not worth the time.
pub const ADDRS_PER_SEED: usize = 64;

/// Standing seeds looked up at a time: a resolver that hangs holds a thread for each, and is asked
/// again and again.
const STANDING_AT_ONCE: usize = 4;

/// As in memberlist: the port that is bound, not the one that is told to others.
fn default_port(shared: &Shared) -> u16 {
    shared.port.local_addrs().first().map_or(shared.identity.addr.port, SocketAddr::port)
}

fn dns_config(shared: &Shared) -> Option<String> {
    Some(shared.config.config().dns_config_path.clone()).filter(|path| !path.is_empty())
}

/// Whom `text` names: of several addresses the first that this node has a socket for. A
/// lookup that takes longer than `patience` is given up.
pub(crate) fn find(shared: &Shared, text: &str, patience: Duration) -> Result<Target, Error> {
    let endpoint = Endpoint::parse(text, default_port(shared))?;
    let name = endpoint.name.clone();
    if let Some(addr) = endpoint.literal() {
        return Ok(Target { name, addr });
    }
    let (inputs, runtime) = (shared.inputs()?, shared.runtime()?);
    let dns_config = dns_config(shared);
    let (found, finds) = bounded(1);
    runtime.spawn(async move {
        let result = tokio::select! {
            result = endpoint.lookup(dns_config.as_deref(), patience) => result,
            () = inputs.closed() => return,
        };
        let _ = found.send(result);
    });
    let addrs = finds.recv().map_err(|_| shared.closed())??;
    first(shared, name, &addrs, text)
}

/// The same without blocking; dropped, the lookup ends.
pub(crate) async fn find_here(shared: &Shared, text: &str, patience: Duration) -> Result<Target, Error> {
    let endpoint = Endpoint::parse(text, default_port(shared))?;
    let name = endpoint.name.clone();
    if let Some(addr) = endpoint.literal() {
        return Ok(Target { name, addr });
    }
    let (inputs, dns_config) = (shared.inputs()?, dns_config(shared));
    let addrs = tokio::select! {
        addrs = endpoint.lookup(dns_config.as_deref(), patience) => addrs?,
        () = inputs.closed() => return Err(shared.closed()),
    };
    first(shared, name, &addrs, text)
}

/// Of several addresses the first that this node has a socket for.
fn first(shared: &Shared, name: Option<NodeName>, addrs: &[SocketAddr], text: &str) -> Result<Target, Error> {
    let bound = shared.port.local_addrs();
    let reachable = |addr: &&SocketAddr| bound.iter().any(|bound| bound.is_ipv4() == addr.is_ipv4());
    let addr = addrs.iter().find(reachable).or_else(|| addrs.first());
    let none = || Error::Internal(format!("looking up {text:?} brought neither an address nor an error"));
    addr.map(|addr| Target { name, addr: *addr }).ok_or_else(none)
}

/// The place of a seed among the others, and its addresses.
type Find = (usize, Result<Vec<Target>, SeedError>);

/// Looks up seeds, no more than `at_once` at a time, in tasks that end with the future.
fn find_all(
    shared: &Shared,
    seeds: Vec<String>,
    patience: Duration,
    at_once: usize,
) -> impl Future<Output = Vec<Find>> + Send + use<> {
    let (default_port, dns_config) = (default_port(shared), dns_config(shared));
    async move {
        let slots = Arc::new(Semaphore::new(at_once));
        let mut lookups = JoinSet::new();
        for (index, seed) in seeds.into_iter().enumerate() {
            let (slots, dns_config) = (Arc::clone(&slots), dns_config.clone());
            lookups.spawn(async move {
                let _slot = slots.acquire().await;
                let result = resolve(&seed, default_port, dns_config.as_deref(), patience).await;
                (index, result.map_err(|error| SeedError { seed, reason: error.to_string(), exchange: None }))
            });
        }
        let mut finds = Vec::new();
        while let Some(find) = lookups.join_next().await {
            finds.extend(find);
        }
        finds
    }
}

/// What became of the names of the seeds.
#[derive(Debug, Default)]
pub(crate) struct Resolved {
    /// Every address, each once, in the order of the seeds.
    pub(crate) targets: Vec<Target>,
    seen: BTreeSet<(Option<NodeName>, SocketAddr)>,
    /// Seeds without an address.
    pub(crate) failed: Vec<SeedError>,
    /// Addresses that are too many.
    untried: usize,
}

impl Resolved {
    /// Looks up all seeds of a join in the pool `shared` at once; one that takes longer than
    /// `patience` has failed. An error if the pool ends meanwhile.
    pub(crate) fn look_up(shared: &Shared, seeds: &[&str], patience: Duration) -> Result<Self, Error> {
        let (inputs, runtime) = (shared.inputs()?, shared.runtime()?);
        let finds =
            find_all(shared, seeds.iter().map(|seed| (*seed).to_owned()).collect(), patience, seeds.len());
        let (done, found) = bounded(1);
        runtime.spawn(async move {
            tokio::select! {
                finds = finds => drop(done.send(finds)),
                () = inputs.closed() => {}
            }
        });
        Self::of(shared, seeds.len(), found.recv().map_err(|_| shared.closed())?)
    }

    /// The same without blocking; dropped, the lookups end.
    pub(crate) async fn look_up_here(
        shared: &Shared,
        seeds: Vec<String>,
        patience: Duration,
    ) -> Result<Self, Error> {
        let (inputs, count) = (shared.inputs()?, seeds.len());
        tokio::select! {
            finds = find_all(shared, seeds, patience, count) => Self::of(shared, count, finds),
            () = inputs.closed() => Err(shared.closed()),
        }
    }

    /// Looks up the seeds that the configuration of the pool `shared` names, a few at a time.
    pub(crate) async fn look_up_standing(shared: &Shared) -> Result<Self, Error> {
        let config = shared.config.config();
        let finds = find_all(shared, config.seeds.clone(), config.tcp_timeout, STANDING_AT_ONCE).await;
        Self::of(shared, config.seeds.len(), finds)
    }

    fn of(shared: &Shared, seeds: usize, mut finds: Vec<Find>) -> Result<Self, Error> {
        if finds.len() < seeds {
            return Err(shared.closed());
        }
        finds.sort_unstable_by_key(|(index, _)| *index);
        let mut resolved = Self::default();
        let mut rng = Rng::from_seed(entropy::seed().map_err(Error::System)?);
        finds.into_iter().for_each(|(_, find)| resolved.add(find, &mut rng));
        Ok(resolved)
    }

    fn add(&mut self, find: Result<Vec<Target>, SeedError>, rng: &mut Rng) {
        match find {
            Ok(mut targets) => {
                if targets.len() > ADDRS_PER_SEED {
                    rng.shuffle(&mut targets);
                    self.untried += targets.len() - ADDRS_PER_SEED;
                    targets.truncate(ADDRS_PER_SEED);
                }
                for target in targets {
                    if self.seen.insert((target.name.clone(), target.addr)) {
                        self.targets.push(target);
                    }
                }
            }
            Err(error) => self.failed.push(error),
        }
    }

    /// The outcome of a join of these addresses: an error if none was reached.
    pub(crate) fn outcome(self, report: JoinReport) -> Result<Joined, Error> {
        let Self { mut failed, untried, .. } = self;
        let unreached = |(addr, error): (SocketAddr, ExchangeError)| SeedError {
            seed: addr.to_string(),
            reason: match &error {
                // So a port ends what is for no pool of its own; it says no more to strangers.
                ExchangeError::Closed | ExchangeError::Reset(_) => {
                    format!("{error}; is there a pool of this id, framing and label?")
                }
                error => error.to_string(),
            },
            exchange: Some(error),
        };
        failed.extend(report.failed.into_iter().map(unreached));
        if report.reached.is_empty() && !failed.is_empty() {
            return Err(Error::Join(failed));
        }
        Ok(Joined { reached: report.reached, failed, untried })
    }
}
