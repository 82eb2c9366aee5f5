//! What an operator should know before the members do: patterns in what probes and
//! accusations tell about this node and its network.
//!
//! Only warnings come of it; the rules do not look here.

use crate::base::addr::NodeAddr;
use crate::base::limit::{Limiter, warn_limited};
use crate::base::name::NodeName;
use crate::base::time::Time;
use crate::swim::node::Node;
use crate::swim::swim::Swim;

/// Probes in a row without an answer that look like an isolated node.
const UNANSWERED: u32 = 3;

/// Accusations refuted within a minute that are no accident.
const OFTEN: u32 = 3;

/// What has been noticed so far.
#[derive(Debug, Default)]
pub(crate) struct Alarms {
    limiter: Limiter,
    /// Probes in a row that nobody answered.
    unanswered: u32,
    /// Whom the first of them was for, and whether there was another.
    silent: Option<NodeName>,
    several: bool,
    /// Since when accusations are counted, and how many there were.
    accused: (Time, u32),
}

impl Alarms {
    /// Somebody answered a probe, one way or another.
    pub(crate) fn answered(&mut self) {
        self.unanswered = 0;
        self.silent = None;
        self.several = false;
    }

    /// Whether so many probes of several members in a row got no answer that this node looks isolated.
    pub(crate) fn is_isolated(&self) -> bool {
        self.unanswered >= UNANSWERED && self.several
    }

    /// Nobody answered the probe of `node`.
    fn unanswered(&mut self, node: &NodeName) {
        self.unanswered += 1;
        let first = self.silent.get_or_insert_with(|| node.clone());
        self.several |= first != node;
    }

    /// Whether as many accusations as are no accident have been refuted within a minute.
    fn is_accused_often(&mut self, now: Time) -> bool {
        let (since, count) = &mut self.accused;
        if now.since(*since) > Limiter::PERIOD {
            (*since, *count) = (now, 0);
        }
        *count += 1;
        *count >= OFTEN
    }
}

impl Swim {
    /// Only the stream ping of a probe got through.
    pub(crate) fn alarm_of_datagrams(&mut self, now: Time, node: &Node) {
        self.alarms.answered();
        warn_limited!(
            self.alarms.limiter, now, "a member answers over tcp but not over udp",
            hint: "udp to or from that address is blocked or lossy; check the firewalls of both hosts",
            member = %node.name, addr = %node.addr
        );
    }

    /// Nobody answered the probe of `node`.
    pub(crate) fn alarm_of_silence(&mut self, now: Time, node: &Node) {
        self.alarms.unanswered(&node.name);
        let unanswered = self.alarms.unanswered;
        if self.alarms.is_isolated() {
            warn_limited!(
                self.alarms.limiter, now, "no member answers any more",
                hint: "this node looks isolated; check its network, and whether udp and tcp to its port are blocked",
                unanswered, last = %node.name
            );
        }
        self.alarm_of_health(now);
    }

    /// An accusation was refuted.
    pub(crate) fn alarm_of_accusation(&mut self, now: Time) {
        if self.alarms.is_accused_often(now) {
            let refuted = self.alarms.accused.1;
            warn_limited!(
                self.alarms.limiter, now, "others keep taking this node for dead",
                hint: "it answers too late or not at all; check its cpu and the udp path to it, or raise probe_timeout",
                refuted
            );
        }
        self.alarm_of_health(now);
    }

    /// A node beyond `max_members` was not believed in.
    pub(crate) fn alarm_of_overflow(&mut self, now: Time, addr: NodeAddr) {
        let limit = self.tuning.max_members;
        warn_limited!(
            self.alarms.limiter, now, "as many nodes as may be are known, others are not believed in",
            hint: "raise max_members on every node, or find out who invents names", limit, %addr
        );
    }

    fn alarm_of_health(&mut self, now: Time) {
        let (score, bound) = (self.awareness.score(), self.tuning.awareness_max);
        // A bound of one or two leaves no room for a score that means anything.
        if bound > 2 && score * 2 >= bound {
            let max = bound - 1;
            warn_limited!(
                self.alarms.limiter, now, "health score is high",
                hint: "this node probes more slowly since its probes fail; check its cpu and its network",
                score, max
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_single_silent_member_is_no_sign_of_isolation_but_two_are() {
        let mut alarms = Alarms::default();
        let (a, b) = (NodeName::from("a"), NodeName::from("b"));

        (0..10).for_each(|_| alarms.unanswered(&a));
        assert!(!alarms.several);
        alarms.unanswered(&b);
        assert!(alarms.several);

        alarms.answered();
        alarms.unanswered(&b);
        assert_eq!((alarms.unanswered, alarms.several), (1, false));
    }

    #[test]
    fn accusations_count_within_a_minute() {
        let (mut alarms, start) = (Alarms::default(), Time::ZERO + Duration::from_secs(1000));
        let mut at = |seconds| alarms.is_accused_often(start + Duration::from_secs(seconds));

        assert_eq!([at(0), at(10), at(100), at(110), at(120)], [false, false, false, false, true]);
    }
}
