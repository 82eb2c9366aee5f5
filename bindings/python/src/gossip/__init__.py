"""Gossip pools and your own protocols on one port.

A node joins up to 256 gossip pools, each wire-compatible with HashiCorp's memberlist,
and shares the same TCP and UDP port with whatever the program itself speaks: HTTP, a
private protocol, datagrams, as ordinary sockets.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from . import _core
from ._address import Endpoint, Seconds, Target
from ._config import Config, PoolConfig
from ._delegate import Delegate
from ._events import (
    Event,
    Healed,
    Isolated,
    MemberConflict,
    MemberJoined,
    MemberLeft,
    MemberUpdated,
    Migrated,
    Overflow,
    PingCompleted,
    PoolEnded,
    RemoteState,
)
from ._keyring import Keyring
from ._migration import MigrationKind, MigrationProgress, MigrationReport, Missing, Step, Trouble
from ._node import Gossip
from ._pool import Pool
from ._subscription import Subscription
from ._types import (
    Buffer,
    Delivery,
    HostPort,
    JoinResult,
    Member,
    MemberState,
    Message,
    Origin,
    Packet,
    PoolStats,
    PortStats,
    QueueStats,
)
from .errors import (
    BusyError,
    ClosedError,
    ConfigError,
    ForkedError,
    GossipError,
    InternalError,
    JoinError,
    KeyringError,
    MessageTooLargeError,
    MigrationError,
    NotJoinedError,
    NotStartedError,
    NotTakenError,
    QueueFullError,
    Refusal,
    RegistrationError,
    Rejected,
    UnknownMemberError,
    UnknownPoolError,
)

if TYPE_CHECKING:
    from ._diagnosis import (
        Check,
        CheckKind,
        CheckResult,
        Diagnosis,
        Explanation,
        Finding,
        PathState,
        UnansweredProbe,
    )
    from ._dial import dial
    from ._inherit import sockets_from_systemd
    from ._listener import Listener
    from ._packets import Packets
    from ._share import SharedListener
    from ._tls import TLSListener

__all__ = [
    "Buffer",
    "BusyError",
    "Check",
    "CheckKind",
    "CheckResult",
    "ClosedError",
    "Config",
    "ConfigError",
    "Delegate",
    "Delivery",
    "Diagnosis",
    "Endpoint",
    "Event",
    "Explanation",
    "Finding",
    "ForkedError",
    "Gossip",
    "GossipError",
    "Healed",
    "HostPort",
    "InternalError",
    "Isolated",
    "JoinError",
    "JoinResult",
    "Keyring",
    "KeyringError",
    "Listener",
    "Member",
    "MemberConflict",
    "MemberJoined",
    "MemberLeft",
    "MemberState",
    "MemberUpdated",
    "Message",
    "MessageTooLargeError",
    "Migrated",
    "MigrationError",
    "MigrationKind",
    "MigrationProgress",
    "MigrationReport",
    "Missing",
    "NotJoinedError",
    "NotStartedError",
    "NotTakenError",
    "Origin",
    "Overflow",
    "Packet",
    "Packets",
    "PathState",
    "PingCompleted",
    "Pool",
    "PoolConfig",
    "PoolEnded",
    "PoolStats",
    "PortStats",
    "QueueFullError",
    "QueueStats",
    "Refusal",
    "RegistrationError",
    "Rejected",
    "RemoteState",
    "Seconds",
    "SharedListener",
    "Step",
    "Subscription",
    "TLSListener",
    "Target",
    "Trouble",
    "UnansweredProbe",
    "UnknownMemberError",
    "UnknownPoolError",
    "dial",
    "sockets_from_systemd",
]

__version__ = "0.1.0"

if _core.__version__ != __version__:
    raise ImportError(
        f"gossip {__version__} found a compiled part of version {_core.__version__}; install it anew"
    )


# Imported when they are first asked for: a program that only wants to know the members needs no
# sockets, and `socket`, `ssl` and the words of the doctor are a quarter of the import.
_LATE = {
    "Check": "_diagnosis",
    "CheckKind": "_diagnosis",
    "CheckResult": "_diagnosis",
    "Diagnosis": "_diagnosis",
    "Explanation": "_diagnosis",
    "Finding": "_diagnosis",
    "Listener": "_listener",
    "Packets": "_packets",
    "PathState": "_diagnosis",
    "SharedListener": "_share",
    "TLSListener": "_tls",
    "UnansweredProbe": "_diagnosis",
    "dial": "_dial",
    "sockets_from_systemd": "_inherit",
}


def __getattr__(name: str) -> Any:
    if name not in _LATE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = globals()[name] = getattr(import_module(f".{_LATE[name]}", __name__), name)
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
