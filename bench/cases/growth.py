"""How the cost of a node grows with its pool."""

from math import ceil, log2

from harness import plot
from harness.case import Options
from harness.programs import Broken, Missing, ours
from harness.runs import Figures, lines, note, serving
from harness.tables import Row, Table, value_at_most

from .memory import GOSSIP, learned

SIZES = (100, 300, 1000, 3000)
WHAT = {
    "cpu_ms": ("processor time in a second", "ms"),
    "packets": ("datagrams in a second", "/s"),
    "datagram_bytes": ("bytes of datagrams in a second", "bytes/s"),
    "stream_bytes": ("bytes of push/pulls in a second", "bytes/s"),
    "memory": ("memory allocated", "KiB"),
}


def growth(table: Table, options: Options) -> None:
    """what a node costs in pools of 100 to 3000, in which nothing happens, LAN preset"""
    sizes = (5, 10) if options.short else SIZES
    # Each node then begins one push/pull. `PoolConfig::lan` has this interval.
    interval = 30
    figures: dict[int, Figures] = {}
    for size in sizes:
        note(f"a pool of {size}")
        try:
            figures[size] = lines([ours(), "simulated", str(size), str(interval * scale(size))], seconds=600)[0]
            with serving([ours(), "quiet-pool", str(GOSSIP)]) as server:
                figures[size]["memory"] = learned(server, size - 1)["held"] / 1024
        except Missing as why:
            raise Broken(f"ours at {size} members: {why}") from None
    least, most = sizes[0], sizes[-1]
    for key, (name, unit) in WHAT.items():
        for size in sizes:
            table.rows.append(Row(f"{size} members: {name}", unit, [figures[size][key]]))
        factor = figures[most][key] / figures[least][key]
        limit = value_at_most(round(1.1 * design(key, least, most), 2), "times")
        table.rows.append(Row(f"from {least} to {most} members: {name} grows", "times", [factor], goal=limit))
    for name, title, keys in (
        ("growth-cpu", "Processor time of a node", ("cpu_ms",)),
        ("growth-traffic", "What a node sends in a second", ("packets", "datagram_bytes", "stream_bytes")),
        ("growth-memory", "Memory of a node", ("memory",)),
    ):
        series = {f"{WHAT[key][0]}, {WHAT[key][1]}": [(size, figures[size][key]) for size in sizes] for key in keys}
        table.plots.append((name, title, plot.lines(title, "members", series)))
    table.note(
        "Processor time and traffic are those of the simulator, the same machines as in a node without its sockets and "
        "threads, and with what the simulator checks after every event; memory is that of a real node which knows so "
        "many."
    )
    table.note(
        "The goals are memberlist's design, and a tenth more: datagrams do not depend on the size of the pool; a push/pull "
        "carries every member, and comes less often with the binary logarithm of their number; memory is in proportion "
        "to the members at most."
    )


def design(key: str, least: int, most: int) -> float:
    """How much more a node costs by memberlist's design."""
    push_pulls = (most / scale(most)) / (least / scale(least))
    return {"packets": 1.0, "datagram_bytes": 1.0, "memory": most / least}.get(key, push_pulls)


def scale(members: int) -> float:
    """How many times longer the interval of push/pulls gets. Go: `pushPullScale`."""
    return 1.0 if members <= 32 else ceil(log2(members) - log2(32)) + 1.0
