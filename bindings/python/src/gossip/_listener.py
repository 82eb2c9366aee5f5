"""Connections for the application."""

import errno
import socket
from collections.abc import Iterator
from typing import Any, final

from . import _core
from ._socket import QueueSocket
from ._types import HostPort

__all__ = ["Listener"]


@final
class Listener(QueueSocket[tuple[int, Any]]):
    """A listening socket on the port that the node shares.

    It is a `socket.socket`, so servers that take one run on it: `http.server`,
    `socketserver`, `asyncio.start_server(sock=...)`. Accepted connections are plain
    sockets; the two id bytes of a muxed one are consumed. Servers that call the system's
    `accept` on the descriptor themselves (uvloop) can't use it.
    """

    def __init__(self, source: _core.Listener, address: HostPort, id: int | None) -> None:
        super().__init__(source, address, socket.SOCK_STREAM)
        self._listener = source
        self._id = id

    @property
    def id(self) -> int | None:
        """The id that its connections begin with; `None` for the native listener."""
        return self._id

    @property
    def pending(self) -> int:
        """Connections that wait to be accepted."""
        return self._listener.stats()[0]

    @property
    def dropped(self) -> int:
        """Connections that were closed because too many waited."""
        return self._listener.stats()[1]

    def listen(self, backlog: int = 0, /) -> None:
        """Does nothing: it listens already. The backlog is `Config.listener_backlog`."""

    def accept(self) -> tuple[socket.socket, Any]:
        """Waits for a connection, as long as this socket's timeout says."""
        descriptor, address = self._next(self.gettimeout())
        connection = socket.socket(fileno=descriptor)
        # As the standard library's accept does.
        if socket.getdefaulttimeout() is None and self.gettimeout():
            connection.setblocking(True)
        return connection, address

    def __iter__(self) -> Iterator[tuple[socket.socket, Any]]:
        """Accepts connections until the listener is closed."""
        while True:
            try:
                accepted = self.accept()
            except OSError as error:
                if error.errno == errno.EBADF:
                    return
                raise
            yield accepted

    def __repr__(self) -> str:
        kind = "native" if self._id is None else f"id {self._id:#06x}"
        return f"<gossip.Listener {kind} on {self.address}>"
