"""A pool, as the application holds it."""

from collections.abc import Iterable, Iterator
from types import MappingProxyType
from typing import TYPE_CHECKING, TypeAlias, final

from . import _core
from ._address import Endpoint, Seconds, Target, limit, peer, split
from ._config import PoolConfig
from ._delegate import Dispatcher
from ._keyring import Keyring
from ._types import JoinResult, Member, PoolStats
from .errors import UnknownMemberError

if TYPE_CHECKING:
    from ._node import Gossip

__all__ = ["Buffer", "Pool"]

Buffer: TypeAlias = bytes | bytearray | memoryview
"""Bytes, in any contiguous form."""


@final
class Pool:
    """One pool of a node: its members, and messages to them. Made by `Gossip.register_pool`."""

    def __init__(
        self, node: "Gossip", config: PoolConfig, core: _core.Pool, dispatcher: Dispatcher | None
    ) -> None:
        self._node = node
        self._config = config
        self._core = core
        self._dispatcher = dispatcher
        self._seen: tuple[int, dict[str, Member]] | None = None

    @property
    def id(self) -> int:
        """The pool's number on its node."""
        return self._config.id

    @property
    def config(self) -> PoolConfig:
        """What the pool was registered with."""
        return self._config

    @property
    def keyring(self) -> Keyring:
        """The pool's keys."""
        return Keyring(self._core)

    @property
    def local_node(self) -> Member:
        """This node, as the others see it."""
        return Member._from_core(self._core.local_node())

    @property
    def health_score(self) -> int:
        """How much this node doubts itself; 0 is healthy."""
        return self._core.health_score()

    @property
    def max_broadcast_size(self) -> int:
        """The most bytes that fit a broadcast."""
        return self._core.max_broadcast_size()

    def join(self, seeds: Iterable[Endpoint | Member], *, timeout: Seconds | None = None) -> JoinResult:
        """Exchanges state with the seeds, and so becomes a member of their pool.

        One seed that is reached is enough; `JoinError` says that none was. A seed without
        port is meant on this node's own. Without a timeout each seed has `tcp_timeout`.
        """
        if isinstance(seeds, str | bytes | Member):
            raise TypeError("seeds must be several, such as ['10.0.0.1:7946'], not one")
        joined, failed = self._core.join([_seed(seed) for seed in seeds], limit(timeout))
        return JoinResult(tuple(address[:2] for address in joined), MappingProxyType(dict(failed)))

    def leave(self, timeout: Seconds | None = 5.0) -> None:
        """Says goodbye to the pool, so that nobody suspects a failure. `join` comes back."""
        self._core.leave(limit(timeout))

    def shutdown(self, timeout: Seconds | None = 5.0) -> None:
        """Ends this pool alone, without a word: its id is free again."""
        self._core.shutdown(limit(timeout))
        self._node._forget(self)
        self._stop_hooks()

    def members(self) -> list[Member]:
        """The members, alive and suspect, this node included, by name: a snapshot."""
        return list(self._by_name().values())

    def member(self, name: str, /) -> Member:
        """The member of that name; `UnknownMemberError` if there is none."""
        if (member := self.find(name)) is None:
            raise UnknownMemberError(f"pool {self.id} has no member {name!r}")
        return member

    def find(self, name: str, /) -> Member | None:
        """The member of that name, if there is one."""
        return self._by_name().get(name)

    def __len__(self) -> int:
        return self._core.num_members()

    def __iter__(self) -> Iterator[Member]:
        return iter(self.members())

    def __contains__(self, item: object) -> bool:
        return (item.name if isinstance(item, Member) else item) in self._by_name()

    def __bool__(self) -> bool:
        """True: a pool without members is a pool."""
        return True

    def broadcast(self, message: Buffer, *, timeout: Seconds | None = 0.0) -> None:
        """Gives a message to gossip, for every member.

        Nobody relays it: a pool of a few nodes is reached as a whole, perhaps more than
        once; in a large one some may miss it; a pool of one has nobody to tell.

        `MessageTooLargeError` if it can never fit; `QueueFullError` if the queue is still
        full after `timeout`.
        """
        self._core.broadcast(message, limit(timeout))

    def send(
        self, target: Target, message: Buffer, *, reliable: bool = False, timeout: Seconds | None = None
    ) -> None:
        """Sends a message to one member: in a datagram, or over TCP if `reliable`."""
        if reliable:
            self._core.send_reliable(peer(target), message, limit(timeout))
        else:
            self._core.send_best_effort(peer(target), message)

    def ping(self, target: Target, *, timeout: Seconds | None = None) -> float:
        """Pings a member, and returns the seconds until its answer; `TimeoutError` if none came.

        Without a timeout the pool's `probe_timeout` counts.
        """
        wait = self._config.probe_timeout if timeout is None else timeout
        return self._core.ping(peer(target), limit(wait))

    def update_node(self, meta: Buffer, *, timeout: Seconds | None = 10.0) -> None:
        """Announces new metadata, at most 512 bytes, and returns when it has been gossiped."""
        self._core.update_node(meta, limit(timeout))

    def set_local_state(self, state: Buffer) -> None:
        """The application's state that others get in each exchange of state."""
        self._core.set_local_state(state)

    def set_ack_payload(self, payload: Buffer) -> None:
        """Bytes that go with each answer to a ping."""
        self._core.set_ack_payload(payload)

    def stats(self) -> PoolStats:
        """The pool's counters."""
        counters = self._core.stats()
        for name in ("refused", "counters"):
            counters[name] = MappingProxyType(counters[name])
        errors = self._dispatcher.errors if self._dispatcher else 0
        return PoolStats(**counters, callback_errors=errors)

    def __repr__(self) -> str:
        return f"<gossip.Pool {self.id} of {self._node.node_name!r}>"

    def _by_name(self) -> dict[str, Member]:
        """The members, built anew only when the core's list is another."""
        seen = self._seen
        news = self._core.members(seen[0] if seen else None)
        if news is not None:
            version, rows = news
            members = {member.name: member for member in map(Member._from_core, rows)}
            self._seen = seen = version, members
        return seen[1] if seen else {}

    def _stop_hooks(self) -> None:
        if self._dispatcher:
            self._dispatcher.close()


def _seed(seed: Endpoint | Member) -> str:
    """A seed as the core reads it; text goes as it is, so that `name/host:port` works."""
    if isinstance(seed, Member):
        return f"{seed.name}/{seed.endpoint}"
    if isinstance(seed, str):
        return seed
    host, port = split(seed)
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
