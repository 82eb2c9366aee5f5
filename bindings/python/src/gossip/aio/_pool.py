"""A pool, for coroutines."""

import asyncio
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from types import MappingProxyType
from typing import Literal, final, overload

from .._address import Endpoint, Seconds, Target, as_bytes, limit, seconds
from .._config import PoolConfig
from .._diagnosis import Diagnosis, Explanation
from .._events import Event
from .._keyring import Keyring
from .._migration import MigrationProgress, MigrationReport, Step, complete, progress_of, wanted
from .._pool import _seed
from .._pool import Pool as SyncPool
from .._types import Buffer, Delivery, HostPort, JoinResult, Member, Message, PoolStats
from ._address import peer
from ._calls import Calls
from ._delegate import Dispatcher
from ._subscription import Subscription

__all__ = ["Pool"]


@final
class Pool:
    """One pool of a node, for coroutines of the node's loop. Made by `Gossip.register_pool`.

    What takes time is a coroutine; the rest is as in `gossip.Pool`. Each coroutine may be
    cancelled, also by `asyncio.timeout`: then what it began is broken off, nothing of it
    stays behind in the core, and only what others have heard already remains true.
    """

    def __init__(self, sync: SyncPool, calls: Calls, dispatcher: Dispatcher | None) -> None:
        self._sync = sync
        self._calls = calls
        self._dispatcher = dispatcher

    @property
    def sync(self) -> SyncPool:
        """The same pool in the synchronous API."""
        return self._sync

    @property
    def id(self) -> int:
        """The pool's number on its node."""
        return self._sync.id

    @property
    def config(self) -> PoolConfig:
        """What the pool was registered with."""
        return self._sync.config

    @property
    def keyring(self) -> Keyring:
        """The pool's keys."""
        return self._sync.keyring

    @property
    def local_node(self) -> Member:
        """This node, as the others see it."""
        return self._sync.local_node

    @property
    def health_score(self) -> int:
        """How much this node doubts itself; 0 is healthy."""
        return self._sync.health_score

    @property
    def protocol_version(self) -> int:
        """The memberlist protocol version that this node speaks in the pool."""
        return self._sync.protocol_version

    @property
    def max_broadcast_size(self) -> int:
        """The most bytes that fit a broadcast."""
        return self._sync.max_broadcast_size

    def members(self) -> list[Member]:
        """The members, alive and suspect, this node included, by name: a snapshot."""
        return self._sync.members()

    def member(self, name: str, /) -> Member:
        """The member of that name; `UnknownMemberError` if there is none."""
        return self._sync.member(name)

    def find(self, name: str, /) -> Member | None:
        """The member of that name, if there is one."""
        return self._sync.find(name)

    def __len__(self) -> int:
        return len(self._sync)

    def __iter__(self) -> Iterator[Member]:
        return iter(self._sync)

    def __contains__(self, item: object) -> bool:
        return item in self._sync

    def __bool__(self) -> bool:
        """True: a pool without members is a pool."""
        return True

    async def join(self, seeds: Iterable[Endpoint | Member], *, timeout: Seconds | None = None) -> JoinResult:
        """Exchanges state with the seeds, and so becomes a member of their pool.

        One seed that is reached is enough; `JoinError` says that none was. A seed without
        port is meant on this node's own. Without a timeout each seed has `tcp_timeout`.
        Cancelled, no further seed is talked to; those that were reached stay joined.
        """
        if isinstance(seeds, str | bytes | Member):
            raise TypeError("seeds must be several, such as ['10.0.0.1:7946'], not one")
        texts = [_seed(seed) for seed in seeds]
        found = await self._calls.run(self._calls.core.join, self._sync._core, texts, limit(timeout))
        joined, failed, untried = found
        return JoinResult(tuple(address[:2] for address in joined), MappingProxyType(dict(failed)), untried)

    async def leave(self, timeout: Seconds | None = 5.0) -> None:
        """Says goodbye to the pool, so that nobody suspects a failure. `join` comes back.

        Cancelled, the goodbye goes on being gossiped, only nobody waits for it.
        """
        await self._calls.run(self._calls.core.leave, self._sync._core, limit(timeout))

    async def shutdown(self, timeout: Seconds | None = 5.0) -> None:
        """Ends this pool alone, without a word: its id is free again. Goes on when cancelled."""
        executor = ThreadPoolExecutor(1, "gossip-shutdown")
        ending = self._calls.bind().run_in_executor(executor, self._sync.shutdown, timeout)
        executor.shutdown(wait=False)
        await asyncio.shield(ending)
        if self._dispatcher:
            await self._dispatcher.ended()

    async def broadcast(
        self, message: Buffer, *, name: str | Buffer = b"", timeout: Seconds | None = 0.0
    ) -> None:
        """Gives a message to gossip, for every member; see `gossip.Pool.broadcast`.

        If too many wait, waits for room as long as `timeout` says, `None` without limit:
        `QueueFullError` if there was none. `MessageTooLargeError` if it can never fit.
        Cancelled while it waits, the message is never sent.
        """
        wait = limit(timeout)
        if wait == 0.0:
            # Answered at once.
            self._sync.broadcast(message, name=name, timeout=0.0)
        else:
            await self._calls.run(
                self._calls.core.broadcast, self._sync._core, as_bytes(name), message, wait
            )

    @overload
    async def send(
        self, target: Target, message: Buffer, *, reliable: Literal[True], timeout: Seconds | None = None
    ) -> Delivery: ...
    @overload
    async def send(
        self, target: Target, message: Buffer, *, reliable: bool = False, timeout: Seconds | None = None
    ) -> Delivery | None: ...
    async def send(
        self, target: Target, message: Buffer, *, reliable: bool = False, timeout: Seconds | None = None
    ) -> Delivery | None:
        """Sends a message to one member: in a datagram, at once, or as `send_reliable` does it."""
        if reliable:
            return await self.send_reliable(target, message, timeout=timeout)
        self._sync._core.send_best_effort(await self._peer(target, limit(timeout)), message)
        return None

    async def send_reliable(
        self, target: Target, message: Buffer, *, timeout: Seconds | None = None
    ) -> Delivery:
        """Sends a message to one member over TCP, and returns when it has arrived.

        What it returns and raises is as in `gossip.Pool.send_reliable`; without a timeout,
        `tcp_timeout` counts. Cancelled, the connection is closed, and whether the message
        arrived is not known.
        """
        wait = limit(self.config.tcp_timeout if timeout is None else timeout)
        to = await self._peer(target, wait)
        sent = await self._calls.run(self._calls.core.send_reliable, self._sync._core, to, message, wait)
        return Delivery.ACKNOWLEDGED if sent else Delivery.CLOSED

    def wall_clock(self, received: float) -> datetime:
        """The time of day, in UTC, that belongs to `Message.received`."""
        return self._sync.wall_clock(received)

    async def ping(self, target: Target, *, timeout: Seconds | None = None) -> float:
        """Pings a member, and returns the seconds until its answer; `TimeoutError` if none came.

        Without a timeout the pool's `probe_timeout` counts.
        """
        wait = limit(self.config.probe_timeout if timeout is None else timeout)
        to = await self._peer(target, wait)
        rtt: float = await self._calls.run(self._calls.core.ping, self._sync._core, to, wait)
        return rtt

    def explain(self, member: Member | str, /) -> Explanation:
        """Why this node believes of a member what it believes; see `gossip.Pool.explain`."""
        return self._sync.explain(member)

    async def doctor(self, target: Target, *, timeout: Seconds = 5.0) -> Diagnosis:
        """Finds out which direction of which protocol to a peer does not work, or what else keeps it away.

        See `gossip.Pool.doctor`. Cancelled, the examination is broken off, and another may begin.
        """
        found = await self._calls.run(
            self._calls.core.doctor, self._sync._core, _seed(target), seconds(timeout)
        )
        return Diagnosis._from_core(found)

    async def update_node(self, meta: Buffer, *, timeout: Seconds | None = 10.0) -> None:
        """Announces new metadata, at most 512 bytes, and returns when it has been gossiped.

        Cancelled, it goes on being gossiped, only nobody waits for it.
        """
        await self._calls.run(self._calls.core.update_node, self._sync._core, meta, limit(timeout))

    def set_local_state(self, state: Buffer) -> None:
        """The application's state that others get in each exchange of state."""
        self._sync.set_local_state(state)

    def set_ack_payload(self, payload: Buffer) -> None:
        """Bytes that go with each answer to a ping."""
        self._sync.set_ack_payload(payload)

    def disable_tcp_pings_for(self, names: Iterable[str]) -> None:
        """Never pings these nodes over TCP; see `gossip.Pool.disable_tcp_pings_for`."""
        self._sync.disable_tcp_pings_for(names)

    async def rotate_key(self, key: Buffer, *, timeout: Seconds | None = 60.0) -> MigrationReport:
        """Replaces the key of the whole pool: `migrate(key=key)`, all steps and nothing passed over."""
        return await self.migrate(key=key, timeout=timeout)

    async def migrate(
        self,
        *,
        key: Buffer | None = None,
        encryption: Buffer | None = None,
        label: str | Buffer | None = None,
        until: Step | str = Step.REQUIRE,
        by_hand: bool = False,
        without_lost: bool = False,
        timeout: Seconds | None = 60.0,
        progress: Callable[[MigrationProgress], object] | None = None,
    ) -> MigrationReport:
        """Moves the whole pool to another key, to encryption, or to another label; see `gossip.Pool.migrate`.

        `progress` is called on the loop, and is no coroutine. Cancelled, the migration stops: everybody
        understands everybody, and the next one goes on from there.
        """
        to = wanted(key, encryption, label, until, by_hand, without_lost)
        told = None if progress is None else lambda fields: progress(progress_of(fields))
        begin, core = self._calls.core.migrate, self._sync._core
        wait = limit(timeout)
        return complete(await self._calls.run(begin, core, to, wait, told is not None, news=told))

    def accept_label(self, label: str | Buffer) -> None:
        """Accepts this label, too: the first of three steps; see `gossip.Pool.accept_label`."""
        self._sync.accept_label(label)

    def speak_label(self, label: str | Buffer) -> None:
        """Speaks under this label from now on, and still accepts the former one: the second step."""
        self._sync.speak_label(label)

    def require_label(self, label: str | Buffer) -> None:
        """Speaks under this label and accepts no other: the last step."""
        self._sync.require_label(label)

    def set_gossip_verify(self, *, incoming: bool, outgoing: bool) -> None:
        """With keys: whether clear text is refused, and whether what goes out is encrypted."""
        self._sync.set_gossip_verify(incoming=incoming, outgoing=outgoing)

    def events(
        self, *kinds: type[Event], maxsize: int = 4096, snapshot: bool = True
    ) -> Subscription[Event]:
        """What happens in this pool from now on: its membership, unless `kinds` are given.

        With `snapshot` it begins with a `MemberJoined` for each member of now. When more than
        `maxsize` wait, an `Overflow` tells what was dropped; see `gossip.Pool.events`.
        """
        return Subscription(self._sync.events(*kinds, maxsize=maxsize, snapshot=snapshot))

    def messages(self, *, maxsize: int = 4096) -> Subscription[Message]:
        """The messages that arrive in this pool from now on; see `gossip.Pool.messages`."""
        return Subscription(self._sync.messages(maxsize=maxsize))

    async def wait_for(
        self, condition: "int | Callable[[Pool], object]", *, timeout: Seconds | None = None
    ) -> None:
        """Waits until the pool has so many members or more, or until a function of it is true.

        The function is called first, and again after each change of membership.
        `TimeoutError` when the time is up, `ClosedError` when the pool has ended.
        """
        wanted = (lambda pool: len(pool) >= condition) if isinstance(condition, int) else condition
        async with asyncio.timeout(limit(timeout)), self.events(snapshot=False) as changes:
            while not wanted(self):
                await changes.get()

    def metrics(self) -> str:
        """The pool's metrics as text for Prometheus, also before its start and after its end."""
        return self._sync.metrics()

    def stats(self) -> PoolStats:
        """The pool's counters."""
        return self._sync.stats()

    async def _peer(self, target: Target, timeout: float | None) -> tuple[bytes, HostPort]:
        return await peer(target, self._calls, self._sync._core, timeout)

    def __repr__(self) -> str:
        return f"<gossip.aio.Pool {self.id} of {self._sync!r}>"
