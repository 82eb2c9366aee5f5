//! What applications in a simulation hear, for Python.

use gossip_core::base::ids::{AskId, PoolId};
use gossip_core::base::time::Time;
use gossip_core::pool::action::{Asks, Notice, Question};
use gossip_core::sim::guest;
use gossip_core::sim::world::World;
use pyo3::prelude::*;
use pyo3::types::{PyString, PyTuple};

use crate::errors;
use crate::kinds;
use crate::queue;

/// A hook's name, host, life, the hook's arguments, and the number of the question.
pub(crate) type Heard<'py> = (Bound<'py, PyString>, usize, u32, Bound<'py, PyTuple>, Option<u64>);

/// The same before it is Python's.
#[derive(Debug, Clone)]
pub(crate) struct Item {
    host: usize,
    life: u32,
    what: What,
}

#[derive(Debug, Clone)]
enum What {
    Told(Notice),
    Asked(AskId, Question),
    Alarm(u64),
}

/// Who wants to hear what, and what was to be heard.
#[derive(Default)]
pub(crate) struct Hearing {
    /// The hooks that each host's delegate has something to do for.
    pub(crate) wants: Vec<Vec<String>>,
    /// What is still to be given to Python.
    pub(crate) outbox: Vec<Item>,
    /// All that applications were told, but for the answers to their probes.
    pub(crate) journal: Vec<(Time, Item)>,
}

impl Hearing {
    /// Takes what there is to hear in the world.
    pub(crate) fn take_from(&mut self, world: &mut World) {
        while let Some(heard) = world.hear() {
            let item = match heard {
                // What Python has no name for is not told, as in a real pool.
                guest::Heard::Told { notice, .. } if kinds::name(&notice).is_none() => continue,
                guest::Heard::Told { host, life, notice } => {
                    let item = Item { host: host.index(), life, what: What::Told(notice) };
                    if !matches!(item.what, What::Told(Notice::Pinged { .. })) {
                        self.journal.push((world.now(), item.clone()));
                    }
                    if !self.is_wanted(&item) {
                        continue;
                    }
                    item
                }
                guest::Heard::Asked { host, life, ask, question } => {
                    Item { host: host.index(), life, what: What::Asked(ask, question) }
                }
                guest::Heard::Alarm(number) => Item { host: 0, life: 0, what: What::Alarm(number) },
            };
            self.outbox.push(item);
        }
    }

    fn is_wanted(&self, item: &Item) -> bool {
        let What::Told(notice) = &item.what else { return true };
        self.wants[item.host].iter().any(|hook| Some(hook.as_str()) == kinds::name(notice))
    }
}

/// The questions that these hooks answer.
pub(crate) fn asks(hooks: &[String]) -> Asks {
    let has = |name: &str| hooks.iter().any(|hook| hook == name);
    Asks {
        local_state: has("local_state"),
        admit_alive: has("notify_alive"),
        admit_merge: has("notify_merge"),
        allow_stream_ping: has("allow_tcp_ping"),
    }
}

pub(crate) fn to_python<'py>(py: Python<'py>, item: Item) -> PyResult<Heard<'py>> {
    let Item { host, life, what } = item;
    let (name, args, ask) = match what {
        What::Told(notice) => match queue::told(py, PoolId(0), &notice)? {
            Some((name, _, args, _)) => (name, args, None),
            None => return Err(errors::internal("something of an unknown kind was told")),
        },
        What::Asked(AskId(ask), question) => {
            let (name, args) = queue::question(py, &question)?;
            (name, args, Some(ask))
        }
        What::Alarm(number) => (PyString::intern(py, "alarm"), (number,).into_pyobject(py)?, None),
    };
    Ok((name, host, life, args, ask))
}
