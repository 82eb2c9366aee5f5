//! A whole cluster moves to another key, to encryption, to a label, in one call: nothing is lost or
//! refused meanwhile, whoever is missing is named, and whatever happens everybody understands everybody.

use std::time::Duration;

use gossip_core::base::ids::TaskId;
use gossip_core::base::name::NodeName;
use gossip_core::pool::action::{Delivery, Outcome};
use gossip_core::pool::config::PoolConfig;
use gossip_core::pool::error::CommandError;
use gossip_core::pool::migration::{
    Migration, MigrationOptions, MigrationReport, RemoteMigration, Step, StepRefusal, Trouble,
};
use gossip_core::sim::host::HostId;
use gossip_core::sim::link::Quality;
use gossip_core::sim::seed::for_each_seed;
use gossip_core::sim::world::World;
use gossip_core::swim::node::State;
use gossip_core::wire::keyring::{Key, Keyring};

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);

fn key(byte: u8) -> Key {
    Key::new(&[byte; 32]).unwrap()
}

fn ring(keys: &[u8]) -> Keyring {
    Keyring::new(keys.iter().map(|&byte| key(byte)), keys.first().map(|&byte| key(byte))).unwrap()
}

/// A pool with the key 1.
fn encrypted() -> PoolConfig {
    PoolConfig { keyring: ring(&[1]), ..PoolConfig::lan(1) }
}

/// A pool that is ready to move to encryption with the key 1.
fn prepared() -> PoolConfig {
    let (gossip_verify_incoming, gossip_verify_outgoing) = (false, false);
    PoolConfig { gossip_verify_incoming, gossip_verify_outgoing, ..encrypted() }
}

fn cluster(world: &mut World, count: usize, config: &PoolConfig) -> Vec<HostId> {
    let nodes = world.spawn(count, config);
    world.join_all(&nodes);
    world.run_until_agreed();
    world.run_for(SECOND * 2);
    nodes
}

fn begin(world: &mut World, node: HostId, to: Migration, options: MigrationOptions) -> TaskId {
    world.task(node, |machine, now| machine.migrate(now, to, options, Some(MINUTE)))
}

fn report(world: &World, node: HostId, task: TaskId) -> Option<MigrationReport> {
    match world.outcome(node, task)? {
        Outcome::Migrated(report) => Some((**report).clone()),
        other => panic!("{other:?}"),
    }
}

/// Runs a migration to its end, without traffic.
fn migrate(world: &mut World, node: HostId, to: Migration, options: MigrationOptions) -> MigrationReport {
    let task = begin(world, node, to, options);
    world.run_until(MINUTE * 2, |world| world.outcome(node, task).is_some());
    report(world, node, task).unwrap()
}

fn keys(world: &World, node: HostId) -> Vec<Key> {
    world.machine(node).keyring().keys().to_vec()
}

fn refused(world: &World, nodes: &[HostId]) -> u64 {
    for &node in nodes {
        let stats = world.machine(node).stats();
        for (reason, count) in stats.refused.iter().filter(|(_, count)| *count > 0) {
            println!("{:?}: {} {reason} refused {count} times", world.now(), world.name(node));
        }
    }
    nodes.iter().map(|&node| world.machine(node).stats().refused.total()).sum()
}

/// Messages of every kind between everybody, while something else goes on.
#[derive(Default)]
struct Flow {
    number: usize,
    reliable: Vec<(HostId, HostId, TaskId, String)>,
    datagrams: Vec<(HostId, String)>,
    broadcasts: Vec<(HostId, String)>,
}

impl Flow {
    /// One more of each kind.
    fn go_on(&mut self, world: &mut World, nodes: &[HostId]) {
        self.number += 1;
        let (from, to) = (nodes[self.number % nodes.len()], nodes[(self.number * 5 + 2) % nodes.len()]);
        if from == to {
            return;
        }
        let text = |kind: &str| format!("{kind} {}", self.number);
        let task = world.send_reliable(from, to, text("stream"));
        self.reliable.push((from, to, task, text("stream")));
        world.send(from, to, text("datagram").as_bytes()).unwrap();
        self.datagrams.push((to, text("datagram")));
        world.broadcast(from, text("broadcast").as_bytes()).unwrap();
        self.broadcasts.push((from, text("broadcast")));
    }

    /// Lets messages flow until a migration has ended.
    fn until_end(
        &mut self,
        world: &mut World,
        nodes: &[HostId],
        node: HostId,
        task: TaskId,
    ) -> MigrationReport {
        for _ in 0..2000 {
            self.go_on(world, nodes);
            world.run_for(Duration::from_millis(30));
            if let Some(report) = report(world, node, task) {
                for _ in 0..30 {
                    self.go_on(world, nodes);
                    world.run_for(Duration::from_millis(30));
                }
                return report;
            }
        }
        panic!("the migration has no end");
    }

    /// Whether everything has arrived, once.
    fn check(&self, world: &mut World, nodes: &[HostId], datagrams: bool) {
        world.run_for(MINUTE);
        let got = |node: HostId, text: &str| {
            world.app(node).messages().iter().filter(|got| got.bytes == text.as_bytes()).count()
        };
        for (from, to, task, text) in &self.reliable {
            let outcome = world.outcome(*from, *task);
            assert!(matches!(outcome, Some(Outcome::Sent(Delivery::Acknowledged))), "{text}: {outcome:?}");
            assert_eq!(got(*to, text), 1, "{text}");
        }
        for (to, text) in self.datagrams.iter().filter(|_| datagrams) {
            assert_eq!(got(*to, text), 1, "{text}");
        }
        for (from, text) in &self.broadcasts {
            for &node in nodes.iter().filter(|node| *node != from) {
                assert_eq!(got(node, text), 1, "{text} at {node:?}");
            }
        }
        assert!(self.number > 50, "{}", self.number);
    }
}

/// Everybody reaches everybody, in datagrams and on streams.
fn all_talk(world: &mut World, nodes: &[HostId]) {
    let before = refused(world, nodes);
    world.run_until(MINUTE * 3, |world| world.converged());
    for &from in nodes {
        for &to in nodes.iter().filter(|&&to| to != from) {
            let sent = world.send_reliable(from, to, "hello");
            world.run_until(MINUTE, |world| world.outcome(from, sent).is_some());
            let outcome = world.outcome(from, sent);
            assert!(matches!(outcome, Some(Outcome::Sent(Delivery::Acknowledged))), "{outcome:?}");
            let ping = world.ping(from, to);
            world.run_until(MINUTE, |world| world.outcome(from, ping).is_some());
            assert!(matches!(world.outcome(from, ping), Some(Outcome::Pinged(_))));
        }
    }
    assert_eq!(refused(world, nodes), before, "somebody is not understood");
}

fn trouble_of(report: &MigrationReport, name: &NodeName) -> Option<Trouble> {
    report.missing.iter().find(|missing| missing.member == *name).map(|missing| missing.trouble.clone())
}

#[test]
fn a_key_is_rotated_while_messages_of_all_kinds_flow() {
    for_each_seed(8, |world| {
        let nodes = cluster(world, 9, &encrypted());
        let task = begin(world, nodes[2], Migration::Key(key(2)), MigrationOptions::default());

        let mut flow = Flow::default();
        let report = flow.until_end(world, &nodes, nodes[2], task);

        assert!(report.is_complete(), "{report}");
        assert_eq!(report.members.len(), 9);
        assert!(report.lost.is_empty() && report.by_hand.is_empty());
        flow.check(world, &nodes, true);
        for &node in &nodes {
            assert_eq!(keys(world, node), [key(2)]);
            let steps: Vec<_> = world.app(node).migrated().iter().map(|migrated| migrated.step).collect();
            assert_eq!(steps, Step::ALL);
            assert!(world.app(node).migrated().iter().all(|migrated| migrated.by == world.name(nodes[2])));
        }
        assert_eq!((refused(world, &nodes), world.report().suspicions), (0, 0), "{}", world.report());
        for step in Step::ALL {
            let done = world.app(nodes[2]).progress().iter();
            let done: Vec<_> = done.filter(|news| news.step == step && news.trouble.is_none()).collect();
            assert_eq!(done.iter().map(|news| news.done).max(), Some(9), "{step}");
            assert!(done.iter().all(|news| news.total == 9));
        }
    });
}

#[test]
fn a_key_is_rotated_over_links_that_lose_a_twentieth() {
    for_each_seed(4, |world| {
        let nodes = cluster(world, 8, &encrypted());
        world.set_quality(Quality::lan().with_loss(0.05));
        let task = begin(world, nodes[0], Migration::Key(key(2)), MigrationOptions::default());

        let mut flow = Flow::default();
        let report = flow.until_end(world, &nodes, nodes[0], task);

        assert!(report.is_complete(), "{report}");
        flow.check(world, &nodes, false);
        assert_eq!(refused(world, &nodes), 0);
    });
}

#[test]
fn a_cluster_moves_to_encryption_while_messages_of_all_kinds_flow() {
    for_each_seed(4, |world| {
        let nodes = cluster(world, 9, &prepared());
        let task = begin(world, nodes[4], Migration::Encryption(key(1)), MigrationOptions::default());

        let mut flow = Flow::default();
        let report = flow.until_end(world, &nodes, nodes[4], task);

        assert!(report.is_complete(), "{report}");
        flow.check(world, &nodes, true);
        assert_eq!((refused(world, &nodes), world.report().suspicions), (0, 0), "{}", world.report());
        let plain = world.spawn(1, &PoolConfig::lan(1))[0];
        let task = world.join(plain, nodes[0]);
        world.run_until(MINUTE, |world| world.outcome(plain, task).is_some());
        let Some(Outcome::Join(join)) = world.outcome(plain, task) else { panic!("no outcome") };
        assert!(join.reached.is_empty(), "clear text is refused everywhere");
    });
}

#[test]
fn a_cluster_moves_from_no_label_to_one_and_back_while_messages_flow() {
    let plain = PoolConfig { remote_migration: RemoteMigration::Always, ..PoolConfig::lan(1) };
    for config in [encrypted(), plain] {
        for_each_seed(2, |world| {
            let nodes = cluster(world, 8, &config);
            let mut flow = Flow::default();
            for label in ["blue", "green", ""] {
                let to = Migration::Label(label.into());
                let task = begin(world, nodes[1], to, MigrationOptions::default());
                let report = flow.until_end(world, &nodes, nodes[1], task);
                assert!(report.is_complete(), "{report}");
                assert!(nodes.iter().all(|&node| world.machine(node).wire().label == label));
            }
            flow.check(world, &nodes, true);
            assert_eq!((refused(world, &nodes), world.report().suspicions), (0, 0), "{}", world.report());
        });
    }
}

#[test]
fn a_member_that_does_not_answer_stops_it_and_is_named() {
    for_each_seed(4, |world| {
        let nodes = cluster(world, 7, &encrypted());
        let asleep = world.name(nodes[3]);
        // At every moment of the way, and before it.
        let moment = Duration::from_millis(world.rng().below(1500) as u64);
        let task = world.task(nodes[0], |machine, now| {
            machine.migrate(now, Migration::Key(key(2)), MigrationOptions::default(), Some(SECOND * 20))
        });
        world.run_for(moment);
        world.pause(nodes[3]);
        // Shorter than a suspicion lasts.
        world.run_until(MINUTE, |world| world.outcome(nodes[0], task).is_some());
        let report = report(world, nodes[0], task).unwrap();
        if report.is_complete() {
            return;
        }

        let trouble = trouble_of(&report, &asleep);
        assert!(matches!(trouble, Some(Trouble::Unanswered(_) | Trouble::Lost)), "{report}");
        assert_eq!(
            report.missing.iter().filter(|missing| missing.trouble.name() != "waiting").count(),
            1,
            "{report}"
        );
        world.resume(nodes[3]);
        all_talk(world, &nodes);
        let report = migrate(world, nodes[5], Migration::Key(key(2)), MigrationOptions::default());
        assert!(report.is_complete(), "{report}");
        assert!(nodes.iter().all(|&node| keys(world, node) == [key(2)]));
        all_talk(world, &nodes);
    });
}

#[test]
fn a_member_that_is_dead_stops_it_unless_it_is_passed_over() {
    for_each_seed(3, |world| {
        let nodes = cluster(world, 6, &encrypted());
        let dead = world.name(nodes[4]);
        world.crash(nodes[4]);
        world.run_until(MINUTE, |world| world.all_see(nodes[4], State::Dead));

        let stopped = migrate(world, nodes[0], Migration::Key(key(2)), MigrationOptions::default());
        assert_eq!((stopped.reached, trouble_of(&stopped, &dead)), (None, Some(Trouble::Lost)));
        assert!(nodes[..4].iter().all(|&node| keys(world, node) == [key(1)]), "nothing has changed");
        // Also when nobody gossips to the dead any more.
        world.run_for(MINUTE * 2);
        let stopped = migrate(world, nodes[0], Migration::Key(key(2)), MigrationOptions::default());
        assert_eq!(trouble_of(&stopped, &dead), Some(Trouble::Lost));

        let options = MigrationOptions { without_lost: true, ..MigrationOptions::default() };
        let report = migrate(world, nodes[0], Migration::Key(key(2)), options);
        assert!(report.is_complete(), "{report}");
        assert_eq!(report.lost, [dead]);
        world.restart(nodes[4]);
        let task = world.join(nodes[4], nodes[0]);
        world.run_for(MINUTE);
        let Some(Outcome::Join(join)) = world.outcome(nodes[4], task) else { panic!("no outcome") };
        assert!(join.reached.is_empty(), "with the old key it does not get in");
    });
}

#[test]
fn a_member_that_says_goodbye_meanwhile_is_left_out() {
    for_each_seed(2, |world| {
        let nodes = cluster(world, 6, &encrypted());
        let task = begin(world, nodes[0], Migration::Key(key(2)), MigrationOptions::default());
        world.run_for(Duration::from_millis(300));
        world.leave(nodes[3]);

        world.run_until(MINUTE, |world| world.outcome(nodes[0], task).is_some());

        let report = report(world, nodes[0], task).unwrap();
        assert!(report.is_complete(), "{report}");
        assert!(report.lost.is_empty());
    });
}

#[test]
fn members_that_join_meanwhile_are_brought_along() {
    for_each_seed(12, |world| {
        let mut nodes = cluster(world, 5, &encrypted());
        let task = begin(world, nodes[0], Migration::Key(key(2)), MigrationOptions::default());
        let moment = Duration::from_millis(world.rng().below(600) as u64);
        world.run_for(moment);
        // With the key of before, through a member.
        let late = world.spawn(1, &encrypted())[0];
        world.join(late, nodes[2]);
        nodes.push(late);

        world.run_until(MINUTE, |world| world.outcome(nodes[0], task).is_some());
        let report = report(world, nodes[0], task).unwrap();
        assert!(report.is_complete(), "{report}");

        if !report.members.contains(&world.name(late)) {
            // It came behind the last step.
            assert_eq!(keys(world, late), [key(1)]);
            nodes.pop();
            world.crash(late);
        }
        assert!(nodes.iter().all(|&node| keys(world, node) == [key(2)]), "after {moment:?}: {report}");
        world.join(nodes[nodes.len() - 1], nodes[0]);
        all_talk(world, &nodes);
    });
}

#[test]
fn a_member_that_only_another_knows_is_not_overlooked() {
    for_each_seed(8, |world| {
        let nodes = world.spawn(4, &encrypted());
        world.join(nodes[1], nodes[0]);
        world.run_for(SECOND * 5);
        // At this moment one of the two has heard of the third, which knows nobody but that one.
        world.join(nodes[2], nodes[0]);
        world.run_until(SECOND, |world| world.state(nodes[0], nodes[2]) == Some(State::Alive));
        world.join(nodes[3], nodes[0]);

        let report = migrate(world, nodes[1], Migration::Key(key(2)), MigrationOptions::default());

        assert!(report.is_complete() && report.members.len() >= 3, "{report}");
        let moved: Vec<_> = nodes.iter().copied().filter(|&node| keys(world, node) == [key(2)]).collect();
        assert_eq!(moved.len(), report.members.len(), "{report}");
        assert!(moved.contains(&nodes[2]), "{report}");
        if moved.len() == nodes.len() {
            all_talk(world, &nodes);
        }
    });
}

#[test]
fn whoever_sees_to_it_may_crash_at_any_moment_and_another_finishes() {
    for_each_seed(16, |world| {
        let nodes = cluster(world, 6, &encrypted());
        let moment = Duration::from_millis(world.rng().below(1200) as u64);
        let task = begin(world, nodes[0], Migration::Key(key(2)), MigrationOptions::default());
        let mut flow = Flow::default();
        for _ in 0..moment.as_millis() / 30 {
            flow.go_on(world, &nodes[1..]);
            world.run_for(Duration::from_millis(30));
        }
        let was_complete = world.outcome(nodes[0], task).is_some();
        world.crash(nodes[0]);
        let others = &nodes[1..];
        let options = MigrationOptions { without_lost: true, ..MigrationOptions::default() };
        while flow.number < 20 {
            flow.go_on(world, others);
            world.run_for(Duration::from_millis(30));
        }
        world.run_until(MINUTE, |world| world.all_see(nodes[0], State::Dead));

        let task = begin(world, nodes[3], Migration::Key(key(2)), options);
        let report = flow.until_end(world, others, nodes[3], task);

        assert!(report.is_complete(), "crashed after {moment:?}, complete: {was_complete}: {report}");
        assert_eq!(report.lost, [world.name(nodes[0])]);
        assert!(others.iter().all(|&node| keys(world, node) == [key(2)]));
        assert_eq!(refused(world, others), 0);
        flow.check(world, others, true);
    });
}

#[test]
fn a_member_that_does_not_obey_is_named_before_anything_changes_or_passed_over() {
    for_each_seed(2, |world| {
        let stubborn = PoolConfig { remote_migration: RemoteMigration::Never, ..encrypted() };
        let mut nodes = cluster(world, 4, &encrypted());
        nodes.push(world.spawn(1, &stubborn)[0]);
        world.join(nodes[4], nodes[0]);
        world.run_until_agreed();
        let name = world.name(nodes[4]);

        let stopped = migrate(world, nodes[0], Migration::Key(key(2)), MigrationOptions::default());
        assert_eq!(trouble_of(&stopped, &name), Some(Trouble::Refused(StepRefusal::Forbidden)), "{stopped}");
        assert_eq!((stopped.reached, stopped.missing.len()), (None, 1));
        assert!(nodes.iter().all(|&node| keys(world, node) == [key(1)]), "nothing has changed");

        // By hand, between the steps.
        for step in Step::ALL {
            let options = MigrationOptions { until: step, by_hand: true, ..MigrationOptions::default() };
            let report = migrate(world, nodes[0], Migration::Key(key(2)), options);
            assert!(report.is_complete(), "{report}");
            assert_eq!((report.reached, &report.by_hand[..]), (Some(step), &[name.clone()][..]));
            world
                .command(nodes[4], |machine, _| match step {
                    Step::Accept => machine.add_key(key(2)),
                    Step::Speak => machine.use_key(&key(2)),
                    Step::Require => machine.remove_key(&key(1)),
                })
                .unwrap();
            all_talk(world, &nodes);
        }
        assert!(nodes.iter().all(|&node| keys(world, node) == [key(2)]));
    });
}

#[test]
fn the_way_to_encryption_begins_when_everybody_holds_the_key() {
    for_each_seed(2, |world| {
        let mut nodes = cluster(world, 4, &prepared());
        nodes.push(world.spawn(1, &PoolConfig::lan(1))[0]);
        world.join(nodes[4], nodes[0]);
        world.run_until_agreed();

        let stopped = migrate(world, nodes[0], Migration::Encryption(key(1)), MigrationOptions::default());

        let trouble = trouble_of(&stopped, &world.name(nodes[4]));
        assert_eq!(trouble, Some(Trouble::Refused(StepRefusal::NoKey)), "{stopped}");
        all_talk(world, &nodes);
        world
            .command(nodes[4], |machine, _| {
                machine.set_gossip_verify(false, false)?;
                machine.add_key(key(1))
            })
            .unwrap();
        let report = migrate(world, nodes[1], Migration::Encryption(key(1)), MigrationOptions::default());
        assert!(report.is_complete(), "{report}");
        all_talk(world, &nodes);
    });
}

#[test]
fn two_migrations_to_different_keys_never_break_the_cluster() {
    for_each_seed(8, |world| {
        let nodes = cluster(world, 6, &encrypted());
        let pause = Duration::from_millis(world.rng().below(500) as u64);
        let first = begin(world, nodes[0], Migration::Key(key(2)), MigrationOptions::default());
        world.run_for(pause);
        let second = world
            .begin(nodes[5], |machine, now| {
                machine.migrate(now, Migration::Key(key(3)), MigrationOptions::default(), Some(SECOND * 30))
            })
            .inspect_err(|error| assert_eq!(*error, CommandError::MigrationBusy))
            .ok();
        world.run_until(MINUTE * 3, |world| {
            world.outcome(nodes[0], first).is_some()
                && second.is_none_or(|second| world.outcome(nodes[5], second).is_some())
        });

        all_talk(world, &nodes);
        world.run_for(MINUTE * 2);
        let report = migrate(world, nodes[2], Migration::Key(key(4)), MigrationOptions::default());
        assert!(report.is_complete(), "{report}");
        assert!(nodes.iter().all(|&node| keys(world, node) == [key(4)]));
        all_talk(world, &nodes);
    });
}

#[test]
fn what_cannot_be_is_refused_at_once() {
    for_each_seed(1, |world| {
        let nodes = world.spawn(1, &PoolConfig::lan(1));
        let secret = world.spawn(1, &encrypted());
        let mut refuse = |node: HostId, to: Migration| {
            world
                .begin(node, |machine, now| machine.migrate(now, to, MigrationOptions::default(), None))
                .unwrap_err()
        };

        assert_eq!(refuse(nodes[0], Migration::Key(key(2))), CommandError::NotEncrypted);
        assert_eq!(refuse(secret[0], Migration::Encryption(key(2))), CommandError::AlreadyEncrypted);
        let long = refuse(nodes[0], Migration::Label(vec![b'x'; 256].into()));
        assert_eq!(long.to_string(), "label is 256 bytes, at most 255 fit");
        begin(world, secret[0], Migration::Key(key(2)), MigrationOptions::default());
        world.run_for(SECOND * 9);
        assert_eq!(keys(world, secret[0]), [key(2)], "alone it is done at once");
    });
}
