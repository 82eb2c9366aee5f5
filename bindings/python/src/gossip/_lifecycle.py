"""Nodes at the interpreter's end and in forked children.

Nothing here keeps a node alive, and importing it starts no thread and opens no
descriptor.
"""

import atexit
import contextlib
import os
from typing import TYPE_CHECKING
from weakref import WeakSet

from . import _core, _logging

if TYPE_CHECKING:
    from ._node import Gossip

__all__ = ["opened"]

_open: "WeakSet[Gossip]" = WeakSet()


def opened(node: "Gossip") -> None:
    """Remembers a node that has something to close."""
    _open.add(node)


def _at_exit() -> None:
    _core.before_exit()
    for node in list(_open):
        if not node.closed:
            with contextlib.suppress(Exception):
                node.leave(timeout=1.0)
            with contextlib.suppress(Exception):
                node.shutdown(timeout=1.0)
    _logging.flush()


def _in_child() -> None:
    _core.after_fork_in_child()
    _logging.forget()
    for node in list(_open):
        node._disown()
    _open.clear()


atexit.register(_at_exit)
os.register_at_fork(after_in_child=_in_child)
