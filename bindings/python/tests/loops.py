"""What the tests of `gossip.aio` share: the loops that users have, in asyncio's debug mode."""

import asyncio
import gc
import socket
from collections.abc import Callable, Coroutine, Iterator
from typing import Any

import pytest
from support import DEADLINE, need, pool_config

from gossip import aio

Main = Callable[[], Coroutine[Any, Any, None]]


@pytest.fixture(params=["asyncio", "uvloop"])
def run(request: pytest.FixtureRequest) -> Iterator[Callable[[Main], None]]:
    """Runs a coroutine in debug mode, with a deadline; what the loop complains of fails the test."""
    new_loop = need("uvloop").new_event_loop if request.param == "uvloop" else asyncio.new_event_loop
    complaints: list[dict[str, Any]] = []

    def run(main: Main) -> None:
        async def limited() -> None:
            asyncio.get_running_loop().set_exception_handler(lambda loop, context: complaints.append(context))
            async with asyncio.timeout(2 * DEADLINE):
                await main()

        with asyncio.Runner(debug=True, loop_factory=new_loop) as runner:
            runner.run(limited())

    yield run
    gc.collect()
    assert complaints == []


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(DEADLINE):
        while not condition():
            await asyncio.sleep(0.01)


async def cancelled(awaitable: Coroutine[Any, Any, Any], when: Callable[[], object] = lambda: True) -> None:
    """Begins something, and cancels it once it is under way."""
    task = asyncio.create_task(awaitable)
    await asyncio.sleep(0)
    await until(when)
    assert not task.done()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


@pytest.fixture
def silent() -> Iterator[socket.socket]:
    """A port where connections are taken in and nobody answers, over UDP neither."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield listening


async def two(a: aio.Gossip, b: aio.Gossip) -> tuple[aio.Pool, aio.Pool]:
    """A pool on both nodes, which have joined."""
    pools = a.register_pool(pool_config()), b.register_pool(pool_config())
    await pools[1].join([a.address])
    await until(lambda: len(pools[0]) == 2)
    return pools


async def count(arriving: aio.Listener | aio.Packets) -> int:
    return len([item async for item in arriving])
