//! What the application decides, while real Go nodes knock: who is a member, what is merged,
//! which state is given; and joins by every form of an address.

use std::sync::{Arc, Mutex};

use gossip_core::{Asks, Config, Delegate, Error, Gossip, Member, Pool, PoolConfig, UserMessage};
use gossip_interop::{DEADLINE, Program, Release, bare, eventually, memberlist_or_skip};

/// Refuses what it is told to refuse, and remembers what it was asked and told.
#[derive(Default)]
struct Doorkeeper {
    asks: Asks,
    refuses: &'static str,
    heard: Mutex<Vec<String>>,
}

impl Doorkeeper {
    fn hear(&self, text: String) {
        self.heard.lock().unwrap().push(text);
    }

    fn has_heard(&self, text: &str) -> bool {
        self.heard.lock().unwrap().iter().any(|heard| heard == text)
    }

    fn verdict(&self, member: &Member) -> Result<(), String> {
        if member.name() == self.refuses { Err("not on the list".into()) } else { Ok(()) }
    }
}

impl Delegate for Doorkeeper {
    fn asks(&self) -> Asks {
        self.asks
    }

    fn notify_alive(&self, member: &Member) -> Result<(), String> {
        self.hear(format!("alive {}?", member.name()));
        self.verdict(member)
    }

    fn notify_merge(&self, members: &[Member]) -> Result<(), String> {
        members.iter().try_for_each(|member| {
            self.hear(format!("merge {}?", member.name()));
            self.verdict(member)
        })
    }

    fn local_state(&self, join: bool) -> Option<Vec<u8>> {
        Some(format!("asked, join {join}").into_bytes())
    }

    fn merge_remote_state(&self, state: &[u8], join: bool) {
        self.hear(format!("state {}, join {join}", String::from_utf8_lossy(state)));
    }

    fn notify_leave(&self, member: &Member) {
        self.hear(format!("{} is {:?}", member.name(), member.state));
    }

    fn notify_msg(&self, message: &UserMessage) {
        let text = String::from_utf8_lossy(&message.bytes);
        self.hear(format!("{text} in pool {} from {}", message.pool, message.from.ip()));
    }
}

fn start(doorkeeper: &Arc<Doorkeeper>) -> (Gossip, Pool) {
    let config = Config {
        name: "ours".into(),
        bind_addr: vec![[127, 0, 0, 1].into()],
        bind_port: 0,
        ..Config::default()
    };
    let node = Gossip::new(config).unwrap();
    let pool =
        node.register_pool(PoolConfig { meta: "m".into(), ..bare() }, Some(doorkeeper.clone())).unwrap();
    node.start().unwrap();
    (node, pool)
}

fn knows(pool: &Pool, name: &str) -> bool {
    pool.members().find(name.as_bytes()).is_some()
}

fn each_release(test: impl Fn(&Program)) {
    for release in Release::ALL {
        let Some(go) = memberlist_or_skip(release) else { return };
        test(&go);
    }
}

#[test]
fn a_go_node_that_the_application_refuses_is_no_member() {
    each_release(|go| {
        let asks = Asks { admit_alive: true, ..Asks::default() };
        let doorkeeper = Arc::new(Doorkeeper { asks, refuses: "bad", ..Doorkeeper::default() });
        let (node, pool) = start(&doorkeeper);
        let (good, bad) = (go.peer("good").start(), go.peer("bad").start());

        bad.join(node.local_addr());
        good.join(node.local_addr());
        good.join(bad.addr());

        eventually("the good one is known", || knows(&pool, "good"));
        eventually("the bad one was asked about", || doorkeeper.has_heard("alive bad?"));
        good.wait_member("ours");
        // Between the Go nodes there is no such rule, and their talk of each other changes nothing here.
        good.wait_member("bad");
        good.send_reliable("ours", "hello");
        let hello = format!("hello in pool {} from 127.0.0.1", pool.id());
        eventually("a message arrives with its pool and sender", || doorkeeper.has_heard(&hello));
        assert!(!knows(&pool, "bad"));

        good.leave();
        eventually("its leave is told", || {
            // 0.1.5 has no such state, and says goodbye as if it had died.
            doorkeeper.has_heard("good is Left") || doorkeeper.has_heard("good is Dead")
        });
    });
}

#[test]
fn a_merge_that_the_application_refuses_changes_nothing_here() {
    each_release(|go| {
        let asks = Asks { admit_merge: true, ..Asks::default() };
        let doorkeeper = Arc::new(Doorkeeper { asks, refuses: "bad", ..Doorkeeper::default() });
        let (_node, pool) = start(&doorkeeper);
        let bad = go.peer("bad").start();

        let refused = pool.join(&[bad.addr().to_string()], DEADLINE).unwrap_err();

        assert!(
            matches!(&refused, Error::Join(failed) if failed[0].reason.contains("refused by the application"))
        );
        assert!(doorkeeper.has_heard("merge bad?"));
        let counted = pool.stats().unwrap().machine.merges_refused;
        assert_eq!(counted, 1);
    });
}

#[test]
fn go_is_given_the_state_that_the_application_answers() {
    each_release(|go| {
        let asks = Asks { local_state: true, ..Asks::default() };
        let doorkeeper = Arc::new(Doorkeeper { asks, ..Doorkeeper::default() });
        let (node, _pool) = start(&doorkeeper);
        let peer = go.peer("go").state("go's own").start();

        peer.join(node.local_addr());

        peer.wait_state("asked, join true");
        peer.wait_state("asked, join false");
        eventually("theirs arrives", || doorkeeper.has_heard("state go's own, join true"));
    });
}

#[test]
fn go_is_joined_by_every_form_of_an_address() {
    each_release(|go| {
        let peer = go.peer("go").start();
        let port = peer.addr().port();

        for seed in [format!("127.0.0.1:{port}"), format!("localhost:{port}"), format!("go/127.0.0.1:{port}")]
        {
            let (node, pool) = start(&Arc::new(Doorkeeper::default()));
            let joined = pool.join(&[seed.as_str(), "node.invalid:1"], DEADLINE).unwrap();
            assert_eq!(
                (joined.reached.contains(&peer.addr()), !joined.failed.is_empty()),
                (true, true),
                "{seed}"
            );
            assert!(knows(&pool, "go"), "{seed}");
            pool.leave(DEADLINE).unwrap();
            node.shutdown(DEADLINE).unwrap();
            peer.wait_gone("ours");
        }
    });
}
