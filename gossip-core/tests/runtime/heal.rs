//! Standing seeds, lost members, names that move: over real sockets, without anybody joining.

use std::net::UdpSocket;
use std::time::Duration;

use gossip_core::runtime::config::Config;
use gossip_core::runtime::gossip::Gossip;
use gossip_core::runtime::pool::Pool;
use gossip_core::{Key, Keyring, PoolConfig};

use super::support::*;

/// A pool that forgets the dead after a moment, and looks for those who are missing as often.
fn forgetful() -> PoolConfig {
    PoolConfig {
        gossip_to_the_dead_time: Duration::from_millis(400),
        reconnect_interval: Duration::from_millis(200),
        ..quick(1)
    }
}

fn seeded(seeds: &[String]) -> PoolConfig {
    PoolConfig { seeds: seeds.to_vec(), ..forgetful() }
}

/// A node on the same port as one before it.
fn started_again(name: &str, before: &Gossip, config: PoolConfig) -> (Gossip, Pool) {
    let node = Gossip::new(Config { bind_port: before.local_addr().port(), ..loopback(name) }).unwrap();
    let pool = node.register_pool(config, None).unwrap();
    node.start().unwrap();
    (node, pool)
}

fn dead(pool: &Pool) -> u64 {
    pool.stats().unwrap().machine.members[2]
}

#[test]
fn a_node_enters_the_pool_of_its_seeds_by_itself() {
    let (a, pool_a, _) = started("a");
    let by_name = format!("localhost:{}", a.local_addr().port());

    let (_b, pool_b, told_b) = started_with("b", seeded(&[a.local_addr().to_string(), by_name]));

    eventually("both know each other", || names(&pool_a) == ["a", "b"] && names(&pool_b) == ["a", "b"]);
    assert!(pool_b.stats().unwrap().machine.rejoins > 0);
    assert_eq!(told_b.count("isolated"), 0);
}

#[test]
fn the_start_does_not_wait_for_seeds_and_who_finds_none_is_told_until_one_is_there() {
    // At an address of its own, where no other test is given the port meanwhile.
    let addr = UdpSocket::bind("127.77.0.1:0").unwrap().local_addr().unwrap();
    let seeds = [addr.to_string(), "node.invalid:1".to_owned()];

    let (_b, pool_b, told_b) = started_with("b", seeded(&seeds));
    told_b.expect("isolated");
    eventually("a seed has no address", || pool_b.stats().unwrap().machine.seeds_unresolved == 1);
    assert_eq!(pool_b.stats().unwrap().machine.isolated, 1);
    let there = Config { bind_addr: vec![addr.ip()], bind_port: addr.port(), ..loopback("a") };
    let a = Gossip::new(there).unwrap();
    a.register_pool(forgetful(), None).unwrap();
    a.start().unwrap();

    told_b.expect("healed 0 0");
    assert_eq!(names(&pool_b), ["a", "b"]);
    assert_eq!(pool_b.stats().unwrap().machine.isolated, 0);
}

#[test]
fn a_member_that_was_forgotten_is_found_where_it_was() {
    let (a, pool_a, told_a) = started_with("a", forgetful());
    let (b, pool_b, _) = started_with("b", forgetful());
    join(&pool_b, &a);

    b.shutdown(PATIENCE).unwrap();
    told_a.expect("dead b");
    told_a.expect("isolated");
    eventually("it is forgotten", || dead(&pool_a) == 0);
    assert_eq!(pool_a.stats().unwrap().machine.members_lost, 1);
    let (_b, pool_b) = started_again("b", &b, forgetful());

    told_a.expect("healed 1 0");
    eventually("both know each other", || names(&pool_a) == ["a", "b"] && names(&pool_b) == ["a", "b"]);
    assert_eq!(pool_a.stats().unwrap().machine.members_lost, 0);
}

#[test]
fn another_node_at_the_address_of_a_lost_member_is_left_alone() {
    let (a, pool_a, told_a) = started_with("a", forgetful());
    let (b, pool_b, _) = started_with("b", forgetful());
    join(&pool_b, &a);

    b.shutdown(PATIENCE).unwrap();
    told_a.expect("dead b");
    let (_stranger, theirs) = started_again("stranger", &b, forgetful());
    let asked = || pool_a.stats().unwrap().machine.swim.inquiries;
    let before = asked();
    eventually("b is looked for several times", || asked() > before + 5);

    assert_eq!((names(&pool_a), names(&theirs)), (vec!["a".to_owned()], vec!["stranger".to_owned()]));
    assert_eq!(pool_a.stats().unwrap().machine.rejoins, 0);
}

/// Halves that have no key in common hear nothing of each other, as if the network were cut.
#[test]
fn halves_that_have_forgotten_each_other_become_one_when_the_cut_ends() {
    let keys = [Key::new(&[1; 16]).unwrap(), Key::new(&[2; 16]).unwrap()];
    let config = || PoolConfig { keyring: Keyring::new([], Some(keys[0].clone())).unwrap(), ..forgetful() };
    let nodes: Vec<_> = ["a", "b", "c", "d"].iter().map(|name| started_with(name, config())).collect();
    for (_, pool, _) in &nodes[1..] {
        join(pool, &nodes[0].0);
    }
    let all = ["a", "b", "c", "d"];
    eventually("all know all", || nodes.iter().all(|(_, pool, _)| names(pool) == all));
    let change = |from: &Key, to: &Key| {
        for (_, pool, _) in &nodes[2..] {
            pool.add_key(to.clone()).unwrap();
            pool.use_key(to).unwrap();
            pool.remove_key(from).unwrap();
        }
    };

    change(&keys[0], &keys[1]);
    eventually("each half knows itself alone", || {
        nodes[..2].iter().all(|(_, pool, _)| names(pool) == ["a", "b"] && dead(pool) == 0)
            && nodes[2..].iter().all(|(_, pool, _)| names(pool) == ["c", "d"] && dead(pool) == 0)
    });
    change(&keys[1], &keys[0]);

    eventually("all know all again", || nodes.iter().all(|(_, pool, _)| names(pool) == all));
    for (_, pool, told) in &nodes {
        eventually("it is told", || told.lines().iter().any(|line| line.starts_with("healed")));
        eventually("nobody is missing", || pool.stats().unwrap().machine.members_lost == 0);
    }
}

#[test]
fn a_node_that_restarts_elsewhere_takes_its_name_along_at_once() {
    let (a, pool_a, told_a) = started("a");
    let (b, pool_b, told_b) = started("b");
    let (c, pool_c, _) = started("c");
    join(&pool_b, &a);
    join(&pool_c, &a);
    eventually("b knows c", || names(&pool_b) == ["a", "b", "c"]);

    c.shutdown(PATIENCE).unwrap();
    let (again, pool_again, told_again) = started("c");
    pool_again.join(&[b.local_addr().to_string()], PATIENCE).unwrap();

    let at_new_address =
        |pool: &Pool| pool.members().find(b"c").is_some_and(|member| member.addr() == again.local_addr());
    eventually("both follow", || at_new_address(&pool_a) && at_new_address(&pool_b));
    for told in [&told_a, &told_b, &told_again] {
        assert_eq!(told.count("conflict c c"), 0, "{:?}", told.lines());
    }
    let of_c: Vec<_> = told_b.lines().into_iter().filter(|line| line.ends_with(" c")).collect();
    assert_eq!(of_c[..3], ["joined c", "dead c", "joined c"]);
}

#[test]
fn seeds_that_cannot_be_are_refused_by_name() {
    let refused = |seeds: &[&str]| {
        let config = PoolConfig { seeds: seeds.iter().map(|seed| (*seed).to_owned()).collect(), ..quick(1) };
        node("a").register_pool(config, None).unwrap_err().to_string()
    };

    let rule = "must be host, host:port or name/host:port";
    assert_eq!(
        refused(&["ok", "h:x"]),
        format!("seeds is \"ok,h:x\", {rule}; \"h:x\" has a port that is not a number from 0 to 65535")
    );
    assert_eq!(refused(&[""]), format!("seeds is \"\", {rule}; \"\" has no host"));
    assert_eq!(refused(&["a,b"]), format!("seeds is \"a,b\", {rule}; \"a,b\" has a comma"));
    assert!(refused(&["h"; 65]).ends_with("must be at most 64, there are 65"));
    let config = PoolConfig { seeds: vec!["h".to_owned()], require_node_names: true, ..quick(1) };
    let nameless = node("a").register_pool(config, None).unwrap_err().to_string();
    assert_eq!(nameless, "seeds is \"h\", must be name/host:port, since require_node_names is set");
}
