"""A cluster in which nothing happens."""

from statistics import median

from harness import plot
from harness.case import Options
from harness.runs import interleaved
from harness.tables import Table, at_most

from .clusters import AL8N, FOCA, GO, PINGS, once

SIZES = (50, 100, 200)
WITH_AL8N = 100


def steady(table: Table, options: Options) -> None:
    """a cluster in one process in which nothing happens, LAN preset: what each node costs"""
    span = options.of(4, 1)
    costs: dict[str, dict[str, list[plot.Point]]] = {"cpu_ms": {}, "memory": {}}
    for count in SIZES if not options.short else (5,):
        # Of memberlist's translation to Rust one size says enough: each takes long.
        others = (GO, FOCA, PINGS, AL8N) if count == WITH_AL8N or options.short else (GO, FOCA, PINGS)
        contenders = {name: once(name, "steady", count, span) for name in ("ours", *others)}
        samples = interleaved(contenders, options.rounds(2))
        for key, series in costs.items():
            for name, rounds in samples.rounds.items():
                if values := [round_[key] for round_ in rounds if key in round_]:
                    value = median(values)
                    series.setdefault(name, []).append((count, value / 1024 if key == "memory" else value))
        where = f"{count} nodes"
        table.add(f"{where}: processor time in a second", "ms", samples, "cpu_ms", peer=GO, goal=at_most(1 / 8))
        table.add(f"{where}: processor time in a second", "ms", samples, "cpu_ms", peer=FOCA, goal=at_most(1.3))
        table.add(f"{where}: processor time in a second", "ms", samples, "cpu_ms", peer=PINGS)
        table.add(f"{where}: memory", "KiB", samples, "memory", peer=GO, goal=at_most(1 / 6), scale=1 / 1024)
        if AL8N in others:
            table.add(f"{where}: processor time in a second", "ms", samples, "cpu_ms", peer=AL8N)
            table.add(f"{where}: memory", "KiB", samples, "memory", peer=AL8N, scale=1 / 1024)
    for key, title in (("cpu_ms", "Processor time of a node in a second, ms"), ("memory", "Memory of a node, KiB")):
        table.plots.append((f"steady-{key.partition('_')[0]}", title, plot.lines(title, "nodes", costs[key])))
    table.note(
        "Each node of ours has a port, a network thread and callback threads of its own, as in a process of its own "
        "(`threads` is 1). foca's agent is one loop and one socket for each node, all on one thread, which join one after "
        "the other so that they don't probe all at once: the least that "
        "such a node can cost. Bare pings are a loop in C that sends and answers a ping for each node in a second and does "
        "nothing else: what the system takes for itself. Memory is resident memory, less that of the process before the first node."
    )
