"""Connections."""

import resource
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from statistics import median

from harness.case import Options
from harness.programs import Missing, c
from harness.runs import LOAD, SERVER, Command, Figures, Samples, Server, note, serving
from harness.tables import Table, at_least, at_most

from .servers import HELLO, MUXED, NEGLECTED, bare, connections, go, port, tokio

GO, TOKIO, CMUX, SEED, EPOLL = "Go net", "bare tokio", "Go cmux", "Go seed", "bare epoll (C)"
KINDS = {"native": HELLO, "muxed id": MUXED + "78"}
SILENT = 10_000
NEGLECTED_COUNT = 200
TURN, TURNS = 0.2, 10
"""How long a server is asked at a time, in seconds, and how often in a round."""


def accept(table: Table, options: Options) -> None:
    """connect → accept → first answer, 16 clients at once, server and clients on a processor each"""
    commands: dict[str, Callable[[], Command]] = {
        "ours": port,
        TOKIO: lambda: tokio("tcp"),
        GO: lambda: go("net"),
        CMUX: lambda: go("cmux"),
        SEED: lambda: go("seed"),
        EPOLL: lambda: bare("tcp"),
    }
    samples = Samples()
    for number in range(options.rounds(3)):
        with ExitStack() as servers:
            asked: dict[str, tuple[Server, str]] = {}
            for name, command in commands.items():
                note(f"round {number + 1}: {name}")
                try:
                    server = servers.enter_context(serving(command(), SERVER))
                except Missing as why:
                    samples.missing.update({f"{name} {kind}": str(why) for kind in KINDS})
                    continue
                # What knows no ids has one kind only.
                kinds = KINDS if name in ("ours", CMUX, SEED) else ("native",)
                asked.update({f"{name} {kind}": (server, KINDS[kind]) for kind in kinds})
            take_turns(samples, asked, options)
    for kind in KINDS:
        compare(table, samples, kind)
    beside_silent_clients(table, options)
    table.note(
        "The application of ours has two threads in `accept`, which answer themselves; tokio has a task and Go a "
        "goroutine for each connection. tokio runs on as many threads as a node of ours. All servers are there at "
        "once and are asked in turns, each for a fifth of a second: the pace of the machine changes more slowly."
    )


def take_turns(samples: Samples, asked: Mapping[str, tuple[Server, str]], options: Options) -> None:
    """A round: each server is asked for a short time, again and again; what it did in the middle one counts."""
    taken: dict[str, list[Figures]] = {name: [] for name in asked}
    for _ in range(options.count(TURNS, 2)):
        for name, (server, first) in asked.items():
            if name in samples.missing:
                continue
            try:
                taken[name].append(connections(server, first, TURN))
            except Missing as why:
                samples.missing[name] = str(why)
    for name, turns in taken.items():
        if turns:
            samples.rounds[name].append({key: median(turn[key] for turn in turns) for key in turns[0]})


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


def beside_silent_clients(table: Table, options: Options) -> None:
    """The same with thousands of clients that say nothing, and a listener that nobody accepts from."""
    silent = options.count(SILENT, 200)
    allowed = descriptors() - 1000
    if silent > allowed:
        table.note(f"{allowed} silent clients in place of {silent}: the limit of descriptors allows no more.")
        silent = allowed
    for kind, first in KINDS.items():
        samples, held = Samples(), []
        for number in range(options.rounds(5)):
            note(f"round {number + 1} beside silent clients: {kind}")
            with (
                serving(port(), SERVER) as alone,
                serving(port(), SERVER) as beside,
                serving([c("load"), "hold", beside.host, beside.port, "-", str(silent)], LOAD) as mute,
                serving([c("load"), "hold", beside.host, beside.port, NEGLECTED + "78", str(NEGLECTED_COUNT)], LOAD),
            ):
                held.append(int(mute.about["count"]))
                take_turns(samples, {"without": (alone, first), "ours": (beside, first)}, options)
        where = f"{kind}, {silent} silent clients and a neglected listener beside"
        table.add(f"{where}: rate", "/s", samples, "rate", peer="without", goal=at_least(0.95))
        table.add(f"{where}: 99 % answered within", "µs", samples, "p99", peer="without", goal=at_most(1.05))
        if min(held) < silent:
            table.note(f"{kind}: only {min(held)} silent clients got a connection.")


def descriptors() -> int:
    """How many files a process may have open."""
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]
