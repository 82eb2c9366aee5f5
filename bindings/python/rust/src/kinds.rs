//! Kinds of events, by the names of the hooks of `gossip.Delegate`.

use gossip_core::pool::action::Notice;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

/// A set of kinds.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Kinds(u16);

const NAMES: [&str; 12] = [
    "notify_join",
    "notify_leave",
    "notify_update",
    "notify_conflict",
    "notify_isolated",
    "notify_healed",
    "notify_migrated",
    "notify_msg",
    "merge_remote_state",
    "notify_ping_complete",
    "notify_overflow",
    "notify_shutdown",
];

/// Questions, which are hooks too, and are not told.
const QUESTIONS: [&str; 4] = ["local_state", "notify_alive", "notify_merge", "allow_tcp_ping"];

impl Kinds {
    /// The kinds of these names; questions among them count for nothing.
    pub(crate) fn named(names: &[String]) -> PyResult<Self> {
        let mut kinds = Self::default();
        for name in names {
            match NAMES.iter().position(|known| known == name) {
                Some(bit) => kinds.0 |= 1 << bit,
                None if QUESTIONS.contains(&name.as_str()) => {}
                None => return Err(PyValueError::new_err(format!("{name:?} is no kind of event"))),
            }
        }
        Ok(kinds)
    }

    pub(crate) fn is_empty(self) -> bool {
        self.0 == 0
    }

    pub(crate) fn has_joined(self) -> bool {
        self.0 & 1 != 0
    }

    /// Whether a notice is of one of these kinds. That something was dropped is always told:
    /// the queue holds it without a place of its own.
    pub(crate) fn want(self, notice: &Notice) -> bool {
        name(notice)
            .and_then(|name| NAMES.iter().position(|known| *known == name))
            .is_some_and(|bit| self.0 & (1 << bit) != 0 || matches!(notice, Notice::Overflow { .. }))
    }
}

/// The hook for a notice; `None` for what there will be some day.
pub(crate) fn name(notice: &Notice) -> Option<&'static str> {
    Some(match notice {
        Notice::Joined(_) => "notify_join",
        Notice::Left(_) => "notify_leave",
        Notice::Updated(_) => "notify_update",
        Notice::Conflict { .. } => "notify_conflict",
        Notice::Isolated => "notify_isolated",
        Notice::Healed { .. } => "notify_healed",
        Notice::Migrated(_) => "notify_migrated",
        Notice::Message(_) => "notify_msg",
        Notice::RemoteState { .. } => "merge_remote_state",
        Notice::Pinged { .. } => "notify_ping_complete",
        Notice::Overflow { .. } => "notify_overflow",
        Notice::Ended => "notify_shutdown",
        _ => return None,
    })
}
