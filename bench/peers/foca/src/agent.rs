//! One node: a socket, foca, and its timers in one loop.

use std::cell::{Cell, RefCell};
use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashSet};
use std::convert::Infallible;
use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::rc::Rc;

use foca::{
    AccumulatingRuntime, BroadcastHandler, Config, Foca, Identity, Invalidates, PostcardCodec, Timer,
};
use rand::SeedableRng;
use rand::rngs::StdRng;
use serde::{Deserialize, Serialize};
use tokio::net::UdpSocket;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Id {
    addr: SocketAddr,
    start: u32,
}

impl Identity for Id {
    type Addr = SocketAddr;

    fn renew(&self) -> Option<Self> {
        Some(Self { addr: self.addr, start: self.start + 1 })
    }

    fn addr(&self) -> SocketAddr {
        self.addr
    }

    fn win_addr_conflict(&self, other: &Self) -> bool {
        self.start > other.start
    }
}

/// What all nodes together have heard: for each broadcast how many, and when the last did.
pub type Heard = Rc<RefCell<Vec<(usize, Instant)>>>;

pub struct Handler {
    heard: Heard,
    seen: HashSet<u64>,
}

pub struct Key(u64);

impl Invalidates for Key {
    fn invalidates(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}

impl BroadcastHandler<Id> for Handler {
    type Key = Key;
    type Error = Infallible;

    fn receive_item(&mut self, data: &[u8], sender: Option<&Id>) -> Result<Option<Key>, Infallible> {
        let Some(number) = data.first_chunk().map(|bytes| u64::from_be_bytes(*bytes)) else {
            return Ok(None);
        };
        if !self.seen.insert(number) {
            return Ok(None);
        }
        if sender.is_some()
            && let Some(entry) = self.heard.borrow_mut().get_mut(number as usize)
        {
            *entry = (entry.0 + 1, Instant::now());
        }
        Ok(Some(Key(number)))
    }
}

pub enum Command {
    Join(Id),
    Broadcast(Vec<u8>),
}

/// The handle of a node that runs.
pub struct Node {
    pub id: Id,
    pub members: Rc<Cell<usize>>,
    pub commands: mpsc::UnboundedSender<Command>,
}

impl Node {
    /// Starts one of `count` nodes, on the current thread.
    pub async fn start(count: usize, number: usize, heard: Heard) -> std::io::Result<Self> {
        let socket = UdpSocket::bind("127.0.0.1:0").await?;
        let id = Id { addr: socket.local_addr()?, start: 0 };
        let size = NonZeroU32::new(count as u32).unwrap_or(NonZeroU32::MIN);
        let handler = Handler { heard, seen: HashSet::new() };
        let rng = StdRng::seed_from_u64(number as u64);
        let foca =
            Foca::with_custom_broadcast(id.clone(), Config::new_lan(size), rng, PostcardCodec, handler);
        let (commands, inbox) = mpsc::unbounded_channel();
        let members = Rc::new(Cell::new(0));
        tokio::task::spawn_local(serve(foca, socket, inbox, Rc::clone(&members)));
        Ok(Self { id, members, commands })
    }
}

async fn serve(
    mut foca: Foca<Id, PostcardCodec, StdRng, Handler>,
    socket: UdpSocket,
    mut inbox: mpsc::UnboundedReceiver<Command>,
    members: Rc<Cell<usize>>,
) {
    let mut runtime = AccumulatingRuntime::new();
    let mut timers: BinaryHeap<Reverse<(Instant, Timer<Id>)>> = BinaryHeap::new();
    let mut buffer = vec![0; 1500];
    loop {
        let next = timers.peek().map(|Reverse((at, _))| *at);
        // What foca thinks of a datagram that it can't use is its own affair.
        let _ = tokio::select! {
            Ok((len, _)) = socket.recv_from(&mut buffer) => foca.handle_data(&buffer[..len], &mut runtime),
            () = sleep_until(next.unwrap_or_else(Instant::now)), if next.is_some() => match timers.pop() {
                Some(Reverse((_, timer))) => foca.handle_timer(timer, &mut runtime),
                None => Ok(()),
            },
            command = inbox.recv() => match command {
                Some(Command::Join(seed)) => foca.announce(seed, &mut runtime),
                Some(Command::Broadcast(message)) => foca.add_broadcast(&message).map(|_| ()),
                None => return,
            },
        };
        while let Some((to, data)) = runtime.to_send() {
            let _ = socket.try_send_to(&data, to.addr);
        }
        let now = Instant::now();
        while let Some((delay, timer)) = runtime.to_schedule() {
            timers.push(Reverse((now + delay, timer)));
        }
        while runtime.to_notify().is_some() {}
        members.set(foca.num_members() + 1);
    }
}
