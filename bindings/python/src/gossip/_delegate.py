"""The application's side of a pool, and the threads that call it."""

import threading
import weakref
from collections.abc import Sequence
from typing import Any, Protocol

from . import _core
from ._events import Call, message
from ._migration import MigrationKind, Step
from ._types import Member, Message
from .errors import Rejected

__all__ = ["Delegate", "Dispatcher", "Serving", "overridden"]


class Delegate:
    """What the application does for a pool: subclass, and override what you need.

    Hooks never run on the network path, and every method of the library may be called from
    every hook. Those that are told something run one at a time, in the order in which things
    happened, on a thread of the pool's own. Those that are asked run on another one, and
    have `PoolConfig.query_timeout` seconds to answer: then the default is taken, so a hook
    that hangs harms its own pool only. What a hook raises is logged to `gossip.delegate` and
    counted in `PoolStats.callback_errors`, nothing more. A hook that is not overridden costs
    nothing.

    Metadata, the state for others and the bytes in answers to pings need no hook: publish
    them with `Pool.update_node`, `Pool.set_local_state`, `Pool.set_ack_payload`.
    """

    def notify_join(self, member: Member) -> None:
        """A node joined or came back; also this node itself at the start."""

    def notify_leave(self, member: Member) -> None:
        """A node is gone: `member.state` says whether it died or left."""

    def notify_update(self, member: Member) -> None:
        """A node changed its metadata."""

    def notify_conflict(self, existing: Member, other: Member) -> None:
        """Another node claims the name of `existing`; it was refused."""

    def notify_isolated(self) -> None:
        """This node reaches no other member any more, or has tried all its seeds in vain.

        It goes on trying; see `Isolated`.
        """

    def notify_healed(self, returned: int, missing: int) -> None:
        """This node has company again, or `returned` members that it had lost are back.

        So many are still `missing` and looked for; see `Healed`.
        """

    def notify_migrated(self, kind: MigrationKind, step: Step, by: str) -> None:
        """This node has taken a step of a migration, as `by`, perhaps itself, asked.

        Write its keys or its label to where its configuration comes from; see `Migrated`.
        """

    def notify_msg(self, message: Message) -> None:
        """A message arrived: a broadcast, or one sent to this node."""

    def merge_remote_state(self, state: bytes, join: bool) -> None:
        """Another node's application state arrived; `join` says whether in a join."""

    def notify_ping_complete(self, member: Member, rtt: float, payload: bytes) -> None:
        """A probe of `member` was answered directly, `rtt` seconds after it was sent."""

    def notify_overflow(self, dropped: int) -> None:
        """So many messages and other news were dropped, because these hooks did not keep up.

        Changes of membership are never among them. Without this hook a warning is logged.
        """

    def notify_shutdown(self) -> None:
        """The pool has ended: the last call of all."""

    def local_state(self, join: bool) -> bytes | None:
        """Asked for the state that another node gets, in a join or not.

        `None`, an exception or no answer in time gives that of `Pool.set_local_state`.
        """
        return None

    def notify_alive(self, member: Member) -> None:
        """Asked whether a new or changed node may be a member: raise `Rejected` if not.

        Any other exception, and no answer in time, refuse it too.
        """

    def notify_merge(self, members: Sequence[Member]) -> None:
        """Asked whether the state received in a join may be merged: raise `Rejected` if not.

        Any other exception, and no answer in time, refuse it too.
        """

    def allow_tcp_ping(self, name: str) -> bool:
        """Asked whether a node that is silent over UDP may be pinged over TCP.

        An exception, and no answer in time, allow it.
        """
        return True


HOOKS = tuple(name for name, value in vars(Delegate).items() if callable(value))


def overridden(delegate: object) -> list[str]:
    """The hooks that `delegate`, of whatever class, has something to do for."""

    def is_own(name: str) -> bool:
        hook = getattr(delegate, name, None)
        return callable(hook) and getattr(hook, "__func__", hook) is not getattr(Delegate, name)

    return [name for name in HOOKS if is_own(name)]


class Serving(Protocol):
    """What calls the hooks of a pool's delegate."""

    errors: int

    def close(self, timeout: float = ...) -> None: ...


class Dispatcher:
    """The threads that pull what a pool tells and asks, and call its delegate.

    Python threads with their loops in Python: they can end with the interpreter at any point.
    While they wait they hold their queue and nothing else, so that a delegate which knows its
    pool keeps no node alive.
    """

    def __init__(
        self, pool_id: int, told: _core.Events | None, asked: _core.Events | None, delegate: object
    ) -> None:
        self.errors: int = 0
        self._pool_id = pool_id
        self._delegate = delegate
        self._queues = [queue for queue in (told, asked) if queue is not None]
        self._threads: list[threading.Thread] = []
        if told is not None:
            self._start(told, "told", f"gossip-delegate-{pool_id}")
        if asked is not None:
            self._start(asked, "asked", f"gossip-questions-{pool_id}")

    def close(self, timeout: float = 1.0) -> None:
        """Ends the threads when they have served what is queued, and waits a moment for that."""
        for queue in self._queues:
            queue.close()
        if threading.current_thread() not in self._threads:
            for thread in self._threads:
                thread.join(timeout)

    def _start(self, queue: _core.Events, lane: str, name: str) -> None:
        thread = threading.Thread(target=_run, args=(queue, weakref.ref(self), lane), name=name, daemon=True)
        self._threads.append(thread)
        thread.start()

    def serve(self, lane: str, batch: list[Call]) -> None:
        """Calls the hooks for what was pulled from one lane."""
        serve = self._tell if lane == "told" else self._ask
        for call in batch:
            serve(call)

    def _tell(self, call: Call) -> None:
        hook, pool_id, args, _ = call
        serve = getattr(self._delegate, hook, None)
        if hook == "notify_overflow" and not _is_own(serve, hook):
            from ._logging import delegates

            delegates.warning("pool %d: %d messages dropped, the delegate does not keep up", self._pool_id, *args)
            return
        try:
            serve(*_arguments(hook, pool_id, args))  # type: ignore[misc]
        # Also SystemExit: it would end this thread without a word, and with it all hooks.
        except BaseException:
            self._failed(hook)

    def _ask(self, call: Call) -> None:
        hook, pool_id, args, answer = call
        if answer.time_left() <= 0:
            return
        try:
            reply = getattr(self._delegate, hook)(*_arguments(hook, pool_id, args))
            _answer(hook, reply, answer)
        except Rejected as refusal:
            answer.refuse(str(refusal))
        except BaseException as error:
            self._failed(hook)
            if hook in _VERDICTS:
                answer.refuse(f"{hook} raised {type(error).__name__}")

    def _failed(self, hook: str) -> None:
        self.errors += 1
        from ._logging import delegates

        delegates.exception("pool %d: %s raised", self._pool_id, hook)


def _run(queue: _core.Events, of: "weakref.ref[Dispatcher]", lane: str) -> None:
    while (batch := queue.serve(256)) is not None:
        if (dispatcher := of()) is None:
            return
        dispatcher.serve(lane, batch)
        del dispatcher, batch


_VERDICTS = ("notify_alive", "notify_merge")


def _is_own(hook: Any, name: str) -> bool:
    return hook is not None and getattr(hook, "__func__", hook) is not getattr(Delegate, name)


def _answer(hook: str, reply: Any, answer: _core.Answer) -> None:
    """Gives the answer that a hook returned; raises if it makes none."""
    match hook, reply:
        case "local_state", None:
            answer.refuse("no state of its own")
        case "local_state", _:
            answer.state(reply)
        case "allow_tcp_ping", True:
            answer.admit()
        case "allow_tcp_ping", False:
            answer.refuse("no tcp ping")
        case ("notify_alive" | "notify_merge"), None:
            answer.admit()
        case ("notify_alive" | "notify_merge"), _:
            # Whoever returns False means no; to take it for yes would be worse than noise.
            raise TypeError(f"{hook} returns None or raises Rejected, it must not return {reply!r}")
        case _:
            raise TypeError(f"{hook} must not return {reply!r}")


def _arguments(hook: str, pool_id: int, args: tuple[Any, ...]) -> tuple[Any, ...]:
    """The arguments of a hook from what the core gives."""
    match hook:
        case "notify_join" | "notify_leave" | "notify_update" | "notify_conflict" | "notify_alive":
            return tuple(Member._from_core(fields) for fields in args)
        case "notify_merge":
            return (Member._all_from_core(args[0]),)
        case "notify_ping_complete":
            member, rtt, payload = args
            return Member._from_core(member), rtt, payload
        case "notify_migrated":
            kind, step, by = args
            return MigrationKind(kind), Step(step), by
        case "notify_msg":
            return (message(pool_id, *args),)
    return args
