"""Queues of events, for coroutines."""

from collections.abc import AsyncIterator
from types import TracebackType
from typing import Generic, Self, TypeVar, final

from .._subscription import Subscription as SyncSubscription
from .._types import QueueStats
from ..errors import ClosedError
from ._watch import Watch

__all__ = ["Subscription"]

T = TypeVar("T")


@final
class Subscription(Generic[T]):
    """A bounded queue of what one pool, or all pools of a node, tell from now on.

    Iterate over it with `async for`, or `get` from it, in any number of tasks of one loop; each
    event goes to one of them. It ends with its pool or node, or when it is closed or let go;
    what is in it by then can still be taken. When it is full, it is as `gossip.Subscription`.
    """

    def __init__(self, subscription: SyncSubscription[T], /) -> None:
        self._sync = subscription
        self._watch = Watch(subscription.fileno, repr(subscription))

    @property
    def sync(self) -> SyncSubscription[T]:
        """The same subscription in the synchronous API."""
        return self._sync

    async def get(self) -> T:
        """Waits for the next event; `ClosedError` once the subscription has ended and is empty.

        A cancelled wait takes nothing.
        """
        while (event := self._sync.try_get()) is None:
            await self._watch.ready()
        return event

    def try_get(self) -> T | None:
        """The next event, if one waits; `ClosedError` as `get`."""
        return self._sync.try_get()

    def drain(self, limit: int | None = None) -> list[T]:
        """Everything that waits, at most `limit` events, without waiting.

        Empty also when the subscription has ended; see `ended`.
        """
        return self._sync.drain(limit)

    @property
    def ended(self) -> bool:
        """Whether nothing is added any more: it was closed, or its pool or node has ended."""
        return self._sync.ended

    @property
    def dropped(self) -> int:
        """Events that were dropped so far, because too many waited."""
        return self._sync.dropped

    def stats(self) -> QueueStats:
        """What has passed through, and what waits."""
        return self._sync.stats()

    def close(self) -> None:
        """Ends the subscription: nothing is added any more, and everyone who waits wakes."""
        self._watch.wake()
        self._sync.close()

    async def __aiter__(self) -> AsyncIterator[T]:
        while True:
            try:
                event = await self.get()
            except ClosedError:
                return
            yield event

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<gossip.aio.Subscription {'ended' if self.ended else 'open'}>"
