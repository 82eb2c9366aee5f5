"""Worker processes that share a listener."""

import io
import multiprocessing
import os
import select
import signal
import socket
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import workers
from conftest import MakeNode
from support import DEADLINE, eventually, need, pool_config
from test_servers import get_many, thread

import gossip

METHODS = ("fork", "spawn", "forkserver")


@contextmanager
def two_workers(
    work: Callable[[gossip.SharedListener], None], shared: gossip.SharedListener, method: str
) -> Iterator[list[Any]]:
    context: Any = multiprocessing.get_context(method)
    processes = [context.Process(target=work, args=(shared,)) for _ in range(2)]
    with warnings.catch_warnings():
        # A fork of a process with threads, which is what is tested.
        warnings.simplefilter("ignore", DeprecationWarning)
        for process in processes:
            process.start()
    try:
        yield processes
    finally:
        for process in processes:
            process.join(DEADLINE)
        late = [process for process in processes if process.exitcode is None]
        for process in late:
            process.kill()
        assert not late


def ask(connection: socket.socket) -> int:
    connection.sendall(b"who?\n")
    with connection.makefile("rb") as lines:
        return int(lines.readline())


@pytest.mark.parametrize("method", METHODS)
def test_workers_share_a_listener(gossiping: gossip.Gossip, method: str) -> None:
    with gossiping.listen(0x0101) as listener, listener.share() as shared:
        assert (shared.id, shared.address, shared.getsockname()) == (
            0x0101, gossiping.address, gossiping.address,
        )  # fmt: skip
        with two_workers(workers.accepting, shared, method) as processes:
            for _ in range(5):
                # Each worker serves one connection at a time, so two take both of them.
                with (
                    gossip.dial(gossiping.address, 0x0101, timeout=DEADLINE) as one,
                    gossip.dial(gossiping.address, 0x0101, timeout=DEADLINE) as other,
                ):
                    one.settimeout(DEADLINE)
                    other.settimeout(DEADLINE)
                    assert {ask(one), ask(other)} == {process.pid for process in processes}
            listener.close()
        assert [process.exitcode for process in processes] == [0, 0]


@pytest.mark.parametrize("work", [workers.serving, workers.serving_by_asyncio], ids=lambda work: work.__name__)
def test_workers_serve_with_coroutines(
    node: gossip.Gossip, work: Callable[[gossip.SharedListener], None]
) -> None:
    with node.listen(0x0101) as listener, listener.share() as shared:
        with two_workers(work, shared, "forkserver") as processes:
            for _ in range(10):
                with gossip.dial(node.address, 0x0101, timeout=DEADLINE) as connection:
                    connection.settimeout(DEADLINE)
                    assert ask(connection) in {process.pid for process in processes}
            listener.close()
        assert [process.exitcode for process in processes] == [0, 0]


def test_a_shared_listener_is_a_socket_like_others(node: gossip.Gossip) -> None:
    with node.listen(0x0101) as listener, listener.share() as shared:
        shared.settimeout(0.01)
        with pytest.raises(TimeoutError):
            shared.accept()
        shared.setblocking(False)
        with pytest.raises(BlockingIOError):
            shared.accept()
        shared.settimeout(DEADLINE)
        with gossip.dial(node.address, 0x0101, timeout=DEADLINE) as dialled:
            accepted, address = shared.accept()
            assert address == dialled.getsockname() and accepted.gettimeout() is None
            assert not accepted.get_inheritable()
            accepted.close()
        here, there = multiprocessing.Pipe()
        with here, there:
            here.send(shared)
            with there.recv() as received, gossip.dial(node.address, 0x0101, timeout=DEADLINE):
                assert (received.id, received.address) == (shared.id, shared.address)
                # Each waits as it likes, though both are one open file.
                shared.setblocking(True)
                received.setblocking(False)
                assert select.select([received], [], [], DEADLINE)[0] == [received]
                received.accept()[0].close()
                with pytest.raises(BlockingIOError):
                    received.accept()
                with thread(lambda: shared.accept()[0].close()):
                    gossip.dial(node.address, 0x0101, timeout=DEADLINE).close()
                shared.setblocking(True)
                with pytest.raises(BlockingIOError):
                    received.accept()
        listener.close()
        assert list(shared) == []


def test_a_descriptor_can_be_passed_on(node: gossip.Gossip) -> None:
    with node.listen(0x0101) as listener, listener.share() as shared:
        code = (
            "import gossip, sys\n"
            "for connection, _ in gossip.SharedListener.from_fd(int(sys.argv[1])):\n"
            "    connection.sendall(b'from a child')\n"
            "    connection.close()\n"
        )
        child = subprocess.Popen(
            [sys.executable, "-c", code, str(shared.fileno())],
            pass_fds=[shared.fileno()],
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        )
        with gossip.dial(node.address, 0x0101, timeout=DEADLINE) as connection:
            connection.settimeout(DEADLINE)
            assert connection.makefile("rb").read() == b"from a child"
        listener.close()
        assert child.wait(DEADLINE) == 0


def test_gunicorn_workers_serve_and_the_arbiter_gossips(make_node: MakeNode) -> None:
    need("gunicorn")
    other = make_node("b")
    pool = other.register_pool(pool_config())
    server = subprocess.Popen(
        [sys.executable, str(Path(__file__).parent / "gunicorn_service.py"), "{}:{}".format(*other.address)],
        stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )  # fmt: skip
    try:
        eventually(lambda: len(pool) == 2)
        get_many(pool.member("web").address)
        assert pool.ping(pool.member("web"), timeout=DEADLINE) > 0
        server.send_signal(signal.SIGTERM)
        assert server.wait(DEADLINE) == 0
        # The end of the block left: nobody suspects a failure.
        eventually(lambda: pool.stats().members_left == 1)
    finally:
        server.kill()
        server.wait()
        assert isinstance(server.stdout, io.TextIOWrapper)
        server.stdout.close()
