"""A whole pool moves to another key, to encryption or to another label in one call."""

import asyncio
import pickle
import signal
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from conftest import MakeNode
from loops import Main, cancelled, until
from support import DEADLINE, Recorder, config, eventually, pool_config

import gossip
from gossip import Migrated, MigrationKind, MigrationProgress, Missing, Step, Trouble, _core, aio
from gossip.testing import Node, Simulation, seeds

OLD, NEW = b"o" * 16, b"n" * 32

PATIENT: dict[str, Any] = {"probe_interval": 600.0, "probe_timeout": 599.0, "push_pull_interval": 0}
"""For members that go away, and are not noticed to be gone."""


class Keeper(Recorder):
    """Remembers the steps that its node took."""

    def notify_migrated(self, kind: MigrationKind, step: Step, by: str) -> None:
        self._note("notify_migrated", kind, step, by)


def messengers() -> int:
    """How many threads of the library carry news of migrations."""
    names = []
    for task in Path("/proc/self/task").iterdir():
        with suppress(FileNotFoundError, ProcessLookupError):  # ended meanwhile
            names.append((task / "comm").read_text().strip())
    return names.count("gossip-progress")


def pools(make_node: MakeNode, *changes: dict[str, Any], **all_of_them: Any) -> list[gossip.Pool]:
    """Pools of the nodes `a`, `b` and so on, that know each other."""
    made = [
        make_node(name).register_pool(pool_config(**{**all_of_them, **own}))
        for name, own in zip("abcd", changes, strict=False)
    ]
    for other in made[1:]:
        other.join([made[0].local_node], timeout=DEADLINE)
    eventually(lambda: all(len(pool) == len(made) for pool in made))
    return made


def test_the_words_are_those_of_the_core() -> None:
    kinds, steps = _core.migration_words()

    assert kinds == list(MigrationKind)
    assert steps == list(Step)


def test_one_call_replaces_the_key_of_every_member(make_node: MakeNode) -> None:
    keeper = Keeper()
    a, b = pools(make_node, {}, {}, keys=[OLD])
    c = make_node("c").register_pool(pool_config(keys=[OLD]), keeper)
    c.join([a.local_node], timeout=DEADLINE)
    eventually(lambda: len(a) == len(b) == 3)
    news = b.events(Migrated)

    report = a.rotate_key(bytearray(NEW), timeout=DEADLINE)

    assert all(pool.keyring.keys() == [NEW] for pool in (a, b, c))
    assert report.is_complete and sorted(report.members) == ["a", "b", "c"]
    assert (report.kind, report.reached, report.until) == (MigrationKind.KEY, Step.REQUIRE, Step.REQUIRE)
    assert (report.missing, report.by_hand, report.lost) == ((), (), ())
    assert str(report) == report.text == "key: all 3 members have taken require"
    assert pickle.loads(pickle.dumps(report)) == report
    # Each step is told, the latest for certain.
    taken = [Migrated(pool_id=1, kind=MigrationKind.KEY, step=step, by="a") for step in Step]
    while (event := news.get(timeout=DEADLINE)) != taken[-1]:
        assert event in taken
    keeper.wait_for("notify_migrated", lambda *told: told == (MigrationKind.KEY, Step.REQUIRE, "a"))


def test_a_pool_moves_to_a_label_and_tells_how_it_goes(make_node: MakeNode) -> None:
    a, b = pools(make_node, {}, {}, remote_migration="always")
    told: list[tuple[MigrationProgress, threading.Thread]] = []

    half = a.migrate(
        label="blue",
        until="speak",
        timeout=DEADLINE,
        progress=lambda news: told.append((news, threading.current_thread())),
    )

    assert (half.reached, half.until, half.is_complete) == (Step.SPEAK, Step.SPEAK, True)
    assert {thread for _, thread in told} == {threading.current_thread()}
    taken = {(news.step, news.member) for news, _ in told if news.trouble is None}
    assert taken == {(step, name) for step in (Step.ACCEPT, Step.SPEAK) for name in "ab"}
    assert all(news.total == 2 and (news.reason is None) == (news.trouble is None) for news, _ in told)
    last = MigrationProgress(step=Step.SPEAK, member="b", trouble=None, reason=None, done=2, total=2)
    assert str(last) == "speak: b is done, 2 of 2"

    # Another member takes it up where it stopped.
    assert b.migrate(label=b"blue", timeout=DEADLINE).reached is Step.REQUIRE
    c = make_node("c").register_pool(pool_config(label="blue"))
    c.join([a.local_node], timeout=DEADLINE)


def test_a_pool_in_clear_becomes_an_encrypted_one(make_node: MakeNode) -> None:
    ready = {"keys": [NEW], "gossip_verify_incoming": False, "gossip_verify_outgoing": False}
    a, b = pools(make_node, {}, {}, **ready)
    messages = b.messages()

    assert a.migrate(encryption=NEW, timeout=DEADLINE).kind is MigrationKind.ENCRYPTION

    a.send(b.local_node, b"secret", reliable=True, timeout=DEADLINE)
    assert messages.get(timeout=DEADLINE).encrypted


def test_a_member_that_refuses_is_named_and_nothing_changes(make_node: MakeNode) -> None:
    a, b = pools(make_node, {}, {"remote_migration": "never"}, keys=[OLD])

    with pytest.raises(gossip.MigrationError, match="migration of the key: accept .* b refuses") as failed:
        a.rotate_key(NEW, timeout=DEADLINE)

    assert isinstance(failed.value, gossip.GossipError) and isinstance(failed.value, RuntimeError)
    report = failed.value.report
    assert (report.reached, report.is_complete) == (None, False)
    [missing] = report.missing
    assert missing == Missing(member="b", trouble=Trouble.REFUSED, reason=missing.reason)
    assert "remote_migration" in missing.reason and str(missing) in str(failed.value)
    assert b.keyring.keys() == [OLD] and a.keyring.primary == OLD
    again = pickle.loads(pickle.dumps(failed.value))
    assert again.report == report and str(again) == str(failed.value)


def test_a_lost_member_is_in_the_way_or_passed_over(make_node: MakeNode) -> None:
    a, b = pools(make_node, {}, {}, keys=[OLD])
    b._node.shutdown()
    eventually(lambda: len(a) == 1)

    with pytest.raises(gossip.MigrationError) as failed:
        a.rotate_key(NEW, timeout=DEADLINE)
    [missing] = failed.value.report.missing
    assert (missing.member, missing.trouble) == ("b", Trouble.LOST)

    report = a.migrate(key=NEW, without_lost=True, timeout=DEADLINE)
    assert (report.members, report.lost) == (("a",), ("b",))
    assert a.keyring.keys() == [NEW]


def test_what_cannot_be_is_refused_and_changes_nothing(make_node: MakeNode) -> None:
    [clear] = pools(make_node, {})
    secret = clear._node.register_pool(pool_config(2, keys=[OLD]))

    def refused(kind: type[Exception], text: str, pool: gossip.Pool, **wanted: Any) -> None:
        with pytest.raises(kind, match=text):
            pool.migrate(**wanted)

    refused(TypeError, "none of them", secret)
    refused(TypeError, "key and label", secret, key=NEW, label="x")
    refused(TypeError, "label must be bytes, not int", secret, label=3)
    refused(ValueError, "'all', must be one of accept, speak, require", secret, label="x", until="all")
    refused(ValueError, "timeout is -1", secret, label="x", timeout=-1)
    refused(gossip.MessageTooLargeError, "256 bytes, at most 255", secret, label="x" * 256)
    refused(gossip.KeyringError, "3 bytes, must be 16, 24 or 32", secret, key=b"xyz")
    refused(gossip.KeyringError, "not encrypted", clear, key=NEW)
    refused(gossip.KeyringError, "encrypted with another key", secret, encryption=NEW)
    assert secret.keyring.keys() == [OLD] and clear.keyring.keys() == []

    early = gossip.Gossip(config("early"))
    unstarted = early.register_pool(pool_config(keys=[OLD]))
    with pytest.raises(gossip.NotStartedError):
        unstarted.rotate_key(NEW)
    early.close()
    with pytest.raises(gossip.ClosedError):
        unstarted.rotate_key(NEW)


def test_what_progress_raises_breaks_the_migration_off(make_node: MakeNode) -> None:
    a, b = pools(make_node, {}, {}, keys=[OLD])

    def stop(news: MigrationProgress) -> None:
        raise LookupError(news.member)

    with pytest.raises(LookupError):
        a.migrate(key=NEW, timeout=600, progress=stop)
    eventually(lambda: a.stats().counters["commands_open"] == 0)
    assert OLD in a.keyring and OLD in b.keyring

    assert a.rotate_key(NEW, timeout=DEADLINE).is_complete
    assert a.keyring.keys() == b.keyring.keys() == [NEW]


def test_ctrl_c_ends_a_migration_that_waits_for_a_member(make_node: MakeNode) -> None:
    a, b = pools(make_node, {}, {}, keys=[OLD], **PATIENT)
    b._node.shutdown()

    def interrupt() -> None:
        eventually(lambda: a.stats().counters["commands_open"] == 1)
        with pytest.raises(gossip.BusyError, match="under way"):
            a.rotate_key(NEW, timeout=600)
        signal.raise_signal(signal.SIGINT)

    thread = threading.Thread(target=interrupt)
    thread.start()
    with pytest.raises(KeyboardInterrupt):
        a.rotate_key(NEW, timeout=600)
    thread.join(DEADLINE)
    eventually(lambda: a.stats().counters["commands_open"] == 0)

    with pytest.raises(gossip.MigrationError) as failed:
        a.rotate_key(NEW, timeout=0.5)
    assert [missing.member for missing in failed.value.report.missing] == ["b"]


def test_coroutines_migrate_and_are_told_on_the_loop(run: Callable[[Main], None]) -> None:
    class Told(aio.Delegate):
        def __init__(self) -> None:
            self.steps: list[tuple[MigrationKind, Step, str]] = []

        async def notify_migrated(self, kind: MigrationKind, step: Step, by: str) -> None:
            self.steps.append((kind, step, by))

    async def main() -> None:
        keeper = Told()
        async with aio.Gossip(config("a")) as a, aio.Gossip(config("b")) as b:
            at_a = a.register_pool(pool_config(keys=[OLD]))
            at_b = b.register_pool(pool_config(keys=[OLD]), keeper)
            await at_b.join([a.address])
            await until(lambda: len(at_a) == 2)
            told: list[MigrationProgress] = []

            def hear(news: MigrationProgress) -> None:
                assert asyncio.get_running_loop().is_running()
                told.append(news)

            assert (await at_a.rotate_key(NEW, timeout=DEADLINE)).is_complete
            report = await at_a.migrate(label="blue", timeout=DEADLINE, progress=hear)
            assert str(report) == "label: all 2 members have taken require"
            # The report comes behind all news.
            assert {(news.step, news.member) for news in told if news.trouble is None} == {
                (step, name) for step in Step for name in "ab"
            }
            await until(lambda: (MigrationKind.LABEL, Step.REQUIRE, "a") in keeper.steps)

            def fail(news: MigrationProgress) -> None:
                raise LookupError(news.member)

            def cancel(news: MigrationProgress) -> None:
                task.cancel()

            for kind, stop in ((LookupError, fail), (asyncio.CancelledError, cancel)):
                task = asyncio.create_task(at_a.migrate(key=OLD, timeout=600, progress=stop))
                with pytest.raises(kind):
                    await task
                assert a._calls.core.open() == 0
                await until(lambda: at_a.stats().counters["commands_open"] == 0)
            assert (await at_a.rotate_key(OLD, timeout=DEADLINE)).is_complete
            await until(lambda: messengers() == 0)

    run(main)


def test_a_cancelled_coroutine_leaves_nothing_behind(run: Callable[[Main], None]) -> None:
    async def main() -> None:
        async with aio.Gossip(config("a")) as a, aio.Gossip(config("b")) as b:
            at_a, at_b = (node.register_pool(pool_config(keys=[OLD], **PATIENT)) for node in (a, b))
            await at_b.join([a.address])
            await until(lambda: len(at_a) == 2)
            await b.shutdown()

            def under_way() -> int:
                return at_a.stats().counters["commands_open"]

            progresses: tuple[Callable[[MigrationProgress], None] | None, ...] = (None, print)
            for progress in progresses:
                await cancelled(
                    at_a.migrate(key=NEW, timeout=600, progress=progress),
                    when=lambda: under_way() and messengers() == (progress is not None),  # noqa: B023
                )
                await until(lambda: under_way() == 0)
                assert a._calls.core.open() == 0
            await until(lambda: messengers() == 0)
            with pytest.raises(gossip.MigrationError) as failed:
                await at_a.migrate(key=NEW, timeout=0.5)
            assert [missing.member for missing in failed.value.report.missing] == ["b"]
            both = await asyncio.gather(
                at_a.rotate_key(NEW, timeout=0.5), at_a.rotate_key(NEW, timeout=0.5), return_exceptions=True
            )
            # Which of them comes first is not said.
            assert {type(result) for result in both} == {gossip.MigrationError, gossip.BusyError}

    run(main)


@pytest.mark.parametrize("seed", seeds(3))
def test_a_simulated_pool_moves_and_stops_at_a_cut(seed: int) -> None:
    with Simulation(seed) as sim:
        nodes = sim.spawn(3, gossip.PoolConfig.lan(1, keys=[OLD]), delegate=lambda node: Keeper())
        a, b, c = nodes
        sim.join_all()
        sim.run_until(sim.agreed, limit=60)

        assert str(sim.wait(a.rotate_key(NEW))) == "key: all 3 members have taken require"
        for node in nodes:
            last = (MigrationKind.KEY, Step.REQUIRE, a.name)
            sim.run_until(lambda: ("notify_migrated", last) in _calls(node), limit=60)  # noqa: B023
            heard = [heard.event for heard in node.heard if isinstance(heard.event, Migrated)]
            assert [event.step for event in heard] == list(Step)

        with sim.partition([a, b], [c]), pytest.raises(gossip.MigrationError) as failed:
            sim.wait(a.migrate(label="blue", timeout=5))
        assert c.name in {missing.member for missing in failed.value.report.missing}
        sim.run_until(sim.agreed, limit=120)
        # Any other member goes on, once nobody waits for the first one to.
        sim.advance(60)
        assert sim.wait(b.migrate(label="blue")).reached is Step.REQUIRE


def _calls(node: Node) -> list[tuple[str, tuple[Any, ...]]]:
    assert isinstance(node.delegate, Keeper)
    return node.delegate.calls
