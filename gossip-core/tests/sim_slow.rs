//! Applications that answer late, never, or with a refusal: the protocol goes on.

use std::time::Duration;

use gossip_core::pool::action::Outcome;
use gossip_core::pool::config::PoolConfig;
use gossip_core::sim::app::{Habit, Script};
use gossip_core::sim::seed::for_each_seed;
use gossip_core::swim::node::State;

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);

fn granting(least: u64, most: u64) -> Option<Habit> {
    Some(Habit::Grants { least: Duration::from_millis(least), most: Duration::from_millis(most) })
}

#[test]
fn slow_verdicts_only_delay() {
    for_each_seed(3, |world| {
        let script = Script {
            local_state: granting(0, 500),
            admit_alive: granting(0, 900),
            admit_merge: granting(0, 900),
            allow_stream_ping: granting(0, 200),
            ..Script::default()
        };
        let nodes = world.spawn_with(30, &PoolConfig::lan(1), &script);
        world.join_all(&nodes);
        world.run_until_agreed();

        world.crash(nodes[5]);
        world.update(nodes[6], "news");
        world.run_until(MINUTE, |world| world.all_see(nodes[5], State::Dead));
        world.restart(nodes[5]);
        world.join(nodes[5], nodes[0]);
        world.run_until_agreed();

        assert_eq!(world.false_alarms(), 0, "{}", world.report());
        assert!(world.app(nodes[9]).questions() > 30);
    });
}

#[test]
fn a_silent_application_admits_nobody_but_keeps_its_node_alive() {
    for_each_seed(2, |world| {
        let nodes = world.spawn(10, &PoolConfig::lan(1));
        let script = Script { admit_alive: Some(Habit::Ignores), ..Script::default() };
        let silent = world.spawn_with(1, &PoolConfig::lan(1), &script)[0];
        world.join_all(&nodes);
        world.join(silent, nodes[0]);
        world.run_for(2 * MINUTE);

        assert!(nodes.iter().all(|&node| world.state(node, silent) == Some(State::Alive)));
        assert!(nodes.iter().all(|&node| world.state(silent, node).is_none()));
        assert_eq!(world.report().suspicions, 0, "{}", world.report());
        assert!(world.machine(silent).stats().asks_expired > 0);
    });
}

#[test]
fn one_refused_node_is_refused_alone() {
    for_each_seed(2, |world| {
        let mut script = Script { admit_alive: granting(0, 100), ..Script::default() };
        script.refused.insert("n004".into());
        let nodes = world.spawn_with(10, &PoolConfig::lan(1), &script);
        world.join_all(&nodes);
        world.run_for(MINUTE);

        let known = |observer, subject| world.state(observer, subject) == Some(State::Alive);
        for &observer in nodes.iter().filter(|&&node| node != nodes[4]) {
            for &subject in &nodes {
                assert_eq!(known(observer, subject), subject != nodes[4]);
            }
        }
    });
}

#[test]
fn a_refused_or_unanswered_merge_fails_the_join() {
    let no = Habit::Refuses { least: Duration::ZERO, most: SECOND / 2 };
    for habit in [no, Habit::Ignores] {
        for_each_seed(2, |world| {
            let nodes = world.spawn(5, &PoolConfig::lan(1));
            world.join_all(&nodes);
            world.run_until_agreed();
            let script = Script { admit_merge: Some(habit), ..Script::default() };
            let picky = world.spawn_with(1, &PoolConfig::lan(1), &script)[0];

            let task = world.join(picky, nodes[0]);
            world.run_for(5 * SECOND);

            let Some(Outcome::Join(report)) = world.outcome(picky, task) else { panic!("no outcome") };
            assert_eq!((report.reached.len(), report.failed.len()), (0, 1), "{report:?}");
        });
    }
}

#[test]
fn states_of_applications_are_exchanged_even_by_slow_ones() {
    for_each_seed(2, |world| {
        let talkative = |state: &'static str, habit| Script {
            local_state: Some(habit),
            state: state.into(),
            ..Script::default()
        };
        let prompt = Habit::Grants { least: Duration::ZERO, most: SECOND / 2 };
        let one = world.spawn_with(1, &PoolConfig::lan(1), &talkative("of the first", prompt))[0];
        let other = world.spawn_with(1, &PoolConfig::lan(1), &talkative("of the second", prompt))[0];
        let silent = world.spawn_with(1, &PoolConfig::lan(1), &talkative("never told", Habit::Ignores))[0];

        world.join(other, one);
        world.join(silent, one);
        world.run_until_agreed();
        world.run_for(2 * MINUTE);

        assert!(world.app(one).states().iter().any(|state| state == "of the second"));
        assert!(world.app(other).states().iter().any(|state| state == "of the first"));
        assert!(world.app(silent).states().iter().any(|state| state == "of the first"));
        assert!(!world.app(one).states().iter().any(|state| state == "never told"));
    });
}

#[test]
fn who_may_not_be_pinged_over_streams_is_not() {
    for_each_seed(2, |world| {
        let no = Habit::Refuses { least: Duration::ZERO, most: SECOND / 10 };
        let script = Script { allow_stream_ping: Some(no), ..Script::default() };
        let nodes = world.spawn_with(
            10,
            &PoolConfig { push_pull_interval: Duration::ZERO, ..PoolConfig::lan(1) },
            &script,
        );
        world.join_all(&nodes);
        world.run_for(5 * SECOND);
        // Without push/pull a broadcast that missed somebody is not made good.
        world.join_all(&nodes);
        world.run_for(5 * SECOND);
        assert!(world.agreed());
        let streams = world.report().traffic.streams;

        world.crash(nodes[4]);
        world.run_until(MINUTE, |world| world.all_see(nodes[4], State::Dead));

        assert_eq!(world.report().traffic.streams, streams);
    });
}

#[test]
fn a_crowd_at_a_slow_door_is_let_in_by_turns() {
    for_each_seed(1, |world| {
        let slow = Script { local_state: granting(900, 900), ..Script::default() };
        let door = world.spawn_with(1, &PoolConfig::lan(1), &slow)[0];
        let crowd = world.spawn(180, &PoolConfig::lan(1));

        let first: Vec<_> = crowd.iter().map(|&node| (node, world.join(node, door))).collect();
        world.run_for(5 * SECOND);

        let is_in = |node, task| match world.outcome(node, task) {
            Some(Outcome::Join(report)) => report.reached.len() == 1,
            other => panic!("{other:?}"),
        };
        let turned_away: Vec<_> =
            first.iter().filter(|&&(node, task)| !is_in(node, task)).map(|&(node, _)| node).collect();
        assert_eq!(turned_away.len() as u64, world.machine(door).stats().push_pulls_refused);
        assert!((1..=60).contains(&turned_away.len()), "{}", turned_away.len());
        for node in turned_away {
            world.join(node, door);
        }
        world.run_until_agreed();
    });
}
