"""Calls that take time: begun in the core, awaited here."""

import asyncio
import os
import socket
from collections.abc import Callable
from typing import Any

from .. import _core
from ..errors import ClosedError

__all__ = ["Calls"]


class Calls:
    """What a node's coroutines have asked the core for, and their futures.

    One descriptor tells the loop that some have ended. A coroutine that is cancelled breaks
    its call off in the core.
    """

    def __init__(self) -> None:
        self._process = os.getpid()
        self.core: _core.Calls = _core.Calls()
        self._face = socket.socket(fileno=self.core.face())
        self._loop: asyncio.AbstractEventLoop | None = None
        self._futures: dict[int, asyncio.Future[Any]] = {}
        self._news: dict[int, Callable[[Any], object]] = {}

    def bind(self) -> asyncio.AbstractEventLoop:
        """The running loop, from now on the only one."""
        loop = asyncio.get_running_loop()
        if self._loop is None:
            self._loop = loop
        elif self._loop is not loop:
            raise RuntimeError(f"this node belongs to {self._loop!r}, it cannot be used in {loop!r}")
        return loop

    async def run(
        self, begin: Callable[..., int], *arguments: Any, news: Callable[[Any], object] | None = None
    ) -> Any:
        """Begins a call and waits for what it brings; `news` gets how it goes, and may break it off."""
        loop = self.bind()
        if self._face.fileno() < 0:
            raise ClosedError("node or pool is shut down")
        number = begin(*arguments)
        future: asyncio.Future[Any] = loop.create_future()
        if not self._futures:
            loop.add_reader(self._face.fileno(), self._drain)
        self._futures[number] = future
        if news is not None:
            self._news[number] = news
        try:
            return await future
        finally:
            self._news.pop(number, None)
            if self._futures.pop(number, None) is not None:
                self.core.forget(number)
            self._rest()

    def close(self) -> None:
        """Ends what is under way. Called by no coroutine that still has something to await."""
        if os.getpid() != self._process:
            # The loop, and what it watches, are those of the parent, which goes on.
            return self._face.close()
        futures, self._futures = self._futures, {}
        for future in futures.values():
            if not future.done():
                future.set_exception(ClosedError("node or pool is shut down"))
        if self._face.fileno() >= 0:
            self._rest()
            self.core.close()
            self._face.close()

    def __del__(self) -> None:
        # The node complains of being forgotten; once is enough.
        if "_face" in vars(self):
            self.close()

    def _drain(self) -> None:
        for number, value, error, has_ended in self.core.take():
            future = self._futures.pop(number, None) if has_ended else self._futures.get(number)
            if future is None or future.done():
                continue
            if not has_ended:
                self._tell(number, value, future)
                continue
            if error is None:
                future.set_result(value)
            else:
                future.set_exception(error)
        self._rest()

    def _tell(self, number: int, value: Any, future: asyncio.Future[Any]) -> None:
        try:
            self._news[number](value)
        except asyncio.CancelledError:
            future.cancel()
        except StopIteration as error:
            # A future takes none.
            future.set_exception(RuntimeError(f"progress raised {error!r}"))
        except Exception as error:
            # It comes out of the coroutine, which forgets the call.
            future.set_exception(error)

    def _rest(self) -> None:
        """Watches no more when nothing is under way."""
        if not self._futures and self._loop is not None and not self._loop.is_closed():
            if self._face.fileno() >= 0:
                self._loop.remove_reader(self._face.fileno())
