//! Sinks that keep what they hear, nodes that log to them, and waiting for conditions.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread::sleep;
use std::time::Duration;

use gossip_core::wire::keyring::Key;
use gossip_core::{Config, Delegate, Gossip, LogLevel, LogSink, Pool, PoolConfig, Record, UserMessage};

pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// Records as they came, and the sink that keeps them.
#[derive(Clone, Default)]
pub(crate) struct Kept(pub(crate) Arc<Mutex<Vec<Record>>>);

impl Kept {
    pub(crate) fn sink(&self) -> LogSink {
        let kept = Arc::clone(&self.0);
        Arc::new(move |record: &Record| kept.lock().unwrap().push(record.clone()))
    }

    pub(crate) fn all(&self) -> Vec<Record> {
        self.0.lock().unwrap().clone()
    }

    pub(crate) fn find(&self, message: &str) -> Vec<Record> {
        self.all().into_iter().filter(|record| record.message.contains(message)).collect()
    }

    /// Waits for a record with this message.
    #[track_caller]
    pub(crate) fn expect(&self, message: &str) -> Record {
        eventually(&format!("{message:?} among {:#?}", self.all()), || !self.find(message).is_empty());
        self.find(message).remove(0)
    }

    /// Waits for a warning, which must say what to do.
    #[track_caller]
    pub(crate) fn expect_warning(&self, message: &str) -> Record {
        let record = self.expect(message);
        assert_eq!(record.level, LogLevel::Warn);
        assert!(record.fields.contains("hint="), "what to do? {record}");
        record
    }
}

#[track_caller]
pub(crate) fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    for _ in 0..PATIENCE.as_millis() / 5 {
        if condition() {
            return;
        }
        sleep(Duration::from_millis(5));
    }
    panic!("waited in vain: {what}");
}

pub(crate) fn loopback(name: &str) -> Config {
    let bind_addr = vec![[127, 0, 0, 1].into()];
    // What any host grants, so that no warning depends on where the test runs.
    Config { name: name.to_owned(), bind_addr, bind_port: 0, udp_recv_buffer: 4096, ..Config::default() }
}

pub(crate) fn quick(id: u8) -> PoolConfig {
    PoolConfig { gossip_interval: Duration::from_millis(20), ..PoolConfig::local(id) }
}

/// A node with a sink, not started.
pub(crate) fn logging(config: Config, level: LogLevel) -> (Gossip, Kept) {
    let (gossip, kept) = (Gossip::new(config).unwrap(), Kept::default());
    gossip.set_log(level, Some(kept.sink())).unwrap();
    (gossip, kept)
}

/// A started node with one pool and a sink.
pub(crate) fn started(name: &str, level: LogLevel) -> (Gossip, Pool, Kept) {
    let (gossip, kept) = logging(loopback(name), level);
    let pool = gossip.register_pool(quick(1), None).unwrap();
    gossip.start().unwrap();
    (gossip, pool, kept)
}

/// Something that is logged at `info` each time.
pub(crate) fn add_key(pool: &Pool) {
    pool.add_key(Key::new(&[7; 16]).unwrap()).unwrap();
}

/// A delegate that waits in `notify_msg` until the other end is dropped.
pub(crate) struct Stuck(Mutex<Receiver<()>>);

impl Stuck {
    pub(crate) fn until_released() -> (Sender<()>, Arc<dyn Delegate>) {
        let (release, stuck) = channel();
        (release, Arc::new(Self(Mutex::new(stuck))))
    }
}

impl Delegate for Stuck {
    fn notify_msg(&self, _: &UserMessage) {
        let _ = self.0.lock().unwrap().recv();
    }
}
