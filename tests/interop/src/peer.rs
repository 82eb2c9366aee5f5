//! A Go peer as tests see it: what to tell it, what to wait for.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use crate::DEADLINE;
use crate::event::{Event, Member};
use crate::launch::hex;
use crate::process::Process;

/// A handle to one gossip member inside a Go program. Copies of it share the program.
///
/// In an `euforia/gossip` node take [`pool`](Self::pool) first for all that
/// concerns one pool.
#[derive(Clone)]
pub struct Peer {
    process: Arc<Process>,
    addr: SocketAddr,
    version: Arc<str>,
    pool: Option<u8>,
}

impl Peer {
    /// The id of the echo listener of an `euforia/gossip` node: "EC".
    pub const ECHO: u16 = 0x4543;

    #[track_caller]
    pub(crate) fn new(process: Process) -> Self {
        let ready = process
            .inbox
            .wait(DEADLINE, |heard| heard.take(None, |event| matches!(event, Event::Ready { .. })));
        match ready {
            Ok(Event::Ready { addr, version }) => {
                Self { process: Arc::new(process), addr, version: version.into(), pool: None }
            }
            Ok(_) => unreachable!("only this kind is taken"),
            Err(heard) => panic!("{} is not ready: {heard}", process.name),
        }
    }

    /// The member that this program has in one of its pools.
    pub fn pool(&self, id: u8) -> Self {
        Self { pool: Some(id), ..self.clone() }
    }

    /// The peer's name.
    pub fn name(&self) -> &str {
        &self.process.name
    }

    /// Where it can be reached, gossip and all else.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// The release of the Go package it was built with.
    pub fn version(&self) -> &str {
        &self.version
    }
}

/// Commands. Each is done when the call returns, and panics if the peer says it failed.
impl Peer {
    /// Joins through the member at an address.
    #[track_caller]
    pub fn join(&self, addr: SocketAddr) {
        self.command(&format!("join {addr}"));
    }

    /// Leaves and says so; the program runs on.
    #[track_caller]
    pub fn leave(&self) {
        self.command("leave");
    }

    /// Changes the metadata and tells the others.
    #[track_caller]
    pub fn set_meta(&self, meta: &str) {
        self.command(&format!("meta {meta}"));
    }

    /// Changes the state that goes with the next push/pull.
    #[track_caller]
    pub fn set_state(&self, state: &str) {
        self.command(&format!("state {state}"));
    }

    /// Sends a message in a datagram.
    #[track_caller]
    pub fn send(&self, to: &str, text: &str) {
        self.command(&format!("send {to} {text}"));
    }

    /// Sends a message over a stream.
    #[track_caller]
    pub fn send_reliable(&self, to: &str, text: &str) {
        self.command(&format!("reliable {to} {text}"));
    }

    /// Gives a message to gossip: memberlist's transmit-limited queue, or the
    /// pool's own `Broadcast` in an `euforia/gossip` node (which reaches one member).
    #[track_caller]
    pub fn broadcast(&self, text: &str) {
        let command = if self.pool.is_some() { "broadcast" } else { "queue" };
        self.command(&format!("{command} {text}"));
    }

    /// Pings a member and waits for its ack.
    #[track_caller]
    pub fn ping(&self, name: &str) {
        self.command(&format!("ping {name}"));
    }

    /// Adds a key to the keyring.
    #[track_caller]
    pub fn add_key(&self, key: &[u8]) {
        self.command(&format!("key add {}", hex(key)));
    }

    /// Makes a key of the keyring the primary.
    #[track_caller]
    pub fn use_key(&self, key: &[u8]) {
        self.command(&format!("key use {}", hex(key)));
    }

    /// Removes a key from the keyring.
    #[track_caller]
    pub fn remove_key(&self, key: &[u8]) {
        self.command(&format!("key remove {}", hex(key)));
    }

    /// The members that the peer lists right now, itself included.
    #[track_caller]
    pub fn members(&self) -> Vec<Member> {
        self.command("members");
        match self.expect(DEADLINE, |event| matches!(event, Event::Members { .. })) {
            Event::Members { members } => members,
            _ => unreachable!("only this kind is expected"),
        }
    }

    /// memberlist's health score; 0 is healthy.
    #[track_caller]
    pub fn health_score(&self) -> u32 {
        self.command("health");
        match self.expect(DEADLINE, |event| matches!(event, Event::Health { .. })) {
            Event::Health { score } => score,
            _ => unreachable!("only this kind is expected"),
        }
    }

    /// Sends a line to the muxed listener `id` at an address, by the package's
    /// own dialer, and returns the line that comes back (`euforia/gossip` only).
    #[track_caller]
    pub fn dial(&self, addr: SocketAddr, id: u16, line: &str) -> String {
        self.for_answer(&format!("dial {addr} {id} {line}"))
    }

    /// The body of a plain HTTP `GET /` at an address (`euforia/gossip` only).
    #[track_caller]
    pub fn http(&self, addr: SocketAddr) -> String {
        self.for_answer(&format!("http {addr}"))
    }

    /// Gives any command; see `go/peer` for the language.
    #[track_caller]
    pub fn command(&self, line: &str) {
        if let Err(error) = self.try_command(line) {
            panic!("{}: {line}: {error}", self.name());
        }
    }

    /// As [`command`](Self::command), for commands that are meant to fail.
    pub fn try_command(&self, line: &str) -> Result<(), String> {
        match self.pool {
            Some(id) => self.process.command(&format!("{id} {line}")),
            None => self.process.command(line),
        }
    }

    /// Kills the program as a power cut would: nobody is told.
    pub fn kill(&self) {
        self.process.kill();
    }

    #[track_caller]
    fn for_answer(&self, line: &str) -> String {
        self.command(line);
        match self.expect(DEADLINE, |event| matches!(event, Event::Answer { .. })) {
            Event::Answer { data } => data,
            _ => unreachable!("only this kind is expected"),
        }
    }
}

/// Waits. Each panics with all that the peer has told if nothing comes.
impl Peer {
    /// Waits until the peer counts a member among the living.
    #[track_caller]
    pub fn wait_member(&self, name: &str) -> Member {
        self.wait_view(&format!("member {name}"), |_| true, name)
    }

    /// Waits until the peer has this metadata of a member.
    #[track_caller]
    pub fn wait_meta(&self, name: &str, meta: &str) -> Member {
        self.wait_view(&format!("metadata {meta:?} of {name}"), |member| member.meta == meta, name)
    }

    /// Waits until the peer counts a member among the living no more.
    #[track_caller]
    pub fn wait_gone(&self, name: &str) {
        let gone = self.process.inbox.wait(DEADLINE, |heard| match heard.member(self.pool, name) {
            Some(_) => None,
            None => Some(()),
        });
        if let Err(heard) = gone {
            panic!("{}: end of {name}: {heard}", self.name());
        }
    }

    /// Waits for a message.
    #[track_caller]
    pub fn wait_message(&self, text: &str) {
        self.expect(DEADLINE, |event| matches!(event, Event::Msg { data } if data == text));
    }

    /// Waits for a push/pull that brings this state.
    #[track_caller]
    pub fn wait_state(&self, text: &str) {
        self.expect(DEADLINE, |event| matches!(event, Event::State { data, .. } if data == text));
    }

    /// Waits for a probe of a member to be answered with this payload.
    #[track_caller]
    pub fn wait_ack(&self, from: &str, payload: &str) {
        self.expect(
            DEADLINE,
            |event| matches!(event, Event::Ack { name, data } if name == from && data == payload),
        );
    }

    /// Waits for an event, which is then taken: the next call finds another one.
    #[track_caller]
    pub fn expect(&self, within: Duration, mut matches: impl FnMut(&Event) -> bool) -> Event {
        match self.process.inbox.wait(within, |heard| heard.take(self.pool, &mut matches)) {
            Ok(event) => event,
            Err(heard) => panic!("{}: no such event: {heard}", self.name()),
        }
    }

    #[track_caller]
    fn wait_view(&self, what: &str, matches: impl Fn(&Member) -> bool, name: &str) -> Member {
        let found = self
            .process
            .inbox
            .wait(DEADLINE, |heard| heard.member(self.pool, name).filter(|member| matches(member)).cloned());
        found.unwrap_or_else(|heard| panic!("{}: {what}: {heard}", self.name()))
    }
}
