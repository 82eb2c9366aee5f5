//! Why a member is suspected or dead, as its observers explain it.

use std::time::Duration;

use gossip_core::pool::config::PoolConfig;
use gossip_core::sim::bounds;
use gossip_core::sim::fabric::{Carrier, Packet, Verdict};
use gossip_core::sim::host::HostId;
use gossip_core::sim::seed::for_each_seed;
use gossip_core::sim::world::World;
use gossip_core::swim::evidence::{ProbeEnd, StreamPing};
use gossip_core::swim::explanation::{Explanation, PathState};
use gossip_core::swim::node::State;

const MINUTE: Duration = Duration::from_secs(60);

fn cluster(world: &mut World, count: usize, config: &PoolConfig) -> Vec<HostId> {
    let nodes = world.spawn(count, config);
    world.join_all(&nodes);
    world.run_until_agreed();
    nodes
}

fn explain(world: &World, observer: HostId, subject: HostId) -> Explanation {
    let name = world.name(subject);
    world.machine(observer).explain(world.now(), &name).unwrap()
}

/// Drops what `from` sends to `to` by this carrier, empty `from` and `to` meaning anybody.
fn block(
    carrier: Carrier,
    from: Option<HostId>,
    to: Option<HostId>,
) -> impl FnMut(&Packet<'_>) -> Verdict + Send {
    move |packet: &Packet<'_>| {
        let hit = packet.carrier == carrier
            && from.is_none_or(|from| from == packet.from)
            && to.is_none_or(|to| to == packet.to);
        if hit { Verdict::Drop } else { Verdict::Pass }
    }
}

#[test]
fn a_healthy_member_has_answered_and_nobody_speaks_against_it() {
    for_each_seed(2, |world| {
        let nodes = cluster(world, 5, &PoolConfig::lan(1));
        world.run_for(MINUTE);

        let explanation = explain(world, nodes[0], nodes[1]);

        assert_eq!((explanation.member.state, explanation.path), (State::Alive, PathState::Direct));
        let acked = explanation.acked.unwrap();
        assert!(acked.rtt > Duration::ZERO && acked.rtt < Duration::from_millis(20), "{explanation}");
        assert!(
            acked.ago < Duration::from_secs(20) && explanation.heard.unwrap() <= acked.ago,
            "{explanation}"
        );
        assert_eq!((explanation.silence, explanation.accusers.len()), (None, 0));
    });
}

#[test]
fn of_a_crashed_member_nothing_got_through_and_its_accusers_are_named() {
    for_each_seed(2, |world| {
        let nodes = cluster(world, 8, &PoolConfig::lan(1));
        world.crash(nodes[7]);
        world.run_until(MINUTE, |world| world.state(nodes[0], nodes[7]) == Some(State::Suspect));

        let explanation = explain(world, nodes[0], nodes[7]);
        assert!(!explanation.accusers.is_empty());
        assert!(explanation.dead_in.unwrap() > Duration::ZERO);
        let text = explanation.to_string();
        assert!(text.contains("n007 (10.0.0.8:7946) is suspect for"), "{text}");
        assert!(text.contains("unless it refutes") && text.contains("accused by"), "{text}");

        let bound = bounds::detection(world.tuning(nodes[0]), nodes.len());
        world.run_until(bound, |world| world.all_see(nodes[7], State::Dead));
        world.run_for(Duration::from_secs(2)); // for the last nacks
        for &observer in &nodes[..7] {
            let explanation = explain(world, observer, nodes[7]);
            assert!(explanation.buried_by.is_some() && explanation.dead_in.is_none(), "{explanation}");
            let Some(silence) = &explanation.silence else { continue };
            if silence.end == ProbeEnd::Silent {
                assert_eq!(explanation.path, PathState::Cut, "{explanation}");
                assert_eq!((silence.asked.len(), silence.nacked.len()), (3, 3), "{explanation}");
                assert_eq!(silence.stream, StreamPing::Failed("no connection: connection refused".into()));
            }
        }
        assert!(nodes[..7].iter().any(|&observer| explain(world, observer, nodes[7]).path == PathState::Cut));
    });
}

#[test]
fn one_blocked_direction_of_udp_is_told_from_the_other() {
    for_each_seed(2, |world| {
        let nodes = cluster(world, 6, &PoolConfig::lan(1));
        let (a, b) = (nodes[0], nodes[1]);
        let _rule = world.rule(block(Carrier::Datagram, Some(a), Some(b)));
        world.run_for(MINUTE);

        // From a's side its own pings are lost, and those of b arrive.
        let explanation = explain(world, a, b);
        assert_eq!(explanation.path, PathState::OneWay, "{explanation}");
        assert!(explanation.to_string().contains("udp from here to there"), "{explanation}");
        // From b's side nothing of a arrives, while others reach it.
        let explanation = explain(world, b, a);
        assert_eq!(explanation.path, PathState::Relayed, "{explanation}");
        assert!(matches!(explanation.silence.unwrap().end, ProbeEnd::Relayed(_)));
        assert_eq!(world.state(a, b), Some(State::Alive));
    });
}

#[test]
fn a_member_that_only_tcp_reaches_is_shown_so() {
    for_each_seed(2, |world| {
        let nodes = cluster(world, 5, &PoolConfig::lan(1));
        let b = nodes[1];
        let _in = world.rule(block(Carrier::Datagram, None, Some(b)));
        let _out = world.rule(block(Carrier::Datagram, Some(b), None));
        world.run_for(MINUTE);

        // Between two rounds.
        let ended = |world: &World| explain(world, nodes[0], b).silence.unwrap().end != ProbeEnd::Running;
        world.run_until(MINUTE, ended);
        let explanation = explain(world, nodes[0], b);

        assert_eq!(explanation.path, PathState::StreamOnly, "{explanation}");
        let silence = explanation.silence.as_ref().unwrap();
        assert_eq!((&silence.end, &silence.stream), (&ProbeEnd::Stream, &StreamPing::Answered));
        assert!(explanation.to_string().contains("tcp reaches it and datagrams do not"), "{explanation}");
    });
}

#[test]
fn an_accused_node_knows_by_whom_and_others_count_its_refutations() {
    for_each_seed(2, |world| {
        let nodes = cluster(world, 4, &PoolConfig::lan(1));
        let (a, b) = (nodes[0], nodes[1]);
        world.pause(b);
        world.run_until(MINUTE, |world| world.all_see(b, State::Suspect));
        world.resume(b);
        world.run_until(MINUTE, |world| world.all_see(b, State::Alive));

        let seen = explain(world, a, b);
        assert_eq!(seen.refutations.count, 1, "{seen}");
        assert!(!seen.accusers.is_empty() && seen.to_string().contains("the last time"), "{seen}");
        let own = explain(world, b, b);
        assert!(own.is_self && own.refutations.count >= 1 && !own.accusers.is_empty(), "{own}");
        assert!(own.to_string().contains("this node refuted accusations"), "{own}");
    });
}

#[test]
fn a_node_that_is_cut_off_says_that_it_may_be() {
    for_each_seed(2, |world| {
        let nodes = cluster(world, 6, &PoolConfig::lan(1));
        let _guard = world.isolate(nodes[0]);
        world.run_for(Duration::from_secs(40));

        let isolated = nodes[1..].iter().map(|&other| explain(world, nodes[0], other));
        let isolated: Vec<_> = isolated.filter(|explanation| explanation.is_isolated).collect();

        assert!(!isolated.is_empty());
        let cut = isolated.iter().find(|explanation| explanation.path == PathState::Cut).unwrap();
        assert!(cut.to_string().contains("perhaps this node is cut off"), "{cut}");
    });
}
