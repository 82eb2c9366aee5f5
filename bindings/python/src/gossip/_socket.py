"""What `Listener` and `Packets` share: a socket fed by a queue of the core.

Its descriptor is one end of a socket pair, readable exactly while something waits in the
queue that no blocked thread is about to take. So `select`, `poll`, asyncio and servers written
for sockets can wait on it, while accepting and receiving take from the queue.
"""

import contextlib
import errno
import os
import socket
import sys
import threading
from typing import Generic, Protocol, TypeVar

from ._types import HostPort
from ._wait import serves_signals
from .errors import ForkedError

__all__ = ["QueueSocket", "refuse_uvloop"]

T_co = TypeVar("T_co", covariant=True)
T = TypeVar("T")


class Source(Protocol[T_co]):
    """The queue, as the core has it."""

    def face(self) -> int: ...
    def take(self) -> T_co | None: ...
    def wait(self, timeout: float | None, serves_signals: bool) -> T_co | None: ...
    def close(self) -> None: ...


class QueueSocket(socket.socket, Generic[T]):
    """A socket whose readiness says that something waits in a queue of the core."""

    def __init__(self, source: Source[T], address: HostPort, kind: socket.SocketKind) -> None:
        super().__init__(fileno=source.face())
        self._source = source
        self._address = address
        self._kind = kind
        # Held while the descriptor is read or closed; a signal's handler may close in between.
        self._lock = threading.RLock()

    @property
    def address(self) -> HostPort:
        """The address of the port that the node shares."""
        return self._address[:2]

    @property
    def family(self) -> socket.AddressFamily:
        """The family of that address."""
        return socket.AF_INET6 if ":" in self._address[0] else socket.AF_INET

    @property
    def type(self) -> socket.SocketKind:
        """What a server may expect of it: `SOCK_STREAM` or `SOCK_DGRAM`."""
        return self._kind

    def getsockname(self) -> HostPort:
        """The address of the port that the node shares."""
        return self._address

    def setblocking(self, flag: bool, /) -> None:
        """As of every socket; uvloop, which would use the bare descriptor, is refused."""
        if not flag:
            refuse_uvloop(self)
        super().setblocking(flag)

    def close(self) -> None:
        """Frees what the node keeps for it, drops what waits, and wakes everyone who waits."""
        if self.fileno() >= 0:
            try:
                self._source.close()
            except ForkedError:
                # The parent goes on with it; this process only forgets its descriptor.
                pass
        with self._lock:
            super().close()

    def _next(self, timeout: float | None) -> T:
        """Takes the next item, with the waiting and the errors of a socket."""
        if self.fileno() < 0:
            raise OSError(errno.EBADF, os.strerror(errno.EBADF))
        try:
            item = self._source.take()
        except OSError as error:
            # No other error: one of a signal's handler says nothing of the queue.
            if error.errno == errno.EBADF:
                self._be_quiet()
            raise
        if item is not None:
            return item
        if timeout == 0:
            raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))
        # Who is told of the end here watches nothing, so others that do still hear of it.
        if (item := self._source.wait(timeout, serves_signals())) is None:
            raise TimeoutError("timed out")
        return item

    def _be_quiet(self) -> None:
        """Once somebody who does not wait was told of the end, the descriptor is quiet.

        An event loop that goes on watching a closed queue would spin otherwise.
        """
        with self._lock, contextlib.suppress(OSError):
            if (descriptor := self.fileno()) >= 0:
                os.set_blocking(descriptor, False)
                os.read(descriptor, 8)


def refuse_uvloop(what: socket.socket) -> None:
    """Raises where a server on uvloop is about to wait for ever.

    uvloop accepts and receives on the descriptor by itself, and gets nothing there.
    """
    asyncio = sys.modules.get("asyncio")
    loop = asyncio._get_running_loop() if asyncio else None
    if loop is not None and type(loop).__module__.partition(".")[0] == "uvloop":
        raise RuntimeError(
            f"uvloop would accept on the bare descriptor of {what!r} and get nothing; "
            "use gossip.aio.start_server, gossip.contrib.uvicorn.serve, or asyncio's own loop"
        )
