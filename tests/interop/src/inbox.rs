//! What a peer has told so far, and waiting for more of it.

use std::collections::{BTreeMap, VecDeque};
use std::fmt::Write;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::event::{Event, Member, Report};

/// Filled by the threads that read a program, looked at by the test.
#[derive(Default)]
pub(crate) struct Inbox {
    heard: Mutex<Heard>,
    changed: Condvar,
}

/// Everything heard from one program.
#[derive(Default)]
pub(crate) struct Heard {
    /// Reports that nobody has asked for yet, oldest first.
    reports: Vec<Report>,
    /// The members that the peer knows now, by pool and name.
    members: BTreeMap<(Option<u8>, String), Member>,
    log: VecDeque<String>,
    ended: bool,
}

impl Inbox {
    pub(crate) fn report(&self, report: Report) {
        let mut heard = self.lock();
        heard.follow(&report);
        heard.reports.push(report);
        self.changed.notify_all();
    }

    pub(crate) fn log(&self, line: String) {
        let mut heard = self.lock();
        if heard.log.len() == LOG_LINES {
            heard.log.pop_front();
        }
        heard.log.push_back(line);
    }

    /// Nothing more will come: every wait is over.
    pub(crate) fn end(&self) {
        self.lock().ended = true;
        self.changed.notify_all();
    }

    /// Waits until `look` finds something; the error tells all that was heard instead.
    pub(crate) fn wait<T>(
        &self,
        within: Duration,
        mut look: impl FnMut(&mut Heard) -> Option<T>,
    ) -> Result<T, String> {
        let mut found = None;
        let (heard, _) = self
            .changed
            .wait_timeout_while(self.lock(), within, |heard| {
                found = look(heard);
                found.is_none() && !heard.ended
            })
            .unwrap_or_else(PoisonError::into_inner);

        found.ok_or_else(|| heard.tell(within))
    }

    fn lock(&self) -> MutexGuard<'_, Heard> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Heard {
    /// Takes out the oldest event of a pool that `matches`.
    pub(crate) fn take(
        &mut self,
        pool: Option<u8>,
        mut matches: impl FnMut(&Event) -> bool,
    ) -> Option<Event> {
        let index = self.reports.iter().position(|report| report.pool == pool && matches(&report.event))?;
        Some(self.reports.remove(index).event)
    }

    pub(crate) fn member(&self, pool: Option<u8>, name: &str) -> Option<&Member> {
        self.members.get(&(pool, name.to_owned()))
    }

    fn follow(&mut self, report: &Report) {
        match &report.event {
            Event::Join(member) | Event::Update(member) => {
                self.members.insert((report.pool, member.name.clone()), member.clone());
            }
            Event::Leave(member) => {
                self.members.remove(&(report.pool, member.name.clone()));
            }
            _ => {}
        }
    }

    fn tell(&self, within: Duration) -> String {
        let mut text =
            if self.ended { "the program has ended".to_owned() } else { format!("not within {within:?}") };
        text.push_str("\nheard and not asked for:");
        for report in &self.reports {
            let _ = write!(text, "\n  {report:?}");
        }
        text.push_str("\nits log:");
        for line in &self.log {
            let _ = write!(text, "\n  {line}");
        }
        text
    }
}

/// The end of the log is what explains a failure.
const LOG_LINES: usize = 200;

#[cfg(test)]
mod tests {
    use super::*;

    const SOON: Duration = Duration::from_millis(1);

    fn inbox_with(lines: &[&str]) -> Inbox {
        let inbox = Inbox::default();
        for line in lines {
            inbox.report(serde_json::from_str(line).unwrap());
        }
        inbox
    }

    fn message(inbox: &Inbox, pool: Option<u8>, text: &str) -> Result<Event, String> {
        inbox.wait(SOON, |heard| {
            heard.take(pool, |event| matches!(event, Event::Msg { data } if data == text))
        })
    }

    #[test]
    fn events_are_found_in_any_order_and_once() {
        let inbox = inbox_with(&[r#"{"event":"msg","data":"a"}"#, r#"{"event":"msg","data":"b"}"#]);

        assert!(message(&inbox, None, "b").is_ok());
        assert!(message(&inbox, None, "a").is_ok());
        assert!(message(&inbox, None, "a").is_err());
    }

    #[test]
    fn an_event_of_another_pool_is_not_taken() {
        let inbox = inbox_with(&[r#"{"event":"msg","data":"a","pool":1}"#]);

        assert!(message(&inbox, Some(2), "a").is_err());
        assert!(message(&inbox, None, "a").is_err());
        assert!(message(&inbox, Some(1), "a").is_ok());
    }

    #[test]
    fn the_view_of_the_members_follows_join_update_and_leave() {
        let line = |event, meta| {
            format!(
                r#"{{"event":"{event}","name":"a","addr":"127.0.0.1:7","meta":"{meta}","vsn":[1,5,2,0,0,0]}}"#
            )
        };
        let inbox = inbox_with(&[&line("join", "x"), &line("update", "y")]);
        assert_eq!(inbox.lock().member(None, "a").unwrap().meta, "y");

        inbox.report(serde_json::from_str(&line("leave", "y")).unwrap());
        assert_eq!(inbox.lock().member(None, "a"), None);
    }

    #[test]
    fn a_wait_that_fails_tells_what_was_heard_and_the_log() {
        let inbox = inbox_with(&[r#"{"event":"msg","data":"other"}"#]);
        inbox.log("a line of log".to_owned());

        let told = message(&inbox, None, "a").unwrap_err();

        assert!(told.contains("other") && told.contains("a line of log"), "{told}");
    }

    #[test]
    fn the_end_of_the_program_ends_every_wait() {
        let inbox = Inbox::default();
        inbox.end();

        let told = inbox.wait(Duration::MAX, |_| None::<()>).unwrap_err();

        assert!(told.contains("has ended"), "{told}");
    }
}
