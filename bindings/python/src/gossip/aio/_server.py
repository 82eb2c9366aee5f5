"""Servers on a listener, on every event loop."""

import asyncio
import logging
import ssl as tls
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Any, Self, TypeAlias, final
from weakref import WeakSet

from ._queues import AnyListener, Listener, is_closed

__all__ = ["Handler", "Server", "create_server", "start_server"]

log = logging.getLogger("gossip.aio")

Handler: TypeAlias = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None] | None]
"""What serves a connection: usually an `async def` of a reader and a writer."""


@final
class Server:
    """A server that accepts from a listener; made by `start_server` and `create_server`.

    Used as `async with server:`, the end of the block stops it and closes its connections.
    For a graceful end instead, `close()` and then `await wait_closed()`, which lets handlers
    end by themselves. It also ends when the node does.
    """

    def __init__(
        self,
        factory: Callable[[], asyncio.BaseProtocol],
        listener: AnyListener,
        ssl: tls.SSLContext | None,
        ssl_handshake_timeout: float | None,
    ) -> None:
        self._listener = listener if isinstance(listener, Listener) else Listener(listener)
        self._factory = factory
        self._ssl = ssl
        self._handshake = ssl_handshake_timeout if ssl else None
        self._loop = asyncio.get_running_loop()
        self._transports: WeakSet[asyncio.BaseTransport] = WeakSet()
        self._tasks: set[asyncio.Task[Any]] = set()
        self._accepting = self._loop.create_task(self._accept(), name=f"gossip accept {self._listener.id}")

    @property
    def listener(self) -> Listener:
        """Where its connections come from."""
        return self._listener

    def is_serving(self) -> bool:
        """Whether it accepts connections."""
        return not self._accepting.done()

    async def serve_forever(self) -> None:
        """Serves until it is closed or the node ends; cancelled, closes the server."""
        try:
            await asyncio.shield(self._accepting)
        except asyncio.CancelledError:
            self.close()
            self.close_clients()
            raise

    def close(self) -> None:
        """Stops accepting, and frees the listener. Connections go on."""
        self._listener.close()

    def close_clients(self) -> None:
        """Closes every connection, after what is buffered for it has been sent."""
        for transport in list(self._transports):
            transport.close()

    async def wait_closed(self) -> None:
        """Waits until nothing is accepted any more and every handler has ended."""
        if not self._accepting.done():
            await asyncio.wait([self._accepting])
        while self._tasks:
            await asyncio.wait(set(self._tasks))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None:
        self.close()
        self.close_clients()
        await self.wait_closed()

    async def _accept(self) -> None:
        while True:
            try:
                connection, _ = await self._listener.accept()
            except OSError as error:
                if is_closed(error):
                    return
                raise
            self._spawn(self._connect(connection))
            # A flood of connections must not keep those that are accepted from being served.
            await asyncio.sleep(0)

    async def _connect(self, connection: Any) -> None:
        try:
            transport, _ = await self._loop.connect_accepted_socket(
                self._factory, connection, ssl=self._ssl, ssl_handshake_timeout=self._handshake
            )
        except (OSError, tls.SSLError) as error:
            # What a stranger sends is no news.
            log.debug("connection not established: %s", error)
            connection.close()
        except asyncio.CancelledError:
            connection.close()
            raise
        except Exception as error:
            connection.close()
            self._loop.call_exception_handler(
                {"message": "a connection could not be served", "exception": error, "socket": connection}
            )
        else:
            self._transports.add(transport)

    def _spawn(self, work: Any) -> None:
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _handle(self, serving: Awaitable[None], writer: asyncio.StreamWriter) -> None:
        try:
            await serving
        except asyncio.CancelledError:
            writer.transport.abort()
            raise
        except Exception as error:
            writer.transport.abort()
            self._loop.call_exception_handler(
                {"message": "handler of a connection raised", "exception": error, "transport": writer.transport}
            )

    def __repr__(self) -> str:
        return f"<gossip.aio.Server on {self._listener!r}>"


async def create_server(
    protocol_factory: Callable[[], asyncio.BaseProtocol],
    listener: AnyListener,
    *,
    ssl: tls.SSLContext | None = None,
    ssl_handshake_timeout: float | None = None,
) -> Server:
    """Serves protocols on a listener, as `loop.create_server` does; also on uvloop.

    The listener belongs to the server, which closes it at its end. With `ssl` connections
    speak TLS; a handshake may take `ssl_handshake_timeout` seconds, 60 by default.
    """
    return Server(protocol_factory, listener, ssl, ssl_handshake_timeout)


async def start_server(
    client_connected_cb: Handler,
    listener: AnyListener,
    *,
    limit: int = 65536,
    ssl: tls.SSLContext | None = None,
    ssl_handshake_timeout: float | None = None,
) -> Server:
    """Serves each connection of a listener by a function, as `asyncio.start_server` does; also on uvloop.

    The function gets a `StreamReader`, whose buffer holds `limit` bytes, and a
    `StreamWriter`; if it is a coroutine function it runs as a task. What it raises goes to
    the loop's exception handler, and its connection is closed. Everything else is as of
    `create_server`.
    """
    server: Server

    def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        serving = client_connected_cb(reader, writer)
        if serving is not None:
            server._spawn(server._handle(serving, writer))

    def protocol() -> asyncio.StreamReaderProtocol:
        reader = asyncio.StreamReader(limit=limit)
        return asyncio.StreamReaderProtocol(reader, connected)

    server = Server(protocol, listener, ssl, ssl_handshake_timeout)
    return server
