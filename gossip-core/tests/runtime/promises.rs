//! What a delegate may rely on: the order of what it is told, and what it finds then.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex, OnceLock};
use std::thread;
use std::time::Duration;

use gossip_core::pool::action::{Asks, UserMessage};
use gossip_core::pool::config::PoolConfig;
use gossip_core::runtime::delegate::Delegate;
use gossip_core::runtime::pool::Pool;
use gossip_core::swim::node::{Member, State};

use super::support::*;

/// Notes whether two notices were ever told at the same time.
#[derive(Default)]
struct OneAtATime {
    inside: AtomicBool,
    overlaps: AtomicUsize,
    told: AtomicUsize,
}

impl OneAtATime {
    fn note(&self) {
        if self.inside.swap(true, SeqCst) {
            self.overlaps.fetch_add(1, SeqCst);
        }
        // Gives another the chance.
        thread::yield_now();
        self.inside.store(false, SeqCst);
        self.told.fetch_add(1, SeqCst);
    }
}

impl Delegate for OneAtATime {
    fn notify_join(&self, _: &Member) {
        self.note();
    }

    fn notify_msg(&self, _: &UserMessage) {
        self.note();
    }

    fn merge_remote_state(&self, _: &[u8], _: bool) {
        self.note();
    }

    fn notify_ping_complete(&self, _: &Member, _: Duration, _: &[u8]) {
        self.note();
    }
}

#[test]
fn notices_of_a_pool_are_told_one_at_a_time() {
    const SENDERS: usize = 4;
    const EACH: usize = 25;
    let (a, delegate) = (node("a"), Arc::new(OneAtATime::default()));
    a.register_pool(quick(1), Some(delegate.clone())).unwrap();
    a.start().unwrap();
    let (_b, pool_b, _) = started("b");
    join(&pool_b, &a);
    let to = member(&pool_b, "a");

    thread::scope(|scope| {
        for _ in 0..SENDERS {
            scope.spawn(|| (0..EACH).for_each(|_| _ = pool_b.send_reliable(&to, b"x", PATIENCE).unwrap()));
        }
    });

    eventually("all are told", || delegate.told.load(SeqCst) > SENDERS * EACH);
    assert_eq!(delegate.overlaps.load(SeqCst), 0);
}

/// Notes what was told of others, and what the member list then said of them.
#[derive(Default)]
struct Looker {
    pool: OnceLock<Pool>,
    lines: Mutex<Vec<String>>,
}

impl Looker {
    fn note(&self, what: &str, member: &Member) {
        let Some(pool) = self.pool.get().filter(|_| member.name().as_bytes() == b"b") else { return };
        let listed = pool.members().find(member.name().as_bytes()).map(|listed| listed.meta().to_vec());
        let listed =
            listed.map_or_else(|| "gone".to_owned(), |meta| String::from_utf8_lossy(&meta).into_owned());
        self.lines.lock().unwrap().push(format!("{what}: {listed}"));
    }
}

impl Delegate for Looker {
    fn notify_join(&self, member: &Member) {
        self.note("joined", member);
    }

    fn notify_leave(&self, member: &Member) {
        let how = if member.state == State::Left { "left" } else { "died" };
        self.note(how, member);
    }

    fn notify_update(&self, member: &Member) {
        self.note("updated", member);
    }
}

#[test]
fn changes_come_in_order_and_the_list_shows_them_already() {
    let (a, delegate) = (node("a"), Arc::new(Looker::default()));
    let pool_a = a.register_pool(quick(1), Some(delegate.clone())).unwrap();
    assert!(delegate.pool.set(pool_a).is_ok());
    a.start().unwrap();
    let (b, pool_b, _) = started_with("b", PoolConfig { meta: b"1".as_slice().into(), ..quick(1) });
    let seen = |count| eventually("it was told", || delegate.lines.lock().unwrap().len() == count);

    join(&pool_b, &a);
    seen(1);
    pool_b.update_node(b"2", PATIENCE).unwrap();
    seen(2);
    pool_b.leave(PATIENCE).unwrap();
    seen(3);
    join(&pool_b, &a);
    seen(4);
    b.shutdown(PATIENCE).unwrap();
    seen(5);

    let lines = delegate.lines.lock().unwrap().clone();
    assert_eq!(lines, ["joined: 1", "updated: 2", "left: gone", "joined: 2", "died: gone"]);
}

/// A delegate that says whether "b" may be pinged over TCP.
struct Switch(bool);

impl Delegate for Switch {
    fn asks(&self) -> Asks {
        Asks { allow_stream_ping: true, ..Asks::default() }
    }

    fn allow_tcp_ping(&self, name: &[u8]) -> bool {
        assert_eq!(name, b"b");
        self.0
    }
}

#[test]
fn who_is_pinged_over_tcp_is_decided_by_a_callback_or_published() {
    let nobody = |pool: &Pool| pool.disable_tcp_pings_for::<&str>(&[]).unwrap();
    let b = |pool: &Pool| pool.disable_tcp_pings_for(&["other", "b"]).unwrap();

    assert!(is_pinged_over_tcp(Arc::new(Switch(true)), nobody));
    assert!(!is_pinged_over_tcp(Arc::new(Switch(false)), nobody));
    assert!(!is_pinged_over_tcp(Arc::new(Switch(true)), b));
}

#[test]
fn one_delegate_may_serve_several_pools_and_is_told_which() {
    struct Pools(Mutex<Vec<u8>>);
    impl Delegate for Pools {
        fn notify_msg(&self, message: &UserMessage) {
            self.0.lock().unwrap().push(message.pool.0);
        }
    }
    let (a, delegate) = (node("a"), Arc::new(Pools(Mutex::default())));
    for id in [3, 200] {
        a.register_pool(quick(id), Some(delegate.clone())).unwrap();
    }
    a.start().unwrap();

    for id in [200, 3] {
        let (_b, pool_b, _) = started_with("b", quick(id));
        join(&pool_b, &a);
        pool_b.send_reliable(&member(&pool_b, "a"), b"x", PATIENCE).unwrap();
        eventually("it was told", || delegate.0.lock().unwrap().last() == Some(&id));
    }
}
