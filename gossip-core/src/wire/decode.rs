//! Bytes to messages. What follows a record is ignored, as in Go.
//!
//! The names of the array form stand in declaration order (wire document 3).

use super::error::Refused;
use super::message::{
    Ack, Alive, Dead, ErrorReply, IndirectPing, Message, MessageType, Nack, NodeRecord, Ping, PushPullHeader,
    Source, Suspect, UserHeader,
};
use super::msgpack::read::Reader;

/// Reads one message as it stands in a datagram once every layer is removed: the type byte comes first.
pub fn decode(bytes: &[u8]) -> Result<Message<'_>, Refused> {
    let (&first, body) = bytes.split_first().ok_or(Refused::Empty)?;
    match MessageType::from_byte(first) {
        Some(MessageType::Ping) => decode_ping(body).map(Message::Ping),
        Some(MessageType::IndirectPing) => decode_indirect_ping(body).map(Message::IndirectPing),
        Some(MessageType::Ack) => decode_ack(body).map(Message::Ack),
        Some(MessageType::Nack) => decode_nack(body).map(Message::Nack),
        Some(MessageType::Suspect) => decode_suspect(body).map(Message::Suspect),
        Some(MessageType::Alive) => decode_alive(body).map(Message::Alive),
        Some(MessageType::Dead) => decode_dead(body).map(Message::Dead),
        Some(MessageType::User) => Ok(Message::User(body)),
        _ => Err(Refused::UnknownType(first)),
    }
}

/// Reads the record of a ping.
pub fn decode_ping(record: &[u8]) -> Result<Ping<'_>, Refused> {
    let mut ping = Ping::default();
    let declared = &["SeqNo", "Node", "SourceAddr", "SourcePort", "SourceNode"];
    Reader::new(record).record(declared, |key, value| {
        match key {
            b"SeqNo" => ping.seq = value.unsigned()?,
            b"Node" => ping.node = value.text()?,
            _ => source(&mut ping.source, key, value)?,
        }
        Ok(())
    })?;
    Ok(ping)
}

/// Reads the record of an indirect ping.
pub fn decode_indirect_ping(record: &[u8]) -> Result<IndirectPing<'_>, Refused> {
    let mut ping = IndirectPing::default();
    let declared = &["SeqNo", "Target", "Port", "Node", "Nack", "SourceAddr", "SourcePort", "SourceNode"];
    Reader::new(record).record(declared, |key, value| {
        match key {
            b"SeqNo" => ping.seq = value.unsigned()?,
            b"Target" => ping.target = value.blob()?,
            b"Port" => ping.port = value.unsigned()?,
            b"Node" => ping.node = value.text()?,
            b"Nack" => ping.nack = value.boolean()?,
            _ => source(&mut ping.source, key, value)?,
        }
        Ok(())
    })?;
    Ok(ping)
}

/// Reads the record of an ack.
pub fn decode_ack(record: &[u8]) -> Result<Ack<'_>, Refused> {
    let mut ack = Ack::default();
    Reader::new(record).record(&["SeqNo", "Payload"], |key, value| {
        match key {
            b"SeqNo" => ack.seq = value.unsigned()?,
            b"Payload" => ack.payload = value.blob()?,
            _ => value.skip()?,
        }
        Ok(())
    })?;
    Ok(ack)
}

/// Reads the record of a nack.
pub fn decode_nack(record: &[u8]) -> Result<Nack, Refused> {
    let mut nack = Nack::default();
    Reader::new(record).record(&["SeqNo"], |key, value| {
        match key {
            b"SeqNo" => nack.seq = value.unsigned()?,
            _ => value.skip()?,
        }
        Ok(())
    })?;
    Ok(nack)
}

/// Reads the record of the answer to a refused stream.
pub fn decode_error_reply(record: &[u8]) -> Result<ErrorReply<'_>, Refused> {
    let mut reply = ErrorReply::default();
    Reader::new(record).record(&["Error"], |key, value| {
        match key {
            b"Error" => reply.text = value.text()?,
            _ => value.skip()?,
        }
        Ok(())
    })?;
    Ok(reply)
}

/// Reads the record of a suspicion.
pub fn decode_suspect(record: &[u8]) -> Result<Suspect<'_>, Refused> {
    let mut suspect = Suspect::default();
    Reader::new(record).record(&["Incarnation", "Node", "From"], |key, value| {
        match key {
            b"Incarnation" => suspect.incarnation = value.unsigned()?,
            b"Node" => suspect.node = value.text()?,
            b"From" => suspect.from = value.text()?,
            _ => value.skip()?,
        }
        Ok(())
    })?;
    Ok(suspect)
}

/// Reads the record of a node's facts.
pub fn decode_alive(record: &[u8]) -> Result<Alive<'_>, Refused> {
    let mut alive = Alive::default();
    let declared = &["Incarnation", "Node", "Addr", "Port", "Meta", "Vsn"];
    Reader::new(record).record(declared, |key, value| {
        match key {
            b"Incarnation" => alive.incarnation = value.unsigned()?,
            b"Node" => alive.node = value.text()?,
            b"Addr" => alive.addr = value.blob()?,
            b"Port" => alive.port = value.unsigned()?,
            b"Meta" => alive.meta = value.blob()?,
            b"Relay" => alive.relay = relay(value)?,
            b"Vsn" => alive.versions = value.blob()?,
            _ => value.skip()?,
        }
        Ok(())
    })?;
    Ok(alive)
}

/// Reads the record of a node's end.
pub fn decode_dead(record: &[u8]) -> Result<Dead<'_>, Refused> {
    let Suspect { incarnation, node, from } = decode_suspect(record)?;
    Ok(Dead { incarnation, node, from })
}

/// Reads the record that opens a push/pull. Its numbers are not yet checked.
pub fn decode_push_pull_header(record: &[u8]) -> Result<PushPullHeader<'_>, Refused> {
    let mut header = PushPullHeader::default();
    Reader::new(record).record(&["Nodes", "UserStateLen", "Join"], |key, value| {
        match key {
            b"Nodes" => header.nodes = value.int()?,
            b"UserStateLen" => header.user_state_len = value.int()?,
            b"Join" => header.join = value.boolean()?,
            b"Relay" => header.relay = value.text()?,
            _ => value.skip()?,
        }
        Ok(())
    })?;
    Ok(header)
}

/// Reads one node's record of a push/pull.
pub fn decode_node_record(record: &[u8]) -> Result<NodeRecord<'_>, Refused> {
    split_node_record(record).map(|(node, _)| node)
}

/// The same off the front of `bytes`, with what follows it.
pub(super) fn split_node_record(bytes: &[u8]) -> Result<(NodeRecord<'_>, &[u8]), Refused> {
    let mut reader = Reader::new(bytes);
    let mut node = NodeRecord::default();
    let declared = &["Name", "Addr", "Port", "Meta", "Incarnation", "State", "Vsn"];
    reader.record(declared, |key, value| {
        match key {
            b"Name" => node.name = value.text()?,
            b"Addr" => node.addr = value.blob()?,
            b"Port" => node.port = value.unsigned()?,
            b"Meta" => node.meta = value.blob()?,
            b"Incarnation" => node.incarnation = value.unsigned()?,
            b"State" => node.state = value.int()?,
            b"Relay" => node.relay = relay(value)?,
            b"Vsn" => node.versions = value.blob()?,
            _ => value.skip()?,
        }
        Ok(())
    })?;
    Ok((node, reader.rest()))
}

/// Reads the record that opens a user message on a stream. Its number is not yet checked.
pub fn decode_user_header(record: &[u8]) -> Result<UserHeader<'_>, Refused> {
    let mut header = UserHeader::default();
    Reader::new(record).record(&["UserMsgLen"], |key, value| {
        match key {
            b"Ack" => header.ack = value.text()?,
            b"Step" => header.step = value.text()?,
            b"UserMsgLen" => header.len = value.int()?,
            _ => value.skip()?,
        }
        Ok(())
    })?;
    Ok(header)
}

/// Reads which relayed broadcasts a node understands; later versions may count further than we.
fn relay(value: &mut Reader<'_>) -> Result<u8, Refused> {
    Ok(u8::try_from(value.unsigned::<u32>()?).unwrap_or(u8::MAX))
}

/// Reads a field of who sent a ping, or skips one that is none.
fn source<'a>(source: &mut Source<'a>, key: &[u8], value: &mut Reader<'a>) -> Result<(), Refused> {
    match key {
        b"SourceAddr" => source.addr = value.blob()?,
        b"SourcePort" => source.port = value.unsigned()?,
        b"SourceNode" => source.node = value.text()?,
        _ => value.skip()?,
    }
    Ok(())
}
