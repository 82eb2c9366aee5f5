//! The accept loop only accepts; each connection is looked at by a task of its own.

use std::fs::File;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tracing::warn;

use super::backoff::Backoff;
use super::bind::unmapped;
use super::gate::{Full, Gate};
use super::sniff::Sniffer;
use super::stats::Counters;

/// Out of descriptors, the process (`EMFILE`) or the host (`ENFILE`); the same number on every Unix.
const NO_DESCRIPTOR: [i32; 2] = [24, 23];

/// Connections turned away in one go while no descriptor is left.
const SHED: u64 = 64;

/// Accepts the connections of one listening socket.
#[derive(Debug)]
pub(super) struct AcceptLoop {
    pub(super) sniffer: Arc<Sniffer>,
    pub(super) gate: Arc<Gate>,
    pub(super) counters: Arc<Counters>,
    pub(super) spare: Spare,
}

impl AcceptLoop {
    /// Runs until it is dropped, which also ends the looking at connections.
    pub(super) async fn run(mut self, listener: TcpListener) {
        let mut backoff = Backoff::default();
        let mut sniffing = JoinSet::new();
        loop {
            while sniffing.try_join_next().is_some() {}
            match listener.accept().await {
                Ok((stream, peer)) => {
                    backoff.reset();
                    self.admit(&mut sniffing, stream, unmapped(peer));
                }
                // The peer gave up before its turn came.
                Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {
                    self.counters.accept_errors.raise()
                }
                Err(error) => {
                    self.counters.accept_errors.raise();
                    if error.raw_os_error().is_some_and(|code| NO_DESCRIPTOR.contains(&code)) {
                        let turned_away = self.spare.turn_away(&listener).await;
                        self.counters.connections_no_descriptor.add(turned_away);
                    }
                    self.rest(&error, backoff.pause()).await;
                }
            }
        }
    }

    fn admit(&self, sniffing: &mut JoinSet<()>, stream: TcpStream, peer: SocketAddr) {
        self.counters.connections_accepted.raise();
        let pass = match self.gate.enter(peer.ip()) {
            Ok(pass) => pass,
            Err(Full::Everyone) => return self.counters.connections_over_limit.raise(),
            Err(Full::Source) => return self.counters.connections_over_source_limit.raise(),
        };
        let sniffer = Arc::clone(&self.sniffer);
        sniffing.spawn(async move {
            sniffer.admit(stream, peer).await;
            drop(pass);
        });
    }

    /// Lets the trouble pass. An operator hears of it once it has lasted.
    async fn rest(&self, error: &io::Error, pause: Duration) {
        if pause == Backoff::LONGEST {
            warn!(%error, "accepting connections fails");
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
    async fn turn_away(&mut self, listener: &TcpListener) -> u64 {
        let mut turned_away = 0;
        if self.0.take().is_some() {
            while turned_away < SHED && matches!(timeout(Duration::ZERO, listener.accept()).await, Ok(Ok(_)))
            {
                turned_away += 1;
            }
        }
        *self = Self::new();
        turned_away
    }
}
