//! What the facts of an examination mean. A stock peer answers pings and nothing else, so some
//! things can't be told from here, and are said to be unknown.

use std::io;
use std::time::Duration;

use crate::base::addr::Target;
use crate::base::time::Span;
use crate::pool::diagnosis::{Check, CheckKind, CheckResult, Diagnosis, Finding};
use crate::pool::doctor::{Ask, Facts, Pinged, Try};
use crate::pool::exchange::{Broken, ExchangeError};
use crate::swim::explanation::PathState;
use crate::swim::node::Member;
use crate::wire::error::Refused;

use CheckResult::{Failed, Passed, Unknown};

/// What came of the conversations.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Talk {
    /// Our ping was answered.
    Understood,
    /// There is no connection; true if it was refused.
    NoConnection { refused: bool },
    /// There is one, and nothing was said on it.
    Silent,
    /// It was heard, and this is wrong.
    Wrong(Finding),
}

impl Facts {
    /// The diagnosis.
    pub(super) fn judge(self, target: Target, member: Option<Member>, took: Duration) -> Diagnosis {
        let talk = self.talk();
        let checks = vec![
            self.check_send(),
            self.check_tcp_out(took),
            self.check_talk(talk),
            self.check_tcp_in(),
            self.check_udp(talk, false),
            self.check_udp(talk, true),
            self.check_udp_in(),
            self.check_helpers(),
            self.check_version(),
        ];
        Diagnosis { target, member, took, checks, findings: self.findings(talk) }
    }

    /// Pings of a size: how many were answered of how many, and the shortest round trip.
    fn count(&self, full: bool) -> (usize, usize, Option<Duration>) {
        let pings = || self.pings.iter().filter(move |ping| ping.full == full);
        let answered = pings().filter(|ping| ping.rtt.is_some()).count();
        (answered, pings().count(), pings().filter_map(|ping: &Pinged| ping.rtt).min())
    }

    fn talk(&self) -> Talk {
        let answered = self.tries.iter().find(|tried| matches!(tried.end, Some((_, Ok(())))));
        if let Some(tried) = answered {
            return match tried.ask {
                Ask::Ordinary => Talk::Understood,
                Ask::Anyone => Talk::Wrong(Finding::OtherName),
                Ask::Unlabelled => Talk::Wrong(Finding::LabelMismatch),
            };
        }
        // A later conversation tells more only if it is answered, or refused with a reason.
        let reason = self.tries.iter().filter_map(Try::error).find(|error| error.is_contact());
        let Some(error) = reason.or_else(|| self.tries.first().and_then(Try::error)) else {
            let connected = self.tries.first().is_some_and(|tried| tried.connected.is_some());
            return if connected { Talk::Silent } else { Talk::NoConnection { refused: false } };
        };
        match error {
            ExchangeError::Connect(broken) => Talk::NoConnection { refused: is_refusal(broken) },
            ExchangeError::Closed | ExchangeError::Reset(_) => {
                // Who answers our datagrams knows the pool: the connection is somebody else's.
                let knows_us = self.pings.iter().any(|ping| ping.rtt.is_some());
                Talk::Wrong(if knows_us { Finding::NotMemberlist } else { Finding::OtherPool })
            }
            ExchangeError::Refused(why) => Talk::Wrong(unreadable(*why)),
            ExchangeError::RemoteError(text) => Talk::Wrong(refusal(text)),
            ExchangeError::ConnectTimeout => Talk::NoConnection { refused: false },
            ExchangeError::Timeout | ExchangeError::Dropped => {
                let connected = self.tries.first().is_some_and(|tried| tried.connected.is_some());
                if connected { Talk::Silent } else { Talk::NoConnection { refused: false } }
            }
            // The last is no answer to a ping.
            ExchangeError::UnexpectedType { .. }
            | ExchangeError::WrongSeq { .. }
            | ExchangeError::NotTaken(_) => Talk::Wrong(Finding::NotMemberlist),
        }
    }

    fn findings(&self, talk: Talk) -> Vec<Finding> {
        let mut findings = Vec::new();
        if let Talk::Wrong(wrong) = talk {
            findings.push(wrong);
        }
        if self.unsent.is_some() {
            findings.push(Finding::CannotSend);
        }
        if !self.is_allowed {
            findings.push(Finding::NotAllowed);
        }
        if talk == Talk::Silent {
            findings.push(Finding::TcpSilent);
        }
        let ((small, sent, _), (full, _, _)) = (self.count(false), self.count(true));
        if small + full > 0 {
            match (small, full) {
                (_, 0) => findings.push(Finding::LargeDatagramsLost),
                (0, _) if talk != Talk::Wrong(Finding::OtherName) => findings.push(Finding::OtherName),
                (0, _) => {}
                _ if small < sent || full < sent => findings.push(Finding::UdpLossy),
                _ => {}
            }
            if let Talk::NoConnection { .. } = talk {
                findings.push(Finding::TcpOutBlocked);
            }
        } else if self.unsent.is_none() && self.is_allowed {
            findings.extend(self.of_silence(talk));
        }
        if self.has_common_version() == Some(false) {
            findings.push(Finding::VersionMismatch);
        }
        if findings.is_empty() {
            findings.push(Finding::Healthy);
        }
        findings
    }

    /// What it means that no ping was answered over UDP.
    fn of_silence(&self, talk: Talk) -> Vec<Finding> {
        let reached = self.helpers.iter().any(|helper| helper.answered == Some(true));
        let unheard = !self.helpers.is_empty() && self.helpers.iter().all(|helper| helper.answered.is_none());
        let udp = match self.refused {
            Some(_) => Finding::DatagramsRefused,
            None if self.comes_one_way() => Finding::UdpOutBlocked,
            None if unheard => Finding::UdpBlockedHere,
            None => Finding::UdpBlocked,
        };
        match talk {
            // It drops what it cannot read: of the way nothing is known.
            Talk::Wrong(_) => Vec::new(),
            Talk::Understood | Talk::Silent => vec![udp],
            Talk::NoConnection { .. } if reached || self.comes_one_way() => {
                vec![udp, Finding::TcpOutBlocked]
            }
            Talk::NoConnection { refused: true } => vec![Finding::NotListening],
            Talk::NoConnection { refused: false } if unheard => vec![Finding::CutOff],
            Talk::NoConnection { refused: false } => vec![Finding::Unreachable],
        }
    }

    /// Datagrams have come from it since ours were sent.
    fn comes_one_way(&self) -> bool {
        self.heard_now || self.path == Some(PathState::OneWay)
    }

    fn has_common_version(&self) -> Option<bool> {
        let (own, other) = self.versions?;
        let fits = |current: u8, min: u8, max: u8| (min..=max).contains(&current);
        Some(
            fits(own.pcur, other.pmin, other.pmax)
                && fits(other.pcur, own.pmin, own.pmax)
                && fits(own.dcur, other.dmin, other.dmax)
                && fits(other.dcur, own.dmin, own.dmax),
        )
    }

    fn check_send(&self) -> Check {
        match &self.unsent {
            None => Check::new(CheckKind::Send, Passed, "datagrams are sent"),
            Some(why) => Check {
                os_errno: why.os_error,
                ..Check::new(CheckKind::Send, Failed, format!("datagrams are not sent: {why}"))
            },
        }
    }

    fn check_tcp_out(&self, took: Duration) -> Check {
        let kind = CheckKind::TcpOut;
        let connected = self.tries.iter().find_map(|tried| tried.connected);
        if connected.is_some() {
            return Check { took: connected, ..Check::new(kind, Passed, "connected") };
        }
        match self.tries.first().and_then(Try::error) {
            Some(ExchangeError::Connect(broken)) => Check {
                os_errno: broken.os_error,
                ..Check::new(kind, Failed, format!("no connection: {broken}"))
            },
            _ => Check::new(kind, Failed, format!("no connection within {}", Span(took))),
        }
    }

    fn check_talk(&self, talk: Talk) -> Check {
        let kind = CheckKind::Talk;
        let took = self.tries.iter().find_map(|tried| match tried.end {
            Some((took, Ok(()))) => Some(took),
            _ => None,
        });
        match talk {
            Talk::Understood => Check { took, ..Check::new(kind, Passed, "a ping was answered") },
            Talk::NoConnection { .. } => Check::new(kind, Unknown, "there is no connection"),
            Talk::Silent => Check::new(kind, Failed, "connected, but there was no answer"),
            Talk::Wrong(Finding::OtherName) => Check {
                took,
                ..Check::new(kind, Failed, "a ping was answered, but not to the member's name")
            },
            Talk::Wrong(Finding::LabelMismatch) => {
                Check { took, ..Check::new(kind, Failed, "a ping was answered, but only without the label") }
            }
            Talk::Wrong(_) => {
                let reason = self.tries.iter().filter_map(Try::error).find(|error| error.is_contact());
                let error = reason.or_else(|| self.tries.first().and_then(Try::error));
                let detail = error.map(ToString::to_string).unwrap_or_default();
                Check::new(kind, Failed, format!("a ping was not answered: {detail}"))
            }
        }
    }

    fn check_tcp_in(&self) -> Check {
        match self.accepted {
            Some(ago) => {
                let detail = format!("a connection came from its address {} ago", Span(ago));
                Check::new(CheckKind::TcpIn, Passed, detail)
            }
            None => {
                let detail = "no connection has come lately; a peer cannot be asked for one";
                Check::new(CheckKind::TcpIn, Unknown, detail)
            }
        }
    }

    fn check_udp(&self, talk: Talk, full: bool) -> Check {
        let kind = if full { CheckKind::UdpFull } else { CheckKind::Udp };
        let (answered, sent, took) = self.count(full);
        let size = if full { format!(" of {} bytes", self.full_size) } else { String::new() };
        let detail = format!("{answered} of {sent} pings{size} were answered");
        let result = match (answered, talk) {
            _ if answered == sent && sent > 0 => Passed,
            // It drops what it cannot read, or what is not for it.
            (0, Talk::Wrong(_)) => Unknown,
            (0, _) if !self.is_allowed || self.unsent.is_some() => Unknown,
            (0, _) if full && self.count(false).0 == 0 => Unknown,
            _ => Failed,
        };
        Check { took, ..Check::new(kind, result, detail) }
    }

    fn check_udp_in(&self) -> Check {
        let kind = CheckKind::UdpIn;
        let answered = self.pings.iter().any(|ping| ping.rtt.is_some());
        match (self.refused, self.heard) {
            (Some(why), _) => Check::new(kind, Failed, format!("a datagram came and was refused: {why}")),
            _ if answered => Check::new(kind, Passed, "its answers came"),
            _ if self.heard_now => Check::new(kind, Passed, "datagrams came, though no answers"),
            (None, Some(ago)) => {
                Check::new(kind, Unknown, format!("none came meanwhile, the last {} ago", Span(ago)))
            }
            (None, None) => Check::new(kind, Unknown, "none ever came; a peer cannot be asked for one"),
        }
    }

    fn check_helpers(&self) -> Check {
        let kind = CheckKind::Helpers;
        if self.helpers.is_empty() {
            let detail = match self.versions {
                Some(_) => "there is no other member to ask",
                None => "members are asked to ping members only",
            };
            return Check::new(kind, Unknown, detail);
        }
        let names = |answered: Option<bool>| {
            let those = self.helpers.iter().filter(|helper| helper.answered == answered);
            those.map(|helper| helper.node.name.to_string()).collect::<Vec<_>>().join(", ")
        };
        let parts = [
            ("got an answer", names(Some(true))),
            ("got none", names(Some(false))),
            ("said nothing", names(None)),
        ];
        let parts = parts.iter().filter(|(_, names)| !names.is_empty());
        let detail = parts.map(|(what, names)| format!("{names} {what}")).collect::<Vec<_>>().join("; ");
        let reached = self.helpers.iter().any(|helper| helper.answered == Some(true));
        Check::new(kind, if reached { Passed } else { Failed }, detail)
    }

    fn check_version(&self) -> Check {
        let kind = CheckKind::Version;
        let Some((own, other)) = self.versions else {
            return Check::new(kind, Unknown, "it is no member: what it understands is not known");
        };
        let detail = format!(
            "it speaks {} and understands {} to {}, this node speaks {} and understands {} to {}",
            other.pcur, other.pmin, other.pmax, own.pcur, own.pmin, own.pmax
        );
        Check::new(kind, if self.has_common_version() == Some(true) { Passed } else { Failed }, detail)
    }
}

impl Try {
    fn error(&self) -> Option<&ExchangeError> {
        self.end.as_ref().and_then(|(_, end)| end.as_ref().err())
    }
}

impl Check {
    fn new(kind: CheckKind, result: CheckResult, detail: impl Into<String>) -> Self {
        Self { kind, result, took: None, os_errno: None, detail: detail.into() }
    }
}

/// What it means that an answer could not be read.
fn unreadable(why: Refused) -> Finding {
    match why {
        Refused::NoKey | Refused::Padding => Finding::KeyMismatch,
        Refused::Encrypted => Finding::KeysMissingHere,
        Refused::NotEncrypted => Finding::KeysMissingThere,
        _ => Finding::NotMemberlist,
    }
}

/// What it means that a peer refused us with this text: memberlist has a sentence for each reason.
fn refusal(text: &str) -> Finding {
    let says = |why: Refused| why.reply().is_some_and(|reply| text.contains(&reply));
    if says(Refused::NoKey) {
        Finding::KeyMismatch
    } else if says(Refused::NotEncrypted) {
        Finding::KeysMissingHere
    } else if says(Refused::Encrypted) {
        Finding::KeysMissingThere
    } else {
        Finding::NotMemberlist
    }
}

/// Whether the host is there and says that nothing listens.
fn is_refusal(broken: &Broken) -> bool {
    match broken.os_error {
        Some(errno) => io::Error::from_raw_os_error(errno).kind() == io::ErrorKind::ConnectionRefused,
        None => broken.text.contains("refused"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_memberlist_says_of_keys_is_understood() {
        let says = |why: Refused| refusal(&why.reply().unwrap());

        assert_eq!(says(Refused::NoKey), Finding::KeyMismatch);
        assert_eq!(says(Refused::NotEncrypted), Finding::KeysMissingHere);
        assert_eq!(says(Refused::Encrypted), Finding::KeysMissingThere);
        assert_eq!(refusal("something else"), Finding::NotMemberlist);
    }
}
