"""Connections."""

import resource
from functools import partial

from harness.case import Options
from harness.programs import c
from harness.runs import LOAD, SERVER, Figures, Samples, interleaved, serving
from harness.tables import Table, at_least, at_most

from .servers import HELLO, MUXED, NEGLECTED, bare, connections, connections_of, go, port, tokio

GO, TOKIO, CMUX, SEED, EPOLL = "Go net", "bare tokio", "Go cmux", "Go seed", "bare epoll (C)"
KINDS = {"native": HELLO, "muxed id": MUXED + "78"}
SILENT = 10_000
NEGLECTED_COUNT = 200


def accept(table: Table, options: Options) -> None:
    """connect → accept → first answer, 16 clients at once, server and clients on a processor each"""
    seconds = options.of(1.5, 0.3)
    contenders = {
        f"{name} {kind}": partial(lambda command, first: connections_of(command(), first, seconds), command, first)
        for kind, first in KINDS.items()
        for name, command in {
            "ours": port,
            TOKIO: lambda: tokio("tcp"),
            GO: lambda: go("net"),
            CMUX: lambda: go("cmux"),
            SEED: lambda: go("seed"),
            EPOLL: lambda: bare("tcp"),
        }.items()
        # What knows no ids has one kind only.
        if kind == "native" or name in ("ours", CMUX, SEED)
    }
    samples = interleaved(contenders, options.rounds(3))
    for kind in KINDS:
        compare(table, samples, kind)
    beside_silent_clients(table, options, seconds)
    table.note(
        "The application of ours has two threads in `accept`, which answer themselves; tokio has a task and Go a "
        "goroutine for each connection. tokio runs on as many threads as a node of ours."
    )


def compare(table: Table, samples: Samples, kind: str) -> None:
    """The rows of one kind of connections."""
    for peer, their_kind, goal in (
        (GO, "native", at_least(1.15)),
        (TOKIO, "native", at_least(0.95)),
        (EPOLL, "native", None),
        (CMUX, kind, None),
        (SEED, kind, None),
    ):
        table.add(
            f"{kind}: rate", "/s", samples, "rate", ours=f"ours {kind}", peer=f"{peer} {their_kind}", goal=goal,
            shown=peer,
        )
    table.add(
        f"{kind}: 99 % answered within", "µs", samples, "p99", ours=f"ours {kind}", peer=f"{TOKIO} native",
        goal=at_most(1.1), shown=TOKIO,
    )
    table.add(
        f"{kind}: processor time each", "µs", samples, "cpu_us", ours=f"ours {kind}", peer=f"{TOKIO} native",
        shown=TOKIO,
    )


def beside_silent_clients(table: Table, options: Options, seconds: float) -> None:
    """The same with thousands of clients that say nothing, and a listener that nobody accepts from."""
    silent, neglected = options.count(SILENT, 200), NEGLECTED_COUNT
    allowed = descriptors() - 1000
    if silent > allowed:
        table.note(f"{allowed} silent clients in place of {silent}: the limit of descriptors allows no more.")
        silent = allowed
    alone, beside = "without", "ours"

    def measure(burdened: bool, first: str) -> Figures:
        with serving(port(), SERVER) as server:
            if not burdened:
                return connections(server, first, seconds)
            with (
                serving([c("load"), "hold", server.host, server.port, "-", str(silent)], LOAD) as mute,
                serving([c("load"), "hold", server.host, server.port, NEGLECTED + "78", str(neglected)], LOAD) as waiting,
            ):
                figures = connections(server, first, seconds)
                return figures | {"silent": float(mute.about["count"]), "neglected": float(waiting.about["count"])}

    for kind, first in KINDS.items():
        samples = interleaved(
            {beside: lambda: measure(True, first), alone: lambda: measure(False, first)}, options.rounds(3)
        )
        where = f"{kind}, {silent} silent clients and a neglected listener beside"
        table.add(f"{where}: rate", "/s", samples, "rate", peer=alone, goal=at_least(0.95))
        table.add(f"{where}: 99 % answered within", "µs", samples, "p99", peer=alone, goal=at_most(1.05))
        if held := samples.rounds[beside]:
            least = min(min(round_["silent"] for round_ in held), silent)
            if least < silent:
                table.note(f"{kind}: only {least:.0f} silent clients got a connection.")


def descriptors() -> int:
    """How many files a process may have open."""
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]
