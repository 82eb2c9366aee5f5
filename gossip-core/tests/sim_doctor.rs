//! The doctor: each fault of the way to a peer gives its own diagnosis, and nothing comes of
//! asking.

use std::time::Duration;

use bytes::Bytes;
use gossip_core::base::addr::Target;
use gossip_core::pool::action::Outcome;
use gossip_core::pool::config::PoolConfig;
use gossip_core::pool::diagnosis::{CheckKind, CheckResult, Diagnosis, Finding};
use gossip_core::pool::error::CommandError;
use gossip_core::sim::fabric::{Carrier, Packet, Verdict};
use gossip_core::sim::host::HostId;
use gossip_core::sim::link::Quality;
use gossip_core::sim::seed::for_each_seed;
use gossip_core::sim::world::World;
use gossip_core::swim::node::State;
use gossip_core::wire::keyring::{Key, Keyring};

const TIMEOUT: Duration = Duration::from_secs(5);

/// Without probes and gossip, so that the doctor finds things out by itself.
fn quiet() -> PoolConfig {
    PoolConfig {
        probe_interval: Duration::ZERO,
        gossip_interval: Duration::ZERO,
        push_pull_interval: Duration::ZERO,
        ..PoolConfig::lan(1)
    }
}

fn keyring(byte: u8) -> Keyring {
    let mut keyring = Keyring::default();
    keyring.add(Key::new(&[byte; 32]).unwrap());
    keyring
}

/// `count` nodes that know each other.
fn acquainted(world: &mut World, count: usize, config: &PoolConfig) -> Vec<HostId> {
    let nodes = world.spawn(count, config);
    for _ in 0..2 {
        world.join_all(&nodes);
        world.run_for(Duration::from_secs(2));
    }
    assert!(world.converged());
    nodes
}

fn examine(world: &mut World, doctor: HostId, target: Target) -> Diagnosis {
    let task = world.task(doctor, |machine, now| machine.doctor(now, target, TIMEOUT));
    world.run_until(TIMEOUT + Duration::from_secs(1), |world| world.outcome(doctor, task).is_some());
    match world.outcome(doctor, task) {
        Some(Outcome::Examined(diagnosis)) => (**diagnosis).clone(),
        other => panic!("{other:?}"),
    }
}

fn diagnose(world: &mut World, doctor: HostId, patient: HostId) -> Diagnosis {
    let target = world.target(patient);
    examine(world, doctor, target)
}

/// Whether a packet is one datagram from `from` to `to`, `None` being anybody.
fn datagram(packet: &Packet<'_>, from: Option<HostId>, to: Option<HostId>) -> bool {
    packet.carrier == Carrier::Datagram
        && from.is_none_or(|from| from == packet.from)
        && to.is_none_or(|to| to == packet.to)
}

fn drop_if(lost: bool) -> Verdict {
    if lost { Verdict::Drop } else { Verdict::Pass }
}

#[track_caller]
fn found(diagnosis: &Diagnosis, findings: &[Finding]) {
    assert_eq!(diagnosis.findings, findings, "{diagnosis}");
}

#[track_caller]
fn result(diagnosis: &Diagnosis, kind: CheckKind) -> CheckResult {
    diagnosis.check(kind).unwrap_or_else(|| panic!("no {kind:?}: {diagnosis}")).result
}

#[test]
fn a_healthy_peer_is_found_healthy_and_notices_nothing() {
    for_each_seed(4, |world| {
        let nodes = acquainted(world, 5, &quiet());
        let before: Vec<_> = nodes.iter().map(|&node| world.machine(node).version()).collect();

        let diagnosis = diagnose(world, nodes[0], nodes[1]);

        found(&diagnosis, &[Finding::Healthy]);
        for kind in
            [CheckKind::TcpOut, CheckKind::Talk, CheckKind::Udp, CheckKind::UdpFull, CheckKind::Helpers]
        {
            assert_eq!(result(&diagnosis, kind), CheckResult::Passed, "{diagnosis}");
        }
        assert_eq!(result(&diagnosis, CheckKind::UdpIn), CheckResult::Passed);
        assert_eq!(result(&diagnosis, CheckKind::Version), CheckResult::Passed);
        assert!(diagnosis.took < TIMEOUT, "it need not wait: {diagnosis}");
        assert!(diagnosis.to_string().contains("3 of 3 pings"), "{diagnosis}");
        let after: Vec<_> = nodes.iter().map(|&node| world.machine(node).version()).collect();
        assert_eq!(before, after, "nobody's table changed");
        let suspicions = |node| world.machine(node).stats().swim.suspicions;
        assert!(nodes.iter().all(|&node| suspicions(node) == 0));
    });
}

#[test]
fn a_stranger_is_examined_by_address_and_stays_one() {
    for_each_seed(2, |world| {
        let nodes = world.spawn(2, &quiet());
        let addr = world.addr(nodes[1]);

        let diagnosis = examine(world, nodes[0], addr.into());

        found(&diagnosis, &[Finding::Healthy]);
        assert_eq!(diagnosis.member, None);
        assert_eq!(result(&diagnosis, CheckKind::Helpers), CheckResult::Unknown);
        assert_eq!(result(&diagnosis, CheckKind::TcpIn), CheckResult::Unknown);
        assert!(nodes.iter().all(|&node| world.machine(node).members().count() == 1));
    });
}

#[test]
fn udp_that_is_blocked_between_two_is_told_from_udp_blocked_for_all() {
    for_each_seed(4, |world| {
        let nodes = acquainted(world, 5, &quiet());
        let (a, b) = (nodes[0], nodes[1]);

        let rule = world.rule(move |packet: &Packet<'_>| drop_if(datagram(packet, Some(a), Some(b))));
        let diagnosis = diagnose(world, a, b);
        found(&diagnosis, &[Finding::UdpBlocked]);
        assert_eq!(result(&diagnosis, CheckKind::Helpers), CheckResult::Passed, "{diagnosis}");
        assert_eq!(result(&diagnosis, CheckKind::UdpIn), CheckResult::Unknown, "{diagnosis}");
        drop(rule);

        let rule = world.rule(move |packet: &Packet<'_>| drop_if(datagram(packet, Some(b), None)));
        let diagnosis = diagnose(world, a, b);
        found(&diagnosis, &[Finding::UdpBlocked]);
        assert_eq!(result(&diagnosis, CheckKind::Helpers), CheckResult::Failed, "{diagnosis}");
        assert_eq!(result(&diagnosis, CheckKind::Talk), CheckResult::Passed, "{diagnosis}");
        drop(rule);

        let _rule = world.rule(move |packet: &Packet<'_>| drop_if(datagram(packet, None, Some(a))));
        let diagnosis = diagnose(world, a, b);
        found(&diagnosis, &[Finding::UdpBlockedHere]);
        assert!(nodes.iter().all(|&node| world.all_see(node, State::Alive)));
    });
}

#[test]
fn datagrams_that_come_while_ours_are_lost_show_the_direction() {
    for_each_seed(4, |world| {
        let nodes = acquainted(world, 3, &quiet());
        let (a, b) = (nodes[0], nodes[1]);
        let _rule = world.rule(move |packet: &Packet<'_>| drop_if(datagram(packet, Some(a), Some(b))));
        world.after(Duration::from_millis(300), move |world| {
            world.send(b, a, b"anything").unwrap();
        });

        found(&diagnose(world, a, b), &[Finding::UdpOutBlocked]);
    });
}

#[test]
fn large_datagrams_that_are_lost_are_found_by_their_size() {
    for_each_seed(4, |world| {
        let nodes = acquainted(world, 4, &PoolConfig { enable_compression: true, ..quiet() });
        let _rule = world
            .rule(|packet: &Packet<'_>| drop_if(datagram(packet, None, None) && packet.bytes.len() > 1200));

        let diagnosis = diagnose(world, nodes[0], nodes[1]);

        found(&diagnosis, &[Finding::LargeDatagramsLost]);
        assert_eq!(result(&diagnosis, CheckKind::Udp), CheckResult::Passed, "{diagnosis}");
        assert_eq!(result(&diagnosis, CheckKind::UdpFull), CheckResult::Failed, "{diagnosis}");
        assert!(diagnosis.to_string().contains("udp_buffer_size"), "{diagnosis}");
    });
}

#[test]
fn a_lossy_way_is_called_lossy() {
    for_each_seed(2, |world| {
        let nodes = acquainted(world, 2, &quiet());
        let mut count = 0;
        let _rule = world.rule(move |packet: &Packet<'_>| {
            count += u32::from(packet.carrier == Carrier::Datagram);
            drop_if(packet.carrier == Carrier::Datagram && count == 1)
        });

        found(&diagnose(world, nodes[0], nodes[1]), &[Finding::UdpLossy]);
    });
}

#[test]
fn tcp_that_is_blocked_is_found_while_datagrams_go() {
    for_each_seed(2, |world| {
        let nodes = acquainted(world, 3, &quiet());
        let (a, b) = (nodes[0], nodes[1]);
        let _rule = world.rule(move |packet: &Packet<'_>| {
            drop_if(packet.carrier == Carrier::Stream && (packet.from, packet.to) == (a, b))
        });

        let diagnosis = diagnose(world, a, b);

        found(&diagnosis, &[Finding::TcpOutBlocked]);
        assert_eq!(result(&diagnosis, CheckKind::TcpOut), CheckResult::Failed, "{diagnosis}");
        assert_eq!(result(&diagnosis, CheckKind::Talk), CheckResult::Unknown, "{diagnosis}");
    });
}

#[test]
fn the_dead_the_cut_off_and_those_who_are_cut_off_themselves() {
    for_each_seed(2, |world| {
        let nodes = acquainted(world, 5, &quiet());
        world.crash(nodes[1]);
        found(&diagnose(world, nodes[0], nodes[1]), &[Finding::NotListening]);

        let guard = world.isolate(nodes[2]);
        let diagnosis = diagnose(world, nodes[0], nodes[2]);
        found(&diagnosis, &[Finding::Unreachable]);
        assert!(diagnosis.check(CheckKind::Helpers).unwrap().detail.contains("got none"), "{diagnosis}");
        found(&diagnose(world, nodes[2], nodes[3]), &[Finding::CutOff]);
        drop(guard);
        found(&diagnose(world, nodes[2], nodes[3]), &[Finding::Healthy]);
    });
}

#[test]
fn other_keys_labels_and_names_are_told_apart() {
    for_each_seed(2, |world| {
        let plain = world.spawn(1, &quiet())[0];
        let labelled = world.spawn(1, &PoolConfig { label: Bytes::from_static(b"blue"), ..quiet() })[0];
        let other = world.spawn(1, &PoolConfig { label: Bytes::from_static(b"red"), ..quiet() })[0];
        let one = world.spawn(1, &PoolConfig { keyring: keyring(1), ..quiet() })[0];
        let two = world.spawn(1, &PoolConfig { keyring: keyring(2), ..quiet() })[0];
        let pool = world.spawn(1, &PoolConfig { id: gossip_core::PoolId(9), ..quiet() })[0];

        found(&diagnose(world, labelled, plain), &[Finding::LabelMismatch]);
        found(&diagnose(world, plain, labelled), &[Finding::OtherPool]);
        found(&diagnose(world, labelled, other), &[Finding::OtherPool]);
        found(&diagnose(world, plain, pool), &[Finding::OtherPool]);
        found(&diagnose(world, one, two), &[Finding::KeyMismatch]);
        found(&diagnose(world, plain, one), &[Finding::KeysMissingHere]);
        found(&diagnose(world, one, plain), &[Finding::KeysMissingThere]);
        found(&diagnose(world, one, one), &[Finding::Healthy]);
        let stranger = Target { name: Some("stranger".into()), addr: world.addr(one) };
        found(&examine(world, one, stranger), &[Finding::OtherName]);
    });
}

#[test]
fn an_address_that_is_not_allowed_is_called_so() {
    for_each_seed(1, |world| {
        let open = world.spawn(1, &quiet())[0];
        let closed =
            world.spawn(1, &PoolConfig { cidrs_allowed: vec!["10.0.0.2/32".parse().unwrap()], ..quiet() })[0];

        found(&diagnose(world, closed, open), &[Finding::NotAllowed]);
        found(&diagnose(world, open, closed), &[Finding::OtherPool]);
    });
}

#[test]
fn there_is_one_doctor_at_a_time() {
    for_each_seed(1, |world| {
        let nodes = acquainted(world, 3, &quiet());
        let target = world.target(nodes[1]);
        let first = target.clone();
        let task = world.task(nodes[0], |machine, now| machine.doctor(now, first, TIMEOUT));

        let refused = world.command(nodes[0], |machine, now| machine.doctor(now, target, TIMEOUT));

        assert_eq!(refused, Err(CommandError::DoctorBusy));
        world.run_until(2 * TIMEOUT, |world| world.outcome(nodes[0], task).is_some());
        found(&diagnose(world, nodes[0], nodes[2]), &[Finding::Healthy]);
    });
}

#[test]
fn it_ends_in_time_and_costs_a_bounded_number_of_packets() {
    for_each_seed(2, |world| {
        let nodes = acquainted(world, 8, &quiet());
        world.set_quality(Quality::lan().with_loss(1.0));
        let (before, begun) = (world.traffic(nodes[0]), world.now());

        let diagnosis = diagnose(world, nodes[0], nodes[1]);

        let after = world.traffic(nodes[0]);
        assert!(after.datagrams - before.datagrams <= 9, "{diagnosis}");
        assert!(after.streams - before.streams <= 3, "{diagnosis}");
        assert!(world.now().since(begun) <= TIMEOUT + Duration::from_millis(100), "{diagnosis}");
    });
}
