//! What a doctor has found about the way to a peer, for programs and in plain words.

use std::fmt;
use std::time::Duration;

use crate::base::addr::Target;
use crate::base::time::Span;
use crate::swim::node::Member;

/// What [`doctor`](super::doctor) has found. As text: a line for each check, then the
/// conclusions.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Diagnosis {
    /// Who was examined.
    pub target: Target,
    /// What this node knows of it, if it is a member.
    pub member: Option<Member>,
    /// How long it took.
    pub took: Duration,
    /// Each check that was made.
    pub checks: Vec<Check>,
    /// What follows, the most important first; never empty.
    pub findings: Vec<Finding>,
}

impl Diagnosis {
    /// Whether nothing is wrong.
    pub fn is_healthy(&self) -> bool {
        self.findings == [Finding::Healthy]
    }

    /// Its address was looked up first, for so long.
    #[cfg(feature = "net")]
    pub(crate) fn looked_up(&mut self, took: Duration) {
        let detail = format!("found {}", self.target.addr);
        let (kind, result, took) = (CheckKind::Lookup, CheckResult::Passed, Some(took));
        self.checks.insert(0, Check { kind, result, took, os_errno: None, detail });
    }

    /// The check of that kind, if it was made.
    pub fn check(&self, kind: CheckKind) -> Option<&Check> {
        self.checks.iter().find(|check| check.kind == kind)
    }
}

/// One thing that was tried.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Check {
    /// What was tried.
    pub kind: CheckKind,
    /// Whether it worked.
    pub result: CheckResult,
    /// How long it took; `None` if that means nothing, as after a silence.
    pub took: Option<Duration>,
    /// The system's error number, if it gave one.
    pub os_errno: Option<i32>,
    /// What happened, in words with numbers.
    pub detail: String,
}

/// Whether a check worked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CheckResult {
    /// It worked.
    Passed,
    /// It did not.
    Failed,
    /// It cannot be told.
    Unknown,
}

impl CheckResult {
    /// Every one, each at its number.
    pub const ALL: [Self; 3] = [Self::Passed, Self::Failed, Self::Unknown];

    /// `ok`, `failed`, `unknown`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Passed => "ok",
            Self::Failed => "failed",
            Self::Unknown => "unknown",
        }
    }
}

/// What a doctor tries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
#[repr(u8)]
pub enum CheckKind {
    /// Its name is looked up.
    Lookup = 0,
    /// The system of this node takes datagrams for it.
    Send = 1,
    /// TCP connections from here to there.
    TcpOut = 2,
    /// A ping on such a connection is understood and answered: pool, label, keys, name.
    Talk = 3,
    /// TCP connections from there to here, as far as some have come.
    TcpIn = 4,
    /// Small datagrams there and back.
    Udp = 5,
    /// Datagrams of the full size (`udp_buffer_size`) there, small ones back.
    UdpFull = 6,
    /// Datagrams from there to here, as far as some have come.
    UdpIn = 7,
    /// Pings of other members to it, asked of them by datagrams.
    Helpers = 8,
    /// Its protocol versions and ours.
    Version = 9,
}

impl CheckKind {
    /// Every one, each at its number.
    pub const ALL: [Self; 10] = [
        Self::Lookup,
        Self::Send,
        Self::TcpOut,
        Self::Talk,
        Self::TcpIn,
        Self::Udp,
        Self::UdpFull,
        Self::UdpIn,
        Self::Helpers,
        Self::Version,
    ];

    /// A short name: `lookup`, `send`, `tcp_out`, `talk`, `tcp_in`, `udp`, `udp_full`, `udp_in`,
    /// `helpers`, `version`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Lookup => "lookup",
            Self::Send => "send",
            Self::TcpOut => "tcp_out",
            Self::Talk => "talk",
            Self::TcpIn => "tcp_in",
            Self::Udp => "udp",
            Self::UdpFull => "udp_full",
            Self::UdpIn => "udp_in",
            Self::Helpers => "helpers",
            Self::Version => "version",
        }
    }
}

/// A conclusion. As text: a sentence that says what it means and what to look at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
#[repr(u8)]
pub enum Finding {
    /// Everything that could be tried works.
    Healthy = 0,
    /// The system of this node refuses to send datagrams there.
    CannotSend = 1,
    /// Neither this node nor anybody asked gets an answer from it.
    Unreachable = 2,
    /// Nobody who was asked answers this node either.
    CutOff = 3,
    /// The host answers, but nothing listens on that port.
    NotListening = 4,
    /// No TCP connection from here to there, while datagrams go.
    TcpOutBlocked = 5,
    /// A connection stands, and nothing is ever said on it.
    TcpSilent = 6,
    /// Datagrams from here to there are lost: those from there arrive.
    UdpOutBlocked = 7,
    /// Datagrams are lost in one direction or both; which cannot be told.
    UdpBlocked = 8,
    /// Nobody who was asked by datagram answers this node: its own UDP is blocked.
    UdpBlockedHere = 9,
    /// Some small datagrams are lost, some not.
    UdpLossy = 10,
    /// Small datagrams arrive, those of the full size do not: the path's MTU is smaller.
    LargeDatagramsLost = 11,
    /// It speaks without the label that this pool has.
    LabelMismatch = 12,
    /// It closes the connection without a word: another label, another pool id or framing.
    OtherPool = 13,
    /// It encrypts with a key that this pool does not have, or the other way round.
    KeyMismatch = 14,
    /// It encrypts, this pool has no keys or does not use them.
    KeysMissingHere = 15,
    /// This pool encrypts, it has no keys or does not use them.
    KeysMissingThere = 16,
    /// Something answers that does not speak memberlist's protocol.
    NotMemberlist = 17,
    /// A node of another name has that address.
    OtherName = 18,
    /// It and this node understand no common protocol version.
    VersionMismatch = 19,
    /// Datagrams from it arrive, and cannot be read.
    DatagramsRefused = 20,
    /// Its address lies in no network that this pool allows.
    NotAllowed = 21,
}

impl Finding {
    /// Every one, each at its number.
    pub const ALL: [Self; 22] = [
        Self::Healthy,
        Self::CannotSend,
        Self::Unreachable,
        Self::CutOff,
        Self::NotListening,
        Self::TcpOutBlocked,
        Self::TcpSilent,
        Self::UdpOutBlocked,
        Self::UdpBlocked,
        Self::UdpBlockedHere,
        Self::UdpLossy,
        Self::LargeDatagramsLost,
        Self::LabelMismatch,
        Self::OtherPool,
        Self::KeyMismatch,
        Self::KeysMissingHere,
        Self::KeysMissingThere,
        Self::NotMemberlist,
        Self::OtherName,
        Self::VersionMismatch,
        Self::DatagramsRefused,
        Self::NotAllowed,
    ];

    /// A short name, the variant's in snake case.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Healthy => "healthy",
            Self::CannotSend => "cannot_send",
            Self::Unreachable => "unreachable",
            Self::CutOff => "cut_off",
            Self::NotListening => "not_listening",
            Self::TcpOutBlocked => "tcp_out_blocked",
            Self::TcpSilent => "tcp_silent",
            Self::UdpOutBlocked => "udp_out_blocked",
            Self::UdpBlocked => "udp_blocked",
            Self::UdpBlockedHere => "udp_blocked_here",
            Self::UdpLossy => "udp_lossy",
            Self::LargeDatagramsLost => "large_datagrams_lost",
            Self::LabelMismatch => "label_mismatch",
            Self::OtherPool => "other_pool",
            Self::KeyMismatch => "key_mismatch",
            Self::KeysMissingHere => "keys_missing_here",
            Self::KeysMissingThere => "keys_missing_there",
            Self::NotMemberlist => "not_memberlist",
            Self::OtherName => "other_name",
            Self::VersionMismatch => "version_mismatch",
            Self::DatagramsRefused => "datagrams_refused",
            Self::NotAllowed => "not_allowed",
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Healthy => "everything that can be tried from here works",
            Self::CannotSend => {
                "this host does not send datagrams there: check its route, its firewall and bind_addr"
            }
            Self::Unreachable => "nothing answers at that address: it is down, cut off, or the address is wrong",
            Self::CutOff => "nobody answers this node: check its own network and firewall first",
            Self::NotListening => {
                "the host is there, but nothing listens on that port: the node is down, or the port is wrong"
            }
            Self::TcpOutBlocked => {
                "tcp from here to there is blocked while udp is not: state cannot be exchanged; check the \
                 firewalls for tcp on that port"
            }
            Self::TcpSilent => {
                "a tcp connection stands, but nothing answers on it: the process hangs, or a proxy took the \
                 connection"
            }
            Self::UdpOutBlocked => {
                "udp from here to there is blocked: its datagrams arrive here, ours get no answer; check this \
                 host's outgoing and its incoming firewall"
            }
            Self::UdpBlocked => {
                "udp between here and there is blocked, in one direction or both: run the doctor there too, and \
                 check both firewalls for udp on the ports of both"
            }
            Self::UdpBlockedHere => {
                "no member answers this node over udp: udp from or to this host is blocked; check its firewall"
            }
            Self::UdpLossy => "some datagrams are lost: the network or one of both hosts is overloaded",
            Self::LargeDatagramsLost => {
                "small datagrams arrive there, large ones do not: lower udp_buffer_size below the path's mtu, or \
                 let fragments pass"
            }
            Self::LabelMismatch => "it has no label and this pool has one: give both the same",
            Self::OtherPool => {
                "it closes the connection without a word: it has another label, no pool of this id and framing, \
                 or allows no connections from here"
            }
            Self::KeyMismatch => "it has another key than this pool: compare the keyrings",
            Self::KeysMissingHere => "it encrypts and this pool does not: give this pool the cluster's keys",
            Self::KeysMissingThere => "this pool encrypts and it does not: give it the cluster's keys",
            Self::NotMemberlist => "something else than a memberlist node answers on that port",
            Self::OtherName => "a node of another name answers at that address: the member has moved or is gone",
            Self::VersionMismatch => {
                "its protocol versions and ours have nothing in common: update the older program"
            }
            Self::NotAllowed => {
                "its address lies in no network of cidrs_allowed: nothing of it is heard; allow its network"
            }
            Self::DatagramsRefused => {
                "its datagrams arrive and cannot be read: its label, keys or pool differ from ours"
            }
        })
    }
}

impl fmt::Display for Diagnosis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.target)?;
        match &self.member {
            Some(member) => writeln!(f, ", {} as far as this node knows", member.state)?,
            None => writeln!(f, ", no member as far as this node knows")?,
        }
        for check in &self.checks {
            let (result, name) = (check.result.name(), check.kind.name());
            write!(f, "  {result:<8} {name:<9} {}", check.detail)?;
            match check.took {
                Some(took) => writeln!(f, " ({})", Span(took))?,
                None => writeln!(f)?,
            }
        }
        for (index, finding) in self.findings.iter().enumerate() {
            let end = if index + 1 < self.findings.len() { "\n" } else { "" };
            write!(f, "{}: {finding}{end}", finding.name())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn findings_and_checks_keep_their_numbers_and_have_names_of_their_own() {
        assert!(CheckKind::ALL.iter().enumerate().all(|(number, kind)| *kind as usize == number));
        assert!(CheckResult::ALL.iter().enumerate().all(|(number, result)| *result as usize == number));
        let mut names: Vec<_> = Finding::ALL.iter().map(|finding| finding.name()).collect();
        assert!(Finding::ALL.iter().enumerate().all(|(number, finding)| *finding as usize == number));

        names.sort_unstable();
        names.dedup();

        assert_eq!(names.len(), Finding::ALL.len());
    }
}
