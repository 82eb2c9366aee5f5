#!/usr/bin/env python3
"""make demo: three nodes in three languages, one port each, shown and checked.

Starts a C, a Python and a Rust node on loopback, tells them what to do, shows what they
say, and then kills one. Ends within a minute, with status 0 only if every step was seen.
"""

from __future__ import annotations

import json
import os
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

Event = dict[str, Any]

POOLS = {1: "blue", 2: "green"}
PATIENCE = 15.0
COLOUR = sys.stdout.isatty() and "NO_COLOR" not in os.environ


def paint(code: str, text: str) -> str:
    return f"\x1b[{code}m{text}\x1b[0m" if COLOUR else text


def bold(text: str) -> str:
    return paint("1", text)


def dim(text: str) -> str:
    return paint("2", text)


def green(text: str) -> str:
    return paint("32", text)


def red(text: str) -> str:
    return paint("31", text)


class Unseen(Exception):
    """Something that should have happened was not seen in time."""


@dataclass
class Node:
    """A running node, spoken to by lines and heard by JSON objects."""

    name: str
    lang: str
    process: subprocess.Popen[str]
    addr: str = ""
    events: queue.Queue[Event] = field(default_factory=queue.Queue)
    backlog: list[Event] = field(default_factory=list)

    @classmethod
    def start(cls, name: str, lang: str, command: list[str]) -> Node:
        pipe = subprocess.PIPE
        node = cls(name, lang, subprocess.Popen([*command, name], stdin=pipe, stdout=pipe, text=True))
        threading.Thread(target=node._read, daemon=True).start()
        return node

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.events.put(json.loads(line))

    def tell(self, command: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(command + "\n")
        self.process.stdin.flush()

    def expect(self, what: str, wanted: Callable[[Event], bool]) -> Event:
        """The first event that is wanted, seen already or within the time we have."""
        for event in self.backlog:
            if wanted(event):
                self.backlog.remove(event)
                return event
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                event = self.events.get(timeout=max(0.0, deadline - time.monotonic()))
            except queue.Empty:
                seen = ", ".join(json.dumps(event) for event in self.backlog[-5:])
                raise Unseen(f"{self.name} ({self.lang}) did not report {what}; last seen: {seen}") from None
            if event.get("event") == "error":
                raise Unseen(f"{self.name} ({self.lang}): {event}")
            if wanted(event):
                return event
            self.backlog.append(event)

    def ask(self, command: str, answer: str) -> Event:
        self.tell(command)
        return self.expect(f"the answer to '{command}'", lambda event: event["event"] == answer)

    def is_running(self) -> bool:
        return self.process.poll() is None


def step(title: str) -> None:
    print(f"\n{bold(title)}")


def seen(text: str) -> None:
    print(f"  {green('✓')} {text}")


def members(node: Node, pool: int) -> list[Event]:
    node.tell("members")
    tables = {}
    for _ in POOLS:
        event = node.expect("its members", lambda event: event["event"] == "members")
        tables[event["pool"]] = event["members"]
    return sorted(tables[pool], key=lambda member: str(member["name"]))


def show_table(pool: int, table: list[Event]) -> None:
    print(f"  pool {pool} {POOLS[pool]:<8}{dim('name      address             state    metadata')}")
    for member in table:
        name, addr, state = member["name"], member["addr"], member["state"]
        colour = green if state == "alive" else red
        print(f"  {'':15}{name:<10}{addr:<20}{colour(f'{state:<9}')}{member['meta']}")


def wait_members(node: Node, pool: int, names: set[str]) -> list[Event]:
    deadline = time.monotonic() + PATIENCE
    while True:
        table = members(node, pool)
        if {str(member["name"]) for member in table} == names:
            return table
        if time.monotonic() > deadline:
            raise Unseen(f"{node.name} sees {[member['name'] for member in table]}, not {sorted(names)}")
        time.sleep(0.05)


def run(commands: dict[str, list[str]], nodes: list[Node]) -> None:
    step("Three nodes start, each on one port number, TCP and UDP")
    for (lang, command), name in zip(commands.items(), ["ada", "grace", "linus"], strict=True):
        nodes.append(Node.start(name, lang, command))
    for node in nodes:
        node.addr = node.expect("that it is ready", lambda event: event["event"] == "ready")["addr"]
        seen(f"{node.name:<6} in {node.lang:<7} at {node.addr}")
    ada, grace, linus = nodes
    names = {node.name for node in nodes}

    step("They join two gossip pools through ada; every node finds all the others")
    for node in nodes[1:]:
        node.tell(f"join {ada.addr}")
    for pool in POOLS:
        for node in nodes:
            table = wait_members(node, pool, names)
        show_table(pool, table)
    seen(f"the same two tables on {', '.join(node.name for node in nodes)}")

    step("A broadcast in one pool reaches all its nodes, and stays out of the other pool")
    text = "hello, blue"
    ada.tell(f"broadcast 1 {text}")
    for node in nodes[1:]:
        event = node.expect("the broadcast", lambda event: event["event"] == "message")
        if (event["pool"], event["text"]) != (1, text):
            raise Unseen(f"{node.name} heard {event}")
        seen(f"{node.name} heard {event['text']!r} from {ada.name} in pool {event['pool']}")

    for node in nodes:
        wait_members(node, 1, names)
        stray = [event for event in node.backlog if event["event"] == "message" and event["pool"] != 1]
        if stray:
            raise Unseen(f"{node.name} heard {stray} too")

    step("HTTP on the gossip ports: whatever is not gossip goes to the program's own server")
    for client, server in [(ada, grace), (grace, linus), (linus, ada)]:
        reply = client.ask(f"http {server.addr}", "http")["reply"].strip()
        if server.name not in reply:
            raise Unseen(f"{server.name} answered {reply!r}")
        seen(f"{client.name} → GET http://{server.addr}/ → {reply!r}")

    step("A service of their own on the same ports, found by its two-byte id 0x0101")
    for client, server in [(ada, linus), (grace, ada), (linus, grace)]:
        reply = client.ask(f"mux {server.addr} ping from {client.name}", "mux")["reply"].strip()
        if reply != f"{server.name} echoes: ping from {client.name}":
            raise Unseen(f"{server.name} answered {reply!r}")
        seen(f"{client.name} → {server.addr} → {reply!r}")

    step("Datagrams from and to the shared ports, between the gossip")
    for client, server in [(ada, grace), (grace, linus), (linus, ada)]:
        event = client.ask(f"datagram {server.addr} hi from {client.name}", "datagram")
        if event["from"] != server.addr or event["reply"] != f"{server.name} got: hi from {client.name}":
            raise Unseen(f"{client.name} was answered {event}")
        seen(f"{client.name} → {server.addr} → {event['reply']!r}")

    step(f"{linus.name} is killed; the others find out by themselves")
    for node in (ada, grace):
        node.backlog.clear()
    linus.process.kill()
    killed = time.monotonic()
    for node in (ada, grace):
        for pool in POOLS:
            gone = node.expect(
                f"that {linus.name} died in pool {pool}",
                lambda event: event["event"] == "leave"
                and event["pool"] == pool
                and event["member"] == linus.name,
            )
            took = time.monotonic() - killed
            if gone["state"] != "dead":
                raise Unseen(f"{node.name} says that {linus.name} {gone['state']}")
            seen(f"{node.name} declares {linus.name} dead in pool {pool} after {took:.1f} s")
    show_table(1, wait_members(ada, 1, {ada.name, grace.name}))

    step(f"{grace.name} leaves with a goodbye, which is something else")
    grace.tell("quit")
    for pool in POOLS:
        gone = ada.expect(
            f"that {grace.name} left pool {pool}",
            lambda event: event["event"] == "leave"
            and event["pool"] == pool
            and event["member"] == grace.name,
        )
        if gone["state"] != "left":
            raise Unseen(f"{ada.name} says that {grace.name} is {gone['state']}")
        seen(f"{ada.name} sees that {grace.name} left pool {pool}")
    ada.tell("quit")
    for node in (ada, grace):
        status = node.process.wait(timeout=PATIENCE)
        if status != 0:
            raise Unseen(f"{node.name} ended with status {status}")
    seen("both ended cleanly, ports and threads released")


def main() -> int:
    if len(sys.argv) != 4:
        print("usage: demo.py C_PROGRAM PYTHON_PROGRAM RUST_PROGRAM", file=sys.stderr)
        return 2
    c_program, python_program, rust_program = sys.argv[1:]
    commands = {"C": [c_program], "Python": [sys.executable, python_program], "Rust": [rust_program]}
    nodes: list[Node] = []
    started = time.monotonic()
    print(bold("gossip: membership and your own protocols on one port, from any language"))
    try:
        run(commands, nodes)
    except (Unseen, OSError, subprocess.TimeoutExpired) as error:
        print(f"\n{red('✗')} {error}", file=sys.stderr)
        return 1
    finally:
        for node in nodes:
            if node.is_running():
                node.process.kill()
    print(f"\n{green('All of it was seen')} in {time.monotonic() - started:.0f} s. "
          f"Read the three nodes: {dim('examples/c, examples/python, examples/rust')}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
