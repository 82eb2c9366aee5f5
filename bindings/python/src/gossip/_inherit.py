"""Sockets that somebody else has bound, such as a service manager."""

import os
import socket
from collections.abc import Iterable

from . import _core
from ._config import Config
from .errors import ConfigError

__all__ = ["adopt", "sockets_from_systemd"]

FIRST = 3
"""The first descriptor that systemd passes, by its protocol."""


def sockets_from_systemd(*, unset: bool = True) -> list[socket.socket]:
    """The sockets that systemd passed to this process, for `Gossip(config, sockets=...)`.

    Reads `LISTEN_PID` and `LISTEN_FDS` as `sd_listen_fds(3)` does, and makes the descriptors
    close-on-exec. With `unset` both variables and `LISTEN_FDNAMES` are removed, so that
    children do not take them for theirs. Empty if nothing was passed to this process: `or
    None` then makes the node bind its port itself. Raises `ConfigError`, with the variable as
    its field, if one makes no sense; nothing has changed then.
    """
    if "LISTEN_PID" not in os.environ or "LISTEN_FDS" not in os.environ:
        return []
    pid, count = _number("LISTEN_PID"), _number("LISTEN_FDS")
    if pid != os.getpid():
        return []
    passed: list[socket.socket] = []
    for descriptor in range(FIRST, FIRST + count):
        try:
            passed.append(socket.socket(fileno=descriptor))
        except OSError as error:
            for opened in passed:
                opened.detach()
            rule = f"promises descriptor {descriptor}, which is no socket: {error.strerror}"
            raise ConfigError("LISTEN_FDS", count, rule) from None
    for opened in passed:
        opened.set_inheritable(False)
    if unset:
        for name in ("LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"):
            os.environ.pop(name, None)
    return passed


def adopt(config: Config, sockets: list[socket.socket]) -> _core.Gossip:
    """A node over sockets that are bound already; they stay as they were if it can't be made."""
    for given in sockets:
        if not isinstance(given, socket.socket):
            raise TypeError(f"sockets must be of socket.socket, not {type(given).__name__}")
    timeouts = [given.gettimeout() for given in sockets]
    try:
        core = _core.Gossip(config._values(), _collect(sockets))
    except BaseException:
        for given, timeout in zip(sockets, timeouts, strict=True):
            given.settimeout(timeout)
        raise
    for given in sockets:
        given.close()
    return core


def _collect(sockets: Iterable[socket.socket]) -> _core.Sockets:
    """Duplicates of these sockets, on their way to a node."""
    collected = _core.Sockets()
    with socket.socket(fileno=collected.entrance()) as entrance:
        for given in sockets:
            socket.send_fds(entrance, [b"\0"], [given.fileno()])
            collected.take()
    return collected


def _number(name: str) -> int:
    text = os.environ[name]
    if not (text.isascii() and text.isdigit()):
        raise ConfigError(name, repr(text), "must be a number that is not negative")
    return int(text)
