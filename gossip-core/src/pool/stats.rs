//! What a pool counts. Plain numbers, owned by the machine, copied out on demand.

use crate::base::histogram::{Bytes, Histogram, Items, Seconds};
use crate::base::rows::{duration_rows, rows};
use crate::pool::exchange::ExchangeError;
use crate::swim::counters::Counters;
use crate::wire::error::Refused;

/// Counters of one pool since its start; gauges are marked.
///
/// What the rules ignore because it is old news is not counted: in gossip that is most of
/// what is heard.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Datagrams handed to the machine.
    pub packets_received: u64,
    /// Their bytes, without the pool's prefix.
    pub bytes_received: u64,
    /// Datagrams handed to the host to be sent.
    pub packets_sent: u64,
    /// Their bytes, all layers included.
    pub bytes_sent: u64,
    /// Datagrams, messages and streams refused, by reason.
    pub refused: Reasons,
    /// User messages received.
    pub messages_received: u64,

    /// Connections of others taken for this pool.
    pub streams_accepted: u64,
    /// Connections to others that stood, whatever they were for.
    pub streams_connected: u64,
    /// Bytes handed to connections, all layers included, counted when each has ended.
    pub stream_bytes_sent: u64,
    /// Bytes read from connections, behind the pool's prefix, counted when each has ended.
    pub stream_bytes_received: u64,
    /// Streams that failed, both directions.
    pub streams_failed: u64,
    /// The same by kind, in the order of [`ExchangeError::REASONS`].
    pub streams_failed_by: [u64; ExchangeError::REASONS.len()],
    /// Connections of others closed while they rested or waited for the application, because
    /// there were too many.
    pub streams_crowded_out: u64,
    /// Reliable messages that the receiver's application has taken.
    pub sends_acknowledged: u64,
    /// Reliable messages after which the receiver closed in good order, without a word.
    pub sends_closed: u64,
    /// Reliable messages that the receiver's application did not take.
    pub sends_not_taken: u64,
    /// Reliable messages that did not arrive, or are not known to have, for another reason.
    pub sends_failed: u64,
    /// Reliable messages that went out on a connection that had rested.
    pub sends_reused: u64,
    /// Those of them for which it was dead, and that went out once more.
    pub sends_retried: u64,
    /// Reliable messages that the application took and whose senders waited for that.
    pub messages_taken: u64,
    /// Those that it did not take.
    pub messages_not_taken: u64,
    /// Reliable messages that came again, and were delivered once.
    pub messages_repeated: u64,
    /// Steps of migrations that this node has taken.
    pub steps_taken: u64,
    /// Steps that it was asked for and refused.
    pub steps_refused: u64,
    /// Push/pulls completed, both directions.
    pub push_pulls: u64,
    /// From each push/pull that we began to its end, well or not.
    pub push_pull_duration: Histogram<Seconds>,
    /// Bytes of our own state as last sent: compressed and encrypted (gauge).
    pub local_state_bytes: u64,
    /// Bytes of the states received, as they came: compressed and encrypted.
    pub remote_state_size: Histogram<Bytes>,

    /// Datagrams and streams from addresses that are not allowed.
    pub sources_refused: u64,
    /// Inbound push/pulls refused because too many were in progress.
    pub push_pulls_refused: u64,
    /// States not merged: no protocol version that everybody would understand.
    pub merges_incompatible: u64,
    /// States not merged: the application forbade it, or did not answer.
    pub merges_refused: u64,
    /// States not merged: the exchange ended before they could be answered.
    pub merges_abandoned: u64,
    /// Questions the application did not answer in time.
    pub asks_expired: u64,
    /// Answers of the application that came too late, or about facts that newer ones had replaced.
    pub replies_late: u64,
    /// Alive messages not put before the application, because too many waited.
    pub verdicts_overflowed: u64,
    /// Broadcasts of the application dropped, because there was nobody to hear them.
    pub broadcasts_unheard: u64,
    /// Copies of relayed broadcasts sent: the own, those passed on, those that others had missed.
    pub relay_sent: u64,
    /// Copies of relayed broadcasts received.
    pub relay_received: u64,
    /// Those of them that had been here before.
    pub relay_duplicates: u64,
    /// Relayed broadcasts that had gone astray and came when they were asked for, or by push/pull.
    pub relay_repaired: u64,
    /// Relayed broadcasts not delivered, because a newer one of their name and origin was here.
    pub relay_superseded: u64,
    /// Copies not sent because too much waited to be sent, or not taken because too many nodes
    /// broadcast; they are repaired later.
    pub relay_dropped: u64,
    /// Envelopes of relayed broadcasts that made no sense.
    pub relay_invalid: u64,
    /// Seeds, and lost members that answered, with which an exchange of states was begun
    /// without anybody asking for it.
    pub rejoins: u64,
    /// Those among them that came to nothing.
    pub rejoins_failed: u64,
    /// Lost members that came back.
    pub members_returned: u64,
    /// Lost members forgotten because too many were remembered.
    pub lost_overflowed: u64,
    /// Things not done because a bounded table of the machine was full; the sum of
    /// `verdicts_overflowed`, `lost_overflowed` and the rules' own.
    pub overflows: u64,
    /// What the membership rules counted.
    pub swim: Counters,

    /// Length of the rules' broadcast queue, every `queue_check_interval`.
    pub broadcast_queue: Histogram<Items>,
    /// Broadcasts waiting, the rules' and the application's (gauge).
    pub broadcasts_queued: u64,
    /// The application's alone (gauge).
    pub broadcasts_user: u64,
    /// Questions to the application that are open (gauge).
    pub asks_open: u64,
    /// Alive messages among them (gauge).
    pub verdicts_waiting: u64,
    /// Received states that wait to be merged, or are being merged (gauge).
    pub merges_waiting: u64,
    /// Exchanges that others began, under way (gauge).
    pub exchanges_inbound: u64,
    /// Exchanges that we began, under way (gauge).
    pub exchanges_outbound: u64,
    /// Exchanges that we began, kept for the next message (gauge).
    pub streams_resting: u64,
    /// Reliable messages that the application has, and whose senders wait (gauge).
    pub messages_open: u64,
    /// Commands of the application under way (gauge).
    pub commands_open: u64,
    /// Pings under way for others (gauge).
    pub relays_open: u64,
    /// Live members that are not known to understand relayed broadcasts (gauge). In the mode
    /// `auto` broadcasts are relayed while this is 0.
    pub relay_deaf: u64,
    /// Relayed broadcasts kept for members that missed them (gauge).
    pub relay_kept: u64,
    /// What those take (gauge).
    pub relay_kept_bytes: u64,
    /// What waits to be sent of relayed broadcasts (gauge).
    pub relay_outbox_bytes: u64,
    /// Relayed broadcasts that others have and this node lacks (gauge).
    pub relay_wanted: u64,
    /// Origins whose relayed broadcasts are remembered, so that none is delivered twice (gauge).
    pub relay_origins: u64,
    /// Lost members that are looked for (gauge).
    pub members_lost: u64,
    /// Seeds of the configuration that had no address when last looked up (gauge).
    pub seeds_unresolved: u64,
    /// 1 while no other member is reached, 0 otherwise (gauge).
    pub isolated: u64,
    /// Members alive, suspect, dead, left (gauges).
    pub members: [u64; 4],
    /// Health score: 0 is healthy (gauge).
    pub health: u32,
}

/// How often something was refused, by reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reasons([u64; Refused::REASONS.len()]);

impl Default for Reasons {
    fn default() -> Self {
        Self([0; Refused::REASONS.len()])
    }
}

impl Reasons {
    /// Counts one.
    pub(super) fn count(&mut self, why: Refused) {
        if let Some(count) = self.0.get_mut(why.index()) {
            *count += 1;
        }
    }

    /// The reasons that occurred, with their counts.
    pub fn occurred(&self) -> impl Iterator<Item = (&'static str, u64)> + '_ {
        self.iter().filter(|(_, count)| *count > 0)
    }

    /// All of them together.
    pub fn total(&self) -> u64 {
        self.0.iter().sum()
    }

    /// Every reason with its count, also those that never occurred.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, u64)> + '_ {
        Refused::REASONS.into_iter().zip(self.0)
    }
}

impl Stats {
    /// How often something was refused for this reason.
    pub fn refused_for(&self, reason: &str) -> u64 {
        self.refused.iter().find(|(name, _)| *name == reason).map_or(0, |(_, count)| count)
    }

    /// The members in each state, with the state's name.
    pub fn members_by_state(&self) -> impl Iterator<Item = (&'static str, u64)> + '_ {
        STATES.into_iter().zip(self.members)
    }

    /// Every counter and gauge with its name; of a histogram, count and sum.
    pub fn rows(&self) -> Vec<(String, u64)> {
        let mut rows = rows!(self,
            packets_received bytes_received packets_sent bytes_sent messages_received
            streams_accepted streams_connected stream_bytes_sent stream_bytes_received streams_failed
            streams_crowded_out sends_acknowledged sends_closed sends_not_taken sends_failed sends_reused sends_retried
            messages_taken messages_not_taken messages_repeated streams_resting messages_open steps_taken steps_refused
            push_pulls local_state_bytes sources_refused push_pulls_refused merges_incompatible
            merges_refused merges_abandoned asks_expired replies_late verdicts_overflowed
            broadcasts_unheard rejoins rejoins_failed members_returned lost_overflowed members_lost seeds_unresolved
            isolated relay_sent relay_received relay_duplicates relay_repaired relay_superseded
            relay_dropped relay_invalid overflows broadcasts_queued broadcasts_user asks_open verdicts_waiting
            merges_waiting exchanges_inbound exchanges_outbound commands_open relays_open relay_deaf relay_kept
            relay_kept_bytes relay_outbox_bytes relay_wanted relay_origins health;
            refused streams_failed_by push_pull_duration remote_state_size swim broadcast_queue members);
        rows.extend(self.swim.rows());
        rows.extend(duration_rows("push_pull_duration", &self.push_pull_duration));
        rows.push(("remote_state_size_count".to_owned(), self.remote_state_size.count()));
        rows.push(("remote_state_size_bytes".to_owned(), self.remote_state_size.total()));
        rows.push(("broadcast_queue_count".to_owned(), self.broadcast_queue.count()));
        rows.extend(self.members_by_state().map(|(state, count)| (format!("members_{state}"), count)));
        let failures = ExchangeError::REASONS.iter().zip(self.streams_failed_by);
        rows.extend(failures.map(|(reason, count)| (format!("streams_failed_{reason}"), count)));
        rows.extend(self.refused.iter().map(|(reason, count)| (format!("refused_{reason}"), count)));
        rows
    }
}

/// Names of the states, in the order of the gauges.
const STATES: [&str; 4] = ["alive", "suspect", "dead", "left"];
