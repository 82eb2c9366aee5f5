"""Listeners that worker processes share.

The process that owns the node accepts, and passes each connection through a pair of
UNIX sockets, whose other end any number of workers hold: whoever is free takes the next.
So only one process gossips, and workers need no port, no node and no threads of ours.
"""

import errno
import os
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any, NoReturn, Protocol, final
from weakref import WeakSet

from ._socket import refuse_uvloop
from ._types import HostPort
from ._wait import deadline_of, readable

__all__ = ["SharedListener", "share"]


class _Accepting(Protocol):
    @property
    def id(self) -> int | None: ...
    @property
    def address(self) -> HostPort: ...
    def getsockname(self) -> Any: ...
    def __iter__(self) -> Iterator[tuple[socket.socket, Any]]: ...


@final
class SharedListener(socket.socket):
    """A listener whose connections another process accepts; made by `Listener.share()`.

    It is a listening `socket.socket` as far as servers can tell, and it may be inherited by
    a fork, given to `multiprocessing.Process` with every start method, or passed as a
    descriptor (`from_fd`). Close it in processes that do not accept from it. When the
    listener that it shares is closed, `accept` raises `OSError` with `EBADF` and iteration
    ends, in each process once what waits is taken.
    """

    def __init__(self, fileno: int, address: Any, id: int | None) -> None:
        super().__init__(fileno=fileno)
        self._address = address
        self._id = id

    @classmethod
    def from_fd(cls, fd: int, /) -> "SharedListener":
        """The listener behind an inherited descriptor, which belongs to the new object.

        Addresses of the port are then not known: `getsockname` gives `("", 0)`.
        """
        return cls(fd, ("", 0), None)

    @property
    def id(self) -> int | None:
        """The id that its connections begin with; `None` for the native listener."""
        return self._id

    @property
    def address(self) -> HostPort:
        """The address of the port that the node shares."""
        host, port, *_ = self._address
        return host, port

    @property
    def family(self) -> socket.AddressFamily:
        """The family of that address."""
        return socket.AF_INET6 if ":" in self._address[0] else socket.AF_INET

    @property
    def type(self) -> socket.SocketKind:
        """What a server may expect of it."""
        return socket.SOCK_STREAM

    def getsockname(self) -> Any:
        """The address of the port that the node shares."""
        return self._address

    def setblocking(self, flag: bool, /) -> None:
        """As of every socket; uvloop, which would accept on the bare descriptor, is refused."""
        if not flag:
            refuse_uvloop(self)
        super().setblocking(flag)

    def listen(self, backlog: int = 0, /) -> None:
        """Does nothing: it listens already."""

    def accept(self) -> tuple[socket.socket, Any]:
        """Waits for a connection, as long as this socket's timeout says."""
        name, descriptor = self._take()
        if descriptor is None:
            self._ended()
        connection = socket.socket(fileno=descriptor)
        connection.set_inheritable(False)
        # As the standard library's accept leaves it.
        connection.settimeout(socket.getdefaulttimeout())
        host, *numbers = name.decode().split()
        return connection, (host, *map(int, numbers))

    def __iter__(self) -> Iterator[tuple[socket.socket, Any]]:
        """Accepts connections until the shared listener is closed."""
        while True:
            try:
                accepted = self.accept()
            except OSError as error:
                if error.errno == errno.EBADF:
                    return
                raise
            yield accepted

    def _take(self) -> tuple[bytes, int | None]:
        """The peer's address and the descriptor of a connection; none at the end.

        Whether a descriptor blocks, all who hold it share: another process may have changed
        that, and may take what made this one readable. So the system is never left to wait.
        """
        timeout = self.gettimeout()
        deadline = deadline_of(timeout)
        while True:
            try:
                # Not `socket.recv_fds`, which forgets the flags.
                name, rights, _, _ = self.recvmsg(_NAME_MAX, socket.CMSG_LEN(_INT), socket.MSG_DONTWAIT)
            except BlockingIOError:
                if timeout == 0:
                    raise
                readable(self.fileno(), deadline)
            else:
                if name and not rights:
                    # This process has no room for another descriptor; the connection is lost.
                    raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
                return name, int.from_bytes(rights[0][2][:_INT], sys.byteorder) if rights else None

    def _ended(self) -> NoReturn:
        """The end stays readable: an event loop that watches on would spin."""
        if asyncio := sys.modules.get("asyncio"):
            with suppress(RuntimeError):
                asyncio.get_running_loop().remove_reader(self.fileno())
        raise OSError(errno.EBADF, "listener is closed")

    def __reduce_ex__(self, protocol: Any, /) -> tuple[Callable[..., "SharedListener"], tuple[Any, ...]]:
        # As multiprocessing does with sockets: to a new process, or through its pipes and queues.
        from multiprocessing.reduction import DupFd

        return _arrived, (DupFd(self.fileno()), self._address, self._id)

    def __repr__(self) -> str:
        kind = "native" if self._id is None else f"id {self._id:#06x}"
        return f"<gossip.SharedListener {kind} on {self.address}>"


_INT = 4
"""Bytes of a descriptor."""

_NAME_MAX = 256
"""Bytes that the peer's address takes at most, as text."""


def _arrived(duplicate: Any, address: Any, id: int | None) -> SharedListener:
    return SharedListener(duplicate.detach(), tuple(address), id)


_entrances: "WeakSet[socket.socket]" = WeakSet()


def share(listener: _Accepting) -> SharedListener:
    """The end of a new pair that workers hold, and a thread that feeds the other one."""
    entrance, exit = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    entrance.setblocking(True)
    exit.setblocking(True)
    _entrances.add(entrance)
    shared = SharedListener(exit.detach(), listener.getsockname(), listener.id)
    threading.Thread(target=_feed, args=(listener, entrance), name="gossip-share", daemon=True).start()
    return shared


def _feed(listener: _Accepting, entrance: socket.socket) -> None:
    """Passes connections on, until the listener is closed or nobody is left to take them."""
    with entrance:
        for connection, address in listener:
            with connection:
                try:
                    socket.send_fds(entrance, [" ".join(map(str, address)).encode()], [connection.fileno()])
                except OSError:
                    return


def _in_child() -> None:
    # Or the workers that were forked would never see the end.
    for entrance in list(_entrances):
        with suppress(OSError):
            entrance.close()


os.register_at_fork(after_in_child=_in_child)
