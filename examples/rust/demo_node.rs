//! The Rust node of `make demo`: two pools, a muxed service, an HTTP service and a
//! datagram service on one port, told what to do by lines on standard input.
//!
//! `demo_node NAME`; prints one JSON object a line for everything that happens.

use std::error::Error;
use std::io::{self, BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use gossip_core::{
    Config, Delegate, Gossip, Listener, Member, Packets, PoolConfig, PoolId, UserMessage, dial,
};
use serde_json::{Value, json};

/// The two bytes that a dialer of the muxed service sends first.
const ECHO: u16 = 0x0101;
const POOLS: [u8; 2] = [1, 2];
const PATIENCE: Duration = Duration::from_secs(5);

/// Prints an event for whoever reads our output.
fn say(event: Value) {
    let mut out = io::stdout().lock();
    // Nobody reads any more: the program ends with its input.
    let _ = writeln!(out, "{event}").and_then(|()| out.flush());
}

/// Reports what happens in one pool.
struct Reporter {
    pool: u8,
}

impl Delegate for Reporter {
    fn notify_join(&self, member: &Member) {
        say(json!({ "event": "join", "pool": self.pool, "member": member.name().to_string() }));
    }

    fn notify_leave(&self, member: &Member) {
        let (name, state) = (member.name().to_string(), member.state.to_string());
        say(json!({ "event": "leave", "pool": self.pool, "member": name, "state": state }));
    }

    fn notify_msg(&self, message: &UserMessage) {
        let text = String::from_utf8_lossy(&message.bytes);
        say(json!({ "event": "message", "pool": self.pool, "text": text }));
    }
}

fn pool_config(id: u8) -> PoolConfig {
    PoolConfig {
        meta: "lang=Rust".into(),
        probe_interval: Duration::from_millis(300),
        probe_timeout: Duration::from_millis(100),
        gossip_interval: Duration::from_millis(50),
        suspicion_mult: 3,
        ..PoolConfig::local(id)
    }
}

/// Answers one line on each connection to the muxed service.
fn serve_echo(listener: &Listener, name: &str) {
    while let Ok((stream, _)) = listener.accept(None) {
        let answer = |mut stream: TcpStream| -> io::Result<()> {
            let mut line = String::new();
            BufReader::new(&stream).read_line(&mut line)?;
            writeln!(stream, "{name} echoes: {}", line.trim_end())
        };
        if let Err(error) = answer(stream) {
            eprintln!("echo: {error}");
        }
    }
}

/// Answers every HTTP request on the native listener alike.
fn serve_http(listener: &Listener, name: &str) {
    while let Ok((stream, _)) = listener.accept(None) {
        let answer = |mut stream: TcpStream| -> io::Result<()> {
            let mut request = BufReader::new(&stream).lines();
            while request.next().transpose()?.is_some_and(|line| !line.is_empty()) {}
            let body = format!("hello from {name} (Rust)\n");
            let length = body.len();
            write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}")
        };
        if let Err(error) = answer(stream) {
            eprintln!("http: {error}");
        }
    }
}

/// Answers datagrams of the application; answers to ours are reported.
fn serve_datagrams(packets: &Packets, name: &str) {
    while let Ok(packet) = packets.recv(None) {
        let text = String::from_utf8_lossy(&packet.bytes).into_owned();
        if text.contains(" got: ") {
            say(json!({ "event": "datagram", "from": packet.from.to_string(), "reply": text }));
        } else if let Err(error) = packets.send_to(format!("{name} got: {text}").as_bytes(), packet.from) {
            eprintln!("datagram: {error}");
        }
    }
}

fn ask_echo(addr: &str, text: &str) -> Result<String, Box<dyn Error>> {
    let mut stream = dial(addr, Some(ECHO), PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    writeln!(stream, "{text}")?;
    let mut reply = String::new();
    BufReader::new(stream).read_line(&mut reply)?;
    Ok(reply.trim_end().to_owned())
}

fn ask_http(addr: &str) -> Result<String, Box<dyn Error>> {
    let mut stream = dial(addr, None, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    write!(stream, "GET / HTTP/1.1\r\nHost: {addr}\r\nConnection: close\r\n\r\n")?;
    let lines: Vec<_> = BufReader::new(stream).lines().collect::<Result<_, _>>()?;
    let body = lines.iter().skip_while(|line| !line.is_empty()).nth(1);
    Ok(body.cloned().unwrap_or_default())
}

fn tell_members(node: &Gossip) {
    for pool in node.pools() {
        let view = pool.members();
        let members = view.members().iter().map(|member| {
            json!({
                "name": member.name().to_string(),
                "addr": member.addr().to_string(),
                "state": member.state.to_string(),
                "meta": String::from_utf8_lossy(member.meta()),
            })
        });
        let members: Vec<_> = members.collect();
        say(json!({ "event": "members", "pool": pool.id().0, "members": members }));
    }
}

fn obey(node: &Gossip, packets: &Packets, line: &str) -> Result<(), Box<dyn Error>> {
    let words: Vec<_> = line.splitn(3, ' ').collect();
    match words[..] {
        ["join", addr] => {
            for pool in node.pools() {
                pool.join(&[addr], PATIENCE)?;
            }
        }
        ["members"] => tell_members(node),
        ["broadcast", pool, text] => {
            let pool = node.pool(PoolId(pool.parse()?)).ok_or("no such pool")?;
            pool.broadcast(text.as_bytes(), PATIENCE)?;
        }
        ["mux", addr, text] => say(json!({ "event": "mux", "reply": ask_echo(addr, text)? })),
        ["http", addr] => say(json!({ "event": "http", "reply": ask_http(addr)? })),
        ["datagram", addr, text] => packets.send_to(text.as_bytes(), addr.parse::<SocketAddr>()?)?,
        _ => return Err(format!("unknown command: {line}").into()),
    }
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    let name = std::env::args().nth(1).ok_or("usage: demo_node NAME")?;
    let loopback = "127.0.0.1".parse()?;
    let config = Config { name: name.clone(), bind_addr: vec![loopback], bind_port: 0, ..Config::default() };
    let node = Gossip::new(config)?;
    for id in POOLS {
        node.register_pool(pool_config(id), Some(Arc::new(Reporter { pool: id })))?;
    }
    let (echo, http, packets) = (node.listen(ECHO)?, node.listen_tcp()?, node.packets()?);
    node.start()?;
    say(json!({ "event": "ready", "name": name, "addr": node.local_addr().to_string(), "lang": "Rust" }));

    thread::scope(|scope| {
        scope.spawn(|| serve_echo(&echo, &name));
        scope.spawn(|| serve_http(&http, &name));
        scope.spawn(|| serve_datagrams(&packets, &name));
        let mut is_leaving = false;
        for line in io::stdin().lines().map_while(Result::ok) {
            is_leaving = line == "quit";
            if is_leaving {
                break;
            }
            if let Err(error) = obey(&node, &packets, &line) {
                say(json!({ "event": "error", "command": line, "error": error.to_string() }));
            }
        }
        if is_leaving {
            node.leave(PATIENCE)?;
        }
        // Closes the listeners too, which ends the threads above.
        node.shutdown(PATIENCE)
    })?;
    Ok(())
}
