"""Exchanges of large states."""

from statistics import median

from harness.case import Options
from harness.programs import Peer, ours
from harness.runs import Command, Figures, interleaved, lines, serving
from harness.tables import Table, at_least, value_at_most

GO = "Go memberlist"
MEMBERS, TIMES = 10_000, 5


def push_pull(table: Table, options: Options) -> None:
    """push/pulls of 10 000 members, and pings meanwhile"""
    members = options.count(MEMBERS, 100)

    def measure(command: Command) -> Figures:
        with serving([*command, "0"]) as server:
            cpu = server.cpu()
            told = lines([ours(), "push-pull", f"{server.host}:{server.port}", str(members), str(TIMES)])
            cpu = server.cpu() - cpu
            known = [line for line in told if str(line["figure"]) == "known"]
            new = next(line for line in told if str(line["figure"]) == "new")
            return {
                "new": 1 / new["seconds"],
                "known": 1 / median(line["seconds"] for line in known),
                "cpu": cpu / (TIMES + 1),
                "ack": max(line["ack_ms"] for line in [new, *known]),
                "quiet": next(line["ack_ms"] for line in told if str(line["figure"]) == "quiet"),
            }

    samples = interleaved(
        {
            "ours": lambda: measure([ours(), "quiet-pool"]),
            GO: lambda: measure([Peer("memberlist").path(), "quiet"]),
        },
        options.rounds(3),
    )
    table.add(f"{members} members, all known, and as many in return: exchanges", "/s", samples, "known", peer=GO, goal=at_least(3))
    table.add(f"{members} members, all new, and one in return: exchanges", "/s", samples, "new", peer=GO)
    table.add("processor time each", "ms", samples, "cpu", peer=GO, scale=1e3)
    table.add("slowest ack meanwhile", "ms", samples, "ack", peer=GO, goal=value_at_most(5, "ms"))
    table.add("slowest ack without", "ms", samples, "quiet", peer=GO)
    table.note(
        "A client that is the same for both tells the server of its members and hears as many; it reads as fast as it can "
        "on the other processor. An exchange is over when the last byte of its answer has come. A ping waits for its ack, and the next follows a millisecond later."
    )
