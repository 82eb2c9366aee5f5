"""Applications in simulated clusters: their hooks and timers, the end of patience, misuse."""

import pickle
import signal
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

import gossip
from gossip.testing import (
    Bursts,
    Node,
    Quality,
    Simulation,
    SimulationError,
    UnreachedError,
    ViolationError,
    seeds,
)
from simulated import LOCAL, joined


class Relay(gossip.Delegate):
    """Passes a number on to the next node, one less, until there is nothing left."""

    def __init__(self, node: Node) -> None:
        self.node = node
        self.got: list[tuple[float, int]] = []

    def notify_msg(self, message: gossip.Message) -> None:
        left = int(message.data)
        self.got.append((self.node.sim.now, left))
        if left:
            members = self.node.members()
            place = [member.name for member in members].index(self.node.name)
            self.node.send(members[(place + 1) % len(members)], str(left - 1).encode())


def test_hooks_send_and_time_is_virtual() -> None:
    sim = Simulation(7)
    nodes = joined(sim, 4, LOCAL, delegate=Relay)
    sim.set_quality(Quality(latency=0.005))
    start = sim.now

    nodes[3].send(nodes[0], b"100")
    sim.advance(2)

    got = sorted(entry for node in nodes for entry in node.delegate.got)
    assert [left for _, left in got] == list(range(100, -1, -1))
    assert [round((at - start) * 1000) for at, _ in got] == [5 * hop for hop in range(1, 102)]
    assert sim.now == pytest.approx(start + 2)


def test_hooks_run_on_the_thread_that_advances() -> None:
    threads = set()

    class Where(gossip.Delegate):
        def notify_join(self, member: gossip.Member) -> None:
            threads.add(threading.get_ident())

    sim = Simulation(8)
    before = threading.active_count()
    joined(sim, 3, LOCAL, delegate=lambda node: Where())

    assert threads == {threading.get_ident()} and threading.active_count() == before


def test_every_hook_is_called() -> None:
    called: dict[str, tuple[Any, ...]] = {}

    class All(gossip.Delegate):
        def __getattribute__(self, name: str) -> Any:
            if name.startswith(("notify_", "merge_", "local_")):
                return lambda *args: called.setdefault(name, args) and None
            return object.__getattribute__(self, name)

    sim = Simulation(9)
    a, b = sim.spawn(2, LOCAL, delegate=lambda node: All())
    b.set_local_state(b"all I know")
    b.set_ack_payload(b"pong")
    sim.join_all()
    sim.run_until(sim.agreed)
    b.update_node(b"new")
    b.broadcast(b"hello")
    sim.advance(30)
    b.leave()
    sim.advance(1)

    told = {"notify_join", "notify_leave", "notify_update", "notify_msg", "merge_remote_state"}
    assert told | {"notify_ping_complete"} <= called.keys()
    assert called["notify_msg"][0].data == b"hello"
    assert called["merge_remote_state"] == (b"all I know", True)
    member, rtt, payload = called["notify_ping_complete"]
    assert 0 < rtt < 0.01 and payload in (b"pong", b"")
    asked = {"local_state", "notify_alive", "notify_merge"}
    assert asked <= called.keys() and called["local_state"] in ((True,), (False,))
    kinds = {type(heard.event) for heard in sim.heard}
    assert kinds == {
        gossip.MemberJoined, gossip.MemberLeft, gossip.MemberUpdated, gossip.Message, gossip.RemoteState,
    }  # fmt: skip


class Guard(gossip.Delegate):
    """Lets nobody in whose metadata is not the password, and gives a state of its own."""

    def __init__(self, node: Node) -> None:
        self.node = node
        self.states: list[bytes] = []

    def notify_alive(self, member: gossip.Member) -> None:
        if member.meta != b"sesame":
            raise gossip.Rejected("no password")

    def local_state(self, join: bool) -> bytes:
        return f"{self.node.name} {join}".encode()

    def merge_remote_state(self, state: bytes, join: bool) -> None:
        self.states.append(state)


def test_hooks_that_are_asked_decide() -> None:
    sim = Simulation(15)
    friends = LOCAL.replace(meta=b"sesame")
    a, b = sim.spawn(2, friends, delegate=Guard)
    stranger = sim.spawn_one("stranger", LOCAL)
    sim.wait(b.join([a]))
    sim.wait(stranger.join([a]))
    sim.advance(10)

    assert [member.name for member in a] == [member.name for member in b] == ["n000", "n001"]
    assert b"n001 True" in a.delegate.states and b"n000 True" in b.delegate.states


def test_an_answer_that_makes_no_sense_comes_out_of_advance() -> None:
    class Vague(gossip.Delegate):
        def notify_alive(self, member: gossip.Member) -> bool:  # type: ignore[override]
            return False

    sim = Simulation(16)
    sim.spawn(2, LOCAL, delegate=lambda node: Vague())
    sim.join_all()

    with pytest.raises(TypeError, match="notify_alive returns None or raises Rejected"):
        sim.advance(1)


def test_an_exception_in_a_hook_comes_out_of_advance_and_nothing_is_lost() -> None:
    class Picky(gossip.Delegate):
        def __init__(self) -> None:
            self.got: list[bytes] = []

        def notify_msg(self, message: gossip.Message) -> None:
            self.got.append(message.data)
            if message.data == b"2":
                raise ZeroDivisionError("on purpose")

    sim = Simulation(10)
    a, b = joined(sim, 2, LOCAL, delegate=lambda node: Picky())
    for message in (b"1", b"2", b"3"):
        a.send(b, message)

    with pytest.raises(ZeroDivisionError) as error:
        sim.advance(5)
    assert "raised in notify_msg of n001; seed 10, at " in error.value.__notes__[0]
    sim.advance(5)

    assert sorted(b.delegate.got) == [b"1", b"2", b"3"]


def test_timers_fire_in_order_and_can_be_cancelled() -> None:
    sim = Simulation()
    rung: list[tuple[float, str]] = []

    def ring(name: str) -> None:
        rung.append((sim.now, name))

    sim.call_later(0.2, ring, "c")
    sim.call_later(0.1, ring, "a")
    sim.call_later(0.1, ring, "b")
    off = sim.call_later(0.1, ring, "never")
    late = sim.call_later(9, ring, "late")
    assert off.pending
    off.cancel()
    assert not off.pending
    sim.advance(1)

    assert rung == [(0.1, "a"), (0.1, "b"), (0.2, "c")] and late.pending


# The end of patience


def test_ctrl_c_ends_a_long_advance_and_the_simulation_goes_on() -> None:
    class Stop(Exception):
        pass

    def stop(number: int, frame: object) -> None:
        raise Stop

    sim = Simulation(11)
    joined(sim, 30, LOCAL)
    before = signal.signal(signal.SIGALRM, stop)
    turns = 0

    def others_run() -> None:
        nonlocal turns
        while running:
            turns += 1
            time.sleep(0.001)

    running = True
    other = threading.Thread(target=others_run)
    other.start()
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.3)
        with pytest.raises(Stop):
            sim.advance(1e8)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
        running = False
        other.join()

    assert turns > 5
    now = sim.now
    sim.advance(1)
    assert sim.now == pytest.approx(now + 1) and sim.agreed()


def test_what_does_not_come_in_time_says_what_is_wrong_and_how_to_repeat_it() -> None:
    sim = Simulation(12)
    sim.spawn(2)

    with pytest.raises(UnreachedError) as error:
        sim.run_until(sim.converged, limit=3)

    text = str(error.value)
    assert "seed 12, at 3.000000 s" in text and "n000 holds nothing" in text
    assert "repeat with: GOSSIP_SEED=12 python -m pytest 'tests/test_simulation_hooks.py::" in text
    assert isinstance(error.value, TimeoutError) and isinstance(error.value, AssertionError)
    assert str(pickle.loads(pickle.dumps(error.value))) == text


def test_a_failed_assertion_says_how_to_repeat_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PYTEST_CURRENT_TEST")
    with pytest.raises(AssertionError) as error, Simulation(13) as sim:
        sim.advance(2)
        assert sim.nodes, "made up"

    (note,) = error.value.__notes__
    assert note == "seed 13, at 2.000000 s; repeat with: gossip.testing.Simulation(seed=13)"


def test_a_broken_rule_is_a_violation_and_the_end(capfd: pytest.CaptureFixture[str]) -> None:
    sim = Simulation(14)
    a, _ = joined(sim, 2)
    at = sim.now

    attempts: list[Callable[[], object]] = [
        lambda: sim._core.fail("n000: made up"), lambda: sim.advance(1), lambda: a.crash(),
    ]  # fmt: skip
    for attempt in attempts:
        with pytest.raises(ViolationError, match="n000: made up") as error:
            attempt()
        assert error.value.seed == 14 and error.value.at == pytest.approx(at)
        assert isinstance(error.value, SimulationError)

    assert len(a) == 2
    assert capfd.readouterr().err == ""


def test_seeds_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    assert list(seeds(3)) == [0, 1, 2]
    monkeypatch.setenv("GOSSIP_SEEDS", "5")
    assert list(seeds(3)) == [0, 1, 2, 3, 4]
    monkeypatch.setenv("GOSSIP_SEED", "42")
    assert list(seeds(3)) == [42]
    monkeypatch.setenv("GOSSIP_SEED", "x")
    with pytest.raises(ValueError, match="GOSSIP_SEED is 'x', must be a whole number"):
        seeds(3)


# Misuse


def test_time_does_not_pass_inside_of_hooks() -> None:
    sim = Simulation()
    caught: list[BaseException] = []

    def wait() -> None:
        for attempt in (lambda: sim.advance(1), lambda: sim.wait(node.ping(node))):
            with pytest.raises(RuntimeError, match="cannot wait, plan with call_later") as error:
                attempt()
            caught.append(error.value)

    (node,) = sim.spawn()
    sim.call_later(1, wait)
    sim.advance(2)

    assert len(caught) == 2


OTHER = Simulation()
STRANGER = OTHER.spawn_one("stranger")

MISUSES: dict[str, tuple[Callable[[Simulation, Node, Node], object], type[Exception], str]] = {
    "seed": (lambda sim, a, b: Simulation(-1), ValueError, "seed is -1, must be from 0 to"),
    "seed type": (lambda sim, a, b: Simulation("1"), TypeError, "seed must be int"),  # type: ignore[arg-type]
    "count": (lambda sim, a, b: sim.spawn(0), ValueError, "count is 0, must be 1 or more"),
    "name": (lambda sim, a, b: sim.spawn_one("n000"), ValueError, "'n000' is there already"),
    "config": (lambda sim, a, b: sim.spawn(1, LOCAL.replace(udp_buffer_size=1)), ValueError, "udp_buffer_size"),
    "delegate": (
        lambda sim, a, b: sim.spawn(delegate=gossip.Delegate()),  # type: ignore[arg-type]
        TypeError, "must make a Delegate for each node",
    ),
    "span": (lambda sim, a, b: sim.advance(-1), ValueError, "span is -1, must be 0 or more seconds"),
    "long span": (lambda sim, a, b: sim.advance(float("inf")), ValueError, "span is inf, must be at most"),
    "every": (lambda sim, a, b: sim.run_until(sim.agreed, every=0), ValueError, "every is 0, must be more"),
    "condition": (lambda sim, a, b: sim.run_until(True), TypeError, "a function or a task"),  # type: ignore[arg-type]
    "timer": (lambda sim, a, b: sim.call_later(1, 2), TypeError, "calls a function"),  # type: ignore[arg-type]
    "one group": (lambda sim, a, b: sim.partition([a, b]), ValueError, "two groups or more"),
    "twice": (lambda sim, a, b: sim.partition([a], [a, b]), ValueError, "in one group only"),
    "other": (lambda sim, a, b: sim.isolate(STRANGER), ValueError, "stranger is part of another simulation"),
    "seed of other": (lambda sim, a, b: a.join([STRANGER]), ValueError, "part of another simulation"),
    "one seed": (lambda sim, a, b: a.join(b), TypeError, "seeds must be several"),
    "host name": (lambda sim, a, b: a.join(["example.com"]), ValueError, "no IP address"),
    "port": (lambda sim, a, b: a.send("10.0.0.1:0", b""), ValueError, "port from 1 to 65535"),
    "large": (lambda sim, a, b: a.broadcast(b"x" * 5000), gossip.MessageTooLargeError, "at most"),
    "meta": (lambda sim, a, b: a.update_node(b"x" * 513), gossip.MessageTooLargeError, "at most 512 fit"),
    "loss": (lambda sim, a, b: Quality(loss=1.5), ValueError, "loss is 1.5, must be a share from 0 to 1"),
    "loss type": (lambda sim, a, b: Quality(loss="1"), TypeError, "loss must be a share"),  # type: ignore[arg-type]
    "burst": (lambda sim, a, b: Bursts(begin=2, end=1), ValueError, "begin is 2, must be a share"),
    "latency": (lambda sim, a, b: Quality(latency=(2, 1)), ValueError, "latency is from 2 to 1 s"),
    "negative": (lambda sim, a, b: Quality(latency=-1), ValueError, "latency is -1, must be 0 or more"),
    "pickle": (lambda sim, a, b: pickle.dumps(sim), TypeError, "cannot be pickled"),
    "bounds": (lambda sim, a, b: Simulation().bounds(), ValueError, "without nodes"),
}


@pytest.mark.parametrize("what", MISUSES)
def test_misuse_is_said_clearly_and_changes_nothing(what: str) -> None:
    attempt, error, text = MISUSES[what]
    sim = Simulation()
    a, b = sim.spawn(2, LOCAL)
    before = sim.report()

    with pytest.raises(error, match=text):
        attempt(sim, a, b)

    assert sim.report() == before and len(sim.nodes) == 2


def test_another_thread_is_refused_while_time_passes() -> None:
    sim = Simulation()
    joined(sim, 20, LOCAL)
    errors: list[BaseException] = []
    done = threading.Event()

    def intrude() -> None:
        while not done.is_set():
            try:
                sim.advance(0.001)
            except RuntimeError as error:
                errors.append(error)
            time.sleep(0.001)

    intruder = threading.Thread(target=intrude)
    sim.call_later(0, intruder.start)
    try:
        sim.run_until(lambda: len(errors) > 3, limit=1e6, every=1)
    finally:
        done.set()
        intruder.join()

    assert all("already" in str(error) or "another thread" in str(error) for error in errors)
