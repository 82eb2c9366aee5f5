"""Clusters of many nodes in one process, of which each contender has a program with the same arguments."""

from collections.abc import Callable

from harness.programs import Broken, Peer, c, ours
from harness.runs import Command, Figures, lines

GO, FOCA, AL8N = "Go memberlist", "foca agent", "al8n memberlist"
"""The last is memberlist's port to Rust, with a wire format of its own."""
PINGS = "bare pings (C)"
"""Sockets that ping and answer, and know nothing."""


def program(name: str) -> Command:
    """The program of a contender, without its arguments."""
    match name:
        case "ours":
            return [ours()]
        case "Go memberlist":
            return [Peer("memberlist").path()]
        case "foca agent":
            return [Peer("foca").path()]
        case "al8n memberlist":
            return [Peer("al8n").path()]
        case "bare pings (C)":
            return [c("pings")]
        case _:
            raise Broken(f"no program is called {name}")


def told(name: str, *arguments: object, seconds: float = 200.0) -> list[Figures]:
    """What a contender says of a case, a line for each time that it was measured."""
    return lines([*program(name), *map(str, arguments)], seconds=seconds)


def once(name: str, *arguments: object) -> Callable[[], Figures]:
    """A measurement that says one line."""
    return lambda: told(name, *arguments)[0]


