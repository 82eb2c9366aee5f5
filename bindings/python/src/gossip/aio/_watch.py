"""Where tasks wait: the only file that touches an event loop's readers.

Nothing here is called from another thread. A descriptor becomes readable, the loop that
watches it wakes a task, and the task takes what is there.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from contextlib import suppress

__all__ = ["Watch"]


class Watch:
    """Tasks of one loop that wait for one descriptor, served in the order of their coming.

    The loop watches the descriptor only while a task waits, so a forgotten object is kept
    by no loop, and one without readers costs nothing.
    """

    def __init__(self, descriptor: Callable[[], int], what: str) -> None:
        self._descriptor = descriptor
        self._what = what
        self._loop: asyncio.AbstractEventLoop | None = None
        self._watched = -1
        self._waiting: deque[asyncio.Future[None]] = deque()

    def bind(self) -> asyncio.AbstractEventLoop:
        """The running loop, from now on the only one."""
        loop = asyncio.get_running_loop()
        if self._loop is not loop:
            if self._loop is not None and not self._loop.is_closed():
                raise RuntimeError(f"{self._what} belongs to {self._loop!r}, it cannot be used in {loop!r}")
            self._loop, self._watched = loop, -1
            self._waiting.clear()
        return loop

    async def ready(self) -> None:
        """Waits until the descriptor is readable, or until `wake`. May return too early."""
        loop = self.bind()
        waiter: asyncio.Future[None] = loop.create_future()
        if self._watched < 0:
            descriptor = self._descriptor()
            if descriptor < 0:
                return
            loop.add_reader(descriptor, self._ring)
            self._watched = descriptor
        self._waiting.append(waiter)
        try:
            await waiter
        finally:
            with suppress(ValueError):
                self._waiting.remove(waiter)
            if not self._waiting:
                self._unwatch()

    def wake(self) -> None:
        """Wakes every task, and lets go of the descriptor, which may be closed now."""
        self._unwatch()
        for waiter in self._waiting:
            if not waiter.done():
                waiter.set_result(None)

    def _ring(self) -> None:
        # One item, one task; whoever is woken and does not take it leaves it to the next call.
        while self._waiting:
            waiter = self._waiting.popleft()
            if not waiter.done():
                waiter.set_result(None)
                break
        if not self._waiting:
            self._unwatch()

    def _unwatch(self) -> None:
        if self._watched >= 0 and self._loop is not None and not self._loop.is_closed():
            self._loop.remove_reader(self._watched)
        self._watched = -1
