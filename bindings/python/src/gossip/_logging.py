"""What nodes log, handed to `logging` by a Python thread.

The core logs into a bounded queue and never waits. One daemon thread for the process,
started with the first node, turns records into `logging`'s, with the time at which they
happened. It looks at the levels of the loggers once a second, so `setLevel` counts at run
time, and what nobody wants is not even formatted. Only who has a node imports this, for
`logging` would be a fifth of the whole import.
"""

import logging
import os
import threading
import traceback
from typing import TYPE_CHECKING, Any
from weakref import WeakSet

from . import _core

if TYPE_CHECKING:
    from ._node import Gossip

__all__ = ["TRACE", "delegates", "flush", "follow", "nodes"]

nodes = logging.getLogger("gossip")
delegates = logging.getLogger("gossip.delegate")

# Nothing is printed of what nobody wants to hear.
nodes.addHandler(logging.NullHandler())

TRACE = 5
"""The level of `logging` for each packet, below `DEBUG`."""

_LEVELS = (logging.CRITICAL + 1, logging.ERROR, logging.WARNING, logging.INFO, logging.DEBUG, TRACE)
_NAMES = ("OFF", "ERROR", "WARNING", "INFO", "DEBUG", "TRACE")

_lock = threading.Lock()
_bridge: "_Bridge | None" = None


class _Bridge:
    """The thread that pulls, and the nodes whose level it sets."""

    def __init__(self) -> None:
        self.log = _core.Log()
        self.level = 0
        self.nodes: WeakSet[Gossip] = WeakSet()
        self.thread = threading.Thread(target=self._run, name="gossip-log", daemon=True)
        self.thread.start()

    def add(self, node: "Gossip") -> None:
        self.nodes.add(node)
        self.level = _wanted()
        _set(node, self.level, self.log)

    def _run(self) -> None:
        while True:
            self.pull(1.0)
            if (level := _wanted()) != self.level:
                self._turn_to(level)

    def _turn_to(self, level: int) -> None:
        self.level = level
        for node in list(self.nodes):
            _set(node, level, self.log)

    def pull(self, timeout: float) -> bool:
        """Waits for records and hands them over; whether there were any."""
        rows, lost = self.log.take(256, timeout)
        for row in rows:
            try:
                _hand_over(row)
            # A filter that raises must not end the log of the process.
            except Exception:
                if logging.raiseExceptions:
                    traceback.print_exc()
        if lost:
            nodes.warning("%d records dropped: handlers are too slow", lost)
        return bool(rows)


def follow(node: "Gossip") -> None:
    """Hands what this node logs to `logging`, until it ends."""
    global _bridge
    with _lock:
        if _bridge is None:
            _bridge = _Bridge()
        _bridge.add(node)


def flush() -> None:
    """Hands over what waits: at the interpreter's end, when the thread does so no more."""
    bridge = _bridge
    # Bounded: whoever logs all the time must not keep the interpreter.
    for _ in range(64):
        if bridge is None or not bridge.pull(0.0):
            return


def _in_child() -> None:
    """In a forked child: its nodes get a thread of their own."""
    global _bridge, _lock
    _bridge, _lock = None, threading.Lock()


os.register_at_fork(after_in_child=_in_child)


def _set(node: "Gossip", level: int, log: _core.Log) -> None:
    try:
        node._core.set_log(level, log)
    # It has ended meanwhile.
    except Exception:
        pass


def _wanted() -> int:
    """The most that any of our loggers lets through, as a level of the core."""
    manager = logging.root.manager
    names = [name for name in list(manager.loggerDict) if name == "gossip" or name.startswith("gossip.")]
    effective = min(logging.getLogger(name).getEffectiveLevel() for name in ["gossip", *names])
    effective = max(effective, manager.disable + 1)
    return max(level for level, number in enumerate(_LEVELS) if level == 0 or number >= effective)


def _logger(target: str, pool: int | None) -> logging.Logger:
    if pool is not None:
        return logging.getLogger(f"gossip.pool.{pool}")
    parts = target.split("::")
    return logging.getLogger(f"gossip.{parts[1]}" if len(parts) > 1 else "gossip")


def _hand_over(row: tuple[Any, ...]) -> None:
    node, level, target, message, fields, pool, time = row
    logger, number = _logger(target, pool), _LEVELS[level]
    if not logger.isEnabledFor(number):
        return
    text = f"{node}: {message} {fields}" if fields else f"{node}: {message}"
    record = logger.makeRecord(logger.name, number, target, 0, text, (), None)
    record.created, record.msecs = time, time % 1 * 1000
    record.levelname, record.threadName = _NAMES[level], "gossip"
    record.node, record.pool_id, record.event, record.fields = node, pool, message, fields
    logger.handle(record)
