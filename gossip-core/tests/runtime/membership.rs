//! Who knows whom: joining, leaving, dying, coming back, changing.

use std::time::Duration;

use gossip_core::base::addr::Target;
use gossip_core::base::ids::PoolId;
use gossip_core::runtime::error::Error;
use gossip_core::swim::node::State;

use super::support::*;

#[test]
fn two_nodes_that_join_in_two_pools_know_each_other_in_both() {
    let (a, b) = (node("a"), node("b"));
    for gossip in [&a, &b] {
        for id in [1, 7] {
            gossip.register_pool(quick(id), None).unwrap();
        }
        gossip.start().unwrap();
    }
    assert_eq!(b.pools().iter().map(|pool| pool.id().0).collect::<Vec<_>>(), [1, 7]);

    for pool in b.pools() {
        join(&pool, &a);
    }

    for gossip in [&a, &b] {
        for pool in gossip.pools() {
            assert_eq!(names(&pool), ["a", "b"]);
            assert_eq!(pool.num_members(), 2);
            assert_eq!(pool.local_node().unwrap().name(), gossip.node_name());
            assert_eq!(member(&pool, "a").addr(), a.local_addr());
        }
    }
}

#[test]
fn whoever_is_told_of_a_member_finds_it_in_the_list() {
    let (a, _, told_a) = started("a");
    let (_b, pool_b, told_b) = started("b");

    join(&pool_b, &a);

    told_a.expect("joined b");
    told_b.expect("joined a");
    assert_eq!(told_b.lines()[0], "joined b", "the first is the node itself");
}

#[test]
fn new_metadata_is_seen_by_the_others() {
    let (a, pool_a, told_a) = started("a");
    let (_b, pool_b, _) = started("b");
    join(&pool_b, &a);

    pool_b.update_node(b"role=db", PATIENCE).unwrap();

    told_a.expect("updated b role=db");
    assert_eq!(member(&pool_a, "b").meta(), b"role=db");
    assert_eq!(pool_b.local_node().unwrap().meta(), b"role=db");
}

#[test]
fn a_node_that_leaves_is_seen_as_left() {
    let (a, pool_a, told_a) = started("a");
    let (b, pool_b, _) = started("b");
    join(&pool_b, &a);

    b.leave(PATIENCE).unwrap();
    b.shutdown(PATIENCE).unwrap();

    told_a.expect("left b");
    assert_eq!(names(&pool_a), ["a"]);
    assert_eq!(told_a.count("dead b"), 0);
}

#[test]
fn a_node_that_vanishes_is_seen_as_dead() {
    let (a, pool_a, told_a) = started("a");
    let (b, pool_b, _) = started("b");
    join(&pool_b, &a);

    b.shutdown(PATIENCE).unwrap();

    told_a.expect("dead b");
    assert_eq!(names(&pool_a), ["a"]);
}

#[test]
fn a_node_that_left_may_join_again() {
    let (a, pool_a, told_a) = started("a");
    let (_b, pool_b, _) = started("b");
    join(&pool_b, &a);
    pool_b.leave(PATIENCE).unwrap();
    told_a.expect("left b");
    assert_eq!(pool_b.local_node().unwrap().state, State::Left);

    join(&pool_b, &a);

    eventually("b is back", || told_a.count("joined b") == 2);
    assert_eq!(names(&pool_a), ["a", "b"]);
    assert_eq!(names(&pool_b), ["a", "b"]);
}

#[test]
fn leaving_twice_is_no_error_and_a_lone_node_leaves_at_once() {
    let (gossip, pool, _) = started("lonely");

    pool.leave(PATIENCE).unwrap();
    gossip.leave(PATIENCE).unwrap();
}

#[test]
fn pools_can_be_added_and_ended_while_the_node_runs_and_the_others_notice_nothing() {
    let (a, pool_a, told_a) = started("a");
    let (b, pool_b, _) = started("b");
    join(&pool_b, &a);

    for _ in 0..2 {
        let (late_a, late_b) =
            (a.register_pool(quick(9), None).unwrap(), b.register_pool(quick(9), None).unwrap());
        join(&late_b, &a);
        assert_eq!(names(&late_a), ["a", "b"]);
        late_a.shutdown(PATIENCE).unwrap();
        late_b.shutdown(PATIENCE).unwrap();
        assert!(a.pool(PoolId(9)).is_none());
        assert!(matches!(late_a.stats(), Err(Error::Closed)));
    }

    assert_eq!(names(&pool_a), ["a", "b"]);
    pool_b.ping(&member(&pool_b, "a"), PATIENCE).unwrap();
    assert_eq!(told_a.count("dead b"), 0);
}

#[test]
fn a_join_says_what_it_reached_and_what_not() {
    let (a, _, _) = started("a");
    let (_b, pool_b, _) = started("b");
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();

    let seeds = [format!("a/{}", a.local_addr()), nobody.to_string(), "no/such/seed:1".to_owned()];
    let joined = pool_b.join(&seeds, PATIENCE).unwrap();

    assert_eq!(joined.reached, [a.local_addr()]);
    let failed: Vec<_> = joined.failed.iter().map(|failed| failed.seed.clone()).collect();
    assert_eq!(failed.len(), 2, "{:?}", joined.failed);
    assert!(failed.contains(&nobody.to_string()) && failed.contains(&"no/such/seed:1".to_owned()));
}

#[test]
fn a_text_names_whom_a_message_is_for() {
    let (a, _, _) = started("a");
    let (_b, pool_b, _) = started("b");
    join(&pool_b, &a);
    let port = a.local_addr().port();

    let (by_address, _) = pool_b.look_up(&a.local_addr().to_string(), Duration::ZERO).unwrap();
    let (by_name, left) = pool_b.look_up(&format!("a/localhost:{port}"), PATIENCE).unwrap();

    assert!(left > Duration::ZERO && left < PATIENCE);
    assert_eq!(by_address, Target::from(a.local_addr()));
    assert_eq!(by_name, Target { name: Some("a".into()), addr: a.local_addr() });
    pool_b.ping(by_name, PATIENCE).unwrap();
    let (stranger, _) = pool_b.look_up(&format!("x/{}", a.local_addr()), Duration::ZERO).unwrap();
    assert!(matches!(pool_b.ping(stranger, Duration::from_millis(50)), Err(Error::NoResponse(_))));
    assert!(matches!(pool_b.look_up("no.such.host.invalid", PATIENCE), Err(Error::Net(_))));
    assert!(matches!(pool_b.look_up("a/", PATIENCE), Err(Error::Net(_))));
}

#[test]
fn a_join_that_reaches_nobody_is_an_error_that_names_everyone() {
    let (_a, pool, _) = started("a");
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();

    let error = pool.join(&[&nobody], PATIENCE).unwrap_err();

    assert!(matches!(&error, Error::Join(failed) if failed.len() == 1), "{error:?}");
    assert!(error.to_string().contains(&nobody), "{error}");
    assert_eq!(names(&pool), ["a"], "the pool is as it was");
}

#[test]
fn a_join_of_a_port_without_the_pool_says_what_to_compare() {
    let (a, ..) = started("a");
    let (_b, pool_b, _) = started_with("b", quick(2));

    let error = pool_b.join(&[a.local_addr().to_string()], PATIENCE).unwrap_err();

    let text = error.to_string();
    assert!(text.ends_with("; is there a pool of this id, framing and label?"), "{text}");
}

#[test]
fn members_of_a_view_are_iterated_printed_and_compared_with_text() {
    let (a, pool, _) = started("a");

    let view = pool.members();
    for member in view.iter().chain(&*view) {
        assert_eq!(member.to_string(), format!("a ({})", a.local_addr()));
        assert!(member.name() == "a" && member.name() != "b");
    }
    assert_eq!(view.iter().len(), 1);
}

#[test]
fn a_join_of_no_seeds_reaches_nobody_and_is_no_error() {
    let (_a, pool, _) = started("a");

    let joined = pool.join::<&str>(&[], PATIENCE).unwrap();

    assert!(joined.reached.is_empty() && joined.failed.is_empty());
}

#[test]
fn a_join_gives_up_in_time() {
    // Takes connections and never answers.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let (_a, pool, _) = started("a");

    let error = pool.join(&[silent.local_addr().unwrap().to_string()], Duration::from_millis(50));

    assert!(matches!(error, Err(Error::Join(_) | Error::Timeout(_))), "{error:?}");
}

#[test]
fn a_ping_says_how_long_it_took_or_that_nobody_answered() {
    let (a, _, _) = started("a");
    let (_b, pool_b, _) = started("b");
    join(&pool_b, &a);
    let other = member(&pool_b, "a");

    assert!(pool_b.ping(&other, PATIENCE).unwrap() < PATIENCE);
    a.shutdown(PATIENCE).unwrap();
    let error = pool_b.ping(&other, Duration::from_millis(50)).unwrap_err();

    assert!(matches!(error, Error::NoResponse(name) if name == "a"));
}

#[test]
fn views_are_snapshots() {
    let (a, pool_a, _) = started("a");
    let (_b, pool_b, _) = started("b");
    let before = pool_a.members();

    join(&pool_b, &a);

    assert_eq!(before.len(), 1);
    assert_eq!(pool_a.members().len(), 2);
    assert!(pool_a.members().version() > before.version());
}

#[test]
fn a_second_node_of_the_same_name_is_a_conflict() {
    let (a, pool_a, told_a) = started("a");
    let (_b, pool_b, _) = started("b");
    join(&pool_b, &a);
    let (_other_b, other_b, _) = started("b");

    let _ = other_b.join(&[a.local_addr().to_string()], PATIENCE);

    told_a.expect("conflict b b");
    assert_eq!(member(&pool_a, "b").addr(), pool_b.local_node().unwrap().addr());
}
