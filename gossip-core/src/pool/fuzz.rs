//! The body of a fuzz target: a machine that hears anything, whenever, keeps its promises.
//!
//! Kept in the library so that ordinary tests run it too; not part of the interface.
#![doc(hidden)]

use std::net::SocketAddr;
use std::time::Duration;

use crate::base::time::Time;
use crate::pool::action::{Action, Asks, Reply};
use crate::pool::config::PoolConfig;
use crate::pool::machine::{Identity, Machine, Received};
use crate::pool::rumours::envelope::{Body, Envelope, MARK, Section};
use crate::wire::nonce::Nonces;

/// Any bytes as datagrams, time that passes between them, and answers of the application:
/// two bytes say how much of what follows is a datagram and what comes after it.
pub fn machine(mut input: &[u8]) {
    let mut now = Time::ZERO;
    let identity = Identity { name: "n0".into(), addr: SocketAddr::from(([10, 0, 0, 1], 7946)).into() };
    let asks = Asks { admit_alive: true, ..Asks::default() };
    let Ok(pool) = PoolConfig::local(1).check() else { return };
    let Ok(mut machine) = Machine::new(pool, identity, asks, 7, Nonces::seeded(7), now) else { return };
    while let [length, what, rest @ ..] = input {
        let (datagram, rest) = rest.split_at(usize::from(*length).min(rest.len()));
        input = rest;
        let from = SocketAddr::from(([10, 0, 0, what & 7], 7946));
        machine.handle_packet(now, Received { from, at: now, bytes: &mut datagram.to_vec() });
        drain(&mut machine, now, what & 8 != 0);
        now += Duration::from_millis(u64::from(what >> 4) * 40);
        machine.handle_timeout(now);
        drain(&mut machine, now, true);
        debug_assert!(machine.poll_timeout().is_none_or(|next| next > now), "time stands still");
        debug_assert!(machine.local().is_some(), "the machine knows itself");
    }
}

/// Any bytes as an envelope, as the body of a rumour and as the section of a push/pull; what
/// decodes is encoded as it was.
pub fn envelope(bytes: &[u8]) {
    let marked = [&MARK, bytes].concat();
    let mut again = Vec::new();
    match Envelope::decode(&marked) {
        Some(Envelope::Rumour(arc, body)) => {
            Envelope::begin_rumour(arc, &mut again);
            again.extend_from_slice(body);
        }
        Some(Envelope::Digest(entries)) => {
            Envelope::begin_digest(&mut again);
            entries.iter().for_each(|entry| entry.encode(&mut again));
            debug_assert!(entries.iter().all(|entry| entry.ids().count() <= 256));
        }
        Some(Envelope::Request(entries)) => {
            Envelope::begin_request(&mut again);
            entries.iter().for_each(|entry| entry.encode(&mut again));
        }
        None => again.clone_from(&marked),
    }
    debug_assert_eq!(again, marked);
    if let Some(body) = Body::decode(bytes) {
        debug_assert_eq!(body.encode(), bytes);
    }
    if let Some(section) = Section::decode(bytes) {
        debug_assert_eq!(section.encode(), bytes);
    }
}

/// Does what the machine wants, and answers what it asks.
fn drain(machine: &mut Machine, now: Time, admits: bool) {
    let mut out = Vec::new();
    loop {
        out.clear();
        let sent = machine.poll_transmit(now, &mut out).is_some();
        debug_assert!(out.len() <= machine.config().udp_buffer_size + 2, "{} bytes", out.len());
        match machine.poll_action() {
            Some(Action::Ask { id, .. }) => {
                machine.handle_reply(now, id, if admits { Reply::Admit } else { Reply::Refuse });
            }
            Some(_) => {}
            None if !sent => return,
            None => {}
        }
    }
}
