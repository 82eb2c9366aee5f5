"""What the tests of the command share: running it, agents that run, raw HTTP."""

import asyncio
import base64
import io
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from queue import Queue
from typing import Any

import pytest
from support import DEADLINE, FAST

import gossip
from gossip._cli import main
from gossip._dashboard import Access, App, Limits, Server, View

HERE = Path(__file__).parent.parent
COMMAND = [sys.executable, "-m", "gossip"]
FAST_POOL = ",".join(["1", "preset=local", *(f"{key}={value}" for key, value in FAST.items())])

KEYS = [bytes([number]) * 32 for number in range(3)]


def environment(folder: Path, **more: str) -> dict[str, str]:
    """An environment without anything of the user's."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith("GOSSIP_")}
    return {**kept, "PYTHONPATH": str(HERE / "src"), "RUNTIME_DIRECTORY": str(folder), "COLUMNS": "100", **more}


def run(
    folder: Path, *arguments: str, input: str | None = None, **more: str
) -> "subprocess.CompletedProcess[str]":
    """Runs a command to its end."""
    return subprocess.run(
        [*COMMAND, *arguments], input=input, capture_output=True, text=True, timeout=DEADLINE,
        env=environment(folder, **more), check=False,
    )  # fmt: skip


def run_here(
    folder: Path, *arguments: str, input: str | None = None, **more: str
) -> "subprocess.CompletedProcess[str]":
    """The same in this process, which takes a tenth of the time."""
    texts = ((input or "").encode(), b"", b"")
    streams = _, stdout, stderr = [io.TextIOWrapper(io.BytesIO(text), "utf-8") for text in texts]
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("GOSSIP_")]:
            patch.delenv(name)
        for name, value in environment(folder, **more).items():
            patch.setenv(name, value)
        for name, stream in zip(("stdin", "stdout", "stderr"), streams, strict=True):
            patch.setattr(sys, name, stream)
        status = main(arguments)
    for stream in (stdout, stderr):
        stream.seek(0)
    return subprocess.CompletedProcess(arguments, status, stdout.read(), stderr.read())


class AgentProcess:
    """An agent that runs, and the events it prints."""

    def __init__(self, folder: Path, *arguments: str, **more: str) -> None:
        self.process = subprocess.Popen(
            [*COMMAND, "agent", "--json", *arguments],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment(folder, **more),
        )  # fmt: skip
        self.folder = folder
        self.seen: list[dict[str, Any]] = []
        self._lines: Queue[str] = Queue()
        threading.Thread(target=self._read, daemon=True).start()
        self.ready = self.event("ready")
        self.address: str = self.ready["address"]
        host, port = self.address.rsplit(":", 1)
        self.endpoint = host, int(port)

    def _read(self) -> None:
        assert self.process.stdout
        for line in self.process.stdout:
            self._lines.put(line)
        self._lines.put("")

    def event(self, kind: str, /, **facts: Any) -> dict[str, Any]:
        """The next event of a kind with these facts; those before are passed over."""
        while line := self._lines.get(timeout=DEADLINE):
            event: dict[str, Any] = json.loads(line)
            self.seen.append(event)
            if event["event"] == kind and all(event.get(key) == value for key, value in facts.items()):
                return event
        assert self.process.stderr
        raise AssertionError(f"the agent ended without {kind}: {self.seen} {self.process.stderr.read()}")

    def tell(self, *arguments: str, **more: Any) -> "subprocess.CompletedProcess[str]":
        """Runs a command about this agent, over its control socket."""
        return run_here(self.folder, *arguments, "--agent", self.ready["control"], **more)

    def tell_apart(self, *arguments: str, **more: Any) -> "subprocess.CompletedProcess[str]":
        """The same in a process of its own, as scripts do."""
        return run(self.folder, *arguments, "--agent", self.ready["control"], **more)

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Ends it by a signal, and returns its exit status."""
        self.process.send_signal(number)
        return self.process.wait(DEADLINE)

    def close(self) -> None:
        """Whatever it does: it is gone."""
        self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdout, self.process.stderr):
            assert pipe
            pipe.close()


StartAgent = Callable[..., AgentProcess]


@pytest.fixture
def agent(tmp_path: Path) -> Iterator[StartAgent]:
    """Starts agents on loopback."""
    with ExitStack() as stack:

        def start(name: str = "a", *arguments: str, pool: str = FAST_POOL, **more: str) -> AgentProcess:
            given = ["--name", name, "--bind", "127.0.0.1:0", *(["--pool", pool] if pool else []), *arguments]
            process = AgentProcess(tmp_path, *given, **more)
            stack.callback(process.close)
            return process

        yield start


def key_file(folder: Path, *keys: bytes, mode: int = 0o600) -> str:
    """Writes a key file, and returns its path."""
    path = folder / "keys"
    path.write_text("# keys of the pool\n" + "".join(base64.b64encode(key).decode() + "\n" for key in keys))
    path.chmod(mode)
    return str(path)


def ask(address: tuple[str, int], request: bytes, timeout: float = DEADLINE) -> bytes:
    """Sends bytes, and returns all that comes until the end."""
    with socket.create_connection(address, timeout=timeout) as connection:
        connection.sendall(request)
        return drain(connection)


def drain(connection: socket.socket) -> bytes:
    """All that comes until the end."""
    parts = []
    while part := connection.recv(65536):
        parts.append(part)
    return b"".join(parts)


def get(address: tuple[str, int], path: str, *fields: str, method: str = "GET") -> tuple[int, dict[str, str], bytes]:
    """Status, header fields and body of an answer."""
    lines = [f"{method} {path} HTTP/1.1", f"Host: {address[0]}:{address[1]}", *fields, "", ""]
    head, _, body = ask(address, "\r\n".join(lines).encode()).partition(b"\r\n\r\n")
    first, *rest = head.decode("latin-1").split("\r\n")
    return int(first.split()[1]), {k.lower(): v for k, v in (line.split(": ", 1) for line in rest)}, body


class Served:
    """A node's pages, on a loop of their own."""

    def __init__(self, node: gossip.Gossip, access: Access, limits: Limits) -> None:
        self.node = node
        self.address = node.address
        self.commands: list[tuple[str, dict[str, Any]]] = []
        self.view: View
        self.app: App
        self.server: Server
        self._access, self._limits = access, limits
        self._loop = asyncio.new_event_loop()
        self._done = threading.Event()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(self._serve())

    async def _serve(self) -> None:
        async def control(command: str, body: dict[str, Any]) -> Any:
            self.commands.append((command, body))
            return {"done": command}

        self.view = View(self.node)
        self.app = App(self.view, control, lambda: "x 1\n")
        self.server = Server(self.app.handler(self._access), self._limits)
        await self.server.serve_tcp(self.node.listen_tcp())
        watching = asyncio.create_task(self.view.watch())
        self._ready.set()
        await asyncio.to_thread(self._done.wait)
        watching.cancel()
        self.view.close()
        await self.server.close()

    def call(self, function: Callable[[], Any]) -> Any:
        """Calls a function on the loop."""

        async def called() -> Any:
            return function()

        return asyncio.run_coroutine_threadsafe(called(), self._loop).result(DEADLINE)


@contextmanager
def serving(node: gossip.Gossip, access: Access | None = None, **limits: Any) -> Iterator[Served]:
    """Serves a node's pages while the block lasts."""
    served = Served(node, access or Access("open"), Limits(**limits))
    served._thread.start()
    assert served._ready.wait(DEADLINE)
    try:
        yield served
    finally:
        served._done.set()
        served._thread.join(DEADLINE)
        assert not served._thread.is_alive()
