//! A memberlist node as far as a push/pull needs one: it tells a server of many members and
//! hears as many, while another thread pings the server. The same for every contender.

#![expect(clippy::disallowed_methods, reason = "a benchmark reads the clock")]

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

use gossip_core::wire::encode::encode;
use gossip_core::wire::message::{Message, Ping, Source};
use gossip_core::wire::nonce::Nonces;
use gossip_core::wire::onion::Wire;
use gossip_core::wire::packet::{self, Scratch};
use gossip_core::wire::stream::{FrameReader, frame};

use crate::measure::tell;
use crate::records::state;

const PATIENCE: Duration = Duration::from_secs(30);
/// Between a ping's answer and the next ping.
const PAUSE: Duration = Duration::from_millis(1);

/// Tells the server at `to` of `count` members, then again `times`, when it knows them all.
pub(crate) fn run(to: &str, count: u32, times: usize) {
    let udp = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("loopback has a free port");
    // Addresses of this machine only, each member its own, where nobody listens.
    let port = 1;
    let ip = |number: u32| Ipv4Addr::from(0x7f01_0000 + number + 1);
    let mut nonces = Nonces::from_os(|_| unreachable!("nothing is encrypted"));
    let request = frame(&Wire::plain(), &mut nonces, true, &state(true, count, port, ip)).into();

    // With and without: what a ping takes when nothing else is asked of the server.
    let (_, acks) = pinging(&udp, to, || thread::sleep(Duration::from_millis(300)));
    tell("quiet", &[("ack_ms", acks)]);
    let (new, acks) = pinging(&udp, to, || exchange(to, &request));
    tell("new", &[("seconds", new.as_secs_f64()), ("ack_ms", acks)]);
    // What it has learned it may go on digesting after the answer.
    thread::sleep(Duration::from_secs(1));
    for _ in 0..times {
        let (known, acks) = pinging(&udp, to, || exchange(to, &request));
        tell("known", &[("seconds", known.as_secs_f64()), ("ack_ms", acks)]);
    }
}

/// How long the answer takes to come, to its last byte: what is made of it here is not the server's.
fn exchange(to: &str, request: &Arc<[u8]>) -> Duration {
    let begun = Instant::now();
    let mut stream = TcpStream::connect(to).expect("it listens");
    stream.set_read_timeout(Some(PATIENCE)).expect("it is a socket");
    // The server may answer before it has read all, or only after; both at once never blocks.
    let mut writing = stream.try_clone().expect("it is a socket");
    let request = Arc::clone(request);
    let writer = thread::spawn(move || writing.write_all(&request));
    let mut reader = FrameReader::response(Arc::new(Wire::plain()));
    let mut chunk = vec![0; 256 * 1024];
    let took = loop {
        let len = stream.read(&mut chunk).expect("it answers");
        let took = begun.elapsed();
        assert!(len > 0, "it ends before it has answered");
        if reader.push(&chunk[..len]).expect("it speaks memberlist").is_some() {
            break took;
        }
    };
    writer.join().expect("no panic").expect("it takes all");
    took
}

/// What comes of `work`, and the slowest ack meanwhile, in milliseconds.
fn pinging<T>(udp: &UdpSocket, to: &str, work: impl FnOnce() -> T) -> (T, f64) {
    udp.set_read_timeout(Some(PATIENCE)).expect("it is a socket");
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        let acks = scope.spawn(|| {
            let mut slowest = Duration::ZERO;
            // One after the work, too: what is digested then may be in its way.
            let mut last = false;
            for seq in 1.. {
                slowest = slowest.max(ping(udp, to, seq));
                if last {
                    break;
                }
                last = done.load(Relaxed);
                thread::sleep(PAUSE);
            }
            slowest
        });
        let made = work();
        done.store(true, Relaxed);
        (made, acks.join().expect("no panic").as_secs_f64() * 1e3)
    })
}

fn ping(udp: &UdpSocket, to: &str, seq: u32) -> Duration {
    let mut ping = Vec::new();
    encode(
        &Message::Ping(Ping { seq, node: b"bench".as_slice().into(), source: Source::default() }),
        &mut ping,
    );
    let begun = Instant::now();
    udp.send_to(&ping, to).expect("loopback");
    let (mut buffer, mut scratch) = ([0; 2048], Scratch::default());
    loop {
        let (len, _) = udp.recv_from(&mut buffer).expect("it answers within the patience");
        let mut answered = false;
        let opened = packet::open(&Wire::plain(), &mut scratch, &mut buffer[..len], &mut |message| {
            answered |= matches!(message, Ok(Message::Ack(ack)) if ack.seq == seq);
        });
        if opened.is_ok() && answered {
            return begun.elapsed();
        }
    }
}
