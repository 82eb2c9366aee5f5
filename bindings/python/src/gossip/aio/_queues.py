"""What arrives, for coroutines: connections and datagrams."""

import errno
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from types import TracebackType
from typing import Any, Generic, Self, TypeAlias, TypeVar, final

from .._address import Target
from .._listener import Listener as SyncListener
from .._packets import Packets as SyncPackets
from .._share import SharedListener
from .._types import Buffer, HostPort, Packet
from ._address import literal
from ._watch import Watch

__all__ = ["AnyListener", "Listener", "Packets", "is_closed"]


S = TypeVar("S", bound=SyncListener | SharedListener | SyncPackets)
T = TypeVar("T")


def is_closed(error: OSError) -> bool:
    """Whether the error says that the socket, or the node, is closed."""
    return error.errno == errno.EBADF


class _Queue(Generic[S]):
    """What the two share: waiting for a socket that does not block, and its end."""

    def __init__(self, sync: S, /) -> None:
        # On every loop: taking goes through the socket's own methods, never through the descriptor.
        socket.socket.setblocking(sync, False)
        self._sync = sync
        self._watch = Watch(sync.fileno, repr(sync))

    @property
    def sync(self) -> S:
        """The socket behind it, which does not block."""
        return self._sync

    @property
    def address(self) -> HostPort:
        """The address of the port that the node shares."""
        return self._sync.address

    async def _next(self, take: Callable[[], T]) -> T:
        while True:
            try:
                return take()
            except BlockingIOError:
                await self._watch.ready()
            except OSError:
                # The end is told once; everyone else who waits has to ask.
                self._watch.wake()
                raise

    def close(self) -> None:
        """Frees its place on the port, drops what waits, and wakes everyone who waits."""
        self._watch.wake()
        self._sync.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None:
        self.close()


async def _each(take: Callable[[], Awaitable[T]]) -> AsyncIterator[T]:
    """What `take` brings, one after the other, until the socket is closed."""
    while True:
        try:
            item = await take()
        except OSError as error:
            if is_closed(error):
                return
            raise
        yield item


@final
class Listener(_Queue[SyncListener | SharedListener]):
    """A listener on the port that the node shares, for coroutines of one loop.

    `start_server` and `create_server` run on it; or accept from it, one by one or with
    `async for`, which ends when the listener is closed. Made by `Gossip.listen` and
    `Gossip.listen_tcp`, or from a listener of the synchronous API: `aio.Listener(listener)`.
    """

    @property
    def id(self) -> int | None:
        """The id that its connections begin with; `None` for the native listener."""
        return self._sync.id

    async def accept(self) -> tuple[socket.socket, Any]:
        """Waits for a connection: its socket, which does not block, and the peer's address.

        `OSError` with `EBADF` once the listener or the node is closed. A cancelled wait
        takes no connection.
        """
        connection, address = await self._next(self._sync.accept)
        connection.setblocking(False)
        return connection, address

    def __aiter__(self) -> AsyncIterator[tuple[socket.socket, Any]]:
        return _each(self.accept)

    def __repr__(self) -> str:
        return f"<gossip.aio.Listener of {self._sync!r}>"


AnyListener: TypeAlias = Listener | SyncListener | SharedListener
"""A listener of either API, or one that another process shares."""


@final
class Packets(_Queue[SyncPackets]):
    """The application's datagrams on the port that the node shares, for coroutines of one loop.

    `async for` brings each as a `Packet`, and ends when they are closed. With a protocol
    instead of coroutines: `loop.create_datagram_endpoint(factory, sock=packets.sync)`.
    """

    @property
    def dropped(self) -> int:
        """Datagrams that were dropped because too many waited."""
        return self._sync.dropped

    async def recv(self) -> Packet:
        """Waits for a datagram; `OSError` with `EBADF` once it is closed."""
        data, address = await self._next(lambda: self._sync.recvfrom(65535))
        return Packet(data=data, address=address[:2])

    async def recvfrom(self, bufsize: int = 65535, /) -> tuple[bytes, HostPort]:
        """The same as bytes and the sender's address, as sockets have it."""
        packet = await self.recv()
        return packet.data[:bufsize], packet.address

    def sendto(self, data: Buffer, target: Target, /) -> int:
        """Sends a datagram from the shared port, at once.

        The target is a member or an IP address with a port; names of hosts are refused with
        `ValueError`, because to look one up would stop the loop.
        """
        return self._sync.sendto(data, literal(target))

    def __aiter__(self) -> AsyncIterator[Packet]:
        return _each(self.recv)

    def __repr__(self) -> str:
        return f"<gossip.aio.Packets on {self.address}>"
