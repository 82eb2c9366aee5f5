"""Datagrams to the application."""

from functools import partial

from harness.case import Options
from harness.runs import interleaved
from harness.tables import Table, at_least, at_most, value_at_most

from .servers import bare, datagrams_of, go, port, tokio

TOKIO, SEED, BARE = "bare tokio", "Go seed", "bare recvfrom (C)"
SIZES = (200, 1400)


def datagrams(table: Table, options: Options) -> None:
    """datagrams to the application, as many as come, sender and receiver on a processor each"""
    seconds = options.of(1.2, 0.2)
    servers = {"ours": port, TOKIO: lambda: tokio("udp"), SEED: lambda: go("seed"), BARE: lambda: bare("udp")}
    for size in SIZES:
        measure = {
            name: partial(lambda command, size: datagrams_of(command(), size, seconds), command, size)
            for name, command in servers.items()
        }
        samples = interleaved(measure, options.rounds(3))
        table.add(f"{size} bytes: rate", "k/s", samples, "rate", peer=SEED, goal=at_least(1.7), scale=1e-3)
        table.add(f"{size} bytes: rate", "k/s", samples, "rate", peer=TOKIO, scale=1e-3)
        table.add(f"{size} bytes: processor time each", "µs", samples, "cpu_us", peer=TOKIO, goal=at_most(1.3))
        table.add(f"{size} bytes: processor time each", "µs", samples, "cpu_us", peer=SEED)
        table.add(f"{size} bytes: processor time each", "µs", samples, "cpu_us", peer=BARE)
        # Threads start and buffers are made at first; what is allowed is less than one in a thousand.
        table.add(f"{size} bytes: allocations each", "", samples, "allocations", goal=value_at_most(0.001))
