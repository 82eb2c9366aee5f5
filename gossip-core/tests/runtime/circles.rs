//! Callbacks that end each other's pools: whoever would close a circle of waits is refused.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Barrier, Mutex, OnceLock};
use std::time::Duration;

use gossip_core::runtime::delegate::Delegate;
use gossip_core::runtime::error::Error;
use gossip_core::runtime::gossip::Gossip;
use gossip_core::runtime::pool::Pool;

use super::support::*;

/// What a callback ends, told to it when everything exists.
type Victim = Arc<OnceLock<Box<dyn Fn() -> Result<(), Error> + Send + Sync>>>;

/// Calls `victim` at its first message, once those of the others have come, too.
fn ends(victim: &Victim, meet: &Arc<Barrier>, results: &Sender<Result<(), Error>>) -> Arc<dyn Delegate> {
    let (victim, meet) = (Arc::clone(victim), Arc::clone(meet));
    let results = Mutex::new(Some(results.clone()));
    on_message(move |_| {
        if let Some(results) = results.lock().unwrap().take() {
            meet.wait();
            let _ = results.send(victim.get().unwrap()());
        }
    })
}

/// Waits for all results; how many were refused. The others must have done their work.
#[track_caller]
fn refused(results: &Receiver<Result<(), Error>>, count: usize) -> usize {
    let results: Vec<_> =
        (0..count).map(|_| results.recv_timeout(PATIENCE).expect("a callback hangs")).collect();
    for result in &results {
        assert!(matches!(result, Ok(()) | Err(Error::Deadlock)), "{result:?}");
    }
    results.iter().filter(|result| result.is_err()).count()
}

/// Sends a message to `pool` from a node of its own.
fn wake(pool: &Pool, gossip: &Gossip) {
    let (sender, ..) = started_with("sender", quick(pool.id().0));
    let from = sender.pool(pool.id()).unwrap();
    join(&from, gossip);
    let to = member(&from, &gossip.node_name().to_string());
    // The callback holds up the acknowledgement.
    std::thread::spawn(move || {
        let _ = from.send_reliable(&to, b"go", PATIENCE);
        drop(sender);
    });
}

#[test]
fn two_callbacks_that_end_each_others_pool_do_not_wait_for_ever() {
    let (results, ended) = channel();
    let (a, meet) = (node("a"), Arc::new(Barrier::new(2)));
    let victims: [Victim; 2] = Default::default();
    let pools = [0, 1].map(|index| {
        let delegate = ends(&victims[index], &meet, &results);
        a.register_pool(quick(index as u8 + 1), Some(delegate)).unwrap()
    });
    for (index, victim) in victims.iter().enumerate() {
        let other = pools[1 - index].clone();
        // Without a limit, as a program may well.
        assert!(victim.set(Box::new(move || other.shutdown(Duration::MAX))).is_ok());
    }
    a.start().unwrap();

    pools.iter().for_each(|pool| wake(pool, &a));

    assert_eq!(refused(&ended, 2), 1, "one is refused, the other does its work");
    a.shutdown(PATIENCE).unwrap();
}

#[test]
fn a_circle_of_nodes_does_not_wait_for_ever() {
    const NODES: usize = 3;
    let (results, ended) = channel();
    let meet = Arc::new(Barrier::new(NODES));
    let victims: [Victim; NODES] = Default::default();
    let nodes: Vec<_> = victims
        .iter()
        .enumerate()
        .map(|(index, victim)| {
            let gossip = node(&format!("n{index}"));
            let pool = gossip.register_pool(quick(1), Some(ends(victim, &meet, &results))).unwrap();
            gossip.start().unwrap();
            (gossip, pool)
        })
        .collect();
    for (index, victim) in victims.iter().enumerate() {
        let next = nodes[(index + 1) % NODES].0.clone();
        assert!(victim.set(Box::new(move || next.shutdown(Duration::MAX))).is_ok());
    }

    nodes.iter().for_each(|(gossip, pool)| wake(pool, gossip));

    assert_eq!(refused(&ended, NODES), 1);
    for (gossip, _) in &nodes {
        gossip.shutdown(PATIENCE).unwrap();
    }
}

#[test]
fn the_last_words_of_a_pool_said_inside_another_callback_cannot_end_that_ones_pool() {
    struct Farewell(Victim, Sender<Result<(), Error>>);
    impl Delegate for Farewell {
        fn notify_shutdown(&self) {
            let _ = self.1.send(self.0.get().unwrap()());
        }
    }
    let (results, ended) = channel();
    let a = node("a");
    let (ends_idle, ends_first): (Victim, Victim) = Default::default();
    // A pool of a node that never runs: its farewell is said by whoever ends it.
    let idle = node("idle");
    let idle_pool =
        idle.register_pool(quick(9), Some(Arc::new(Farewell(ends_first.clone(), results.clone())))).unwrap();
    let first =
        a.register_pool(quick(1), Some(ends(&ends_idle, &Arc::new(Barrier::new(1)), &results))).unwrap();
    assert!(ends_idle.set(Box::new(move || idle_pool.shutdown(Duration::MAX))).is_ok());
    let pool = first.clone();
    assert!(ends_first.set(Box::new(move || pool.shutdown(Duration::MAX))).is_ok());
    a.start().unwrap();

    wake(&first, &a);

    assert_eq!(refused(&ended, 2), 1);
}
