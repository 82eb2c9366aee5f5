"""Pools of nodes in one process: membership and messages."""

import logging
import threading
from typing import Any

import pytest
from conftest import MakeNode
from support import DEADLINE, Recorder, eventually, pool_config

import gossip
from gossip import MemberState


def pair(
    make_node: MakeNode, **changes: Any
) -> tuple[gossip.Pool, Recorder, gossip.Pool, Recorder]:
    """Two joined pools with their delegates; each sees both members."""
    at_a, at_b = Recorder(), Recorder()
    a = make_node("a").register_pool(pool_config(**changes), at_a)
    b_node = make_node("b")
    b = b_node.register_pool(pool_config(**changes), at_b)
    b.join([a._node.address], timeout=DEADLINE)
    eventually(lambda: len(a) == len(b) == 2, "both see both")
    return a, at_a, b, at_b


def test_two_nodes_join_and_see_each_other(make_node: MakeNode) -> None:
    a = make_node("a").register_pool(pool_config(meta=b"role=a"))
    b_node = make_node("b")
    b = b_node.register_pool(pool_config())

    result = b.join([a._node.address], timeout=DEADLINE)

    assert result.joined == (a._node.address,)
    assert not result.failed
    eventually(lambda: len(a) == len(b) == 2)
    assert [member.name for member in b] == ["a", "b"]
    assert b.member("a").meta == b"role=a"
    assert b.member("a").address == a._node.address
    assert b.member("a").state is MemberState.ALIVE
    assert "a" in b and b.member("a") in b and "c" not in b
    assert b.find("c") is None
    with pytest.raises(gossip.UnknownMemberError):
        b.member("c")
    assert b.local_node.name == b_node.node_name == "b"
    assert b.health_score == 0


def test_the_member_list_is_a_snapshot(make_node: MakeNode) -> None:
    a = make_node("a").register_pool(pool_config())
    before = a.members()

    b = make_node("b").register_pool(pool_config())
    b.join([a._node.address], timeout=DEADLINE)
    eventually(lambda: len(a.members()) == 2)

    assert [member.name for member in before] == ["a"]
    assert a.members()[0] is a.members()[0]


def test_a_join_that_reaches_nobody_says_why(node: gossip.Gossip, make_node: MakeNode) -> None:
    gone = make_node("gone")
    address = gone.address
    gone.close()
    pool = node.register_pool(pool_config())

    with pytest.raises(gossip.JoinError) as error:
        pool.join([address], timeout=DEADLINE)

    assert len(error.value.failed) == 1
    assert isinstance(error.value, ConnectionError)


def test_a_single_text_is_no_list_of_seeds(node: gossip.Gossip) -> None:
    pool = node.register_pool(pool_config())

    with pytest.raises(TypeError, match="not one"):
        pool.join("127.0.0.1:7946")


def test_a_broadcast_reaches_the_other_delegate(make_node: MakeNode) -> None:
    a, _, _, at_b = pair(make_node)

    a.broadcast(memoryview(b"to all"))

    (message,) = at_b.wait_for("notify_msg")
    assert message.data == b"to all"


def test_a_broadcast_under_a_name_replaces_an_older_one(make_node: MakeNode) -> None:
    a, _, _, at_b = pair(make_node)

    # What is queued at once: the second takes the place of the first if that still waits.
    for value in range(20):
        a.broadcast(b"value %d" % value, name="colour")

    at_b.wait_for("notify_msg", lambda message: message.data == b"value 19")
    with pytest.raises(gossip.MessageTooLargeError):
        a.broadcast(b"", name="x" * 256)


@pytest.mark.parametrize("reliable", [False, True])
def test_a_message_reaches_one_member(make_node: MakeNode, reliable: bool) -> None:
    a, _, b, at_b = pair(make_node)

    a.send(a.member("b"), b"by member", reliable=reliable)
    a.send(b._node.address, bytearray(b"by address"), reliable=reliable)

    for data in (b"by member", b"by address"):
        (message,) = at_b.wait_for("notify_msg", lambda message, data=data: message.data == data)
        assert message.reliable is reliable
        assert message.source[0] == "127.0.0.1"


def test_what_cannot_fit_is_refused_with_the_limit(make_node: MakeNode) -> None:
    a, *_ = pair(make_node)

    with pytest.raises(gossip.MessageTooLargeError) as error:
        a.broadcast(bytes(a.max_broadcast_size + 1))

    assert error.value.limit == a.max_broadcast_size
    with pytest.raises(gossip.MessageTooLargeError):
        a.update_node(bytes(513))


def test_text_is_no_message(node: gossip.Gossip) -> None:
    pool = node.register_pool(pool_config())

    with pytest.raises(TypeError):
        pool.broadcast("text")  # type: ignore[arg-type]


def test_a_leave_and_a_crash_are_told_apart(make_node: MakeNode) -> None:
    at_a = Recorder()
    a = make_node("a").register_pool(pool_config(), at_a)
    polite, crashing = make_node("polite"), make_node("crashing")
    for node in (polite, crashing):
        node.register_pool(pool_config()).join([a._node.address], timeout=DEADLINE)
    eventually(lambda: len(a) == 3)

    polite.leave(timeout=DEADLINE)
    polite.close()
    crashing.close()

    assert at_a.named("notify_leave", "polite").state is MemberState.LEFT
    assert at_a.named("notify_leave", "crashing").state is MemberState.DEAD
    eventually(lambda: len(a) == 1)


def test_the_end_of_a_with_block_is_a_goodbye(make_node: MakeNode) -> None:
    at_a = Recorder()
    a = make_node("a").register_pool(pool_config(), at_a)

    with gossip.Gossip(gossip.Config(name="b", bind_addr="127.0.0.1", bind_port=0)) as node:
        node.register_pool(pool_config()).join([a._node.address], timeout=DEADLINE)
        at_a.named("notify_join", "b")

    assert node.closed
    assert at_a.named("notify_leave", "b").state is MemberState.LEFT


def test_new_metadata_is_announced(make_node: MakeNode) -> None:
    a, at_a, b, _ = pair(make_node)

    b.update_node(b"changed", timeout=DEADLINE)

    assert at_a.named("notify_update", "b").meta == b"changed"
    assert a.member("b").meta == b"changed"


def test_published_state_and_payload_reach_the_other_side(make_node: MakeNode) -> None:
    at_a = Recorder()
    a = make_node("a").register_pool(pool_config(), at_a)
    b = make_node("b").register_pool(pool_config())
    b.set_local_state(b"state of b")
    b.set_ack_payload(b"payload of b")

    b.join([a._node.address], timeout=DEADLINE)

    assert at_a.wait_for("merge_remote_state", lambda state, join: join)[0] == b"state of b"
    member, rtt, payload = at_a.wait_for("notify_ping_complete")
    assert (member.name, payload) == ("b", b"payload of b")
    assert rtt > 0


def test_a_ping_tells_the_round_trip_time(make_node: MakeNode) -> None:
    a, _, b, _ = pair(make_node)

    assert 0 < a.ping(a.member("b"), timeout=DEADLINE) < DEADLINE
    b._node.close()
    with pytest.raises(TimeoutError):
        a.ping(("127.0.0.1", b._node.config.bind_port or 9), timeout=0.1)


def test_keys_can_be_changed_while_running(make_node: MakeNode) -> None:
    old, new = b"o" * 16, b"n" * 32
    a, _, b, at_b = pair(make_node, keys=[old])

    for step in ("add", "use"):
        for pool in (a, b):
            getattr(pool.keyring, step)(new)
    for pool in (a, b):
        pool.keyring.remove(old)
    a.broadcast(b"secret")

    assert a.keyring.keys() == [new]
    assert a.keyring.primary == new and new in a.keyring and len(a.keyring) == 1
    assert at_b.wait_for("notify_msg")[0].data == b"secret"
    with pytest.raises(gossip.KeyringError):
        a.keyring.remove(new)
    assert "nnnn" not in repr(a.keyring)


def test_a_second_pool_with_the_same_id_is_refused(node: gossip.Gossip) -> None:
    pool = node.register_pool(pool_config(7))

    with pytest.raises(gossip.RegistrationError):
        node.register_pool(pool_config(7))

    assert node.pool(7) is pool
    assert dict(node.pools) == {7: pool}
    with pytest.raises(gossip.UnknownPoolError):
        node.pool(8)


def test_a_pool_that_was_shut_down_frees_its_id(node: gossip.Gossip) -> None:
    node.register_pool(pool_config(7), Recorder()).shutdown(timeout=DEADLINE)

    again = node.register_pool(pool_config(7))

    assert node.pool(7) is again


def test_counters_count(make_node: MakeNode) -> None:
    a, _, _, at_b = pair(make_node)
    a.broadcast(b"counted")
    at_b.wait_for("notify_msg")

    stats = a.stats()

    assert stats.packets_sent > 0
    assert stats.members_alive == 2
    assert stats.callback_errors == 0
    assert stats.counters["probes"] == stats.probes
    assert stats.counters["streams_accepted"] + stats.counters["streams_connected"] > 0
    eventually(lambda: a._node.stats().packets_received > 0)
    assert a._node.stats().counters["packets_received"] > 0


def test_hooks_run_on_one_thread_of_the_pool(make_node: MakeNode) -> None:
    _, at_a, _, _ = pair(make_node)
    at_a.named("notify_join", "b")

    (thread,) = at_a.threads
    assert thread.name == "gossip-delegate-1"
    assert thread.daemon
    assert thread is not threading.main_thread()


def test_a_delegate_without_hooks_has_no_thread(node: gossip.Gossip) -> None:
    node.register_pool(pool_config(), gossip.Delegate())

    assert not [thread for thread in threading.enumerate() if thread.name.startswith("gossip-delegate")]


def test_an_exception_in_a_hook_is_logged_counted_and_over(
    make_node: MakeNode, caplog: pytest.LogCaptureFixture
) -> None:
    class Failing(Recorder):
        def notify_msg(self, message: gossip.Message) -> None:
            super().notify_msg(message)
            raise SystemExit(message.data) if message.data == b"exit" else ValueError("no good")

    at_a = Failing()
    a = make_node("a").register_pool(pool_config(), at_a)
    b = make_node("b").register_pool(pool_config())
    b.join([a._node.address], timeout=DEADLINE)

    with caplog.at_level(logging.ERROR, "gossip.delegate"):
        for data in (b"first", b"exit", b"last"):
            b.send(a._node.address, data, reliable=True)
            at_a.wait_for("notify_msg", lambda message, data=data: message.data == data)
        eventually(lambda: a.stats().callback_errors == 3)

    assert "notify_msg raised" in caplog.text
    assert "no good" in caplog.text


def test_a_hook_may_call_everything(make_node: MakeNode) -> None:
    class Replying(gossip.Delegate):
        pool: gossip.Pool

        def notify_msg(self, message: gossip.Message) -> None:
            assert self.pool.member("b") in self.pool.members()
            self.pool.ping(self.pool.member("b"), timeout=DEADLINE)
            self.pool.broadcast(b"reply to " + message.data)

    at_a, at_b = Replying(), Recorder()
    at_a.pool = make_node("a").register_pool(pool_config(), at_a)
    b = make_node("b").register_pool(pool_config(), at_b)
    b.join([at_a.pool._node.address], timeout=DEADLINE)

    b.send(at_a.pool._node.address, b"question")

    assert at_b.wait_for("notify_msg")[0].data == b"reply to question"


def test_a_hook_may_close_the_node(make_node: MakeNode) -> None:
    class Closing(gossip.Delegate):
        def __init__(self) -> None:
            self.closed = threading.Event()

        def notify_msg(self, message: gossip.Message) -> None:
            a.close()
            self.closed.set()

    delegate = Closing()
    a = make_node("a")
    a.register_pool(pool_config(), delegate)
    b = make_node("b").register_pool(pool_config())
    b.join([a.address], timeout=DEADLINE)

    b.send(a.address, b"close yourself")

    assert delegate.closed.wait(DEADLINE)
    with pytest.raises(gossip.ClosedError):
        a.pool(1).broadcast(b"too late")


def test_a_hook_that_never_returns_stalls_only_itself(make_node: MakeNode) -> None:
    entered, release = threading.Event(), threading.Event()

    class Stuck(gossip.Delegate):
        def notify_msg(self, message: gossip.Message) -> None:
            entered.set()
            release.wait(DEADLINE)

    a = make_node("a").register_pool(pool_config(), Stuck())
    at_b = Recorder()
    b = make_node("b").register_pool(pool_config(), at_b)
    b.join([a._node.address], timeout=DEADLINE)
    b.send(a._node.address, b"get stuck")
    assert entered.wait(DEADLINE)

    try:
        probes = b.stats().probes
        eventually(lambda: b.stats().probes > probes + 5, "probing goes on")
        a.update_node(b"alive and well", timeout=DEADLINE)
        assert at_b.named("notify_update", "a").meta == b"alive and well"
        assert b.member("a").state is MemberState.ALIVE
        assert not [call for call in at_b.calls if call[0] == "notify_leave"]
    finally:
        release.set()


def test_every_call_after_the_end_says_so(make_node: MakeNode) -> None:
    node = make_node("a")
    pool = node.register_pool(pool_config())

    node.close()
    node.close()

    for call in (
        lambda: pool.broadcast(b"x"),
        lambda: pool.join(["127.0.0.1:1"], timeout=1),
        lambda: node.register_pool(pool_config(2)),
        lambda: node.listen(1),
    ):
        with pytest.raises(gossip.ClosedError):
            call()
    assert isinstance(pool.members(), list)
