//! A node whose process stood still does not take its peers for dead when it goes on.
//!
//! The test is two processes: it starts itself once more, with an environment variable
//! that makes it the one that is stopped and continued.

#![cfg(unix)]

use std::env;
use std::io::{BufRead, Read, Write};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use gossip_core::{Config, Gossip, Pool, PoolConfig, State};

const PATIENCE: Duration = Duration::from_secs(30);
const TEST: &str = "a_paused_node_does_not_accuse_its_peers";
const SEED: &str = "GOSSIP_TEST_SEED";
const PAUSES: usize = 3;

fn node(name: &str) -> (Gossip, Pool) {
    let loopback = vec![[127, 0, 0, 1].into()];
    let config = Config { name: name.to_owned(), bind_addr: loopback, bind_port: 0, ..Config::default() };
    let gossip = Gossip::new(config).unwrap();
    let config = PoolConfig {
        probe_interval: Duration::from_millis(400),
        probe_timeout: Duration::from_millis(200),
        gossip_interval: Duration::from_millis(20),
        // Long enough to be continued before one is dead.
        suspicion_mult: 200,
        suspicion_max_timeout_mult: 1,
        ..PoolConfig::local(1)
    };
    let pool = gossip.register_pool(config, None).unwrap();
    gossip.start().unwrap();
    (gossip, pool)
}

#[track_caller]
fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    for _ in 0..6000 {
        if condition() {
            return;
        }
        sleep(Duration::from_millis(5));
    }
    panic!("waited in vain: {what}");
}

/// The process that is paused: reports once it is asked, by the end of its input.
fn paused(seed: &str) {
    let (_gossip, pool) = node("paused");
    pool.join(&[seed], PATIENCE).unwrap();

    let _ = std::io::stdin().lock().read_line(&mut String::new());

    let stats = pool.stats().unwrap();
    println!("stalls={} suspicions={}", stats.stalls, stats.machine.swim.suspicions);
}

/// The process that is paused; it does not outlive the test.
struct Paused(Child);

impl Paused {
    fn signal(&self, signal: &str) {
        let status = Command::new("kill").args([signal, &self.0.id().to_string()]).status().unwrap();
        assert!(status.success());
    }
}

impl Drop for Paused {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_paused_node_does_not_accuse_its_peers() {
    if let Ok(seed) = env::var(SEED) {
        return paused(&seed);
    }
    let (gossip, pool) = node("watcher");
    let child = Command::new(env::current_exe().unwrap())
        .args(["--exact", TEST, "--nocapture"])
        .env(SEED, gossip.local_addr().to_string())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut child = Paused(child);
    let state = || pool.members().find(b"paused").map(|member| member.state);

    eventually("it joined", || state() == Some(State::Alive));
    for _ in 0..PAUSES {
        child.signal("-STOP");
        eventually("it is missed", || state() == Some(State::Suspect));
        child.signal("-CONT");
        eventually("it has refuted", || state() == Some(State::Alive));
    }
    child.0.stdin.take().unwrap().write_all(b"report\n").unwrap();

    let mut text = String::new();
    child.0.stdout.take().unwrap().read_to_string(&mut text).unwrap();
    assert!(child.0.wait().unwrap().success(), "{text}");
    let report = text.lines().find_map(|line| line.split_once("stalls=")).unwrap().1;
    let (stalls, suspicions) = report.split_once(" suspicions=").unwrap();
    assert!(stalls.parse::<usize>().unwrap() >= PAUSES, "{report}");
    assert_eq!(suspicions, "0", "{report}");
}
