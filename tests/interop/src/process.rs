//! A running Go program: its pipes, its end.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use crate::DEADLINE;
use crate::event::Event;
use crate::inbox::Inbox;

/// A program and all it has told. Killed and reaped with its last handle.
pub(crate) struct Process {
    pub(crate) name: String,
    pub(crate) inbox: Arc<Inbox>,
    child: Mutex<Child>,
    /// Held from a command to its answer, which names no more than the command.
    stdin: Mutex<ChildStdin>,
}

impl Process {
    pub(crate) fn start(name: &str, program: &Path, arguments: &[String]) -> Self {
        let mut child = Command::new(program)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{}: {error}", program.display()));
        let (Some(stdin), Some(stdout), Some(stderr)) =
            (child.stdin.take(), child.stdout.take(), child.stderr.take())
        else {
            unreachable!("all three are piped")
        };
        let inbox = Arc::new(Inbox::default());

        thread::spawn({
            let inbox = inbox.clone();
            move || {
                for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                    match serde_json::from_str(&line) {
                        Ok(report) => inbox.report(report),
                        Err(error) => inbox.log(format!("not understood ({error}): {line}")),
                    }
                }
                inbox.end();
            }
        });
        thread::spawn({
            let inbox = inbox.clone();
            move || {
                for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                    inbox.log(line);
                }
            }
        });

        Self { name: name.to_owned(), inbox, child: Mutex::new(child), stdin: Mutex::new(stdin) }
    }

    /// Gives a command and waits until it is done.
    pub(crate) fn command(&self, line: &str) -> Result<(), String> {
        assert!(!line.contains('\n'), "a command is one line: {line:?}");
        let word = line.split(' ').next().unwrap_or_default();
        let mut stdin = self.stdin.lock().unwrap_or_else(PoisonError::into_inner);

        // A program that has ended shows in the wait, with its log.
        let _ = stdin.write_all(format!("{line}\n").as_bytes());
        let answer = self.inbox.wait(DEADLINE, |heard| {
            heard.take(
                None,
                |event| matches!(event, Event::Ok { cmd } | Event::Error { cmd, .. } if cmd == word),
            )
        })?;
        match answer {
            Event::Error { error, .. } => Err(error),
            _ => Ok(()),
        }
    }

    /// Ends the program as a power cut would: nobody is told.
    pub(crate) fn kill(&self) {
        let mut child = self.child.lock().unwrap_or_else(PoisonError::into_inner);
        // An error means that it has ended already.
        let _ = child.kill();
        let _ = child.wait();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}
