//! What a host is inspected for: beliefs and gauges after every event, endings now and then.

use crate::base::time::Time;
use crate::pool::machine::Machine;
use crate::pool::rumours::{kept, outbox, state, wanted};
use crate::sim::checks::Ledger;
use crate::sim::host::{Host, LATENESS};
use crate::swim::node::State;

impl Host {
    /// Checks what must hold after every event, and that no promise was broken.
    pub(super) fn look(&mut self, now: Time, ledger: &mut Ledger) -> Result<(), String> {
        if let Some(what) = self.broken.take() {
            return Err(what);
        }
        let Some(machine) = &self.machine else { return Ok(()) };
        let Some(local) = machine.local() else { return Err("does not know itself".to_owned()) };
        if self.observer.has_risen(local.incarnation) {
            ledger.claim(local.name(), local.incarnation);
        }
        let believed = if machine.has_left() { State::Left } else { State::Alive };
        if local.state != believed {
            return Err(format!("holds itself {}, not {believed}", local.state));
        }
        if !self.observer.is_outdated(machine.version()) {
            return Ok(());
        }
        self.observer.look(now, machine.version(), machine.members(), ledger)?;
        self.check_stats(machine)
    }

    /// Queues and tables within their limits, gauges as counted.
    fn check_stats(&self, machine: &Machine) -> Result<(), String> {
        let stats = machine.stats();
        let counted = self.observer.count();
        if stats.members != counted {
            return Err(format!("counts {:?} members, lists {counted:?}", stats.members));
        }
        let nodes: u64 = counted.iter().sum();
        let limit = self.pool.config().broadcast_queue_depth as u64 + nodes;
        if stats.broadcasts_queued > limit {
            return Err(format!("{} broadcasts wait, at most {limit} may", stats.broadcasts_queued));
        }
        let limits = [
            ("bytes of kept rumours", stats.relay_kept_bytes, kept::BYTES_MAX),
            ("bytes about rumours to be sent", stats.relay_outbox_bytes, outbox::BYTES_MAX),
            ("rumours missed", stats.relay_wanted, wanted::WANTED_MAX),
            ("origins of rumours", stats.relay_origins, state::origins_max(self.pool.config())),
        ];
        for (what, count, limit) in limits {
            if count > limit as u64 {
                return Err(format!("{count} {what}, at most {limit} may be"));
            }
        }
        let open = self.conversations.len();
        if open > EXCHANGES_MAX {
            return Err(format!("{open} exchanges are open, at most {EXCHANGES_MAX} may be"));
        }
        Ok(())
    }

    /// What should have ended by now and has not, in words.
    pub(super) fn overdue(&mut self, now: Time) -> Option<String> {
        let machine = self.machine.as_ref().filter(|_| !self.is_paused())?;
        // An exchange that waits for the application's state is not open yet.
        self.asks.retain(|_, deadline| *deadline + LATENESS >= now);
        let known = self.tasks.len() + self.conversations.len() + 2 * self.asks.len();
        if machine.outstanding() > known {
            return Some(format!("{} things are outstanding, {known} at most can be", machine.outstanding()));
        }
        let timeout = self.pool.tuning().stream_timeout;
        let patience = timeout * 3 + self.pool.config().query_timeout * 2;
        let task = self.tasks.iter().find(|&(_, &begun)| now.since(begun) > timeout * 30);
        let late = |(id, begun)| format!("{id:?}, begun at {begun:?}, has not been done");
        self.conversations.overdue(now, patience).or_else(|| task.map(late))
    }
}

/// Go's limit of inbound push/pulls, and as many of our own.
const EXCHANGES_MAX: usize = 256;
