"""Why a member is suspected, and what is wrong with the way to a peer."""

import asyncio
import errno
import pickle
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from conftest import MakeNode
from loops import Main, cancelled, until
from support import DEADLINE, config, eventually, pool_config

import gossip
from gossip import CheckKind, CheckResult, Finding, MemberState, PathState, _core, aio
from gossip.testing import Simulation, seeds

PATIENT: dict[str, Any] = {"probe_interval": 2.0, "probe_timeout": 1.8}
"""For members that are well: none is suspected because the machine is busy."""


@contextmanager
def silence() -> Iterator[str]:
    """An address where connections are taken in, and nothing is ever said."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield "{}:{}".format(*listener.getsockname())


def two(make_node: MakeNode, **changes: Any) -> tuple[gossip.Pool, gossip.Pool]:
    """Two pools that know each other, of the nodes `a` and `b`."""
    a, b = (make_node(name).register_pool(pool_config(**changes)) for name in "ab")
    b.join([a.local_node], timeout=DEADLINE)
    eventually(lambda: len(a) == len(b) == 2)
    return a, b


def test_the_words_are_those_of_the_core() -> None:
    paths, kinds, results, findings = _core.words()

    assert paths == list(PathState)
    assert kinds == list(CheckKind)
    assert results == list(CheckResult)
    assert [name for name, _ in findings] == list(Finding)
    assert {finding.meaning for finding in Finding} == {meaning for _, meaning in findings}


def test_a_member_is_explained_in_life_and_death(make_node: MakeNode) -> None:
    a, b = two(make_node)
    eventually(lambda: a.explain("b").path is PathState.DIRECT)

    alive = a.explain(a.member("b"))
    assert (alive.member.name, alive.member.state, alive.is_self) == ("b", MemberState.ALIVE, False)
    assert alive.heard is not None and alive.acked is not None and alive.rtt is not None
    assert alive.since >= 0 and alive.rtt > 0 and alive.observer == "a" and not alive.is_isolated
    assert (alive.dead_in, alive.buried_by) == (None, None)
    assert str(alive) == alive.text and alive.text not in repr(alive)
    assert pickle.loads(pickle.dumps(alive)) == alive
    with pytest.raises(gossip.UnknownMemberError, match="no member is named nobody"):
        a.explain("nobody")

    b._node.shutdown()
    eventually(lambda: a.explain("b").member.state is MemberState.DEAD)
    dead = a.explain("b")
    assert dead.path is PathState.CUT and dead.buried_by == "a" and dead.accusers == ("a",)
    assert dead.silence is not None
    assert (dead.silence.end, dead.silence.tcp, dead.silence.asked) == ("silent", "failed", ())
    assert dead.silence.tcp_error is not None and "refused" in dead.silence.tcp_error
    assert "taken for dead by this node" in str(dead)


def test_this_node_explains_itself(make_node: MakeNode) -> None:
    a = make_node("a").register_pool(pool_config())

    why = a.explain(a.local_node)

    assert why.is_self and why.silence is None and why.accusers == ()
    assert str(why).splitlines()[-1] == "conclusion: nobody has accused this node"


def test_a_peer_that_is_well_is_found_healthy_in_every_form_of_a_target(make_node: MakeNode) -> None:
    a, b = two(make_node, **PATIENT)
    there = b.local_node
    targets: list[gossip.Target] = [there, "b", there.endpoint, there.address, f"b/{there.endpoint}"]

    for target in targets:
        found = a.doctor(target, timeout=DEADLINE)
        assert found.is_healthy, str(found)
        assert (found.name if target not in (there.endpoint, there.address) else "b") == "b"
        assert found.address == there.address and found.member is not None and found.member.name == "b"
        assert (found.check(CheckKind.LOOKUP) is not None) == (target != "b")
        for kind in (CheckKind.TALK, CheckKind.UDP, CheckKind.UDP_FULL):
            check = found.check(kind)
            assert check is not None and check.result is CheckResult.OK and check.took, str(found)
        assert found.took > 0 and str(found).splitlines()[-1].startswith("healthy: ")
        assert pickle.loads(pickle.dumps(found)) == found


def test_what_is_wrong_is_found(make_node: MakeNode) -> None:
    plain, secret = make_node("plain"), make_node("secret")
    pool = plain.register_pool(pool_config())
    secret.register_pool(pool_config(keys=[bytes(32)]))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        closed = pool.doctor(free.getsockname(), timeout=DEADLINE)

    assert closed.findings == (Finding.NOT_LISTENING,) and not closed.is_healthy
    refused = closed.check(CheckKind.TCP_OUT)
    assert refused is not None and refused.errno == errno.ECONNREFUSED
    assert pool.doctor(secret.address, timeout=DEADLINE).findings == (Finding.KEYS_MISSING_HERE,)
    with silence() as address:
        assert pool.doctor(address, timeout=0.5).findings[0] is Finding.TCP_SILENT


def test_targets_and_times_that_cannot_be(make_node: MakeNode) -> None:
    pool = make_node("a").register_pool(pool_config())

    with pytest.raises(ValueError, match="127.0.0.1:x"):
        pool.doctor("127.0.0.1:x")
    with pytest.raises(OSError, match="nowhere.invalid"):
        pool.doctor("nowhere.invalid:1")
    with pytest.raises(ValueError, match="timeout is -1"):
        pool.doctor("127.0.0.1:1", timeout=-1)
    with pytest.raises(TypeError, match="timeout"):
        pool.doctor("127.0.0.1:1", timeout=None)  # type: ignore[arg-type]
    early = gossip.Gossip(config("early"))
    unstarted = early.register_pool(pool_config())
    with pytest.raises(gossip.NotStartedError):
        unstarted.doctor("127.0.0.1:1")
    with pytest.raises(gossip.NotStartedError):
        unstarted.explain("early")
    early.close()
    for late in (lambda: unstarted.doctor("127.0.0.1:1"), lambda: unstarted.explain("early")):
        with pytest.raises(gossip.ClosedError):
            late()


def test_ctrl_c_ends_a_doctor_and_another_may_begin(make_node: MakeNode) -> None:
    pool = make_node("a").register_pool(pool_config())
    open_commands = "commands_open"

    with silence() as address:
        at_work = threading.Event()

        def interrupt() -> None:
            eventually(lambda: pool.stats().counters[open_commands] == 1)
            with pytest.raises(gossip.BusyError, match="at work"):
                pool.doctor(address, timeout=600)
            at_work.set()
            signal.raise_signal(signal.SIGINT)

        thread = threading.Thread(target=interrupt)
        thread.start()
        with pytest.raises(KeyboardInterrupt):
            pool.doctor(address, timeout=600)
        thread.join(DEADLINE)
        assert at_work.is_set()
        eventually(lambda: pool.stats().counters[open_commands] == 0)
        assert pool.doctor(address, timeout=0.5).findings[0] is Finding.TCP_SILENT


def test_a_coroutine_examines_and_is_cancelled_without_a_trace(run: Callable[[Main], None]) -> None:
    async def main() -> None:
        async with aio.Gossip(config("a")) as a, aio.Gossip(config("b")) as b:
            at_a, at_b = a.register_pool(pool_config(**PATIENT)), b.register_pool(pool_config(**PATIENT))
            await at_b.join([a.address])
            found = await at_a.doctor("b", timeout=DEADLINE)
            assert found.is_healthy and isinstance(found, gossip.Diagnosis), str(found)
            assert at_a.explain("b").member.name == "b"
            with pytest.raises(ValueError, match="127.0.0.1:x"):
                await at_a.doctor("127.0.0.1:x")

            with silence() as address:
                await cancelled(
                    at_a.doctor(address, timeout=600), when=lambda: at_a.stats().counters["commands_open"] == 1
                )
                await until(lambda: at_a.stats().counters["commands_open"] == 0)
                both = await asyncio.gather(
                    at_a.doctor(address, timeout=0.5), at_a.doctor(address, timeout=0.5), return_exceptions=True
                )
                assert {type(result) for result in both} == {gossip.Diagnosis, gossip.BusyError}

    run(main)


@pytest.mark.parametrize("seed", seeds(3))
def test_simulated_nodes_explain_and_examine(seed: int) -> None:
    with Simulation(seed) as sim:
        a, b, c = nodes = sim.spawn(3, gossip.PoolConfig.lan(1))
        sim.join_all()
        sim.run_until(sim.agreed, limit=60)
        assert sim.wait(a.doctor(b)).findings == (Finding.HEALTHY,)

        with sim.cut(a, b):
            # Its own pings come, and ours are answered by way of the third alone.
            sim.run_until(lambda: _relayed(a.explain(b)) == (PathState.ONE_WAY, "n002"), limit=60)
            found = sim.wait(a.doctor(b)).findings
            assert Finding.UDP_OUT_BLOCKED in found and Finding.TCP_OUT_BLOCKED in found, found
        b.crash()
        sim.run_until(lambda: sim.all_see(b, MemberState.DEAD), limit=120)
        assert a.explain("n001").member.state is MemberState.DEAD and "conclusion" in str(a.explain(b))
        assert sim.wait(a.doctor(b, timeout=3)).findings[0] is not Finding.HEALTHY
        with pytest.raises(gossip.UnknownMemberError):
            c.explain("nobody")
        unfinished = c.doctor(nodes[0])
        c.crash()
        with pytest.raises(gossip.ClosedError):
            unfinished.result()


def _relayed(why: gossip.Explanation) -> tuple[PathState, str | None]:
    return why.path, why.silence and why.silence.relayed_by
