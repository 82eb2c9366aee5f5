//! What our nodes serve beside gossip, and its clients: the protocols of the Go node,
//! a line echo and a web server of one page.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::thread;

use gossip_core::Listener;

use crate::DEADLINE;

/// Answers each line with the name before it, until the listener is closed.
pub fn serve_echo(listener: Listener, name: &str) {
    serve(listener, name, |stream, name| {
        for line in BufReader::new(stream).lines() {
            let mut stream = stream;
            writeln!(stream, "{name}: {}", line?)?;
        }
        Ok(())
    });
}

/// Answers every request with a greeting, until the listener is closed.
pub fn serve_http(listener: Listener, name: &str) {
    serve(listener, name, |mut stream, name| {
        for line in BufReader::new(stream).lines() {
            if line?.is_empty() {
                break;
            }
        }
        let page = format!("hello from {name}");
        write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{page}", page.len())
    });
}

/// Sends a line and returns the line that comes back.
#[track_caller]
pub fn say(mut stream: &TcpStream, line: &str) -> String {
    let answer = patient(stream).and_then(|()| {
        writeln!(stream, "{line}")?;
        let mut answer = String::new();
        BufReader::new(stream).read_line(&mut answer)?;
        Ok(answer.trim_end().to_owned())
    });
    answer.unwrap_or_else(|error| panic!("{line}: {error}"))
}

/// The body of what a web server answers.
#[track_caller]
pub fn http_get(mut stream: &TcpStream) -> String {
    let answer = patient(stream).and_then(|()| {
        stream.write_all(b"GET / HTTP/1.1\r\nHost: it\r\nConnection: close\r\n\r\n")?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer)
    });
    let answer = answer.unwrap_or_else(|error| panic!("GET: {error}"));
    match answer.split_once("\r\n\r\n") {
        Some((head, body)) if head.starts_with("HTTP/1.1 200 ") => body.to_owned(),
        _ => panic!("no answer but {answer:?}"),
    }
}

/// One thread accepts, and one serves each connection.
fn serve(listener: Listener, name: &str, answer: fn(&TcpStream, &str) -> io::Result<()>) {
    let name = name.to_owned();
    thread::spawn(move || {
        while let Ok((stream, _)) = listener.accept(None) {
            let name = name.clone();
            // A client that breaks off misses the answer, and says so in the test.
            thread::spawn(move || answer(&stream, &name));
        }
    });
}

fn patient(stream: &TcpStream) -> io::Result<()> {
    stream.set_read_timeout(Some(DEADLINE))
}
