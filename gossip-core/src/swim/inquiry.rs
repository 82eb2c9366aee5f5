//! Asking an address whether it answers to a name: before the name moves, and before a
//! lost member is met again.
//!
//! ```text
//!  0          probe_timeout      2 ·            3 ·            4 ·
//!  |-- ping ------|-- ping ------|-- ping ------|-- ping ------|-- nobody answered
//!                 |-- stream ping, and others asked to ping it --|
//! ```
//!
//! A node answers a ping, by datagram or by stream, only if it carries its name. So an ack
//! says who is there, and an address that somebody else was given since stays silent. Pings
//! are repeated, since a name is not to be lost with a datagram.

use std::sync::Arc;

use crate::base::time::Time;
use crate::swim::effect::{Body, Effect};
use crate::swim::node::Node;
use crate::swim::swim::{Swim, Timer};
use crate::swim::timers::TimerKey;
use crate::swim::versions::understands;
use crate::wire::message::Alive;

/// An inquiry under way.
#[derive(Debug)]
pub(crate) struct Inquiry {
    /// The name, and the address that is asked.
    pub(crate) node: Arc<Node>,
    pub(crate) about: About,
    /// Pings sent.
    pings: u32,
    timer: TimerKey,
}

/// What an inquiry is for.
#[derive(Debug)]
pub(crate) enum About {
    /// Another address claims the name.
    Claim(Box<Alive<'static>>),
    /// The member was lost.
    Lost,
}

impl About {
    /// Pings that may go unanswered. Whoever is lost is looked for again anyway.
    fn patience(&self) -> u32 {
        match self {
            Self::Claim(_) => 4,
            Self::Lost => 2,
        }
    }
}

impl Swim {
    /// Asks the address of a member that was lost; if it answers, `Effect::Found` tells.
    pub fn look_for(&mut self, now: Time, node: Arc<Node>) {
        self.inquire(now, node, About::Lost);
    }

    /// Asks whether `node` is where it says; the number of the inquiry.
    pub(crate) fn inquire(&mut self, now: Time, node: Arc<Node>, about: About) -> u32 {
        self.counters.inquiries += 1;
        let seq = self.fresh_seq();
        let timer = self.timers.set(now + self.tuning.probe_timeout, Timer::InquiryDue(seq));
        self.ping_for_inquiry(seq, &node);
        self.inquiries.insert(seq, Inquiry { node, about, pings: 1, timer });
        seq
    }

    fn ping_for_inquiry(&mut self, seq: u32, node: &Node) {
        let body = Body::Ping { seq, node: node.name.clone() };
        self.post(node.addr.socket_addr(), understands(node, 5), body);
    }

    /// A ping went unanswered.
    pub(crate) fn inquiry_due(&mut self, now: Time, seq: u32) {
        let Some(mut inquiry) = self.inquiries.remove(&seq) else { return };
        let (patience, timeout) = (inquiry.about.patience(), self.tuning.probe_timeout);
        if inquiry.pings >= patience {
            return self.inquiry_unanswered(now, inquiry);
        }
        let node = &inquiry.node;
        self.ping_for_inquiry(seq, node);
        // Whoever is lost is to be met by us: that others reach it would not help.
        if matches!(inquiry.about, About::Claim(_)) {
            self.ask_helpers(seq, node, false);
        }
        if inquiry.pings == 1 && self.tuning.stream_pings && understands(node, 3) {
            let deadline = now + timeout * (patience - 1);
            self.effects.push_back(Effect::StreamPing { seq, node: Arc::clone(node), deadline });
        }
        inquiry.pings += 1;
        inquiry.timer = self.timers.set(now + timeout, Timer::InquiryDue(seq));
        self.inquiries.insert(seq, inquiry);
    }

    /// The name was answered to.
    pub(crate) fn inquiry_answered(&mut self, now: Time, seq: u32) {
        let Some(inquiry) = self.inquiries.remove(&seq) else { return };
        self.timers.cancel(inquiry.timer);
        match inquiry.about {
            About::Claim(claim) => self.claim_refuted(now, &claim),
            About::Lost => self.effects.push_back(Effect::Found(inquiry.node)),
        }
    }

    fn inquiry_unanswered(&mut self, now: Time, inquiry: Inquiry) {
        match inquiry.about {
            About::Claim(claim) => self.claim_holds(now, &inquiry.node, claim),
            About::Lost => {}
        }
    }
}
