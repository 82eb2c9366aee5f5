"""What worker processes do in the tests of shared listeners; importable by every start method."""

import asyncio
import os
from typing import Any

from gossip import SharedListener, aio


def accepting(shared: SharedListener) -> None:
    """Answers each line with the process's number, one connection at a time."""
    for connection, _ in shared:
        with connection, connection.makefile("rb") as lines:
            for _ in lines:
                connection.sendall(b"%d\n" % os.getpid())
    shared.close()


async def _answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while await reader.readline():
        writer.write(b"%d\n" % os.getpid())
        await writer.drain()
    writer.close()


def serving(shared: SharedListener) -> None:
    """The same with coroutines, until the shared listener is closed."""

    async def main() -> None:
        async with await aio.start_server(_answer, shared) as server:
            await server.serve_forever()

    asyncio.run(main(), debug=True)


def serving_by_asyncio(shared: SharedListener) -> None:
    """The same with asyncio's own server, which hears of the end once."""
    told: list[dict[str, Any]] = []

    async def main() -> None:
        ended = asyncio.Event()

        def tell(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
            told.append(context)
            ended.set()

        asyncio.get_running_loop().set_exception_handler(tell)
        async with await asyncio.start_server(_answer, sock=shared) as server:
            await ended.wait()
            # Turns in which a loop that watches on would be told again.
            for _ in range(10):
                await asyncio.sleep(0.01)
            server.close()

    asyncio.run(main())
    assert len(told) == 1, told
