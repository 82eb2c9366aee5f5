"""Connections to others: plain sockets."""

import socket

from ._address import Seconds, Target, check_id, limit, split
from ._types import Member

__all__ = ["dial"]


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
