//! A port over sockets that somebody else has bound, and how a service manager passes them.

use std::env;
use std::mem::MaybeUninit;
use std::net::{TcpListener, UdpSocket};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::slice;
use std::{io, process};

use gossip_core::{Gossip, Sockets};

use crate::border::{call, fill_array, give};
use crate::config::gossip_config_t;
use crate::error::{Failure, gossip_error_t};
use crate::handle::Shared;
use crate::listener::gossip_fd_t;
use crate::node::gossip_t;
use crate::signals::Blocked;
use crate::status::Status::{GOSSIP_ERR_CONFIG, GOSSIP_ERR_INVALID_ARG, GOSSIP_ERR_NOT_FOUND};
use crate::status::gossip_status_t;

/// What `gossip_new` does, over sockets that are bound already, so that a service manager
/// can hold the port while the program restarts. Each address needs a TCP socket, which may
/// listen, and a UDP socket, in any order, all with one port number. The keys `bind_addr` and
/// `bind_port` count for nothing. Connections that wait in the sockets are kept.
///
/// Memory: `node` is yours: gossip_free; copies `config`, which may be NULL. On success the
/// descriptors are the library's: they are closed, those of the node are others. On failure
/// they are yours, as they were. Threads: any. Blocks: no.
/// Status: NULL_ARG; INVALID_ARG for descriptors that make no port, with what is wrong;
/// CONFIG, with field, value and rule; ADDR_INVALID, RESOURCE_LIMIT, IO.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn gossip_new_with_sockets(
    config: Option<&gossip_config_t>,
    fds: *const gossip_fd_t,
    len: usize,
    node: Option<&mut MaybeUninit<*mut gossip_t>>,
    err: Option<&mut MaybeUninit<*mut gossip_error_t>>,
) -> gossip_status_t {
    call(err, || {
        let config = config.map(|config| config.config.clone()).unwrap_or_default();
        // SAFETY: the header's rule for arrays.
        let fds = unsafe { descriptors(fds, len) }?;
        let _blocked = Blocked::new();
        give(node, "node", || {
            let (sockets, modes) = duplicate(fds)?;
            let made = Gossip::with_sockets(config, sockets);
            if made.is_err() {
                // The mode is one for all duplicates of a descriptor.
                modes.iter().for_each(|&(fd, mode)| drop(control(fd, libc::F_SETFL, mode)));
            }
            let gossip = made?;
            for &(fd, _) in &modes {
                // SAFETY: the caller has given up the descriptor, and it was open above.
                drop(unsafe { OwnedFd::from_raw_fd(fd) });
            }
            Ok(gossip_t { gossip: Shared::new(gossip) })
        })
    })
}

/// The sockets that systemd passed, as in `sd_listen_fds(3)`: reads `LISTEN_PID` and
/// `LISTEN_FDS`, and makes the descriptors close-on-exec. `unset` 1 removes both variables and
/// `LISTEN_FDNAMES`, so that children do not take them for theirs. `count` receives how many
/// there are, also if the array is too small. On failure nothing has changed.
///
/// Memory: `fds` has room for `cap` descriptors and may be NULL with `cap` 0; they are yours.
/// Threads: before there are others, for it uses the environment. Blocks: no.
/// Status: NULL_ARG, BUFFER_TOO_SMALL; NOT_FOUND if nothing was passed to this process, with
/// the reason; CONFIG if a variable makes no sense, which `gossip_error_field` names.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn gossip_sockets_from_systemd(
    unset: i32,
    fds: *mut gossip_fd_t,
    cap: usize,
    count: Option<&mut MaybeUninit<usize>>,
    err: Option<&mut MaybeUninit<*mut gossip_error_t>>,
) -> gossip_status_t {
    call(err, || {
        let passed = passed()?;
        // SAFETY: the header's rule for buffers.
        unsafe { fill_array(&passed, fds, cap, "fds", count) }?;
        for &fd in &passed {
            control(fd, libc::F_SETFD, libc::FD_CLOEXEC)?;
        }
        if unset != 0 {
            for name in [PID, FDS, "LISTEN_FDNAMES"] {
                // SAFETY: the header demands that no other thread uses the environment.
                unsafe { env::remove_var(name) };
            }
        }
        Ok(())
    })
}

const PID: &str = "LISTEN_PID";
const FDS: &str = "LISTEN_FDS";
/// Where they begin, by systemd's protocol.
const FIRST: gossip_fd_t = 3;

/// The descriptors that the environment promises to this process, all of them open.
fn passed() -> Result<Vec<gossip_fd_t>, Failure> {
    let (pid, count) = (variable(PID)?, variable(FDS)?);
    let own = i64::from(process::id());
    if pid != own {
        let rule = format!("is {pid}, this process is {own}: the sockets are for another one");
        return Err(Failure::argument(GOSSIP_ERR_NOT_FOUND, PID, rule));
    }
    if count == 0 {
        return Err(Failure::argument(GOSSIP_ERR_NOT_FOUND, FDS, "is 0: no socket was passed"));
    }
    let mut fds = Vec::new();
    for number in 0..count {
        let fd = gossip_fd_t::try_from(number).ok().and_then(|number| FIRST.checked_add(number));
        match fd.filter(|&fd| control(fd, libc::F_GETFD, 0).is_ok()) {
            Some(fd) => fds.push(fd),
            None => {
                let rule = format!("is {count}, but descriptor {} is not open", number + i64::from(FIRST));
                return Err(Failure::argument(GOSSIP_ERR_CONFIG, FDS, rule));
            }
        }
    }
    Ok(fds)
}

/// A variable of the environment that is a number and not negative.
fn variable(name: &'static str) -> Result<i64, Failure> {
    let missing = || {
        let rule = "is not set: the program was not started by socket activation";
        Failure::argument(GOSSIP_ERR_NOT_FOUND, name, rule)
    };
    let text = env::var_os(name).ok_or_else(missing)?;
    let text = text.to_string_lossy();
    let wrong = || {
        Failure::argument(
            GOSSIP_ERR_CONFIG,
            name,
            format!("is {text:?}, must be a number that is not negative"),
        )
    };
    text.parse().ok().filter(|number| *number >= 0).ok_or_else(wrong)
}

/// The descriptors at `fds`.
///
/// # Safety
/// `fds` is NULL or holds `len` of them, which live, unchanged, for `'a`.
unsafe fn descriptors<'a>(fds: *const gossip_fd_t, len: usize) -> Result<&'a [gossip_fd_t], Failure> {
    if len == 0 {
        return Ok(&[]);
    }
    if fds.is_null() {
        return Err(Failure::null("fds"));
    }
    // No process has more; far above, the array could not exist.
    if len > 1 << 20 {
        let rule = format!("has {len} descriptors, more than a process can have");
        return Err(Failure::argument(GOSSIP_ERR_INVALID_ARG, "fds", rule));
    }
    // SAFETY: not NULL and not too long, hence by this function's contract readable.
    Ok(unsafe { slice::from_raw_parts(fds, len) })
}

/// Duplicates of the sockets behind `fds`, sorted, and which mode (`F_GETFL`) each is in.
fn duplicate(fds: &[gossip_fd_t]) -> Result<(Sockets, Vec<(gossip_fd_t, i32)>), Failure> {
    let mut sockets = Sockets::default();
    let mut modes = Vec::with_capacity(fds.len());
    for &fd in fds {
        let wrong = |rule: &str| {
            Failure::argument(GOSSIP_ERR_INVALID_ARG, "fds", format!("holds {fd}, which {rule}"))
        };
        let mode = control(fd, libc::F_GETFL, 0).map_err(|_| wrong("is no open descriptor"))?;
        let copy = control(fd, libc::F_DUPFD_CLOEXEC, FIRST)?;
        // SAFETY: it was made just now, and nobody else knows of it.
        let copy = unsafe { OwnedFd::from_raw_fd(copy) };
        match socket_type(&copy).map_err(|_| wrong("is no socket"))? {
            libc::SOCK_STREAM => sockets.tcp.push(TcpListener::from(copy)),
            libc::SOCK_DGRAM => sockets.udp.push(UdpSocket::from(copy)),
            _ => return Err(wrong("is a socket neither for streams nor for datagrams")),
        }
        modes.push((fd, mode));
    }
    Ok((sockets, modes))
}

fn control(fd: gossip_fd_t, command: i32, argument: i32) -> io::Result<i32> {
    // SAFETY: the commands of this file take a number and touch no memory; a number that is
    // no descriptor is an error.
    match unsafe { libc::fcntl(fd, command, argument) } {
        -1 => Err(io::Error::last_os_error()),
        result => Ok(result),
    }
}

fn socket_type(socket: &OwnedFd) -> io::Result<i32> {
    let mut kind = 0;
    let mut len = libc::socklen_t::try_from(size_of::<i32>()).unwrap_or(4);
    // SAFETY: both places are ours and as large as is said.
    let result = unsafe {
        let kind = (&raw mut kind).cast();
        libc::getsockopt(socket.as_raw_fd(), libc::SOL_SOCKET, libc::SO_TYPE, kind, &raw mut len)
    };
    if result == 0 { Ok(kind) } else { Err(io::Error::last_os_error()) }
}
