"""Pools that change while they run: labels, encryption, keys."""

from typing import Any

from conftest import MakeNode
from support import DEADLINE, eventually, pool_config

import gossip


def joined(make_node: MakeNode, **changes: Any) -> tuple[gossip.Pool, gossip.Pool]:
    a = make_node("a").register_pool(pool_config(**changes))
    b = make_node("b").register_pool(pool_config(**changes))
    b.join([a._node.address], timeout=DEADLINE)
    a.wait_for(2, timeout=DEADLINE)
    b.wait_for(2, timeout=DEADLINE)
    return a, b


def hears(sender: gossip.Pool, receiver: gossip.Pool, text: bytes) -> bool:
    """Whether a datagram gets through, tried for a while."""
    with receiver.messages() as messages:

        def arrives() -> bool:
            sender.send(receiver.local_node, text)
            return any(message.data == text for message in messages.drain())

        eventually(arrives, f"{text!r} arrives")
    return True


def test_a_cluster_moves_to_a_label_without_a_gap(make_node: MakeNode) -> None:
    a, b = joined(make_node, framing="label:old")

    for step in ("accept_label", "speak_label", "require_label"):
        for pool in (a, b):
            getattr(pool, step)("new")
            assert hears(a, b, b"from a") and hears(b, a, b"from b")

    c = make_node("c").register_pool(pool_config(framing="label:new"))
    c.join([a._node.address], timeout=DEADLINE)
    for pool in (a, b):
        pool.wait_for(3, timeout=DEADLINE)


def test_a_label_that_cannot_be_is_refused(make_node: MakeNode) -> None:
    pool = make_node("a").register_pool(pool_config(framing="label:old"))

    for label in ("x" * 256, b"x" * 256):
        try:
            pool.accept_label(label)
        except gossip.ConfigError as refused:
            assert "255" in str(refused)
        else:
            raise AssertionError("a label of 256 bytes was taken")


def test_a_cluster_becomes_encrypted_without_a_gap(make_node: MakeNode) -> None:
    a, b = joined(make_node)
    key = bytes(range(32))

    for pool in (a, b):
        pool.set_gossip_verify(incoming=False, outgoing=False)
        pool.keyring.add(key)
    for pool in (a, b):
        pool.set_gossip_verify(incoming=False, outgoing=True)
        assert hears(a, b, b"half") and hears(b, a, b"half")
    for pool in (a, b):
        pool.set_gossip_verify(incoming=True, outgoing=True)
        assert hears(a, b, b"whole") and hears(b, a, b"whole")

    stranger = make_node("c").register_pool(pool_config())
    stranger.send(a._node.address, b"clear text")
    eventually(lambda: sum(a.stats().refused.values()) > 0)


def test_a_cluster_rotates_its_key_without_a_gap(make_node: MakeNode) -> None:
    old, new = b"o" * 16, b"n" * 32
    a, b = joined(make_node, keys=[old])

    for step in ("add", "use"):
        for pool in (a, b):
            getattr(pool.keyring, step)(bytearray(new))
            assert hears(a, b, b"x") and hears(b, a, b"x")
    for pool in (a, b):
        pool.keyring.remove(old)
        assert pool.keyring.keys() == [new] and pool.keyring.primary == new
        assert new in pool.keyring and old not in pool.keyring and len(pool.keyring) == 1
