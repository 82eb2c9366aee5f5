//! Gossip pools and application protocols on one port.
//!
//! A [`Gossip`] node owns one port number, TCP and UDP. On it run up to 256 independent
//! gossip [`Pool`]s, each a full HashiCorp-memberlist node (SWIM and Lifeguard, byte for
//! byte), and beside them the program's own protocols, as ordinary sockets: a
//! [`Listener`] for each two-byte id or longer prefix, one for everything that is neither
//! gossip nor any of these, and [`Packets`] for datagrams.
//!
//! ```
//! use gossip_core::{Config, Gossip, PoolConfig};
//! use std::time::Duration;
//!
//! # fn main() -> Result<(), gossip_core::Error> {
//! let loopback = "127.0.0.1".parse().unwrap();
//! let config = Config { name: "a".into(), bind_addr: vec![loopback], bind_port: 0, ..Config::default() };
//! let node = Gossip::new(config)?;
//! let pool = node.register_pool(PoolConfig::local(1), None)?;
//! node.start()?;
//! for member in pool.members().iter() {
//!     println!("{member} is {}", member.state);
//! }
//! node.shutdown(Duration::from_secs(5))?;
//! # Ok(())
//! # }
//! ```
//!
//! # The way in
//!
//! The guide, `docs/guide.md`, goes from here to a service in a real cluster, by examples
//! that are tested with this crate; `docs/differences.md` is for those who know Go's
//! memberlist or `euforia/gossip`. Everything that an application needs stands at the root
//! of the crate:
//!
//! | to | see |
//! | --- | --- |
//! | open a port | [`Gossip`], [`Config`], [`Sockets`] |
//! | know the others | [`Pool`], [`PoolConfig`], [`Framing`], [`View`], [`Member`], [`State`] |
//! | be told | [`Delegate`], or [`Events`] and [`Event`] |
//! | keep strangers out | [`Key`], [`Keyring`], [`parse_cidrs`] |
//! | serve and call | [`Listener`], [`ListenerName`], [`ListenerId`], [`dial`](fn@dial), [`Packets`] |
//! | not block a thread | [`Pool::call`], [`Request`], and the `readiness` of every queue |
//! | watch | [`PoolStats`], [`PortStats`], [`Gossip::metrics`], [`Gossip::set_log`] |
//! | know what went wrong | [`Error`], [`WaitError`] |
//!
//! # Logs
//!
//! Everything is logged through `tracing`, in spans that name node and pool: a subscriber
//! installed before the node is made hears it all. A node may have a sink of its own instead
//! ([`Gossip::set_log`]). Warnings come at most once a minute for each pool and reason, with a
//! `hint` that says what to do; `docs/logging.md` lists them.
//!
//! # A map of the code
//!
//! Folders are floors: each imports only the ones below it (`tests/layers.rs` holds it to
//! that). Below `net` there is no socket, clock, thread or global, and the build without
//! default features proves it.
//!
//! | floor | folder | holds |
//! | --- | --- | --- |
//! | 6 | `runtime` | the handles that users hold; tasks and threads over the machines |
//! | 6 | `sim` (feature `sim`) | a virtual world over the same machines, from one seed |
//! | 5 | `net` | sockets: bind, accept, sniff, listeners, datagrams, dial |
//! | 4 | [`pool`] | the sans-I/O machines of one pool, and the law of driving them |
//! | 3 | [`swim`] | membership rules on typed messages |
//! | 2 | [`mux`] | which first bytes belong to whom |
//! | 1 | [`wire`] | bytes to typed messages and back, encryption, compression |
//! | 0 | [`base`] | time, randomness, ids, names, addresses |
//!
//! Five pages show the way: this map, the law in [`pool`], the algorithm in [`swim`], the
//! onion in [`wire`], the tasks in `runtime`.

#![forbid(unsafe_code)]

pub mod base;
pub mod mux;
pub mod pool;
pub mod swim;
pub mod wire;

#[cfg(feature = "net")]
pub mod net;
#[cfg(feature = "net")]
pub mod runtime;

#[cfg(feature = "sim")]
pub mod sim;

pub use base::addr::Target;
pub use base::config_error::ConfigError;
pub use base::ids::{ListenerId, PoolId};
pub use base::name::NodeName;
pub use base::networks::{InvalidNetworks, parse_cidrs};
pub use base::time::Time;
pub use mux::listener::ListenerName;
pub use mux::prefix::Framing;
pub use pool::action::{Asks, Delivery, Notice, Origin, Question, Reply, UserMessage};
pub use pool::config::{BroadcastMode, PoolConfig};
pub use pool::diagnosis::{Check, CheckKind, CheckResult, Diagnosis, Finding};
pub use pool::error::CommandError;
pub use pool::exchange::{Broken, ExchangeError, Refusal, Verdict};
pub use pool::migration::{
    Migrated, Migration, MigrationKind, MigrationOptions, MigrationProgress, MigrationReport, Missing,
    RemoteMigration, Step, StepRefusal, Trouble,
};
pub use swim::evidence::{ProbeEnd, StreamPing};
pub use swim::explanation::{Acked, Explanation, PathState, Refutations, UnansweredProbe};
pub use swim::node::{Member, Node, State, Versions};
pub use wire::keyring::{Key, Keyring, KeyringError};

#[cfg(feature = "net")]
pub use net::{
    error::{NetError, WaitError},
    inherited::Sockets,
    listener::{ListenOptions, Listener},
    owners::Datagram,
    packets::Packets,
    queue::QueueStats,
    stats::PortStats,
};
#[cfg(feature = "net")]
pub use runtime::{
    answer::Answer,
    call::{Call, Request, Response},
    config::Config,
    delegate::Delegate,
    dial::dial,
    error::{Error, SeedError},
    events::{Event, Events, Source},
    gossip::Gossip,
    log::{LogLevel, LogSink, LogStats, Record},
    pool::{Joined, Pool, PoolStats},
    view::View,
};

/// The examples of the guide.
#[cfg(all(doctest, feature = "net"))]
#[doc = include_str!("../../docs/guide.md")]
pub struct Guide;

/// The example of the README.
#[cfg(all(doctest, feature = "net"))]
#[doc = include_str!("../../README.md")]
pub struct Readme;
