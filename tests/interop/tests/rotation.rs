//! A pool with members of memberlist in it moves to another key: those are named before anything
//! changes, and then seen to by hand, step by step, while everybody talks.

use std::time::Duration;

use gossip_core::{Error, Migration, MigrationOptions, PoolConfig, Step, Trouble};
use gossip_interop::{Ours, Release, bare, eventually, key, keyring, meet, memberlist_or_skip};

const OLD: &[u8] = &[16; 16];
const NEW: &[u8] = &[32; 32];
const PATIENCE: Duration = Duration::from_secs(60);

#[test]
fn a_member_of_memberlist_is_named_and_served_by_hand() {
    for release in Release::ALL {
        let Some(program) = memberlist_or_skip(release) else { return };
        let config = PoolConfig { keyring: keyring(&[OLD]), ..bare() };
        let (ours, other) = (Ours::start("ours", config.clone()), Ours::start("other", config));
        let go = program.peer("go").key(OLD).start();
        meet(&go, &ours);
        other.pool().join(&[ours.addr().to_string()], PATIENCE).unwrap();
        eventually("all know all", || [&ours, &other].iter().all(|node| node.pool().num_members() == 3));

        let error = ours.pool().rotate_key(key(NEW), PATIENCE).unwrap_err();

        let Error::Migration(report) = error else { panic!("{error}") };
        assert_eq!(report.reached, None);
        let [missing] = &report.missing[..] else { panic!("{report}") };
        assert!(missing.member == *"go" && missing.trouble == Trouble::Manual, "{report}");
        assert_eq!(other.pool().keys().unwrap(), [key(OLD)], "nothing has changed");
        // A broadcast of Go's is sent four times, which may all be to the third member.
        ours.send_reliable("go", "still under the old key");
        go.wait_message("still under the old key");
        go.send("ours", "here, too");
        ours.wait_message("here, too");

        for step in Step::ALL {
            let options = MigrationOptions { until: step, by_hand: true, ..MigrationOptions::default() };
            let report = ours.pool().migrate(Migration::Key(key(NEW)), options, PATIENCE, |_| {}).unwrap();
            assert!(report.members.len() == 2 && report.by_hand[0] == *"go", "{report}");
            match step {
                Step::Accept => go.add_key(NEW),
                Step::Speak => go.use_key(NEW),
                Step::Require => go.remove_key(OLD),
            }
        }

        ours.send_reliable("go", "under the new key");
        go.wait_message("under the new key");
        go.send_reliable("ours", "and back");
        ours.wait_message("and back");
        assert_eq!(other.pool().keys().unwrap(), [key(NEW)]);
        assert_eq!((ours.all_refused(), other.all_refused()), (vec![], vec![]), "by {}", go.version());
    }
}
