//! A program with a `tracing` subscriber of its own hears every node that has no sink, and
//! of each event which node and pool it is about.
//!
//! A program of its own, because the subscriber is that of the whole process.

use std::collections::{BTreeMap, HashMap};
use std::fmt::{Debug, Write};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::thread::{ThreadId, current, sleep};
use std::time::Duration;

use gossip_core::{Config, Delegate, Gossip, LogLevel, Member, PoolConfig};
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Metadata, Subscriber, span};

const PATIENCE: Duration = Duration::from_secs(30);

/// Writes each event behind the fields of the span it is in.
#[derive(Default)]
struct Program {
    next: AtomicU64,
    spans: Mutex<BTreeMap<u64, String>>,
    inside: Mutex<HashMap<ThreadId, Vec<u64>>>,
    lines: Mutex<Vec<String>>,
}

struct Line(String);

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        write!(self.0, "{}={value:?} ", field.name()).unwrap();
    }
}

struct Shared(Arc<Program>);

impl Subscriber for Shared {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        *metadata.level() <= Level::INFO
    }

    fn new_span(&self, attributes: &span::Attributes<'_>) -> span::Id {
        let mut line = Line(String::new());
        attributes.record(&mut line);
        let number = self.0.next.fetch_add(1, Relaxed) + 1;
        self.0.spans.lock().unwrap().insert(number, line.0);
        span::Id::from_u64(number)
    }

    fn event(&self, event: &Event<'_>) {
        let span =
            self.0.inside.lock().unwrap().get(&current().id()).and_then(|inside| inside.last().copied());
        let context = span.map(|span| self.0.spans.lock().unwrap()[&span].clone());
        let mut line = Line(context.unwrap_or_default());
        event.record(&mut line);
        self.0.lines.lock().unwrap().push(line.0);
    }

    fn enter(&self, span: &span::Id) {
        self.0.inside.lock().unwrap().entry(current().id()).or_default().push(span.into_u64());
    }

    fn exit(&self, _: &span::Id) {
        self.0.inside.lock().unwrap().entry(current().id()).or_default().pop();
    }

    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}
    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}
}

/// An application that logs in its callbacks.
struct Talkative;

impl Delegate for Talkative {
    fn notify_join(&self, _: &Member) {
        tracing::info!(target: "application", "a callback speaks");
    }
}

fn started(name: &str, before: impl FnOnce(&Gossip)) -> Gossip {
    let bind_addr = vec![[127, 0, 0, 1].into()];
    let config = Config { name: name.to_owned(), bind_addr, bind_port: 0, ..Config::default() };
    let gossip = Gossip::new(config).unwrap();
    before(&gossip);
    gossip.register_pool(PoolConfig::local(7), Some(Arc::new(Talkative))).unwrap();
    gossip.start().unwrap();
    gossip
}

fn eventually(condition: impl Fn() -> bool) -> bool {
    for _ in 0..PATIENCE.as_millis() / 5 {
        if condition() {
            return true;
        }
        sleep(Duration::from_millis(5));
    }
    false
}

#[test]
fn the_programs_subscriber_hears_nodes_without_a_sink_and_the_application_always() {
    let program = Arc::new(Program::default());
    tracing::subscriber::set_global_default(Shared(Arc::clone(&program))).unwrap();
    let heard = |parts: &[&str]| {
        let lines = program.lines.lock().unwrap();
        lines.iter().filter(|line| parts.iter().all(|part| line.contains(part))).count()
    };
    let expect = |parts: &[&str], count: usize| {
        let enough = eventually(|| heard(parts) >= count);
        assert!(enough, "{parts:?} not {count} times in {:#?}", program.lines.lock().unwrap());
    };

    let loud = started("loud", |_| {});
    expect(&["node=loud", "node started"], 1);
    expect(&["node=loud", "pool=7", "pool started"], 1);
    expect(&["a callback speaks"], 1);

    let kept = Arc::new(Mutex::new(Vec::new()));
    let keep = Arc::clone(&kept);
    let set = |gossip: &Gossip| {
        let sink = move |record: &gossip_core::Record| keep.lock().unwrap().push(record.to_string());
        gossip.set_log(LogLevel::Trace, Some(Arc::new(sink))).unwrap();
    };
    let quiet = started("quiet", set);
    expect(&["a callback speaks"], 2);
    let pool = quiet.pool(gossip_core::PoolId(7)).unwrap();
    pool.leave(PATIENCE).unwrap();
    // What waits for a sink when it is taken away is dropped.
    for part in ["node started", "pool started pool=7", "leaving pool=7"] {
        let told = || kept.lock().unwrap().iter().any(|record: &String| record.contains(part));
        assert!(eventually(told), "no {part:?} in {:#?}", kept.lock().unwrap());
    }
    quiet.set_log(LogLevel::Trace, None).unwrap();
    pool.join(&[loud.local_addr().to_string()], PATIENCE).unwrap();

    expect(&["node=quiet", "pool=7", "join ended"], 1);
    assert_eq!(heard(&["node=quiet", "started"]) + heard(&["leaving"]), 0, "that went to the sink");
    let records = kept.lock().unwrap();
    assert!(!records.iter().any(|record| record.contains("a callback speaks")), "{records:#?}");
}
