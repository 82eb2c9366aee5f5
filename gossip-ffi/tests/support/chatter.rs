//! A program that is talked to by its standard input and output.

use std::io::{BufRead, BufReader, Lines, Write};
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

    /// Ends its input, and waits for its own good end.
    pub(crate) fn ends(mut self) {
        drop(self.child.stdin.take());
        assert!(self.child.wait().expect("it ends").success());
    }
}

impl Drop for Chatter {
    fn drop(&mut self) {
        let _ = self.child.kill();
    }
}
