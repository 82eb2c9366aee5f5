//! Broadcasts of the application as they set out: plain as in memberlist, or as
//! [`rumours`](super::rumours), by the pool's mode and at the pace that the others can follow.

use bytes::Bytes;
use tracing::{debug, info};

use crate::base::limit::warn_limited;
use crate::base::time::Time;
use crate::pool::commands::fits;
use crate::pool::config::BroadcastMode;
use crate::pool::error::CommandError;
use crate::pool::machine::{Machine, Timer};
use crate::pool::rumours::envelope::{Body, Envelope, RUMOUR_OVERHEAD, TEXT_MAX};
use crate::pool::rumours::state::Pending;
use crate::swim::broadcast::Subject;
use crate::wire::message::MessageType;

impl Machine {
    /// Hands a message to every member, by the pool's [mode](BroadcastMode). At most
    /// [`broadcast_limit`](Self::broadcast_limit) bytes.
    pub fn broadcast(&mut self, now: Time, message: &[u8]) -> Result<(), CommandError> {
        self.broadcast_named(now, b"", message)
    }

    /// The same, in place of this node's older broadcasts of that name: one that still waits
    /// is not sent, and a member that has the newer one is not given the older. The name is at
    /// most 255 bytes, which a relayed message has the less; the empty name replaces nothing.
    pub fn broadcast_named(&mut self, now: Time, name: &[u8], message: &[u8]) -> Result<(), CommandError> {
        let now = self.at(now);
        fits("broadcast name", name.len(), TEXT_MAX)?;
        let may_relay = self.config.broadcast_mode != BroadcastMode::Plain;
        let taken = if may_relay { name.len() } else { 0 };
        fits("broadcast", message.len(), self.broadcast_limit().saturating_sub(taken))?;
        if may_relay && Envelope::is_marked(message) {
            return Err(CommandError::ReservedMark);
        }
        // A pool of one has nobody to send to, so nothing would ever leave the queue.
        if !self.swim.has_peers() {
            self.tally.broadcasts_unheard += 1;
            return Ok(());
        }
        let same = |pending: &&mut Pending| !name.is_empty() && pending.name == name;
        if let Some(older) = self.rumours.pending.iter_mut().find(same) {
            older.payload = Bytes::copy_from_slice(message);
            return Ok(());
        }
        let limit = self.config.broadcast_queue_depth;
        if self.broadcasts_waiting() >= limit {
            return Err(CommandError::QueueFull { limit });
        }
        let (name, payload) = (Bytes::copy_from_slice(name), Bytes::copy_from_slice(message));
        self.rumours.pending.push_back(Pending { name, payload });
        self.begin_pending(now);
        self.schedule_rumours();
        Ok(())
    }

    /// Broadcasts of the application that wait to be sent; at most `broadcast_queue_depth`.
    pub fn broadcasts_waiting(&self) -> usize {
        self.broadcasts.len() + self.rumours.pending.len()
    }

    /// How many bytes relaying takes from each broadcast.
    pub(super) fn relay_overhead(&self) -> usize {
        match self.config.broadcast_mode {
            BroadcastMode::Plain => 0,
            BroadcastMode::Relay | BroadcastMode::Auto => RUMOUR_OVERHEAD + self.swim.name.as_bytes().len(),
        }
    }

    /// Whether a message begins like none of an application should.
    pub(super) fn check_mark(&self, message: &[u8]) -> Result<(), CommandError> {
        let is_reserved = self.config.broadcast_mode != BroadcastMode::Plain && Envelope::is_marked(message);
        if is_reserved { Err(CommandError::ReservedMark) } else { Ok(()) }
    }

    /// What has come due: to ask for what is missed, to begin what is pending.
    pub(super) fn rumours_due(&mut self, now: Time) {
        self.rumours.timer = None;
        self.begin_pending(now);
        let patience = self.rumours.patience();
        for (to, ids) in self.rumours.wanted.take_due(now, patience) {
            self.request(to, ids);
        }
        self.schedule_rumours();
    }

    /// Sets the timer for what is due next.
    pub(super) fn schedule_rumours(&mut self) {
        let Some(due) = self.rumours.next_due() else { return };
        match self.rumours.timer {
            Some((set, _)) if set <= due => return,
            Some((_, key)) => _ = self.timers.cancel(key),
            None => {}
        }
        self.rumours.timer = Some((due, self.timers.set(due, Timer::Rumours)));
    }

    /// Begins as much of what is pending as the pace allows.
    fn begin_pending(&mut self, now: Time) {
        if self.rumours.pending.is_empty() {
            return;
        }
        let relays = self.relays(now);
        while let Some(Pending { name, payload }) = self.rumours.pending.front() {
            if !relays {
                let subject =
                    if name.is_empty() { Subject::Unique } else { Subject::Named((&**name).into()) };
                let message = [&[MessageType::User as u8], &**payload].concat();
                self.broadcasts.queue(subject, message.into(), None);
            } else if self.rumours.pace.spend(now, payload.len() + RUMOUR_OVERHEAD) {
                let (name, payload) = (name.clone(), payload.clone());
                self.begin_rumour(now, &name, &payload);
            } else {
                return;
            }
            self.rumours.pending.pop_front();
        }
    }

    /// Whether broadcasts are relayed as things stand.
    fn relays(&mut self, now: Time) -> bool {
        self.rumours.circle.refresh(&self.swim);
        let deaf = self.rumours.circle.deaf();
        let relays = match self.config.broadcast_mode {
            BroadcastMode::Plain => false,
            BroadcastMode::Relay => true,
            BroadcastMode::Auto => deaf.is_none(),
        };
        let deaf = deaf.cloned();
        let changes = self.rumours.relayed.replace(relays) != Some(relays);
        match (self.config.broadcast_mode, deaf) {
            (BroadcastMode::Auto, Some(member)) if changes => {
                info!(%member, "broadcasts are plain: a member does not understand relayed ones");
            }
            (BroadcastMode::Auto, None) if changes => debug!("broadcasts are relayed"),
            (BroadcastMode::Relay, Some(member)) => warn_limited!(
                self.limiter, now, "a member does not understand relayed broadcasts and gets none",
                hint: "set broadcast_mode to auto, or keep nodes of memberlist out of the pool", %member
            ),
            _ => {}
        }
        relays
    }

    fn begin_rumour(&mut self, now: Time, name: &[u8], payload: &[u8]) {
        let origin = self.swim.name.clone();
        let id = self.rumours.next_id();
        let body = Body { id, origin: origin.as_bytes(), name, payload }.encode();
        self.keep(now, id, name, body.clone());
        self.rumours.kept.pass_on(id);
        let shares = self.rumours.circle.share_all(&mut self.rumours.rng);
        self.pass_on(shares, &body);
    }
}
