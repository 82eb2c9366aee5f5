//! Our nodes beside nodes of the Go package `euforia/gossip`, two pools on each port, with
//! the services that share it; and pools of every framing on one port of ours.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::thread;
use std::time::Duration;

use gossip_core::{Listener, ListenerId, PoolConfig, State, dial};
use gossip_interop::{
    Event, Ours, Peer, Release, bare, know, labelled, meet, memberlist_or_skip, prefixed, seed_or_skip, talk,
};

const PATIENCE: Duration = Duration::from_secs(20);

/// Answers one line on each connection.
fn serve_echo(listener: Listener, name: &'static str) {
    thread::spawn(move || {
        while let Ok((mut stream, _)) = listener.accept(None) {
            let mut line = String::new();
            let read = BufReader::new(&stream).read_line(&mut line);
            if read.is_ok() {
                let _ = write!(stream, "{name}: {line}");
            }
        }
    });
}

/// Answers each HTTP request alike.
fn serve_http(listener: Listener, body: &'static str) {
    thread::spawn(move || {
        while let Ok((mut stream, _)) = listener.accept(None) {
            let mut lines = BufReader::new(&stream).lines();
            while lines.next().is_some_and(|line| line.is_ok_and(|line| !line.is_empty())) {}
            let length = body.len();
            let _ = write!(
                stream,
                "HTTP/1.1 200 OK\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
            );
        }
    });
}

fn answer_to(mut stream: TcpStream, question: &str) -> String {
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(question.as_bytes()).unwrap();
    let mut answer = String::new();
    BufReader::new(stream).read_line(&mut answer).unwrap();
    answer.trim_end().to_owned()
}

#[test]
fn two_pools_of_a_seed_and_of_ours_are_two_clusters() {
    let Some(seed) = seed_or_skip() else { return };
    let one = Ours::start("ours", prefixed(1));
    let two = one.and(prefixed(2));
    let go = seed.peer("go").pools(&[1, 2]).start();

    meet(&one, &go.pool(1));
    go.pool(2).join(two.addr());
    know(&two, &go.pool(2));
    talk(&one, &go.pool(1));
    talk(&go.pool(2), &two);

    one.leave();
    go.pool(1).wait_gone("ours");
    two.wait_member("go");
    go.kill();
    two.wait_end("go", State::Dead);
}

#[test]
fn a_pool_that_only_one_side_has_disturbs_nobody() {
    let Some(seed) = seed_or_skip() else { return };
    let ours = Ours::start("ours", prefixed(1));
    let go = seed.peer("go").pools(&[1, 7]).start();
    meet(&ours, &go.pool(1));

    assert!(go.pool(7).try_command(&format!("join {}", ours.addr())).is_err());

    assert!(ours.node().stats().connections_unknown_pool > 0);
    talk(&ours, &go.pool(1));
}

#[test]
fn services_beside_gossip_answer_each_other() {
    let Some(seed) = seed_or_skip() else { return };
    let ours = Ours::start("ours", prefixed(1));
    serve_echo(ours.node().listen(Peer::ECHO).unwrap(), "ours");
    serve_http(ours.node().listen_tcp().unwrap(), "hello from ours");
    let packets = ours.node().packets().unwrap();
    let go = seed.peer("go").pools(&[1]).start();
    meet(&ours, &go.pool(1));
    let to = go.addr().to_string();

    let muxed = dial(&to, ListenerId::new(Peer::ECHO), PATIENCE).unwrap();
    assert_eq!(answer_to(muxed, "over here\n"), "go: over here");
    let mut native = dial(&to, None, PATIENCE).unwrap();
    native.set_read_timeout(Some(PATIENCE)).unwrap();
    native.write_all(b"GET / HTTP/1.0\r\n\r\n").unwrap();
    let mut page = String::new();
    native.read_to_string(&mut page).unwrap();
    assert!(page.ends_with("hello from go"), "{page}");

    assert_eq!(go.dial(ours.addr(), Peer::ECHO, "over there"), "ours: over there");
    assert_eq!(go.http(ours.addr()), "hello from ours");

    packets.send_to(b"a datagram", go.addr()).unwrap();
    go.expect(PATIENCE, |event| matches!(event, Event::Packet { data, .. } if data == "a datagram"));
    know(&ours, &go.pool(1));
}

#[test]
fn three_framings_on_one_port_are_three_clusters() {
    let (Some(seed), Some(go)) = (seed_or_skip(), memberlist_or_skip(Release::V0_6)) else { return };
    let prefix = Ours::start("ours", prefixed(1));
    let label = prefix.and(PoolConfig { ..labelled("blue") });
    let bare = prefix.and(bare());
    let (seed, blue, stock) = (
        seed.peer("seed").pools(&[1]).start(),
        go.peer("blue").label("blue").start(),
        go.peer("stock").start(),
    );

    meet(&prefix, &seed.pool(1));
    meet(&blue, &label);
    meet(&bare, &stock);
    talk(&prefix, &seed.pool(1));
    talk(&label, &blue);
    talk(&stock, &bare);

    for pool in [&prefix, &label, &bare] {
        assert_eq!(pool.pool().num_members(), 2);
    }
}
