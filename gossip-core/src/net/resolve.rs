//! From the text of an endpoint to its addresses.

use std::collections::BTreeSet;
use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::thread;
use std::time::Duration;

use crossbeam_channel::bounded;

use super::dns;
use super::error::{NetError, timed_out};
use crate::base::addr::Target;
use crate::base::endpoint::Endpoint;

impl Endpoint {
    /// Reads `[name/]host[:port]`.
    pub fn parse(text: &str, default_port: u16) -> Result<Self, NetError> {
        Self::read(text, default_port).map_err(|flaw| NetError::Address { text: text.into(), flaw })
    }

    /// Every address of the host, in the resolver's order, each once. The servers of the
    /// file `dns_config` are asked first, if one is given, then the system's resolver.
    pub async fn lookup(
        &self,
        dns_config: Option<&str>,
        limit: Duration,
    ) -> Result<Vec<SocketAddr>, NetError> {
        if let Some(addr) = self.literal() {
            return Ok(vec![addr]);
        }
        let found = tokio::time::timeout(limit, self.ask(dns_config)).await;
        self.found(found.unwrap_or_else(|_| Err(timed_out(limit))))
    }

    async fn ask(&self, dns_config: Option<&str>) -> io::Result<Vec<SocketAddr>> {
        let by_file = match dns_config {
            Some(path) => dns::lookup(path, &self.host).await,
            None => Ok(Vec::new()),
        };
        match by_file {
            Ok(found) if !found.is_empty() => {
                return Ok(found.into_iter().map(|ip| SocketAddr::new(ip, self.port)).collect());
            }
            _ => {}
        }
        // What the system does not know either is best explained by the servers of the file.
        match tokio::net::lookup_host((self.host.as_str(), self.port)).await {
            Ok(found) => Ok(found.collect()),
            Err(error) => Err(by_file.err().unwrap_or(error)),
        }
    }

    /// The same from a thread. A resolver that does not answer in time is left to itself.
    pub fn lookup_blocking(&self, limit: Duration) -> Result<Vec<SocketAddr>, NetError> {
        if let Some(addr) = self.literal() {
            return Ok(vec![addr]);
        }
        let (sender, receiver) = bounded(1);
        let host = (self.host.clone(), self.port);
        let spawned = thread::Builder::new().name("gossip-resolve".into()).spawn(move || {
            // Nobody listens any more when time was up.
            let _ = sender.send((host.0.as_str(), host.1).to_socket_addrs().map(Iterator::collect));
        });
        self.found(
            spawned.and_then(|_| receiver.recv_timeout(limit).unwrap_or_else(|_| Err(timed_out(limit)))),
        )
    }

    /// What the resolver found, cleaned up.
    fn found(&self, found: io::Result<Vec<SocketAddr>>) -> Result<Vec<SocketAddr>, NetError> {
        let failed = |reason| NetError::Resolve { text: self.host.clone(), reason };
        let (mut addrs, mut seen) = (Vec::new(), BTreeSet::new());
        for mut addr in found.map_err(failed)? {
            addr.set_ip(addr.ip().to_canonical());
            if seen.insert(addr) {
                addrs.push(addr);
            }
        }
        if addrs.is_empty() {
            return Err(failed(io::Error::new(io::ErrorKind::NotFound, "no such host")));
        }
        Ok(addrs)
    }
}

/// Every target that `text` names, looked up as [`Endpoint::lookup`] says.
pub async fn resolve(
    text: &str,
    default_port: u16,
    dns_config: Option<&str>,
    limit: Duration,
) -> Result<Vec<Target>, NetError> {
    let endpoint = Endpoint::parse(text, default_port)?;
    let addrs = endpoint.lookup(dns_config, limit).await?;
    Ok(addrs.into_iter().map(|addr| Target { name: endpoint.name.clone(), addr }).collect())
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
    fn ip_addresses_need_no_lookup_and_read_as_in_go() {
        for vector in vectors("resolveAddr") {
            let text = vector["params"]["addr"].as_str().unwrap();
            let expected = &vector["expect"]["result"];
            let endpoint = Endpoint::parse(text, 7946);

            let Some(expected) = expected.as_array() else {
                // Refused by us without asking, or left to the resolver, which will not know it.
                assert!(endpoint.is_err() || endpoint.unwrap().literal().is_none(), "{text}");
                continue;
            };
            let endpoint = endpoint.unwrap();
            assert_eq!(endpoint.literal().unwrap().to_string(), expected[0]["hostport"], "{text}");
            assert_eq!(
                endpoint.name.map_or_else(String::new, |n| n.to_string()),
                expected[0]["node"],
                "{text}"
            );
        }
    }

    #[test]
    fn what_is_no_address_is_refused_with_the_reason() {
        for (text, reason) in [
            ("", "address \"\" has no host"),
            (":80", "address \":80\" has no host"),
            ("/1.2.3.4", "address \"/1.2.3.4\" has an empty node name before the slash"),
            ("h:x", "address \"h:x\" has a port that is not a number from 0 to 65535"),
            ("h:65536", "address \"h:65536\" has a port that is not a number from 0 to 65535"),
            ("h:", "address \"h:\" has a port that is not a number from 0 to 65535"),
            ("[::1]x:9", "address \"[::1]x:9\" is not host:port"),
        ] {
            assert_eq!(Endpoint::parse(text, 1).unwrap_err().to_string(), reason);
        }
    }

    #[test]
    fn localhost_is_looked_up() {
        let found =
            Endpoint::parse("localhost:9", 1).unwrap().lookup_blocking(Duration::from_secs(10)).unwrap();

        assert!(found.iter().all(|addr| addr.ip().is_loopback() && addr.port() == 9), "{found:?}");
    }

    #[tokio::test]
    async fn every_target_carries_the_name_in_front_of_the_slash() {
        for text in ["n1/127.0.0.1", "n1/localhost"] {
            let targets = resolve(text, 7946, None, Duration::from_secs(10)).await.unwrap();

            assert!(!targets.is_empty());
            for target in targets {
                assert_eq!(target.name, Some("n1".into()), "{text}");
                assert_eq!(target.addr.port(), 7946, "{text}");
            }
        }
    }

    #[test]
    fn a_name_nobody_knows_is_an_error_that_names_it() {
        // Reserved never to exist (RFC 6761).
        let unknown = Endpoint::parse("node.invalid:1", 1).unwrap();

        let error = unknown.lookup_blocking(Duration::from_secs(20)).unwrap_err();

        assert!(error.to_string().starts_with("resolve \"node.invalid\": "), "{error}");
    }

    #[test]
    fn a_numeric_scope_stays_with_its_address() {
        let addr = Endpoint::parse("[fe80::1%3]:5", 1).unwrap().literal().unwrap();

        assert_eq!(addr, "[fe80::1%3]:5".parse().unwrap());
    }
}
