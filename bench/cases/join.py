"""Storms of joins."""

from statistics import median

from harness.case import Options
from harness.runs import interleaved
from harness.tables import Row, Table, at_most, value_at_most

from .clusters import AL8N, GO, once

# How many nodes, and how many storms of each.
STORMS = {50: 10, 200: 4}


def join(table: Table, options: Options) -> None:
    """a storm of joins through one seed, LAN preset: until all see all"""
    for count, times in STORMS.items() if not options.short else {5: 2}.items():
        contenders = {name: once(name, "join", count) for name in ("ours", GO, AL8N)}
        samples = interleaved(contenders, max(times, options.rounds(1)))
        where = f"{count} nodes"
        table.add(f"{where}: time", "s", samples, "seconds", peer=GO, goal=at_most(1 / 4))
        table.add(f"{where}: processor time", "s", samples, "cpu", peer=GO, goal=at_most(1 / 4))
        table.add(f"{where}: time", "s", samples, "seconds", peer=AL8N)
        table.add(f"{where}: processor time", "s", samples, "cpu", peer=AL8N)
        for name, rounds in samples.rounds.items():
            seconds = [round_["seconds"] for round_ in rounds]
            worst = max(seconds) / median(seconds)
            if name == "ours":
                table.rows.append(Row(f"{where}: the worst of {len(seconds)} over the median", "", [worst],
                                      goal=value_at_most(2)))
            if late := sum(round_["late"] for round_ in rounds):
                table.note(f"{where}: {late:.0f} of {len(rounds)} storms of {name} did not end within 20 s, "
                           "which counts as 20 s.")
            elif name != "ours":
                table.note(f"{where}: the worst of {name} was {worst:.1f} times its median.")
