//! Looking at the first bytes of a connection without eating them, then handing it over.

use std::future::Future;
use std::io::{self, Read};
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use parking_lot::Mutex;
use rustix::net::{RecvFlags, recv};
use tokio::io::Interest;
use tokio::net::TcpStream;
use tokio::sync::mpsc::error::TrySendError;
use tokio::task::coop::{consume_budget, unconstrained};
use tokio::time::timeout;
use tracing::{debug, trace};

use super::clock::Clock;
use super::owners::{Accepted, InboundStream, Owners, PoolInbox};
use super::queue::{Queue, Refused};
use super::stats::Counters;
use crate::base::ids::PoolId;
use crate::base::limit::{Limiter, warn_limited};
use crate::mux::prefix::MAX_LABEL;
use crate::mux::routes::{Owner, Rest, Stray, Verdict};

/// The most that is ever needed to decide: a label header.
const LOOK: usize = 2 + MAX_LABEL;

/// Finds the owner of each new connection.
#[derive(Debug)]
pub(super) struct Sniffer {
    pub(super) owners: Arc<Owners>,
    pub(super) counters: Arc<Counters>,
    /// How long a peer may keep silent before it is taken to wait for us to speak.
    pub(super) patience: Duration,
    pub(super) clock: Clock,
    pub(super) limiter: Mutex<Limiter>,
}

impl Sniffer {
    /// Hands over a connection whose owner shows in what has come already, as it mostly does when
    /// many come at once: without a task, a timer, or the runtime knowing of it. Gives back another.
    pub(super) fn admit_at_once(&self, connection: Accepted) -> Option<Accepted> {
        let mut first = [0; LOOK];
        let peer = connection.peer;
        let settled = match recv(&connection.stream, &mut first, RecvFlags::PEEK | RecvFlags::DONTWAIT) {
            Ok((0, _)) => self.settle_ended(),
            Ok((seen, _)) => match self.judge(first.get(..seen).unwrap_or_default(), Rest::Coming) {
                None => return Some(connection),
                Some(decided) => match connection.stream.take_error() {
                    Ok(None) => self.settle(connection, decided),
                    Ok(Some(broken)) | Err(broken) => Err(broken),
                },
            },
            Err(error) if no_bytes(error.into()).is_ok() => return Some(connection),
            Err(error) => Err(error.into()),
        };
        self.note_broken(settled, peer);
        None
    }

    /// Watches a connection until its owner is known, and hands it over.
    pub(super) async fn admit(&self, connection: Accepted) {
        let peer = connection.peer;
        let settled = self.watch_and_settle(connection).await;
        self.note_broken(settled, peer);
    }

    async fn watch_and_settle(&self, Accepted { stream, peer }: Accepted) -> io::Result<()> {
        stream.set_nonblocking(true)?;
        let stream = TcpStream::from_std(stream)?;
        let watched = timeout(self.patience, watch(&stream, |seen, rest| self.judge(seen, rest))).await;
        let stream = stream.into_std()?;
        stream.set_nonblocking(false)?;
        match watched {
            Ok(Ok((_, 0))) => self.settle_ended(),
            Ok(decided) => self.settle(Accepted { stream, peer }, decided?),
            Err(_) => {
                let mut first = [0; LOOK];
                let seen = match recv(&stream, &mut first, RecvFlags::PEEK | RecvFlags::DONTWAIT) {
                    Ok((seen, _)) => seen,
                    Err(error) => no_bytes(error.into())?,
                };
                let bytes = first.get(..seen).unwrap_or_default();
                let verdict = self.owners.table().routes.judge_stream(bytes, Rest::Ended);
                self.settle(Accepted { stream, peer }, (verdict, seen))
            }
        }
    }

    /// The owner by the first bytes, and how many these are; `None` while others are possible.
    fn judge(&self, seen: &[u8], rest: Rest) -> Option<(Verdict, usize)> {
        match self.owners.table().routes.judge_stream(seen, rest) {
            Verdict::Undecided => None,
            verdict => Some((verdict, seen.len())),
        }
    }

    fn note_broken(&self, settled: io::Result<()>, peer: SocketAddr) {
        if let Err(error) = settled {
            trace!(%peer, %error, "connection broke before it had an owner");
            self.counters.connections_ended_early.raise();
        }
    }

    /// A port scan, or a health check.
    fn settle_ended(&self) -> io::Result<()> {
        self.counters.connections_ended_early.raise();
        Ok(())
    }

    /// Carries out the verdict about a connection of which `seen` bytes have come.
    fn settle(&self, connection: Accepted, (verdict, seen): (Verdict, usize)) -> io::Result<()> {
        match verdict {
            Verdict::Owned { owner, skip } => return self.hand_over(connection, owner, skip),
            Verdict::Stray(Stray::UnknownPool(id)) => {
                debug!(peer = %connection.peer, pool = %id, "connection for an unknown pool");
                self.counters.connections_unknown_pool.raise();
            }
            _ if seen == 0 => self.counters.connections_silent.raise(),
            _ => self.counters.connections_no_listener.raise(),
        }
        Ok(())
    }

    fn hand_over(&self, mut connection: Accepted, owner: Owner, skip: usize) -> io::Result<()> {
        // They have been seen, and nobody else reads: they come at once and complete.
        connection.stream.read_exact([0; 2].get_mut(..skip).unwrap_or_default())?;
        // On Linux it has them from the socket that it was accepted from.
        #[cfg(not(target_os = "linux"))]
        {
            connection.stream.set_nonblocking(false)?;
            super::bind::set_stream_options(&connection.stream)?;
        }
        let table = self.owners.table();
        match owner {
            Owner::Pool(id) => self.hand_to_pool(id, connection, table.pools.get(&id)),
            Owner::Listener(name) => self.hand_to_application(connection, table.listeners.get(&name)),
            // It takes no connections.
            Owner::Packets => self.hand_to_application(connection, None),
        }
    }

    fn hand_to_pool(
        &self,
        id: PoolId,
        Accepted { stream, peer }: Accepted,
        inbox: Option<&Arc<PoolInbox>>,
    ) -> io::Result<()> {
        let Some(inbox) = inbox else {
            self.counters.connections_unknown_pool.raise();
            return Ok(());
        };
        stream.set_nonblocking(true)?;
        // Registered anew, so that bytes which were looked at count as not yet seen.
        let stream = TcpStream::from_std(stream)?;
        match inbox.streams.try_send(InboundStream { stream, peer }) {
            Ok(()) => inbox.counters.streams_received.raise(),
            Err(TrySendError::Full(_)) => {
                inbox.counters.streams_dropped.raise();
                self.counters.connections_pool_full.raise();
                warn_limited!(
                    inbox.limiter.lock(), self.clock.now(), "too many connections wait for the pool, new ones are closed",
                    hint: "the process gets too little cpu, or someone opens too many", pool = %id, %peer
                );
            }
            Err(TrySendError::Closed(_)) => self.counters.connections_unknown_pool.raise(),
        }
        Ok(())
    }

    fn hand_to_application(
        &self,
        connection: Accepted,
        queue: Option<&Arc<Queue<Accepted>>>,
    ) -> io::Result<()> {
        let peer = connection.peer;
        match queue.map_or(Err(Refused::Closed), |queue| queue.offer(connection)) {
            Ok(()) => {}
            Err(Refused::Full) => {
                self.counters.connections_listener_full.raise();
                warn_limited!(
                    self.limiter.lock(), self.clock.now(), "listener backlog full, connections are closed",
                    hint: "accept faster or raise listener_backlog", %peer
                );
            }
            Err(Refused::Closed) => self.counters.connections_no_listener.raise(),
        }
        Ok(())
    }
}

/// Shows `judge` the first bytes of `stream` whenever there are more of them, until it decides.
///
/// Bytes that stay in the socket keep it readable, so readiness is cleared by hand: the
/// next wake-up is the next segment, or the end.
async fn watch<T>(stream: &TcpStream, mut judge: impl FnMut(&[u8], Rest) -> Option<T>) -> io::Result<T> {
    loop {
        // Whatever a socket reports: the runtime's other tasks, and our deadline, get their turn.
        consume_budget().await;
        // Known before the bytes are looked at: all that came before the end is here by then.
        let ended = stream.ready(Interest::READABLE).await?.is_read_closed();
        if ended && let Some(broken) = stream.take_error()? {
            // What came before a reset can still be read, but nobody is there to be answered.
            return Err(broken);
        }
        let look = || {
            let mut first = [0; LOOK];
            let seen = peek(stream, &mut first)?;
            let rest = if ended || seen == 0 { Rest::Ended } else { Rest::Coming };
            judge(first.get(..seen).unwrap_or_default(), rest).ok_or_else(|| io::ErrorKind::WouldBlock.into())
        };
        match stream.try_io(Interest::READABLE, look) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            decided => return decided,
        }
    }
}

/// Copies the first bytes of `stream` and leaves them there: how many, 0 if it ended without
/// any, `WouldBlock` if the runtime knows of none.
fn peek(stream: &TcpStream, first: &mut [u8; LOOK]) -> io::Result<usize> {
    // Outside the task's budget, whose end would look like a lack of bytes.
    let peeking = pin!(unconstrained(stream.peek(first)));
    match peeking.poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(seen) => seen,
        Poll::Pending => Err(io::ErrorKind::WouldBlock.into()),
    }
}

/// Nothing there yet is no error.
fn no_bytes(error: io::Error) -> io::Result<usize> {
    match error.kind() {
        io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted => Ok(0),
        _ => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::io::Write;

    use super::*;

    #[tokio::test]
    async fn a_byte_that_waits_for_the_next_keeps_nobody_busy() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut client = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (server, _) = listener.accept().await.unwrap();
        let looks = Cell::new(Vec::new());
        let judge = |seen: &[u8], _| {
            let mut so_far = looks.take();
            so_far.push(seen.len());
            looks.set(so_far);
            (seen.len() == 2).then_some(())
        };

        client.write_all(b"1").unwrap();
        {
            let mut watching = pin!(watch(&server, judge));
            assert!(timeout(Duration::from_millis(50), &mut watching).await.is_err());
            client.write_all(b"2").unwrap();
            timeout(Duration::from_secs(20), watching).await.expect("the second byte is seen").unwrap();
        }

        // A spinning watch would look thousands of times in between.
        let mut looks = looks.take();
        assert!(looks.len() < 10, "{looks:?}");
        looks.dedup();
        assert_eq!(looks, [1, 2]);
    }
}
