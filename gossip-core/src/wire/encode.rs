//! Messages to bytes: the type byte, then the record with its keys in ascending order.

use super::message::{
    Ack, Alive, Dead, ErrorReply, IndirectPing, Message, MessageType, Nack, NodeRecord, Ping, PushPullHeader,
    Source, Suspect, UserHeader, blob_bytes,
};
use super::msgpack::write::Writer;

/// Appends a message as it stands in a datagram.
pub fn encode(message: &Message<'_>, out: &mut Vec<u8>) {
    match message {
        Message::Ping(ping) => encode_ping(ping, out),
        Message::IndirectPing(ping) => encode_indirect_ping(ping, out),
        Message::Ack(ack) => encode_ack(ack, out),
        Message::Nack(nack) => encode_nack(nack, out),
        Message::Suspect(suspect) => encode_suspect(suspect, out),
        Message::Alive(alive) => encode_alive(alive, out),
        Message::Dead(dead) => encode_dead(dead, out),
        Message::User(payload) => {
            out.push(MessageType::User as u8);
            out.extend_from_slice(payload);
        }
    }
}

/// Appends a ping.
pub fn encode_ping(ping: &Ping<'_>, out: &mut Vec<u8>) {
    out.push(MessageType::Ping as u8);
    let record = Writer::record(out, 2 + source_fields(&ping.source));
    source(record.text("Node", &ping.node).unsigned("SeqNo", ping.seq), &ping.source);
}

/// Appends an indirect ping.
pub fn encode_indirect_ping(ping: &IndirectPing<'_>, out: &mut Vec<u8>) {
    out.push(MessageType::IndirectPing as u8);
    let record = Writer::record(out, 5 + source_fields(&ping.source))
        .boolean("Nack", ping.nack)
        .text("Node", &ping.node)
        .unsigned("Port", ping.port.into())
        .unsigned("SeqNo", ping.seq);
    source(record, &ping.source).blob("Target", &ping.target);
}

/// Appends an ack.
pub fn encode_ack(ack: &Ack<'_>, out: &mut Vec<u8>) {
    out.push(MessageType::Ack as u8);
    Writer::record(out, 2).blob("Payload", &ack.payload).unsigned("SeqNo", ack.seq);
}

/// Appends a nack.
pub fn encode_nack(nack: &Nack, out: &mut Vec<u8>) {
    out.push(MessageType::Nack as u8);
    Writer::record(out, 1).unsigned("SeqNo", nack.seq);
}

/// Appends the answer to a refused stream.
pub fn encode_error_reply(reply: &ErrorReply<'_>, out: &mut Vec<u8>) {
    out.push(MessageType::Err as u8);
    Writer::record(out, 1).text("Error", &reply.text);
}

/// Appends a suspicion.
pub fn encode_suspect(suspect: &Suspect<'_>, out: &mut Vec<u8>) {
    out.push(MessageType::Suspect as u8);
    Writer::record(out, 3)
        .text("From", &suspect.from)
        .unsigned("Incarnation", suspect.incarnation)
        .text("Node", &suspect.node);
}

/// Appends the facts of a node.
pub fn encode_alive(alive: &Alive<'_>, out: &mut Vec<u8>) {
    out.push(MessageType::Alive as u8);
    let record = Writer::record(out, 6 + u8::from(alive.relay > 0))
        .blob("Addr", &alive.addr)
        .unsigned("Incarnation", alive.incarnation)
        .blob("Meta", &alive.meta)
        .text("Node", &alive.node)
        .unsigned("Port", alive.port.into());
    relay(record, alive.relay).blob("Vsn", &alive.versions);
}

/// Appends the end of a node.
pub fn encode_dead(dead: &Dead<'_>, out: &mut Vec<u8>) {
    out.push(MessageType::Dead as u8);
    Writer::record(out, 3)
        .text("From", &dead.from)
        .unsigned("Incarnation", dead.incarnation)
        .text("Node", &dead.node);
}

/// Appends the record that opens a push/pull, without a type byte.
pub fn encode_push_pull_header(header: &PushPullHeader<'_>, out: &mut Vec<u8>) {
    let tells = !header.relay.is_empty();
    let mut record =
        Writer::record(out, 3 + u8::from(tells)).boolean("Join", header.join).int("Nodes", header.nodes);
    if tells {
        record = record.text("Relay", &header.relay);
    }
    record.int("UserStateLen", header.user_state_len);
}

/// Appends one node's record of a push/pull; it has no type byte.
pub fn encode_node_record(node: &NodeRecord<'_>, out: &mut Vec<u8>) {
    let record = Writer::record(out, 7 + u8::from(node.relay > 0))
        .blob("Addr", &node.addr)
        .unsigned("Incarnation", node.incarnation)
        .blob("Meta", &node.meta)
        .text("Name", &node.name)
        .unsigned("Port", node.port.into());
    relay(record, node.relay).int("State", node.state).blob("Vsn", &node.versions);
}

/// Appends the record that opens a user message on a stream, without a type byte.
pub fn encode_user_header(header: &UserHeader<'_>, out: &mut Vec<u8>) {
    let asks = !header.ack.is_empty();
    let is_step = !header.step.is_empty();
    let record = Writer::record(out, 1 + u8::from(asks) + u8::from(is_step));
    let record = if asks { record.text("Ack", &header.ack) } else { record };
    let record = if is_step { record.text("Step", &header.step) } else { record };
    record.int("UserMsgLen", header.len);
}

/// Which relayed broadcasts a node understands, left out by those that understand none.
fn relay(record: Writer<'_>, version: u8) -> Writer<'_> {
    if version > 0 { record.unsigned("Relay", version.into()) } else { record }
}

/// How many of the source's fields are written: Go leaves empty ones out.
fn source_fields(source: &Source<'_>) -> u8 {
    u8::from(!blob_bytes(&source.addr).is_empty())
        + u8::from(!source.node.is_empty())
        + u8::from(source.port != 0)
}

fn source<'a>(mut record: Writer<'a>, source: &Source<'_>) -> Writer<'a> {
    if !blob_bytes(&source.addr).is_empty() {
        record = record.blob("SourceAddr", &source.addr);
    }
    if !source.node.is_empty() {
        record = record.text("SourceNode", &source.node);
    }
    if source.port != 0 {
        record = record.unsigned("SourcePort", source.port.into());
    }
    record
}
