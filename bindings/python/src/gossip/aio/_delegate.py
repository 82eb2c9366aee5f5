"""The application's side of a pool, as coroutines on its event loop."""

import asyncio
import inspect
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from .. import _core
from .._delegate import _VERDICTS, HOOKS, _answer, _arguments
from .._delegate import Delegate as SyncDelegate
from .._events import Call
from .._logging import delegates
from .._migration import MigrationKind, Step
from .._types import Member, Message
from ..errors import Rejected
from ._watch import Watch

__all__ = ["Delegate", "Dispatcher", "overridden"]


class Delegate:
    """What the application does for a pool, on the event loop: subclass, and override what you need.

    Hooks are as those of `gossip.Delegate`, which says what each is for, but coroutines, and
    run as tasks of the node's loop. Those that are told something run one at a time, in the
    order in which things happened; those that are asked, beside them, one at a time too, and
    are cancelled after `PoolConfig.query_timeout` seconds, when the default is taken. What a
    hook raises is logged to `gossip.delegate` and counted in `PoolStats.callback_errors`.
    """

    async def notify_join(self, member: Member) -> None:
        """A node joined or came back; also this node itself at the start."""

    async def notify_leave(self, member: Member) -> None:
        """A node is gone: `member.state` says whether it died or left."""

    async def notify_update(self, member: Member) -> None:
        """A node changed its metadata."""

    async def notify_conflict(self, existing: Member, other: Member) -> None:
        """Another node claims the name of `existing`; it was refused."""

    async def notify_isolated(self) -> None:
        """This node reaches no other member any more, or has tried all its seeds in vain."""

    async def notify_healed(self, returned: int, missing: int) -> None:
        """This node has company again, or `returned` members that it had lost are back."""

    async def notify_migrated(self, kind: MigrationKind, step: Step, by: str) -> None:
        """This node has taken a step of a migration, as `by`, perhaps itself, asked."""

    async def notify_msg(self, message: Message) -> None:
        """A message arrived: a broadcast, or one sent to this node."""

    async def merge_remote_state(self, state: bytes, join: bool) -> None:
        """Another node's application state arrived; `join` says whether in a join."""

    async def notify_ping_complete(self, member: Member, rtt: float, payload: bytes) -> None:
        """A probe of `member` was answered directly, `rtt` seconds after it was sent."""

    async def notify_overflow(self, dropped: int) -> None:
        """So many messages and other news were dropped, because these hooks did not keep up."""

    async def notify_shutdown(self) -> None:
        """The pool has ended: the last call of all."""

    async def local_state(self, join: bool) -> bytes | None:
        """Asked for the state that another node gets; `None` gives that of `Pool.set_local_state`."""
        return None

    async def notify_alive(self, member: Member) -> None:
        """Asked whether a new or changed node may be a member: raise `Rejected` if not."""

    async def notify_merge(self, members: Sequence[Member]) -> None:
        """Asked whether the state received in a join may be merged: raise `Rejected` if not."""

    async def allow_tcp_ping(self, name: str) -> bool:
        """Asked whether a node that is silent over UDP may be pinged over TCP."""
        return True


def overridden(delegate: object) -> list[str] | None:
    """The hooks that a delegate has something to do for; `None` if it has no coroutines."""
    own: dict[str, Any] = {}
    for name in HOOKS:
        hook = getattr(delegate, name, None)
        ours = (getattr(SyncDelegate, name), getattr(Delegate, name))
        if callable(hook) and getattr(hook, "__func__", hook) not in ours:
            own[name] = hook
    coroutines = isinstance(delegate, Delegate) or any(map(inspect.iscoroutinefunction, own.values()))
    return list(own) if coroutines else None


class Dispatcher:
    """The tasks that pull what a pool tells and asks, and call its delegate.

    They hold the queues and the delegate, not the pool or the node.
    """

    def __init__(
        self, pool_id: int, told: _core.Events | None, asked: _core.Events | None, delegate: object
    ) -> None:
        self.errors: int = 0
        self._pool_id = pool_id
        self._delegate = delegate
        self._queues = [queue for queue in (told, asked) if queue is not None]
        loop = asyncio.get_running_loop()
        self._tasks = [
            loop.create_task(self._run(queue, serve), name=f"gossip-{lane}-{pool_id}")
            for queue, serve, lane in ((told, self._tell, "delegate"), (asked, self._ask, "questions"))
            if queue is not None
        ]

    def close(self, timeout: float = 1.0) -> None:
        """Ends the tasks when they have served what is queued. From any thread, without waiting."""
        for queue in self._queues:
            queue.close()

    async def ended(self, timeout: float = 1.0) -> None:
        """Waits a moment until the tasks have served what was queued, then cancels them."""
        tasks = [task for task in self._tasks if task is not asyncio.current_task()]
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=timeout)
            for task in late:
                task.cancel()

    async def _run(self, queue: _core.Events, serve: Callable[[Call], Awaitable[None]]) -> None:
        watch = Watch(queue.fileno, "the delegate's queue")
        while (batch := queue.take(64)) is not None:
            if not batch:
                await watch.ready()
            for call in batch:
                await serve(call)
            # Hooks that never wait must not keep the loop.
            await asyncio.sleep(0)

    async def _tell(self, call: Call) -> None:
        hook, pool_id, args, _ = call
        serve = getattr(self._delegate, hook, None)
        if hook == "notify_overflow" and (
            serve is None or getattr(serve, "__func__", serve) is Delegate.notify_overflow
        ):
            delegates.warning("pool %d: %d messages dropped, the delegate does not keep up", self._pool_id, *args)
            return
        try:
            await self._call(hook, pool_id, args)
        except Exception:
            self._failed(hook)

    async def _ask(self, call: Call) -> None:
        hook, pool_id, args, answer = call
        if (left := answer.time_left()) <= 0:
            return
        try:
            async with asyncio.timeout(left):
                reply = await self._call(hook, pool_id, args)
            _answer(hook, reply, answer)
        except Rejected as refusal:
            answer.refuse(str(refusal))
        except Exception as error:
            self._failed(hook)
            if hook in _VERDICTS:
                answer.refuse(f"{hook} raised {type(error).__name__}")

    async def _call(self, hook: str, pool_id: int, args: tuple[Any, ...]) -> Any:
        result = getattr(self._delegate, hook)(*_arguments(hook, pool_id, args))
        try:
            return await result if inspect.isawaitable(result) else result
        except asyncio.CancelledError as error:
            task = asyncio.current_task()
            if task is None or task.cancelling():
                raise
            # The hook's own affair: it must not end the hooks after it.
            raise RuntimeError(f"{hook} was cancelled") from error

    def _failed(self, hook: str) -> None:
        self.errors += 1
        delegates.exception("pool %d: %s raised", self._pool_id, hook)
