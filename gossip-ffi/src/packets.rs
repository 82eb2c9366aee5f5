//! Datagrams of the program's own protocols on the shared port.

use std::ffi::c_void;
use std::mem::MaybeUninit;
use std::os::fd::AsRawFd;

use gossip_core::Packets;

use crate::addr::gossip_addr_t;
use crate::border::{Timeout, bytes, call, copy_out, give, offer, quick, some, value, write};
use crate::error::{Failure, gossip_error_t};
use crate::handle::Shared;
use crate::listener::{gossip_fd_t, offer_stats};
use crate::node::{beside, fill_addrs, gossip_t, node_of};
use crate::status::Status::GOSSIP_ERR_BUFFER_TOO_SMALL;
use crate::status::gossip_status_t;

/// Receives the datagrams that are no gossip, and sends from the shared port.
pub struct gossip_packets_t {
    packets: Shared<Packets>,
}

fn packets_of(packets: Option<&gossip_packets_t>) -> Result<Packets, Failure> {
    some(packets, "packets")?.packets.get()
}

fn packets_to_end(packets: Option<&gossip_packets_t>) -> Result<Packets, Failure> {
    some(packets, "packets")?.packets.get_to_end()
}

/// Receives all datagrams that no pool claims. There is one receiver for a node.
///
/// Memory: `packets` is yours: gossip_packets_free. Threads: any, callbacks too. Blocks: no.
/// Status: NULL_ARG, CLOSED, FORKED; EXISTS if there is one.
#[must_use]
#[unsafe(no_mangle)]
pub extern "C" fn gossip_packets(
    node: Option<&gossip_t>,
    packets: Option<&mut MaybeUninit<*mut gossip_packets_t>>,
    err: Option<&mut MaybeUninit<*mut gossip_error_t>>,
) -> gossip_status_t {
    call(err, || {
        let gossip = node_of(node)?;
        give(packets, "packets", || Ok(gossip_packets_t { packets: beside(node, gossip.packets()?)? }))
    })
}

/// Takes the next datagram: its bytes, its length, its sender. One that does not fit stays
/// for the next call, `len` says how long it is; 65507 bytes fit every one. `from` may be
/// NULL.
///
/// Memory: `buf` has room for `cap` bytes. Threads: any, callbacks too; several may receive
/// at once. Blocks: up to `timeout_ms`.
/// Status: NULL_ARG, FORKED, BUFFER_TOO_SMALL; AGAIN, TIMEOUT; CLOSED after
/// gossip_packets_close or the node's end, also for those who wait.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn gossip_packets_recv(
    packets: Option<&gossip_packets_t>,
    buf: *mut c_void,
    cap: usize,
    len: Option<&mut MaybeUninit<usize>>,
    from: Option<&mut MaybeUninit<gossip_addr_t>>,
    timeout_ms: i32,
) -> gossip_status_t {
    quick(|| {
        let (receiver, timeout) = (packets_of(packets)?, Timeout(timeout_ms));
        if buf.is_null() {
            return Err(Failure::null("buf"));
        }
        let len = some(len, "len")?;
        let packet = match timeout.judge(receiver.recv_up_to(cap, timeout.limit()))? {
            Ok(packet) => packet,
            Err(needed) => {
                len.write(needed);
                let rule = format!("has room for {cap} bytes, {needed} are needed");
                return Err(Failure::argument(GOSSIP_ERR_BUFFER_TOO_SMALL, "buf", rule));
            }
        };
        len.write(packet.bytes.len());
        offer(from, packet.from.into());
        // SAFETY: the header's rule for buffers, and the datagram fits.
        unsafe { copy_out(&packet.bytes, buf.cast(), "buf") }
    })
}

/// Sends a datagram from the shared port. It must not look like gossip: the first byte is
/// not 0xFE.
///
/// Memory: borrows the bytes and `to`. Threads: any, callbacks too. Blocks: no.
/// Status: NULL_ARG, INVALID_ARG, CLOSED, FORKED; RESERVED for a first byte 0xFE, TOO_LARGE
/// above 65507 bytes; AGAIN if the socket has no room, IO.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn gossip_packets_send(
    packets: Option<&gossip_packets_t>,
    to: Option<&gossip_addr_t>,
    data: *const c_void,
    len: usize,
    err: Option<&mut MaybeUninit<*mut gossip_error_t>>,
) -> gossip_status_t {
    call(err, || {
        let (packets, to) = (packets_of(packets)?, some(to, "to")?.socket_addr("to")?);
        // SAFETY: the header's rule for bytes.
        Ok(packets.send_to(unsafe { bytes(data, len, "data") }?, to)?)
    })
}

/// A descriptor for `poll`, `epoll` and every event loop: readable exactly while
/// `gossip_packets_recv` would not wait, also once the receiver is closed. Only watch it: do
/// not read, write or close it. It stays the same; take it out of the loop before freeing the
/// receiver. A datagram that a thread takes which blocks in a receive does not show.
///
/// Memory: `fd` is the library's, and valid until `packets` is freed. Threads: any,
/// callbacks too. Blocks: no.
/// Status: NULL_ARG, FORKED; RESOURCE_LIMIT if it can't be made.
#[unsafe(no_mangle)]
pub extern "C" fn gossip_packets_fd(
    packets: Option<&gossip_packets_t>,
    fd: Option<&mut MaybeUninit<gossip_fd_t>>,
) -> gossip_status_t {
    quick(|| write(fd, "fd", packets_of(packets)?.readiness()?.as_raw_fd()))
}

/// All addresses from which datagrams are sent, with the real port number: one leaves from
/// that which suits its destination best. `count` receives how many there are, also if the
/// array is too small, which then stays as it was.
///
/// Memory: `addrs` has room for `cap` addresses and may be NULL with `cap` 0. Threads: any,
/// callbacks too. Blocks: no.
/// Status: NULL_ARG, FORKED, BUFFER_TOO_SMALL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn gossip_packets_local_addrs(
    packets: Option<&gossip_packets_t>,
    addrs: *mut gossip_addr_t,
    cap: usize,
    count: Option<&mut MaybeUninit<usize>>,
) -> gossip_status_t {
    // SAFETY: the header's rule for buffers.
    quick(|| unsafe { fill_addrs(packets_of(packets)?.local_addrs(), addrs, cap, count) })
}

/// What a receiver has counted: datagrams queued for it, dropped because the queue was full
/// or the receiver closed before they were taken, waiting now, and how many may wait. Each
/// may be NULL.
///
/// Memory: all are written on success. Threads: any, callbacks too. Blocks: no.
/// Status: NULL_ARG, FORKED.
#[unsafe(no_mangle)]
pub extern "C" fn gossip_packets_stats(
    packets: Option<&gossip_packets_t>,
    accepted: Option<&mut MaybeUninit<u64>>,
    dropped: Option<&mut MaybeUninit<u64>>,
    pending: Option<&mut MaybeUninit<u64>>,
    limit: Option<&mut MaybeUninit<u64>>,
) -> gossip_status_t {
    quick(|| {
        offer_stats(&packets_of(packets)?.stats(), [accepted, dropped, pending, limit]);
        Ok(())
    })
}

/// Stops receiving and wakes everyone blocked in `gossip_packets_recv` with CLOSED.
///
/// Memory: `packets` stays valid. Threads: any, callbacks too. Blocks: no.
/// Status: NULL_ARG, FORKED.
#[unsafe(no_mangle)]
pub extern "C" fn gossip_packets_close(packets: Option<&gossip_packets_t>) -> gossip_status_t {
    quick(|| {
        packets_to_end(packets)?.close();
        Ok(())
    })
}

/// Closes and frees a receiver; NULL is fine. No call may be under way: close first, then
/// join the threads that receive.
///
/// Memory: ends `packets`. Threads: any, callbacks too. Blocks: no.
#[unsafe(no_mangle)]
pub extern "C" fn gossip_packets_free(packets: Option<Box<gossip_packets_t>>) {
    value((), || {
        if let Ok(open) = packets_to_end(packets.as_deref()) {
            open.close();
        }
    });
}
