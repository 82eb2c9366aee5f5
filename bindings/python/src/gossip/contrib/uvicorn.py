"""uvicorn on a listener, on every event loop.

On asyncio's own loop `uvicorn.Server(config).serve(sockets=[listener])` does as well. uvloop,
which `uvicorn.run` takes where it is installed, accepts on the bare descriptor and would get
nothing; the server here accepts for it.
"""

import asyncio
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import uvicorn

from ..aio import AnyListener, create_server

__all__ = ["serve"]


class _Server(uvicorn.Server):  # type: ignore[misc,unused-ignore]
    """uvicorn's server, with a listener in place of sockets."""

    def __init__(self, config: uvicorn.Config, listener: AnyListener) -> None:
        super().__init__(config)
        self._listener = listener

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leaves signals to the program: uvicorn, at its end, would raise SIGTERM again, and the
        node could not say goodbye any more."""
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Starts the application, then serves."""
        await super().startup(sockets=[])
        config, state = self.config, self.server_state
        # Of several classes, which have these parameters in common.
        protocol_class: Any = config.http_protocol_class

        def protocol() -> asyncio.Protocol:
            made: asyncio.Protocol = protocol_class(
                config=config, server_state=state, app_state=self.lifespan.state
            )
            return made

        server: Any = await create_server(protocol, self._listener, ssl=config.ssl)
        self.servers.append(server)


async def serve(app: Any, listener: AnyListener, **options: Any) -> None:
    """Serves an ASGI application until this is cancelled, as Ctrl-C does in `asyncio.run`.

    `app` and `options` are those of `uvicorn.Config`, of which those about addresses, sockets,
    workers and reloading do not matter here. Cancelled, it ends as uvicorn does after a signal:
    requests under way are answered, within `timeout_graceful_shutdown` seconds, then the
    application's lifespan ends. The listener is closed at the end. Signals are the program's:
    nothing here handles them.
    """
    server = _Server(uvicorn.Config(app, **options), listener)
    serving = asyncio.ensure_future(server.serve())
    try:
        await asyncio.shield(serving)
    except asyncio.CancelledError:
        server.should_exit = True
        await asyncio.wait([serving])
        raise
