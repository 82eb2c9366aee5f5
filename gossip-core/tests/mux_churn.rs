//! Owners that come and go while connections and datagrams keep coming: each is served by
//! who owns it at that moment or turned away, none is left hanging, and all are counted.

mod mux_support;

use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::thread;
use std::time::Duration;

use gossip_core::base::ids::PoolId;
use gossip_core::mux::listener::ListenerName;
use gossip_core::net::listener::{ListenOptions, Listener};
use mux_support::{Host, is_closed, muxed, prefix, until};

/// How often each owner comes and goes.
const ROUNDS: u64 = 50;

/// How many connections or datagrams come meanwhile, from each client.
const EACH: usize = 200;

/// Opens the listener `name` again and again, and drops what it brings; all that were open.
/// The first waits until it is served, from when everybody is `ready`.
fn come_and_go(host: &Host, name: &ListenerName, ready: &Barrier) -> Vec<Listener> {
    let open = |round| {
        let listener = host.port.listen(name.clone(), ListenOptions { backlog: Some(4) }).unwrap();
        thread::scope(|scope| {
            scope.spawn(|| while listener.accept(None).is_ok() {});
            if round == 0 {
                ready.wait();
                until("it is served", || listener.stats().accepted > 0);
            }
            thread::sleep(Duration::from_micros(200 * (round % 7)));
            listener.close();
        });
        listener
    };
    (0..ROUNDS).map(open).collect()
}

#[test]
fn every_connection_is_served_or_turned_away_while_listeners_come_and_go() {
    let host = Host::patient();
    let names = [ListenerName::Native, muxed(0x0102), prefix(b"SSH-"), prefix(b"SSH-2.0-x")];
    let firsts: [&[u8]; 4] = [b"GET", b"\x01\x02rest", b"SSH-2.0-o", b"SSH-2.0-x"];
    let ready = Barrier::new(names.len() + firsts.len());

    let listeners: Vec<Listener> = thread::scope(|scope| {
        let (host, ready) = (&host, &ready);
        let owners = names.map(|name| scope.spawn(move || come_and_go(host, &name, ready)));
        for first in firsts {
            scope.spawn(move || {
                ready.wait();
                (0..EACH).for_each(|_| assert!(is_closed(&host.connect(first))));
            });
        }
        owners.into_iter().flat_map(|owner| owner.join().unwrap()).collect()
    });

    let served = || listeners.iter().map(|listener| listener.stats().accepted).sum::<u64>();
    let turned_away = || {
        let stats = host.port.stats();
        stats.connections_no_listener + stats.connections_listener_full
    };
    until("all are counted", || served() + turned_away() == (firsts.len() * EACH) as u64);
    assert!(served() > 0 && turned_away() > 0);
    assert_eq!(host.port.listener_stats(), []);
}

#[test]
fn every_datagram_is_delivered_or_counted_while_pools_and_the_receiver_come_and_go() {
    let host = Host::start();
    let over = AtomicBool::new(false);
    let (to_pools, to_receivers) = (AtomicU64::new(0), AtomicU64::new(0));

    thread::scope(|scope| {
        scope.spawn(|| {
            while !over.load(SeqCst) {
                let mut pool = host.pool(1);
                thread::sleep(Duration::from_micros(100));
                host.port.remove_pool(PoolId(1));
                while host.runtime.block_on(pool.packets.recv()).is_some() {
                    to_pools.fetch_add(1, SeqCst);
                }
            }
        });
        scope.spawn(|| {
            let mut receivers = Vec::new();
            while !over.load(SeqCst) {
                let packets = host.port.packets().unwrap();
                let _ = packets.recv(Some(Duration::from_micros(100)));
                packets.close();
                receivers.push(packets);
            }
            let received = receivers.iter().map(|packets| packets.stats().accepted).sum();
            to_receivers.store(received, SeqCst);
        });
        let client = host.udp();
        for sent in 1..=EACH as u64 {
            for datagram in [&b"\xFE\x01ping"[..], b"hello"] {
                client.send(datagram).unwrap();
            }
            until("both are read", || host.port.stats().packets_received == 2 * sent);
        }
        over.store(true, SeqCst);
    });

    until("all are counted", || {
        let stats = host.port.stats();
        stats.packets_unknown_pool + to_pools.load(SeqCst) == EACH as u64
            && stats.packets_no_receiver + to_receivers.load(SeqCst) == EACH as u64
    });
    assert!(to_pools.load(SeqCst) > 0 && to_receivers.load(SeqCst) > 0);
    assert_eq!(host.port.packet_stats(), None);
    assert_eq!(host.port.pool_stats(PoolId(1)), None);
}
