//! The node behind its handles: the port, the threads, the pools, and their common end.
//!
//! ```text
//!   New --start--> Running --stop--> Stopping --finish--> Stopped
//!     \-----------------------stop------^
//! ```
//!
//! `stop` begins the end and never waits, so it may be called from anywhere; `finish`
//! waits for callbacks that run, then frees threads and port, and ends the log.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread;
use std::time::Duration;

use crossbeam_channel::bounded;
use tokio::runtime::{Builder, Handle, Runtime};
use tokio::sync::Semaphore;
use tracing::{info, warn};

use crate::base::config_error::ConfigError;
use crate::base::ids::PoolId;
use crate::base::lock::{lock, wait_while};
use crate::base::name::NodeName;
use crate::base::time::Time;
use crate::net;
use crate::net::advertise::advertise_addr;
use crate::net::inherited::Sockets;
use crate::net::port::{Port, PortConfig};
use crate::pool::action::Asks;
use crate::pool::config::{CheckedPool, PoolConfig};
use crate::pool::machine::{Identity, Machine};
use crate::runtime::clock::Clock;
use crate::runtime::config::Config;
use crate::runtime::courier;
use crate::runtime::delegate::Delegate;
use crate::runtime::entropy;
use crate::runtime::error::{Error, from_net};
use crate::runtime::log::{self, Log};
use crate::runtime::shared::Shared;
use crate::runtime::wait::{Target, Waiting};
use crate::wire::budget::Budget;
use crate::wire::nonce::Nonces;

/// Numbers the nodes of this process.
static NODES: AtomicU64 = AtomicU64::new(0);

/// Blocking threads: two lanes for each of 256 pools, and some for names to be resolved.
const CALLBACK_THREADS: usize = 512 + 64;

/// Sockets that the system tells of at once. tokio's own 1024 would take 12 KiB of each node.
const EVENTS: usize = 128;

/// What the threads get to end once no callback runs.
const GRACE: Duration = Duration::from_millis(200);

/// How long the drop of the last handle waits for the port to be free.
const DROP_PATIENCE: Duration = Duration::from_secs(1);

/// A node. Handles to it are in `gossip.rs`.
pub(crate) struct Node {
    pub(crate) number: u64,
    pub(crate) config: Config,
    pub(crate) identity: Identity,
    pub(crate) clock: Clock,
    pub(crate) port: Arc<Port>,
    pub(crate) log: Log,
    /// Admits the long steps of conversations, as many at a time as there are threads for the network.
    pub(crate) heavy: Arc<Semaphore>,
    /// What the messages of streams may take of memory, of all pools.
    budget: Budget,
    state: Mutex<State>,
    stopped: Condvar,
}

struct State {
    phase: Phase,
    pools: BTreeMap<PoolId, Arc<Shared>>,
    runtime: Option<Runtime>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    New,
    Running,
    Stopping,
    /// A thread frees the others.
    Freeing,
    Stopped,
}

impl Node {
    /// Binds the port, or takes over the `sockets` of a bound one.
    pub(crate) fn open_port(mut config: Config, sockets: Option<Sockets>) -> Result<Arc<Self>, Error> {
        if sockets.is_some() {
            // What is said of binding does not count.
            config.bind_addr = Config::default().bind_addr;
        }
        config.check()?;
        let name = own_name(&config)?;
        entropy::seed().map_err(Error::System)?;
        let number = NODES.fetch_add(1, Relaxed);
        let log = Log::new(number, &name);
        let limits = port_config(&config);
        let port = match sockets {
            None => Port::bind(limits)?,
            Some(sockets) => {
                let port = Port::adopt(sockets, limits)?;
                config.bind_addr = port.local_addrs().iter().map(SocketAddr::ip).collect();
                config.bind_port = port.local_addr().port();
                port
            }
        };
        let port = port.logging_to(log.scope.clone());
        let advertised_port = Some(config.advertise_port).filter(|port| *port != 0);
        let addr = advertise_addr(config.advertise_addr, advertised_port, port.local_addrs())?;
        Ok(Arc::new(Self {
            number,
            heavy: Arc::new(Semaphore::new(config.threads)),
            budget: Budget::default(),
            config,
            identity: Identity { name, addr },
            clock: Clock::start(),
            port: Arc::new(port),
            log,
            state: Mutex::new(State { phase: Phase::New, pools: BTreeMap::new(), runtime: None }),
            stopped: Condvar::new(),
        }))
    }

    /// Starts everything that is registered, or nothing.
    pub(crate) fn start(&self) -> Result<(), Error> {
        let mut state = self.open()?;
        if state.phase == Phase::Running {
            return Ok(());
        }
        let machines =
            state.pools.values().map(|pool| self.machine_of(pool)).collect::<Result<Vec<_>, _>>()?;
        let runtime = threads(self.config.threads).map_err(Error::System)?;
        let clock = self.clock;
        if let Err(error) = self.port.start(runtime.handle(), net::clock::Clock::new(move || clock.now())) {
            runtime.shutdown_background();
            return Err(from_net(error));
        }
        for (pool, machine) in state.pools.values().zip(machines) {
            pool.launch(machine, runtime.handle());
        }
        state.runtime = Some(runtime);
        state.phase = Phase::Running;
        drop(state);
        self.log.scope.enter(|| self.tell_of_the_start());
        Ok(())
    }

    fn tell_of_the_start(&self) {
        info!(
            name = %self.identity.name,
            bound = ?self.port.local_addrs(),
            advertised = %self.identity.addr,
            version = env!("CARGO_PKG_VERSION"),
            "node started"
        );
        let (asked, granted) = (self.config.udp_recv_buffer, self.port.recv_buffer());
        if granted < asked {
            warn!(
                asked,
                granted,
                hint = "bursts of datagrams may be lost; raise net.core.rmem_max or lower udp_recv_buffer",
                "udp receive buffer is smaller than asked"
            );
        }
    }

    /// Adds a pool, and starts it if the node runs.
    pub(crate) fn register(
        self: &Arc<Self>,
        config: PoolConfig,
        delegate: Option<Arc<dyn Delegate>>,
    ) -> Result<Arc<Shared>, Error> {
        // The application's code, so before any lock; and if the pool is refused, the last
        // hold on the delegate is let go after it.
        let asks = delegate.as_ref().map_or_else(Asks::default, |delegate| delegate.asks());
        let _hold = delegate.clone();
        let checked = config.check()?;
        let id = checked.config().id;
        // Whether the pool can start is known now.
        let machine = self.machine(&checked, asks)?;
        let mut state = self.open()?;
        if state.pools.contains_key(&id) {
            return Err(Error::PoolExists(id));
        }
        let pool = Shared::register(self, checked, asks, delegate)?;
        pool.publish_limit(&machine);
        if let Some(runtime) = &state.runtime {
            pool.launch(machine, runtime.handle());
        }
        state.pools.insert(id, Arc::clone(&pool));
        Ok(pool)
    }

    fn machine(&self, config: &CheckedPool, asks: Asks) -> Result<Machine, Error> {
        let seed = entropy::seed().map_err(Error::System)?;
        let nonces = Nonces::from_os(entropy::fill);
        let identity = self.identity_in(config.config());
        let mut machine = Machine::new(config.clone(), identity, asks, seed, nonces, self.clock.now())?;
        machine.set_budget(self.budget.clone());
        Ok(machine)
    }

    /// Who this node is in a pool: itself, unless the pool gives it another name.
    pub(crate) fn identity_in(&self, pool: &PoolConfig) -> Identity {
        let Identity { name, addr } = self.identity.clone();
        Identity { name: if pool.name.is_empty() { name } else { pool.name.as_str().into() }, addr }
    }

    /// The machine of a registered pool, with what was published before the start.
    fn machine_of(&self, pool: &Shared) -> Result<Machine, Error> {
        let mut machine = self.machine(&pool.config, pool.asks)?;
        pool.parked().into_iter().try_for_each(|change| change.apply(&mut machine))?;
        Ok(machine)
    }

    pub(crate) fn pool(&self, id: PoolId) -> Option<Arc<Shared>> {
        lock(&self.state).pools.get(&id).cloned()
    }

    pub(crate) fn pools(&self) -> Vec<Arc<Shared>> {
        lock(&self.state).pools.values().cloned().collect()
    }

    /// Forgets a pool that has ended, so that its id is free.
    pub(crate) fn forget(&self, pool: &Arc<Shared>) {
        let mut state = lock(&self.state);
        if state.pools.get(&pool.id()).is_some_and(|held| Arc::ptr_eq(held, pool)) {
            state.pools.remove(&pool.id());
        }
    }

    pub(crate) fn is_running(&self) -> bool {
        lock(&self.state).phase == Phase::Running
    }

    /// Ends the node and waits for it; may be called again, and by several threads.
    pub(crate) fn shutdown(&self, timeout: Duration) -> Result<(), Error> {
        let _waiting = Waiting::for_end_of(Target::Node(self.number))?;
        let deadline = self.clock.now() + timeout;
        self.stop();
        if self.finish(deadline) { Ok(()) } else { Err(Error::Timeout(timeout)) }
    }

    /// Ends the node when the last handle is gone: waits a little where that hurts nobody,
    /// and leaves the rest to a thread of its own.
    pub(crate) fn abandon(self: &Arc<Self>) {
        let phase = lock(&self.state).phase;
        if phase == Phase::Running {
            self.log.scope.enter(|| info!("last handle dropped, the node ends without a goodbye"));
        }
        self.stop();
        match phase {
            Phase::Stopped => {}
            // There are no threads to end. A farewell may be under way, perhaps in this thread.
            Phase::New => {
                let patience = if in_callback() { Duration::ZERO } else { DROP_PATIENCE };
                self.finish(self.clock.now() + patience);
            }
            Phase::Running | Phase::Stopping | Phase::Freeing => {
                let node = Arc::clone(self);
                let (finished, waiting) = bounded::<()>(0);
                let reaper = move || {
                    node.finish(Time::FAR);
                    drop(finished);
                };
                let spawned = thread::Builder::new().name("gossip-reap".to_owned()).spawn(reaper).is_ok();
                if !spawned {
                    self.log.close(self.clock, self.clock.now());
                    let runtime = lock(&self.state).runtime.take();
                    runtime.into_iter().for_each(Runtime::shutdown_background);
                } else if !in_callback() && Handle::try_current().is_err() {
                    let _ = waiting.recv_timeout(DROP_PATIENCE);
                }
            }
        }
    }

    /// The state of a node that has not been stopped.
    fn open(&self) -> Result<MutexGuard<'_, State>, Error> {
        let state = lock(&self.state);
        match state.phase {
            Phase::New | Phase::Running => Ok(state),
            Phase::Stopping | Phase::Freeing | Phase::Stopped => Err(Error::Closed),
        }
    }

    /// Whether the node has not ended.
    pub(crate) fn check_open(&self) -> Result<(), Error> {
        self.open().map(drop)
    }

    /// Begins the end: whoever is blocked in a call of the API gets `Closed`.
    fn stop(&self) {
        let pools = {
            let mut state = lock(&self.state);
            if !matches!(state.phase, Phase::New | Phase::Running) {
                return;
            }
            state.phase = Phase::Stopping;
            state.pools.values().cloned().collect::<Vec<_>>()
        };
        self.port.close();
        pools.iter().for_each(|pool| pool.stop());
    }

    /// Waits for the end that has begun, and frees what is left; false if `deadline` comes
    /// first.
    fn finish(&self, deadline: Time) -> bool {
        let pools = self.pools();
        if !pools.iter().all(|pool| pool.tally.wait(self.clock, deadline)) {
            return false;
        }
        let runtime = {
            let mut state = lock(&self.state);
            if state.phase == Phase::Freeing {
                let left = Some(self.clock.until(deadline));
                state = wait_while(&self.stopped, state, left, |state| state.phase == Phase::Freeing);
                if state.phase == Phase::Freeing {
                    return false;
                }
            }
            if state.phase == Phase::Stopped {
                return true;
            }
            state.phase = Phase::Freeing;
            state.runtime.take()
        };
        if let Some(runtime) = runtime {
            end(runtime, self.clock.until(deadline).max(GRACE));
        }
        self.port.wait_closed(GRACE);
        if self.log.is_open() {
            self.log.scope.enter(|| info!("node shut down"));
        }
        if !self.log.close(self.clock, deadline.max(self.clock.now() + GRACE)) {
            lock(&self.state).phase = Phase::Stopping;
            self.stopped.notify_all();
            return false;
        }
        let pools = {
            let mut state = lock(&self.state);
            state.phase = Phase::Stopped;
            std::mem::take(&mut state.pools)
        };
        self.stopped.notify_all();
        drop(pools);
        true
    }
}

/// Whether the calling thread is in a callback of any node.
fn in_callback() -> bool {
    courier::in_callback() || log::current_sink().is_some()
}

/// Ends the threads. Inside of an async context, where the application may well be, a
/// runtime refuses to wait; only there it takes a thread more.
fn end(runtime: Runtime, patience: Duration) {
    if Handle::try_current().is_err() {
        return runtime.shutdown_timeout(patience);
    }
    let (hand_over, handed) = bounded(1);
    let ending = move || {
        if let Ok(runtime) = handed.recv() {
            Runtime::shutdown_timeout(runtime, patience);
        }
    };
    match thread::Builder::new().name("gossip-reap".to_owned()).spawn(ending) {
        Ok(thread) => {
            let _ = hand_over.send(runtime);
            let _ = thread.join();
        }
        Err(_) => runtime.shutdown_background(),
    }
}

/// The threads of a node: `threads` for the network, the others for callbacks. They
/// inherit the signal mask of the thread that starts the node.
fn threads(threads: usize) -> io::Result<Runtime> {
    let started = AtomicUsize::new(0);
    let name = move || match started.fetch_add(1, Relaxed) {
        // The network's are the first.
        number if number < threads => format!("gossip-io-{number}"),
        number => format!("gossip-cb-{}", number - threads),
    };
    Builder::new_multi_thread()
        .worker_threads(threads)
        .max_blocking_threads(CALLBACK_THREADS)
        .thread_name_fn(name)
        .max_io_events_per_tick(EVENTS)
        .enable_all()
        .build()
}

fn own_name(config: &Config) -> Result<NodeName, ConfigError> {
    if !config.name.is_empty() {
        return Ok(NodeName::from(config.name.as_str()));
    }
    let host = gethostname::gethostname();
    if host.is_empty() {
        return Err(ConfigError::new("name", "empty", "must be given: this host has no name"));
    }
    Ok(NodeName::from(host.as_encoded_bytes()))
}

fn port_config(config: &Config) -> PortConfig {
    PortConfig {
        bind: config.bind_addr.iter().map(|ip| SocketAddr::new(*ip, config.bind_port)).collect(),
        sniff_timeout: config.sniff_timeout,
        max_sniffing: config.max_sniffing,
        max_sniffing_per_source: config.max_sniffing_per_source,
        listener_backlog: config.listener_backlog,
        packet_queue: config.packet_queue,
        udp_recv_buffer: config.udp_recv_buffer,
        ..PortConfig::default()
    }
}
