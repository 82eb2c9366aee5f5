"""Memory of members."""

from time import monotonic, sleep

from harness.case import Options
from harness.programs import Missing, Peer, ours
from harness.runs import Command, Figures, Server, interleaved, lines, serving
from harness.tables import Table, value_at_most

GO = "Go memberlist"
FEW, MANY = 1000, 11_000
# Fast, so that what is to be told of new members is soon told.
GOSSIP = 0.002
PATIENCE = 60.0


def memory(table: Table, options: Options) -> None:
    """what a node keeps of each member that it knows"""
    few, many = options.count(FEW, 100), options.count(MANY, 600)

    def measure(command: Command) -> Figures:
        with serving([*command, str(GOSSIP)]) as server:
            before = learned(server, few)
            after = learned(server, many)
            return {kind: (after[kind] - before[kind]) / (many - few) for kind in ("held", "resident")}

    samples = interleaved(
        {
            "ours": lambda: measure([ours(), "quiet-pool"]),
            GO: lambda: measure([Peer("memberlist").path(), "quiet"]),
        },
        options.rounds(2),
    )
    table.add("each member: allocated", "bytes", samples, "held", peer=GO, goal=value_at_most(200, "bytes"))
    table.add("each member: resident", "bytes", samples, "resident", peer=GO)
    table.note(
        f"The growth from {few} to {many} members with names of 12 bytes and metadata of 32, once nothing is left to be "
        "told of them. Go's heap is looked at after a collection."
    )


def learned(server: Server, members: int) -> Figures:
    """What the server holds when it knows so many members and has told of them."""
    lines([ours(), "push-pull", f"{server.host}:{server.port}", str(members), "0"])
    begun = monotonic()
    while True:
        told = server.ask("count")
        if not told:
            raise Missing("it has died")
        if told["queued"] == 0 and told["members"] == members + 1:
            return told | {"resident": server.resident()}
        if monotonic() - begun > PATIENCE:
            raise Missing(f"still has {told['queued']:.0f} things to tell of {told['members']:.0f} members")
        sleep(0.2)
