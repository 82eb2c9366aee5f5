//! Connections that end or break, at every stage: before the first byte, inside of what
//! would name an owner, and when they wait to be accepted. Nobody else notices, and the
//! place that each had while it was looked at comes back.

mod mux_support;

use std::io::{ErrorKind, Read};
use std::net::{Shutdown, TcpStream};
use std::time::Duration;

use bytes::Bytes;
use gossip_core::base::ids::PoolId;
use gossip_core::mux::prefix::Framing;
use gossip_core::net::error::WaitError;
use gossip_core::net::listener::Listener;
use gossip_core::net::port::PoolPort;
use mux_support::{Host, NEVER, accept, rest, take, until};

/// A port with an owner of each kind, which looks at one connection at a time.
struct Owners {
    host: Host,
    prefixed: PoolPort,
    labelled: PoolPort,
    muxed: Listener,
    ssh: Listener,
    native: Listener,
}

fn owners() -> Owners {
    let host = Host::start_with(|config| {
        config.sniff_timeout = NEVER;
        config.max_sniffing = 1;
    });
    Owners {
        prefixed: host.pool(7),
        labelled: host.port.add_pool(PoolId(8), Framing::Label(Bytes::from_static(b"dc1"))).unwrap(),
        muxed: host.listen(0x0102),
        ssh: host.listen_prefix(b"SSH-"),
        native: host.native(),
        host,
    }
}

/// Beginnings that leave an owner undecided, and what they lie inside of.
const UNDECIDED: [(&str, &[u8]); 7] = [
    ("before the first byte", b""),
    ("the mark of a pool", b"\xFE"),
    ("an id", b"\x01"),
    ("a label header, before its length", b"\xF4"),
    ("a label header, before the label", b"\xF4\x03"),
    ("a label", b"\xF4\x03dc"),
    ("a prefix", b"SSH"),
];

impl Owners {
    /// A connection that is being looked at, and the only one.
    fn connect_alone(&self, first: &[u8]) -> TcpStream {
        let before = self.host.port.stats();
        let turned_away = || self.host.port.stats().connections_over_limit - before.connections_over_limit;
        let mut tries = 0;
        // The place of the one before may be given back a moment after its end is counted.
        loop {
            let client = self.host.connect(first);
            tries += 1;
            until("it is let in or turned away", || {
                self.host.port.stats().connections_accepted - before.connections_accepted == tries
            });
            if turned_away() < tries {
                return client;
            }
        }
    }

    /// Nobody has been given a connection that nobody should have.
    fn expect_nothing(&self) {
        for listener in [&self.muxed, &self.ssh, &self.native] {
            assert_eq!(listener.stats().accepted, 0, "{:?}", listener.name());
        }
        for id in [7, 8] {
            assert_eq!(self.host.port.pool_stats(PoolId(id)).unwrap().streams_received, 0);
        }
    }
}

fn reset(stream: TcpStream) {
    socket2::SockRef::from(&stream).set_linger(Some(Duration::ZERO)).unwrap();
}

#[test]
fn a_connection_that_ends_undecided_is_native_with_what_came() {
    let owners = owners();

    for (stage, first) in &UNDECIDED[1..] {
        let client = owners.connect_alone(first);
        client.shutdown(Shutdown::Write).unwrap();
        assert_eq!(rest(&accept(&owners.native)), *first, "{stage}");
    }
    let client = owners.connect_alone(b"");
    client.shutdown(Shutdown::Write).unwrap();
    until("the one without a byte is counted", || owners.host.port.stats().connections_ended_early == 1);
    assert_eq!(owners.native.stats().pending, 0);
}

#[test]
fn a_connection_that_is_reset_undecided_is_nobodys() {
    let owners = owners();

    for ((stage, first), number) in UNDECIDED.iter().zip(1..) {
        reset(owners.connect_alone(first));
        until(stage, || owners.host.port.stats().connections_ended_early == number);
    }

    owners.expect_nothing();
    let _client = owners.connect_alone(b"GET");
    assert_eq!(&take(&accept(&owners.native)), b"GET");
}

#[test]
fn health_checks_are_nobodys() {
    let owners = owners();

    for number in 1..=20 {
        drop(owners.connect_alone(b""));
        until("the check is counted", || owners.host.port.stats().connections_ended_early == number);
    }

    owners.expect_nothing();
}

#[test]
fn a_connection_that_ends_in_the_backlog_is_accepted_and_reads_as_ended() {
    let owners = owners();

    for (listener, first, left) in [
        (&owners.muxed, &b"\x01\x02rest"[..], &b"rest"[..]),
        (&owners.ssh, b"SSH-2", b"SSH-2"),
        (&owners.native, b"GET", b"GET"),
    ] {
        let client = owners.connect_alone(first);
        until("it waits", || listener.stats().pending == 1);
        client.shutdown(Shutdown::Write).unwrap();
        drop(client);
        assert_eq!(rest(&accept(listener)), left);
    }
}

#[test]
fn a_connection_that_is_reset_in_the_backlog_is_accepted_and_reads_as_reset() {
    let mut owners = owners();

    for (listener, first) in
        [(&owners.muxed, &b"\x01\x02rest"[..]), (&owners.ssh, b"SSH-2"), (&owners.native, b"GET")]
    {
        let client = owners.connect_alone(first);
        until("it waits", || listener.stats().pending == 1);
        reset(client);
        let error = accept(listener).read_to_end(&mut Vec::new()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionReset);
        assert_eq!(listener.accept(Some(Duration::ZERO)).map(drop), Err(WaitError::Timeout));
    }
    for (id, first) in [(7, &b"\xFE\x07push"[..]), (8, b"\xF4\x03dc1push")] {
        let client = owners.connect_alone(first);
        until("it waits", || owners.host.port.pool_stats(PoolId(id)).unwrap().streams_received == 1);
        reset(client);
    }
    let (prefixed, labelled) = (&mut owners.prefixed, &mut owners.labelled);
    for pool in [prefixed, labelled] {
        let error = owners.host.stream(pool).read_to_end(&mut Vec::new()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    }
}
