//! Clusters of agents on foca in one thread, measured as `gossip-bench` measures ours:
//! `gossip-bench-foca steady NODES SECONDS | broadcast NODES TIMES`.

mod agent;

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};
use tokio::runtime::Builder;
use tokio::task::LocalSet;
use tokio::time::{Instant, sleep};

use agent::{Command, Heard, Node};

const PATIENCE: Duration = Duration::from_secs(20);
const SETTLE: Duration = Duration::from_secs(2);
const LOOK: Duration = Duration::from_millis(5);
/// foca's interval between probes.
const RHYTHM: Duration = Duration::from_secs(1);
/// As in the other programs.
const SINGLE_PATIENCE: f64 = 5.0;
const SIZE: usize = 100;

fn main() {
    let args: Vec<_> = std::env::args().skip(1).collect();
    let number = |at: usize| args.get(at).and_then(|text| text.parse::<f64>().ok());
    let (Some(kind), Some(count), Some(last)) = (args.first(), number(1), number(2)) else {
        eprintln!("usage: gossip-bench-foca steady NODES SECONDS | broadcast NODES TIMES");
        std::process::exit(2);
    };
    let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
    LocalSet::new().block_on(&runtime, async {
        match kind.as_str() {
            "steady" => steady(count as usize, Duration::from_secs_f64(last)).await,
            "broadcast" => broadcast(count as usize, last as usize).await,
            other => panic!("no case {other}"),
        }
    });
}

/// Nodes that know each other, most of them: a datagram of foca's that is lost in the storm is
/// made up for in minutes only.
async fn settled(count: usize, heard: &Heard) -> Vec<Node> {
    let mut nodes = Vec::new();
    for number in 0..count {
        nodes.push(Node::start(count, number, Rc::clone(heard)).await.expect("loopback has a free port"));
    }
    let begun = Instant::now();
    let agreed = || nodes.iter().all(|node| node.members.get() == count);
    while !agreed() && begun.elapsed() < PATIENCE {
        // Who is alone asks again. One after the other: a node probes in the rhythm of its join, and
        // those of a real cluster don't probe all in the same millisecond.
        for node in nodes.iter().skip(1).filter(|node| node.members.get() < 2) {
            let _ = node.commands.send(Command::Join(nodes[0].id.clone()));
            sleep(RHYTHM / count as u32).await;
        }
        sleep(LOOK).await;
    }
    sleep(SETTLE).await;
    nodes
}

async fn steady(count: usize, span: Duration) {
    let before = resident();
    let nodes = settled(count, &Heard::default()).await;
    let (begun, used) = (Instant::now(), cpu());
    sleep(span).await;
    let (wall, cpu) = (begun.elapsed().as_secs_f64(), (cpu() - used).as_secs_f64());
    let known: usize = nodes.iter().map(|node| node.members.get()).sum();
    println!(
        "{{\"figure\": \"steady\", \"cpu_ms\": {}, \"memory\": {}, \"known\": {}}}",
        cpu / wall * 1e3 / count as f64,
        (resident() - before) / count as f64,
        known as f64 / (count * count) as f64,
    );
}

async fn broadcast(count: usize, times: usize) {
    let heard: Heard = Rc::new(RefCell::new(vec![(0, Instant::now()); times]));
    let nodes = settled(count, &heard).await;
    for number in 0..times {
        let mut message = vec![7; SIZE];
        message[..8].copy_from_slice(&(number as u64).to_be_bytes());
        let begun = Instant::now();
        let _ = nodes[(number * 37) % count].commands.send(Command::Broadcast(message));
        while heard.borrow()[number].0 < count - 1 && begun.elapsed().as_secs_f64() < SINGLE_PATIENCE {
            sleep(LOOK).await;
        }
        let (reached, last) = heard.borrow()[number];
        let complete = reached >= count - 1;
        let seconds = if complete { (last - begun).as_secs_f64() } else { SINGLE_PATIENCE };
        println!(
            "{{\"figure\": \"broadcast\", \"seconds\": {seconds}, \"complete\": {}}}",
            u8::from(complete)
        );
    }
}

fn cpu() -> Duration {
    let used = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(used.tv_sec as u64, used.tv_nsec as u32)
}

fn resident() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|text| text.split_whitespace().next()?.parse::<f64>().ok()).unwrap_or_default() * 1024.0
}
