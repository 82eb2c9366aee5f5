"""The node that owns the port, for coroutines."""

import asyncio
import socket
import ssl as tls
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from types import MappingProxyType, TracebackType
from typing import Literal, Self, TypeVar, final
from weakref import WeakSet

from .. import _core
from .._address import Seconds, Target, limit
from .._config import Config, PoolConfig
from .._delegate import Delegate as SyncDelegate
from .._events import Event
from .._logging import nodes
from .._node import Gossip as SyncGossip
from .._types import Buffer, HostPort, PortStats, QueueStats
from ..errors import NotJoinedError, UnknownPoolError
from ._calls import Calls
from ._delegate import Delegate, Dispatcher, overridden
from ._dial import open_connection
from ._pool import Pool
from ._queues import Listener, Packets
from ._subscription import Subscription

__all__ = ["Gossip"]

S = TypeVar("S", Listener, Packets)


@final
class Gossip:
    """A node, for coroutines of one event loop: pools and the program's protocols on one port.

    Making it binds the port, as in `gossip.Gossip`; `async with` serves it, and says goodbye
    and closes everything at the end, also if the block was cancelled.

        async with aio.Gossip(gossip.Config(name="a")) as node:
            pool = node.register_pool(gossip.PoolConfig.lan(1))
            await pool.join(["10.0.0.1"])

    It belongs to the loop in which it was first awaited; elsewhere it raises `RuntimeError`.
    """

    def __init__(
        self, config: Config | None = None, /, *, sockets: Iterable[socket.socket] | None = None
    ) -> None:
        """Binds the port, or takes bound `sockets`; see `gossip.Gossip`."""
        self._sync = SyncGossip(config, sockets=sockets)
        self._calls = Calls()
        self._pools: dict[int, Pool] = {}
        self._opened: WeakSet[Listener | Packets] = WeakSet()

    @property
    def sync(self) -> SyncGossip:
        """The same node in the synchronous API; its methods that wait would stop the loop."""
        return self._sync

    @property
    def config(self) -> Config:
        """What the node was made with."""
        return self._sync.config

    @property
    def node_name(self) -> str:
        """The node's name in all its pools."""
        return self._sync.node_name

    @property
    def address(self) -> HostPort:
        """The first bound address, with the real port."""
        return self._sync.address

    @property
    def addresses(self) -> tuple[HostPort, ...]:
        """All bound addresses."""
        return self._sync.addresses

    @property
    def advertise_address(self) -> HostPort:
        """The address told to others."""
        return self._sync.advertise_address

    @property
    def closed(self) -> bool:
        """Whether the node has been shut down."""
        return self._sync.closed

    @property
    def state(self) -> Literal["new", "running", "closed", "forked"]:
        """Where in its life the node is."""
        return self._sync.state

    @property
    def udp_recv_buffer(self) -> int:
        """Bytes of receive buffer that the system granted each UDP socket, of the smallest."""
        return self._sync.udp_recv_buffer

    @property
    def pools(self) -> Mapping[int, Pool]:
        """The registered pools by id."""
        here = self._sync.pools
        return MappingProxyType({id: pool for id, pool in sorted(self._pools.items()) if id in here})

    async def start(self) -> Self:
        """Serves the port and starts every registered pool. A second call does nothing."""
        self._calls.bind()
        self._sync.start()
        return self

    def register_pool(
        self, config: PoolConfig, delegate: Delegate | SyncDelegate | None = None
    ) -> Pool:
        """Adds a pool, at any time; on a running node it starts at once.

        A delegate that has coroutines is served in the running loop, another one by threads of
        its own, as in `gossip.Gossip`.
        """
        dispatcher: Dispatcher | None = None
        if (hooks := overridden(delegate)) is None:
            sync = self._sync.register_pool(config, delegate)  # type: ignore[arg-type]
        else:
            self._calls.bind()

            def serve(told: _core.Events | None, asked: _core.Events | None) -> Dispatcher:
                nonlocal dispatcher
                dispatcher = Dispatcher(config.id, told, asked, delegate)
                return dispatcher

            sync = self._sync._register(config, hooks, serve)
        pool = self._pools[config.id] = Pool(sync, self._calls, dispatcher)
        return pool

    def pool(self, id: int, /) -> Pool:
        """The pool with this id; `UnknownPoolError` if there is none."""
        try:
            return self.pools[id]
        except KeyError:
            raise UnknownPoolError(f"no pool {id} is registered") from None

    def listen(self, id: int, /, *, backlog: int | None = None) -> Listener:
        """A listener for the connections that begin with this id, 0 to 65535 but 0xFE00 to 0xFEFF.

        `backlog` connections, 1 to 65536, wait for an accept; more are closed and counted.
        `None` is `Config.listener_backlog`.
        """
        return self._track(Listener(self._sync.listen(id, backlog=backlog)))

    def listen_prefix(self, prefix: Buffer, /, *, backlog: int | None = None) -> Listener:
        """A listener for the connections that begin with these bytes, which stay in them."""
        return self._track(Listener(self._sync.listen_prefix(prefix, backlog=backlog)))

    def listen_tcp(self, *, backlog: int | None = None) -> Listener:
        """The native listener: for every connection that nobody else is meant by."""
        return self._track(Listener(self._sync.listen_tcp(backlog=backlog)))

    def packets(self) -> Packets:
        """The datagrams that are not gossip."""
        return self._track(Packets(self._sync.packets()))

    def events(
        self, *kinds: type[Event], maxsize: int = 4096, snapshot: bool = True
    ) -> Subscription[Event]:
        """What all pools tell, those included that are registered later: see `Pool.events`."""
        return Subscription(self._sync.events(*kinds, maxsize=maxsize, snapshot=snapshot))

    async def open_connection(
        self,
        target: Target,
        id: int | None = None,
        *,
        ssl: tls.SSLContext | None = None,
        server_hostname: str | None = None,
        limit: int = 65536,
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """The same as `gossip.aio.open_connection`."""
        return await open_connection(target, id, ssl=ssl, server_hostname=server_hostname, limit=limit)

    async def leave(self, timeout: Seconds | None = None) -> None:
        """Says goodbye to all pools at once; without a timeout, as long as `Config.leave_timeout`.

        The first error is raised when all have left or failed to.
        """
        wait = limit(self.config.leave_timeout if timeout is None else timeout)
        pools = self.pools.values()
        outcomes = await asyncio.gather(*(pool.leave(wait) for pool in pools), return_exceptions=True)
        for outcome in outcomes:
            # One that has left already is no reason to complain.
            if isinstance(outcome, BaseException) and not isinstance(outcome, NotJoinedError):
                raise outcome

    async def shutdown(self, timeout: Seconds | None = 5.0) -> None:
        """Frees port, threads and descriptors at once, without a word; `leave` first is polite.

        Everyone who waits in a coroutine of this node wakes. It goes on when it is cancelled,
        and may be called again.
        """
        closing = asyncio.ensure_future(self._shutdown(timeout))
        try:
            await asyncio.shield(closing)
        except asyncio.CancelledError:
            if not closing.done():
                await asyncio.wait([closing])
            raise

    async def close(self) -> None:
        """The same as `shutdown()`."""
        await self.shutdown()

    async def aclose(self) -> None:
        """The same as `shutdown()`."""
        await self.shutdown()

    async def _shutdown(self, timeout: Seconds | None) -> None:
        # A thread of its own: callbacks that it waits for may themselves wait for this loop.
        executor = ThreadPoolExecutor(1, "gossip-shutdown")
        ending = self._calls.bind().run_in_executor(executor, self._sync.shutdown, timeout)
        executor.shutdown(wait=False)
        await ending
        for pool in self._pools.values():
            if pool._dispatcher:
                await pool._dispatcher.ended()
        self._release()

    def _release(self) -> None:
        """The node has ended: descriptors that the loop may watch go with it."""
        for opened in list(self._opened):
            opened.close()
        self._calls.close()

    def stats(self) -> PortStats:
        """The port's counters."""
        return self._sync.stats()

    def listener_stats(self) -> Mapping[str, QueueStats]:
        """What has passed through each open listener, by name, and through `packets`."""
        return self._sync.listener_stats()

    def log_stats(self) -> tuple[int, int]:
        """Records that were handed to `logging`, and records dropped before."""
        return self._sync.log_stats()

    def metrics(self) -> str:
        """The metrics of the port, its listeners and all pools, as text for Prometheus."""
        return self._sync.metrics()

    async def __aenter__(self) -> Self:
        try:
            return await self.start()
        except BaseException:
            self._abandon()
            raise

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None:
        if self.closed:
            return
        try:
            await self.leave()
        # What passes through the block matters more than an unheard goodbye.
        except Exception as unheard:
            nodes.warning("%s left without goodbye: %s", self.node_name, unheard)
        finally:
            await self.shutdown()

    def _abandon(self) -> None:
        """Closes without awaiting."""
        self._sync.close()
        self._release()

    def _track(self, opened: S) -> S:
        self._opened.add(opened)
        return opened

    def __repr__(self) -> str:
        return f"<gossip.aio.Gossip of {self._sync!r}>"
