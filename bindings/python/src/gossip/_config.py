"""Configurations: frozen dataclasses over the core's tables of keys.

Names and defaults are written out here for readers and type checkers; a test compares
them with the core. Rules are the core's alone: a configuration that exists has passed
its check.
"""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple, Self, final

from . import _core
from ._address import Seconds, seconds
from ._record import record
from .errors import ConfigError

__all__ = ["Config", "PoolConfig"]


class Key(NamedTuple):
    """One row of the core's table."""

    name: str
    kind: str
    range: str
    about: str
    default: str

    def to_text(self, value: Any) -> str:
        """The value in the form that the core reads."""
        match self.kind:
            case "flag" if isinstance(value, bool):
                return str(value).lower()
            case "count" if isinstance(value, int) and not isinstance(value, bool):
                return str(value)
            case "duration":
                return str(self._millis(value))
            case "text" if isinstance(value, str):
                return value
            case "list" if isinstance(value, Sequence):
                return ",".join(str(item) for item in value)
        wanted = {"flag": "bool", "count": "int", "text": "str", "list": "a sequence"}[self.kind]
        raise TypeError(f"{self.name} must be {wanted}, not {type(value).__name__}")

    def _millis(self, value: Any) -> int:
        try:
            millis = seconds(value, self.name) * 1000
        except ValueError:
            raise ConfigError(self.name, f"{value} s", "must be 0 or more seconds") from None
        if 0 < millis < 1:
            raise ConfigError(self.name, f"{value} s", "must be at least 1 ms, or 0")
        return round(min(millis, 1e15))

    def from_text(self, text: str) -> bool | int | float:
        """The value of a flag, count or duration."""
        match self.kind:
            case "flag":
                return text == "true"
            case "count":
                return int(text)
            case "duration":
                return int(text) / 1000
        raise TypeError(f"{self.name} is {self.kind}, not one value")


CONFIG_KEYS = [Key(*row) for row in _core.config_keys()]
POOL_KEYS = [Key(*row) for row in _core.pool_keys("lan")]


def _normalize(config: Any, keys: list[Key]) -> Iterator[tuple[str, str]]:
    """Makes durations floats and sequences tuples, and yields each key with its text."""
    for key in keys:
        value: Any = getattr(config, key.name)
        if key.kind == "list" and isinstance(value, str):
            value = tuple(part.strip() for part in value.split(",")) if value else ()
        yield key.name, key.to_text(value)
        if key.kind == "duration":
            duration: Seconds = value
            object.__setattr__(config, key.name, seconds(duration))
        elif key.kind == "list":
            object.__setattr__(config, key.name, tuple(value))


@final
@record()
class Config:
    """Everything that can be chosen about a node. Durations are seconds or `timedelta`, to the millisecond.

    Raises `ConfigError`, which names the field, for a value that cannot work.

    >>> import gossip
    >>> gossip.Config(threads=0)
    Traceback (most recent call last):
    ...
    gossip.errors.ConfigError: threads is "0", must be a whole number from 1 to 64
    """

    name: str = ""
    """The node's name in all its pools, unique in each. Empty: the host's name."""
    bind_addr: str | Sequence[str] = ("0.0.0.0",)
    """IP addresses to listen on, all with the same port."""
    bind_port: int = 7946
    """TCP and UDP port; 0 takes a free one, the same number for both."""
    advertise_addr: str = ""
    """The IP address told to others. Empty: the bound one, or a private one of this host."""
    advertise_port: int = 0
    """The port told to others; 0 means the bound one."""
    threads: int = 2
    """Threads for the network."""
    sniff_timeout: Seconds = 3.0
    """A connection that says nothing for this long goes to the native listener."""
    max_sniffing: int = 1024
    """Connections that have not yet said whom they want; more are closed and counted."""
    max_sniffing_per_source: int = 64
    """The same for one source address."""
    listener_backlog: int = 128
    """Connections that wait for an accept of each listener; more are closed and counted."""
    packet_queue: int = 4096
    """Datagrams that wait for the packet receiver; more are dropped and counted."""
    udp_recv_buffer: int = 2097152
    """Receive buffer asked of the system for each UDP socket, in bytes."""
    leave_timeout: Seconds = 5.0
    """How long the end of a `with` block takes at most to say goodbye."""

    def __post_init__(self) -> None:
        _core.check_config(self._values())
        object.__setattr__(self, "leave_timeout", seconds(self.leave_timeout, "leave_timeout"))

    def replace(self, **changes: Any) -> Self:
        """A copy with some fields changed."""
        from dataclasses import replace

        return replace(self, **changes)

    def _values(self) -> list[tuple[str, str]]:
        return list(_normalize(self, CONFIG_KEYS))


@final
@record(hidden="keys")
class PoolConfig:
    """Everything that can be chosen about a pool. The names are memberlist's.

    Start from a preset: `PoolConfig.lan(1)`, `.wan(1)`, `.local(1)`, with whatever else
    differs as keywords. The defaults here are those of `lan`. Durations are seconds or
    `timedelta`, to the millisecond; 0 turns an interval off. Raises `ConfigError`, which
    names the field, for a value that cannot work.

    >>> import gossip
    >>> gossip.PoolConfig.wan(1, gossip_nodes=5).probe_interval
    5.0
    >>> gossip.PoolConfig.lan(1, keys=[bytes(32)])
    PoolConfig(id=1, ...)
    """

    id: int
    """The pool's number on its node, 0 to 255; with the framing `prefix` also on the wire."""
    name: str = ""
    """This node's name in the pool, unique there; empty takes that of the node."""
    framing: str = "prefix"
    """How the pool is reached: `prefix` (nodes that share their port), `bare` (stock
    memberlist), or `label:TEXT` (stock memberlist with a label)."""
    label: str = ""
    """memberlist label of a prefix pool: nodes with other labels are refused."""
    next_label: str = ""
    """The label to which the cluster is about to move, as `label:TEXT` or `bare` for none
    at all: accepted, and spoken to those who speak it."""
    former_label: str = ""
    """The label from which the cluster is moving, in the same form: still accepted."""
    skip_inbound_label_check: bool = False
    """The label of inbound traffic was removed by something in front of this node."""
    keys: Sequence[bytes] = ()
    """AES keys of 16, 24 or 32 bytes, the primary one first. None: nothing is encrypted."""
    gossip_verify_incoming: bool = True
    """With keys: refuse clear text. Off only while a cluster moves to encryption."""
    gossip_verify_outgoing: bool = True
    """With keys: encrypt. Off only while a cluster moves to encryption."""
    remote_migration: str = "encrypted"
    """Which requests of other members to change keys, encryption or label are obeyed: `never`,
    `encrypted` (those of members that hold a key), or `always` (also those in clear that change
    the label)."""
    enable_compression: bool = True
    """Compress datagrams where it helps, and streams."""
    protocol_version: int = 2
    """Protocol version spoken."""
    delegate_protocol_version: int = 0
    """Version of the application's own protocol that is spoken."""
    delegate_protocol_min: int = 0
    """Lowest version of it that is understood."""
    delegate_protocol_max: int = 0
    """Highest version of it that is understood."""
    meta: bytes = b""
    """Metadata announced at the start, at most 512 bytes."""
    probe_interval: Seconds = 1.0
    """Period in which one member is probed: the time scale of failure detection."""
    probe_timeout: Seconds = 0.5
    """Wait for a direct ack before others are asked to probe."""
    indirect_checks: int = 3
    """Members asked to probe a silent one."""
    disable_tcp_pings: bool = False
    """Never ping silent members over TCP."""
    awareness_max_multiplier: int = 8
    """How much a node that doubts itself slows its probes."""
    suspicion_mult: int = 4
    """Multiplies the time a suspect has to refute."""
    suspicion_max_timeout_mult: int = 6
    """How much longer that time is without confirmations."""
    retransmit_mult: int = 4
    """Multiplies the number of times a broadcast is sent."""
    gossip_interval: Seconds = 0.2
    """Period of gossip: how fast broadcasts travel."""
    gossip_nodes: int = 3
    """Members gossiped to in each period."""
    gossip_to_the_dead_time: Seconds = 30.0
    """How long the dead are gossiped to and remembered, so that they can refute."""
    push_pull_interval: Seconds = 30.0
    """Base period of the full exchange of state with a random member."""
    tcp_timeout: Seconds = 10.0
    """Deadline for connecting, and for each of writing and reading, of streams."""
    seeds: str | Sequence[str] = ()
    """Nodes that are joined at the start, and again whenever they are no members: `host`,
    `host:port`, `name/host:port`. Names are looked up anew; the start does not wait."""
    reconnect_interval: Seconds = 30.0
    """How often missing seeds and lost members are tried again; 0 tries the seeds once."""
    reconnect_timeout: Seconds = 86400.0
    """How long a member that died is looked for; 0 not at all."""
    dead_node_reclaim_time: Seconds = 0.0
    """Time after which a dead member's name may move without asking its old address; 0: it is always asked."""
    require_node_names: bool = False
    """Refuse to talk to addresses without a node name."""
    dns_config_path: str = ""
    """File whose name servers are asked, over TCP, for the names given to a join; empty
    asks the system."""
    cidrs_allowed: str | Sequence[str] = ()
    """Networks that members' addresses must lie in; empty allows all."""
    max_members: int = 65536
    """Nodes held at a time, the recently dead included; others are not believed in."""
    udp_buffer_size: int = 1400
    """Bytes up to which datagrams are packed."""
    handoff_queue_depth: int = 1024
    """Datagrams that wait for the pool; more are dropped and counted."""
    broadcast_mode: str = "auto"
    """How broadcasts travel: `plain` (as in memberlist, passed on by nobody), `relay` (passed
    on, so that every member gets each once), or `auto`: `relay` while all members understand it."""
    broadcast_queue_depth: int = 1024
    """Broadcasts that wait to be sent; more are refused."""
    message_queue_depth: int = 4096
    """User messages that wait for the delegate; more are dropped and counted."""
    query_timeout: Seconds = 1.0
    """How long a delegate may take to answer before the default is taken."""
    metric_labels: str | Sequence[str] = ()
    """Labels `name=value` added to each line of the pool's metrics, at most 16."""
    queue_check_interval: Seconds = 30.0
    """Period in which the length of the queue of membership news is sampled; 0 turns it off."""

    def __post_init__(self) -> None:
        if isinstance(self.id, bool) or not isinstance(self.id, int):
            raise TypeError(f"id must be int, not {type(self.id).__name__}")
        if not 0 <= self.id <= 255:
            raise ConfigError("id", self.id, "must be from 0 to 255")
        object.__setattr__(self, "meta", bytes(memoryview(self.meta)))
        object.__setattr__(self, "keys", tuple(bytes(memoryview(key)) for key in self.keys))
        _core.check_pool(self.id, self._values(), self.meta, self.keys)

    @classmethod
    def lan(cls, id: int, /, **changes: Any) -> Self:
        """memberlist's conservative preset for a local network."""
        return cls(id=id, **changes)

    @classmethod
    def wan(cls, id: int, /, **changes: Any) -> Self:
        """memberlist's preset for wide-area networks: slower, more patient."""
        return cls(id=id, **{**_preset("wan"), **changes})

    @classmethod
    def local(cls, id: int, /, **changes: Any) -> Self:
        """memberlist's preset for one machine: fast, and few retransmissions."""
        return cls(id=id, **{**_preset("local"), **changes})

    def replace(self, **changes: Any) -> Self:
        """A copy with some fields changed."""
        from dataclasses import replace

        return replace(self, **changes)

    def _values(self) -> list[tuple[str, str]]:
        return list(_normalize(self, [key for key in POOL_KEYS if key.name != "meta"]))

    def _spec(self) -> tuple[int, list[tuple[str, str]], bytes, Sequence[bytes]]:
        return self.id, self._values(), self.meta, self.keys


def _preset(name: str) -> dict[str, Any]:
    """The values in which a preset differs from `lan`."""
    rows = [Key(*row) for row in _core.pool_keys(name)]
    return {
        key.name: key.from_text(key.default)
        for key, lan in zip(rows, POOL_KEYS, strict=True)
        if key.default != lan.default
    }
