//! `_core.Sockets`: sockets of Python's on their way to a node.
//!
//! A number is no proof that a descriptor is open and ours to take. So Python passes
//! descriptors as processes do, through a UNIX socket: what comes out are duplicates that
//! nobody else knows of, and no unsafe code is needed.

use std::io::IoSliceMut;
use std::mem::MaybeUninit;
use std::net::{TcpListener, UdpSocket};
use std::os::fd::{AsFd, IntoRawFd, OwnedFd, RawFd};

use gossip_core::net::inherited::Sockets as CoreSockets;
use parking_lot::Mutex;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg};
use socket2::{Domain, Socket, Type};

/// Sockets that a node will take over.
#[pyclass(frozen, module = "gossip._core")]
pub(crate) struct Sockets {
    way: Socket,
    entrance: Mutex<Option<Socket>>,
    taken: Mutex<CoreSockets>,
}

impl Sockets {
    /// What has been taken so far.
    pub(crate) fn collected(&self) -> CoreSockets {
        std::mem::take(&mut *self.taken.lock())
    }
}

#[pymethods]
impl Sockets {
    #[new]
    fn new() -> PyResult<Self> {
        let (way, entrance) = Socket::pair(Domain::UNIX, Type::STREAM, None)?;
        way.set_nonblocking(true)?;
        Ok(Self { way, entrance: Mutex::new(Some(entrance)), taken: Mutex::default() })
    }

    /// The end into which Python puts descriptors, one at a time. It belongs to the caller,
    /// who asks once.
    fn entrance(&self) -> PyResult<RawFd> {
        let entrance = self.entrance.lock().take();
        entrance.map(Socket::into_raw_fd).ok_or_else(|| PyValueError::new_err("it was asked for before"))
    }

    /// Takes out the descriptor that was put in last.
    fn take(&self) -> PyResult<()> {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut ancillary = RecvAncillaryBuffer::new(&mut space);
        let mut byte = [0];
        recvmsg(self.way.as_fd(), &mut [IoSliceMut::new(&mut byte)], &mut ancillary, RecvFlags::empty())
            .map_err(std::io::Error::from)?;
        for message in ancillary.drain() {
            if let RecvAncillaryMessage::ScmRights(descriptors) = message {
                for descriptor in descriptors {
                    self.keep(descriptor)?;
                }
            }
        }
        Ok(())
    }
}

impl Sockets {
    fn keep(&self, descriptor: OwnedFd) -> PyResult<()> {
        let socket = Socket::from(descriptor);
        let mut taken = self.taken.lock();
        match socket.r#type()? {
            Type::STREAM => taken.tcp.push(TcpListener::from(socket)),
            Type::DGRAM => taken.udp.push(UdpSocket::from(socket)),
            _ => return Err(PyValueError::new_err("a socket is neither for streams nor for datagrams")),
        }
        Ok(())
    }
}
