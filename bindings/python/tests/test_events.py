"""Subscriptions: events and messages that the application pulls."""

import dataclasses
import gc
import pickle
import selectors
import threading
import weakref

import pytest
from conftest import MakeNode
from support import DEADLINE, eventually, pool_config

import gossip
from gossip import (
    MemberJoined,
    MemberLeft,
    MemberState,
    MemberUpdated,
    Message,
    Overflow,
    PingCompleted,
    PoolEnded,
    RemoteState,
)


def told(subscription: gossip.Subscription[gossip.Event], kind: type, name: str = "") -> gossip.Event:
    """The next event of a kind, about the member of that name if one is given."""
    while True:
        event = subscription.get(timeout=DEADLINE)
        if isinstance(event, kind) and (not name or event.member.name == name):  # type: ignore[union-attr]
            return event


def test_the_life_of_a_member_is_told(make_node: MakeNode) -> None:
    pool = make_node("a").register_pool(pool_config())
    events = pool.events()
    other = make_node("b")
    b = other.register_pool(pool_config(meta=b"one"))

    b.join([pool._node.address], timeout=DEADLINE)
    joined = told(events, MemberJoined, "b")
    b.update_node(b"two", timeout=DEADLINE)
    updated = told(events, MemberUpdated, "b")
    other.leave(timeout=DEADLINE)
    left = told(events, MemberLeft, "b")

    match joined, updated, left:
        case MemberJoined(pool_id=1, member=first), MemberUpdated(member=second), MemberLeft(failed=False):
            assert (first.meta, second.meta) == (b"one", b"two")
        case _:
            pytest.fail(f"{joined} {updated} {left}")
    assert left.member.state is MemberState.LEFT


def test_a_subscription_begins_with_who_is_there(make_node: MakeNode) -> None:
    a = make_node("a").register_pool(pool_config())
    b = make_node("b").register_pool(pool_config())
    b.join([a._node.address], timeout=DEADLINE)
    eventually(lambda: len(a) == 2)

    late = a.events()
    assert {late.get(timeout=DEADLINE).member.name for _ in range(2)} == {"a", "b"}  # type: ignore[union-attr]
    assert late.try_get() is None
    assert a.events(snapshot=False).try_get() is None


def test_a_node_tells_of_all_its_pools_also_of_later_ones(make_node: MakeNode) -> None:
    node = make_node("a")
    node.register_pool(pool_config(1))
    eventually(lambda: len(node.pool(1)) == 1)

    events = node.events()
    node.register_pool(pool_config(2))

    assert told(events, MemberJoined).pool_id == 1  # type: ignore[union-attr]
    assert told(events, MemberJoined).pool_id == 2  # type: ignore[union-attr]
    node.pool(1).shutdown()
    assert told(events, PoolEnded) == PoolEnded(pool_id=1)
    assert not events.ended
    node.shutdown()
    assert list(events)[-1] == PoolEnded(pool_id=2)
    assert events.ended


def test_messages_come_in_order_with_their_source(make_node: MakeNode) -> None:
    a = make_node("a").register_pool(pool_config())
    b = make_node("b").register_pool(pool_config())
    b.join([a._node.address], timeout=DEADLINE)
    messages = a.messages()

    for number in range(5):
        b.send(a._node.address, b"%d" % number, reliable=True)
        assert messages.get(timeout=DEADLINE).data == b"%d" % number
    b.send(a._node.address, b"datagram")

    message = messages.get(timeout=DEADLINE)
    assert (message.data, message.source, message.reliable) == (b"datagram", b._node.address, False)
    assert message.pool_id == 1


def test_kinds_may_be_chosen_and_come_in_one_order(make_node: MakeNode) -> None:
    a = make_node("a").register_pool(pool_config())
    b = make_node("b").register_pool(pool_config())
    b.set_local_state(b"state of b")
    b.set_ack_payload(b"ack of b")
    events = a.events(RemoteState, PingCompleted, Message)

    b.join([a._node.address], timeout=DEADLINE)
    b.broadcast(b"hello", timeout=DEADLINE)

    seen: dict[type, gossip.Event] = {}
    for event in events:
        seen[type(event)] = event
        if len(seen) == 3:
            break
    match seen[RemoteState], seen[PingCompleted], seen[Message]:
        case RemoteState(data=state), PingCompleted(payload=payload, rtt=rtt), Message(data=data):
            assert (state, payload, data) == (b"state of b", b"ack of b", b"hello")
            assert 0 < rtt < DEADLINE
    with pytest.raises(TypeError, match="no kind of event"):
        a.events(int)  # type: ignore[arg-type]


def test_what_does_not_fit_is_counted_and_told(make_node: MakeNode) -> None:
    a = make_node("a").register_pool(pool_config())
    b = make_node("b").register_pool(pool_config())
    events, messages = a.events(Message, maxsize=2), a.messages(maxsize=2)

    for number in range(2):
        b.send(a._node.address, b"%d" % number, reliable=True)
    for number in range(3):
        with pytest.raises(gossip.NotTakenError) as error:
            b.send(a._node.address, b"more", reliable=True)
        assert error.value.reason is gossip.Refusal.QUEUE_FULL
    eventually(lambda: a.stats().messages_received == 5 and events.stats().dropped == 3)

    assert [message.data for message in messages.drain()] == [b"0", b"1"]
    assert (messages.dropped, messages.stats().pending) == (3, 0)
    assert events.get(timeout=DEADLINE) == Overflow(dropped=3)
    assert [event.data for event in events.drain()] == [b"0", b"1"]  # type: ignore[union-attr]
    b.send(a._node.address, b"later", reliable=True)
    assert events.get(timeout=DEADLINE).data == b"later"  # type: ignore[union-attr]


def test_a_selector_watches_a_subscription(make_node: MakeNode) -> None:
    a = make_node("a").register_pool(pool_config())
    b = make_node("b").register_pool(pool_config())
    with a.messages() as messages, selectors.DefaultSelector() as selector:
        selector.register(messages, selectors.EVENT_READ)
        assert selector.select(0) == []
        for data in (b"one", b"two"):
            b.send(a._node.address, data, reliable=True)
        eventually(lambda: messages.stats().pending == 2)

        assert [key.fileobj for key, _ in selector.select(DEADLINE)] == [messages]
        assert [message.data for message in messages.drain(1)] == [b"one"]
        assert selector.select(0) != []
        assert [message.data for message in messages.drain()] == [b"two"]
        assert selector.select(0) == []
        selector.unregister(messages)
    assert messages.fileno() == -1


def test_a_wait_ends_in_time_and_with_the_subscription(node: gossip.Gossip) -> None:
    messages = node.register_pool(pool_config()).messages()
    with pytest.raises(TimeoutError):
        messages.get(timeout=0.01)
    ended: list[object] = []

    def wait() -> None:
        try:
            messages.get()
        except gossip.ClosedError as error:
            ended.append(error)
        ended.append(list(messages))

    threads = [threading.Thread(target=wait, daemon=True) for _ in range(3)]
    for thread in threads:
        thread.start()
    messages.close()
    for thread in threads:
        thread.join(DEADLINE)

    assert len(ended) == 6
    assert messages.closed and messages.ended
    with pytest.raises(gossip.ClosedError):
        messages.try_get()
    assert messages.drain() == []


def test_every_subscription_hears_for_itself_and_a_forgotten_one_is_gone(make_node: MakeNode) -> None:
    a = make_node("a").register_pool(pool_config())
    b = make_node("b").register_pool(pool_config())
    forgotten, one, two = a.messages(), a.messages(), a.messages()
    gone = weakref.ref(forgotten)
    del forgotten
    gc.collect()

    b.send(a._node.address, b"to all", reliable=True)

    assert one.get(timeout=DEADLINE) == two.get(timeout=DEADLINE)
    assert gone() is None


def test_one_waits_for_members(make_node: MakeNode) -> None:
    a = make_node("a").register_pool(pool_config())
    b = make_node("b").register_pool(pool_config())

    a.wait_for(1, timeout=DEADLINE)
    with pytest.raises(TimeoutError):
        a.wait_for(2, timeout=0.05)
    b.join([a._node.address], timeout=DEADLINE)
    a.wait_for(2, timeout=DEADLINE)
    a.wait_for(lambda pool: "b" in pool, timeout=DEADLINE)


def test_the_members_of_now_are_built_once(make_node: MakeNode) -> None:
    a = make_node("a").register_pool(pool_config())
    b = make_node("b").register_pool(pool_config(meta=b"one"))
    b.join([a._node.address], timeout=DEADLINE)
    a.wait_for(2, timeout=DEADLINE)
    before = a.members()

    b.update_node(b"two", timeout=DEADLINE)
    eventually(lambda: a.member("b").meta == b"two")
    assert a.members()[0] is before[0]
    assert [member.name for member in a] == ["a", "b"]
    b._node.leave(timeout=DEADLINE)
    eventually(lambda: [member.name for member in a] == ["a"])


def test_an_interrupted_look_at_the_members_is_made_up_for(
    make_node: MakeNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    a = make_node("a").register_pool(pool_config())
    a.wait_for(1, timeout=DEADLINE)
    assert len(a.members()) == 1
    b = make_node("b").register_pool(pool_config())
    b.join([a._node.address], timeout=DEADLINE)
    a.wait_for(2, timeout=DEADLINE)

    def interrupted(fields: object) -> gossip.Member:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(gossip.Member, "_all_from_core", interrupted)
        with pytest.raises(KeyboardInterrupt):
            a.members()

    assert [member.name for member in a.members()] == ["a", "b"]


def test_events_are_frozen_values(node: gossip.Gossip) -> None:
    event = PoolEnded(pool_id=1)

    assert pickle.loads(pickle.dumps(event)) == event
    with pytest.raises(dataclasses.FrozenInstanceError):
        event.pool_id = 2  # type: ignore[misc]
    with pytest.raises(TypeError, match="pickle"):
        pickle.dumps(node.events())
