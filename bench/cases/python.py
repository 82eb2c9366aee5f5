"""The Python binding."""

import sys
from collections.abc import Callable

from harness.case import Options
from harness.programs import python_binding
from harness.runs import Figures, interleaved, lines
from harness.tables import Table, value_at_least, value_at_most


def python(table: Table, options: Options) -> None:
    """the Python binding; bindings/python/bench.py measures"""
    binding = python_binding()

    def measure() -> Figures:
        told = lines([sys.executable, binding / "bench.py", "--json", *(["--short"] if options.short else [])])
        return {f"{line['figure']}, {key}": value for line in told for key, value in line.items() if key != "figure"}

    contenders: dict[str, Callable[[], Figures]] = {"ours": measure}
    samples = interleaved(contenders, options.rounds(2))

    table.add("events out of a full queue, in batches", "/s", samples, "messages out of a full queue, drain(256), value",
              goal=value_at_least(200_000, "/s"))
    table.add("messages over the network, in batches", "/s", samples, "messages over the network, in batches, value")
    table.add("accept in parts of socket.accept: connections in a second", "", samples,
              "connections through a Listener, of a socket", goal=value_at_least(0.75))
    table.add("accept in parts of socket.accept: connections for the processor time", "", samples,
              "connections through a Listener, by processor time")
    for what in ("all of them new", "one of them changed", "none of them changed"):
        table.add(f"members() of 1000, {what}", "ms", samples, f"members() of 1000, {what}, value",
                  goal=value_at_most(1, "ms"))
    table.add("import gossip", "ms", samples, "import gossip, value", goal=value_at_most(30, "ms"))
