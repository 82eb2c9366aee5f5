"""The values of simulations: frozen, comparable."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self, final

from .._address import Seconds, seconds
from .._events import Event

__all__ = ["Bounds", "Bursts", "Detection", "Heard", "Quality", "Report", "Tail", "Traffic", "nanos"]

LONGEST = 1e9
"""No time in a simulation is longer, in seconds."""


@final
@dataclass(frozen=True, slots=True)
class Tail:
    """A latency of which most packets see little more than the least, and some much more."""

    least: Seconds
    """The shortest latency, in seconds."""
    mean: Seconds
    """The average of what is added to it, exponentially distributed, in seconds."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Bursts:
    """Bad times of a link, packet by packet: a chain of two states (Gilbert and Elliott)."""

    begin: float
    """Chance, with each packet, that a bad time begins: 0 to 1."""
    end: float
    """Chance, with each packet, that it ends; its inverse is the length of a burst."""
    loss: float = 1.0
    """Share of packets lost during it."""

    def __post_init__(self) -> None:
        _shares(self, "begin", "end", "loss")


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Quality:
    """How good a link is, in one direction. The default is a quiet local network."""

    latency: Seconds | tuple[Seconds, Seconds] | Tail = (0.0002, 0.001)
    """Time from one end to the other, in seconds: always the same, anything between two,
    or a `Tail`. One that varies also reorders."""
    loss: float = 0.0
    """Share of packets lost, each by itself: 0 to 1. Streams send what is lost again."""
    bursts: Bursts | None = None
    """Times in which much more is lost."""
    duplication: float = 0.0
    """Share of datagrams that arrive twice."""
    corruption: float = 0.0
    """Share of datagrams of which one bit is flipped on the way."""

    def __post_init__(self) -> None:
        _shares(self, "loss", "duplication", "corruption")
        self._row()

    @classmethod
    def lan(cls, **changes: Any) -> Self:
        """A quiet local network: 0.2 to 1 ms, nothing lost."""
        return cls(**changes)

    @classmethod
    def wan(cls, **changes: Any) -> Self:
        """A wide-area network: 40 ms and a tail of 10 ms on average, 0.1 % lost."""
        return cls(**{"latency": Tail(0.04, 0.01), "loss": 0.001, **changes})

    def replace(self, **changes: Any) -> Self:
        """A copy with some fields changed."""
        return dataclasses.replace(self, **changes)

    def _row(self) -> tuple[Any, ...]:
        """The values as the core takes them."""
        latency: tuple[float, float | None, float | None]
        match self.latency:
            case Tail(least=least, mean=mean):
                latency = _time(least), None, _time(mean)
            case (least, most):
                latency = _time(least), _time(most), None
                if _time(least) > _time(most):
                    raise ValueError(f"latency is from {least} to {most} s, must not fall")
            case fixed:
                latency = _time(fixed), None, None
        bursts = self.bursts and (self.bursts.begin, self.bursts.end, self.bursts.loss)
        return latency, float(self.loss), bursts, float(self.duplication), float(self.corruption)


@final
@dataclass(frozen=True, slots=True)
class Traffic:
    """What was sent."""

    datagrams: int
    """Datagrams sent."""
    datagram_bytes: int
    """Their bytes, prefixes included."""
    dropped: int
    """Datagrams among them that cuts or links dropped."""
    doubled: int
    """Datagrams among them that arrived twice."""
    corrupted: int
    """Datagrams among them that were damaged on the way."""
    unroutable: int
    """Datagrams among them that went where nobody is."""
    streams: int
    """Streams dialed."""
    stream_bytes: int
    """Bytes written on streams, in either role."""


@final
@dataclass(frozen=True, slots=True)
class Detection:
    """A crash, and when it was found."""

    node: str
    """The name of the node that crashed."""
    at: float
    """When, in seconds of virtual time."""
    after: tuple[float, ...]
    """Seconds from the crash until another declared it dead, shortest first."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """A run so far, summed up. Runs of one seed and one scenario have equal reports."""

    seed: int
    """The seed that it grew from."""
    nodes: int
    """Nodes spawned."""
    elapsed: float
    """Virtual time that has passed, in seconds."""
    uptime: float
    """Time that nodes were up, summed over all of them, in seconds."""
    events: int
    """Events that happened: arrivals, timers, answers."""
    fingerprint: int
    """A hash over all events, their times and bytes: the trace of the run as one number."""
    detections: Sequence[Detection]
    """Each crash and who found it when, in the order of crashing."""
    suspicions: int
    """Suspicions of nodes that were up and awake, each observer counted."""
    false_alarms: int
    """Nodes that were up and awake but declared dead, each observer counted."""
    traffic: Traffic
    """What all nodes sent together."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """How long things may take, computed from the configuration and the number of nodes, in seconds."""

    suspicion_min: float
    """The shortest time that a suspect has to refute."""
    suspicion_max: float
    """The longest, without confirmations by others."""
    spread: float
    """A broadcast reaches everybody who can be reached."""
    detection: float
    """Everybody has found a crash, in an otherwise healthy network."""
    agreement: float
    """All views agree, once all faults have ended."""


@final
@dataclass(frozen=True, slots=True)
class Heard:
    """Something that a node's application was told, whether its delegate has a hook for it or not."""

    at: float
    """When, in seconds of virtual time."""
    node: str
    """The name of the node whose application was told."""
    event: Event
    """What: a `MemberJoined`, a `Message`, or another event."""


def nanos(value: Seconds, name: str) -> int:
    """A duration in whole nanoseconds."""
    wait = seconds(value, name)
    if wait > LONGEST:
        raise ValueError(f"{name} is {value}, must be at most {LONGEST:.0f} seconds")
    return round(wait * 1e9)


def _time(value: Seconds) -> float:
    return nanos(value, "latency") / 1e9


def _shares(of: Any, *names: str) -> None:
    for name in names:
        value = getattr(of, name)
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise TypeError(f"{name} must be a share from 0 to 1, not {type(value).__name__}")
        if not 0 <= value <= 1:
            raise ValueError(f"{name} is {value}, must be a share from 0 to 1")
