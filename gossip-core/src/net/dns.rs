//! Looking up names with the servers of a `resolv.conf` file, over TCP.
//!
//! Used where a pool names such a file (memberlist: `DNSConfigPath`); otherwise the
//! system's resolver answers. TCP, because the name of a large service has more addresses
//! than fit a datagram. Unlike Go, which asks for type ANY and which many servers refuse
//! (RFC 8482), this asks for A and AAAA, follows the file's search list, and takes the
//! addresses behind a CNAME.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use resolv_conf::{Config, ScopedIp};
use simple_dns::rdata::RData;
use simple_dns::{CLASS, Name, Packet, PacketFlag, Question, RCODE, TYPE};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tracing::debug;

use super::error::timed_out;

const PORT: u16 = 53;

/// Every address of `host` that the servers of the file at `path` know; empty if they
/// answer that there is none.
pub(super) async fn lookup(path: &str, host: &str) -> io::Result<Vec<IpAddr>> {
    let in_file = |error: io::Error| io::Error::new(error.kind(), format!("{path}: {error}"));
    let owned = path.to_owned();
    let text = tokio::task::spawn_blocking(move || std::fs::read(owned)).await?.map_err(in_file)?;
    let (config, _) = Config::parse_with_errors(&text);
    let patience = Duration::from_secs(u64::from(config.timeout.max(1)));
    let mut failure = in_file(io::Error::new(io::ErrorKind::InvalidInput, "names no server"));
    for server in servers(&config) {
        match ask_names(server, &names(&config, host), patience).await {
            Ok(found) => return Ok(found),
            Err(error) => {
                debug!(%server, host, %error, "name server");
                failure = io::Error::new(error.kind(), format!("name server {server}: {error}"));
            }
        }
    }
    Err(failure)
}

fn servers(config: &Config) -> Vec<SocketAddr> {
    let addr = |server: &ScopedIp| match server {
        ScopedIp::V4(ip) => SocketAddr::new(IpAddr::V4(*ip), PORT),
        ScopedIp::V6(ip, _) => SocketAddr::new(IpAddr::V6(*ip), PORT),
    };
    config.nameservers.iter().map(addr).collect()
}

/// The names to ask for, in their order (resolv.conf(5), `ndots` and `search`).
fn names(config: &Config, host: &str) -> Vec<String> {
    if host.ends_with('.') {
        return vec![host.to_owned()];
    }
    let dots = host.matches('.').count();
    let searched = config.get_last_search_or_domain().filter(|domain| !domain.is_empty() && *domain != ".");
    let mut names: Vec<_> = searched.map(|domain| format!("{host}.{domain}")).collect();
    let first = dots >= usize::try_from(config.ndots).unwrap_or(usize::MAX);
    names.insert(if first { 0 } else { names.len() }, host.to_owned());
    names
}

/// The addresses of the first of `names` that has any. Of a server that knows addresses of one
/// family and fails for the other, as some do that were made before IPv6, those are enough.
async fn ask_names(server: SocketAddr, names: &[String], patience: Duration) -> io::Result<Vec<IpAddr>> {
    for name in names {
        let of = |kind| async move {
            timeout(patience, ask(server, name, kind)).await.unwrap_or_else(|_| Err(timed_out(patience)))
        };
        match tokio::join!(of(TYPE::A), of(TYPE::AAAA)) {
            (Ok(v4), Ok(v6)) if v4.is_empty() && v6.is_empty() => {}
            (Ok(v4), Ok(v6)) => return Ok([v4, v6].concat()),
            (Ok(found), Err(_)) | (Err(_), Ok(found)) if !found.is_empty() => return Ok(found),
            (Err(error), _) | (_, Err(error)) => return Err(error),
        }
    }
    Ok(Vec::new())
}

/// Asks one server for the records of one type.
async fn ask(server: SocketAddr, name: &str, kind: TYPE) -> io::Result<Vec<IpAddr>> {
    // The connection carries this one question, so its number tells nothing apart.
    const ID: u16 = 1;

    let invalid =
        |error: simple_dns::SimpleDnsError| io::Error::new(io::ErrorKind::InvalidInput, error.to_string());
    let mut query = Packet::new_query(ID);
    query.set_flags(PacketFlag::RECURSION_DESIRED);
    let name = Name::new(name).map_err(invalid)?;
    query.questions.push(Question::new(name, kind.into(), CLASS::IN.into(), false));
    let query = query.build_bytes_vec().map_err(invalid)?;
    let length = u16::try_from(query.len()).unwrap_or(u16::MAX);

    let mut stream = TcpStream::connect(server).await?;
    stream.write_all(&[&length.to_be_bytes()[..], &query].concat()).await?;
    let mut answer = vec![0; usize::from(stream.read_u16().await?)];
    stream.read_exact(&mut answer).await?;
    addresses(&answer, ID)
}

/// The addresses in an answer.
fn addresses(answer: &[u8], id: u16) -> io::Result<Vec<IpAddr>> {
    let bad = |what: String| io::Error::new(io::ErrorKind::InvalidData, what);
    let answer = Packet::parse(answer).map_err(|error| bad(format!("answer cannot be read: {error}")))?;
    if answer.id() != id || !answer.has_flags(PacketFlag::RESPONSE) {
        return Err(bad("answer is not for our question".to_owned()));
    }
    match answer.rcode() {
        RCODE::NoError => {}
        RCODE::NameError => return Ok(Vec::new()),
        other => return Err(bad(format!("answer says {other:?}"))),
    }
    let address = |data: &RData<'_>| match data {
        RData::A(a) => Some(IpAddr::V4(Ipv4Addr::from_bits(a.address))),
        RData::AAAA(aaaa) => Some(IpAddr::V6(Ipv6Addr::from_bits(aaaa.address))),
        _ => None,
    };
    Ok(answer.answers.iter().filter_map(|record| address(&record.rdata)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(text: &str) -> Config {
        Config::parse_with_errors(text.as_bytes()).0
    }

    #[test]
    fn names_are_asked_for_in_the_order_of_the_manual() {
        let searching = config("search a.example b.example\noptions ndots:2\n");

        assert_eq!(names(&searching, "web.a"), ["web.a.a.example", "web.a.b.example", "web.a"]);
        assert_eq!(names(&searching, "x.web.a"), ["x.web.a", "x.web.a.a.example", "x.web.a.b.example"]);
        assert_eq!(names(&searching, "web."), ["web."]);
        assert_eq!(names(&config("nameserver 1.1.1.1"), "web"), ["web"]);
    }

    #[test]
    fn the_servers_are_those_of_the_file() {
        let two = config("nameserver 192.0.2.1\nnameserver 2001:db8::1\nnameserver nonsense\n");

        assert_eq!(servers(&two), ["192.0.2.1:53".parse().unwrap(), "[2001:db8::1]:53".parse().unwrap()]);
    }

    #[test]
    fn what_is_no_answer_to_the_question_is_refused() {
        let mut reply = Packet::new_reply(7);

        assert!(addresses(b"\0\x07", 7).is_err());
        assert_eq!(addresses(&reply.build_bytes_vec().unwrap(), 7).unwrap(), Vec::<IpAddr>::new());
        assert!(addresses(&reply.build_bytes_vec().unwrap(), 8).is_err());
        *reply.rcode_mut() = RCODE::ServerFailure;
        assert!(
            addresses(&reply.build_bytes_vec().unwrap(), 7)
                .unwrap_err()
                .to_string()
                .contains("ServerFailure")
        );
        *reply.rcode_mut() = RCODE::NameError;
        assert_eq!(addresses(&reply.build_bytes_vec().unwrap(), 7).unwrap(), Vec::<IpAddr>::new());
    }
}
