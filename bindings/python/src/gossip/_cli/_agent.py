"""`gossip agent`: a node of its own, that says what happens and shows itself over HTTP."""

import argparse
import asyncio
import contextlib
import logging
import os
import signal
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from .._config import PoolConfig
from .._dashboard import Access, App, Server, View
from .._node import Gossip
from .._pool import Pool
from ..errors import GossipError
from ._control import Commands
from ._lines import Lines
from ._settings import Settings, load
from ._status import DONE, FAILED, Failure
from ._system import control_path, notify, open_control

__all__ = ["run"]

FORCED = 128
JOIN_TIMEOUT = 10.0


def run(arguments: argparse.Namespace) -> int:
    """Runs until a signal, or `gossip leave`, ends it."""
    settings = load(arguments, os.environ)
    if arguments.check:
        pools = ", ".join(str(pool.id) for pool in settings.pools)
        print(f"the configuration is right: node {settings.config.name or '(host name)'}, pools {pools}")
        return DONE
    lines = Lines(settings.json)
    try:
        return asyncio.run(_run(settings, lines, lambda: load(arguments, os.environ)))
    finally:
        lines.close()


async def _run(settings: Settings, lines: Lines, reload: Callable[[], Settings]) -> int:
    return await Agent(settings, lines, reload).run()


class Agent:
    """A node with its control socket, and its pages. Made on the loop that it runs on."""

    def __init__(self, settings: Settings, lines: Lines, reload: Callable[[], Settings]) -> None:
        self._settings = settings
        self._lines = lines
        self._reload = reload
        self._stop = asyncio.Event()
        self.started = asyncio.Event()
        self.view: View
        self._signals = 0
        self._tasks: list[asyncio.Task[None]] = []
        self._servers: list[Server] = []
        self._control: Path | None = None

    async def run(self) -> int:
        """The agent's life."""
        self._catch_signals()
        with _Log(self._settings.log_level) as log:
            node = self._make_node()
            view = log.view = self.view = View(node)
            view.listeners.append(self._lines.put)
            return await self._live(node, view)

    async def _live(self, node: Gossip, view: View) -> int:
        servers = self._servers
        try:
            for pool in self._settings.pools:
                view.register_pool(pool)
            app = App(view, Commands(node, self.stop), self._metrics)
            servers += await self._serve(node, app)
            node.start()
            self._tell_ready(node)
            self._begin(view.watch())
            notify("READY=1")
            self.started.set()
            await self._stop.wait()
            return await self._leave(node)
        except (GossipError, OSError) as error:
            raise Failure(str(error), FAILED) from None
        finally:
            await self._close(node, servers)

    def stop(self) -> None:
        """Ends it politely."""
        self._stop.set()

    def _make_node(self) -> Gossip:
        config = self._settings.config
        try:
            return Gossip(config)
        except OSError as error:
            where = ", ".join(f"{host}:{config.bind_port}" for host in config.bind_addr)
            why = os.strerror(error.errno).lower() if error.errno else str(error)
            raise Failure(f"cannot listen on {where}: {why}; --bind says where else", FAILED) from None
        except GossipError as error:
            raise Failure(str(error), FAILED) from None

    async def _serve(self, node: Gossip, app: App) -> list[Server]:
        servers = []
        settings = self._settings
        path = Path(settings.control) if settings.control else control_path(node.address[1])
        if settings.control != "off" and path is not None:
            listener = open_control(path)
            self._control = path
            servers.append(Server(app.handler(Access(trusted=True))))
            await servers[-1].serve_unix(listener)
        if settings.http != "off":
            servers.append(Server(app.handler(Access(settings.http, settings.token))))
            await servers[-1].serve_tcp(node.listen_tcp())
        return servers

    def _metrics(self) -> str:
        """The node's metrics, and what the agent itself dropped."""
        refused = sum(server.refused for server in self._servers)
        own = {
            "http_refused_total": ("counter", "Connections refused as too many.", refused),
            "followers": ("gauge", "Who follows the events.", self.view.followers),
            "followers_lost_total": ("counter", "Followers cut off as too slow.", self.view.lost_subscribers),
            "lines_dropped_total": ("counter", "Lines of output dropped.", self._lines.dropped),
        }
        lines = [
            f"# HELP gossip_agent_{name} {about}\n# TYPE gossip_agent_{name} {kind}\ngossip_agent_{name} {value}\n"
            for name, (kind, about, value) in own.items()
        ]
        return self.view.node.metrics() + "".join(lines)

    def _tell_ready(self, node: Gossip) -> None:
        host, port = node.address
        shown = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
        url = f"http://[{shown}]:{port}/" if ":" in shown else f"http://{shown}:{port}/"
        self.view.publish(
            "ready",
            name=node.node_name,
            address=f"[{host}]:{port}" if ":" in host else f"{host}:{port}",
            pools=[pool.id for pool in self._settings.pools],
            dashboard=None if self._settings.http == "off" else url,
            control=str(self._control) if self._control else None,
        )

    async def _leave(self, node: Gossip) -> int:
        notify("STOPPING=1")
        self.view.publish("leaving", name=node.node_name)
        for task in self._tasks:
            task.cancel()
        try:
            await self._apart(node.leave)
        except (GossipError, TimeoutError) as error:
            self.view.publish("log", level="warning", text=f"nobody heard the goodbye: {error}")
        return DONE

    async def _close(self, node: Gossip, servers: list[Server]) -> None:
        for task in self._tasks:
            task.cancel()
        self.view.close()
        for server in servers:
            await server.close()
        if self._control:
            self._control.unlink(missing_ok=True)
        with contextlib.suppress(TimeoutError, GossipError):
            await self._apart(node.shutdown)

    async def _apart(self, function: Callable[[], None]) -> None:
        """Calls on a thread that waits for nothing else: those of the loop may all be busy with joins."""
        with ThreadPoolExecutor(1, "gossip-end") as executor:
            await asyncio.get_running_loop().run_in_executor(executor, function)

    def _begin(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        task.add_done_callback(self._ended)
        self._tasks.append(task)

    def _ended(self, task: asyncio.Task[None]) -> None:
        """Nothing that goes on beside ends without a word."""
        self._tasks.remove(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self.view.publish("log", level="error", text=f"{task.get_coro()} ended: {error!r}; please report it")

    def _catch_signals(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._on_signal, number)
        loop.add_signal_handler(signal.SIGHUP, self._on_hangup)

    def _on_signal(self, number: int) -> None:
        self._signals += 1
        if self._signals > 1:
            # At once: whoever asks twice does not want to wait for anything.
            os._exit(FORCED + number)
        self._stop.set()

    def _on_hangup(self) -> None:
        self._begin(self._read_again())

    async def _read_again(self) -> None:
        """Takes over new keys and metadata, and joins by new seeds."""
        try:
            settings = self._reload()
            for pool in settings.pools:
                if (running := self.view.node.pools.get(pool.id)) is not None:
                    await asyncio.to_thread(_take_over, running, pool)
        except (Failure, GossipError, TimeoutError) as error:
            self.view.publish("log", level="error", text=f"nothing more was taken over: {error}")
        else:
            self.view.publish("reloaded", pools=[pool.id for pool in settings.pools])


def _take_over(pool: Pool, config: PoolConfig) -> None:
    keyring = pool.keyring
    before = keyring.keys()
    if config.keys and tuple(before) != config.keys:
        for key in config.keys:
            if key not in before:
                keyring.add(key)
        keyring.use(config.keys[0])
        for key in before:
            if key not in config.keys:
                keyring.remove(key)
    if config.meta != pool.local_node.meta:
        pool.update_node(config.meta)
    # Those of the start stand.
    if new := [seed for seed in config.seeds if seed not in pool.config.seeds]:
        pool.join(new, timeout=JOIN_TIMEOUT)


class _Log(logging.Handler):
    """The library's log, as events."""

    def __init__(self, level: str) -> None:
        super().__init__()
        self.view: View | None = None
        self._logger = logging.getLogger("gossip")
        self._wanted = level.upper()

    def __enter__(self) -> "_Log":
        self._before = self._logger.level, self._logger.propagate
        self._logger.setLevel(self._wanted)
        self._logger.propagate = False
        self._logger.addHandler(self)
        return self

    def __exit__(self, *error: object) -> None:
        self._logger.removeHandler(self)
        level, self._logger.propagate = self._before
        self._logger.setLevel(level)

    def emit(self, record: logging.LogRecord) -> None:
        if self.view:
            self.view.offer("log", level=record.levelname.lower(), logger=record.name, text=record.getMessage())
