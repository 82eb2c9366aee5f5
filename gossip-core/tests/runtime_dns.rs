//! Joining by names that have many addresses, asked of the servers of a `resolv.conf` file.

#![allow(clippy::disallowed_methods, reason = "tests read the clock")]

use std::env;
use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, Ipv6Addr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

use gossip_core::runtime::pool::ADDRS_PER_SEED;
use gossip_core::{Config, Error, Gossip, Pool, PoolConfig};
use simple_dns::rdata::{A, AAAA, CNAME, RData};
use simple_dns::{CLASS, Name, Packet, PacketFlag, RCODE, ResourceRecord};

const PATIENCE: Duration = Duration::from_secs(30);

/// A name server at port 53 of its own loopback address, and the file that names it.
struct NameServer {
    file: PathBuf,
}

impl NameServer {
    /// `None`, and a word about it, where port 53 is not ours to take.
    fn start(address: Ipv4Addr, first_line: &str) -> Option<Self> {
        let listener = match TcpListener::bind((address, 53)) {
            Ok(listener) => listener,
            Err(error) if error.kind() == ErrorKind::PermissionDenied && env::var_os("CI").is_none() => {
                eprintln!("skipped: port 53 needs privileges: {error}");
                return None;
            }
            Err(error) => panic!("{address}:53: {error}"),
        };
        thread::spawn(move || listener.incoming().for_each(|stream| drop(answer(stream.unwrap()))));
        let file = env::temp_dir().join(format!("gossip-resolv-{address}-{}.conf", std::process::id()));
        fs::write(&file, format!("{first_line}\nnameserver {address}\noptions timeout:1\n")).unwrap();
        Some(Self { file })
    }

    fn pool(&self) -> PoolConfig {
        PoolConfig { dns_config_path: self.file.to_str().unwrap().to_owned(), ..PoolConfig::local(1) }
    }
}

impl Drop for NameServer {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.file);
    }
}

/// Answers one question: `many.test` has 3000 addresses, `alias.test` is another name of
/// `one.test`, of `old.test` only the IPv4 address can be asked, `slow.test` gets no answer, others
/// do not exist.
fn answer(mut stream: TcpStream) -> std::io::Result<()> {
    let mut length = [0; 2];
    stream.read_exact(&mut length)?;
    let mut bytes = vec![0; usize::from(u16::from_be_bytes(length))];
    stream.read_exact(&mut bytes)?;
    let query = Packet::parse(&bytes).unwrap();
    let name = query.questions[0].qname.to_string();
    let is_v4 = query.questions[0].qtype == simple_dns::TYPE::A.into();

    let mut reply = Packet::new_reply(query.id());
    reply.set_flags(PacketFlag::RECURSION_AVAILABLE);
    let record = |data| ResourceRecord::new(Name::new_unchecked("one.test"), CLASS::IN, 1, data);
    let v4 = |ip: Ipv4Addr| record(RData::A(A { address: ip.to_bits() }));
    match name.as_str() {
        "many.test" if is_v4 => {
            reply.answers.extend(
                (0..3000u16).map(|n| v4(Ipv4Addr::new(127, 9, (n / 250) as u8, (n % 250 + 1) as u8))),
            );
        }
        "one.test" if is_v4 => reply.answers.push(v4(Ipv4Addr::LOCALHOST)),
        "one.test" => {
            reply.answers.push(record(RData::AAAA(AAAA { address: Ipv6Addr::LOCALHOST.to_bits() })))
        }
        "alias.test" if is_v4 => {
            let alias = CNAME(Name::new_unchecked("one.test"));
            reply.answers.push(ResourceRecord::new(
                Name::new_unchecked("alias.test"),
                CLASS::IN,
                1,
                RData::CNAME(alias),
            ));
            reply.answers.push(v4(Ipv4Addr::LOCALHOST));
        }
        "old.test" if is_v4 => reply.answers.push(v4(Ipv4Addr::LOCALHOST)),
        "old.test" => *reply.rcode_mut() = RCODE::NotImplemented,
        "many.test" | "alias.test" => {}
        "slow.test" => {
            thread::spawn(move || drop(stream.read(&mut [0])));
            return Ok(());
        }
        _ => *reply.rcode_mut() = RCODE::NameError,
    }
    let bytes = reply.build_bytes_vec_compressed().unwrap();
    stream.write_all(&(bytes.len() as u16).to_be_bytes())?;
    stream.write_all(&bytes)
}

/// A node that listens on every address of the host.
fn node(name: &str, pool: PoolConfig) -> (Gossip, Pool) {
    let any = vec![Ipv4Addr::UNSPECIFIED.into(), Ipv6Addr::UNSPECIFIED.into()];
    let advertise_addr = Some(Ipv4Addr::LOCALHOST.into());
    let config =
        Config { name: name.into(), bind_addr: any, bind_port: 0, advertise_addr, ..Config::default() };
    let node = Gossip::new(config).unwrap();
    let pool = node.register_pool(pool, None).unwrap();
    node.start().unwrap();
    (node, pool)
}

#[test]
fn a_name_with_thousands_of_addresses_is_joined_by_some_of_them() {
    let Some(server) = NameServer::start(Ipv4Addr::new(127, 0, 53, 1), "") else { return };
    let (seed, _) = node("seed", PoolConfig::local(1));
    let (_ours, pool) = node("ours", server.pool());

    let joined = pool.join(&[format!("many.test:{}", seed.local_addr().port())], PATIENCE).unwrap();

    assert_eq!((joined.reached.len(), joined.failed.len()), (ADDRS_PER_SEED, 0), "{:?}", joined.failed);
    assert_eq!(joined.untried, 3000 - ADDRS_PER_SEED);
    assert_eq!(pool.num_members(), 2);
}

#[test]
fn every_address_of_a_name_is_tried_and_aliases_and_search_lists_are_followed() {
    let Some(server) = NameServer::start(Ipv4Addr::new(127, 0, 53, 2), "search test") else { return };
    let (seed, _) = node("seed", PoolConfig::local(1));
    let (_ours, pool) = node("ours", server.pool());
    let port = seed.local_addr().port();

    let both = pool.join(&[format!("one.test:{port}")], PATIENCE).unwrap();
    assert_eq!(both.reached.len(), 2, "by IPv4 and IPv6: {both:?}");
    for name in ["alias.test", "one", "seed/one.test"] {
        assert!(!pool.join(&[format!("{name}:{port}")], PATIENCE).unwrap().reached.is_empty(), "{name}");
    }
    // A server that cannot answer for IPv6 is asked for the rest all the same.
    assert_eq!(pool.join(&[format!("old.test:{port}")], PATIENCE).unwrap().reached.len(), 1);
    // What the servers do not know is asked of the system.
    assert!(!pool.join(&[format!("localhost:{port}")], PATIENCE).unwrap().reached.is_empty());
}

#[test]
fn names_are_looked_up_side_by_side_and_given_up_in_time() {
    let Some(server) = NameServer::start(Ipv4Addr::new(127, 0, 53, 3), "") else { return };
    let (seed, _) = node("seed", PoolConfig::local(1));
    let (_ours, pool) = node("ours", server.pool());
    let port = seed.local_addr().port();
    let seeds: Vec<_> =
        (0..20).map(|_| format!("slow.test:{port}")).chain([format!("one.test:{port}")]).collect();

    let begun = Instant::now();
    let joined = pool.join(&seeds, Duration::from_secs(5)).unwrap();

    assert!(
        begun.elapsed() < Duration::from_secs(15),
        "twenty waits one after the other: {:?}",
        begun.elapsed()
    );
    assert_eq!((joined.reached.len(), joined.failed.len()), (2, 20));
    assert!(joined.failed.iter().all(|failed| failed.seed.starts_with("slow.test")), "{:?}", joined.failed);
}

#[test]
fn a_failure_says_which_file_and_server_it_was() {
    let pool = |path: &str| PoolConfig { dns_config_path: path.into(), ..PoolConfig::local(1) };
    let (_ours, missing) = node("ours", pool("/nowhere/resolv.conf"));

    let Err(Error::Join(failed)) = missing.join(&["node.invalid:1"], PATIENCE) else {
        panic!("it was joined")
    };

    assert!(failed[0].reason.contains("/nowhere/resolv.conf: "), "{failed:?}");
}
