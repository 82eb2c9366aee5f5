"""Simulated clusters: faults, virtual time, applications in it, and that a seed says it all."""

import json
import os
import pickle
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import gossip
from gossip import MemberState
from gossip.testing import (
    Bursts,
    Node,
    Quality,
    Simulation,
    SimulationError,
    Tail,
    UnreachedError,
    ViolationError,
    seeds,
)

HERE = Path(__file__).parent.parent
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(HERE / "src")}
LOCAL = gossip.PoolConfig.local(1)
PATIENT = gossip.PoolConfig.lan(1, gossip_to_the_dead_time=300)
"""Does not forget the dead before they are back."""


def joined(sim: Simulation, count: int, *args: Any, **changes: Any) -> list[Node]:
    """Nodes that know each other."""
    nodes = sim.spawn(count, *args, **changes)
    sim.join_all()
    sim.run_until(sim.agreed)
    return nodes


class Chatter(gossip.Delegate):
    """Answers messages, plans, and uses chance: all that could make a run differ."""

    def __init__(self, node: Node) -> None:
        self.node = node
        self.log: list[tuple[float, str]] = []
        node.call_later(node.random.uniform(1, 3), self.speak)

    def speak(self) -> None:
        self.node.broadcast(f"{self.node.name} at {self.node.sim.now}".encode())
        self.node.call_later(self.node.random.uniform(1, 3), self.speak)

    def notify_msg(self, message: gossip.Message) -> None:
        self.log.append((self.node.sim.now, message.data.decode()))
        if self.node.random.random() < 0.2:
            self.node.send(self.node.random.choice(self.node.members()), b"heard " + message.data[:200])


def story(seed: int) -> tuple[Any, ...]:
    """A run with everything in it, as what can be seen of it."""
    sim = Simulation(seed)
    nodes = joined(sim, 8, LOCAL, delegate=Chatter)
    sim.set_quality(Quality.wan(loss=0.05, duplication=0.02, corruption=0.01))
    with sim.partition(nodes[:3], nodes[3:]):
        sim.advance(3)
    sim.random.choice(nodes).crash()
    nodes[1].pause()
    sim.call_later(2, nodes[1].resume)
    sim.advance(10)
    logs = [node.delegate.log for node in nodes]
    return sim.report(), sim.heard, logs


def test_the_same_seed_gives_the_same_trace() -> None:
    once, again, other = story(7), story(7), story(8)

    assert once == again
    assert once[0].fingerprint != other[0].fingerprint
    assert sum(len(log) for log in once[2]) > 100


def test_the_trace_is_the_same_in_another_process() -> None:
    program = (
        f"import sys; sys.path.insert(0, {str(HERE / 'tests')!r})\n"
        "from test_simulation import story; print(story(7)[0].fingerprint)"
    )
    found = subprocess.run(
        [sys.executable, "-c", program], env={**ENVIRONMENT, "PYTHONHASHSEED": "123"},
        capture_output=True, text=True, check=True,
    )  # fmt: skip

    assert int(found.stdout) == story(7)[0].fingerprint


# Faults


@pytest.mark.parametrize("seed", seeds(5))
def test_a_crash_is_found_within_the_bounds(seed: int) -> None:
    with Simulation(seed) as sim:
        nodes = joined(sim, 10)
        nodes[3].crash()

        took = sim.run_until(lambda: sim.all_see(nodes[3], MemberState.DEAD), sim.bounds().detection)

        (crash,) = sim.report().detections
        assert (crash.node, len(crash.after)) == ("n003", 9)
        assert max(crash.after) <= took <= sim.bounds().detection
        assert sim.report().false_alarms == 0
        left = [heard.event for heard in nodes[0].heard if isinstance(heard.event, gossip.MemberLeft)]
        assert [(event.member.name, event.failed) for event in left] == [("n003", True)]
        with pytest.raises(gossip.ClosedError, match="n003 is down"):
            nodes[3].members()


@pytest.mark.parametrize("seed", seeds(3))
def test_a_partition_heals(seed: int) -> None:
    with Simulation(seed) as sim:
        nodes = joined(sim, 8, PATIENT)
        sides = nodes[:3], nodes[3:]
        with sim.partition(*sides):
            sim.run_until(lambda: all(len(node) == len(side) for side in sides for node in side))
            assert sim.state(nodes[0], nodes[5]) is MemberState.DEAD

        sim.wait(nodes[7].join(nodes[:1]))
        sim.run_until(sim.agreed, sim.bounds().agreement)
        assert all(len(node) == 8 for node in nodes)


def test_one_way_cuts_and_isolation_end_when_they_are_healed() -> None:
    sim = Simulation()
    a, b, c = joined(sim, 3, PATIENT)
    deaf = sim.cut(a, b)
    a.send(b, b"lost")
    b.send(a, b"heard")
    sim.advance(0.1)
    assert (len(a.messages), len(b.messages)) == (1, 0)
    deaf.heal()

    alone = sim.isolate(c)
    sim.run_until(lambda: sim.all_see(c, MemberState.DEAD) or sim.state(c, a) is MemberState.DEAD)
    alone.heal()
    alone.heal()
    sim.wait(c.join([a]))
    sim.run_until(sim.agreed, sim.bounds().agreement)


@pytest.mark.parametrize(
    "quality",
    [
        Quality.lan(loss=0.25),
        Quality.lan(bursts=Bursts(begin=0.02, end=0.2)),
        Quality(latency=Tail(0.005, 0.02), duplication=0.1, corruption=0.02),
    ],
    ids=["loss", "bursts", "damage"],
)
def test_news_reach_all_on_bad_links(quality: Quality) -> None:
    with Simulation(3) as sim:
        sim.set_quality(quality)
        nodes = sim.spawn(10)
        for task in sim.join_all():
            sim.wait(task)
        sim.run_until(sim.converged, sim.bounds().agreement)
        nodes[4].update_node(b"news")

        sim.run_until(
            lambda: all(node.member("n004").meta == b"news" for node in nodes), 10 * sim.bounds().spread
        )

        sim.advance(30)
        assert sim.report().traffic.dropped + sim.report().traffic.corrupted > 0


def test_links_have_a_quality_of_their_own() -> None:
    sim = Simulation()
    a, b = joined(sim, 2, LOCAL)
    sim.set_quality_between(a, b, Quality(latency=0.15))
    start = sim.now

    took = sim.wait(a.ping(b))

    assert 0.15 < took < 0.152
    assert sim.now - start >= took
    assert a.traffic.datagrams > 0


def test_a_paused_node_is_declared_dead_and_refutes() -> None:
    sim = Simulation(1)
    nodes = joined(sim, 5, PATIENT)
    sleeper, rung = nodes[2], []
    sleeper.call_later(1, lambda: rung.append(sim.now))
    before = sim.now
    sleeper.pause()
    sim.run_until(lambda: sim.all_see(sleeper, MemberState.DEAD))
    assert sleeper.is_up and sleeper.is_paused and not rung
    with pytest.raises(RuntimeError, match="n002 is paused"):
        sleeper.broadcast(b"in its sleep")

    sleeper.resume()
    resumed = sim.now
    sim.run_until(sim.agreed, sim.bounds().agreement)

    assert rung == [resumed] and resumed > before + 1
    assert sleeper.local_node.incarnation > 0


class Counter(gossip.Delegate):
    """Remembers what no other process would."""

    def __init__(self, node: Node) -> None:
        self.ticks = 0
        self.node = node
        node.call_later(1, self.tick)

    def tick(self) -> None:
        self.ticks += 1
        self.node.call_later(1, self.tick)


def test_a_restart_is_a_new_process_with_a_new_application() -> None:
    sim = Simulation(2)
    a, b, _ = joined(sim, 3, LOCAL, delegate=Counter)
    sim.advance(5.5)
    old = b.delegate
    task, timer = b.ping(a), b.call_later(0.1, lambda: pytest.fail("a timer of a dead process"))

    b.crash()
    assert task.done and not timer.pending
    with pytest.raises(gossip.ClosedError, match="n001 crashed before the end"):
        task.result()
    sim.advance(2)
    b.restart()

    assert b.delegate is not old and old.ticks >= 5
    sim.advance(0.5)
    assert [member.name for member in b] == ["n001"]
    assert [heard.event for heard in b.heard] == [
        gossip.MemberJoined(pool_id=LOCAL.id, member=b.local_node)
    ]
    sim.wait(b.join([a]))
    sim.run_until(sim.agreed)
    address = b.address
    b.restart(elsewhere=True)
    assert b.address != address
    sim.wait(b.join([a]))
    sim.run_until(sim.agreed, sim.bounds().agreement + 60)
    assert old.ticks < 10


# Commands


def test_commands_take_virtual_time_and_end_as_those_of_a_pool() -> None:
    sim = Simulation(4)
    a, b, c = joined(sim, 3, LOCAL)

    update = b.update_node(b"role=web")
    assert not update.done
    with pytest.raises(RuntimeError, match="under way"):
        update.result()
    assert sim.wait(update) is None
    assert a.member("n001").meta == b"role=web"
    sent = a.send(b, b"surely", reliable=True)
    assert sim.wait(sent) is None
    sim.advance(0.1)
    (message,) = b.messages
    assert (message.data, message.reliable, message.source[0]) == (b"surely", True, a.address[0])
    assert 0.0004 <= sim.wait(a.ping(a.member("n001"))) <= 0.003

    c.leave()
    sim.run_until(lambda: sim.all_see(c, MemberState.LEFT))
    with pytest.raises(gossip.NotJoinedError):
        c.update_node(b"late")
    assert sim.wait(c.join(["10.0.0.1", b])).joined == (a.address, b.address)
    sim.run_until(sim.agreed)

    b.crash()
    with pytest.raises(TimeoutError):
        sim.wait(a.ping(b))
    with pytest.raises(OSError, match="refused"):
        sim.wait(a.send(b, b"x", reliable=True))
    start = sim.now
    with pytest.raises(TimeoutError):
        sim.wait(a.ping(b, timeout=3))
    assert 3 <= sim.now - start < 3.1
    d = sim.spawn_one("db")
    with pytest.raises(gossip.JoinError, match="10.9.9.9") as error:
        sim.wait(d.join([("10.9.9.9", 7946), b]))
    assert len(error.value.failed) == 2
    assert d.counters["probes"] == 0 and d.health_score == 0


def test_nodes_look_as_pools_do() -> None:
    sim = Simulation(5)
    a, b = joined(sim, 2, gossip.PoolConfig.local(9, meta=b"m"))

    assert (a.id, a.config.id, a.name, a.address) == (9, 9, "n000", ("10.0.0.1", 7946))
    assert len(a) == 2 and b in a and "n001" in a and a.member("n001") in a and "x" not in a
    assert a.find("x") is None and a.local_node.meta == b"m"
    with pytest.raises(gossip.UnknownMemberError, match="n000 knows no member 'x'"):
        a.member("x")
    assert list(sim.nodes) == ["n000", "n001"] and sim.nodes["n000"] is a
    assert "n000 up" in repr(a) and "2 nodes" in repr(sim)


def test_configurations_are_those_of_real_pools() -> None:
    sim = Simulation(6)
    secret = LOCAL.replace(keys=[b"k" * 16], label="blue")
    a, b = sim.spawn_one("a", secret), sim.spawn_one("b", secret)
    strangers = [sim.spawn_one("c", LOCAL.replace(keys=[b"x" * 16], label="blue")), sim.spawn_one("d", LOCAL)]

    sim.wait(b.join([a]))
    for stranger in strangers:
        with pytest.raises(gossip.JoinError):
            sim.wait(stranger.join([a]))

    assert [member.name for member in a] == ["a", "b"]
    assert sim.spawn_one(config=LOCAL.replace(name="e")).name == "e"


# Applications


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
    assert "repeat with: GOSSIP_SEED=12 python -m pytest 'tests/test_simulation.py::" in text
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


def test_a_hundred_nodes_are_quick() -> None:
    """A fifth of the ten minutes of which the manual speaks; its limit is generous, as debug builds run it too."""
    began = time.monotonic()
    with Simulation() as sim:
        joined(sim, 100)
        sim.advance(120)
        assert sim.report().false_alarms == 0 and sim.agreed()

    assert time.monotonic() - began < 240


def test_a_journal_is_values_that_can_be_kept() -> None:
    sim = Simulation()
    a, b = joined(sim, 2, LOCAL)
    a.send(b, json.dumps({"a": 1}).encode())
    sim.advance(2)

    first = [(heard.node, type(heard.event)) for heard in sim.heard[:2]]
    assert first == [("n000", gossip.MemberJoined), ("n001", gossip.MemberJoined)]
    assert [json.loads(message.data) for message in b.messages] == [{"a": 1}]
    assert sim.heard == sim.heard and sim.heard[-1].at <= sim.now
