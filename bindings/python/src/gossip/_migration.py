"""What moves a whole pool: to another key, to encryption, to another label."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, TypeAlias, final

from ._address import as_bytes
from ._record import record
from ._types import Buffer
from .errors import MigrationError

__all__ = [
    "MigrationKind",
    "MigrationProgress",
    "MigrationReport",
    "Missing",
    "Step",
    "Trouble",
    "Wanted",
    "complete",
    "progress_of",
    "wanted",
]


class MigrationKind(StrEnum):
    """In what a migration changes a pool."""

    KEY = "key"
    """From one key to another."""
    ENCRYPTION = "encryption"
    """From clear text to encryption."""
    LABEL = "label"
    """From one label to another, or none."""


class Step(StrEnum):
    """The steps of a migration, in their order; each is taken by every member before the next."""

    ACCEPT = "accept"
    """The new is understood beside the old."""
    SPEAK = "speak"
    """The new is spoken, the old still understood."""
    REQUIRE = "require"
    """The old is understood no longer."""


class Trouble(StrEnum):
    """Why a member has not taken a step of a migration."""

    WAITING = "waiting"
    """It was not asked, because others had not come so far."""
    UNANSWERED = "unanswered"
    """It did not answer."""
    DRAINING = "draining"
    """It has taken the step, and has not ended what it began before that."""
    DISAGREES = "disagrees"
    """It knows other members than this node does, so that somebody may be overlooked."""
    LOST = "lost"
    """It died without a goodbye, and may come back; see `without_lost`."""
    MANUAL = "manual"
    """It takes no such requests: it runs memberlist, or an older version; see `by_hand`."""
    REFUSED = "refused"
    """It refuses; `reason` says why."""


@final
@record()
class Missing:
    """A member that has not taken a step."""

    member: str
    """Its name."""
    trouble: Trouble
    """Why not."""
    reason: str
    """The same in words, with what to do about it."""

    def __str__(self) -> str:
        return f"{self.member} {self.reason}"


@final
@record()
class MigrationProgress:
    """News of a migration on the node that sees to it: a member has taken a step, or is in the way."""

    step: Step
    """The step that is being taken."""
    member: str
    """The member that there is news of."""
    trouble: Trouble | None
    """Why it has not taken the step yet; `None`: it has."""
    reason: str | None
    """The same in words."""
    done: int
    """How many members have taken the step, this node included."""
    total: int
    """How many there are, without those that are passed over."""

    def __str__(self) -> str:
        return f"{self.step}: {self.member} {self.reason or 'is done'}, {self.done} of {self.total}"


@final
@record(hidden="text")
class MigrationReport:
    """How far a migration came. As text a sentence for people."""

    kind: MigrationKind
    """What was to change."""
    reached: Step | None
    """The last step that every member has taken; `None` if not even the first."""
    until: Step
    """The step that was to be reached."""
    members: tuple[str, ...]
    """Who has come so far, this node included."""
    by_hand: tuple[str, ...]
    """Members that were passed over because they take no such requests."""
    lost: tuple[str, ...]
    """Members that were passed over because they are dead; as they were, they do not get in again."""
    missing: tuple[Missing, ...]
    """Who has not taken the next step, and why; empty if the migration came where it should."""
    text: str
    """A sentence for people: how far it came, and who is missing."""

    @property
    def is_complete(self) -> bool:
        """Whether the migration came where it should."""
        return not self.missing and self.reached is self.until

    def __str__(self) -> str:
        return self.text

    @classmethod
    def _from_core(cls, fields: Mapping[str, Any], /) -> "MigrationReport":
        reached = fields["reached"]
        return cls(
            **{
                **fields,
                "kind": MigrationKind(fields["kind"]),
                "reached": None if reached is None else Step(reached),
                "until": Step(fields["until"]),
                "members": tuple(fields["members"]),
                "by_hand": tuple(fields["by_hand"]),
                "lost": tuple(fields["lost"]),
                "missing": tuple(_missing(*row) for row in fields["missing"]),
            }
        )


def complete(fields: Mapping[str, Any]) -> MigrationReport:
    """The report of a migration, if it came where it should."""
    report = MigrationReport._from_core(fields)
    if not report.is_complete:
        raise MigrationError(report)
    return report


def _missing(member: str, trouble: str, reason: str) -> Missing:
    return Missing(member=member, trouble=Trouble(trouble), reason=reason)


def progress_of(fields: tuple[Any, ...], /) -> MigrationProgress:
    """News from what the core gives."""
    step, member, trouble, reason, done, total = fields
    return MigrationProgress(
        step=Step(step),
        member=member,
        trouble=None if trouble is None else Trouble(trouble),
        reason=reason,
        done=done,
        total=total,
    )


Wanted: TypeAlias = tuple[str, Buffer, str, bool, bool]
"""A migration as the core takes it: kind, to what, the last step, and what is passed over."""


def wanted(
    key: Buffer | None,
    encryption: Buffer | None,
    label: str | Buffer | None,
    until: Step | str,
    by_hand: bool,
    without_lost: bool,
) -> Wanted:
    """The same from what users give."""
    given = {"key": key, "encryption": encryption, "label": None if label is None else as_bytes(label)}
    named = [(kind, to) for kind, to in given.items() if to is not None]
    if len(named) != 1:
        names = " and ".join(kind for kind, _ in named) or "none of them"
        raise TypeError(f"a pool moves to one of key, encryption and label; {names} was given")
    try:
        last = Step(until)
    except ValueError:
        raise ValueError(f"until is {until!r}, must be one of {', '.join(Step)}") from None
    [(kind, to)] = named
    try:
        memoryview(to).release()
    except TypeError:
        raise TypeError(f"{kind} must be bytes, not {type(to).__name__}") from None
    return kind, to, last.value, bool(by_hand), bool(without_lost)
