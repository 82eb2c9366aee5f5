"""`gossip.aio` as a whole: its names, and programs that end with everything under way."""

import inspect
import os
import signal
import socket
import subprocess
import sys

from support import DEADLINE

import gossip
from gossip import aio

LOOSE_ENDS = """
import asyncio, gossip
from gossip import aio

class Service(aio.Delegate):
    async def notify_join(self, member):
        await asyncio.Event().wait()

async def main():
    await node.start()
    pool = node.register_pool(gossip.PoolConfig.local(1), Service())
    waiting = [pool.join(["127.0.0.1:{port}"], timeout=600), pool.ping("127.0.0.1:{port}", timeout=600),
               pool.events(gossip.PingCompleted).get(), node.listen(0x0101).accept(), node.packets().recv()]
    tasks = [asyncio.create_task(each) for each in waiting]
    while pool.stats().counters["commands_open"] < 2:
        await asyncio.sleep(0)

node = aio.Gossip(gossip.Config(name="a", bind_addr="127.0.0.1", bind_port=0))
asyncio.run(main())
print("the loop is gone")
"""


def test_a_program_may_end_with_everything_left_open(silent: socket.socket) -> None:
    """The loop ends before the node, and the interpreter with both, every time without a crash."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    program = LOOSE_ENDS.replace("{port}", str(silent.getsockname()[1]))
    for _ in range(5):
        ended = subprocess.run(
            [sys.executable, "-c", program], capture_output=True, text=True, env=environment, timeout=60, check=False
        )
        assert (ended.returncode, ended.stdout, ended.stderr) == (0, "the loop is gone\n", "")


INTERRUPTED = """
import asyncio, gossip
from gossip import aio

async def main():
    async with aio.Gossip(gossip.Config(name="a", bind_addr="127.0.0.1", bind_port=0)) as node:
        try:
            joining = asyncio.create_task(node.register_pool(gossip.PoolConfig.local(1)).join(["127.0.0.1:{port}"], timeout=600))
            while node.pool(1).stats().counters["commands_open"] < 1:
                await asyncio.sleep(0)
            print("joining", flush=True)
            await joining
        finally:
            print("interrupted", flush=True)
    print("never")

try:
    asyncio.run(main())
except KeyboardInterrupt:
    print("closed")
"""


def test_ctrl_c_ends_a_wait_and_closes_the_node(silent: socket.socket) -> None:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    program = INTERRUPTED.replace("{port}", str(silent.getsockname()[1]))
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True, env=environment) as run:
        assert run.stdout and run.stdout.readline() == "joining\n"
        run.send_signal(signal.SIGINT)
        assert run.stdout.read() == "interrupted\nclosed\n"
        assert run.wait(DEADLINE) == 0


def test_importing_gossip_does_not_import_asyncio() -> None:
    code = "import gossip, sys; assert 'asyncio' not in sys.modules; assert 'ssl' not in sys.modules"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    subprocess.run([sys.executable, "-c", code], check=True, env=environment, timeout=60)


def test_everything_of_the_synchronous_api_is_here() -> None:
    """No method is forgotten, and each that waits is a coroutine."""
    waits = {"join", "leave", "shutdown", "close", "broadcast", "send", "send_reliable", "ping", "doctor",
             "rotate_key", "migrate", "update_node", "wait_for", "start", "accept", "recv", "recvfrom", "get"}  # fmt: skip
    renamed = {"recv_many"}
    pairs = [
        (gossip.Gossip, aio.Gossip), (gossip.Pool, aio.Pool), (gossip.Subscription, aio.Subscription),
        (gossip.Delegate, aio.Delegate),
    ]  # fmt: skip
    for sync, here in pairs:
        for name, value in vars(sync).items():
            if name.startswith("_") or name in renamed or (sync is gossip.Subscription and name in ("fileno", "closed")):
                continue
            assert hasattr(here, name), f"gossip.aio.{here.__name__} has no {name}"
            if callable(value) and sync is not gossip.Delegate:
                coroutine = name in waits and not (sync is gossip.Subscription and name == "close")
                assert inspect.iscoroutinefunction(getattr(here, name)) == coroutine, name
                if name not in ("get", "register_pool"):
                    ours = inspect.signature(getattr(here, name)).parameters
                    assert list(ours) == list(inspect.signature(value).parameters), name


def test_every_public_name_has_a_docstring() -> None:
    bare = []
    for name in aio.__all__:
        found = getattr(aio, name)
        members = vars(found).items() if isinstance(found, type) else ()
        for member, value in [("", found), *members]:
            documented = inspect.isroutine(value) or isinstance(value, type | property)
            if documented and not member.startswith("_") and not inspect.getdoc(value):
                bare.append(f"{name}.{member}")
    assert not bare
