"""Real nodes on loopback, for tests that want sockets."""

import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from .._config import Config, PoolConfig
from .._delegate import Delegate
from .._node import Gossip
from ..errors import GossipError

__all__ = ["FAST", "LeakError", "cluster"]

FAST: dict[str, Any] = {
    "probe_interval": 0.2,
    "probe_timeout": 0.1,
    "gossip_interval": 0.02,
    "suspicion_mult": 2,
    "suspicion_max_timeout_mult": 2,
    "push_pull_interval": 1.0,
}
"""What differs from `PoolConfig.local`: a crash is found within about two seconds."""


class LeakError(GossipError, AssertionError):
    """Descriptors or threads outlived the cluster that they belonged to."""


@contextmanager
def cluster(
    count: int = 3,
    config: PoolConfig | None = None,
    *,
    delegate: Callable[[str], Delegate] | None = None,
    timeout: float = 10.0,
    check_leaks: bool = True,
) -> Iterator[list[Gossip]]:
    """So many real nodes on loopback, on free ports, named `n000` and so on, that know each other.

    Each has one pool: of `config`, or `PoolConfig.local(1, **FAST)`. `delegate` is called with
    each node's name, and makes its delegate. `TimeoutError` if they do not find each other
    within `timeout` seconds.

    The end of the block shuts down those that are still open. Then, where the system can
    tell (Linux), sockets that were opened inside of the block and are still open, and
    threads of the library that still run, are a `LeakError`. Turn that off for a program
    that opens sockets meanwhile which are to stay.
    """
    if isinstance(count, bool) or not isinstance(count, int):
        raise TypeError(f"count must be int, not {type(count).__name__}")
    if count < 1:
        raise ValueError(f"count is {count}, must be 1 or more")
    config = PoolConfig.local(1, **FAST) if config is None else config
    before = _resources()
    with ExitStack() as stack:
        nodes = []
        for index in range(count):
            name = f"n{index:03}"
            node = Gossip(Config(name=name, bind_addr="127.0.0.1", bind_port=0))
            stack.callback(node.shutdown)
            node.register_pool(config, delegate(name) if delegate else None)
            nodes.append(node.start())
        _introduce(nodes, config.id, timeout)
        yield nodes
    if check_leaks:
        _check(before)


def _introduce(nodes: list[Gossip], id: int, timeout: float) -> None:
    """Returns when every node knows every other."""
    pools = [node.pool(id) for node in nodes]
    for pool in pools[1:]:
        pool.join([nodes[0].address], timeout=timeout)
    _wait(lambda: all(len(pool) == len(nodes) for pool in pools), timeout)
    counts = [len(pool) for pool in pools]
    if set(counts) != {len(nodes)}:
        raise TimeoutError(f"{len(nodes)} nodes don't know each other after {timeout} s: they see {counts}")


def _check(before: set[str]) -> None:
    _wait(lambda: not _resources() - before, SETTLE)
    if leaked := sorted(_resources() - before):
        raise LeakError(f"left behind {SETTLE} s after the end of the cluster: {', '.join(leaked)}")


def _resources() -> set[str]:
    """Sockets and their like, and threads of the library, as the system lists them."""
    found = {
        f"thread {thread.name} ({thread.native_id})"
        for thread in threading.enumerate()
        if thread.name.startswith("gossip") and thread.name != LOG_THREAD
    }
    for entry in _listed("/proc/self/fd"):
        try:
            target = os.readlink(f"/proc/self/fd/{entry}")
        except OSError:
            continue
        if target.startswith(("socket:", "anon_inode:", "pipe:")):
            found.add(f"descriptor {entry} ({target})")
    for entry in _listed("/proc/self/task"):
        try:
            with open(f"/proc/self/task/{entry}/comm", encoding="utf-8", errors="replace") as file:
                name = file.read().strip()
        except OSError:
            continue
        if name.startswith("gossip") and name != LOG_THREAD:
            found.add(f"thread {name} ({entry})")
    return found


def _listed(folder: str) -> list[str]:
    try:
        return os.listdir(folder)
    except OSError:
        return []


def _wait(condition: Callable[[], bool], timeout: float) -> None:
    """Until the condition holds, at most so long."""
    end = time.monotonic() + timeout
    while not condition() and time.monotonic() < end:
        time.sleep(0.005)


LOG_THREAD = "gossip-log"
"""One for the process, which stays."""

SETTLE = 5.0
"""Threads end a moment after the call that ends them, in seconds."""
