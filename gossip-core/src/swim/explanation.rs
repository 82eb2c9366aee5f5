//! Why a member is in its state: the evidence, for programs and in plain words.

use std::fmt;
use std::time::Duration;

use crate::base::name::NodeName;
use crate::base::time::{Span, Time};
use crate::swim::evidence::{ProbeEnd, Silence, StreamPing};
use crate::swim::node::{Member, State};
use crate::swim::roster::Record;
use crate::swim::swim::Swim;

/// Why this node believes of a member what it believes, at one moment. Ages are counted
/// back from that moment.
///
/// As text it is a few lines for people, the last of them a conclusion.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Explanation {
    /// The member, with its state and incarnation.
    pub member: Member,
    /// Whether it is this node itself.
    pub is_self: bool,
    /// How long it has been in its state.
    pub since: Duration,
    /// Since the last ping or ack that came in a datagram from its own address.
    pub heard: Option<Duration>,
    /// The last probe of ours that it acknowledged itself.
    pub acked: Option<Acked>,
    /// The last probe of ours that it did not acknowledge itself within `probe_timeout`: the
    /// running one, if it has come to that.
    pub silence: Option<UnansweredProbe>,
    /// Who shares the running suspicion, or shared the last one, whoever began it first. Of this
    /// node itself: who accused it, latest first.
    pub accusers: Vec<NodeName>,
    /// While suspect: when it is taken for dead unless it refutes or more accuse it.
    pub dead_in: Option<Duration>,
    /// While suspect: how many more accusers would each make that sooner.
    pub more_accusers: u32,
    /// Once dead: on whose word.
    pub buried_by: Option<NodeName>,
    /// How often it has refuted, and how long ago it last did.
    pub refutations: Refutations,
    /// What the evidence says of the way to it.
    pub path: PathState,
    /// How much this node doubts itself; 0 is healthy. A doubting node probes more slowly.
    pub health: u32,
    /// Probes of different members in a row have got no answer: perhaps it is this node that is
    /// cut off.
    pub is_isolated: bool,
    /// The name of this node.
    pub observer: NodeName,
}

/// A probe that was acknowledged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Acked {
    /// Since the ack came.
    pub ago: Duration,
    /// From ping to ack.
    pub rtt: Duration,
}

/// How often a member has refuted, as far as is known here.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Refutations {
    /// How often.
    pub count: u32,
    /// Since it last did.
    pub ago: Option<Duration>,
}

/// A probe without a direct ack in time, and what was tried next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnansweredProbe {
    /// Since the ping was sent.
    pub ago: Duration,
    /// How long the ack was waited for: `probe_timeout`, or less in a short round.
    pub patience: Duration,
    /// Members that were asked to ping it.
    pub asked: Vec<NodeName>,
    /// Those of them who said that it is silent for them, too. Others said nothing.
    pub nacked: Vec<NodeName>,
    /// What came of a ping over TCP.
    pub stream: StreamPing,
    /// How the round ended.
    pub end: ProbeEnd,
}

/// The way between this node and a member, as its probes show it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum PathState {
    /// It has not been probed yet.
    Unknown,
    /// Datagrams go both ways.
    Direct,
    /// Datagrams go both ways, but the answer comes later than `probe_timeout`.
    Slow,
    /// Its datagrams have come since, but our ping got no answer: datagrams from here to there
    /// are lost.
    OneWay,
    /// Others reach it, we do not.
    Relayed,
    /// TCP gets through, datagrams do not.
    StreamOnly,
    /// Nothing has got through, by any way.
    Cut,
}

impl PathState {
    /// Every one.
    pub const ALL: [Self; 7] =
        [Self::Unknown, Self::Direct, Self::Slow, Self::OneWay, Self::Relayed, Self::StreamOnly, Self::Cut];

    /// A short name: `unknown`, `direct`, `slow`, `one_way`, `relayed`, `stream_only`, `cut`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Direct => "direct",
            Self::Slow => "slow",
            Self::OneWay => "one_way",
            Self::Relayed => "relayed",
            Self::StreamOnly => "stream_only",
            Self::Cut => "cut",
        }
    }

    /// What the evidence says.
    fn to(&Record { heard, acked, ref case, .. }: &Record) -> Self {
        let (silence, since) =
            case.as_ref().map_or((None, Time::ZERO), |case| (case.silence.as_ref(), case.silent_since));
        let never = acked == Time::ZERO;
        let Some(silence) = silence
            .filter(|silence| never || silence.sent > acked || matches!(silence.end, ProbeEnd::Late(_)))
        else {
            return if never { Self::Unknown } else { Self::Direct };
        };
        match silence.end {
            ProbeEnd::Late(_) if acked > silence.ended => Self::Direct,
            ProbeEnd::Late(_) => Self::Slow,
            _ if heard > silence.sent => Self::OneWay,
            // It was there when we probed it, so what came since the first silence is no old news.
            ProbeEnd::Relayed(_) | ProbeEnd::Stream if heard > since => Self::OneWay,
            ProbeEnd::Relayed(_) => Self::Relayed,
            ProbeEnd::Stream => Self::StreamOnly,
            ProbeEnd::Running => Self::Unknown,
            ProbeEnd::Silent => Self::Cut,
        }
    }
}

impl Swim {
    /// Why the member of that name is in its state; `None` if there is none.
    pub fn explain(&self, now: Time, name: &[u8]) -> Option<Explanation> {
        let record = self.roster.get(name)?;
        let case = record.case.as_deref();
        let running = self.probe.as_ref().filter(|probe| probe.node.name == record.node.name);
        let running = running.and_then(|probe| self.silence_of(now, probe, ProbeEnd::Running));
        let kept = case.and_then(|case| case.silence.as_ref());
        let ago = |at: Time| (at > Time::ZERO).then(|| now.since(at));
        let suspicion = record.suspicion();
        let past = case.map(|case| &*case.accusers);
        let refuted = case.map(|case| case.refuted).unwrap_or_default();
        Some(Explanation {
            member: record.member(),
            is_self: record.node.name == self.name,
            since: now.since(record.since),
            heard: ago(record.heard),
            acked: ago(record.acked).map(|ago| Acked { ago, rtt: record.rtt.into() }),
            silence: running.as_ref().or(kept).map(|silence| silence.told(now)),
            accusers: suspicion.map(|suspicion| suspicion.accusers()).or(past).unwrap_or_default().to_vec(),
            dead_in: suspicion.map(|suspicion| suspicion.ends().since(now)),
            more_accusers: suspicion
                .map_or(0, |suspicion| suspicion.terms().expected.saturating_sub(suspicion.confirmations())),
            buried_by: case.and_then(|case| case.buried_by.clone()).filter(|_| record.state == State::Dead),
            refutations: Refutations { count: refuted.0, ago: ago(refuted.1) },
            path: PathState::to(record),
            health: self.awareness.score(),
            is_isolated: self.alarms.is_isolated(),
            observer: self.name.clone(),
        })
    }
}

impl Silence {
    fn told(&self, now: Time) -> UnansweredProbe {
        let nacked = self.helpers.nacks.iter().filter_map(|&from| self.helpers.at(from));
        UnansweredProbe {
            ago: now.since(self.sent),
            patience: self.patience,
            asked: self.helpers.asked.iter().map(|node| node.name.clone()).collect(),
            nacked: nacked.map(|node| node.name.clone()).collect(),
            stream: self.helpers.stream.clone(),
            end: self.end.clone(),
        }
    }
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { member, since, .. } = self;
        let since = Span(*since);
        write!(f, "{member} is {} for {since}, incarnation {}", member.state, member.incarnation)?;
        if let Some(dead_in) = self.dead_in {
            write!(f, "; dead in {} unless it refutes", Span(dead_in))?;
            if self.more_accusers > 0 {
                write!(f, ", sooner if others accuse it too, up to {} more", self.more_accusers)?;
            }
        }
        writeln!(f)?;
        self.write_accusations(f)?;
        if !self.is_self {
            self.write_contact(f)?;
        }
        if self.health > 0 {
            let health = self.health;
            writeln!(f, "this node doubts itself (health score {health}): its own probes go wrong, too")?;
        }
        write!(f, "conclusion: {}", self.conclusion())
    }
}

impl Explanation {
    fn write_accusations(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(by) = &self.buried_by {
            match *by == self.observer {
                true => writeln!(f, "taken for dead by this node: its suspicion ran out unrefuted")?,
                false => writeln!(f, "taken for dead on the word of {by}")?,
            }
        }
        if !self.accusers.is_empty() {
            let when = if self.dead_in.is_some() || self.is_self { "" } else { ", the last time" };
            let names = Names(&self.accusers, &self.observer);
            writeln!(f, "accused by {names}{when}")?;
        }
        let Refutations { count, ago } = self.refutations;
        if let Some(ago) = ago {
            let verb = if self.is_self { "this node refuted accusations" } else { "it refuted suspicions" };
            writeln!(f, "{verb} {count} times, {} ago the last time", Span(ago))?;
        }
        Ok(())
    }

    fn write_contact(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.acked, self.heard) {
            (Some(Acked { ago, rtt }), _) => {
                write!(f, "it last answered our ping {} ago, in {}", Span(ago), Span(rtt))?;
            }
            (None, _) => write!(f, "it has never answered a ping of ours itself")?,
        }
        match self.heard {
            Some(heard) => writeln!(f, "; the last datagram of its own came {} ago", Span(heard))?,
            None => writeln!(f, "; no datagram of its own ever came")?,
        }
        let Some(silence) = &self.silence else { return Ok(()) };
        let UnansweredProbe { ago, patience, asked, nacked, stream, end } = silence;
        write!(f, "our ping of {} ago had no answer in {}", Span(*ago), Span(*patience))?;
        if asked.is_empty() {
            write!(f, "; there was nobody to ask")?;
        } else {
            let observer = &self.observer;
            write!(f, "; asked to ping it: {}", Names(asked, observer))?;
            match (end, nacked.is_empty()) {
                (ProbeEnd::Relayed(by), _) => write!(f, "; {by} got an answer")?,
                (_, true) => write!(f, "; none of them said anything")?,
                (_, false) => write!(f, "; {} got no answer either", Names(nacked, observer))?,
            }
        }
        match stream {
            StreamPing::NotTried => write!(f, "; no ping over tcp was sent")?,
            StreamPing::Unanswered => write!(f, "; a ping over tcp got no answer in time")?,
            StreamPing::Answered => write!(f, "; a ping over tcp was answered")?,
            StreamPing::Failed(why) => write!(f, "; a ping over tcp failed: {why}")?,
        }
        match end {
            ProbeEnd::Late(after) => writeln!(f, "; the ack came after {}", Span(*after)),
            ProbeEnd::Running => writeln!(f, "; still waiting"),
            _ => writeln!(f),
        }
    }

    fn conclusion(&self) -> String {
        if self.is_self {
            return match self.accusers.first() {
                _ if self.is_isolated => "no member answers this node: it looks cut off".to_owned(),
                Some(_) => "others get no answer from this node in time: it is slow, or datagrams to it, or \
                            its acks, are lost"
                    .to_owned(),
                None => "nobody has accused this node".to_owned(),
            };
        }
        if self.member.state == State::Left {
            return "it said goodbye".to_owned();
        }
        let silence = self.silence.as_ref();
        // A helper waits as long as we did before it says so.
        let nobody_spoke = silence.is_some_and(|silence| {
            silence.nacked.is_empty()
                && !silence.asked.is_empty()
                && silence.ago > silence.patience.saturating_mul(3)
        });
        let accused = self.dead_in.is_some() || self.member.state == State::Dead;
        match self.path {
            PathState::Unknown if accused => "this node has not probed it; it knows of others what it knows".into(),
            PathState::Unknown => "nothing is known of the way to it yet".into(),
            PathState::Direct if accused => {
                "it answered our last ping: those who accuse it do not reach it, or it went down since".into()
            }
            PathState::Direct => "datagrams go both ways".into(),
            PathState::Slow => {
                "it answers later than probe_timeout: it, this node or the network is slow".into()
            }
            PathState::OneWay => {
                "its datagrams reach us, and our pings get no answer: udp from here to there is blocked or lossy"
                    .into()
            }
            PathState::Relayed => {
                "others reach it and we do not: udp between it and this node is blocked or lossy, one way or both"
                    .into()
            }
            PathState::StreamOnly => {
                "tcp reaches it and datagrams do not: udp to it is blocked or lossy, and not from here alone".into()
            }
            PathState::Cut if self.is_isolated || nobody_spoke => {
                "nothing reached it, and those asked said nothing either: perhaps this node is cut off".into()
            }
            PathState::Cut => "nothing reached it: it is down, or cut off".into(),
        }
    }
}

/// Names in a sentence, this node marked as such.
struct Names<'a>(&'a [NodeName], &'a NodeName);

impl fmt::Display for Names<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, name) in self.0.iter().enumerate() {
            let comma = if index > 0 { ", " } else { "" };
            match name == self.1 {
                true => write!(f, "{comma}this node")?,
                false => write!(f, "{comma}{name}")?,
            }
        }
        Ok(())
    }
}
