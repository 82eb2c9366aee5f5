//! Why a member is suspected, and what is wrong with the way to a peer: over real sockets.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::thread;
use std::time::Duration;

use gossip_core::{
    CheckKind, CheckResult, CommandError, Diagnosis, Error, Finding, Key, Keyring, PathState, Pool,
    PoolConfig, ProbeEnd, State, StreamPing,
};

use super::support::*;

#[track_caller]
fn found(diagnosis: &Diagnosis, findings: &[Finding]) {
    assert_eq!(diagnosis.findings, findings, "{diagnosis}");
}

#[track_caller]
fn examine(pool: &Pool, target: impl ToString) -> Diagnosis {
    pool.doctor(&target.to_string(), PATIENCE).unwrap()
}

fn encrypted(byte: u8) -> PoolConfig {
    let mut keyring = Keyring::default();
    keyring.add(Key::new(&[byte; 32]).unwrap());
    PoolConfig { keyring, ..quick(1) }
}

/// A port whose connections lead to `to`, and whose datagrams go nowhere.
fn tcp_only(to: SocketAddr) -> (SocketAddr, UdpSocket) {
    loop {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let addr = listener.local_addr().unwrap();
        let Ok(sink) = UdpSocket::bind(addr) else { continue };
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (Ok(near), Ok(far)) = (stream, TcpStream::connect(to)) else { return };
                for (mut from, mut to) in [(near.try_clone().unwrap(), far.try_clone().unwrap()), (far, near)]
                {
                    thread::spawn(move || {
                        let _ = std::io::copy(&mut from, &mut to);
                        let _ = to.shutdown(Shutdown::Write);
                    });
                }
            }
        });
        return (addr, sink);
    }
}

#[test]
fn a_member_is_explained_in_life_and_death() {
    let (a, pool_a, _) = started("a");
    let (b, pool_b, _) = started("b");
    join(&pool_b, &a);

    eventually("b has answered", || pool_a.explain("b").unwrap().path == PathState::Direct);
    let alive = pool_a.explain("b").unwrap();
    assert_eq!((alive.member.state, alive.accusers.len(), alive.buried_by), (State::Alive, 0, None));
    assert!(alive.acked.unwrap().rtt > Duration::ZERO);
    let unknown = pool_a.explain("nobody").unwrap_err();
    assert!(matches!(unknown, Error::Command(CommandError::UnknownMember(_))), "{unknown}");

    b.shutdown(PATIENCE).unwrap();
    eventually("b is dead", || pool_a.explain("b").unwrap().member.state == State::Dead);
    let dead = pool_a.explain("b").unwrap();
    assert_eq!(dead.path, PathState::Cut, "{dead}");
    assert_eq!(dead.buried_by, Some("a".into()), "{dead}");
    assert_eq!(dead.accusers, ["a"], "{dead}");
    let silence = dead.silence.as_ref().unwrap();
    assert_eq!(silence.end, ProbeEnd::Silent, "{dead}");
    assert!(matches!(&silence.stream, StreamPing::Failed(why) if why.contains("refused")), "{dead}");
    assert!(dead.to_string().contains("taken for dead by this node"), "{dead}");
}

#[test]
fn a_peer_that_is_well_is_found_healthy_by_name_and_by_address() {
    let (a, pool_a, _) = started("a");
    let (b, pool_b, _) = started("b");
    let (_c, pool_c, _) = started("c");
    join(&pool_b, &a);
    join(&pool_c, &a);
    eventually("all know all", || pool_b.num_members() == 3);

    for target in ["b".to_owned(), b.local_addr().to_string(), format!("b/{}", b.local_addr())] {
        let diagnosis = examine(&pool_a, &target);
        found(&diagnosis, &[Finding::Healthy]);
        assert_eq!(diagnosis.member.as_ref().unwrap().name(), &"b");
        assert_eq!(diagnosis.check(CheckKind::Helpers).unwrap().result, CheckResult::Passed, "{diagnosis}");
        assert_eq!(diagnosis.check(CheckKind::Lookup).is_some(), target != "b", "{diagnosis}");
    }
    found(&examine(&pool_a, format!("z/{}", b.local_addr())), &[Finding::OtherName]);
    found(&examine(&pool_a, "a"), &[Finding::Healthy]);
}

#[test]
fn udp_behind_a_firewall_is_found_where_tcp_goes_through() {
    let (b, _pool_b, _) = started("b");
    let (_a, pool_a, _) = started("a");
    let (addr, sink) = tcp_only(b.local_addr());

    let diagnosis = examine(&pool_a, addr);

    found(&diagnosis, &[Finding::UdpBlocked]);
    let check = |kind| diagnosis.check(kind).unwrap();
    assert_eq!(check(CheckKind::Talk).result, CheckResult::Passed, "{diagnosis}");
    assert_eq!(check(CheckKind::Udp).result, CheckResult::Failed, "{diagnosis}");
    // What arrived there: small ones, and ones as large as this pool's may be.
    sink.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut sizes: Vec<_> = (0..6).map(|_| sink.recv(&mut [0; 65_536]).unwrap()).collect();
    sizes.sort_unstable();
    let limit = pool_a.config().udp_buffer_size;
    assert!(sizes[2] < 200 && sizes[3] > limit - 100 && sizes[5] <= limit, "{sizes:?} of {limit}");
}

#[test]
fn other_keys_labels_pools_and_protocols_are_told_apart() {
    let (plain, pool_plain, _) = started("plain");
    let (one, pool_one, _) = started_with("one", encrypted(1));
    let (two, _pool_two, _) = started_with("two", encrypted(2));
    let (_blue, pool_blue, _) = started_with("blue", PoolConfig { label: "blue".into(), ..quick(1) });
    let (other, _pool_other, _) = started_with("other", quick(9));

    found(&examine(&pool_one, two.local_addr()), &[Finding::KeyMismatch]);
    found(&examine(&pool_plain, one.local_addr()), &[Finding::KeysMissingHere]);
    found(&examine(&pool_one, plain.local_addr()), &[Finding::KeysMissingThere]);
    found(&examine(&pool_blue, plain.local_addr()), &[Finding::LabelMismatch]);
    found(&examine(&pool_plain, other.local_addr()), &[Finding::OtherPool]);

    let web = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = web.local_addr().unwrap();
    thread::spawn(move || {
        for stream in web.incoming() {
            let Ok(mut stream) = stream else { return };
            let _ = stream.read(&mut [0; 512]);
            let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n");
        }
    });
    found(&examine(&pool_plain, addr), &[Finding::NotMemberlist]);
}

#[test]
fn what_the_system_refuses_is_told_with_its_number() {
    let (_a, pool, _) = started("a");
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();

    let diagnosis = examine(&pool, free);
    found(&diagnosis, &[Finding::NotListening]);
    let errno = diagnosis.check(CheckKind::TcpOut).unwrap().os_errno;
    assert_eq!(errno, Some(rustix::io::Errno::CONNREFUSED.raw_os_error()), "{diagnosis}");

    // This node has a socket for IPv4 alone.
    let diagnosis = examine(&pool, "[::1]:1");
    assert!(diagnosis.findings.contains(&Finding::CannotSend), "{diagnosis}");
    assert_eq!(diagnosis.check(CheckKind::Send).unwrap().result, CheckResult::Failed, "{diagnosis}");
}

#[test]
fn one_doctor_works_at_a_time_and_ends_with_its_time_or_its_pool() {
    let (node, pool, _) = started("a");
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let target = silent.local_addr().unwrap().to_string();

    let at_work = {
        let (pool, target) = (pool.clone(), target.clone());
        thread::spawn(move || pool.doctor(&target, PATIENCE))
    };
    silent.accept().unwrap();
    let busy = pool.doctor(&target, PATIENCE).unwrap_err();
    assert!(matches!(busy, Error::Command(CommandError::DoctorBusy)), "{busy}");
    pool.shutdown(PATIENCE).unwrap();
    assert!(matches!(at_work.join().unwrap(), Err(Error::Closed)));

    let again = node.register_pool(quick(2), None).unwrap();
    let silence = again.doctor(&target, Duration::from_millis(300)).unwrap();
    found(&silence, &[Finding::TcpSilent, Finding::UdpBlocked]);
    let error = again.doctor("127.0.0.1:no", PATIENCE).unwrap_err();
    assert!(error.to_string().contains("127.0.0.1:no"), "{error}");
}
