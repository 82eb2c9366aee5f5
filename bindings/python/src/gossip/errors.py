"""What the library raises.

Everything derives from `GossipError`, and from the builtin exception that fits. What
the operating system refuses is an `OSError` with its number; a wait that took too long
is the builtin `TimeoutError`.
"""

from collections.abc import Mapping, Sequence
from enum import Enum
from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ._migration import MigrationReport

__all__ = [
    "ClosedError",
    "ConfigError",
    "ForkedError",
    "GossipError",
    "InternalError",
    "JoinError",
    "KeyringError",
    "MessageTooLargeError",
    "MigrationError",
    "NotJoinedError",
    "NotStartedError",
    "NotTakenError",
    "QueueFullError",
    "Refusal",
    "RegistrationError",
    "Rejected",
    "UnknownMemberError",
    "UnknownPoolError",
]


class GossipError(Exception):
    """The base of all errors of this library."""


class ConfigError(GossipError, ValueError):
    """Values that cannot work. Nothing has been changed or opened."""

    field: str | None
    """The first configuration key with a problem, where there is one."""
    value: str | None
    """The refused value, as text."""
    rule: str
    """The rule that it breaks, with the limit."""
    problems: Sequence[tuple[str | None, str | None, str]]
    """Every problem as field, value and rule, the first one included."""

    def __init__(
        self,
        field: str | None,
        value: object,
        rule: str,
        more: Sequence[tuple[str | None, str | None, str]] = (),
    ) -> None:
        super().__init__(field, value, rule, more)
        self.field = field
        self.value = None if value is None else str(value)
        self.rule = rule
        self.problems = ((field, self.value, rule), *more)

    def __str__(self) -> str:
        texts = (
            rule if field is None else f"{field} is {value}, {rule}"
            for field, value, rule in self.problems
        )
        return "; ".join(texts)


class NotStartedError(GossipError, RuntimeError):
    """The node has not been started."""


class ClosedError(GossipError, RuntimeError):
    """The node or pool has been shut down."""


class ForkedError(ClosedError):
    """The object belongs to the process that forked this one."""


class NotJoinedError(GossipError, RuntimeError):
    """The pool has left; join again first."""


class RegistrationError(GossipError, ValueError):
    """A pool or listener id is taken or reserved."""


class UnknownPoolError(GossipError, LookupError):
    """The node has no pool with this id."""


class UnknownMemberError(GossipError, LookupError):
    """The pool has no member of this name."""


class JoinError(GossipError, ConnectionError):
    """No seed could be reached; the pool is as it was."""

    failed: Mapping[str, str]
    """Each seed, and why it was not reached."""

    def __init__(self, text: str, failed: Sequence[tuple[str, str]] = ()) -> None:
        super().__init__(text)
        self.failed = MappingProxyType(dict(failed))

    def __reduce__(self) -> tuple[type["JoinError"], tuple[str, list[tuple[str, str]]]]:
        return type(self), (str(self), list(self.failed.items()))


class MessageTooLargeError(GossipError, ValueError):
    """The bytes do not fit where they must."""

    size: int
    """How many bytes there are."""
    limit: int
    """How many fit."""

    def __init__(self, what: str, size: int, limit: int) -> None:
        super().__init__(what, size, limit)
        self.size = size
        self.limit = limit

    def __str__(self) -> str:
        return f"{self.args[0]} is {self.size} bytes, at most {self.limit} fit"


class QueueFullError(GossipError, RuntimeError):
    """As many broadcasts wait as may; try again when some have been sent."""


class BusyError(GossipError, RuntimeError):
    """A doctor is at work in this pool already, or a migration under way; there is one at a time."""


class MigrationError(GossipError, RuntimeError):
    """Not every member has taken a step of a migration.

    Everybody understands everybody, and does until the next call, on any node, goes on from there.
    """

    report: "MigrationReport"
    """How far it came; its `missing` says who is in the way, and why."""

    def __init__(self, report: "MigrationReport") -> None:
        super().__init__(report)
        self.report = report

    def __str__(self) -> str:
        return f"migration of the {self.report}"


class Refusal(Enum):
    """Why the program of a receiver did not take a reliable message."""

    QUEUE_FULL = "queue_full"
    """Too much waits for it already; try again later."""
    UNHEARD = "unheard"
    """It has no delegate and no subscription for messages in that pool, or a closed one."""
    FAILED = "failed"
    """Its callback failed."""
    OTHER = "other"
    """For a reason that this version does not know."""


class NotTakenError(GossipError, RuntimeError):
    """The receiver got a reliable message, and its program did not take it and will not see it."""

    reason: Refusal
    """Why."""

    def __init__(self, text: str, reason: str | Refusal) -> None:
        super().__init__(text, reason)
        self.reason = Refusal(reason)

    def __str__(self) -> str:
        return str(self.args[0])


class KeyringError(GossipError, ValueError):
    """A key of the wrong size, one that the keyring does not hold, its primary one, or none to move from."""


class InternalError(GossipError, RuntimeError):
    """A defect of the library; please report it."""


class Rejected(GossipError):
    """Raised by a hook that is asked, to say no."""

    reason: str
    """Why, for the log."""

    def __init__(self, reason: str = "the application refused") -> None:
        super().__init__(reason)
        self.reason = reason
