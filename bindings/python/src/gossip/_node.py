"""The node that owns the port."""

import threading
import warnings
from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType, TracebackType
from typing import TYPE_CHECKING, Any, Literal, Self, TypeVar, final
from weakref import WeakSet

from . import _core, _lifecycle
from ._address import Seconds, check_id, limit
from ._config import Config, PoolConfig
from ._delegate import Delegate, Dispatcher, Serving, overridden
from ._events import MEMBERSHIP, Event, event, hooks_of
from ._pool import Pool
from ._subscription import Subscription
from ._types import Buffer, HostPort, PortStats, QueueStats
from .errors import ForkedError, UnknownPoolError

if TYPE_CHECKING:
    import socket

    from ._listener import Listener
    from ._packets import Packets

__all__ = ["Gossip"]

S = TypeVar("S", "Listener", "Packets")


@final
class Gossip:
    """A node: up to 256 gossip pools and the program's own protocols, on one port.

    Making it binds the port; `start`, or entering a `with` block, serves it. The end of
    the block says goodbye to all pools and closes everything.

    Every method may be called from any thread, hooks and signal handlers' threads included.

        >>> import gossip
        >>> with gossip.Gossip(gossip.Config(name="a", bind_addr="127.0.0.1", bind_port=0)) as node:
        ...     pool = node.register_pool(gossip.PoolConfig.local(1))
        ...     pool.wait_for(1, timeout=10)
        ...     [member.name for member in pool]
        ['a']
    """

    _closed = True
    # Nothing is left to end: not the same as closed, for a shutdown can be cut short.
    _ended = True

    def __init__(
        self, config: Config | None = None, /, *, sockets: "Iterable[socket.socket] | None" = None
    ) -> None:
        """Binds the port; `OSError` if it can't be had.

        With `sockets`, those are used instead of `bind_addr` and `bind_port`: for each address
        a TCP and a UDP socket, all with one port number, as `sockets_from_systemd` gives them
        or as another program bound them. Connections that wait in them are kept. They are the
        node's from then on, and closed here; if it can't be made of them they stay as they were.
        """
        self._config = Config() if config is None else config
        if sockets is None:
            self._core = _core.Gossip(self._config._values(), None)
        else:
            from ._inherit import adopt

            self._core = adopt(self._config, list(sockets))
        self._pools: dict[int, Pool] = {}
        # A queue of all pools must hear of each once.
        self._registering = threading.Lock()
        self._sockets: WeakSet[Listener | Packets] = WeakSet()
        self._closed = False
        self._ended = False
        _lifecycle.opened(self)

    @property
    def config(self) -> Config:
        """What the node was made with."""
        return self._config

    @property
    def node_name(self) -> str:
        """The node's name in all its pools."""
        return self._core.node_name()

    @property
    def address(self) -> HostPort:
        """The first bound address, with the real port."""
        return self.addresses[0]

    @property
    def addresses(self) -> tuple[HostPort, ...]:
        """All bound addresses."""
        return tuple(address[:2] for address in self._core.local_addrs())

    @property
    def advertise_address(self) -> HostPort:
        """The address told to others."""
        return self._core.advertise_addr()[:2]

    @property
    def closed(self) -> bool:
        """Whether the node has been shut down."""
        return self._closed

    @property
    def state(self) -> Literal["new", "running", "closed", "forked"]:
        """Where in its life the node is."""
        try:
            running = self._core.is_running()
        except ForkedError:
            return "forked"
        return "closed" if self._closed else "running" if running else "new"

    @property
    def udp_recv_buffer(self) -> int:
        """Bytes of receive buffer that the system granted each UDP socket, of the smallest."""
        return self._core.udp_recv_buffer()

    @property
    def pools(self) -> Mapping[int, Pool]:
        """The registered pools by id."""
        return MappingProxyType(dict(sorted(self._pools.items())))

    def start(self) -> Self:
        """Serves the port and starts every registered pool. A second call does nothing."""
        self._core.start()
        return self

    def register_pool(self, config: PoolConfig, delegate: Delegate | None = None) -> Pool:
        """Adds a pool, at any time; on a running node it starts at once."""
        hooks = [] if delegate is None else overridden(delegate)
        return self._register(config, hooks, lambda told, asked: Dispatcher(config.id, told, asked, delegate))

    def _register(
        self,
        config: PoolConfig,
        hooks: list[str],
        serve: Callable[[_core.Events | None, _core.Events | None], Serving],
    ) -> Pool:
        """Adds a pool, the queues of whose hooks are for `serve`."""
        with self._registering:
            core, told, asked = self._core.register_pool(config._spec(), hooks)
            dispatcher = serve(told, asked) if told or asked else None
            pool = self._pools[config.id] = Pool(self, config, core, dispatcher)
        return pool

    def pool(self, id: int, /) -> Pool:
        """The pool with this id; `UnknownPoolError` if there is none."""
        try:
            return self._pools[id]
        except KeyError:
            raise UnknownPoolError(f"no pool {id} is registered") from None

    def listen(self, id: int, /, *, backlog: int | None = None) -> "Listener":
        """A socket for the connections that begin with this id, 0 to 65535 but 0xFE00 to 0xFEFF.

        `backlog` connections, 1 to 65536, wait for an accept; more are closed and counted.
        `None` is `Config.listener_backlog`. Ids that look like the beginning of a protocol,
        such as 0x4745 (`GE`), take that protocol's connections, which a warning is logged for.
        """
        return self._listener(self._core.listen(check_id(id), backlog), id=id)

    def listen_prefix(self, prefix: Buffer, /, *, backlog: int | None = None) -> "Listener":
        """A socket for the connections that begin with these bytes, 1 to 64, which stay in them.

        So several protocols share the port: `b"\\x16\\x03"` is TLS, `b"SSH-"` is SSH. Of several
        prefixes that fit the longest counts. `RegistrationError` for one that others have.
        """
        return self._listener(self._core.listen_prefix(prefix, backlog), prefix=bytes(prefix))

    def listen_tcp(self, *, backlog: int | None = None) -> "Listener":
        """The native listener: a socket for every connection that nobody else is meant by.

        Connections that keep silent for `Config.sniff_timeout` are among them.
        """
        return self._listener(self._core.listen_tcp(backlog))

    def packets(self) -> "Packets":
        """A socket for the datagrams that are not gossip."""
        from ._packets import Packets

        return self._track(Packets(self._core.packets(), self.address))

    def events(
        self, *kinds: type[Event], maxsize: int = 4096, snapshot: bool = True
    ) -> Subscription[Event]:
        """What all pools tell, those included that are registered later: see `Pool.events`."""
        hooks = hooks_of(kinds or MEMBERSHIP)
        with self._registering:
            queue = self._core.events(maxsize, hooks)
            for pool in self._pools.values():
                pool._core.feed(queue, hooks, False, snapshot)
        return Subscription(queue, event)

    def leave(self, timeout: Seconds | None = None) -> None:
        """Says goodbye to all pools; without a timeout, as long as `Config.leave_timeout`."""
        self._core.leave(limit(self._config.leave_timeout if timeout is None else timeout))

    def shutdown(self, timeout: Seconds | None = 5.0) -> None:
        """Frees port, threads and descriptors at once, without a word; `leave` first is polite.

        Everyone who waits in a call of this node wakes. After a `TimeoutError` or Ctrl-C
        it may be called again, to wait for the rest; after success it does nothing.
        """
        if self._ended:
            return
        self._closed = True
        for waiting in list(self._sockets):
            waiting._source.close()
        try:
            self._core.shutdown(limit(timeout))
            self._ended = True
        finally:
            for pool in self._pools.values():
                pool._stop_hooks()

    def close(self) -> None:
        """The same as `shutdown()`."""
        self.shutdown()

    def stats(self) -> PortStats:
        """The port's counters."""
        counters = self._core.stats()
        counters["counters"] = MappingProxyType(counters["counters"])
        return PortStats(**counters)

    def listener_stats(self) -> Mapping[str, QueueStats]:
        """What has passed through each open listener, by name, and through `packets`."""
        listeners, packets = self._core.queue_stats()
        named = {name: QueueStats(*numbers) for name, numbers in listeners}
        if packets is not None:
            named["packets"] = QueueStats(*packets)
        return MappingProxyType(named)

    def log_stats(self) -> tuple[int, int]:
        """Records that were handed to `logging`, and records dropped before."""
        return self._core.log_stats()

    def metrics(self) -> str:
        """The metrics of the port, its listeners and all pools, as text for Prometheus.

        Serve it as `text/plain; version=0.0.4; charset=utf-8`.
        """
        return self._core.metrics()

    def __enter__(self) -> Self:
        try:
            return self.start()
        except BaseException:
            self.close()
            raise

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None:
        if self._closed:
            return
        try:
            self.leave()
        # What passes through the block matters more than an unheard goodbye; Ctrl-C
        # is no `Exception`, and skips the rest of it.
        except Exception as unheard:
            from ._logging import nodes

            nodes.warning("%s left without goodbye: %s", self.node_name, unheard)
        finally:
            self.close()

    def __del__(self) -> None:
        if not self._closed:
            warnings.warn(f"unclosed {self!r}", ResourceWarning, source=self, stacklevel=2)
            self.close()

    def __repr__(self) -> str:
        state = "closed" if self._closed else "{}:{}".format(*self.address)
        return f"<gossip.Gossip {self._config.name!r} {state}>"

    def __reduce__(self) -> Any:
        raise TypeError("a Gossip node owns a port and cannot be pickled; make one in each process")

    def _listener(self, source: _core.Listener, **named: Any) -> "Listener":
        from ._listener import Listener

        return self._track(Listener(source, self.address, **named))

    def _track(self, opened: S) -> S:
        self._sockets.add(opened)
        return opened

    def _forget(self, pool: Pool) -> None:
        """The pool has been shut down by itself."""
        if self._pools.get(pool.id) is pool:
            del self._pools[pool.id]

    def _disown(self) -> None:
        """In a forked child: there is nothing to close here."""
        self._closed = self._ended = True
