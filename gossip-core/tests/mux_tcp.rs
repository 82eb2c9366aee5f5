//! Connections on a shared port: who gets them, with which bytes, and who can't be stalled.

mod mux_support;

use std::io::{ErrorKind, Read, Write};
use std::net::Shutdown;
use std::thread;
use std::time::Duration;

use bytes::Bytes;
use gossip_core::base::ids::PoolId;
use gossip_core::mux::prefix::Framing;
use gossip_core::net::error::WaitError;
use gossip_core::net::listener::ListenOptions;
use mux_support::{Host, NEVER, PATIENCE, SOON, accept, is_closed, muxed, rest, take, until};

#[test]
fn each_owner_gets_its_connections_without_the_bytes_that_only_named_it() {
    let host = Host::patient();
    let mut prefixed = host.pool(3);
    let mut labelled = host.port.add_pool(PoolId(4), Framing::Label(Bytes::from_static(b"dc1"))).unwrap();
    let mut bare = host.port.add_pool(PoolId(5), Framing::Bare).unwrap();
    let muxed = host.listen(0x0102);
    let native = host.native();

    let _clients = [
        host.connect(b"\xFE\x03pushpull"),
        host.connect(b"\xF4\x03dc1pushpull"),
        host.connect(b"\x06\x83pushpull"),
        host.connect(b"\x01\x02request"),
        host.connect(b"GET / HTTP/1.1"),
    ];

    assert_eq!(&take(&host.stream(&mut prefixed)), b"pushpull");
    assert_eq!(&take(&host.stream(&mut labelled)), b"\xF4\x03dc1pushpull");
    assert_eq!(&take(&host.stream(&mut bare)), b"\x06\x83pushpull");
    assert_eq!(&take(&accept(&muxed)), b"request");
    assert_eq!(&take(&accept(&native)), b"GET / HTTP/1.1");
    assert_eq!(host.port.pool_stats(PoolId(3)).unwrap().streams_received, 1);
}

#[test]
fn silent_clients_delay_nobody() {
    let host = Host::patient();
    let native = host.native();
    let mut pool = host.pool(1);
    let _silent: Vec<_> = (0..20).map(|_| host.connect(b"")).collect();

    let _client = host.connect(b"GET");
    let _peer = host.connect(b"\xFE\x01push");

    assert_eq!(&take(&accept(&native)), b"GET");
    assert_eq!(&take(&host.stream(&mut pool)), b"push");
}

#[test]
fn an_id_split_into_two_segments_is_still_an_id() {
    let host = Host::patient();
    let muxed = host.listen(0x0102);
    let native = host.native();
    let mut client = host.connect(b"\x01");
    // By then the first byte has long been looked at.
    for _ in 0..3 {
        let _other = host.connect(b"GET");
        accept(&native);
    }

    client.write_all(b"\x02rest").unwrap();

    assert_eq!(&take(&accept(&muxed)), b"rest");
}

#[test]
fn a_label_that_comes_byte_by_byte_finds_its_pool() {
    let host = Host::patient();
    let mut pool = host.port.add_pool(PoolId(4), Framing::Label(Bytes::from_static(b"dc1"))).unwrap();
    let mut client = host.connect(b"");

    for byte in b"\xF4\x03dc1push" {
        client.write_all(&[*byte]).unwrap();
        thread::yield_now();
    }

    assert_eq!(&take(&host.stream(&mut pool)), b"\xF4\x03dc1push");
}

#[test]
fn a_single_byte_and_the_end_go_to_the_native_listener() {
    let host = Host::patient();
    let native = host.native();
    let client = host.connect(b"\xFE");

    client.shutdown(Shutdown::Write).unwrap();

    assert_eq!(rest(&accept(&native)), b"\xFE");
}

#[test]
fn a_request_with_its_end_right_behind_it_is_complete() {
    let host = Host::patient();
    let muxed = host.listen(0x0102);
    let client = host.connect(b"\x01\x02all there is");

    client.shutdown(Shutdown::Write).unwrap();

    assert_eq!(rest(&accept(&muxed)), b"all there is");
}

#[test]
fn a_client_that_waits_for_the_server_to_speak_is_native() {
    let host = Host::start_with(|config| config.sniff_timeout = SOON);
    let native = host.native();
    let mut client = host.connect(b"");

    let mut server = accept(&native);
    server.write_all(b"220 welcome").unwrap();
    assert_eq!(&take(&client), b"220 welcome");
    client.write_all(b"\x01\x02").unwrap();

    assert_eq!(&take(&server), b"\x01\x02");
}

#[test]
fn one_byte_and_silence_are_native_with_the_byte() {
    let host = Host::start_with(|config| config.sniff_timeout = SOON);
    let native = host.native();
    let _client = host.connect(b"\xFE");

    assert_eq!(&take(&accept(&native)), b"\xFE");
}

#[test]
fn a_silent_client_is_closed_where_nobody_speaks_first() {
    let host = Host::start_with(|config| config.sniff_timeout = SOON);
    let client = host.connect(b"");

    assert!(is_closed(&client));
    until("silence is counted", || host.port.stats().connections_silent == 1);
}

#[test]
fn a_bare_pool_reads_what_was_awaited_as_a_label_in_vain() {
    let host = Host::start_with(|config| config.sniff_timeout = SOON);
    let _labelled = host.port.add_pool(PoolId(4), Framing::Label(Bytes::from_static(b"dc1"))).unwrap();
    let mut bare = host.port.add_pool(PoolId(5), Framing::Bare).unwrap();
    let _client = host.connect(b"\xF4\x03d");

    let streams =
        async { tokio::time::timeout(PATIENCE, bare.streams.recv()).await.unwrap().unwrap().stream };
    let first = host.runtime.block_on(async {
        let mut stream = streams.await;
        let mut first = [0; 3];
        let read = tokio::io::AsyncReadExt::read_exact(&mut stream, &mut first);
        tokio::time::timeout(PATIENCE, read).await.expect("the bytes are seen").unwrap();
        first
    });

    assert_eq!(&first, b"\xF4\x03d");
}

#[test]
fn t1_a_port_scan_is_closed_quietly() {
    let host = Host::patient();
    let native = host.native();

    drop(host.connect(b""));

    until("the scan is counted", || host.port.stats().connections_ended_early == 1);
    assert_eq!(native.stats().accepted, 0);
}

#[test]
fn strays_are_closed_and_counted() {
    let host = Host::patient();
    let _other = host.pool(1);

    assert!(is_closed(&host.connect(b"\xFE\x02push")));
    assert!(is_closed(&host.connect(b"GET")));

    until("the strays are counted", || {
        let stats = host.port.stats();
        (stats.connections_unknown_pool, stats.connections_no_listener) == (1, 1)
    });
}

#[test]
fn a_listener_nobody_accepts_from_stalls_nobody_else() {
    let host = Host::start_with(|config| config.listener_backlog = 2);
    let stalled = host.listen(0x0102);
    let muxed = host.listen(0x0103);
    let mut pool = host.pool(1);

    let clients: Vec<_> = (0..5).map(|_| host.connect(b"\x01\x02")).collect();
    until("the backlog is full", || stalled.stats().dropped == 3);
    let _others = [host.connect(b"\x01\x03hello"), host.connect(b"\xFE\x01push")];

    assert_eq!(&take(&accept(&muxed)), b"hello");
    assert_eq!(&take(&host.stream(&mut pool)), b"push");
    assert_eq!((stalled.stats().accepted, stalled.stats().pending), (2, 2));
    assert_eq!(host.port.stats().connections_listener_full, 3);
    drop(stalled);
    assert!(clients.iter().all(is_closed), "refused at once, or with the listener");
}

#[test]
fn a_pool_that_takes_no_connections_stalls_nobody_else() {
    let host = Host::patient();
    let _stalled = host.pool(1);
    let native = host.native();

    let mut clients = Vec::new();
    for count in 1..=130 {
        clients.push(host.connect(b"\xFE\x01push"));
        until("it is classified", || {
            let stats = host.port.pool_stats(PoolId(1)).unwrap();
            stats.streams_received + stats.streams_dropped == count
        });
    }
    let _client = host.connect(b"GET");

    assert_eq!(&take(&accept(&native)), b"GET");
    assert_eq!(host.port.stats().connections_pool_full, 2);
    assert!(is_closed(&clients[129]));
}

#[test]
fn connections_being_looked_at_are_limited_by_source_and_in_all() {
    let by_source = Host::start_with(|config| {
        config.sniff_timeout = NEVER;
        config.max_sniffing_per_source = 2;
    });
    let in_all = Host::start_with(|config| {
        config.sniff_timeout = NEVER;
        config.max_sniffing = 2;
    });

    for host in [&by_source, &in_all] {
        let native = host.native();
        let _awaits_a_second_byte = host.listen(0x0102);
        let mut first = host.connect(b"\x01");
        let _second = host.connect(b"");
        until("both are inside", || host.port.stats().connections_accepted == 2);
        assert!(is_closed(&host.connect(b"")), "the third is closed");

        first.write_all(b"ET").unwrap();
        assert_eq!(&take(&accept(&native)), b"\x01ET");
        until("there is room again", || {
            let _client = host.connect(b"GET");
            native.accept(Some(Duration::from_millis(100))).is_ok()
        });
    }
    assert!(by_source.port.stats().connections_over_source_limit >= 1);
    assert!(in_all.port.stats().connections_over_limit >= 1);
}

#[test]
fn closing_a_listener_wakes_who_waits_and_closes_what_waits() {
    let host = Host::patient();
    let listener = host.listen(0x0102);
    let waiting: Vec<_> = (0..3).map(|_| listener.clone()).collect();
    let threads: Vec<_> =
        waiting.into_iter().map(|l| thread::spawn(move || l.accept(None).map(drop))).collect();
    let other = host.listen(0x0103);
    let client = host.connect(b"\x01\x03");
    until("it waits to be accepted", || other.stats().pending == 1);

    listener.close();
    other.close();

    for waiter in threads {
        assert_eq!(waiter.join().unwrap(), Err(WaitError::Closed));
    }
    assert!(is_closed(&client));
    assert_eq!(listener.accept(Some(PATIENCE)).map(drop), Err(WaitError::Closed));
}

#[test]
fn a_closed_id_can_be_used_again_and_its_old_owner_keeps_off() {
    let host = Host::patient();
    let old = host.listen(0x0102);
    let old_native = host.native();
    old.close();
    old_native.close();

    let new = host.listen(0x0102);
    let new_native = host.native();
    drop((old, old_native));
    let _clients = [host.connect(b"\x01\x02again"), host.connect(b"GET")];

    assert_eq!(&take(&accept(&new)), b"again");
    assert_eq!(&take(&accept(&new_native)), b"GET");
}

#[test]
fn the_last_handle_closes_the_listener() {
    let host = Host::patient();
    let first = host.listen(0x0102);
    let second = first.clone();

    drop(first);
    let _client = host.connect(b"\x01\x02");
    accept(&second);
    drop(second);

    assert!(host.port.listen(muxed(0x0102), ListenOptions::default()).is_ok());
}

#[test]
fn accept_gives_up_in_time() {
    let host = Host::patient();
    let listener = host.listen(0x0102);

    assert_eq!(listener.accept(Some(Duration::ZERO)).map(drop), Err(WaitError::Timeout));
}

#[test]
fn an_accepted_connection_is_an_ordinary_blocking_socket() {
    let host = Host::patient();
    let native = host.native();
    let muxed = host.listen(0x0102);
    let mut clients = [host.connect(b"na"), host.connect(b"\x01\x02")];

    for (server, client) in [accept(&native), accept(&muxed)].iter_mut().zip(&mut clients) {
        assert!(server.nodelay().unwrap());
        assert_flags(server);
        client.write_all(b"!").unwrap();
        // The low-water mark is one: a single byte wakes a reader that waits.
        let mut last = 0;
        while last != b'!' {
            last = take::<1>(server)[0];
        }
        server.set_read_timeout(Some(Duration::from_millis(1))).unwrap();
        assert!(matches!(
            server.read(&mut [0]).unwrap_err().kind(),
            ErrorKind::WouldBlock | ErrorKind::TimedOut
        ));
        server.write_all(b"?").unwrap();
        assert_eq!(&take(client), b"?");
    }
}

/// Close-on-exec is set, non-blocking is not.
#[cfg(target_os = "linux")]
fn assert_flags(socket: &impl std::os::fd::AsRawFd) {
    const NON_BLOCKING: u32 = 0o4000;
    const CLOSE_ON_EXEC: u32 = 0o2_000_000;

    let text = std::fs::read_to_string(format!("/proc/self/fdinfo/{}", socket.as_raw_fd())).unwrap();
    let flags = text.lines().find_map(|line| line.strip_prefix("flags:")).unwrap().trim();
    let flags = u32::from_str_radix(flags, 8).unwrap();
    assert_eq!(flags & (NON_BLOCKING | CLOSE_ON_EXEC), CLOSE_ON_EXEC, "{flags:o}");
}

#[cfg(not(target_os = "linux"))]
fn assert_flags(_: &impl std::os::fd::AsRawFd) {}
