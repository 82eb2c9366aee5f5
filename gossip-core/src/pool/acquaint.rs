//! A shortcut for the simulator: members that have known each other for long. Thousands of
//! joins cost minutes, and a scenario about something else learns nothing from them.

use crate::base::time::Time;
use crate::pool::machine::Machine;
use crate::swim::alive::alive_of;
use crate::swim::broadcast::BroadcastQueue;

impl Machine {
    /// Makes the other nodes known, as they are, and spreads no word of it.
    pub(crate) fn acquaint<'a>(&mut self, now: Time, others: impl Iterator<Item = &'a Self>) {
        for record in others.filter_map(|other| other.swim.local()) {
            self.swim.hear_alive(now, alive_of(&record.node, record.incarnation, record.relay));
        }
        self.swim.broadcasts = BroadcastQueue::default();
    }
}
