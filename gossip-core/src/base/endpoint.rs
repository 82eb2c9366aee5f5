//! Where a node is, as people write it: `host`, `host:port`, `[v6]:port`, `v6`, `name/host:port`.

use std::net::{IpAddr, SocketAddr};

use crate::base::name::NodeName;

/// What an address text says, before anything is looked up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// The node's name, if the text gives it.
    pub name: Option<NodeName>,
    /// An IP address, or a name to look up; never empty.
    pub host: String,
    /// The port, given or default.
    pub port: u16,
}

impl Endpoint {
    /// Reads `[name/]host[:port]` (behaviour document 13, "Resolving"); the error says what is
    /// wrong with the text.
    pub fn read(text: &str, default_port: u16) -> Result<Self, &'static str> {
        let (name, addr) = match text.split_once('/') {
            Some(("", _)) => return Err("has an empty node name before the slash"),
            Some((name, addr)) => (Some(name.into()), addr),
            None => (None, text),
        };
        let full = ensure_port(addr, default_port);
        let (host, port) = split_host_port(&full).ok_or("is not host:port")?;
        let port = port.parse().map_err(|_| "has a port that is not a number from 0 to 65535")?;
        if host.is_empty() {
            return Err("has no host");
        }
        Ok(Self { name, host: host.into(), port })
    }

    /// The address, if the host is an IP address and needs no lookup.
    pub fn literal(&self) -> Option<SocketAddr> {
        match self.host.parse::<IpAddr>() {
            Ok(ip) => Some(SocketAddr::new(ip.to_canonical(), self.port)),
            // With a numeric scope: fe80::1%2.
            Err(_) if self.host.contains(':') => format!("[{}]:{}", self.host, self.port).parse().ok(),
            Err(_) => None,
        }
    }
}

/// Whether `addr` names a port (Go: `hasPort`): behind the bracket of an IPv6 address, or
/// after the only colon.
fn has_port(addr: &str) -> bool {
    match addr.rfind('[') {
        Some(0) => addr.rfind(']').is_some_and(|end| addr.rfind(':') > Some(end)),
        _ => addr.matches(':').count() == 1,
    }
}

/// `addr` with a port, in the form `host:port` or `[v6]:port` (Go: `ensurePort`).
fn ensure_port(addr: &str, default_port: u16) -> String {
    if has_port(addr) {
        return addr.into();
    }
    let host = addr.trim_matches(['[', ']']);
    if host.contains(':') { format!("[{host}]:{default_port}") } else { format!("{host}:{default_port}") }
}

/// The halves of `host:port` or `[v6]:port` (Go: `net.SplitHostPort`).
fn split_host_port(addr: &str) -> Option<(&str, &str)> {
    let (host, port) = addr.rsplit_once(':')?;
    let host = match host.strip_prefix('[') {
        Some(inner) => inner.strip_suffix(']')?,
        None if host.contains(':') => return None,
        None => host,
    };
    let is_plain = !host.contains(['[', ']']) && !port.contains(['[', ']']);
    is_plain.then_some((host, port))
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    /// The golden vectors of one kind.
    fn vectors(kind: &str) -> Vec<Value> {
        let file: Value = serde_json::from_str(include_str!("../../tests/vectors/math.json")).unwrap();
        let vectors = file["vectors"].as_array().unwrap();
        let chosen: Vec<_> = vectors.iter().filter(|vector| vector["type"] == kind).cloned().collect();
        assert!(!chosen.is_empty());
        chosen
    }

    #[test]
    fn a_missing_port_is_seen_and_added_as_go_does() {
        for vector in vectors("hasPort+ensurePort") {
            let addr = vector["params"]["addr"].as_str().unwrap();
            let expected = &vector["expect"]["result"];

            assert_eq!(has_port(addr), expected["hasPort"], "{addr}");
            assert_eq!(ensure_port(addr, 7946), expected["ensurePort"].as_str().unwrap(), "{addr}");
        }
    }
}
