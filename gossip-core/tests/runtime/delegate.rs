//! What an application may do in its callbacks, and what it can't break.

use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, OnceLock};

use gossip_core::pool::action::{Asks, UserMessage};
use gossip_core::pool::config::PoolConfig;
use gossip_core::pool::exchange::{ExchangeError, Refusal};
use gossip_core::runtime::call::Request;
use gossip_core::runtime::delegate::Delegate;
use gossip_core::runtime::error::Error;
use gossip_core::runtime::gossip::Gossip;
use gossip_core::runtime::pool::Pool;
use gossip_core::swim::node::Member;
use gossip_core::wire::keyring::Key;

use super::support::*;

/// Calls every function of the node and the pool, and says what went wrong.
fn call_everything(gossip: &Gossip, pool: &Pool, seed: &str) -> Result<(), Error> {
    let own = pool.local_node()?;
    let key = Key::new(&[7; 16]).unwrap();
    pool.join(&[seed], PATIENCE)?;
    let other = pool.members().members().iter().find(|member| member.name() != own.name()).cloned().unwrap();
    pool.broadcast(b"from a callback", PATIENCE)?;
    pool.send_best_effort(&other, b"")?;
    pool.send_to_address(other.addr(), b"")?;
    pool.send_reliable(&other, b"x", PATIENCE)?;
    pool.ping(&other, PATIENCE)?;
    pool.update_node(b"meta", PATIENCE)?;
    pool.set_local_state(b"state")?;
    pool.set_ack_payload(b"payload")?;
    assert_eq!(pool.keys()?.len(), 0);
    pool.stats()?;
    assert!(pool.num_members() == 2 && pool.health_score() < 8 && pool.max_broadcast_size() > 0);
    gossip.start()?;
    gossip.stats();
    gossip.listen(0x1234)?.close();
    gossip.listen_tcp()?.close();
    gossip.packets()?.close();
    let late = gossip.register_pool(quick(77), None)?;
    late.join(&[seed], PATIENCE).unwrap_err();
    late.shutdown(PATIENCE)?;
    assert_eq!(gossip.pools().len(), 1);
    pool.leave(PATIENCE)?;
    pool.join(&[seed], PATIENCE)?;
    gossip.leave(PATIENCE)?;
    pool.add_key(key)
}

/// Something a delegate learns only after it was registered.
type Later<T> = Arc<OnceLock<T>>;

#[test]
fn every_function_may_be_called_from_a_callback() {
    let (a, _, _) = started("a");
    let (b, context): (_, Later<(Gossip, Pool, String)>) = (node("b"), Later::default());
    let (sender, results) = channel();
    let delegate = {
        let (context, sender) = (Arc::clone(&context), Mutex::new(Some(sender)));
        on_message(move |_| {
            if let Some(sender) = sender.lock().unwrap().take() {
                let (gossip, pool, seed) = context.get().unwrap();
                sender.send(call_everything(gossip, pool, seed)).unwrap();
            }
        })
    };
    let pool_b = b.register_pool(quick(1), Some(delegate)).unwrap();
    b.start().unwrap();
    context.set((b.clone(), pool_b.clone(), a.local_addr().to_string())).unwrap();

    join(&pool_b, &a);
    let pool_a = a.pool(pool_b.id()).unwrap();
    pool_a.send_reliable(&member(&pool_a, "b"), b"go", PATIENCE).unwrap();

    results.recv_timeout(PATIENCE).unwrap().unwrap();
}

#[test]
fn a_question_may_be_answered_with_the_help_of_the_api() {
    struct Curious(Later<Pool>, AtomicUsize);
    impl Delegate for Curious {
        fn asks(&self) -> Asks {
            Asks { local_state: true, ..Asks::default() }
        }
        fn local_state(&self, _join: bool) -> Option<Vec<u8>> {
            let pool = self.0.get()?;
            self.1.fetch_add(1, SeqCst);
            Some(
                format!("{} members, {} probes", pool.num_members(), pool.stats().ok()?.machine.swim.probes)
                    .into(),
            )
        }
    }
    let (a, _, told_a) = started("a");
    let (b, context) = (node("b"), Later::default());
    let delegate = Arc::new(Curious(Arc::clone(&context), AtomicUsize::new(0)));
    let pool_b =
        b.register_pool(PoolConfig { query_timeout: PATIENCE, ..quick(1) }, Some(delegate.clone())).unwrap();
    context.set(pool_b.clone()).unwrap();
    b.start().unwrap();

    join(&pool_b, &a);

    assert!(delegate.1.load(SeqCst) > 0);
    eventually("the state arrived", || {
        told_a.lines().iter().any(|line| line.starts_with("state 1 members, "))
    });
}

#[test]
fn a_callback_cannot_shut_down_what_would_wait_for_it() {
    let (a, _, _) = started("a");
    let (b, context): (_, Later<(Gossip, Pool)>) = (node("b"), Later::default());
    let (sender, results) = channel();
    let delegate = {
        let (context, sender) = (Arc::clone(&context), Mutex::new(sender));
        on_message(move |_| {
            let (gossip, pool) = context.get().unwrap();
            let other = gossip.register_pool(quick(2), None).unwrap();
            let refused = (gossip.shutdown(PATIENCE), pool.shutdown(PATIENCE), other.shutdown(PATIENCE));
            sender.lock().unwrap().send(refused).unwrap();
        })
    };
    let pool_b = b.register_pool(quick(1), Some(delegate)).unwrap();
    b.start().unwrap();
    context.set((b.clone(), pool_b.clone())).unwrap();

    join(&pool_b, &a);
    let pool_a = a.pool(pool_b.id()).unwrap();
    pool_a.send_reliable(&member(&pool_a, "b"), b"go", PATIENCE).unwrap();

    let (node, own_pool, other_pool) = results.recv_timeout(PATIENCE).unwrap();
    assert!(matches!(node, Err(Error::Deadlock)), "{node:?}");
    assert!(matches!(own_pool, Err(Error::Deadlock)), "{own_pool:?}");
    other_pool.unwrap();
    assert!(b.is_running());
    b.shutdown(PATIENCE).unwrap();
}

#[test]
fn the_last_handle_may_be_dropped_in_a_callback() {
    let (a, pool_a, told_a) = started("a");
    let b = node("b");
    let last: Arc<Mutex<Option<Gossip>>> = Arc::default();
    let delegate = {
        let last = Arc::clone(&last);
        on_message(move |_| drop(last.lock().unwrap().take()))
    };
    let pool_b = b.register_pool(quick(1), Some(delegate)).unwrap();
    b.start().unwrap();
    join(&pool_b, &a);
    let addr = b.local_addr();
    *last.lock().unwrap() = Some(b);

    post(&pool_a, &member(&pool_a, "b"), b"go");

    told_a.expect("dead b");
    eventually("the port is free", || std::net::UdpSocket::bind(addr).is_ok());
    assert!(matches!(pool_b.stats(), Err(Error::Closed)));
}

/// A delegate whose `notify_msg` says that it has begun and then waits to be let go.
fn blocking() -> (Arc<dyn Delegate>, Receiver<()>, Sender<()>) {
    let ((begun, began), (release, released)) = (channel(), channel::<()>());
    let (begun, released) = (Mutex::new(begun), Mutex::new(released));
    let delegate = on_message(move |_| {
        let _ = begun.lock().unwrap().send(());
        let _ = released.lock().unwrap().recv();
    });
    (delegate, began, release)
}

#[test]
fn a_stuck_callback_stalls_neither_probing_nor_the_other_pool() {
    let (a, pool_a, told_a) = started("a");
    a.register_pool(quick(2), None).unwrap();
    let (b, told_second) = (node("b"), Recorder::new());
    let (delegate, began, release) = blocking();
    let stuck = b.register_pool(quick(1), Some(delegate)).unwrap();
    let second = b.register_pool(quick(2), Some(told_second.clone())).unwrap();
    b.start().unwrap();
    join(&stuck, &a);
    join(&second, &a);

    post(&pool_a, &member(&pool_a, "b"), b"stay here");
    began.recv_timeout(PATIENCE).unwrap();
    let probes = |pool: &Pool| pool.stats().unwrap().machine.swim.probes;
    let (before_a, before_b) = (probes(&pool_a), probes(&stuck));
    eventually("both went on probing", || probes(&pool_a) >= before_a + 4 && probes(&stuck) >= before_b + 4);

    let other = a.pool(second.id()).unwrap();
    other.send_reliable(&member(&other, "b"), b"still here?", PATIENCE).unwrap();
    told_second.expect("stream still here?");
    stuck.ping(&member(&stuck, "a"), PATIENCE).unwrap();
    assert_eq!(told_a.count("dead b"), 0);
    assert_eq!(pool_a.stats().unwrap().machine.swim.probes_failed, 0);
    drop(release);
}

#[test]
fn while_a_callback_is_stuck_messages_are_dropped_and_counted_but_no_change_of_membership() {
    const DEPTH: usize = 4;
    let (a, pool_a, _) = started("a");
    let (b, told) = (node("b"), Recorder::new());
    let (sender, began) = channel();
    let (release, released) = channel::<()>();
    struct Slow(Mutex<Option<(Sender<()>, Receiver<()>)>>, Arc<Recorder>);
    impl Delegate for Slow {
        fn notify_join(&self, member: &Member) {
            self.1.notify_join(member);
        }
        fn notify_leave(&self, member: &Member) {
            self.1.notify_leave(member);
        }
        fn notify_msg(&self, message: &UserMessage) {
            if let Some((begun, released)) = self.0.lock().unwrap().take() {
                begun.send(()).unwrap();
                let _ = released.recv();
            }
            self.1.notify_msg(message);
        }
    }
    let delegate = Arc::new(Slow(Mutex::new(Some((sender, released))), told.clone()));
    let config = PoolConfig { message_queue_depth: DEPTH, ..quick(1) };
    let pool_b = b.register_pool(config, Some(delegate)).unwrap();
    b.start().unwrap();
    join(&pool_b, &a);
    let to = member(&pool_a, "b");
    post(&pool_a, &to, b"first");
    began.recv_timeout(PATIENCE).unwrap();

    let (refused, refusals) = channel();
    for number in 0..20 {
        let (refused, message) = (refused.clone(), format!("{number}").into_bytes().into());
        let request = Request::SendReliable((&to).into(), message);
        std::mem::forget(pool_a.call(request, PATIENCE, move |result| _ = refused.send(result)).unwrap());
    }
    for _ in 0..16 {
        let refusal = refusals.recv_timeout(PATIENCE).unwrap();
        let full = ExchangeError::NotTaken(Refusal::QueueFull);
        assert!(matches!(&refusal, Err(Error::Send { error, .. }) if *error == full), "{refusal:?}");
    }
    assert_eq!(pool_b.stats().unwrap().messages_dropped, 16);
    let (c, pool_c, _) = started("c");
    join(&pool_c, &b);
    c.leave(PATIENCE).unwrap();
    eventually("c is gone", || names(&pool_b) == ["a", "b"]);
    drop(release);

    told.expect("left c");
    let messages = told.lines().iter().filter(|line| line.starts_with("stream")).count();
    assert!(messages <= 1 + DEPTH, "{:?}", told.lines());
}

#[test]
fn a_panic_in_a_callback_is_counted_and_harms_nobody() {
    struct Clumsy(Arc<Recorder>);
    impl Delegate for Clumsy {
        fn asks(&self) -> Asks {
            Asks { local_state: true, allow_stream_ping: true, ..Asks::default() }
        }
        fn notify_msg(&self, message: &UserMessage) {
            assert_ne!(message.bytes, "panic", "as the test wants it");
            self.0.notify_msg(message);
        }
        fn local_state(&self, _join: bool) -> Option<Vec<u8>> {
            panic!("as the test wants it");
        }
    }
    let (a, pool_a, told_a) = started("a");
    let (b, told) = (node("b"), Recorder::new());
    // A panic is answered by default at once, not at the end of this.
    let config = PoolConfig { query_timeout: PATIENCE, ..quick(1) };
    let pool_b = b.register_pool(config, Some(Arc::new(Clumsy(told.clone())))).unwrap();
    pool_b.set_local_state(b"published").unwrap();
    b.start().unwrap();

    join(&pool_b, &a);
    told_a.expect("state published true");
    let to = member(&pool_a, "b");
    let panicked = pool_a.send_reliable(&to, b"panic", PATIENCE).unwrap_err();
    assert!(panicked.to_string().ends_with("receiver did not take the message: its application failed"));
    pool_a.send_reliable(&to, b"all is well", PATIENCE).unwrap();

    told.expect("stream all is well");
    eventually("both panics are counted", || {
        let stats = pool_b.stats().unwrap();
        stats.callback_panics >= 2 && stats.questions_defaulted >= 1
    });
}

#[test]
fn a_delegate_may_refuse_members() {
    let refusing = |refused: &'static str| {
        Arc::new(Scripted {
            on_message: |_: &UserMessage| {},
            on_alive: move |member: &Member| match member.name().as_bytes() {
                name if name == refused.as_bytes() => Err("not here".to_owned()),
                _ => Ok(()),
            },
            asks: Asks { admit_alive: true, ..Asks::default() },
        })
    };
    let a = node("a");
    let pool_a = a.register_pool(quick(1), Some(refusing("c"))).unwrap();
    a.start().unwrap();
    let (_b, pool_b, _) = started("b");
    let (_c, pool_c, _) = started("c");

    join(&pool_b, &a);
    pool_c.join(&[a.local_addr().to_string()], PATIENCE).unwrap();

    eventually("c knows them", || names(&pool_c) == ["a", "b", "c"]);
    assert_eq!(names(&pool_a), ["a", "b"]);
}

#[test]
fn a_delegate_may_refuse_a_merge() {
    struct Strict;
    impl Delegate for Strict {
        fn asks(&self) -> Asks {
            Asks { admit_merge: true, ..Asks::default() }
        }
        fn notify_merge(&self, members: &[Member]) -> Result<(), String> {
            Err(format!("{} are too many", members.len()))
        }
    }
    let (a, _, _) = started("a");
    let b = node("b");
    let pool_b = b.register_pool(quick(1), Some(Arc::new(Strict))).unwrap();
    b.start().unwrap();

    let error = pool_b.join(&[a.local_addr().to_string()], PATIENCE).unwrap_err();

    assert!(matches!(&error, Error::Join(failed) if failed[0].reason.contains("refused")), "{error:?}");
}
