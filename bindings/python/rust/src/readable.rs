//! A bounded queue that looks readable to `select`, `poll` and every event loop while
//! something waits in it.
//!
//! One end of a socket pair is the face that Python sees. A byte lies in it exactly
//! while the queue has something to tell; it is put there and taken away under the
//! queue's lock, so readiness is level-triggered and no wake-up is lost. The pair is
//! `SEQPACKET`, which `ssl` refuses to wrap instead of waiting for ever for a handshake.

use std::collections::VecDeque;
use std::io;
use std::mem::{self, MaybeUninit};
use std::os::fd::{IntoRawFd, RawFd};

use parking_lot::{Condvar, Mutex};
use socket2::{Domain, Socket, Type};

/// The queue is closed, and will bring nothing any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Closed;

/// A queue between one thread of ours that puts, and threads of Python's that take.
pub(crate) struct Readable<T> {
    state: Mutex<State<T>>,
    room: Condvar,
    capacity: usize,
}

struct State<T> {
    items: VecDeque<T>,
    bell: Bell,
    closed: bool,
    /// Someone has been told that the queue is closed.
    closure_told: bool,
    /// Threads between `enter` and `leave`, that may be asleep on the face.
    waiters: usize,
}

impl<T> Readable<T> {
    /// An empty queue for `capacity` items, and the descriptor that shows its readiness,
    /// which belongs to the caller.
    pub(crate) fn new(capacity: usize) -> io::Result<(Self, RawFd)> {
        let (bell, face) = Bell::new()?;
        let state = State { items: VecDeque::new(), bell, closed: false, closure_told: false, waiters: 0 };
        Ok((Self { state: Mutex::new(state), room: Condvar::new(), capacity }, face))
    }

    /// Puts an item in, and waits until no more than `capacity` are left; so nothing is
    /// held back out of sight. A closed queue drops the item.
    pub(crate) fn put(&self, item: T) -> Result<(), Closed> {
        let mut state = self.state.lock();
        if state.closed {
            return Err(Closed);
        }
        state.items.push_back(item);
        state.update_bell();
        while !state.closed && state.items.len() > self.capacity {
            self.room.wait(&mut state);
        }
        if state.closed { Err(Closed) } else { Ok(()) }
    }

    /// Takes the oldest item, if there is one.
    pub(crate) fn take(&self) -> Result<Option<T>, Closed> {
        let mut state = self.state.lock();
        state.refuse_closed()?;
        let item = state.items.pop_front();
        state.update_bell();
        self.room.notify_one();
        Ok(item)
    }

    /// Announces a thread that may sleep on the face until `leave`.
    pub(crate) fn enter(&self) -> Result<(), Closed> {
        let mut state = self.state.lock();
        state.refuse_closed()?;
        state.waiters += 1;
        Ok(())
    }

    /// The thread announced by `enter` sleeps no more.
    pub(crate) fn leave(&self) {
        let mut state = self.state.lock();
        state.waiters = state.waiters.saturating_sub(1);
        state.update_bell();
    }

    /// Drops what waits and wakes everyone.
    pub(crate) fn close(&self) {
        let mut state = self.state.lock();
        state.closed = true;
        let dropped = mem::take(&mut state.items);
        state.update_bell();
        self.room.notify_all();
        drop(state);
        drop(dropped);
    }

    pub(crate) fn len(&self) -> usize {
        self.state.lock().items.len()
    }
}

impl<T> State<T> {
    fn refuse_closed(&mut self) -> Result<(), Closed> {
        if !self.closed {
            return Ok(());
        }
        self.closure_told = true;
        self.update_bell();
        Err(Closed)
    }

    /// A closed queue rings until everyone asleep has woken and someone was told. Then
    /// it is quiet: an event loop that keeps watching must not spin.
    fn update_bell(&mut self) {
        let rings = if self.closed { self.waiters > 0 || !self.closure_told } else { !self.items.is_empty() };
        self.bell.set(rings);
    }
}

/// The socket pair behind a readiness descriptor.
struct Bell {
    button: Socket,
    /// The same socket as the face, to take the byte away again.
    face: Socket,
    rings: bool,
}

impl Bell {
    fn new() -> io::Result<(Self, RawFd)> {
        let (button, face) = Socket::pair(Domain::UNIX, Type::SEQPACKET, None)?;
        button.set_nonblocking(true)?;
        let bell = Self { button, face: face.try_clone()?, rings: false };
        Ok((bell, face.into_raw_fd()))
    }

    fn set(&mut self, rings: bool) {
        if rings == self.rings {
            return;
        }
        // At most one byte is in the pair, so neither call can find it full or empty;
        // and if Python has closed the face, nobody listens.
        let done = if rings {
            self.button.send(&[1]).map(drop)
        } else {
            // Python's `setblocking` works on the same open file.
            self.face
                .set_nonblocking(true)
                .and_then(|()| self.face.recv(&mut [MaybeUninit::uninit()]).map(drop))
        };
        self.rings = if done.is_ok() { rings } else { self.rings };
    }
}
