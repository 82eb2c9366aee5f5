"""A service of many processes in which each key has one owner, and everyone knows who it is.

    aio_service.py ada                      in one terminal, which prints its address
    aio_service.py bob 127.0.0.1:PORT       in the next ones

Then type keys: the owner of each counts how often it was asked for, whomever you asked. Nothing
is configured: owners follow from the members, and change when members come and go.
"""

import asyncio
import hashlib
import sys
from collections import Counter
from collections.abc import AsyncIterator

import gossip
from gossip import aio

SERVICE = 0x0101
"""The id of our protocol on the port that gossip uses: a key in a line, a count in a line."""


class Owners:
    """Who owns which key: by rendezvous hashing, in which few keys move when members change."""

    def __init__(self) -> None:
        self.members: dict[str, gossip.Member] = {}

    async def follow(self, pool: aio.Pool) -> None:
        """Keeps up with the members. Begins with those of now, so nobody is missed."""
        async for event in pool.events():
            match event:
                case gossip.MemberJoined(member=member) | gossip.MemberUpdated(member=member):
                    self.members[member.name] = member
                    print("+", member.name, flush=True)
                case gossip.MemberLeft(member=member):
                    self.members.pop(member.name, None)
                    print("-", member.name, "failed" if event.failed else "left", flush=True)

    def of(self, key: str) -> gossip.Member:
        """The member that owns a key."""
        weight = lambda name: hashlib.sha256(f"{name}/{key}".encode()).digest()  # noqa: E731
        return self.members[max(self.members, key=weight)]


async def ask(node: aio.Gossip, owner: gossip.Member, key: str) -> int:
    """Asks the owner of a key."""
    async with asyncio.timeout(5):
        reader, writer = await node.open_connection(owner, SERVICE)
        try:
            writer.write(f"{key}\n".encode())
            return int(await reader.readline())
        finally:
            writer.close()


async def typed() -> AsyncIterator[str]:
    """Lines of the standard input."""
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while line := await reader.readline():
        yield line.decode().strip()


async def main(name: str, *seeds: str) -> None:
    counts: Counter[str] = Counter()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        key = (await reader.readline()).decode().strip()
        counts[key] += 1
        writer.write(f"{counts[key]}\n".encode())
        writer.close()

    async with aio.Gossip(gossip.Config(name=name, bind_addr="127.0.0.1", bind_port=0)) as node:
        pool, owners = node.register_pool(gossip.PoolConfig.local(1)), Owners()
        async with await aio.start_server(serve, node.listen(SERVICE)):
            following = asyncio.create_task(owners.follow(pool))
            if seeds:
                await pool.join(seeds, timeout=10)
            print("at {}:{}".format(*node.address), flush=True)
            async for key in typed():
                owner = owners.of(key)
                try:
                    print(f"{key}: {owner.name} was asked {await ask(node, owner, key)} times", flush=True)
                except (OSError, TimeoutError, ValueError) as error:
                    # It is gone, and gossip is about to tell.
                    print(f"{key}: {owner.name} does not answer: {error!r}", flush=True)
            following.cancel()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
