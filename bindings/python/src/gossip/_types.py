"""The values that the library hands out: frozen, comparable, safe to keep."""

from collections.abc import Iterable, Mapping
from enum import Enum, IntEnum
from typing import Any, NamedTuple, TypeAlias, final

from ._record import record

__all__ = [
    "Buffer",
    "Delivery",
    "HostPort",
    "JoinResult",
    "Member",
    "MemberState",
    "Message",
    "Origin",
    "Packet",
    "PoolStats",
    "PortStats",
    "QueueStats",
]

Buffer: TypeAlias = bytes | bytearray | memoryview
"""Bytes, in any contiguous form."""

HostPort: TypeAlias = tuple[str, int]
"""A host, as a name or an IP address, and a port."""


def blank(cls: type) -> Any:
    """Makes empty instances of a class, which are then filled and become instances of this frozen record.

    Several times faster than its constructor, which has to set each field by way of
    `object.__setattr__`.
    """
    return type(cls.__name__, (), {"__slots__": getattr(cls, "__slots__")})


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


_STATES = tuple(MemberState)
"""By their numbers: faster than asking the class."""


@final
@record()
class Member:
    """A member of a pool, as this node saw it at one moment.

    >>> import gossip
    >>> gossip.Member(name="a", host="2001:db8::1", port=7946).endpoint
    '[2001:db8::1]:7946'
    """

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
        return cls._all_from_core(fields)[0]

    @classmethod
    def _all_from_core(cls, fields: Iterable[Any], /) -> "list[Member]":
        # Those of all members, one behind the other, and in one loop: a tuple and a call for each would cost
        # as much again as to fill it. `zip` uses its tuple again if nobody keeps it.
        blank, states = _blank_member, _STATES
        members = []
        each = iter(fields)
        rows = zip(each, each, each, each, each, each, each, each, strict=True)
        for name, host, port, state, meta, incarnation, protocol, delegate_protocol in rows:
            made = blank()
            made.name = name
            made.host = host
            made.port = port
            made.state = states[state]
            made.meta = meta
            made.incarnation = incarnation
            made.protocol = protocol
            made.delegate_protocol = delegate_protocol
            made.__class__ = cls
            members.append(made)
        return members


_blank_member = blank(Member)


class Delivery(Enum):
    """How certain it is that a reliable message arrived."""

    ACKNOWLEDGED = "acknowledged"
    """The receiver has acknowledged it: its callback has returned, or its queue holds it.

    A hook in Python has a queue in front of it, so it may not have been called yet.
    """
    CLOSED = "closed"
    """The receiver, which does not acknowledge, has closed the connection in good order.

    One of memberlist does so when its delegate has returned; what else may stand at that
    address is not known.
    """


@final
@record()
class Origin:
    """Whose relayed broadcast a message is. Instance and sequence name it in the whole pool."""

    node: str
    """The member that broadcast it."""
    instance: int
    """A random number that this member took at its start."""
    sequence: int
    """Counts its broadcasts since then, from 1. They arrive in any order."""
    name: bytes = b""
    """The name under which it replaces older ones; empty for none."""


@final
@record()
class Message:
    """A message of another member's application.

    Without keys nobody has checked where it comes from, and with keys only that the sender
    has one.
    """

    data: bytes
    """The bytes as sent."""
    source: HostPort
    """Where it came from: the sender's gossip port, or an ephemeral one if `reliable`."""
    reliable: bool
    """Whether it was sent to this node alone, over TCP; a broadcast never is, however it came."""
    pool_id: int = 0
    """The pool in which it arrived."""
    sender: str | None = None
    """The member that sent it, or passed a relayed broadcast on, where one is known.

    For a datagram the member at its address counts; for a reliable message the one that the
    sender says it is, which nodes of memberlist do not say.
    """
    encrypted: bool = False
    """Whether it came encrypted."""
    received: float = 0.0
    """When it arrived, in seconds since the start of the node: a clock that never jumps.

    `Pool.wall_clock` gives the time of day.
    """
    origin: Origin | None = None
    """Whose relayed broadcast it is; `None` for what was sent to this node alone.

    Plain broadcasts, such as those of memberlist, look the same as that.
    """

    @classmethod
    def _from_core(cls, pool_id: int, fields: tuple[Any, ...], /) -> "Message":
        made = _blank_message()
        made.data, source, made.reliable, made.sender, made.encrypted, made.received, origin = fields
        made.source, made.pool_id, made.origin = source[:2], pool_id, origin and _origin(*origin)
        made.__class__ = cls
        message: Message = made
        return message


_blank_message = blank(Message)


def _origin(node: str, instance: int, sequence: int, name: bytes) -> Origin:
    return Origin(node=node, instance=instance, sequence=sequence, name=name)


@final
@record()
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
    """Seeds, or addresses of theirs, that were not reached, and why."""
    untried: int = 0
    """Addresses left out: of a name with very many, a random 64 are tried."""


@final
@record(kw_only=False)
class QueueStats:
    """What has passed through a queue, and what waits in it."""

    accepted: int
    """How many were queued for the application."""
    dropped: int
    """How many were dropped because the queue was full, or closed before they were taken."""
    pending: int
    """How many wait to be taken now."""
    limit: int
    """How many may wait."""


@final
@record()
class PoolStats:
    """Counters of a pool since its start."""

    packets_received: int
    """Datagrams received."""
    bytes_received: int
    """Their bytes."""
    packets_sent: int
    """Datagrams sent."""
    bytes_sent: int
    """Their bytes, all layers included."""
    inbox_dropped: int
    """Datagrams dropped because the pool's inbox was full."""
    inbox_no_buffer: int
    """Datagrams dropped because the port had no buffer left for this pool."""
    inbox_abandoned: int
    """Datagrams and connections that waited when the pool ended."""
    send_dropped: int
    """Datagrams not sent because the socket would not take them."""
    refused: Mapping[str, int]
    """Datagrams, messages and streams refused, by reason; reasons that occurred only."""
    sources_refused: int
    """Datagrams and streams from addresses that are not allowed."""
    messages_received: int
    """Messages of other applications received."""
    messages_dropped: int
    """Messages, and other news that are no change of membership, that the delegate did not get."""
    notices_abandoned: int
    """News that waited to be told when the pool ended."""
    broadcasts_refused: int
    """Broadcasts of this application refused: the queue was full, or they were too large."""
    questions_defaulted: int
    """Questions to the delegate that were answered too late, or not."""
    callback_errors: int
    """Hooks of the delegate that raised."""
    push_pulls: int
    """Exchanges of state completed, both directions."""
    push_pulls_refused: int
    """Those of others refused because too many were in progress."""
    merges_refused: int
    """States that were not merged: versions or the application forbade it."""
    streams_failed: int
    """Streams that failed, both directions."""
    streams_dropped: int
    """Connections of others closed because too many waited for the pool."""
    streams_refused: int
    """Connections of others closed because too many were open."""
    alives: int
    """Alive messages that passed the rules."""
    suspicions: int
    """Suspicions begun."""
    deaths: int
    """Members that died or left."""
    refutations: int
    """Accusations of this node refuted."""
    conflicts: int
    """Name conflicts seen."""
    facts_invalid: int
    """Facts refused because they cannot be a node's: address, versions, sizes."""
    not_allowed: int
    """Facts refused because the address lies in no allowed network."""
    probes: int
    """Probes begun."""
    probes_degraded: int
    """Probes begun while this node doubted itself."""
    probes_failed: int
    """Probes that ended without any answer."""
    probes_saved_by_stream: int
    """Probes that only TCP answered: datagrams to that node get lost."""
    timeouts_degraded: int
    """Suspicions that ran out before all expected confirmations came."""
    acks_unmatched: int
    """Acks and nacks that nobody waits for."""
    pings_misdirected: int
    """Pings for another node's name."""
    broadcasts_too_long: int
    """News of others that fits no datagram, and so was not gossiped on."""
    overflows: int
    """Things not done because a bounded table was full."""
    stalls: int
    """Times that the process stood still for so long that a timer was 50 ms late."""
    broadcasts_queued: int
    """Broadcasts that wait, now."""
    members_alive: int
    """Members alive, now."""
    members_suspect: int
    """Members suspect, now."""
    members_dead: int
    """Dead members still remembered, now."""
    members_left: int
    """Members that left and are still remembered, now."""
    health_score: int
    """How much this node doubts itself, now; 0 is healthy."""
    counters: Mapping[str, int]
    """Every counter and gauge of the core by its name, also those that have no attribute here."""


@final
@record()
class PortStats:
    """Counters of the port since it was bound."""

    packets_received: int
    """Datagrams read, whatever became of them."""
    bytes_received: int
    """Their bytes, prefixes included."""
    packets_unknown_pool: int
    """Datagrams dropped: for a prefix pool that isn't here."""
    packets_pool_full: int
    """Datagrams dropped: the inbox of their pool was full."""
    packets_no_receiver: int
    """Datagrams dropped: the application's, which has no packet receiver."""
    packets_receiver_full: int
    """Datagrams dropped: the queue of the packet receiver was full."""
    packets_no_buffer: int
    """Datagrams dropped: no buffer was left for their owner."""
    receive_errors: int
    """Errors of reading from a UDP socket."""
    packets_sent: int
    """Datagrams sent."""
    bytes_sent: int
    """Their bytes, prefixes included."""
    send_would_block: int
    """Datagrams not sent: the send buffer of the operating system was full."""
    send_no_socket: int
    """Datagrams not sent: no bind address of the destination's family."""
    send_errors: int
    """Datagrams not sent: the operating system refused."""
    connections_accepted: int
    """Connections accepted, whatever became of them."""
    connections_over_limit: int
    """Connections closed: too many were being looked at."""
    connections_over_source_limit: int
    """Connections closed: too many from their address were being looked at."""
    connections_no_descriptor: int
    """Connections closed: no file descriptor was left."""
    connections_ended_early: int
    """Connections that ended, or broke, before they had an owner."""
    connections_silent: int
    """Connections closed: silent for `sniff_timeout`, and no native listener."""
    connections_unknown_pool: int
    """Connections closed: for a prefix pool that isn't here."""
    connections_pool_full: int
    """Connections closed: their pool had too many waiting."""
    connections_no_listener: int
    """Connections closed: the application's, which has no native listener."""
    connections_listener_full: int
    """Connections closed: the backlog of their listener was full."""
    accept_errors: int
    """Errors of accepting."""
    counters: Mapping[str, int]
    """Every counter of the core by its name, also those that have no attribute here."""
