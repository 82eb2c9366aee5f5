//! The recorded scenarios: real Go nodes were fed these steps, and our rules must leave
//! the same table, queue, events and counters behind.

use std::borrow::Cow;
use std::time::Duration;

use serde_json::{Map, Value, json};

use crate::base::addr::NodeAddr;
use crate::base::rng::Rng;
use crate::base::time::Time;
use crate::pool::config::{BroadcastMode, PoolConfig};
use crate::swim::broadcast::{BroadcastQueue, Room};
use crate::swim::effect::Effect;
use crate::swim::node::{Member, Node};
use crate::swim::swim::Swim;
use crate::swim::vectors::{bytes, load};
use crate::wire::message::{Alive, Blob, Dead, NodeRecord, Suspect, Text};

/// A node named self, as in the recordings, and what a step needs besides.
struct Replay {
    swim: Swim,
    now: Time,
    rejects: Option<String>,
}

fn text(value: &Value) -> Text<'static> {
    let text = value.as_str().unwrap_or_default();
    Cow::Owned(if text.starts_with("hex:") { bytes(value).unwrap() } else { text.as_bytes().to_vec() })
}

fn blob(value: &Value) -> Blob<'static> {
    bytes(value).map(Cow::Owned)
}

fn number(value: &Value) -> u32 {
    value.as_u64().unwrap_or_default() as u32
}

fn alive(fields: &Value) -> Alive<'static> {
    Alive {
        incarnation: number(&fields["Incarnation"]),
        node: text(&fields["Node"]),
        addr: blob(&fields["Addr"]),
        port: number(&fields["Port"]) as u16,
        meta: blob(&fields["Meta"]),
        relay: 0,
        versions: blob(&fields["Vsn"]),
    }
}

fn record(fields: &Value) -> NodeRecord<'static> {
    NodeRecord {
        name: text(&fields["Name"]),
        addr: blob(&fields["Addr"]),
        port: number(&fields["Port"]) as u16,
        meta: blob(&fields["Meta"]),
        incarnation: number(&fields["Incarnation"]),
        state: fields["State"].as_i64().unwrap_or_default(),
        relay: 0,
        versions: blob(&fields["Vsn"]),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn tagged(bytes: &[u8]) -> Value {
    json!(format!("hex:{}", hex(bytes)))
}

fn facts(node: &Node) -> Map<String, Value> {
    let mut facts = Map::new();
    facts.insert("Name".into(), json!(node.name.to_string()));
    facts.insert("Addr".into(), tagged(node.addr.ip.as_bytes()));
    facts.insert("Port".into(), json!(node.addr.port));
    facts.insert("Meta".into(), node.meta.as_blob().map_or(Value::Null, tagged));
    facts.insert("Vsn".into(), tagged(&node.versions.to_bytes()));
    facts
}

impl Replay {
    fn new(params: &Value) -> Self {
        // Go's announcements say nothing of relayed broadcasts.
        let mut config = PoolConfig { broadcast_mode: BroadcastMode::Plain, ..PoolConfig::lan(0) };
        let millis = |key: &str| params[key].as_u64().map(Duration::from_millis);
        config.dead_node_reclaim_time = millis("DeadNodeReclaimTime_ms").unwrap_or_default();
        config.gossip_to_the_dead_time = millis("GossipToTheDeadTime_ms").unwrap_or(Duration::from_secs(30));
        for network in params["CIDRsAllowed"].as_array().into_iter().flatten() {
            config.cidrs_allowed.push(network.as_str().unwrap().parse().unwrap());
        }
        // Go announces no relayed broadcasts.
        config.broadcast_mode = BroadcastMode::Plain;
        let tuning = config.check().unwrap().tuning;
        let addr = NodeAddr::from(std::net::SocketAddr::from(([10, 0, 0, 1], 7946)));
        // Far from the epoch, so that a state change can be made to lie in the past.
        let now = Time::ZERO + Duration::from_secs(100_000);
        let swim = Swim::new(tuning, "self".into(), addr, Rng::from_seed(1), now);
        Self { swim, now, rejects: params["aliveDelegateRejects"].as_str().map(str::to_owned) }
    }

    fn step(&mut self, step: &Value) {
        let (swim, now, fields) = (&mut self.swim, self.now, &step["fields"]);
        match step["op"].as_str().unwrap() {
            "setAlive" => swim.announce(now, None, None),
            "alive" => {
                let alive = alive(fields);
                // The alive delegate's verdict, as the pool's questions give it.
                let refused = self.rejects.as_ref().is_some_and(|name| {
                    alive.versions.as_ref().is_none_or(|bytes| bytes.len() < 6)
                        || *alive.node == *name.as_bytes()
                });
                if !refused {
                    swim.hear_alive(now, alive);
                }
            }
            "suspect" => {
                let (node, from) = (text(&fields["Node"]), text(&fields["From"]));
                swim.hear_suspect(now, &Suspect { incarnation: number(&fields["Incarnation"]), node, from });
            }
            "dead" => {
                let (node, from) = (text(&fields["Node"]), text(&fields["From"]));
                swim.hear_dead(now, &Dead { incarnation: number(&fields["Incarnation"]), node, from });
            }
            "mergeState" => {
                for fields in step["nodes"].as_array().unwrap() {
                    swim.hear_record(now, &record(fields));
                }
            }
            "clearQueue" => swim.broadcasts = BroadcastQueue::default(),
            "age" => {
                let aged = swim.roster.get_mut(&text(&step["node"])).unwrap();
                aged.since = aged.since - Duration::from_millis(step["ms"].as_u64().unwrap());
            }
            "fireSuspicion" => swim.suspicion_end(now, &(&*text(&step["node"])).into()),
            // Ours removes the timer itself, so there is nothing left to fire.
            "fireStale" => assert!(swim.roster.get(&text(&step["node"])).unwrap().suspicion().is_none()),
            "resetNodes" => swim.reap(now),
            "leave" => swim.leave(now, None),
            other => panic!("unknown step {other}"),
        }
    }

    /// Go tells of a conflict without asking, which is as if the known address had answered.
    fn answer_inquiries(&mut self) {
        while let Some(&seq) = self.swim.inquiries.keys().next() {
            self.swim.inquiry_answered(self.now, seq);
        }
    }

    fn nodes(&self) -> Value {
        let mut records: Vec<_> = self.swim.roster.iter().collect();
        records.sort_by_key(|record| record.node.name.clone());
        let node = |record: &&super::roster::Record| {
            let mut node = facts(&record.node);
            node.insert("State".into(), json!(record.state.to_string()));
            node.insert("Incarnation".into(), json!(record.incarnation));
            if let Some(suspicion) = record.suspicion() {
                let terms = suspicion.terms();
                let suspicion = json!({
                    "k": terms.expected, "confirmations": suspicion.confirmations(),
                    "min_ms": terms.min.as_millis() as u64, "max_ms": terms.max.as_millis() as u64,
                });
                node.insert("suspicion".into(), suspicion);
            }
            Value::Object(node)
        };
        records.iter().map(node).collect()
    }

    /// What waits to be broadcast, sorted. Taking changes the counts of transmissions
    /// only, which the recordings do not hold.
    fn queue(&mut self) -> Vec<String> {
        let mut queue = Vec::new();
        let room = Room { overhead: 0, limit: usize::MAX, parts: usize::MAX };
        self.swim.broadcasts.take(room, 1000, |message| queue.push(hex(message)));
        queue.sort();
        queue
    }

    fn events(&mut self) -> Value {
        let mut events = Vec::new();
        let event = |kind: &str, member: Member| json!({ "event": kind, "node": facts(&member.node) });
        while let Some(effect) = self.swim.poll_effect() {
            events.push(match effect {
                Effect::Joined(member) => event("join", member),
                Effect::Left(member) => event("leave", member),
                Effect::Updated(member) => event("update", member),
                Effect::Conflict { existing, other } => json!({
                    "event": "conflict", "existing": facts(&existing.node), "other": facts(&other),
                }),
                other => panic!("unexpected {other:?}"),
            });
        }
        Value::Array(events)
    }
}

/// The recorded queue as ours holds it. Go queues refutations under the address, beside
/// what it said of itself before (behaviour 19, number 11); ours replace it.
fn wanted_queue(recorded: &Value) -> Vec<String> {
    let entries: Vec<_> = recorded.as_array().unwrap().iter().collect();
    let refuted = entries.iter().any(|entry| entry["key"] == "10.0.0.1");
    let kept = entries.iter().filter(|entry| !(refuted && entry["key"] == "self"));
    let mut queue: Vec<_> = kept.map(|entry| entry["wire"].as_str().unwrap().to_owned()).collect();
    queue.sort();
    queue
}

#[test]
fn recorded_scenarios_end_as_in_go() {
    let vectors = load("scenarios");
    assert_eq!(vectors.len(), 49);
    for vector in vectors {
        let mut replay = Replay::new(&vector["params"]);
        for (number, step) in vector["fields"]["steps"].as_array().unwrap().iter().enumerate() {
            replay.step(step);
            replay.answer_inquiries();

            let (at, after) = (format!("{} step {number}", vector["id"]), &step["after"]);
            assert_eq!(replay.events(), after["events"], "{at}: events");
            assert_eq!(replay.nodes(), after["nodes"], "{at}: nodes");
            assert_eq!(replay.queue(), wanted_queue(&after["queue"]), "{at}: queue");
            let swim = &replay.swim;
            assert_eq!(json!(swim.awareness.score()), after["health"], "{at}: health");
            assert_eq!(json!(swim.roster.len()), after["numNodes"], "{at}: members");
            assert_eq!(json!(swim.incarnation), after["incarnationCounter"], "{at}: incarnation");
        }
    }
}
