//! Clusters of memberlist's port to Rust, measured as `gossip-bench` measures ours:
//! `gossip-bench-al8n join NODES | steady NODES SECONDS`. It has a wire format of its own.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use memberlist::Options;
use memberlist::delegate::VoidDelegate;
use memberlist::net::NetTransportOptions;
use memberlist::proto::MaybeResolvedAddress;
use memberlist::tokio::{TokioSocketAddrResolver, TokioTcp, TokioTcpMemberlist};
use rustix::time::{ClockId, clock_gettime};
use smol_str::SmolStr;
use tokio::runtime::Builder;
use tokio::task::JoinSet;
use tokio::time::sleep;

type List = TokioTcpMemberlist<SmolStr, TokioSocketAddrResolver, VoidDelegate<SmolStr, SocketAddr>>;
type Transport = NetTransportOptions<SmolStr, TokioSocketAddrResolver, TokioTcp>;

// As in the other programs.
const PATIENCE: Duration = Duration::from_secs(20);
const LOOK: Duration = Duration::from_millis(5);
const AGAIN: Duration = Duration::from_millis(100);
/// What is still to be told is told within this time: how much that is, this crate does not say.
const SETTLE: Duration = Duration::from_secs(8);

fn main() {
    let args: Vec<_> = std::env::args().skip(1).collect();
    let number = |at: usize| args.get(at).and_then(|text| text.parse::<f64>().ok());
    let runtime = Builder::new_multi_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        match (args.first().map(String::as_str), number(1), number(2)) {
            (Some("join"), Some(count), None) => join(count as usize).await,
            (Some("steady"), Some(count), Some(span)) => {
                steady(count as usize, Duration::from_secs_f64(span)).await;
            }
            _ => {
                eprintln!("usage: gossip-bench-al8n join NODES | steady NODES SECONDS");
                std::process::exit(2);
            }
        }
    });
}

async fn start(count: usize) -> Vec<List> {
    let mut lists = Vec::new();
    for number in 0..count {
        let mut transport = Transport::new(SmolStr::new(format!("node-{number:04}")));
        transport.add_bind_address(SocketAddr::from(([127, 0, 0, 1], 0)));
        lists.push(List::new(transport, Options::lan()).await.expect("a node"));
    }
    lists
}

/// All join through the first at once; whether all see all in time.
async fn storm(lists: &[List]) -> bool {
    let begun = Instant::now();
    let seed = *lists[0].advertise_address();
    let mut joining = JoinSet::new();
    for list in lists[1..].iter().cloned() {
        joining.spawn(async move {
            while list.join(MaybeResolvedAddress::resolved(seed)).await.is_err() && begun.elapsed() < PATIENCE
            {
                sleep(AGAIN).await;
            }
        });
    }
    while joining.join_next().await.is_some() {}
    for list in lists {
        while list.num_online_members().await != lists.len() {
            if begun.elapsed() > PATIENCE {
                return false;
            }
            sleep(LOOK).await;
        }
    }
    true
}

async fn join(count: usize) {
    let lists = start(count).await;
    let (begun, used) = (Instant::now(), cpu());
    let agreed = storm(&lists).await;
    let seconds = if agreed { begun.elapsed() } else { PATIENCE }.as_secs_f64();
    println!(
        "{{\"figure\": \"join\", \"seconds\": {seconds}, \"cpu\": {}, \"late\": {}}}",
        (cpu() - used).as_secs_f64(),
        u8::from(!agreed)
    );
}

async fn steady(count: usize, span: Duration) {
    let before = resident();
    let lists = start(count).await;
    let begun = Instant::now();
    while !storm(&lists).await {
        assert!(begun.elapsed() < 3 * PATIENCE, "the cluster does not agree");
    }
    sleep(SETTLE).await;
    let (begun, used) = (Instant::now(), cpu());
    sleep(span).await;
    let (wall, cpu) = (begun.elapsed().as_secs_f64(), (cpu() - used).as_secs_f64());
    println!(
        "{{\"figure\": \"steady\", \"cpu_ms\": {}, \"memory\": {}}}",
        cpu / wall * 1e3 / count as f64,
        (resident() - before) / count as f64
    );
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
