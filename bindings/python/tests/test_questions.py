"""Questions of a pool, answered by a delegate on Python's threads."""

import logging
import threading
import time
from collections.abc import Sequence

import pytest
from conftest import MakeNode
from support import DEADLINE, Recorder, eventually, pool_config

import gossip


def test_a_delegate_keeps_strangers_out(make_node: MakeNode) -> None:
    class Guard(gossip.Delegate):
        def notify_alive(self, member: gossip.Member) -> None:
            if member.meta == b"stranger":
                raise gossip.Rejected("not one of us")

    a = make_node("a").register_pool(pool_config(), Guard())
    b = make_node("b").register_pool(pool_config(meta=b"friend"))
    c = make_node("c").register_pool(pool_config(meta=b"stranger"))

    for pool in (b, c):
        pool.join([a._node.address], timeout=DEADLINE)
    a.wait_for(lambda pool: "b" in pool, timeout=DEADLINE)
    # c tries again and again to be heard of: it is refused, not merely late.
    for _ in range(3):
        c.join([b._node.address], timeout=DEADLINE)
        b.join([a._node.address], timeout=DEADLINE)

    assert "c" not in a
    assert a.stats().callback_errors == 0


@pytest.mark.parametrize("refusal", ["raises", "returns", "rejects"])
def test_a_merge_is_refused(make_node: MakeNode, refusal: str, caplog: pytest.LogCaptureFixture) -> None:
    class Guard(gossip.Delegate):
        asked: list[str] = []

        def notify_merge(self, members: Sequence[gossip.Member]) -> None:
            self.asked = [member.name for member in members]
            if refusal == "raises":
                raise ValueError("no good")
            if refusal == "returns":
                return False  # type: ignore[return-value]
            raise gossip.Rejected("not with these")

    guard = Guard()
    a = make_node("a").register_pool(pool_config(), guard)
    b = make_node("b").register_pool(pool_config())

    with caplog.at_level(logging.ERROR, "gossip.delegate"):
        try:
            b.join([a._node.address], timeout=DEADLINE)
        except gossip.JoinError:
            pass
        eventually(lambda: a.stats().merges_refused > 0)

    assert "b" in guard.asked
    assert a.stats().callback_errors == (0 if refusal == "rejects" else 1)
    assert ("notify_merge raised" in caplog.text) == (refusal != "rejects")


def test_the_state_for_others_is_asked_for(make_node: MakeNode) -> None:
    class State(gossip.Delegate):
        def local_state(self, join: bool) -> bytes | None:
            return b"asked" if join else None

    at_b = Recorder()
    a = make_node("a").register_pool(pool_config(push_pull_interval=0.2), State())
    a.set_local_state(b"published")
    b = make_node("b").register_pool(pool_config(push_pull_interval=0.2), at_b)

    b.join([a._node.address], timeout=DEADLINE)

    assert at_b.wait_for("merge_remote_state", lambda state, join: join)[0] == b"asked"
    assert at_b.wait_for("merge_remote_state", lambda state, join: not join)[0] == b"published"


def test_a_silent_node_is_pinged_over_tcp_only_if_allowed(make_node: MakeNode) -> None:
    class Asked(gossip.Delegate):
        names: list[str] = []

        def allow_tcp_ping(self, name: str) -> bool:
            self.names.append(name)
            return False

    asked = Asked()
    a = make_node("a").register_pool(pool_config(), asked)
    other = make_node("b")
    b = other.register_pool(pool_config())
    b.join([a._node.address], timeout=DEADLINE)
    a.wait_for(2, timeout=DEADLINE)

    other.shutdown()

    eventually(lambda: "b" in asked.names)
    eventually(lambda: len(a) == 1)


def test_a_question_without_an_answer_in_time_has_its_default_and_harms_nobody(make_node: MakeNode) -> None:
    entered, release = threading.Event(), threading.Event()

    class Hanging(Recorder):
        def notify_alive(self, member: gossip.Member) -> None:
            if member.name == "b":
                entered.set()
                release.wait(DEADLINE)

    delegate = Hanging()
    a = make_node("a").register_pool(pool_config(query_timeout=0.1), delegate)
    b = make_node("b").register_pool(pool_config())
    try:
        b.join([a._node.address], timeout=DEADLINE)
        assert entered.wait(DEADLINE)
        asked = time.monotonic()
        # Told all the same, on the other thread.
        b.send(a._node.address, b"still heard", reliable=True)
        assert delegate.wait_for("notify_msg")[0].data == b"still heard"
        eventually(lambda: time.monotonic() > asked + 0.2, "the answer is late")
        assert "b" not in a
    finally:
        release.set()
    eventually(lambda: a.stats().questions_defaulted > 0)


def test_questions_are_asked_on_a_thread_of_their_own(make_node: MakeNode) -> None:
    class Curious(Recorder):
        def notify_alive(self, member: gossip.Member) -> None:
            self._note("notify_alive", member)

    delegate = Curious()
    a = make_node("a").register_pool(pool_config(), delegate)
    make_node("b").register_pool(pool_config()).join([a._node.address], timeout=DEADLINE)

    delegate.named("notify_alive", "b")
    delegate.named("notify_join", "b")
    assert {thread.name for thread in delegate.threads} == {"gossip-delegate-1", "gossip-questions-1"}


def test_the_end_and_what_was_missed_are_told(make_node: MakeNode) -> None:
    entered, release = threading.Event(), threading.Event()

    class Slow(Recorder):
        def notify_msg(self, message: gossip.Message) -> None:
            entered.set()
            release.wait(DEADLINE)

        def notify_overflow(self, dropped: int) -> None:
            self._note("notify_overflow", dropped)

        def notify_shutdown(self) -> None:
            self._note("notify_shutdown", "the end")

    delegate = Slow()
    node = make_node("a")
    a = node.register_pool(pool_config(message_queue_depth=1), delegate)
    b = make_node("b").register_pool(pool_config())
    b.send(node.address, b"first", reliable=True)
    assert entered.wait(DEADLINE)
    for _ in range(300):
        b.send(node.address, b"more")
    eventually(lambda: a.stats().messages_received > 2)

    release.set()
    assert delegate.wait_for("notify_overflow")[0] > 0
    node.shutdown()
    delegate.wait_for("notify_shutdown")


def test_one_keeps_from_pinging_over_tcp_by_name(make_node: MakeNode) -> None:
    pool = make_node("a").register_pool(pool_config())

    pool.disable_tcp_pings_for(["b", "c"])
    with pytest.raises(TypeError):
        pool.disable_tcp_pings_for("b")
