"""The C interface."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from statistics import median

from harness.case import Options
from harness.programs import c_with_library, ours
from harness.runs import Command, Figures, interleaved, lines
from harness.tables import Row, Table, value_at_most

CALLS = ("snapshot", "member", "event", "accept", "broadcast")
RUST = "the same in Rust"


@contextmanager
def crowd() -> Iterator[str]:
    """The address of a seed that tells of a thousand members."""
    with subprocess.Popen([ours(), "crowd"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin and process.stdout
        yield process.stdout.readline().strip()
        process.stdin.close()


def interface(table: Table, options: Options) -> None:
    """the C interface beside the Rust one under it: what it costs by itself, for each call or thing"""
    program = c_with_library("interface")

    def told(command: Command) -> Figures:
        figures: Figures = {}
        for line in lines(command):
            name = str(line.pop("figure"))
            figures |= {f"{name} {value}": number for value, number in line.items()}
        return figures

    with crowd() as seed:
        samples = interleaved(
            {"ours": lambda: told([program, seed]), RUST: lambda: told([ours(), "interface", seed])},
            options.rounds(3),
        )
    for call in CALLS:
        table.add(call, "ns", samples, f"{call} ns", peer=RUST)
        row = table.rows[-1]
        if row.ours and row.theirs:
            own = median(row.ours) - median(row.theirs)
            table.rows.append(Row(f"{call}: the interface's own part", "ns", [own], goal=value_at_most(1000, "ns")))
    table.add("accept: allocations of the caller", "", samples, "accept allocations", goal=value_at_most(0))
