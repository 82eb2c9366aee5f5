"""The codec."""

from harness.case import Options
from harness.programs import Broken, Peer, ours
from harness.runs import Command, Figures, interleaved, lines
from harness.tables import Table, at_least

GO = "Go memberlist"
FIGURES = {
    "alive out": 20.0,
    "alive in": 20.0,
    "compound of 20 out": 20.0,
    "compound of 20 in": 20.0,
    "lzw 1400 out": 2.0,
    "lzw 1400 in": 10.0,
    "aes-gcm 1400 out": 3.0,
    "aes-gcm 1400 in": 3.0,
}


def codec(table: Table, options: Options) -> None:
    """messages written and read, against memberlist's own functions"""
    peer = Peer("memberlist")
    sizes: dict[str, set[float]] = {}

    def rates(command: Command) -> Figures:
        told = lines(command)
        for line in told:
            sizes.setdefault(str(line["figure"]), set()).add(line["bytes"])
        return {str(line["figure"]): 1e9 / line["ns"] for line in told}

    samples = interleaved(
        {"ours": lambda: rates([ours(), "codec"]), GO: lambda: rates([peer.path(), "codec"])}, options.rounds(3)
    )
    for figure, goal in FIGURES.items():
        if len(sizes.get(figure, set())) > 1:
            raise Broken(f"{figure}: ours and theirs are not the same work: {sizes[figure]} bytes")
        table.add(figure, "k/s", samples, figure, peer=GO, goal=at_least(goal), scale=1e-3)
    table.note(
        "“out” is written, “in” is read; a compound's parts are decoded too. Ours reuses its buffers, coders and "
        "ciphers as it does in a node, memberlist makes them anew as it does in a node."
    )
