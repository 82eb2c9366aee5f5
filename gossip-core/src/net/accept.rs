//! The accept loop accepts, and hands over what has said already whom it wants; a connection that
//! has not is looked at by a task of its own.

use std::fs::File;
use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::task::JoinSet;
use tokio::time::sleep;
use tracing::debug;

use super::backoff::Backoff;
use super::bind::{set_stream_options, unmapped};
use super::clock::Clock;
use super::gate::{Full, Gate};
use super::owners::Accepted;
use super::readable::readable;
use super::scope::Scope;
use super::sniff::Sniffer;
use super::stats::Counters;
use crate::base::limit::{Limiter, warn_limited};

/// Out of descriptors, the process (`EMFILE`) or the host (`ENFILE`); the same number on every Unix.
const NO_DESCRIPTOR: [i32; 2] = [24, 23];

/// Connections turned away in one go while no descriptor is left.
const SHED: u64 = 64;

/// A listening socket on the runtime. tokio's own makes each connection known to the runtime as it
/// accepts it; most of ours leave for the application at once.
#[derive(Debug)]
pub(super) struct Door(AsyncFd<TcpListener>);

impl Door {
    /// Watches `listener`; called inside the runtime.
    pub(super) fn new(listener: TcpListener) -> io::Result<Self> {
        // On Linux its connections inherit them, which saves four calls for each.
        set_stream_options(&listener)?;
        readable(listener).map(Self)
    }

    async fn accept(&self) -> io::Result<(TcpStream, SocketAddr)> {
        self.0.async_io(Interest::READABLE, |_| self.try_accept()).await
    }

    /// Accepts what waits.
    fn try_accept(&self) -> io::Result<(TcpStream, SocketAddr)> {
        self.0.get_ref().accept()
    }
}

/// Accepts the connections of one listening socket.
#[derive(Debug)]
pub(super) struct AcceptLoop {
    pub(super) sniffer: Arc<Sniffer>,
    pub(super) gate: Arc<Gate>,
    pub(super) counters: Arc<Counters>,
    pub(super) spare: Spare,
    pub(super) scope: Scope,
    pub(super) clock: Clock,
    pub(super) limiter: Limiter,
}

impl AcceptLoop {
    /// Runs until it is dropped, which also ends the looking at connections.
    pub(super) async fn run(mut self, door: Door) {
        let mut backoff = Backoff::default();
        let mut sniffing = JoinSet::new();
        loop {
            while sniffing.try_join_next().is_some() {}
            match door.accept().await {
                Ok((stream, peer)) => {
                    backoff.reset();
                    self.admit(&mut sniffing, Accepted { stream, peer: unmapped(peer) });
                }
                // The peer gave up before its turn came.
                Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {
                    self.counters.accept_errors.raise()
                }
                Err(error) => {
                    self.counters.accept_errors.raise();
                    if error.raw_os_error().is_some_and(|code| NO_DESCRIPTOR.contains(&code)) {
                        let turned_away = self.spare.turn_away(&door);
                        self.counters.connections_no_descriptor.add(turned_away);
                        warn_limited!(
                            self.limiter, self.clock.now(), "no file descriptor left, connections are refused",
                            hint: "raise the limit of open files (ulimit -n, LimitNOFILE) or close what leaks",
                            %error, turned_away
                        );
                    }
                    self.rest(&error, backoff.pause()).await;
                }
            }
        }
    }

    fn admit(&mut self, sniffing: &mut JoinSet<()>, connection: Accepted) {
        self.counters.connections_accepted.raise();
        let Some(connection) = self.sniffer.admit_at_once(connection) else { return };
        let pass = match self.gate.enter(connection.peer.ip()) {
            Ok(pass) => pass,
            Err(full) => return self.turn_down(full, connection.peer),
        };
        let sniffer = Arc::clone(&self.sniffer);
        sniffing.spawn(self.scope.clone().run(async move {
            sniffer.admit(connection).await;
            drop(pass);
        }));
    }

    /// Too many connections have not yet said whom they want.
    fn turn_down(&mut self, full: Full, peer: SocketAddr) {
        let now = self.clock.now();
        match full {
            Full::Everyone => {
                self.counters.connections_over_limit.raise();
                warn_limited!(
                    self.limiter, now, "too many silent connections, new ones are closed",
                    hint: "find out who opens them; raise max_sniffing if they are wanted", %peer
                );
            }
            Full::Source => {
                self.counters.connections_over_source_limit.raise();
                warn_limited!(
                    self.limiter, now, "too many silent connections from one address, new ones are closed",
                    hint: "look at that host; raise max_sniffing_per_source if it is a proxy", %peer
                );
            }
        }
    }

    /// Lets the trouble pass. An operator hears of it once it has lasted.
    async fn rest(&mut self, error: &io::Error, pause: Duration) {
        debug!(%error, "accept");
        if pause == Backoff::LONGEST {
            warn_limited!(
                self.limiter, self.clock.now(), "accepting connections fails",
                hint: "see the error; nobody can join through this node nor exchange state with it", %error
            );
        }
        sleep(pause).await;
    }
}

/// A descriptor kept for the day when none is left: given up for a moment, it lets us
/// accept and close, so that peers learn that they are refused instead of hanging.
#[derive(Debug)]
pub(super) struct Spare(Option<File>);

impl Spare {
    pub(super) fn new() -> Self {
        Self(File::open("/dev/null").ok())
    }

    /// Accepts and closes what waits; how many.
    fn turn_away(&mut self, door: &Door) -> u64 {
        let mut turned_away = 0;
        if self.0.take().is_some() {
            while turned_away < SHED && door.try_accept().is_ok() {
                turned_away += 1;
            }
        }
        *self = Self::new();
        turned_away
    }
}
