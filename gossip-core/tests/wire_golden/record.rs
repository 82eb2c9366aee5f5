//! Records as the vectors write them: json to typed records, and typed records to json.

use std::borrow::Cow;

use gossip_core::wire::compress::Envelope;
use gossip_core::wire::decode::{
    decode_ack, decode_alive, decode_dead, decode_error_reply, decode_indirect_ping, decode_nack,
    decode_node_record, decode_ping, decode_push_pull_header, decode_suspect, decode_user_header,
};
use gossip_core::wire::encode::{
    encode, encode_error_reply, encode_node_record, encode_push_pull_header, encode_user_header,
};
use gossip_core::wire::error::Refused;
use gossip_core::wire::message::{
    Ack, Alive, Blob, Dead, ErrorReply, IndirectPing, Message, Nack, NodeRecord, Ping, PushPullHeader,
    Source, Suspect, Text, UserHeader,
};
use serde_json::{Value, json};

use crate::vector::{hex, to_hex};

/// The fields that are Go strings.
const TEXTS: [&str; 5] = ["Node", "From", "Name", "Error", "SourceNode"];

/// The bytes of a record from its fields; messages with their type byte, values without.
pub(crate) fn encoded(kind: &str, fields: &Value) -> Vec<u8> {
    let f = Fields(fields);
    let mut out = Vec::new();
    match kind {
        "ping" => encode(&Message::Ping(f.ping()), &mut out),
        "indirectPing" => encode(&Message::IndirectPing(f.indirect_ping()), &mut out),
        "ack" => encode(&Message::Ack(Ack { seq: f.u32("SeqNo"), payload: f.blob("Payload") }), &mut out),
        "nack" => encode(&Message::Nack(Nack { seq: f.u32("SeqNo") }), &mut out),
        "suspect" => encode(&Message::Suspect(f.suspect()), &mut out),
        "alive" => encode(&Message::Alive(f.alive()), &mut out),
        "dead" => {
            let Suspect { incarnation, node, from } = f.suspect();
            encode(&Message::Dead(Dead { incarnation, node, from }), &mut out);
        }
        "user" => encode(&Message::User(&f.blob("payload").unwrap_or_default()), &mut out),
        "err" => encode_error_reply(&ErrorReply { text: f.text("Error") }, &mut out),
        "compress" => Envelope { algo: f.u32("Algo") as u8, buf: f.blob("Buf") }.encode(&mut out),
        "pushPullHeader" => {
            let (nodes, user_state_len, join) = (f.int("Nodes"), f.int("UserStateLen"), f.is("Join"));
            encode_push_pull_header(
                &PushPullHeader { nodes, user_state_len, join, ..PushPullHeader::default() },
                &mut out,
            );
        }
        "userMsgHeader" => {
            let header = UserHeader { len: f.int("UserMsgLen"), ..UserHeader::default() };
            encode_user_header(&header, &mut out);
        }
        "pushNodeState" => encode_node_record(&f.node(), &mut out),
        other => panic!("no record of type {other}"),
    }
    out
}

/// The fields of a record from its bytes, which have no type byte.
pub(crate) fn decoded(kind: &str, record: &[u8]) -> Result<Value, Refused> {
    Ok(match kind {
        "ping" => {
            let ping = decode_ping(record)?;
            with_source(&ping.source, json!({"SeqNo": ping.seq, "Node": text(&ping.node)}))
        }
        "indirectPing" => {
            let p = decode_indirect_ping(record)?;
            let fields = json!({"SeqNo": p.seq, "Target": blob(&p.target), "Port": p.port, "Node": text(&p.node),
                "Nack": p.nack});
            with_source(&p.source, fields)
        }
        "ack" => {
            let ack = decode_ack(record)?;
            json!({"SeqNo": ack.seq, "Payload": blob(&ack.payload)})
        }
        "nack" => json!({"SeqNo": decode_nack(record)?.seq}),
        "suspect" => {
            let s = decode_suspect(record)?;
            json!({"Incarnation": s.incarnation, "Node": text(&s.node), "From": text(&s.from)})
        }
        "dead" => {
            let d = decode_dead(record)?;
            json!({"Incarnation": d.incarnation, "Node": text(&d.node), "From": text(&d.from)})
        }
        "alive" => {
            let a = decode_alive(record)?;
            json!({"Incarnation": a.incarnation, "Node": text(&a.node), "Addr": blob(&a.addr), "Port": a.port,
                "Meta": blob(&a.meta), "Vsn": blob(&a.versions)})
        }
        "err" => json!({"Error": text(&decode_error_reply(record)?.text)}),
        "compress" => {
            let envelope = Envelope::decode(record)?;
            json!({"Algo": envelope.algo, "Buf": blob(&envelope.buf)})
        }
        "pushPullHeader" => {
            let h = decode_push_pull_header(record)?;
            json!({"Nodes": h.nodes, "UserStateLen": h.user_state_len, "Join": h.join})
        }
        "userMsgHeader" => json!({"UserMsgLen": decode_user_header(record)?.len}),
        "pushNodeState" => node_fields(&decode_node_record(record)?),
        other => panic!("no record of type {other}"),
    })
}

/// The fields of a node record.
pub(crate) fn node_fields(node: &NodeRecord<'_>) -> Value {
    json!({"Name": text(&node.name), "Addr": blob(&node.addr), "Port": node.port, "Meta": blob(&node.meta),
        "Incarnation": node.incarnation, "State": node.state, "Vsn": blob(&node.versions)})
}

/// Fields in the form of [`decoded`]: texts in hex, and none missing that `like` has.
pub(crate) fn normal(fields: &Value, like: &Value) -> Value {
    let like = like.as_object().expect("a record is an object");
    let one = |(key, example): (&String, &Value)| {
        let value = match (&fields[key], example) {
            (Value::String(value), _) if TEXTS.contains(&key.as_str()) && !value.starts_with("hex:") => {
                text(value.as_bytes())
            }
            (Value::Null, Value::Number(_)) => json!(0),
            (Value::Null, Value::Bool(_)) => json!(false),
            (Value::Null, _) if TEXTS.contains(&key.as_str()) => text(b""),
            (value, _) => value.clone(),
        };
        (key.clone(), value)
    };
    for key in fields.as_object().expect("fields are an object").keys() {
        assert!(like.contains_key(key), "field {key} is known");
    }
    Value::Object(like.iter().map(one).collect())
}

fn with_source(source: &Source<'_>, mut fields: Value) -> Value {
    fields["SourceAddr"] = blob(&source.addr);
    fields["SourcePort"] = json!(source.port);
    fields["SourceNode"] = text(&source.node);
    fields
}

fn text(bytes: &[u8]) -> Value {
    json!(format!("hex:{}", to_hex(bytes)))
}

fn blob(blob: &Blob<'_>) -> Value {
    blob.as_deref().map_or(Value::Null, text)
}

/// Typed access to the fields of a vector.
struct Fields<'a>(&'a Value);

impl Fields<'_> {
    fn int(&self, key: &str) -> i64 {
        self.0[key].as_i64().unwrap_or_default()
    }

    fn u32(&self, key: &str) -> u32 {
        u32::try_from(self.int(key)).expect("the number fits its field")
    }

    fn port(&self, key: &str) -> u16 {
        u16::try_from(self.int(key)).expect("the port fits its field")
    }

    fn is(&self, key: &str) -> bool {
        self.0[key] == true
    }

    fn text(&self, key: &str) -> Text<'static> {
        Cow::Owned(self.bytes(key).unwrap_or_default())
    }

    fn blob(&self, key: &str) -> Blob<'static> {
        self.bytes(key).map(Cow::Owned)
    }

    fn bytes(&self, key: &str) -> Option<Vec<u8>> {
        let value = self.0[key].as_str()?;
        Some(value.strip_prefix("hex:").map_or_else(|| value.as_bytes().to_vec(), hex))
    }

    fn source(&self) -> Source<'static> {
        let (addr, port, node) = (self.blob("SourceAddr"), self.port("SourcePort"), self.text("SourceNode"));
        Source { addr, port, node }
    }

    fn ping(&self) -> Ping<'static> {
        Ping { seq: self.u32("SeqNo"), node: self.text("Node"), source: self.source() }
    }

    fn indirect_ping(&self) -> IndirectPing<'static> {
        IndirectPing {
            seq: self.u32("SeqNo"),
            target: self.blob("Target"),
            port: self.port("Port"),
            node: self.text("Node"),
            nack: self.is("Nack"),
            source: self.source(),
        }
    }

    fn suspect(&self) -> Suspect<'static> {
        let (node, from) = (self.text("Node"), self.text("From"));
        Suspect { incarnation: self.u32("Incarnation"), node, from }
    }

    fn alive(&self) -> Alive<'static> {
        Alive {
            incarnation: self.u32("Incarnation"),
            node: self.text("Node"),
            addr: self.blob("Addr"),
            port: self.port("Port"),
            meta: self.blob("Meta"),
            relay: 0,
            versions: self.blob("Vsn"),
        }
    }

    fn node(&self) -> NodeRecord<'static> {
        let Alive { incarnation, addr, port, meta, versions, .. } = self.alive();
        NodeRecord {
            name: self.text("Name"),
            addr,
            port,
            meta,
            incarnation,
            state: self.int("State"),
            relay: 0,
            versions,
        }
    }
}
