"""Connections for the application."""

import errno
import socket
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from . import _core
from ._socket import QueueSocket
from ._types import HostPort, QueueStats

if TYPE_CHECKING:
    import ssl

    from ._share import SharedListener
    from ._tls import TLSListener

__all__ = ["Listener"]


class Listener(QueueSocket[tuple[int, Any]]):
    """A listening socket on the port that the node shares.

    It is a `socket.socket`, so servers that take one run on it: `http.server`,
    `socketserver`, `asyncio.start_server(sock=...)`. Accepted connections are plain
    sockets; the two id bytes of a muxed one are consumed. uvloop, which would call
    the system's `accept` on the bare descriptor, is refused: see `gossip.aio.start_server`.
    """

    def __init__(
        self,
        source: _core.Listener,
        address: HostPort,
        *,
        id: int | None = None,
        prefix: bytes | None = None,
    ) -> None:
        super().__init__(source, address, socket.SOCK_STREAM)
        self._listener = source
        self._id = id
        self._prefix = prefix

    @property
    def id(self) -> int | None:
        """The id that its connections begin with, if it is a listener of an id."""
        return self._id

    @property
    def prefix(self) -> bytes | None:
        """The bytes that its connections begin with, if it is a listener of a prefix."""
        return self._prefix

    @property
    def name(self) -> str:
        """What counters and logs call it: `native`, `id 0x0101`, `prefix SSH-`."""
        return self._listener.name()

    @property
    def pending(self) -> int:
        """Connections that wait to be accepted."""
        return self.stats().pending

    @property
    def dropped(self) -> int:
        """Connections that were closed because too many waited."""
        return self.stats().dropped

    def stats(self) -> QueueStats:
        """What has passed through, and what waits."""
        return QueueStats(*self._listener.stats())

    def set_backlog(self, backlog: int) -> None:
        """Lets so many connections wait from now on, 1 to 65536; those that wait stay."""
        self._listener.set_backlog(backlog)

    def listen(self, backlog: int = 0, /) -> None:
        """Does nothing: it listens already, with the backlog that it was made with."""

    def accept(self) -> tuple[socket.socket, Any]:
        """Waits for a connection, as long as this socket's timeout says."""
        descriptor, address = self._next(self.gettimeout())
        family = socket.AF_INET if len(address) == 2 else socket.AF_INET6
        connection = socket.socket(family, socket.SOCK_STREAM, 0, fileno=descriptor)
        # As the standard library's accept does.
        if socket.getdefaulttimeout() is None and self.gettimeout():
            connection.setblocking(True)
        return connection, address

    def wrap_tls(self, context: "ssl.SSLContext") -> "TLSListener":
        """The same listener, with connections that speak TLS; this object is closed by it.

        For servers that accept by themselves, such as `http.server`. Servers that take a
        context, such as those of asyncio, need none of it. (`SSLContext.wrap_socket` is for
        each connection, not for a listener.)
        """
        from ._tls import TLSListener

        return TLSListener(self, context)

    def share(self) -> "SharedListener":
        """A socket from which this and other processes accept the listener's connections.

        From now on nobody else accepts from this object, which is kept open. See
        `SharedListener` for the ways to give it to workers.
        """
        from ._share import share

        return share(self)

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
        kind = kind if self._prefix is None else f"prefix {self._prefix!r}"
        return f"<gossip.Listener {kind} on {self.address}>"
