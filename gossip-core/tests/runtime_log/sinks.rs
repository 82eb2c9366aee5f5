//! Whom a sink hears, what it may do, and what it cannot break.

use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Barrier, Mutex, OnceLock, Weak};
use std::thread;
use std::time::Duration;

use gossip_core::{Delegate, Error, Gossip, LogLevel, Member, Pool, PoolId, Record};

use super::support::*;

#[test]
fn the_life_of_a_node_is_told_with_pool_and_particulars() {
    let (gossip, pool, kept) = started("a", LogLevel::Info);
    let port = gossip.local_addr().port().to_string();
    let seed = Gossip::new(loopback("b")).unwrap();
    seed.register_pool(quick(1), None).unwrap();
    seed.start().unwrap();

    pool.join(&[seed.local_addr().to_string()], PATIENCE).unwrap();
    add_key(&pool);
    pool.leave(PATIENCE).unwrap();
    gossip.shutdown(PATIENCE).unwrap();

    let start = kept.expect("node started");
    assert_eq!((start.level, start.pool), (LogLevel::Info, None));
    assert!(start.fields.contains("name=a") && start.fields.contains(&port), "{start}");
    for message in
        ["pool started", "joining", "join ended", "keyring changed", "leaving", "left", "pool ended"]
    {
        let record = kept.expect(message);
        assert_eq!((record.level, record.pool), (LogLevel::Info, Some(PoolId(1))), "{record}");
        assert!(record.target.starts_with("gossip_core::"), "{record}");
    }
    assert_eq!(kept.all().last().unwrap().message, "node shut down");
    assert!(kept.all().iter().all(|record| record.level <= LogLevel::Info));
}

#[test]
fn two_nodes_have_two_logs_and_a_third_without_one_silences_neither() {
    let silent = Gossip::new(loopback("silent")).unwrap();
    silent.register_pool(quick(1), None).unwrap();
    let other_pool = silent.register_pool(quick(2), None).unwrap();
    silent.start().unwrap();
    let (a, pool_a, kept_a) = started("a", LogLevel::Info);
    // What the silent one says first, nobody else may take for unheard.
    other_pool.leave(PATIENCE).unwrap();
    let (_b, pool_b, kept_b) = started("b", LogLevel::Debug);

    pool_a.join(&[silent.local_addr().to_string()], PATIENCE).unwrap();
    pool_b.join(&[silent.local_addr().to_string()], PATIENCE).unwrap();
    add_key(&pool_a);
    add_key(&pool_b);
    pool_a.leave(PATIENCE).unwrap();
    a.shutdown(PATIENCE).unwrap();

    kept_a.expect("leaving");
    kept_b.expect("keyring changed");
    kept_b.expect("member joined");
    assert!(kept_b.find("node shut down").is_empty());
    assert!(kept_a.find("member joined").is_empty(), "a's level is info");
    for message in ["node started", "keyring changed"] {
        assert_eq!((kept_a.find(message).len(), kept_b.find(message).len()), (1, 1), "{message}");
    }
}

#[test]
fn the_level_changes_at_run_time_in_both_directions() {
    let (gossip, pool, kept) = started("a", LogLevel::Warn);
    let update = |meta: &[u8]| pool.update_node(meta, PATIENCE).unwrap();

    update(b"1");
    add_key(&pool);
    gossip.set_log(LogLevel::Debug, Some(kept.sink())).unwrap();
    update(b"22");
    let heard = kept.expect("announcing new metadata");
    assert!(heard.fields.contains("meta=2"), "{heard}");
    assert!(kept.find("keyring changed").is_empty(), "not at warn");

    gossip.set_log(LogLevel::Info, Some(kept.sink())).unwrap();
    update(b"333");
    add_key(&pool);
    kept.expect("keyring changed");
    assert_eq!(kept.find("announcing new metadata").len(), 1, "only at debug");

    gossip.set_log(LogLevel::Off, Some(kept.sink())).unwrap();
    let before = gossip.log_stats().delivered;
    add_key(&pool);
    gossip.set_log(LogLevel::Info, Some(kept.sink())).unwrap();
    pool.leave(PATIENCE).unwrap();
    kept.expect("leaving");
    assert_eq!(kept.find("keyring changed").len(), 1, "not at off");
    assert!(gossip.log_stats().delivered > before);
}

#[test]
fn a_sink_that_is_removed_is_let_go_and_hears_no_more() {
    let (gossip, pool, kept) = started("a", LogLevel::Info);
    kept.expect("pool started");

    let count = kept.clone();
    gossip.set_log(LogLevel::Trace, None).unwrap();
    eventually("the sink is let go", || Arc::strong_count(&count.0) == 2);
    let before = kept.all().len();
    add_key(&pool);

    let again = Kept::default();
    gossip.set_log(LogLevel::Info, Some(again.sink())).unwrap();
    add_key(&pool);
    again.expect("keyring changed");
    assert_eq!(again.find("keyring changed").len(), 1);
    assert_eq!(kept.all().len(), before);
}

/// A started node whose sink is stuck in its first record until the sender is let go, with
/// an update, told at debug, and a change of keys, told at info, behind that.
fn stuck() -> (Gossip, Sender<()>) {
    let (gossip, release) = (Gossip::new(loopback("a")).unwrap(), channel::<()>());
    let pool = gossip.register_pool(quick(1), None).unwrap();
    let (entered, stuck) = (channel(), Mutex::new(release.1));
    let sink = move |_: &Record| {
        let _ = entered.0.send(());
        let _ = stuck.lock().unwrap().recv();
    };
    gossip.set_log(LogLevel::Debug, Some(Arc::new(sink))).unwrap();
    gossip.start().unwrap();
    entered.1.recv_timeout(PATIENCE).expect("the sink is called");
    pool.update_node(b"1", PATIENCE).unwrap();
    add_key(&pool);
    (gossip, release.0)
}

#[test]
fn the_next_sink_is_not_told_what_waited_for_the_last_and_its_level_does_not_admit() {
    let (gossip, release) = stuck();
    assert_eq!(gossip.log_stats().dropped, 0);

    let kept = Kept::default();
    gossip.set_log(LogLevel::Info, Some(kept.sink())).unwrap();
    drop(release);

    kept.expect("keyring changed");
    assert!(kept.find("announcing new metadata").is_empty(), "it is said at debug");
    assert!(gossip.log_stats().dropped > 0, "that is counted");
}

#[test]
fn what_waits_for_a_sink_that_is_removed_is_counted() {
    let (gossip, release) = stuck();

    gossip.set_log(LogLevel::Trace, None).unwrap();
    let dropped = gossip.log_stats().dropped;
    assert!(dropped >= 2, "{dropped}: the update and the change of keys at least");
    drop(release);
    eventually("the last call is counted", || gossip.log_stats().delivered == 1);
}

#[test]
fn a_panic_in_a_sink_is_counted_and_the_next_record_comes_all_the_same() {
    let (gossip, kept) = (Gossip::new(loopback("a")).unwrap(), Kept::default());
    let keep = kept.sink();
    let sink = move |record: &Record| {
        keep(record);
        assert_ne!(record.message, "keyring changed", "on purpose");
    };
    gossip.set_log(LogLevel::Info, Some(Arc::new(sink))).unwrap();
    let pool = gossip.register_pool(quick(1), None).unwrap();
    gossip.start().unwrap();

    add_key(&pool);
    add_key(&pool);
    pool.leave(PATIENCE).unwrap();
    gossip.shutdown(PATIENCE).unwrap();

    assert_eq!(kept.find("keyring changed").len(), 2);
    assert_eq!(gossip.log_stats().panics, 2);
    assert_eq!(kept.all().last().unwrap().message, "node shut down");
}

#[test]
fn a_sink_may_call_every_function_but_the_shutdown_of_its_node() {
    let (gossip, outcome) = (Gossip::new(loopback("a")).unwrap(), channel());
    let pool = gossip.register_pool(quick(1), None).unwrap();
    let (kept, later) = (Kept::default(), OnceLock::<(Gossip, Pool)>::new());
    later.set((gossip.clone(), pool.clone())).unwrap();
    let (sent, done) = (Mutex::new(Some(outcome.0)), outcome.1);
    let quieter = kept.sink();
    let sink = move |record: &Record| {
        if record.message != "node started" {
            return;
        }
        let (gossip, pool) = later.get().unwrap();
        let result = (|| {
            assert!(matches!(gossip.shutdown(PATIENCE), Err(Error::Deadlock)));
            gossip.stats();
            gossip.listen(0x1234)?.close();
            pool.update_node(b"from the sink", PATIENCE)?;
            pool.keys()?;
            let other = gossip.register_pool(quick(2), None)?;
            other.shutdown(PATIENCE)?;
            gossip.set_log(LogLevel::Info, Some(Arc::clone(&quieter)))
        })();
        if let Some(sent) = sent.lock().unwrap().take() {
            sent.send(result).unwrap();
        }
    };
    gossip.set_log(LogLevel::Info, Some(Arc::new(sink))).unwrap();

    gossip.start().unwrap();

    done.recv_timeout(PATIENCE).unwrap().unwrap();
    add_key(&pool);
    kept.expect("keyring changed");
    gossip.shutdown(PATIENCE).unwrap();
}

#[test]
fn two_sinks_that_shut_down_each_others_node_do_not_wait_for_ever() {
    let nodes = ["a", "b"].map(|name| Gossip::new(loopback(name)).unwrap());
    let (meet, (results, ended)) = (Arc::new(Barrier::new(2)), channel());
    for (gossip, other) in [(&nodes[0], &nodes[1]), (&nodes[1], &nodes[0])] {
        let (other, meet, results) = (other.clone(), Arc::clone(&meet), Mutex::new(Some(results.clone())));
        let sink = move |_: &Record| {
            let Some(results) = results.lock().unwrap().take() else { return };
            meet.wait();
            // Without a limit, as a program may well.
            results.send(other.shutdown(Duration::MAX)).unwrap();
        };
        gossip.set_log(LogLevel::Info, Some(Arc::new(sink))).unwrap();
        gossip.start().unwrap();
    }

    let results = [0; 2].map(|_| ended.recv_timeout(PATIENCE).unwrap());

    let refused = results.iter().filter(|result| matches!(result, Err(Error::Deadlock))).count();
    assert_eq!(refused, 1, "{results:?}");
    nodes.iter().for_each(|node| node.shutdown(PATIENCE).unwrap());
}

#[test]
fn what_a_sink_logs_in_its_own_thread_does_not_come_back_to_it() {
    let (gossip, kept) = (Gossip::new(loopback("a")).unwrap(), Kept::default());
    let (weak, keep) = (Arc::new(OnceLock::<Gossip>::new()), kept.sink());
    let node = Arc::clone(&weak);
    let sink = move |record: &Record| {
        keep(record);
        // Each of these warns in the calling thread: "GE" begins a request of HTTP.
        node.get().unwrap().listen(u16::from_be_bytes(*b"GE")).unwrap().close();
    };
    weak.set(gossip.clone()).unwrap();
    gossip.set_log(LogLevel::Info, Some(Arc::new(sink))).unwrap();

    gossip.start().unwrap();
    kept.expect("node started");
    gossip.listen(u16::from_be_bytes(*b"PO")).unwrap().close();
    let warning = kept.expect_warning("listener takes the connections of a native protocol");
    gossip.shutdown(PATIENCE).unwrap();

    assert!(warning.fields.contains(&format!("{:#06x}", u16::from_be_bytes(*b"PO"))), "{warning}");
    assert_eq!(kept.find("listener takes").len(), 1, "{:#?}", kept.all());
}

#[test]
fn a_slow_sink_stalls_nobody_and_is_told_what_it_missed() {
    let (release, stuck) = channel::<()>();
    let (stuck, kept) = (Mutex::new(stuck), Kept::default());
    let (gossip, keep) = (Gossip::new(loopback("slow")).unwrap(), kept.sink());
    let sink = move |record: &Record| {
        let _ = stuck.lock().unwrap().recv();
        keep(record);
    };
    gossip.set_log(LogLevel::Debug, Some(Arc::new(sink))).unwrap();
    let pool = gossip.register_pool(quick(1), None).unwrap();
    let chatty = gossip.register_pool(quick(2), None).unwrap();
    gossip.start().unwrap();
    let (_other, other_pool, other_kept) = started("other", LogLevel::Info);

    for _ in 0..3000 {
        add_key(&chatty);
    }
    // The network goes on, and so does the other node's log.
    other_pool.join(&[gossip.local_addr().to_string()], PATIENCE).unwrap();
    other_kept.expect("join ended");
    eventually("the slow node sees the other", || pool.num_members() == 2);
    let dropped = gossip.log_stats().dropped;
    assert!(dropped >= 3000 - 1024 - 1, "{dropped} dropped");
    drop(release);

    let missing = kept.expect_warning("records dropped");
    eventually("the queue is empty", || gossip.log_stats().delivered > 1024);
    let told: u64 = kept
        .find("records dropped")
        .iter()
        .filter_map(|record| {
            record.fields.split_whitespace().next()?.strip_prefix("count=")?.parse::<u64>().ok()
        })
        .sum();
    assert!(told >= dropped, "{told} of {dropped}: {missing}");
}

#[test]
fn after_the_shutdown_the_sink_is_not_called_and_has_been_let_go() {
    for is_started in [false, true] {
        let (gossip, kept) = logging(loopback("a"), LogLevel::Trace);
        let pool = gossip.register_pool(quick(1), None).unwrap();
        if is_started {
            gossip.start().unwrap();
            add_key(&pool);
        }

        gossip.shutdown(PATIENCE).unwrap();

        assert_eq!(Arc::strong_count(&kept.0), 1, "let go");
        assert_eq!(kept.all().last().unwrap().message, "node shut down");
        assert!(matches!(gossip.set_log(LogLevel::Info, Some(kept.sink())), Err(Error::Closed)));
        gossip.set_log(LogLevel::Info, None).unwrap();
    }
}

#[test]
fn a_shutdown_waits_for_a_sink_and_says_so_when_it_takes_too_long() {
    let (release, stuck) = channel::<()>();
    let stuck = Mutex::new(stuck);
    let (gossip, (begun, begins)) = (Gossip::new(loopback("a")).unwrap(), channel());
    let begun = Mutex::new(begun);
    let token = Arc::new(());
    let held = Arc::clone(&token);
    let sink = move |_: &Record| {
        let _ = (&held, begun.lock().unwrap().send(()));
        let _ = stuck.lock().unwrap().recv();
    };
    gossip.set_log(LogLevel::Info, Some(Arc::new(sink))).unwrap();
    gossip.start().unwrap();
    begins.recv_timeout(PATIENCE).unwrap();

    let error = gossip.shutdown(Duration::from_millis(20)).unwrap_err();
    assert!(matches!(error, Error::Timeout(_)), "{error}");
    assert!(!gossip.is_running());
    drop(release);
    gossip.shutdown(PATIENCE).unwrap();

    assert_eq!(Arc::strong_count(&token), 1);
}

#[test]
fn a_node_dropped_in_its_own_sink_ends_all_the_same() {
    let last = Arc::new(Mutex::new(None::<Gossip>));
    let (gossip, kept) = (Gossip::new(loopback("a")).unwrap(), Kept::default());
    let (held, keep) = (Arc::clone(&last), kept.sink());
    let sink = move |record: &Record| {
        keep(record);
        let node = held.lock().unwrap().take();
        drop(node);
    };
    gossip.set_log(LogLevel::Info, Some(Arc::new(sink))).unwrap();
    gossip.start().unwrap();
    kept.expect("node started");
    let pool = gossip.register_pool(quick(1), None).unwrap();
    let weak: Weak<Mutex<Option<Gossip>>> = Arc::downgrade(&last);
    *last.lock().unwrap() = Some(gossip);
    drop(last);

    add_key(&pool);

    eventually("the sink is let go", || weak.strong_count() == 0);
    assert!(matches!(pool.keys(), Err(Error::Closed)));
}

#[test]
fn a_callback_may_set_the_log() {
    struct Setter(OnceLock<Gossip>, Kept);
    impl Delegate for Setter {
        fn notify_join(&self, _: &Member) {
            if let Some(gossip) = self.0.get() {
                gossip.set_log(LogLevel::Info, Some(self.1.sink())).unwrap();
            }
        }
    }
    let (gossip, kept) = (Gossip::new(loopback("a")).unwrap(), Kept::default());
    let setter = Arc::new(Setter(OnceLock::new(), kept.clone()));
    setter.0.set(gossip.clone()).unwrap();
    let pool = gossip.register_pool(quick(1), Some(setter)).unwrap();
    gossip.start().unwrap();

    eventually("the log is set", || {
        add_key(&pool);
        !kept.find("keyring changed").is_empty()
    });
    gossip.shutdown(PATIENCE).unwrap();
}

#[test]
fn many_threads_may_change_the_log_at_a_time() {
    let (gossip, pool, kept) = started("a", LogLevel::Info);

    thread::scope(|scope| {
        for number in 0..4_u8 {
            let (gossip, pool, kept) = (&gossip, &pool, &kept);
            scope.spawn(move || {
                for round in 0..50 {
                    let sink = ((number + round) % 3 > 0).then(|| kept.sink());
                    gossip.set_log(LogLevel::Debug, sink).unwrap();
                    add_key(pool);
                }
            });
        }
    });
    gossip.set_log(LogLevel::Info, Some(kept.sink())).unwrap();
    pool.leave(PATIENCE).unwrap();

    kept.expect("leaving");
    gossip.shutdown(PATIENCE).unwrap();
    assert_eq!(Arc::strong_count(&kept.0), 1);
}
