"""Connections to others: plain sockets."""

import socket

from ._address import Seconds, Target, limit, split
from ._types import Member
from .errors import RegistrationError

__all__ = ["check_id", "dial"]


def check_id(id: int) -> int:
    """A listener id; those that begin with 0xFE belong to pools."""
    if isinstance(id, bool) or not isinstance(id, int):
        raise TypeError(f"a listener id must be int, not {type(id).__name__}")
    if not 0 <= id <= 0xFFFF:
        raise RegistrationError(f"listener id {id} is out of range, must be from 0 to 65535")
    if id >> 8 == 0xFE:
        raise RegistrationError(f"listener id {id:#06x} lies in the range reserved for pools")
    return id


def dial(target: Target, id: int | None = None, *, timeout: Seconds | None = None) -> socket.socket:
    """Connects to the port of a member or address, and there to the listener with this id.

    Without an id the connection is for the native listener. What comes back is a plain
    socket, ready to be used, that waits as long as `socket.setdefaulttimeout` says.
    """
    opening = b"" if id is None else check_id(id).to_bytes(2, "big")
    address = target.address if isinstance(target, Member) else split(target)
    connection = socket.create_connection(address, limit(timeout))
    try:
        # The id must not wait for more to send.
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.sendall(opening)
        connection.settimeout(socket.getdefaulttimeout())
    except BaseException:
        connection.close()
        raise
    return connection
