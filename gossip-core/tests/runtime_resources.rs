//! After a shutdown threads and descriptors are as they were before.
//!
//! A program of its own, because it counts those of the whole process.

#![cfg(target_os = "linux")]

use std::collections::BTreeSet;
use std::fs::read_dir;
use std::net::{TcpListener, UdpSocket};
use std::sync::Arc;
use std::thread::sleep;
use std::time::Duration;

use gossip_core::pool::action::Asks;
use gossip_core::pool::config::PoolConfig;
use gossip_core::runtime::config::Config;
use gossip_core::runtime::events::Events;
use gossip_core::runtime::gossip::Gossip;

const PATIENCE: Duration = Duration::from_secs(30);

fn entries(path: &str) -> usize {
    read_dir(path).unwrap().count()
}

/// Threads and descriptors of this process.
fn resources() -> (usize, usize) {
    (entries("/proc/self/task"), entries("/proc/self/fd"))
}

fn thread_names() -> BTreeSet<String> {
    let tasks = read_dir("/proc/self/task").unwrap();
    let name = |task: std::fs::DirEntry| std::fs::read_to_string(task.path().join("comm"));
    tasks.filter_map(|task| name(task.unwrap()).ok()).map(|name| name.trim().to_owned()).collect()
}

/// Two nodes that talk, with everything open that can be.
fn live() -> [Gossip; 2] {
    let nodes = ["a", "b"].map(|name| {
        let gossip = Gossip::new(Config {
            name: name.to_owned(),
            bind_addr: vec![[127, 0, 0, 1].into()],
            bind_port: 0,
            ..Config::default()
        })
        .unwrap();
        for id in 0..4 {
            let events: Arc<Events> = Events::new(16);
            events.readiness().unwrap();
            gossip.register_pool(PoolConfig::local(id), Some(events.delegate(0, Asks::default()))).unwrap();
        }
        gossip.start().unwrap();
        gossip
    });
    let [a, b] = &nodes;
    let (listener, native) = (a.listen(1).unwrap(), a.listen_tcp().unwrap());
    listener.readiness().unwrap();
    for pool in b.pools() {
        pool.join(&[a.local_addr().to_string()], PATIENCE).unwrap();
    }
    // Some connections stay in a backlog, some are with the application.
    let _dialled: Vec<_> = (0..4)
        .map(|_| {
            let mut stream = std::net::TcpStream::connect(a.local_addr()).unwrap();
            std::io::Write::write_all(&mut stream, &[0, 1]).unwrap();
            stream
        })
        .collect();
    let _accepted = listener.accept(Some(PATIENCE)).unwrap();
    drop(native);
    nodes
}

#[test]
fn threads_and_descriptors_are_given_back() {
    let before = resources();

    for round in 0..3 {
        let nodes = live();
        // Handles that are kept hold on to nothing but memory.
        let _pools: Vec<_> = nodes.iter().flat_map(Gossip::pools).collect();
        let names = thread_names();
        assert!(names.contains("gossip-io-0") && names.contains("gossip-io-1"), "{names:?}");
        for node in &nodes {
            // With a goodbye, without one, and by the drop of the handle.
            match round {
                0 => node.leave(PATIENCE).unwrap(),
                1 => {}
                _ => continue,
            }
            node.shutdown(PATIENCE).unwrap();
            let addr = node.local_addr();
            TcpListener::bind(addr).and_then(|_| UdpSocket::bind(addr)).expect("the port is free at once");
        }
        drop(nodes);

        // A thread that was joined may still be listed for a moment.
        let mut now = resources();
        for _ in 0..1000 {
            if now == before {
                break;
            }
            sleep(Duration::from_millis(5));
            now = resources();
        }
        assert_eq!(now, before, "round {round}: {:?}", thread_names());
    }
}
