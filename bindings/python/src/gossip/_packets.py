"""Datagrams for the application."""

import contextlib
import errno
import socket
from collections.abc import Iterator
from typing import Any, final

from . import _core
from ._address import Seconds, Target, split
from ._address import limit as time_limit
from ._socket import QueueSocket
from ._types import HostPort, Member, Packet, QueueStats

__all__ = ["Packets"]


@final
class Packets(QueueSocket[tuple[bytes, Any]]):
    """A datagram socket on the port that the node shares.

    It receives what is neither gossip nor another pool's. It is a `socket.socket`, so
    `selectors`, `socketserver` and asyncio's `create_datagram_endpoint(sock=...)` work.
    """

    def __init__(self, source: _core.Packets, address: HostPort) -> None:
        super().__init__(source, address, socket.SOCK_DGRAM)
        self._packets = source

    @property
    def dropped(self) -> int:
        """Datagrams that were dropped because too many waited."""
        return self.stats().dropped

    def stats(self) -> QueueStats:
        """What has passed through, and what waits."""
        return QueueStats(*self._packets.stats())

    def get(self, timeout: Seconds | None = None) -> Packet:
        """Waits for a datagram; `None` waits without limit, `TimeoutError` ends the wait."""
        data, address = self._next(time_limit(timeout))
        return Packet(data=data, address=address[:2])

    def recv_many(self, limit: int = 64, timeout: Seconds | None = None) -> list[Packet]:
        """Waits for a datagram, as `get` does, and takes those that are there with it."""
        packets = [self.get(timeout)]
        with contextlib.suppress(OSError):      # closed meanwhile: these came before that
            while len(packets) < limit and (taken := self._packets.take()) is not None:
                packets.append(Packet(data=taken[0], address=taken[1][:2]))
        return packets

    def recv(self, bufsize: int = 65535, flags: int = 0, /) -> bytes:
        """Waits for a datagram, as long as this socket's timeout says."""
        return self.recvfrom(bufsize, flags)[0]

    def recvfrom(self, bufsize: int = 65535, flags: int = 0, /) -> tuple[bytes, Any]:
        """The same, with the sender's address."""
        data, address = self._next(self.gettimeout())
        return data[:bufsize], address

    def sendto(self, data: Any, /, *args: Any) -> int:
        """Sends a datagram from the shared port: `sendto(data, target)`.

        The target is a member, `"host:port"`, or an address as sockets have it. Data that
        begins with `0xFE` is refused: the receiver would take it for gossip.
        """
        *_, target = args
        self._packets.send_to(data, _resolve(_target(target)))
        return len(memoryview(data).cast("B"))

    def __iter__(self) -> Iterator[Packet]:
        """Receives datagrams until the socket is closed."""
        while True:
            try:
                packet = self.get()
            except OSError as error:
                if error.errno == errno.EBADF:
                    return
                raise
            yield packet

    def __repr__(self) -> str:
        return f"<gossip.Packets on {self.address}>"


def _target(target: Any) -> Target:
    """A target, also from the four values of an IPv6 socket address."""
    return target[:2] if isinstance(target, tuple) else target


def _resolve(target: Target) -> HostPort:
    """The IP address and port of a target; a name of both families gives its IPv4 address."""
    if isinstance(target, Member):
        return target.address
    host, port = split(target)
    found = socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM)
    _, _, _, _, address = min(found, key=lambda info: info[0] != socket.AF_INET)
    return str(address[0]), int(address[1])
