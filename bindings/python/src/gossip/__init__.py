"""Gossip pools and your own protocols on one port.

A node joins up to 256 gossip pools, each wire-compatible with HashiCorp's memberlist,
and shares the same TCP and UDP port with whatever the program itself speaks: HTTP, a
private protocol, datagrams, as ordinary sockets.
"""

import logging

from . import _core
from ._address import Endpoint, Seconds, Target
from ._config import Config, PoolConfig
from ._delegate import Delegate
from ._dial import dial
from ._keyring import Keyring
from ._listener import Listener
from ._node import Gossip
from ._packets import Packets
from ._pool import Buffer, Pool
from ._types import HostPort, JoinResult, Member, MemberState, Message, Packet, PoolStats, PortStats
from .errors import (
    ClosedError,
    ConfigError,
    ForkedError,
    GossipError,
    InternalError,
    JoinError,
    KeyringError,
    MessageTooLargeError,
    NotJoinedError,
    NotStartedError,
    QueueFullError,
    RegistrationError,
    UnknownMemberError,
    UnknownPoolError,
)

__all__ = [
    "Buffer",
    "ClosedError",
    "Config",
    "ConfigError",
    "Delegate",
    "Endpoint",
    "ForkedError",
    "Gossip",
    "GossipError",
    "HostPort",
    "InternalError",
    "JoinError",
    "JoinResult",
    "Keyring",
    "KeyringError",
    "Listener",
    "Member",
    "MemberState",
    "Message",
    "MessageTooLargeError",
    "NotJoinedError",
    "NotStartedError",
    "Packet",
    "Packets",
    "Pool",
    "PoolConfig",
    "PoolStats",
    "PortStats",
    "QueueFullError",
    "RegistrationError",
    "Seconds",
    "Target",
    "UnknownMemberError",
    "UnknownPoolError",
    "dial",
]

__version__: str = _core.__version__

logging.getLogger("gossip").addHandler(logging.NullHandler())
