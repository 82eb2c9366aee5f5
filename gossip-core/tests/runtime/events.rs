//! What pools tell and ask, taken from a queue instead of by callbacks.

use std::collections::VecDeque;
use std::net::{TcpStream, UdpSocket};
use std::os::fd::BorrowedFd;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use gossip_core::{
    Answer, Asks, Delegate, Error, Event, Events, Gossip, Notice, Pool, PoolConfig, PoolId, Question, Reply,
    Source, WaitError, dial,
};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::support::*;

/// Probes go on for ever; so many events without the one that a test waits for are in vain.
const IN_VAIN: usize = 100;

/// Takes events until one of them is what a test waits for.
struct Taker {
    queue: Arc<Events>,
    /// Taken and not looked at.
    taken: VecDeque<Event>,
}

impl Taker {
    fn new(queue: &Arc<Events>) -> Self {
        Self { queue: Arc::clone(queue), taken: VecDeque::new() }
    }

    fn next(&mut self) -> Event {
        if self.taken.is_empty() {
            self.taken.extend(self.queue.take(16, Some(PATIENCE)).expect("nothing comes any more"));
        }
        self.taken.pop_front().unwrap()
    }

    /// The next notice that `wanted` likes, and where it comes from; the others are lost.
    fn notice(&mut self, wanted: impl Fn(&Notice) -> bool) -> Source {
        let mut others = Vec::new();
        while others.len() < IN_VAIN {
            match self.next() {
                Event::Told { source, notice } if wanted(&notice) => return source,
                other => others.push(other),
            }
        }
        panic!("no such notice but {others:?}");
    }

    /// The next question that `wanted` likes; others have their default.
    fn question(&mut self, wanted: impl Fn(&Question) -> bool) -> Answer {
        let mut others = Vec::new();
        while others.len() < IN_VAIN {
            match self.next() {
                Event::Asked { question, answer, .. } if wanted(&question) => return answer,
                other => others.push(other),
            }
        }
        panic!("no such question but {others:?}");
    }
}

fn joined(name: &str) -> impl Fn(&Notice) -> bool {
    move |notice| matches!(notice, Notice::Joined(member) if member.name().as_bytes() == name.as_bytes())
}

fn said(text: &str) -> impl Fn(&Notice) -> bool {
    move |notice| matches!(notice, Notice::Message(message) if message.bytes == text.as_bytes())
}

/// A started node with one pool whose questions come from a queue.
fn asking(name: &str, config: PoolConfig, asks: Asks) -> (Gossip, Pool, Taker) {
    let (gossip, events) = (node(name), Events::new(64));
    let pool = gossip.register_pool(config, Some(events.delegate(0, asks))).unwrap();
    gossip.start().unwrap();
    (gossip, pool, Taker::new(&events))
}

/// A pool whose questions stay open for as long as any test runs.
fn patient() -> PoolConfig {
    PoolConfig { query_timeout: PATIENCE, ..quick(1) }
}

/// Joins without waiting for the other side to know.
fn reach(pool: &Pool, seed: &Gossip) -> Result<(), Error> {
    pool.join(&[seed.local_addr().to_string()], PATIENCE).map(|_| ())
}

fn defaulted(pool: &Pool) -> u64 {
    pool.stats().unwrap().questions_defaulted
}

#[test]
fn one_queue_serves_several_pools_of_several_nodes_and_says_which() {
    let events = Events::new(256);
    let (a, b) = (node("a"), node("b"));
    for (gossip, tag) in [(&a, 100), (&b, 200)] {
        let delegate = events.delegate(tag, Asks::default());
        for id in [1, 2] {
            gossip.register_pool(quick(id), Some(Arc::clone(&delegate))).unwrap();
        }
        gossip.start().unwrap();
    }
    let mut taker = Taker::new(&events);

    for pool in b.pools() {
        join(&pool, &a);
        pool.send_reliable(&member(&pool, "a"), b"to a", PATIENCE).unwrap();
        let source = taker.notice(said("to a"));
        assert_eq!((source.tag, source.pool), (100, pool.id()));
    }
    a.pool(PoolId(2)).unwrap().send_reliable(&member(&b.pools()[1], "b"), b"to b", PATIENCE).unwrap();
    let source = taker.notice(said("to b"));

    assert_eq!((source.tag, source.pool), (200, PoolId(2)));
}

#[test]
fn the_end_of_one_pool_is_an_event_and_the_others_go_on() {
    let events = Events::new(256);
    let a = node("a");
    let delegate = events.delegate(0, Asks::default());
    let pools = [1, 2].map(|id| a.register_pool(quick(id), Some(Arc::clone(&delegate))).unwrap());
    a.start().unwrap();
    let mut taker = Taker::new(&events);

    pools[0].shutdown(PATIENCE).unwrap();
    let ended = taker.notice(|notice| matches!(notice, Notice::Ended));
    let (_b, second, _) = started_with("b", quick(2));
    join(&second, &a);
    let source = taker.notice(joined("b"));
    a.shutdown(PATIENCE).unwrap();
    let last = taker.notice(|notice| matches!(notice, Notice::Ended));

    assert_eq!([ended.pool, source.pool, last.pool].map(|pool| pool.0), [1, 2, 2]);
    assert_eq!(events.take(1, Some(Duration::ZERO)).unwrap_err(), WaitError::Timeout);
    events.close();
    assert_eq!(events.take(1, None).unwrap_err(), WaitError::Closed);
}

#[test]
fn a_message_says_its_pool_its_sender_and_how_it_came() {
    let (a, _, mut taker) = asking("a", quick(1), Asks::default());
    let (b, pool_b, _) = started("b");
    join(&pool_b, &a);
    let to = member(&pool_b, "a");
    let mut heard = || loop {
        if let Event::Told { notice: Notice::Message(message), .. } = taker.next() {
            return message;
        }
    };

    pool_b.send_best_effort(&to, b"quick").unwrap();
    let quick = heard();
    pool_b.send_reliable(&to, b"sure", PATIENCE).unwrap();
    let sure = heard();

    assert_eq!((quick.pool, quick.from, quick.reliable), (PoolId(1), b.local_addr(), false));
    assert_eq!((sure.pool, sure.from.ip(), sure.reliable), (PoolId(1), b.local_addr().ip(), true));
}

#[test]
fn verdicts_on_members_are_given_to_the_queue_from_any_thread() {
    let asks = Asks { admit_alive: true, ..Asks::default() };
    let (a, pool_a, mut taker) = asking("a", patient(), asks);
    let verdicts = thread::spawn(move || {
        loop {
            match taker.next() {
                Event::Asked { question: Question::AdmitAlive(member), answer, .. } => {
                    if member.name().as_bytes() == b"c" { answer.refuse("not here") } else { answer.admit() }
                }
                Event::Told { notice: Notice::Ended, .. } => return,
                _ => {}
            }
        }
    });
    let (_b, pool_b, _) = started("b");
    let (_c, pool_c, _) = started("c");

    join(&pool_b, &a);
    reach(&pool_c, &a).unwrap();

    eventually("c knows them", || names(&pool_c) == ["a", "b", "c"]);
    assert_eq!(names(&pool_a), ["a", "b"]);
    a.shutdown(PATIENCE).unwrap();
    verdicts.join().unwrap();
}

#[test]
fn the_verdict_on_a_merge_and_the_state_for_it_are_given_to_the_queue() {
    let asks = Asks { admit_merge: true, local_state: true, ..Asks::default() };
    let (b, pool_b, mut taker) = asking("b", patient(), asks);
    let (a, _, told_a) = started("a");
    let is_state = |question: &Question| matches!(question, Question::LocalState { join: true });
    let is_merge =
        |question: &Question| matches!(question, Question::AdmitMerge(members) if !members.is_empty());

    thread::scope(|scope| {
        let refused = scope.spawn(|| reach(&pool_b, &a));
        taker.question(is_state).give(Reply::State("asked".into()));
        taker.question(is_merge).refuse("not today");
        let error = refused.join().unwrap().unwrap_err();
        assert!(matches!(&error, Error::Join(failed) if failed[0].reason.contains("refused")), "{error:?}");

        // a knows b now and may tell of itself, upon which b asks for states besides.
        scope.spawn(move || {
            loop {
                match taker.next() {
                    Event::Asked { question: Question::LocalState { .. }, answer, .. } => {
                        answer.give(Reply::State("asked again".into()));
                    }
                    Event::Asked { answer, .. } => answer.admit(),
                    Event::Told { notice: Notice::Ended, .. } => return,
                    _ => {}
                }
            }
        });
        reach(&pool_b, &a).unwrap();
        told_a.expect("state asked true");
        told_a.expect("state asked again true");
        assert_eq!(names(&pool_b), ["a", "b"]);
        assert_eq!(defaulted(&pool_b), 0);
        b.shutdown(PATIENCE).unwrap();
    });
}

#[test]
fn a_dropped_answer_is_the_default_at_once() {
    let asks = Asks { admit_merge: true, local_state: true, ..Asks::default() };
    let (_b, pool_b, mut taker) = asking("b", patient(), asks);
    pool_b.set_local_state(b"published").unwrap();
    let (a, _, told_a) = started("a");

    // Without an answer at all the patience of the questions would outlast that of the join.
    let error = thread::scope(|scope| {
        let joining = scope.spawn(|| reach(&pool_b, &a));
        drop(taker.question(|question| matches!(question, Question::LocalState { .. })));
        drop(taker.question(|question| matches!(question, Question::AdmitMerge(_))));
        joining.join().unwrap().unwrap_err()
    });

    assert!(matches!(&error, Error::Join(failed) if failed[0].reason.contains("refused")), "{error:?}");
    told_a.expect("state published true");
    assert_eq!(defaulted(&pool_b), 2);
}

#[test]
fn an_answer_that_comes_too_late_is_ignored_and_counted() {
    let asks = Asks { admit_merge: true, ..Asks::default() };
    // Long enough for the question to reach the queue in time on a busy machine.
    let config = PoolConfig { query_timeout: Duration::from_secs(1), ..quick(1) };
    let (_b, pool_b, mut taker) = asking("b", config, asks);
    let (a, _, _) = started("a");

    let error = reach(&pool_b, &a).unwrap_err();
    let answer = taker.question(|question| matches!(question, Question::AdmitMerge(_)));
    assert_eq!((answer.time_left(), defaulted(&pool_b)), (Duration::ZERO, 0));
    answer.admit();

    assert!(matches!(&error, Error::Join(_)), "{error:?}");
    assert_eq!(defaulted(&pool_b), 1);
    assert!(pool_b.stats().unwrap().machine.merges_refused >= 1);
}

#[test]
fn questions_that_find_the_queue_full_or_closed_have_their_default_at_once() {
    let asks = Asks { admit_merge: true, ..Asks::default() };
    let (b, events) = (node("b"), Events::new(1));
    let pool_b = b.register_pool(patient(), Some(events.delegate(0, asks))).unwrap();
    b.start().unwrap();
    let (a, _, _) = started("a");
    // Nobody takes the message: that fills the queue.
    pool_b.send_to_address(b.local_addr(), b"hi").unwrap();
    eventually("the queue is full", || events.stats().accepted > 1);

    let when_full = reach(&pool_b, &a).unwrap_err();
    let dropped = events.take(8, Some(PATIENCE)).unwrap();
    events.close();
    let when_closed = reach(&pool_b, &a).unwrap_err();

    for error in [when_full, when_closed] {
        assert!(matches!(&error, Error::Join(failed) if failed[0].reason.contains("refused")), "{error:?}");
    }
    assert!(matches!(dropped[..], [Event::Overflow { dropped: 1.. }, ..]), "{dropped:?}");
    // Two, or more if b has heard of a meanwhile and asked it for its state.
    assert!(defaulted(&pool_b) >= 2, "{}", defaulted(&pool_b));
}

/// The delegate of `a` that gives this answer to each question, or never any.
fn answering(asks: Asks, reply: Option<Reply>) -> Arc<dyn Delegate> {
    let events = Events::new(1 << 16);
    let delegate = events.delegate(0, asks);
    if let Some(reply) = reply {
        thread::spawn(move || {
            while let Ok(taken) = events.take(16, Some(PATIENCE)) {
                for event in taken {
                    match event {
                        Event::Asked { answer, .. } => answer.give(reply.clone()),
                        Event::Told { notice: Notice::Ended, .. } => return,
                        _ => {}
                    }
                }
            }
        });
    }
    delegate
}

#[test]
fn whether_a_silent_node_is_pinged_over_tcp_can_be_answered_from_the_queue() {
    let asks = Asks { allow_stream_ping: true, ..Asks::default() };

    for (reply, pinged) in [(Some(Reply::Admit), true), (Some(Reply::Refuse), false), (None, true)] {
        let delegate = answering(asks, reply.clone());
        assert_eq!(is_pinged_over_tcp(delegate, |_| {}), pinged, "{reply:?}");
    }
}

#[test]
fn without_any_answer_each_question_has_its_default_at_its_deadline() {
    let silent = |asks| {
        let config = PoolConfig { query_timeout: Duration::from_millis(50), ..quick(1) };
        let (gossip, delegate) = (node("b"), answering(asks, None));
        let pool = gossip.register_pool(config, Some(delegate)).unwrap();
        pool.set_local_state(b"published").unwrap();
        gossip.start().unwrap();
        (gossip, pool)
    };
    let (a, _, told_a) = started("a");

    let (b, pool) = silent(Asks { local_state: true, ..Asks::default() });
    reach(&pool, &a).unwrap();
    told_a.expect("state published true");
    b.leave(PATIENCE).unwrap();
    b.shutdown(PATIENCE).unwrap();

    let (b, pool) = silent(Asks { admit_merge: true, ..Asks::default() });
    let error = reach(&pool, &a).unwrap_err();
    assert!(matches!(&error, Error::Join(failed) if failed[0].reason.contains("refused")), "{error:?}");
    b.leave(PATIENCE).unwrap();
    b.shutdown(PATIENCE).unwrap();

    let (_b, pool) = silent(Asks { admit_alive: true, ..Asks::default() });
    reach(&pool, &a).unwrap();
    eventually("the question is over", || pool.stats().unwrap().machine.asks_expired > 0);
    assert_eq!(names(&pool), ["b"]);
}

const NOW: Timespec = Timespec { tv_sec: 0, tv_nsec: 0 };
const LONG: Timespec = Timespec { tv_sec: 30, tv_nsec: 0 };

fn poll_for(fd: BorrowedFd<'_>, within: Timespec) -> bool {
    poll(&mut [PollFd::new(&fd, PollFlags::IN)], Some(&within)).unwrap() == 1
}

#[test]
fn a_program_of_one_thread_waits_for_everything_with_poll() {
    let (gossip, events) = (node("a"), Events::new(64));
    gossip.register_pool(quick(1), Some(events.delegate(0, Asks::default()))).unwrap();
    let (listener, native, packets) =
        (gossip.listen(0x0101).unwrap(), gossip.listen_tcp().unwrap(), gossip.packets().unwrap());
    gossip.start().unwrap();
    let (addr, udp) = (gossip.local_addr(), UdpSocket::bind("127.0.0.1:0").unwrap());
    let _muxed = dial(&addr.to_string(), Some(0x0101), PATIENCE).unwrap();
    let mut http = TcpStream::connect(addr).unwrap();
    std::io::Write::write_all(&mut http, b"GET / HTTP/1.0\r\n").unwrap();
    udp.send_to(b"a datagram", addr).unwrap();

    let zero = Some(Duration::ZERO);
    let mut connections = Vec::new();
    assert!(poll_for(listener.readiness().unwrap(), LONG));
    connections.push(listener.accept(zero).unwrap());
    assert!(poll_for(native.readiness().unwrap(), LONG));
    connections.push(native.accept(zero).unwrap());
    assert!(poll_for(packets.readiness().unwrap(), LONG));
    assert_eq!(&packets.recv(zero).unwrap().bytes[..], b"a datagram");
    assert!(poll_for(events.readiness().unwrap(), LONG));
    let Event::Told { notice, .. } = &events.take(1, zero).unwrap()[0] else { panic!("no notice") };
    assert!(joined("a")(notice), "{notice:?}");

    for fd in [listener.readiness(), native.readiness(), packets.readiness()] {
        assert!(!poll_for(fd.unwrap(), NOW), "everything is taken");
    }
    gossip.shutdown(PATIENCE).unwrap();
    for fd in [listener.readiness(), native.readiness(), packets.readiness(), events.readiness()] {
        assert!(poll_for(fd.unwrap(), LONG), "the end can be heard");
    }
    assert_eq!(listener.accept(zero).unwrap_err(), WaitError::Closed);
}
