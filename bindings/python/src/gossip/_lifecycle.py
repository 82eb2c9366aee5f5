"""Nodes at the interpreter's end and in forked children.

Nothing here keeps a node alive, and importing it starts no thread and opens no
descriptor.
"""

import atexit
import contextlib
import os
from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING
from weakref import WeakSet

from . import _core

if TYPE_CHECKING:
    from ._node import Gossip

__all__ = ["opened"]

_open: "WeakSet[Gossip]" = WeakSet()


def opened(node: "Gossip") -> None:
    """Remembers a node that has something to close, and hands on what it logs."""
    _open.add(node)
    _begin()(node)


@cache
def _begin() -> Callable[["Gossip"], None]:
    """Once, for the first node: its end comes before that of `logging`, if it is registered after the import."""
    from ._logging import flush, follow

    atexit.register(_at_exit, flush)
    return follow


def _at_exit(flush: Callable[[], None]) -> None:
    _core.before_exit()
    for node in list(_open):
        if not node.closed:
            with contextlib.suppress(Exception):
                node.leave(timeout=1.0)
            with contextlib.suppress(Exception):
                node.shutdown(timeout=1.0)
    flush()


def _in_child() -> None:
    _core.after_fork_in_child()
    for node in list(_open):
        node._disown()
    _open.clear()


os.register_at_fork(after_in_child=_in_child)
