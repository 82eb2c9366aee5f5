"""docs/performance.md: the tables of a whole run, and on what machine they were made."""

import os
import platform
import shutil
import time
from dataclasses import dataclass
from pathlib import Path

from statistics import median

from . import plot, programs
from .tables import Row, Table

DOCUMENT = programs.ROOT / "docs" / "performance.md"
PICTURES = programs.ROOT / "docs" / "performance"
METHOD = programs.BENCH / "method.md"


@dataclass(frozen=True)
class Machine:
    """Where and when a run takes place."""

    load: float
    cpus: int
    text: str

    @classmethod
    def look(cls) -> "Machine":
        """The machine as it is now, before anything of ours runs."""
        # The build has just ended, and the average remembers a minute of it.
        load = running()
        cpus = os.cpu_count() or 1
        info = Path("/proc/cpuinfo").read_text() if Path("/proc/cpuinfo").exists() else ""
        model = info.partition("model name")[2].partition("\n")[0].strip("\t :") or platform.machine()
        tools = [version(["rustc", "--version"]), version(["go", "version"])]
        text = f"{cpus} × {model}, {platform.system()} {platform.release().partition('-')[0]}; {', '.join(filter(None, tools))}"
        return cls(load, cpus, text)

    def warning(self) -> str:
        """What is to be said of the machine before its figures are read."""
        if self.load > 0.25 * self.cpus:
            return (
                f"**The machine was not idle**: before the run others kept {self.load:.1f} of its {self.cpus} "
                "processors busy. Figures and ratios are unreliable."
            )
        return f"Before the run others kept {self.load:.2f} of the machine's {self.cpus} processors busy."


def running(seconds: float = 3.0) -> float:
    """Processors that are busy, measured over a moment."""

    def busy() -> tuple[float, float]:
        fields = [float(field) for field in Path("/proc/stat").read_text().split("\n")[0].split()[1:9]]
        return sum(fields) - fields[3] - fields[4], sum(fields)

    if not Path("/proc/stat").exists():
        return os.getloadavg()[0]
    before = busy()
    time.sleep(seconds)
    after = busy()
    return (after[0] - before[0]) / max(after[1] - before[1], 1) * (os.cpu_count() or 1)


def version(command: list[str]) -> str:
    """What a tool calls itself; nothing if it is not there."""
    return programs.run(list(command), programs.ROOT).stdout.strip() if shutil.which(command[0]) else ""


def write(tables: list[Table], machine: Machine, seconds: float) -> None:
    """Writes the document and its pictures anew."""
    PICTURES.mkdir(parents=True, exist_ok=True)
    for old in PICTURES.glob("*.svg"):
        old.unlink()
    for table in tables:
        for name, _, picture in table.plots:
            (PICTURES / f"{name}.svg").write_text(picture)
    (PICTURES / "goals.svg").write_text(goals(tables))
    DOCUMENT.write_text(text(tables, machine, seconds))
    print(f"\nwrote {DOCUMENT.relative_to(programs.ROOT)} after {seconds / 60:.0f} min")


def goals(tables: list[Table]) -> str:
    """How far each figure is from its goal, as a picture."""
    values = {}
    for table in tables:
        for row in table.rows:
            distance = reached(row)
            if distance:
                values[f"{table.case}: {row.figure}"[:48]] = (distance, row.verdict() == "met")
    return plot.bars("Goals: how many times over each is reached", values)


def reached(row: Row) -> float:
    """By how many times a goal is reached; nothing where that has no meaning, as with a goal of none at all."""
    if not row.goal or row.verdict() not in ("met", "missed") or not row.goal.limit:
        return 0.0
    value = median(row.ratios() if row.goal.of == "ratio" else row.ours)
    if not value:
        return 0.0
    return value / row.goal.limit if row.goal.relation == "≥" else row.goal.limit / value


def text(tables: list[Table], machine: Machine, seconds: float) -> str:
    """The document."""
    verdicts = [row.verdict() for table in tables for row in table.rows]
    counts = ", ".join(f"{verdicts.count(verdict)} {verdict}" for verdict in ("met", "missed", "not run"))
    parts = [
        "# Performance\n",
        "Written by `make bench`; every figure is of that one run. " + METHOD.read_text().strip(),
        f"\nThis run: {time.strftime('%Y-%m-%d', time.gmtime())}, {seconds / 60:.0f} minutes, on {machine.text}. "
        f"{machine.warning()} Of the figures with a goal: {counts}.",
        "\n![How far each figure is from its goal](performance/goals.svg)",
    ]
    for table in tables:
        parts += [f"\n## {table.case}: {table.about}\n", table.markdown()]
    return "\n".join(parts) + "\n"
