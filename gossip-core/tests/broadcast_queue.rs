//! The queue of broadcasts beyond what the recordings of Go hold: what Go loses.

use bytes::Bytes;
use gossip_core::base::ids::TaskId;
use gossip_core::swim::broadcast::{BroadcastQueue, Room, Subject};

/// Room for `parts` messages of any size.
fn room(parts: usize) -> Room {
    Room { overhead: 2, limit: 1400, parts }
}

/// Takes once; what came out.
fn take(queue: &mut BroadcastQueue, parts: usize, transmissions: u32) -> Vec<Bytes> {
    let mut taken = Vec::new();
    queue.take(room(parts), transmissions, |message| taken.push(message.clone()));
    taken
}

fn finished(queue: &mut BroadcastQueue) -> Vec<u64> {
    let mut all: Vec<_> = std::iter::from_fn(|| queue.poll_finished()).map(|task| task.0).collect();
    all.sort_unstable();
    all
}

#[test]
fn messages_that_are_equal_in_everything_but_their_bytes_are_all_sent_and_finished() {
    let mut queue = BroadcastQueue::default();
    let mut sent = std::collections::BTreeMap::<Bytes, u32>::new();

    // The first take empties the queue for a moment: there Go's numbers begin anew.
    for number in 0..10_u64 {
        let message = Bytes::from(format!("message {number}"));
        queue.queue(Subject::Named(format!("n{number}").as_str().into()), message, Some(TaskId(number)));
        for message in take(&mut queue, 1, 3) {
            *sent.entry(message).or_default() += 1;
        }
    }
    while !queue.is_empty() {
        for message in take(&mut queue, 1, 3) {
            *sent.entry(message).or_default() += 1;
        }
    }

    assert_eq!(sent.len(), 10);
    assert!(sent.values().all(|times| *times == 3), "{sent:?}");
    assert_eq!(finished(&mut queue), (0..10).collect::<Vec<_>>());
}

#[test]
fn a_newer_message_of_the_same_name_takes_the_place_of_the_older_and_finishes_it() {
    let mut queue = BroadcastQueue::default();

    queue.queue(Subject::Named("a".into()), Bytes::from_static(b"old"), Some(TaskId(1)));
    take(&mut queue, 8, 3);
    queue.queue(Subject::Named("a".into()), Bytes::from_static(b"new"), Some(TaskId(2)));

    assert_eq!(finished(&mut queue), [1]);
    assert_eq!(take(&mut queue, 8, 3), [&b"new"[..]]);
    assert_eq!(queue.len(), 1);
}

#[test]
fn a_queue_that_was_never_used_can_be_pruned_and_asked() {
    let mut queue = BroadcastQueue::default();

    queue.prune(0);

    assert!(take(&mut queue, 8, 3).is_empty());
    assert_eq!((queue.len(), queue.poll_finished()), (0, None));
}

#[test]
fn pruning_drops_what_was_sent_most_often_and_finishes_it() {
    let mut queue = BroadcastQueue::default();
    for number in 0..3_u64 {
        queue.queue(Subject::Unique, Bytes::from(format!("old {number}")), Some(TaskId(number)));
    }
    take(&mut queue, 8, 3);
    queue.queue(Subject::Unique, Bytes::from_static(b"new"), Some(TaskId(9)));

    queue.prune(1);

    assert_eq!(finished(&mut queue), [0, 1, 2]);
    assert_eq!(take(&mut queue, 8, 3), [&b"new"[..]]);
}
