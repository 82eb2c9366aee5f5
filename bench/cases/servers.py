"""Servers that load.c bears on, and what is measured of them."""

from harness.programs import Missing, Peer, c, ours
from harness.runs import LOAD, SERVER, Command, Figures, Server, lines, serving

MUXED = "0101"
"""The id of a listener, in hexadecimal."""
NEGLECTED = "0202"
"""That of one which nobody accepts from."""
HELLO = b"GET / HTTP/1.1".hex()


def port() -> Command:
    """Ours."""
    return [ours(), "port"]


def tokio(kind: str) -> Command:
    """Tokio's own sockets."""
    return [ours(), f"tokio-{kind}"]


def bare(kind: str) -> Command:
    """The system's own sockets, in C."""
    return [c("bare"), kind]


def go(name: str) -> Command:
    """A Go program."""
    return [Peer(name).path()]


def connections(server: Server, first: str, seconds: float, clients: int = 16) -> Figures:
    """Connections in a second, how long they wait for their answer, what they cost the server."""
    told: Figures = {}
    # The first part warms it up.
    for part in (seconds / 5, seconds):
        before = server.cpu()
        told = lines([c("load"), "tcp", server.host, server.port, first, str(clients), str(part)], LOAD)[0]
        told["cpu"] = server.cpu() - before
    if told["rate"] == 0:
        raise Missing("answers nobody")
    return {
        "rate": told["rate"],
        "p99": told["p99_us"],
        "cpu_us": told["cpu"] / (told["rate"] * seconds) * 1e6,
        "failed": told["failed"],
    }


def datagrams_of(command: Command, size: int, seconds: float) -> Figures:
    """Datagrams in a second that arrive, and what each costs the server; nobody holds back."""
    with serving(command, SERVER) as server:
        result: Figures = {}
        # The first part warms it up: as many buffers are made as ever wait at once.
        for part in (seconds, seconds):
            load: Command = [c("load"), "udp", server.host, server.port, HELLO, str(size), "0", str(part)]
            before, cpu = server.ask("count"), server.cpu()
            lines(load, LOAD)
            after, cpu = server.ask("count"), server.cpu() - cpu
            arrived = after["count"] - before["count"]
            if not arrived:
                raise Missing("receives nothing")
            result = {"rate": arrived / part, "cpu_us": cpu / arrived * 1e6}
            if "allocations" in after:
                result["allocations"] = (after["allocations"] - before["allocations"]) / arrived
        return result
