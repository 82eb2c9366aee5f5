//! The only sink of a process, beside a node without one.
//!
//! A program of its own: `tracing` remembers for the whole process whether anybody wants
//! an event, and a second sink would make it ask again.

use std::sync::Arc;
use std::sync::mpsc::channel;
use std::time::Duration;

use gossip_core::{Config, Gossip, LogLevel, Pool, PoolConfig, Record};

const PATIENCE: Duration = Duration::from_secs(30);

fn started(name: &str) -> (Gossip, Pool) {
    let bind_addr = vec![[127, 0, 0, 1].into()];
    let config = Config { name: name.to_owned(), bind_addr, bind_port: 0, ..Config::default() };
    let gossip = Gossip::new(config).unwrap();
    let pool = gossip.register_pool(PoolConfig::local(1), None).unwrap();
    gossip.start().unwrap();
    (gossip, pool)
}

#[test]
fn what_a_silent_node_says_first_is_heard_when_the_other_says_it() {
    let ((_silent, silent_pool), (loud, loud_pool)) = (started("silent"), started("loud"));
    let (heard, hears) = channel();
    let sink = move |record: &Record| drop(heard.send(record.message.clone()));
    loud.set_log(LogLevel::Info, Some(Arc::new(sink))).unwrap();

    silent_pool.leave(PATIENCE).unwrap();
    loud_pool.leave(PATIENCE).unwrap();

    while hears.recv_timeout(PATIENCE).expect("it is heard") != "leaving" {}
}
