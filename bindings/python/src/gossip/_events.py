"""What happens in a pool, as values to be pulled from a subscription."""

from collections.abc import Callable
from typing import Any, TypeAlias, final

from ._migration import MigrationKind, Step
from ._record import record
from ._types import Member, MemberState, Message

__all__ = [
    "MEMBERSHIP",
    "Event",
    "Healed",
    "Isolated",
    "MemberConflict",
    "MemberJoined",
    "MemberLeft",
    "MemberUpdated",
    "Migrated",
    "Overflow",
    "PingCompleted",
    "PoolEnded",
    "RemoteState",
    "event",
    "hooks_of",
    "message",
]


@final
@record()
class MemberJoined:
    """A node joined or came back; also this node itself at the start."""

    pool_id: int
    """The pool in which it happened."""
    member: Member
    """The member."""


@final
@record()
class MemberLeft:
    """A node is gone."""

    pool_id: int
    """The pool in which it happened."""
    member: Member
    """Who it was; its state says whether it died or left."""

    @property
    def failed(self) -> bool:
        """Whether it went without a word."""
        return self.member.state is MemberState.DEAD


@final
@record()
class MemberUpdated:
    """A node changed its metadata."""

    pool_id: int
    """The pool in which it happened."""
    member: Member
    """The member as it is now."""


@final
@record()
class MemberConflict:
    """Another node claims the name of a member; it was refused."""

    pool_id: int
    """The pool in which it happened."""
    member: Member
    """The member that keeps the name."""
    other: Member
    """The claimant."""


@final
@record()
class Isolated:
    """This node reaches no other member any more, or has tried all its seeds in vain.

    It goes on trying, and tells by `Healed` once it has company again. Not told if everybody
    else has said goodbye and there are no seeds.
    """

    pool_id: int
    """The pool in which it is alone."""


@final
@record()
class Healed:
    """This node has company again, or members that it had lost are back where they were.

    Told once no more of them have come for two seconds, ten at most.
    """

    pool_id: int
    """The pool in which it happened."""
    returned: int
    """Members lost before that came back since this was last told."""
    missing: int
    """Members that are still lost and looked for."""


@final
@record()
class Migrated:
    """This node has taken a step of a migration: its keys, its encryption or its label are others now.

    Write them to where its configuration comes from: started with the old ones it does not get in.
    """

    pool_id: int
    """The pool in which it happened."""
    kind: MigrationKind
    """What has changed."""
    step: Step
    """Which step was taken."""
    by: str
    """The member that sees to the migration; this node's own name if it does so itself."""


@final
@record()
class RemoteState:
    """Another node's application state arrived."""

    pool_id: int
    """The pool in which it arrived."""
    data: bytes
    """The bytes that the other application published."""
    join: bool
    """Whether it came in a join."""


@final
@record()
class PingCompleted:
    """A probe was answered directly."""

    pool_id: int
    """The pool in which it was."""
    member: Member
    """Who answered."""
    rtt: float
    """Seconds from the ping to its answer."""
    payload: bytes
    """The bytes that the other application attached."""


@final
@record()
class Overflow:
    """Events were dropped, because the subscription was full. Changes of membership never are."""

    dropped: int
    """How many, since this was last told."""


@final
@record()
class PoolEnded:
    """The pool has ended: its last event."""

    pool_id: int
    """Which pool."""


Event: TypeAlias = (
    MemberJoined
    | MemberLeft
    | MemberUpdated
    | MemberConflict
    | Isolated
    | Healed
    | Migrated
    | Message
    | RemoteState
    | PingCompleted
    | Overflow
    | PoolEnded
)
"""Everything that a subscription can bring."""

Call: TypeAlias = tuple[str, int, tuple[Any, ...], Any]
"""What the core gives: a hook's name, the pool, the hook's arguments, and the right to answer."""

MEMBERSHIP: tuple[type, ...] = (
    MemberJoined,
    MemberLeft,
    MemberUpdated,
    MemberConflict,
    Isolated,
    Healed,
    PoolEnded,
)
"""What a subscription brings that names no kinds."""

_HOOKS: dict[type, str] = {
    MemberJoined: "notify_join",
    MemberLeft: "notify_leave",
    MemberUpdated: "notify_update",
    MemberConflict: "notify_conflict",
    Isolated: "notify_isolated",
    Healed: "notify_healed",
    Migrated: "notify_migrated",
    Message: "notify_msg",
    RemoteState: "merge_remote_state",
    PingCompleted: "notify_ping_complete",
    Overflow: "notify_overflow",
    PoolEnded: "notify_shutdown",
}


def hooks_of(kinds: tuple[type, ...]) -> list[str]:
    """The names that the core has for kinds of events."""
    for kind in kinds:
        if kind not in _HOOKS:
            raise TypeError(f"{kind!r} is no kind of event")
    return [_HOOKS[kind] for kind in kinds]


def message(pool_id: int, *fields: Any) -> Message:
    """A message from what the core gives."""
    return Message._from_core(pool_id, fields)


_member = Member._from_core

_MAKE: dict[str, Callable[..., Event]] = {
    "notify_join": lambda pool, member: MemberJoined(pool_id=pool, member=_member(member)),
    "notify_leave": lambda pool, member: MemberLeft(pool_id=pool, member=_member(member)),
    "notify_update": lambda pool, member: MemberUpdated(pool_id=pool, member=_member(member)),
    "notify_conflict": lambda pool, member, other: MemberConflict(
        pool_id=pool, member=_member(member), other=_member(other)
    ),
    "notify_isolated": lambda pool: Isolated(pool_id=pool),
    "notify_healed": lambda pool, returned, missing: Healed(
        pool_id=pool, returned=returned, missing=missing
    ),
    "notify_migrated": lambda pool, kind, step, by: Migrated(
        pool_id=pool, kind=MigrationKind(kind), step=Step(step), by=by
    ),
    "notify_msg": message,
    "merge_remote_state": lambda pool, data, join: RemoteState(pool_id=pool, data=data, join=join),
    "notify_ping_complete": lambda pool, member, rtt, payload: PingCompleted(
        pool_id=pool, member=_member(member), rtt=rtt, payload=payload
    ),
    "notify_overflow": lambda pool, dropped: Overflow(dropped=dropped),
    "notify_shutdown": lambda pool: PoolEnded(pool_id=pool),
}


def event(call: Call) -> Event:
    """An event from what the core gives."""
    hook, pool_id, args, _ = call
    return _MAKE[hook](pool_id, *args)
