//! The end of a node: who is woken, what is freed, what can be done afterwards.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use gossip_core::mux::listener::ListenerName;
use gossip_core::net::error::WaitError;
use gossip_core::net::queue::QueueStats;
use gossip_core::runtime::delegate::Delegate;
use gossip_core::runtime::error::Error;

use super::support::*;

/// Waits until both halves of a port can be bound; another test may have it for a while.
#[track_caller]
fn expect_free(addr: SocketAddr) {
    eventually("the port is free", || TcpListener::bind(addr).is_ok() && UdpSocket::bind(addr).is_ok());
}

#[test]
fn blocked_threads_are_woken_and_told_that_it_is_closed() {
    // Takes connections and never answers.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let seed = silent.local_addr().unwrap().to_string();
    let (gossip, pool, _) = started("a");
    let (listener, native, packets) =
        (gossip.listen(1).unwrap(), gossip.listen_tcp().unwrap(), gossip.packets().unwrap());

    thread::scope(|scope| {
        let accepting = scope.spawn(|| listener.accept(None).unwrap_err());
        let accepting_native = scope.spawn(|| native.accept(None).unwrap_err());
        let receiving = scope.spawn(|| packets.recv(None).unwrap_err());
        let joining = scope.spawn(|| pool.join(&[&seed], PATIENCE).unwrap_err());
        // The join is under way once its connection stands.
        let _connection = silent.accept().unwrap();
        gossip.shutdown(PATIENCE).unwrap();

        assert_eq!(accepting.join().unwrap(), WaitError::Closed);
        assert_eq!(accepting_native.join().unwrap(), WaitError::Closed);
        assert_eq!(receiving.join().unwrap(), WaitError::Closed);
        assert!(matches!(joining.join().unwrap(), Error::Closed));
    });
}

#[test]
fn handles_outlive_the_node_and_answer_that_it_is_closed() {
    let (gossip, pool, _) = started("a");
    let addr = gossip.local_addr();
    let listener = gossip.listen(1).unwrap();

    gossip.shutdown(PATIENCE).unwrap();

    expect_free(addr);
    assert!(!gossip.is_running());
    assert!(matches!(gossip.start(), Err(Error::Closed)));
    assert!(matches!(gossip.register_pool(quick(2), None), Err(Error::Closed)));
    assert!(matches!(gossip.listen(2), Err(Error::Closed)));
    assert!(matches!(gossip.listen_tcp(), Err(Error::Closed)));
    assert!(matches!(gossip.packets(), Err(Error::Closed)));
    assert!(gossip.pools().is_empty());
    drop(gossip);
    assert!(matches!(pool.join(&["127.0.0.1:1"], PATIENCE), Err(Error::Closed)));
    assert!(matches!(pool.leave(PATIENCE), Err(Error::Closed)));
    assert!(matches!(pool.broadcast(b"", PATIENCE), Err(Error::Closed)));
    assert!(matches!(pool.set_local_state(b""), Err(Error::Closed)));
    assert!(matches!(pool.stats(), Err(Error::Closed)));
    pool.shutdown(PATIENCE).unwrap();
    assert_eq!(names(&pool), ["a"], "the last view stays");
    assert_eq!(listener.accept(None).unwrap_err(), WaitError::Closed);
}

#[test]
fn connections_that_wait_to_be_accepted_are_closed() {
    let (gossip, _, _) = started("a");
    let listeners =
        [gossip.listen(0x0102), gossip.listen_prefix(b"SSH-"), gossip.listen_tcp()].map(Result::unwrap);
    let mut clients = [&b"\x01\x02rest"[..], b"SSH-2", b"GET"].map(|first| {
        let mut client = TcpStream::connect(gossip.local_addr()).unwrap();
        client.set_read_timeout(Some(PATIENCE)).unwrap();
        client.write_all(first).unwrap();
        client
    });
    let waiting = |stats: &[(ListenerName, QueueStats)]| stats.iter().all(|(_, stats)| stats.pending == 1);
    eventually("each waits", || waiting(&gossip.listener_stats()));
    assert_eq!(gossip.listener_stats().len(), 3);

    gossip.shutdown(PATIENCE).unwrap();

    for client in &mut clients {
        // They are reset if bytes of theirs were never read.
        let end = client.read(&mut [0; 1]).map_err(|error| error.kind());
        assert!(matches!(end, Ok(0) | Err(ErrorKind::ConnectionReset)), "{end:?}");
    }
    assert!(listeners.iter().all(|listener| listener.stats().pending == 0));
    assert!(gossip.listener_stats().is_empty() && gossip.packet_stats().is_none());
}

/// Does something when the pool ends.
struct Farewell<F>(F);

impl<F: Fn() + Send + Sync> Delegate for Farewell<F> {
    fn notify_shutdown(&self) {
        (self.0)();
    }
}

#[test]
fn a_shutdown_waits_for_the_farewells_of_another_that_ends_a_node_never_started() {
    let gossip = node("a");
    let ((begin, begun), (end, ended)) = (channel(), channel::<()>());
    let (begin, ended) = (Mutex::new(begin), Mutex::new(ended));
    let farewell = move || {
        begin.lock().unwrap().send(()).unwrap();
        let _ = ended.lock().unwrap().recv();
    };
    gossip.register_pool(quick(1), Some(Arc::new(Farewell(farewell)))).unwrap();

    thread::scope(|scope| {
        let first = scope.spawn(|| gossip.shutdown(PATIENCE));
        begun.recv().unwrap();
        let second = gossip.shutdown(Duration::from_millis(20));
        drop(end);

        assert!(matches!(second, Err(Error::Timeout(_))), "{second:?}");
        gossip.shutdown(PATIENCE).unwrap();
        first.join().unwrap().unwrap();
    });
}

#[test]
fn the_farewell_of_a_node_never_started_may_let_go_of_its_last_handle() {
    let gossip = node("a");
    let held = Arc::new(Mutex::new(None));
    let delegate = {
        let held = Arc::clone(&held);
        Farewell(move || drop(held.lock().unwrap().take()))
    };
    let pool = gossip.register_pool(quick(1), Some(Arc::new(delegate))).unwrap();
    let addr = gossip.local_addr();
    *held.lock().unwrap() = Some(gossip);

    pool.shutdown(PATIENCE).unwrap();

    expect_free(addr);
}

#[test]
fn shutting_down_again_is_no_error_and_several_threads_may() {
    let (gossip, _, _) = started("a");

    thread::scope(|scope| {
        let threads: Vec<_> = (0..4).map(|_| scope.spawn(|| gossip.shutdown(PATIENCE))).collect();
        threads.into_iter().for_each(|thread| thread.join().unwrap().unwrap());
    });

    gossip.shutdown(Duration::ZERO).unwrap();
}

#[test]
fn a_running_callback_is_waited_for_and_none_comes_after() {
    struct Slow {
        begun: Mutex<std::sync::mpsc::Sender<()>>,
        released: Mutex<std::sync::mpsc::Receiver<()>>,
        over: Arc<AtomicBool>,
        late: Arc<AtomicBool>,
    }
    impl Slow {
        fn check(&self) {
            if self.over.load(SeqCst) {
                self.late.store(true, SeqCst);
            }
        }
    }
    impl Delegate for Slow {
        fn notify_msg(&self, _: &gossip_core::pool::action::UserMessage) {
            self.check();
            let _ = self.begun.lock().unwrap().send(());
            let _ = self.released.lock().unwrap().recv();
        }
        fn notify_shutdown(&self) {
            self.check();
        }
    }
    let (a, pool_a, _) = started("a");
    let b = node("b");
    let ((begun, began), (release, released)) = (channel(), channel());
    let (over, late) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
    let delegate = Arc::new(Slow {
        begun: Mutex::new(begun),
        released: Mutex::new(released),
        over: over.clone(),
        late: late.clone(),
    });
    let weak = Arc::downgrade(&delegate);
    let pool_b = b.register_pool(quick(1), Some(delegate)).unwrap();
    b.start().unwrap();
    join(&pool_b, &a);
    for _ in 0..10 {
        post(&pool_a, &member(&pool_a, "b"), b"wait");
    }
    began.recv_timeout(PATIENCE).unwrap();

    assert!(matches!(pool_b.shutdown(Duration::from_millis(20)), Err(Error::Timeout(_))));
    assert!(matches!(b.shutdown(Duration::from_millis(20)), Err(Error::Timeout(_))));
    assert!(matches!(pool_b.stats(), Err(Error::Closed)), "everything else has ended");
    drop(release);
    b.shutdown(PATIENCE).unwrap();
    over.store(true, SeqCst);

    assert!(weak.upgrade().is_none(), "the delegate has been let go");
    assert!(!late.load(SeqCst));
    assert!(began.try_recv().is_err(), "of what waited nothing is told");
}

#[test]
fn the_delegate_is_told_last_of_all_that_it_is_over() {
    let (gossip, _, told) = started("a");

    gossip.shutdown(PATIENCE).unwrap();

    assert_eq!(told.lines().last().map(String::as_str), Some("shut down"));
    assert_eq!(Arc::strong_count(&told), 1);
}

#[test]
fn a_node_that_never_started_is_ended_like_any_other() {
    let (gossip, told) = (node("a"), Recorder::new());
    let addr = gossip.local_addr();
    let pool = gossip.register_pool(quick(1), Some(told.clone())).unwrap();

    gossip.shutdown(PATIENCE).unwrap();

    expect_free(addr);
    assert_eq!(told.lines(), ["shut down"]);
    assert_eq!(Arc::strong_count(&told), 1);
    assert!(matches!(pool.leave(PATIENCE), Err(Error::Closed)));
}

#[test]
fn the_drop_of_the_last_handle_ends_the_node() {
    let (gossip, pool, told) = started("a");
    let addr = gossip.local_addr();
    let clone = gossip.clone();

    drop(gossip);
    assert!(clone.is_running());
    drop(clone);

    expect_free(addr);
    told.expect("shut down");
    assert!(matches!(pool.stats(), Err(Error::Closed)));
}

#[test]
fn the_last_handle_may_be_dropped_before_the_start() {
    let gossip = node("a");
    let addr = gossip.local_addr();

    drop(gossip);

    expect_free(addr);
}

#[test]
fn a_node_may_be_used_ended_and_dropped_inside_of_an_async_context() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();

    runtime.block_on(async {
        let (gossip, pool, _) = started("a");
        pool.leave(PATIENCE).unwrap();
        gossip.shutdown(PATIENCE).unwrap();

        let (gossip, _, told) = started("b");
        drop(gossip);
        told.expect("shut down");
    });
}
