"""What is known of a node's pools, for people: members, the recently gone, round trips, events.

Hooks run on threads of the pools; everything here runs on one asyncio loop, to which
they hand over. So nothing here is locked.
"""

import asyncio
import base64
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from statistics import median
from typing import Any

from .. import __version__
from .._config import PoolConfig
from .._delegate import Delegate
from .._migration import MigrationKind, Step
from .._node import Gossip
from .._pool import Pool
from .._types import Member, MemberState, Message
from ..errors import GossipError

__all__ = ["Event", "Subscriber", "View", "describe", "endpoint"]

Event = dict[str, Any]
"""Something that happened: `time`, `event`, mostly `pool`, and what else belongs to it."""

RECENT = 100
"""Events that a newcomer is told of."""
GONE = 256
"""Members of each pool that are remembered after they are gone."""
BACKLOG = 512
"""Events that wait for one subscriber; who has more is cut off, and asks anew."""
HANDOVERS = 1024
"""Events on their way from the pools' threads; those wait while there are more, and the core drops and counts."""
PREVIEW = 256
"""Bytes of a message that are shown."""
ROUND_TRIPS = 7
"""Round trips of which the median is shown: one that was slow by accident moves nobody."""
HISTORY = 60
SUSPECTS_PERIOD = 0.1
NUMBERS_PERIOD = 1.0


def now() -> str:
    """The time, as all events have it."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


class Subscriber:
    """One who follows the events."""

    def __init__(self) -> None:
        self._queue: asyncio.Queue[Event] = asyncio.Queue(BACKLOG)
        self.lost = False

    def put(self, event: Event) -> None:
        """Adds an event, unless too many wait; then there will be no more."""
        try:
            self._queue.put_nowait(event)
        except asyncio.QueueFull:
            self.lost = True

    async def get(self) -> Event:
        """The next event."""
        return await self._queue.get()


class PoolView:
    """What is known of one pool beside what the pool knows itself."""

    def __init__(self, pool: Pool) -> None:
        self.pool = pool
        self.since: dict[str, tuple[MemberState, str]] = {}
        self.trips: dict[str, deque[float]] = {}
        self.history: deque[tuple[str, int, int]] = deque(maxlen=HISTORY)
        self.gone: dict[str, Event] = {}
        self.suspects: set[str] = set()
        self.looked_at: object = None

    def came(self, member: Member) -> None:
        self.gone.pop(member.name, None)
        self.since[member.name] = member.state, now()

    def went(self, member: Member) -> None:
        self.since.pop(member.name, None)
        self.trips.pop(member.name, None)
        self.suspects.discard(member.name)
        self.gone.pop(member.name, None)
        self.gone[member.name] = {**describe(member), "since": now()}
        while len(self.gone) > GONE:
            del self.gone[next(iter(self.gone))]

    def answered(self, name: str, rtt: float) -> float:
        trips = self.trips.setdefault(name, deque(maxlen=ROUND_TRIPS))
        trips.append(rtt)
        return median(trips)

    def member(self, member: Member) -> Event:
        state, since = self.since.get(member.name, (None, None))
        trips = self.trips.get(member.name)
        return {
            **describe(member),
            "since": since if state is member.state else None,
            "rtt_ms": round(median(trips) * 1000, 3) if trips else None,
        }

    def snapshot(self) -> Event:
        pool, config = self.pool, self.pool.config
        return {
            "id": pool.id,
            "framing": config.framing,
            "label": config.label,
            "encrypted": len(pool.keyring) > 0,
            "self": pool.local_node.name,
            "members": [self.member(member) for member in pool.members()],
            "gone": list(self.gone.values()),
            "history": list(self.history),
            **self.numbers(),
        }

    def remember(self) -> None:
        stats = self.pool.stats()
        self.history.append((now(), stats.packets_received, stats.packets_sent))

    def numbers(self) -> Event:
        stats = self.pool.stats()
        return {
            "health_score": stats.health_score,
            "stats": {
                **stats.counters,
                "refused": sum(stats.refused.values()),
                "callback_errors": stats.callback_errors,
            },
        }


def describe(member: Member) -> Event:
    """A member's own record."""
    return {
        "name": member.name,
        "endpoint": member.endpoint,
        "state": str(member.state),
        "meta": member.meta.decode("utf-8", "backslashreplace"),
        "meta_base64": base64.b64encode(member.meta).decode(),
        "incarnation": member.incarnation,
        "protocol": list(member.protocol),
    }


class View:
    """What is known of a node. Made on the loop that it lives on."""

    def __init__(self, node: Gossip) -> None:
        self.node = node
        self.listeners: list[Callable[[Event], None]] = []
        self._loop = asyncio.get_running_loop()
        self._pools: dict[int, PoolView] = {}
        self._recent: deque[Event] = deque(maxlen=RECENT)
        self._subscribers: set[Subscriber] = set()
        self._handovers = threading.Semaphore(HANDOVERS)
        self._closed = False
        self._started = now()
        self.lost_subscribers = 0

    def register_pool(self, config: PoolConfig) -> Pool:
        """Adds a pool to the node, and shows it."""
        pool = self.node.register_pool(config, _Hooks(self, config.id))
        self._pools[config.id] = PoolView(pool)
        return pool

    def close(self) -> None:
        """Takes nothing more; hooks that wait to hand over return."""
        self._closed = True

    @property
    def followers(self) -> int:
        """How many follow the events."""
        return len(self._subscribers)

    @contextmanager
    def subscribe(self) -> Iterator[Subscriber]:
        """Follows the events while the block lasts."""
        subscriber = Subscriber()
        self._subscribers.add(subscriber)
        try:
            yield subscriber
        finally:
            self._subscribers.discard(subscriber)
            self.lost_subscribers += subscriber.lost

    def publish(self, event: str, pool: int | None = None, **facts: Any) -> None:
        """Tells everybody of something that happened."""
        told: Event = {"time": now(), "event": event, **({} if pool is None else {"pool": pool}), **facts}
        if event not in ("ping", "numbers"):
            # What is logged in passing must not crowd out what happened.
            if facts.get("level") not in ("info", "debug"):
                self._recent.append(told)
            for listener in self.listeners:
                listener(told)
        for subscriber in self._subscribers:
            subscriber.put(told)

    def snapshot(self) -> Event:
        """Everything there is to show."""
        node = self.node
        return {
            "time": now(),
            "version": __version__,
            "started": self._started,
            "node": {
                "name": node.node_name,
                "addresses": [endpoint(address) for address in node.addresses],
                "advertise": endpoint(node.advertise_address),
            },
            "pools": [view.snapshot() for _, view in sorted(self._pools.items())],
            "port": dict(node.stats().counters),
            "followers": self.followers,
            "events": list(self._recent),
        }

    async def watch(self) -> None:
        """What no hook tells: who is suspected, and how the numbers go."""
        rounds = round(NUMBERS_PERIOD / SUSPECTS_PERIOD)
        while True:
            for _ in range(rounds):
                await asyncio.sleep(SUSPECTS_PERIOD)
                with suppress(GossipError):
                    self._find_suspects()
            with suppress(GossipError):
                pools = {str(id): view.numbers() for id, view in self._pools.items()}
                for view in self._pools.values():
                    view.remember()
                self.publish("numbers", pools=pools, port=dict(self.node.stats().counters))

    def _find_suspects(self) -> None:
        for id, view in self._pools.items():
            # The same object while nothing has changed: a large pool at rest costs nothing.
            members = view.pool._by_name()
            if members is view.looked_at:
                continue
            view.looked_at = members
            suspects = {name for name, member in members.items() if member.state is MemberState.SUSPECT}
            for name in sorted(suspects ^ view.suspects):
                if name in members:
                    self._tell_member("suspect" if name in suspects else "refuted", id, members[name])
            view.suspects = suspects

    def _tell_member(self, event: str, id: int, member: Member) -> None:
        view = self._pools[id]
        if event in ("leave", "fail"):
            view.went(member)
            return self.publish(event, id, **view.gone[member.name])
        if event != "update":
            view.came(member)
        self.publish(event, id, **view.member(member))

    def offer(self, event: str, **facts: Any) -> None:
        """Publishes from any thread without waiting; drops the event while too much is on its way."""
        if not self._closed and self._handovers.acquire(blocking=False):
            self._post(self.publish, event, **facts)

    def _hand_over(self, function: Callable[..., None], *args: Any) -> None:
        """From a pool's thread to the loop; waits while too much is on its way."""
        while not self._closed:
            if self._handovers.acquire(timeout=0.5):
                return self._post(function, *args)

    def _post(self, function: Callable[..., None], *args: Any, **facts: Any) -> None:
        def run() -> None:
            self._handovers.release()
            function(*args, **facts)

        # The loop is closed when the program ends.
        with suppress(RuntimeError):
            self._loop.call_soon_threadsafe(run)

    def _answered(self, id: int, member: Member, rtt: float) -> None:
        smooth = self._pools[id].answered(member.name, rtt)
        self.publish("ping", id, name=member.name, rtt_ms=round(rtt * 1000, 3), smooth_ms=round(smooth * 1000, 3))


class _Hooks(Delegate):
    """A pool's delegate: all it does is to hand over."""

    def __init__(self, view: View, pool_id: int) -> None:
        self._view = view
        self._id = pool_id

    def _member(self, event: str, member: Member) -> None:
        self._view._hand_over(self._view._tell_member, event, self._id, member)

    def notify_join(self, member: Member) -> None:
        self._member("join", member)

    def notify_update(self, member: Member) -> None:
        self._member("update", member)

    def notify_leave(self, member: Member) -> None:
        self._member("leave" if member.state is MemberState.LEFT else "fail", member)

    def notify_conflict(self, existing: Member, other: Member) -> None:
        facts = {"name": existing.name, "endpoint": existing.endpoint, "other": other.endpoint}
        self._view._hand_over(lambda: self._view.publish("conflict", self._id, **facts))

    def notify_isolated(self) -> None:
        self._view._hand_over(lambda: self._view.publish("isolated", self._id))

    def notify_healed(self, returned: int, missing: int) -> None:
        self._view._hand_over(
            lambda: self._view.publish("healed", self._id, returned=returned, missing=missing)
        )

    def notify_migrated(self, kind: MigrationKind, step: Step, by: str) -> None:
        facts = {"kind": kind.value, "step": step.value, "by": by}
        self._view._hand_over(lambda: self._view.publish("migrated", self._id, **facts))

    def notify_msg(self, message: Message) -> None:
        facts = {
            "source": endpoint(message.source),
            "reliable": message.reliable,
            "size": len(message.data),
            "text": message.data[:PREVIEW].decode("utf-8", "backslashreplace"),
        }
        self._view._hand_over(lambda: self._view.publish("message", self._id, **facts))

    def notify_ping_complete(self, member: Member, rtt: float, payload: bytes) -> None:
        self._view._hand_over(self._view._answered, self._id, member, rtt)


def endpoint(address: tuple[str, int]) -> str:
    """An address as text."""
    host, port = address
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
