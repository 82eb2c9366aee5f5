//! A few machines on a perfect network in virtual time: what they promise their host,
//! and what two of them say to each other.

mod bounds;
mod capture;
mod garbage;
mod hosts;
mod merges;
mod strangers;
mod warnings;

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use gossip_core::base::addr::Target;
use gossip_core::base::time::Time;
use gossip_core::pool::action::{Action, Asks, Delivery, Notice, Outcome, Question, Reply};
use gossip_core::pool::config::{BroadcastMode, PoolConfig};
use gossip_core::pool::error::CommandError;
use gossip_core::pool::machine::Received;
use gossip_core::swim::node::State;

use hosts::{Hosts, addr, joined, names};

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn a_new_machine_knows_itself() {
    let mut hosts = Hosts::new(&[PoolConfig::lan(1)]);

    hosts.run_for(SECOND);

    assert_eq!(names(&hosts, 0, State::Alive), ["n0"]);
    assert!(matches!(&hosts.notices(0)[..], [Notice::Joined(member)] if member.name().as_bytes() == b"n0"));
}

#[test]
fn a_join_makes_both_know_each_other() {
    let mut hosts = joined(2, &PoolConfig::lan(1));

    hosts.run_for(SECOND);

    for host in 0..2 {
        assert_eq!(names(&hosts, host, State::Alive), ["n0", "n1"]);
    }
}

#[test]
fn every_command_ends_exactly_once() {
    let mut hosts = joined(2, &PoolConfig::local(1));
    let now = hosts.now;
    let machine = &mut hosts.list[0].machine;
    let peer = Target { name: Some("n1".into()), addr: addr(1) };
    let ids = [
        machine.ping(now, peer.clone(), None).unwrap(),
        machine.ping(now, Target { name: Some("other".into()), addr: addr(1) }, None).unwrap(),
        machine.send_reliable(now, peer, Bytes::from_static(b"hi"), Some(SECOND)).unwrap(),
        machine.join(now, vec![addr(77).into()], Some(SECOND)).unwrap(),
        machine.update(now, Bytes::from_static(b"new"), Some(SECOND * 30)).unwrap(),
    ];

    hosts.run_for(SECOND * 40);

    let done = hosts.done(0);
    let of = |id| {
        let mut of: Vec<_> =
            done.iter().filter(|(done, _)| *done == id).map(|(_, outcome)| outcome).collect();
        assert_eq!(of.len(), 1, "{id:?}");
        of.remove(0)
    };
    assert!(matches!(of(ids[0]), Outcome::Pinged(_)));
    assert!(matches!(of(ids[1]), Outcome::TimedOut));
    assert!(matches!(of(ids[2]), Outcome::Sent(Delivery::Acknowledged)));
    assert!(
        matches!(of(ids[3]), Outcome::Join(report) if report.reached.is_empty() && report.failed.len() == 1)
    );
    assert!(matches!(of(ids[4]), Outcome::Updated));
    let updated = hosts
        .notices(1)
        .into_iter()
        .any(|notice| matches!(notice, Notice::Updated(member) if member.meta() == b"new"));
    assert!(updated);
}

#[test]
fn a_leave_is_heard_as_left_and_a_later_join_returns() {
    let mut hosts = joined(2, &PoolConfig::local(1));
    let now = hosts.now;
    let id = hosts.list[1].machine.leave(now, Some(SECOND * 10)).unwrap();

    hosts.run_for(SECOND * 10);
    assert!(hosts.done(1).iter().any(|(done, outcome)| *done == id && matches!(outcome, Outcome::Left)));
    assert_eq!(names(&hosts, 0, State::Left), ["n1"]);

    let now = hosts.now;
    let update = hosts.list[1].machine.update(now, Bytes::new(), None);
    assert_eq!(update.unwrap_err(), CommandError::HasLeft);
    hosts.list[1].machine.join(now, vec![addr(0).into()], Some(SECOND)).unwrap();
    hosts.run_for(SECOND * 5);
    assert_eq!(names(&hosts, 0, State::Alive), ["n0", "n1"]);
}

#[test]
fn a_silent_node_is_suspected_then_dead() {
    let mut hosts = joined(3, &PoolConfig::local(1));
    hosts.list[2].is_down = true;

    // Its turn comes within three rounds, as the order is shuffled in between; then the probe ends.
    let is_suspect = |hosts: &Hosts| names(hosts, 0, State::Suspect) == ["n2"];
    let suspected = (0..60).any(|_| {
        hosts.run_for(SECOND / 10);
        is_suspect(&hosts)
    });
    assert!(suspected);

    hosts.run_for(SECOND * 60);
    assert_eq!(names(&hosts, 0, State::Dead), Vec::<String>::new(), "the long dead are forgotten");
    assert!(
        hosts
            .notices(0)
            .iter()
            .any(|notice| matches!(notice, Notice::Left(member) if member.state == State::Dead),)
    );
}

#[test]
fn broadcasts_and_states_reach_the_other_application() {
    let mut hosts = Hosts::new(&[PoolConfig::local(1), PoolConfig::local(1)]);
    hosts.list[0].machine.set_local_state(Bytes::from_static(b"state of n0")).unwrap();
    hosts.join(1, 0);
    hosts.run_for(SECOND);

    let now = hosts.now;
    hosts.list[0].machine.broadcast(now, b"to all").unwrap();
    hosts.list[0].machine.send(&addr(1).into(), b"to one").unwrap();
    hosts.run_for(SECOND * 2);

    let heard = hosts.notices(1);
    let state = |notice: &Notice| matches!(notice, Notice::RemoteState { join: true, state } if &state[..] == b"state of n0");
    assert!(heard.iter().any(state));
    for text in [&b"to all"[..], b"to one"] {
        let message = |notice: &Notice| matches!(notice, Notice::Message(m) if m.bytes == text);
        assert!(heard.iter().any(message), "{}", String::from_utf8_lossy(text));
    }
}

/// A pool at rest does not wake up for rounds of gossip; the next one waits for news.
#[test]
fn a_broadcast_after_a_rest_makes_nothing_overdue() {
    for broadcast_mode in [BroadcastMode::Plain, BroadcastMode::Relay] {
        let mut hosts = joined(2, &PoolConfig { broadcast_mode, ..PoolConfig::wan(1) });
        hosts.run_for(SECOND * 30);
        for _ in 0..20 {
            let machine = &mut hosts.list[0].machine;
            let (before, due) = (hosts.now, machine.poll_timeout().unwrap());
            // As late as nothing is due.
            let now = due.max(before) - Duration::from_nanos(1);
            machine.broadcast(now, b"news").unwrap();
            while machine.poll_transmit(now, &mut Vec::new()).is_some() {}

            assert!(machine.poll_timeout().is_some_and(|next| next >= now), "{broadcast_mode:?}");
            hosts.run_for(SECOND * 3);
        }
    }
}

#[test]
fn what_does_not_fit_is_refused_at_the_call() {
    let mut hosts = joined(2, &PoolConfig::lan(1));
    let now = hosts.now;
    let machine = &mut hosts.list[0].machine;
    let limit = machine.broadcast_limit();

    machine.broadcast(now, &vec![0; limit]).unwrap();

    let size = limit + 1;
    let refusal = CommandError::TooLarge { what: "broadcast", size, limit };
    assert_eq!(machine.broadcast(now, &vec![0; size]), Err(refusal));
    let meta = hosts.list[0].machine.update(now, Bytes::from(vec![0; 513]), None).unwrap_err();
    assert_eq!(meta.to_string(), "metadata is 513 bytes, at most 512 fit");
}

#[test]
fn metadata_that_fits_no_datagram_is_refused_and_what_fits_is_gossiped() {
    let config = PoolConfig { udp_buffer_size: 512, label: vec![7; 100].into(), ..PoolConfig::local(1) };
    let mut hosts = joined(2, &config);
    let (now, limit) = (hosts.now, hosts.list[0].machine.meta_limit());
    assert!(limit < 400, "of 512 bytes, {limit} are left");

    let refused = hosts.list[0].machine.update(now, Bytes::from(vec![1; limit + 1]), None).unwrap_err();
    assert_eq!(refused, CommandError::TooLarge { what: "metadata", size: limit + 1, limit });

    hosts.list[0].machine.update(now, Bytes::from(vec![1; limit]), Some(SECOND * 30)).unwrap();
    hosts.run_for(SECOND * 5);
    assert!(matches!(&hosts.done(0)[..], [(_, Outcome::Updated)]));
    let told = |notice: &Notice| matches!(notice, Notice::Updated(member) if member.meta().len() == limit);
    assert!(hosts.notices(1).iter().any(told));
}

#[test]
fn no_datagram_is_larger_than_configured() {
    let config = PoolConfig { udp_buffer_size: 700, enable_compression: false, ..PoolConfig::local(1) };
    let mut hosts = joined(4, &config);

    let now = hosts.now;
    for _ in 0..200 {
        hosts.list[0].machine.broadcast(now, &[7; 90]).unwrap();
    }
    hosts.run_for(SECOND * 20);

    assert!(hosts.largest > 600, "largest was {}", hosts.largest);
    assert!(hosts.largest <= 700, "largest was {}", hosts.largest);
}

#[test]
fn a_full_broadcast_queue_refuses_and_names_its_limit() {
    let broadcast_mode = BroadcastMode::Plain;
    let config = PoolConfig { broadcast_queue_depth: 2, broadcast_mode, ..PoolConfig::local(1) };
    let mut hosts = joined(2, &config);
    let now = hosts.now;
    let machine = &mut hosts.list[0].machine;

    machine.broadcast(now, b"1").unwrap();
    machine.broadcast(now, b"2").unwrap();

    assert_eq!(machine.broadcast(now, b"3"), Err(CommandError::QueueFull { limit: 2 }));
}

#[test]
fn an_unadmitted_node_stays_out_until_the_application_agrees() {
    let mut hosts = Hosts::new(&[PoolConfig::local(1), PoolConfig::local(1)]);
    hosts.replace(0, Asks { admit_alive: true, ..Asks::default() });
    hosts.join(1, 0);
    hosts.run_for(Duration::from_millis(100));

    let asked = hosts.asked(0);
    assert_eq!(names(&hosts, 0, State::Alive), ["n0"]);
    assert_eq!(asked.len(), 1, "one question however often the node is heard of");
    assert!(matches!(&asked[0].1, Question::AdmitAlive(member) if member.name().as_bytes() == b"n1"));

    let now = hosts.now;
    hosts.list[0].machine.handle_reply(now, asked[0].0, Reply::Admit);
    hosts.run_for(Duration::from_millis(100));
    assert_eq!(names(&hosts, 0, State::Alive), ["n0", "n1"]);
}

#[test]
fn a_refused_merge_joins_nobody() {
    let mut hosts = Hosts::new(&[PoolConfig::local(1), PoolConfig::local(1)]);
    hosts.replace(1, Asks { admit_merge: true, ..Asks::default() });
    let task = hosts.join(1, 0);
    hosts.run_for(Duration::from_millis(50));

    let (ask, question) = hosts.asked(1).remove(0);
    assert!(matches!(question, Question::AdmitMerge(members) if members.len() == 1));
    let now = hosts.now;
    hosts.list[1].machine.handle_reply(now, ask, Reply::Refuse);
    hosts.run_for(Duration::from_millis(50));

    let done = hosts.done(1);
    assert!(matches!(&done[..], [(id, Outcome::Join(report))] if *id == task && report.reached.is_empty()));
}

#[test]
fn an_unanswered_question_takes_its_default_at_the_deadline() {
    let mut hosts = Hosts::new(&[PoolConfig::local(1), PoolConfig::local(1)]);
    hosts.replace(1, Asks { local_state: true, ..Asks::default() });
    hosts.list[1].machine.set_local_state(Bytes::from_static(b"published")).unwrap();
    hosts.join(1, 0);

    hosts.run_for(SECOND * 3);

    let published =
        |notice: &Notice| matches!(notice, Notice::RemoteState { state, .. } if &state[..] == b"published");
    assert!(hosts.notices(0).iter().any(published));
    assert!(hosts.list[1].machine.stats().asks_expired > 0);
}

#[test]
fn after_a_timeout_the_next_one_lies_ahead() {
    let mut hosts = joined(3, &PoolConfig::lan(1));

    for step in 1..200 {
        let now = hosts.now + Duration::from_millis(97) * step;
        let machine = &mut hosts.list[0].machine;
        machine.handle_timeout(now);
        let mut out = Vec::new();
        loop {
            out.clear();
            let sent = machine.poll_transmit(now, &mut out).is_some();
            let acted = machine.poll_action().is_some();
            if !sent && !acted {
                break;
            }
        }

        assert!(machine.poll_timeout().is_some_and(|next| next > now));
    }
}

#[test]
fn an_older_now_is_taken_for_the_latest_seen() {
    let mut hosts = joined(2, &PoolConfig::lan(1));
    let machine = &mut hosts.list[0].machine;
    let later = hosts.now + SECOND * 100;
    machine.handle_timeout(later);

    machine.handle_timeout(Time::ZERO);
    let mut garbage = *b"\xff\xff";
    let from = addr(9);
    machine.handle_packet(Time::ZERO, Received { from, at: Time::ZERO, bytes: &mut garbage });

    assert!(machine.poll_timeout().is_some_and(|next| next > later));
}

#[test]
fn garbage_changes_nothing_but_a_counter() {
    let mut hosts = joined(2, &PoolConfig::lan(1));
    let machine = &mut hosts.list[0].machine;
    let before: Vec<_> = machine.members().collect();
    let garbage: [&[u8]; 8] =
        [b"", b"\x07", b"\x09\xff", b"\x0c\0\0\0\0abc", b"\xf4", b"\x03\x83", b"\xc1", &[0x92; 600]];

    for bytes in garbage {
        let from: SocketAddr = addr(66);
        machine.handle_packet(hosts.now, Received { from, at: hosts.now, bytes: &mut bytes.to_vec() });
    }

    assert_eq!(machine.members().collect::<Vec<_>>(), before);
    assert_eq!(machine.stats().refused.total(), 8);
    assert!(machine.poll_action().is_none_or(|action| !matches!(action, Action::Open { .. })));
}

#[test]
fn what_a_leave_or_a_join_overtakes_is_cancelled() {
    let mut hosts = joined(2, &PoolConfig::local(1));
    let now = hosts.now;
    let machine = &mut hosts.list[0].machine;
    let update = machine.update(now, Bytes::from_static(b"never told"), None).unwrap();
    let leave = machine.leave(now, None).unwrap();
    machine.join(now, vec![addr(1).into()], None).unwrap();

    hosts.run_for(SECOND * 10);

    let done = hosts.done(0);
    for id in [update, leave] {
        assert!(
            done.iter().any(|(done, outcome)| *done == id && matches!(outcome, Outcome::Cancelled)),
            "{id:?}"
        );
    }
}
