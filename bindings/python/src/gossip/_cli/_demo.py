"""`gossip demo`: a cluster on loopback in one process, to look at."""

import argparse
import asyncio
import itertools
import sys
import time
from collections.abc import Callable
from functools import partial

from .._config import Config, PoolConfig
from .._dashboard._view import Event, View
from .._node import Gossip
from ._agent import Agent
from ._lines import Lines
from ._settings import Settings
from ._status import FAILED
from ._terminal import has_colour, paint

__all__ = ["run"]

PATIENCE = 20.0
NAMES = ("ada", "ben", "cleo", "dora", "emil", "finn", "gwen", "hugo", "iris", "juri", "kaya", "lars")
ROLES = ("web", "db", "cache", "queue")


def run(arguments: argparse.Namespace) -> int:
    """Plays until Ctrl-C, or once."""
    lines = Lines(arguments.json)
    try:
        return asyncio.run(_play(arguments, lines))
    finally:
        lines.close()


async def _play(arguments: argparse.Namespace, lines: Lines) -> int:
    config = Config(name=NAMES[0], bind_addr="127.0.0.1", bind_port=arguments.port)
    settings = Settings(config, (_pool(0),), control="off", json=arguments.json)
    agent = Agent(settings, lines, lambda: settings)
    running = asyncio.create_task(agent.run())
    started = asyncio.create_task(agent.started.wait())
    await asyncio.wait([running, started], return_when=asyncio.FIRST_COMPLETED)
    if running.done():
        started.cancel()
        return await running
    say = _Narrator(arguments.json)
    cluster = Cluster(agent.view, arguments.nodes, say, 0.0 if arguments.once else 2.5)
    scene = asyncio.create_task(asyncio.to_thread(cluster.play, arguments.once))
    await asyncio.wait([running, scene], return_when=asyncio.FIRST_COMPLETED)
    cluster.ending = True
    agent.stop()
    status = await running
    seen = await scene
    await asyncio.to_thread(cluster.close)
    return status if seen else FAILED


class _Narrator:
    """Says what is about to happen, where it does not disturb programs."""

    def __init__(self, quiet: bool) -> None:
        self._quiet = quiet

    def __call__(self, text: str) -> None:
        if not self._quiet:
            time.sleep(0.05)
            print(paint(f"-- {text}", "strong", has_colour(sys.stderr)), file=sys.stderr, flush=True)


class Cluster:
    """The other nodes, and what they do."""

    def __init__(self, view: View, size: int, say: Callable[[str], None], pause: float) -> None:
        self.ending = False
        self._first = view.node
        self._heard: set[str] = set()
        view.listeners.append(self._hear)
        self._size = size
        self._say = say
        self._pause = pause
        self._nodes: dict[int, Gossip] = {}
        self._ports: dict[int, int] = {}

    def play(self, once: bool) -> bool:
        """The scene, again and again; false if something was not seen in time."""
        host, port = self._first.address
        self._say(f"look at it: http://{host}:{port}/ (Ctrl-C ends this)")
        for number in range(1, self._size):
            self._start(number)
            if not self._seen(number, True):
                return False
        for round in itertools.count():
            number = 1 + round % (self._size - 1)
            name = NAMES[number]
            pool = self._nodes[number].pool(1)
            self._rest(f"{name} tells everybody something")
            text = f"hello from {name}, round {round + 1}"
            pool.broadcast(text.encode())
            self._wait(partial(self._heard.__contains__, text), 2.0)
            self._rest(f"{name} crashes: nobody is told, the others find out")
            self._nodes.pop(number).shutdown()
            if not self._seen(number, False):
                return self.ending
            self._rest(f"{name} comes back")
            self._start(number)
            if not self._seen(number, True):
                return self.ending
            self._rest(f"{name} has new metadata")
            self._nodes[number].pool(1).update_node(f"role={ROLES[round % 4]} round={round + 1}".encode())
            self._rest(f"{name} says goodbye")
            with self._nodes.pop(number):
                pass
            if not self._seen(number, False):
                return self.ending
            if once or self.ending:
                return True
            self._rest(f"{name} comes back")
            self._start(number)
        return True

    def close(self) -> None:
        """Ends all nodes but the first."""
        for node in self._nodes.values():
            node.shutdown()

    def _start(self, number: int) -> None:
        # With the port it had: a name that comes back from elsewhere while it is remembered is a conflict.
        node = Gossip(Config(name=NAMES[number], bind_addr="127.0.0.1", bind_port=self._ports.get(number, 0)))
        self._ports[number] = node.address[1]
        self._nodes[number] = node.start()
        node.register_pool(_pool(number)).join([self._first.address], timeout=PATIENCE)

    def _rest(self, next_text: str) -> None:
        deadline = time.monotonic() + self._pause
        while time.monotonic() < deadline and not self.ending:
            time.sleep(0.1)
        if not self.ending:
            self._say(next_text)

    def _hear(self, event: Event) -> None:
        if event["event"] == "message":
            self._heard.add(event["text"])

    def _seen(self, number: int, there: bool) -> bool:
        pool, name = self._first.pool(1), NAMES[number]
        if not (seen := self._wait(lambda: (name in pool) == there)) and not self.ending:
            self._say(f"waited {PATIENCE:g} s in vain for {name} to be {'there' if there else 'gone'}")
        return seen

    def _wait(self, condition: Callable[[], bool], seconds: float = PATIENCE) -> bool:
        deadline = time.monotonic() + seconds
        while not condition():
            if self.ending or time.monotonic() > deadline:
                return False
            time.sleep(0.02)
        return True


def _pool(number: int) -> PoolConfig:
    """A pool that finds a dead member within two seconds."""
    return PoolConfig.local(
        1,
        meta=f"role={ROLES[number % 4]} zone={'abc'[number % 3]}".encode(),
        probe_interval=0.5,
        probe_timeout=0.2,
        suspicion_mult=2,
        retransmit_mult=8,
    )
