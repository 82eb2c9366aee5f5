#!/usr/bin/env python3
"""What `import gossip` costs: python3 bench.py [--short] [--json], after python3 dev_build.py --release.

Each line is one figure of this machine at this moment, and next to it what it is compared
with in the same run, where there is something. No figure is a promise: compare lines of one
run, or runs on one quiet machine.
"""

import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from itertools import count
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import perf_counter, process_time
from typing import Any

sys.path.insert(0, str(Path(__file__).parent / "src"))

import gossip  # noqa: E402
from gossip._events import event  # noqa: E402

SHORT = "--short" in sys.argv
ROUNDS = 3 if SHORT else 7
CONNECTIONS = 200 if SHORT else 1_000
MESSAGES = 5_000 if SHORT else 50_000
MEMBERS = 1_000


def line(name: str, figure: float, unit: str, beside: str = "", **more: float) -> None:
    """One result; `more` is for those who read JSON."""
    if "--json" in sys.argv:
        print(json.dumps({"figure": name, "value": figure, **{key.replace("_", " "): more[key] for key in more}}))
        return
    print(f"{name:<58} {figure:>12,.2f} {unit:<12} {beside}", flush=True)


def timed(work: Callable[[], object], rounds: int = ROUNDS, before: Callable[[], object] = lambda: None) -> float:
    """Seconds of the median round, without what is done before it."""

    def once() -> float:
        before()
        begun = perf_counter()
        work()
        return perf_counter() - begun

    return median(once() for _ in range(rounds))


def node(name: str) -> gossip.Gossip:
    """A node on loopback."""
    return gossip.Gossip(gossip.Config(name=name, bind_addr="127.0.0.1", bind_port=0)).start()


def bench_import() -> None:
    """What the import adds to a bare interpreter, modules of the standard library included."""
    source = str(Path(__file__).parent / "src")

    def run(imports: str, cache: str) -> float:
        # Processor time: the wall's depends on whoever else runs.
        script = f"from time import process_time\nbegun = process_time()\n{imports}\nprint(process_time() - begun)"
        # Compiled before, as an installed package is.
        bytecode = {"PYTHONDONTWRITEBYTECODE": "", "PYTHONPYCACHEPREFIX": cache}
        ended = subprocess.run(
            [sys.executable, "-c", script], capture_output=True, text=True, check=True,
            env={**os.environ, **bytecode, "PYTHONPATH": source},
        )  # fmt: skip
        return float(ended.stdout) * 1e3

    compared = ("import gossip", "import asyncio", "import datetime, logging, socket, typing")
    with TemporaryDirectory() as cache:
        rounds = [[run(imports, cache) for imports in compared] for _ in range(1 + ROUNDS)]
    # The first round compiles.
    ours, beside, shared = (median(row) for row in zip(*rounds[1:], strict=True))
    text = f"goal < 30; {shared:.2f} for the standard library; import asyncio {beside:.2f}"
    line("import gossip", ours, "ms", text, of_asyncio=ours / beside)


def bench_messages() -> None:
    """Messages from the network to a Python loop, one by one and in batches."""
    with node("a") as a, node("b") as b:
        config = gossip.PoolConfig.local(1, handoff_queue_depth=8192, message_queue_depth=65536)
        pool, sender = a.register_pool(config), b.register_pool(config)
        sender.join([a.address], timeout=10)
        messages = pool.messages(maxsize=65536)
        target = (b"", a.address)

        def send() -> None:
            # Not faster than it is heard: what is measured is the way, not the loss.
            for number in count():
                sender._core.send_best_effort(target, b"x" * 100)
                while number - heard[0] > 512:
                    if enough.wait(0.0002):
                        return

        for name, many in (("one by one", False), ("in batches", True)):
            heard, enough = [0], threading.Event()
            thread = threading.Thread(target=send)
            begun = perf_counter()
            thread.start()
            while heard[0] < MESSAGES:
                if many:
                    messages.get(timeout=10)
                    heard[0] += 1 + len(messages.drain())
                else:
                    messages.get(timeout=10)
                    heard[0] += 1
            rate = heard[0] / (perf_counter() - begun)
            enough.set()
            thread.join()
            messages.drain()
            line(f"messages over the network, {name}", rate, "1/s", f"dropped {messages.dropped}, goal 10,000")


def bench_queue() -> None:
    """The Python side of it alone: a full queue is emptied."""
    with node("a") as a, node("b") as b:
        config = gossip.PoolConfig.local(1, handoff_queue_depth=65536, message_queue_depth=65536)
        pool, sender = a.register_pool(config), b.register_pool(config)
        many = 10_000
        taken = pool.messages(maxsize=many)
        fed = pool.messages(maxsize=many)
        pause = threading.Event()
        results: dict[str, list[float]] = {"drain": [], "for": []}
        for _ in range(ROUNDS):
            while taken.stats().pending < many:
                sender._core.send_best_effort((b"", a.address), b"x" * 100)
                if taken.stats().pending < many - 500:
                    continue
                pause.wait(0.0005)
            begun = perf_counter()
            while taken.drain(256):
                pass
            results["drain"].append(perf_counter() - begun)
            begun, left = perf_counter(), fed.stats().pending
            for number, _ in enumerate(fed, 1):
                if number == left:
                    break
            results["for"].append((perf_counter() - begun) / left * many)
            fed.drain()
            taken.drain()
        line("messages out of a full queue, drain(256)", many / median(results["drain"]), "1/s", "goal 200,000")
        line("messages out of a full queue, for", many / median(results["for"]), "1/s")


def accepts(
    accept: Callable[[], socket.socket], connect: Callable[[], socket.socket]
) -> tuple[float, float]:
    """Connections per second: dialled, accepted, answered with a byte, closed; and per second of processor."""

    def serve() -> None:
        for _ in range(CONNECTIONS):
            with accept() as connection:
                connection.sendall(connection.recv(1))

    thread = threading.Thread(target=serve)
    thread.start()
    begun, worked = perf_counter(), process_time()
    for _ in range(CONNECTIONS):
        with connect() as connection:
            connection.sendall(b"x")
            connection.recv(1)
    spent = perf_counter() - begun
    thread.join()
    return CONNECTIONS / spent, CONNECTIONS / (process_time() - worked)


def bench_accept() -> None:
    """Accepting on the shared port against accepting on a socket of one's own."""
    with node("a") as a, a.listen_tcp() as listener, socket.create_server(("127.0.0.1", 0)) as plain:
        ours, theirs = [], []
        for _ in range(ROUNDS):
            ours.append(
                accepts(lambda: listener.accept()[0], lambda: socket.create_connection(a.address))
            )
            theirs.append(
                accepts(lambda: plain.accept()[0], lambda: socket.create_connection(plain.getsockname()))
            )
        wall, work = (median(one[i] / other[i] for one, other in zip(ours, theirs, strict=True)) for i in (0, 1))
        beside = f"{wall:.2f} of a socket by the clock (goal 0.75), {work:.2f} by processor time"
        rate = median(rate for rate, _ in ours)
        line("connections through a Listener", rate, "1/s", beside, of_a_socket=wall, by_processor_time=work)


def alive(number: int, incarnation: int) -> bytes:
    """A datagram of memberlist's that says that this member of pool 1 lives."""

    def text(value: bytes) -> bytes:
        return bytes([0xA0 | len(value)]) + value

    fields = {
        b"Incarnation": b"\xce" + incarnation.to_bytes(4),
        b"Node": text(b"member-%04d" % number),
        b"Addr": text(bytes([10, 0, 0, 1])),
        b"Port": b"\xcd" + (7946).to_bytes(2),
        b"Meta": text(b"role=web-%d" % incarnation),
        b"Vsn": text(bytes([1, 5, 2, 0, 0, 0])),
    }
    return b"\xfe\x01\x04" + bytes([0x80 | len(fields)]) + b"".join(text(key) + fields[key] for key in fields)


def bench_members() -> None:
    """The list of a thousand members, of whom one is this node: first, again, and after a change of one."""
    with node("a") as a, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as peer:
        # The others are only told of.
        pool = a.register_pool(gossip.PoolConfig.local(1, probe_interval=0, push_pull_interval=0, gossip_nodes=0))
        for number in range(1, MEMBERS):
            peer.sendto(alive(number, 1), a.address)
            if number % 100 == 99:
                pool.wait_for(number + 1, timeout=10)
        updates = pool.events(gossip.MemberUpdated, snapshot=False)
        incarnations = count(2)

        def forget() -> None:
            pool._seen = None

        def change() -> None:
            peer.sendto(alive(1, next(incarnations)), a.address)
            updates.get(timeout=10)

        for what, before in (
            ("all of them new", forget), ("one of them changed", change), ("none of them changed", lambda: None),
        ):  # fmt: skip
            line(f"members() of {MEMBERS}, {what}", timed(pool.members, 50, before) * 1e3, "ms", "goal < 1")
        call = ("notify_join", 1, (pool._core.local_node(),), None)
        line("an event made a dataclass", timed(lambda: [event(call) for _ in range(1000)]) * 1e3, "us")


def main() -> None:
    """Runs everything."""
    for bench in (bench_import, bench_members, bench_queue, bench_messages, bench_accept):
        bench()


if __name__ == "__main__":
    main()
