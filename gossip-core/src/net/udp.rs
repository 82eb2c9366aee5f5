//! Datagrams in and out: the receive loop waits for nobody, and so does sending.

use std::convert::Infallible;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::task::Waker;

use arc_swap::ArcSwap;
use memmap2::MmapMut;
use parking_lot::Mutex;
use socket2::SockRef;
use tracing::trace;

use super::backoff::Backoff;
use super::bind::unmapped;
use super::clock::Clock;
use super::error::NetError;
use super::inherited::addrs_of;
use super::owners::{Datagram, Owners, PacketInbox, PoolInbox, Table};
use super::queue::Refused;
use super::readable::readable;
use super::stats::Counters;
use crate::base::ids::PoolId;
use crate::base::limit::{Limiter, warn_limited};
use crate::base::time::Time;
use crate::mux::routes::{Owner, Stray, Verdict};

/// Datagrams read before other tasks get their turn.
const PER_TURN: usize = 128;

/// Room for the largest datagram. Mapped for itself: the part which no datagram has filled yet
/// takes no memory.
pub(super) fn scratch() -> std::io::Result<MmapMut> {
    MmapMut::map_anon(1 << 16)
}

/// Who is to hear of what has come in a turn.
#[derive(Debug, Default)]
struct Batch {
    /// The application's datagrams.
    packets: Vec<Datagram>,
    /// The tasks of pools.
    pools: Vec<Waker>,
}

/// Reads the datagrams of one socket and puts each into the queue of its owner.
#[derive(Debug)]
pub(super) struct PacketLoop {
    pub(super) owners: Arc<Owners>,
    pub(super) counters: Arc<Counters>,
    pub(super) clock: Clock,
    /// Of warnings about what is not a pool's.
    pub(super) limiter: Mutex<Limiter>,
}

impl PacketLoop {
    /// Runs until it is dropped.
    pub(super) async fn run(self, socket: Arc<UdpSocket>, mut scratch: MmapMut) {
        let mut batch = Batch::default();
        let mut backoff = Backoff::default();
        loop {
            let Err(error) = self.receive(&socket, &mut scratch, &mut batch, &mut backoff).await;
            self.counters.receive_errors.raise();
            warn_limited!(
                self.limiter.lock(), self.clock.now(), "datagrams cannot be received for a moment",
                hint: "look at the interface and at fs.epoll.max_user_watches", %error
            );
            tokio::time::sleep(backoff.pause()).await;
        }
    }

    /// Handles what comes, until an error.
    ///
    /// While there is always more, the socket is not watched: the system would wake a thread for
    /// each datagram, though this task looks for it anyway.
    async fn receive(
        &self,
        socket: &Arc<UdpSocket>,
        scratch: &mut [u8],
        batch: &mut Batch,
        backoff: &mut Backoff,
    ) -> std::io::Result<Infallible> {
        loop {
            let watched = readable(Arc::clone(socket))?;
            loop {
                let mut ready = watched.readable().await?;
                if self.drain(socket, scratch, batch)? {
                    break;
                }
                ready.clear_ready();
                backoff.reset();
            }
            drop(watched);
            tokio::task::yield_now().await;
            while self.drain(socket, scratch, batch)? {
                tokio::task::yield_now().await;
            }
        }
    }

    /// Handles datagrams until there is no more, or the turn is over: whether there may be more.
    /// Nobody is woken before: a thread that is woken for each costs more than everything else.
    fn drain(&self, socket: &UdpSocket, scratch: &mut [u8], batch: &mut Batch) -> std::io::Result<bool> {
        let table = self.owners.table();
        let mut result = Ok(true);
        for _ in 0..PER_TURN {
            match socket.recv_from(scratch) {
                Ok((len, from)) => {
                    let datagram = scratch.get(..len).unwrap_or_default();
                    self.deliver(&table, datagram, unmapped(from), self.clock.now(), batch);
                }
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {
                    result = Ok(false);
                    break;
                }
                Err(error) => {
                    result = Err(error);
                    break;
                }
            }
        }
        if let (Some(inbox), false) = (&table.packets, batch.packets.is_empty()) {
            self.hand_over(inbox, &mut batch.packets);
        }
        batch.pools.drain(..).for_each(Waker::wake);
        result
    }

    fn deliver(&self, table: &Table, datagram: &[u8], from: SocketAddr, received: Time, batch: &mut Batch) {
        self.counters.packets_received.raise();
        self.counters.bytes_received.add(datagram.len() as u64);
        match table.routes.judge_datagram(datagram) {
            Verdict::Owned { owner: Owner::Pool(id), skip } => {
                let bytes = datagram.get(skip..).unwrap_or_default();
                batch.pools.extend(self.deliver_to_pool(table, id, bytes, from, received));
            }
            Verdict::Stray(Stray::UnknownPool(id)) => {
                trace!(%from, pool = %id, "datagram for an unknown pool");
                self.counters.packets_unknown_pool.raise();
            }
            // Listeners take no datagrams, and a datagram is never undecided.
            _ => match &table.packets {
                Some(inbox) => match inbox.account.copy(datagram, received) {
                    Some(bytes) => batch.packets.push(Datagram { from, received, bytes }),
                    None => {
                        inbox.queue.count_drop();
                        self.counters.packets_no_buffer.raise();
                    }
                },
                None => self.counters.packets_no_receiver.raise(),
            },
        }
    }

    /// Puts a datagram into the queue of a pool; its task, if that is to be woken.
    fn deliver_to_pool(
        &self,
        table: &Table,
        id: PoolId,
        bytes: &[u8],
        from: SocketAddr,
        received: Time,
    ) -> Option<Waker> {
        let Some(inbox) = table.pools.get(&id) else {
            self.counters.packets_unknown_pool.raise();
            return None;
        };
        let PoolInbox { packets, account, counters, limiter, .. } = &**inbox;
        let Some(copy) = account.copy(bytes, received) else {
            counters.packets_no_buffer.raise();
            warn_limited!(
                limiter.lock(), received, "no buffer left, datagrams are dropped",
                hint: "large datagrams come faster than they are handled; see who sends them",
                pool = %id, %from
            );
            self.counters.packets_no_buffer.raise();
            return None;
        };
        match packets.put(Datagram { from, received, bytes: copy }) {
            Ok(waker) => {
                counters.packets_received.raise();
                counters.bytes_received.add(bytes.len() as u64);
                return waker;
            }
            Err(Refused::Full) => {
                counters.packets_dropped.raise();
                self.counters.packets_pool_full.raise();
                warn_limited!(
                    limiter.lock(), received, "inbox full, datagrams are dropped",
                    hint: "the process gets too little cpu, or threads or handoff_queue_depth are too small",
                    pool = %id, %from
                );
            }
            // The pool has ended and is about to be removed.
            Err(Refused::Closed) => self.counters.packets_unknown_pool.raise(),
        }
        None
    }

    /// Gives the application its datagrams; `batch` is empty afterwards.
    fn hand_over(&self, inbox: &PacketInbox, batch: &mut Vec<Datagram>) {
        let refused = inbox.queue.offer_all(batch);
        for Datagram { from, received, .. } in batch.drain(..) {
            match refused {
                Err(Refused::Closed) => self.counters.packets_no_receiver.raise(),
                _ => {
                    self.counters.packets_receiver_full.raise();
                    warn_limited!(
                        self.limiter.lock(), received, "packet receiver full, the application's datagrams are dropped",
                        hint: "take them faster or raise packet_queue", %from
                    );
                }
            }
        }
    }
}

/// Sends datagrams from the shared port. Cheap to clone; works from any thread, before
/// and after the port is started, until it is closed.
#[derive(Debug, Clone)]
pub struct UdpSender {
    /// Empty once the port is closed.
    sockets: Arc<ArcSwap<Vec<Outgoing>>>,
    counters: Arc<Counters>,
}

/// An address to send from.
#[derive(Debug)]
struct Outgoing {
    local: IpAddr,
    /// IPv4 over a socket for IPv6.
    mapped: bool,
    socket: Arc<UdpSocket>,
}

impl UdpSender {
    /// Sends from `sockets`, by descriptors of its own.
    pub(super) fn new(sockets: &[UdpSocket], counters: Arc<Counters>) -> std::io::Result<Self> {
        let mut outgoing = Vec::new();
        for socket in sockets {
            let addrs = addrs_of(&SockRef::from(socket))?;
            let is_ipv6 = addrs.iter().any(SocketAddr::is_ipv6);
            let socket = Arc::new(socket.try_clone()?);
            outgoing.extend(addrs.iter().map(|addr| Outgoing {
                local: addr.ip(),
                mapped: is_ipv6 && addr.is_ipv4(),
                socket: Arc::clone(&socket),
            }));
        }
        Ok(Self { sockets: Arc::new(ArcSwap::from_pointee(outgoing)), counters })
    }

    /// Sends `datagram` from the socket that suits `to` best, now or not at all: what the
    /// operating system has no room for is dropped and counted, as UDP may be anywhere
    /// on its way.
    pub fn try_send_to(&self, datagram: &[u8], to: SocketAddr) -> Result<(), NetError> {
        let to = unmapped(to);
        let sockets = self.sockets.load();
        if sockets.is_empty() {
            return Err(NetError::Closed);
        }
        let Some(Outgoing { socket, mapped, .. }) = best_for(&sockets, to.ip()) else {
            self.counters.send_no_socket.raise();
            return Err(NetError::NoSocket(to));
        };
        match socket.send_to(datagram, if *mapped { remapped(to) } else { to }) {
            Ok(_) => {
                self.counters.packets_sent.raise();
                self.counters.bytes_sent.add(datagram.len() as u64);
                Ok(())
            }
            Err(reason) => {
                match reason.kind() {
                    std::io::ErrorKind::WouldBlock => self.counters.send_would_block.raise(),
                    _ => self.counters.send_errors.raise(),
                }
                Err(NetError::Send { to, reason })
            }
        }
    }

    pub(super) fn close(&self) {
        self.sockets.store(Arc::default());
    }
}

/// An IPv4 address as a socket for IPv6 takes it.
fn remapped(addr: SocketAddr) -> SocketAddr {
    match addr.ip() {
        IpAddr::V4(ip) => SocketAddr::new(ip.to_ipv6_mapped().into(), addr.port()),
        IpAddr::V6(_) => addr,
    }
}

/// The socket from which to send to `to`, the first of the best.
fn best_for(sockets: &[Outgoing], to: IpAddr) -> Option<&Outgoing> {
    let (_, best) = sockets
        .iter()
        .filter_map(|outgoing| Some((fitness(outgoing.local, to)?, outgoing)))
        .reduce(|best, next| if next.0 > best.0 { next } else { best })?;
    Some(best)
}

/// How well a socket bound to `local` suits `to`; `None` if it can't send there.
fn fitness(local: IpAddr, to: IpAddr) -> Option<u32> {
    let common_bits = match (local, to) {
        (IpAddr::V4(local), IpAddr::V4(to)) => (local.to_bits() ^ to.to_bits()).leading_zeros(),
        (IpAddr::V6(local), IpAddr::V6(to)) => (local.to_bits() ^ to.to_bits()).leading_zeros(),
        _ => return None,
    };
    Some(if local == to {
        4000
    } else if local.is_unspecified() {
        // The operating system chooses the source by its routes.
        3000
    } else if local.is_loopback() != to.is_loopback() {
        // Loopback reaches only itself.
        0
    } else {
        // As a source address is chosen among several (RFC 6724, rule 8).
        1000 + common_bits
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_socket_is_chosen_by_family_then_route_then_nearness() {
        let cases = [
            ("any v4 and v6", &["0.0.0.0", "::"][..], "10.1.1.1", Some("0.0.0.0")),
            ("any v4 and v6", &["0.0.0.0", "::"], "2001:db8::1", Some("::")),
            ("other family only", &["10.0.0.1"], "2001:db8::1", None),
            ("loopback stays on loopback", &["10.0.0.1", "127.0.0.1"], "127.0.0.2", Some("127.0.0.1")),
            ("loopback never leaves", &["127.0.0.1", "10.0.0.1"], "192.168.0.1", Some("10.0.0.1")),
            ("the nearer network", &["10.0.0.1", "192.168.0.1"], "192.168.0.9", Some("192.168.0.1")),
            ("the first of equals", &["10.0.0.1", "10.0.0.2"], "192.168.0.9", Some("10.0.0.1")),
        ];

        for (name, local, to, chosen) in cases {
            let to: IpAddr = to.parse().unwrap();
            let local: Vec<IpAddr> = local.iter().map(|ip| ip.parse().unwrap()).collect();
            let best = local
                .iter()
                .filter_map(|ip| Some((fitness(*ip, to)?, ip)))
                .reduce(|best, next| if next.0 > best.0 { next } else { best })
                .map(|(_, ip)| ip.to_string());
            assert_eq!(best.as_deref(), chosen, "{name}");
        }
    }
}
