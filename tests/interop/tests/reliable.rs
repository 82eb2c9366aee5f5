//! Reliable messages: a Go node closes behind them, one of ours acknowledges them.

use gossip_core::Delivery;
use gossip_core::pool::config::PoolConfig;
use gossip_interop::{Ours, Release, bare, keyring, know, memberlist_or_skip};

const KEY: [u8; 16] = [7; 16];

#[test]
fn a_go_node_closes_in_good_order_and_ours_acknowledges_beside_it() {
    for release in [Release::V0_5, Release::V0_6] {
        for key in [false, true] {
            let Some(program) = memberlist_or_skip(release) else { return };
            let config = || match key {
                true => PoolConfig { keyring: keyring(&[&KEY]), ..bare() },
                false => bare(),
            };
            let (one, two) = (Ours::start("ours-1", config()), Ours::start("ours-2", config()));
            let go = if key { program.peer("go").key(&KEY) } else { program.peer("go") }.start();
            two.join(one.addr());
            go.join(one.addr());
            know(&one, &two);
            know(&one, &go);
            know(&go, &two);

            for number in 0..3 {
                let text = format!("to go {number} {}", "long ".repeat(20_000));
                assert_eq!(one.send_reliable("go", &text), Delivery::Closed);
                go.wait_message(&text);
                assert_eq!(one.send_reliable("ours-2", &text), Delivery::Acknowledged);
                two.wait_message(&text);
                go.send_reliable("ours-1", &text);
                one.wait_message(&text);
            }
            let stats = one.pool().stats().unwrap().machine;
            assert_eq!((stats.sends_closed, stats.sends_acknowledged, stats.sends_reused), (3, 3, 2));
        }
    }
}
