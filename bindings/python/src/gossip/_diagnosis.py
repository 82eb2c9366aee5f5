"""Why a member is suspected or dead, and what is wrong with the way to a peer."""

from collections.abc import Mapping
from enum import StrEnum
from functools import cache
from typing import Any, Literal, final

from . import _core
from ._record import record
from ._types import HostPort, Member

__all__ = [
    "Check",
    "CheckKind",
    "CheckResult",
    "Diagnosis",
    "Explanation",
    "Finding",
    "PathState",
    "UnansweredProbe",
]


class PathState(StrEnum):
    """The way between this node and a member, as its probes show it."""

    UNKNOWN = "unknown"
    """It has not been probed yet."""
    DIRECT = "direct"
    """Datagrams go both ways."""
    SLOW = "slow"
    """Datagrams go both ways, but the answer comes later than `probe_timeout`."""
    ONE_WAY = "one_way"
    """Its datagrams come, but our ping got no answer: datagrams from here to there are lost."""
    RELAYED = "relayed"
    """Others reach it, we do not."""
    STREAM_ONLY = "stream_only"
    """TCP gets through, datagrams do not."""
    CUT = "cut"
    """Nothing has got through, by any way."""


@final
@record()
class UnansweredProbe:
    """A probe without a direct ack in time, and what was tried next."""

    ago: float
    """Seconds since the ping was sent."""
    patience: float
    """Seconds for which the ack was waited: `probe_timeout`, or less in a short round."""
    asked: tuple[str, ...]
    """Members that were asked to ping it."""
    nacked: tuple[str, ...]
    """Those of them who said that it is silent for them, too. Others said nothing."""
    tcp: Literal["not_tried", "unanswered", "answered", "failed"]
    """What came of a ping over TCP."""
    tcp_error: str | None
    """Why that failed, if it did."""
    end: Literal["running", "late", "relayed", "tcp", "silent"]
    """How the round ended: with a late ack, with one by way of another member, over TCP alone, or
    without any answer, which makes a suspect."""
    late: float | None
    """After how many seconds the late ack came."""
    relayed_by: str | None
    """By way of whom it was answered."""

    @classmethod
    def _from_core(cls, fields: Mapping[str, Any], /) -> "UnansweredProbe":
        return cls(
            **{
                **fields,
                "asked": tuple(fields["asked"]),
                "nacked": tuple(fields["nacked"]),
            }
        )


@final
@record(hidden="text")
class Explanation:
    """Why this node believes of a member what it believes, at one moment.

    Ages are seconds, counted back from that moment. As text it is a few lines for people, the
    last of them a conclusion.
    """

    member: Member
    """The member, with its state and incarnation."""
    is_self: bool
    """Whether it is this node itself."""
    since: float
    """How long it has been in its state."""
    heard: float | None
    """Since the last ping or ack that came in a datagram from its own address."""
    acked: float | None
    """Since the last ack of its own to a probe of ours."""
    rtt: float | None
    """Seconds from that ping to its ack."""
    silence: UnansweredProbe | None
    """The last probe of ours that it did not acknowledge itself within `probe_timeout`."""
    accusers: tuple[str, ...]
    """Who shares the running suspicion, or shared the last one, whoever began it first. Of this
    node itself: who accused it, latest first."""
    dead_in: float | None
    """While suspect: when it is taken for dead unless it refutes or more accuse it."""
    more_accusers: int
    """While suspect: how many more accusers would each make that sooner."""
    buried_by: str | None
    """Once dead: on whose word."""
    refutations: int
    """How often it has refuted."""
    refuted: float | None
    """Since it last did."""
    path: PathState
    """What the evidence says of the way to it."""
    health_score: int
    """How much this node doubts itself; 0 is healthy. A doubting node probes more slowly."""
    is_isolated: bool
    """Probes of different members in a row have got no answer: perhaps this node is cut off."""
    observer: str
    """The name of this node."""
    text: str
    """All of it in a few lines, the last of them a conclusion."""

    def __str__(self) -> str:
        return self.text

    @classmethod
    def _from_core(cls, fields: Mapping[str, Any], /) -> "Explanation":
        silence = fields["silence"]
        return cls(
            **{
                **fields,
                "member": Member._from_core(fields["member"]),
                "silence": None if silence is None else UnansweredProbe._from_core(silence),
                "accusers": tuple(fields["accusers"]),
                "path": PathState(fields["path"]),
            }
        )


class CheckKind(StrEnum):
    """What a doctor tries."""

    LOOKUP = "lookup"
    """Its name is looked up."""
    SEND = "send"
    """The system of this node takes datagrams for it."""
    TCP_OUT = "tcp_out"
    """TCP connections from here to there."""
    TALK = "talk"
    """A ping on such a connection is understood and answered: pool, label, keys, name."""
    TCP_IN = "tcp_in"
    """TCP connections from there to here, as far as some have come."""
    UDP = "udp"
    """Small datagrams there and back."""
    UDP_FULL = "udp_full"
    """Datagrams of the full size (`udp_buffer_size`) there, small ones back."""
    UDP_IN = "udp_in"
    """Datagrams from there to here, as far as some have come."""
    HELPERS = "helpers"
    """Pings of other members to it, asked of them by datagrams."""
    VERSION = "version"
    """Its protocol versions and ours."""


class CheckResult(StrEnum):
    """Whether a check worked."""

    OK = "ok"
    """It worked."""
    FAILED = "failed"
    """It did not."""
    UNKNOWN = "unknown"
    """It cannot be told."""


@final
@record()
class Check:
    """One thing that was tried."""

    kind: CheckKind
    """What was tried."""
    result: CheckResult
    """Whether it worked."""
    took: float | None
    """How many seconds it took; `None` if that means nothing, as after a silence."""
    errno: int | None
    """The system's error number, if it gave one."""
    detail: str
    """What happened, in words with numbers."""


class Finding(StrEnum):
    """A conclusion; `meaning` is a sentence that says what to look at.

    >>> import gossip
    >>> print(gossip.Finding.UDP_BLOCKED, "-", gossip.Finding.UDP_BLOCKED.meaning[:40])
    udp_blocked - udp between here and there is blocked, i
    """

    HEALTHY = "healthy"
    """Everything that could be tried works."""
    CANNOT_SEND = "cannot_send"
    """The system of this node refuses to send datagrams there."""
    UNREACHABLE = "unreachable"
    """Neither this node nor anybody asked gets an answer from it."""
    CUT_OFF = "cut_off"
    """Nobody who was asked answers this node either."""
    NOT_LISTENING = "not_listening"
    """The host answers, but nothing listens on that port."""
    TCP_OUT_BLOCKED = "tcp_out_blocked"
    """No TCP connection from here to there, while datagrams go."""
    TCP_SILENT = "tcp_silent"
    """A connection stands, and nothing is ever said on it."""
    UDP_OUT_BLOCKED = "udp_out_blocked"
    """Datagrams from here to there are lost: those from there arrive."""
    UDP_BLOCKED = "udp_blocked"
    """Datagrams are lost in one direction or both; which cannot be told."""
    UDP_BLOCKED_HERE = "udp_blocked_here"
    """Nobody who was asked by datagram answers this node: its own UDP is blocked."""
    UDP_LOSSY = "udp_lossy"
    """Some small datagrams are lost, some not."""
    LARGE_DATAGRAMS_LOST = "large_datagrams_lost"
    """Small datagrams arrive, those of the full size do not: the path's MTU is smaller."""
    LABEL_MISMATCH = "label_mismatch"
    """It speaks without the label that this pool has."""
    OTHER_POOL = "other_pool"
    """It closes the connection without a word: another label, another pool id or framing."""
    KEY_MISMATCH = "key_mismatch"
    """It encrypts with a key that this pool does not have, or the other way round."""
    KEYS_MISSING_HERE = "keys_missing_here"
    """It encrypts, this pool has no keys or does not use them."""
    KEYS_MISSING_THERE = "keys_missing_there"
    """This pool encrypts, it has no keys or does not use them."""
    NOT_MEMBERLIST = "not_memberlist"
    """Something answers that does not speak memberlist's protocol."""
    OTHER_NAME = "other_name"
    """A node of another name has that address."""
    VERSION_MISMATCH = "version_mismatch"
    """It and this node understand no common protocol version."""
    DATAGRAMS_REFUSED = "datagrams_refused"
    """Datagrams from it arrive, and cannot be read."""
    NOT_ALLOWED = "not_allowed"
    """Its address lies in no network that this pool allows."""

    @property
    def meaning(self) -> str:
        """A sentence that says what it means and what to look at."""
        return _meanings()[self.value]


@final
@record(hidden="text")
class Diagnosis:
    """What a doctor has found about the way to a peer.

    As text: a line for each check, then the conclusions.
    """

    name: str | None
    """The name that must answer there; `None` if it was asked for by address alone."""
    address: HostPort
    """Where."""
    member: Member | None
    """What this node knows of it, if it is a member."""
    took: float
    """How many seconds it took."""
    checks: tuple[Check, ...]
    """Each check that was made."""
    findings: tuple[Finding, ...]
    """What follows, the most important first; never empty."""
    text: str
    """All of it in lines for people."""

    @property
    def is_healthy(self) -> bool:
        """Whether nothing is wrong."""
        return self.findings == (Finding.HEALTHY,)

    def check(self, kind: CheckKind, /) -> Check | None:
        """The check of that kind, if it was made."""
        return next((check for check in self.checks if check.kind is kind), None)

    def __str__(self) -> str:
        return self.text

    @classmethod
    def _from_core(cls, fields: Mapping[str, Any], /) -> "Diagnosis":
        member = fields["member"]
        return cls(
            **{
                **fields,
                "address": fields["address"][:2],
                "member": None if member is None else Member._from_core(member),
                "checks": tuple(_check(*row) for row in fields["checks"]),
                "findings": tuple(map(Finding, fields["findings"])),
            }
        )


def _check(kind: str, result: str, took: float | None, errno: int | None, detail: str) -> Check:
    return Check(kind=CheckKind(kind), result=CheckResult(result), took=took, errno=errno, detail=detail)


@cache
def _meanings() -> dict[str, str]:
    return dict(_core.words()[3])
