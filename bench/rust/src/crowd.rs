//! A seed that tells of a thousand members, none of which there is: whoever joins has a large
//! member list without a large cluster on the machine. The joining pool should not probe.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, UdpSocket};
use std::sync::Arc;
use std::thread;

use gossip_core::wire::nonce::Nonces;
use gossip_core::wire::onion::Wire;
use gossip_core::wire::stream::{FrameReader, frame};

use crate::records::state;

/// How many members it tells of.
const MEMBERS: u32 = 1000;

/// Prints its address and serves until standard input ends.
pub(crate) fn run() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("loopback has a free port");
    let addr = listener.local_addr().expect("it is bound");
    // Gossip for the members ends here, unread.
    let _udp = UdpSocket::bind(addr).expect("the port is free for datagrams, too");
    println!("{addr}");
    let answer = answer(addr.port());
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.expect("loopback accepts");
            let mut reader = FrameReader::request(Arc::new(Wire::plain()));
            let mut chunk = [0; 16 * 1024];
            loop {
                let len = stream.read(&mut chunk).expect("the client speaks");
                assert!(len > 0, "the client ends before it has asked");
                if reader.push(&chunk[..len]).expect("the client speaks memberlist").is_some() {
                    break;
                }
            }
            stream.write_all(&answer).expect("the client listens");
        }
    });
    let _ = std::io::stdin().read_to_end(&mut Vec::new());
}

fn answer(port: u16) -> Vec<u8> {
    let mut nonces = Nonces::from_os(|_| unreachable!("nothing is encrypted"));
    let state = state(false, MEMBERS, port, |_| Ipv4Addr::LOCALHOST);
    frame(&Wire::plain(), &mut nonces, false, &state)
}
