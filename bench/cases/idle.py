"""Pools that have nothing to do."""

from harness.case import Options
from harness.programs import Peer, ours
from harness.runs import Command, Figures, interleaved, lines
from harness.tables import Table, at_most, value_at_most

GO, TIMERS = "Go memberlists", "their timers in tokio"
POOLS = 256


def idle(table: Table, options: Options) -> None:
    """256 pools on one node that have nothing to do, LAN preset"""
    pools, span = options.count(POOLS, 4), options.of(5, 0.5)

    def measure(command: Command) -> Figures:
        return lines([*command, str(pools), str(span)])[0]

    samples = interleaved(
        {
            "ours": lambda: measure([ours(), "idle"]),
            TIMERS: lambda: measure([ours(), "timers"]),
            GO: lambda: measure([Peer("memberlist").path(), "idle"]),
        },
        options.rounds(2),
    )
    table.add(f"{pools} pools: processor time in a second", "ms", samples, "cpu_ms", peer=TIMERS, goal=at_most(2))
    table.add(f"{pools} pools: processor time in a second", "ms", samples, "cpu_ms", peer=GO)
    table.add("each pool: resident memory", "KiB", samples, "memory", peer=GO, goal=value_at_most(64, "KiB"), scale=1 / 1024)
    table.note(
        "“No measurable processor time beyond their timers” is taken as twice what tokio needs for timers alone, one each "
        "for probes and push/pulls in each pool; ours lets them rest while a pool has one member."
    )
