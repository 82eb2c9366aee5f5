"""A web application on the gossip port: `web_app.py NAME [SEED...]`, with `pip install uvicorn starlette`.

    curl http://127.0.0.1:PORT/members
    curl -d 'hello, everyone' http://127.0.0.1:PORT/broadcast
    curl http://127.0.0.1:PORT/messages
    curl http://127.0.0.1:PORT/metrics
"""

import asyncio
import signal
import sys
from collections import deque
from contextlib import suppress

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse
from starlette.routing import Route

import gossip
from gossip import aio
from gossip.contrib import uvicorn


def application(node: aio.Gossip, pool: aio.Pool, heard: deque[str]) -> Starlette:
    """What is served: the members, the latest messages, the metrics."""

    async def members(request: Request) -> JSONResponse:
        return JSONResponse(
            [{"name": m.name, "address": m.endpoint, "state": str(m.state), "meta": m.meta.decode()} for m in pool]
        )

    async def messages(request: Request) -> JSONResponse:
        return JSONResponse(list(heard))

    async def broadcast(request: Request) -> PlainTextResponse:
        try:
            await pool.broadcast(await request.body(), timeout=1)
        except (gossip.MessageTooLargeError, gossip.QueueFullError) as error:
            return PlainTextResponse(f"{error}\n", 413 if isinstance(error, ValueError) else 503)
        return PlainTextResponse("on its way\n", 202)

    async def metrics(request: Request) -> PlainTextResponse:
        return PlainTextResponse(node.metrics(), media_type="text/plain; version=0.0.4")

    return Starlette(
        routes=[
            Route("/members", members),
            Route("/messages", messages),
            Route("/broadcast", broadcast, methods=["POST"]),
            Route("/metrics", metrics),
        ]
    )


async def main(name: str, *seeds: str) -> None:
    # SIGTERM ends as Ctrl-C does: requests are answered, then the node says goodbye.
    task = asyncio.current_task()
    assert task
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    heard: deque[str] = deque(maxlen=100)

    async def listen(pool: aio.Pool) -> None:
        async for message in pool.messages():
            heard.append(message.data.decode(errors="replace"))

    async with aio.Gossip(gossip.Config(name=name, bind_addr="127.0.0.1", bind_port=0)) as node:
        pool = node.register_pool(gossip.PoolConfig.local(1, meta=b"role=web"))
        listening = asyncio.create_task(listen(pool))
        # Before the join: whoever sees this node may ask it at once.
        listener = node.listen_tcp()
        if seeds:
            await pool.join(seeds, timeout=10)
        print("http://{}:{}".format(*node.address), flush=True)
        try:
            await uvicorn.serve(application(node, pool, heard), listener, log_level="warning")
        finally:
            listening.cancel()


if __name__ == "__main__":
    with suppress(asyncio.CancelledError):
        asyncio.run(main(*sys.argv[1:]))
