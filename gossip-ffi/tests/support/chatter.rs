//! A program that is talked to by its standard input and output.

use std::io::{BufRead, BufReader, Lines, Write};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};

/// A chatting program and the lines that it prints.
pub(crate) struct Chatter {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Chatter {
    /// Starts it with these arguments.
    pub(crate) fn start(program: &Path, arguments: &[&str]) -> Self {
        let mut child = Command::new(program)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("it starts");
        let lines = BufReader::new(child.stdout.take().expect("it talks")).lines();
        Self { child, lines }
    }

    /// The next line that begins so.
    pub(crate) fn hears(&mut self, beginning: &str) -> String {
        let found = self.lines.find(|line| line.as_ref().is_ok_and(|line| line.starts_with(beginning)));
        found.unwrap_or_else(|| panic!("it never printed {beginning}")).expect("it is text")
    }

    /// Types `text`.
    pub(crate) fn says(&mut self, text: &str) {
        let input = self.child.stdin.as_mut().expect("it listens");
        input.write_all(text.as_bytes()).expect("it listens");
    }

    /// Ends it without a word.
    pub(crate) fn dies(mut self) {
        self.child.kill().expect("it runs");
        self.child.wait().expect("it is gone");
    }

    /// Ends its input, and waits for its own good end.
    pub(crate) fn ends(mut self) {
        drop(self.child.stdin.take());
        assert!(self.child.wait().expect("it ends").success());
    }
}

/// What `examples/c/standing_seeds.c` and its like in C++ promise.
pub(crate) fn standing_seeds_hold(program: &Path) {
    let free = || {
        let listener = TcpListener::bind("127.0.0.1:0").expect("loopback is there");
        listener.local_addr().expect("it is bound").port().to_string()
    };
    let (port_of_ada, port_of_ben) = (free(), free());
    let seeds = format!("127.0.0.1:{port_of_ada},127.0.0.1:{port_of_ben}");

    let mut ben = Chatter::start(program, &["ben", &port_of_ben, &seeds]);
    ben.hears("! alone");
    let mut ada = Chatter::start(program, &["ada", &port_of_ada, &seeds]);
    ben.hears("+ ada");
    ben.hears("* in company again: 0 are back, 0 are missing");
    ada.hears("+ ben");
    ada.dies();
    ben.hears("- ada dead");
    ben.hears("conclusion: ");
    ben.hears("not_listening: ");
    let ada = Chatter::start(program, &["ada", &port_of_ada, &seeds]);
    ben.hears("+ ada");
    ben.hears("* in company again: 1 are back, 0 are missing");
    ada.ends();
    ben.hears("- ada left");
    ben.ends();
}

impl Drop for Chatter {
    fn drop(&mut self) {
        let _ = self.child.kill();
    }
}
