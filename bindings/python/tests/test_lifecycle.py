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
import time
import weakref
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
    # News take long to be told to a member.
    other = gossip.Gossip(config("b")).start()
    pool = node.register_pool(pool_config(gossip_interval=5.0, retransmit_mult=20))
    if "leave" in "CALL" or "update_node" in "CALL":
        other.register_pool(pool_config())
        pool.join([other.address], timeout=20)
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
    other.close()
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
        "packets.recv_many(timeout=30)",
        "pool.messages().get()",
        "next(iter(node.events(gossip.Message)))",
        "pool.wait_for(2)",
        "pool.send(silent.getsockname(), b'x' * (15 << 20), reliable=True, timeout=30)",
        "pool.update_node(b'x', timeout=30)",
        "node.leave(timeout=30)",
        "pool.leave(timeout=30)",
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

    node = gossip.Gossip(config("a"))
    with pytest.raises(KeyboardInterrupt):
        with node:
            node.register_pool(pool_config()).join([other._node.address], timeout=DEADLINE)
            eventually(lambda: len(other) == 2)
            raise KeyboardInterrupt

    assert node.closed
    eventually(lambda: len(other) == 1)


BUSY_EXIT = """
    import gossip, logging, threading, time
    from support import config, pool_config

    logging.getLogger("gossip").addHandler(logging.Handler())
    logging.getLogger("gossip").setLevel(5)
    logging.Handler.emit = lambda self, record: None

    class Lingering:
        # Stretches the interpreter's end.
        def __del__(self):
            time.sleep(0.05)

    lingering = Lingering()

    class Slow(gossip.Delegate):
        def notify_msg(self, message):
            time.sleep(0.001)

        def notify_ping_complete(self, member, rtt, payload):
            self.pool.members()

        def notify_alive(self, member):
            time.sleep(0.001)

    nodes = [gossip.Gossip(config(name)).start() for name in "ab"]
    delegates = [Slow(), Slow()]
    pools = [node.register_pool(pool_config(), delegate) for node, delegate in zip(nodes, delegates)]
    for pool, delegate in zip(pools, delegates):
        delegate.pool = pool
    pools[1].join([nodes[0].address], timeout=20)
    listener, packets = nodes[0].listen_tcp(), nodes[0].packets()
    events, messages = nodes[0].events(), pools[0].messages()
    for wait in (listener.accept, packets.get, lambda: list(events), messages.get):
        threading.Thread(target=wait, daemon=True).start()
    threading.Thread(
        target=pools[0].ping, args=[("127.0.0.1", 9)], kwargs={"timeout": 30}, daemon=True
    ).start()
    for number in range(50):
        pools[0].broadcast(b"%d" % number)
    print("done")
"""


@pytest.mark.parametrize("attempt", range(int(os.environ.get("GOSSIP_EXITS", "8"))))
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


def test_a_delegate_that_knows_its_pool_keeps_no_node_alive() -> None:
    class Knowing(gossip.Delegate):
        pool: gossip.Pool

        def notify_join(self, member: gossip.Member) -> None:
            self.seen = member

        def notify_alive(self, member: gossip.Member) -> None:
            self.asked = member

    node = gossip.Gossip(config("forgotten")).start()
    delegate = Knowing()
    delegate.pool = node.register_pool(pool_config(), delegate)
    events = node.events()
    threads = [thread for thread in threading.enumerate() if thread.name.endswith("-1")]
    assert len(threads) == 2
    eventually(lambda: hasattr(delegate, "seen"))
    gone = weakref.ref(node)

    with pytest.warns(ResourceWarning, match="forgotten"):
        del node, delegate
        # The thread may be in a hook just now.
        eventually(lambda: gc.collect() >= 0 and gone() is None)

    eventually(lambda: not any(thread.is_alive() for thread in threads))
    eventually(lambda: events.ended)


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
    listener, packets, events = node.listen(0x0101), node.packets(), node.events()
    calls = [
        node.start, node.leave, node.packets, node.stats, pool.members, pool.leave, pool.stats,
        listener.accept, packets.get, lambda: node.listen(1), lambda: len(pool),
        node.metrics, node.events, node.listener_stats, node.log_stats, node.listen_tcp,
        lambda: node.listen_prefix(b"SSH-"), pool.events, pool.messages, pool.metrics,
        lambda: pool.wait_for(9), lambda: pool.ping(node.address), lambda: pool.update_node(b""),
        lambda: pool.set_local_state(b""), lambda: pool.accept_label("x"), pool.keyring.keys,
        lambda: pool.send("127.0.0.1:1", b"x"), lambda: pool.local_node, listener.stats,
        events.get, events.drain, events.fileno, events.stats, lambda: list(events),
        lambda: node.udp_recv_buffer, lambda: node.address, lambda: pool.health_score,
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
            assert node.state == "forked"
            events.close()
            node.close()
            listener.close()
            with gossip.Gossip(config("child")) as own:
                own.register_pool(pool_config())
                assert own.address != (0, 0)
            del node, pool, listener, packets, events, calls
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


def test_probing_goes_on_while_python_stands_still(make_node: MakeNode) -> None:
    class Watching(gossip.Delegate):
        def notify_ping_complete(self, member: gossip.Member, rtt: float, payload: bytes) -> None:
            pass

    a = make_node("a").register_pool(pool_config(), Watching())
    b = make_node("b").register_pool(pool_config(), Watching())
    b.join([a._node.address], timeout=DEADLINE)
    a.wait_for(2, timeout=DEADLINE)
    before = a.stats(), b.stats()

    begun = time.monotonic()
    while time.monotonic() < begun + 1.0:
        # One call into C, which holds the interpreter for most of a second.
        sum(range(3 * 10**7))
    after = a.stats(), b.stats()

    for earlier, later in zip(before, after, strict=True):
        assert later.probes > earlier.probes + 1
        assert later.suspicions == earlier.suspicions
    assert len(a) == len(b) == 2


def test_a_defect_of_the_library_is_an_ordinary_exception() -> None:
    with pytest.raises(gossip.InternalError, match="on purpose"):
        gossip._core.panic()
    assert issubclass(gossip.InternalError, Exception)


def test_an_open_listener_that_is_forgotten_warns(node: gossip.Gossip) -> None:
    for open_one in (lambda: node.listen(0x0101), node.packets):
        with pytest.warns(ResourceWarning, match="unclosed"):
            open_one()
            gc.collect()
    with node.listen(0x0101), node.packets():
        pass


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
