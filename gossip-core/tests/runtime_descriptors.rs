//! A node that runs out of file descriptors says so, and what to do.
//!
//! The test is two processes: it starts itself once more with few descriptors.

#![cfg(unix)]

use std::net::TcpStream;
use std::process::Command;
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::time::Duration;

use gossip_core::{Config, Gossip, LogLevel, Record};

const TEST: &str = "a_process_without_descriptors_is_told_to_raise_the_limit";
const CHILD: &str = "GOSSIP_TEST_FEW_DESCRIPTORS";
const LIMIT: u32 = 64;

/// Opens connections to a node of its own until nothing is left, and prints the warning.
fn exhausted() {
    let bind_addr = vec![[127, 0, 0, 1].into()];
    let config = Config { name: "a".to_owned(), bind_addr, bind_port: 0, ..Config::default() };
    let gossip = Gossip::new(config).unwrap();
    let (heard, hears) = channel();
    let sink = move |record: &Record| drop(heard.send(record.to_string()));
    gossip.set_log(LogLevel::Warn, Some(Arc::new(sink))).unwrap();
    gossip.start().unwrap();

    // Each takes two, one at either end; the last one that succeeds leaves none for the node.
    let mut open = Vec::new();
    while let Ok(stream) = TcpStream::connect(gossip.local_addr()) {
        open.push(stream);
        assert!(open.len() <= LIMIT as usize, "the limit does not hold");
    }

    while let Ok(line) = hears.recv_timeout(Duration::from_secs(30)) {
        if line.contains("no file descriptor left") {
            return println!("told: {line}");
        }
    }
}

#[test]
fn a_process_without_descriptors_is_told_to_raise_the_limit() {
    if std::env::var_os(CHILD).is_some() {
        return exhausted();
    }

    let program = std::env::current_exe().unwrap();
    let output = Command::new("sh")
        .args(["-c", &format!("ulimit -n {LIMIT} && exec \"$0\" \"$@\"")])
        .arg(program)
        .args([TEST, "--exact", "--nocapture"])
        .env(CHILD, "1")
        .output()
        .unwrap();

    let told = String::from_utf8_lossy(&output.stdout);
    assert!(told.contains("told: warn"), "{told} {}", String::from_utf8_lossy(&output.stderr));
    assert!(told.contains("hint=") && told.contains("ulimit -n"), "{told}");
}
