"""The examples, as users run them."""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from queue import Queue
from threading import Thread
from typing import Any

import pytest
from conftest import MakeNode
from support import DEADLINE, Recorder, eventually

import gossip

HERE = Path(__file__).parent.parent
EXAMPLES = HERE.parent.parent / "examples" / "python"
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(HERE / "src"), "PYTHONUNBUFFERED": "1"}


class Process:
    """An example that runs, its input and its lines of output."""

    def __init__(self, *arguments: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, *arguments],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=ENVIRONMENT,
        )  # fmt: skip
        self.lines: Queue[str] = Queue()
        Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        assert self.process.stdout
        for line in self.process.stdout:
            self.lines.put(line.rstrip("\n"))

    def tell(self, command: str) -> None:
        assert self.process.stdin
        self.process.stdin.write(command + "\n")
        self.process.stdin.flush()

    def event(self, **wanted: object) -> dict[str, Any]:
        """The next event with these facts; what comes before is passed over."""
        while True:
            event: dict[str, Any] = json.loads(self.lines.get(timeout=DEADLINE))
            assert event["event"] != "error", event
            if all(event.get(key) == value for key, value in wanted.items()):
                return event

    def says(self, beginning: str) -> str:
        """The next line that begins so; what comes before is passed over."""
        while not (line := self.lines.get(timeout=DEADLINE)).startswith(beginning):
            pass
        return line

    def end(self) -> int:
        assert self.process.stdin
        self.process.stdin.close()
        return self.process.wait(DEADLINE)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            assert pipe
            try:
                pipe.close()
            except BrokenPipeError:
                pass


@pytest.fixture
def start() -> Iterator[Any]:
    with ExitStack() as stack:

        def start(*arguments: str) -> Process:
            process = Process(*arguments)
            stack.callback(process.kill)
            return process

        yield start


def test_two_demonstration_nodes_use_everything(start: Any) -> None:
    a, b, c = (start(str(EXAMPLES / "demo_node.py"), name) for name in "abc")
    address = a.event(event="ready", name="a", lang="Python")["addr"]

    for other in (b, c):
        other.tell(f"join {address}")
        for pool in (1, 2):
            a.event(event="join", pool=pool, member="b" if other is b else "c")
    a.tell("members")
    for pool in (1, 2):
        members = a.event(event="members", pool=pool)["members"]
        assert [member["name"] for member in members] == ["a", "b", "c"]
        assert members[0] == {"name": "a", "addr": address, "state": "alive", "meta": "lang=Python"}
    b.tell("broadcast 2 to all of you")
    assert a.event(event="message", pool=2)["text"] == "to all of you"
    b.tell(f"mux {address} hello there")
    assert b.event(event="mux")["reply"] == "a echoes: hello there"
    b.tell(f"http {address}")
    assert b.event(event="http")["reply"] == "hello from a (Python)"
    b.tell(f"datagram {address} hello there")
    assert b.event(event="datagram") == {
        "event": "datagram", "from": address, "reply": "a got: hello there",
    }  # fmt: skip
    b.tell("quit")
    assert b.process.wait(DEADLINE) == 0
    assert a.event(event="leave", pool=1, member="b")["state"] == "left"
    assert c.end() == 0
    assert a.event(event="leave", pool=1, member="c")["state"] == "dead"


def test_hello_greets_and_is_heard(start: Any, make_node: MakeNode) -> None:
    at_alice = Recorder()
    alice = make_node("alice")
    alice.register_pool(gossip.PoolConfig.local(1), at_alice)

    bob = start(str(EXAMPLES / "hello.py"), "bob", "{}:{}".format(*alice.address))

    assert {bob.lines.get(timeout=DEADLINE) for _ in range(2)} == {"alice is here", "bob is here"}
    bob.tell("good morning")
    assert at_alice.wait_for("notify_msg")[0].data == b"bob: good morning"
    assert bob.end() == 0
    assert at_alice.named("notify_leave", "bob").state is gossip.MemberState.LEFT


def test_key_rotation_loses_nothing_and_keeps_the_old_key_out(start: Any) -> None:
    example = start(str(EXAMPLES / "key_rotation.py"))

    assert example.says("key: ") == "key: all 3 members have taken require"
    lines = list(iter(lambda: example.says("").strip(), "label: all 3 members have taken require"))
    taken = {tuple(line.split()[:2]) for line in lines if " is done, " in line}
    assert taken == {
        (f"{step}:", name) for step in gossip.Step for name in ("red", "green", "blue")
    }, lines
    assert example.says("with the new key").endswith("is in")
    assert " is out: " in example.says("with the old key")
    assert " is out: " in example.says("without the label")
    assert example.says("to be saved") == "to be saved on 3 nodes"
    sent, received = (int(word) for word in example.says("").split() if word.isdigit())
    assert sent == received > 0
    assert example.process.wait(DEADLINE) == 0


def test_nodes_with_standing_seeds_find_each_other_again(start: Any) -> None:
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(2)]
        for reserved in sockets:
            reserved.bind(("127.0.0.1", 0))
        ports = [str(reserved.getsockname()[1]) for reserved in sockets]
    seeds = [f"127.0.0.1:{port}" for port in ports]
    program = str(EXAMPLES / "standing_seeds.py")

    ben = start(program, "ben", ports[1], *seeds)
    assert ben.says("!") == f"! alone; still trying {' '.join(seeds)}"
    ada = start(program, "ada", ports[0], *seeds)
    ben.says("+ ada")
    ben.says("* in company again: 0 are back")
    ada.says("+ ben")
    ada.process.kill()
    ben.says("- ada failed")
    ben.says("!")
    start(program, "ada", ports[0], *seeds)
    ben.says("+ ada")
    assert ben.says("*") == "* in company again: 1 are back, 0 are missing"
    ben.process.send_signal(signal.SIGINT)
    assert ben.process.wait(DEADLINE) == 0


def test_why_says_why_a_member_failed(start: Any, make_node: MakeNode) -> None:
    alice, bob = make_node("alice"), make_node("bob")
    pools = [node.register_pool(gossip.PoolConfig.local(1)) for node in (alice, bob)]
    pools[1].join([alice.address], timeout=DEADLINE)
    eventually(lambda: len(pools[0]) == 2)

    why = start(str(EXAMPLES / "why.py"), "{}:{}".format(*alice.address))
    why.says("watching ")
    eventually(lambda: "why" in pools[1])
    bob.shutdown()

    why.says("bob (127.0.0.1:")
    why.says("conclusion: ")
    why.says("not_listening: ")
    assert why.lines.get(timeout=DEADLINE) == "=> its host is there: start bob again"
