"""Waiting as Python's sockets wait: for a time, and open to signals."""

import select
import threading
from time import monotonic

__all__ = ["deadline_of", "readable", "serves_signals"]

SLICE = 0.2
"""A signal that arrives just before the system call is served this many seconds later at most."""


def deadline_of(timeout: float | None) -> float | None:
    """When a wait of so many seconds ends."""
    return None if timeout is None else monotonic() + timeout


def serves_signals() -> bool:
    """Whether this is the thread in which Python serves signals."""
    return threading.current_thread() is threading.main_thread()


def readable(descriptor: int, deadline: float | None) -> None:
    """Waits until the descriptor is readable; `TimeoutError` once the deadline has passed.

    Signals are served meanwhile, in the main thread as everywhere in Python.
    """
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    sliced = serves_signals()
    while True:
        left = None if deadline is None else max(0.0, deadline - monotonic())
        wait = left if not sliced else SLICE if left is None else min(left, SLICE)
        # Rounded up: a wait must not spin through its last millisecond.
        if poll.poll(None if wait is None else int(wait * 1000) + (wait > 0)):
            return
        if left is not None and left <= (wait or 0.0):
            raise TimeoutError("timed out")
