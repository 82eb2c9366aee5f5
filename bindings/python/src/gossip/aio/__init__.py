"""The same library for `asyncio`: the names of `gossip`, with coroutines where it would wait.

    async with aio.Gossip(gossip.Config(name="a")) as node:
        pool = node.register_pool(gossip.PoolConfig.lan(1))
        async with asyncio.timeout(10):
            await pool.join(["10.0.0.1"])
        async with await aio.start_server(serve, node.listen(0x0101)) as server:
            await server.serve_forever()

A node belongs to one event loop, which watches descriptors: no thread of the library calls into it.
Every coroutine may be cancelled. Values, configurations and errors are those of `gossip`.
"""

from ._delegate import Delegate
from ._dial import dial, open_connection
from ._node import Gossip
from ._pool import Pool
from ._queues import AnyListener, Listener, Packets
from ._server import Handler, Server, create_server, start_server
from ._subscription import Subscription

__all__ = [
    "AnyListener",
    "Delegate",
    "Gossip",
    "Handler",
    "Listener",
    "Packets",
    "Pool",
    "Server",
    "Subscription",
    "create_server",
    "dial",
    "open_connection",
    "start_server",
]
