//! Many pools on one node that have nothing to do.

use std::net::Ipv4Addr;
use std::thread;
use std::time::Duration;

use gossip_core::{Config, Gossip, PoolConfig};

use crate::measure::{Since, held, resident, tell};

/// What `count` pools cost in `span`, above what the node costs without them.
pub(crate) fn pools(count: u16, span: Duration) {
    let config = Config {
        name: "bench".into(),
        bind_addr: vec![Ipv4Addr::LOCALHOST.into()],
        bind_port: 0,
        ..Config::default()
    };
    let node = Gossip::new(config).expect("a node");
    node.start().expect("a start");
    thread::sleep(Duration::from_millis(500));
    let (resident_before, held_before) = (resident(), held());
    for id in 0..count {
        node.register_pool(PoolConfig::lan(id as u8), None).expect("a pool");
    }
    measure(count, span, resident_before, held_before);
    node.shutdown(Duration::from_secs(5)).expect("an end");
}

/// Timers alone, those that such pools need: probes and push/pulls. There is nothing to gossip.
pub(crate) fn timers(count: u16, span: Duration) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let runtime = runtime.expect("a runtime");
    let (resident_before, held_before) = (resident(), held());
    for _ in 0..count {
        runtime.spawn(async {
            let config = PoolConfig::lan(0);
            let intervals = [config.probe_interval, config.push_pull_interval];
            let [mut probe, mut push_pull] = intervals.map(tokio::time::interval);
            loop {
                tokio::select! {
                    _ = probe.tick() => {}
                    _ = push_pull.tick() => {}
                }
            }
        });
    }
    measure(count, span, resident_before, held_before);
}

fn measure(count: u16, span: Duration, resident_before: f64, held_before: usize) {
    // The first ticks come together.
    thread::sleep(Duration::from_secs(2));
    let begun = Since::now();
    thread::sleep(span);
    let cpu = begun.cpu() / begun.wall() * 1e3;
    let each = |total: f64| total / f64::from(count);
    tell(
        "idle",
        &[
            ("cpu_ms", cpu),
            ("memory", each(resident() - resident_before)),
            ("held", each((held() - held_before) as f64)),
        ],
    );
}
