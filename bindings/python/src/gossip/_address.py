"""Addresses, ids and durations as users write them."""

import math
from datetime import timedelta
from typing import TypeAlias

from ._types import Buffer, HostPort, Member
from .errors import RegistrationError

__all__ = ["DEFAULT_PORT", "Endpoint", "Seconds", "Target", "as_bytes", "check_id", "limit", "seconds", "split"]

DEFAULT_PORT = 7946
"""memberlist's port, which stands where none is given."""

Seconds: TypeAlias = float | timedelta
"""A duration: seconds, or a `timedelta`."""

Endpoint: TypeAlias = str | HostPort
"""`"host:port"`, `"[2001:db8::1]:port"`, `"host"` (port 7946), or `(host, port)`."""

Target: TypeAlias = Member | Endpoint
"""Someone to talk to: a member, or an address."""


def seconds(value: Seconds, name: str = "timeout") -> float:
    """The duration in seconds; it must not be negative."""
    if isinstance(value, timedelta):
        value = value.total_seconds()
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"{name} must be seconds or a timedelta, not {type(value).__name__}")
    if math.isnan(value) or value < 0:
        raise ValueError(f"{name} is {value}, must be 0 or more seconds")
    return float(value)


def limit(timeout: Seconds | None) -> float | None:
    """The same for a time limit; `None` is no limit."""
    return None if timeout is None else seconds(timeout)


def split(endpoint: Endpoint) -> HostPort:
    """Host and port of an endpoint."""
    if isinstance(endpoint, tuple):
        host, port = endpoint
    elif isinstance(endpoint, str):
        host, port = _split_text(endpoint)
    else:
        raise TypeError(f"an endpoint is 'host:port' or (host, port), not {type(endpoint).__name__}")
    if not host or not 0 < port < 65536:
        raise ValueError(f"endpoint {endpoint!r} needs a host and a port from 1 to 65535")
    return host, port


def _split_text(text: str) -> HostPort:
    bracket = text.rfind("]")
    if bracket < 0 and text.count(":") > 1:
        return text, DEFAULT_PORT
    host, colon, port = text.rpartition(":") if text.rfind(":") > bracket else (text, "", "")
    if colon and not (port.isascii() and port.isdigit()):
        raise ValueError(f"endpoint {text!r} has no number as port")
    return host.removeprefix("[").removesuffix("]"), int(port) if colon else DEFAULT_PORT


def as_bytes(text: str | Buffer) -> Buffer:
    """A label or name as it travels: text as UTF-8."""
    return text.encode() if isinstance(text, str) else text


def check_id(id: int) -> int:
    """A listener id; those that begin with 0xFE belong to pools."""
    if isinstance(id, bool) or not isinstance(id, int):
        raise TypeError(f"a listener id must be int, not {type(id).__name__}")
    if not 0 <= id <= 0xFFFF:
        raise RegistrationError(f"listener id {id} is out of range, must be from 0 to 65535")
    if id >> 8 == 0xFE:
        raise RegistrationError(f"listener id {id:#06x} lies in the range reserved for pools")
    return id
