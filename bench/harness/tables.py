"""Rows of figures: ours beside another's, as a ratio with its spread, the goal, and whether it is met."""

import statistics
from collections.abc import Callable
from dataclasses import dataclass, field

from .programs import Missing
from .runs import Samples, per_round

Figure = Callable[[], list[float]]


@dataclass(frozen=True)
class Goal:
    """What a figure has to be: `relation` is `≥` or `≤`; `of` is `ratio`, or `value` for what needs no peer."""

    relation: str
    limit: float
    of: str = "ratio"
    unit: str = ""

    def met(self, value: float) -> bool:
        """Whether the value is good enough."""
        return value >= self.limit if self.relation == "≥" else value <= self.limit

    def __str__(self) -> str:
        unit = " ×" if self.of == "ratio" else f" {self.unit}".rstrip()
        return f"{self.relation} {number(self.limit)}{unit}"


def at_least(limit: float) -> Goal:
    """The goal that ours is so many times the peer's, or more."""
    return Goal("≥", limit)


def at_most(limit: float) -> Goal:
    """The goal that ours is so many times the peer's, or less."""
    return Goal("≤", limit)


def value_at_least(limit: float, unit: str = "") -> Goal:
    """The goal of a figure that stands alone."""
    return Goal("≥", limit, "value", unit)


def value_at_most(limit: float, unit: str = "") -> Goal:
    """The goal of a figure that stands alone."""
    return Goal("≤", limit, "value", unit)


@dataclass
class Row:
    """One figure."""

    figure: str
    unit: str
    ours: list[float]
    peer: str = ""
    theirs: list[float] = field(default_factory=list)
    goal: Goal | None = None
    why: str = ""
    """Why there is nothing to compare with, or no figure at all."""
    ours_failed: bool = False
    """Whether it is ours that there is no figure of."""

    def ratios(self) -> list[float]:
        """Ours in parts of the peer's."""
        return per_round(self.ours, self.theirs) if self.ours and self.theirs else []

    def verdict(self) -> str:
        """`met`, `missed`, `not run`, or nothing where there is no goal."""
        if not self.goal:
            return "not run" if self.why else ""
        values = self.ratios() if self.goal.of == "ratio" else self.ours
        if not values:
            return "not run"
        return "met" if self.goal.met(statistics.median(values)) else "missed"


class Table:
    """The rows of a case."""

    def __init__(self, case: str, about: str) -> None:
        self.case, self.about = case, about
        self.rows: list[Row] = []
        self.notes: list[str] = []
        self.seconds = 0.0
        self.plots: list[tuple[str, str, str]] = []
        """Name of the file, what it shows, and the picture."""

    def add(
        self, figure: str, unit: str, samples: Samples, key: str | tuple[str, str], ours: str = "ours",
        peer: str = "", goal: Goal | None = None, scale: float = 1.0, shown: str = "",
    ) -> None:
        """A row from samples: the figure `key` (of ours, and of the peer if it calls it otherwise).

        `ours` and `peer` are names of contenders; the peer is shown as `shown`, if that is given."""
        our_key, their_key = key if isinstance(key, tuple) else (key, key)
        row = Row(figure, unit, [], shown or peer, goal=goal)
        try:
            row.ours = [value * scale for value in samples.of(ours, our_key)]
            if peer:
                row.theirs = [value * scale for value in samples.of(peer, their_key)]
        except Missing as why:
            row.ours_failed = not row.ours
            row.why = f"{peer if row.ours else ours}: {why}"
        self.rows.append(row)

    def note(self, text: str) -> None:
        """Something to be said under the table."""
        self.notes.append(text)

    def markdown(self) -> str:
        """The table, its notes and its plots."""
        text = [
            "| figure | ours | beside | theirs | ours / theirs | goal | |",
            "| --- | ---: | --- | ---: | ---: | --- | --- |",
            *(line(row) for row in self.rows),
        ]
        if self.notes:
            text += ["", *(f"- {note}" for note in self.notes)]
        text += [f"\n![{about}](performance/{name}.svg)" for name, about, _ in self.plots]
        return "\n".join(text)


def line(row: Row) -> str:
    """A row as Markdown."""
    verdict = {"missed": "**missed**"}.get(row.verdict(), row.verdict())
    if row.why:
        why = row.why.replace("|", "/").replace("\n", " ")
        verdict = f"{verdict or 'not run'}: {why}" if row.verdict() in ("", "not run") else f"{verdict}; {why}"
    goal = str(row.goal) if row.goal else ""
    cells = [
        row.figure, middle(row.ours, row.unit), row.peer, middle(row.theirs, row.unit), spread(row.ratios()), goal,
        verdict,
    ]
    return "| " + " | ".join(cells) + " |"


def middle(values: list[float], unit: str) -> str:
    """The median; where there is no other to compare with the reader finds the spread in the ratio."""
    return f"{number(statistics.median(values))} {unit}".strip() if values else ""


def spread(values: list[float]) -> str:
    """The median, and the least and the largest behind it."""
    if not values:
        return ""
    return f"{number(statistics.median(values))} [{number(min(values))}–{number(max(values))}]"


def number(value: float) -> str:
    """Three digits that mean something."""
    if value == 0 or not value < float("inf"):
        return f"{value:g}"
    if abs(value) >= 100:
        return f"{value:,.0f}".replace(",", " ")
    digits = 2 if abs(value) >= 1 else 3
    return f"{value:.{digits + (1 if abs(value) < 0.01 else 0)}f}".rstrip("0").rstrip(".") or "0"
