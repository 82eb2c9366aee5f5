"""What the tests share: fast pools, waiting for conditions, a delegate that remembers."""

import importlib
import os
import threading
from collections.abc import Callable
from typing import Any

import pytest

import gossip

DEADLINE = 20.0
"""How long a condition may take before a test fails; nothing waits this long when all is well."""

FAST = {
    "probe_interval": 0.2,
    "probe_timeout": 0.1,
    "gossip_interval": 0.02,
    "suspicion_mult": 2,
    "suspicion_max_timeout_mult": 2,
    "push_pull_interval": 1.0,
}


def need(name: str) -> Any:
    """A package that is tested with; without it the test is skipped, and fails with CI=true."""
    try:
        return importlib.import_module(name)
    except ImportError as error:
        if os.environ.get("CI") == "true":
            pytest.fail(f"{name} is not installed: {error}")
        return pytest.skip(f"{name} is not installed")


def config(name: str, **changes: Any) -> gossip.Config:
    """A node on loopback, on a free port."""
    return gossip.Config(name=name, bind_addr="127.0.0.1", bind_port=0, **changes)


def pool_config(id: int = 1, **changes: Any) -> gossip.PoolConfig:
    """A pool whose protocol runs fast."""
    return gossip.PoolConfig.local(id, **{**FAST, **changes})


def seed(node: gossip.Gossip) -> tuple[str, int]:
    """Where to join a node."""
    return node.address


def eventually(condition: Callable[[], object], what: str = "") -> None:
    """Waits until the condition holds, or fails."""
    pause = threading.Event()
    for _ in range(int(DEADLINE / 0.01)):
        if condition():
            return
        pause.wait(0.01)
    raise AssertionError(f"did not become true in {DEADLINE} s: {what or condition}")


class Recorder(gossip.Delegate):
    """Remembers every call; `wait_for` waits for one."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, tuple[Any, ...]]] = []
        self.threads: set[threading.Thread] = set()
        self.news = threading.Condition()

    def _note(self, hook: str, *args: Any) -> None:
        with self.news:
            self.calls.append((hook, args))
            self.threads.add(threading.current_thread())
            self.news.notify_all()

    def wait_for(self, hook: str, matches: Callable[..., object] = lambda *args: True) -> tuple[Any, ...]:
        """The arguments of the first matching call, which may be yet to come."""

        def found() -> tuple[Any, ...] | None:
            return next((args for name, args in self.calls if name == hook and matches(*args)), None)

        with self.news:
            args = self.news.wait_for(found, DEADLINE)
        assert args is not None, f"no {hook} came, only {self.calls}"
        return args

    def named(self, hook: str, name: str) -> gossip.Member:
        """The member of that name for which the hook was called."""
        member: gossip.Member = self.wait_for(hook, lambda member: member.name == name)[0]
        return member

    def notify_join(self, member: gossip.Member) -> None:
        self._note("notify_join", member)

    def notify_leave(self, member: gossip.Member) -> None:
        self._note("notify_leave", member)

    def notify_update(self, member: gossip.Member) -> None:
        self._note("notify_update", member)

    def notify_conflict(self, existing: gossip.Member, other: gossip.Member) -> None:
        self._note("notify_conflict", existing, other)

    def notify_msg(self, message: gossip.Message) -> None:
        self._note("notify_msg", message)

    def merge_remote_state(self, state: bytes, join: bool) -> None:
        self._note("merge_remote_state", state, join)

    def notify_ping_complete(self, member: gossip.Member, rtt: float, payload: bytes) -> None:
        self._note("notify_ping_complete", member, rtt, payload)
