//! What the handles of a pool, its driver and its courier share.
//!
//! ```text
//!   Registered --start--> Running --stop, or a defect--> Ended
//!        \-----------------stop---------------------------^
//! ```

use std::mem;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, OnceLock, Weak};

use arc_swap::ArcSwap;
use parking_lot::Mutex;
use tokio::runtime::Handle;
use tokio::sync::Semaphore;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::JoinError;
use tracing::{error, info, warn};

use crate::base::ids::PoolId;
use crate::net::advertise::is_public;
use crate::net::port::{PoolPort, Port};
use crate::net::scope::Scope;
use crate::net::stats::PoolCounters;
use crate::pool::action::Asks;
use crate::pool::config::{CheckedPool, PoolConfig};
use crate::pool::layers::Labels;
use crate::pool::machine::{Identity, Machine};
use crate::runtime::clock::Clock;
use crate::runtime::counters::Counters;
use crate::runtime::courier::{Courier, Place};
use crate::runtime::delegate::Delegate;
use crate::runtime::driven::Driven;
use crate::runtime::driver::Driver;
use crate::runtime::error::{Error, from_net};
use crate::runtime::input::{Change, Input};
use crate::runtime::intake::Intake;
use crate::runtime::node::Node;
use crate::runtime::tally::{Running, Tally};
use crate::runtime::view::View;

/// One pool, as everyone who has to do with it sees it.
pub(crate) struct Shared {
    pub(crate) config: CheckedPool,
    pub(crate) identity: Identity,
    pub(crate) clock: Clock,
    pub(crate) place: Place,
    /// What goes to the driver.
    inputs: UnboundedSender<Input>,
    pub(crate) view: ArcSwap<View>,
    pub(crate) broadcast_limit: AtomicUsize,
    pub(crate) intake: Intake,
    pub(crate) counters: Arc<Counters>,
    pub(crate) courier: Arc<Courier>,
    pub(crate) port: Arc<Port>,
    pub(crate) port_counters: Arc<PoolCounters>,
    pub(crate) node: Weak<Node>,
    /// The pool until it has ended, and callbacks that run.
    pub(crate) tally: Arc<Tally>,
    /// Admits the long steps of conversations, of all pools of the node.
    pub(crate) heavy: Arc<Semaphore>,
    pub(crate) asks: Asks,
    /// The labels as they are; held while they change.
    labels: Mutex<Labels>,
    pub(crate) scope: Scope,
    life: Mutex<Life>,
    /// What went wrong, if the driver panicked.
    defect: OnceLock<String>,
    /// What the driver had counted when it was last asked, or ended.
    remembered: Mutex<Driven>,
}

enum Life {
    /// Not yet started: what the driver will own.
    Registered(Box<Parked>),
    /// The runtime goes with the life: it has descriptors, and handles of pools are kept.
    Running(Handle),
    Ended,
}

struct Parked {
    port: PoolPort,
    control: UnboundedReceiver<Input>,
    /// What was published before the start.
    changes: Vec<Change>,
    /// The farewell is still owed: whoever waits for the end waits for it, too.
    running: Running,
}

impl Shared {
    /// Registers the pool at the port; on an error nothing has changed.
    pub(crate) fn register(
        node: &Arc<Node>,
        config: CheckedPool,
        asks: Asks,
        delegate: Option<Arc<dyn Delegate>>,
    ) -> Result<Arc<Self>, Error> {
        let id = config.config().id;
        // No bound of its own: a command has a thread or a `Call` of the application that waits for
        // it, a broadcast has room in the `Intake`, a verdict was a message in the queue of the
        // application, and a conversation, of which there are at most INBOUND_MAX and those that the
        // machine opened, carries one message.
        let (inputs, control) = unbounded_channel();
        let tally = Arc::<Tally>::default();
        let place = Place { node: node.number, pool: id };
        let scope = node.log.scope.of_pool(&node.identity.name, id);
        let courier = Courier::new(
            delegate,
            scope.clone(),
            config.config().message_queue_depth,
            place,
            node.clock,
            inputs.clone(),
            Arc::clone(&tally),
        );
        let identity = node.identity_in(config.config());
        let PoolConfig { framing, handoff_queue_depth, .. } = config.config();
        let other = config.other_framing();
        let port =
            node.port.add_pool_with(id, framing.clone(), other, *handoff_queue_depth).map_err(from_net)?;
        let labels = Mutex::new(config.config().labels());
        let port_counters = Arc::clone(&port.counters);
        let parked = Parked { port, control, changes: Vec::new(), running: tally.enter() };
        Ok(Arc::new(Self {
            config,
            identity,
            clock: node.clock,
            place,
            inputs,
            view: ArcSwap::default(),
            broadcast_limit: AtomicUsize::new(0),
            intake: Intake::default(),
            counters: Arc::clone(&courier.counters),
            courier,
            port: Arc::clone(&node.port),
            port_counters,
            node: Arc::downgrade(node),
            tally,
            heavy: Arc::clone(&node.heavy),
            asks,
            scope,
            life: Mutex::new(Life::Registered(Box::new(parked))),
            labels,
            defect: OnceLock::new(),
            remembered: Mutex::default(),
        }))
    }

    pub(crate) fn id(&self) -> PoolId {
        self.place.pool
    }

    /// Starts the driver with `machine`, unless it was started before.
    pub(crate) fn launch(self: &Arc<Self>, mut machine: Machine, runtime: &Handle) {
        let mut life = self.life.lock();
        if !matches!(*life, Life::Registered(_)) {
            return;
        }
        let Life::Registered(mut parked) = mem::replace(&mut *life, Life::Running(runtime.clone())) else {
            return;
        };
        drop(life);
        // What was published since the machine was made; the rest is in it already.
        for change in parked.changes.drain(..) {
            if let Err(error) = change.apply(&mut machine) {
                self.scope.enter(
                    || warn!(%error, hint = "publish less, see the error", "what was published at the start is left out"),
                );
            }
        }
        self.publish(&machine);
        let _runtime = runtime.enter();
        // In a place of its own: each task that it passes through would otherwise have room for it.
        let driver = Box::new(Driver::new(
            machine,
            Arc::clone(self),
            self.inputs.clone(),
            parked.control,
            parked.port,
            self.port.sender(),
        ));
        runtime.spawn(self.scope.clone().run(Arc::clone(self).supervise(driver, parked.running)));
    }

    fn tell_of_the_start(&self) {
        let config = self.config.config();
        let (addr, is_encrypted) = (self.identity.addr, !config.keyring.is_empty());
        info!(%addr, framing = ?config.framing, encrypted = is_encrypted, "pool started");
        if is_public(addr.ip.ip()) && !(is_encrypted && config.gossip_verify_outgoing) {
            warn!(
                %addr,
                hint = "anyone can read and join; give the pool a keyring or advertise a private address",
                "public address without encryption"
            );
        }
    }

    /// Waits for the end of the driver, and ends what is around it.
    async fn supervise(self: Arc<Self>, driver: Box<Driver>, running: Running) {
        self.tell_of_the_start();
        if let Err(panic) = tokio::spawn(self.scope.clone().run(driver.run())).await
            && panic.is_panic()
        {
            let text = describe(panic);
            let hint =
                "a defect of the library: please report it; shut the pool down and register it anew to go on";
            error!(text, hint, "pool ended by a defect");
            let _ = self.defect.set(text);
        } else {
            info!("pool ended");
        }
        *self.life.lock() = Life::Ended;
        self.port.remove_pool(self.id());
        self.courier.close();
        drop(self);
        drop(running);
    }

    /// Begins the end of the pool, and does not wait for it: commands under way are
    /// answered, and no callback begins any more, soon after.
    pub(crate) fn stop(&self) {
        let mut life = self.life.lock();
        match mem::replace(&mut *life, Life::Ended) {
            Life::Registered(parked) => {
                drop(life);
                self.port.remove_pool(self.id());
                self.courier.close_here();
                drop(parked);
            }
            Life::Running(_) => {
                let _ = self.inputs.send(Input::Stop);
            }
            Life::Ended => {}
        }
    }

    /// Sends something to the driver.
    pub(crate) fn send(&self, input: Input) -> Result<(), Error> {
        self.inputs()?.send(input).map_err(|_| self.closed())
    }

    /// The way to the driver of a running pool; it is closed when the driver ends.
    pub(crate) fn inputs(&self) -> Result<UnboundedSender<Input>, Error> {
        match &*self.life.lock() {
            Life::Registered(_) => Err(Error::NotStarted),
            Life::Running(_) => Ok(self.inputs.clone()),
            Life::Ended => Err(self.closed()),
        }
    }

    /// Keeps what is published before the start; false if this is something else.
    pub(crate) fn park(&self, change: &Change) -> bool {
        let Life::Registered(parked) = &mut *self.life.lock() else { return false };
        if !matches!(change, Change::LocalState(_) | Change::AckPayload(_) | Change::NoTcpPings(_)) {
            return false;
        }
        let same = |parked: &Change| mem::discriminant(parked) == mem::discriminant(change);
        parked.changes.retain(|parked| !same(parked));
        parked.changes.push(change.clone());
        true
    }

    /// Changes the labels: the port learns first what it must accept, then `apply` tells the
    /// machine. If either refuses, nothing has changed.
    pub(crate) fn relabel(
        &self,
        change: impl FnOnce(&mut Labels),
        apply: impl FnOnce(Labels) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let mut held = self.labels.lock();
        let mut labels = held.clone();
        change(&mut labels);
        if labels == *held {
            return Ok(());
        }
        let frame = |labels: &Labels| -> Result<(), Error> {
            let checked = self.config.config().with_labels(labels).check()?;
            let framing = checked.config().framing.clone();
            // Held, so that the pool cannot end and leave its id to another meanwhile.
            let life = self.life.lock();
            if !matches!(*life, Life::Running(_)) {
                return Err(self.closed());
            }
            self.port.set_framing(self.id(), framing, checked.other_framing()).map_err(from_net)
        };
        frame(&labels)?;
        if let Err(error) = apply(labels.clone()) {
            frame(&held)?;
            return Err(error);
        }
        *held = labels;
        Ok(())
    }

    /// The changes that are kept.
    pub(crate) fn parked(&self) -> Vec<Change> {
        match &*self.life.lock() {
            Life::Registered(parked) => parked.changes.clone(),
            Life::Running(_) | Life::Ended => Vec::new(),
        }
    }

    /// Keeps what the driver has counted, for when it is here no more.
    pub(crate) fn remember(&self, driven: Driven) {
        *self.remembered.lock() = driven;
    }

    /// What the driver had counted when it was last asked, or ended; nothing before the start.
    pub(crate) fn remembered(&self) -> Driven {
        self.remembered.lock().clone()
    }

    /// Why the pool takes no commands any more.
    pub(crate) fn closed(&self) -> Error {
        self.defect.get().map_or(Error::Closed, |text| Error::Fatal(text.clone()))
    }

    /// The runtime of a running pool.
    pub(crate) fn runtime(&self) -> Result<Handle, Error> {
        match &*self.life.lock() {
            Life::Registered(_) => Err(Error::NotStarted),
            Life::Running(runtime) => Ok(runtime.clone()),
            Life::Ended => Err(self.closed()),
        }
    }

    /// Shows readers the state of `machine`.
    pub(crate) fn publish(&self, machine: &Machine) {
        self.publish_limit(machine);
        self.view.store(Arc::new(View::of(machine)));
    }

    pub(crate) fn publish_limit(&self, machine: &Machine) {
        self.broadcast_limit.store(machine.broadcast_limit(), Relaxed);
    }
}

fn describe(panic: JoinError) -> String {
    let payload = panic.into_panic();
    let text = payload.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| payload.downcast_ref::<String>().cloned()).unwrap_or_else(|| "a task panicked".to_owned())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::mux::prefix::Framing;
    use crate::runtime::config::Config;
    use crate::runtime::gossip::Gossip;

    const PATIENCE: Duration = Duration::from_secs(30);

    fn labelled(id: u8, label: &'static str) -> PoolConfig {
        PoolConfig { framing: Framing::Label(label.into()), ..PoolConfig::local(id) }
    }

    #[test]
    fn a_pool_that_has_ended_leaves_the_labels_of_its_successor_alone() {
        let config = Config {
            name: "a".into(),
            bind_addr: vec![[127, 0, 0, 1].into()],
            bind_port: 0,
            ..Config::default()
        };
        let node = Gossip::new(config).unwrap();
        node.start().unwrap();
        let ended = node.register_pool(labelled(1, "x"), None).unwrap();
        ended.shutdown(PATIENCE).unwrap();
        let _successor = node.register_pool(labelled(1, "y"), None).unwrap();

        let error = ended.0.relabel(|labels| labels.own = "z".into(), |_| Err(Error::Closed)).unwrap_err();

        assert!(matches!(error, Error::Closed), "{error}");
        node.register_pool(labelled(2, "y"), None).expect_err("its label is still taken");
    }

    #[test]
    fn a_pool_that_a_panic_has_ended_says_so_until_it_is_registered_anew() {
        let config = Config {
            name: "a".into(),
            bind_addr: vec![[127, 0, 0, 1].into()],
            bind_port: 0,
            ..Config::default()
        };
        let node = Gossip::new(config).unwrap();
        node.start().unwrap();
        let pool = node.register_pool(labelled(1, "x"), None).unwrap();
        pool.0.stop();
        pool.shutdown(PATIENCE).unwrap();
        pool.0.defect.set("as a test".to_owned()).unwrap();

        let error = pool.broadcast(&b"x"[..], Duration::ZERO).unwrap_err();

        assert!(matches!(&error, Error::Fatal(text) if text == "as a test"), "{error}");
        node.register_pool(labelled(1, "x"), None).unwrap();
    }
}
