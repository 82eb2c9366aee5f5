"""Fixtures: nodes that are closed when their test ends."""

import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))

import gossip  # noqa: E402
from cli import agent  # noqa: E402
from loops import run, silent  # noqa: E402
from support import DEADLINE, config, eventually, pool_config  # noqa: E402

__all__ = ["agent", "run", "silent"]

MakeNode = Callable[..., gossip.Gossip]


# A shell that runs the tests in the background lets their processes ignore Ctrl-C, which is what some of them test.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture
def make_node() -> Iterator[MakeNode]:
    """Makes started nodes."""
    with ExitStack() as stack:

        def make(name: str, **changes: Any) -> gossip.Gossip:
            node = gossip.Gossip(config(name, **changes))
            stack.callback(node.close)
            return node.start()

        yield make


@pytest.fixture
def node(make_node: MakeNode) -> gossip.Gossip:
    """One started node."""
    return make_node("a")


@pytest.fixture
def gossiping(make_node: MakeNode) -> Iterator[gossip.Gossip]:
    """A node that gossips with another one, before a server runs and after."""
    a, b = make_node("a"), make_node("b")
    at_a, at_b = a.register_pool(pool_config()), b.register_pool(pool_config())
    messages = at_a.messages()
    at_b.join([a.address], timeout=DEADLINE)
    eventually(lambda: len(at_a) == 2)
    yield a
    assert at_b.ping(at_b.member("a"), timeout=DEADLINE) > 0
    # Also the part of gossip that goes over the same TCP port.
    at_b.send(at_b.member("a"), b"by tcp", reliable=True, timeout=DEADLINE)
    assert messages.get(timeout=DEADLINE).data == b"by tcp"
    assert len(at_a) == len(at_b) == 2
