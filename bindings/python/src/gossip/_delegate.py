"""The application's side of a pool, and the thread that calls it."""

import logging
import threading
from typing import Any

from . import _core
from ._types import Member, Message

__all__ = ["Delegate", "Dispatcher", "overridden"]

log = logging.getLogger("gossip.delegate")


class Delegate:
    """What the application does for a pool: subclass, and override what you need.

    Hooks run one at a time, in the order in which things happened, on a thread of the
    pool's own: never on the network path. Every method of the library may be called from
    every hook. What a hook raises is logged to `gossip.delegate` and counted, nothing
    more. A hook that is not overridden costs nothing.
    """

    def notify_join(self, member: Member) -> None:
        """A node joined or came back; also this node itself at the start."""

    def notify_leave(self, member: Member) -> None:
        """A node is gone: `member.state` says whether it died or left."""

    def notify_update(self, member: Member) -> None:
        """A node changed its metadata."""

    def notify_conflict(self, existing: Member, other: Member) -> None:
        """Another node claims the name of `existing`; it was refused."""

    def notify_msg(self, message: Message) -> None:
        """A message arrived: a broadcast, or one sent to this node."""

    def merge_remote_state(self, state: bytes, join: bool) -> None:
        """Another node's application state arrived; `join` says whether in a join."""

    def notify_ping_complete(self, member: Member, rtt: float, payload: bytes) -> None:
        """A probe of `member` was answered directly, `rtt` seconds after it was sent."""


HOOKS = tuple(name for name, value in vars(Delegate).items() if callable(value))


def overridden(delegate: object) -> list[str]:
    """The hooks that `delegate`, of whatever class, has something to do for."""

    def is_own(name: str) -> bool:
        hook = getattr(delegate, name, None)
        return callable(hook) and getattr(hook, "__func__", hook) is not getattr(Delegate, name)

    return [name for name in HOOKS if is_own(name)]


class Dispatcher:
    """The thread that pulls a pool's events and calls its delegate.

    A Python thread with its loop in Python: it can end with the interpreter at any point.
    """

    def __init__(self, pool_id: int, events: _core.Events, delegate: object) -> None:
        self.errors = 0
        self._pool_id = pool_id
        self._events = events
        self._delegate = delegate
        self._thread = threading.Thread(target=self._run, name=f"gossip-delegate-{pool_id}", daemon=True)
        self._thread.start()

    def close(self, timeout: float = 1.0) -> None:
        """Ends the thread when it has served what is queued, and waits a moment for that."""
        self._events.close()
        if threading.current_thread() is not self._thread:
            self._thread.join(timeout)

    def _run(self) -> None:
        while (batch := self._events.take(256)) is not None:
            for hook, args in batch:
                self._call(hook, args)

    def _call(self, hook: str, args: tuple[Any, ...]) -> None:
        if hook == "overflow":
            log.warning("pool %d: %d messages dropped, the delegate does not keep up", self._pool_id, *args)
            return
        try:
            getattr(self._delegate, hook)(*_arguments(hook, args))
        # Also SystemExit: it would end this thread without a word, and with it all hooks.
        except BaseException:
            self.errors += 1
            log.exception("pool %d: %s raised", self._pool_id, hook)


def _arguments(hook: str, args: tuple[Any, ...]) -> tuple[Any, ...]:
    """The arguments of a hook from what the core gives."""
    match hook:
        case "notify_join" | "notify_leave" | "notify_update" | "notify_conflict":
            return tuple(Member._from_core(fields) for fields in args)
        case "notify_ping_complete":
            member, rtt, payload = args
            return Member._from_core(member), rtt, payload
        case "notify_msg":
            data, source, reliable = args
            return (Message(data=data, source=source[:2], reliable=reliable),)
    return args
