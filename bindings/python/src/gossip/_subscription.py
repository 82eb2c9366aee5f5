"""Queues of events that the application pulls from."""

import contextlib
from collections.abc import Callable, Iterator
from time import monotonic
from types import TracebackType
from typing import Generic, Self, TypeVar, final

from . import _core
from ._address import Seconds, limit
from ._events import Call
from ._types import QueueStats
from ._wait import deadline_of, serves_signals
from .errors import ClosedError, ForkedError

__all__ = ["Subscription"]

T = TypeVar("T")


@final
class Subscription(Generic[T]):
    """A bounded queue of what one pool, or all pools of a node, tell from now on.

    Iterate over it, `get` from it, or watch it with `select`, `selectors` and every event
    loop, for it has a `fileno()`, and then `drain` it. It may be used from any thread; each
    event goes to one of those who take. It ends with its pool or node, or when it is closed
    or let go; what is in it by then can still be taken.

    When it is full, further messages, conflicts, pings and states are dropped, counted, and
    told by one `Overflow`. Changes of membership are never lost: beyond the limit those of
    one member become one, its latest.
    """

    __slots__ = ("__weakref__", "_closed", "_make", "_queue")

    def __init__(self, queue: _core.Events, make: Callable[[Call], T | None]) -> None:
        self._queue = queue
        self._make = make
        self._closed = False

    def get(self, timeout: Seconds | None = None) -> T:
        """Waits for the next event: `None` without limit.

        Raises `TimeoutError` when the time is up, and `ClosedError` once the subscription
        has ended and is empty. Ctrl-C ends the wait.
        """
        if (event := self._next(limit(timeout))) is None:
            raise ClosedError("subscription has ended")
        return event

    def try_get(self) -> T | None:
        """The next event, if one waits; `ClosedError` as `get`."""
        while calls := self._queue.take(1):
            if (event := self._make(calls[0])) is not None:
                return event
        if calls is None:
            raise ClosedError("subscription has ended")
        return None

    def drain(self, limit: int | None = None) -> list[T]:
        """Everything that waits, at most `limit` events, without waiting.

        Empty also when the subscription has ended; see `ended`.
        """
        calls = self._queue.take(_ALL if limit is None else limit) if limit != 0 else None
        return [event for event in map(self._make, calls or ()) if event is not None]

    def fileno(self) -> int:
        """A descriptor that is readable while something waits, and after the end.

        What a thread takes that blocks in `get` or a loop does not show in it.

        It belongs to the library and stays the same: only watch it, and let go of it before
        `close`. -1 once the subscription was closed here.
        """
        return -1 if self._closed else self._queue.fileno()

    def close(self) -> None:
        """Ends the subscription: nothing is added any more, and everyone who waits wakes."""
        self._closed = True
        # In a forked child there is nothing to close.
        with contextlib.suppress(ForkedError):
            self._queue.close()

    @property
    def closed(self) -> bool:
        """Whether it was closed here."""
        return self._closed

    @property
    def ended(self) -> bool:
        """Whether nothing is added any more: it was closed, or its pool or node has ended."""
        return self._queue.is_closed()

    @property
    def dropped(self) -> int:
        """Events that were dropped so far, because too many waited."""
        return self.stats().dropped

    def stats(self) -> QueueStats:
        """What has passed through, and what waits."""
        return QueueStats(*self._queue.stats())

    def __iter__(self) -> Iterator[T]:
        """Takes events until the subscription has ended and is empty."""
        while (event := self._next(None)) is not None:
            yield event

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<gossip.Subscription {'ended' if self.ended else 'open'}>"

    def __reduce__(self) -> tuple[object, ...]:
        raise TypeError("a Subscription belongs to its process and cannot be pickled")

    def _next(self, timeout: float | None) -> T | None:
        """Waits for the next event; `None` at the end."""
        deadline = deadline_of(timeout)
        while (calls := self._queue.take(1) or self._wait(deadline)) is not None:
            if not calls:
                raise TimeoutError("timed out")
            if (event := self._make(calls[0])) is not None:
                return event
        return None

    def _wait(self, deadline: float | None) -> list[Call] | None:
        left = None if deadline is None else max(0.0, deadline - monotonic())
        return self._queue.wait(1, left, serves_signals())


_ALL = 1 << 30
