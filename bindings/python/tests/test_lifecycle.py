"""Signals, the interpreter's end, forks and forgotten nodes: mostly in processes of their own."""

import gc
import os
import pickle
import signal
import socket
import subprocess
import sys
import textwrap
import threading
from pathlib import Path

import pytest
from conftest import MakeNode
from support import DEADLINE, config, eventually, pool_config

import gossip

HERE = Path(__file__).parent
ENVIRONMENT = {**os.environ, "PYTHONPATH": f"{HERE.parent / 'src'}:{HERE}", "PYTHONFAULTHANDLER": "1"}


def run(script: str, *options: str) -> subprocess.CompletedProcess[str]:
    """Runs a script to its end, which must come."""
    return subprocess.run(
        [sys.executable, *options, "-c", textwrap.dedent(script)],
        capture_output=True, text=True, timeout=60, env=ENVIRONMENT, check=False,
    )  # fmt: skip


INTERRUPTED = """
    import os, signal, socket, sys, threading, time
    import gossip
    from support import config, pool_config

    silent = socket.create_server(("127.0.0.1", 0))     # accepts, and never answers
    node = gossip.Gossip(config("a")).start()
    pool = node.register_pool(pool_config())
    listener, packets = node.listen(0x0101), node.packets()
    main = threading.main_thread().ident
    sent = []

    def interrupt():
        # Not before the main thread sits in the library.
        pause = threading.Event()
        while "/gossip/" not in sys._current_frames()[main].f_code.co_filename:
            pause.wait(0.005)
        pause.wait(0.1)
        sent.append(time.monotonic())
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=interrupt).start()
    try:
        CALL
    except KeyboardInterrupt:
        print(f"{time.monotonic() - sent[0]:.3f}")
    node.close()
    silent.close()
"""


@pytest.mark.parametrize(
    "call",
    [
        "pool.join([silent.getsockname()], timeout=30)",
        "pool.ping(silent.getsockname(), timeout=30)",
        "listener.accept()",
        "next(iter(listener))",
        "packets.get(timeout=30)",
        "packets.recvfrom()",
    ],
)
def test_ctrl_c_ends_a_wait(call: str) -> None:
    ended = run(INTERRUPTED.replace("CALL", call))

    assert ended.returncode == 0, ended.stderr
    # The limit is 0.2 s; a busy machine may take longer, a wait that is not interrupted 30 s.
    assert float(ended.stdout) < 5
    print(call, ended.stdout.strip())


def test_what_a_signal_handler_raises_comes_out(node: gossip.Gossip) -> None:
    class Enough(Exception):
        pass

    def enough(*_: object) -> None:
        raise Enough

    pool = node.register_pool(pool_config())
    before = signal.signal(signal.SIGALRM, enough)
    try:
        with socket.create_server(("127.0.0.1", 0)) as silent:
            signal.setitimer(signal.ITIMER_REAL, 0.1)
            with pytest.raises(Enough):
                pool.join([silent.getsockname()], timeout=30)
    finally:
        signal.signal(signal.SIGALRM, before)


def test_ctrl_c_in_a_with_block_still_leaves_and_closes(make_node: MakeNode) -> None:
    other = make_node("other").register_pool(pool_config())

    with pytest.raises(KeyboardInterrupt):
        with gossip.Gossip(config("a")) as node:
            node.register_pool(pool_config()).join([other._node.address], timeout=DEADLINE)
            eventually(lambda: len(other) == 2)
            raise KeyboardInterrupt

    assert node.closed
    eventually(lambda: len(other) == 1)


BUSY_EXIT = """
    import gossip, threading, time
    from support import config, pool_config

    class Slow(gossip.Delegate):
        def notify_msg(self, message):
            time.sleep(0.001)

        def notify_ping_complete(self, member, rtt, payload):
            self.pool.members()

    nodes = [gossip.Gossip(config(name)).start() for name in "ab"]
    delegates = [Slow(), Slow()]
    pools = [node.register_pool(pool_config(), delegate) for node, delegate in zip(nodes, delegates)]
    for pool, delegate in zip(pools, delegates):
        delegate.pool = pool
    pools[1].join([nodes[0].address], timeout=20)
    listener, packets = nodes[0].listen_tcp(), nodes[0].packets()
    for wait in (listener.accept, packets.get):
        threading.Thread(target=wait, daemon=True).start()
    threading.Thread(
        target=pools[0].ping, args=[("127.0.0.1", 9)], kwargs={"timeout": 30}, daemon=True
    ).start()
    for number in range(50):
        pools[0].broadcast(b"%d" % number)
    print("done")
"""


@pytest.mark.parametrize("attempt", range(10))
def test_the_interpreter_ends_with_open_busy_nodes(attempt: int) -> None:
    ended = run(BUSY_EXIT)

    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "done\n", "")


def test_a_node_that_is_open_at_the_end_says_goodbye(make_node: MakeNode) -> None:
    other = make_node("other").register_pool(pool_config(probe_interval=30.0))

    host, port = other._node.address
    ended = run(f"""
        import gossip
        from support import config, pool_config
        pool = gossip.Gossip(config("brief")).start().register_pool(pool_config())
        pool.join(["{host}:{port}"], timeout=20)
    """)

    assert ended.returncode == 0, ended.stderr
    eventually(lambda: len(other) == 1)
    assert other.stats().members_left == 1


def test_a_forgotten_node_warns_and_is_closed() -> None:
    node = gossip.Gossip(config("forgotten")).start()
    address = node.address

    with pytest.warns(ResourceWarning, match="forgotten"):
        del node
        gc.collect()

    with pytest.raises(ConnectionRefusedError):
        gossip.dial(address, timeout=DEADLINE)


def test_a_failed_bind_leaves_nothing_behind(node: gossip.Gossip) -> None:
    with pytest.raises(OSError):
        gossip.Gossip(gossip.Config(bind_addr="127.0.0.1", bind_port=node.address[1]))

    gc.collect()


FORKED = """
    import os, sys, traceback
    import gossip
    from support import config, pool_config

    node = gossip.Gossip(config("a")).start()
    pool = node.register_pool(pool_config(), type("D", (gossip.Delegate,), {"notify_join": print})())
    listener, packets = node.listen(0x0101), node.packets()
    calls = [
        node.start, node.leave, node.packets, node.stats, pool.members, pool.leave, pool.stats,
        listener.accept, packets.get, lambda: node.listen(1), lambda: len(pool),
        lambda: node.register_pool(pool_config(2)), lambda: pool.broadcast(b"x"),
        lambda: pool.join(["127.0.0.1:1"]), lambda: packets.sendto(b"x", node.address),
    ]
    child = os.fork()
    if child == 0:
        try:
            for number, call in enumerate(calls):
                try:
                    call()
                except gossip.ForkedError:
                    continue
                sys.exit(f"call {number} went through")
            node.close()
            listener.close()
            with gossip.Gossip(config("child")) as own:
                own.register_pool(pool_config())
                assert own.address != (0, 0)
            del node, pool, listener, packets
        except BaseException:
            traceback.print_exc()
            os._exit(1)
        sys.exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    with gossip.dial(node.address, 0x0101, timeout=10):
        listener.accept()[0].close()
    listener.close()
    packets.close()
    assert [member.name for member in pool] == ["a"]
    node.close()
    print("parent unharmed")
"""


def test_after_a_fork_the_child_is_told_and_the_parent_unharmed() -> None:
    ended = run(FORKED)

    assert ended.returncode == 0, ended.stderr + ended.stdout
    assert ended.stdout.endswith("parent unharmed\n")


def test_a_node_can_be_closed_from_another_thread_while_one_waits(make_node: MakeNode) -> None:
    node = make_node("a")
    pool = node.register_pool(pool_config())
    ended: list[BaseException] = []

    def join() -> None:
        try:
            pool.join([silent.getsockname()], timeout=60)
        except gossip.GossipError as error:
            ended.append(error)

    with socket.create_server(("127.0.0.1", 0)) as silent:
        thread = threading.Thread(target=join, daemon=True)
        thread.start()
        connection, _ = silent.accept()     # the join is under way
        node.close()
        thread.join(DEADLINE)
        connection.close()

    assert not thread.is_alive()
    assert isinstance(ended[0], gossip.ClosedError | gossip.JoinError)


def test_descriptors_and_threads_are_given_back() -> None:
    def open_and_close() -> None:
        with gossip.Gossip(config("a")) as node:
            node.register_pool(pool_config(), type("D", (gossip.Delegate,), {"notify_join": print})())
            with node.listen(1), node.listen_tcp(), node.packets():
                pass
        gc.collect()

    def used() -> tuple[int, int]:
        return len(os.listdir("/proc/self/fd")), len(os.listdir("/proc/self/task"))

    open_and_close()
    before = used()
    for _ in range(10):
        open_and_close()

    eventually(lambda: used() == before, f"{used()} is {before} again")


def test_a_node_cannot_be_pickled(node: gossip.Gossip) -> None:
    with pytest.raises(TypeError, match="pickle"):
        pickle.dumps(node)


def test_a_shutdown_that_was_cut_short_is_finished_by_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    node = gossip.Gossip(gossip.Config(name="a", bind_addr="127.0.0.1", bind_port=0)).start()
    address = node.address

    class CutShort:
        """The core of the node, of which the first call to end it is interrupted."""

        def __init__(self, core: object) -> None:
            self._core = core
            self.calls = 0

        def __getattr__(self, name: str) -> object:
            return getattr(self._core, name)

        def shutdown(self, timeout: float | None) -> None:
            self.calls += 1
            if self.calls == 1:
                raise KeyboardInterrupt
            self._core.shutdown(timeout)  # type: ignore[attr-defined]

    core = CutShort(node._core)
    monkeypatch.setattr(node, "_core", core)
    with pytest.raises(KeyboardInterrupt):
        node.shutdown()

    node.shutdown()
    node.shutdown()

    assert core.calls == 2
    with socket.create_server(address):
        pass
