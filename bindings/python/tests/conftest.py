"""Fixtures: nodes that are closed when their test ends."""

import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))

import gossip  # noqa: E402
from support import config  # noqa: E402

MakeNode = Callable[..., gossip.Gossip]


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
