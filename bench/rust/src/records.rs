//! States of members that there are none of.

use std::net::Ipv4Addr;

use gossip_core::wire::encode::encode_node_record;
use gossip_core::wire::message::NodeRecord;
use gossip_core::wire::push_pull::begin_state;

/// A push/pull in its plain form: `count` members, all at `ip(number)` and this port.
pub(crate) fn state(join: bool, count: u32, port: u16, ip: impl Fn(u32) -> Ipv4Addr) -> Vec<u8> {
    let mut state = Vec::new();
    begin_state(join, count, 0, b"", &mut state);
    for number in 0..count {
        let name = format!("member-{number:05}");
        let ip = ip(number).octets();
        let record = NodeRecord {
            name: name.as_bytes().into(),
            addr: Some(ip.as_slice().into()),
            port,
            meta: Some(b"role=web,zone=eu-1,version=1.4.2".as_slice().into()),
            incarnation: 1,
            versions: Some([1, 5, 2, 0, 0, 0].as_slice().into()),
            ..NodeRecord::default()
        };
        encode_node_record(&record, &mut state);
    }
    state
}
