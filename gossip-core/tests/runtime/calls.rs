//! Calls that nobody waits for in a thread: answered as the blocking functions answer, and
//! broken off when they are dropped.

use std::net::{SocketAddr, TcpListener};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use bytes::Bytes;
use gossip_core::base::addr::Target;
use gossip_core::pool::action::Delivery;
use gossip_core::pool::config::PoolConfig;
use gossip_core::pool::error::CommandError;
use gossip_core::runtime::call::{Call, Request, Response};
use gossip_core::runtime::error::Error;
use gossip_core::runtime::pool::Pool;

use super::support::*;

/// What a call brings, at most once.
type Answer = Receiver<Result<Response, Error>>;

fn begin(pool: &Pool, request: Request, timeout: Duration) -> (Call, Answer) {
    let (answer, answers) = channel();
    let call = pool.call(request, timeout, move |result| answer.send(result).unwrap()).unwrap();
    (call, answers)
}

fn call(pool: &Pool, request: Request) -> Result<Response, Error> {
    let (call, answer) = begin(pool, request, PATIENCE);
    let result = answer.recv_timeout(PATIENCE).expect("no answer came");
    drop(call);
    answer.recv().expect_err("a second answer");
    result
}

/// A broadcast that would wait for an hour.
fn broadcast_for_an_hour(pool: &Pool, message: &'static [u8]) -> Result<Response, Error> {
    let request = Request::Broadcast(Bytes::new(), Bytes::from_static(message));
    let (_call, answer) = begin(pool, request, Duration::from_secs(3600));
    answer.recv_timeout(PATIENCE).expect("no answer came")
}

/// An address where connections are taken in and nobody answers, over UDP neither.
fn nobody() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap();
    (listener, addr)
}

/// Requests that last as long as they may, to an address where nobody answers.
fn endless(to: SocketAddr) -> Vec<Request> {
    vec![
        Request::Join(vec![to.to_string()]),
        Request::Ping(to.into()),
        Request::SendReliable(to.into(), Bytes::from(vec![0; 16 << 20])),
        Request::Doctor(to.to_string()),
    ]
}

/// A pool that does nothing of its own accord.
fn idle() -> PoolConfig {
    let off = Duration::ZERO;
    PoolConfig { probe_interval: off, gossip_interval: off, push_pull_interval: off, ..quick(1) }
}

fn under_way(pool: &Pool) -> u64 {
    let stats = pool.stats().unwrap();
    stats.machine.commands_open + stats.machine.exchanges_outbound + stats.streams_outbound
}

#[test]
fn every_request_is_answered_as_its_blocking_function_answers() {
    let ((a, at_a, told_a), (_b, at_b, _)) = (started("a"), started("b"));
    let seed = a.local_addr();

    let Response::Joined(joined) = call(&at_b, Request::Join(vec![seed.to_string()])).unwrap() else {
        panic!()
    };
    assert_eq!(joined.reached, [seed]);
    eventually("a knows b", || names(&at_a) == ["a", "b"]);
    let to_a = || Target::from(&member(&at_b, "a"));
    let Response::Pinged(rtt) = call(&at_b, Request::Ping(to_a())).unwrap() else { panic!() };
    assert!(rtt > Duration::ZERO);
    let text = format!("a/localhost:{}", seed.port());
    let Response::Found(found) = call(&at_b, Request::LookUp(text)).unwrap() else { panic!() };
    assert_eq!((found.name, found.addr), (to_a().name, seed));
    for target in ["a".to_owned(), seed.to_string()] {
        let Response::Examined(found) = call(&at_b, Request::Doctor(target)).unwrap() else { panic!() };
        assert!(found.is_healthy() && found.member.is_some_and(|member| member.name().as_bytes() == b"a"));
    }
    for (request, told) in [
        (Request::SendReliable(to_a(), "by tcp".into()), "stream by tcp"),
        (Request::Broadcast(Bytes::new(), "to all".into()), "datagram to all"),
        (Request::UpdateNode("new".into()), "updated b new"),
        (Request::Leave, "left b"),
    ] {
        let response = call(&at_b, request);
        assert!(
            matches!(response, Ok(Response::Done | Response::Sent(Delivery::Acknowledged))),
            "{response:?}"
        );
        told_a.expect(told);
    }
}

#[test]
fn errors_are_those_of_the_blocking_functions() {
    let (_a, at_a, _) = started("a");
    let (listener, addr) = nobody();
    drop(listener);

    let joined = call(&at_a, Request::Join(vec![addr.to_string()]));
    assert!(matches!(joined, Err(Error::Join(failed)) if failed[0].seed == addr.to_string()));
    let large = call(&at_a, Request::UpdateNode(Bytes::from(vec![0; 513])));
    assert!(matches!(large, Err(Error::Command(CommandError::TooLarge { size: 513, .. }))));
    assert!(matches!(call(&at_a, Request::Join(vec!["a:b:c".into()])), Err(Error::Join(_))));
    let sent = call(&at_a, Request::SendReliable(addr.into(), "x".into()));
    assert!(matches!(sent, Err(Error::Send { to, .. }) if to == addr));
    assert!(matches!(call(&at_a, Request::Doctor("a:b:c".into())), Err(Error::Net(_))));
    let (_call, answer) = begin(&at_a, Request::Ping(addr.into()), Duration::from_millis(10));
    assert!(matches!(answer.recv_timeout(PATIENCE).unwrap(), Err(Error::NoResponse(_))));
}

#[test]
fn a_call_that_is_dropped_is_broken_off_and_leaves_nothing_behind() {
    let (_a, at_a, _) = started_with("a", idle());
    let (_listener, addr) = nobody();

    for request in endless(addr) {
        let (call, answer) = begin(&at_a, request, Duration::from_secs(3600));
        eventually("it is under way", || under_way(&at_a) > 0);

        drop(call);

        assert!(matches!(answer.recv_timeout(PATIENCE).unwrap(), Err(Error::Cancelled)));
        eventually("nothing is left of it", || under_way(&at_a) == 0);
    }
}

#[test]
fn a_doctor_that_is_dropped_makes_room_for_another() {
    let (_a, at_a, _) = started_with("a", idle());
    let (_listener, addr) = nobody();
    let examine = || Request::Doctor(addr.to_string());
    let (call, _answer) = begin(&at_a, examine(), Duration::from_secs(3600));
    eventually("it is under way", || under_way(&at_a) > 0);
    let busy = begin(&at_a, examine(), PATIENCE).1.recv_timeout(PATIENCE).unwrap();
    assert!(matches!(busy, Err(Error::Command(CommandError::DoctorBusy))), "{busy:?}");

    drop(call);
    eventually("nothing is left of it", || under_way(&at_a) == 0);

    let (_call, answer) = begin(&at_a, examine(), Duration::from_millis(200));
    assert!(matches!(answer.recv_timeout(PATIENCE).unwrap(), Ok(Response::Examined(_))));
}

#[test]
fn a_broadcast_that_is_dropped_while_it_waits_for_room_is_never_sent() {
    let broadcast_mode = gossip_core::BroadcastMode::Plain;
    let queue = PoolConfig { broadcast_queue_depth: 1, broadcast_mode, ..idle() };
    let ((a, at_a, _), (_b, at_b, _)) = (started_with("a", queue), started("b"));
    join(&at_b, &a);
    eventually("the queue is full", || {
        matches!(
            at_a.broadcast(b"first", Duration::ZERO),
            Err(Error::Command(CommandError::QueueFull { .. }))
        )
    });
    let waiting = || at_a.stats().unwrap().broadcasters_waiting;
    let (call, answer) =
        begin(&at_a, Request::Broadcast(Bytes::new(), "second".into()), Duration::from_secs(3600));
    eventually("it waits", || waiting() == 1);
    // As many wait as the queue holds, which is one.
    let refused = broadcast_for_an_hour(&at_a, b"third");
    assert!(matches!(refused, Err(Error::Command(CommandError::QueueFull { limit: 1 }))), "{refused:?}");

    drop(call);

    assert!(matches!(answer.recv_timeout(PATIENCE).unwrap(), Err(Error::Cancelled)));
    eventually("nobody waits", || waiting() == 0);
}

#[test]
fn the_end_of_the_pool_or_node_answers_what_is_under_way() {
    for end_node in [false, true] {
        let (a, at_a, _) = started_with("a", idle());
        let (_listener, addr) = nobody();
        let begun: Vec<_> = endless(addr)
            .into_iter()
            .map(|request| begin(&at_a, request, Duration::from_secs(3600)))
            .collect();
        eventually("all are under way", || at_a.stats().unwrap().machine.commands_open == begun.len() as u64);

        if end_node { a.shutdown(PATIENCE) } else { at_a.shutdown(PATIENCE) }.unwrap();

        for (_call, answer) in begun {
            let result = answer.recv_timeout(PATIENCE).unwrap();
            assert!(matches!(result, Err(Error::Closed)), "{result:?}");
        }
        let late = at_a.call(Request::Leave, PATIENCE, |_| panic!("answered"));
        assert!(matches!(late, Err(Error::Closed)));
    }
}

#[test]
fn before_the_start_there_are_no_calls() {
    let a = node("a");
    let pool = a.register_pool(quick(1), None).unwrap();

    let early = pool.call(Request::Leave, PATIENCE, |_| panic!("answered"));

    assert!(matches!(early, Err(Error::NotStarted)));
}
