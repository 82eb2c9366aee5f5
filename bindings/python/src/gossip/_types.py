"""The values that the library hands out: frozen, comparable, safe to keep."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, NamedTuple, TypeAlias, final

__all__ = ["HostPort", "JoinResult", "Member", "MemberState", "Message", "Packet", "PoolStats", "PortStats"]

HostPort: TypeAlias = tuple[str, int]
"""A host, as a name or an IP address, and a port."""


class MemberState(IntEnum):
    """What is thought of a member."""

    ALIVE = 0
    """Answers its pings, as far as is known."""
    SUSPECT = 1
    """Did not answer someone's pings; dead unless it refutes in time."""
    DEAD = 2
    """Gone without a word."""
    LEFT = 3
    """Said goodbye."""

    def __str__(self) -> str:
        return self.name.lower()


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """A member of a pool, as this node saw it at one moment."""

    name: str
    """Its name, unique in the pool. Bytes that are no UTF-8 appear as surrogate escapes."""
    host: str
    """Its IP address."""
    port: int
    """Its port, TCP and UDP."""
    state: MemberState = MemberState.ALIVE
    """What is thought of it."""
    meta: bytes = b""
    """Bytes that its application attached."""
    incarnation: int = 0
    """The incarnation that these facts belong to."""
    protocol: tuple[int, int, int] = (0, 0, 0)
    """Protocol versions: lowest and highest understood, and spoken."""
    delegate_protocol: tuple[int, int, int] = (0, 0, 0)
    """The same of the application's own protocol."""

    @property
    def address(self) -> HostPort:
        """Where it is reached, as sockets take it."""
        return self.host, self.port

    @property
    def endpoint(self) -> str:
        """Where it is reached, as text: `host:port`."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @classmethod
    def _from_core(cls, fields: tuple[Any, ...], /) -> "Member":
        name, host, port, state, meta, incarnation, protocol, delegate_protocol = fields
        return cls(
            name=name.decode("utf-8", "surrogateescape"),
            host=host,
            port=port,
            state=MemberState(state),
            meta=meta,
            incarnation=incarnation,
            protocol=protocol,
            delegate_protocol=delegate_protocol,
        )


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """A message of another member's application."""

    data: bytes
    """The bytes as sent."""
    source: HostPort
    """Where it came from: the sender's gossip port, or an ephemeral one if `reliable`."""
    reliable: bool
    """Whether it came over TCP."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Packet:
    """A datagram for the application."""

    data: bytes
    """The bytes as sent."""
    address: HostPort
    """The sender's address."""


class JoinResult(NamedTuple):
    """What a join reached."""

    joined: tuple[HostPort, ...]
    """Addresses with which state was exchanged."""
    failed: Mapping[str, str]
    """Seeds that were not reached, and why."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class PoolStats:
    """Counters of a pool since its start; the last nine are gauges."""

    packets_received: int
    bytes_received: int
    packets_sent: int
    bytes_sent: int
    inbox_dropped: int
    """Datagrams dropped because the pool's inbox was full."""
    send_dropped: int
    """Datagrams not sent because the socket would not take them."""
    refused: Mapping[str, int]
    """Datagrams and messages refused, by reason."""
    not_allowed: int
    """Messages from or about an address that is not allowed."""
    acks_unmatched: int
    pings_misdirected: int
    alives: int
    suspicions: int
    deaths: int
    refutations: int
    conflicts: int
    probes: int
    probes_degraded: int
    probes_failed: int
    timeouts_degraded: int
    push_pulls: int
    push_pulls_refused: int
    merges_refused: int
    streams_failed: int
    messages_received: int
    messages_dropped: int
    """Messages dropped because the delegate did not keep up."""
    overflows: int
    """Things dropped because a bounded table was full."""
    callback_errors: int
    """Hooks of the delegate that raised."""
    broadcasts_queued: int
    members_alive: int
    members_suspect: int
    members_dead: int
    members_left: int
    health_score: int
    """How much this node doubts itself; 0 is healthy."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class PortStats:
    """Counters of the port since it was bound."""

    packets_received: int
