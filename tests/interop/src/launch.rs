//! How a peer is to be started.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::peer::Peer;
use crate::process::Process;

/// The settings of a peer that is about to start. Probing and gossip run at test
/// speed: a peer that was killed is missed in about a second.
#[derive(Clone, Debug)]
#[must_use = "nothing runs before start"]
pub struct Launch {
    program: PathBuf,
    name: String,
    arguments: Vec<String>,
}

impl Launch {
    pub(crate) fn new(program: &Path, name: &str) -> Self {
        Self { program: program.to_owned(), name: name.to_owned(), arguments: Vec::new() }.with("name", name)
    }

    /// The metadata to begin with.
    pub fn meta(self, meta: &str) -> Self {
        self.with("meta", meta)
    }

    /// The state given to others in each push/pull, to begin with.
    pub fn state(self, state: &str) -> Self {
        self.with("state", state)
    }

    /// What rides on the peer's answers to probes.
    pub fn ack(self, payload: &str) -> Self {
        self.with("ack", payload)
    }

    /// memberlist's label. Check [`Release::has_labels`](crate::Release::has_labels) before.
    pub fn label(self, label: &str) -> Self {
        self.with("label", label)
    }

    /// An encryption key; the first one given is the primary.
    pub fn key(self, key: &[u8]) -> Self {
        self.with("key", &hex(key))
    }

    /// With keys: whether clear text is refused, and whether what is sent is encrypted.
    pub fn verify(self, incoming: bool, outgoing: bool) -> Self {
        self.with("verify-incoming", &incoming.to_string()).with("verify-outgoing", &outgoing.to_string())
    }

    /// Whether what is sent is compressed; it is if not told otherwise.
    pub fn compress(self, compress: bool) -> Self {
        self.with("compress", if compress { "true" } else { "false" })
    }

    /// memberlist's LAN preset in place of its local one, under the same test speed.
    pub fn lan(self) -> Self {
        self.with("preset", "lan")
    }

    /// How often a broadcast is sent (`RetransmitMult`); as in the preset if not told otherwise.
    pub fn retransmit(self, mult: u32) -> Self {
        self.with("retransmit", &mult.to_string())
    }

    /// How long the dead are remembered (`GossipToTheDeadTime`); as in the preset if not told otherwise.
    pub fn remember(self, time: Duration) -> Self {
        self.with("remember", &format!("{}ms", time.as_millis()))
    }

    /// The protocol version to speak, 1 to 5; 2 if not told otherwise.
    pub fn protocol(self, version: u8) -> Self {
        self.with("protocol", &version.to_string())
    }

    /// The address to bind to and to advertise; a free port of 127.0.0.1 if not told
    /// otherwise (memberlist only).
    pub fn at(self, addr: SocketAddr) -> Self {
        self.with("bind", &addr.ip().to_string()).with("port", &addr.port().to_string())
    }

    /// The pools of an `euforia/gossip` node; 1 and 2 if not told otherwise.
    pub fn pools(self, ids: &[u8]) -> Self {
        let ids: Vec<String> = ids.iter().map(u8::to_string).collect();
        self.with("pool", &ids.join(","))
    }

    /// The id of the echo listener of an `euforia/gossip` node;
    /// [`ECHO`](Peer::ECHO) if not told otherwise.
    pub fn mux(self, id: u16) -> Self {
        self.with("mux", &id.to_string())
    }

    /// Starts the peer and waits until it is up.
    #[track_caller]
    pub fn start(self) -> Peer {
        Peer::new(Process::start(&self.name, &self.program, &self.arguments))
    }

    fn with(mut self, flag: &str, value: &str) -> Self {
        self.arguments.push(format!("-{flag}={value}"));
        self
    }
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
